/** Servers of the version before and of this one on one database, as while they are replaced one after the other. LONG only, and needs a checkout of that version. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createDatabase } from './kit/engine.ts';
import { createPerson, type Item, type Person } from './kit/person.ts';
import { type ServerProcess, startProcess } from './kit/process.ts';
import { temporaryFolder } from './kit/server.ts';
import { eventCursor, seqsTo, until } from './promises/kit.ts';

const from = process.env.UPGRADE_FROM ?? '';
const newMessages = `subscription ($after: EventCursor) { newMessages(after: $after) { __typename
  ... on MessageAdded { cursor message { seq text } } } }`;
const migrationsIn = (checkout: string): string[] => readdirSync(join(checkout, 'prisma/migrations/postgresql'));

it('servers that are replaced one after the other lose no message, no stream and no session', async (context) => {
  if (!process.env.LONG || from === '') context.skip('needs LONG=1, and UPGRADE_FROM: the folder of a checkout of the version before, installed with npm ci');
  await using folder = await temporaryFolder();
  const DATABASE_URL = await createDatabase({ empty: true });
  const start = (checkout?: string): Promise<ServerProcess> =>
    startProcess({ DATA_DIR: folder.path, DATABASE_URL, NODE_POLL_MS: '500' }, checkout === undefined ? {} : { checkout });
  await using one = await start(from);
  await using two = await start(from);
  const live = [one.url, two.url];
  const places = [{ url: one.url }, { url: two.url }, { url: one.url }, { url: two.url }] as const;
  const people = await Promise.all(places.map((place) => createPerson(place)));
  const [ada, ben, cid, dee] = people as [Person, Person, Person, Person];
  const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cid.id }, { id: dee.id }] });
  let over = false;
  const acknowledged: string[] = [];
  /** Sends one message after the other, each until it is acknowledged, wherever somebody is. */
  const write = async (who: Person, place: { url: string }): Promise<void> => {
    for (let count = 0; !over; count++) {
      const text = `${who.username} ${count}`;
      for (let at = 0; ; at++) {
        const sent = await who.send(room, text, text).catch(() => null);
        if (sent) break;
        await sleep(50);
        place.url = live[at % live.length] as string;
      }
      acknowledged.push(text);
    }
  };
  /** Follows, and comes back with the last cursor whenever a stream ends. */
  const read = async (who: Person, place: { url: string }, seen: Item[]): Promise<void> => {
    let after = await eventCursor(who);
    ready++;
    for (let at = 0; !over; at++) {
      const stream = await who.follow(newMessages, { after }).catch(() => null);
      while (stream && !stream.over && !over) await sleep(20);
      seen.push(...(stream?.items ?? []));
      after = seen.findLast(({ cursor }) => cursor)?.cursor ?? after;
      place.url = live[at % live.length] as string;
      if (!stream) await sleep(50);
    }
  };
  let ready = 0;
  const seen: [Item[], Item[]] = [[], []];
  const readers = [read(cid, places[2], seen[0]), read(dee, places[3], seen[1])];
  await until(() => ready === 2, 'nobody reads');
  const writers = [write(ada, places[0]), write(ben, places[1])];
  const more = async (): Promise<void> => {
    const wanted = acknowledged.length + 100;
    await until(() => acknowledged.length >= wanted, 'nobody can write', 30_000);
  };
  const replace = async (old: ServerProcess): Promise<ServerProcess> => {
    live.splice(live.indexOf(old.url), 1);
    old.kill('SIGTERM');
    await old.ended();
    const next = await start();
    expect([next.url, next.output.error]).toEqual([expect.stringMatching(/^http/), '']);
    live.push(next.url);
    return next;
  };
  await more();
  await using first = await replace(one);
  await more();
  // Of two versions now. What one does, the other knows.
  const eve = await createPerson({ url: two.url });
  const onNew = await createPerson(first);
  expect(await eve.send({ username: onNew.username }, 'from the old')).toMatchObject({ duplicate: false });
  expect(await onNew.send({ username: eve.username }, 'from the new')).toMatchObject({ message: { seq: 2 } });
  await onNew.must('mutation { logout { __typename } }');
  const answer = await fetch(`${two.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${onNew.token}` },
    body: JSON.stringify({ query: '{ eventCursor }' }),
  });
  expect(await answer.json()).toMatchObject({ errors: [{ extensions: { code: 'TOKEN_INVALID' } }] });
  // There is no way back but a backup.
  if (migrationsIn('.').length > migrationsIn(from).length) {
    await using late = await start(from);
    expect([late.url, late.output.error]).toEqual(['', expect.stringContaining('newer than this program')]);
  }
  await more();
  await using second = await replace(two);
  await more();
  expect(live).toEqual([first.url, second.url]);
  over = true;
  await Promise.all([...writers, ...readers]);
  const last = await createPerson(second);
  expect(last.id).toBeTruthy();
  for (const [who, items] of [
    [cid, seen[0]],
    [dee, seen[1]],
  ] as const) {
    const rest = await who.follow(newMessages, { after: items.findLast(({ cursor }) => cursor)?.cursor });
    const messages = [...items, ...(await rest.until('CaughtUp'))].flatMap(({ message }) => (message ? [message] : []));
    expect(messages.map(({ seq }) => seq)).toEqual(seqsTo(acknowledged.length));
    expect(messages.map(({ text }) => text).toSorted()).toEqual(acknowledged.toSorted());
    expect([...items, ...rest.items].filter(({ __typename }) => __typename === 'StreamGap')).toEqual([]);
  }
  await Promise.all([...people, eve, onNew, last].map((person) => person.close()));
});
