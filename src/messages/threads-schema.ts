/** Threads as clients see them: under a message, of a chat, those one follows, and one's own place in each. */
import type { GraphQLResolveInfo } from 'graphql';
import { Account, loadUser, preloadUsers, User } from '../accounts/schema.ts';
import { Chat, loadChat } from '../chats/schema.ts';
import { notFound } from '../errors.ts';
import { builder, Node } from '../graphql/builder.ts';
import { type Context, loader, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import { isSelected } from '../graphql/selection.ts';
import { type ChatId, type MessageId, toGlobalId, type UserId } from '../ids.ts';
import type { ChatRow, ThreadRow } from '../storage/rows.ts';
import { loadUnread, MyChat } from './receipts-schema.ts';
import { loadMessageAt, Message, MessageConnection, messageWindow, mustRead, pageArguments, parseMessageId } from './schema.ts';
import { type MyThread, type MyThreads, type ThreadPlace, type Threads, withoutReplies } from './threads.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    threads: Threads;
  }
}

const keyOf = ({ chatId, rootSeq }: ThreadPlace): string => JSON.stringify({ chatId, rootSeq });
const parsed = <Key>(keys: readonly string[]): Key[] => keys.map((key) => JSON.parse(key) as Key);

export const loadThread = (context: Context, place: ThreadPlace): Promise<ThreadRow | null> =>
  sharedLoader<string, ThreadRow>(context, 'threads', (keys) => context.app.threads.find(parsed<ThreadPlace>(keys))).load(keyOf(place));

/** Of an event: also a thread in which nobody has replied yet, which has somebody's place already. */
export async function findThread(context: Context, place: ThreadPlace): Promise<ThreadRow | null> {
  const thread = await loadThread(context, place);
  const root = thread ? null : await loadMessageAt(context, place.chatId, place.rootSeq);
  return thread ?? (root && withoutReplies(root));
}

/** The thread under a message, by that message's number. The caller knows that it may be read. */
export const loadThreadByRoot = (context: Context, rootId: MessageId): Promise<ThreadRow | null> =>
  sharedLoader<MessageId, ThreadRow>(context, 'threadsByRoot', (ids) => context.app.threads.findByRoots(ids)).load(rootId);

const loadMine = (context: Context, place: ThreadPlace): Promise<MyThread | null> => {
  const { userId } = mustBeSignedIn(context);
  return loader<string, MyThread>(context, 'myThreads', (keys) => context.app.threads.places(userId, parsed<ThreadPlace>(keys))).load(keyOf(place));
};

const loadOfChat = (context: Context, chatId: ChatId): Promise<MyThreads | null> => {
  const { userId } = mustBeSignedIn(context);
  return loader<ChatId, MyThreads>(context, 'threadsOfChats', (ids) => context.app.threads.ofChats(userId, ids)).load(chatId);
};

type Read = ThreadPlace & { readSeq: number };
const loadUnreadReplies = (context: Context, { chatId, rootSeq, readSeq }: Read): Promise<number | null> => {
  const { userId } = mustBeSignedIn(context);
  return loader<string, number>(context, 'unreadReplies', (keys) => context.app.threads.unreadCounts(userId, parsed<Read>(keys))).load(
    JSON.stringify({ chatId, rootSeq, readSeq }),
  );
};
const loadFirstUnreadReply = (context: Context, { chatId, rootSeq, readSeq }: Read): Promise<number | null> => {
  const { userId } = mustBeSignedIn(context);
  return loader<string, number>(context, 'firstUnreadReplies', (keys) => context.app.threads.firstUnread(userId, parsed<Read>(keys))).load(
    JSON.stringify({ chatId, rootSeq, readSeq }),
  );
};

// ---------------------------------------------------------------- a thread

