/** Who has read replies in threads: who said so in the thread, or has read the chat with its threads. Beside the markers of chats (receipts.ts), which decide everywhere else. */
import type { ChatId, UserId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { tableOf } from '../storage/sql.ts';
import { threadReadText } from './thread-rows.ts';

/** A reply in a thread. */
export type Reply = { chatId: ChatId; seq: number; senderId: UserId; threadRootSeq: number };

const replyColumns = { chatId: 'int', seq: 'int', senderId: 'int', threadRootSeq: 'int' } as const;
const keyOf = ({ chatId, seq }: Pick<Reply, 'chatId' | 'seq'>): string => `${chatId} ${seq}`;
/** Members `b` who count for a reply `t`. */
const counts = `b."chatId" = t."chatId" AND b."userId" <> t."senderId" AND b."joinedSeq" < t."seq"`;
const ofThread = 'f."chatId" = b."chatId" AND f."rootSeq" = t."threadRootSeq" AND f."userId" = b."userId"';
const hasSaidSo = `EXISTS (SELECT 1 FROM "ThreadFollow" f WHERE ${ofThread} AND f."readSeq" >= t."seq")`;
/** Members `b` with a marker `k` of their own that is behind. */
const behindInThreads = `FROM "ThreadMarker" k JOIN "Member" b ON b."chatId" = k."chatId" AND b."userId" = k."userId" WHERE k."chatId" = t."chatId" AND k."readSeq" < t."seq" AND ${counts}`;

/** In place of what joins a member `b` to its marker, and what says how far they have read, for a reply `t`. */
export const joinThread = `LEFT JOIN "ThreadMarker" k ON k."chatId" = b."chatId" AND k."userId" = b."userId" LEFT JOIN "ThreadFollow" f ON ${ofThread}`;
export const hasReadText = (db: Pick<Database, 'engine'>): string => `${threadReadText(db.engine)} >= t."seq"`;

export function createThreadReceipts({ db }: { db: Database }) {
  return { areReadByAll, corrections };

  /** Whether nobody who counts is behind. Stops at the first who is. */
  async function areReadByAll(replies: readonly Reply[]): Promise<boolean[]> {
    const rows = await db.sql.all<Reply & { behind: number }>(
      `SELECT t."chatId", t."seq", CASE WHEN EXISTS (SELECT 1 FROM "Member" b WHERE ${counts} AND b."readSeq" < t."seq" AND NOT ${hasSaidSo})
         OR EXISTS (SELECT 1 ${behindInThreads} AND NOT ${hasSaidSo}) THEN 1 ELSE 0 END AS "behind" FROM ${tableOf(db.engine, 't', replyColumns)}`,
      [replies],
    );
    const behind = new Map(rows.map((row) => [keyOf(row), Number(row.behind)]));
    return replies.map((reply) => behind.get(keyOf(reply)) === 0);
  }

  /** By how many those who have read the chat up to a reply differ from those who have read the reply. Looks at who has places of their own in threads, and at nobody else. */
  async function corrections(replies: readonly Reply[]): Promise<number[]> {
    const rows = await db.scan.all<Reply & { more: number; less: number }>(
      `SELECT t."chatId", t."seq",
         (SELECT count(*) FROM "ThreadFollow" f JOIN "Member" b ON ${ofThread} WHERE f."chatId" = t."chatId" AND f."rootSeq" = t."threadRootSeq" AND f."readSeq" >= t."seq" AND b."readSeq" < t."seq" AND ${counts}) AS "more",
         (SELECT count(*) ${behindInThreads} AND b."readSeq" >= t."seq" AND NOT ${hasSaidSo}) AS "less"
       FROM ${tableOf(db.engine, 't', replyColumns)}`,
      [replies],
    );
    const found = new Map(rows.map((row) => [keyOf(row), Number(row.more) - Number(row.less)]));
    return replies.map((reply) => found.get(keyOf(reply)) ?? 0);
  }
}
