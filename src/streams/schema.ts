/** The streams as clients see them: the subscriptions that hand items out, what narrows them, and the poll that does the same. */
import type { ArgBuilder, InputFieldMap, InputShapeFromFields, ObjectRef } from '@pothos/core';
import { can, canSee } from '../chats/access.ts';
import { loadStanding, parseChatRef } from '../chats/schema.ts';
import { AppError, notFound } from '../errors.ts';
import type { EventKind, eventKinds } from '../events/event.ts';
import type { Follower, FollowItem, FollowOptions } from '../events/stream.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, type Delivery, freshContext, mustBeSignedIn } from '../graphql/context.ts';
import type { ChatId } from '../ids.ts';
import { again, type Polled, polled, type Soon, untilAnswer, whenDone } from '../polled.ts';
import type { Pair } from '../storage/dialogs.ts';
import {
  CaughtUp,
  durableTypes,
  Heartbeat,
  MessageAdded,
  MessageStatusChanged,
  PresenceChanged,
  SessionEnded,
  StreamGap,
  type StreamItem,
  TypingChanged,
  toItem,
} from './items-schema.ts';

type Types = (typeof builder)['$inferSchemaTypes'];

declare module '../graphql/context.ts' {
  interface Domains {
    /** Follows the log and what is live only: presence and typing. */
    followEvents: (options: FollowOptions) => Promise<Follower>;
  }
}

// ---------------------------------------------------------------- what each stream carries

type ItemType = StreamItem['type'];
/** What a stream hands out: other items of its follower are left out. */
type ItemUnion = ReturnType<typeof itemUnion>;

/** A union of items that are told apart by their `type`. */
export function itemUnion(name: string, description: string, types: readonly ObjectRef<Types, StreamItem>[]) {
  const union = builder.unionType(name, { description, types: [...types], resolveType: ({ type }) => type });
  return { union, carried: new Set(types.map((type) => type.name as ItemType)) };
}

const NewMessagesItem = itemUnion('NewMessagesItem', 'What `newMessages` hands out.', [MessageAdded, CaughtUp, StreamGap, Heartbeat, SessionEnded]);
const MessageStatusItem = itemUnion('MessageStatusItem', 'What `messageStatus` hands out.', [MessageStatusChanged, CaughtUp, StreamGap, Heartbeat, SessionEnded]);
const EventsItem = itemUnion('StreamItem', 'What `events` hands out. New kinds may be added: ignore a `__typename` you do not know.', [
  ...durableTypes,
  PresenceChanged,
  TypingChanged,
  CaughtUp,
  StreamGap,
  Heartbeat,
  SessionEnded,
]);

// ---------------------------------------------------------------- what narrows a stream

const EventKindEnum = builder.enumType('EventKind', {
  description: 'Groups of items that a stream can be narrowed to. `CaughtUp`, `StreamGap`, `Heartbeat` and `SessionEnded` always come.',
  values: {
    MESSAGES: { description: 'MessageAdded, MessageEdited, MessageDeleted.' },
    RECEIPTS: { description: 'MessageStatusChanged, MyChatChanged.' },
    CHATS: { description: 'ChatAdded, ChatUpdated, ChatRemoved.' },
    MEMBERS: { description: 'MemberJoined, MemberLeft, MemberUpdated.' },
    USERS: { description: 'UserUpdated, AccountChanged.' },
    NOTIFICATIONS: { description: 'NotificationAdded, NotificationsRead.' },
    THREADS: { description: 'MyThreadChanged.' },
    REACTIONS: { description: 'ReactionsChanged.' },
    PINS: { description: 'PinsChanged.' },
    SAVED: { description: 'SavedMessagesChanged.' },
    PRESENCE: { description: 'PresenceChanged.' },
    TYPING: { description: 'TypingChanged.' },
  } satisfies Record<(typeof eventKinds)[number], { description: string }>,
});
const EventFilterInput = builder.inputType('EventFilterInput', {
  description: 'Narrows a stream.',
  fields: (t) => ({
    kinds: t.field({ type: [EventKindEnum], description: 'Only items of these kinds.' }),
    chatIds: t.idList({ description: 'Of what happens in chats, only what happens in these.' }),
  }),
});
type EventFilter = typeof EventFilterInput.$inferInput | null | undefined;

