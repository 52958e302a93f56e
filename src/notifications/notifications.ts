/**
 * Notifications: what others wrote in one's own chats. A notification is a message, and its id the message's: a message to a room of thousands writes
 * nothing for its readers. Only what is marked as read without reading the chat is stored.
 */
import { joinLevel, type Level, levelText } from '../chats/levels.ts';
import { notFound } from '../errors.ts';
import type { EventOf } from '../events/event.ts';
import type { Append, WriteBatch } from '../events/write.ts';
import { type MessageId, toMessageId, type UserId } from '../ids.ts';
import type { Receipts } from '../messages/receipts.ts';
import { messagesByIds } from '../messages/store.ts';
import { createStretches, inPieces, type Stretch } from '../messages/stretches.ts';
import { chatsNow } from '../storage/chats-now.ts';
import type { Database, Tx } from '../storage/database.ts';
import { keysetPage, type Page, type PageRequest, type ReadBetween } from '../storage/page.ts';
import type { ChatRow, MessageRow, UserRow } from '../storage/rows.ts';
import { oneOfList, type Sql, tableOf, toDate } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import type { Viewer } from '../viewer.ts';
import { createForMe } from './for-me.ts';

export type Notifications = ReturnType<typeof createNotifications>;
/** A message of somebody else, sent after the person had become a member of its chat, and not deleted. */
export type NotificationRow = MessageRow;
/** What to mark as read. An id that is null never was one. */
export type Selection = { ids: readonly (MessageId | null)[] } | { upToId: MessageId | null } | { all: true };

type Levelled = Stretch & { level: Level };
type Bounds = Parameters<ReadBetween<MessageRow, [number]>>[0];

const longestSummary = 120;
const longestName = 40;
/** More ids than these are not told one by one. */
const mostTold = 200;
const sweptAtOnce = 500;
const sweptInARound = 20 * sweptAtOnce;

