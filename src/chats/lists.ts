/**
 * Lists of chats and of rooms: sorted, filtered and paged by the database. What a filter lets through is looked for a bounded stretch at a time, so that no search
 * holds anybody up.
 */
import { foldName, hasForbiddenCharacters } from '../accounts/names.ts';
import { AppError } from '../errors.ts';
import type { ChatId, UserId } from '../ids.ts';
import { chatsNow } from '../storage/chats-now.ts';
import { type Condition, countByStretches, countWhere, type FindEdge, type Stretch, selectWhere, statementOf, walk } from '../storage/conditions.ts';
import type { Database } from '../storage/database.ts';
import { type Bounds, isPosition, isText, isWhole, keysetPage, type Page, type PageRequest } from '../storage/page.ts';
import { type ChatRow, toChatRow } from '../storage/rows.ts';
import { containsText, oneOfList, toDate } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import type { Viewer } from '../viewer.ts';
import { virtualDialog } from './chats.ts';

export type ChatLists = ReturnType<typeof createChatLists>;

export type ChatFilter = {
  kind?: 'DIALOG' | 'ROOM' | null;
  nameContains?: string | null;
  /** Ids of accounts; one that is null names nobody, so that no chat has all of them. */
  withUserIds?: readonly (UserId | null)[] | null;
  unreadOnly?: boolean | null;
  highlightsOnly?: boolean | null;
  archived?: boolean | null;
  pinned?: boolean | null;
  includeAllUsers?: boolean | null;
};
export type RoomFilter = { nameContains?: string | null; visibility?: 'PUBLIC' | 'PRIVATE' | null; joined?: boolean | null; joinable?: boolean | null };

/** A chat that exists, by activity; or, behind all of these, an account with whom none exists, by name. */
type ChatKey = ['active', activity: number, id: ChatId] | ['user', usernameKey: string];
type ChatEntry = { key: ChatKey; chat: ChatRow };
type RoomKey = [nameKey: string, id: ChatId];

const isChatKey = (key: unknown): key is ChatKey =>
  Array.isArray(key) && ((key.length === 3 && key[0] === 'active' && isPosition(key[1]) && isWhole(key[2])) || (key.length === 2 && key[0] === 'user' && isText(key[1])));
const isRoomKey = (key: unknown): key is RoomKey => Array.isArray(key) && key.length === 2 && isText(key[0]) && isWhole(key[1]);

const longestSearch = 200;
/** So many of the viewer's chats, and so many memberships of people in them, one statement of a search looks at. */
const chatsAtOnce = 1_000;
const membershipsAtOnce = 10_000;

