/** Messages as clients see them: one, pages of a chat's, sending, editing and deleting. */
import type { ArgBuilder } from '@pothos/core';
import type { GraphQLResolveInfo } from 'graphql';
import { findLoadedUser, loadUser, parseUserRef, preloadUsers, User, UserRefInput } from '../accounts/schema.ts';
import { can, canSee } from '../chats/access.ts';
import { Chat, loadChat, loadMember, loadStanding, parseChatRef, RoomRefInput, rememberChat, toRoomRef } from '../chats/schema.ts';
import { AppError, notFound } from '../errors.ts';
import { builder, Node } from '../graphql/builder.ts';
import { type Context, loader, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { type PageArgs, pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import { isSelected } from '../graphql/selection.ts';
import { type AttachmentId, type ChatId, type MessageId, numberOf, toGlobalId, type UserId } from '../ids.ts';
import type { ChatRow, MemberRow, MessageRow } from '../storage/rows.ts';
import type { Viewer } from '../viewer.ts';
import type { GivenMentions } from './mentioning.ts';
import type { Messages } from './messages.ts';
import type { Receipts } from './receipts.ts';
import type { MessageTarget, Sending } from './send.ts';
import type { Anchor, SeqOf } from './sparse.ts';
import type { Stretch } from './stretches.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    sending: Sending;
    messages: Messages;
    receipts: Receipts;
  }
}

export const Message = builder.objectRef<MessageRow>('Message');

/** A message by its id, without asking who may see it: for what was decided before. One statement for all that are asked for together. */
export const loadMessage = (context: Context, id: MessageId): Promise<MessageRow | null> =>
  sharedLoader<MessageId, MessageRow>(context, 'messages', (ids) => context.app.messages.findRows(ids)).load(id);

/** The chat of a message the viewer was shown. A room that was deleted since is not found. */
export async function chatOf(message: MessageRow, context: Context): Promise<ChatRow> {
  const chat = await loadChat(context, message.chatId);
  if (!chat) throw notFound('Chat');
  return chat;
}

/** Somebody whom a row names: tombstones stay, so there is always one. */
export async function userOf(id: UserId, context: Context) {
  const user = await loadUser(context, id);
  if (!user) throw new Error(`user ${id} does not exist`);
  return user;
}

Message.implement({
  description: 'One message of a chat. Its id and `seq` never change; its text may be edited or deleted.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({ description: 'Globally unique id.', resolve: (message) => toGlobalId('Message', message.id) }),
    chat: t.field({ type: Chat, description: 'Where it was sent.', resolve: (message, _args, context) => chatOf(message, context) }),
    seq: t.exposeInt('seq', { description: 'Position in the chat. Unique and gap-free per chat; deleted messages keep theirs.' }),
    sender: t.field({
      type: User,
      description: 'A tombstone when the account was deleted.',
      resolve: (message, _args, context) => findLoadedUser(context, message.senderId) ?? userOf(message.senderId, context),
    }),
    receiver: t.field({
      type: User,
      nullable: true,
      description: 'Whom the sender wrote to in a dialog (the same for every reader); null in rooms.',
      resolve: async (message, _args, context) => {
        const { lowUserId, highUserId } = await chatOf(message, context);
        if (lowUserId === null || highUserId === null) return null;
        return userOf(message.senderId === lowUserId ? highUserId : lowUserId, context);
      },
    }),
    // The longest text there is in an answer: a page of them is a large one.
    text: t.exposeString('text', { nullable: true, complexity: 5, description: 'Null when deleted, or when the message is only attachments.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'Server time. Order by `seq`, not by this.' }),
    clientSentAt: t.expose('clientSentAt', { type: 'DateTime', nullable: true, description: "The sender's own clock, if it sent one. For display only." }),
    clientMessageId: t.exposeString('clientMessageId', {
      nullable: true,
      description: "The id chosen by the sender's client, for local-echo matching. Every reader sees it: put no secret in it.",
    }),
    version: t.exposeInt('version', { description: '1 for the original, +1 for each edit.' }),
    editedAt: t.expose('editedAt', { type: 'DateTime', nullable: true, description: 'When it was last edited; null for the original.' }),
    deletedAt: t.expose('deletedAt', { type: 'DateTime', nullable: true, description: 'When it was deleted; null while it stands.' }),
    replyToSeq: t.exposeInt('replyToSeq', { nullable: true, description: 'The place of what it answers; null for no reply.' }),
    metadata: t.field({
      type: 'JSON',
      nullable: true,
      complexity: 5,
      description: "The app's own object; null when it was deleted.",
      resolve: ({ metadata }) => (metadata === null ? null : JSON.parse(metadata)),
    }),
  }),
});

