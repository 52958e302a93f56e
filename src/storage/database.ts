/**
 * Opens and closes the database and runs transactions, the same on both engines (sqlite.ts, postgresql.ts). On SQLite writers take turns in this process, so
 * nobody waits inside SQLite, and nobody's many transactions keep the others' out; and as short reads are answered in the same turn of the event loop, who asks
 * again and again lets the others in between.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../log.ts';
import { createTurns, isTurnLong, yieldWhenLong } from '../turns.ts';
import type { JobsModule } from './connections.ts';
import { causes, conflicts, isUnavailable } from './failures.ts';
import type { Prisma } from './generated/sqlite/client.ts';
import { prismaSql, type Sql } from './sql.ts';

const busyTries = 10;
const busyPauseMs = 100;
const longestPauseMs = 250;

export type Tx = Prisma.TransactionClient;
export type Database = Awaited<ReturnType<typeof openDatabase>>;

/**
 * Opens (and, when the place is empty, makes) the database and applies missing migrations.
 * Throws DatabaseError with a message for people: not a database, of another program, newer than this one, or already in use by a server.
 */
export async function openDatabase(config: Config, log: Log, onUnavailable: () => void = () => {}, jobs: JobsModule = { jobs: {}, module: null, functions: null }) {
  const statements = { count: 0 };
  // Only the engine that is used is loaded.
  const open = config.DATABASE_URL.startsWith('file:') ? (await import('./sqlite.ts')).openSqlite : (await import('./postgresql.ts')).openPostgres;
  const connections = await open(config, log, (more) => (statements.count += more), jobs);
  const { engine, sql } = connections;
  const turns = createTurns();
  let pinging: Promise<void> | null = null;
  const scans = createTurns();
  const takeTurn = engine === 'sqlite' ? turns.take : <T>(job: () => Promise<T>) => job();
  const ask: Sql['all'] = engine === 'sqlite' ? async (text, params) => (isTurnLong() ? yieldWhenLong().then(() => sql.all(text, params)) : sql.all(text, params)) : sql.all;
  // One thread reads them: whoever wants many has them in turn with the others.
  const scan: Sql['all'] = engine === 'sqlite' ? (text, params) => scans.take(() => connections.scan.all(text, params)) : sql.all;
  return {
    engine,
    /** Prepared statements for reading: see what was committed. Fail with UNAVAILABLE like transactions. */
    sql: { engine, all: (text, params) => guarded(onUnavailable, () => ask(text, params)) } as Sql,
    /** The same for what looks at many rows: directory, lists, counts, searches, sweeps. On SQLite another thread reads them. */
    scan: { engine, all: (text, params) => guarded(onUnavailable, () => scan(text, params)) } as Sql,
    /** Statements of the kind of `sql` inside an ordinary transaction. */
    sqlIn: (tx: Tx): Sql => prismaSql(tx, engine),
    /** Statements run so far, Prisma's and prepared ones: for tests that hold a path to a number of them. */
    statements,
    /** One intention, one transaction. Fails with UNAVAILABLE when the database cannot (full, gone, too busy). `job` may run again after a deadlock: nothing outside it may change. */
    transaction: <T>(job: (tx: Tx) => Promise<T>, committed?: (result: T) => void): Promise<T> =>
      guarded(onUnavailable, () =>
        takeTurn(() => retried(async () => (await connections.prisma()).$transaction((tx) => job(tx as Tx), { maxWait: 10_000, timeout: 20_000 }), committed)),
      ),
    /** The same with prepared statements. */
    sqlTransaction: <T>(job: (sql: Sql) => Promise<T>, committed?: (result: T) => void): Promise<T> =>
      guarded(onUnavailable, () => takeTurn(() => retried(() => connections.sqlTransaction(job), committed))),
    /** Runs a job by its name, as a transaction: on SQLite in the thread that writes, with one message each way. */
    run: <T>(name: string, input: unknown, committed?: (result: T) => void): Promise<T> =>
      guarded(onUnavailable, () => takeTurn(() => retried(() => connections.run(name, input) as Promise<T>, committed))),
    /**
     * Leaves nothing in SQLite's files of what was deleted before this call: until then its journal holds pages as they were, and pages may hold copies of rows
     * that were moved. False when another process reads all the time (a backup), or when `mayGoOn` has become false: try again later. On PostgreSQL there is
     * nothing to do here: its vacuum takes old rows.
     */
    clearRemnants: createPasses(async (mayGoOn: () => boolean) => {
      for (let page: number | null = 1, tries = 0; page !== null; ) {
        let tookMs = 0;
        const job = async (): Promise<number | null | 'busy'> => {
          const startedAt = performance.now();
          const cleared = await connections.clearRemnants(page as number);
          tookMs = performance.now() - startedAt;
          return cleared;
        };
        const next = await guarded(onUnavailable, () => takeTurn(job));
        if (!mayGoOn() || (next === 'busy' && ++tries >= busyTries)) return false;
        if (next !== 'busy') [page, tries] = [next, 0];
        // Most of the time is the others'.
        if (page !== null) await sleep(next === 'busy' ? busyPauseMs : Math.min(longestPauseMs, 4 * tookMs), undefined, { ref: false });
      }
      await connections.syncRemnants();
      return true;
    }),
    isAlone: (): Promise<boolean> => guarded(onUnavailable, () => connections.isAlone()),
    isOlderAbout: (): Promise<boolean> => guarded(onUnavailable, () => connections.isOlderAbout()),
    /** Resolves when the database answers. Who asks while it is being asked has the same answer: probes may come by the thousand. */
    ping: (): Promise<void> =>
      (pinging ??= guarded(onUnavailable, () => sql.all('SELECT 1', []))
        .then(() => {})
        .finally(() => {
          pinging = null;
        })),
    close: async (): Promise<void> => {
      await Promise.all([turns.idle(), scans.idle()]);
      await connections.close();
    },
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

async function guarded<T>(onUnavailable: () => void, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    onUnavailable();
    throw new AppError('UNAVAILABLE', undefined, undefined, { cause: error });
  }
}

/** One pass at a time. Whoever asks while one is under way waits for the next: what they mean may lie behind it. */
function createPasses<Given, Result>(pass: (given: Given) => Promise<Result>) {
  let last: Promise<unknown> = Promise.resolve();
  let waiting: Promise<Result> | null = null;
  return (given: Given): Promise<Result> => {
    waiting ??= last.then(() => {
      waiting = null;
      return pass(given);
    });
    last = waiting.catch(() => {});
    return waiting;
  };
}