export function createChatLists({ db }: { db: Database }) {
  const contains = (column: string): string => containsText(db.engine, column);
  return { chats, rooms };

  /**
   * The viewer's chats, most recently active first; a dialog from its first message on. With `includeAllUsers`, then an unopened dialog for every other account, by username.
   * Fails with BAD_REQUEST for a cursor that is none, or more than 100 of `withUserIds`.
   */
  async function chats(viewer: Viewer, filter: ChatFilter, page: PageRequest): Promise<Page<ChatRow>> {
    const withIds = filter.withUserIds ? [...new Set(filter.withUserIds)] : [];
    if (withIds.length > 100) throw new AppError('BAD_REQUEST', undefined, 'At most 100 users can be searched for.');
    const [search, wanted] = [toSearch(filter.nameContains), withIds.filter((id) => id !== null)];
    const peers = wanted.filter((id) => id !== viewer.userId);
    const parts: Part[] = search === null || wanted.length < withIds.length ? [] : [ownChats(viewer, filter, search, wanted)];
    if (
      parts.length > 0 &&
      filter.includeAllUsers &&
      filter.kind !== 'ROOM' &&
      !filter.unreadOnly &&
      !filter.highlightsOnly &&
      !filter.archived &&
      !filter.pinned &&
      peers.length <= 1
    )
      parts.push(unopenedDialogs(viewer, search ?? '', peers[0]));

    const { edges, ...rest } = await keysetPage<ChatEntry, ChatKey>(page, {
      isKey: isChatKey,
      keyOf: ({ key }) => key,
      read: async (bounds) => {
        const rows: ChatEntry[] = [];
        for (const part of bounds.backward ? [...parts].reverse() : parts) {
          if (rows.length < bounds.limit) for (const row of await part.read({ ...bounds, limit: bounds.limit - rows.length })) rows.push(row);
        }
        return rows;
      },
      count: async () => {
        let sum = 0;
        for (const part of parts) sum += await part.count();
        return sum;
      },
    });
    return { ...rest, edges: edges.map(({ cursor, node }) => ({ cursor, node: node.chat })) };
  }

  /** The chats that exist. */
  function ownChats({ userId }: Viewer, { kind, unreadOnly, highlightsOnly, archived, pinned }: ChatFilter, search: string, wanted: readonly UserId[]): Part {
    const own: Condition[] = [
      ['me."userId" = ? AND c."deletedAt" IS NULL', userId],
      [{ DIALOG: `c."kind" = 'DIALOG' AND c."lastSeq" > 0`, ROOM: `c."kind" = 'ROOM'`, both: `(c."kind" = 'ROOM' OR c."lastSeq" > 0)` }[kind ?? 'both']],
    ];
    if (search) own.push([`(${contains('c."nameKey"')} OR ${contains('p."displayNameKey"')} OR ${contains('p."usernameKey"')})`, search, search, search]);
    if (wanted.length > 0) own.push([`(SELECT COUNT(*) FROM "Member" w WHERE w."chatId" = c."id" AND ${oneOfList(db.engine, 'w."userId"')}) = ?`, wanted, wanted.length]);
    // Counted in narrow indexes: looking for the first one would pass over every own message.
    const behind = 'm."chatId" = c."id" AND m."seq" > me."readSeq"';
    if (unreadOnly) {
      own.push([
        `c."lastSeq" - me."readSeq" > (SELECT COUNT(*) FROM "Message" m WHERE ${behind} AND m."senderId" = me."userId")
         + (SELECT COUNT(*) FROM "Message" m WHERE ${behind} AND m."deletedAt" IS NOT NULL AND m."senderId" <> me."userId")`,
      ]);
    }
    if (highlightsOnly) {
      own.push([
        `(EXISTS (SELECT 1 FROM "Mention" n WHERE n."userId" = me."userId" AND n."chatId" = c."id" AND n."counts" = true AND n."seq" > me."readSeq")
         OR EXISTS (SELECT 1 FROM "Message" m WHERE ${behind} AND m."mentionsAll" = 'EVERYONE' AND m."senderId" <> me."userId"))`,
      ]);
    }
    for (const [column, wantedSo] of [
      ['archivedSeq', archived],
      ['pinnedAt', pinned],
    ] as const)
      if (wantedSo != null)
        own.push([`${wantedSo ? '' : 'NOT '}EXISTS (SELECT 1 FROM "ChatView" v WHERE v."chatId" = me."chatId" AND v."userId" = me."userId" AND v."${column}" IS NOT NULL)`]);
    const peer = search ? 'LEFT JOIN "User" p ON p."id" = CASE WHEN c."lowUserId" = me."userId" THEN c."highUserId" ELSE c."lowUserId" END' : '';
    const from = `FROM "Member" me JOIN ${chatsNow(db.engine)} c ON c."id" = me."chatId" ${peer}`;
    const isFiltered = search !== '' || wanted.length > 0 || Boolean(unreadOnly) || Boolean(highlightsOnly) || Boolean(archived) || Boolean(pinned);
    const atOnce = Math.floor(Math.min(chatsAtOnce, membershipsAtOnce / Math.max(1, wanted.length)));

    return {
      async read({ after, before, backward, limit }) {
        if (after?.[0] === 'user') return [];
        const conditions = [...own];
        if (after) conditions.push(['(c."activity", c."id") < (?, ?)', after[1], after[2]]);
        if (before?.[0] === 'active') conditions.push(['(c."activity", c."id") > (?, ?)', before[1], before[2]]);
        const order = backward ? 'c."activity", c."id"' : 'c."activity" DESC, c."id" DESC';
        let rows: ChatEntry[] = [];
        for await (const piece of pieces(conditions)) {
          const found = await selectWhere<ChatRow & { activity: number }>(db.scan, `SELECT c.* ${from}`, piece, `ORDER BY ${order} LIMIT ?`, limit);
          const entries = found.map((row): ChatEntry => ({ key: ['active', Number(row.activity), row.id], chat: toChatRow(row) }));
          rows = rows.length === 0 ? entries : [...rows, ...entries].sort((a, b) => (backward ? 1 : -1) * inActivityOrder(a, b)).slice(0, limit);
        }
        return rows;
      },
      async count() {
        let sum = 0;
        for await (const piece of pieces(own)) sum += await countWhere(db.scan, from, piece);
        return sum;
      },
    };

    /** The same conditions for some of the chats after the other, where a filter makes them dear. */
    async function* pieces(conditions: Condition[]): AsyncGenerator<Condition[]> {
      if (!isFiltered) return yield conditions;
      const ids = (await db.scan.all<{ chatId: ChatId }>('SELECT "chatId" FROM "Member" WHERE "userId" = ?', [userId])).map(({ chatId }) => chatId);
      for (let at = 0; at < ids.length; at += atOnce) {
        yield [...conditions, [oneOfList(db.engine, 'me."chatId"'), ids.slice(at, at + atOnce)]];
        await yieldWhenLong();
      }
    }
  }

  /** A dialog with every other account with whom there is none. */
  function unopenedDialogs(viewer: Viewer, search: string, peer: UserId | undefined): Part {
    const others: Condition[] = [
      [
        `me."id" = ? AND u."id" <> me."id" AND u."deletedAt" IS NULL AND NOT EXISTS (SELECT 1 FROM "Chat" d WHERE d."lastSeq" > 0
         AND d."lowUserId" = CASE WHEN u."id" < me."id" THEN u."id" ELSE me."id" END AND d."highUserId" = CASE WHEN u."id" < me."id" THEN me."id" ELSE u."id" END)`,
        viewer.userId,
      ],
    ];
    if (search) others.push([`(${contains('u."displayNameKey"')} OR ${contains('u."usernameKey"')})`, search, search]);
    if (peer !== undefined) others.push(['u."id" = ?', peer]);
    const from = 'FROM "User" me CROSS JOIN "User" u';
    type NameKey = [usernameKey: string];

    const between = ({ after, before, backward, until }: Stretch<NameKey>): Condition[] => {
      const conditions: Condition[] = [];
      if (after) conditions.push(['u."usernameKey" > ?', ...after]);
      if (before) conditions.push(['u."usernameKey" < ?', ...before]);
      if (until) conditions.push([`u."usernameKey" ${backward ? '>=' : '<='} ?`, ...until]);
      return conditions;
    };
    const findEdge: FindEdge<NameKey> = async (bounds, places) => {
      // One account alone is found by its id.
      if (peer !== undefined) return null;
      const conditions: Condition[] = [['1 = 1'], ...between({ ...bounds, until: null })];
      const [row] = await selectWhere<{ usernameKey: string }>(
        db.scan,
        'SELECT u."usernameKey" FROM "User" u',
        conditions,
        `ORDER BY u."usernameKey" ${bounds.backward ? 'DESC' : ''} LIMIT 1 OFFSET ?`,
        places - 1,
      );
      return row ? [row.usernameKey] : null;
    };
    return {
      async read({ after, before, backward, limit }) {
        if (before?.[0] === 'active') return [];
        const bounds = { after: after?.[0] === 'user' ? nameOf(after) : null, before: before ? nameOf(before) : null, backward, limit };
        return walk<ChatEntry, NameKey>(bounds, findEdge, async (stretch) => {
          const rows = await selectWhere<{ id: UserId; usernameKey: string; createdAt: unknown; myCreatedAt: unknown }>(
            db.scan,
            `SELECT u."id", u."usernameKey", u."createdAt", me."createdAt" AS "myCreatedAt" ${from}`,
            [...others, ...between(stretch)],
            `ORDER BY u."usernameKey" ${backward ? 'DESC' : ''} LIMIT ?`,
            stretch.limit,
          );
          return rows.map((row) => ({
            key: ['user', row.usernameKey],
            chat: virtualDialog({ id: viewer.userId, createdAt: toDate(row.myCreatedAt) }, { id: row.id, createdAt: toDate(row.createdAt) }),
          }));
        });
      },
      count: () => countByStretches<NameKey>(findEdge, (stretch) => countWhere(db.scan, from, [...others, ...between(stretch)])),
    };

    function nameOf(key: ChatKey): NameKey {
      return [key[1] as string];
    }
  }

  /** Rooms the viewer can see, by name: public ones, and private ones they belong to. Fails with BAD_REQUEST for a cursor that is none. */
  async function rooms(viewer: Viewer, filter: RoomFilter, page: PageRequest): Promise<Page<ChatRow>> {
    const search = toSearch(filter.nameContains);
    const joined = 'EXISTS (SELECT 1 FROM "Member" m WHERE m."chatId" = c."id" AND m."userId" = ?)';
    const banned = 'EXISTS (SELECT 1 FROM "Ban" b WHERE b."chatId" = c."id" AND b."userId" = ?)';
    const joinable = `(c."visibility" = 'PUBLIC' AND NOT ${joined} AND NOT ${banned} AND (c."capacity" IS NULL OR c."memberCount" < c."capacity"))`;
    const filters: Condition[] = [];
    if (search) filters.push([contains('c."nameKey"'), search]);
    if (filter.joined != null) filters.push([filter.joined ? joined : `NOT ${joined}`, viewer.userId]);
    if (filter.joinable != null) filters.push([filter.joinable ? joinable : `NOT ${joinable}`, viewer.userId, viewer.userId]);
    const exists: Condition = [`c."kind" = 'ROOM' AND c."deletedAt" IS NULL`];
    // Two statements in one, so that public rooms come in order out of their index.
    const open: Condition[] = [[`c."visibility" = 'PUBLIC'`], exists];
    const own: Condition[] = [[`c."visibility" = 'PRIVATE' AND c."id" IN (SELECT o."chatId" FROM "Member" o WHERE o."userId" = ?)`, viewer.userId], exists];
    const arms = search === null ? [] : filter.visibility === 'PUBLIC' ? [open] : filter.visibility === 'PRIVATE' ? [own] : [open, own];

    return keysetPage<ChatRow, RoomKey>(page, {
      isKey: isRoomKey,
      keyOf: (room) => [room.nameKey ?? '', room.id],
      read: (bounds) => (filters.length === 0 ? read({ ...bounds, until: null }) : walk(bounds, findEdge, read)),
      count: () =>
        countByStretches(findEdge, async (stretch) => {
          let sum = 0;
          for (const arm of arms) sum += await countWhere(db.scan, 'FROM "Chat" c', [...arm, ...filters, ...between(stretch)]);
          return sum;
        }),
    });

    async function read(stretch: Stretch<RoomKey>): Promise<ChatRow[]> {
      return (await inOrder<ChatRow>('*', [...filters, ...between(stretch)], stretch.backward, 'LIMIT ?', stretch.limit, stretch.limit)).map(toChatRow);
    }

    async function findEdge(bounds: Bounds<RoomKey>, places: number): Promise<RoomKey | null> {
      const [row] = await inOrder<{ nameKey: string; id: ChatId }>('"nameKey", "id"', between({ ...bounds, until: null }), bounds.backward, 'LIMIT 1 OFFSET ?', places - 1, places);
      return row ? [row.nameKey, row.id] : null;
    }

    function between({ after, before, backward, until }: Stretch<RoomKey>): Condition[] {
      const conditions: Condition[] = [];
      if (after) conditions.push(['(c."nameKey", c."id") > (?, ?)', ...after]);
      if (before) conditions.push(['(c."nameKey", c."id") < (?, ?)', ...before]);
      if (until) conditions.push([`(c."nameKey", c."id") ${backward ? '>=' : '<='} (?, ?)`, ...until]);
      return conditions;
    }

    /** Of each kind of rooms the first `most`, and of these together what `limit` says. */
    async function inOrder<Row>(columns: string, conditions: readonly Condition[], backward: boolean, limit: string, count: number, most: number): Promise<Row[]> {
      if (arms.length === 0) return [];
      const direction = backward ? 'DESC' : 'ASC';
      const order = (table: string): string => `ORDER BY ${table}."nameKey" ${direction}, ${table}."id" ${direction}`;
      const limited = arms.map((arm) =>
        statementOf(`SELECT c.${columns.replace(', ', ', c.')} FROM ${chatsNow(db.engine)} c`, [...arm, ...conditions], `${order('c')} LIMIT ?`, [most]),
      );
      const text = `SELECT r.* FROM (${limited.map(([arm]) => `SELECT * FROM (${arm}) a`).join(' UNION ALL ')}) r ${order('r')} ${limit}`;
      return db.scan.all<Row>(text, [...limited.flatMap(([, ...params]) => params), count]);
    }
  }
}

/** One behind the other, these make a list. */
type Part = { read(bounds: Bounds<ChatKey>): Promise<ChatEntry[]>; count(): Promise<number> };

const inActivityOrder = ({ key: a, chat }: ChatEntry, { key: b, chat: other }: ChatEntry): number => Number(a[1]) - Number(b[1]) || chat.id - other.id;

/** The part of a name to look for, folded like names; empty when everything contains it, null when nothing can. */
function toSearch(text: string | null | undefined): string | null {
  if (!text) return '';
  return text.length > longestSearch || hasForbiddenCharacters(text) ? null : foldName(text);
}
