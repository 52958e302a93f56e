/** Finding chats and members: one by one, many at once, and the dialog that has no message yet. Who may see what is decided in access.ts. */
import type { Accounts } from '../accounts/accounts.ts';
import { foldName } from '../accounts/names.ts';
import { type ChatId, noChat, placeKey, type UserId } from '../ids.ts';
import { chatsNow } from '../storage/chats-now.ts';
import type { Database } from '../storage/database.ts';
import { dialogsOf, type Pair, pairKey, pairOf } from '../storage/dialogs.ts';
import { isText } from '../storage/page.ts';
import { type ChatRow, type MemberRow, toChatRow, toMemberRow, type UserRow } from '../storage/rows.ts';
import { oneOfList, type Sql, tableOf, toDate } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { can, canSee, type RoomRights } from './access.ts';
import { rightsOf } from './rights.ts';

export type Chats = ReturnType<typeof createChats>;

/** How a chat is named: a room by its row, a dialog by its two people, which it keeps before and after its first message. `low` <= `high`. */
export type ChatRef = { roomId: ChatId } | Pair;
export type MemberRef = { chat: ChatRef; userId: UserId };
export type RoomRef = { roomId: ChatId } | { link: string };

/** One person before one chat, with the whole membership. */
export type ChatStanding = { chat: ChatRow | null } & Place;
export type Place = { member: MemberRow | null; banned: boolean };
/** A membership; in a dialog that has no row yet, with its people. */
export type AnyMember = MemberRow & { dialog?: Pair };

const nobody: ChatStanding = { chat: null, member: null, banned: false };

export function createChats({ db, accounts }: { db: Database; accounts: Pick<Accounts, 'findMany'> }) {
  return { dialog, find, findMany, findRoom, findMemberships, findStanding, places, placesOf, findRows, findMembers, findRights };

  /** The conversation of the viewer with somebody, who may be the viewer. Writes nothing: before the first message it is virtual. */
  async function dialog(viewer: Viewer, peer: UserRow): Promise<ChatRow> {
    const pair = pairOf(viewer.userId, peer.id);
    const [row] = await findDialogs(db.sql, [pair]);
    if (row) return row;
    const [me] = await accounts.findMany([viewer.userId]);
    return virtualDialog(me ?? peer, peer);
  }

  /** The chat, or null when it is hidden from the viewer. */
  async function find(viewer: Viewer, ref: ChatRef): Promise<ChatRow | null> {
    const found = await findStanding(viewer, ref);
    return canSee(found) ? found.chat : null;
  }

  /** What is true of the viewer and a chat, outside a transaction. */
  function findStanding({ userId }: Pick<Viewer, 'userId'>, ref: ChatRef): Promise<ChatStanding> {
    return standing(db.sql, userId, ref);
  }

  /** The room, or null when it is hidden from the viewer or there is none. */
  async function findRoom(viewer: Viewer, ref: RoomRef): Promise<ChatRow | null> {
    const roomId = await roomIdOf(ref);
    return roomId === null ? null : find(viewer, { roomId });

    async function roomIdOf(room: RoomRef): Promise<ChatId | null> {
      if ('roomId' in room) return room.roomId;
      if (!isText(room.link)) return null;
      const [row] = await db.sql.all<{ id: ChatId }>('SELECT "id" FROM "Chat" WHERE "linkKey" = ?', [foldName(room.link)]);
      return row?.id ?? null;
    }
  }

  /** Many at once, in their order: null for what is hidden from the viewer. A constant number of statements. */
  async function findMany(viewer: Viewer, refs: readonly ChatRef[]): Promise<(ChatRow | null)[]> {
    return (await standings(db.sql, viewer.userId, refs)).map((found) => (canSee(found) ? found.chat : null));
  }

  /** Memberships by chat and person, in their order: null for those of a chat that the viewer may not read, and for a reference that is none. */
  async function findMemberships(viewer: Viewer, refs: readonly (MemberRef | null)[]): Promise<(AnyMember | null)[]> {
    const named = refs.filter((ref) => ref !== null);
    const found = await standings(
      db.sql,
      viewer.userId,
      named.map(({ chat }) => chat),
    );
    const readable = new Map(named.map((ref, index) => [ref, found[index] as ChatStanding] as const).filter(([, standing]) => can('read', standing)));
    const stored = await findMembers([...readable].flatMap(([{ userId }, { chat }]) => (chat && chat.id !== 0 ? [{ chatId: chat.id, userId }] : [])));
    return refs.map((ref) => {
      const chat = (ref && readable.get(ref)?.chat) ?? null;
      if (!ref || !chat) return null;
      if (chat.id === 0) return peopleOf(chat).includes(ref.userId) ? virtualMember(chat, ref.userId) : null;
      return stored.find((member) => member.chatId === chat.id && member.userId === ref.userId) ?? null;
    });
  }

  /** The other half of a standing, of one person in many stored chats at once, in their order. */
  function places(userId: UserId, chatIds: readonly ChatId[]): Promise<Place[]> {
    return placesOf(chatIds.map((chatId) => ({ chatId, userId })));
  }

  /** The same for any people and chats. */
  function placesOf(asked: readonly { chatId: ChatId; userId: UserId }[]): Promise<Place[]> {
    return placesIn(db.sql, asked);
  }

  /** Chats by id, without asking who may see them: for what the viewer was shown before. Deleted rooms are left out. */
  function findRows(ids: readonly ChatId[]): Promise<ChatRow[]> {
    return rowsOf(db.sql, ids);
  }

  /** What these chats let their members do, in their order. */
  function findRights(ids: readonly ChatId[]): Promise<RoomRights[]> {
    return rightsOf(db.sql, ids);
  }

  /** Members by chat and person, without asking who may see them. */
  function findMembers(asked: readonly { chatId: ChatId; userId: UserId }[]): Promise<MemberRow[]> {
    return membersOf(db.sql, asked);
  }
}