function narrowed(filter: EventFilter): StreamOptions {
  if (filter?.chatIds && filter.chatIds.length > 1000) throw new AppError('BAD_REQUEST', undefined, 'A filter names at most 1,000 chats.');
  return {
    kinds: filter?.kinds ? new Set<EventKind>(filter.kinds) : undefined,
    chats: filter?.chatIds ? filter.chatIds.map((id) => toFollowed(parseChatRef(id))).filter((chat) => chat !== null) : undefined,
  };
}

const toFollowed = (ref: ReturnType<typeof parseChatRef>): ChatId | Pair | null => (ref === null ? null : 'roomId' in ref ? ref.roomId : ref);

// ---------------------------------------------------------------- streams

type StreamOptions = Pick<FollowOptions, 'after' | 'kinds' | 'chats' | 'only'>;

/** What every stream of the viewer is opened with. */
export function followOptions(context: Context, options: StreamOptions): FollowOptions {
  const { userId, sessionId, expiresAt } = mustBeSignedIn(context);
  return { userId, sessionId, expiresAt, signal: context.client.signal, ...options };
}

/** A stream of the viewer that carries nothing but events of the log. */
export const follow = (context: Context, options: StreamOptions): Promise<Follower> => context.app.tail.follow(followOptions(context, options));

export const only = (kind: EventKind): ReadonlySet<EventKind> => new Set([kind]);

/**
 * Declares a subscription that hands out the items of a follower, as far as its union carries them. Each has loaders of its own, shared with all who are
 * delivered the same event.
 */
export function subscription<Args extends InputFieldMap>(
  name: string,
  {
    items,
    description,
    args,
    open,
  }: {
    items: ItemUnion;
    description: string;
    args: (arg: ArgBuilder<Types>) => Args;
    open: (args: InputShapeFromFields<Args>, context: Context) => Promise<Follower>;
  },
): void {
  builder.subscriptionField(name, (t) =>
    t.field({
      type: items.union,
      description,
      args: args(t.arg),
      // Pothos is told of items: api/execute.ts takes each delivery apart, and resolves the field with the item in it.
      subscribe: async (_root, given, context) => deliver(context, await open(given, context), items.carried) as AsyncIterable<unknown> as AsyncIterable<StreamItem>,
      resolve: (item) => item,
    }),
  );
}

function deliver(context: Context, follower: Follower, carried: ReadonlySet<ItemType>): Polled<Delivery> {
  let replayedCount = 0;
  return polled<Delivery>((wake) => untilAnswer(() => whenDone(follower.poll(wake), (found) => (!found || found.done ? found : toDelivery(found.value)))), follower.return);

  function toDelivery(found: FollowItem): Soon<IteratorResult<Delivery> | typeof again> {
    const event = found.type === 'event' ? found.event : null;
    const itemContext = freshContext(context, event);
    return whenDone(toItem(found, itemContext, replayedCount), (item) => {
      if (!item || !carried.has(item.type)) return again;
      if (('replayed' in item && item.replayed) || ('snapshot' in item && item.snapshot)) replayedCount++;
      context.app.metrics.delivered(item.type, found.type === 'event' && !found.replayed ? found.event.at : null);
      return { done: false, value: { item, context: itemContext, shareKey: found.type === 'event' ? `${item.type} ${found.replayed}` : null } };
    });
  }
}

/** One chat the viewer may read, also as a guest where `who` is that; an unopened dialog, too. Throws NOT_FOUND, or FORBIDDEN where only members follow. */
export async function onlyChat(context: Context, id: string | null | undefined, who: 'readers' | 'members'): Promise<StreamOptions> {
  if (id == null) return {};
  const ref = parseChatRef(id);
  const chat = ref && (await context.app.chats.find(mustBeSignedIn(context), ref));
  const followed = toFollowed(ref);
  if (!chat || followed === null) throw notFound('Chat');
  const standing = await loadStanding(context, chat);
  if (!canSee(standing)) throw notFound('Chat');
  if (!can('read', standing) || (who === 'members' && !standing.member)) throw new AppError('FORBIDDEN', { forbiddenReason: 'NOT_A_MEMBER' }, 'Only members may follow this room.');
  return { chats: [followed], only: true };
}

export const after = {
  type: 'EventCursor' as const,
  description: 'Continue behind this position: first what was missed, then one CaughtUp, then live. Without it the stream starts live.',
};

