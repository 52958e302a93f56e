/** Locks for transactions that decide on what they read: PostgreSQL nodes write at the same time. SQLite has one writer and needs none. */
import { AppError } from '../errors.ts';
import type { ChatId, UserId } from '../ids.ts';
import { chatsNow } from './chats-now.ts';
import type { Tx } from './database.ts';
import { type ChatRow, toChatRow } from './rows.ts';
import { type Engine, forUpdate, oneOfList, type Sql, toDate } from './sql.ts';

export type Locks = ReturnType<typeof createLocks>;

// Any number that no other advisory lock of this database has.
const membershipOfAll = 7_265_002;

export function createLocks(engine: Engine) {
  return { lockChat, lockAccounts, lockAccountsForJoining };

  /** Holds a chat until the commit, so that its memberships and `lastSeq` stay as they are read after this. One in a transaction: for several, `lockChats`. */
  async function lockChat(tx: Tx, chatId: ChatId): Promise<void> {
    if (engine === 'postgresql') await tx.$queryRaw`SELECT "id" FROM "Chat" WHERE "id" = ${chatId} FOR NO KEY UPDATE`;
  }

  /** No account is being created or deleted while this transaction makes many of them members of a room. Before the chat's lock. */
  async function lockAccounts(sql: Sql): Promise<void> {
    if (engine === 'postgresql') await sql.all('SELECT CAST(pg_advisory_xact_lock(?) AS text)', [membershipOfAll]);
  }

  /** No room is being opened to everyone while this transaction creates or deletes an account. Before `lockChat`. */
  async function lockAccountsForJoining(tx: Tx): Promise<void> {
    if (engine === 'postgresql') await tx.$executeRaw`SELECT pg_advisory_xact_lock_shared(${membershipOfAll})`;
  }
}

/** Chats by id, held until the commit. In the order of their ids: who locks several waits for nobody who waits for them. */
export async function lockChats(sql: Sql, ids: readonly ChatId[]): Promise<ChatRow[]> {
  const ofThem = oneOfList(sql.engine, '"id"');
  const rows = await sql.all<ChatRow & { activity: number }>(`SELECT * FROM "Chat" WHERE ${ofThem} ORDER BY "id" ${forUpdate(sql.engine)}`, [ids]);
  // What that statement saw of messages was from before it had the locks.
  const writtenAt = new Map(rows.filter(({ activity }) => Number(activity) < 0).map(({ id, lastActivityAt }) => [id, toDate(lastActivityAt).getTime()]));
  if (writtenAt.size === 0) return rows.map(toChatRow);
  const now = await sql.all<ChatRow>(`SELECT * FROM ${chatsNow(sql.engine)} c WHERE ${ofThem} ORDER BY "id"`, [ids]);
  return now.map((row) => ({ ...toChatRow(row), writtenAt: writtenAt.get(row.id) }));
}

/** Those of these accounts that are not deleted, and stay so until the commit. After `lockChat`. */
export async function holdAccounts(sql: Sql, ids: readonly UserId[]): Promise<Set<UserId>> {
  const hold = sql.engine === 'sqlite' ? '' : 'FOR KEY SHARE';
  const rows = await sql.all<{ id: UserId }>(`SELECT "id" FROM "User" WHERE ${oneOfList(sql.engine, '"id"')} AND "deletedAt" IS NULL ORDER BY "id" ${hold}`, [ids]);
  return new Set(rows.map(({ id }) => id));
}

/** The same for whoever asks. Throws TOKEN_INVALID when the account was deleted since the request began. */
export async function mustHoldAccount(sql: Sql, id: UserId): Promise<void> {
  if (!(await holdAccounts(sql, [id])).has(id)) throw new AppError('TOKEN_INVALID');
}

/** Those of these accounts that are not deleted, in the order of their ids. Nobody else holds them in this way until the commit: what is counted for them, or decided by it, stays so. */
export async function lockLiveAccounts(sql: Sql, ids: readonly UserId[]): Promise<UserId[]> {
  const rows = await sql.all<{ id: UserId }>(`SELECT "id" FROM "User" WHERE ${oneOfList(sql.engine, '"id"')} AND "deletedAt" IS NULL ORDER BY "id" ${forUpdate(sql.engine)}`, [
    ids,
  ]);
  return rows.map(({ id }) => id);
}

/** The same for whoever asks. Throws TOKEN_INVALID when the account was deleted since the request began. */
export async function mustLockAccount(sql: Sql, id: UserId): Promise<void> {
  if ((await lockLiveAccounts(sql, [id])).length === 0) throw new AppError('TOKEN_INVALID');
}
