/**
 * Sending messages: who may post where, a dialog that opens by itself, the next seq, and a retry that finds what was stored. Every message is stored together
 * with its event.
 */
import type { Accounts, UserRef } from '../accounts/accounts.ts';
import { withNewlines } from '../accounts/names.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import { canSee, must } from '../chats/access.ts';
import type { ChatRef, Chats } from '../chats/chats.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, hasCode, notFound } from '../errors.ts';
import { type EventOf, messageIdOf, type NewEvent } from '../events/event.ts';
import { createGroup, type Outcome } from '../events/group.ts';
import type { Numbering, WriteBatch } from '../events/write.ts';
import { type AttachmentId, type ChatId, type MessageId, noChat, placeKey, type UserId } from '../ids.ts';
import type { Keys } from '../sessions/keys.ts';
import type { Database } from '../storage/database.ts';
import { dialogIds, type Pair, pairKey, pairOf } from '../storage/dialogs.ts';
import { holdAccounts, lockChats } from '../storage/locks.ts';
import type { ChatRow, MessageRow } from '../storage/rows.ts';
import type { Sql } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { advanceChats, bansAt, insertMessages, isDeserted, liveAccounts, membersAt, openDialogs, sentBefore } from './store.ts';
import { checkText } from './text.ts';

/** Where a message goes: a chat, or a person. */
export type MessageTarget = { chat: ChatRef } | { user: UserRef };
export type SendMessage = { to: MessageTarget; text: string | null; clientMessageId: string | null; clientSentAt: Date | null; attachmentIds: readonly AttachmentId[] };
/** Most files in one message. */
export const mostAttachments = 10;

export type Sending = ReturnType<typeof createSending>;
/** A message that is to be stored. */
export type Draft = {
  senderId: UserId;
  to: ChatRef;
  text: string | null;
  clientMessageId: string | null;
  contentDigest: string | null;
  clientSentAt: Date | null;
  /** Uploads that go with it, in their order. */
  attachmentIds: readonly AttachmentId[];
};
/** What messages need of the files that go with them. Statements of the transaction that stores or changes the message. */
export type MessageFiles = {
  /** Those of these uploads that are completed and not in use, kept from others until the transaction ends. */
  hold(sql: Sql, ids: readonly AttachmentId[]): Promise<readonly { id: AttachmentId; uploaderId: UserId }[]>;
  /** Puts uploads that are held into messages that are stored. */
  attach(sql: Sql, places: readonly { id: AttachmentId; messageId: MessageId; position: number }[]): Promise<void>;
  /** Whether a message has files. */
  hasAny(sql: Sql, messageId: MessageId): Promise<boolean>;
  /** The messages have no files any more. */
  release(sql: Sql, messageIds: readonly MessageId[]): Promise<void>;
  /** A room's picture is none any more. */
  drop(sql: Sql, attachmentId: AttachmentId): Promise<void>;
  /** To be called after the commit. */
  clearAway(): void;
};
/** What a message stands in: its place, and how many members the chat has besides its sender. */
export type Placed = { chat: ChatRow; seq: number; others: number };
/** What is told right behind a message, in the same transaction. */
export type Announce = (placed: Placed) => NewEvent[];
export type Sent = { message: MessageRow; duplicate: boolean; chat: ChatRow | null };