subscription('events', {
  items: EventsItem,
  description: `One stream for a whole app session: everything and every change the caller may see, in one order,
resumable. Durable events are replayed after \`after\`; presence and typing are live only.`,
  args: (arg) => ({ after: arg(after), filter: arg({ type: EventFilterInput, description: 'Only some of it.' }) }),
  open: (args, context) => context.app.followEvents(followOptions(context, { after: args.after, ...narrowed(args.filter) })),
});
subscription('newMessages', {
  items: NewMessagesItem,
  description: `New messages in one chat, or in every chat of the caller when \`chatId\` is omitted.
With \`after\`, missed messages come first (replayed: true), then one CaughtUp, then live ones. Inside one stream nothing comes
twice; over reconnects \`after\` continues exactly behind the last cursor you handled.`,
  args: (arg) => ({ chatId: arg.id({ description: 'Only this chat; a public room may be followed without joining it.' }), after: arg(after) }),
  open: async (args, context) => follow(context, { after: args.after, ...(await onlyChat(context, args.chatId, 'readers')), kinds: only('MESSAGES') }),
});
subscription('messageStatus', {
  items: MessageStatusItem,
  description: "Delivered / read markers moving in a chat, or in all the caller's chats.",
  args: (arg) => ({ chatId: arg.id({ description: 'Only this chat, as a member of it.' }), after: arg(after) }),
  open: async (args, context) => follow(context, { after: args.after, ...(await onlyChat(context, args.chatId, 'members')), kinds: only('RECEIPTS') }),
});

// ---------------------------------------------------------------- polling

const syncPageSize = 100;

const SyncPage = builder.objectRef<{ items: StreamItem[]; endCursor: string; hasMore: boolean }>('SyncPage').implement({
  description: 'A piece of the log.',
  fields: (t) => ({
    // The page weighs its size already.
    items: t.field({
      type: [EventsItem.union],
      complexity: { field: 1, multiplier: 1 },
      description: 'In order, as `events` would hand them out.',
      resolve: (page) => page.items,
    }),
    endCursor: t.expose('endCursor', { type: 'EventCursor', description: 'Ask again after this.' }),
    hasMore: t.exposeBoolean('hasMore', { description: 'Whether there is more already.' }),
  }),
});

builder.queryFields((t) => ({
  eventCursor: t.field({
    type: 'EventCursor',
    nullable: true,
    description: `A position that is not newer than anything else read in this same request. Ask for it with your initial data, then
subscribe with \`after:\`: nothing is missed; an event that your data already shows may come again, so apply by id and \`version\`.`,
    resolve: (_root, _args, context) => {
      mustBeSignedIn(context);
      return context.eventCursor;
    },
  }),
  sync: t.field({
    type: SyncPage,
    nullable: true,
    description: 'The polled twin of `Subscription.events`: the same items, the same cursors, over plain HTTP. Presence and typing are live only and not among them.',
    args: {
      after: t.arg({ type: 'EventCursor', required: true, description: 'Behind this position.' }),
      filter: t.arg({ type: EventFilterInput, description: 'Only some of it.' }),
      first: t.arg.int({ defaultValue: syncPageSize, description: 'At most so many; up to 100.' }),
    },
    complexity: (args) => ({ field: 5, multiplier: Math.max(1, Math.min(syncPageSize, args.first ?? syncPageSize)) }),
    resolve: async (_root, args, context) => {
      const size = args.first ?? syncPageSize;
      if (size < 1 || size > syncPageSize) throw new AppError('BAD_REQUEST', undefined, `A page has from 1 to ${syncPageSize} items.`);
      const items: StreamItem[] = [];
      let endCursor = args.after;
      const follower = await context.app.tail.follow(followOptions(context, { after: args.after, ...narrowed(args.filter) }));
      try {
        for await (const found of follower) {
          if (found.type === 'caught-up' || found.type === 'ended') return { items, endCursor: found.type === 'caught-up' ? found.cursor : endCursor, hasMore: false };
          if (items.length === size) return { items, endCursor, hasMore: true };
          const item = await toItem(found, context);
          if (found.type === 'event') endCursor = found.cursor;
          if (item) items.push(item);
        }
        return { items, endCursor, hasMore: false };
      } finally {
        await follower.return();
      }
    },
  }),
}));
