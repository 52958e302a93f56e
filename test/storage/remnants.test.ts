/** What SQLite leaves of deleted rows in parts of its file that hold nothing: cleared while the server goes on, without harm to anything else. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import type { Database } from '../../src/storage/database.ts';
import { engine } from '../kit/engine.ts';
import { startTestServer, temporaryFolder } from '../kit/server.ts';

const share = 10;
const run = promisify(execFile);

const files = (folder: string): string[] => ['tertulia.db', 'tertulia.db-wal'].map((name) => `${folder}/${name}`);

/** The words with this end that are anywhere in the database's files. A process of its own: this one must not open and close files that SQLite has locked here. */
async function wordsIn(folder: string, end: string): Promise<Set<string>> {
  const found = await run('grep', ['-haoE', `[0-9a-f]{16}${end}`, ...files(folder)], { maxBuffer: 1e9 }).catch((error: { stdout: string }) => error);
  return new Set(found.stdout.split('\n').filter(Boolean));
}

/** Adds people in no order of their names, so that rows of every index move from page to page. Of a hundred some are to leave. */
async function addPeople(db: Database, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => {
    const scattered = (BigInt(index + 1) * 0x9e3779b97f4a7c15n) & 0xffff_ffff_ffff_ffffn;
    return `${scattered.toString(16).padStart(16, '0')}${index % 100 < share ? 'leaves' : 'stays'}`;
  });
  for (let at = 0; at < count; at += 500) {
    await db.sqlTransaction(async (sql) => {
      for (const name of names.slice(at, at + 500))
        await sql.all(
          `INSERT INTO "User" ("username", "usernameKey", "displayName", "displayNameKey", "email", "emailKey", "passwordHash", "createdAt") VALUES (?, ?, ?, ?, ?, ?, '', ?)`,
          [name, name, name, name, name, name, new Date()],
        );
    });
  }
}

it.skipIf(engine === 'postgresql')('leaves nothing of deleted rows in the files, while others write', { timeout: 120_000 }, async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const room = await ada.createRoom();
  const { db } = server.app;
  await addPeople(db, 20_000);
  await db.sqlTransaction((sql) => sql.all(`DELETE FROM "User" WHERE "usernameKey" LIKE '%leaves'`, []));
  // There is something to clear. Looked for in a copy, as emptying the journal here would make the server forget what it has in memory.
  await using copy = await temporaryFolder();
  await run('cp', [...files(server.dataDir), copy.path]);
  new Sqlite(`${copy.path}/tertulia.db`).close();
  expect((await wordsIn(copy.path, 'leaves')).size).toBeGreaterThan(0);

  let clearing = true;
  const sent = (async () => {
    for (let count = 0; ; count++) {
      if (!clearing) return count;
      await ada.send(room, `message ${count}`);
    }
  })();
  expect(await db.clearRemnants(() => true)).toBe(true);
  clearing = false;
  const stored = await sent;
  expect(stored).toBeGreaterThan(5);
  // What the server has in memory of the file must not bring anything back when it writes these pages again.
  await db.sqlTransaction((sql) =>
    sql.all(`UPDATE "User" SET "usernameKey" = "usernameKey" || '-', "displayNameKey" = '-' || "displayNameKey", "emailKey" = "emailKey" || '-'`, []),
  );
  await db.transaction((tx) => tx.user.updateMany({ data: { lastName: 'Else' } }));
  expect(await wordsIn(server.dataDir, 'leaves')).toEqual(new Set());
  expect((await wordsIn(server.dataDir, 'stays')).size).toBe(18_000);
  const database = new Sqlite(`${server.dataDir}/tertulia.db`, { readonly: true });
  expect(database.pragma('integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  expect(database.prepare(`SELECT COUNT(*) FROM "User" WHERE "usernameKey" LIKE '%stays-'`).pluck().get()).toBe(18_000);
  expect(database.prepare('SELECT COUNT(*) FROM "Message"').pluck().get()).toBe(stored);
  database.close();
});
