/** Who has received and read how far, as clients see it: on messages, chats and the account. */
import { Account } from '../accounts/schema.ts';
import { peerOf, virtualMember } from '../chats/chats.ts';
import { Chat, Dialog, loadMember, MemberConnection, MemberRole, parseChatRef } from '../chats/schema.ts';
import { notFound } from '../errors.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import type { ChatId } from '../ids.ts';
import type { Page } from '../storage/page.ts';
import type { ChatRow, MemberRow, MessageRow } from '../storage/rows.ts';
import { type Laggards, statusOf } from './receipts.ts';
import { chatOf, loadFirstUnread, Message, mustRead } from './schema.ts';
import type { Reply } from './thread-receipts.ts';

export const MessageStatus = builder.enumType('MessageStatus', {
  description: 'How far a message has come.',
  values: {
    SENT: { description: 'Stored by the server.' },
    DELIVERED: { description: 'A device of everyone who counts has said that it has it.' },
    READ: { description: 'Everyone who counts has seen it.' },
  },
});

// ---------------------------------------------------------------- of a message

const loadLaggards = (context: Context, chatId: ChatId): Promise<Laggards | null> =>
  sharedLoader<ChatId, Laggards>(context, 'laggards', (ids) => context.app.receipts.laggards(ids)).load(chatId);

const loadCounts = (context: Context, { id, chatId, seq, senderId }: MessageRow) =>
  sharedLoader<string, { delivered: number; read: number }>(context, 'receiptCounts', (keys) => {
    return context.app.receipts.counts(keys.map((key) => JSON.parse(key) as Pick<MessageRow, 'chatId' | 'seq' | 'senderId'>));
  }).load(JSON.stringify({ chatId, seq, senderId, id }));

const isReply = (message: MessageRow): message is MessageRow & Reply => message.threadRootSeq !== null;
const replyKey = ({ chatId, seq, senderId, threadRootSeq }: Reply): string => JSON.stringify({ chatId, seq, senderId, threadRootSeq });
const loadReadByAll = (context: Context, reply: Reply): Promise<boolean | null> =>
  sharedLoader<string, boolean>(context, 'readByAll', (keys) => context.app.receipts.areReadByAll(keys.map((key) => JSON.parse(key)))).load(replyKey(reply));
const loadCorrection = (context: Context, reply: Reply): Promise<number | null> =>
  sharedLoader<string, number>(context, 'readInThreads', (keys) => context.app.receipts.corrections(keys.map((key) => JSON.parse(key)))).load(replyKey(reply));

/** The first page of who has read a message, in a few statements for all messages that are asked for together. */
async function loadFirstReaders(context: Context, { chatId, seq, senderId, threadRootSeq }: MessageRow, { memberCount }: ChatRow, size: number): Promise<Page<MemberRow>> {
  const load = sharedLoader<string, Page<MemberRow>>(context, `readers ${size}`, (keys) =>
    context.app.receipts.firstReaders(
      keys.map((key) => JSON.parse(key)),
      size,
    ),
  );
  return (await load.load(JSON.stringify({ chatId, seq, senderId, threadRootSeq, memberCount }))) as Page<MemberRow>;
}

builder.objectFields(Message, (t) => ({
  status: t.field({
    type: MessageStatus,
    description: 'Sent, delivered or read, over all other participants (the least advanced one decides). In a room those count who were members when it was sent and still are.',
    resolve: async (message, _args, context) => {
      const [laggards, readByAll] = await Promise.all([loadLaggards(context, message.chatId), isReply(message) ? loadReadByAll(context, message) : null]);
      return statusOf(message, laggards as Laggards, readByAll);
    },
  }),
  deliveredCount: t.int({
    description: 'How many of those who count for `status` have it.',
    resolve: async (message, _args, context) => (await loadCounts(context, message))?.delivered ?? 0,
  }),
  readCount: t.int({
    description: 'How many of those who count for `status` have read it.',
    resolve: async (message, _args, context) => {
      const [counts, correction] = await Promise.all([loadCounts(context, message), isReply(message) ? loadCorrection(context, message) : 0]);
      return (counts?.read ?? 0) + (correction ?? 0);
    },
  }),
  readBy: t.field({
    type: MemberConnection,
    description: 'Members other than the sender whose `readSeq` has reached this message, of those who were members when it was sent.',
    args: { first: t.arg.int({ description: 'At most so many; up to 100.' }), after: t.arg.string({ description: 'Behind this cursor.' }) },
    complexity: pageComplexity,
    resolve: async (message, args, context) => {
      const chat = await chatOf(message, context);
      await mustRead(chat, context);
      const page = pageRequest(args);
      return toConnection(page.after === null ? await loadFirstReaders(context, message, chat, page.size) : await context.app.receipts.readers(message, page));
    },
  }),
}));

