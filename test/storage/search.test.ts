/** The index that messages are searched in: what is in it after kill -9, upgrades and erasure, and what is not. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { expect, it, vi } from 'vitest';
import type { Database } from '../../src/storage/database.ts';
import { databaseUrl, engine } from '../kit/engine.ts';
import { createPerson, type Person, type Untyped } from '../kit/person.ts';
import { startProcess } from '../kit/process.ts';
import { startTestServer, temporaryFolder } from '../kit/server.ts';

const run = promisify(execFile);

const find = async (person: Person, query: string): Promise<{ count: number; complete: boolean }> => {
  const found: Untyped[] = [];
  for (let after: string | null = null; ; ) {
    const { searchMessages: page }: Untyped = await person.must(
      'query ($query: String!, $after: String) { searchMessages(query: $query, first: 100, after: $after) { indexComplete nodes { id } pageInfo { hasNextPage endCursor } } }',
      { query, after },
    );
    found.push(...page.nodes);
    if (!page.pageInfo.hasNextPage) return { count: new Set(found.map(({ id }) => id)).size, complete: page.indexComplete };
    after = page.pageInfo.endCursor;
  }
};

/** A statement on the database of a server that is stopped, or on PostgreSQL. */
async function onDatabase(dataDir: string, ...statements: string[]): Promise<void> {
  if (engine === 'sqlite') {
    const database = new Sqlite(`${dataDir}/tertulia.db`);
    for (const statement of statements) database.exec(statement);
    database.close();
    return;
  }
  for (const statement of statements) await onPostgres(dataDir, statement);
}

async function onPostgres(dataDir: string, text: string): Promise<pg.QueryResult> {
  const client = new pg.Client(await databaseUrl(dataDir));
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

/** The files of the database that hold a text. A process of its own: this one must not open and close files that SQLite has locked here. */
async function filesWith(folder: string, text: string): Promise<string[]> {
  const found = await run('grep', ['-rlaF', '--', text, folder]).catch((error: { code: number; stdout: string }) => {
    if (error.code > 1) throw error;
    return error;
  });
  return found.stdout.split('\n').filter(Boolean);
}

/** How many messages the index has. */
async function entries(db: Database): Promise<number> {
  if (engine === 'postgresql') return Number((await db.sql.all<{ count: number }>('SELECT COUNT(*) AS "count" FROM "MessageIndex"', []))[0]?.count);
  return (await db.scan.all(`SELECT rowid FROM "MessageIndex" WHERE "MessageIndex" MATCH 'heron'`, [])).length;
}

it('has every message once, also when servers were killed while they wrote it', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  const place = { url: '' };
  let ada: Person | undefined;
  let [room, sent] = [{ id: '' }, 0];
  for (let round = 0; round < 2; round++) {
    await using server = await startProcess({ DATA_DIR: folder.path, LOG_LEVEL: 'info' });
    place.url = server.url;
    ada ??= await createPerson(place);
    if (room.id === '') room = await ada.createRoom();
    const writer = ada;
    const before = sent;
    const answers = Array.from({ length: 200 }, (_, index) =>
      writer.send(room, `heron ${round} ${index}`).then(
        () => sent++,
        () => {},
      ),
    );
    // Some pieces are in by then, others are not.
    await vi.waitUntil(() => sent > before + 100, { timeout: 20_000, interval: 1 });
    await new Promise((resolve) => setTimeout(resolve, 60 + 40 * round));
    server.kill('SIGKILL');
    await Promise.all([server.ended(), ...answers]);
  }
  await using server = await startTestServer({ DATA_DIR: folder.path, DATABASE_URL: (await databaseUrl(folder.path)) || 'file:tertulia.db' });
  place.url = server.url;
  await server.app.indexing.idle();
  const [stored] = await server.app.db.sql.all<{ count: number }>('SELECT COUNT(*) AS "count" FROM "Message"', []);
  const count = Number(stored?.count);
  expect(count).toBeGreaterThanOrEqual(sent);
  expect(await find(ada as Person, 'heron')).toEqual({ count, complete: true });
  expect(await entries(server.app.db)).toBe(count);
});