type Forwarded = Pick<MessageRow, 'forwardOfId' | 'forwardAuthorId' | 'forwardSentAt'> & { forwardSentAt: Date };
const ForwardOrigin = builder.objectRef<Forwarded>('ForwardOrigin').implement({
  description: 'Where a forwarded message comes from. The name of the chat is never told.',
  fields: (t) => ({
    author: t.field({
      type: User,
      nullable: true,
      description: 'Who wrote it; a tombstone when that account was deleted.',
      resolve: ({ forwardAuthorId }, _args, context) => (forwardAuthorId === null ? null : userOf(forwardAuthorId, context)),
    }),
    sentAt: t.expose('forwardSentAt', { type: 'DateTime', description: 'When it was first sent.' }),
    message: t.field({
      type: Message,
      nullable: true,
      description: 'The message itself; null for callers who may not read it.',
      resolve: ({ forwardOfId }, _args, context) => {
        const viewer = mustBeSignedIn(context);
        if (forwardOfId === null) return null;
        return loader<MessageId, MessageRow>(context, 'forwarded', (ids) => context.app.messages.findMany(viewer, ids)).load(forwardOfId);
      },
    }),
  }),
});
builder.objectField(Message, 'forwardedFrom', (t) =>
  t.field({
    type: ForwardOrigin,
    nullable: true,
    description: 'Where its content comes from, when it was sent on.',
    resolve: ({ forwardOfId, forwardAuthorId, forwardSentAt }) => forwardSentAt && { forwardOfId, forwardAuthorId, forwardSentAt },
  }),
);
builder.objectField(Message, 'replyTo', (t) =>
  t.field({
    type: Message,
    nullable: true,
    description: 'What it answers, as it is now: a tombstone when that was deleted. Null for no reply, and when retention has removed it.',
    resolve: ({ chatId, replyToSeq }, _args, context) => (replyToSeq === null ? null : loadMessageAt(context, chatId, replyToSeq)),
  }),
);

export const MessageEdge = builder.edgeObject({ name: 'MessageEdge', type: Message, description: 'A message and its place in the list.' });
export const MessageConnection = builder.connectionObject({ name: 'MessageConnection', type: Message, description: 'A page of messages, ascending by `seq`.' }, MessageEdge);

// ---------------------------------------------------------------- a chat's messages

const MessageAnchorInput = builder.inputType('MessageAnchorInput', {
  isOneOf: true,
  description: `Where the first page of messages starts. Combine with \`first\` (towards newer) or \`last\` (towards older); for \`aroundSeq\`
and \`aroundId\` either is the size of the window. \`after\` and \`before\` win over the anchor, so a client may send it with every page.`,
  fields: (t) => ({
    afterSeq: t.int({ description: 'Newer than this seq, exclusive.' }),
    beforeSeq: t.int({ description: 'Older than this seq, exclusive.' }),
    aroundSeq: t.int({ description: 'A window around this message.' }),
    firstUnread: t.boolean({ description: "The caller's first unread message. Only `true` is accepted." }),
    at: t.field({ type: 'DateTime', description: 'The first message of this time or later; when there is none, the newest page.' }),
    aroundId: t.id({ description: 'A window around this message. NOT_FOUND when it is not one of this chat.' }),
  }),
});
export type MessagesArgs = PageArgs & { anchor?: typeof MessageAnchorInput.$inferInput | null | undefined };