/**
 * What is true of a person and a chat: ask access.ts with it. A dialog that is not open yet has both its people as members, when both accounts exist.
 * In a transaction that changes something, lock the chat first.
 */
export async function standing(sql: Sql, userId: UserId, ref: ChatRef): Promise<ChatStanding> {
  return (await standings(sql, userId, [ref]))[0] as ChatStanding;
}

/** The same for many chats, in their order. */
async function standings(sql: Sql, userId: UserId, refs: readonly ChatRef[]): Promise<ChatStanding[]> {
  // The id of a room that names a dialog's row names nothing.
  const rooms = (
    await rowsOf(
      sql,
      refs.flatMap((ref) => ('roomId' in ref ? [ref.roomId] : [])),
    )
  ).filter(({ kind }) => kind === 'ROOM');
  const pairs = refs.filter((ref) => 'low' in ref && (ref.low === userId || ref.high === userId)) as Pair[];
  const dialogs = await findDialogs(sql, pairs);
  const chats = new Map([...rooms, ...dialogs].map((chat) => [keyOf(refOf(chat)), chat]));
  const people = await agesOf(
    sql,
    pairs.filter((pair) => !chats.has(keyOf(pair))).flatMap(({ low, high }) => [low, high]),
  );
  const ids = [...new Set([...chats.values()].map(({ id }) => id))];
  const found = await placesIn(
    sql,
    ids.map((chatId) => ({ chatId, userId })),
  );
  const placeIn = new Map(ids.map((id, index) => [id, found[index] as Place]));
  return refs.map((ref) => {
    const chat = chats.get(keyOf(ref));
    if (chat) return { chat, ...(placeIn.get(chat.id) as Place) };
    if (!('low' in ref) || (userId !== ref.low && userId !== ref.high)) return nobody;
    const [low, high] = [people.get(ref.low), people.get(ref.high)];
    return low && high ? standingInVirtual(virtualDialog(low, high), userId) : nobody;
  });
}

/** Accounts that are not deleted. */
async function agesOf(sql: Sql, ids: readonly UserId[]): Promise<Map<UserId, Pick<UserRow, 'id' | 'createdAt'>>> {
  const rows = await sql.all<{ id: UserId; createdAt: unknown }>(`SELECT "id", "createdAt" FROM "User" WHERE ${oneOfList(sql.engine, '"id"')} AND "deletedAt" IS NULL`, [
    [...new Set(ids)],
  ]);
  return new Map(rows.map(({ id, createdAt }) => [id, { id, createdAt: toDate(createdAt) }]));
}