it('is made for what was there before, the newest first, and anew when words are told apart in another way', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const room = await ada.createRoom();
  // So many that the first search comes before all of them are in, on a machine that has other work, too.
  for (let count = 0; count < 800; count += 50) await Promise.all(Array.from({ length: 50 }, (_, place) => ada.send(room, `heron ${count + place}`)));
  await server.stop();
  // As a server of the version before has left it.
  await onDatabase(server.dataDir, 'DROP TABLE "MessageIndex"', 'DROP TABLE "SearchProgress"', `DELETE FROM "_prisma_migrations" WHERE "migration_name" LIKE '%_search'`);
  await server.restart();
  const first = await find(ada, 'heron');
  await ada.send(room, 'heron, newer');
  await server.app.indexing.idle();
  expect([first.complete, await find(ada, 'heron'), await entries(server.app.db)]).toEqual([false, { count: 801, complete: true }, 801]);
  await server.stop();
  await onDatabase(server.dataDir, `UPDATE "SearchProgress" SET "analyser" = 'another'`);
  await server.restart();
  await server.app.indexing.idle();
  expect([await find(ada, 'heron'), await entries(server.app.db)]).toEqual([{ count: 801, complete: true }, 801]);
});

it('keeps nothing of what was edited, deleted or erased, in a table or a file', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const [ada, ben] = (await server.people(2)) as [Person, Person];
  const room = await ben.createRoom({ members: [{ id: ada.id }] });
  // Nothing else begins like these, so the index cannot shorten them. Their beginnings are in it, too.
  const erased = ['ζqxjvk', 'ҩqxjvk', 'ծqxjvk', '龘靐', '靐齉'];
  const ids: string[] = [];
  for (let count = 0; count < 120; count++) {
    await ben.send(room, `heron ${count} stays ${count * 7919}`);
    ids.push((await ada.send(room, `heron ζqxjvkgone${count} ҩqxjvkgone 龘靐齉 ${count}`)).message.id);
  }
  await server.app.indexing.idle();
  for (const id of ids.slice(0, 20)) await ada.must('mutation ($id: ID!) { editMessage(input: { messageId: $id, text: "heron ծqxjvkgone" }) { __typename } }', { id });
  for (const id of ids.slice(10, 30)) await ada.must('mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { __typename } }', { id });
  expect([(await find(ben, 'ծqxj')).count, (await find(ben, 'ζqxj')).count, (await find(ben, '靐')).count]).toEqual([10, 90, 90]);
  if (engine === 'sqlite') for (const word of erased) expect([word, await filesWith(server.dataDir, word)]).not.toEqual([word, []]);
  await ada.must('mutation { deleteAccount(input: { password: "correct horse battery", messages: ERASE }) { __typename } }');
  await vi.waitUntil(async () => (await entries(server.app.db)) === 120, { timeout: 20_000, interval: 20 });
  await vi.waitUntil(() => server.app.db.clearRemnants(() => true), { timeout: 20_000 });
  expect([(await find(ben, 'heron')).count, (await find(ben, 'ζqxj')).count]).toEqual([120, 0]);
  if (engine === 'sqlite') {
    for (const word of [...erased, 'qxjvk', 'gone']) expect([word, await filesWith(server.dataDir, word)]).toEqual([word, []]);
    await server.stop();
    await onDatabase(server.dataDir, `INSERT INTO "MessageIndex" ("MessageIndex") VALUES ('integrity-check')`);
  } else {
    const { rows } = await onPostgres(server.dataDir, `SELECT 1 FROM "MessageIndex" WHERE "terms"::text LIKE '%gone%' OR "terms"::text LIKE '%龘%'`);
    expect(rows).toEqual([]);
  }
});

it('goes with a room that is deleted', async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const room = await ada.createRoom();
  for (let count = 0; count < 20; count++) await ada.send(room, `heron ${count}`);
  await server.app.indexing.idle();
  await ada.must('mutation ($id: ID!) { deleteRoom(input: { roomId: $id }) { __typename } }', { id: room.id });
  await server.app.deletedRooms.sweep();
  expect(await server.app.db.sql.all('SELECT 1 FROM "Message"', [])).toEqual([]);
  expect(await entries(server.app.db)).toBe(0);
});
