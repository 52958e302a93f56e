/** What stands in the database's place and cannot be used: the start says so in one clear message, ends with 1, and changes nothing. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { startProcess } from './kit/process.ts';
import { temporaryFolder } from './kit/server.ts';

const onSqlite = it.skipIf(process.env.TEST_ENGINE === 'postgresql');

const files: [name: string, make: (path: string) => Promise<void>, message: RegExp][] = [
  ['a text', (path) => writeFile(path, 'These are my notes.\n'.repeat(500)), /is not a database \(or is damaged\)\. Nothing was changed\./],
  ['a short text', (path) => writeFile(path, 'notes'), /is not a database \(or is damaged\)\. Nothing was changed\./],
  ['an empty file', (path) => writeFile(path, ''), /is an empty file, not a Tertulia database/],
  [
    "another program's database",
    async (path) => new Sqlite(path).exec('CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES (1)').close() && undefined,
    /tables of another program \(recipes\)/,
  ],
];

for (const [name, make, message] of files) {
  onSqlite(`refuses ${name}`, async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'tertulia.db');
    await make(path);
    await mustBeRefused(folder.path, path, message);
  });
}

onSqlite('refuses a folder', async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, 'tertulia.db'));
  await using server = await start(folder.path);
  expect(await server.ended()).toEqual({ code: 1, signal: null });
  expect(server.output.error).toMatch(/not a file/);
});

onSqlite("refuses a file in the folder's place", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'data');
  await writeFile(path, 'notes');
  await mustBeRefused(path, path, /DATA_DIR cannot be made/);
});

onSqlite('refuses the database of a newer version, and of a damaged one, and takes the old one again afterwards', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'tertulia.db');
  {
    await using server = await start(folder.path);
    server.kill('SIGTERM');
    expect(await server.ended()).toEqual({ code: 0, signal: null });
  }
  const whole = await readFile(path);
  const newer = new Sqlite(path);
  newer.exec(`INSERT INTO "_prisma_migrations" ("id", "checksum", "finished_at", "migration_name") VALUES ('x', 'x', 1, '29990101000000_from_the_future')`);
  newer.close();
  await mustBeRefused(folder.path, path, /newer than this program: it has had the migration 29990101000000_from_the_future/);
  await writeFile(path, Buffer.concat([whole.subarray(0, 100), Buffer.alloc(whole.length - 100, 'damage')]));
  await mustBeRefused(folder.path, path, /is not a database \(or is damaged\)\. Nothing was changed\./);
  await writeFile(path, whole);
  await using again = await start(folder.path);
  expect(again.url).not.toBe('');
});

const start = (DATA_DIR: string) => startProcess({ DATA_DIR, DATABASE_URL: 'file:tertulia.db' });

async function mustBeRefused(dataDir: string, path: string, message: RegExp): Promise<void> {
  const before = await digestOf(path);
  await using server = await start(dataDir);
  expect(await server.ended()).toEqual({ code: 1, signal: null });
  expect(server.output.error).toMatch(message);
  // For people: one line, without a stack.
  expect(server.output.error.trim().split('\n')).toHaveLength(1);
  expect(await digestOf(path)).toBe(before);
}

const digestOf = async (path: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
