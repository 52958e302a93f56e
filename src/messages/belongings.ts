/** What is put to a message, and goes when its text goes: reactions, whom it is for, its pin, what people saved of it, and what it said before. */
import { can } from '../chats/access.ts';
import { membersOf } from '../chats/chats.ts';
import type { NewEvent } from '../events/event.ts';
import { type ChatId, type MessageId, placeKey, toMessageId, type UserId } from '../ids.ts';
import type { ChatRow } from '../storage/rows.ts';
import { oneOfList, type Sql } from '../storage/sql.ts';

const tables = ['Reaction', 'ReactionCount', 'UntoldReaction', 'Pin', 'MessageRevision', 'Mention'] as const;

/**
 * In the transaction in which the messages are deleted, or become tombstones. Members are told by that. Of those who had saved one and are no members, it answers
 * what to tell them, in those of these chats that they can read: whoever has left a chat learns nothing of it.
 */
export async function dropBelongings(sql: Sql, messages: readonly { id: MessageId; chatId: ChatId }[], chats: readonly ChatRow[]): Promise<NewEvent[]> {
  const ids = messages.map(({ id }) => id);
  for (const table of tables) await sql.all(`DELETE FROM "${table}" WHERE ${oneOfList(sql.engine, '"messageId"', 'bigint')}`, [ids]);
  const saved = await sql.all<{ userId: UserId; messageId: MessageId }>(
    `DELETE FROM "SavedMessage" WHERE ${oneOfList(sql.engine, '"messageId"', 'bigint')} RETURNING "userId", "messageId"`,
    [ids],
  );
  const open = new Set(chats.filter((chat) => can('read', { chat, member: null, banned: false })).map(({ id }) => id));
  const inOpen = new Map(messages.filter(({ chatId }) => open.has(chatId)).map(({ id, chatId }) => [id, chatId]));
  const places = saved.flatMap(({ userId, messageId }) => {
    const [id, chatId] = [toMessageId(messageId), inOpen.get(toMessageId(messageId))];
    return chatId === undefined ? [] : [{ chatId, userId, messageId: id }];
  });
  const members = new Set(
    (
      await membersOf(
        sql,
        places.map(({ chatId, userId }) => ({ chatId, userId })),
      )
    ).map(placeKey),
  );
  return places.filter((place) => !members.has(placeKey(place))).map(({ userId, messageId }) => ({ type: 'saved-changed', userId, messageId }));
}
