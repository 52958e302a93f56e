/**
 * What is to be pushed: a queue in the database, filled from the event log, each event once, whichever node comes first. What is taken out of it is nobody
 * else's for a while; it goes when it is settled.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { notifies, type Reason } from '../chats/levels.ts';
import type { ChatViews } from '../chats/views.ts';
import type { Numbering } from '../events/batch.ts';
import { type LogEvent, messageIdOf } from '../events/event.ts';
import type { EventLog } from '../events/event-log.ts';
import { createGroup, type Outcome } from '../events/group.ts';
import type { Tail } from '../events/tail.ts';
import type { WriteBatch } from '../events/write.ts';
import { type ChatId, type MessageId, type PushDeviceId, type SessionId, toMessageId, type UserId } from '../ids.ts';
import type { Mentions } from '../messages/mentions.ts';
import { messagesByIds } from '../messages/store.ts';
import type { Presence } from '../presence/presence.ts';
import type { Database } from '../storage/database.ts';
import { freeClaims, oneOfList, type Sql, tableOf, toDate } from '../storage/sql.ts';
import { lockDevices, removeDevices } from './push-devices.ts';
import type { NotificationSettingsDomain, PushContent } from './settings.ts';

export type PushQueue = Awaited<ReturnType<typeof createPushQueue>>;
/** A push that was taken, so that no other node sends it, too. */
export type Claimed = { id: number; deviceId: PushDeviceId; tries: number; doubtful: boolean };
/** A device of a member of a chat, and how far that member has read. */
type MemberDevice = { chatId: ChatId; userId: UserId; readSeq: number; deviceId: PushDeviceId; createdAt: Date };
/** A push with all that it says, and where it goes. */
export type Ready = {
  id: number;
  deviceId: PushDeviceId;
  userId: UserId;
  endpoint: string;
  p256dh: string;
  auth: string;
  messageId: MessageId;
  text: string | null;
  chatId: ChatId;
  kind: string;
  name: string | null;
  lowUserId: UserId | null;
  highUserId: UserId | null;
  displayName: string;
  threadRootId: MessageId | null;
  reason: Reason;
  pushContent: PushContent;
};
/** What became of a push. */
export type Result = Claimed & { at: Date } & (
    | { outcome: 'sent' | 'not needed' | 'device gone' }
    | { outcome: 'refused'; error: string }
    | { outcome: 'later'; error: string | null; nextTryAt: Date }
  );

/** How long a push service keeps it for a browser that is off, and how long it is worth trying. */
export const timeToLiveSeconds = 86_400;

const logPage = 500;
const rowsAtOnce = 1_000;
/** Among so many that have been due for the longest, the accounts have their turns. */
const lookedThrough = 500;
/** Whoever took a push and did not say what became of it within this time was killed. */
const leaseMs = 60_000;

