/** What the streams hand out: every kind of item, how it comes from the log, and its type. */
import type { FieldMap } from '@pothos/core';
import { loadUser, User } from '../accounts/schema.ts';
import { Chat, loadChat, loadMember, Member, Room } from '../chats/schema.ts';
import { type EndReason, type EventOf, type endReasons, type LogEvent, messageIdOf, type RemovalReason, type removalReasons } from '../events/event.ts';
import type { Ephemeral, FollowItem } from '../events/stream.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, mustBeSignedIn } from '../graphql/context.ts';
import { type ChatId, type MessageId, toGlobalId } from '../ids.ts';
import { isNotifying } from '../messages/my-chat-schema.ts';
import { MessageStatus } from '../messages/receipts-schema.ts';
import { loadMessage, Message } from '../messages/schema.ts';
import { findThread, Thread } from '../messages/threads-schema.ts';
import { type Soon, whenDone } from '../polled.ts';
import type { ChatRow, MemberRow, MessageRow, ThreadRow, UserRow } from '../storage/rows.ts';

type Durable = { cursor: string; at: Date; replayed: boolean };
/** What each item of the log names. */
type Named = {
  MessageAdded: { message: MessageRow };
  MessageEdited: { message: MessageRow };
  MessageDeleted: { message: MessageRow };
  ReactionsChanged: { message: MessageRow; by: UserRow | null };
  MessageStatusChanged: { chat: ChatRow; user: UserRow; status: 'DELIVERED' | 'READ'; upToSeq: number; threads: boolean };
  MyThreadChanged: { thread: ThreadRow };
  ChatAdded: { chat: ChatRow };
  ChatUpdated: { chat: ChatRow };
  ChatRemoved: { chatId: ChatId; reason: RemovalReason };
  MyChatChanged: { chat: ChatRow };
  MemberJoined: { room: ChatRow; member: MemberRow };
  MemberLeft: { room: ChatRow; user: UserRow; by: UserRow | null; reason: RemovalReason };
  MemberUpdated: { room: ChatRow; member: MemberRow };
  UserUpdated: { user: UserRow };
  AccountChanged: { me: UserRow };
  NotificationAdded: { notification: MessageRow };
  NotificationsRead: { event: EventOf<'notifications-read'> };
  PinsChanged: { message: MessageRow; by: UserRow | null };
  SavedMessagesChanged: { messageId: MessageId; message: MessageRow | null };
};
/** What a stream hands to a resolver: an item with all it names, so that resolving its fields reads nothing that another subscriber's did not. */
export type StreamItem =
  | { [Type in keyof Named]: { type: Type } & Named[Type] & Durable }[keyof Named]
  | { type: 'PresenceChanged'; user: UserRow; at: Date; snapshot: boolean }
  | { type: 'TypingChanged'; chat: ChatRow; user: UserRow; threadRootId: MessageId | null; active: boolean; expiresAt: Date }
  | { type: 'CaughtUp'; cursor: string; at: Date; replayedCount: number }
  | { type: 'StreamGap'; at: Date; resumeFrom: string }
  | { type: 'Heartbeat'; at: Date; cursor: string }
  | { type: 'SessionEnded'; at: Date; endReason: EndReason; retry: boolean };
type ItemOf<Type extends StreamItem['type']> = Extract<StreamItem, { type: Type }>;

// ---------------------------------------------------------------- from the log to items

/** An item with what it names, or null for what can no longer be shown: it is skipped. `replayedCount`: how many of the backlog were handed out before. */
export function toItem(item: FollowItem, context: Context, replayedCount = 0): Soon<StreamItem | null> {
  switch (item.type) {
    case 'event':
      return toDurable(item.event, { cursor: item.cursor, at: item.event.at, replayed: item.replayed }, context);
    case 'caught-up':
      return { type: 'CaughtUp', cursor: item.cursor, at: item.at, replayedCount };
    case 'gap':
      return { type: 'StreamGap', at: item.at, resumeFrom: item.resumeFrom };
    case 'heartbeat':
      return { type: 'Heartbeat', at: item.at, cursor: item.cursor };
    case 'ended':
      return { type: 'SessionEnded', at: item.at, endReason: item.reason, retry: item.retry };
    case 'missed':
      return null;
    case 'ephemeral':
      return toEphemeral(item.ephemeral, context);
  }
}

