/**
 * SQLite: one connection writes (Prisma's), one writes prepared statements, and readers have their own: Prisma's adapter would let a read on the writing
 * connection see what is not committed.
 */
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import Sqlite from 'better-sqlite3';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { Connections } from './connections.ts';
import { causes } from './failures.ts';
import { PrismaClient } from './generated/sqlite/client.ts';
import { DatabaseError, headStatement, type MigrationTarget, migrate } from './migrate.ts';
import { hideDatabase, makePrivateFile } from './private.ts';
import { createRemnants } from './remnants.ts';
import { sqliteSql } from './sql.ts';

export async function openSqlite(config: Config, log: Log, count: () => void): Promise<Connections> {
  const file = resolve(config.DATA_DIR, config.DATABASE_URL.slice('file:'.length));
  const shown = config.DATABASE_URL;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new DatabaseError(`DATA_DIR cannot be made: ${(error as Error).message}`);
  }
  if (existsSync(file) && (!statSync(file).isFile() || statSync(file).size === 0)) {
    throw new DatabaseError(
      `${shown} in DATA_DIR is ${statSync(file).isFile() ? 'an empty file' : 'not a file'}, not a Tertulia database. Restore a backup, or remove it to begin with a new database.`,
    );
  }
  const lock = lockFile(`${file}-lock`, shown);
  hideDatabase(file, log);
  const opened: Sqlite.Database[] = [lock];
  let isNew = false;
  const pragmas = [
    `synchronous = ${config.SQLITE_SYNCHRONOUS}`,
    'foreign_keys = ON',
    // What is deleted is overwritten with zeros, in the pages that stay in use, too.
    'secure_delete = ON',
    'busy_timeout = 5000',
    'journal_size_limit = 67108864',
    ...(config.SQLITE_MAX_PAGES > 0 ? [`max_page_count = ${config.SQLITE_MAX_PAGES}`] : []),
  ];
  const connect = (extra: string[] = []): Sqlite.Database => {
    const connection = new Sqlite(file);
    opened.push(connection);
    for (const pragma of [...pragmas, ...extra]) connection.pragma(pragma);
    return connection;
  };
  const prismaClient = (extra: string[] = []): PrismaClient => {
    const adapter = new PrismaBetterSqlite3({ url: `file:${file}` }, { timestampFormat: 'unixepoch-ms' });
    return counted(
      new PrismaClient({
        adapter: {
          provider: adapter.provider,
          adapterName: adapter.adapterName,
          connect: async () => {
            const connection = await adapter.connect();
            await connection.executeScript([...pragmas, ...extra].map((pragma) => `PRAGMA ${pragma};`).join('\n'));
            return connection;
          },
        },
        log: [{ emit: 'event', level: 'query' }],
      }),
      count,
    );
  };
  try {
    isNew = makePrivateFile(file);
    const writer = connect();
    // A migration that makes a table anew drops the old one, which must not take along what refers to it. Inside its transaction it cannot say so.
    writer.pragma('foreign_keys = OFF');
    const applied = await migrate(sqliteTarget(writer));
    writer.pragma('foreign_keys = ON');
    if (applied.length > 0) log.info({ applied }, 'database migrated');
    writer.exec(headStatement());
    // The file remembers this: not before it is known to be ours.
    writer.pragma('journal_mode = WAL');
    const remnants = createRemnants(file);
    const reader = connect(['query_only = ON']);
    const [read, write] = [prismaClient(['query_only = ON']), prismaClient()];
    const writing = sqliteSql(writer, count);
    return {
      engine: 'sqlite',
      read,
      write,
      sql: sqliteSql(reader, count),
      sqlTransaction: async (job) => {
        writer.exec('BEGIN IMMEDIATE');
        try {
          const result = await job(writing);
          writer.exec('COMMIT');
          return result;
        } catch (error) {
          if (writer.inTransaction) writer.exec('ROLLBACK');
          throw error;
        }
      },
      // Its lock sees to that.
      isAlone: async () => true,
      clearRemnants: async (from) => {
        // Without waiting inside SQLite for a reader, which would hold up everybody.
        writer.pragma('busy_timeout = 0');
        try {
          if ((writer.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[])[0]?.busy !== 0) return 'busy';
          if (!beginsAtOnce(writer)) return 'busy';
          try {
            // Another process wrote in between.
            if (statSync(`${file}-wal`).size > 0) return 'busy';
            if (from === 1 && !remnants.canClear()) log.warn('the database file is too large, or makes room by itself: copies of moved rows may be left in it (npm run compact)');
            return remnants.clear(from);
          } finally {
            writer.exec('ROLLBACK');
            writer.pragma('shrink_memory');
            await write.$queryRaw`PRAGMA shrink_memory`;
          }
        } finally {
          writer.pragma('busy_timeout = 5000');
        }
      },
      syncRemnants: remnants.sync,
      close: async () => {
        await Promise.all([read.$disconnect(), write.$disconnect()]);
        for (const connection of opened.reverse()) connection.close();
        remnants.close();
      },
    };
  } catch (error) {
    for (const connection of opened.reverse()) connection.close();
    // The next start would take it for what somebody has lost.
    if (isNew && statSync(file).size === 0) rmSync(file);
    if (/SQLITE_NOTADB|file is not a database|SQLITE_CORRUPT|malformed/.test(causes(error))) {
      throw new DatabaseError(`${shown} in DATA_DIR is not a database (or is damaged). Nothing was changed. Restore a backup, or move the file away to begin with a new database.`);
    }
    if (/SQLITE_(CANTOPEN|READONLY|PERM)/.test(causes(error))) throw new DatabaseError(`${shown} in DATA_DIR cannot be opened for writing: ${(error as Error).message}`);
    throw error;
  }
}

/** False when another process writes. */
function beginsAtOnce(connection: Sqlite.Database): boolean {
  try {
    connection.exec('BEGIN IMMEDIATE');
    return true;
  } catch (error) {
    if (/SQLITE_BUSY/.test(causes(error))) return false;
    throw error;
  }
}

/** An exclusive lock that the operating system gives back however the process ends. */
export function lockFile(path: string, shown: string): Sqlite.Database {
  let connection: Sqlite.Database;
  try {
    makePrivateFile(path);
    connection = new Sqlite(path, { timeout: 0 });
  } catch (error) {
    throw new DatabaseError(`DATA_DIR cannot be written: ${(error as Error).message}`);
  }
  try {
    connection.pragma('journal_mode = MEMORY');
    connection.exec('BEGIN EXCLUSIVE');
    return connection;
  } catch (error) {
    connection.close();
    if (/SQLITE_(BUSY|LOCKED)/.test(causes(error))) {
      throw new DatabaseError(`Another server is running on ${shown} in DATA_DIR. SQLite serves one server process; for several, set DATABASE_URL to a postgresql:// address.`);
    }
    throw new DatabaseError(`DATA_DIR cannot be locked: ${(error as Error).message}`);
  }
}

const sqliteTarget = (connection: Sqlite.Database): MigrationTarget => ({
  engine: 'sqlite',
  tables: async () => (connection.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`).all() as { name: string }[]).map((row) => row.name),
  all: async <Row>(text: string) => connection.prepare(text).all() as Row[],
  exec: async (script) => {
    try {
      connection.exec(script);
    } catch (error) {
      if (connection.inTransaction) connection.exec('ROLLBACK');
      throw error;
    }
  },
});

function counted(client: PrismaClient, count: () => void): PrismaClient {
  (client as PrismaClient<'query'>).$on('query', count);
  return client;
}
