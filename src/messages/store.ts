/** The rows of messages, through prepared statements: this is the path every send, page and delivery takes. */
import { type LogEvent, messageIdOf } from '../events/event.ts';
import { type ChatId, type MessageId, toMessageId, type UserId } from '../ids.ts';
import type { Pair } from '../storage/dialogs.ts';
import type { ChatRow, MemberRow, MessageRow, Stored } from '../storage/rows.ts';
import { insertRows, oneOfList, type Sql, tableOf, toDate, toDateOrNull } from '../storage/sql.ts';
import type { Stretch } from './stretches.ts';

/** What a message has that was just sent. */
const plainColumns = {
  id: 'bigint',
  chatId: 'int',
  seq: 'int',
  senderId: 'int',
  text: 'text',
  createdAt: 'date',
  clientSentAt: 'date',
  clientMessageId: 'text',
  contentDigest: 'text',
  version: 'int',
} as const;
/** What few messages have. */
const kindColumns = {
  replyToSeq: 'int',
  threadRootSeq: 'int',
  mentionsAll: 'text',
  forwardOfId: 'bigint',
  forwardAuthorId: 'int',
  forwardSentAt: 'date',
  metadata: 'text',
} as const;
const newColumns = { ...plainColumns, ...kindColumns };
export type MessageKind = Pick<MessageRow, keyof typeof kindColumns>;
export const plainKind: MessageKind = {
  replyToSeq: null,
  threadRootSeq: null,
  mentionsAll: null,
  forwardOfId: null,
  forwardAuthorId: null,
  forwardSentAt: null,
  metadata: null,
};
const isPlain = (row: MessageKind): boolean => (Object.keys(kindColumns) as (keyof MessageKind)[]).every((name) => row[name] === null);

const columns = [...Object.keys(plainColumns), 'editedAt', 'deletedAt', ...Object.keys(kindColumns)];
/** All columns of "Message" m. */
export const messageColumns = columns.map((column) => `m."${column}"`).join(', ');

const returned = columns.map((column) => `"${column}"`).join(', ');

export function toMessage(row: MessageRow | Stored<MessageRow>): MessageRow {
  return {
    ...row,
    id: toMessageId(row.id),
    createdAt: toDate(row.createdAt),
    clientSentAt: toDateOrNull(row.clientSentAt),
    editedAt: toDateOrNull(row.editedAt),
    deletedAt: toDateOrNull(row.deletedAt),
    forwardOfId: row.forwardOfId === null ? null : toMessageId(row.forwardOfId),
    forwardSentAt: toDateOrNull(row.forwardSentAt),
  };
}

async function messages(sql: Sql, text: string, params: Parameters<Sql['all']>[1]): Promise<MessageRow[]> {
  return (await sql.all<MessageRow>(text, params)).map(toMessage);
}

export const messagesByIds = (sql: Sql, ids: readonly MessageId[]): Promise<MessageRow[]> =>
  messages(sql, `SELECT ${messageColumns} FROM "Message" m WHERE ${oneOfList(sql.engine, 'm."id"', 'bigint')}`, [ids]);

/** Gives events the messages they announce, as they are now, in one statement. */
export async function hydrate(sql: Sql, events: readonly LogEvent[]): Promise<void> {
  const bare = events.filter((event) => event.type === 'message-added' || event.type === 'notification-added').filter((event) => !event.message);
  const rows = new Map((await messagesByIds(sql, bare.map(messageIdOf))).map((row) => [row.id, row]));
  for (const event of bare) {
    const row = rows.get(messageIdOf(event));
    if (row) event.message = row;
  }
}

/** The messages of stretches of chats, each ascending, in the order of the stretches. */
export async function messagesIn(sql: Sql, stretches: readonly Stretch[]): Promise<MessageRow[][]> {
  const table = tableOf(sql.engine, 't', { place: 'int', chatId: 'int', low: 'int', high: 'int' });
  const rows = await sql.all<MessageRow & { place: number }>(
    `SELECT t."place", ${messageColumns} FROM ${table} JOIN "Message" m ON m."chatId" = t."chatId" AND m."seq" > t."low" AND m."seq" <= t."high" ORDER BY t."place", m."seq"`,
    [stretches.map((stretch, place) => ({ place, ...stretch }))],
  );
  const found: MessageRow[][] = stretches.map(() => []);
  for (const { place, ...row } of rows) found[place]?.push(toMessage(row));
  return found;
}

/** The newest message of each chat, or of those asked for by their place. */
export async function messagesAt(sql: Sql, places: readonly { chatId: ChatId; seq: number }[]): Promise<MessageRow[]> {
  const table = tableOf(sql.engine, 't', { chatId: 'int', seq: 'int' });
  return messages(sql, `SELECT ${messageColumns} FROM ${table} JOIN "Message" m ON m."chatId" = t."chatId" AND m."seq" = t."seq"`, [places]);
}