export function createSending({
  db,
  writeBatch,
  chats,
  accounts,
  limits,
  keys,
  config,
  clock,
  announce,
  files,
}: {
  db: Database;
  writeBatch: WriteBatch;
  chats: Pick<Chats, 'findRows' | 'places'>;
  accounts: Pick<Accounts, 'get'>;
  limits: Pick<RateLimits, 'take'>;
  keys: Pick<Keys, 'digest'>;
  config: Pick<Config, 'MAX_MESSAGE_CHARS'>;
  clock: () => Date;
  /** What is told right behind each message. */
  announce: Announce;
  files: MessageFiles;
}) {
  const store = createGroup<Draft, Sent>(writeBatch, (sql, number, drafts) => storeDrafts(sql, number, drafts, clock, announce, files));
  return { send };

  /**
   * Stores a message, with the files that go with it, and wakes everyone who can see the chat; a dialog opens by itself.
   * Sending again with the same `clientMessageId` returns the first message and wakes nobody.
   * Fails with VALIDATION_FAILED, NOT_FOUND, FORBIDDEN, CONFLICT or RATE_LIMITED.
   */
  async function send(viewer: Viewer, { to, ...given }: SendMessage): Promise<Sent> {
    const input = { ...given, text: given.text && withNewlines(given.text) };
    checkInput(input);
    await limits.take('SEND', viewer.userId);
    const content = { ...input, senderId: viewer.userId, text: input.text || null, contentDigest: input.clientMessageId === null ? null : keys.digest(contentOf(input)) };
    let target: ChatRef;
    try {
      target = 'chat' in to ? to.chat : pairOf(viewer.userId, (await accounts.get(to.user)).id);
    } catch (error) {
      // The person may have gone since the message was stored: the retry must still learn that it was.
      const earlier = hasCode(error, 'NOT_FOUND') ? await findDeserted(content) : null;
      if (!earlier) throw error;
      return asSeen(viewer, earlier);
    }
    return asSeen(viewer, await store({ ...content, to: target }));
  }

  function checkInput({ text, attachmentIds, clientMessageId }: Omit<SendMessage, 'to'>): void {
    const problems = createProblems();
    if (attachmentIds.length === 0 || text) checkText(problems, text, config.MAX_MESSAGE_CHARS);
    if (attachmentIds.length > mostAttachments) problems.add('attachmentIds', 'length', `A message has at most ${mostAttachments} files.`);
    else if (new Set(attachmentIds).size < attachmentIds.length) problems.add('attachmentIds', 'unique', 'A file can be in a message once.');
    if (clientMessageId !== null && !/^[\x20-\x7e]{1,128}$/.test(clientMessageId)) {
      problems.add('clientMessageId', 'format', 'A clientMessageId is 1 to 128 printable ASCII characters.');
    }
    problems.check();
  }

  /** What was sent before to somebody who is gone since, in a dialog that is left. */
  async function findDeserted(content: Omit<Draft, 'to'>): Promise<Sent | null> {
    const { senderId, clientMessageId } = content;
    const [message] = clientMessageId === null ? [] : await sentBefore(db.sql, [{ senderId, clientMessageId }]);
    if (!message || !(await isDeserted(db.sql, message.chatId, senderId))) return null;
    if (message.contentDigest !== content.contentDigest) throw idReused();
    return { message, duplicate: true, chat: null };
  }

  /** A retry also finds a message in a room that its sender lost since: then it tells no more of the room than the sender knew. Fails with NOT_FOUND when the room was deleted. */
  async function asSeen({ userId }: Viewer, sent: Sent): Promise<Sent> {
    if (!sent.duplicate) return sent;
    const [chat] = await chats.findRows([sent.message.chatId]);
    if (!chat) throw notFound('Chat');
    const [place] = await chats.places(userId, [chat.id]);
    return { ...sent, chat: canSee({ chat, member: null, banned: false, ...place }) ? chat : asLost(chat, sent.message) };
  }
}

/** What a retry must have in common with what was sent first. NUL is in no text. */
const contentOf = ({ text, attachmentIds }: Pick<SendMessage, 'text' | 'attachmentIds'>): string => [text ?? '', ...attachmentIds].join('\0');

/** A room as it was for somebody who lost it after this message: what was set or happened later is left out. */
const asLost = (room: ChatRow, { seq, createdAt }: MessageRow): ChatRow => ({
  ...room,
  name: '',
  topic: null,
  link: null,
  capacity: null,
  avatarId: null,
  passwordHash: null,
  memberCount: 0,
  lastSeq: seq,
  lastActivityAt: createdAt,
});

// ---------------------------------------------------------------- storing a batch

