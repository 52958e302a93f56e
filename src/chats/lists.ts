/** Lists of chats, rooms and members: filtered, sorted and paged by the database, in a number of statements that does not depend on how much there is. */
import { foldName, hasForbiddenCharacters } from '../accounts/names.ts';
import { AppError } from '../errors.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { firstPage, isPosition, isText, isTime, isWhole, keysetPage, type Page, type PageRequest } from '../storage/page.ts';
import { type ChatRow, type MemberRow, toChatRow, toMemberRow } from '../storage/rows.ts';
import { containsText, oneOfList, toDate, type Value } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { can, canSee, must, type Role } from './access.ts';
import { type AnyMember, type ChatStanding, peopleOf, virtualDialog, virtualMember } from './chats.ts';

export type ChatLists = ReturnType<typeof createChatLists>;

export type ChatFilter = {
  kind?: 'DIALOG' | 'ROOM' | null;
  nameContains?: string | null;
  /** Ids of accounts; one that is null names nobody, so that no chat has all of them. */
  withUserIds?: readonly (UserId | null)[] | null;
  unreadOnly?: boolean | null;
  includeAllUsers?: boolean | null;
};
export type RoomFilter = { nameContains?: string | null; visibility?: 'PUBLIC' | 'PRIVATE' | null; joined?: boolean | null; joinable?: boolean | null };
export type MemberFilter = {
  role?: Role | null;
  /** Only who is online now, or only who is not. */
  online?: boolean | null;
};

type Param = Value | readonly number[];
/** A piece of a statement with its parameters. Texts are fixed; what people send only ever is a parameter. */
type Piece = [text: string, ...params: Param[]];

/** A chat that exists, by activity; or, behind all of these, an account with whom none exists, by name. */
type ChatKey = ['active', activity: number, id: ChatId] | ['user', usernameKey: string];
type RoomKey = [nameKey: string, id: ChatId];
type MemberKey = [joinedAt: number, userId: UserId];
type Bounds<K> = { after: K | null; before: K | null; backward: boolean; limit: number };

const isChatKey = (key: unknown): key is ChatKey =>
  Array.isArray(key) && ((key.length === 3 && key[0] === 'active' && isPosition(key[1]) && isWhole(key[2])) || (key.length === 2 && key[0] === 'user' && isText(key[1])));
const isRoomKey = (key: unknown): key is RoomKey => Array.isArray(key) && key.length === 2 && isText(key[0]) && isWhole(key[1]);
const isMemberKey = (key: unknown): key is MemberKey => Array.isArray(key) && key.length === 2 && isTime(key[0]) && isWhole(key[1]);

const toMemberKey = (member: MemberRow): MemberKey => [member.joinedAt.getTime(), member.userId];

const longestSearch = 200;
/** Rooms with more members are listed one by one: numbering all members of many of them would cost more than it saves. */
const largestTogether = 1_000;

