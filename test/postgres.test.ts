/** What only a PostgreSQL can do to a server: cut connections, go away and come back, lock, and run out of connections. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { startPostgres } from '../scripts/embedded-postgres.ts';
import { createDatabase } from './kit/engine.ts';
import { createPerson, type Person, type Untyped } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { startTestServer, type TestServer, temporaryFolder } from './kit/server.ts';

const rounds = process.env.LONG ? 10 : 1;
const newMessages = `subscription ($after: EventCursor) { newMessages(after: $after) { __typename
  ... on MessageAdded { cursor replayed message { seq text } } ... on CaughtUp { replayedCount } } }`;
const sendDocument = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename
  ... on SendMessagePayload { duplicate message { seq text } } ... on UserError { code } } }`;

/** A connection of an administrator to the database of a server. */
async function adminOf(url: string) {
  const admin = new pg.Client(url);
  admin.on('error', () => {});
  await admin.connect();
  return {
    query: async (text: string, values: unknown[] = []): Promise<Untyped[]> => (await admin.query(text, values)).rows,
    cutOthers: async (): Promise<void> =>
      void (await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')),
    [Symbol.asyncDispose]: () => admin.end(),
  };
}

const urlOf = (server: TestServer): string => server.app.config.DATABASE_URL;

/** Sends until told to stop; each text again until the answer is known. Gives the texts that were acknowledged, by seq. */
function startWriter(person: Pick<Person, 'request'>, chatId: string) {
  const acknowledged = new Map<number, string>();
  const refusals = new Set<string>();
  let writing = true;
  const run = (async () => {
    for (let i = 0; writing; i++) {
      const input = { to: { chatId }, text: `${randomUUID()} ${i}`, clientMessageId: randomUUID() };
      for (;;) {
        const { data, errors } = await person.request(sendDocument, { input });
        if (data?.sendMessage?.message) {
          acknowledged.set(data.sendMessage.message.seq, input.text);
          break;
        }
        refusals.add(errors?.[0]?.extensions.code ?? data?.sendMessage?.code ?? 'nothing');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  })();
  return {
    acknowledged,
    refusals,
    stop: (): Promise<void> => {
      writing = false;
      return run;
    },
  };
}

/** Everything acknowledged is stored once, `seq` has no hole, and the stream has carried every message once, in order. */
async function expectWhole(owner: Person, roomId: string, writers: ReturnType<typeof startWriter>[], stream: { items: Untyped[] }): Promise<void> {
  const stored: Untyped[] = [];
  for (let after: number | null = 0; after !== null; ) {
    const { groupMessages }: Untyped = await owner.must(
      'query ($id: ID!, $after: Int!) { groupMessages(room: { id: $id }, first: 100, anchor: { afterSeq: $after }) { nodes { seq text } pageInfo { hasNextPage } } }',
      { id: roomId, after },
    );
    stored.push(...groupMessages.nodes);
    after = groupMessages.pageInfo.hasNextPage ? stored.at(-1)?.seq : null;
  }
  const texts = stored.map(({ text }) => text);
  expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, index) => index + 1));
  expect(new Set(texts).size).toBe(texts.length);
  for (const { acknowledged } of writers) for (const [seq, text] of acknowledged) expect(texts[seq - 1]).toBe(text);
  const added = (): string[] => stream.items.filter((item) => item.__typename === 'MessageAdded').map((item) => item.message.text);
  await expect.poll(() => added().length, { timeout: 5_000 }).toBe(texts.length);
  expect(added()).toEqual(texts);
}

/** A line to a database that can be cut at a chosen moment. */
async function openLine(database: URL) {
  let awaited: string | null = null;
  const sockets = new Set<Socket>();
  const listener = createServer((near) => {
    const far = connect(Number(database.port), database.hostname);
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}));
    far.pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    let isMeant = false;
    near.on('data', (bytes) => {
      // The server has other transactions, too.
      if (awaited !== null && bytes.includes(awaited)) isMeant = true;
      // The simple query COMMIT: it is carried out, and nobody hears of it.
      if (isMeant && bytes.includes('COMMIT\0')) {
        awaited = null;
        isMeant = false;
        far.unpipe(near);
        far.on('data', () => near.destroy()).resume();
      }
      far.write(bytes);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = new URL(database);
  url.port = String((listener.address() as AddressInfo).port);
  return {
    url: url.href,
    /** Of the transaction that this text goes into. */
    cutAfterCommit: (text: string): void => {
      awaited = text;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets) socket.destroy();
      listener.close();
    },
  };
}

