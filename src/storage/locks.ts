/** Locks for transactions that decide on what they read: PostgreSQL nodes write at the same time. SQLite has one writer and needs none. */
import type { Tx } from './database.ts';
import type { Engine } from './sql.ts';

export type Locks = ReturnType<typeof createLocks>;

// Any number that no other advisory lock of this database has.
const membershipOfAll = 7_265_002;

export function createLocks(engine: Engine) {
  return { lockChat, lockAccountsForReading, lockAccountsForJoining, holdAccounts };

  /** Holds a chat until the commit, so that its memberships and `lastSeq` stay as they are read after this. At most one chat in a transaction, or several in the order of their ids. */
  async function lockChat(tx: Tx, chatId: number): Promise<void> {
    if (engine === 'postgresql') await tx.$queryRaw`SELECT "id" FROM "Chat" WHERE "id" = ${chatId} FOR NO KEY UPDATE`;
  }

  /** Those of these accounts that are not deleted, and stay so until the commit. After `lockChat`. */
  async function holdAccounts(tx: Tx, ids: readonly number[]): Promise<Set<number>> {
    if (ids.length === 0) return new Set();
    const rows =
      engine === 'postgresql'
        ? await tx.$queryRaw<{ id: number }[]>`SELECT "id" FROM "User" WHERE "id" = ANY(${[...ids]}::int[]) AND "deletedAt" IS NULL ORDER BY "id" FOR KEY SHARE`
        : await tx.user.findMany({ where: { id: { in: [...ids] }, deletedAt: null }, select: { id: true } });
    return new Set(rows.map(({ id }) => id));
  }

  /** No account is being created or deleted while this transaction makes all of them members of a room. Before `lockChat`. */
  async function lockAccountsForReading(tx: Tx): Promise<void> {
    if (engine === 'postgresql') await tx.$executeRaw`SELECT pg_advisory_xact_lock(${membershipOfAll})`;
  }

  /** No room is being opened to everyone while this transaction creates or deletes an account. Before `lockChat`. */
  async function lockAccountsForJoining(tx: Tx): Promise<void> {
    if (engine === 'postgresql') await tx.$executeRaw`SELECT pg_advisory_xact_lock_shared(${membershipOfAll})`;
  }
}
