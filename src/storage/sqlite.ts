/**
 * SQLite: the main thread reads what is short, a thread writes, and another one reads what takes long, so that nobody waits for a disk or for a large list
 * (docs/decisions/threads.md). Each has connections of its own, and so sees what was committed.
 */
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { Cleared } from './clearing.ts';
import { type Connections, type Count, type JobsModule, lazily } from './connections.ts';
import type { Bound } from './crossing.ts';
import { causes } from './failures.ts';
import type { PrismaClient } from './generated/sqlite/client.ts';
import { DatabaseError, headStatement, type MigrationTarget, migrate } from './migrate.ts';
import { prismaInThread } from './prisma-thread.ts';
import { hideDatabase, makePrivateFile } from './private.ts';
import { isEmptyList, type Param, type Sql, sqliteSql, toSqlite } from './sql.ts';
import { startThread, type Thread } from './threads.ts';

export async function openSqlite(config: Config, log: Log, count: Count, { module, functions }: JobsModule): Promise<Connections> {
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
  const pragmas = pragmasOf(config);
  // Before anything that takes long: it loads meanwhile.
  const writer = startThread({ name: 'writer', file, pragmas, jobs: module, functions, died });
  let reader: Sqlite.Database | undefined;
  let isNew = false;
  try {
    isNew = makePrivateFile(file);
    reader = new Sqlite(file);
    for (const pragma of pragmas) reader.pragma(pragma);
    // Each migration of a new file is faster so. Another one may be somebody else's, and would remember it.
    if (isNew) reader.pragma('journal_mode = WAL');
    // A migration that makes a table anew drops the old one, which must not take along what refers to it. Inside its transaction it cannot say so.
    reader.pragma('foreign_keys = OFF');
    const applied = await migrate(sqliteTarget(reader));
    if (applied.length > 0) log.info({ applied }, 'database migrated');
    reader.exec(headStatement());
    reader.pragma('journal_mode = WAL');
    reader.pragma(readOnly);
    return connectionsOf({ file, pragmas, reader, writer, lock, count, functions, log });
  } catch (error) {
    reader?.close();
    // Whatever has become of it: what is told is why there is no database.
    await writer.close().catch(() => {});
    lock.close();
    // The next start would take it for what somebody has lost.
    if (isNew && statSync(file).size === 0) rmSync(file);
    if (/SQLITE_NOTADB|file is not a database|SQLITE_CORRUPT|malformed/.test(causes(error))) {
      throw new DatabaseError(`${shown} in DATA_DIR is not a database (or is damaged). Nothing was changed. Restore a backup, or move the file away to begin with a new database.`);
    }
    if (/SQLITE_(CANTOPEN|READONLY|PERM)/.test(causes(error))) throw new DatabaseError(`${shown} in DATA_DIR cannot be opened for writing: ${(error as Error).message}`);
    throw error;
  }
}

const readOnly = 'query_only = ON';
/** In KiB, where more would help nobody: what is scanned is seen once, and what is in a hurry does not go through Prisma. */
const smallCache = 'cache_size = -2000';
const pragmasOf = (config: Pick<Config, 'SQLITE_SYNCHRONOUS' | 'SQLITE_MAX_PAGES'>): string[] => [
  `synchronous = ${config.SQLITE_SYNCHRONOUS}`,
  'foreign_keys = ON',
  // What is deleted is overwritten with zeros, in the pages that stay in use, too.
  'secure_delete = ON',
  'busy_timeout = 5000',
  'journal_size_limit = 67108864',
  // In pages. Most sends write the same ones again: the seldomer they are brought into the file, the fewer there are.
  'wal_autocheckpoint = 4000',
  ...(config.SQLITE_MAX_PAGES > 0 ? [`max_page_count = ${config.SQLITE_MAX_PAGES}`] : []),
];

type Opened = { file: string; pragmas: string[]; reader: Sqlite.Database; writer: Thread; lock: Sqlite.Database; count: Count; functions: string | null; log: Log };

