/**
 * Brings a database to this program's schema when the server starts: the SQL files of prisma/migrations, in order, each in a transaction,
 * recorded in Prisma's own table so that `prisma migrate` keeps working. Never makes a new database out of something it does not know.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from './sql.ts';

/** The database cannot be used as it is; the message says what to do. */
export class DatabaseError extends Error {
  override name = 'DatabaseError';
}

/** The least a migration needs of an engine. `exec` may hold several statements. */
export type MigrationTarget = {
  engine: Engine;
  tables(): Promise<string[]>;
  all<Row>(text: string): Promise<Row[]>;
  exec(script: string): Promise<void>;
};

const folder = join(import.meta.dirname, '../../prisma/migrations');

/** Applies what is missing and returns the names of what was applied. Throws DatabaseError for a foreign, newer or half-migrated database. */
export async function migrate(target: MigrationTarget): Promise<string[]> {
  const known = readMigrations(target.engine);
  const tables = await target.tables();
  const recorded = tables.includes('_prisma_migrations');
  if (!recorded && tables.length > 0)
    throw new DatabaseError(`The database holds tables of another program (${tables.slice(0, 3).join(', ')}): give Tertulia a database of its own.`);
  const applied = recorded
    ? await target.all<{ migration_name: string; checksum: string; finished_at: unknown; rolled_back_at: unknown }>(
        'SELECT migration_name, checksum, finished_at, rolled_back_at FROM "_prisma_migrations"',
      )
    : [];
  const done = new Map(applied.filter((row) => row.rolled_back_at === null).map((row) => [row.migration_name, row]));
  for (const [name, row] of done) {
    const migration = known.find((candidate) => candidate.name === name);
    if (!migration)
      throw new DatabaseError(
        `The database is newer than this program: it has had the migration ${name}, which this version does not know. Start the newer version, or restore a backup from before the upgrade.`,
      );
    if (row.finished_at === null)
      throw new DatabaseError(`The migration ${name} began and did not finish. Restore a backup, or repair it and mark it with "prisma migrate resolve".`);
    if (row.checksum !== migration.checksum)
      throw new DatabaseError(`The migration ${name} was applied with another text than this program has: the database belongs to another version.`);
  }
  const missing = known.filter((migration) => !done.has(migration.name));
  if (missing.length > 0 && !recorded) await target.exec(historyTable[target.engine]);
  for (const migration of missing) await target.exec(`BEGIN;\n${migration.sql}\n;${record(migration, target.engine)}\nCOMMIT;`);
  return missing.map((migration) => migration.name);
}

function readMigrations(engine: Engine): { name: string; sql: string; checksum: string }[] {
  const names = readdirSync(join(folder, engine), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  return names.sort().map((name) => {
    const sql = readFileSync(join(folder, engine, name, 'migration.sql'), 'utf8');
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
  });
}

function record(migration: { name: string; checksum: string }, engine: Engine): string {
  const now = engine === 'sqlite' ? String(Date.now()) : 'now()';
  return `INSERT INTO "_prisma_migrations" ("id", "checksum", "finished_at", "migration_name", "started_at", "applied_steps_count")
VALUES ('${randomUUID()}', '${migration.checksum}', ${now}, '${migration.name}', ${now}, 1);`;
}

// As Prisma's own engine makes it.
const historyTable: Record<Engine, string> = {
  sqlite: `CREATE TABLE "_prisma_migrations" (
    "id" TEXT PRIMARY KEY NOT NULL, "checksum" TEXT NOT NULL, "finished_at" DATETIME, "migration_name" TEXT NOT NULL, "logs" TEXT,
    "rolled_back_at" DATETIME, "started_at" DATETIME NOT NULL DEFAULT current_timestamp, "applied_steps_count" INTEGER UNSIGNED NOT NULL DEFAULT 0);`,
  postgresql: `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL, "checksum" VARCHAR(64) NOT NULL, "finished_at" TIMESTAMPTZ, "migration_name" VARCHAR(255) NOT NULL, "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ, "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(), "applied_steps_count" INTEGER NOT NULL DEFAULT 0);`,
};

/** A name for an event log. */
const newLogId = (): string => randomBytes(6).toString('hex');
/** Makes the head of the event log, unless it is there. */
export const headStatement = (): string => `INSERT INTO "EventHead" ("id", "last", "pruned", "logId", "mayLag") VALUES (1, 0, 0, '${newLogId()}', true) ON CONFLICT DO NOTHING`;
