/**
 * Who is in a room: joining, leaving, adding, removing, roles. Every change holds the room until its commit, so a capacity is never passed,
 * `memberCount` is the number of members, and a room with members has an owner.
 */
import type { UserRef } from '../accounts/accounts.ts';
import { foldName, isUsername } from '../accounts/names.ts';
import type { Passwords } from '../accounts/passwords.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import { AppError, invalid, notFound } from '../errors.ts';
import type { Append, Write } from '../events/write.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import { holdAccounts, type Locks, mustHoldAccount } from '../storage/locks.ts';
import type { ChatRow, MemberRow, UserRow } from '../storage/rows.ts';
import type { Sql } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { mayRemove, must, type Role } from './access.ts';
import type { Chats, RoomRef } from './chats.ts';

export type Membership = ReturnType<typeof createMembership>;

/** Why somebody was not added. `user` is null when the reference names nobody. */
export type Skipped = { user: UserRow | null; error: AppError };

/** Most people one mutation may name. */
export const mostNamed = 1_000;

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
  chats: Pick<Chats, 'standing' | 'findStanding' | 'findRoom'>;
  passwords: Pick<Passwords, 'verify'>;
  limits: Pick<RateLimits, 'take' | 'giveBack'>;
  clock: () => Date;
}) {
  return { join, leave, add, remove, setRole, welcome, forgetBans, leaveAll };

  /**
   * Makes the viewer a member of a visible room; markers start at its newest message. Joining twice is fine and writes nothing.
   * Fails with NOT_FOUND (Room), FORBIDDEN (BANNED), WRONG_ROOM_PASSWORD, ROOM_FULL, RATE_LIMITED after too many wrong passwords.
   */
  async function join(viewer: Viewer, ref: RoomRef, password: string | null): Promise<{ room: ChatRow; member: MemberRow; alreadyMember: boolean }> {
    const roomId = (await chats.findRoom(viewer, ref))?.id;
    if (roomId === undefined) throw notFound('Room');
    const before = await chats.findStanding(viewer, { roomId });
    const looked = must('join', before, 'Room');
    if (!before.member && looked.passwordHash !== null) await checkPassword(looked.passwordHash);

    return write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      const standing = await chats.standing(db.sqlIn(tx), viewer.userId, { roomId });
      const room = must('join', standing, 'Room');
      if (standing.member) return { room, member: standing.member, alreadyMember: true };
      // Set or changed since it was checked: what was given is not it.
      if (room.passwordHash !== null && room.passwordHash !== looked.passwordHash) throw new AppError('WRONG_ROOM_PASSWORD');
      if (isFull(room)) throw roomFull(room);
      await mustHoldAccount(db.sqlIn(tx), viewer.userId);
      const joined = await addMembers(tx, append, room, [viewer.userId], clock());
      return { room: joined.room, member: joined.members[0] as MemberRow, alreadyMember: false };
    });

    async function checkPassword(hash: string): Promise<void> {
      if (password === null) throw new AppError('WRONG_ROOM_PASSWORD');
      // Capitals keep it apart from the login names that are counted in the same place.
      const guesses = { name: `ROOM PASSWORDS OF ${viewer.userId}` };
      await limits.take('LOGIN', guesses);
      if (!(await passwords.verify(hash, password))) throw new AppError('WRONG_ROOM_PASSWORD');
      await limits.giveBack('LOGIN', guesses);
    }
  }

  /** Ends the viewer's membership; a dialog cannot be left. The last member's leaving deletes the room. Fails with NOT_FOUND (Chat), FORBIDDEN, CONFLICT (LAST_OWNER). */
  async function leave({ userId }: Viewer, roomId: ChatId): Promise<void> {
    await write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      const standing = await chats.standing(db.sqlIn(tx), userId, { roomId });
      const room = must('leave', standing, 'Chat');
      if (room.memberCount === 1) {
        await closeRoom(tx, append, room, clock());
        append({ type: 'chat-removed', chatId: roomId, userId, reason: 'LEFT' });
        return;
      }
      if (standing.member) await mustKeepAnOwner(tx, standing.member);
      await takeMember(tx, roomId, userId);
      append(...leaveEvents(roomId, userId));
    });
  }

  /**
   * Adds people and lifts their bans, in the order given, until the room is full; the others are told apart as skipped. Who is a member already is in neither list.
   * Fails with NOT_FOUND (Room), FORBIDDEN, VALIDATION_FAILED, ROOM_FULL when there was somebody to add and none fits.
   */
  async function add(viewer: Viewer, roomId: ChatId, refs: readonly (UserRef | null)[]): Promise<{ room: ChatRow; added: MemberRow[]; skipped: Skipped[] }> {
    return write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      const room = must('addMembers', await chats.standing(db.sqlIn(tx), viewer.userId, { roomId }), 'Room');
      if (refs.length > mostNamed) throw invalid('users', 'length', `At most ${mostNamed} people can be added at once.`);
      const found = await findUsers(tx, db.sqlIn(tx), refs);
      const users = [...new Map(found.flatMap((user) => (user ? [[user.id, user] as const] : []))).values()];
      const present = await tx.member.findMany({ where: { chatId: roomId, userId: { in: users.map(({ id }) => id) } }, select: { userId: true } });
      const fresh = users.filter(({ id }) => !present.some(({ userId }) => userId === id));
      const places = room.capacity === null ? fresh.length : Math.max(0, room.capacity - room.memberCount);
      if (places === 0 && fresh.length > 0) throw roomFull(room);
      const fitting = fresh.slice(0, places).map(({ id }) => id);
      const joined = await addMembers(tx, append, room, fitting, clock());
      const nobody = found.filter((user) => user === null).map(() => ({ user: null, error: notFound('User') }));
      return { room: joined.room, added: joined.members, skipped: [...nobody, ...fresh.slice(places).map((user) => ({ user, error: roomFull(room) }))] };
    });
  }

  /**
   * Ends somebody's membership; with `ban` also keeps them from joining again, and works for people who are not members, too.
   * Fails with NOT_FOUND (Room, or User), FORBIDDEN, CONFLICT (LAST_OWNER).
   */
  async function remove(viewer: Viewer, roomId: ChatId, userId: UserId | null, ban: boolean): Promise<ChatRow> {
    return write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      const standing = await chats.standing(db.sqlIn(tx), viewer.userId, { roomId });
      const room = must('removeMember', standing, 'Room');
      const target = userId === null ? null : await tx.member.findUnique({ where: { chatId_userId: { chatId: roomId, userId } } });
      const account = target ?? (ban && userId !== null ? await tx.user.findFirst({ where: { id: userId, deletedAt: null } }) : null);
      if (userId === null || !account) throw notFound('User');
      if (target && !mayRemove(standing.member?.role as Role, target.role as Role)) throw new AppError('FORBIDDEN', { forbiddenReason: 'ROLE_TOO_LOW' });
      if (target) await mustKeepAnOwner(tx, target);
      if (ban) await tx.ban.upsert({ where: { chatId_userId: { chatId: roomId, userId } }, create: { chatId: roomId, userId, at: clock() }, update: {} });
      if (!target) return room;
      const left = await takeMember(tx, roomId, userId);
      append({ type: 'chat-removed', chatId: roomId, userId, reason: 'REMOVED' }, { type: 'member-left', chatId: roomId, userId, byId: viewer.userId, reason: 'REMOVED' });
      return left;
    });
  }

  /** Fails with NOT_FOUND (Room, or User when that is no member), FORBIDDEN, CONFLICT (LAST_OWNER). The same role again writes nothing. */
  async function setRole(viewer: Viewer, roomId: ChatId, userId: UserId | null, role: Role): Promise<MemberRow> {
    return write(async (tx, append) => {
      await locks.lockChat(tx, roomId);
      must('setRole', await chats.standing(db.sqlIn(tx), viewer.userId, { roomId }), 'Room');
      const target = userId === null ? null : await tx.member.findUnique({ where: { chatId_userId: { chatId: roomId, userId } } });
      if (userId === null || !target) throw notFound('User');
      if (target.role === role) return target;
      await mustKeepAnOwner(tx, target);
      append({ type: 'member-updated', chatId: roomId, userId });
      return tx.member.update({ where: { chatId_userId: { chatId: roomId, userId } }, data: { role } });
    });
  }

  /** Makes a new account a member of every room for everyone, in the transaction that creates it. */
  async function welcome(tx: Tx, user: Pick<UserRow, 'id'>, append: Append): Promise<void> {
    await locks.lockAccountsForJoining(tx);
    const where = { everyone: true, deletedAt: null };
    const ids = (await tx.chat.findMany({ where, select: { id: true }, orderBy: { id: 'asc' } })).map(({ id }) => id);
    if (ids.length === 0) return;
    for (const id of ids) await locks.lockChat(tx, id);
    // Again behind the locks: one of them may have changed its mind, and `lastSeq` is certain now.
    const rooms = await tx.chat.findMany({ where: { ...where, id: { in: ids } }, orderBy: { id: 'asc' } });
    const now = clock();
    await tx.member.createMany({ data: rooms.map((room) => toMember(room, user.id, now)) });
    await tx.chat.updateMany({ where: { id: { in: rooms.map(({ id }) => id) } }, data: { memberCount: { increment: 1 } } });
    append(...rooms.flatMap(({ id }) => joinEvents(id, user.id)));
  }

  // ---------------------------------------------------------------- a deleted account

  async function forgetBans(tx: Tx, _append: Append, userId: UserId): Promise<undefined> {
    await tx.ban.deleteMany({ where: { userId } });
  }

  /**
   * Takes a deleted account out of all its rooms, those for everyone too, some in each round. Where it was the last owner, the admin who has been there for the
   * longest becomes one, or else the member; a room without anybody goes. Its dialogs stay for the others, with what it had received and read, and go with the last of their two people.
   */
  async function* leaveAll(userId: UserId): AsyncGenerator<void> {
    while ((await write((tx, append) => leaveSome(tx, append, userId))) === roomsAtOnce) yield;
    yield;
    while ((await write((tx) => forgetSomeCreated(tx, userId))) === roomsAtOnce) yield;
    yield;
    while ((await write((tx) => forgetSomeReading(tx, userId))) === roomsAtOnce) yield;
    yield;
  }

  async function leaveSome(tx: Tx, append: Append, userId: UserId): Promise<number> {
    // Of dialogs those in which nobody is left who could read them.
    const where = { userId, chat: { OR: [{ kind: 'ROOM' }, { members: { none: { user: { deletedAt: null } } } }] } };
    const ids = (await tx.member.findMany({ where, orderBy: { chatId: 'asc' }, take: roomsAtOnce, select: { chatId: true } })).map(({ chatId }) => chatId);
    for (const id of ids) await locks.lockChat(tx, id);
    const isOver = ({ kind, memberCount }: { kind: string; memberCount: number }): boolean => kind === 'DIALOG' || memberCount === 1;
    // Again behind the locks.
    const members = await tx.member.findMany({ where: { userId, chatId: { in: ids } }, include: { chat: true }, orderBy: { chatId: 'asc' } });
    for (const { chat, role } of members) {
      if (isOver(chat)) await closeRoom(tx, append, chat, clock());
      else if (role === 'OWNER') await handOn(tx, append, chat.id, userId);
    }
    const others = members.filter(({ chat }) => !isOver(chat)).map(({ chatId }) => chatId);
    await tx.member.deleteMany({ where: { userId, chatId: { in: others } } });
    await tx.chat.updateMany({ where: { id: { in: others } }, data: { memberCount: { decrement: 1 } } });
    append(...others.flatMap((chatId) => leaveEvents(chatId, userId)));
    return ids.length;
  }

  /** Makes somebody else an owner, unless there is one. */
  async function handOn(tx: Tx, append: Append, chatId: ChatId, fromId: UserId): Promise<void> {
    const others = { chatId, userId: { not: fromId }, user: { deletedAt: null } };
    if (await tx.member.findFirst({ where: { ...others, role: 'OWNER' }, select: { userId: true } })) return;
    for (const role of ['ADMIN', 'MEMBER']) {
      const heir = await tx.member.findFirst({ where: { ...others, role }, orderBy: [{ joinedAt: 'asc' }, { userId: 'asc' }], select: { userId: true } });
      if (!heir) continue;
      await tx.member.update({ where: { chatId_userId: { chatId, userId: heir.userId } }, data: { role: 'OWNER' } });
      append({ type: 'member-updated', chatId, userId: heir.userId });
      return;
    }
  }

  /** Rooms do not remember by whom they were made, nor under which request. */
  async function forgetSomeCreated(tx: Tx, creatorId: UserId): Promise<number> {
    const ids = (await tx.chat.findMany({ where: { creatorId }, orderBy: { id: 'asc' }, take: roomsAtOnce, select: { id: true } })).map(({ id }) => id);
    for (const id of ids) await locks.lockChat(tx, id);
    await tx.chat.updateMany({ where: { id: { in: ids } }, data: { creatorId: null, clientRequestId: null } });
    return ids.length;
  }

  /** Dialogs keep what was read, not when. */
  async function forgetSomeReading(tx: Tx, userId: UserId): Promise<number> {
    const ids = (await tx.member.findMany({ where: { userId, readAt: { not: null } }, orderBy: { chatId: 'asc' }, take: roomsAtOnce, select: { chatId: true } })).map(
      ({ chatId }) => chatId,
    );
    await tx.member.updateMany({ where: { userId, chatId: { in: ids } }, data: { readAt: null } });
    return ids.length;
  }
}