async function toEphemeral(ephemeral: Ephemeral, context: Context): Promise<StreamItem | null> {
  const user = await loadUser(context, ephemeral.userId);
  if (ephemeral.type === 'presence-changed') return user && { type: 'PresenceChanged', user, at: ephemeral.at, snapshot: ephemeral.snapshot };
  const chat = await loadChat(context, ephemeral.chatId);
  return user && chat && { type: 'TypingChanged', chat, user, threadRootId: ephemeral.threadRootId, active: ephemeral.active, expiresAt: ephemeral.expiresAt };
}

const messageItems = { 'message-added': 'MessageAdded', 'message-edited': 'MessageEdited', 'message-deleted': 'MessageDeleted' } as const;

/** What comes in large numbers has its message with it. */
function toDurable(event: LogEvent, durable: Durable, context: Context): Soon<StreamItem | null> {
  switch (event.type) {
    case 'message-added':
    case 'message-edited':
    case 'message-deleted':
      return whenDone(event.message ?? loadMessage(context, messageIdOf(event)), (message) => message && { type: messageItems[event.type], message, ...durable });
    case 'notification-added':
      return whenDone(event.message ?? loadMessage(context, messageIdOf(event)), (notification) =>
        whenDone(notification !== null && isNotifying(context, notification), (isTold) =>
          notification && isTold ? { type: 'NotificationAdded', notification, ...durable } : null,
        ),
      );
    default:
      return loadDurable(event, durable, context);
  }
}

async function loadDurable(event: Exclude<LogEvent, { type: keyof typeof messageItems | 'notification-added' }>, durable: Durable, context: Context): Promise<StreamItem | null> {
  switch (event.type) {
    case 'reactions-changed': {
      const [message, by] = await Promise.all([loadMessage(context, event.messageId), event.byId === null ? null : loadUser(context, event.byId)]);
      return message && { type: 'ReactionsChanged', message, by, ...durable };
    }
    case 'marker-moved': {
      const chat = await loadChat(context, event.chatId);
      if (!chat) return null;
      if (event.userId === context.viewer?.userId) return { type: 'MyChatChanged', chat, ...durable };
      const user = await loadUser(context, event.userId);
      return user && { type: 'MessageStatusChanged', chat, user, status: event.status, upToSeq: event.upToSeq, threads: event.threads ?? true, ...durable };
    }
    case 'my-chat-changed': {
      const chat = await loadChat(context, event.chatId);
      return chat && { type: 'MyChatChanged', chat, ...durable };
    }
    case 'my-thread-changed': {
      const thread = await findThread(context, event);
      return thread && { type: 'MyThreadChanged', thread, ...durable };
    }
    case 'chat-added':
    case 'chat-updated': {
      const chat = await loadChat(context, event.chatId);
      return chat && !chat.deletedAt ? { type: event.type === 'chat-added' ? 'ChatAdded' : 'ChatUpdated', chat, ...durable } : null;
    }
    case 'chat-removed':
      return { type: 'ChatRemoved', chatId: event.chatId, reason: event.reason, ...durable };
    case 'member-joined':
    case 'member-updated': {
      const [room, member] = await Promise.all([loadChat(context, event.chatId), loadMember(context, event.chatId, event.userId)]);
      return room && member && { type: event.type === 'member-joined' ? 'MemberJoined' : 'MemberUpdated', room, member, ...durable };
    }
    case 'member-left': {
      const [room, user, by] = await Promise.all([loadChat(context, event.chatId), loadUser(context, event.userId), event.byId === null ? null : loadUser(context, event.byId)]);
      return room && user && { type: 'MemberLeft', room, user, by, reason: event.reason, ...durable };
    }
    case 'user-updated':
    case 'account-changed': {
      const user = await loadUser(context, event.userId);
      return user && (event.type === 'user-updated' ? { type: 'UserUpdated', user, ...durable } : { type: 'AccountChanged', me: user, ...durable });
    }
    case 'notifications-read':
      return { type: 'NotificationsRead', event, ...durable };
    case 'pins-changed': {
      const [message, by] = await Promise.all([loadMessage(context, messageIdOf(event)), loadUser(context, event.byId)]);
      return message && { type: 'PinsChanged', message, by, ...durable };
    }
    case 'saved-changed': {
      const messageId = messageIdOf(event);
      // Nobody but its person is told, who may have lost the chat since.
      return { type: 'SavedMessagesChanged', messageId, message: await context.app.messages.find(mustBeSignedIn(context), messageId), ...durable };
    }
    // Every stream makes of the first what it is to its person.
    case 'peer-updated':
    case 'session-ended':
    case 'epoch-began':
      return null;
  }
}