/** Stores a batch of drafts: reads what they need once, decides each on its own, writes once. */
export async function storeDrafts(sql: Sql, number: Numbering, drafts: readonly Draft[], clock: () => Date, announce: Announce, files: MessageFiles): Promise<Outcome<Sent>[]> {
  const outcomes = new Map<Draft, Outcome<Sent>>();
  const earlier = await findEarlier(sql, drafts);
  const dialogs = await dialogIds(sql, drafts.map(({ to }) => to).filter(isPair));
  const fresh = drafts.filter((draft) => {
    const stored = earlier.get(keyOf(draft));
    // Before any permission: a retry learns that it was stored whatever happened since.
    if (stored) outcomes.set(draft, asRetry(stored, draft, dialogs));
    return !stored;
  });
  // The same id twice in one batch: the second is a retry of the first.
  const firstOf = new Map<string, Draft>();
  const firsts = fresh.filter((draft) => {
    if (draft.clientMessageId === null) return true;
    const key = keyOf(draft);
    return !firstOf.has(key) && firstOf.set(key, draft);
  });
  const places = await prepareChats(sql, firsts, dialogs, clock());
  const mustHold = await holdFiles(sql, firsts, files);

  const accepted: (Placed & { draft: Draft })[] = [];
  for (const draft of firsts) {
    try {
      const { chat, others } = places.mustPost(draft);
      mustHold(draft);
      chat.lastSeq += 1;
      accepted.push({ draft, chat, seq: chat.lastSeq, others });
    } catch (error) {
      outcomes.set(draft, { error });
    }
  }
  if (accepted.length > 0) {
    const added: NewEvent[] = places.opened.flatMap(({ id, low, high }) =>
      [...new Set([low, high])].map((userId) => ({ type: 'chat-added' as const, chatId: id, userId, dialog: { low, high } })),
    );
    const events = await number([...added, ...accepted.flatMap((placed) => [{ type: 'message-added' as const, chatId: placed.chat.id }, ...announce(placed)])]);
    const ofMessages = events.filter((event) => event.type === 'message-added');
    const rows = accepted.map(({ draft, chat, seq }, index) => {
      const event = ofMessages[index] as EventOf<'message-added'>;
      const { to, attachmentIds, ...content } = draft;
      const message: MessageRow = { ...content, id: messageIdOf(event), chatId: chat.id, seq, createdAt: event.at, version: 1, editedAt: null, deletedAt: null };
      event.message = message;
      // A clock that was set back must not take the chat back.
      if (event.at > chat.lastActivityAt) chat.lastActivityAt = event.at;
      outcomes.set(draft, { result: { message, duplicate: false, chat } });
      return message;
    });
    const messages = new Map(rows.map((message) => [message.id, message]));
    for (const event of events) if (event.type === 'notification-added') event.message = messages.get(messageIdOf(event));
    await insertMessages(sql, rows);
    await files.attach(
      sql,
      accepted.flatMap(({ draft }, index) => draft.attachmentIds.map((id, position) => ({ id, messageId: (rows[index] as MessageRow).id, position }))),
    );
    await advanceChats(sql, [...new Set(accepted.map(({ chat }) => chat))], new Map(rows.map(({ id, chatId }) => [chatId, id])));
  }
  for (const draft of fresh) {
    if (outcomes.has(draft)) continue;
    const first = outcomes.get(firstOf.get(keyOf(draft)) as Draft) as Outcome<Sent>;
    outcomes.set(draft, 'error' in first ? first : asRetry(first.result.message, draft, dialogs));
  }
  return drafts.map((draft) => outcomes.get(draft) as Outcome<Sent>);
}

const keyOf = ({ senderId, clientMessageId }: Pick<Draft, 'senderId' | 'clientMessageId'>): string => `${senderId} ${clientMessageId}`;
const isPair = (to: ChatRef): to is Pair => 'low' in to;

async function findEarlier(sql: Sql, drafts: readonly Draft[]): Promise<Map<string, MessageRow>> {
  const keys = drafts.flatMap(({ senderId, clientMessageId }) => (clientMessageId === null ? [] : [{ senderId, clientMessageId }]));
  if (keys.length === 0) return new Map();
  return new Map((await sentBefore(sql, keys)).map((message) => [keyOf(message), message]));
}

/** "The same content" is the same chat and what was first sent. */
function asRetry(message: MessageRow, { to, contentDigest }: Draft, dialogs: Map<string, ChatId>): Outcome<Sent> {
  const chatId = isPair(to) ? dialogs.get(pairKey(to)) : to.roomId;
  if (chatId !== message.chatId || message.contentDigest !== contentDigest) return { error: idReused() };
  return { result: { message, duplicate: true, chat: null } };
}