export function createNotifications({ db, writeBatch, receipts, clock }: { db: Database; writeBatch: WriteBatch; receipts: Pick<Receipts, 'unread'>; clock: () => Date }) {
  const inOrder = createStretches({ db });
  const mine = createForMe({ db });
  /** Where the last round of sweeping stopped. */
  let swept: [userId: UserId, messageId: MessageId] | null = null;
  return { page, unreadCount, findMany, readTimes, toldAsRead, markRead, sweep, eraseAll };

  /**
   * Newest first. Costs index look-ups: for each chat its newest notification, then a page's worth of each chat that can be on the page.
   * Fails with BAD_REQUEST for a cursor that is none.
   */
  async function page({ userId }: Viewer, unreadOnly: boolean, request: PageRequest): Promise<Page<NotificationRow>> {
    return keysetPage<NotificationRow, [number]>(request, { isKey, keyOf: ({ id }) => [id], read: (bounds) => read(userId, unreadOnly, bounds) });
  }

  async function read(userId: UserId, unreadOnly: boolean, { after, before, backward, limit }: Bounds): Promise<NotificationRow[]> {
    let stretches = unreadOnly ? (await unreadStretches(userId)).stretches : await stretchesOf(userId, 'joinedSeq');
    if (after) stretches = await inOrder.cut(stretches, 'high', after[0] - 1);
    if (before) stretches = await inOrder.cut(stretches, 'low', before[0]);
    const unread = unreadOnly ? 'AND NOT EXISTS (SELECT 1 FROM "NotificationRead" r WHERE r."userId" = ? AND r."messageId" = m."id")' : '';
    const counted = { where: `m."senderId" <> ? AND m."deletedAt" IS NULL ${unread}`, params: unreadOnly ? [userId, userId] : [userId] };
    const { all, forMe } = byLevel(stretches);
    const ofAll = await inOrder.idsIn(all, counted, !backward, limit);
    const ofMine = await mine.idsIn(userId, forMe, unreadOnly, !backward, limit);
    const ids = ofMine.length === 0 ? ofAll : [...ofAll, ...ofMine].sort((a, b) => (backward ? a - b : b - a)).slice(0, limit);
    const rows = new Map((await messagesByIds(db.sql, ids)).map((row) => [row.id, row]));
    return ids.flatMap((id) => rows.get(id) ?? []);
  }

  /** Exact: what came behind the markers, less the own and the deleted, which narrow indexes count, and less what was marked one by one. */
  async function unreadCount(userId: UserId): Promise<number> {
    const { stretches, mark } = await unreadStretches(userId);
    if (stretches.length === 0) return 0;
    const { all, forMe } = byLevel(stretches);
    const counts = await inPieces(all, (piece) => receipts.unread(piece.map(({ chatId, low, high }) => ({ chatId, userId, readSeq: low, lastSeq: high }))));
    const [marked] = await db.sql.all<{ count: number }>(
      `SELECT count(*) AS "count" FROM "NotificationRead" r JOIN "Message" m ON m."id" = r."messageId" JOIN "Member" b ON b."chatId" = m."chatId" AND b."userId" = r."userId"
       WHERE r."userId" = ? AND r."messageId" > ? AND m."seq" > b."readSeq" AND m."deletedAt" IS NULL AND ${oneOfList(db.engine, 'm."chatId"')}`,
      [userId, mark, all.map(({ chatId }) => chatId)],
    );
    return (await mine.count(userId, forMe)) + Math.max(0, counts.reduce((sum, count) => sum + count, 0) - Number(marked?.count ?? 0));
  }

  /** In the order of the ids: null for what is no notification of this person. */
  async function findMany({ userId }: Viewer, ids: readonly MessageId[]): Promise<(NotificationRow | null)[]> {
    const rows = new Map((await ownMessages(db.sql, userId, ids)).map((row) => [row.id, row]));
    return ids.map((id) => {
      const row = rows.get(id);
      return row && row.deletedAt === null ? row : null;
    });
  }

  /** When the person read each, in their order; null for what is unread. For what was read by reading the chat: when its marker last moved. */
  async function readTimes(userId: UserId, notifications: readonly Pick<NotificationRow, 'id' | 'chatId' | 'seq' | 'createdAt'>[]): Promise<(Date | null)[]> {
    const rows = await db.sql.all<{ id: MessageId; readSeq: number | null; chatReadAt: unknown; readAt: unknown; upToId: MessageId | null; allReadAt: unknown }>(
      `SELECT t."id", b."readSeq", b."readAt" AS "chatReadAt", r."readAt", k."upToId", k."readAt" AS "allReadAt" FROM ${tableOf(db.engine, 't', { id: 'bigint', chatId: 'int' })}
       LEFT JOIN "Member" b ON b."chatId" = t."chatId" AND b."userId" = ? LEFT JOIN "NotificationRead" r ON r."userId" = ? AND r."messageId" = t."id"
       LEFT JOIN "NotificationMark" k ON k."userId" = ?`,
      [notifications.map(({ id, chatId }) => ({ id, chatId })), userId, userId, userId],
    );
    const byId = new Map(rows.map((row) => [toMessageId(row.id), row]));
    return notifications.map(({ id, seq, createdAt }) => {
      const row = byId.get(id);
      if (!row) return null;
      const times = [row.readAt, id <= Number(row.upToId ?? 0) ? row.allReadAt : null, (row.readSeq ?? 0) >= seq ? (row.chatReadAt ?? createdAt) : null];
      const known = times.flatMap((time) => (time === null ? [] : [toDate(time).getTime()]));
      return known.length === 0 ? null : new Date(known.reduce((first, time) => Math.min(first, time)));
    });
  }

  /** What an event says as of now: which were read, null when nothing is unread, and how many still are. */
  async function toldAsRead(event: EventOf<'notifications-read'>): Promise<{ ids: readonly MessageId[] | null; unread: number }> {
    const unread = await unreadCount(event.userId);
    if (event.messageIds) return { ids: event.messageIds, unread };
    if (unread === 0) return { ids: null, unread };
    const upToId = event.upToId ?? event.number;
    return { ids: (await read(event.userId, false, { after: [upToId + 1], before: null, backward: false, limit: mostTold })).map(({ id }) => id), unread };
  }

  /**
   * Marks notifications as read on all devices; moves no marker of a chat. What is read already, or was deleted since, changes nothing.
   * Fails with NOT_FOUND when one of them is not the viewer's; then none is marked.
   */
  async function markRead({ userId }: Viewer, selection: Selection): Promise<void> {
    if ('ids' in selection) return markOneByOne(userId, selection.ids);
    const upToId = 'upToId' in selection ? selection.upToId : undefined;
    if (upToId === null || (upToId !== undefined && (await ownMessages(db.sql, userId, [upToId])).length === 0)) throw notFound('Notification');
    if ((await unreadCount(userId)) === 0) return;
    await writeBatch(async (sql, number) => {
      if (upToId !== undefined && (await markOf(sql, userId)) >= upToId) return;
      const [event] = await number([{ type: 'notifications-read', userId, ...(upToId === undefined ? {} : { upToId }) }]);
      // All there were are those whose messages stand before this event in the log.
      await sql.all(
        `INSERT INTO "NotificationMark" ("userId", "upToId", "readAt") VALUES (?, ?, ?) ON CONFLICT ("userId") DO UPDATE
         SET "upToId" = excluded."upToId", "readAt" = excluded."readAt" WHERE "NotificationMark"."upToId" < excluded."upToId"`,
        [userId, upToId ?? (event as { number: number }).number, clock()],
      );
    });
  }

  async function markOneByOne(userId: UserId, given: readonly (MessageId | null)[]): Promise<void> {
    const ids = [...new Set(given.filter((id) => id !== null))];
    if (given.includes(null)) throw notFound('Notification');
    await writeBatch(async (sql, number) => {
      const rows = await ownMessages(sql, userId, ids);
      if (rows.length < ids.length) throw notFound('Notification');
      const fresh = rows
        .filter((row) => row.unread && row.deletedAt === null)
        .map(({ id }) => id)
        .sort((a, b) => b - a);
      if (fresh.length === 0) return;
      await number([{ type: 'notifications-read', userId, messageIds: fresh }]);
      const table = tableOf(sql.engine, 't', { messageId: 'bigint', userId: 'int', at: 'date' });
      const at = clock();
      await sql.all(`INSERT INTO "NotificationRead" ("userId", "messageId", "readAt") SELECT "userId", "messageId", "at" FROM ${table} WHERE true ON CONFLICT DO NOTHING`, [
        fresh.map((messageId) => ({ messageId, userId, at })),
      ]);
    });
  }

  /** Removes what says nothing any more: the chat was read, all were marked, or the message is gone. A bounded piece of the table at each call. Returns how many went. */
  async function sweep(): Promise<number> {
    let gone = 0;
    for (let looked = 0; looked < sweptInARound; looked += sweptAtOnce) {
      const rows = await db.scan.all<{ userId: UserId; messageId: MessageId; stale: unknown }>(
        `SELECT r."userId", r."messageId", (m."id" IS NULL OR m."deletedAt" IS NOT NULL OR b."userId" IS NULL OR m."seq" <= b."readSeq" OR r."messageId" <= COALESCE(k."upToId", 0)) AS "stale"
         FROM "NotificationRead" r LEFT JOIN "Message" m ON m."id" = r."messageId" LEFT JOIN "Member" b ON b."chatId" = m."chatId" AND b."userId" = r."userId"
         LEFT JOIN "NotificationMark" k ON k."userId" = r."userId" WHERE (r."userId", r."messageId") > (?, ?) ORDER BY r."userId", r."messageId" LIMIT ?`,
        [...(swept ?? [0, 0]), sweptAtOnce],
      );
      const stale = rows.filter((row) => row.stale).map(({ userId, messageId }) => ({ userId, messageId }));
      if (stale.length > 0) {
        const table = tableOf(db.engine, 't', { userId: 'int', messageId: 'bigint' });
        await db.sqlTransaction((sql) => sql.all(`DELETE FROM "NotificationRead" WHERE ("userId", "messageId") IN (SELECT t."userId", t."messageId" FROM ${table})`, [stale]));
      }
      gone += stale.length;
      const last = rows.at(-1);
      swept = last && rows.length === sweptAtOnce ? [last.userId, toMessageId(last.messageId)] : null;
      if (rows.length < sweptAtOnce) break;
      await yieldWhenLong();
    }
    return gone;
  }

  /** What a deleted account had marked. */
  async function eraseAll(tx: Tx, _append: Append, userId: UserId): Promise<undefined> {
    await tx.notificationRead.deleteMany({ where: { userId } });
    await tx.notificationMark.deleteMany({ where: { userId } });
  }

  // ---------------------------------------------------------------- where a person's notifications are

  /** The chats of a person from one of its markers on, where there is anything behind it. */
  async function stretchesOf(userId: UserId, marker: 'joinedSeq' | 'readSeq'): Promise<Levelled[]> {
    return db.scan.all<Levelled>(
      `SELECT b."chatId", b."${marker}" AS "low", c."lastSeq" AS "high", ${levelText} AS "level" FROM "Member" b JOIN ${chatsNow(db.engine)} c ON c."id" = b."chatId" ${joinLevel}
       WHERE b."userId" = ? AND c."lastSeq" > b."${marker}"`,
      [clock(), userId],
    );
  }

  async function unreadStretches(userId: UserId): Promise<{ stretches: Levelled[]; mark: number }> {
    const mark = await markOf(db.sql, userId);
    return { stretches: await inOrder.cut(await stretchesOf(userId, 'readSeq'), 'low', mark), mark };
  }
}