export async function createPushQueue({
  db,
  writeBatch,
  eventLog,
  tail,
  presence,
  onRead,
  views,
  mentions,
  settings,
  clock,
}: {
  db: Database;
  writeBatch: WriteBatch;
  eventLog: EventLog;
  tail: Pick<Tail, 'readAfter'>;
  presence: Pick<Presence, 'isConnected'>;
  /** What else follows the log. May be given the same events again. */
  onRead: (events: readonly LogEvent[]) => Promise<void>;
  views: Pick<ChatViews, 'ofPlaces'>;
  mentions: Pick<Mentions, 'reasons'>;
  settings: Pick<NotificationSettingsDomain, 'of'>;
  clock: () => Date;
}) {
  /** Stores what became of a push that was taken. */
  const settle = createGroup<Result, void>((results) => writeBatch((sql, number) => storeResults(sql, number, results)));
  await freeClaims(db, 'Push', leaseMs, clock());
  let position = await startPosition();
  let storedPosition = position;
  return { fill, storePosition, claim, readyAmong, settle, nextDue, sweep };

  // ---------------------------------------------------------------- from the log into the queue

  /** Takes in what is new in the log, at most a page of it. Returns whether there may be more. */
  async function fill(): Promise<boolean> {
    const events = tail.readAfter(position, logPage) ?? (await eventLog.readAfter(position, logPage));
    await onRead(events);
    await add(events);
    position = events.at(-1)?.number ?? position;
    return events.length === logPage;
  }

  /** Decides of each notification to which devices it goes. The decision is stored together with the position: it is never made again. */
  async function add(events: readonly LogEvent[]): Promise<void> {
    const last = events.at(-1)?.number ?? position;
    const worthTelling = clock().getTime() - timeToLiveSeconds * 1000;
    const added = events.filter((event) => event.type === 'notification-added').filter(({ at }) => at.getTime() > worthTelling);
    const devices = await devicesIn([...new Set(added.map(({ chatId }) => chatId))]);
    const ended = await devicesOf(events.filter((event) => event.type === 'session-ended').map(({ sessionId }) => sessionId));
    if (devices.length === 0 && ended.length === 0) return;
    const byChat = Map.groupBy(devices, ({ chatId }) => chatId);
    const told = added.filter(({ chatId }) => byChat.has(chatId));
    const messages = new Map((await messagesByIds(db.sql, told.map(messageIdOf))).map((message) => [message.id, message]));
    const rows = told.flatMap((event) => {
      const message = messages.get(messageIdOf(event));
      if (!message || message.deletedAt) return [];
      return (byChat.get(event.chatId) ?? [])
        .filter(({ userId, readSeq, createdAt }) => userId !== message.senderId && event.seq > readSeq && event.at >= createdAt && !presence.isConnected(userId))
        .map(({ deviceId }) => ({ deviceId, messageId: message.id }));
    });
    for (let from = 0; from === 0 || from < rows.length; from += rowsAtOnce) {
      const piece = rows.slice(from, from + rowsAtOnce);
      const mine = await db.sqlTransaction(async (sql) => {
        const stored = await lockPosition(sql);
        // Another node was here before.
        if (stored >= last) return false;
        const table = tableOf(sql.engine, 't', { deviceId: 'int', messageId: 'bigint', at: 'date' });
        await sql.all(
          `INSERT INTO "Push" ("deviceId", "messageId", "nextTryAt", "doubtful") SELECT t."deviceId", t."messageId", t."at", (d."lastError" IS NOT NULL OR d."lastSuccessAt" IS NULL) FROM ${table}
           JOIN "PushDevice" d ON d."id" = t."deviceId" WHERE t."messageId" >= ? ON CONFLICT DO NOTHING`,
          [piece.map((row) => ({ ...row, at: clock() })), stored],
        );
        await removeDevices(sql, ended);
        if (from + rowsAtOnce >= rows.length) await setPosition(sql, last);
        return true;
      });
      if (!mine) break;
      await nextTurn();
    }
    storedPosition = last;
  }

  /** The devices of the members of these chats, who are looked through in pieces: there may be very many, and devices of few. */
  async function devicesIn(chatIds: readonly ChatId[]): Promise<MemberDevice[]> {
    const found: MemberDevice[] = [];
    if (chatIds.length === 0 || (await db.sql.all('SELECT 1 FROM "PushDevice" LIMIT 1', [])).length === 0) return found;
    const chats = chatIds.map((chatId) => ({ chatId }));
    for (let [chatId, userId, more]: [number, number, boolean] = [0, 0, true]; more; ) {
      const rows = await db.scan.all<Omit<MemberDevice, 'deviceId' | 'createdAt'> & { deviceId: PushDeviceId | null; createdAt: unknown }>(
        `SELECT m."chatId", m."userId", m."readSeq", d."id" AS "deviceId", d."createdAt" FROM (
           SELECT b."chatId", b."userId", b."readSeq" FROM ${tableOf(db.engine, 't', { chatId: 'int' })} JOIN "Member" b ON b."chatId" = t."chatId"
           WHERE (b."chatId", b."userId") > (?, ?) ORDER BY b."chatId", b."userId" LIMIT ?
         ) m LEFT JOIN "PushDevice" d ON d."userId" = m."userId" ORDER BY m."chatId", m."userId"`,
        [chats, chatId, userId, rowsAtOnce],
      );
      for (const { deviceId, createdAt, ...member } of rows) if (deviceId !== null) found.push({ ...member, deviceId, createdAt: toDate(createdAt) });
      const last = rows.at(-1);
      more = rows.length >= rowsAtOnce;
      if (last) [chatId, userId] = [last.chatId, last.userId];
    }
    return found;
  }

  async function devicesOf(sessionIds: readonly SessionId[]): Promise<PushDeviceId[]> {
    const rows = await db.sql.all<{ id: PushDeviceId }>(`SELECT "id" FROM "PushDevice" WHERE ${oneOfList(db.engine, '"sessionId"')}`, [sessionIds]);
    return rows.map(({ id }) => id);
  }

  /** The first start begins with what comes from now on. */
  async function startPosition(): Promise<number> {
    const { last } = await eventLog.head();
    await db.sqlTransaction((sql) => sql.all('INSERT INTO "LogPosition" ("name", "number") VALUES (?, ?) ON CONFLICT DO NOTHING', [positionName, last]));
    const [row] = await db.sql.all<{ number: number }>('SELECT "number" FROM "LogPosition" WHERE "name" = ?', [positionName]);
    return Number(row?.number ?? last);
  }

  /** What had nothing to queue moves the position now and then, so that the next start need not look at it again. */
  async function storePosition(): Promise<void> {
    const reached = position;
    if (reached <= storedPosition) return;
    await db.sqlTransaction(async (sql) => {
      if ((await lockPosition(sql)) < reached) await setPosition(sql, reached);
    });
    storedPosition = Math.max(storedPosition, reached);
  }

  // ---------------------------------------------------------------- out of the queue

  /**
   * Takes due pushes, so that no other node sends them, too: the accounts have their turns, and none has more than `mostOfOne` with those under way.
   * `doubtful`: those to devices that have taken nothing yet, or not the last one; otherwise the others.
   */
  async function claim(atMost: number, doubtful: boolean, underWay: readonly { userId: UserId }[], mostOfOne: number): Promise<Claimed[]> {
    const now = clock();
    if ((await db.sql.all('SELECT 1 FROM "Push" WHERE "doubtful" = ? AND "nextTryAt" <= ? LIMIT 1', [doubtful, now])).length === 0) return [];
    const counts = new Map<UserId, number>();
    for (const { userId } of underWay) counts.set(userId, (counts.get(userId) ?? 0) + 1);
    const busy = [...counts].filter(([, count]) => count >= mostOfOne).map(([userId]) => userId);
    const skip = db.engine === 'sqlite' ? '' : 'FOR UPDATE OF p SKIP LOCKED';
    const rows = await db.sqlTransaction((sql) =>
      sql.all<Omit<Claimed, 'doubtful'>>(
        `UPDATE "Push" SET "nextTryAt" = ?, "tries" = "tries" + 1 WHERE "id" IN (
           SELECT r."id" FROM (
             SELECT q."id", q."nextTryAt", ROW_NUMBER() OVER (PARTITION BY q."userId" ORDER BY q."nextTryAt", q."id") + COALESCE(t."count", 0) AS "place" FROM (
               SELECT p."id", p."nextTryAt", d."userId" FROM "Push" p JOIN "PushDevice" d ON d."id" = p."deviceId"
               WHERE p."doubtful" = ? AND p."nextTryAt" <= ? AND NOT (${oneOfList(sql.engine, 'd."userId"')}) ORDER BY p."nextTryAt", p."id" LIMIT ? ${skip}) q
             LEFT JOIN ${tableOf(sql.engine, 't', { userId: 'int', count: 'int' })} ON t."userId" = q."userId") r
           WHERE r."place" <= ? ORDER BY r."place", r."nextTryAt" LIMIT ?) RETURNING "id", "deviceId", "tries"`,
        // Nobody has the id 0: an empty list would run nothing.
        [
          new Date(now.getTime() + leaseMs),
          doubtful,
          now,
          [0, ...busy],
          lookedThrough,
          [{ userId: 0, count: 0 }, ...[...counts].map(([userId, count]) => ({ userId, count }))],
          mostOfOne,
          atMost,
        ],
      ),
    );
    return rows.map((row) => ({ ...row, doubtful }));
  }

  /** Of the pushes taken, those whose message still stands, is unread and notifies, to devices whose session lives and whose owner takes pushes. */
  async function readyAmong(ids: readonly number[]): Promise<Ready[]> {
    type Row = Omit<Ready, 'reason' | 'pushContent'>;
    const rows = await db.sql.all<Row>(
      `SELECT p."id", d."id" AS "deviceId", d."userId", d."endpoint", d."p256dh", d."auth", m."id" AS "messageId", m."text",
         c."id" AS "chatId", c."kind", c."name", c."lowUserId", c."highUserId", u."displayName",
         (SELECT o."id" FROM "Message" o WHERE o."chatId" = m."chatId" AND o."seq" = m."threadRootSeq") AS "threadRootId"
       FROM "Push" p JOIN "PushDevice" d ON d."id" = p."deviceId" JOIN "Session" s ON s."id" = d."sessionId" AND s."endedAt" IS NULL AND s."expiresAt" > ?
       JOIN "Message" m ON m."id" = p."messageId" AND m."deletedAt" IS NULL JOIN "Chat" c ON c."id" = m."chatId"
       JOIN "Member" b ON b."chatId" = m."chatId" AND b."userId" = d."userId" AND m."seq" > b."readSeq" JOIN "User" u ON u."id" = m."senderId"
       LEFT JOIN "NotificationRead" r ON r."userId" = d."userId" AND r."messageId" = m."id" LEFT JOIN "NotificationMark" k ON k."userId" = d."userId"
       WHERE ${oneOfList(db.engine, 'p."id"')} AND r."messageId" IS NULL AND m."id" > COALESCE(k."upToId", 0)`,
      [clock(), ids],
    );
    const places = rows.map((row) => ({ ...row, messageId: toMessageId(row.messageId), threadRootId: row.threadRootId === null ? null : toMessageId(row.threadRootId) }));
    const [levels, reasons, owners] = [await views.ofPlaces(places), await mentions.reasons(places), await settings.of(places.map(({ userId }) => userId))];
    return places.flatMap((row, index) => {
      const [view, reason, owner] = [levels[index], reasons[index], owners[index]];
      if (!view || !reason || !owner || owner.pausedUntil || !notifies(view.levelNow, reason)) return [];
      // Whoever is sent a push is not here.
      return [{ ...row, reason: reason === 'HERE' ? 'MESSAGE' : reason, pushContent: owner.pushContent }];
    });
  }

  /** When the next try is due, also of what somebody has taken; null when there is nothing to send. */
  async function nextDue(): Promise<Date | null> {
    const [next] = await db.sql.all<{ at: unknown }>('SELECT "nextTryAt" AS "at" FROM "Push" ORDER BY "nextTryAt" LIMIT 1', []);
    return next ? toDate(next.at) : null;
  }

  /** Removes pushes to devices that are gone, and stores the position. Returns how many went. */
  async function sweep(): Promise<number> {
    await storePosition();
    const orphans = await db.scan.all<{ id: number }>('SELECT p."id" FROM "Push" p LEFT JOIN "PushDevice" d ON d."id" = p."deviceId" WHERE d."id" IS NULL LIMIT ?', [rowsAtOnce]);
    if (orphans.length === 0) return 0;
    await db.sqlTransaction((sql) => sql.all(`DELETE FROM "Push" WHERE ${oneOfList(sql.engine, '"id"')}`, [orphans.map(({ id }) => id)]));
    return orphans.length;
  }
}

