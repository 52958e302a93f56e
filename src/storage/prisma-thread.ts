/** Prisma's adapter for a connection that a thread has, for transactions only: each statement goes there, and a transaction begins with its first. */
import type { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import type { PrismaQuery, Request } from './crossing.ts';
import type { Thread } from './threads.ts';

type Connection = Awaited<ReturnType<PrismaBetterSqlite3['connect']>>;
type Query = Parameters<Connection['queryRaw']>[0];
type Rows = Awaited<ReturnType<Connection['queryRaw']>>;
type Transaction = Awaited<ReturnType<Connection['startTransaction']>>;
type Queries = Pick<Connection, 'provider' | 'adapterName' | 'queryRaw' | 'executeRaw'>;

/** As Prisma knows the adapter that the thread has. */
const names = { provider: 'sqlite', adapterName: '@prisma/adapter-better-sqlite3' } as const;

/** What Prisma needs of an adapter. */
type Adapter = Pick<PrismaBetterSqlite3, 'provider' | 'adapterName' | 'connect'>;

export function prismaInThread(thread: Pick<Thread, 'ask'>): Adapter {
  const outside = (): Promise<never> => Promise.reject(new Error('Prisma is for transactions'));
  return {
    ...names,
    connect: async (): Promise<Connection> => ({
      ...names,
      queryRaw: outside,
      executeRaw: outside,
      executeScript: outside,
      startTransaction: async () => transaction(),
      // The thread closes it.
      dispose: async () => {},
    }),
  };

  function transaction(): Transaction {
    let began = false;
    const { executeRaw, ...rest } = queries(() => {
      const place = began ? 'goes on' : 'begins';
      began = true;
      return place;
    });
    const run = (sql: string): Promise<number> => executeRaw({ sql, args: [], argTypes: [] });
    return {
      ...rest,
      options: { usePhantomQuery: false },
      // Nothing was asked in it: there is nothing to end.
      executeRaw: async (query) => (!began && isEnd(query.sql) ? 0 : executeRaw(query)),
      // Prisma says COMMIT and ROLLBACK by itself before.
      commit: async () => {},
      rollback: async () => {},
      createSavepoint: async (name) => void (await run(`SAVEPOINT ${name}`)),
      rollbackToSavepoint: async (name) => void (await run(`ROLLBACK TO ${name}`)),
      releaseSavepoint: async (name) => void (await run(`RELEASE SAVEPOINT ${name}`)),
    };
  }

  function queries(placeOfNext: () => Extract<Request, { type: 'prisma' }>['transaction']): Queries {
    const ask = async (how: 'queryRaw' | 'executeRaw', query: Query): Promise<unknown> =>
      (await thread.ask({ type: 'prisma', how, query: toJson(query), transaction: placeOfNext() })).result;
    return {
      ...names,
      queryRaw: async (query) => (await ask('queryRaw', query)) as Rows,
      executeRaw: async (query) => (await ask('executeRaw', query)) as number,
    };
  }
}

const isEnd = (sql: string): boolean => sql === 'COMMIT' || sql === 'ROLLBACK';

/** As the adapter in the thread takes it: a time as it is stored, a large number as text. */
const toJson = ({ sql, args, argTypes }: Query): PrismaQuery => ({
  sql,
  argTypes,
  args: args.map((arg, index) => (arg instanceof Date ? arg.getTime() : typeof arg === 'bigint' ? (argTypes[index]?.scalarType === 'bigint' ? String(arg) : Number(arg)) : arg)),
});
