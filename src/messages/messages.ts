/** Sending, changing and reading messages. Every write goes through the event log, so a stored message always has its event. */
import type { Accounts, UserRef } from '../accounts/accounts.ts';
import { codePoints, hasForbiddenCharacters, isVisible } from '../accounts/names.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import { can, canSee, must } from '../chats/access.ts';
import { type ChatRef, type Chats, refOf } from '../chats/chats.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, hasCode, invalid, notFound, type Problems } from '../errors.ts';
import { createGroup } from '../events/group.ts';
import type { Write, WriteBatch } from '../events/write.ts';
import { type AttachmentId, type ChatId, type MessageId, toMessageId } from '../ids.ts';
import type { Keys } from '../sessions/keys.ts';
import type { Database, Tx } from '../storage/database.ts';
import { pairOf } from '../storage/dialogs.ts';
import type { Locks } from '../storage/locks.ts';
import { isWhole, type Page, type PageRequest } from '../storage/page.ts';
import type { ChatRow, MessageRow } from '../storage/rows.ts';
import { oneOfList } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { type Announce, type Draft, type MessageFiles, type Sent, storeDrafts } from './send.ts';
import { messagePage, messagesAt, messagesByIds } from './store.ts';

export type Messages = ReturnType<typeof createMessages>;
/** Where a message goes: a chat, or a person. */
export type MessageTarget = { chat: ChatRef } | { user: UserRef };
export type SendMessage = { to: MessageTarget; text: string | null; clientMessageId: string | null; clientSentAt: Date | null; attachmentIds: readonly AttachmentId[] };
/** Most files in one message. */
export const mostAttachments = 10;
export type Anchor = { afterSeq: number } | { beforeSeq: number } | { aroundSeq: number } | { firstUnread: true };