/** Throws NOT_FOUND for a message of another chat, BAD_REQUEST for what is none. The caller knows the chat to be readable. */
async function toAnchor(chat: ChatRow, anchor: MessagesArgs['anchor'], context: Context): Promise<Anchor | null> {
  if (anchor?.afterSeq != null) return { afterSeq: anchor.afterSeq };
  if (anchor?.beforeSeq != null) return { beforeSeq: anchor.beforeSeq };
  if (anchor?.aroundSeq != null) return { aroundSeq: anchor.aroundSeq };
  if (anchor?.at != null) return { at: anchor.at };
  if (anchor?.aroundId != null) {
    const id = numberOf(anchor.aroundId, 'Message');
    const message = id === null ? null : await loadMessage(context, id);
    if (message?.chatId !== chat.id) throw notFound('Message');
    return { aroundSeq: message.seq };
  }
  if (anchor?.firstUnread === false) throw new AppError('BAD_REQUEST', undefined, 'Of `firstUnread` only true is accepted.');
  return anchor?.firstUnread ? { firstUnread: true } : null;
}

/** Throws NOT_FOUND for a hidden chat, FORBIDDEN for one whose messages only members read. */
export async function mustRead(chat: ChatRow, context: Context): Promise<void> {
  const standing = await loadStanding(context, chat);
  if (!canSee(standing)) throw notFound(chat.kind === 'ROOM' ? 'Room' : 'Chat');
  if (!can('read', standing)) throw new AppError('FORBIDDEN', { forbiddenReason: 'NOT_A_MEMBER' }, 'Only members may read this room.');
}

/** A stretch of a chat, in a few statements for all that are asked for together. */
const loadStretch = (context: Context, stretch: Stretch): Promise<MessageRow[] | null> =>
  sharedLoader<string, MessageRow[]>(context, 'stretches', (keys) => context.app.messages.readStretches(keys.map((key) => JSON.parse(key)))).load(JSON.stringify(stretch));

/** Where a member's unread messages begin, in a few statements for all chats that are asked for together. */
export function loadFirstUnread(context: Context, { id: chatId, lastSeq }: ChatRow, { userId, readSeq }: MemberRow): Promise<number | null> {
  return loader<string, number>(context, `firstUnread ${userId}`, (keys) =>
    context.app.receipts.firstUnread(
      userId,
      keys.map((key) => JSON.parse(key)),
    ),
  ).load(JSON.stringify({ chatId, readSeq, lastSeq }));
}

/** The first message of a time or later, in one statement for all chats that are asked for together. */
const loadFirstSince = (context: Context, { id: chatId, lastSeq }: ChatRow, at: Date): Promise<number | null> =>
  sharedLoader<string, number>(context, 'firstSince', (keys) => context.app.messages.firstSince(keys.map((key) => JSON.parse(key)))).load(
    JSON.stringify({ chatId, lastSeq, at: at.getTime() }),
  );

/** Which page of a chat's messages is asked for; without any argument the newest ones. */
export async function messageWindow(chat: ChatRow, args: MessagesArgs, context: Context) {
  const { userId } = mustBeSignedIn(context);
  const anchor = await toAnchor(chat, args.anchor, context);
  const request = pageRequest(args);
  const nothingGiven = [args.first, args.last, args.after, args.before, anchor].every((value) => value == null);
  return {
    ...request,
    backward: nothingGiven || request.backward || (args.first == null && anchor !== null && 'beforeSeq' in anchor && args.after == null),
    anchor,
    seqOf: async (where: Parameters<SeqOf>[0]) => {
      if ('at' in where) return loadFirstSince(context, chat, where.at);
      const member = chat.id === 0 ? null : await loadMember(context, chat.id, userId);
      return member && loadFirstUnread(context, chat, member);
    },
  };
}

