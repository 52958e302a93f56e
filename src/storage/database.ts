/**
 * Opens and closes the database and runs transactions: the one place that knows how the two engines differ.
 * On SQLite one connection writes (Prisma's), one writes prepared statements, and readers have their own: Prisma's adapter would let a read on the
 * writing connection see what is not committed. Writers take turns in this process, so nobody waits inside SQLite.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { PrismaPg } from '@prisma/adapter-pg';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../log.ts';
import { PrismaClient as PostgresClient } from './generated/postgresql/client.ts';
import { type Prisma, PrismaClient } from './generated/sqlite/client.ts';
import { DatabaseError, type MigrationTarget, migrate } from './migrate.ts';
import { type Engine, postgresSql, prismaSql, type Sql, sqliteSql } from './sql.ts';

export type Tx = Prisma.TransactionClient;
export type Database = Awaited<ReturnType<typeof openDatabase>>;

type Connections = {
  engine: Engine;
  read: PrismaClient;
  write: PrismaClient;
  sql: Sql;
  /** Runs `job` on one connection between BEGIN and COMMIT, and rolls back when it throws. */
  sqlTransaction<T>(job: (sql: Sql) => Promise<T>): Promise<T>;
  emptyJournal(): boolean;
  close(): Promise<void>;
};

/**
 * Opens (and, when the place is empty, makes) the database and applies missing migrations.
 * Throws DatabaseError with a message for people: not a database, of another program, newer than this one, or already in use by a server.
 */
export async function openDatabase(config: Config, log: Log, onUnavailable: () => void = () => {}) {
  const statements = { count: 0 };
  const connections = config.DATABASE_URL.startsWith('file:') ? await openSqlite(config, log, () => statements.count++) : await openPostgres(config, log, () => statements.count++);
  const { engine, read, sql } = connections;
  const takeTurn = engine === 'sqlite' ? createTurns() : <T>(job: () => Promise<T>) => job();
  return {
    engine,
    /** Prisma for reading: sees what was committed. */
    read,
    /** Prepared statements for reading: see what was committed. Fail with UNAVAILABLE like transactions. */
    sql: { engine, all: (text, params) => guarded(onUnavailable, () => sql.all(text, params)) } as Sql,
    /** Statements of the kind of `sql` inside an ordinary transaction. */
    sqlIn: (tx: Tx): Sql => prismaSql(tx, engine),
    /** Statements run so far, Prisma's and prepared ones: for tests that hold a path to a number of them. */
    statements,
    /** One intention, one transaction. Fails with UNAVAILABLE when the database cannot (full, gone, too busy). `job` may run again after a deadlock: nothing outside it may change. */
    transaction: <T>(job: (tx: Tx) => Promise<T>, committed?: (result: T) => void): Promise<T> =>
      guarded(onUnavailable, () => takeTurn(() => retried(() => connections.write.$transaction((tx) => job(tx as Tx), { maxWait: 10_000, timeout: 20_000 }), committed))),
    /** The same with prepared statements. */
    sqlTransaction: <T>(job: (sql: Sql) => Promise<T>, committed?: (result: T) => void): Promise<T> =>
      guarded(onUnavailable, () => takeTurn(() => retried(() => connections.sqlTransaction(job), committed))),
    /**
     * Leaves nothing in SQLite's journal of what was written before: until then it holds pages as they were, also of what was deleted since. False when another
     * process reads at this moment (a backup): try again later. On PostgreSQL there is nothing to do here: its vacuum takes old rows.
     */
    emptyJournal: (): Promise<boolean> => guarded(onUnavailable, () => takeTurn(async () => connections.emptyJournal())),
    /** Resolves when the database answers. */
    ping: async (): Promise<void> => void (await guarded(onUnavailable, () => sql.all('SELECT 1', []))),
    close: (): Promise<void> => takeTurn(() => connections.close()),
  };
}

/** `committed` runs before the next writer may begin, so that what it tells the process keeps the order of the commits. */
async function retried<T>(run: () => Promise<T>, committed?: (result: T) => void): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let result: T;
    try {
      result = await run();
    } catch (error) {
      if (attempt >= 8 || !conflicts.test(causes(error))) throw error;
      await new Promise((wake) => setTimeout(wake, Math.random() * 10 * attempt));
      continue;
    }
    // Outside of the try: what goes wrong in it must not run the job again.
    committed?.(result);
    return result;
  }
}

/** One of these codes as the whole of a code: digits in a message are none. */
const code = (codes: string): RegExp => new RegExp(`(?:^|["\`])(?:${codes})(?:["\`]|$)`, 'm');
const either = (...patterns: RegExp[]) => new RegExp(patterns.map((pattern) => pattern.source).join('|'), 'm');