// ---------------------------------------------------------------- types

const EndReasonEnum = builder.enumType('SessionEndReason', {
  description: 'Why a stream ended.',
  values: {
    TOKEN_EXPIRED: { description: 'The access token expired: refresh and subscribe again.' },
    LOGGED_OUT: { description: 'The session was logged out.' },
    REVOKED: { description: 'The session was ended from another one, or because a refresh token was used twice.' },
    PASSWORD_CHANGED: { description: 'The password was changed from another session.' },
    ACCOUNT_DELETED: { description: 'The account is gone.' },
    SLOW_CONSUMER: { description: 'The client did not take what was sent: subscribe again with the last cursor.' },
    SERVER_SHUTDOWN: { description: 'The server stops: subscribe again with the last cursor.' },
  } satisfies Record<(typeof endReasons)[number], { description: string }>,
});
const RemovedReasonEnum = builder.enumType('ChatRemovedReason', {
  description: 'Why somebody is no longer in a chat.',
  values: {
    LEFT: { description: 'By leaving.' },
    REMOVED: { description: 'By an owner or admin.' },
    ROOM_DELETED: { description: 'The room is gone.' },
  } satisfies Record<(typeof removalReasons)[number], { description: string }>,
});

export const StreamEvent = builder.interfaceRef<Durable>('StreamEvent').implement({
  description: 'Every durable event. Store the cursor of the last one you fully handled.',
  fields: (t) => ({
    cursor: t.expose('cursor', { type: 'EventCursor', description: 'Position of this event: subscribe with `after` it to go on behind it.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When it happened.' }),
    replayed: t.exposeBoolean('replayed', { description: 'True when it comes from the backlog, false when it is live.' }),
  }),
});

type FieldsOf<Item> = PothosSchemaTypes.ObjectFieldBuilder<(typeof builder)['$inferSchemaTypes'], Item>;

/** Declares the type of one durable item. */
const durable = <Type extends keyof Named>(type: Type, description: string, fields: (t: FieldsOf<ItemOf<Type>>) => FieldMap) =>
  builder.objectRef<ItemOf<Type>>(type).implement({ interfaces: [StreamEvent], description, fields });

// Fields of more than one item.
const messageField = <Item extends { message: MessageRow }>(t: FieldsOf<Item>, description: string) => ({
  message: t.field({ type: Message, description, resolve: (item) => item.message }),
});
const chatField = <Item extends { chat: ChatRow }>(t: FieldsOf<Item>, description: string) => ({
  chat: t.field({ type: Chat, description, resolve: (item) => item.chat }),
});
const roomField = <Item extends { room: ChatRow }>(t: FieldsOf<Item>) => ({
  room: t.field({ type: Room, description: 'The room.', resolve: (item) => item.room }),
});
const memberField = <Item extends { member: MemberRow }>(t: FieldsOf<Item>, description: string) => ({
  member: t.field({ type: Member, description, resolve: (item) => item.member }),
});