async function messagesOf(chat: ChatRow, args: MessagesArgs, context: Context, info: GraphQLResolveInfo) {
  await mustRead(chat, context);
  const page = await context.app.messages.page(chat, { ...(await messageWindow(chat, args, context)), read: (stretch) => loadStretch(context, stretch) });
  if (isSelected(info, 'sender'))
    await preloadUsers(
      context,
      page.edges.map(({ node }) => node.senderId),
    );
  return toConnection(page);
}

export const pageArguments = (t: ArgBuilder<(typeof builder)['$inferSchemaTypes']>) => ({
  anchor: t({ type: MessageAnchorInput, description: 'Where the first page starts.' }),
  first: t.int({ description: 'At most so many from the start, or behind `after`; up to 100.' }),
  after: t.string({ description: 'Behind this cursor.' }),
  last: t.int({ description: 'At most so many from the end, or before `before`; up to 100.' }),
  before: t.string({ description: 'Before this cursor.' }),
});

export const loadMessageAt = (context: Context, chatId: ChatId, seq: number): Promise<MessageRow | null> =>
  sharedLoader<string, MessageRow>(context, 'messageAt', (keys) => context.app.messages.findAt(keys.map((key) => JSON.parse(key)))).load(JSON.stringify({ chatId, seq }));

builder.interfaceFields(Chat, (t) => ({
  lastMessage: t.field({
    type: Message,
    nullable: true,
    description: 'The newest message; null when the chat is empty, or when the caller may not read it.',
    resolve: async (chat, _args, context) => (chat.lastSeq > 0 && can('read', await loadStanding(context, chat)) ? loadMessageAt(context, chat.id, chat.lastSeq) : null),
  }),
  messages: t.field({
    type: MessageConnection,
    nullable: true,
    description: 'A page of the history, ascending by `seq`; the newest 50 when nothing is given. Null with FORBIDDEN when only members may read.',
    args: pageArguments(t.arg),
    complexity: pageComplexity,
    resolve: (chat, args, context, info) => messagesOf(chat, args, context, info),
  }),
  messageAt: t.field({
    type: Message,
    nullable: true,
    description: 'The message at this place; null when there is none, or when the caller may not read it.',
    args: { seq: t.arg.int({ required: true, description: 'The place.' }) },
    resolve: async (chat, { seq }, context) => (seq >= 1 && seq <= chat.lastSeq && can('read', await loadStanding(context, chat)) ? loadMessageAt(context, chat.id, seq) : null),
  }),
}));

// ---------------------------------------------------------------- queries

builder.queryFields((t) => ({
  message: t.field({
    type: Message,
    nullable: true,
    description: 'One message. Null when there is none, or when the caller may not see it.',
    args: { id: t.arg.id({ required: true, description: 'Its id.' }) },
    resolve: (_root, { id }, context) => {
      const viewer = mustBeSignedIn(context);
      const number = numberOf(id, 'Message');
      return number === null ? null : context.app.messages.find(viewer, number);
    },
  }),
  groupMessages: t.field({
    type: MessageConnection,
    nullable: true,
    description: `Messages of one room. Null with NOT_FOUND when the room does not exist, or is hidden from the
caller, null with FORBIDDEN when it is listed but only members may read it.`,
    args: { room: t.arg({ type: RoomRefInput, required: true, description: 'Which room.' }), ...pageArguments(t.arg) },
    complexity: pageComplexity,
    resolve: async (_root, { room, ...args }, context, info) => {
      const viewer = mustBeSignedIn(context);
      const ref = toRoomRef(room);
      const found = ref && (await context.app.chats.findRoom(viewer, ref));
      if (!found) throw notFound('Room');
      return messagesOf(found, args, context, info);
    },
  }),
}));

// ---------------------------------------------------------------- mutations

