/** Chats that were put away come back with a message that notifies: done behind the log, so that no send looks for them. */
import { notifies } from '../chats/levels.ts';
import type { ChatViews } from '../chats/views.ts';
import { type LogEvent, messageIdOf, type NewEvent } from '../events/event.ts';
import type { WriteBatch } from '../events/write.ts';
import { type ChatId, placeKey, type UserId } from '../ids.ts';
import type { Mentions } from '../messages/mentions.ts';
import type { Database } from '../storage/database.ts';
import { oneOfList, tableOf } from '../storage/sql.ts';

export function createReturning({
  db,
  writeBatch,
  views,
  mentions,
}: {
  db: Database;
  writeBatch: WriteBatch;
  views: Pick<ChatViews, 'ofPlaces'>;
  mentions: Pick<Mentions, 'reasons'>;
}) {
  return { bringBack };

  /** Of what is new in the log. The same events again, or on another node, change nothing more. */
  async function bringBack(events: readonly LogEvent[]): Promise<void> {
    const added = events.filter((event) => event.type === 'notification-added');
    const away = await db.sql.all<{ chatId: ChatId; userId: UserId; archivedSeq: number }>(
      `SELECT "chatId", "userId", "archivedSeq" FROM "ChatView" WHERE ${oneOfList(db.engine, '"chatId"')} AND "archivedSeq" IS NOT NULL`,
      [[...new Set(added.map(({ chatId }) => chatId))]],
    );
    if (away.length === 0) return;
    const asked = away.flatMap(({ chatId, userId, archivedSeq }) =>
      added.filter((event) => event.chatId === chatId && event.seq > archivedSeq).map((event) => ({ chatId, userId, seq: event.seq, messageId: messageIdOf(event) })),
    );
    const [levels, reasons] = [await views.ofPlaces(asked), await mentions.reasons(asked)];
    const notified = asked.filter((_, index) => {
      const [view, reason] = [levels[index], reasons[index]];
      return view && reason && notifies(view.levelNow, reason);
    });
    const back = [...new Map(notified.map((place) => [placeKey(place), { chat: place.chatId, person: place.userId, seq: place.seq }])).values()];
    if (back.length === 0) return;
    await writeBatch(async (sql, number) => {
      const rows = await sql.all<{ chatId: ChatId; userId: UserId }>(
        `UPDATE "ChatView" SET "archivedSeq" = NULL FROM ${tableOf(sql.engine, 't', { chat: 'int', person: 'int', seq: 'int' })}
         WHERE "chatId" = t."chat" AND "userId" = t."person" AND "archivedSeq" < t."seq" RETURNING "chatId", "userId"`,
        [back],
      );
      await number(
        rows.flatMap(({ chatId, userId }): NewEvent[] => [
          { type: 'my-chat-changed', chatId, userId },
          { type: 'account-changed', userId },
        ]),
      );
    });
  }
}