describe('a server on PostgreSQL', () => {
  it('loses nothing it acknowledged when its connections are cut in the middle of sends, and its streams go on', async () => {
    await using server = await startTestServer();
    await using admin = await adminOf(urlOf(server));
    const [owner, reader] = (await server.people(2)) as [Person, Person];
    const room = await owner.createRoom({ members: [{ username: reader.username }] });
    // What each item shows is read when it is handed out: it waits, too.
    const stream = await reader.follow(newMessages.replace('text }', 'text sender { username } chat { name my { unreadCount } lastMessage { text } } }'));
    const writers = Array.from({ length: 8 }, () => startWriter(owner, room.id));
    for (let cut = 0; cut < 25 * rounds; cut++) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 100));
      await admin.cutOthers();
    }
    await Promise.all(writers.map((writer) => writer.stop()));
    for (const { refusals } of writers) expect([...refusals].filter((code) => code !== 'UNAVAILABLE')).toEqual([]);
    expect(stream.over).toBe(false);
    await expectWhole(owner, room.id, writers, stream);
  });

  it('tells its streams of a message whose commit was not answered, and who sends again that it was stored', async () => {
    const database = await createDatabase();
    await using line = await openLine(new URL(database));
    await using server = await startTestServer({ DATABASE_URL: line.url });
    const person = await server.person();
    const room = await person.createRoom();
    const stream = await person.follow(newMessages);
    const input = { to: { chatId: room.id }, text: 'is it there?', clientMessageId: randomUUID() };
    line.cutAfterCommit(input.text);
    expect((await person.request(sendDocument, { input })).errors?.[0]?.extensions.code).toBe('UNAVAILABLE');
    expect((await stream.next('MessageAdded')).message).toEqual({ seq: 1, text: 'is it there?' });
    expect((await person.request(sendDocument, { input })).data?.sendMessage).toEqual({
      __typename: 'SendMessagePayload',
      duplicate: true,
      message: { seq: 1, text: 'is it there?' },
    });
    await stream.stayQuiet();
  });

  it('lives through a restart of PostgreSQL, is not ready meanwhile, and goes on without one of its own', async () => {
    await using postgres = await startPostgres();
    await postgres.createDatabase('tertulia');
    await using folder = await temporaryFolder();
    await using server = await startProcess({ DATA_DIR: folder.path, DATABASE_URL: postgres.url('tertulia') });
    const owner = await createPerson(server);
    const room = await owner.createRoom();
    const stream = await owner.follow(newMessages);
    const writers = Array.from({ length: 4 }, () => startWriter(owner, room.id));
    const ready = async (): Promise<number> => (await fetch(`${server.url}/ready`)).status;
    expect(await ready()).toBe(200);
    await expect.poll(() => writers[0]?.acknowledged.size).toBeGreaterThan(3);
    await postgres.stop();
    expect(await ready()).toBe(503);
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    await expect.poll(() => [...(writers[0]?.refusals ?? [])]).toEqual(['UNAVAILABLE']);
    await postgres.start();
    const before = writers[0]?.acknowledged.size ?? 0;
    await expect.poll(() => writers[0]?.acknowledged.size, { timeout: 10_000 }).toBeGreaterThan(before + 3);
    expect(await ready()).toBe(200);
    await Promise.all(writers.map((writer) => writer.stop()));
    for (const { refusals } of writers) expect([...refusals].filter((code) => code !== 'UNAVAILABLE')).toEqual([]);
    await expectWhole(owner, room.id, writers, stream);
    await owner.close();
  });

  it('serves every kind of change at once with two connections', async () => {
    await using server = await startTestServer({ DATABASE_POOL: '2' });
    const people = await server.people(6);
    const owner = people[0] as Person;
    const room = await owner.createRoom({ members: people.slice(1, 4).map(({ username }) => ({ username })) });
    const sent = await Promise.all(people.slice(0, 4).map((person) => person.send(room, 'mine')));
    const changes: [Person, string][] = people.slice(0, 4).flatMap((person, index) => {
      const messageId = sent[index]?.message.id;
      return [
        [person, `mutation { editMessage(input: { messageId: "${messageId}", text: "other" }) { __typename } }`],
        [person, `mutation { sendMessage(input: { to: { username: "${owner.username}" }, text: "hi" }) { __typename } }`],
        [person, `mutation { markRead(input: { chatId: "${room.id}", upToSeq: 2 }) { __typename } }`],
        [person, `mutation { updateProfile(input: { displayName: "d${index}" }) { __typename } }`],
        [person, `mutation { addContacts(input: { users: [{ id: "${people[5]?.id}" }] }) { __typename } }`],
        [person, 'mutation { createRoom(input: { name: "r" }) { __typename } }'],
        [owner, `mutation { updateRoom(input: { roomId: "${room.id}", topic: "t${index}" }) { __typename } }`],
        [owner, `mutation { addMembers(input: { roomId: "${room.id}", users: [{ id: "${people[4]?.id}" }] }) { __typename } }`],
        [owner, `mutation { setMemberRole(input: { roomId: "${room.id}", userId: "${people[1]?.id}", role: ADMIN }) { __typename } }`],
        [person, `mutation { login(input: { login: "${person.username}", password: "correct horse battery" }) { __typename } }`],
        [person, '{ chats { nodes { id lastMessage { text sender { username } } members(first: 3) { nodes { user { username } } } } totalCount } }'],
        [person, `mutation { deleteMessage(input: { messageId: "${messageId}" }) { __typename } }`],
      ] as [Person, string][];
    });
    const answers = await Promise.all(changes.map(([person, document]) => person.request(document)));
    expect(answers.filter(({ errors }) => errors).map(({ errors }, index) => [changes[index]?.[1], errors])).toEqual([]);
  });

  it('leaves no connection behind, whatever went wrong on it', async () => {
    await using server = await startTestServer({ DATABASE_POOL: '4' });
    await using admin = await adminOf(urlOf(server));
    const person = await server.person();
    const taken = { username: person.username, password: 'correct horse battery' };
    await Promise.all(Array.from({ length: 40 }, () => person.request('mutation ($input: RegisterInput!) { register(input: $input) { __typename } }', { input: taken })));
    const { db } = server.app;
    for (let i = 0; i < 10; i++) {
      await expect(db.sqlTransaction((sql) => sql.all('SELECT * FROM "Nowhere"', []))).rejects.toThrow('Nowhere');
      await expect(db.transaction((tx) => tx.$queryRawUnsafe('SELECT * FROM "Nowhere"'))).rejects.toThrow('Nowhere');
      await expect(db.sqlTransaction(async () => Promise.reject(new Error('changed its mind')))).rejects.toThrow('changed its mind');
      // Somebody catches what a statement answered, and goes on: the transaction is lost all the same.
      await expect(db.sqlTransaction(async (sql) => void (await sql.all('SELECT * FROM "Nowhere"', []).catch(() => {})))).rejects.toThrow('failed');
    }
    const connections = () => admin.query(`SELECT state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`);
    expect((await connections()).length).toBeLessThanOrEqual(4);
    // The server itself asks something now and then.
    await expect.poll(async () => (await connections()).filter(({ state }) => state !== 'idle'), { timeout: 5_000 }).toEqual([]);
    expect(await db.sql.all('SELECT 1 AS "one"', [])).toEqual([{ one: 1 }]);
  });

  it('answers UNAVAILABLE in time when somebody else locks what it needs, and goes on when they let go', async () => {
    const database = await createDatabase();
    await using server = await startTestServer({ DATABASE_URL: `${database}?options=-c%20lock_timeout%3D300ms` });
    await using admin = await adminOf(database);
    const person = await server.person();
    const room = await person.createRoom();
    const stream = await person.follow(newMessages);
    await admin.query('BEGIN');
    await admin.query('UPDATE "EventHead" SET "last" = "last"');
    const refused = await person.request(sendDocument, { input: { to: { chatId: room.id }, text: 'now' } });
    expect(refused.errors?.[0]?.extensions.code).toBe('UNAVAILABLE');
    await admin.query('ROLLBACK');
    await person.send(room, 'then');
    expect((await stream.next('MessageAdded')).message).toEqual({ seq: 1, text: 'then' });
  });

  it('runs a transaction again that lost a deadlock', async () => {
    const database = await createDatabase();
    await using server = await startTestServer({ DATABASE_URL: `${database}?options=-c%20deadlock_timeout%3D20ms` });
    await using admin = await adminOf(database);
    await admin.query(`CREATE TABLE "Spot" AS SELECT 1 AS "id" UNION SELECT 2`);
    await admin.query(`SET deadlock_timeout = '10s'`);
    const lock = (id: number): string => `UPDATE "Spot" SET "id" = "id" WHERE "id" = ${id}`;
    const { db } = server.app;
    let tries = 0;
    let other: Promise<unknown> | null = null;
    const job = async (run: (text: string) => Promise<unknown>): Promise<void> => {
      tries++;
      await run(lock(1));
      if (tries === 1) {
        await admin.query(`BEGIN; ${lock(2)}`);
        other = admin.query(lock(1)).then(() => admin.query('COMMIT'));
        // Other tests on the cluster wait for locks of their own.
        const waiting = 'SELECT 1 FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted AND a.datname = current_database()';
        await expect.poll(() => db.sql.all(waiting, [])).toHaveLength(1);
      }
      await run(lock(2));
    };
    for (const transaction of [() => db.sqlTransaction((sql) => job((text) => sql.all(text, []))), () => db.transaction((tx) => job((text) => tx.$executeRawUnsafe(text)))]) {
      tries = 0;
      await transaction();
      await other;
      expect(tries).toBe(2);
    }
  });

  it('lets no hung transaction hold up the others for ever, and keeps time in UTC', async () => {
    await using server = await startTestServer();
    const [settings] = await server.app.db.sql.all<Untyped>(
      `SELECT current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement, current_setting('TimeZone') AS zone`,
      [],
    );
    expect(settings).toEqual({ idle: '20s', lock: '10s', statement: '30s', zone: 'UTC' });
  });

  it('shows the same times before and after they were stored', async () => {
    await using server = await startTestServer();
    const person = await server.person();
    const clientSentAt = '2024-02-29T23:59:59.987Z';
    const { sendMessage } = await person.must(
      `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename ... on SendMessagePayload { message { id createdAt clientSentAt chat { lastActivityAt } } } ... on UserError { code } } }`,
      { input: { to: { username: person.username }, text: 'note', clientSentAt } },
    );
    const { message } = sendMessage;
    expect(message.clientSentAt).toBe(clientSentAt);
    expect(await person.must('query ($id: ID!) { message(id: $id) { id createdAt clientSentAt chat { lastActivityAt } } }', { id: message.id })).toEqual({ message });
    const read = 'query ($id: ID!) { message(id: $id) { createdAt } me { createdAt account { currentSession { createdAt expiresAt } } } }';
    const before = await person.must(read, { id: message.id });
    await server.restart();
    expect(await person.must(read, { id: message.id })).toEqual(before);
  });

  it('sorts and finds names alike, whatever the locale of the database', async () => {
    await using server = await startTestServer();
    const [locale] = await server.app.db.sql.all<Untyped>(`SELECT 'a' < 'B' AS "asPeopleDo" FROM pg_database WHERE datname = current_database()`, []);
    expect(locale).toEqual({ asPeopleDo: true });
    const person = await server.person();
    for (const name of ['b', 'B a', 'a-b', 'ab', 'a_b', 'A.B', 'ä']) await person.createRoom({ name });
    const { rooms } = await person.must('{ rooms(first: 20) { nodes { name } } }');
    expect(rooms.nodes.map(({ name }: Untyped) => name)).toEqual(['a-b', 'A.B', 'a_b', 'ab', 'b', 'B a', 'ä']);
  });
});