const MessageTargetInput = builder.inputType('MessageTargetInput', {
  isOneOf: true,
  description: 'Exactly one destination: an existing chat, or a user (the dialog is opened when needed).',
  fields: (t) => ({
    chatId: t.id({ description: 'A room or a dialog.' }),
    userId: t.id({ description: 'A person, by id.' }),
    username: t.string({ description: 'A person, by name.' }),
    externalId: t.string({ description: 'A person, by the id of the issuer with whose token the caller has signed in.' }),
  }),
});

function toTarget(to: typeof MessageTargetInput.$inferInput, { sessionId }: Viewer): MessageTarget {
  if (to.chatId != null) {
    const chat = parseChatRef(to.chatId);
    if (!chat) throw notFound('Chat');
    return { chat };
  }
  if (to.username != null) return { user: { username: to.username } };
  if (to.externalId != null) return { user: { externalId: to.externalId, sessionId } };
  const id = numberOf(to.userId ?? '', 'User');
  if (id === null) throw notFound('User');
  return { user: { id } };
}

export const MentionScope = builder.enumType('MentionScope', {
  description: 'How a whole chat is called.',
  values: {
    EVERYONE: { description: 'Every member: it highlights the chat for each of them until they have read it.' },
    HERE: { description: 'Those who are connected when it is sent: no Web Push, and nothing stays highlighted.' },
  },
});
const MentionsInput = builder.inputType('MentionsInput', {
  description: 'Whom a message is for.',
  fields: (t) => ({
    users: t.field({ type: [UserRefInput], description: 'These people; up to `limits.maxMentionsPerMessage`.' }),
    all: t.field({ type: MentionScope, description: 'The whole chat. Rooms may ask for a right (`Room.mentionAllPolicy`).' }),
  }),
});

const toMentions = (mentions: typeof MentionsInput.$inferInput | null | undefined, context: Context): GivenMentions | null =>
  mentions == null ? null : { users: mentions.users?.map((ref) => parseUserRef(ref, context)) ?? [], all: mentions.all ?? null };

mutation('sendMessage', {
  description: 'Sends a message to a chat or to a person. Answered when it is stored for good; give a `clientMessageId` and a retry can never store it twice.',
  errors: ['VALIDATION_FAILED', 'NOT_FOUND', 'FORBIDDEN', 'CONFLICT', 'QUOTA_EXCEEDED', 'RATE_LIMITED'],
  input: (t) => ({
    to: t.field({ type: MessageTargetInput, required: true, description: 'Where it goes.' }),
    text: t.string({ description: 'Required unless there are attachments. CRLF and CR become newlines.' }),
    clientMessageId: t.string({
      description: `Chosen by the client (a UUID is best), unique per sender. Sending again with the same id never stores a second
message: the first one is returned with \`duplicate: true\`. The same id with other content is a ConflictError.`,
    }),
    attachmentIds: t.idList({ description: 'Completed uploads of the sender that are not in use yet, in the order to show them; up to 10.' }),
    clientSentAt: t.field({ type: 'DateTime', description: "The sender's clock; display only." }),
    replyToId: t.id({ description: 'The message of the same chat that this one answers. Readers are shown it as it is when they look.' }),
    notifyAuthor: t.boolean({ defaultValue: true, description: 'Whether the author of `replyToId` is told as of a mention.' }),
    threadRootId: t.id({ description: 'Puts the message into the thread under this message of the same chat. A reply in a thread stands for its root.' }),
    mentions: t.field({ type: MentionsInput, description: 'Whom it is for. Nothing is guessed from the text.' }),
    forwardOf: t.id({ description: 'The message to send on: its text and files are copied. `text`, `attachmentIds` and `replyToId` are then left out.' }),
    metadata: t.field({ type: 'JSON', description: "A JSON object of the app's own, such as a product or a position; up to `limits.maxMetadataBytes`." }),
  }),
  resolve: async (viewer, input, context) => {
    const sent = await context.app.sending.send(viewer, {
      to: toTarget(input.to, viewer),
      text: input.text ?? null,
      clientMessageId: input.clientMessageId ?? null,
      clientSentAt: input.clientSentAt ?? null,
      // An id that is none names an upload that nobody has, each another: a retry is still told apart from other content.
      attachmentIds: input.attachmentIds?.map((id, index) => numberOf(id, 'Attachment') ?? ((-1 - index) as AttachmentId)) ?? [],
      kind: {
        replyToId: input.replyToId == null ? null : parseMessageId(input.replyToId),
        notifyAuthor: input.notifyAuthor ?? true,
        threadRootId: input.threadRootId == null ? null : parseMessageId(input.threadRootId),
        mentions: toMentions(input.mentions, context),
        forwardOf: input.forwardOf == null ? null : parseMessageId(input.forwardOf),
        metadata: input.metadata,
      },
    });
    if (sent.chat) rememberChat(context, sent.chat);
    return sent;
  },
  payload: (t) => ({
    message: t.field({ type: Message, description: 'Its `chat` has the fresh `lastSeq` and `lastMessage`.', resolve: ({ message }) => message }),
    unreachable: t.field({
      type: [User],
      description: 'Who was mentioned and is no member of this chat: they are not told. Add them, or say it elsewhere.',
      resolve: async ({ message, duplicate }, _args, context) => {
        // A retry tells nothing of a chat that its sender has lost since.
        if (duplicate && !(await context.app.messages.find(mustBeSignedIn(context), message.id))) return [];
        return Promise.all((await context.app.mentions.unreachable(message)).map((id) => userOf(id, context)));
      },
    }),
    duplicate: t.boolean({ description: 'True when this id had been stored before: a retry, not a new message.', resolve: ({ duplicate }) => duplicate }),
    cursor: t.field({
      type: 'EventCursor',
      description: 'Position right after this message, to resume from.',
      resolve: ({ message }, _args, context) => context.app.tail.cursorOf(message.id),
    }),
  }),
});

