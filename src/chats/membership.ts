/**
 * Coming into a room and going: joining, leaving, adding, removing, roles. Every change holds the room until its commit, so a capacity is never passed,
 * `memberCount` is the number of members, and a room with members has an owner.
 */
import { idsByExternalId, type UserRef } from '../accounts/accounts.ts';
import { foldName, isUsername } from '../accounts/names.ts';
import type { Passwords } from '../accounts/passwords.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import { AppError, invalid, notFound } from '../errors.ts';
import type { Append, Write } from '../events/write.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import { holdAccounts, type Locks, lockChats, mustHoldAccount } from '../storage/locks.ts';
import type { ChatRow, MemberRow, UserRow } from '../storage/rows.ts';
import { oneOfList, type Sql } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { canRemove, must, type Role } from './access.ts';
import { type Chats, membersOf, type RoomRef, standing } from './chats.ts';
import { addMembers, addToRooms, closeChat, joinEvents, leaveEvents, takeFromRooms } from './roster.ts';

export type Membership = ReturnType<typeof createMembership>;

/** Why somebody was not added. `userId` is null when the reference names nobody. */
export type Skipped = { userId: UserId | null; error: AppError };

/** Most people one mutation may name. */
export const mostNamed = 1_000;

/** Makes a new account a member of every room for everyone, in the transaction that creates it. */
export function createWelcome({ db, locks, clock }: { db: Pick<Database, 'sqlIn'>; locks: Locks; clock: () => Date }) {
  return async function welcome(tx: Tx, user: Pick<UserRow, 'id'>, append: Append): Promise<void> {
    await locks.lockAccountsForJoining(tx);
    const sql = db.sqlIn(tx);
    const ids = (await sql.all<{ id: ChatId }>('SELECT "id" FROM "Chat" WHERE "everyone" = ? AND "deletedAt" IS NULL', [true])).map(({ id }) => id);
    // As they are behind the locks: one of them may have changed its mind, and `lastSeq` is certain now.
    const rooms = (await lockChats(sql, ids)).filter(({ everyone, deletedAt }) => everyone && deletedAt === null);
    await addToRooms(sql, rooms, user.id, clock());
    append(rooms.flatMap(({ id }) => joinEvents(id, user.id)));
  };
}