export function createMessages({
  db,
  locks,
  write,
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
  locks: Locks;
  write: Write;
  writeBatch: WriteBatch;
  chats: Chats;
  accounts: Accounts;
  limits: RateLimits;
  keys: Keys;
  config: Config;
  clock: () => Date;
  /** What is told right behind each message. */
  announce: Announce;
  files: MessageFiles;
}) {
  const store = createGroup<Draft, Sent>(writeBatch, (sql, number, drafts) => storeDrafts(sql, number, drafts, clock, announce, files));
  return { send, edit, remove, find, findMany, findRows, findAt, page, sweepDeletedRooms };

  /**
   * Stores a message, with the files that go with it, and wakes everyone who can see the chat; a dialog opens by itself.
   * Sending again with the same `clientMessageId` returns the first message and wakes nobody.
   * Fails with VALIDATION_FAILED, NOT_FOUND, FORBIDDEN, CONFLICT or RATE_LIMITED.
   */
  async function send(viewer: Viewer, input: SendMessage): Promise<Sent> {
    const problems = createProblems();
    const { attachmentIds } = input;
    if (attachmentIds.length === 0 || input.text) checkText(problems, input.text);
    if (attachmentIds.length > mostAttachments) problems.add('attachmentIds', 'length', `A message has at most ${mostAttachments} files.`);
    else if (new Set(attachmentIds).size < attachmentIds.length) problems.add('attachmentIds', 'unique', 'A file can be in a message once.');
    if (input.clientMessageId !== null && !/^[\x20-\x7e]{1,128}$/.test(input.clientMessageId)) {
      problems.add('clientMessageId', 'format', 'A clientMessageId is 1 to 128 printable ASCII characters.');
    }
    problems.check();
    await limits.take('SEND', viewer.userId);
    const draft = {
      senderId: viewer.userId,
      text: input.text || null,
      clientMessageId: input.clientMessageId,
      contentDigest: input.clientMessageId === null ? null : keys.digest(contentOf(input)),
      clientSentAt: input.clientSentAt,
      attachmentIds,
    };
    let to: ChatRef;
    try {
      to = await targetOf(viewer, input.to);
    } catch (error) {
      if (!hasCode(error, 'NOT_FOUND') || input.clientMessageId === null) throw error;
      // The person may have gone since the message was stored, and the retry must still learn that it was.
      return asSeen(viewer, await store({ ...draft, to: null }).catch((failed) => Promise.reject(hasCode(failed, 'NOT_FOUND') ? error : failed)));
    }
    return asSeen(viewer, await store({ ...draft, to }));
  }

  /** A retry also finds a message in a room that its sender lost since: then it tells no more of the room than the sender knew. Fails with NOT_FOUND when the room was deleted. */
  async function asSeen({ userId }: Viewer, sent: Sent): Promise<Sent> {
    if (!sent.duplicate) return sent;
    const [chat] = await chats.findRows([sent.message.chatId]);
    if (!chat) throw notFound('Chat');
    const [place] = await chats.places(userId, [chat.id]);
    return { ...sent, chat: canSee({ chat, member: null, banned: false, ...place }) ? chat : asLost(chat, sent.message) };
  }

  async function targetOf(viewer: Viewer, to: MessageTarget): Promise<ChatRef> {
    if ('chat' in to) return to.chat;
    const user = await accounts.get(to.user);
    return pairOf(viewer.userId, user.id);
  }

  /**
   * Without a text when the message has files. Fails with VALIDATION_FAILED, NOT_FOUND (also when it was deleted), FORBIDDEN for others than the author,
   * CONFLICT for another version.
   */
  async function edit(viewer: Viewer, input: { messageId: MessageId; text: string; expectedVersion: number | null }): Promise<MessageRow> {
    const problems = createProblems();
    if (input.text !== '') checkText(problems, input.text);
    problems.check();
    const { chatId } = await get(input.messageId);
    return write(async (tx, append) => {
      const { message } = await mustSee(tx, viewer, input.messageId, chatId);
      if (message.deletedAt) throw notFound('Message');
      if (message.senderId !== viewer.userId) throw new AppError('FORBIDDEN', { forbiddenReason: 'NOT_THE_AUTHOR' }, 'Only who wrote a message may edit it.');
      if (input.expectedVersion !== null && input.expectedVersion !== message.version) {
        throw new AppError('CONFLICT', { conflictReason: 'VERSION_MISMATCH' }, `The message is at version ${message.version} by now.`);
      }
      if (input.text === '' && !(await files.hasAny(db.sqlIn(tx), message.id))) throw invalid('text', 'required', 'A message needs a text, or files.');
      const changed = await tx.message.update({ where: { id: BigInt(message.id) }, data: { text: input.text || null, version: { increment: 1 }, editedAt: clock() } });
      append({ type: 'message-edited', chatId, messageId: message.id });
      return toRow(changed);
    });
  }

  /** Leaves a tombstone. Deleting twice is fine. Fails with NOT_FOUND, or FORBIDDEN for others than the author and the room's admins. */
  async function remove(viewer: Viewer, messageId: MessageId): Promise<MessageRow> {
    const { chatId } = await get(messageId);
    const removed = await write(async (tx, append) => {
      const { message, standing } = await mustSee(tx, viewer, messageId, chatId);
      if (message.senderId !== viewer.userId) must('deleteOthersMessage', standing, 'Message');
      if (message.deletedAt) return message;
      const changed = await tx.message.update({ where: { id: BigInt(messageId) }, data: { text: null, deletedAt: clock() } });
      await files.release(db.sqlIn(tx), [messageId]);
      append({ type: 'message-deleted', chatId, messageId });
      return toRow(changed);
    });
    files.clearAway();
    return removed;
  }

  async function get(id: MessageId): Promise<MessageRow> {
    const [message] = await messagesByIds(db.sql, [id]);
    if (!message) throw notFound('Message');
    return message;
  }

  /** The message and the viewer's standing in its chat, read under the chat's lock. */
  async function mustSee(tx: Tx, viewer: Viewer, id: MessageId, chatId: ChatId) {
    await locks.lockChat(tx, chatId);
    const chat = await tx.chat.findUnique({ where: { id: chatId } });
    if (!chat) throw notFound('Message');
    const standing = await chats.standing(tx, viewer.userId, refOf(chat));
    const row = await tx.message.findUnique({ where: { id: BigInt(id) } });
    if (!row || !can('read', standing)) throw notFound('Message');
    return { message: toRow(row), standing };
  }

  /** Null for a message that does not exist or that the viewer may not read. */
  async function find(viewer: Viewer, id: MessageId): Promise<MessageRow | null> {
    return (await findMany(viewer, [id]))[0] ?? null;
  }

  /** In the order of the ids, null for what is absent or hidden. A constant number of statements. */
  async function findMany(viewer: Viewer, ids: readonly MessageId[]): Promise<(MessageRow | null)[]> {
    const rows = await messagesByIds(db.sql, ids);
    const found = await chats.findRows([...new Set(rows.map((row) => row.chatId))]);
    const places = await chats.places(
      viewer.userId,
      found.map((chat) => chat.id),
    );
    const readable = new Set(found.filter((chat, index) => can('read', { chat, member: null, banned: false, ...places[index] })).map((chat) => chat.id));
    const visible = new Map(rows.filter((row) => readable.has(row.chatId)).map((row) => [row.id, row]));
    return ids.map((id) => visible.get(id) ?? null);
  }

  /** In the order of the ids, without asking who may see them: for whom that was decided before. */
  async function findRows(ids: readonly MessageId[]): Promise<(MessageRow | null)[]> {
    const rows = new Map((await messagesByIds(db.sql, ids)).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  }

  /** Messages by their places in chats that the caller knows to be readable. */
  async function findAt(places: readonly { chatId: ChatId; seq: number }[]): Promise<(MessageRow | null)[]> {
    const rows = new Map((await messagesAt(db.sql, places)).map((row) => [`${row.chatId} ${row.seq}`, row]));
    return places.map(({ chatId, seq }) => rows.get(`${chatId} ${seq}`) ?? null);
  }

  /**
   * One page of a chat that the viewer may read, ascending. Cursors win over the anchor. `seq` has no holes, so both ends of the page are
   * known exactly without looking further.
   */
  async function page(chat: ChatRow, request: PageRequest & { anchor: Anchor | null; firstUnreadSeq: () => Promise<number | null> }): Promise<Page<MessageRow>> {
    const { size } = request;
    let { backward } = request;
    let after = request.after === null ? 0 : parsePlace(request.after);
    let before = request.before === null ? chat.lastSeq + 1 : parsePlace(request.before);
    const anchor = request.after === null && request.before === null ? request.anchor : null;
    if (anchor && 'afterSeq' in anchor) after = Math.max(0, anchor.afterSeq);
    if (anchor && 'beforeSeq' in anchor) before = Math.min(before, anchor.beforeSeq);
    if (anchor && 'aroundSeq' in anchor) {
      after = Math.max(0, Math.min(anchor.aroundSeq - Math.floor(size / 2) - 1, chat.lastSeq - size));
      backward = false;
    }
    if (anchor && 'firstUnread' in anchor) {
      const seq = await request.firstUnreadSeq();
      backward = seq === null;
      if (seq !== null) after = seq - 1;
    }
    const rows = size === 0 || before <= 1 ? [] : await messagePage(db.sql, chat.id, { after, before, limit: size, backward });
    const first = rows[0]?.seq ?? (backward ? before : after + 1);
    const last = rows.at(-1)?.seq ?? first - 1;
    return {
      edges: rows.map((node) => ({ cursor: toPlace(node.seq), node })),
      hasPreviousPage: first > 1 && chat.lastSeq > 0,
      hasNextPage: last < chat.lastSeq,
    };
  }

  /** Removes the messages of rooms that were deleted, a bounded piece at a time, then the rooms. Returns how many messages went. */
  async function sweepDeletedRooms(): Promise<number> {
    for (let gone = 0; ; ) {
      const count = await db.sqlTransaction(async (sql) => {
        const [room] = await sql.all<{ id: ChatId; avatarId: AttachmentId | null }>('SELECT "id", "avatarId" FROM "Chat" WHERE "deletedAt" IS NOT NULL ORDER BY "id" LIMIT 1', []);
        if (!room) return null;
        const rows = await sql.all<{ id: MessageId }>('SELECT "id" FROM "Message" WHERE "chatId" = ? LIMIT 500', [room.id]);
        const ids = rows.map((row) => toMessageId(row.id));
        await files.release(sql, ids);
        await sql.all(`DELETE FROM "Message" WHERE ${oneOfList(sql.engine, '"id"', 'bigint')}`, [ids]);
        if (rows.length === 0 && room.avatarId !== null) await files.drop(sql, room.avatarId);
        if (rows.length === 0) await sql.all('DELETE FROM "Chat" WHERE "id" = ?', [room.id]);
        return rows.length;
      });
      if (count === null) return gone;
      gone += count;
    }
  }

  function checkText(problems: Problems, text: string | null): void {
    if (text === null || text === '') problems.add('text', 'required', 'A message needs a text.');
    else if (hasForbiddenCharacters(text)) problems.add('text', 'characters', 'A text may hold no control characters but newline and tab, and must be well-formed Unicode.');
    else if (!isVisible(text)) problems.add('text', 'visible', 'A text needs something that can be seen.');
    else if (codePoints(text) > config.MAX_MESSAGE_CHARS) problems.add('text', 'length', `A text has at most ${config.MAX_MESSAGE_CHARS} characters.`);
  }
}

/** What a retry must have in common with what was sent first. NUL is in no text. */
const contentOf = ({ text, attachmentIds }: SendMessage): string => [text ?? '', ...attachmentIds].join('\0');

const toRow = (row: Omit<MessageRow, 'id'> & { id: bigint }): MessageRow => ({ ...row, id: toMessageId(row.id) });

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

const toPlace = (seq: number): string => Buffer.from(`seq:${seq}`).toString('base64url');

function parsePlace(cursor: string): number {
  const match = cursor.length <= 40 ? /^seq:(\d{1,10})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) : null;
  if (!match || !isWhole(Number(match[1]))) throw new AppError('BAD_REQUEST', undefined, 'This is not a cursor of a page of messages.');
  return Number(match[1]);
}
