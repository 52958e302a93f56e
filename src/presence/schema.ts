/** Presence and typing as clients see them. */
import { loadUser, User } from '../accounts/schema.ts';
import { parseChatRef, Room } from '../chats/schema.ts';
import { AppError, notFound } from '../errors.ts';
import type { Follower } from '../events/stream.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { type ChatId, numberOf } from '../ids.ts';
import { parseMessageId } from '../messages/schema.ts';
import type { Pair } from '../storage/dialogs.ts';
import { CaughtUp, Heartbeat, PresenceChanged, SessionEnded, TypingChanged } from '../streams/items-schema.ts';
import { follow, followOptions, itemUnion, only, onlyChat, subscription } from '../streams/schema.ts';
import type { Presence } from './presence.ts';
import { largestScope, type PresenceOf, type Scope } from './presence.ts';
import type { Typing } from './typing.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    presence: Presence;
    typing: Typing;
  }
}

const PresenceState = builder.enumType('PresenceState', {
  description: 'Whether somebody is there.',
  values: {
    ONLINE: { description: 'A socket or stream is open, or activity was reported lately.' },
    OFFLINE: { description: 'Nothing of the person is connected.' },
    UNKNOWN: {
      description: `The server cannot tell at the moment. Never shown as OFFLINE by mistake: right after a start it waits for those who were there a moment before, and a server that
does not hear of another one on the same database says so of those who were lately seen. It turns into another state by itself.`,
    },
  },
});

const PresenceType = builder.objectRef<PresenceOf>('Presence').implement({
  description: 'Whether somebody is online, and when they last were.',
  fields: (t) => ({
    state: t.field({ type: PresenceState, description: 'Online, offline or not known.', resolve: ({ online }) => (online === null ? 'UNKNOWN' : online ? 'ONLINE' : 'OFFLINE') }),
    online: t.boolean({ nullable: true, description: 'Null when the state is UNKNOWN.', resolve: ({ online }) => online }),
    lastSeenAt: t.field({ type: 'DateTime', nullable: true, description: 'Null while online, or when never seen.', resolve: ({ lastSeenAt }) => lastSeenAt }),
  }),
});

builder.objectField(User, 'presence', (t) =>
  t.field({ type: PresenceType, description: 'Whether the person is online.', resolve: (user, _args, context) => context.app.presence.stateOf(user) }),
);

builder.objectField(Room, 'onlineCount', (t) =>
  t.int({
    description: 'How many of the members are online.',
    resolve: async (room, _args, context) =>
      // A room that the viewer lost has no members to see.
      room.memberCount === 0
        ? 0
        : ((await sharedLoader<ChatId, number>(context, 'onlineCount', (ids) => context.app.memberLists.countAmong(ids, context.app.presence.onlineIds())).load(room.id)) ?? 0),
  }),
);

// ---------------------------------------------------------------- streams

const PresenceScopeInput = builder.inputType('PresenceScopeInput', {
  isOneOf: true,
  description: 'Whose presence.',
  fields: (t) => ({
    userIds: t.idList({ description: 'These people; at most 1,000.' }),
    chatId: t.id({ description: 'Members of a chat, as they come and go; of a large one the first 1,000. The stream ends when the caller loses the chat.' }),
    contacts: t.boolean({ description: "The caller's contacts and dialog partners." }),
  }),
});

const PresenceItem = itemUnion('PresenceItem', 'Snapshot first, then one CaughtUp, then live changes.', [PresenceChanged, CaughtUp, Heartbeat, SessionEnded]);
const TypingItem = itemUnion('TypingItem', 'What `typing` hands out.', [TypingChanged, Heartbeat, SessionEnded]);

async function followScope(scope: typeof PresenceScopeInput.$inferInput, context: Context): Promise<Follower> {
  const { userId } = mustBeSignedIn(context);
  const follow = (followed: Scope, room: Awaited<ReturnType<typeof onlyChat>> = {}): Promise<Follower> => context.app.presence.followScope(followOptions(context, room), followed);
  if (scope.contacts != null) {
    if (!scope.contacts) throw new AppError('BAD_REQUEST', undefined, 'Of `contacts` only true is accepted.');
    return follow({ closeTo: userId });
  }
  if (scope.userIds != null) {
    if (scope.userIds.length > largestScope) throw new AppError('BAD_REQUEST', undefined, `A scope names at most ${largestScope} people.`);
    // Whom there is not is left out, as from any other look-up of many.
    const ids = scope.userIds.map((id) => numberOf(id, 'User')).filter((id) => id !== null);
    return follow({ userIds: (await context.app.accounts.findMany(ids)).map((user) => user.id) });
  }
  const room = await onlyChat(context, scope.chatId ?? '', 'readers');
  const [chat] = room.chats as [ChatId | Pair];
  if (typeof chat !== 'number') return follow({ userIds: [...new Set([chat.low, chat.high])] }, room);
  return follow({ roomId: chat, members: () => context.app.memberLists.memberIds(chat, largestScope) }, room);
}

subscription('presence', {
  items: PresenceItem,
  description: `Online, offline and last seen. The first items are the current state (snapshot: true) of everyone in
scope. Going offline is reported only after a grace period, so a reconnect does not flap.`,
  args: (arg) => ({ scope: arg({ type: PresenceScopeInput, required: true, description: 'Whose.' }) }),
  open: ({ scope }, context) => followScope(scope, context),
});
subscription('typing', {
  items: TypingItem,
  description: 'Who is typing. Never replayed. Drop a user after `expiresAt` even if no stop event comes.',
  args: (arg) => ({ chatId: arg.id({ required: true, description: 'In which chat, as a member of it.' }) }),
  open: async ({ chatId }, context) => follow(context, { ...(await onlyChat(context, chatId, 'members')), kinds: only('TYPING') }),
});

// ---------------------------------------------------------------- mutations

mutation('reportActivity', {
  description: "Heartbeat for clients without a socket: 'I am active now'.",
  errors: [],
  resolve: async (viewer, _input, context) => ({ refreshAfterMs: context.app.presence.reportActivity(viewer.userId), userId: viewer.userId }),
  payload: (t) => ({
    presence: t.field({
      type: PresenceType,
      description: "The caller's presence now.",
      resolve: async ({ userId }, _args, context) => {
        const user = await loadUser(context, userId);
        return context.app.presence.stateOf(user ?? { id: userId, lastSeenAt: null });
      },
    }),
    refreshAfterMs: t.int({ description: 'Say it again within this time to stay online.', resolve: ({ refreshAfterMs }) => refreshAfterMs }),
  }),
});

mutation('setTyping', {
  description: 'Tells the others of a chat that the caller types. Say it again while it goes on (`serverInfo.limits.typingRepeatMs`); it ends by itself.',
  errors: ['NOT_FOUND', 'FORBIDDEN'],
  input: (t) => ({
    chatId: t.id({ required: true, description: 'In which chat.' }),
    active: t.boolean({ required: true, defaultValue: true, description: 'False when it is over.' }),
    threadRootId: t.id({ description: 'In which thread.' }),
  }),
  resolve: async (viewer, input, context) => {
    const ref = parseChatRef(input.chatId);
    if (!ref) throw notFound('Chat');
    return { expiresAt: await context.app.typing.set(viewer, ref, input.active, input.threadRootId == null ? null : parseMessageId(input.threadRootId)) };
  },
  payload: (t) => ({ expiresAt: t.field({ type: 'DateTime', description: 'When it is over by itself.', resolve: ({ expiresAt }) => expiresAt }) }),
});
