/** What each engine gives to what stands above it. */
import type { Bound } from './crossing.ts';
import type { PrismaClient } from './generated/sqlite/client.ts';
import type { Engine, Sql } from './sql.ts';

/** Whole transactions by their names: functions that await nothing but statements. What they are given and what they answer is JSON. */
export type Jobs = Readonly<Record<string, (sql: Sql, input: never) => Promise<unknown>>>;
/** Functions of SQL that SQLite's threads have, by their names: pure, without a wait. */
export type SqlFunctions = Readonly<Record<string, (...values: Bound[]) => Bound>>;
/** The jobs, and the addresses of the modules that export them and the functions of SQL: a thread imports them again. */
export type JobsModule = { jobs: Jobs; module: string | null; functions: string | null };

/** What is loaded when it is first asked for; tried again when that failed. */
export function lazily<T>(load: () => Promise<T>): { get(): Promise<T>; close(end: (loaded: T) => Promise<void>): Promise<void> } {
  let loaded: Promise<T> | undefined;
  const get = (): Promise<T> =>
    (loaded ??= load().catch((error: unknown) => {
      loaded = undefined;
      throw error;
    }));
  return { get, close: async (end) => void (await loaded?.then(end, () => {})) };
}

/** Told of statements that were run. */
export type Count = (statements: number) => void;

export type Connections = {
  engine: Engine;
  /** For transactions only. Loaded when it is first used: it takes 13 MB, and its compiler more. */
  prisma(): Promise<PrismaClient>;
  sql: Sql;
  /** For what takes long. */
  scan: Sql;
  /** Runs `job` on one connection between BEGIN and COMMIT, and rolls back when it throws. */
  sqlTransaction<T>(job: (sql: Sql) => Promise<T>): Promise<T>;
  /** Runs a job by its name, as a transaction of its own. */
  run(name: string, input: unknown): Promise<unknown>;
  /** Whether no server has the database open that does not say so (`Node`). On PostgreSQL as far as can be seen: one that has not asked for anything for some seconds cannot. */
  isAlone(): Promise<boolean>;
  /** Whether a server of an earlier version has the database open, as far as can be seen: one that takes each chat's row as it stands. Never on SQLite. */
  isOlderAbout(): Promise<boolean>;
  /** Empties the journal, and clears a piece of the file from this page on. Gives the page to go on with, null at the end, 'busy' when another process is in the way. */
  clearRemnants(from: number): Promise<number | null | 'busy'>;
  /** Resolves when what was cleared is cleared on the disk. */
  syncRemnants(): Promise<void>;
  close(): Promise<void>;
};