/** Throws NOT_FOUND for what is none. */
export function parseMessageId(id: string): MessageId {
  const number = numberOf(id, 'Message');
  if (number === null) throw notFound('Message');
  return number;
}

mutation('editMessage', {
  description: 'Replaces the text of an own message, as long as the caller may post there. Unread counts do not change.',
  errors: ['VALIDATION_FAILED', 'NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
  input: (t) => ({
    messageId: t.id({ required: true, description: 'Which message.' }),
    text: t.string({ required: true, description: 'The new text; empty for none, when the message has attachments.' }),
    mentions: t.field({ type: MentionsInput, description: 'Replaces whom it is for; left out, that stays. Who is named anew is not notified of an old message.' }),
    metadata: t.field({ type: 'JSON', description: "Replaces the app's own object; left out, it stays; null removes it." }),
    expectedVersion: t.int({ description: 'When given, the edit fails with VERSION_MISMATCH if somebody edited in between.' }),
  }),
  resolve: async (viewer, input, context) => ({
    message: await context.app.messages.edit(viewer, {
      messageId: parseMessageId(input.messageId),
      text: input.text,
      expectedVersion: input.expectedVersion ?? null,
      metadata: input.metadata,
      mentions: toMentions(input.mentions, context),
    }),
  }),
  payload: (t) => ({ message: t.field({ type: Message, description: 'As it is now.', resolve: ({ message }) => message }) }),
});

mutation('deleteMessage', {
  description: 'By the author, always, or by an admin or owner of the room. The message keeps its id and seq as a tombstone.',
  errors: ['NOT_FOUND', 'FORBIDDEN'],
  input: (t) => ({ messageId: t.id({ required: true, description: 'Which message.' }) }),
  resolve: async (viewer, input, context) => ({ message: await context.app.messages.remove(viewer, parseMessageId(input.messageId)) }),
  payload: (t) => ({ message: t.field({ type: Message, description: 'The tombstone.', resolve: ({ message }) => message }) }),
});
