/**
 * The rows of who is in a room. What may be long (all accounts, all members of a large room) goes in pieces of a transaction each, with a turn for others in
 * between; every piece tells what it did. Needs the room's lock.
 */
import type { NewEvent } from '../events/event.ts';
import type { WriteBatch } from '../events/write.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import { chatsNow } from '../storage/chats-now.ts';
import type { Database } from '../storage/database.ts';
import { type Locks, lockChats } from '../storage/locks.ts';
import type { ChatRow, MemberRow } from '../storage/rows.ts';
import { insertRows, oneOfList, type Sql, tableOf } from '../storage/sql.ts';
import { createBackground, yieldWhenLong } from '../turns.ts';

export type Roster = ReturnType<typeof createRoster>;

/** Members that one transaction adds or removes, where there may be any number of them. */
export const pieceSize = 250;

export function createRoster({ db, writeBatch, locks, clock, log }: { db: Database; writeBatch: WriteBatch; locks: Locks; clock: () => Date; log: Log }) {
  const background = createBackground<string>((error, job) => log.warn({ err: error, job }, 'a room is not done with yet; trying again later'));
  return { letInRest, finish, empty, emptySome, close: background.close };

  /** Lets in the accounts that `letIn` has left over. Resolves when all are in, or after a while: then it goes on by itself. */
  function letInRest(roomId: ChatId): Promise<void> {
    return background.run(`opening ${roomId}`, async (mayGoOn) => {
      while (mayGoOn() && (await letInSome(roomId)));
    });
  }

  async function letInSome(roomId: ChatId): Promise<boolean> {
    return writeBatch(async (sql, number) => {
      await locks.lockAccounts(sql);
      const [room] = await lockChats(sql, [roomId]);
      const [opening] = await sql.all<{ afterId: UserId }>('SELECT "afterId" FROM "Opening" WHERE "chatId" = ?', [roomId]);
      if (!room || !opening) return false;
      const { events, isOver } = await letIn(sql, room, opening.afterId, clock());
      // The members who came first have seen another number of them.
      await number(isOver ? [...events, { type: 'chat-updated', chatId: roomId }] : events);
      return !isOver;
    });
  }

  /** Goes on with rooms that a crash left half open. Returns how many there were. */
  async function finish(): Promise<number> {
    const rooms = await db.sql.all<{ chatId: ChatId }>('SELECT "chatId" FROM "Opening" ORDER BY "chatId" LIMIT 100', []);
    await Promise.all(rooms.map(({ chatId }) => letInRest(chatId)));
    return rooms.length;
  }

  /** Removes what is left of the members and bans of a room that was closed. Resolves when they are gone, or after a while: then it goes on by itself. */
  function empty(roomId: ChatId): Promise<void> {
    return background.run(`emptying ${roomId}`, async (mayGoOn) => {
      while (mayGoOn() && (await emptySome(roomId)));
    });
  }

  /** One piece of it. Returns whether there may be more. */
  function emptySome(roomId: ChatId): Promise<boolean> {
    return writeBatch(async (sql, number) => {
      await lockChats(sql, [roomId]);
      const { events, isOver } = await removeSome(sql, roomId);
      await number(events);
      return !isOver;
    });
  }
}

/** What a piece has to tell, and whether it was the last one. */
export type Piece = { events: NewEvent[]; isOver: boolean };

/** Everybody joins: those of the next accounts behind `afterId` who are no members yet, and their bans are lifted. Where more are left, that is stored. */
export async function letIn(sql: Sql, room: Pick<ChatRow, 'id' | 'lastSeq'>, afterId: UserId, at: Date): Promise<Piece> {
  const [next] = await sql.all<{ last: UserId | null; count: number }>(
    'SELECT MAX(n."id") AS "last", COUNT(*) AS "count" FROM (SELECT "id" FROM "User" WHERE "id" > ? ORDER BY "id" LIMIT ?) n',
    [afterId, pieceSize],
  );
  const last = Number(next?.last ?? afterId) as UserId;
  await sql.all('DELETE FROM "Ban" WHERE "chatId" = ? AND "userId" > ? AND "userId" <= ?', [room.id, afterId, last]);
  const joined = await sql.all<{ userId: UserId }>(
    `INSERT INTO "Member" ("chatId", "userId", "role", "joinedAt", "joinedSeq", "deliveredSeq", "readSeq")
     SELECT c."id", u."id", 'MEMBER', n."at", c."lastSeq", c."lastSeq", c."lastSeq" FROM ${tableOf(sql.engine, 'n', { at: 'date' })}, ${chatsNow(sql.engine)} c, "User" u
     WHERE c."id" = ? AND u."id" > ? AND u."id" <= ? AND u."deletedAt" IS NULL ON CONFLICT DO NOTHING RETURNING "userId"`,
    [[{ at }], room.id, afterId, last],
  );
  await sql.all('UPDATE "Chat" SET "memberCount" = "memberCount" + ? WHERE "id" = ?', [joined.length, room.id]);
  const isOver = Number(next?.count ?? 0) < pieceSize;
  if (isOver) await sql.all('DELETE FROM "Opening" WHERE "chatId" = ?', [room.id]);
  else await sql.all('INSERT INTO "Opening" ("chatId", "afterId") VALUES (?, ?) ON CONFLICT ("chatId") DO UPDATE SET "afterId" = excluded."afterId"', [room.id, last]);
  return { events: joined.map(({ userId }) => ({ type: 'chat-added', chatId: room.id, userId: Number(userId) as UserId })), isOver };
}

