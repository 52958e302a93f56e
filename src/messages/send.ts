/**
 * Sending messages: who may post where, a dialog that opens by itself, the next seq, and a retry that finds what was stored. Every message is stored together
 * with its event.
 */
import type { Accounts, UserRef } from '../accounts/accounts.ts';
import { foldName, withNewlines } from '../accounts/names.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import { canSee } from '../chats/access.ts';
import type { ChatRef, Chats } from '../chats/chats.ts';
import type { Config } from '../config.ts';
import { createProblems, hasCode, notFound } from '../errors.ts';
import { type LogEvent, messageIdOf } from '../events/event.ts';
import { createGroup, type Outcome } from '../events/group.ts';
import type { WriteJob } from '../events/write.ts';
import type { AttachmentId, MessageId } from '../ids.ts';
import type { Keys } from '../sessions/keys.ts';
import { fromWire } from '../storage/crossing.ts';
import type { Database } from '../storage/database.ts';
import { pairOf } from '../storage/dialogs.ts';
import { type ChatRow, type MessageRow, toChatRow } from '../storage/rows.ts';
import type { Sql } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { type Draft, idReusedError, type StoredDrafts, toMessageRow } from './batch.ts';
import type { DraftKind } from './kinds.ts';
import { type Named, namedIn } from './mention-rows.ts';
import { checkNotInThread, type GivenMentions, getNamed } from './mentioning.ts';
import type { Messages } from './messages.ts';
import { parseMetadata, toCanonical } from './metadata.ts';
import { isDeserted, sentBefore, toMessage } from './store.ts';
import { checkText } from './text.ts';

/** Where a message goes: a chat, or a person. */
export type MessageTarget = { chat: ChatRef } | { user: UserRef };
export type SendMessage = {
  to: MessageTarget;
  text: string | null;
  clientMessageId: string | null;
  clientSentAt: Date | null;
  attachmentIds: readonly AttachmentId[];
  /** What few messages have; left out for none of it. */
  kind?: GivenKind | undefined;
};
/** What a message is to be besides a text and files, as it was said. */
export type GivenKind = {
  replyToId: MessageId | null;
  notifyAuthor: boolean;
  threadRootId: MessageId | null;
  mentions: GivenMentions | null;
  forwardOf: MessageId | null;
  metadata: unknown;
};
/** Files of a message once more, for one that is sent on. */
export type FileCopies = { copy(viewer: Viewer, messageId: MessageId): Promise<AttachmentId[]>; discard(ids: readonly AttachmentId[]): Promise<void> };
/** Most files in one message. */
export const mostAttachments = 10;

export type Sending = ReturnType<typeof createSending>;
/** What messages need of the files that went with them. Statements of the transaction that changes the message. */
export type MessageFiles = {
  /** Whether a message has files. */
  hasAny(sql: Sql, messageId: MessageId): Promise<boolean>;
  /** The messages have no files any more. */
  release(sql: Sql, messageIds: readonly MessageId[]): Promise<void>;
  /** A room's picture is none any more. */
  drop(sql: Sql, attachmentId: AttachmentId): Promise<void>;
  /** To be called after the commit. */
  clearAway(): void;
};
export type Sent = { message: MessageRow; duplicate: boolean; chat: ChatRow | null };