export const MessageAdded = durable('MessageAdded', 'A message was sent.', (t) => messageField(t, 'The message.'));
const MessageEdited = durable('MessageEdited', 'A message has a new text.', (t) => messageField(t, 'As it is now.'));
const MessageDeleted = durable('MessageDeleted', 'The text and attachments are gone; the message keeps its id and seq as a tombstone.', (t) => messageField(t, 'The tombstone.'));
const ReactionsChanged = durable('ReactionsChanged', 'Reactions to a message changed. It shows them as they are now; in large rooms several changes come as one.', (t) => ({
  ...messageField(t, 'Select `reactions`.'),
  by: t.field({ type: User, nullable: true, description: 'Who changed theirs; null when several did.', resolve: (item) => item.by }),
}));
export const MessageStatusChanged = durable(
  'MessageStatusChanged',
  "One participant's marker moved: every message up to the seq now has at least this status for that user.",
  (t) => ({
    chat: t.field({ type: Chat, description: 'Where.', resolve: (item) => item.chat }),
    user: t.field({ type: User, description: 'Whose marker.', resolve: (item) => item.user }),
    status: t.field({ type: MessageStatus, description: 'DELIVERED or READ.', resolve: (item) => item.status }),
    upToSeq: t.int({ description: 'Up to and including this message.', resolve: (item) => item.upToSeq }),
    threads: t.boolean({ description: 'False: replies in threads are not meant.', resolve: (item) => item.threads }),
  }),
);
const MyThreadChanged = durable('MyThreadChanged', "The caller's marker in a thread moved, or it follows it or not, on another device or by itself.", (t) => ({
  thread: t.field({ type: Thread, description: 'Select `my`.', resolve: (item) => item.thread }),
}));
const ChatAdded = durable('ChatAdded', 'The caller can see a chat it could not see before (created, added, joined, first direct message).', (t) => chatField(t, 'The chat.'));
const ChatUpdated = durable('ChatUpdated', 'Name, topic or settings of a chat changed.', (t) => chatField(t, 'As it is now.'));
const ChatRemoved = durable('ChatRemoved', 'The caller lost access (left, removed, room deleted). Nothing of this chat follows.', (t) => ({
  chatId: t.id({ description: 'The chat that was.', resolve: (item) => toGlobalId('Room', item.chatId) }),
  reason: t.field({ type: RemovedReasonEnum, description: 'Why.', resolve: (item) => item.reason }),
}));
const MyChatChanged = durable('MyChatChanged', "The caller's own markers or settings changed on another device.", (t) => chatField(t, 'Select `my`.'));
const MemberJoined = durable('MemberJoined', 'Somebody became a member of a room.', (t) => ({ ...roomField(t), ...memberField(t, 'The new member.') }));
const MemberLeft = durable('MemberLeft', 'Somebody is no longer a member of a room.', (t) => ({
  ...roomField(t),
  user: t.field({ type: User, description: 'Who went.', resolve: (item) => item.user }),
  by: t.field({ type: User, nullable: true, description: 'Who removed them; null when they left by themselves.', resolve: (item) => item.by }),
  reason: t.field({ type: RemovedReasonEnum, description: 'Why.', resolve: (item) => item.reason }),
}));
const MemberUpdated = durable('MemberUpdated', "A member's role changed.", (t) => ({ ...roomField(t), ...memberField(t, 'As it is now.') }));
const UserUpdated = durable('UserUpdated', "Somebody's public profile changed, or somebody is new.", (t) => ({
  user: t.field({ type: User, description: 'As it is now.', resolve: (item) => item.user }),
}));
const AccountChanged = durable('AccountChanged', "Something under the caller's own `account` changed on another device: contacts, e-mail, devices, sessions.", (t) => ({
  me: t.field({ type: User, description: 'The caller, as it is now.', resolve: (item) => item.me }),
}));

// What these two carry, notifications/schema.ts adds.
export const NotificationAdded = durable(
  'NotificationAdded',
  'Somebody else wrote in a chat of the caller, and `my.notificationLevel` of it lets that notify. It comes right behind the `MessageAdded` of its message.',
  () => ({}),
);
export const NotificationsRead = durable(
  'NotificationsRead',
  'Notifications were marked as read, here or on another device. Reading a chat is told by `MyChatChanged` instead: it clears what lies up to `my.readSeq`.',
  () => ({}),
);

