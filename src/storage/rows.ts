/** The rows domains pass around, as the database has them, with numbers where the engines give big integers. */
import type { Prisma } from './generated/sqlite/client.ts';
import { toDate, toDateOrNull } from './sql.ts';

export type UserRow = Prisma.UserGetPayload<object>;
export type SessionRow = Prisma.SessionGetPayload<object>;
export type ChatRow = Prisma.ChatGetPayload<object>;
export type MemberRow = Prisma.MemberGetPayload<object>;
export type MessageRow = Omit<Prisma.MessageGetPayload<object>, 'id'> & { id: number };

/** A row of `SELECT *` from a prepared statement, with the types Prisma would have given it. */
export const toChatRow = (row: ChatRow): ChatRow => ({
  ...row,
  everyone: Boolean(row.everyone),
  createdAt: toDate(row.createdAt),
  lastActivityAt: toDate(row.lastActivityAt),
  deletedAt: toDateOrNull(row.deletedAt),
});
export const toMemberRow = (row: MemberRow): MemberRow => ({ ...row, joinedAt: toDate(row.joinedAt) });
