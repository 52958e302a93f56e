/** What the caller may do with a message or in a chat, as clients see it: chats/access.ts decides. */
import { loadUser } from '../accounts/schema.ts';
import { actionsIn, actionsOn, type chatActions, type messageActions } from '../chats/access.ts';
import { peerOf } from '../chats/chats.ts';
import { Chat, loadRights, loadStanding } from '../chats/schema.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, mustBeSignedIn } from '../graphql/context.ts';
import type { ChatRow } from '../storage/rows.ts';
import { chatOf, Message } from './schema.ts';

const MessageAction = builder.enumType('MessageAction', {
  description: 'What can be done with a message.',
  values: {
    DELETE: { description: '`deleteMessage`.' },
    EDIT: { description: '`editMessage`.' },
    FORWARD: { description: '`sendMessage` with `forwardOf`.' },
    PIN: { description: '`pinMessage`, `unpinMessage`.' },
    REACT: { description: '`setReactions`.' },
    REPLY: { description: '`sendMessage` with `replyToId` or `threadRootId`.' },
    SEE_REVISIONS: { description: '`Message.revisions`.' },
  } satisfies Record<(typeof messageActions)[number], { description: string }>,
});
const ChatAction = builder.enumType('ChatAction', {
  description: 'What can be done in a chat.',
  values: {
    ADD_MEMBERS: { description: '`addMembers`.' },
    DELETE: { description: '`deleteRoom`.' },
    JOIN: { description: '`joinChat`.' },
    LEAVE: { description: '`leaveChat`.' },
    MENTION_ALL: { description: '`mentions.all` in a message.' },
    PIN: { description: '`pinMessage`.' },
    REACT: { description: '`setReactions`.' },
    READ: { description: 'Its messages.' },
    SEND: { description: '`sendMessage`.' },
    UPDATE: { description: '`updateRoom`.' },
  } satisfies Record<(typeof chatActions)[number], { description: string }>,
});

/** Whether the other one of a dialog has deleted their account. */
async function isDeserted(chat: ChatRow, context: Context): Promise<boolean> {
  if (chat.kind !== 'DIALOG') return false;
  const peer = await loadUser(context, peerOf(chat, mustBeSignedIn(context).userId));
  return peer === null || peer.deletedAt !== null;
}

builder.objectField(Message, 'viewerMay', (t) =>
  t.field({
    type: [MessageAction],
    complexity: { field: 1, multiplier: 1 },
    description: 'What the caller may do with it now, so that a client need not offer the rest. Nothing when it was deleted.',
    resolve: async (message, _args, context) => {
      const { userId } = mustBeSignedIn(context);
      const chat = await chatOf(message, context);
      const [standing, rights, deserted] = await Promise.all([loadStanding(context, chat), loadRights(context, chat.id), isDeserted(chat, context)]);
      return actionsOn(
        { own: message.senderId === userId, deleted: message.deletedAt !== null },
        { ...standing, rights },
        { deserted, editHistory: context.app.config.EDIT_HISTORY },
      );
    },
  }),
);

builder.interfaceFields(Chat, (t) => ({
  viewerMay: t.field({
    type: [ChatAction],
    complexity: { field: 1, multiplier: 1 },
    description: 'What the caller may do here now, so that a client need not offer the rest.',
    resolve: async (chat, _args, context) => {
      const [standing, rights, deserted] = await Promise.all([loadStanding(context, chat), loadRights(context, chat.id), isDeserted(chat, context)]);
      return actionsIn({ ...standing, rights }, { deserted });
    },
  }),
}));
