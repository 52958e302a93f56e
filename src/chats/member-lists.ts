/** Lists of members, filtered and paged, of one chat or of many: no statement looks through all members of a large room. */
import { AppError } from '../errors.ts';
import type { ChatId, UserId } from '../ids.ts';
import { type Condition, countWhere, selectWhere, statementOf } from '../storage/conditions.ts';
import type { Database } from '../storage/database.ts';
import { type Bounds, firstPage, isTime, isWhole, keysetPage, type Page, type PageRequest } from '../storage/page.ts';
import { type ChatRow, type MemberRow, toMemberRow } from '../storage/rows.ts';
import { oneOfList, type Param, tableOf } from '../storage/sql.ts';
import { can, canSee, must, type Role } from './access.ts';
import { type AnyMember, type ChatStanding, peopleOf, virtualMember } from './chats.ts';

export type MemberLists = ReturnType<typeof createMemberLists>;

export type MemberFilter = {
  role?: Role | null;
  /** Only who is online now, or only who is not. */
  online?: boolean | null;
};

type MemberKey = [joinedAt: number, userId: UserId];
const isMemberKey = (key: unknown): key is MemberKey => Array.isArray(key) && key.length === 2 && isTime(key[0]) && isWhole(key[1]);
const toMemberKey = (member: MemberRow): MemberKey => [member.joinedAt.getTime(), member.userId];

/** What a statement reads from: the members, or those who are online; what is to be true of them; and the parameters of the former. */
type Source = { from: string; params: Param[]; conditions: Condition[] };

