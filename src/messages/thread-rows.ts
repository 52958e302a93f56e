/**
 * The rows of threads, as storing and deleting messages changes them: statements of that transaction, which holds the chat. Some of it runs in the jobs (src/jobs.ts).
 */
import type { NewEvent } from '../events/event.ts';
import type { ChatId, MessageId, UserId } from '../ids.ts';
import type { MessageRow } from '../storage/rows.ts';
import { type Engine, greater, lesser, oneOfList, type Sql, tableOf } from '../storage/sql.ts';

/** Most threads that one account follows; then the one that was silent for the longest is given up. */
export const mostFollowed = 2_000;

type Place = { chatId: ChatId; rootSeq: number };
/** Somebody in a thread. */
export type ThreadPlace = Place & { userId: UserId };
/** A reply that is being stored. `named`: whom it is for. */
export type NewReply = { root: Pick<MessageRow, 'id' | 'chatId' | 'seq' | 'senderId'>; senderId: UserId; named: readonly UserId[]; seq: number; at: Date };

const placeColumns = { chatId: 'int', rootSeq: 'int' } as const;
const personColumns = { ...placeColumns, userId: 'int' } as const;
const keyOf = ({ chatId, rootSeq, userId }: ThreadPlace): string => `${chatId} ${rootSeq} ${userId}`;
const atPlace = (table: string): string => `${table}."chatId" = t."chatId" AND ${table}."rootSeq" = t."rootSeq"`;
const atPerson = (table: string): string => `${atPlace(table)} AND ${table}."userId" = t."userId"`;

/** How far a member `b` with the marker `k` has read the threads of the chat: as far as the chat, unless the marker says less. */
export const threadsReadText = (engine: Engine): string =>
  `CASE WHEN k."readSeq" IS NULL THEN b."readSeq" ELSE ${lesser(engine, 'b."readSeq"', greater(engine, 'k."readSeq"', 'b."joinedSeq"'))} END`;
export const joinMarker = `LEFT JOIN "ThreadMarker" k ON k."chatId" = b."chatId" AND k."userId" = b."userId"`;
/** And how far one thread, in which they have the place `f`. */
export const threadReadText = (engine: Engine): string => greater(engine, `COALESCE(f."readSeq", 0)`, threadsReadText(engine));

/** Who begins to follow with these replies: whoever writes in a thread or is named in it, and with the first one, who wrote the root. Members only. Before the replies are numbered. */
export async function findNewFollowers(sql: Sql, replies: readonly NewReply[]): Promise<ThreadPlace[]> {
  if (replies.length === 0) return [];
  const places = [...new Map(replies.map(({ root }) => [`${root.chatId} ${root.seq}`, { chatId: root.chatId, rootSeq: root.seq }])).values()];
  const begun = await sql.all<Place>(`SELECT t."chatId", t."rootSeq" FROM ${tableOf(sql.engine, 't', placeColumns)} JOIN "Thread" r ON ${atPlace('r')}`, [places]);
  const asked = new Map<string, ThreadPlace & { byRoot: boolean }>();
  for (const { root, senderId, named } of replies) {
    const place = { chatId: root.chatId, rootSeq: root.seq };
    for (const userId of [senderId, ...named]) asked.set(keyOf({ ...place, userId }), { ...place, userId, byRoot: false });
    const ofRoot = { ...place, userId: root.senderId, byRoot: true };
    if (!asked.has(keyOf(ofRoot)) && !begun.some(({ chatId, rootSeq }) => chatId === place.chatId && rootSeq === place.rootSeq)) asked.set(keyOf(ofRoot), ofRoot);
  }
  const members = await sql.all<ThreadPlace & { following: boolean | number | null }>(
    `SELECT t."chatId", t."rootSeq", t."userId", f."following" FROM ${tableOf(sql.engine, 't', personColumns)}
     JOIN "Member" b ON b."chatId" = t."chatId" AND b."userId" = t."userId" LEFT JOIN "ThreadFollow" f ON ${atPerson('f')}`,
    [[...asked.values()].map(({ byRoot, ...place }) => place)],
  );
  return members
    .filter((member) => (asked.get(keyOf(member))?.byRoot ? member.following === null : !member.following))
    .map(({ chatId, rootSeq, userId }) => ({ chatId, rootSeq, userId }));
}