/** Of a deleted account's. */
const roomsAtOnce = 50;

/** Accounts by reference, in the order given; null for a reference that names nobody. None of them is deleted before the commit. */
export async function findUsers(tx: Tx, sql: Sql, refs: readonly (UserRef | null)[]): Promise<(UserRow | null)[]> {
  const ids = refs.flatMap((ref) => (ref && 'id' in ref ? [ref.id] : []));
  const usernameKeys = refs.flatMap((ref) => (ref && 'username' in ref && isUsername(ref.username) ? [foldName(ref.username)] : []));
  if (ids.length + usernameKeys.length === 0) return refs.map(() => null);
  const named = await tx.user.findMany({ where: { deletedAt: null, OR: [{ id: { in: ids } }, { usernameKey: { in: usernameKeys } }] } });
  const held = await holdAccounts(
    sql,
    named.map(({ id }) => id),
  );
  const users = named.filter(({ id }) => held.has(id));
  const [byId, byName] = [new Map(users.map((user) => [user.id, user])), new Map(users.map((user) => [user.usernameKey, user]))];
  return refs.map((ref) => (ref && ('id' in ref ? byId.get(ref.id) : byName.get(foldName(ref.username)))) ?? null);
}

/** Makes every account that is not a member yet one, and lifts all bans. Returns who joined; the caller tells them. Needs lockAccountsForReading, and the room's lock. */
export async function addEveryone(tx: Tx, room: ChatRow, at: Date): Promise<UserId[]> {
  await tx.ban.deleteMany({ where: { chatId: room.id } });
  const joined = await tx.$queryRaw<{ userId: UserId }[]>`
    INSERT INTO "Member" ("chatId", "userId", "role", "joinedAt", "joinedSeq", "deliveredSeq", "readSeq")
    SELECT c."id", u."id", 'MEMBER', CAST(${at} AS timestamptz), c."lastSeq", c."lastSeq", c."lastSeq"
    FROM "Chat" c CROSS JOIN "User" u WHERE c."id" = ${room.id} AND u."deletedAt" IS NULL
    ON CONFLICT DO NOTHING RETURNING "userId"`;
  await tx.chat.update({ where: { id: room.id }, data: { memberCount: { increment: joined.length } } });
  return joined.map(({ userId }) => Number(userId) as UserId);
}