export function createMembership({
  db,
  write,
  locks,
  chats,
  passwords,
  limits,
  clock,
}: {
  db: Database;
  write: Write;
  locks: Locks;
  chats: Pick<Chats, 'findStanding' | 'findRoom'>;
  passwords: Pick<Passwords, 'verify'>;
  limits: Pick<RateLimits, 'guess'>;
  clock: () => Date;
}) {
  return { join, leave, add, remove, setRole };

  /**
   * Makes the viewer a member of a visible room; markers start at its newest message. Joining twice is fine and writes nothing.
   * Fails with NOT_FOUND (Room), FORBIDDEN (BANNED), WRONG_ROOM_PASSWORD, ROOM_FULL, RATE_LIMITED after too many wrong passwords.
   */
  async function join(viewer: Viewer, ref: RoomRef, password: string | null): Promise<{ room: ChatRow; member: MemberRow; alreadyMember: boolean }> {
    const roomId = (await chats.findRoom(viewer, ref))?.id;
    if (roomId === undefined) throw notFound('Room');
    const before = await chats.findStanding(viewer, { roomId });
    const looked = must('join', before, 'Room');
    if (!before.member && looked.passwordHash !== null) await mustKnowPassword(looked.passwordHash);

    return write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      const found = await standing(db.sqlIn(tx), viewer.userId, { roomId });
      const room = must('join', found, 'Room');
      if (found.member) return { room, member: found.member, alreadyMember: true };
      // Set or changed since it was checked: what was given is not it.
      if (room.passwordHash !== null && room.passwordHash !== looked.passwordHash) throw new AppError('WRONG_ROOM_PASSWORD');
      if (isFull(room)) throw roomFull(room);
      const sql = db.sqlIn(tx);
      await mustHoldAccount(sql, viewer.userId);
      const joined = await addMembers(sql, room, [viewer.userId], clock());
      append(joinEvents(roomId, viewer.userId));
      return { room: joined.room, member: joined.members[0] as MemberRow, alreadyMember: false };
    });

    async function mustKnowPassword(hash: string): Promise<void> {
      if (password === null) throw new AppError('WRONG_ROOM_PASSWORD');
      const { userId, address } = viewer;
      // Many accounts at one address are perhaps one person.
      // biome-ignore lint/plugin: at most one
      const guess = limits.guess(['LOGIN', { joining: userId }], ...(address ? [['ROOM_PASSWORD', { room: roomId as ChatId, address }] as const] : []));
      if (!(await passwords.verify(hash, password, { account: userId, address, alone: `joining ${userId}` }, guess))) throw new AppError('WRONG_ROOM_PASSWORD');
    }
  }

  /** Ends the viewer's membership; a dialog cannot be left. The last member's leaving deletes the room. Fails with NOT_FOUND (Chat), FORBIDDEN, CONFLICT (LAST_OWNER). */
  async function leave({ userId }: Viewer, roomId: ChatId): Promise<void> {
    await write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      const found = await standing(db.sqlIn(tx), userId, { roomId });
      const room = must('leave', found, 'Chat');
      const sql = db.sqlIn(tx);
      if (room.memberCount === 1) {
        const { events } = await closeChat(sql, roomId, clock(), false);
        append(events, { type: 'chat-removed', chatId: roomId, userId, reason: 'LEFT' });
        return;
      }
      if (found.member) await mustKeepAnOwner(sql, found.member);
      await takeFromRooms(sql, [roomId], userId);
      append(leaveEvents(roomId, userId));
    });
  }

  /**
   * Adds people and lifts their bans, in the order given, until the room is full; the others are told apart as skipped. Who is a member already is in neither list.
   * Fails with NOT_FOUND (Room), FORBIDDEN, VALIDATION_FAILED, ROOM_FULL when there was somebody to add and none fits.
   */
  async function add(viewer: Viewer, roomId: ChatId, refs: readonly (UserRef | null)[]): Promise<{ room: ChatRow; added: MemberRow[]; skipped: Skipped[] }> {
    if (refs.length > mostNamed) throw invalid('users', 'length', `At most ${mostNamed} people can be added at once.`);
    return write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      const sql = db.sqlIn(tx);
      const room = must('addMembers', await standing(sql, viewer.userId, { roomId }), 'Room');
      const named = await findUsers(sql, refs);
      const ids = [...new Set(named.filter((id) => id !== null))];
      const present = new Set(
        (
          await membersOf(
            sql,
            ids.map((userId) => ({ chatId: roomId, userId })),
          )
        ).map(({ userId }) => userId),
      );
      const fresh = ids.filter((id) => !present.has(id));
      const places = room.capacity === null ? fresh.length : Math.max(0, room.capacity - room.memberCount);
      if (places === 0 && fresh.length > 0) throw roomFull(room);
      const joined = await addMembers(sql, room, fresh.slice(0, places), clock());
      append(joined.members.flatMap(({ userId }) => joinEvents(roomId, userId)));
      const nobody = named.filter((id) => id === null).map(() => ({ userId: null, error: notFound('User') }));
      return { room: joined.room, added: joined.members, skipped: [...nobody, ...fresh.slice(places).map((userId) => ({ userId, error: roomFull(room) }))] };
    });
  }

  /**
   * Ends somebody's membership; with `ban` also keeps them from joining again, and works for people who are not members, too.
   * Fails with NOT_FOUND (Room, or User), FORBIDDEN, CONFLICT (LAST_OWNER).
   */
  async function remove(viewer: Viewer, roomId: ChatId, userId: UserId | null, ban: boolean): Promise<ChatRow> {
    return write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      const found = await standing(db.sqlIn(tx), viewer.userId, { roomId });
      const room = must('removeMember', found, 'Room');
      const target = userId === null ? null : await tx.member.findUnique({ where: { chatId_userId: { chatId: roomId, userId } } });
      const account = target ?? (ban && userId !== null ? await tx.user.findFirst({ where: { id: userId, deletedAt: null } }) : null);
      if (userId === null || !account) throw notFound('User');
      if (target && !canRemove(found.member?.role as Role, target.role as Role)) throw new AppError('FORBIDDEN', { forbiddenReason: 'ROLE_TOO_LOW' });
      if (target) await mustKeepAnOwner(db.sqlIn(tx), target);
      if (ban) await tx.ban.upsert({ where: { chatId_userId: { chatId: roomId, userId } }, create: { chatId: roomId, userId, at: clock() }, update: {} });
      if (!target) return room;
      await takeFromRooms(db.sqlIn(tx), [roomId], userId);
      append({ type: 'chat-removed', chatId: roomId, userId, reason: 'REMOVED' }, { type: 'member-left', chatId: roomId, userId, byId: viewer.userId, reason: 'REMOVED' });
      return { ...room, memberCount: room.memberCount - 1 };
    });
  }

  /** Fails with NOT_FOUND (Room, or User when that is no member), FORBIDDEN, CONFLICT (LAST_OWNER). The same role again writes nothing. */
  async function setRole(viewer: Viewer, roomId: ChatId, userId: UserId | null, role: Role): Promise<MemberRow> {
    return write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      must('setRole', await standing(db.sqlIn(tx), viewer.userId, { roomId }), 'Room');
      const target = userId === null ? null : await tx.member.findUnique({ where: { chatId_userId: { chatId: roomId, userId } } });
      if (userId === null || !target) throw notFound('User');
      if (target.role === role) return target;
      await mustKeepAnOwner(db.sqlIn(tx), target);
      append({ type: 'member-updated', chatId: roomId, userId });
      return tx.member.update({ where: { chatId_userId: { chatId: roomId, userId } }, data: { role } });
    });
  }
}

