/** One's own view of a chat as clients see and change it, and what of the chat notifies. */

import type { KnownLevels } from '../chats/known-levels.ts';
import { type Level, type levels, notifies, notifiesWhatever, type Reason } from '../chats/levels.ts';
import { Chat, parseChatRef } from '../chats/schema.ts';
import type { ChatView, ChatViews } from '../chats/views.ts';
import { notFound } from '../errors.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { type ChatId, type MessageId, placeKey, placeOf, type UserId } from '../ids.ts';
import { type Soon, whenDone } from '../polled.ts';
import type { MessageRow } from '../storage/rows.ts';
import { MyChat } from './receipts-schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    chatViews: ChatViews;
    knownLevels: KnownLevels;
  }
}

export const NotificationLevel = builder.enumType('NotificationLevel', {
  description: 'What of a chat notifies somebody.',
  values: {
    ALL: { description: 'Every message by others.' },
    MENTIONS: { description: 'What is for the caller, and replies in followed threads.' },
    NOTHING: { description: 'Nothing.' },
  } satisfies Record<(typeof levels)[number], { description: string }>,
});

// Their keys say of whom: what is handed to many at once is read at once.
const loadView = (context: Context, chatId: ChatId, { userId }: { userId: UserId }): Promise<ChatView | null> =>
  sharedLoader<string, ChatView>(context, 'chatViews', (keys) => context.app.chatViews.ofPlaces(keys.map((key) => JSON.parse(key)))).load(JSON.stringify({ chatId, userId }));
const loadLevel = (context: Context, place: { chatId: ChatId; userId: UserId }): Promise<Level | null> =>
  sharedLoader<string, Level>(context, 'levels', (keys) => context.app.knownLevels.read(keys.map(placeOf))).load(placeKey(place));
export const loadReason = (context: Context, messageId: MessageId, { userId }: { userId: UserId }): Promise<Reason | null> =>
  sharedLoader<string, Reason>(context, 'reasons', (keys) => context.app.mentions.reasons(keys.map((key) => JSON.parse(key)))).load(JSON.stringify({ messageId, userId }));

/** Whether a message in a chat of the viewer notifies them now. */
export function isNotifying(context: Context, { id, chatId, senderId, deletedAt }: MessageRow): Soon<boolean> {
  const viewer = mustBeSignedIn(context);
  if (deletedAt !== null || senderId === viewer.userId) return false;
  const place = { chatId, userId: viewer.userId };
  return whenDone(context.app.knownLevels.find(place) ?? loadLevel(context, place), (level) => {
    const known = level ?? 'ALL';
    return notifiesWhatever(known) ?? loadReason(context, id, viewer).then((reason) => reason !== null && notifies(known, reason));
  });
}

const plain: ChatView = { ownLevel: null, level: 'ALL', levelNow: 'ALL', mutedUntil: null, archived: false, pinnedAt: null, markedUnread: false };
const viewOf = async (chatId: ChatId, context: Context): Promise<ChatView> => (chatId === 0 ? null : await loadView(context, chatId, mustBeSignedIn(context))) ?? plain;

builder.objectFields(MyChat, (t) => ({
  notificationLevel: t.field({
    type: NotificationLevel,
    description: 'What notifies the caller.',
    resolve: async ({ chat }, _args, context) => (await viewOf(chat.id, context)).level,
  }),
  ownNotificationLevel: t.field({
    type: NotificationLevel,
    nullable: true,
    description:
      "What the caller chose for this chat; null where `notificationLevel` is the caller's default for rooms, or ALL as in dialogs. An `AccountChanged` may bring another default.",
    resolve: async ({ chat }, _args, context) => (await viewOf(chat.id, context)).ownLevel,
  }),
  mutedUntil: t.field({
    type: 'DateTime',
    nullable: true,
    description: 'No notification until then; null when not muted.',
    resolve: async ({ chat }, _args, context) => (await viewOf(chat.id, context)).mutedUntil,
  }),
  archived: t.boolean({
    description: 'Put away by the caller. It comes back by itself with a message that notifies.',
    resolve: async ({ chat }, _args, context) => (await viewOf(chat.id, context)).archived,
  }),
  pinnedAt: t.field({
    type: 'DateTime',
    nullable: true,
    description: 'Since when it is kept on top by the caller; null when not.',
    resolve: async ({ chat }, _args, context) => (await viewOf(chat.id, context)).pinnedAt,
  }),
  markedUnread: t.boolean({
    description: 'The caller wants to come back to it. Ends with the next `markRead`.',
    resolve: async ({ chat }, _args, context) => (await viewOf(chat.id, context)).markedUnread,
  }),
}));

mutation('updateMyChat', {
  description: "The caller's own view of a chat, the same on all devices. Only the fields present are changed. Others learn nothing of it.",
  errors: ['NOT_FOUND', 'VALIDATION_FAILED'],
  input: (t) => ({
    chatId: t.id({ required: true, description: 'Which chat. A dialog has a view from its first message on.' }),
    notificationLevel: t.field({ type: NotificationLevel, description: 'What notifies the caller; null returns to the own default.' }),
    mutedUntil: t.field({ type: 'DateTime', description: 'Mute until then, at most ten years ahead; null ends it.' }),
    archived: t.boolean({ description: 'Put it away, or take it out. Cannot be null.' }),
    pinned: t.boolean({ description: 'Keep it on top, or not. Cannot be null.' }),
    markedUnread: t.boolean({ description: 'Come back to it, or not. Cannot be null.' }),
  }),
  resolve: async (viewer, { chatId, notificationLevel: level, ...changes }, context) => {
    const ref = parseChatRef(chatId);
    if (!ref) throw notFound('Chat');
    return { chat: await context.app.chatViews.update(viewer, ref, { ...changes, ...(level === undefined ? {} : { level }) } as Parameters<ChatViews['update']>[2]) };
  },
  payload: (t) => ({ chat: t.field({ type: Chat, description: 'Select `my`.', resolve: ({ chat }) => chat }) }),
});