/** What of a chat notifies, by its level now. */
function byLevel(stretches: readonly Levelled[]): { all: Stretch[]; forMe: Stretch[] } {
  const at = (level: Level): Stretch[] => stretches.filter((stretch) => stretch.level === level).map(({ chatId, low, high }) => ({ chatId, low, high }));
  return { all: at('ALL'), forMe: at('MENTIONS') };
}

const isKey = (key: unknown): key is [number] => Array.isArray(key) && key.length === 1 && Number.isSafeInteger(key[0]) && key[0] >= 0;

/** Up to which notification all were marked at once; nothing yet is 0. */
async function markOf(sql: Sql, userId: UserId): Promise<number> {
  const [row] = await sql.all<{ upToId: MessageId }>('SELECT "upToId" FROM "NotificationMark" WHERE "userId" = ?', [userId]);
  return Number(row?.upToId ?? 0);
}

/** Those of these messages that are, or were before they were deleted, notifications of this person, and whether each is unread. */
async function ownMessages(sql: Sql, userId: UserId, ids: readonly MessageId[]): Promise<(MessageRow & { unread: boolean })[]> {
  const messages = (await messagesByIds(sql, ids)).filter(({ senderId }) => senderId !== userId);
  const rows = await sql.all<{ id: MessageId; joinedSeq: number; readSeq: number; markedId: MessageId | null; upToId: MessageId | null }>(
    `SELECT t."id", b."joinedSeq", b."readSeq", r."messageId" AS "markedId", k."upToId" FROM ${tableOf(sql.engine, 't', { id: 'bigint', chatId: 'int', userId: 'int' })}
     JOIN "Member" b ON b."chatId" = t."chatId" AND b."userId" = t."userId" LEFT JOIN "NotificationRead" r ON r."userId" = t."userId" AND r."messageId" = t."id"
     LEFT JOIN "NotificationMark" k ON k."userId" = t."userId"`,
    [messages.map(({ id, chatId }) => ({ id, chatId, userId }))],
  );
  const byId = new Map(rows.map((row) => [toMessageId(row.id), row]));
  return messages.flatMap((message) => {
    const row = byId.get(message.id);
    if (!row || message.seq <= row.joinedSeq) return [];
    return [{ ...message, unread: message.seq > row.readSeq && row.markedId === null && message.id > Number(row.upToId ?? 0) }];
  });
}