/** Two transactions stood in each other's way, and this one was rolled back. */
const conflicts = either(code('40001|40P01|P2034'), /TransactionWriteConflict/);

/** A unique index refused the row: somebody else was first. */
export const isUniqueViolation = (error: unknown): boolean => uniqueViolation.test(causes(error));
const uniqueViolation = either(code('P2002|23505'), /SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)|UniqueConstraintViolation/);

// PostgreSQL's classes: 08 connection, 53 resources, 57P0x shutdown; 25P03, 25P04, 55P03 and 57014 are the time limits set below.
const unavailable = either(
  code('08\\w{3}|53[1-4]00|57P0\\d|57014|55P03|25P0[34]|P1001|P1002|P1008|P1017|P2024|P2028|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT'),
  /SQLITE_(FULL|IOERR|BUSY|READONLY|CANTOPEN|NOMEM|LOCKED)|database or disk is full|disk I\/O error/,
  /Connection terminated|connection timeout|timeout exceeded when trying to connect|Query read timeout|not queryable|Unable to start a transaction/,
  /ServerClosed|DatabaseNotReachable|ConnectionClosed|SocketTimeout|TooManyConnections/,
);

async function guarded<T>(onUnavailable: () => void, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    onUnavailable();
    throw new AppError('UNAVAILABLE', undefined, undefined, { cause: error });
  }
}

/** The database, not the statement, is the reason of this error. */
export const isUnavailable = (error: unknown): boolean => !(error instanceof AppError) && unavailable.test(causes(error));

function causes(error: unknown): string {
  const parts: unknown[] = [];
  for (let at = error as { code?: unknown; message?: unknown; kind?: unknown; meta?: unknown; cause?: unknown } | undefined; at && parts.length < 20; at = at.cause as typeof at) {
    parts.push(at.code, at.message, at.kind, at.meta ? JSON.stringify(at.meta) : '');
  }
  return parts.join('\n');
}

/** Runs jobs one after the other, in the order they came. */
function createTurns() {
  let last: Promise<unknown> = Promise.resolve();
  return <T>(job: () => Promise<T>): Promise<T> => {
    const turn = last.then(job, job);
    last = turn.catch(() => {});
    return turn;
  };
}

// ---------------------------------------------------------------- SQLite

async function openSqlite(config: Config, log: Log, count: () => void): Promise<Connections> {
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
  const opened: Sqlite.Database[] = [lock];
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
    const writer = connect();
    // A migration that makes a table anew drops the old one, which must not take along what refers to it. Inside its transaction it cannot say so.
    writer.pragma('foreign_keys = OFF');
    const applied = await migrate(sqliteTarget(writer));
    writer.pragma('foreign_keys = ON');
    if (applied.length > 0) log.info({ applied }, 'database migrated');
    ensureHead(writer);
    // The file remembers this: not before it is known to be ours.
    writer.pragma('journal_mode = WAL');
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
      emptyJournal: () => {
        // Without waiting inside SQLite for a reader, which would hold up everybody.
        writer.pragma('busy_timeout = 0');
        try {
          return (writer.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[])[0]?.busy === 0;
        } finally {
          writer.pragma('busy_timeout = 5000');
        }
      },
      close: async () => {
        await Promise.all([read.$disconnect(), write.$disconnect()]);
        for (const connection of opened.reverse()) connection.close();
      },
    };
  } catch (error) {
    for (const connection of opened.reverse()) connection.close();
    if (/SQLITE_NOTADB|file is not a database|SQLITE_CORRUPT|malformed/.test(causes(error))) {
      throw new DatabaseError(`${shown} in DATA_DIR is not a database (or is damaged). Nothing was changed. Restore a backup, or move the file away to begin with a new database.`);
    }
    if (/SQLITE_(CANTOPEN|READONLY|PERM)/.test(causes(error))) throw new DatabaseError(`${shown} in DATA_DIR cannot be opened for writing: ${(error as Error).message}`);
    throw error;
  }
}