/** Who begins to follow as they are named anew in a reply that was edited. Members only; nobody where it is no reply. */
export async function findNamed(sql: Sql, { chatId, threadRootSeq }: Pick<MessageRow, 'chatId' | 'threadRootSeq'>, named: readonly UserId[]): Promise<ThreadPlace[]> {
  if (threadRootSeq === null) return [];
  return sql.all<ThreadPlace>(
    `SELECT t."chatId", t."rootSeq", t."userId" FROM ${tableOf(sql.engine, 't', personColumns)} JOIN "Member" b ON b."chatId" = t."chatId" AND b."userId" = t."userId"
     LEFT JOIN "ThreadFollow" f ON ${atPerson('f')} WHERE f."following" IS NULL OR NOT f."following"`,
    [named.map((userId) => ({ chatId, rootSeq: threadRootSeq, userId }))],
  );
}

export const followEvents = (followers: readonly ThreadPlace[]): NewEvent[] => followers.map((place) => ({ type: 'my-thread-changed', ...place }));

/** Replies are there: the threads count them, and have these followers more. */
export async function addReplies(sql: Sql, replies: readonly NewReply[], followers: readonly ThreadPlace[]): Promise<void> {
  if (replies.length === 0) return;
  const people = [...Map.groupBy(replies, ({ root, senderId }) => keyOf({ chatId: root.chatId, rootSeq: root.seq, userId: senderId })).values()].map((own) => {
    const [{ root, senderId, seq }] = own as [NewReply];
    return { chatId: root.chatId, rootSeq: root.seq, userId: senderId, firstSeq: seq, replies: own.length };
  });
  const wrote = await sql.all<ThreadPlace>(
    `SELECT t."chatId", t."rootSeq", t."userId" FROM ${tableOf(sql.engine, 't', personColumns)} JOIN "ThreadParticipant" p ON ${atPerson('p')} AND p."replyCount" > 0`,
    [people.map(({ chatId, rootSeq, userId }) => ({ chatId, rootSeq, userId }))],
  );
  const known = new Set(wrote.map(keyOf));
  await sql.all(
    `INSERT INTO "ThreadParticipant" ("chatId", "rootSeq", "userId", "firstSeq", "replyCount") SELECT "chatId", "rootSeq", "userId", "firstSeq", "replies"
     FROM ${tableOf(sql.engine, 't', { ...personColumns, firstSeq: 'int', replies: 'int' })} WHERE true
     ON CONFLICT ("chatId", "rootSeq", "userId") DO UPDATE SET "replyCount" = "ThreadParticipant"."replyCount" + excluded."replyCount"`,
    [people],
  );
  const threads = [...Map.groupBy(replies, ({ root }) => root.id).values()].map((own) => {
    const [{ root }, last] = [own[0] as NewReply, own.at(-1) as NewReply];
    const fresh = people.filter((person) => person.chatId === root.chatId && person.rootSeq === root.seq && !known.has(keyOf(person))).length;
    return { rootId: root.id, chatId: root.chatId, rootSeq: root.seq, replies: own.length, people: fresh, last: last.seq, at: last.at };
  });
  const columns = { rootId: 'bigint', ...placeColumns, replies: 'int', people: 'int', last: 'int', at: 'date' } as const;
  await sql.all(
    `INSERT INTO "Thread" ("rootId", "chatId", "rootSeq", "replyCount", "participantCount", "newestSeq", "lastReplySeq", "lastReplyAt")
     SELECT "rootId", "chatId", "rootSeq", "replies", "people", "last", "last", "at" FROM ${tableOf(sql.engine, 't', columns)} WHERE true
     ON CONFLICT ("rootId") DO UPDATE SET "replyCount" = "Thread"."replyCount" + excluded."replyCount", "participantCount" = "Thread"."participantCount" + excluded."participantCount",
       "newestSeq" = excluded."newestSeq", "lastReplySeq" = excluded."lastReplySeq", "lastReplyAt" = excluded."lastReplyAt"`,
    [threads],
  );
  await follow(sql, followers);
}

