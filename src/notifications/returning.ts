/** Chats that were put away come back with a message that notifies: done behind the log, so that no send looks for them. */
import { type Level, notifies } from '../chats/levels.ts';
import type { ChatViews } from '../chats/views.ts';
import { type EventOf, type LogEvent, messageIdOf, type NewEvent } from '../events/event.ts';
import type { WriteBatch } from '../events/write.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Mentions } from '../messages/mentions.ts';
import type { Database } from '../storage/database.ts';
import { oneOfList, tableOf } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';

type Away = { chatId: ChatId; userId: UserId; archivedSeq: number };
const peopleAtOnce = 200;

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

  /** Of what is new in the log. The same events again, or on another node, change nothing more. However many have put a chat away, a piece of them at a time. */
  async function bringBack(events: readonly LogEvent[]): Promise<void> {
    const added = events.filter((event) => event.type === 'notification-added');
    const chatIds = [...new Set(added.map(({ chatId }) => chatId))];
    for (let [chat, last, more] = [0, 0, await isAnyAway(chatIds)]; more; await yieldWhenLong()) {
      const away = await db.scan.all<Away>(
        `SELECT "chatId", "userId", "archivedSeq" FROM "ChatView" WHERE ${oneOfList(db.engine, '"chatId"')} AND ("chatId", "userId") > (?, ?) AND "archivedSeq" IS NOT NULL
         ORDER BY "chatId", "userId" LIMIT ?`,
        [chatIds, chat, last, peopleAtOnce],
      );
      more = away.length === peopleAtOnce;
      [chat, last] = [away.at(-1)?.chatId ?? chat, away.at(-1)?.userId ?? last];
      const levels = (await views.ofPlaces(away)).map((view) => view?.levelNow ?? 'NOTHING');
      let people = away.map((place, index) => ({ ...place, level: levels[index] as Level })).filter(({ level }) => level !== 'NOTHING');
      for (const event of added) {
        if (people.length === 0) break;
        const back = await bringSomeBack(
          people.filter(({ chatId, archivedSeq }) => chatId === event.chatId && archivedSeq < event.seq),
          event,
        );
        people = people.filter((person) => !back.includes(person));
        await yieldWhenLong();
      }
    }
  }

  async function isAnyAway(chatIds: readonly ChatId[]): Promise<boolean> {
    const found = await db.sql.all(`SELECT 1 FROM "ChatView" WHERE ${oneOfList(db.engine, '"chatId"')} AND "archivedSeq" IS NOT NULL LIMIT 1`, [chatIds]);
    return found.length > 0;
  }

  async function bringSomeBack(people: readonly (Away & { level: Level })[], event: EventOf<'notification-added'>): Promise<readonly Away[]> {
    const reasons = await mentions.reasons(people.map(({ userId }) => ({ userId, messageId: messageIdOf(event) })));
    const notified = people.filter(({ level }, index) => {
      const reason = reasons[index];
      return reason && notifies(level, reason);
    });
    if (notified.length === 0) return [];
    const back = notified.map(({ chatId, userId }) => ({ chat: chatId, person: userId, seq: event.seq }));
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
    return notified;
  }
}
