/**
 * Storing what is sent, many messages at once, as a job (docs/decisions/threads.md): it knows nothing but `sql`, and what goes in and comes out is JSON. New
 * messages come out as their places: who sent them has the rest.
 */
import { firstRights, must } from '../chats/access.ts';
import type { ChatRef } from '../chats/chats.ts';
import { rightsOf } from '../chats/rights.ts';
import { AppError, notFound } from '../errors.ts';
import type { Numbering } from '../events/batch.ts';
import { type EventOf, messageIdOf, type NewEvent } from '../events/event.ts';
import { type AttachmentId, type ChatId, type MessageId, noChat, placeKey, type UserId } from '../ids.ts';
import { toWire, type WireError } from '../storage/crossing.ts';
import { dialogIds, type Pair, pairKey } from '../storage/dialogs.ts';
import { holdAccounts, lockChats } from '../storage/locks.ts';
import { type ChatRow, type MessageRow, type Stored, toStored } from '../storage/rows.ts';
import { type Sql, toDateOrNull } from '../storage/sql.ts';
import { type DraftKind, type Pointers, pointersOf, type Resolved, readPointed, toMessageKind } from './kinds.ts';
import { insertMentions, toMentionRows } from './mention-rows.ts';
import { mustMentionAll } from './mentioning.ts';
import { advanceChats, bansAt, insertMessages, liveAccounts, membersAt, openDialogs, sentBefore } from './store.ts';
import { addReplies, findNewFollowers, followEvents } from './thread-rows.ts';

/** A message that is to be stored. */
export type Draft = {
  senderId: UserId;
  to: ChatRef;
  text: string | null;
  clientMessageId: string | null;
  contentDigest: string | null;
  /** In milliseconds. */
  clientSentAt: number | null;
  /** Uploads that go with it, in their order. */
  attachmentIds: readonly AttachmentId[];
  /** Null for most: a text, files, or both. */
  kind: DraftKind | null;
};
/** What messages need of the files that go with them, in the transaction that stores the message. */
export type BatchFiles = {
  /** Those of these uploads that are completed and not in use, kept from others until the transaction ends. */
  hold(sql: Sql, ids: readonly AttachmentId[], at: Date): Promise<readonly { id: AttachmentId; uploaderId: UserId }[]>;
  /** Puts uploads that are held into messages that are stored. */
  attach(sql: Sql, places: readonly { id: AttachmentId; messageId: MessageId; position: number }[]): Promise<void>;
};
/** What a message stands in: its place, and how many members the chat has besides its sender. */
export type Placed = { chat: ChatRow; seq: number; others: number };
/** What is told right behind a message, in the same transaction. */
export type Announce = (placed: Placed) => NewEvent[];

/** What became of a draft: where it was stored, or the message that had been stored under its id before, or the draft of the same batch that was, or why not. */
export type StoredDraft = { id: MessageId; seq: number; chat: number; pointers: Pointers | null } | { earlier: Stored<MessageRow> } | { sameAs: number } | { error: WireError };
/** In the order of the drafts. `chat` is an index into the chats, which are as they are now. */
export type StoredDrafts = { chats: Stored<ChatRow>[]; drafts: StoredDraft[] };

