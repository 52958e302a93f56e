/**
 * Searching messages, newest first. The index only says where to look: each message is read again, and is shown when it has what is looked for, still stands, and
 * may be read now. So an index that is behind can miss what is seconds old, and shows nothing that it should not.
 */
import type { RateLimits } from '../accounts/rate-limits.ts';
import { can, canSee } from '../chats/access.ts';
import type { ChatRef, Chats } from '../chats/chats.ts';
import { AppError, notFound } from '../errors.ts';
import type { ChatId, MessageId, UserId } from '../ids.ts';
import { messagesByIds } from '../messages/store.ts';
import type { Condition } from '../storage/conditions.ts';
import type { Database } from '../storage/database.ts';
import { isPosition, type Page, parseKey, toCursor } from '../storage/page.ts';
import type { MessageRow } from '../storage/rows.ts';
import { toDate } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import type { Viewer } from '../viewer.ts';
import { type Asked, type Checked, createCandidates } from './candidates.ts';
import { findProgress } from './entries.ts';
import { holds, lookUpsFor, noWords, parseWords, type Words } from './query.ts';
import { type SnippetPart, snippetOf } from './snippet.ts';
import { type Content, hasLink, ofChat, ofContent, ofSender, ofThread } from './terms.ts';

export type Search = ReturnType<typeof createSearch>;
/** A thread: of a chat that the person may read. */
export type SearchFilter = {
  chat: ChatRef | null;
  thread: { chatId: ChatId; rootSeq: number } | null;
  from: UserId | null;
  after: Date | null;
  before: Date | null;
  has: readonly (Content | 'PIN')[];
  /** Only what is for the person who searches. */
  mentionsMe: boolean;
};
export type SearchRequest = { query: string | null; filter: SearchFilter | null; after: string | null; size: number };
export type SearchPage = Page<MessageRow> & { endCursor: string | null; indexComplete: boolean; searchedBackTo: Date | null; words: Words };

/** So many chats are a part of what the index is asked; of more it is looked up for each message. */
const mostChats = 200;
/** After so many of what the index named, or so long, a page has what it has. */
const mostCandidates = 5_000;
const longestMs = 250;
const candidatesAtOnce = 100;
/** Clocks that were set back: messages may be so much out of the order of their times. */
const clockSlackMs = 86_400_000;

/** By name, as the author of what it answers, or with EVERYONE, for who was a member then; never an own message. */
const forViewer = (userId: UserId): Condition => [
  `m."senderId" <> ? AND (EXISTS (SELECT 1 FROM "Mention" n WHERE n."messageId" = m."id" AND n."userId" = ?)
   OR (m."mentionsAll" = 'EVERYONE' AND EXISTS (SELECT 1 FROM "Member" b WHERE b."chatId" = m."chatId" AND b."userId" = ? AND b."joinedSeq" < m."seq")))`,
  userId,
  userId,
  userId,
];