export const MyThreadType = builder.objectRef<MyThread & ThreadPlace>('MyThread').implement({
  description: "The caller's place in a thread: the same on all devices.",
  fields: (t) => ({
    following: t.exposeBoolean('following', { description: 'New replies count as unread here, and are told.' }),
    readSeq: t.exposeInt('readSeq', { description: 'Every reply up to here has been read, in the thread or with the whole chat.' }),
    firstUnreadSeq: t.int({
      nullable: true,
      description: 'Where unread replies begin; null when there are none.',
      resolve: (mine, _args, context) => (mine.following ? loadFirstUnreadReply(context, mine) : null),
    }),
    unreadCount: t.int({
      description: 'Replies by others after `readSeq`, not deleted; 0 when not followed. Never more than there are, never below 0.',
      resolve: async (mine, _args, context) => (mine.following ? ((await loadUnreadReplies(context, mine)) ?? 0) : 0),
    }),
  }),
});

export const Thread = builder.objectRef<ThreadRow>('Thread').implement({
  description: 'The replies under one message. They are messages of the chat, with places of its one order; the thread has its own count, marker and followers.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({ description: 'Globally unique id.', resolve: ({ rootId }) => toGlobalId('Thread', rootId) }),
    chat: t.field({ type: Chat, description: 'Where.', resolve: (thread, _args, context) => chatOf(thread, context) }),
    root: t.field({
      type: Message,
      nullable: true,
      description: 'The message it hangs under: a tombstone when deleted, null when retention has removed it. Its replies stay.',
      resolve: ({ chatId, rootSeq }, _args, context) => loadMessageAt(context, chatId, rootSeq),
    }),
    rootSeq: t.exposeInt('rootSeq', { description: 'The place of that message.' }),
    replyCount: t.exposeInt('replyCount', { description: 'Replies that are not deleted.' }),
    lastReply: t.field({
      type: Message,
      nullable: true,
      description: 'The newest reply that is not deleted.',
      resolve: ({ chatId, newestSeq }, _args, context) => (newestSeq === null ? null : loadMessageAt(context, chatId, newestSeq)),
    }),
    lastReplyAt: t.expose('lastReplyAt', { type: 'DateTime', description: 'When the newest reply came.' }),
    participantCount: t.exposeInt('participantCount', { description: 'How many people have replied.' }),
    participants: t.field({
      type: [User],
      description: 'Who has replied, in the order in which they first did; at most 20.',
      args: { first: t.arg.int({ defaultValue: 5, description: 'At most so many.' }) },
      complexity: ({ first }) => ({ field: 1, multiplier: Math.max(1, Math.min(20, first ?? 5)) }),
      resolve: async (thread, { first }, context) => {
        const { size } = pageRequest({ first: first ?? 5 });
        const load = sharedLoader<string, UserId[]>(context, `participants ${size}`, (keys) => context.app.threads.participants(parsed<ThreadPlace>(keys), size));
        const ids = (await load.load(keyOf(thread))) ?? [];
        return (await Promise.all(ids.map((id) => loadUser(context, id)))).filter((user) => user !== null);
      },
    }),
    replies: t.field({
      type: MessageConnection,
      description: 'A page of the replies, ascending by `seq`; the newest 50 when nothing is given.',
      args: pageArguments(t.arg),
      complexity: pageComplexity,
      resolve: async (thread, args, context, info) => {
        const chat = await chatOf(thread, context);
        await mustRead(chat, context);
        const window = await messageWindow(chat, args, context);
        const page = await context.app.threads.replies(thread, {
          ...window,
          seqOf: async (where) => {
            if ('at' in where) return window.seqOf(where);
            const mine = await loadMine(context, thread);
            return mine?.following ? loadFirstUnreadReply(context, { ...mine, chatId: thread.chatId, rootSeq: thread.rootSeq }) : null;
          },
        });
        await preloadSenders(page, context, info);
        return toConnection(page);
      },
    }),
    my: t.field({
      type: MyThreadType,
      nullable: true,
      description: "The caller's place in it. Null when not a member of the chat.",
      resolve: async ({ chatId, rootSeq }, _args, context) => {
        const mine = await loadMine(context, { chatId, rootSeq });
        return mine && { ...mine, chatId, rootSeq };
      },
    }),
  }),
});

