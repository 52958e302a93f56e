/** Messages that are stored: reading, paging, editing and deleting them. How they come to be: send.ts. */
import type { Accounts } from '../accounts/accounts.ts';
import { withNewlines } from '../accounts/names.ts';
import { can, firstRights, must } from '../chats/access.ts';
import { type ChatStanding, type Chats, refOf, standing } from '../chats/chats.ts';
import { rightsOf } from '../chats/rights.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, invalid, notFound } from '../errors.ts';
import type { WriteBatch } from '../events/write.ts';
import type { ChatId, MessageId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { lockChats, mustHoldAccount } from '../storage/locks.ts';
import type { Page, PageRequest } from '../storage/page.ts';
import type { ChatRow, MessageRow } from '../storage/rows.ts';
import type { Sql } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { dropBelongings } from './belongings.ts';
import { replaceMentions } from './mention-rows.ts';
import { checkNotInThread, type GivenMentions, getNamed, mustMentionAll } from './mentioning.ts';
import { parseMetadata } from './metadata.ts';
import type { Revisions } from './revisions.ts';
import type { SearchEntries } from './searchable.ts';
import type { MessageFiles } from './send.ts';
import { type Anchor, parsePlace, type SeqOf, toPlace } from './sparse.ts';
import { blank, changeContent, firstSeqsSince, messagesAt, messagesByIds, messagesIn } from './store.ts';
import { inPieces, type Stretch } from './stretches.ts';
import { checkText } from './text.ts';
import { findNamed, follow, followEvents, removeReplies } from './thread-rows.ts';

export type Messages = ReturnType<typeof createMessages>;
/** `metadata`: left out, it stays; null removes it. `mentions`: null, they stay. */
export type EditMessage = { messageId: MessageId; text: string; expectedVersion: number | null; metadata?: unknown; mentions?: GivenMentions | null };

export function createMessages({
  db,
  writeBatch,
  chats,
  config,
  clock,
  files,
  entries,
  revisions,
  accounts,
}: {
  db: Database;
  writeBatch: WriteBatch;
  chats: Pick<Chats, 'findRows' | 'places'>;
  config: Pick<Config, 'MAX_MESSAGE_CHARS'>;
  clock: () => Date;
  files: MessageFiles;
  entries: SearchEntries;
  revisions: Pick<Revisions, 'keep'>;
  accounts: Pick<Accounts, 'getAll'>;
}) {
  return { edit, remove, find, findMany, findRows, findAt, firstSince, page, readStretches };

  /**
   * Without a text when the message has files. Fails with VALIDATION_FAILED, NOT_FOUND (also when it was deleted), FORBIDDEN for others than the author and for
   * an author who may not post there any more, CONFLICT for another version.
   */
  async function edit(viewer: Viewer, input: EditMessage): Promise<MessageRow> {
    const problems = createProblems();
    const text = withNewlines(input.text);
    if (text !== '') checkText(problems, text, config.MAX_MESSAGE_CHARS);
    const metadata = parseMetadata(problems, input.metadata);
    problems.check();
    const { mentions = null } = input;
    const { id, chatId } = await getMessage(db.sql, input.messageId);
    const named = mentions && (await getNamed(accounts, mentions));
    return writeBatch(async (sql, number) => {
      const { message, standing } = await mustSee(sql, viewer, { id, chatId });
      if (message.deletedAt) throw notFound('Message');
      if (message.senderId !== viewer.userId) throw new AppError('FORBIDDEN', { forbiddenReason: 'NOT_THE_AUTHOR' }, 'Only who wrote a message may edit it.');
      must('editOwnMessage', standing, 'Message');
      if (input.expectedVersion !== null && input.expectedVersion !== message.version) {
        throw new AppError('CONFLICT', { conflictReason: 'VERSION_MISMATCH' }, `The message is at version ${message.version} by now.`);
      }
      if (mentions) await checkMentions(sql, standing, message, mentions);
      if (text === '' && !(await files.hasAny(sql, id))) throw invalid('text', 'required', 'A message needs a text, or files.');
      await mustHoldAccount(sql, viewer.userId);
      await revisions.keep(sql, message);
      await entries.takeOut(sql, [id]);
      const content = { text: text || null, metadata: input.metadata === undefined ? message.metadata : metadata, mentionsAll: mentions ? mentions.all : message.mentionsAll };
      const changed = await changeContent(sql, id, content, clock());
      await entries.putIn(sql, [id]);
      const followers = mentions ? await findNamed(sql, changed, await replaceMentions(sql, changed, named)) : [];
      await number([{ type: 'message-edited', chatId, messageId: id }, ...followEvents(followers)]);
      await follow(sql, followers);
      return changed;
    });
  }

  /** Calling everybody takes the right to, unless it did so before. */
  async function checkMentions(sql: Sql, found: ChatStanding, { chatId, threadRootSeq, mentionsAll }: MessageRow, mentions: GivenMentions): Promise<void> {
    checkNotInThread(mentions, threadRootSeq !== null);
    if (mentions.all === null || mentions.all === mentionsAll) return;
    const [rights = firstRights] = await rightsOf(sql, [chatId]);
    mustMentionAll({ ...found, rights });
  }

  /** Leaves a tombstone. Deleting twice is fine. Fails with NOT_FOUND, or FORBIDDEN for others than the author, who always may, and the room's admins. */
  async function remove(viewer: Viewer, messageId: MessageId): Promise<MessageRow> {
    const { id, chatId } = await getMessage(db.sql, messageId);
    const removed = await writeBatch(async (sql, number) => {
      const { message, standing } = await mustSee(sql, viewer, { id, chatId });
      if (message.senderId !== viewer.userId) must('deleteOthersMessage', standing, 'Message');
      if (message.deletedAt) return message;
      await entries.takeOut(sql, [id]);
      const tombstone = await blank(sql, id, clock());
      await files.release(sql, [id]);
      const others = await dropBelongings(sql, [message], standing.chat ? [standing.chat] : []);
      await removeReplies(sql, [id]);
      await number([{ type: 'message-deleted', chatId, messageId: id }, ...others]);
      return tombstone;
    });
    files.clearAway();
    return removed;
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

  /** Of chats that the caller knows to be readable: the first message of a time or later, null when there is none. Found by halving; where a clock was set back, a place where messages pass that time. */
  async function firstSince(asked: readonly { chatId: ChatId; lastSeq: number; at: number }[]): Promise<(number | null)[]> {
    const seqs = await firstSeqsSince(
      db.sql,
      asked.map((each) => ({ ...each, at: new Date(each.at) })),
    );
    return asked.map(({ lastSeq }, index) => ((seqs[index] ?? lastSeq + 1) > lastSeq ? null : (seqs[index] as number)));
  }

  /**
   * One page of a chat that the viewer may read, ascending. Cursors win over the anchor. `seq` has no holes, so both ends of the page are
   * known exactly without looking further, and what it holds is a stretch of the chat.
   */
  async function page(
    chat: ChatRow,
    request: PageRequest & {
      anchor: Anchor | null;
      seqOf: SeqOf;
      read: (stretch: Stretch) => Promise<MessageRow[] | null>;
    },
  ): Promise<Page<MessageRow>> {
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
    if (anchor && ('firstUnread' in anchor || 'at' in anchor)) {
      const seq = await request.seqOf(anchor);
      backward = seq === null;
      if (seq !== null) after = seq - 1;
    }
    const [low, high] = backward ? [Math.max(after, Math.min(before - 1, chat.lastSeq) - size), Math.min(before - 1, chat.lastSeq)] : [after, Math.min(before - 1, after + size)];
    const rows = high <= low || chat.id === 0 ? [] : ((await request.read({ chatId: chat.id, low, high })) ?? []);
    const first = rows[0]?.seq ?? (backward ? before : after + 1);
    const last = rows.at(-1)?.seq ?? first - 1;
    return {
      edges: rows.map((node) => ({ cursor: toPlace(node.seq), node })),
      hasPreviousPage: first > 1 && chat.lastSeq > 0,
      hasNextPage: last < chat.lastSeq,
    };
  }

  /** In the order of the stretches, those of many chats in a few statements. For chats that the caller knows to be readable. */
  function readStretches(stretches: readonly Stretch[]): Promise<MessageRow[][]> {
    return inPieces(stretches, (piece) => messagesIn(db.sql, piece), rowsAtOnce);
  }
}

/** Wherever it is. Throws NOT_FOUND. */
export async function getMessage(sql: Sql, id: MessageId): Promise<MessageRow> {
  const [message] = await messagesByIds(sql, [id]);
  if (!message) throw notFound('Message');
  return message;
}

/** The message and the viewer's standing in its chat, read under the chat's lock. Throws NOT_FOUND for what the viewer may not read. */
export async function mustSee(
  sql: Sql,
  { userId }: Pick<Viewer, 'userId'>,
  { id, chatId }: Pick<MessageRow, 'id' | 'chatId'>,
): Promise<{ message: MessageRow; standing: ChatStanding }> {
  const [chat] = await lockChats(sql, [chatId]);
  const found = chat && (await standing(sql, userId, refOf(chat)));
  const [message] = await messagesByIds(sql, [id]);
  if (!message || !found || !can('read', found)) throw notFound('Message');
  return { message, standing: found };
}

/** So many rows of pages are read by one statement. */
const rowsAtOnce = 1_000;
