/**
 * `npm run migrate:new -- <name>`: writes a migration for both engines from what changed in prisma/schema.prisma since the last one.
 * Uses Prisma's own schema engine as WebAssembly, so nothing is downloaded. `--check` only tells whether one is missing.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { PrismaPg } from '@prisma/adapter-pg';
import { startPostgres } from './embedded-postgres.ts';
import { modelFile, type Provider } from './prisma-schema.ts';
import { diff } from './schema-engine.ts';

const snapshotFile = 'prisma/migrations/schema.prisma';
const model = readFileSync(modelFile, 'utf8');
const before = existsSync(snapshotFile) ? readFileSync(snapshotFile, 'utf8') : null;
const argument = process.argv[2];

if (argument === '--check') {
  if (model !== before) throw new Error(`${modelFile} changed without a migration: run npm run migrate:new -- <name>`);
} else if (!argument || !/^[a-z0-9_]+$/.test(argument)) {
  throw new Error('Name the migration: npm run migrate:new -- <lower_case_name>');
} else {
  const name = `${new Date().toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}_${argument}`;
  for (const provider of ['sqlite', 'postgresql'] as const) {
    const folder = join('prisma/migrations', provider, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'migration.sql'), mended(provider, await difference(provider)));
    writeFileSync(join('prisma/migrations', provider, 'migration_lock.toml'), `provider = "${provider}"\n`);
    console.log(folder);
  }
  writeFileSync(snapshotFile, model);
}

async function difference(provider: Provider): Promise<string> {
  const from = before === null ? 'empty' : { model: before };
  if (provider === 'sqlite') return diff(provider, new PrismaBetterSqlite3({ url: ':memory:' }), from, { model });
  await using postgres = await startPostgres();
  return await diff(provider, new PrismaPg(postgres.url('postgres')), from, { model });
}

/** What a model cannot say. */
function mended(provider: Provider, sql: string): string {
  // SQLite makes a table's key its row id only when the column is declared INTEGER, which Prisma writes as BIGINT.
  if (provider === 'sqlite') return sql.replaceAll('BIGINT NOT NULL PRIMARY KEY', 'INTEGER NOT NULL PRIMARY KEY');
  // What every server writes anew after a crash of the database need not be safe.
  sql = sql.replaceAll(/CREATE TABLE ("(?:Node|Attendance|Tally)")/g, 'CREATE UNLOGGED TABLE $1');
  // Folded names are sorted by code point, as SQLite does, whatever the locale of the database.
  return sql.replaceAll(/("\w+Key" TEXT)/g, '$1 COLLATE "C"');
}
