/** Who has received and read how far, and what follows from it: the status of a message, and what is unread. Markers only grow. */
import type { ChatRef, Chats } from '../chats/chats.ts';
import { hasCode, invalid, notFound } from '../errors.ts';
import { createGroup, type Outcome } from '../events/group.ts';
import type { WriteJob } from '../events/write.ts';
import { type ChatId, noUser, placeKey, placeOf, type UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import { firstPage, isTime, isWhole, keysetPage, type Page, type PageRequest, type ReadBetween } from '../storage/page.ts';
import { type ChatRow, type MemberRow, type MessageRow, toMemberRow } from '../storage/rows.ts';
import { tableOf } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import type { Viewer } from '../viewer.ts';
import type { Move, StoredMoves } from './moves.ts';
import { createTelling, largeRoom } from './telling.ts';
import { createThreadReceipts, hasReadText, joinThread } from './thread-receipts.ts';
import { createUnread } from './unread.ts';

export type Receipts = ReturnType<typeof createReceipts>;
export type MessageStatus = 'SENT' | 'DELIVERED' | 'READ';
/** How far the least advanced of the others is, for each possible sender: the lowest and the second lowest of each marker. */
export type Laggards = Record<'joined' | 'delivered' | 'read', { userId: UserId | null; lowest: number | null; second: number | null }>;

const untoldAtOnce = 500;
/** So many members one statement looks at for who has read. */
const membersAtOnce = 5_000;

export function createReceipts({ db, writeJob, chats, log }: { db: Database; writeJob: WriteJob; chats: Chats; log: Log }) {
  const store = createGroup<Move, void>((moves) =>
    writeJob('move markers', moves, (moved: StoredMoves) => moved.map((done): Outcome<void> => (done ? { result: undefined } : { error: notFound('Chat') }))),
  );
  const telling = createTelling({ tell: tellRest, log });
  return { ...createUnread({ db }), ...createThreadReceipts({ db }), mark, laggards, counts, readers, firstReaders, tellUntold, close: telling.close };

  /**
   * Moves the viewer's own markers up to `upToSeq`; lower than now changes nothing. READ implies DELIVERED, and the replies in threads, unless `threads` is false.
   * Fails with NOT_FOUND for who is not a member, VALIDATION_FAILED above the chat's newest message.
   */
  async function mark(viewer: Viewer, ref: ChatRef, status: 'DELIVERED' | 'READ', upToSeq: number, threads = true): Promise<ChatRow> {
    const { chat, member } = await chats.findStanding(viewer, ref);
    if (!chat || !member || chat.deletedAt) throw notFound('Chat');
    if (upToSeq < 0 || upToSeq > chat.lastSeq) throw invalid('upToSeq', 'range', `The newest message has seq ${chat.lastSeq}.`);
    if (chat.id === 0) return chat;
    const move: Move = { chatId: chat.id, userId: viewer.userId, deliveredSeq: upToSeq, readSeq: status === 'READ' ? upToSeq : 0, isRead: status === 'READ', threads, tell: true };
    // Whoever must wait is told of with a later position.
    await store(chat.memberCount > largeRoom ? { ...move, tell: telling.canTell(placeKey(move)) } : move);
    return chat;
  }

  async function tellRest(key: string): Promise<void> {
    await store({ ...placeOf(key), deliveredSeq: 0, readSeq: 0, isRead: false, threads: false, tell: 'always' }).catch((error) => {
      // Who is no member any more has nothing to tell.
      if (!hasCode(error, 'NOT_FOUND')) throw error;
    });
  }

  /** What a process that was killed had not told yet. Returns how many receipts that were. */
  async function tellUntold(): Promise<number> {
    const rows = await db.sql.all<{ chatId: ChatId; userId: UserId }>('SELECT "chatId", "userId" FROM "UntoldReceipt" LIMIT ?', [untoldAtOnce]);
    // What waits for its second here is told then.
    const left = rows.filter((place) => !telling.isQuiet(placeKey(place)));
    await Promise.all(
      left.map(({ chatId, userId }) =>
        store({ chatId, userId, deliveredSeq: 0, readSeq: 0, isRead: false, threads: false, tell: 'always' }).catch(async (error) => {
          if (!hasCode(error, 'NOT_FOUND')) throw error;
          await db.sqlTransaction((sql) => sql.all('DELETE FROM "UntoldReceipt" WHERE "chatId" = ? AND "userId" = ?', [chatId, userId]));
        }),
      ),
    );
    return left.length;
  }

  /** One statement of index look-ups for any number of chats. */
  async function laggards(chatIds: readonly ChatId[]): Promise<Laggards[]> {
    const markers = { joined: 'joinedSeq', delivered: 'deliveredSeq', read: 'readSeq' } as const;
    const lookUps = Object.entries(markers).flatMap(([name, column]) => {
      const ordered = (what: string, offset: number): string => `(SELECT "${what}" FROM "Member" WHERE "chatId" = t."chatId" ORDER BY "${column}" LIMIT 1 OFFSET ${offset})`;
      return [`${ordered('userId', 0)} AS "${name}User"`, `${ordered(column, 0)} AS "${name}Lowest"`, `${ordered(column, 1)} AS "${name}Second"`];
    });
    type Name = keyof typeof markers;
    type Row = { chatId: ChatId } & Record<`${Name}User`, UserId | null> & Record<`${Name}Lowest` | `${Name}Second`, number | null>;
    const rows = await db.sql.all<Row>(`SELECT t."chatId", ${lookUps.join(', ')} FROM ${tableOf(db.engine, 't', { chatId: 'int' })}`, [chatIds.map((chatId) => ({ chatId }))]);
    const byChat = new Map(rows.map((row) => [row.chatId, row]));
    const marker = (row: Row | undefined, name: Name) => ({
      userId: row?.[`${name}User`] ?? null,
      lowest: row?.[`${name}Lowest`] ?? null,
      second: row?.[`${name}Second`] ?? null,
    });
    return chatIds.map((chatId) => {
      const row = byChat.get(chatId);
      return { joined: marker(row, 'joined'), delivered: marker(row, 'delivered'), read: marker(row, 'read') };
    });
  }

  /**
   * How many of those who were members when a message was sent, its sender aside, have received and read it. Markers are at or above `joinedSeq`: who is past a
   * message and did not join behind it counts. So each index of markers is looked through once for a chat, however many of its messages are asked for.
   */
  async function counts(messages: readonly Pick<MessageRow, 'chatId' | 'seq' | 'senderId'>[]): Promise<{ delivered: number; read: number }[]> {
    type Row = { chatId: ChatId; marker: 'joined' | 'delivered' | 'read' | 'sender'; seq: number; count: number; joinedSeq: number; deliveredSeq: number; readSeq: number };
    const chats = tableOf(db.engine, 't', { chatId: 'int', lowest: 'int', highest: 'int' });
    const none = '0 AS "joinedSeq", 0 AS "deliveredSeq", 0 AS "readSeq"';
    // Most are past all of them: they are counted without being told apart.
    const past = (marker: string, column: string): string =>
      `SELECT t."chatId", '${marker}' AS "marker", t."highest" AS "seq", (SELECT COUNT(*) FROM "Member" WHERE "chatId" = t."chatId" AND "${column}" >= t."highest") AS "count", ${none} FROM ${chats}
       UNION ALL SELECT t."chatId", '${marker}', m."${column}", COUNT(*), ${none} FROM ${chats}
       JOIN "Member" m ON m."chatId" = t."chatId" AND m."${column}" >= t."lowest" AND m."${column}" < t."highest" GROUP BY t."chatId", m."${column}"`;
    const senders = `SELECT s."chatId", 'sender', s."userId", 0, s."joinedSeq", s."deliveredSeq", s."readSeq"
      FROM ${tableOf(db.engine, 't', { chatId: 'int', userId: 'int' })} JOIN "Member" s ON s."chatId" = t."chatId" AND s."userId" = t."userId"`;
    const chatsOf = [...Map.groupBy(messages, ({ chatId }) => chatId)].map(([chatId, of]) => {
      const seqs = of.map(({ seq }) => seq);
      return { chatId, lowest: seqs.reduce((a, b) => Math.min(a, b)), highest: seqs.reduce((a, b) => Math.max(a, b)) };
    });
    const places = [...new Map(messages.map(({ chatId, senderId: userId }) => [placeKey({ chatId, userId }), { chatId, userId }])).values()];
    const parts = [past('joined', 'joinedSeq'), past('delivered', 'deliveredSeq'), past('read', 'readSeq'), senders];
    const rows = await db.scan.all<Row>(parts.join(' UNION ALL '), [chatsOf, chatsOf, chatsOf, chatsOf, chatsOf, chatsOf, places]);
    const markers = Map.groupBy(rows, ({ chatId, marker }) => `${chatId} ${marker}`);
    const passed = ({ chatId, seq }: { chatId: ChatId; seq: number }, marker: 'joined' | 'delivered' | 'read'): number =>
      (markers.get(`${chatId} ${marker}`) ?? []).reduce((sum, row) => sum + (row.seq >= seq ? Number(row.count) : 0), 0);
    return messages.map((message) => {
      const sender = markers.get(`${message.chatId} sender`)?.find(({ seq: userId }) => userId === message.senderId);
      const isCounted = (upTo: number | undefined): number => (sender && upTo !== undefined && sender.joinedSeq < message.seq && upTo >= message.seq ? 1 : 0);
      const later = passed(message, 'joined');
      return { delivered: passed(message, 'delivered') - later - isCounted(sender?.deliveredSeq), read: passed(message, 'read') - later - isCounted(sender?.readSeq) };
    });
  }

  /** Who has read a message, of those who were members when it was sent, in the order of joining. */
  function readers({ chatId, seq, senderId, threadRootSeq }: ReadMessage, request: PageRequest): Promise<Page<MemberRow>> {
    return keysetPage<MemberRow, ReaderKey>(request, { isKey: isReaderKey, keyOf: readerKey, read });

    async function read({ after, before, backward, limit }: Parameters<ReadBetween<MemberRow, ReaderKey>>[0]): Promise<MemberRow[]> {
      const [from, to]: [ReaderKey, ReaderKey] = [after ?? [0, noUser], before ?? [253_402_300_799_999, noUser]];
      const order = backward ? 'DESC' : 'ASC';
      const rows = await db.scan.all<MemberRow>(
        `SELECT b.* FROM ${tableOf(db.engine, 't', messageColumns)} JOIN "Member" b ON b."chatId" = t."chatId" ${threadRootSeq === null ? '' : joinThread}
         WHERE ${hasRead(threadRootSeq)} AND b."joinedSeq" < t."seq" AND b."userId" <> t."senderId"
         AND (b."joinedAt", b."userId") > (?, ?) AND (b."joinedAt", b."userId") < (?, ?) ORDER BY b."joinedAt" ${order}, b."userId" ${order} LIMIT ?`,
        [[{ chatId, seq, senderId, threadRootSeq }], new Date(from[0]), from[1], new Date(to[0]), to[1], limit],
      );
      return rows.map(toMemberRow);
    }
  }

  function hasRead(threadRootSeq: number | null): string {
    return threadRootSeq === null ? 'b."readSeq" >= t."seq"' : hasReadText(db);
  }

  /** The first pages of many messages, in their order. A statement looks at a bounded number of members, of which there are so many in the chat of each. */
  async function firstReaders(messages: readonly (ReadMessage & { memberCount: number })[], size: number): Promise<Page<MemberRow>[]> {
    const found: MemberRow[][] = messages.map(() => []);
    const placed = messages.map((message, place) => ({ ...message, place }));
    for (const [inThreads, of] of [
      [false, placed.filter(({ threadRootSeq }) => threadRootSeq === null)],
      [true, placed.filter(({ threadRootSeq }) => threadRootSeq !== null)],
    ] as const) {
      const text = firstReadersText(inThreads);
      for (let from = 0, to = 0; from < of.length; from = to) {
        for (let walked = 0; to < of.length && (to === from || walked < membersAtOnce); to++) walked += of[to]?.memberCount ?? 0;
        const piece = of.slice(from, to).map(({ place, chatId, seq, senderId, threadRootSeq }) => ({ place, chatId, seq, senderId, threadRootSeq }));
        for (const { place, ...row } of await db.scan.all<MemberRow & { place: number }>(text, [piece, size + 1])) found[place]?.push(toMemberRow(row));
        await yieldWhenLong();
      }
    }
    return found.map((rows) => firstPage(rows, size, { keyOf: readerKey }));
  }

  function firstReadersText(inThreads: boolean): string {
    const table = tableOf(db.engine, 't', { place: 'int', ...messageColumns });
    const first = `SELECT b.* FROM "Member" b ${inThreads ? joinThread : ''} WHERE b."chatId" = t."chatId" AND ${hasRead(inThreads ? 0 : null)} AND b."joinedSeq" < t."seq" AND b."userId" <> t."senderId"
      ORDER BY b."joinedAt", b."userId" LIMIT ?`;
    return db.engine === 'postgresql'
      ? `SELECT t."place", f.* FROM ${table} CROSS JOIN LATERAL (${first}) f ORDER BY t."place", f."joinedAt", f."userId"`
      : `SELECT t."place", m.* FROM ${table} CROSS JOIN "Member" m ON m."chatId" = t."chatId" AND m."userId" IN (SELECT "userId" FROM (${first})) ORDER BY t."place", m."joinedAt", m."userId"`;
  }
}

const messageColumns = { chatId: 'int', seq: 'int', senderId: 'int', threadRootSeq: 'int' } as const;
type ReadMessage = Pick<MessageRow, 'chatId' | 'seq' | 'senderId' | 'threadRootSeq'>;
type ReaderKey = [joinedAt: number, userId: UserId];
const readerKey = ({ joinedAt, userId }: MemberRow): ReaderKey => [joinedAt.getTime(), userId];
const isReaderKey = (key: unknown): key is ReaderKey => Array.isArray(key) && key.length === 2 && isTime(key[0]) && isWhole(key[1]);

/** The status of a message after the least advanced of the others who were members when it was sent; SENT when there is nobody. `readByAll`: what threads say of a reply. */
export function statusOf({ senderId, seq }: Pick<MessageRow, 'senderId' | 'seq'>, laggards: Laggards, readByAll: boolean | null = null): MessageStatus {
  // Whoever joined later has markers at or above this message, so only `joined` must tell them apart.
  const least = ({ userId, lowest, second }: Laggards['read']): number | null => (userId === senderId ? second : lowest);
  const joined = least(laggards.joined);
  if (joined === null || joined >= seq) return 'SENT';
  if (readByAll ?? (least(laggards.read) ?? 0) >= seq) return 'READ';
  return (least(laggards.delivered) ?? 0) >= seq ? 'DELIVERED' : 'SENT';
}
