/**
 * Whom messages are for: named people, the authors of what is answered, and whole rooms. What is unread of that is a highlight: counted, as what is unread is, and
 * never stepped.
 */
import type { ErasurePart } from '../accounts/erasure.ts';
import type { Reason } from '../chats/levels.ts';
import type { ChatId, MessageId, UserId } from '../ids.ts';
import { toMessageId } from '../ids.ts';
import { chatsNow } from '../storage/chats-now.ts';
import type { Database } from '../storage/database.ts';
import type { MessageRow } from '../storage/rows.ts';
import { oneOfList, tableOf } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import type { Named } from './mention-rows.ts';

export type Mentions = ReturnType<typeof createMentions>;
/** How a message is for somebody by themselves. */
export type ToMe = { named: boolean; answered: boolean };
/** How far somebody has read a chat, or a thread of it. */
export type ReadPlace = { chatId: ChatId; readSeq: number };

const countedAtOnce = 500;
const clearedAtOnce = 200;

/** Of a person's place `t` in a chat: what is for them by themselves, and what calls everybody. Each message is in one of the two. */
export const ownHighlights = (t: string): string =>
  `(SELECT count(*) FROM "Mention" n WHERE n."userId" = ${t}."userId" AND n."chatId" = ${t}."chatId" AND n."counts" = true AND n."seq" > ${t}."readSeq")`;
export const callsOfAll = (t: string): string =>
  `(SELECT count(*) FROM "Message" m WHERE m."chatId" = ${t}."chatId" AND m."mentionsAll" = 'EVERYONE' AND m."seq" > ${t}."readSeq" AND m."senderId" <> ${t}."userId")`;