/** They follow from now on. Whoever follows too many gives up the one that was silent for the longest. */
export async function follow(sql: Sql, places: readonly ThreadPlace[]): Promise<void> {
  await sql.all(
    `INSERT INTO "ThreadFollow" ("chatId", "rootSeq", "userId", "following") SELECT "chatId", "rootSeq", "userId", true FROM ${tableOf(sql.engine, 't', personColumns)} WHERE true
     ON CONFLICT ("chatId", "rootSeq", "userId") DO UPDATE SET "following" = true`,
    [places],
  );
  const counts = await sql.all<{ userId: UserId; count: number }>(
    `SELECT "userId", count(*) AS "count" FROM "ThreadFollow" WHERE ${oneOfList(sql.engine, '"userId"')} AND "following" GROUP BY "userId"`,
    [[...new Set(places.map(({ userId }) => userId))]],
  );
  for (const { userId, count } of counts.filter((each) => Number(each.count) > mostFollowed)) {
    await sql.all(
      `UPDATE "ThreadFollow" SET "following" = false WHERE "userId" = ? AND ("chatId", "rootSeq") IN (
         SELECT f."chatId", f."rootSeq" FROM "ThreadFollow" f LEFT JOIN "Thread" r ON r."chatId" = f."chatId" AND r."rootSeq" = f."rootSeq"
         WHERE f."userId" = ? AND f."following" ORDER BY r."lastReplyAt" LIMIT ?)`,
      [userId, userId, Number(count) - mostFollowed],
    );
  }
}

/** Those of these messages that are replies have just become tombstones: their threads do not count them any more. */
export async function removeReplies(sql: Sql, messageIds: readonly MessageId[]): Promise<void> {
  const rows = await sql.all<ThreadPlace & { count: number }>(
    `SELECT "chatId", "threadRootSeq" AS "rootSeq", "senderId" AS "userId", count(*) AS "count" FROM "Message"
     WHERE ${oneOfList(sql.engine, '"id"', 'bigint')} AND "threadRootSeq" IS NOT NULL GROUP BY "chatId", "threadRootSeq", "senderId"`,
    [messageIds],
  );
  const people = rows.map((row) => ({ ...row, count: Number(row.count) }));
  await sql.all(
    `UPDATE "ThreadParticipant" SET "replyCount" = "ThreadParticipant"."replyCount" - t."count" FROM ${tableOf(sql.engine, 't', { ...personColumns, count: 'int' })} WHERE ${atPerson('"ThreadParticipant"')}`,
    [people],
  );
  const threads = [...Map.groupBy(people, ({ chatId, rootSeq }) => `${chatId} ${rootSeq}`).values()].map((own) => {
    const [{ chatId, rootSeq }] = own as unknown as [ThreadPlace];
    return { chatId, rootSeq, count: own.reduce((sum, { count }) => sum + count, 0) };
  });
  await sql.all(
    `UPDATE "Thread" SET "replyCount" = "Thread"."replyCount" - t."count",
       "participantCount" = (SELECT count(*) FROM "ThreadParticipant" p WHERE ${atPlace('p')} AND p."replyCount" > 0),
       "newestSeq" = (SELECT m."seq" FROM "Message" m WHERE m."chatId" = t."chatId" AND m."threadRootSeq" = t."rootSeq" AND m."deletedAt" IS NULL ORDER BY m."seq" DESC LIMIT 1)
     FROM ${tableOf(sql.engine, 't', { ...placeColumns, count: 'int' })} WHERE ${atPlace('"Thread"')}`,
    [threads],
  );
}

/** Messages of a room without members are about to go for good: with the threads under them, and with who wrote them as replies. No more rows than messages. */
export async function dropThreads(sql: Sql, messages: readonly Pick<MessageRow, 'id' | 'chatId' | 'senderId' | 'threadRootSeq'>[]): Promise<void> {
  const people = messages.flatMap(({ chatId, senderId, threadRootSeq }) => (threadRootSeq === null ? [] : [{ chatId, rootSeq: threadRootSeq, userId: senderId }]));
  await sql.all(
    `DELETE FROM "ThreadParticipant" WHERE ("chatId", "rootSeq", "userId") IN (SELECT t."chatId", t."rootSeq", t."userId" FROM ${tableOf(sql.engine, 't', personColumns)})`,
    [people],
  );
  await sql.all(`DELETE FROM "Thread" WHERE ${oneOfList(sql.engine, '"rootId"', 'bigint')}`, [messages.map(({ id }) => id)]);
}