/** Reads what the drafts need once, decides each on its own, writes once. */
export async function storeDrafts(
  sql: Sql,
  number: Numbering,
  drafts: readonly Draft[],
  at: Date,
  { announce, files }: { /** What is told right behind each message. */ announce: Announce; files: BatchFiles },
): Promise<StoredDrafts> {
  const outcomes = new Map<Draft, StoredDraft>();
  const earlier = await findEarlier(sql, drafts);
  const dialogs = await dialogIds(sql, drafts.map(({ to }) => to).filter(isPair));
  const fresh = drafts.filter((draft) => {
    const stored = earlier.get(keyOf(draft));
    // Before any permission: a retry learns that it was stored whatever happened since.
    if (stored) outcomes.set(draft, isRetry(stored, draft, dialogs) ? { earlier: toStored(stored) } : idReused);
    return !stored;
  });
  // The same id twice in one batch: the second is a retry of the first.
  const firstOf = new Map<string, Draft>();
  const firsts = fresh.filter((draft) => {
    if (draft.clientMessageId === null) return true;
    const key = keyOf(draft);
    return !firstOf.has(key) && firstOf.set(key, draft);
  });
  const places = await prepareChats(sql, firsts, dialogs, at);
  const mustHold = await holdFiles(sql, firsts, at, files);

  const pointed = await readPointed(
    sql,
    firsts.map(({ kind }) => kind),
  );

  const accepted: (Placed & { draft: Draft; pointers: Resolved | null })[] = [];
  for (const draft of firsts) {
    try {
      const { chat, others } = places.mustPost(draft);
      const pointers = draft.kind && pointersOf(draft.kind, chat, pointed);
      mustHold(draft);
      chat.lastSeq += 1;
      accepted.push({ draft, chat, seq: chat.lastSeq, others, pointers });
    } catch (error) {
      outcomes.set(draft, { error: toWire(error) });
    }
  }
  const chats = [...new Set(accepted.map(({ chat }) => chat))];
  const indexOf = new Map(chats.map((chat, index) => [chat, index]));
  if (accepted.length > 0) {
    const added: NewEvent[] = places.opened.flatMap(({ id, low, high }) =>
      [...new Set([low, high])].map((userId) => ({ type: 'chat-added' as const, chatId: id, userId, dialog: { low, high } })),
    );
    const replies = accepted.flatMap(({ draft, seq, pointers }) =>
      pointers?.root ? [{ root: pointers.root, senderId: draft.senderId, named: draft.kind?.named.map(({ id }) => id) ?? [], seq, at }] : [],
    );
    const followers = await findNewFollowers(sql, replies);
    const events = await number([
      ...added,
      ...accepted.flatMap((placed) => [{ type: 'message-added' as const, chatId: placed.chat.id }, ...announce(placed)]),
      ...followEvents(followers),
    ]);
    const ofMessages = events.filter((event) => event.type === 'message-added');
    const rows = accepted.map(({ draft, chat, seq, pointers }, index) => {
      const message = toMessageRow(draft, { id: messageIdOf(ofMessages[index] as EventOf<'message-added'>), chatId: chat.id, seq, at }, pointers);
      // A clock that was set back must not take the chat back.
      if (at > chat.lastActivityAt) chat.lastActivityAt = at;
      const { replyToSeq, threadRootSeq } = message;
      outcomes.set(draft, { id: message.id, seq, chat: indexOf.get(chat) as number, pointers: draft.kind && { replyToSeq, threadRootSeq } });
      return message;
    });
    await insertMessages(sql, rows);
    await addReplies(sql, replies, followers);
    await insertMentions(
      sql,
      accepted.flatMap(({ draft, pointers }, index) =>
        draft.kind ? toMentionRows(rows[index] as MessageRow, { named: draft.kind.named, answered: pointers?.answered ?? null }) : [],
      ),
    );
    await files.attach(
      sql,
      accepted.flatMap(({ draft }, index) => draft.attachmentIds.map((id, position) => ({ id, messageId: (rows[index] as MessageRow).id, position }))),
    );
    await advanceChats(sql, chats, new Map(rows.map(({ id, chatId }) => [chatId, id])));
  }
  for (const draft of fresh) {
    if (outcomes.has(draft)) continue;
    const first = firstOf.get(keyOf(draft)) as Draft;
    const placed = accepted.find((one) => one.draft === first);
    if (!placed) outcomes.set(draft, outcomes.get(first) as StoredDraft);
    else outcomes.set(draft, isRetry({ chatId: placed.chat.id, contentDigest: first.contentDigest }, draft, dialogs) ? { sameAs: drafts.indexOf(first) } : idReused);
  }
  return { chats: chats.map(toStored), drafts: drafts.map((draft) => outcomes.get(draft) as StoredDraft) };
}

/** The message that a draft becomes. */
export const toMessageRow = (
  { to, attachmentIds, clientSentAt, kind, ...content }: Draft,
  { id, chatId, seq, at }: { id: MessageId; chatId: ChatId; seq: number; at: Date },
  pointers: Pointers | null,
): MessageRow => ({
  ...content,
  clientSentAt: toDateOrNull(clientSentAt),
  id,
  chatId,
  seq,
  createdAt: at,
  version: 1,
  editedAt: null,
  deletedAt: null,
  ...toMessageKind(kind, pointers),
});

const keyOf = ({ senderId, clientMessageId }: Pick<Draft, 'senderId' | 'clientMessageId'>): string => `${senderId} ${clientMessageId}`;
const isPair = (to: ChatRef): to is Pair => 'low' in to;

async function findEarlier(sql: Sql, drafts: readonly Draft[]): Promise<Map<string, MessageRow>> {
  const keys = drafts.flatMap(({ senderId, clientMessageId }) => (clientMessageId === null ? [] : [{ senderId, clientMessageId }]));
  if (keys.length === 0) return new Map();
  return new Map((await sentBefore(sql, keys)).map((message) => [keyOf(message), message]));
}

/** "The same content" is the same chat and what was first sent. */
function isRetry(stored: Pick<MessageRow, 'chatId' | 'contentDigest'>, { to, contentDigest }: Draft, dialogs: Map<string, ChatId>): boolean {
  const chatId = isPair(to) ? dialogs.get(pairKey(to)) : to.roomId;
  return chatId === stored.chatId && contentDigest === stored.contentDigest;
}

export const idReusedError = (): AppError => new AppError('CONFLICT', { conflictReason: 'CLIENT_MESSAGE_ID_REUSED' }, 'This clientMessageId was sent before with other content.');
const idReused: StoredDraft = { error: toWire(idReusedError()) };

/** Returns what throws NOT_FOUND for a draft with files that are not its sender's, or not free. Of two drafts with the same file the first one has it. */
async function holdFiles(sql: Sql, drafts: readonly Draft[], at: Date, files: BatchFiles): Promise<(draft: Draft) => void> {
  const held = new Map((await files.hold(sql, [...new Set(drafts.flatMap(({ attachmentIds }) => attachmentIds))], at)).map(({ id, uploaderId }) => [id, uploaderId]));
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
  const calling = [...new Set(drafts.filter(({ kind }) => kind?.mentionsAll).map(chatIdOf))].filter((id) => id !== undefined);
  const allowed = await rightsOf(sql, calling);
  const rights = new Map(calling.map((id, index) => [id, allowed[index]]));
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
    const standing = { chat, member, banned: banned.has(place), rights: rights.get(chat.id) ?? firstRights };
    must('post', standing);
    if (draft.kind?.mentionsAll) mustMentionAll(standing);
    return { chat, others: chat.memberCount - (member ? 1 : 0) };
  }
}
