/**
 * Web Push (RFC 8030): what a browser that is closed is told. A worker follows the event log from a position of its own into a queue of what is to be sent,
 * and works that off; both are in the database, so a restart loses nothing.
 */
import { ECDH } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import webPush from 'web-push';
import { checkLine } from '../accounts/names.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, notFound } from '../errors.ts';
import { type LogEvent, messageIdOf } from '../events/event.ts';
import type { EventLog } from '../events/event-log.ts';
import { createGroup, type Outcome } from '../events/group.ts';
import type { Tail } from '../events/tail.ts';
import type { Numbering, Write, WriteBatch } from '../events/write.ts';
import { toGlobalId } from '../graphql/ids.ts';
import type { Log } from '../log.ts';
import { messagesByIds } from '../messages/store.ts';
import type { Metrics } from '../metrics.ts';
import { type Answered, type Post, refusalOf } from '../outgoing.ts';
import type { Presence } from '../presence/presence.ts';
import type { Keys } from '../sessions/keys.ts';
import type { Viewer } from '../sessions/viewer.ts';
import type { Database } from '../storage/database.ts';
import { type PushDeviceRow, toPushDeviceRow } from '../storage/rows.ts';
import { forUpdate, oneOfList, type Sql, tableOf, toDate } from '../storage/sql.ts';
import { summaryOf } from './notifications.ts';

export type Push = Awaited<ReturnType<typeof createPush>>;
/** What a browser's `PushSubscription` says. */
export type Registration = { endpoint: string; p256dh: string; auth: string; label: string | null };

/** Devices of one account. */
export const mostDevices = 20;

const logPage = 500;
/** What has just been said is looked at together. */
const gatherMs = 50;
/** Without being woken: what another node has left undone. */
const lookEveryMs = 30_000;
const rowsAtOnce = 1_000;
const inFlightAtMost = 50;
/** One account's devices must not keep the others waiting. */
const inFlightOfOne = 5;
const claimedAtOnce = 10;
const answerWithinMs = 10_000;
/** Whoever took a push and did not say what became of it within this time was killed. */
const leaseMs = 60_000;
const longestWaitMs = 3_600_000;
const stopWithinMs = 1_000;
/** How long a push service keeps it for a browser that is off, and how long it is worth trying. */
const timeToLiveSeconds = 86_400;

type Claimed = { id: number; deviceId: number; tries: number };
type Ready = {
  id: number;
  deviceId: number;
  userId: number;
  endpoint: string;
  p256dh: string;
  auth: string;
  messageId: number;
  text: string | null;
  chatId: number;
  kind: string;
  name: string | null;
  lowUserId: number | null;
  highUserId: number | null;
  displayName: string;
};
/** What became of a push. */
type Result = Claimed & { at: Date } & (
    | { outcome: 'sent' | 'not needed' | 'device gone' }
    | { outcome: 'refused'; error: string }
    | { outcome: 'later'; error: string | null; nextTryAt: Date }
  );

