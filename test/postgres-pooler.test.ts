/** PostgreSQL behind a pooler that gives each transaction a connection of its own. */
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { createDatabase } from './kit/engine.ts';
import { at, followOn } from './kit/nodes.ts';
import type { Item, Untyped } from './kit/person.ts';
import { pgbouncer, startPooler } from './kit/pooler.ts';
import { startTestServer } from './kit/server.ts';

const newMessages = 'subscription { newMessages { __typename ... on MessageAdded { message { seq text } } } }';

async function run(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(statement);
  await client.end();
}

describe.skipIf(!pgbouncer)(`PgBouncer in transaction mode${pgbouncer ? '' : ' (skipped: not installed)'}`, () => {
  it('two servers behind it share few connections, number and deliver everything, and live through a restart', async () => {
    const database = await createDatabase({ empty: true });
    await run(database, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''UTC''', current_database()); END $$`);
    await using pooler = await startPooler(database, ['ignore_startup_parameters = options']);
    const settings = { DATABASE_URL: pooler.url, NODE_POLL_MS: '200' };
    await using first = await startTestServer(settings);
    await using second = await startTestServer(settings);
    const [ada, ben] = [await first.person(), await second.person()];
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const stream = await followOn(second, ben, newMessages, {});
    const write = 'mutation ($i: SendMessageInput!) { sendMessage(input: $i) { ... on SendMessagePayload { message { seq } } } }';
    const say = async (who: typeof ada, node: typeof first, text: string): Promise<number> =>
      (await at(node, who).request(write, { i: { to: { chatId: room.id }, text } })).data.sendMessage.message.seq;
    const seqs = await Promise.all(Array.from({ length: 60 }, (_, index) => say(index % 3 ? ada : ben, index % 2 ? first : second, `word ${index}`)));
    expect(seqs.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
    await expect.poll(() => stream.items.length).toBe(60);
    expect(stream.items.map((item: Item) => item.message.seq)).toEqual(seqs);
    // Nothing is heard of the other: who is there is read with the next heartbeat.
    const presenceOf = async (): Promise<string> =>
      (await at(first, ada).request('query ($id: ID!) { user(ref: { id: $id }) { presence { state } } }', { id: ben.id })).data.user.presence.state;
    if (process.env.LONG) await expect.poll(presenceOf, { timeout: 12_000 }).toBe('ONLINE');
    await second.restart();
    const again = await followOn(second, ben, newMessages, {});
    await say(ada, first, 'after the restart');
    const { message } = (await again.next((item: Item) => item.message?.text === 'after the restart')) as Untyped;
    expect(message.seq).toBe(61);
  });

  it('is told what it must be told, and a database whose times would be wrong is refused', async () => {
    const database = await createDatabase({ empty: true });
    const start = async (settings: string[]): Promise<unknown> => {
      await using pooler = await startPooler(database, settings);
      return await startTestServer({ DATABASE_URL: pooler.url }).then(
        (server) => server[Symbol.asyncDispose](),
        ({ message }) => message,
      );
    };
    expect(await start([])).toMatch(/ignore_startup_parameters = options/);
    await run(database, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Europe/Berlin''', current_database()); END $$`);
    expect(await start(['ignore_startup_parameters = options'])).toMatch(/SET timezone = 'UTC'/);
  });
});