/** What these senders already sent under these ids. */
export async function sentBefore(sql: Sql, keys: readonly { senderId: UserId; clientMessageId: string }[]): Promise<MessageRow[]> {
  const table = tableOf(sql.engine, 't', { senderId: 'int', clientMessageId: 'text' });
  return messages(sql, `SELECT ${messageColumns} FROM ${table} JOIN "Message" m ON m."senderId" = t."senderId" AND m."clientMessageId" = t."clientMessageId"`, [keys]);
}

export async function insertMessages(sql: Sql, rows: readonly MessageRow[]): Promise<void> {
  // Most batches hold nothing else, and do not pay for the rest.
  if (rows.every(isPlain)) await insertRows(sql, 'Message', plainColumns, rows);
  else await insertRows(sql, 'Message', newColumns, rows);
}

/** As it is afterwards. */
export async function changeContent(
  sql: Sql,
  id: MessageId,
  { text, metadata, mentionsAll }: Pick<MessageRow, 'text' | 'metadata' | 'mentionsAll'>,
  at: Date,
): Promise<MessageRow> {
  const [row] = await messages(
    sql,
    `UPDATE "Message" SET "text" = ?, "metadata" = ?, "mentionsAll" = ?, "version" = "version" + 1, "editedAt" = ? WHERE "id" = ? RETURNING ${returned}`,
    [text, metadata, mentionsAll, at, id],
  );
  return row as MessageRow;
}

/** What a tombstone has no more. Where it stands and what it answers stays. */
export const blanked = '"text" = NULL, "metadata" = NULL, "mentionsAll" = NULL, "forwardOfId" = NULL, "forwardAuthorId" = NULL, "forwardSentAt" = NULL';

/** Leaves a tombstone. */
export async function blank(sql: Sql, id: MessageId, at: Date): Promise<MessageRow> {
  const [row] = await messages(sql, `UPDATE "Message" SET ${blanked}, "deletedAt" = ? WHERE "id" = ? RETURNING ${returned}`, [at, id]);
  return row as MessageRow;
}

/** Where the messages of a time or later begin, in the order of what is asked; behind the last message when none is so late. `seq` has no holes, so all are found by halving in one statement. */
export async function firstSeqsSince(sql: Sql, asked: readonly { chatId: ChatId; lastSeq: number; at: Date }[]): Promise<number[]> {
  const middle = '(s."low" + s."high") / 2';
  const isBefore = `(SELECT m."createdAt" FROM "Message" m WHERE m."chatId" = s."chatId" AND m."seq" = ${middle}) < s."at"`;
  const rows = await sql.all<{ place: number; seq: number }>(
    `WITH RECURSIVE s("place", "chatId", "at", "low", "high") AS (
       SELECT t."place", t."chatId", t."at", 0, t."lastSeq" + 1 FROM ${tableOf(sql.engine, 't', { place: 'int', chatId: 'int', lastSeq: 'int', at: 'date' })}
       UNION ALL SELECT s."place", s."chatId", s."at", CASE WHEN ${isBefore} THEN ${middle} ELSE s."low" END, CASE WHEN ${isBefore} THEN s."high" ELSE ${middle} END
       FROM s WHERE s."high" - s."low" > 1)
     SELECT s."place", s."high" AS "seq" FROM s WHERE s."high" - s."low" = 1`,
    [asked.map((each, place) => ({ ...each, place }))],
  );
  const seqs = asked.map(({ lastSeq }) => lastSeq + 1);
  for (const { place, seq } of rows) seqs[place] = seq;
  return seqs;
}

// ---------------------------------------------------------------- chats, as sending needs them

