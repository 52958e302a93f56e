/** How nodes on one database wake each other: by LISTEN and NOTIFY, as a hint. Here they look for themselves once a minute, so that what comes in time came by it. */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { expect, it } from 'vitest';
import { createDatabase } from './kit/engine.ts';
import { followOn } from './kit/nodes.ts';
import { createPerson, type Item } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { startTestServer, temporaryFolder } from './kit/server.ts';

const newMessages = 'subscription ($after: EventCursor) { newMessages(after: $after) { __typename ... on MessageAdded { cursor message { text } } } }';
const said = (text: string) => (item: Item) => item.message?.text === text;

async function startPair() {
  const first = await startTestServer({ NODE_POLL_MS: '60000' });
  const second = await startTestServer({ NODE_POLL_MS: '60000', DATABASE_URL: first.app.config.DATABASE_URL });
  const admin = new pg.Client(first.app.config.DATABASE_URL);
  await admin.connect();
  admin.on('error', () => {});
  const listeners = async (): Promise<number[]> =>
    (await admin.query(`SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tertulia-listener' AND query <> '' ORDER BY pid`)).rows.map(
      ({ pid }) => pid,
    );
  await expect.poll(async () => (await listeners()).length, { timeout: 5_000 }).toBe(2);
  return {
    first,
    second,
    admin,
    listeners,
    async [Symbol.asyncDispose](): Promise<void> {
      await admin.end();
      await second[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
    },
  };
}

it('a node hears at once of what another has written, and keeps one connection for it', async () => {
  await using pair = await startPair();
  const [ada, bob] = [await pair.first.person(), await pair.second.person()];
  const stream = await followOn(pair.second, bob, newMessages, {});
  for (const text of ['one', 'two', 'three']) {
    await ada.send({ username: bob.username }, text);
    await stream.next(said(text));
  }
  await Promise.all([...Array(50)].map((_, index) => ada.send({ username: bob.username }, `many ${index}`)));
  await expect.poll(() => stream.items.length).toBe(53);
  expect(await pair.listeners()).toHaveLength(2);
});

it('a node whose listening connection is cut misses nothing, and is woken again', async () => {
  await using pair = await startPair();
  const [ada, bob] = [await pair.first.person(), await pair.second.person()];
  const stream = await followOn(pair.second, bob, newMessages, {});
  for (let round = 0; round < 3; round++) {
    const before = await pair.listeners();
    await pair.admin.query('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid', [before]);
    await ada.send({ username: bob.username }, `cut ${round}`);
    await stream.next(said(`cut ${round}`));
    await expect.poll(async () => (await pair.listeners()).filter((pid) => !before.includes(pid)).length, { timeout: 5_000 }).toBe(2);
    await ada.send({ username: bob.username }, `again ${round}`);
    await stream.next(said(`again ${round}`));
  }
});

it('a message from another node is read and filled once, however many follow', async () => {
  await using pair = await startPair();
  const ada = await pair.first.person();
  const [one, many] = [await pair.second.people(1), await pair.second.people(40)];
  const document =
    'subscription { events { __typename ... on StreamEvent { cursor } ... on MessageAdded { message { id seq text status sender { id displayName } chat { id } } } } }';
  const counts: number[] = [];
  for (const followers of [one, many]) {
    const room = await ada.createRoom({ members: followers.map(({ id }) => ({ id })) });
    const streams = await Promise.all(followers.map((person) => person.follow(document)));
    const tries: number[] = [];
    // What a server does by itself every few seconds only ever adds to them; what it does after a message, as the worker of pushes, is over before the next.
    for (let round = 0; round < 8; round++) {
      const before = await whenQuiet(pair.second.app.db.statements);
      await ada.send(room, `round ${round}`);
      for (const stream of streams) await stream.next(said(`round ${round}`));
      tries.push(pair.second.app.db.statements.count - before);
    }
    counts.push(Math.min(...tries));
  }
  expect(counts[1]).toBe(counts[0]);
  // The log, the message (which is announced, and notifies), its sender, its chat, its status. Which of its readers want no word of it is known from the message before.
  expect(counts[0]).toBeLessThanOrEqual(5);
});

/** The count, once it has not moved for a while. */
async function whenQuiet(statements: { readonly count: number }): Promise<number> {
  for (;;) {
    const { count } = statements;
    await sleep(150);
    if (statements.count === count) return count;
  }
}

it('a node says that nobody can wake it where LISTEN does not reach PostgreSQL, and hears all the same', async () => {
  await using folder = await temporaryFolder();
  const url = await createDatabase();
  await using pooler = await openPooler(url);
  await using first = await startTestServer({ DATA_DIR: folder.path, DATABASE_URL: url, NODE_POLL_MS: '60000' });
  await using second = await startProcess({ DATA_DIR: folder.path, DATABASE_URL: pooler.url, NODE_POLL_MS: '500', LOG_LEVEL: 'info' });
  await expect.poll(() => second.output.out, { timeout: 8_000 }).toContain('other servers cannot wake this one');
  const ada = await first.person();
  const bob = await createPerson(second);
  const stream = await bob.follow(newMessages, {});
  await ada.send({ username: bob.username }, 'looked for');
  await stream.next(said('looked for'));
  await bob.close();
});

/** A line to PostgreSQL on which no notification comes through, as behind a pooler that gives each transaction a connection of its own. */
async function openPooler(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const { port, hostname } = target;
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => [client, server].map((each) => each.destroy()));
    }
    client.pipe(server);
    let waiting = Buffer.alloc(0);
    server.on('data', (bytes) => {
      waiting = Buffer.concat([waiting, bytes]);
      // Each message is a letter, its length, and what it says.
      while (waiting.length >= 5 && waiting.length > waiting.readUInt32BE(1)) {
        const length = waiting.readUInt32BE(1) + 1;
        if (waiting[0] !== 'A'.charCodeAt(0)) client.write(waiting.subarray(0, length));
        waiting = waiting.subarray(length);
      }
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  target.port = String((proxy.address() as { port: number }).port);
  return {
    url: target.href,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
