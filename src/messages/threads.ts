/**
 * Threads: the replies under one message, which are messages of the chat like all others. A thread has its own count, and each member a place in it: whether they
 * follow it, and how far they have read.
 */
import { can, must } from '../chats/access.ts';
import type { ChatStanding } from '../chats/chats.ts';
import { AppError, invalid, notFound } from '../errors.ts';
import type { WriteBatch } from '../events/write.ts';
import type { ChatId, MessageId, UserId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { isPosition, isTime, isWhole, keysetPage, type Page, type PageRequest } from '../storage/page.ts';
import { type ChatRow, type MessageRow, type ThreadRow, toThreadRow } from '../storage/rows.ts';
import { oneOfList, type Sql, tableOf } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { getMessage, mustSee } from './messages.ts';
import { type Anchor, type SeqOf, sparsePage } from './sparse.ts';
import { messageColumns, messagesAt, toMessage } from './store.ts';
import { walkedAtFirst } from './stretches.ts';
import { followEvents, follow as followRows, joinMarker, mostFollowed, threadReadText, threadsReadText } from './thread-rows.ts';

export type Threads = ReturnType<typeof createThreads>;
/** Where a thread is. */
export type ThreadPlace = { chatId: ChatId; rootSeq: number };
/** A member's place in a thread. */
export type MyThread = { following: boolean; readSeq: number };
/** A member's places in all threads of a chat: how far they have read, and how many that they follow have something unread. */
export type MyThreads = { readSeq: number; unreadThreads: number };
export type ThreadFilter = 'ALL' | 'FOLLOWED' | 'UNREAD';

const mostParticipants = 20;
/** So many places of a chat are passed over at once, looking for what lies outside of threads. */
const passedAtFirst = 500;
const passedAtOnce = 10_000;
const place = { chatId: 'int', rootSeq: 'int' } as const;

export function createThreads({ db, writeBatch }: { db: Database; writeBatch: WriteBatch }) {
  /** Replies by others that are unread, in a statement that has a thread `f` of theirs. */
  const unreadReply = `FROM "Message" m WHERE m."chatId" = f."chatId" AND m."threadRootSeq" = f."rootSeq" AND m."seq" > ${threadReadText(db.engine)} AND m."senderId" <> f."userId" AND m."deletedAt" IS NULL`;
  const joinMember = `JOIN "Member" b ON b."chatId" = f."chatId" AND b."userId" = f."userId" ${joinMarker}`;
  return {
    follow,
    unfollow,
    markRead,
    find,
    findByRoots,
    participants,
    replies,
    timeline,
    list,
    followed,
    places,
    ofChats,
    unreadCounts,
    firstUnread,
    unreadIn,
    unreadByChat,
    unreadReplies,
  };

  // ---------------------------------------------------------------- following and reading

  /** Repeating it does no harm. Fails with NOT_FOUND, FORBIDDEN for who is no member, QUOTA_EXCEEDED. */
  async function follow(viewer: Viewer, messageId: MessageId): Promise<ThreadRow> {
    return change(
      viewer,
      messageId,
      (standing) => must('followThread', standing, 'Message'),
      async (sql, { chatId, rootSeq }, before) => {
        if (before?.following) return false;
        const [{ count } = { count: 0 }] = await sql.all<{ count: number }>('SELECT count(*) AS "count" FROM "ThreadFollow" WHERE "userId" = ? AND "following"', [viewer.userId]);
        if (Number(count) >= mostFollowed)
          throw new AppError('QUOTA_EXCEEDED', { limit: mostFollowed, used: Number(count) }, `An account follows at most ${mostFollowed} threads.`);
        await followRows(sql, [{ chatId, rootSeq, userId: viewer.userId }]);
        return true;
      },
    );
  }

  /** Until the person writes in it, is named in it, or follows it. Fails with NOT_FOUND. */
  async function unfollow(viewer: Viewer, messageId: MessageId): Promise<ThreadRow> {
    return change(viewer, messageId, mustBeIn, async (sql, { chatId, rootSeq }, before) => {
      await sql.all(
        `INSERT INTO "ThreadFollow" ("chatId", "rootSeq", "userId", "following") VALUES (?, ?, ?, ?) ON CONFLICT ("chatId", "rootSeq", "userId") DO UPDATE SET "following" = excluded."following"`,
        [chatId, rootSeq, viewer.userId, false],
      );
      return Boolean(before?.following);
    });
  }

  /** Everything up to here has been read in the thread. Lower than now changes nothing. Fails with NOT_FOUND, VALIDATION_FAILED above the chat's newest message. */
  async function markRead(viewer: Viewer, messageId: MessageId, upToSeq: number): Promise<ThreadRow> {
    return change(viewer, messageId, mustBeIn, async (sql, { chatId, rootSeq, lastSeq }, before) => {
      if (upToSeq < 0 || upToSeq > lastSeq) throw invalid('upToSeq', 'range', `The newest message has seq ${lastSeq}.`);
      if (upToSeq <= (before?.readSeq ?? 0)) return false;
      await sql.all(
        `INSERT INTO "ThreadFollow" ("chatId", "rootSeq", "userId", "readSeq") VALUES (?, ?, ?, ?) ON CONFLICT ("chatId", "rootSeq", "userId") DO UPDATE SET "readSeq" = excluded."readSeq"`,
        [chatId, rootSeq, viewer.userId, upToSeq],
      );
      return true;
    });
  }

  /** Changes the viewer's place in the thread that a message hangs in, or under; tells when `job` says so. */
  async function change(
    viewer: Viewer,
    messageId: MessageId,
    allow: (standing: ChatStanding) => ChatRow,
    job: (sql: Sql, at: ThreadPlace & { lastSeq: number }, before: { following: boolean | null; readSeq: number } | null) => Promise<boolean>,
  ): Promise<ThreadRow> {
    const found = await getMessage(db.sql, messageId);
    return writeBatch(async (sql, number) => {
      const { message, standing } = await mustSee(sql, viewer, found);
      const chat = allow(standing);
      const rootSeq = message.threadRootSeq ?? message.seq;
      const at = { chatId: chat.id, rootSeq };
      const [before = null] = await sql.all<{ following: boolean | null; readSeq: number }>(
        'SELECT "following", "readSeq" FROM "ThreadFollow" WHERE "chatId" = ? AND "rootSeq" = ? AND "userId" = ?',
        [chat.id, rootSeq, viewer.userId],
      );
      if (await job(sql, { ...at, lastSeq: chat.lastSeq }, before)) await number(followEvents([{ ...at, userId: viewer.userId }]));
      const [thread] = await findAt(sql, [at]);
      if (thread) return thread;
      const [root] = message.threadRootSeq === null ? [message] : await messagesAt(sql, [{ chatId: chat.id, seq: rootSeq }]);
      return withoutReplies(root ?? message);
    });
  }

  // ---------------------------------------------------------------- reading: in chats that the caller knows to be readable

  /** Threads that have had a reply, in the order of their places. */
  function find(places: readonly ThreadPlace[]): Promise<(ThreadRow | null)[]> {
    return findAt(db.sql, places);
  }

  async function findAt(sql: Sql, places: readonly ThreadPlace[]): Promise<(ThreadRow | null)[]> {
    const rows = await sql.all<ThreadRow>(`SELECT r.* FROM ${tableOf(sql.engine, 't', place)} JOIN "Thread" r ON r."chatId" = t."chatId" AND r."rootSeq" = t."rootSeq"`, [
      places.map(({ chatId, rootSeq }) => ({ chatId, rootSeq })),
    ]);
    const byPlace = new Map(rows.map((row) => [`${row.chatId} ${row.rootSeq}`, toThreadRow(row)]));
    return places.map(({ chatId, rootSeq }) => byPlace.get(`${chatId} ${rootSeq}`) ?? null);
  }

  /** By the messages they hang under. */
  async function findByRoots(rootIds: readonly MessageId[]): Promise<(ThreadRow | null)[]> {
    const rows = await db.sql.all<ThreadRow>(`SELECT * FROM "Thread" WHERE ${oneOfList(db.engine, '"rootId"', 'bigint')}`, [rootIds]);
    const byRoot = new Map(rows.map(toThreadRow).map((row) => [row.rootId, row]));
    return rootIds.map((id) => byRoot.get(id) ?? null);
  }

  /** Who has replied, in the order in which they first did, for each of these threads. */
  async function participants(places: readonly ThreadPlace[], size: number): Promise<UserId[][]> {
    const most = Math.min(size, mostParticipants);
    const first = `SELECT p."userId", p."firstSeq" FROM "ThreadParticipant" p WHERE p."chatId" = t."chatId" AND p."rootSeq" = t."rootSeq" AND p."replyCount" > 0 ORDER BY p."firstSeq" LIMIT ?`;
    const table = tableOf(db.engine, 't', { place: 'int', ...place });
    const rows = await db.sql.all<{ place: number; userId: UserId }>(
      db.engine === 'postgresql'
        ? `SELECT t."place", f."userId" FROM ${table} CROSS JOIN LATERAL (${first}) f ORDER BY t."place", f."firstSeq"`
        : `SELECT t."place", p."userId" FROM ${table} CROSS JOIN "ThreadParticipant" p ON p."chatId" = t."chatId" AND p."rootSeq" = t."rootSeq" AND p."userId" IN (SELECT "userId" FROM (${first}))
           ORDER BY t."place", p."firstSeq"`,
      [places.map(({ chatId, rootSeq }, index) => ({ place: index, chatId, rootSeq })), most],
    );
    const found: UserId[][] = places.map(() => []);
    for (const row of rows) found[row.place]?.push(row.userId);
    return found;
  }

  type Request = PageRequest & { anchor: Anchor | null; seqOf: SeqOf };

  function replies({ chatId, rootSeq, lastReplySeq }: ThreadRow, request: Request): Promise<Page<MessageRow>> {
    return sparsePage(lastReplySeq, request, async ({ after, before, backward, limit }) => {
      const rows = await db.sql.all<MessageRow>(
        `SELECT ${messageColumns} FROM "Message" m WHERE m."chatId" = ? AND m."threadRootSeq" = ? AND m."seq" > ? AND m."seq" < ? ORDER BY m."seq" ${backward ? 'DESC' : 'ASC'} LIMIT ?`,
        [chatId, rootSeq, after, before, limit],
      );
      return rows.map(toMessage);
    });
  }

  /** What lies outside of threads. Long runs of replies are passed over a bounded piece at a time. */
  function timeline({ id, lastSeq }: ChatRow, request: Request): Promise<Page<MessageRow>> {
    return sparsePage(lastSeq, request, async ({ after, before, backward, limit }) => {
      const found: MessageRow[] = [];
      let [low, high] = [after, Math.min(before, lastSeq + 1)];
      for (let length = passedAtFirst; high - low > 1 && found.length < limit; length = Math.min(2 * length, passedAtOnce)) {
        const [from, to] = backward ? [Math.max(low, high - length - 1), high] : [low, Math.min(high, low + length + 1)];
        const rows = await (length > passedAtFirst ? db.scan : db.sql).all<MessageRow>(
          `SELECT ${messageColumns} FROM "Message" m WHERE m."chatId" = ? AND m."threadRootSeq" IS NULL AND m."seq" > ? AND m."seq" < ? ORDER BY m."seq" ${backward ? 'DESC' : 'ASC'} LIMIT ?`,
          [id, from, to, limit - found.length],
        );
        for (const row of rows) found.push(toMessage(row));
        if (backward) high = from + 1;
        else low = to - 1;
      }
      return found;
    });
  }

  /** The threads of a chat, the one with the newest reply first. */
  function list({ id }: ChatRow, userId: UserId, filter: ThreadFilter, request: PageRequest): Promise<Page<ThreadRow>> {
    const own = filter === 'ALL' ? '' : `JOIN "ThreadFollow" f ON f."chatId" = r."chatId" AND f."rootSeq" = r."rootSeq" AND f."userId" = ? AND f."following" ${joinMember}`;
    return keysetPage<ThreadRow, [number]>(request, {
      isKey: (key): key is [number] => Array.isArray(key) && key.length === 1 && isWhole(key[0]),
      keyOf: ({ lastReplySeq }) => [lastReplySeq],
      read: async ({ after, before, backward, limit }) => {
        const rows = await db.scan.all<ThreadRow>(
          `SELECT r.* FROM "Thread" r ${own} WHERE r."chatId" = ? AND r."lastReplySeq" < ? AND r."lastReplySeq" > ? ${filter === 'UNREAD' ? `AND EXISTS (SELECT 1 ${unreadReply})` : ''}
           ORDER BY r."lastReplySeq" ${backward ? 'ASC' : 'DESC'} LIMIT ?`,
          [...(filter === 'ALL' ? [] : [userId]), id, after?.[0] ?? 2 ** 31 - 1, before?.[0] ?? -1, limit],
        );
        return rows.map(toThreadRow);
      },
    });
  }

  /** The threads that somebody follows, in all chats, the one with the newest reply first. */
  function followed(userId: UserId, unreadOnly: boolean, request: PageRequest): Promise<Page<ThreadRow>> {
    type Key = [at: number, rootId: number];
    return keysetPage<ThreadRow, Key>(request, {
      isKey: (key): key is Key => Array.isArray(key) && key.length === 2 && isTime(key[0]) && isPosition(key[1]),
      keyOf: ({ lastReplyAt, rootId }) => [lastReplyAt.getTime(), rootId],
      read: async ({ after, before, backward, limit }) => {
        const [from, to]: [Key, Key] = [after ?? [253_402_300_799_999, 0], before ?? [0, 0]];
        const order = backward ? 'ASC' : 'DESC';
        const rows = await db.scan.all<ThreadRow>(
          `SELECT r.* FROM "ThreadFollow" f ${joinMember} JOIN "Thread" r ON r."chatId" = f."chatId" AND r."rootSeq" = f."rootSeq" JOIN "Chat" c ON c."id" = f."chatId" AND c."deletedAt" IS NULL
           WHERE f."userId" = ? AND f."following" AND (r."lastReplyAt", r."rootId") < (?, ?) AND (r."lastReplyAt", r."rootId") > (?, ?) ${unreadOnly ? `AND EXISTS (SELECT 1 ${unreadReply})` : ''}
           ORDER BY r."lastReplyAt" ${order}, r."rootId" ${order} LIMIT ?`,
          [userId, new Date(from[0]), from[1], new Date(to[0]), to[1], limit],
        );
        return rows.map(toThreadRow);
      },
    });
  }

  // ---------------------------------------------------------------- what somebody has read

  /** A person's places in these threads; null where they are no member. */
  async function places(userId: UserId, asked: readonly ThreadPlace[]): Promise<(MyThread | null)[]> {
    const rows = await db.sql.all<ThreadPlace & { following: boolean | number | null; readSeq: number }>(
      `SELECT t."chatId", t."rootSeq", f."following", ${threadReadText(db.engine)} AS "readSeq" FROM ${tableOf(db.engine, 't', place)}
       JOIN "Member" b ON b."chatId" = t."chatId" AND b."userId" = ? ${joinMarker} LEFT JOIN "ThreadFollow" f ON f."chatId" = t."chatId" AND f."rootSeq" = t."rootSeq" AND f."userId" = b."userId"`,
      [asked.map(({ chatId, rootSeq }) => ({ chatId, rootSeq })), userId],
    );
    const byPlace = new Map(rows.map((row) => [`${row.chatId} ${row.rootSeq}`, { following: Boolean(row.following), readSeq: row.readSeq }]));
    return asked.map(({ chatId, rootSeq }) => byPlace.get(`${chatId} ${rootSeq}`) ?? null);
  }

  /** How far a person has read the threads of these chats, and how many of those they follow have something unread. */
  async function ofChats(userId: UserId, chatIds: readonly ChatId[]): Promise<MyThreads[]> {
    const rows = await db.scan.all<{ chatId: ChatId; readSeq: number; unread: number }>(
      `SELECT b."chatId", ${threadsReadText(db.engine)} AS "readSeq",
         (SELECT count(*) FROM "ThreadFollow" f WHERE f."userId" = b."userId" AND f."chatId" = b."chatId" AND f."following" AND EXISTS (SELECT 1 ${unreadReply})) AS "unread"
       FROM "Member" b ${joinMarker} WHERE b."userId" = ? AND ${oneOfList(db.engine, 'b."chatId"')}`,
      [userId, chatIds],
    );
    const byChat = new Map(rows.map((row) => [row.chatId, { readSeq: row.readSeq, unreadThreads: Number(row.unread) }]));
    return chatIds.map((id) => byChat.get(id) ?? { readSeq: 0, unreadThreads: 0 });
  }

  /** Followed threads with unread replies, in all chats. */
  async function unreadIn(userId: UserId): Promise<number> {
    return (await unreadByChat(userId)).reduce((sum, { count }) => sum + count, 0);
  }

  /** The same, chat by chat. */
  async function unreadByChat(userId: UserId): Promise<{ chatId: ChatId; count: number }[]> {
    const rows = await db.scan.all<{ chatId: ChatId; count: number }>(
      `SELECT f."chatId", count(*) AS "count" FROM "ThreadFollow" f ${joinMember} JOIN "Chat" c ON c."id" = f."chatId" AND c."deletedAt" IS NULL
       WHERE f."userId" = ? AND f."following" AND EXISTS (SELECT 1 ${unreadReply}) GROUP BY f."chatId"`,
      [userId],
    );
    return rows.map(({ chatId, count }) => ({ chatId, count: Number(count) }));
  }

  /** How many unread replies there are in threads that somebody follows. */
  async function unreadCounts(userId: UserId, asked: readonly (ThreadPlace & { readSeq: number })[]): Promise<number[]> {
    const rows = await db.scan.all<ThreadPlace & { count: number }>(
      `SELECT t."chatId", t."rootSeq", (SELECT count(*) ${behindText}) AS "count" FROM ${tableOf(db.engine, 't', { ...place, readSeq: 'int' })}`,
      [userId, asked],
    );
    const byPlace = new Map(rows.map(({ chatId, rootSeq, count }) => [`${chatId} ${rootSeq}`, Number(count)]));
    return asked.map(({ chatId, rootSeq }) => byPlace.get(`${chatId} ${rootSeq}`) ?? 0);
  }

  /** Where they begin. */
  async function firstUnread(userId: UserId, asked: readonly (ThreadPlace & { readSeq: number })[]): Promise<(number | null)[]> {
    const rows = await db.scan.all<ThreadPlace & { seq: number | null }>(
      `SELECT t."chatId", t."rootSeq", (SELECT min(m."seq") ${behindText}) AS "seq" FROM ${tableOf(db.engine, 't', { ...place, readSeq: 'int' })}`,
      [userId, asked],
    );
    const byPlace = new Map(rows.map(({ chatId, rootSeq, seq }) => [`${chatId} ${rootSeq}`, seq]));
    return asked.map(({ chatId, rootSeq }) => byPlace.get(`${chatId} ${rootSeq}`) ?? null);
  }

  /** Of what is unread in chats, how many are replies in threads. */
  async function unreadReplies(asked: readonly { chatId: ChatId; userId: UserId; readSeq: number; lastSeq: number }[]): Promise<number[]> {
    const walked = asked.reduce((sum, { readSeq, lastSeq }) => sum + lastSeq - readSeq, 0);
    const rows = await (walked > walkedAtFirst ? db.scan : db.sql).all<{ chatId: ChatId; userId: UserId; readSeq: number; lastSeq: number; count: number }>(
      `SELECT t.*, (SELECT count(*) FROM "Message" m WHERE m."chatId" = t."chatId" AND m."seq" > t."readSeq" AND m."seq" <= t."lastSeq" AND m."threadRootSeq" IS NOT NULL
         AND m."senderId" <> t."userId" AND m."deletedAt" IS NULL) AS "count" FROM ${tableOf(db.engine, 't', { chatId: 'int', userId: 'int', readSeq: 'int', lastSeq: 'int' })}`,
      [asked],
    );
    const keyOf = ({ chatId, userId, readSeq, lastSeq }: (typeof asked)[number]): string => `${chatId} ${userId} ${readSeq} ${lastSeq}`;
    const byKey = new Map(rows.map((row) => [keyOf(row), Number(row.count)]));
    return asked.map((each) => byKey.get(keyOf(each)) ?? 0);
  }
}

/** Whoever is no member has no place in a thread, and learns of none. */
function mustBeIn(standing: ChatStanding): ChatRow {
  if (!can('followThread', standing)) throw notFound('Message');
  return must('followThread', standing, 'Message');
}

/** Of a thread `t`, by others, behind a marker. */
const behindText = `FROM "Message" m WHERE m."senderId" <> ? AND m."chatId" = t."chatId" AND m."threadRootSeq" = t."rootSeq" AND m."seq" > t."readSeq" AND m."deletedAt" IS NULL`;

/** The thread under a message that nobody has replied to. */
export const withoutReplies = ({ id, chatId, seq, createdAt }: MessageRow): ThreadRow => ({
  rootId: id,
  chatId,
  rootSeq: seq,
  replyCount: 0,
  participantCount: 0,
  newestSeq: null,
  lastReplySeq: seq,
  lastReplyAt: createdAt,
});