export async function createPush({
  db,
  write,
  writeBatch,
  eventLog,
  tail,
  keys,
  presence,
  post,
  config,
  clock,
  metrics,
  logger,
}: {
  db: Database;
  write: Write;
  writeBatch: WriteBatch;
  eventLog: EventLog;
  tail: Pick<Tail, 'onEvent'>;
  keys: Pick<Keys, 'webPush'>;
  presence: Pick<Presence, 'isConnected'>;
  post: Post;
  config: Config;
  clock: () => Date;
  metrics: Pick<Metrics, 'pushed'>;
  logger: Log;
}) {
  const vapidDetails = { ...keys.webPush, subject: contactOf(config) };
  const settle = createGroup<Result, void>(writeBatch, storeResults);
  const stopping = new AbortController();
  let position = await startPosition();
  let storedPosition = position;
  let queueing: Promise<void> | null = null;
  let queueAgain = false;
  let sending: Promise<void> | null = null;
  let sendAgain = false;
  let nextLook: NodeJS.Timeout | undefined;
  const inFlight = new Map<Promise<void>, number>();
  const stopListening = tail.onEvent(({ type }) => {
    if (type === 'notification-added' || type === 'session-ended') look();
  });
  look();
  return { publicKey: keys.webPush.publicKey, register, unregister, list, find, sweep, close };

  // ---------------------------------------------------------------- devices

  /**
   * Makes a browser one of the viewer's devices, for as long as the session lives. The same endpoint again updates it; one of another account moves here.
   * Fails with VALIDATION_FAILED, QUOTA_EXCEEDED beyond 20 devices, or TOKEN_INVALID when the account was deleted meanwhile.
   */
  async function register(viewer: Viewer, given: Registration): Promise<PushDeviceRow> {
    const problems = createProblems();
    const refusal = given.endpoint.length > 2_000 ? 'An endpoint has at most 2,000 characters.' : refusalOf(given.endpoint, config.PUSH_TO_PRIVATE_ADDRESSES);
    if (refusal !== null) problems.add(['webPush', 'endpoint'], 'endpoint', refusal);
    if (!isPoint(given.p256dh)) problems.add(['webPush', 'p256dh'], 'format', 'This is not a public key on P-256, uncompressed, in base64url.');
    if (!isSecret(given.auth)) problems.add(['webPush', 'auth'], 'format', 'An authentication secret is 16 bytes in base64url.');
    if (given.label) checkLine(problems, 'label', given.label, 80);
    problems.check();
    const data = { userId: viewer.userId, sessionId: viewer.sessionId, p256dh: trimmed(given.p256dh), auth: trimmed(given.auth), label: given.label || null };
    return write(async (tx, append) => {
      const sql = db.sqlIn(tx);
      // One after the other, what wants the same endpoint, and what wants the last place of one account.
      if (db.engine === 'postgresql') await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${given.endpoint}, 0))`;
      const [account] = await sql.all(`SELECT "id" FROM "User" WHERE "id" = ? AND "deletedAt" IS NULL ${forUpdate(db.engine)}`, [viewer.userId]);
      if (!account) throw new AppError('TOKEN_INVALID');
      const [known] = await sql.all<{ id: number; userId: number }>(`SELECT "id", "userId" FROM "PushDevice" WHERE "endpoint" = ? ${forUpdate(db.engine)}`, [given.endpoint]);
      append({ type: 'account-changed', userId: viewer.userId });
      if (known?.userId === viewer.userId) return tx.pushDevice.update({ where: { id: known.id }, data });
      const used = (await liveDevices(sql, viewer.userId, clock())).length;
      if (used >= mostDevices) throw new AppError('QUOTA_EXCEEDED', { limit: mostDevices, used }, `An account has at most ${mostDevices} push devices: unregister one first.`);
      if (known) {
        // Another device: what still waits for it is not for the viewer's eyes.
        await removeDevices(sql, [known.id]);
        append({ type: 'account-changed', userId: known.userId });
      }
      return tx.pushDevice.create({ data: { ...data, endpoint: given.endpoint, createdAt: clock() } });
    });
  }

  /** Nothing more is sent to the device. Fails with NOT_FOUND (PushDevice) for one that is not the viewer's. */
  async function unregister({ userId }: Viewer, deviceId: number): Promise<void> {
    await write(async (tx, append) => {
      const { count } = await tx.pushDevice.deleteMany({ where: { id: deviceId, userId } });
      if (count === 0) throw notFound('PushDevice');
      await tx.push.deleteMany({ where: { deviceId } });
      append({ type: 'account-changed', userId });
    });
  }

  /** The viewer's devices, oldest first. */
  function list({ userId }: Viewer): Promise<PushDeviceRow[]> {
    return liveDevices(db.sql, userId, clock());
  }

  async function find(viewer: Viewer, id: number): Promise<PushDeviceRow | null> {
    return (await list(viewer)).find((device) => device.id === id) ?? null;
  }

  /** Removes devices whose session has ended or expired, and pushes to devices that are gone. Returns how many went. */
  async function sweep(): Promise<number> {
    await storePosition();
    const over = await db.sql.all<{ id: number }>(
      `SELECT d."id" FROM "PushDevice" d LEFT JOIN "Session" s ON s."id" = d."sessionId" AND s."endedAt" IS NULL AND s."expiresAt" > ? WHERE s."id" IS NULL LIMIT ?`,
      [clock(), rowsAtOnce],
    );
    const orphans = await db.sql.all<{ id: number }>('SELECT p."id" FROM "Push" p LEFT JOIN "PushDevice" d ON d."id" = p."deviceId" WHERE d."id" IS NULL LIMIT ?', [rowsAtOnce]);
    if (over.length + orphans.length === 0) return 0;
    await db.sqlTransaction(async (sql) => {
      await removeDevices(
        sql,
        over.map(({ id }) => id),
      );
      await sql.all(`DELETE FROM "Push" WHERE ${oneOfList(sql.engine, '"id"')}`, [orphans.map(({ id }) => id)]);
    });
    return over.length + orphans.length;
  }

  // ---------------------------------------------------------------- from the log into the queue

  /** Something may have happened. Harmless at any time. */
  function look(): void {
    queueAgain = true;
    queueing ??= queueNew().finally(() => {
      queueing = null;
    });
  }

  async function queueNew(): Promise<void> {
    while (queueAgain && !stopping.signal.aborted) {
      await pause(gatherMs);
      queueAgain = false;
      try {
        while (!stopping.signal.aborted) {
          const events = await eventLog.readAfter(position, logPage);
          await queue(events);
          position = events.at(-1)?.number ?? position;
          if (events.length < logPage) break;
          await nextTurn();
        }
        send();
      } catch (error) {
        await tryLater(error, 'pushes wait for the event log');
        queueAgain = true;
      }
    }
  }

  /** Decides of each notification to which devices it goes. The decision is stored together with the position: it is never made again. */
  async function queue(events: readonly LogEvent[]): Promise<void> {
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
          `INSERT INTO "Push" ("deviceId", "messageId", "nextTryAt") SELECT t."deviceId", t."messageId", t."at" FROM ${table} WHERE t."messageId" >= ? ON CONFLICT DO NOTHING`,
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

  /** The devices of the members of these chats. */
  async function devicesIn(chatIds: readonly number[]): Promise<{ chatId: number; userId: number; readSeq: number; deviceId: number; createdAt: Date }[]> {
    const rows = await db.sql.all<{ chatId: number; userId: number; readSeq: number; deviceId: number; createdAt: unknown }>(
      `SELECT b."chatId", b."userId", b."readSeq", d."id" AS "deviceId", d."createdAt" FROM ${tableOf(db.engine, 't', { chatId: 'int' })}
       JOIN "Member" b ON b."chatId" = t."chatId" JOIN "PushDevice" d ON d."userId" = b."userId"`,
      [chatIds.map((chatId) => ({ chatId }))],
    );
    return rows.map((row) => ({ ...row, createdAt: toDate(row.createdAt) }));
  }

  async function devicesOf(sessionIds: readonly number[]): Promise<number[]> {
    const rows = await db.sql.all<{ id: number }>(`SELECT "id" FROM "PushDevice" WHERE ${oneOfList(db.engine, '"sessionId"')}`, [sessionIds]);
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

  function send(): void {
    sendAgain = true;
    sending ??= sendDue().finally(() => {
      sending = null;
    });
  }

  async function sendDue(): Promise<void> {
    clearTimeout(nextLook);
    while (sendAgain && !stopping.signal.aborted) {
      sendAgain = false;
      try {
        for (;;) {
          const claimed = await claim();
          if (claimed.length === 0 || stopping.signal.aborted) break;
          await start(claimed);
        }
      } catch (error) {
        await tryLater(error, 'pushes wait for the database');
        sendAgain = true;
      }
    }
    if (!stopping.signal.aborted) await waitForNext();
  }

  /** Wakes up when the next try is due, or to look after what other nodes have left. */
  async function waitForNext(): Promise<void> {
    const [next] = await db.sql.all<{ at: unknown }>('SELECT "nextTryAt" AS "at" FROM "Push" ORDER BY "nextTryAt" LIMIT 1', []).catch(() => []);
    const dueInMs = next ? toDate(next.at).getTime() - clock().getTime() : lookEveryMs;
    clearTimeout(nextLook);
    // What is due but was not taken waits for one of those on their way, whose end wakes this up, too.
    nextLook = setTimeout(look, dueInMs > 0 ? Math.min(dueInMs, lookEveryMs) : 1_000);
    nextLook.unref();
  }

  /** Takes due pushes, so that no other node sends them, too. */
  async function claim(): Promise<Claimed[]> {
    const free = inFlightAtMost - inFlight.size;
    const now = clock();
    if (free <= 0 || (await db.sql.all('SELECT 1 FROM "Push" WHERE "nextTryAt" <= ? LIMIT 1', [now])).length === 0) return [];
    const counts = new Map<number, number>();
    for (const userId of inFlight.values()) counts.set(userId, (counts.get(userId) ?? 0) + 1);
    // Nobody has the id 0: an empty list would run nothing.
    const busy = [0, ...[...counts].filter(([, count]) => count >= inFlightOfOne).map(([userId]) => userId)];
    const skip = db.engine === 'sqlite' ? '' : 'FOR UPDATE OF p SKIP LOCKED';
    return db.sqlTransaction((sql) =>
      sql.all<Claimed>(
        `UPDATE "Push" SET "nextTryAt" = ?, "tries" = "tries" + 1 WHERE "id" IN (
           SELECT p."id" FROM "Push" p JOIN "PushDevice" d ON d."id" = p."deviceId" WHERE p."nextTryAt" <= ? AND NOT (${oneOfList(sql.engine, 'd."userId"')})
           ORDER BY p."nextTryAt", p."id" LIMIT ? ${skip}) RETURNING "id", "deviceId", "tries"`,
        [new Date(now.getTime() + leaseMs), now, busy, Math.min(free, claimedAtOnce)],
      ),
    );
  }

  /** Begins to send those that are still worth it. */
  async function start(claimed: readonly Claimed[]): Promise<void> {
    const ready = new Map((await readyAmong(claimed.map(({ id }) => id))).map((row) => [row.id, row]));
    for (const push of claimed) {
      const row = ready.get(push.id);
      const job = (row && !presence.isConnected(row.userId) ? deliver(push, row) : settle({ ...push, at: clock(), outcome: 'not needed' }))
        .catch((error) => logger.warn({ err: error }, 'what became of a push was not stored; it is tried again'))
        .finally(() => {
          inFlight.delete(job);
          send();
        });
      inFlight.set(job, row?.userId ?? 0);
    }
  }

  /** Of the pushes taken, those whose message still stands and is unread, to devices whose session lives. */
  async function readyAmong(ids: readonly number[]): Promise<Ready[]> {
    const rows = await db.sql.all<Ready>(
      `SELECT p."id", d."id" AS "deviceId", d."userId", d."endpoint", d."p256dh", d."auth", m."id" AS "messageId", m."text",
         c."id" AS "chatId", c."kind", c."name", c."lowUserId", c."highUserId", u."displayName"
       FROM "Push" p JOIN "PushDevice" d ON d."id" = p."deviceId" JOIN "Session" s ON s."id" = d."sessionId" AND s."endedAt" IS NULL AND s."expiresAt" > ?
       JOIN "Message" m ON m."id" = p."messageId" AND m."deletedAt" IS NULL JOIN "Chat" c ON c."id" = m."chatId"
       JOIN "Member" b ON b."chatId" = m."chatId" AND b."userId" = d."userId" AND m."seq" > b."readSeq" JOIN "User" u ON u."id" = m."senderId"
       LEFT JOIN "NotificationRead" r ON r."userId" = d."userId" AND r."messageId" = m."id" LEFT JOIN "NotificationMark" k ON k."userId" = d."userId"
       WHERE ${oneOfList(db.engine, 'p."id"')} AND r."messageId" IS NULL AND m."id" > COALESCE(k."upToId", 0)`,
      [clock(), ids],
    );
    return rows.map((row) => ({ ...row, messageId: Number(row.messageId) }));
  }

  async function deliver(push: Claimed, row: Ready): Promise<void> {
    const at = clock();
    let result: Result;
    try {
      const { headers, body } = webPush.generateRequestDetails({ endpoint: row.endpoint, keys: { p256dh: row.p256dh, auth: row.auth } }, JSON.stringify(payloadOf(row)), {
        vapidDetails,
        TTL: timeToLiveSeconds,
        urgency: row.kind === 'DIALOG' ? 'high' : 'normal',
        // A repeat takes the place of what the push service still has of it.
        topic: `message-${row.messageId}`,
      });
      const options = { headers: headers as Record<string, string>, body, timeoutMs: answerWithinMs, allowPrivate: config.PUSH_TO_PRIVATE_ADDRESSES, signal: stopping.signal };
      result = { ...push, at, ...outcomeOf(await post(row.endpoint, options), push.tries) };
    } catch (error) {
      logger.debug({ err: error, deviceId: push.deviceId }, 'a push was not taken');
      // Cut off by a stop: that was no try.
      if (stopping.signal.aborted) result = { ...push, tries: push.tries - 1, at, outcome: 'later', error: null, nextTryAt: at };
      else result = { ...push, at, ...again('The push service could not be reached.', push.tries, null) };
    }
    metrics.pushed(result.outcome);
    await settle(result);
  }

  /** RFC 8030: 404 and 410 say that the subscription is gone; 429 and 5xx ask to come later; anything else will not get better. */
  function outcomeOf({ status, retryAfterMs }: Answered, tries: number) {
    if (status >= 200 && status < 300) return { outcome: 'sent' as const };
    if (status === 404 || status === 410) return { outcome: 'device gone' as const };
    const error = `The push service answered ${status}.`;
    return status === 429 || status >= 500 ? again(error, tries, retryAfterMs) : { outcome: 'refused' as const, error };
  }

  function again(error: string, tries: number, retryAfterMs: number | null) {
    if (tries >= config.PUSH_TRIES) return { outcome: 'refused' as const, error };
    // Doubles, with a tenth at random, so that what failed together does not come back together.
    const backoffMs = config.PUSH_RETRY_SECONDS * 1000 * 2 ** (tries - 1) * (1 + Math.random() / 10);
    return { outcome: 'later' as const, error, nextTryAt: new Date(clock().getTime() + Math.min(longestWaitMs, Math.max(backoffMs, retryAfterMs ?? 0))) };
  }

  /** Nothing new is begun; what is on its way gets a moment, and is sent again after the next start if that was not enough. */
  async function close(): Promise<void> {
    stopListening();
    clearTimeout(nextLook);
    const late = sleep(stopWithinMs, undefined, { ref: false });
    await Promise.race([Promise.all([...inFlight.keys()]), late]);
    stopping.abort();
    await Promise.all([...inFlight.keys()]);
    await Promise.all([queueing, sending]);
    await storePosition().catch((error) => logger.warn({ err: error }, 'the position of the pushes was not stored'));
  }

  async function tryLater(error: unknown, what: string): Promise<void> {
    logger.warn({ err: error }, what);
    await pause(1_000);
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { ref: false, signal: stopping.signal }).catch(() => {});
  }
}

// ---------------------------------------------------------------- what is stored

const positionName = 'push';

async function lockPosition(sql: Sql): Promise<number> {
  const [row] = await sql.all<{ number: number }>(`SELECT "number" FROM "LogPosition" WHERE "name" = ? ${sql.engine === 'sqlite' ? '' : 'FOR UPDATE'}`, [positionName]);
  return Number(row?.number ?? 0);
}

async function setPosition(sql: Sql, number: number): Promise<void> {
  await sql.all('UPDATE "LogPosition" SET "number" = ? WHERE "name" = ?', [number, positionName]);
}

async function removeDevices(sql: Sql, ids: readonly number[]): Promise<number[]> {
  await sql.all(`DELETE FROM "Push" WHERE ${oneOfList(sql.engine, '"deviceId"')}`, [ids]);
  return (await sql.all<{ userId: number }>(`DELETE FROM "PushDevice" WHERE ${oneOfList(sql.engine, '"id"')} RETURNING "userId"`, [ids])).map(({ userId }) => userId);
}

/** Those whose session has not ended: the others are removed soon. */
async function liveDevices(sql: Sql, userId: number, now: Date): Promise<PushDeviceRow[]> {
  const rows = await sql.all<PushDeviceRow>(
    'SELECT d.* FROM "PushDevice" d JOIN "Session" s ON s."id" = d."sessionId" AND s."endedAt" IS NULL AND s."expiresAt" > ? WHERE d."userId" = ? ORDER BY d."id"',
    [now, userId],
  );
  return rows.map(toPushDeviceRow);
}

/** Stores what became of a batch of pushes. */
async function storeResults(sql: Sql, number: Numbering, results: readonly Result[]): Promise<Outcome<void>[]> {
  const gone = await removeDevices(sql, [...new Set(results.filter(({ outcome }) => outcome === 'device gone').map(({ deviceId }) => deviceId))]);
  await sql.all(`DELETE FROM "Push" WHERE ${oneOfList(sql.engine, '"id"')}`, [results.filter(({ outcome }) => outcome !== 'later').map(({ id }) => id)]);
  const later = results.filter((result) => result.outcome === 'later');
  await sql.all(
    `UPDATE "Push" SET "nextTryAt" = t."at", "tries" = t."tries" FROM ${tableOf(sql.engine, 't', { id: 'int', at: 'date', tries: 'int' })} WHERE "Push"."id" = t."id"`,
    [later.map(({ id, nextTryAt, tries }) => ({ id, at: nextTryAt, tries }))],
  );
  const states = new Map<number, { id: number; successAt: Date | null; error: string | null }>();
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
  await number([...new Set(gone)].map((userId) => ({ type: 'account-changed', userId })));
  return results.map(() => ({ result: undefined }));
}

// ---------------------------------------------------------------- what is sent

/** What a service worker is handed: enough to show a notification and to open the chat. */
function payloadOf({ kind, chatId, lowUserId, highUserId, messageId, name, text, displayName }: Ready) {
  return {
    type: kind === 'ROOM' ? 'ROOM_MESSAGE' : 'DIRECT_MESSAGE',
    chatId: kind === 'ROOM' ? toGlobalId('Room', chatId) : toGlobalId('Dialog', `${lowUserId}.${highUserId}`),
    messageId: toGlobalId('Message', messageId),
    notificationId: toGlobalId('Notification', messageId),
    summary: summaryOf({ text }, { kind, name }, { displayName }),
  };
}

/** Whom a push service can write to (RFC 8292, 2.1). */
function contactOf({ PUSH_CONTACT, PUBLIC_URL, MAIL_FROM }: Pick<Config, 'PUSH_CONTACT' | 'PUBLIC_URL' | 'MAIL_FROM'>): string {
  if (PUSH_CONTACT) return PUSH_CONTACT;
  if (PUBLIC_URL.startsWith('https://')) return PUBLIC_URL;
  const address = /[^\s<>@]+@[^\s<>@]+/.exec(MAIL_FROM)?.[0];
  return `mailto:${address ?? 'operator@tertulia.invalid'}`;
}

const trimmed = (base64url: string): string => base64url.replace(/=+$/, '');
const bytesOf = (base64url: string): Buffer => (/^[A-Za-z0-9_-]{1,100}={0,2}$/.test(base64url) ? Buffer.from(base64url, 'base64url') : Buffer.alloc(0));
const isSecret = (auth: string): boolean => bytesOf(auth).length === 16;

function isPoint(p256dh: string): boolean {
  const bytes = bytesOf(p256dh);
  if (bytes.length !== 65 || bytes[0] !== 4) return false;
  try {
    ECDH.convertKey(bytes, 'prime256v1');
    return true;
  } catch {
    return false;
  }
}