async function chatOf({ chatId }: ThreadPlace, context: Context): Promise<ChatRow> {
  const chat = await loadChat(context, chatId);
  if (!chat) throw notFound('Chat');
  return chat;
}

async function preloadSenders(page: { edges: { node: { senderId: UserId } }[] }, context: Context, info: GraphQLResolveInfo): Promise<void> {
  if (!isSelected(info, 'sender')) return;
  await preloadUsers(
    context,
    page.edges.map(({ node }) => node.senderId),
  );
}

const ThreadEdge = builder.edgeObject({ name: 'ThreadEdge', type: Thread, description: 'A thread and its place in the list.' });
const ThreadConnection = builder.connectionObject({ name: 'ThreadConnection', type: Thread, description: 'A page of threads, the one with the newest reply first.' }, ThreadEdge);

builder.objectFields(Message, (t) => ({
  threadRootSeq: t.exposeInt('threadRootSeq', { nullable: true, description: 'The place of that message; null outside of threads.' }),
  threadRoot: t.field({
    type: Message,
    nullable: true,
    description: 'The message whose thread it is in. Null outside of threads, and when retention has removed it.',
    resolve: ({ chatId, threadRootSeq }, _args, context) => (threadRootSeq === null ? null : loadMessageAt(context, chatId, threadRootSeq)),
  }),
  thread: t.field({
    type: Thread,
    nullable: true,
    description: 'The thread under this message; null when nobody has replied in one.',
    resolve: ({ chatId, seq, threadRootSeq }, _args, context) => (threadRootSeq === null ? loadThread(context, { chatId, rootSeq: seq }) : null),
  }),
}));

// ---------------------------------------------------------------- of chats, and of all

const ThreadFilter = builder.enumType('ThreadFilter', {
  description: 'Which threads.',
  values: {
    ALL: { description: 'All there are.' },
    FOLLOWED: { description: 'Those that the caller follows.' },
    UNREAD: { description: 'Those that the caller follows and that have unread replies.' },
  },
});

builder.interfaceFields(Chat, (t) => ({
  threads: t.field({
    type: ThreadConnection,
    nullable: true,
    description: 'Threads, the one with the newest reply first. Null with FORBIDDEN when only members may read.',
    args: {
      filter: t.arg({ type: ThreadFilter, defaultValue: 'ALL', description: 'Only some of them.' }),
      first: t.arg.int({ description: 'At most so many; up to 100.' }),
      after: t.arg.string({ description: 'Behind this cursor.' }),
    },
    complexity: pageComplexity,
    resolve: async (chat, { filter, ...args }, context) => {
      const { userId } = mustBeSignedIn(context);
      await mustRead(chat, context);
      return toConnection(await context.app.threads.list(chat, userId, filter ?? 'ALL', pageRequest(args)));
    },
  }),
  timeline: t.field({
    type: MessageConnection,
    nullable: true,
    description: '`messages` without the replies in threads, with the same cursors. Null with FORBIDDEN when only members may read.',
    args: pageArguments(t.arg),
    complexity: pageComplexity,
    resolve: async (chat, args, context, info) => {
      await mustRead(chat, context);
      const page = await context.app.threads.timeline(chat, await messageWindow(chat, args, context));
      await preloadSenders(page, context, info);
      return toConnection(page);
    },
  }),
}));

builder.queryField('followedThreads', (t) =>
  t.field({
    type: ThreadConnection,
    nullable: true,
    description: 'The threads that the caller follows, in all chats, the one with the newest reply first.',
    args: {
      unreadOnly: t.arg.boolean({ defaultValue: false, description: 'Only those with unread replies.' }),
      first: t.arg.int({ description: 'At most so many; up to 100.' }),
      after: t.arg.string({ description: 'Behind this cursor.' }),
    },
    complexity: pageComplexity,
    resolve: async (_root, { unreadOnly, ...args }, context) =>
      toConnection(await context.app.threads.followed(mustBeSignedIn(context).userId, unreadOnly ?? false, pageRequest(args))),
  }),
);