export function createSending({
  db,
  writeJob,
  chats,
  messages,
  copies,
  accounts,
  limits,
  keys,
  config,
}: {
  db: Database;
  writeJob: WriteJob;
  chats: Pick<Chats, 'findRows' | 'places'>;
  messages: Pick<Messages, 'find'>;
  copies: FileCopies;
  accounts: Pick<Accounts, 'get' | 'getAll'>;
  limits: Pick<RateLimits, 'take'>;
  keys: Pick<Keys, 'digest'>;
  config: Pick<Config, 'MAX_MESSAGE_CHARS'>;
}) {
  const store = createGroup<Draft, Sent>((drafts) => writeJob('store messages', drafts, (stored: StoredDrafts, events, at) => toOutcomes(drafts, stored, events, at)));
  return { send };

  /**
   * Stores a message, with the files that go with it, and wakes everyone who can see the chat; a dialog opens by itself.
   * Sending again with the same `clientMessageId` returns the first message and wakes nobody.
   * Fails with VALIDATION_FAILED, NOT_FOUND, FORBIDDEN, CONFLICT, RATE_LIMITED, or QUOTA_EXCEEDED by the files of a message that is sent on.
   */
  async function send(viewer: Viewer, { to, kind: givenKind, ...given }: SendMessage): Promise<Sent> {
    const input = { ...given, text: given.text && withNewlines(given.text) };
    const parsed = parseKind(input, givenKind);
    await limits.take('SEND', viewer.userId);
    const kind = parsed && givenKind?.mentions ? { ...parsed, named: await namedOf(viewer, input, givenKind.mentions) } : parsed;
    const content: Omit<Draft, 'to'> = {
      ...input,
      senderId: viewer.userId,
      text: input.text || null,
      clientSentAt: input.clientSentAt?.getTime() ?? null,
      contentDigest: input.clientMessageId === null ? null : keys.digest(contentOf({ ...input, kind })),
      kind,
    };
    let target: ChatRef;
    try {
      target = 'chat' in to ? to.chat : pairOf(viewer.userId, (await accounts.get(to.user)).id);
    } catch (error) {
      // The person may have gone since the message was stored: the retry must still learn that it was.
      const earlier = hasCode(error, 'NOT_FOUND') ? await findDeserted(content) : null;
      if (!earlier) throw error;
      return asSeen(viewer, earlier);
    }
    if (kind && kind.forwardOf !== null) return asSeen(viewer, await sendOn(viewer, { ...content, to: target, kind }, kind.forwardOf));
    return asSeen(viewer, await store({ ...content, to: target }));
  }

  /** Who is named. In a retry by their ids, or by the names that they had: they may have gone since, or be called something else. Fails with NOT_FOUND (User), VALIDATION_FAILED. */
  async function namedOf({ userId: senderId }: Viewer, { clientMessageId }: Pick<SendMessage, 'clientMessageId'>, mentions: GivenMentions): Promise<Named[]> {
    try {
      return await getNamed(accounts, mentions);
    } catch (error) {
      const [earlier] = hasCode(error, 'NOT_FOUND') && clientMessageId !== null ? await sentBefore(db.sql, [{ senderId, clientMessageId }]) : [];
      if (!earlier) throw error;
      const before = new Map((await namedIn(db.sql, earlier.id)).map(({ id, writtenAs }) => [foldName(writtenAs), id]));
      const ids = mentions.users.map((ref) => (ref === null ? null : 'id' in ref ? ref.id : 'username' in ref ? before.get(foldName(ref.username)) : null));
      return [...new Set(ids)].flatMap((id) => (id == null ? [] : [{ id, writtenAs: '' }]));
    }
  }

  /** Stores a copy of a message. One that was stored under this id before is found without copying anything. */
  async function sendOn(viewer: Viewer, draft: Draft & { kind: DraftKind }, forwardOf: MessageId): Promise<Sent> {
    const { senderId, clientMessageId } = draft;
    if (clientMessageId !== null && (await sentBefore(db.sql, [{ senderId, clientMessageId }])).length > 0) return store(draft);
    const origin = await messages.find(viewer, forwardOf);
    if (!origin || origin.deletedAt) throw notFound('Message');
    const { id, senderId: authorId, createdAt, forwardOfId, forwardAuthorId, forwardSentAt } = origin;
    const sentOn = forwardOfId !== null && forwardAuthorId !== null && forwardSentAt !== null;
    const forward = sentOn ? { id: forwardOfId, authorId: forwardAuthorId, sentAt: forwardSentAt.getTime() } : { id, authorId, sentAt: createdAt.getTime() };
    const attachmentIds = await copies.copy(viewer, id);
    let used = false;
    try {
      const sent = await store({ ...draft, text: origin.text, attachmentIds, kind: { ...draft.kind, forward } });
      used = !sent.duplicate;
      return sent;
    } finally {
      if (!used && attachmentIds.length > 0) await copies.discard(attachmentIds);
    }
  }

  /** Checks all that can be checked without the chat. */
  function parseKind({ text, attachmentIds, clientMessageId }: Omit<SendMessage, 'to'>, given: GivenKind | undefined): DraftKind | null {
    const problems = createProblems();
    const { replyToId = null, threadRootId = null, notifyAuthor = true, mentions = null, forwardOf = null } = given ?? {};
    if (forwardOf !== null) {
      if (text || attachmentIds.length > 0 || replyToId !== null)
        problems.add('forwardOf', 'alone', 'A message that is sent on has the text and the files of that one, and answers nothing.');
    } else if (attachmentIds.length === 0 || text) checkText(problems, text, config.MAX_MESSAGE_CHARS);
    if (attachmentIds.length > mostAttachments) problems.add('attachmentIds', 'length', `A message has at most ${mostAttachments} files.`);
    else if (new Set(attachmentIds).size < attachmentIds.length) problems.add('attachmentIds', 'unique', 'A file can be in a message once.');
    if (clientMessageId !== null && !/^[\x20-\x7e]{1,128}$/.test(clientMessageId)) {
      problems.add('clientMessageId', 'format', 'A clientMessageId is 1 to 128 printable ASCII characters.');
    }
    const metadata = parseMetadata(problems, given?.metadata);
    problems.check();
    if (mentions) checkNotInThread(mentions, threadRootId !== null);
    const isForSomebody = mentions !== null && (mentions.users.length > 0 || mentions.all !== null);
    if (replyToId === null && threadRootId === null && !isForSomebody && forwardOf === null && metadata === null) return null;
    return { replyToId, notifyAuthor, threadRootId, named: [], mentionsAll: mentions?.all ?? null, forwardOf, forward: null, metadata };
  }

  /** What was sent before to somebody who is gone since, in a dialog that is left. */
  async function findDeserted(content: Omit<Draft, 'to'>): Promise<Sent | null> {
    const { senderId, clientMessageId } = content;
    const [message] = clientMessageId === null ? [] : await sentBefore(db.sql, [{ senderId, clientMessageId }]);
    if (!message || !(await isDeserted(db.sql, message.chatId, senderId))) return null;
    if (message.contentDigest !== content.contentDigest) throw idReusedError();
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

/** What a retry must have in common with what was sent first. NUL is in no text, and two of them in nothing that is a text with files alone. */
function contentOf({ text, attachmentIds, kind }: Pick<Draft, 'text' | 'attachmentIds' | 'kind'>): string {
  const plain = [text ?? '', ...attachmentIds].join('\0');
  if (!kind) return plain;
  const { replyToId, threadRootId, named, mentionsAll, forwardOf, metadata } = kind;
  const mentions = named.map(({ id }) => id).sort((a, b) => a - b);
  return `${plain}\0\0${toCanonical({ replyToId, threadRootId, mentions, mentionsAll, forwardOf, metadata: metadata && JSON.parse(metadata) })}`;
}

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

/** What became of each draft. The events get their messages, so that handing them out reads nothing. */
function toOutcomes(drafts: readonly Draft[], { chats, drafts: stored }: StoredDrafts, events: readonly LogEvent[], at: Date): Outcome<Sent>[] {
  const rows = chats.map(toChatRow);
  const messages = new Map<MessageId, MessageRow>();
  const outcomes = stored.map((outcome, index): Outcome<Sent> | null => {
    if ('error' in outcome) return { error: fromWire(outcome.error) };
    if ('earlier' in outcome) return { result: { message: toMessage(outcome.earlier), duplicate: true, chat: null } };
    if ('sameAs' in outcome) return null;
    const chat = rows[outcome.chat] as ChatRow;
    const message = toMessageRow(drafts[index] as Draft, { id: outcome.id, chatId: chat.id, seq: outcome.seq, at }, outcome.pointers);
    messages.set(message.id, message);
    return { result: { message, duplicate: false, chat } };
  });
  for (const event of events) if (event.type === 'message-added' || event.type === 'notification-added') event.message = messages.get(messageIdOf(event));
  return stored.map((outcome, index) => {
    if (!('sameAs' in outcome)) return outcomes[index] as Outcome<Sent>;
    const { result } = outcomes[outcome.sameAs] as { result: Sent };
    return { result: { message: result.message, duplicate: true, chat: null } };
  });
}
