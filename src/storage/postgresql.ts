/** PostgreSQL: one pool for everything, limits for whoever hangs, and migrations that only one of several nodes runs. Not loaded where SQLite is used. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import { type Connections, type Count, type Jobs, type JobsModule, lazily } from './connections.ts';
import { causes, code, either, isUnavailable, unavailable } from './failures.ts';
import type { PrismaClient as SqlitePrismaClient } from './generated/sqlite/client.ts';
import { DatabaseError, headStatement, migrate } from './migrate.ts';
import { isEmptyList, numberedText, type Param, type Sql, toPostgres } from './sql.ts';

const migrationLock = 7_265_001;
/** The oldest version that PostgreSQL itself still mends. */
const oldestVersion = 14;
/** Each server calls its connections by a name of its own, so that they see of each other. */
const namePrefix = 'tertulia ';
/** And those that know that a chat's row may be behind. */
const ownPrefix = `${namePrefix}2 `;

/** Prisma takes times for UTC. */
const utc = 'timezone=UTC';
/** One node that hangs must not hold up the others for ever: whoever writes has the log's head row locked. */
const limits = ['idle_in_transaction_session_timeout=20s', 'lock_timeout=10s', 'statement_timeout=30s'];
/** What is asked here takes milliseconds. Compiling it would take longer, and what chats are behind makes the planner expect more than there is. */
const plans = 'jit=off';