export function createChatLists({
  db,
  onlineIds,
}: {
  db: Database;
  /** Who is online now, for the members' filter. */
  onlineIds: () => Promise<ReadonlySet<UserId>>;
}) {
  const contains = (column: string): string => containsText(db.engine, column);
  return { chats, rooms, members, firstMembers, countMembers, memberIds };

  /**
   * The viewer's chats, most recently active first; a dialog from its first message on. With `includeAllUsers`, then an unopened dialog for every other account, by username.
   * Fails with BAD_REQUEST for a cursor that is none, or more than 100 of `withUserIds`.
   */
  async function chats(viewer: Viewer, filter: ChatFilter, page: PageRequest): Promise<Page<ChatRow>> {
    const search = toSearch(filter.nameContains);
    const withIds = filter.withUserIds ? [...new Set(filter.withUserIds)] : [];
    if (withIds.length > 100) throw new AppError('BAD_REQUEST', undefined, 'At most 100 users can be searched for.');
    const wanted = withIds.filter((id) => id !== null);
    const peers = wanted.filter((id) => id !== viewer.userId);
    const nothing = search === null || wanted.length < withIds.length;
    const unopened = filter.includeAllUsers && filter.kind !== 'ROOM' && !filter.unreadOnly && peers.length <= 1;

    const real: Piece[] = [
      ['me."userId" = ? AND c."deletedAt" IS NULL', viewer.userId],
      [{ DIALOG: `c."kind" = 'DIALOG' AND c."lastSeq" > 0`, ROOM: `c."kind" = 'ROOM'`, both: `(c."kind" = 'ROOM' OR c."lastSeq" > 0)` }[filter.kind ?? 'both']],
    ];
    if (search) real.push([`(${contains('c."nameKey"')} OR ${contains('p."displayNameKey"')} OR ${contains('p."usernameKey"')})`, search, search, search]);
    if (wanted.length > 0) real.push([`(SELECT COUNT(*) FROM "Member" w WHERE w."chatId" = c."id" AND ${oneOfList(db.engine, 'w."userId"')}) = ?`, wanted, wanted.length]);
    if (filter.unreadOnly) {
      real.push([
        `c."lastSeq" > me."readSeq" AND EXISTS (SELECT 1 FROM "Message" m WHERE m."chatId" = c."id" AND m."seq" > me."readSeq" AND m."senderId" <> me."userId" AND m."deletedAt" IS NULL)`,
      ]);
    }
    const peer = search ? 'LEFT JOIN "User" p ON p."id" = CASE WHEN c."lowUserId" = me."userId" THEN c."highUserId" ELSE c."lowUserId" END' : '';
    const fromReal = `FROM "Member" me JOIN "Chat" c ON c."id" = me."chatId" ${peer}`;

    const virtual: Piece[] = [
      [
        `me."id" = ? AND u."id" <> me."id" AND u."deletedAt" IS NULL AND NOT EXISTS (SELECT 1 FROM "Chat" d WHERE d."lastSeq" > 0
         AND d."lowUserId" = CASE WHEN u."id" < me."id" THEN u."id" ELSE me."id" END AND d."highUserId" = CASE WHEN u."id" < me."id" THEN me."id" ELSE u."id" END)`,
        viewer.userId,
      ],
    ];
    if (search) virtual.push([`(${contains('u."displayNameKey"')} OR ${contains('u."usernameKey"')})`, search, search]);
    if (peers[0] !== undefined) virtual.push(['u."id" = ?', peers[0]]);
    const fromVirtual = 'FROM "User" me CROSS JOIN "User" u';

    return keysetPage<{ key: ChatKey; chat: ChatRow }, ChatKey>(page, { isKey: isChatKey, keyOf: ({ key }) => key, read, count }).then((rows) => ({
      ...rows,
      edges: rows.edges.map(({ cursor, node }) => ({ cursor, node: node.chat })),
    }));

    async function read(bounds: Bounds<ChatKey>): Promise<{ key: ChatKey; chat: ChatRow }[]> {
      if (nothing) return [];
      const parts = unopened ? [readReal, readVirtual] : [readReal];
      const rows: { key: ChatKey; chat: ChatRow }[] = [];
      for (const part of bounds.backward ? parts.reverse() : parts) {
        if (rows.length < bounds.limit) for (const row of await part({ ...bounds, limit: bounds.limit - rows.length })) rows.push(row);
      }
      return rows;
    }

    async function readReal({ after, before, backward, limit }: Bounds<ChatKey>): Promise<{ key: ChatKey; chat: ChatRow }[]> {
      if (after?.[0] === 'user') return [];
      const pieces = [...real];
      if (after) pieces.push(['(c."activity", c."id") < (?, ?)', after[1], after[2]]);
      if (before?.[0] === 'active') pieces.push(['(c."activity", c."id") > (?, ?)', before[1], before[2]]);
      const order = backward ? 'c."activity", c."id"' : 'c."activity" DESC, c."id" DESC';
      const rows = await all<ChatRow & { activity: number }>(`SELECT c.* ${fromReal}`, pieces, `ORDER BY ${order}`, limit);
      return rows.map((row) => ({ key: ['active', Number(row.activity), row.id], chat: toChatRow(row) }));
    }

    async function readVirtual({ after, before, backward, limit }: Bounds<ChatKey>): Promise<{ key: ChatKey; chat: ChatRow }[]> {
      if (before?.[0] === 'active') return [];
      const pieces = [...virtual];
      if (after?.[0] === 'user') pieces.push(['u."usernameKey" > ?', after[1]]);
      if (before) pieces.push(['u."usernameKey" < ?', before[1]]);
      const rows = await all<{ id: UserId; usernameKey: string; createdAt: unknown; myCreatedAt: unknown }>(
        `SELECT u."id", u."usernameKey", u."createdAt", me."createdAt" AS "myCreatedAt" ${fromVirtual}`,
        pieces,
        `ORDER BY u."usernameKey" ${backward ? 'DESC' : ''}`,
        limit,
      );
      return rows.map((row) => ({
        key: ['user', row.usernameKey],
        chat: virtualDialog({ id: viewer.userId, createdAt: toDate(row.myCreatedAt) }, { id: row.id, createdAt: toDate(row.createdAt) }),
      }));
    }

    async function count(): Promise<number> {
      if (nothing) return 0;
      return (await countOf(fromReal, real)) + (unopened ? await countOf(fromVirtual, virtual) : 0);
    }
  }

  /**
   * Public rooms and the viewer's own, by name. Somebody else's private room is in no page and in no count.
   * Fails with BAD_REQUEST for a cursor that is none.
   */
  async function rooms(viewer: Viewer, filter: RoomFilter, page: PageRequest): Promise<Page<ChatRow>> {
    const search = toSearch(filter.nameContains);
    const joined = 'EXISTS (SELECT 1 FROM "Member" m WHERE m."chatId" = c."id" AND m."userId" = ?)';
    const banned = 'EXISTS (SELECT 1 FROM "Ban" b WHERE b."chatId" = c."id" AND b."userId" = ?)';
    const joinable = `(c."visibility" = 'PUBLIC' AND NOT ${joined} AND NOT ${banned} AND (c."capacity" IS NULL OR c."memberCount" < c."capacity"))`;
    const pieces: Piece[] = [[`c."kind" = 'ROOM' AND c."deletedAt" IS NULL`]];
    if (search === null) pieces.push(['1 = 0']);
    else if (search) pieces.push([contains('c."nameKey"'), search]);
    if (filter.joined != null) pieces.push([filter.joined ? joined : `NOT ${joined}`, viewer.userId]);
    if (filter.joinable != null) pieces.push([filter.joinable ? joinable : `NOT ${joinable}`, viewer.userId, viewer.userId]);
    // Two statements in one, so that public rooms come in order out of their index.
    const open: Piece[] = [[`c."visibility" = 'PUBLIC'`], ...pieces];
    const own: Piece[] = [[`c."visibility" = 'PRIVATE' AND c."id" IN (SELECT o."chatId" FROM "Member" o WHERE o."userId" = ?)`, viewer.userId], ...pieces];
    const arms = filter.visibility === 'PUBLIC' ? [open] : filter.visibility === 'PRIVATE' ? [own] : [open, own];

    return keysetPage<ChatRow, RoomKey>(page, {
      isKey: isRoomKey,
      keyOf: (room) => [room.nameKey ?? '', room.id],
      read: async ({ after, before, backward, limit }) => {
        const bounds: Piece[] = [];
        if (after) bounds.push(['(c."nameKey", c."id") > (?, ?)', ...after]);
        if (before) bounds.push(['(c."nameKey", c."id") < (?, ?)', ...before]);
        const direction = backward ? 'DESC' : 'ASC';
        const order = (table: string): string => `ORDER BY ${table}."nameKey" ${direction}, ${table}."id" ${direction} LIMIT ?`;
        const limited = arms.map((arm) => joinPieces('SELECT c.* FROM "Chat" c', [...arm, ...bounds], order('c'), limit));
        const text = `SELECT r.* FROM (${limited.map(([arm]) => `SELECT * FROM (${arm}) a`).join(' UNION ALL ')}) r ${order('r')}`;
        return (await db.sql.all<ChatRow>(text, [...limited.flatMap(([, ...params]) => params), limit])).map(toChatRow);
      },
      count: async () => {
        let sum = 0;
        for (const arm of arms) sum += await countOf('FROM "Chat" c', arm);
        return sum;
      },
    });
  }

  /**
   * Members in the order in which they joined; null when the chat is hidden from this person. Seen by whoever may read the chat.
   * Fails with FORBIDDEN (NOT_A_MEMBER) for a room with a password that the person has not joined, BAD_REQUEST for a cursor that is none.
   */
  async function members(standing: ChatStanding, filter: MemberFilter, page: PageRequest): Promise<Page<AnyMember> | null> {
    if (!canSee(standing)) return null;
    const chat = must('read', standing);
    if (chat.id === 0) return unstoredMembers(chat, filter, page);
    const pieces: Piece[] = [['m."chatId" = ?', chat.id], ...(await memberPieces(filter))];
    return keysetPage<AnyMember, MemberKey>(page, {
      isKey: isMemberKey,
      keyOf: toMemberKey,
      read: async ({ after, before, backward, limit }) => {
        const bounded = [...pieces];
        if (after) bounded.push(['(m."joinedAt", m."userId") > (?, ?)', new Date(after[0]), after[1]]);
        if (before) bounded.push(['(m."joinedAt", m."userId") < (?, ?)', new Date(before[0]), before[1]]);
        const direction = backward ? 'DESC' : 'ASC';
        return (await all<MemberRow>('SELECT m.* FROM "Member" m', bounded, `ORDER BY m."joinedAt" ${direction}, m."userId" ${direction}`, limit)).map(toMemberRow);
      },
      count: () => countMembersOf(chat, pieces),
    });
  }

  /** The first pages of many chats, in their order, in one statement for all but very large rooms; an error stands for a list that may not be read. */
  async function firstMembers(standings: readonly ChatStanding[], filter: MemberFilter, size: number): Promise<(Page<AnyMember> | null | AppError)[]> {
    const ordinary = standings.flatMap((standing) =>
      standing.chat && standing.chat.memberCount <= largestTogether && standing.chat.id !== 0 && can('read', standing) ? [standing.chat] : [],
    );
    const pieces = await memberPieces(filter);
    const numbered = 'SELECT m.*, ROW_NUMBER() OVER (PARTITION BY m."chatId" ORDER BY m."joinedAt", m."userId") AS "place" FROM "Member" m';
    const [text, ...params] = joinPieces(numbered, [[oneOfList(db.engine, 'm."chatId"'), ordinary.map(({ id }) => id)], ...pieces], '');
    const rows = await db.sql.all<MemberRow & { place: number }>(`SELECT n.* FROM (${text}) n WHERE n."place" <= ? ORDER BY n."chatId", n."place"`, [...params, size + 1]);
    const byChat = Map.groupBy(
      rows.map(({ place, ...row }) => toMemberRow(row)),
      ({ chatId }) => chatId,
    );
    return Promise.all(
      standings.map((standing) => {
        const { chat } = standing;
        if (!chat || !ordinary.includes(chat)) return members(standing, filter, { size, backward: false, after: null, before: null }).catch(onlyAppError);
        return firstPage<AnyMember>(byChat.get(chat.id) ?? [], size, { keyOf: toMemberKey, count: () => countMembersOf(chat, [['m."chatId" = ?', chat.id], ...pieces]) });
      }),
    );
  }

  async function memberPieces(filter: MemberFilter): Promise<Piece[]> {
    const pieces: Piece[] = [];
    if (filter.role) pieces.push(['m."role" = ?', filter.role]);
    const online = filter.online == null ? [] : [...(await onlineIds())];
    // An empty list as a parameter answers nothing: nobody is in it, but everybody is outside.
    if (filter.online || online.length > 0) pieces.push([`${filter.online ? '' : 'NOT '}(${oneOfList(db.engine, 'm."userId"')})`, online]);
    return pieces;
  }

  async function countMembersOf(chat: ChatRow, pieces: readonly Piece[]): Promise<number> {
    return pieces.length === 1 ? chat.memberCount : countOf('FROM "Member" m', pieces);
  }

  async function unstoredMembers(chat: ChatRow, filter: MemberFilter, page: PageRequest): Promise<Page<AnyMember>> {
    const online = filter.online == null ? null : await onlineIds();
    const people = filter.role && filter.role !== 'MEMBER' ? [] : peopleOf(chat).filter((id) => online === null || online.has(id) === filter.online);
    const rows = people.map((userId) => virtualMember(chat, userId));
    return keysetPage<AnyMember, MemberKey>(page, { isKey: isMemberKey, keyOf: toMemberKey, read: async (bounds) => inMemory(rows, bounds), count: async () => rows.length });
  }

  /** How many members of each chat are among these people, in the order of the chats. Asks nobody's permission. */
  async function countMembers(chatIds: readonly ChatId[], userIds: ReadonlySet<UserId>): Promise<number[]> {
    const rows = await db.sql.all<{ chatId: ChatId; count: number }>(
      `SELECT m."chatId", COUNT(*) AS "count" FROM "Member" m WHERE ${oneOfList(db.engine, 'm."chatId"')} AND ${oneOfList(db.engine, 'm."userId"')} GROUP BY m."chatId"`,
      [chatIds, [...userIds]],
    );
    const counts = new Map(rows.map(({ chatId, count }) => [chatId, Number(count)]));
    return chatIds.map((id) => counts.get(id) ?? 0);
  }

  /** The members of a room, at most `limit`. */
  async function memberIds(roomId: ChatId, limit: number): Promise<UserId[]> {
    const rows = await db.sql.all<{ userId: UserId }>('SELECT m."userId" FROM "Member" m WHERE m."chatId" = ? ORDER BY m."userId" LIMIT ?', [roomId, limit]);
    return rows.map(({ userId }) => userId);
  }

  async function all<Row>(select: string, pieces: readonly Piece[], order: string, limit: number): Promise<Row[]> {
    const [text, ...params] = joinPieces(select, pieces, `${order} LIMIT ?`, limit);
    return db.sql.all<Row>(text, params);
  }

  async function countOf(from: string, pieces: readonly Piece[]): Promise<number> {
    const [text, ...params] = joinPieces(`SELECT COUNT(*) AS "count" ${from}`, pieces, '');
    return Number((await db.sql.all<{ count: number }>(text, params))[0]?.count ?? 0);
  }
}

const joinPieces = (select: string, pieces: readonly Piece[], end: string, ...last: Param[]): Piece => [
  `${select} WHERE ${pieces.map(([text]) => text).join(' AND ')} ${end}`,
  ...pieces.flatMap(([, ...params]) => params),
  ...last,
];

/** The members of a dialog with no message all joined at once: their ids decide. */
function inMemory(rows: readonly AnyMember[], { after, before, backward, limit }: Bounds<MemberKey>): AnyMember[] {
  const between = rows.filter(({ userId }) => (!after || userId > after[1]) && (!before || userId < before[1]));
  return (backward ? between.reverse() : between).slice(0, limit);
}

/** The part of a name to look for, folded like names; empty when everything contains it, null when nothing can. */
function toSearch(text: string | null | undefined): string | null {
  if (!text) return '';
  return text.length > longestSearch || hasForbiddenCharacters(text) ? null : foldName(text);
}

function onlyAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  throw error;
}