export function createMemberLists({
  db,
  onlineIds,
}: {
  db: Database;
  /** Who is online now, for the filter. */
  onlineIds: () => Promise<ReadonlySet<UserId>>;
}) {
  return { members, firstMembers, countAmong, memberIds };

  /**
   * Members in the order in which they joined; null when the chat is hidden from this person. Seen by whoever may read the chat.
   * Fails with FORBIDDEN (NOT_A_MEMBER) for a room with a password that the person has not joined, BAD_REQUEST for a cursor that is none.
   */
  async function members(standing: ChatStanding, filter: MemberFilter, page: PageRequest): Promise<Page<AnyMember> | null> {
    if (!canSee(standing)) return null;
    const chat = must('read', standing);
    if (chat.id === 0) return unstoredMembers(chat, filter, page);
    const { from, params, conditions } = sourceOf(filter, await onlineFor(filter));
    return keysetPage<AnyMember, MemberKey>(page, {
      isKey: isMemberKey,
      keyOf: toMemberKey,
      read: async ({ after, before, backward, limit }) => {
        const bounded: Condition[] = [['m."chatId" = ?', chat.id], ...conditions];
        if (after) bounded.push(['(m."joinedAt", m."userId") > (?, ?)', new Date(after[0]), after[1]]);
        if (before) bounded.push(['(m."joinedAt", m."userId") < (?, ?)', new Date(before[0]), before[1]]);
        const direction = backward ? 'DESC' : 'ASC';
        const [text, ...values] = statementOf(`SELECT m.* ${from}`, bounded, `ORDER BY m."joinedAt" ${direction}, m."userId" ${direction} LIMIT ?`, [limit]);
        return (await db.scan.all<MemberRow>(text, [...params, ...values])).map(toMemberRow);
      },
      count: () => countMembers(chat, filter),
    });
  }

  /** The first pages of many chats, in their order, in one statement; an error stands for a list that may not be read. */
  async function firstMembers(standings: readonly ChatStanding[], filter: MemberFilter, size: number): Promise<(Page<AnyMember> | null | AppError)[]> {
    const readable = standings.flatMap(({ chat, ...place }) => (chat && chat.id !== 0 && can('read', { chat, ...place }) ? [chat] : []));
    const { from, params, conditions } = sourceOf(filter, await onlineFor(filter));
    const table = tableOf(db.engine, 't', { chatId: 'int' });
    const [first, ...values] = statementOf(`SELECT m.* ${from}`, [['m."chatId" = t."chatId"'], ...conditions], 'ORDER BY m."joinedAt", m."userId" LIMIT ?', [size + 1]);
    // For each chat its own few rows: numbering all members of many chats would read them all.
    const text =
      db.engine === 'postgresql'
        ? `SELECT f.* FROM ${table} CROSS JOIN LATERAL (${first}) f ORDER BY f."chatId", f."joinedAt", f."userId"`
        : `SELECT m.* FROM ${table} CROSS JOIN "Member" m ON m."chatId" = t."chatId" AND m."userId" IN (SELECT "userId" FROM (${first}))
           ORDER BY m."chatId", m."joinedAt", m."userId"`;
    const rows = await db.scan.all<MemberRow>(text, [readable.map(({ id }) => ({ chatId: id })), ...params, ...values]);
    const byChat = Map.groupBy(rows.map(toMemberRow), ({ chatId }) => chatId);
    return Promise.all(
      standings.map((standing) => {
        const { chat } = standing;
        if (!chat || !readable.includes(chat)) return members(standing, filter, { size, backward: false, after: null, before: null }).catch(onlyAppError);
        return firstPage<AnyMember>(byChat.get(chat.id) ?? [], size, { keyOf: toMemberKey, count: () => countMembers(chat, filter) });
      }),
    );
  }

  async function onlineFor({ online }: MemberFilter): Promise<UserId[]> {
    return online == null ? [] : [...(await onlineIds())];
  }

  function sourceOf({ role, online }: MemberFilter, onlineNow: UserId[]): Source {
    const conditions: Condition[] = role ? [roleIs(role)] : [];
    const all: Source = { from: 'FROM "Member" m', params: [], conditions };
    // Few of a large room are online: they are looked up, and not looked for among the others.
    if (online) {
      const people = tableOf(db.engine, 'o', { id: 'int' });
      return { from: `FROM ${people} CROSS JOIN "Member" m`, params: [onlineNow.map((id) => ({ id }))], conditions: [['m."userId" = o."id"'], ...conditions] };
    }
    // An empty list as a parameter answers nothing: nobody is in it, but everybody is outside.
    return onlineNow.length === 0 ? all : { ...all, conditions: [...conditions, [`NOT (${oneOfList(db.engine, 'm."userId"')})`, onlineNow]] };
  }

  /** All by role are known without counting them: owners and admins are few, and the others are the rest. */
  async function countMembers({ id, memberCount }: ChatRow, { role, online }: MemberFilter): Promise<number> {
    const count = async (conditions: Condition[]): Promise<number> => countWhere(db.scan, 'FROM "Member" m', [['m."chatId" = ?', id], ...conditions]);
    const managers = role === 'MEMBER' ? await count([[`m."role" <> 'MEMBER'`]]) : 0;
    const all = role && role !== 'MEMBER' ? await count([roleIs(role)]) : memberCount - managers;
    if (online == null) return all;
    const present = await count([[oneOfList(db.engine, 'm."userId"'), [...(await onlineIds())]], ...(role ? [roleIs(role)] : [])]);
    return online ? present : all - present;
  }

  async function unstoredMembers(chat: ChatRow, filter: MemberFilter, page: PageRequest): Promise<Page<AnyMember>> {
    const online = filter.online == null ? null : await onlineIds();
    const people = filter.role && filter.role !== 'MEMBER' ? [] : peopleOf(chat).filter((id) => online === null || online.has(id) === filter.online);
    const rows = people.map((userId) => virtualMember(chat, userId));
    return keysetPage<AnyMember, MemberKey>(page, { isKey: isMemberKey, keyOf: toMemberKey, read: async (bounds) => inMemory(rows, bounds), count: async () => rows.length });
  }

  /** How many members of each chat are among these people, in the order of the chats. Asks nobody's permission. */
  async function countAmong(chatIds: readonly ChatId[], userIds: ReadonlySet<UserId>): Promise<number[]> {
    const rows = await db.scan.all<{ chatId: ChatId; count: number }>(
      `SELECT m."chatId", COUNT(*) AS "count" FROM "Member" m WHERE ${oneOfList(db.engine, 'm."chatId"')} AND ${oneOfList(db.engine, 'm."userId"')} GROUP BY m."chatId"`,
      [chatIds, [...userIds]],
    );
    const counts = new Map(rows.map(({ chatId, count }) => [chatId, Number(count)]));
    return chatIds.map((id) => counts.get(id) ?? 0);
  }

  /** The members of a room, at most `limit`. */
  async function memberIds(roomId: ChatId, limit: number): Promise<UserId[]> {
    const rows = await selectWhere<{ userId: UserId }>(db.scan, 'SELECT m."userId" FROM "Member" m', [['m."chatId" = ?', roomId]], 'ORDER BY m."userId" LIMIT ?', limit);
    return rows.map(({ userId }) => userId);
  }
}

/** The index of owners and admins is used only where a statement says that it wants no others. */
const roleIs = (role: Role): Condition => (role === 'MEMBER' ? ['m."role" = ?', role] : [`m."role" <> 'MEMBER' AND m."role" = ?`, role]);

/** The members of a dialog with no message all joined at once: their ids decide. */
function inMemory(rows: readonly AnyMember[], { after, before, backward, limit }: Bounds<MemberKey>): AnyMember[] {
  const between = rows.filter(({ userId }) => (!after || userId > after[1]) && (!before || userId < before[1]));
  return (backward ? between.reverse() : between).slice(0, limit);
}

function onlyAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  throw error;
}