/** Opens dialogs with both their members. A pair that somebody else opens at the same moment is left out of the answer. */
export async function openDialogs(sql: Sql, pairs: readonly Pair[], at: Date): Promise<(Pair & { id: ChatId })[]> {
  // In one order: nodes that open the same dialogs at once wait for each other row by row.
  const ordered = [...pairs].sort((a, b) => a.low - b.low || a.high - b.high);
  const rows = ordered.map((pair) => ({ ...pair, at, memberCount: pair.low === pair.high ? 1 : 2 }));
  const table = tableOf(sql.engine, 't', { low: 'int', high: 'int', at: 'date', memberCount: 'int' });
  const opened = await sql.all<Pair & { id: ChatId }>(
    `INSERT INTO "Chat" ("kind", "lowUserId", "highUserId", "visibility", "postPolicy", "memberCount", "createdAt", "lastActivityAt")
     SELECT 'DIALOG', "low", "high", 'PRIVATE', 'MEMBERS', "memberCount", "at", "at" FROM ${table} WHERE true
     ON CONFLICT ("lowUserId", "highUserId") DO NOTHING RETURNING "id", "lowUserId" AS "low", "highUserId" AS "high"`,
    [rows],
  );
  const members = opened.flatMap(({ id, low, high }) => [...new Set([low, high])].map((userId) => ({ chatId: id, userId, at })));
  const memberTable = tableOf(sql.engine, 't', { chatId: 'int', userId: 'int', at: 'date' });
  await sql.all(
    `INSERT INTO "Member" ("chatId", "userId", "role", "joinedAt", "joinedSeq", "deliveredSeq", "readSeq") SELECT "chatId", "userId", 'MEMBER', "at", 0, 0, 0 FROM ${memberTable}`,
    [members],
  );
  return opened;
}

/** Which of these accounts exist and were not deleted. */
export async function liveAccounts(sql: Sql, ids: readonly UserId[]): Promise<Set<UserId>> {
  const rows = await sql.all<{ id: UserId }>(`SELECT "id" FROM "User" WHERE ${oneOfList(sql.engine, '"id"')} AND "deletedAt" IS NULL`, [ids]);
  return new Set(rows.map((row) => row.id));
}

type Place = { chatId: ChatId; userId: UserId };

/**
 * Memberships of accounts that are not deleted, and on PostgreSQL these accounts, kept from being renamed or deleted until the commit. Storing a message does that anyway, for its foreign key,
 * but after the numbers were taken: who renames has the account and waits for the numbers, and both would wait for ever.
 */
export async function membersAt(sql: Sql, places: readonly Place[]): Promise<Pick<MemberRow, 'chatId' | 'userId' | 'role'>[]> {
  const table = tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' });
  const hold = sql.engine === 'sqlite' ? '' : 'FOR KEY SHARE OF u';
  return sql.all(
    `SELECT b."chatId", b."userId", b."role" FROM ${table} JOIN "Member" b ON b."chatId" = t."chatId" AND b."userId" = t."userId"
     JOIN "User" u ON u."id" = b."userId" AND u."deletedAt" IS NULL ${hold}`,
    [places],
  );
}

/** Whether a chat is a dialog whose other person has deleted their account. */
export async function isDeserted(sql: Sql, chatId: ChatId, userId: UserId): Promise<boolean> {
  const rows = await sql.all(
    `SELECT 1 FROM "Chat" c JOIN "User" u ON u."id" = CASE WHEN c."lowUserId" = ? THEN c."highUserId" ELSE c."lowUserId" END
     WHERE c."id" = ? AND u."deletedAt" IS NOT NULL`,
    [userId, chatId],
  );
  return rows.length > 0;
}

export async function bansAt(sql: Sql, places: readonly Place[]): Promise<Place[]> {
  const table = tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' });
  return sql.all(`SELECT b."chatId", b."userId" FROM ${table} JOIN "Ban" b ON b."chatId" = t."chatId" AND b."userId" = t."userId"`, [places]);
}

/** How long the row of a chat that is behind stays as it is, whatever is sent. */
const restMs = 10_000;

/** The chats as they are with these messages. On PostgreSQL the row of one that was written less than a second ago is written once more, as one that is behind, and then rests. */
export async function advanceChats(
  sql: Sql,
  chats: readonly Pick<ChatRow, 'id' | 'lastSeq' | 'lastActivityAt' | 'writtenAt'>[],
  newest: ReadonlyMap<ChatId, MessageId>,
): Promise<void> {
  const due = chats.filter(({ lastActivityAt, writtenAt }) => writtenAt === undefined || lastActivityAt.getTime() - writtenAt >= restMs);
  const rows = due.map(({ id, lastSeq, lastActivityAt }) => ({ id, lastSeq, at: lastActivityAt, activity: newest.get(id) ?? 0 }));
  const table = tableOf(sql.engine, 't', { id: 'int', lastSeq: 'int', at: 'date', activity: 'bigint' });
  const set = '"lastSeq" = t."lastSeq", "lastActivityAt" = t."at", "activity" = ';
  await sql.all(
    sql.engine === 'sqlite'
      ? `UPDATE "Chat" SET ${set} t."activity" FROM ${table} WHERE "Chat"."id" = t."id"`
      : `UPDATE "Chat" SET ${set} CASE WHEN h."mayLag" AND t."at" < "Chat"."lastActivityAt" + interval '1 s' THEN -t."activity" ELSE t."activity" END
         FROM ${table}, "EventHead" h WHERE "Chat"."id" = t."id" AND h."id" = 1`,
    [rows],
  );
}