/**
 * Takes a room out of sight, with its members and bans; its messages are swept later. The event ends the streams of those who read it as guests;
 * the members must be told `chat-removed` after it.
 */
export async function closeRoom(tx: Tx, append: Append, room: ChatRow, at: Date): Promise<void> {
  await tx.chat.update({ where: { id: room.id }, data: { deletedAt: at, linkKey: null, memberCount: 0 } });
  await tx.member.deleteMany({ where: { chatId: room.id } });
  await tx.ban.deleteMany({ where: { chatId: room.id } });
  append({ type: 'chat-updated', chatId: room.id });
}

const isFull = (room: ChatRow): boolean => room.capacity !== null && room.memberCount >= room.capacity;
const roomFull = (room: ChatRow): AppError => new AppError('ROOM_FULL', { roomCapacity: room.capacity ?? 0 });

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

/** Who joins is shown the chat first, so that nothing of it comes before. */
const joinEvents = (chatId: ChatId, userId: UserId) => [
  { type: 'chat-added' as const, chatId, userId },
  { type: 'member-joined' as const, chatId, userId },
];

/** Who leaves loses the chat first, so that nothing of it comes after. */
const leaveEvents = (chatId: ChatId, userId: UserId) => [
  { type: 'chat-removed' as const, chatId, userId, reason: 'LEFT' as const },
  { type: 'member-left' as const, chatId, userId, byId: null, reason: 'LEFT' as const },
];