builder.objectFields(MyChat, (t) => ({
  threadsReadSeq: t.int({
    description: 'Everything in threads up to here has been read. At most `readSeq`.',
    resolve: async ({ chat, member }, _args, context) => (chat.id === 0 ? 0 : Math.min(member.readSeq, (await loadOfChat(context, chat.id))?.readSeq ?? 0)),
  }),
  unreadOutsideThreads: t.int({
    description: 'Messages by others after `readSeq` that are in no thread, not counting deleted ones.',
    resolve: async (place, _args, context) => {
      const { chat, member } = place;
      if (chat.id === 0) return 0;
      type Asked = Parameters<Threads['unreadReplies']>[0][number];
      const load = sharedLoader<string, number>(context, 'unreadInThreads', (keys) => context.app.threads.unreadReplies(parsed<Asked>(keys)));
      const asked = { chatId: chat.id, userId: member.userId, readSeq: member.readSeq, lastSeq: Math.max(chat.lastSeq, member.readSeq) };
      const [all, replies] = await Promise.all([loadUnread(context, place), load.load(JSON.stringify(asked))]);
      return all - (replies ?? 0);
    },
  }),
  unreadThreads: t.int({
    description: 'Followed threads of this chat with unread replies.',
    resolve: async ({ chat }, _args, context) => (chat.id === 0 ? 0 : ((await loadOfChat(context, chat.id))?.unreadThreads ?? 0)),
  }),
}));

builder.objectField(Account, 'unreadThreads', (t) =>
  t.int({
    description: 'Followed threads with unread replies, in all chats together.',
    resolve: (_account, _args, context) => context.app.threads.unreadIn(mustBeSignedIn(context).userId),
  }),
);

// ---------------------------------------------------------------- the own place

const which = 'The root, or a reply.';

mutation('followThread', {
  description: 'Follows the thread under a message. Whoever replies in it, is mentioned in it or wrote its root does so by itself. Sending it again does no harm.',
  errors: ['NOT_FOUND', 'FORBIDDEN', 'QUOTA_EXCEEDED'],
  input: (t) => ({ messageId: t.id({ required: true, description: which }) }),
  resolve: async (viewer, { messageId }, context) => ({ thread: await context.app.threads.follow(viewer, parseMessageId(messageId)) }),
  payload: (t) => ({ thread: t.field({ type: Thread, description: 'The thread.', resolve: ({ thread }) => thread }) }),
});
mutation('unfollowThread', {
  description: 'Stops following a thread, and it stays so until the caller replies in it, is mentioned by name in it or follows it. Sending it again does no harm.',
  errors: ['NOT_FOUND'],
  input: (t) => ({ messageId: t.id({ required: true, description: which }) }),
  resolve: async (viewer, { messageId }, context) => ({ thread: await context.app.threads.unfollow(viewer, parseMessageId(messageId)) }),
  payload: (t) => ({ thread: t.field({ type: Thread, description: 'The thread.', resolve: ({ thread }) => thread }) }),
});
mutation('markThreadRead', {
  description: "'I have seen every reply of this thread up to and including this place.' Monotone and idempotent. Moves no marker of the chat.",
  errors: ['NOT_FOUND', 'VALIDATION_FAILED'],
  input: (t) => ({
    messageId: t.id({ required: true, description: which }),
    upToSeq: t.int({ required: true, description: 'Up to and including this message of the chat.' }),
  }),
  resolve: async (viewer, { messageId, upToSeq }, context) => ({ thread: await context.app.threads.markRead(viewer, parseMessageId(messageId), upToSeq) }),
  payload: (t) => ({ thread: t.field({ type: Thread, description: 'Select `my`.', resolve: ({ thread }) => thread }) }),
});