export function createMentions({ db }: { db: Database }) {
  return { ofMessages, toMe, reasons, highlights, totalHighlights, inThreads, unreachable, erasure: { afterwards } satisfies ErasurePart };

  // ---------------------------------------------------------------- of messages that the caller knows to be readable

  /** Who is named in each, in the order in which they were. */
  async function ofMessages(ids: readonly MessageId[]): Promise<Named[][]> {
    const rows = await db.sql.all<{ messageId: MessageId; userId: UserId; writtenAs: string }>(
      `SELECT "messageId", "userId", "writtenAs" FROM "Mention" WHERE ${oneOfList(db.engine, '"messageId"', 'bigint')} AND "place" IS NOT NULL ORDER BY "messageId", "place"`,
      [ids],
    );
    const byMessage = Map.groupBy(rows, ({ messageId }) => toMessageId(messageId));
    return ids.map((id) => (byMessage.get(id) ?? []).map(({ userId, writtenAs }) => ({ id: userId, writtenAs })));
  }

  /** How each is for this person, who did not send it; null for what is not. */
  async function toMe(userId: UserId, ids: readonly MessageId[]): Promise<(ToMe | null)[]> {
    const rows = await db.sql.all<{ messageId: MessageId; place: number | null; answered: unknown }>(
      `SELECT "messageId", "place", "answered" FROM "Mention" WHERE "userId" = ? AND ${oneOfList(db.engine, '"messageId"', 'bigint')}`,
      [userId, ids],
    );
    const byMessage = new Map(rows.map(({ messageId, place, answered }) => [toMessageId(messageId), { named: place !== null, answered: Boolean(answered) }]));
    return ids.map((id) => byMessage.get(id) ?? null);
  }

  /** Why messages notify members of their chats; null for what is deleted, or their own. One statement for any number. */
  async function reasons(asked: readonly { messageId: MessageId; userId: UserId }[]): Promise<(Reason | null)[]> {
    const rows = await db.sql.all<{ messageId: MessageId; userId: UserId; mentionsAll: string | null; place: number | null; answered: unknown; following: unknown }>(
      `SELECT t."messageId", t."userId", m."mentionsAll", n."place", n."answered", f."following" FROM ${tableOf(db.engine, 't', { messageId: 'bigint', userId: 'int' })}
       JOIN "Message" m ON m."id" = t."messageId" AND m."deletedAt" IS NULL AND m."senderId" <> t."userId" LEFT JOIN "Mention" n ON n."messageId" = m."id" AND n."userId" = t."userId"
       LEFT JOIN "ThreadFollow" f ON f."chatId" = m."chatId" AND f."rootSeq" = m."threadRootSeq" AND f."userId" = t."userId"`,
      [asked.map(({ messageId, userId }) => ({ messageId, userId }))],
    );
    const keyOf = ({ messageId, userId }: { messageId: MessageId; userId: UserId }): string => `${messageId} ${userId}`;
    const byPair = new Map(
      rows.map((row): [string, Reason] => {
        const { mentionsAll, place, answered, following } = row;
        return [keyOf(row), place !== null ? 'MENTION' : answered ? 'REPLY' : ((mentionsAll as 'EVERYONE' | 'HERE' | null) ?? (following ? 'THREAD_REPLY' : 'MESSAGE'))];
      }),
    );
    return asked.map((pair) => byPair.get(keyOf(pair)) ?? null);
  }

  /** Whom of those named in a message its sender did not reach. */
  async function unreachable({ id, senderId }: Pick<MessageRow, 'id' | 'senderId'>): Promise<UserId[]> {
    const rows = await db.sql.all<{ userId: UserId }>(
      `SELECT n."userId" FROM "Mention" n LEFT JOIN "Member" b ON b."chatId" = n."chatId" AND b."userId" = n."userId"
       WHERE n."messageId" = ? AND n."place" IS NOT NULL AND n."userId" <> ? AND b."userId" IS NULL ORDER BY n."place"`,
      [id, senderId],
    );
    return rows.map(({ userId }) => userId);
  }

  // ---------------------------------------------------------------- highlights

  /** How many messages behind each of a person's places are for them. One statement for any number of chats. */
  async function highlights(userId: UserId, places: readonly ReadPlace[]): Promise<number[]> {
    const rows = await db.sql.all<ReadPlace & { count: number }>(
      `SELECT t."chatId", t."readSeq", ${ownHighlights('t')} + ${callsOfAll('t')} AS "count" FROM ${tableOf(db.engine, 't', { chatId: 'int', userId: 'int', readSeq: 'int' })}`,
      [places.map(({ chatId, readSeq }) => ({ chatId, userId, readSeq }))],
    );
    const byPlace = new Map(rows.map(({ chatId, readSeq, count }) => [`${chatId} ${readSeq}`, Number(count)]));
    return places.map(({ chatId, readSeq }) => byPlace.get(`${chatId} ${readSeq}`) ?? 0);
  }

  async function totalHighlights(userId: UserId): Promise<number> {
    const places = await db.scan.all<ReadPlace>(
      `SELECT b."chatId", b."readSeq" FROM "Member" b JOIN ${chatsNow(db.engine)} c ON c."id" = b."chatId" WHERE b."userId" = ? AND c."lastSeq" > b."readSeq" AND c."deletedAt" IS NULL`,
      [userId],
    );
    let sum = 0;
    for (let at = 0; at < places.length; at += countedAtOnce) {
      for (const count of await highlights(userId, places.slice(at, at + countedAtOnce))) sum += count;
      await yieldWhenLong();
    }
    return sum;
  }

  /** The same in threads, which call nobody but by name. */
  async function inThreads(userId: UserId, places: readonly (ReadPlace & { rootSeq: number })[]): Promise<number[]> {
    const rows = await db.sql.all<{ chatId: ChatId; rootSeq: number; count: number }>(
      `SELECT t."chatId", t."rootSeq", (SELECT count(*) FROM "Mention" n WHERE n."userId" = t."userId" AND n."chatId" = t."chatId" AND n."counts" = true AND n."seq" > t."readSeq"
         AND n."threadRootSeq" = t."rootSeq") AS "count" FROM ${tableOf(db.engine, 't', { chatId: 'int', userId: 'int', rootSeq: 'int', readSeq: 'int' })}`,
      [places.map(({ chatId, rootSeq, readSeq }) => ({ chatId, userId, rootSeq, readSeq }))],
    );
    const byPlace = new Map(rows.map(({ chatId, rootSeq, count }) => [`${chatId} ${rootSeq}`, Number(count)]));
    return places.map(({ chatId, rootSeq }) => byPlace.get(`${chatId} ${rootSeq}`) ?? 0);
  }

  // ---------------------------------------------------------------- erasure

  /** What others wrote stays for the tombstone; the name that it was written under goes. */
  async function* afterwards(userId: UserId): AsyncGenerator<void> {
    for (let after: MessageId | null = toMessageId(0n); after !== null; ) {
      const ids: MessageId[] = (
        await db.sql.all<{ messageId: MessageId }>('SELECT "messageId" FROM "Mention" WHERE "userId" = ? AND "messageId" > ? ORDER BY "messageId" LIMIT ?', [
          userId,
          after,
          clearedAtOnce,
        ])
      ).map(({ messageId }) => toMessageId(messageId));
      await db.sqlTransaction((sql) => sql.all(`UPDATE "Mention" SET "writtenAs" = '' WHERE "userId" = ? AND ${oneOfList(sql.engine, '"messageId"', 'bigint')}`, [userId, ids]));
      after = ids.length < clearedAtOnce ? null : (ids.at(-1) as MessageId);
      yield;
    }
  }
}
