/** What each engine gives to what stands above it. */
import type { PrismaClient } from './generated/sqlite/client.ts';
import type { Engine, Sql } from './sql.ts';

export type Connections = {
  engine: Engine;
  read: PrismaClient;
  write: PrismaClient;
  sql: Sql;
  /** Runs `job` on one connection between BEGIN and COMMIT, and rolls back when it throws. */
  sqlTransaction<T>(job: (sql: Sql) => Promise<T>): Promise<T>;
  /** Whether no server has the database open that does not say so (`Node`). On PostgreSQL as far as can be seen: one that has not asked for anything for some seconds cannot. */
  isAlone(): Promise<boolean>;
  /** Empties the journal, and clears a piece of the file from this page on. Gives the page to go on with, null at the end, 'busy' when another process is in the way. */
  clearRemnants(from: number): Promise<number | null | 'busy'>;
  /** Resolves when what was cleared is cleared on the disk. */
  syncRemnants(): Promise<void>;
  close(): Promise<void>;
};