/** For main.ts, which ends the process: what was being written is stored or not, and nothing more can be. */
function died(error: Error): void {
  setImmediate(() => {
    throw new Error('a thread of the database has died', { cause: error });
  });
}

function connectionsOf({ file, pragmas, reader, writer, lock, count, functions, log }: Opened): Connections {
  // Where nobody asks for anything that takes long, there is none.
  let scanner: Thread | undefined;
  const scanning = (): Thread => (scanner ??= startThread({ name: 'scanner', file, pragmas: [...pragmas, readOnly, smallCache], jobs: null, functions, died }));
  const client = lazily(async (): Promise<PrismaClient> => {
    const { PrismaClient } = await import('./generated/sqlite/client.ts');
    const opened = new PrismaClient({ adapter: prismaInThread(writer), log: [{ emit: 'event', level: 'query' }] });
    opened.$on('query', () => count(1));
    return opened as PrismaClient;
  });
  return {
    engine: 'sqlite',
    prisma: client.get,
    sql: sqliteSql(reader, () => count(1)),
    scan: threadSql(count, async (text, values) => (await scanning().ask({ type: 'read', statement: scanning().statementOf(text, values) })).result as unknown[]),
    sqlTransaction: (job) => transactionIn(writer, count, job),
    run: async (name, input) => {
      const { result, statements = 0 } = await writer.ask({ type: 'job', name, input });
      count(statements);
      return result;
    },
    // Its lock sees to that.
    isAlone: async () => true,
    isOlderAbout: async () => false,
    clearRemnants: async (from) => {
      const { next, canClear } = (await writer.ask({ type: 'clear remnants', from })).result as Cleared;
      if (!canClear) log.warn('the database file is too large, or makes room by itself: copies of moved rows may be left in it (npm run compact)');
      return next;
    },
    syncRemnants: async () => void (await writer.ask({ type: 'sync remnants' })),
    close: async () => {
      await Promise.all([client.close((opened) => opened.$disconnect()), scanner?.close()]);
      reader.close();
      // The last one: with its connections it closes a descriptor that must outlive all others.
      await writer.close();
      lock.close();
    },
  };
}

const threadSql = (count: Count, run: (text: string, values: Bound[]) => Promise<unknown[]>): Sql => ({
  engine: 'sqlite',
  all<Row>(text: string, params: readonly Param[]): Promise<Row[]> {
    if (params.some(isEmptyList)) return Promise.resolve([]);
    count(1);
    return run(text, params.map(toSqlite)) as Promise<Row[]>;
  },
});

/** Statement by statement. BEGIN goes with the first; where the job is one statement and nothing else, COMMIT does, too. */
async function transactionIn<T>(writer: Thread, count: Count, job: (sql: Sql) => Promise<T>): Promise<T> {
  let phase = 'before' as 'before' | 'inside' | 'over';
  /** What the job asks before it first waits for anything. */
  let held: { send: (ends: boolean) => void; answered: Promise<unknown[]> }[] | null = [];
  const sql = threadSql(count, (text, values) => {
    // What was begun beside what failed.
    if (phase === 'over') return Promise.reject(new Error('the transaction is over'));
    const begins = phase === 'before';
    phase = 'inside';
    const ask = async (ends: boolean): Promise<unknown[]> =>
      (await writer.ask({ type: 'statement', statement: writer.statementOf(text, values), begins, ends })).result as unknown[];
    if (held === null) return ask(false);
    const { promise: answered, resolve } = Promise.withResolvers<unknown[]>();
    held.push({ send: (ends) => resolve(ask(ends)), answered });
    return answered;
  });
  try {
    const running = job(sql);
    const [first, ...more] = held;
    held = null;
    const isAll = more.length === 0 && first?.answered === (running as Promise<unknown>);
    first?.send(isAll);
    for (const { send } of more) send(false);
    const result = await running;
    if (phase === 'inside' && !isAll) await writer.ask({ type: 'end', how: 'COMMIT' });
    phase = 'over';
    return result;
  } catch (error) {
    const began = phase !== 'before';
    phase = 'over';
    if (began) await writer.ask({ type: 'end', how: 'ROLLBACK' }).catch(() => {});
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
