/** What messages have beside their rows, as one: it goes with them, in the transaction that deletes them. */
import { can } from '../chats/access.ts';
import { membersOf } from '../chats/chats.ts';
import { placeKey } from '../ids.ts';
import type { MessageParts } from './messages.ts';
import { dropPins } from './pins.ts';
import { dropRevisions, type Revisions } from './revisions.ts';
import { dropSaved } from './saved.ts';

export function createMessageParts({ revisions }: { revisions: Pick<Revisions, 'keep'> }): MessageParts {
  return {
    keepText: revisions.keep,
    async release(sql, messages, chats) {
      const ids = messages.map(({ id }) => id);
      await dropPins(sql, ids);
      await dropRevisions(sql, ids);
      const chatOf = new Map(messages.map(({ id, chatId }) => [id, chatId]));
      // Members are told of the deletion itself. Who has left does not learn of it; guests may, where they can read.
      const open = new Set(chats.filter((chat) => can('read', { chat, member: null, banned: false })).map(({ id }) => id));
      const saved = (await dropSaved(sql, ids)).flatMap(({ userId, messageId }) => {
        const chatId = chatOf.get(messageId);
        return chatId !== undefined && open.has(chatId) ? [{ userId, messageId, chatId }] : [];
      });
      const members = new Set(
        (
          await membersOf(
            sql,
            saved.map(({ chatId, userId }) => ({ chatId, userId })),
          )
        ).map(placeKey),
      );
      return saved.filter((place) => !members.has(placeKey(place))).map(({ userId, messageId }) => ({ type: 'saved-changed', userId, messageId }));
    },
  };
}