/** An exclusive lock that the operating system gives back however the process ends. */
export function lockFile(path: string, shown: string): Sqlite.Database {
  let connection: Sqlite.Database;
  try {
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

const headRow = `INSERT INTO "EventHead" ("id", "last", "pruned", "logId") VALUES (1, 0, 0, '`;
function ensureHead(connection: Sqlite.Database): void {
  connection.exec(`${headRow}${newLogId()}') ON CONFLICT DO NOTHING`);
}
/** A name for an event log. */
export const newLogId = (): string => randomBytes(6).toString('hex');

// ---------------------------------------------------------------- PostgreSQL

const migrationLock = 7_265_001;

/** Prisma takes times for UTC. */
const utc = 'timezone=UTC';
/** One node that hangs must not hold up the others for ever: whoever writes has the log's head row locked. */
const limits = ['idle_in_transaction_session_timeout=20s', 'lock_timeout=10s', 'statement_timeout=30s'];

async function openPostgres(config: Config, log: Log, count: () => void): Promise<Connections> {
  const [, givenOptions = ''] = /[?&]options=([^&#]*)/.exec(config.DATABASE_URL) ?? [];
  // The address may ask for other limits; what is said beside it would not be heard.
  const options = (settings: string[]): string => [...settings.map((setting) => `-c ${setting}`), decodeURIComponent(givenOptions.replaceAll('+', ' '))].join(' ').trim();
  const connectionString = config.DATABASE_URL.replace(/([?&])options=[^&#]*&?/, '$1');
  const pool = new pg.Pool({
    connectionString,
    options: options([utc, ...limits]),
    max: config.DATABASE_POOL,
    connectionTimeoutMillis: 5_000,
    // Above the server's own limit: for a server that is gone without having said so.
    query_timeout: 40_000,
    keepAlive: true,
    application_name: 'tertulia',
  });
  // Without listeners, a connection that breaks would end the process. One in use fails its query, or the next; one that is idle is replaced.
  pool.on('connect', (connection) => void connection.on('error', () => {}));
  pool.on('error', (error) => log.warn({ err: error }, 'a database connection broke'));
  try {
    await prepare(new pg.Client({ connectionString, options: options([utc]), connectionTimeoutMillis: 5_000, keepAlive: true, application_name: 'tertulia migrations' }), log);
    const client = counted(new PostgresClient({ adapter: new PrismaPg(pool), log: [{ emit: 'event', level: 'query' }] }) as unknown as PrismaClient, count);
    return {
      engine: 'postgresql',
      read: client,
      write: client,
      sql: postgresSql(pool, count),
      sqlTransaction: async (job) => {
        const connection = await pool.connect();
        let broken: unknown;
        try {
          await connection.query('BEGIN');
          const result = await job(postgresSql(connection, count));
          // A transaction in which a statement failed answers COMMIT by rolling back, without an error.
          if ((await connection.query('COMMIT')).command !== 'COMMIT') throw new Error('a statement of the transaction had failed');
          return result;
        } catch (error) {
          // A connection that failed or hangs is thrown away, and what it began goes with it.
          if (isUnavailable(error)) broken = error;
          else await connection.query('ROLLBACK').catch((failed) => (broken = failed));
          throw error;
        } finally {
          connection.release(broken !== undefined);
        }
      },
      emptyJournal: () => true,
      close: async () => {
        await client.$disconnect();
        if (!pool.ended) await pool.end();
      },
    };
  } catch (error) {
    await pool.end().catch(() => {});
    if (error instanceof DatabaseError) throw error;
    if (either(unavailable, code('28P01|3D000|28000|ENOTFOUND')).test(causes(error)))
      throw new DatabaseError(`PostgreSQL at ${shownUrl(config.DATABASE_URL)} cannot be used: ${(error as Error).message}`);
    throw error;
  }
}

/** Migrates, however long it takes, and makes the head of the log. Closes the connection, and with it the lock that nodes which start together wait for. */
async function prepare(connection: pg.Client, log: Log): Promise<void> {
  connection.on('error', (error) => log.warn({ err: error }, 'a database connection broke'));
  await connection.connect();
  try {
    const encoding = (await connection.query('SHOW server_encoding')).rows[0].server_encoding;
    if (encoding !== 'UTF8') throw new DatabaseError(`The PostgreSQL database has the encoding ${encoding}; Tertulia needs UTF8.`);
    await connection.query('SELECT pg_advisory_lock($1)', [migrationLock]);
    const applied = await migrate({
      engine: 'postgresql',
      tables: async () => (await connection.query('SELECT tablename FROM pg_tables WHERE schemaname = current_schema()')).rows.map((row) => row.tablename),
      all: async (text) => (await connection.query(text)).rows,
      exec: async (script) => {
        await connection.query(script).catch(async (error) => {
          await connection.query('ROLLBACK');
          throw error;
        });
      },
    });
    if (applied.length > 0) log.info({ applied }, 'database migrated');
    await connection.query(`${headRow}${newLogId()}') ON CONFLICT DO NOTHING`);
  } finally {
    await connection.end();
  }
}

/** The address without its user and password. */
function shownUrl(url: string): string {
  if (!URL.canParse(url)) return 'DATABASE_URL';
  const { host, pathname } = new URL(url);
  return join(host, pathname);
}

function counted(client: PrismaClient, count: () => void): PrismaClient {
  (client as PrismaClient<'query'>).$on('query', count);
  return client;
}