async function placesIn(sql: Sql, asked: readonly { chatId: ChatId; userId: UserId }[]): Promise<Place[]> {
  const members = new Map((await membersOf(sql, asked)).map((member) => [placeKey(member), member]));
  const others = asked.filter((place) => !members.has(placeKey(place)));
  const table = tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' });
  const bans = await sql.all<{ chatId: ChatId; userId: UserId }>(
    `SELECT b."chatId", b."userId" FROM ${table} JOIN "Ban" b ON b."chatId" = t."chatId" AND b."userId" = t."userId"`,
    [others],
  );
  const banned = new Set(bans.map(placeKey));
  return asked.map((place) => ({ member: members.get(placeKey(place)) ?? null, banned: banned.has(placeKey(place)) }));
}

async function rowsOf(sql: Sql, ids: readonly ChatId[]): Promise<ChatRow[]> {
  return (await sql.all<ChatRow>(`SELECT c.* FROM ${chatsNow(sql.engine)} c WHERE ${oneOfList(sql.engine, 'c."id"')} AND c."deletedAt" IS NULL`, [ids])).map(toChatRow);
}

async function findDialogs(sql: Sql, pairs: readonly Pair[]): Promise<ChatRow[]> {
  return (await sql.all<ChatRow>(`SELECT c.* FROM ${dialogsOf(sql.engine)}`, [pairs])).map(toChatRow);
}

/** Memberships, where there are any. */
export async function membersOf(sql: Sql, places: readonly { chatId: ChatId; userId: UserId }[]): Promise<MemberRow[]> {
  const table = tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' });
  return (await sql.all<MemberRow>(`SELECT m.* FROM ${table} JOIN "Member" m ON m."chatId" = t."chatId" AND m."userId" = t."userId"`, [places])).map(toMemberRow);
}

/** A dialog before its first message: a row with id 0 that is stored nowhere. Its times are the younger account's. */
export function virtualDialog(a: Pick<UserRow, 'id' | 'createdAt'>, b: Pick<UserRow, 'id' | 'createdAt'>): ChatRow {
  const createdAt = a.createdAt > b.createdAt ? a.createdAt : b.createdAt;
  const { low, high } = pairOf(a.id, b.id);
  return {
    id: noChat,
    kind: 'DIALOG',
    lowUserId: low,
    highUserId: high,
    name: null,
    nameKey: null,
    topic: null,
    link: null,
    linkKey: null,
    visibility: 'PRIVATE',
    postPolicy: 'MEMBERS',
    everyone: false,
    capacity: null,
    avatarId: null,
    passwordHash: null,
    lastSeq: 0,
    memberCount: low === high ? 1 : 2,
    createdAt,
    lastActivityAt: createdAt,
    creatorId: null,
    clientRequestId: null,
    deletedAt: null,
  };
}

/** The two people of a dialog. */
const pairIn = ({ lowUserId, highUserId }: ChatRow): Pair => ({ low: lowUserId as UserId, high: highUserId as UserId });

/** The people of a dialog, one of them in a dialog with oneself; of a room nobody. */
export const peopleOf = (chat: ChatRow): UserId[] => (chat.kind === 'DIALOG' ? [...new Set(Object.values(pairIn(chat)))] : []);

/** The one of a dialog's people who is not this one; the same in a dialog with oneself. */
export const peerOf = ({ lowUserId, highUserId }: Pick<ChatRow, 'lowUserId' | 'highUserId'>, userId: UserId): UserId => (lowUserId === userId ? highUserId : lowUserId) as UserId;

/** A person's membership in a dialog that is not open yet. */
export const virtualMember = (chat: ChatRow, userId: UserId): AnyMember => ({
  chatId: noChat,
  userId,
  role: 'MEMBER',
  joinedAt: chat.createdAt,
  joinedSeq: 0,
  deliveredSeq: 0,
  readSeq: 0,
  readAt: null,
  dialog: pairIn(chat),
});

/** The standing of one of a virtual dialog's people, or of anybody else. */
export const standingInVirtual = (chat: ChatRow, userId: UserId): ChatStanding => ({
  chat,
  member: peopleOf(chat).includes(userId) ? virtualMember(chat, userId) : null,
  banned: false,
});

/** How a row is named. */
export const refOf = (chat: ChatRow): ChatRef => (chat.kind === 'ROOM' ? { roomId: chat.id } : pairIn(chat));

const keyOf = (ref: ChatRef): string => ('roomId' in ref ? `${ref.roomId}` : pairKey(ref));