const positionName = 'push';

async function lockPosition(sql: Sql): Promise<number> {
  const [row] = await sql.all<{ number: number }>(`SELECT "number" FROM "LogPosition" WHERE "name" = ? ${sql.engine === 'sqlite' ? '' : 'FOR UPDATE'}`, [positionName]);
  return Number(row?.number ?? 0);
}

async function setPosition(sql: Sql, number: number): Promise<void> {
  await sql.all('UPDATE "LogPosition" SET "number" = ? WHERE "name" = ?', [number, positionName]);
}

/** Stores what became of a batch of pushes. */
async function storeResults(sql: Sql, number: Numbering, results: readonly Result[]): Promise<Outcome<void>[]> {
  await lockDevices(sql, [...new Set(results.map(({ deviceId }) => deviceId))]);
  const gone = await removeDevices(sql, [...new Set(results.filter(({ outcome }) => outcome === 'device gone').map(({ deviceId }) => deviceId))]);
  await sql.all(`DELETE FROM "Push" WHERE ${oneOfList(sql.engine, '"id"')}`, [results.filter(({ outcome }) => outcome !== 'later').map(({ id }) => id)]);
  const later = results.filter((result) => result.outcome === 'later');
  await sql.all(
    `UPDATE "Push" SET "nextTryAt" = t."at", "tries" = t."tries" FROM ${tableOf(sql.engine, 't', { id: 'int', at: 'date', tries: 'int' })} WHERE "Push"."id" = t."id"`,
    [later.map(({ id, nextTryAt, tries }) => ({ id, at: nextTryAt, tries }))],
  );
  const states = new Map<PushDeviceId, { id: PushDeviceId; successAt: Date | null; error: string | null }>();
  for (const result of results) {
    const { deviceId, outcome, at } = result;
    const before = states.get(deviceId)?.successAt ?? null;
    if (outcome === 'sent') states.set(deviceId, { id: deviceId, successAt: at, error: null });
    if ((outcome === 'later' || outcome === 'refused') && result.error !== null) states.set(deviceId, { id: deviceId, successAt: before, error: result.error });
  }
  await sql.all(
    `UPDATE "PushDevice" SET "lastSuccessAt" = COALESCE(t."successAt", "lastSuccessAt"), "lastError" = t."error"
     FROM ${tableOf(sql.engine, 't', { id: 'int', successAt: 'date', error: 'text' })} WHERE "PushDevice"."id" = t."id"`,
    [[...states.values()].sort((a, b) => a.id - b.id)],
  );
  for (const doubtful of [true, false]) {
    const ids = [...states.values()].filter(({ error }) => (error !== null) === doubtful).map(({ id }) => id);
    await sql.all(`UPDATE "Push" SET "doubtful" = ? WHERE ${oneOfList(sql.engine, '"deviceId"')} AND "doubtful" <> ?`, [doubtful, ids, doubtful]);
  }
  await number([...new Set(gone)].map((userId) => ({ type: 'account-changed', userId })));
  return results.map(() => ({ result: undefined }));
}