const PinsChanged = durable('PinsChanged', 'A message was pinned or is no longer. Deleting a message unpins it, which `MessageDeleted` alone tells.', (t) => ({
  ...messageField(t, 'Which; select `pin`.'),
  by: t.field({ type: User, nullable: true, description: 'Who did it.', resolve: (item) => item.by }),
}));
const SavedMessagesChanged = durable(
  'SavedMessagesChanged',
  'The caller saved a message, changed its note or gave it up, here or on another device. Deleting a message ends that, which `MessageDeleted` alone tells where the caller is a member.',
  (t) => ({
    messageId: t.id({ description: 'Which.', resolve: (item) => toGlobalId('Message', item.messageId) }),
    savedMessage: t.field({
      type: Message,
      nullable: true,
      description: 'The message; select `saved`. Null when the caller may no longer read it.',
      resolve: (item) => item.message,
    }),
  }),
);

export const PresenceChanged = builder.objectRef<ItemOf<'PresenceChanged'>>('PresenceChanged').implement({
  description: 'Ephemeral: no cursor, never replayed.',
  fields: (t) => ({
    user: t.field({ type: User, description: 'Select `presence`.', resolve: (item) => item.user }),
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    snapshot: t.exposeBoolean('snapshot', {
      description:
        'True for the state as it is: of everyone in scope at the beginning of `presence`, and of everyone again when a stream was read so slowly that changes were left out. False for a change.',
    }),
  }),
});
export const TypingChanged = builder.objectRef<ItemOf<'TypingChanged'>>('TypingChanged').implement({
  description: 'Ephemeral: no cursor, never replayed.',
  fields: (t) => ({
    chat: t.field({ type: Chat, description: 'Where.', resolve: (item) => item.chat }),
    user: t.field({ type: User, description: 'Who.', resolve: (item) => item.user }),
    active: t.exposeBoolean('active', { description: 'False when it is over.' }),
    threadRootId: t.id({
      nullable: true,
      description: 'In which thread; null for none.',
      resolve: ({ threadRootId }) => threadRootId && toGlobalId('Message', threadRootId),
    }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'It is over then, even if no word of it comes.' }),
  }),
});
export const CaughtUp = builder.objectRef<ItemOf<'CaughtUp'>>('CaughtUp').implement({
  description: 'The backlog is done; what follows is live.',
  fields: (t) => ({
    cursor: t.expose('cursor', { type: 'EventCursor', description: 'Position up to which everything has been handed out.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    replayedCount: t.exposeInt('replayedCount', { description: 'How many items came from the backlog.' }),
  }),
});
export const StreamGap = builder.objectRef<ItemOf<'StreamGap'>>('StreamGap').implement({
  description: `The cursor is older than the kept log, from another database, or from what was lost when a backup was put back: events are missing and cannot be replayed. Read again what
you show, then apply what follows; the stream goes on live from \`resumeFrom\`.`,
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    resumeFrom: t.expose('resumeFrom', { type: 'EventCursor', description: 'Position from which the stream goes on.' }),
  }),
});
export const Heartbeat = builder.objectRef<ItemOf<'Heartbeat'>>('Heartbeat').implement({
  description: 'Nothing happened, and the stream lives.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    cursor: t.expose('cursor', { type: 'EventCursor', description: 'Newest cursor of the stream, so an idle client keeps a fresh resume point.' }),
  }),
});
export const SessionEnded = builder.objectRef<ItemOf<'SessionEnded'>>('SessionEnded').implement({
  description: 'Last item before the server closes the stream.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    endReason: t.expose('endReason', { type: EndReasonEnum, description: 'Why.' }),
    retry: t.exposeBoolean('retry', { description: 'True when signing in again (or refreshing) and re-subscribing is expected to work.' }),
  }),
});

/** What is in the log, as `events` and `sync` hand it out. */
export const durableTypes = [
  MessageAdded,
  MessageEdited,
  MessageDeleted,
  ReactionsChanged,
  MessageStatusChanged,
  ChatAdded,
  ChatUpdated,
  ChatRemoved,
  MyChatChanged,
  MyThreadChanged,
  MemberJoined,
  MemberLeft,
  MemberUpdated,
  UserUpdated,
  AccountChanged,
  NotificationAdded,
  NotificationsRead,
  PinsChanged,
  SavedMessagesChanged,
] as const;
