/** What a server has stored, in Prisma's words: each question is a transaction of its own. */
import type { Database, Tx } from '../../src/storage/database.ts';

type Models = Record<string, Record<string, (args?: unknown) => Promise<unknown>>>;

export const rowsOf = (db: Pick<Database, 'transaction'>): Tx =>
  new Proxy({} as Tx, {
    get: (_tx, model: string) =>
      new Proxy({}, { get: (_model, method: string) => (args?: unknown) => db.transaction(async (tx) => (tx as unknown as Models)[model]?.[method]?.(args)) }),
  });