/** Who, and in a room also where. */
export function whoOf(chat: Pick<ChatRow, 'kind' | 'name'>, sender: Pick<UserRow, 'displayName'>): string {
  const [who, where] = [sender.displayName, chat.kind === 'ROOM' ? (chat.name ?? '') : ''].map((name) => isolated(shortened(oneLine(name), longestName)));
  return `${who}${where ? ` (${where})` : ''}`;
}

/** One line for a notification on a screen: who, in a room also where, and the beginning of what was written. At most 120 code points. */
export function summaryOf(message: Pick<MessageRow, 'text'>, chat: Pick<ChatRow, 'kind' | 'name'>, sender: Pick<UserRow, 'displayName'>): string {
  // Only a message with files has no text. A long one is cut before it is looked at, not within a surrogate pair.
  const text = !message.text ? '📎' : oneLine(message.text.slice(0, 10 * longestSummary).replace(/[\uD800-\uDBFF]$/, ''));
  return shortened(`${whoOf(chat, sender)}: ${text}`, longestSummary);
}

/** Without what turns the direction of what follows: a text that is cut would not turn it back. */
const oneLine = (text: string): string =>
  text
    .replace(/[\u202a-\u202e\u2066-\u2069]/g, '')
    .replace(/\s+/g, ' ')
    .trim();

/** A name that is written from right to left must not turn the line around: it stands between FIRST STRONG ISOLATE and its end (Unicode, UAX #9). */
const isolated = (name: string): string => (rightToLeft.test(name) ? `\u2068${name}\u2069` : name);
const rightToLeft = /[\u0590-\u08ff\u200f\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

function shortened(text: string, most: number): string {
  const points = [...text];
  return points.length <= most
    ? text
    : `${points
        .slice(0, most - 1)
        .join('')
        .trimEnd()}…`;
}