const idReused = (): AppError => new AppError('CONFLICT', { conflictReason: 'CLIENT_MESSAGE_ID_REUSED' }, 'This clientMessageId was sent before with other content.');

/** Returns what throws NOT_FOUND for a draft with files that are not its sender's, or not free. Of two drafts with the same file the first one has it. */
async function holdFiles(sql: Sql, drafts: readonly Draft[], files: MessageFiles): Promise<(draft: Draft) => void> {
  const held = new Map((await files.hold(sql, [...new Set(drafts.flatMap(({ attachmentIds }) => attachmentIds))])).map(({ id, uploaderId }) => [id, uploaderId]));
  return ({ senderId, attachmentIds }) => {
    if (attachmentIds.some((id) => held.get(id) !== senderId)) throw notFound('Attachment');
    for (const id of attachmentIds) held.delete(id);
  };
}

/** Opens the dialogs that are missing, locks all chats of the batch, and reads who may post where. */
async function prepareChats(sql: Sql, drafts: readonly Draft[], dialogs: Map<string, ChatId>, at: Date) {
  const pairs = [
    ...new Map(
      drafts
        .map(({ to }) => to)
        .filter(isPair)
        .map((pair) => [pairKey(pair), pair]),
    ).values(),
  ];
  const alive = pairs.length > 0 ? await liveAccounts(sql, [...new Set(pairs.flatMap(({ low, high }) => [low, high]))]) : new Set<UserId>();
  const missing = drafts
    .filter(({ to, senderId }) => isPair(to) && !dialogs.has(pairKey(to)) && alive.has(to.low) && alive.has(to.high) && (senderId === to.low || senderId === to.high))
    .map(({ to }) => to)
    .filter(isPair);
  const opened = missing.length > 0 ? await openDialogs(sql, [...new Map(missing.map((pair) => [pairKey(pair), pair])).values()], at) : [];
  if (missing.length > 0) for (const [pair, id] of await dialogIds(sql, missing)) dialogs.set(pair, id);

  const chatIdOf = ({ to }: Draft): ChatId | undefined => (isPair(to) ? dialogs.get(pairKey(to)) : to.roomId);
  const chatIds = [...new Set(drafts.map(chatIdOf).filter((id) => id !== undefined))];
  const chats = new Map((chatIds.length > 0 ? await lockChats(sql, chatIds) : []).map((chat) => [chat.id, chat]));
  // After the lock: whoever changes memberships holds it too.
  const places = drafts.map((draft) => ({ chatId: chatIdOf(draft) ?? noChat, userId: draft.senderId })).filter(({ chatId }) => chats.has(chatId));
  const members = new Map((places.length > 0 ? await membersAt(sql, places) : []).map((member) => [placeKey(member), member]));
  const guests = places.filter((place) => !members.has(placeKey(place)));
  const banned = new Set((guests.length > 0 ? await bansAt(sql, guests) : []).map(placeKey));
  const present = await holdAccounts(sql, [...new Set(guests.map(({ userId }) => userId))]);
  return { opened, mustPost };

  /** The chat a draft goes to, and how many members it has besides the sender; or why it may not. */
  function mustPost(draft: Draft): Pick<Placed, 'chat' | 'others'> {
    const { to, senderId } = draft;
    const chat = chats.get(chatIdOf(draft) ?? noChat);
    // The account was deleted since the request began.
    if (isPair(to) && (senderId === to.low || senderId === to.high) && !alive.has(senderId)) throw new AppError('TOKEN_INVALID');
    if (!chat || (chat.kind === 'ROOM') === isPair(to)) throw notFound('Chat');
    const place = placeKey({ chatId: chat.id, userId: senderId });
    const member = members.get(place) ?? null;
    if (!member && !present.has(senderId)) throw new AppError('TOKEN_INVALID');
    if (isPair(to) && !(alive.has(to.low) && alive.has(to.high))) throw notFound(member ? 'User' : 'Chat');
    return { chat: must('post', { chat, member, banned: banned.has(place) }), others: chat.memberCount - (member ? 1 : 0) };
  }
}
