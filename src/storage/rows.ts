/** The rows domains pass around, as the database has them, with numbers where the engines give big integers. */
import { type MessageId, toMessageId } from '../ids.ts';
import type { Prisma } from './generated/sqlite/client.ts';
import { toDate, toDateOrNull } from './sql.ts';

export type UserRow = Prisma.UserGetPayload<object>;
export type IdentityRow = Prisma.IdentityGetPayload<object>;
export type SessionRow = Prisma.SessionGetPayload<object>;
/** A chat as it is now. Without `activity`, which only orders lists. */
export type ChatRow = Omit<Prisma.ChatGetPayload<object>, 'activity'> & {
  /** Of one that is locked, and whose row is behind: when that was written, in milliseconds. */
  writtenAt?: number | undefined;
};
export type ChatColumn = keyof Prisma.ChatGetPayload<object>;
export type MemberRow = Prisma.MemberGetPayload<object>;
export type PushDeviceRow = Prisma.PushDeviceGetPayload<object>;
export type MessageRow = Omit<Prisma.MessageGetPayload<object>, 'id' | 'forwardOfId'> & { id: MessageId; forwardOfId: MessageId | null };
export type ThreadRow = Omit<Prisma.ThreadGetPayload<object>, 'rootId'> & { rootId: MessageId };
export type AttachmentRow = Omit<Prisma.AttachmentGetPayload<object>, 'messageId'> & { messageId: MessageId | null };

/** A row as JSON holds it: times in milliseconds, as SQLite has them. The functions below take it, too. */
export type Stored<Row> = { [Name in keyof Row]: Date extends Row[Name] ? Exclude<Row[Name], Date> | number : Row[Name] };
export const toStored = <Row extends object>(row: Row): Stored<Row> =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value instanceof Date ? value.getTime() : value])) as Stored<Row>;

/** A row of `SELECT *` from a prepared statement, with the types Prisma would have given it. */
export const toUserRow = (row: UserRow): UserRow => ({
  ...row,
  createdAt: toDate(row.createdAt),
  lastSeenAt: toDateOrNull(row.lastSeenAt),
  deletedAt: toDateOrNull(row.deletedAt),
});
export const toSessionRow = (row: SessionRow): SessionRow => ({
  ...row,
  createdAt: toDate(row.createdAt),
  lastActiveAt: toDate(row.lastActiveAt),
  expiresAt: toDate(row.expiresAt),
  endedAt: toDateOrNull(row.endedAt),
  rotatedAt: toDate(row.rotatedAt),
  identifiedAt: toDateOrNull(row.identifiedAt),
});
export const toIdentityRow = (row: IdentityRow): IdentityRow => ({
  ...row,
  createdAt: toDate(row.createdAt),
  lastUsedAt: toDateOrNull(row.lastUsedAt),
  voidBefore: toDateOrNull(row.voidBefore),
});
export const toChatRow = (row: ChatRow | Stored<ChatRow>): ChatRow => ({
  ...row,
  everyone: Boolean(row.everyone),
  createdAt: toDate(row.createdAt),
  lastActivityAt: toDate(row.lastActivityAt),
  deletedAt: toDateOrNull(row.deletedAt),
});
export const toAttachmentRow = (row: AttachmentRow): AttachmentRow => ({
  ...row,
  createdAt: toDate(row.createdAt),
  expiresAt: toDateOrNull(row.expiresAt),
  messageId: row.messageId === null ? null : toMessageId(row.messageId),
});
export const toThreadRow = (row: ThreadRow): ThreadRow => ({ ...row, rootId: toMessageId(row.rootId), lastReplyAt: toDate(row.lastReplyAt) });
export const toMemberRow = (row: MemberRow): MemberRow => ({ ...row, joinedAt: toDate(row.joinedAt), readAt: toDateOrNull(row.readAt) });
export const toPushDeviceRow = (row: PushDeviceRow): PushDeviceRow => ({ ...row, createdAt: toDate(row.createdAt), lastSuccessAt: toDateOrNull(row.lastSuccessAt) });