/** Accounts by reference, in the order given; null for a reference that names nobody. None of them is deleted before the commit. */
export async function findUsers(sql: Sql, refs: readonly (UserRef | null)[]): Promise<(UserId | null)[]> {
  const keys = refs.flatMap((ref) => (ref && 'username' in ref && isUsername(ref.username) ? [foldName(ref.username)] : []));
  const named = await sql.all<{ id: UserId; usernameKey: string }>(`SELECT "id", "usernameKey" FROM "User" WHERE ${oneOfList(sql.engine, '"usernameKey"', 'text')}`, [keys]);
  const byName = new Map(named.map(({ id, usernameKey }) => [usernameKey, id]));
  const external = await idsByExternalId(sql, refs);
  const idOf = (ref: UserRef): UserId | undefined => ('id' in ref ? ref.id : 'username' in ref ? byName.get(foldName(ref.username)) : external.get(ref.externalId));
  const ids = refs.map((ref) => (ref && idOf(ref)) ?? null);
  const held = await holdAccounts(sql, [...new Set(ids.filter((id) => id !== null))]);
  return ids.map((id) => (id !== null && held.has(id) ? id : null));
}

const isFull = (room: ChatRow): boolean => room.capacity !== null && room.memberCount >= room.capacity;
const roomFull = (room: ChatRow): AppError => new AppError('ROOM_FULL', { roomCapacity: room.capacity ?? 0 });

/** Throws CONFLICT (LAST_OWNER) when this member is the only owner: the room would have none without. */
async function mustKeepAnOwner(sql: Sql, { chatId, userId, role }: MemberRow): Promise<void> {
  if (role !== 'OWNER') return;
  const others = await sql.all(`SELECT 1 FROM "Member" WHERE "chatId" = ? AND "role" <> 'MEMBER' AND "role" = 'OWNER' AND "userId" <> ? LIMIT 1`, [chatId, userId]);
  if (others.length === 0) throw new AppError('CONFLICT', { conflictReason: 'LAST_OWNER' }, 'A room must keep an owner: make somebody else an owner first.');
}