/** They are no rooms for everyone any more: who was not let in yet stays outside. */
export const stopLettingIn = (sql: Sql, roomIds: readonly ChatId[]): Promise<unknown> => sql.all(`DELETE FROM "Opening" WHERE ${oneOfList(sql.engine, '"chatId"')}`, [roomIds]);

/** Takes chats out of sight. Tell `chat-updated` of each: it ends the streams of those who read them as guests. What is in them is swept later. */
export async function hideChats(sql: Sql, chatIds: readonly ChatId[], at: Date): Promise<void> {
  await sql.all(`UPDATE "Chat" SET "deletedAt" = ?, "linkKey" = NULL, "memberCount" = 0 WHERE ${oneOfList(sql.engine, '"id"')}`, [at, chatIds]);
  await stopLettingIn(sql, chatIds);
}

/** Hides a chat and tells its members behind that, of a large room those of the first piece: `empty` tells the others. */
export async function closeChat(sql: Sql, chatId: ChatId, at: Date, tellMembers = true): Promise<Piece> {
  await hideChats(sql, [chatId], at);
  const { events, isOver } = await removeSome(sql, chatId);
  return { events: [{ type: 'chat-updated', chatId }, ...(tellMembers ? events : [])], isOver };
}

async function removeSome(sql: Sql, chatId: ChatId): Promise<Piece> {
  const removeFrom = (table: 'Member' | 'Ban'): Promise<{ userId: UserId }[]> =>
    sql.all(`DELETE FROM "${table}" WHERE "chatId" = ? AND "userId" IN (SELECT "userId" FROM "${table}" WHERE "chatId" = ? ORDER BY "userId" LIMIT ?) RETURNING "userId"`, [
      chatId,
      chatId,
      pieceSize,
    ]);
  const [members, bans] = [await removeFrom('Member'), await removeFrom('Ban')];
  const events = members.map(({ userId }) => ({ type: 'chat-removed' as const, chatId, userId: Number(userId) as UserId, reason: 'ROOM_DELETED' as const }));
  return { events, isOver: members.length < pieceSize && bans.length < pieceSize };
}

// ---------------------------------------------------------------- some members

/** People join, each once; their bans are lifted. */
export async function addMembers(sql: Sql, room: ChatRow, userIds: readonly UserId[], at: Date): Promise<{ room: ChatRow; members: MemberRow[] }> {
  if (userIds.length === 0) return { room, members: [] };
  const members = userIds.map((userId) => toMember(room, userId, at));
  await sql.all(`DELETE FROM "Ban" WHERE "chatId" = ? AND ${oneOfList(sql.engine, '"userId"')}`, [room.id, userIds]);
  await insertMembers(sql, members);
  await countMembers(sql, [room.id], members.length);
  return { room: { ...room, memberCount: room.memberCount + members.length }, members };
}

/** Somebody joins several rooms. */
export async function addToRooms(sql: Sql, rooms: readonly ChatRow[], userId: UserId, at: Date): Promise<void> {
  await insertMembers(
    sql,
    rooms.map((room) => toMember(room, userId, at)),
  );
  await countMembers(
    sql,
    rooms.map(({ id }) => id),
    1,
  );
}

/** Somebody leaves several rooms. */
export async function takeFromRooms(sql: Sql, roomIds: readonly ChatId[], userId: UserId): Promise<void> {
  await sql.all(`DELETE FROM "Member" WHERE "userId" = ? AND ${oneOfList(sql.engine, '"chatId"')}`, [userId, roomIds]);
  await countMembers(sql, roomIds, -1);
}

const memberColumns = { chatId: 'int', userId: 'int', role: 'text', joinedAt: 'date', joinedSeq: 'int', deliveredSeq: 'int', readSeq: 'int' } as const;

export async function insertMembers(sql: Sql, members: readonly Omit<MemberRow, 'readAt'>[]): Promise<void> {
  for (let at = 0; at < members.length; at += pieceSize) {
    await insertRows(sql, 'Member', memberColumns, members.slice(at, at + pieceSize));
    await yieldWhenLong();
  }
}

async function countMembers(sql: Sql, roomIds: readonly ChatId[], more: number): Promise<void> {
  await sql.all(`UPDATE "Chat" SET "memberCount" = "memberCount" + ? WHERE ${oneOfList(sql.engine, '"id"')}`, [more, roomIds]);
}

const toMember = (room: ChatRow, userId: UserId, at: Date): MemberRow => ({
  chatId: room.id,
  userId,
  role: 'MEMBER',
  joinedAt: at,
  joinedSeq: room.lastSeq,
  deliveredSeq: room.lastSeq,
  readSeq: room.lastSeq,
  readAt: null,
});

// ---------------------------------------------------------------- what members are told

/** Who joins is shown the chat first, so that nothing of it comes before. */
export const joinEvents = (chatId: ChatId, userId: UserId): NewEvent[] => [
  { type: 'chat-added', chatId, userId },
  { type: 'member-joined', chatId, userId },
];

/** Who leaves loses the chat first, so that nothing of it comes after. */
export const leaveEvents = (chatId: ChatId, userId: UserId): NewEvent[] => [
  { type: 'chat-removed', chatId, userId, reason: 'LEFT' },
  { type: 'member-left', chatId, userId, byId: null, reason: 'LEFT' },
];
