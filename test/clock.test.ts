/** Machines have their clocks set. What takes time takes it all the same, what ends at a moment ends when the clock says so, and no order comes from it. */
import { globSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createPerson, type Item, type Person, request, type Untyped } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { temporaryFolder } from './kit/server.ts';
import { until } from './promises/kit.ts';

const preload = new URL('kit/clock.ts', import.meta.url).href;

it('a clock that is set back or forward ends nothing before its time, and takes no chat back', async () => {
  await using folder = await temporaryFolder();
  const offset = join(folder.path, 'offset');
  await writeFile(offset, '0');
  await using server = await startProcess({
    DATA_DIR: folder.path,
    CLOCK_OFFSET: offset,
    NODE_OPTIONS: `--import=${preload}`,
    HEARTBEAT_SECONDS: '1',
    ACCESS_TOKEN_SECONDS: '300',
    PRESENCE_ACTIVITY_SECONDS: '2',
    PRESENCE_GRACE_SECONDS: '1',
  });
  const ana = await createPerson(server);
  const ben = await createPerson(server);
  const clockOf = async (): Promise<number> => Date.parse((await request(server, '{ serverInfo { time } }')).data?.serverInfo.time);
  const setClock = async (ms: number): Promise<void> => {
    await writeFile(offset, String(ms));
    server.kill('SIGUSR2');
    await until(async () => Math.abs((await clockOf()) - Date.now() - ms) < 5_000, 'the clock was not set');
  };
  const [older, newer] = [await ana.createRoom({ members: [{ id: ben.id }] }), await ana.createRoom({ members: [{ id: ben.id }] })];
  await ana.send(older, 'first');
  await ana.send(newer, 'second');
  const before = await chatsOf(ben);
  expect(before.map(({ id }) => id)).toEqual([newer.id, older.id]);
  using stream = await openStream(ben, server.url);

  await ana.must('mutation { reportActivity { __typename } }');
  await setClock(-60_000);
  stream.items.length = 0;
  await stream.until((item) => item.__typename === 'Heartbeat');
  await ana.send(older, 'third');
  await stream.until((item) => item.message?.text === 'third');
  await stream.until((item) => item.__typename === 'Heartbeat');
  const after = await chatsOf(ben);
  expect(after.map(({ id }) => id)).toEqual([older.id, newer.id]);
  for (const chat of after) expect(chat.lastActivityAt >= (before.find(({ id }) => id === chat.id) as Untyped).lastActivityAt).toBe(true);
  // Activity lasts for its two seconds and the grace, not for a minute more.
  await until(
    async () => !(await ben.must('query ($id: ID!) { node(id: $id) { ... on User { presence { online } } } }', { id: ana.id })).node.presence.online,
    'nobody goes offline while the clock is behind',
    10_000,
  );

  await setClock(60_000);
  stream.items.length = 0;
  await ana.send(newer, 'fourth');
  await stream.until((item) => item.message?.text === 'fourth');
  await stream.until((item) => item.__typename === 'Heartbeat');
  expect(stream.items.some((item) => item.__typename === 'SessionEnded')).toBe(false);

  // A token is over when the clock says so, on a stream as in a request.
  await setClock(3_600_000);
  const end = await stream.until((item) => item.__typename === 'SessionEnded');
  expect(end).toMatchObject({ endReason: 'TOKEN_EXPIRED', retry: true });
  expect((await ben.request('{ eventCursor }')).errors?.[0]?.extensions.code).toBe('TOKEN_EXPIRED');
});

/** Whoever takes two readings of the wall clock for the time between them is wrong as soon as somebody sets it. */
it('no elapsed time is taken from a clock that can be set', () => {
  // Both hold something that was dated by another process: a file, and an event of the log.
  const dated = ['src/files/blobs.ts', 'src/metrics.ts'];
  const suspicious = /Date\.now\(\)\s*[-+<>]|[-+<>]=?\s*Date\.now\(\)|(?:=|\?\?=|:)\s*Date\.now\(\)/;
  const found = globSync('src/**/*.ts', { exclude: ['src/storage/generated/**', 'src/transport/**'] })
    .filter((file) => !dated.includes(file))
    .flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, index) => (suspicious.test(line) && !moments.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
    );
  expect(found).toEqual([]);
});

/** An HTTP date is a moment of the wall clock: what is left until then is asked of it. */
const moments = /Date\.parse\(/;

const chatsOf = async (person: Person): Promise<Untyped[]> => (await person.must('{ chats(first: 10) { nodes { id lastActivityAt } } }')).chats.nodes;

/** The events of a person over Server-Sent Events. */
async function openStream(person: Person, url: string) {
  const aborting = new AbortController();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${person.token}`, 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({ query: 'subscription { events { __typename ... on MessageAdded { message { text } } ... on SessionEnded { endReason retry } } }' }),
    signal: aborting.signal,
  });
  const items: Item[] = [];
  const reading = (async () => {
    let text = '';
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = /^data: (.+)$/m.exec(block)?.[1];
        if (data) items.push(JSON.parse(data).data.events);
      }
    }
  })().catch(() => {});
  return {
    items,
    async until(fits: (item: Item) => boolean): Promise<Item> {
      await until(
        () => items.some(fits),
        () => `not in ${JSON.stringify(items)}`,
        8_000,
      );
      return items.find(fits) as Item;
    },
    [Symbol.dispose](): void {
      aborting.abort();
      void reading;
    },
  };
}