export function createSearch({ db, chats, limits }: { db: Database; chats: Pick<Chats, 'findStanding'>; limits: Pick<RateLimits, 'take'> }) {
  return { page, snippet };

  /**
   * Fails with BAD_REQUEST for a search that says too little or too much, NOT_FOUND for a chat that is hidden, FORBIDDEN for one that only members read,
   * RATE_LIMITED. A page may be short: behind `endCursor` it goes on.
   */
  async function page(viewer: Viewer, { query, filter, after, size }: SearchRequest): Promise<SearchPage> {
    const words = query === null ? noWords : parseWords(query);
    if (words.all.length === 0 && filter === null) throw new AppError('BAD_REQUEST', undefined, 'Say what to look for: a word, or a filter.');
    const cursor = parseKey(after, isKey)?.[0] ?? null;
    await limits.take('SEARCH', viewer.userId);
    const progress = await findProgress(db.sql);
    const covered = progress ?? { upToId: 0, fromId: 1 };
    const scope = await scopeOf(viewer.userId, filter);
    const all = [...lookUpsFor(words), ...(filter?.has ?? []).filter((content) => content !== 'PIN').map(ofContent)];
    if (filter?.from) all.push(ofSender(filter.from));
    if (scope.chatId) all.push(ofChat(scope.chatId));
    if (filter?.thread) all.push(ofThread(filter.thread.rootSeq));
    const asked: Asked = { all, some: scope.chatIds && scope.chatIds.length <= mostChats ? scope.chatIds.map(ofChat) : [] };
    const bounds = await boundsOf(filter, { high: Math.min(cursor ?? Number.MAX_SAFE_INTEGER, covered.upToId + 1), low: covered.fromId + 1 });
    const isEmpty = scope.chatIds?.length === 0;
    const withLink = filter?.has.includes('LINK') ?? false;
    const checked = { words, withLink, ...conditionsOf(viewer.userId, scope.chatId, filter) };
    const candidates = createCandidates({ db, asked, checked, high: isEmpty ? 0 : bounds.high, low: bounds.low });

    const rows: MessageRow[] = [];
    let [lookedTo, count] = [bounds.high, 0];
    const startedAt = performance.now();
    const isReached = (): boolean => rows.length > size || count >= mostCandidates || performance.now() - startedAt > longestMs;
    while (!candidates.isOver() && !isReached()) {
      const found = await candidates.next(Math.min(mostCandidates - count, Math.max(candidatesAtOnce, 2 * (size + 1))));
      count += found.count;
      lookedTo = found.lookedTo;
      for await (const row of readAgain(found.ids)) if (fits(row) && rows.push(row) > size) break;
    }
    const isCut = rows.length > size || !candidates.isOver();
    const shown = rows.slice(0, size);
    const end = rows.length > size ? (shown.at(-1)?.id ?? bounds.high) : lookedTo;
    const edges = shown.map((node) => ({ cursor: toCursor([node.id]), node }));
    return {
      edges,
      words,
      hasNextPage: isCut,
      hasPreviousPage: cursor !== null,
      endCursor: isCut ? toCursor([end]) : (edges.at(-1)?.cursor ?? null),
      indexComplete: covered.fromId === 0,
      searchedBackTo: isCut || covered.fromId > 0 ? await timeAt(isCut ? end : covered.fromId + 1) : null,
    };

    function fits({ chatId, text, deletedAt, createdAt }: MessageRow): boolean {
      return (
        deletedAt === null &&
        (scope.chatId === null ? scope.members.has(chatId) : chatId === scope.chatId) &&
        (!filter?.after || createdAt >= filter.after) &&
        (!filter?.before || createdAt < filter.before) &&
        (!withLink || hasLink(text ?? '')) &&
        holds(text ?? '', words)
      );
    }
  }

  /** The text around what was found. */
  async function snippet(text: string | null, words: Words): Promise<SnippetPart[]> {
    await yieldWhenLong();
    return text === null ? [] : snippetOf(text, words);
  }

  /** One chat that the person may read; or all of their own. */
  async function scopeOf(userId: UserId, filter: SearchFilter | null): Promise<{ chatId: ChatId | null; chatIds: ChatId[] | null; members: ReadonlySet<ChatId> }> {
    if (filter?.chat) {
      const standing = await chats.findStanding({ userId }, filter.chat);
      if (!canSee(standing) || !standing.chat) throw notFound('Chat');
      if (!can('read', standing)) throw new AppError('FORBIDDEN', { forbiddenReason: 'NOT_A_MEMBER' }, 'Only members may read this room.');
      // A dialog before its first message has no row, and nobody has its number.
      if (filter.thread && filter.thread.chatId !== standing.chat.id) throw notFound('Message');
      return { chatId: standing.chat.id, chatIds: standing.chat.id === 0 ? [] : null, members: new Set() };
    }
    if (filter?.thread) return { chatId: filter.thread.chatId, chatIds: null, members: new Set() };
    const rows = await db.scan.all<{ chatId: ChatId }>('SELECT b."chatId" FROM "Member" b JOIN "Chat" c ON c."id" = b."chatId" WHERE b."userId" = ? AND c."deletedAt" IS NULL', [
      userId,
    ]);
    const chatIds = rows.map(({ chatId }) => chatId);
    return { chatId: null, chatIds, members: new Set(chatIds) };
  }

  /** What is asked of each message where the index cannot tell, or could be behind. */
  function conditionsOf(userId: UserId, chatId: ChatId | null, filter: SearchFilter | null): Pick<Checked, 'narrow' | 'readable'> {
    const narrow: Condition[] = [];
    if (filter?.after) narrow.push(['m."createdAt" >= ?', filter.after]);
    if (filter?.before) narrow.push(['m."createdAt" < ?', filter.before]);
    if (filter?.mentionsMe) narrow.push(forViewer(userId));
    if (filter?.has.includes('PIN')) narrow.push(['EXISTS (SELECT 1 FROM "Pin" p WHERE p."messageId" = m."id")']);
    return { narrow, readable: chatId === null ? [['EXISTS (SELECT 1 FROM "Member" b WHERE b."chatId" = m."chatId" AND b."userId" = ?)', userId]] : [] };
  }

  /** Times as ids, with room for clocks that were set. */
  async function boundsOf(filter: SearchFilter | null, { high, low }: { high: number; low: number }): Promise<{ high: number; low: number }> {
    const [from, to] = [filter?.after ?? null, filter?.before ?? null];
    return {
      low: from && low < high ? await firstAt(new Date(from.getTime() - clockSlackMs), low, high) : low,
      high: to && low < high ? await firstAt(new Date(to.getTime() + clockSlackMs), low, high) : high,
    };
  }

  /** The id from which on messages are of this time or later, as far as ids follow the clock: found by halving, in one statement. */
  async function firstAt(time: Date, low: number, high: number): Promise<number> {
    const middle = '(s."low" + s."high") / 2';
    const isEarlier = `(SELECT m."createdAt" FROM "Message" m WHERE m."id" >= ${middle} ORDER BY m."id" LIMIT 1) < ${db.engine === 'sqlite' ? '?' : '?::timestamptz'}`;
    const number = db.engine === 'sqlite' ? '?' : '?::bigint';
    const rows = await db.scan.all<{ high: number }>(
      `WITH RECURSIVE s("low", "high") AS (
         SELECT ${number}, ${number}
         UNION ALL SELECT CASE WHEN ${isEarlier} THEN ${middle} ELSE s."low" END, CASE WHEN ${isEarlier} THEN s."high" ELSE ${middle} END FROM s WHERE s."high" - s."low" > 1)
       SELECT s."high" FROM s WHERE s."high" - s."low" <= 1`,
      [low - 1, high, time, time],
    );
    return Number(rows[0]?.high ?? high);
  }

  async function* readAgain(ids: readonly MessageId[]): AsyncGenerator<MessageRow> {
    for (let from = 0; from < ids.length; from += candidatesAtOnce) {
      const piece = ids.slice(from, from + candidatesAtOnce);
      const rows = new Map((await messagesByIds(db.sql, piece)).map((row) => [row.id, row]));
      for (const id of piece) {
        const row = rows.get(id);
        if (row) yield row;
        await yieldWhenLong();
      }
    }
  }

  /** When the message with this id was sent, or the next one. */
  async function timeAt(id: number): Promise<Date | null> {
    const [row] = await db.scan.all<{ createdAt: unknown }>('SELECT "createdAt" FROM "Message" WHERE "id" >= ? ORDER BY "id" LIMIT 1', [id]);
    return row ? toDate(row.createdAt) : null;
  }
}

const isKey = (key: unknown): key is [number] => Array.isArray(key) && key.length === 1 && isPosition(key[0]);
