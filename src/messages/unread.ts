/** What a person has not read: how many messages of a chat and in all, and where they begin. */
import { LRUCache } from 'lru-cache';
import type { ChatId, UserId } from '../ids.ts';
import { chatsNow } from '../storage/chats-now.ts';
import type { Database } from '../storage/database.ts';
import { tableOf } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import { inPieces, type Stretch, stretchTable, walkedAtFirst, walkedAtOnce } from './stretches.ts';

/** Chats of which one statement counts the unread messages. */
const countedAtOnce = 500;

export function createUnread({ db }: { db: Database }) {
  /** How many of the messages behind a marker are the person's own, up to a place. */
  const ownCounts = new LRUCache<string, { upTo: number; own: number }>({ max: 20_000 });
  return { unread, firstUnread, totalUnread };

  /**
   * Unread messages of people in chats: what came after the marker, less the person's own and what others' was deleted.
   * Counted over narrow indexes, so that a long absence costs no scan of the messages. What somebody wrote up to a place stays true: it is counted once.
   */
  async function unread(places: readonly { chatId: ChatId; userId: UserId; readSeq: number; lastSeq: number }[]): Promise<number[]> {
    const ofPlace = ({ chatId, userId, readSeq }: { chatId: ChatId; userId: UserId; readSeq: number }): string => `${chatId} ${userId} ${readSeq}`;
    const asked = places.map((place) => {
      const counted = ownCounts.get(ofPlace(place));
      // A place may be older than one that was asked for before.
      return counted && counted.upTo <= place.lastSeq ? { ...place, ownFrom: counted.upTo, ownBefore: counted.own } : { ...place, ownFrom: place.readSeq, ownBefore: 0 };
    });
    const walked = asked.reduce((sum, { ownFrom, lastSeq }) => sum + lastSeq - ownFrom, 0);
    const rows = await (walked > walkedAtFirst ? db.scan : db.sql).all<{ chatId: ChatId; userId: UserId; readSeq: number; lastSeq: number; own: number; gone: number }>(
      `SELECT t."chatId", t."userId", t."readSeq", t."lastSeq",
         t."ownBefore" + (SELECT count(*) FROM "Message" m WHERE m."chatId" = t."chatId" AND m."senderId" = t."userId" AND m."seq" > t."ownFrom" AND m."seq" <= t."lastSeq") AS "own",
         (SELECT count(*) FROM "Message" m WHERE m."chatId" = t."chatId" AND m."seq" > t."readSeq" AND m."seq" <= t."lastSeq" AND m."deletedAt" IS NOT NULL AND m."senderId" <> t."userId") AS "gone"
       FROM ${tableOf(db.engine, 't', { chatId: 'int', readSeq: 'int', lastSeq: 'int', userId: 'int', ownFrom: 'int', ownBefore: 'int' })}`,
      [asked],
    );
    const notCounted = new Map<string, number>();
    for (const row of rows) {
      notCounted.set(`${ofPlace(row)} ${row.lastSeq}`, Number(row.own) + Number(row.gone));
      if ((ownCounts.get(ofPlace(row))?.upTo ?? 0) < row.lastSeq) ownCounts.set(ofPlace(row), { upTo: row.lastSeq, own: Number(row.own) });
    }
    return places.map((place) => place.lastSeq - place.readSeq - (notCounted.get(`${ofPlace(place)} ${place.lastSeq}`) ?? 0));
  }

  /** The place of the first unread message of each chat, or null, in the order of the chats. Long runs of the own messages are passed over a bounded piece at a time. */
  async function firstUnread(userId: UserId, places: readonly { chatId: ChatId; readSeq: number; lastSeq: number }[]): Promise<(number | null)[]> {
    const text = `SELECT t."chatId", (SELECT m."seq" FROM "Message" m WHERE m."chatId" = t."chatId" AND m."seq" > t."low" AND m."seq" <= t."high"
      AND m."senderId" <> ? AND m."deletedAt" IS NULL ORDER BY m."seq" LIMIT 1) AS "seq" FROM ${stretchTable(db.engine)}`;
    const found = new Map<ChatId, number>();
    let left = places.map(({ chatId, readSeq, lastSeq }) => ({ chatId, low: readSeq, high: lastSeq }));
    for (let length = walkedAtFirst; (left = left.filter(({ chatId, low, high }) => low < high && !found.has(chatId))).length > 0; length = Math.min(2 * length, walkedAtOnce)) {
      const parts = left.map(({ chatId, low, high }) => ({ chatId, low, high: Math.min(high, low + length) }));
      for (const { chatId, seq } of await inPieces(parts, (piece) =>
        (length > walkedAtFirst || parts.length > 1 ? db.scan : db.sql).all<{ chatId: ChatId; seq: number | null }>(text, [userId, piece]),
      ))
        if (seq !== null) found.set(chatId, seq);
      left = left.map((stretch, index) => ({ ...stretch, low: (parts[index] as Stretch).high }));
    }
    return places.map(({ chatId }) => found.get(chatId) ?? null);
  }

  async function totalUnread(userId: UserId): Promise<number> {
    const places = await db.scan.all<{ chatId: ChatId; readSeq: number; lastSeq: number }>(
      `SELECT b."chatId", b."readSeq", c."lastSeq" FROM "Member" b JOIN ${chatsNow(db.engine)} c ON c."id" = b."chatId" WHERE b."userId" = ? AND c."lastSeq" > b."readSeq" AND c."deletedAt" IS NULL`,
      [userId],
    );
    let sum = 0;
    for (let at = 0; at < places.length; at += countedAtOnce) {
      for (const count of await unread(places.slice(at, at + countedAtOnce).map((place) => ({ ...place, userId })))) sum += count;
      await yieldWhenLong();
    }
    return sum;
  }
}