async function addMembers(tx: Tx, append: Append, room: ChatRow, userIds: readonly UserId[], at: Date): Promise<{ room: ChatRow; members: MemberRow[] }> {
  if (userIds.length === 0) return { room, members: [] };
  const members = userIds.map((userId) => toMember(room, userId, at));
  await tx.ban.deleteMany({ where: { chatId: room.id, userId: { in: [...userIds] } } });
  await tx.member.createMany({ data: members });
  append(...userIds.flatMap((userId) => joinEvents(room.id, userId)));
  return { room: await tx.chat.update({ where: { id: room.id }, data: { memberCount: { increment: members.length } } }), members };
}

async function takeMember(tx: Tx, chatId: ChatId, userId: UserId): Promise<ChatRow> {
  await tx.member.delete({ where: { chatId_userId: { chatId, userId } } });
  return tx.chat.update({ where: { id: chatId }, data: { memberCount: { decrement: 1 } } });
}

/** Throws CONFLICT (LAST_OWNER) when this member is the only owner: the room would have none without. */
async function mustKeepAnOwner(tx: Tx, member: MemberRow): Promise<void> {
  if (member.role !== 'OWNER' || (await tx.member.count({ where: { chatId: member.chatId, role: 'OWNER' } })) > 1) return;
  throw new AppError('CONFLICT', { conflictReason: 'LAST_OWNER' }, 'A room must keep an owner: make somebody else an owner first.');
}
