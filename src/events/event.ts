/** The events of the log: what happened, to which chat or person, and who may be told. */
import type { ChatId, MessageId, SessionId, UserId } from '../ids.ts';
import type { Pair } from '../storage/dialogs.ts';
import type { MessageRow } from '../storage/rows.ts';

/** What a follower can ask for. Mirrors EventKind in schema.graphql; presence and typing are not in the log. */
export const eventKinds = ['MESSAGES', 'RECEIPTS', 'CHATS', 'MEMBERS', 'USERS', 'NOTIFICATIONS', 'REACTIONS', 'THREADS', 'PINS', 'SAVED', 'PRESENCE', 'TYPING'] as const;
export type EventKind = (typeof eventKinds)[number];

export const removalReasons = ['LEFT', 'REMOVED', 'ROOM_DELETED'] as const;
export type RemovalReason = (typeof removalReasons)[number];
export const endReasons = ['TOKEN_EXPIRED', 'LOGGED_OUT', 'REVOKED', 'PASSWORD_CHANGED', 'ACCOUNT_DELETED', 'SLOW_CONSUMER', 'SERVER_SHUTDOWN'] as const;
export type EndReason = (typeof endReasons)[number];

/**
 * What a change writes beside itself. `chatId` alone: told to the members of the chat. `chatId` and `userId` for
 * a `chat-…` type, or `userId` alone: told to that person. For `member-…` and `marker-moved` the user is whom it is about, told to the chat.
 */
export type NewEvent =
  | { type: 'message-added'; chatId: ChatId }
  | { type: 'message-edited'; chatId: ChatId; messageId: MessageId }
  | { type: 'message-deleted'; chatId: ChatId; messageId: MessageId }
  /** `byId`: who changed theirs; null when several did. */
  | { type: 'reactions-changed'; chatId: ChatId; messageId: MessageId; byId: UserId | null }
  /** `threads` false: replies in threads are not meant. */
  | { type: 'marker-moved'; chatId: ChatId; userId: UserId; status: 'DELIVERED' | 'READ'; upToSeq: number; threads?: false }
  /** The person follows the thread or not, or has read on in it. */
  | { type: 'my-thread-changed'; chatId: ChatId; userId: UserId; rootSeq: number }
  /** The person's own view of the chat is another. */
  | { type: 'my-chat-changed'; chatId: ChatId; userId: UserId }
  | { type: 'chat-added'; chatId: ChatId; userId: UserId; dialog?: Pair }
  | { type: 'chat-updated'; chatId: ChatId }
  | { type: 'chat-removed'; chatId: ChatId; userId: UserId; reason: RemovalReason }
  | { type: 'member-joined'; chatId: ChatId; userId: UserId }
  | { type: 'member-left'; chatId: ChatId; userId: UserId; byId: UserId | null; reason: RemovalReason }
  | { type: 'member-updated'; chatId: ChatId; userId: UserId }
  | { type: 'user-updated'; userId: UserId }
  /** The person's name or picture changed, and with it those of the dialogs with them. Handed out as `chat-updated` of one's own such dialog. */
  | { type: 'peer-updated'; userId: UserId }
  | { type: 'account-changed'; userId: UserId }
  /** Stands right behind the event of its message, whose `seq` it carries. */
  | { type: 'notification-added'; chatId: ChatId; seq: number }
  /** These, or all up to one: up to this event itself when nothing is said. */
  | { type: 'notifications-read'; userId: UserId; messageIds?: readonly MessageId[]; upToId?: MessageId }
  | { type: 'pins-changed'; chatId: ChatId; messageId: MessageId; byId: UserId }
  | { type: 'saved-changed'; userId: UserId; messageId: MessageId }
  | { type: 'session-ended'; userId: UserId; sessionId: SessionId; reason: EndReason }
  /** A server was started: the epoch of cursors from this event on. */
  | { type: 'epoch-began'; name: string };

export type EventType = NewEvent['type'];
type Stored = { number: number; at: Date };
/** An event as the log holds it. `message` is carried along on the node that stored it, so that delivering it reads nothing. */
export type LogEvent = NewEvent & Stored & { message?: MessageRow };
export type EventOf<Type extends EventType> = Extract<LogEvent, { type: Type }>;

/** The message an event is about: a message's id is the number of the event that announced it. */
export function messageIdOf(event: EventOf<'message-added' | 'message-edited' | 'message-deleted' | 'notification-added' | 'pins-changed' | 'saved-changed'>): MessageId {
  if ('messageId' in event) return event.messageId;
  return (event.type === 'message-added' ? event.number : event.number - 1) as MessageId;
}

/** Whom an event is told. */
export type Addressees = 'chat' | 'person' | 'everyone' | 'nobody';

/** `ChatAdded` and `ChatRemoved` frame what somebody may see: they go to the person, membership or not. */
export const addresseesOf: Record<EventType, Addressees> = {
  'message-added': 'chat',
  'message-edited': 'chat',
  'message-deleted': 'chat',
  'reactions-changed': 'chat',
  'my-thread-changed': 'person',
  'marker-moved': 'chat',
  'my-chat-changed': 'person',
  'chat-added': 'person',
  'chat-updated': 'chat',
  'chat-removed': 'person',
  'member-joined': 'chat',
  'member-left': 'chat',
  'member-updated': 'chat',
  'user-updated': 'everyone',
  'peer-updated': 'everyone',
  'account-changed': 'person',
  'notification-added': 'chat',
  'notifications-read': 'person',
  'pins-changed': 'chat',
  'saved-changed': 'person',
  'session-ended': 'nobody',
  'epoch-began': 'nobody',
};

export const kindOf: Record<EventType, EventKind> = {
  'message-added': 'MESSAGES',
  'message-edited': 'MESSAGES',
  'message-deleted': 'MESSAGES',
  'reactions-changed': 'REACTIONS',
  'my-thread-changed': 'THREADS',
  'marker-moved': 'RECEIPTS',
  'my-chat-changed': 'RECEIPTS',
  'chat-added': 'CHATS',
  'chat-updated': 'CHATS',
  'chat-removed': 'CHATS',
  'member-joined': 'MEMBERS',
  'member-left': 'MEMBERS',
  'member-updated': 'MEMBERS',
  'user-updated': 'USERS',
  'peer-updated': 'CHATS',
  'account-changed': 'USERS',
  'notification-added': 'NOTIFICATIONS',
  'notifications-read': 'NOTIFICATIONS',
  'pins-changed': 'PINS',
  'saved-changed': 'SAVED',
  'session-ended': 'USERS',
  'epoch-began': 'USERS',
};

type EventRow = { number: number | bigint; at: unknown; type: string; chatId: ChatId | null; userId: UserId | null; data: string | null };

/** The columns of an event: what people are searched by, and the rest as JSON. */
export function toColumns(event: NewEvent): { type: string; chatId: ChatId | null; userId: UserId | null; data: string | null } {
  const { type, chatId = null, userId = null, ...rest } = event as NewEvent & { chatId?: ChatId; userId?: UserId };
  return { type, chatId, userId, data: Object.keys(rest).length > 0 ? JSON.stringify(rest) : null };
}

export function fromRow(row: EventRow, toDate: (value: unknown) => Date): LogEvent {
  return {
    ...(row.data ? JSON.parse(row.data) : {}),
    number: Number(row.number),
    at: toDate(row.at),
    type: row.type,
    ...(row.chatId === null ? {} : { chatId: row.chatId }),
    ...(row.userId === null ? {} : { userId: row.userId }),
  } as LogEvent;
}