describe('starting on PostgreSQL', () => {
  it('refuses a database it cannot use, says why without the password, and changes nothing', async () => {
    await using folder = await temporaryFolder();
    const database = await createDatabase({ empty: true });
    await using admin = await adminOf(database);
    const start = async (DATABASE_URL: string): Promise<string> => {
      await using server = await startProcess({ DATA_DIR: folder.path, DATABASE_URL });
      expect((await server.ended()).code).toBe(1);
      return server.output.error;
    };
    await admin.query('CREATE TABLE "Invoices" (id int)');
    expect(await start(database)).toMatch(/holds tables of another program \(Invoices\)/);
    expect(await admin.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)).toEqual([{ tablename: 'Invoices' }]);
    const wrong = new URL(database);
    wrong.password = 'secret-of-mine';
    const refused = await start(wrong.href);
    expect(refused).toContain('cannot be used');
    expect(refused).not.toContain('secret-of-mine');
    const nowhere = new URL(database);
    nowhere.pathname = '/nowhere';
    expect(await start(nowhere.href)).toMatch(/nowhere cannot be used/);
    expect(await start('postgresql://tertulia:secret-of-mine@127.0.0.1:9/x')).toMatch(/127\.0\.0\.1:9\/x cannot be used/);
  });

  it('refuses what is too old, and what only looks like PostgreSQL and keeps no advisory lock, and changes nothing', async () => {
    await using folder = await temporaryFolder();
    const database = await createDatabase({ empty: true });
    await using admin = await adminOf(database);
    const url = new URL(database);
    // Found before PostgreSQL's own: as those answer that are no PostgreSQL.
    url.searchParams.set('options', '-c search_path=public,feigned,pg_catalog');
    const start = async (): Promise<string> => {
      await using server = await startProcess({ DATA_DIR: folder.path, DATABASE_URL: url.href });
      expect((await server.ended()).code).toBe(1);
      return server.output.error;
    };
    await admin.query(`CREATE SCHEMA feigned; CREATE FUNCTION feigned.pg_try_advisory_xact_lock(bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true'`);
    expect(await start()).toMatch(/keeps no advisory locks, as CockroachDB/);
    await admin.query(`CREATE FUNCTION feigned.current_setting(text) RETURNS text LANGUAGE sql AS $$SELECT CASE $1 WHEN 'server_version_num' THEN '130014' ELSE 'UTF8' END$$`);
    expect(await start()).toMatch(/is PostgreSQL 13; Tertulia needs version 14 or newer/);
    expect(await admin.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)).toEqual([]);
    await admin.query('DROP SCHEMA feigned CASCADE');
    await using server = await startProcess({ DATA_DIR: folder.path, DATABASE_URL: url.href });
    expect(server.url).not.toBe('');
  });
});
