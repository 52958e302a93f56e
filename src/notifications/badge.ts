/** The one number for an app's icon, the same for every client: each that decides for itself what to leave out shows another one. */
import type { Level } from '../chats/levels.ts';
import { joinLevel, levelText } from '../chats/levels.ts';
import type { ChatViews } from '../chats/views.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Mentions } from '../messages/mentions.ts';
import type { Receipts } from '../messages/receipts.ts';
import type { Threads } from '../messages/threads.ts';
import { chatsNow } from '../storage/chats-now.ts';
import type { Database } from '../storage/database.ts';
import { yieldWhenLong } from '../turns.ts';

const countedAtOnce = 500;

export function createBadge({
  db,
  receipts,
  mentions,
  threads,
  views,
  clock,
}: {
  db: Database;
  receipts: Pick<Receipts, 'unread'>;
  mentions: Pick<Mentions, 'highlights'>;
  threads: Pick<Threads, 'unreadByChat'>;
  views: Pick<ChatViews, 'ofPlaces'>;
  clock: () => Date;
}) {
  return { count };

  async function count(userId: UserId): Promise<number> {
    const places = await db.scan.all<{ chatId: ChatId; readSeq: number; lastSeq: number; level: Level }>(
      `SELECT b."chatId", b."readSeq", c."lastSeq", ${levelText} AS "level" FROM "Member" b JOIN ${chatsNow(db.engine)} c ON c."id" = b."chatId" ${joinLevel}
       WHERE b."userId" = ? AND c."lastSeq" > b."readSeq" AND c."deletedAt" IS NULL AND v."archivedSeq" IS NULL`,
      [clock(), userId],
    );
    let sum = await unreadThreads(userId);
    for (const [level, counted] of [
      ['ALL', (piece: typeof places) => receipts.unread(piece.map(({ chatId, readSeq, lastSeq }) => ({ chatId, userId, readSeq, lastSeq })))],
      ['MENTIONS', (piece: typeof places) => mentions.highlights(userId, piece)],
    ] as const) {
      const own = places.filter((place) => place.level === level);
      for (let at = 0; at < own.length; at += countedAtOnce) {
        for (const each of await counted(own.slice(at, at + countedAtOnce))) sum += each;
        await yieldWhenLong();
      }
    }
    return sum;
  }

  async function unreadThreads(userId: UserId): Promise<number> {
    const chats = await threads.unreadByChat(userId);
    const found = await views.ofPlaces(chats.map(({ chatId }) => ({ chatId, userId })));
    return chats.reduce((sum, { count: unread }, index) => sum + (found[index]?.archived || found[index]?.levelNow === 'NOTHING' ? 0 : unread), 0);
  }
}