export async function openPostgres(config: Config, log: Log, count: Count, { jobs }: JobsModule): Promise<Connections> {
  const nodeName = `${ownPrefix}${randomUUID().slice(0, 8)}`;
  const pool = new pg.Pool({
    ...address(config.DATABASE_URL, [utc, plans, ...limits]),
    max: config.DATABASE_POOL,
    connectionTimeoutMillis: 5_000,
    // Above the server's own limit: for a server that is gone without having said so.
    query_timeout: 40_000,
    keepAlive: true,
    application_name: nodeName,
  });
  // Without listeners, a connection that breaks would end the process. One in use fails its query, or the next; one that is idle is replaced.
  pool.on('connect', (connection) => void connection.on('error', () => {}));
  pool.on('error', (error) => log.warn({ err: error }, 'a database connection broke'));
  try {
    const connection = (): pg.Client =>
      new pg.Client({
        ...address(config.DATABASE_URL, [utc, 'idle_in_transaction_session_timeout=0']),
        connectionTimeoutMillis: 5_000,
        keepAlive: true,
        application_name: 'tertulia-migrations',
      });
    const isPooled = await prepare(connection(), connection(), log);
    if (isPooled) await mustBeSet(pool, log);
    const client = lazily(async (): Promise<SqlitePrismaClient> => {
      const [{ PrismaClient }, { PrismaPg }] = await Promise.all([import('./generated/postgresql/client.ts'), import('@prisma/adapter-pg')]);
      const opened = new PrismaClient({ adapter: new PrismaPg(pool), log: [{ emit: 'event', level: 'query' }] });
      opened.$on('query', () => count(1));
      return opened as unknown as SqlitePrismaClient;
    });
    const sql = postgresSql(pool, count, isPooled);
    const sqlTransaction: Connections['sqlTransaction'] = async (job) => {
      const connection = await pool.connect();
      let broken: unknown;
      try {
        await connection.query('BEGIN');
        const result = await job(postgresSql(connection, count, isPooled));
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
    };
    return {
      engine: 'postgresql',
      prisma: client.get,
      sql,
      scan: sql,
      sqlTransaction,
      run: (name, input) => sqlTransaction((sql) => (jobs[name] as Jobs[string])(sql, input as never)),
      isAlone: async () => {
        const others = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '${namePrefix}%' AND application_name <> $1
          AND application_name NOT IN (SELECT "name" FROM "Node") LIMIT 1`;
        return (await pool.query(others, [nodeName])).rowCount === 0;
      },
      isOlderAbout: async () => {
        const older = (name: string): string => `${name} LIKE '${namePrefix}%' AND ${name} NOT LIKE '${ownPrefix}%'`;
        const { rows } = await pool.query<{ about: boolean }>(
          `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND ${older('application_name')})
             OR EXISTS (SELECT 1 FROM "Node" WHERE "endsAt" > now() AND ${older('"name"')}) AS "about"`,
        );
        return rows[0]?.about ?? true;
      },
      clearRemnants: async () => null,
      syncRemnants: async () => {},
      close: async () => {
        await client.close((opened) => opened.$disconnect());
        if (!pool.ended) await pool.end();
      },
    };
  } catch (error) {
    await pool.end().catch(() => {});
    if (error instanceof DatabaseError) throw error;
    if (/unsupported startup parameter/.test(causes(error)))
      throw new DatabaseError(`The pooler at ${shownUrl(config.DATABASE_URL)} takes no settings: say ignore_startup_parameters = options there (${(error as Error).message}).`);
    if (either(unavailable, code('28P01|3D000|28000|ENOTFOUND')).test(causes(error)))
      throw new DatabaseError(`PostgreSQL at ${shownUrl(config.DATABASE_URL)} cannot be used: ${(error as Error).message}`);
    throw error;
  }
}

/** A connection beside the pool, not connected yet. */
export const openDirect = (url: string, { name, settings, patienceMs }: { name: string; settings: string[]; patienceMs: number }): pg.Client =>
  new pg.Client({ ...address(url, [utc, ...settings]), application_name: name, connectionTimeoutMillis: patienceMs, query_timeout: patienceMs, keepAlive: true });

/** The address may ask for other settings; what is said beside it would not be heard. */
function address(url: string, settings: string[]): { connectionString: string; options: string } {
  const [, given = ''] = /[?&]options=([^&#]*)/.exec(url) ?? [];
  const options = [...settings.map((setting) => `-c ${setting}`), decodeURIComponent(given.replaceAll('+', ' '))].join(' ').trim();
  return { connectionString: url.replace(/([?&])options=[^&#]*&?/, '$1'), options };
}

/**
 * Migrates, however long it takes, and makes the head of the log, while `lock` keeps the other servers waiting that start at the same time: in a transaction of its
 * own, so that a pooler which gives each transaction a connection neither loses the lock nor keeps it. Closes both connections. Returns whether there is a pooler.
 */
async function prepare(connection: pg.Client, lock: pg.Client, log: Log): Promise<boolean> {
  try {
    for (const client of [connection, lock]) {
      client.on('error', (error) => log.warn({ err: error }, 'a database connection broke'));
      await client.connect();
    }
    await mustBePostgres(connection);
    await lock.query('BEGIN');
    await lock.query('SELECT pg_advisory_xact_lock($1)', [migrationLock]);
    // What several servers on one database do at once depends on these locks.
    const { rows } = await connection.query<{ taken: boolean }>('SELECT pg_try_advisory_xact_lock($1) AS "taken"', [migrationLock]);
    if (rows[0]?.taken)
      throw new DatabaseError('The database keeps no advisory locks, as CockroachDB and others that only look like PostgreSQL: Tertulia needs PostgreSQL itself.');
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
    await connection.query(headStatement());
    // A pooler names itself as whom to tell of a cancelled query. It may give each transaction another connection, on which nothing is prepared.
    const { rows: backends } = await connection.query<{ id: number }>('SELECT pg_backend_pid() AS "id"');
    return backends[0]?.id !== (connection as unknown as { processID: number }).processID;
  } finally {
    await Promise.all([connection.end(), lock.end()]);
  }
}

/** A pooler may have left out what connections ask for. Throws DatabaseError where times would be wrong. */
async function mustBeSet(pool: pg.Pool, log: Log): Promise<void> {
  const asked = [utc, ...limits].map((setting) => setting.split('=') as [name: string, value: string]);
  const { rows } = await pool.query<{ name: string; value: string }>(`SELECT "name", current_setting("name") AS "value" FROM unnest($1::text[]) "name"`, [
    asked.map(([name]) => name),
  ]);
  const missing = asked.filter(([name, value]) => rows.find((row) => row.name === name)?.value.replace('Etc/', '') !== value);
  const remedy = missing.map(([name, value]) => `SET ${name} = '${value}'`).join(', ');
  if (missing.some(([name]) => name === 'timezone'))
    throw new DatabaseError(`The pooler in front of PostgreSQL leaves out settings: ALTER ROLE the server's user, each in turn: ${remedy}.`);
  if (missing.length > 0)
    log.warn({ remedy }, 'the pooler in front of PostgreSQL leaves out settings: a server that hangs could hold up the others. ALTER ROLE the user of the servers');
}

/** Throws DatabaseError for a version that is too old, and for texts that would not all fit. */
async function mustBePostgres(connection: pg.Client): Promise<void> {
  const [server] = (
    await connection.query<{ number: string; encoding: string }>(`SELECT current_setting('server_version_num') AS "number", current_setting('server_encoding') AS "encoding"`)
  ).rows;
  const { number = '0', encoding } = server ?? {};
  if (Number(number) < oldestVersion * 10_000)
    throw new DatabaseError(`The database is PostgreSQL ${Math.floor(Number(number) / 10_000)}; Tertulia needs version ${oldestVersion} or newer.`);
  if (encoding !== 'UTF8') throw new DatabaseError(`The PostgreSQL database has the encoding ${encoding}; Tertulia needs UTF8.`);
}

/** The address without its user and password. */
function shownUrl(url: string): string {
  if (!URL.canParse(url)) return 'DATABASE_URL';
  const { host, pathname } = new URL(url);
  return join(host, pathname);
}

// int8 as a number: no count or number of ours comes near 2^53.
const types = { getTypeParser: ((oid: number, format?: 'text') => (oid === 20 ? Number : pg.types.getTypeParser(oid, format))) as typeof pg.types.getTypeParser };
/** Statements are prepared once for each connection; behind a pooler each time. */
export function postgresSql(connection: Pick<pg.Pool, 'query'>, count: Count, isPooled = false): Sql {
  return {
    engine: 'postgresql',
    async all<Row>(text: string, params: readonly Param[]): Promise<Row[]> {
      if (params.some(isEmptyList)) return [];
      count(1);
      const { name, text: numbered } = numberedText(text);
      return (await connection.query({ ...(isPooled ? {} : { name }), text: numbered, types, values: params.map(toPostgres) })).rows as Row[];
    },
  };
}