// ---------------------------------------------------------------- of a chat, and of all

/** The place of one person in one chat. */
type Place = { chat: ChatRow; member: MemberRow };

export const loadUnread = async (context: Context, { chat, member }: Place): Promise<number> => {
  if (chat.id === 0) return 0;
  const { userId } = mustBeSignedIn(context);
  const load = sharedLoader<string, number>(context, 'unread', (keys) => context.app.receipts.unread(keys.map((key) => JSON.parse(key))));
  return (await load.load(JSON.stringify({ chatId: chat.id, userId, readSeq: member.readSeq, lastSeq: Math.max(chat.lastSeq, member.readSeq) }))) ?? 0;
};

export const MyChat = builder.objectRef<Place>('MyChat').implement({
  description: "The caller's place in a chat: the same on all devices.",
  fields: (t) => ({
    role: t.field({ type: MemberRole, description: 'What the caller may do here.', resolve: ({ member }) => member.role as 'MEMBER' }),
    joinedAt: t.field({ type: 'DateTime', description: 'When the caller became a member, the last time.', resolve: ({ member }) => member.joinedAt }),
    deliveredSeq: t.int({ description: 'Everything up to here is on a device of the caller.', resolve: ({ member }) => member.deliveredSeq }),
    readSeq: t.int({ description: 'Everything up to here has been read.', resolve: ({ member }) => member.readSeq }),
    firstUnreadSeq: t.int({
      nullable: true,
      description: 'Where unread messages begin; null when there are none.',
      resolve: ({ chat, member }, _args, context) => (chat.id === 0 ? null : loadFirstUnread(context, chat, member)),
    }),
    unreadCount: t.int({ description: 'Messages by others after `readSeq`, not counting deleted ones.', resolve: (place, _args, context) => loadUnread(context, place) }),
  }),
});

builder.interfaceFields(Chat, (t) => ({
  my: t.field({
    type: MyChat,
    nullable: true,
    description: "The caller's place in this chat. Null when not a member.",
    resolve: async (chat, _args, context) => {
      const { userId } = mustBeSignedIn(context);
      const member = chat.id === 0 ? virtualMember(chat, userId) : await loadMember(context, chat.id, userId);
      return member && { chat, member };
    },
  }),
}));

const peerMember = async (chat: ChatRow, context: Context): Promise<MemberRow | null> => {
  const { userId } = mustBeSignedIn(context);
  return chat.id === 0 ? null : loadMember(context, chat.id, peerOf(chat, userId));
};
builder.objectFields(Dialog, (t) => ({
  peerDeliveredSeq: t.int({
    nullable: true,
    description: 'Everything up to here is on a device of the other participant.',
    resolve: async (chat, _args, context) => (await peerMember(chat, context))?.deliveredSeq ?? 0,
  }),
  peerReadSeq: t.int({
    nullable: true,
    description: 'Everything up to here has been read by the other participant.',
    resolve: async (chat, _args, context) => (await peerMember(chat, context))?.readSeq ?? 0,
  }),
}));

builder.objectField(Account, 'totalUnread', (t) =>
  t.int({ description: 'Unread messages of all chats together.', resolve: (_account, _args, context) => context.app.receipts.totalUnread(mustBeSignedIn(context).userId) }),
);

// ---------------------------------------------------------------- moving the own markers

for (const [name, status, description] of [
  ['markDelivered', 'DELIVERED', "'My device has everything up to and including this seq.' Monotone and idempotent."],
  ['markRead', 'READ', "'I have seen everything up to and including this seq.' Implies delivered. Monotone and idempotent."],
] as const) {
  mutation(name, {
    description,
    errors: ['NOT_FOUND', 'VALIDATION_FAILED'],
    input: (t) => ({
      chatId: t.id({ required: true, description: 'Which chat.' }),
      upToSeq: t.int({ required: true, description: 'Up to and including this message.' }),
      ...(status === 'READ'
        ? {
            threads: t.boolean({
              defaultValue: true,
              description: 'False: only what lies outside of threads was seen, as in a client that shows threads apart. True also reads every thread of the chat up to here.',
            }),
          }
        : {}),
    }),
    resolve: async (viewer, input, context) => {
      const ref = parseChatRef(input.chatId);
      if (!ref) throw notFound('Chat');
      return { chat: await context.app.receipts.mark(viewer, ref, status, input.upToSeq, (input as { threads?: boolean | null }).threads ?? true) };
    },
    payload: (t) => ({ chat: t.field({ type: Chat, description: 'Select `my`.', resolve: ({ chat }) => chat }) }),
  });
}
