/** One stream: what it is asked for, what it hands out, and what is kept of it meanwhile. */
import type { ChatId, MessageId, SessionId, UserId } from '../ids.ts';
import type { Polled } from '../polled.ts';
import type { Pair } from '../storage/dialogs.ts';
import { addresseesOf, type EndReason, type EventKind, type EventOf, kindOf, type LogEvent } from './event.ts';
import { announces } from './newest.ts';

/** Live only, never in the log. */
export type Ephemeral =
  | { type: 'presence-changed'; userId: UserId; snapshot: boolean; at: Date }
  | { type: 'typing-changed'; chatId: ChatId; userId: UserId; threadRootId: MessageId | null; active: boolean; expiresAt: Date };

export type FollowItem =
  | { type: 'event'; event: LogEvent; cursor: string; replayed: boolean }
  | { type: 'ephemeral'; ephemeral: Ephemeral }
  /** Something that is live only was left out, as the stream was too slow. It is level again. */
  | { type: 'missed' }
  | { type: 'caught-up'; cursor: string; at: Date }
  | { type: 'gap'; resumeFrom: string; at: Date }
  | { type: 'heartbeat'; cursor: string; at: Date }
  | { type: 'ended'; reason: EndReason; retry: boolean; at: Date };

export type FollowOptions = {
  userId: UserId;
  sessionId: SessionId;
  /** The access token's end: the stream ends with it. */
  expiresAt: Date;
  /** Start behind this cursor; null or undefined starts live. */
  after?: string | null | undefined;
  /** Only these kinds. */
  kinds?: ReadonlySet<EventKind> | undefined;
  /** Only events of these chats (events without a chat still come). Dialogs are named by their people: they may not be open yet. */
  chats?: readonly (ChatId | Pair)[] | undefined;
  /** Exactly the one chat of `chats`, which may also be a room that the person reads as a guest. The stream ends when the person loses it. */
  only?: boolean | undefined;
  /** Ends the stream; its reason is the EndReason. */
  signal?: AbortSignal | undefined;
};

/** Since when somebody is in a chat: the newest message then, or the event that told of joining. */
export type Joined = { seq: number } | { number: number };
/** Somebody with streams. `missed`: what happened while the chats were being read. */
export type Person = { userId: UserId; chats: Map<ChatId, Joined>; streams: Set<Stream>; loading: Promise<void> | null; missed: LogEvent[] };

export type Follower = Polled<FollowItem> & {
  /** Hands this follower something that is live only. It is lost on one that is too slow, which is told by `missed` later. */
  push(ephemeral: Ephemeral): void;
};

/** Reads the log. Everything up to `cursor` was queued or is not for this stream. */
export type Reading =
  /** What was missed before it was opened, up to `until`. What is live only is held until then. */
  | { name: 'replaying'; cursor: number; until: number; held: FollowItem[] }
  /** What is not behind it yet: everybody begins so, and whoever was too slow for being handed things. */
  | { name: 'reading'; cursor: number };

/** Where a stream stands. `live`: level with the log, and handed each new event. `ending`: nothing comes after what is in the queue. */
export type Phase = Reading | { name: 'live' } | { name: 'ending' } | { name: 'closed' };

/** What is kept of one stream. */
export type Stream = {
  options: FollowOptions;
  person: Person;
  /** The chats of the filter that exist, and the dialogs of it that do not yet. */
  chatIds: Set<ChatId> | null;
  unopened: Pair[];
  phase: Phase;
  /** At most a page. */
  queue: FollowItem[];
  /** Whether something that is live only was left out. */
  missed: boolean;
  lastItemAt: number;
  wake: (() => void) | null;
  expiry: NodeJS.Timeout | undefined;
  /** Whether the stream's one chat may have become unreadable. */
  recheck: boolean;
  onAbort: () => void;
};

/** So many items wait in a queue at most. */
export const pageSize = 200;

/** Also for whoever has just awaited something: what was compared before need not hold any more. */
export const isClosed = ({ phase }: Stream): boolean => phase.name === 'closed';
export const isReading = (phase: Phase): phase is Reading => phase.name === 'replaying' || phase.name === 'reading';

/** Whether an event is meant for this stream's person now. */
export function reaches({ options, person }: Stream, event: LogEvent): boolean {
  const addressees = addresseesOf[event.type];
  if (addressees === 'chat') return options.only || person.chats.has((event as { chatId: ChatId }).chatId);
  if (addressees === 'person') return (event as { userId: UserId }).userId === options.userId;
  return addressees === 'everyone';
}

/** Whether its filter lets an event through. */
export function wants({ options: { kinds }, chatIds }: Stream, event: LogEvent): boolean {
  if (kinds && !kinds.has(kindOf[event.type])) return false;
  return !('chatId' in event) || chatIds === null || chatIds.has(event.chatId);
}

/** Whether somebody was in the chat already: whoever left and came back is notified of nothing from before. */
export function isNotified({ chats }: Person, { chatId, seq, number }: EventOf<'notification-added'>): boolean {
  const joined = chats.get(chatId);
  return joined !== undefined && ('seq' in joined ? seq > joined.seq : number > joined.number);
}

/** What waits to be handed out must not show a message as it was before. */
export function outdateQueued({ queue }: Stream, messageId: MessageId): void {
  for (const item of queue) if (item.type === 'event' && announces(item.event, messageId)) item.event = { ...item.event, message: undefined };
}
