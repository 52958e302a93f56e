/** Making, changing and deleting rooms, and the rules that their settings must keep. */
import type { Accounts, UserRef } from '../accounts/accounts.ts';
import type { FoldedTable } from '../accounts/folding.ts';
import { checkLine, checkLines, foldName, withNewlines, withoutInvisible } from '../accounts/names.ts';
import type { Operators } from '../accounts/operators.ts';
import { checkRoomPassword, type Passwords } from '../accounts/passwords.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import { AppError, createProblems, invalid, notFound, type Problems } from '../errors.ts';
import { newestNumber } from '../events/event-log.ts';
import type { Append, Write, WriteBatch } from '../events/write.ts';
import { type AttachmentId, type ChatId, noUser, type UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import { isUniqueViolation } from '../storage/failures.ts';
import { type Locks, lockChats, mustHoldAccount } from '../storage/locks.ts';
import { isText } from '../storage/page.ts';
import type { ChatRow } from '../storage/rows.ts';
import type { Sql } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { canOpenToEveryone, firstRights, must, type RoomRight } from './access.ts';
import { type Chats, standing } from './chats.ts';
import { findUsers, mostNamed } from './membership.ts';
import { setRights } from './rights.ts';
import { closeChat, insertMembers, letIn, type Roster, stopLettingIn } from './roster.ts';

export type Rooms = ReturnType<typeof createRooms>;

/** What rooms need of the files that are their pictures. */
export type RoomPictures = {
  /** Makes an upload of this person a picture. Fails with NOT_FOUND (Attachment), or VALIDATION_FAILED at `field` when it is none. */
  take(sql: Sql, userId: UserId, attachmentId: AttachmentId, field: string): Promise<void>;
  /** It is no picture any more. */
  drop(sql: Sql, attachmentId: AttachmentId): Promise<void>;
  /** To be called after the commit. */
  clearAway(): void;
};

export type RoomSettings = {
  name: string;
  topic: string | null;
  visibility: 'PUBLIC' | 'PRIVATE';
  postPolicy: 'ANYONE' | 'MEMBERS';
  pinPolicy: RoomRight;
  mentionAllPolicy: RoomRight;
  everyone: boolean;
  /** Most members, the owner included. */
  capacity: number | null;
  link: string | null;
  password: string | null;
};
export type NewRoom = Pick<RoomSettings, 'name' | 'visibility' | 'postPolicy'> &
  Partial<RoomSettings> & {
    /** First members besides the creator. */
    members?: readonly (UserRef | null)[] | null;
    /** A completed upload of the creator. */
    avatarAttachmentId?: AttachmentId | null;
    clientRequestId?: string | null;
  };
/** Absent or undefined: stays as it is. Null clears what may be empty. */
export type RoomChanges = { [Field in keyof RoomSettings]?: RoomSettings[Field] | null } & { avatarAttachmentId?: AttachmentId | null };

/** What the rules look at. The password itself only when it is new. */
type Checked = Omit<RoomSettings, 'password'> & { hasPassword: boolean };

export const foldedRooms: FoldedTable = { name: 'Chat', keys: { nameKey: 'name', linkKey: 'link' }, unique: ['linkKey'] };

const mostCapacity = 1_000_000;

export function createRooms({
  db,
  write,
  writeBatch,
  locks,
  roster,
  chats,
  accounts,
  passwords,
  limits,
  pictures,
  operators,
  clock,
}: {
  db: Database;
  write: Write;
  writeBatch: WriteBatch;
  locks: Pick<Locks, 'lockChat' | 'lockAccounts'>;
  roster: Pick<Roster, 'letInRest' | 'empty'>;
  chats: Pick<Chats, 'findStanding' | 'findRows'>;
  accounts: Pick<Accounts, 'findMany'>;
  passwords: Pick<Passwords, 'hash'>;
  limits: Pick<RateLimits, 'take'>;
  pictures: RoomPictures;
  operators: Pick<Operators, 'areNamed' | 'isOperator'>;
  clock: () => Date;
}) {
  return { create, update, remove };

  /**
   * Makes a room whose owner is the viewer. Everybody in it is told ChatAdded.
   * The same `clientRequestId` again returns the first room, also for tries at the same time; NOT_FOUND (Room) when the viewer cannot see that one any more.
   * Fails with VALIDATION_FAILED, ALREADY_TAKEN (link), NOT_FOUND (User) when one of the members does not exist, FORBIDDEN (NOT_AN_OPERATOR), RATE_LIMITED (passwords).
   * Its picture: NOT_FOUND (Attachment), or VALIDATION_FAILED when the file is none.
   */
  async function create(viewer: Viewer, input: NewRoom): Promise<{ room: ChatRow; duplicate: boolean }> {
    const clientRequestId = parseRequestId(input.clientRequestId);
    const earlier = await findEarlier(db.sql, viewer, clientRequestId);
    if (earlier) return { room: earlier, duplicate: true };
    const { members, password, avatarAttachmentId = null, ...given } = { ...input, ...cleaned(input), password: input.password ?? null };
    const settings = {
      ...given,
      topic: given.topic ?? null,
      everyone: given.everyone ?? false,
      pinPolicy: given.pinPolicy ?? firstRights.pinPolicy,
      mentionAllPolicy: given.mentionAllPolicy ?? firstRights.mentionAllPolicy,
      capacity: given.capacity ?? null,
      link: given.link ?? null,
    };
    const problems = createProblems();
    checkFields(problems, { ...settings, password });
    checkRules(problems, { ...settings, hasPassword: password !== null }, []);
    if (members && members.length > mostNamed) problems.add('members', 'length', `At most ${mostNamed} members can be named at once; add the others later.`);
    problems.check();
    await mustMayOpen(viewer, settings.everyone);
    const passwordHash = password === null ? null : await hashPassword(viewer, password);

    for (let attempt = 1; ; attempt++) {
      try {
        const created = await write((tx, append) => store(tx, append));
        return { ...created, room: settings.everyone ? await withEverybody(created.room) : created.room };
      } catch (error) {
        // Somebody was faster with the link or with this request: the next try sees which.
        if (!isUniqueViolation(error) || attempt >= 3) throw error;
      }
    }

    async function store(tx: Tx, append: Append): Promise<{ room: ChatRow; duplicate: boolean }> {
      const first = await findEarlier(db.sqlIn(tx), viewer, clientRequestId);
      if (first) return { room: first, duplicate: true };
      await checkLinkIsFree(tx, settings.link);
      const sql = db.sqlIn(tx);
      if (settings.everyone) await locks.lockAccounts(sql);
      await mustHoldAccount(sql, viewer.userId);
      const named = await findUsers(sql, members ?? []);
      if (named.includes(null)) throw notFound('User');
      const memberIds = [...new Set([viewer.userId, ...(named as UserId[])])];
      if (settings.capacity !== null && settings.capacity < memberIds.length) throw invalid('capacity', 'too-small', `The room would begin with ${memberIds.length} members.`);
      if (avatarAttachmentId !== null) await pictures.take(sql, viewer.userId, avatarAttachmentId, 'avatarAttachmentId');
      const now = clock();
      const { name, topic, visibility, postPolicy, pinPolicy, mentionAllPolicy, everyone, capacity, link } = settings;
      const room = await tx.chat.create({
        data: {
          kind: 'ROOM',
          name,
          nameKey: foldName(name),
          topic,
          visibility,
          postPolicy,
          everyone,
          capacity,
          link,
          linkKey: link === null ? null : foldName(link),
          passwordHash,
          memberCount: memberIds.length,
          avatarId: avatarAttachmentId,
          createdAt: now,
          lastActivityAt: now,
          activity: await newestNumber(sql),
          creatorId: viewer.userId,
          clientRequestId,
        },
      });
      if (pinPolicy !== firstRights.pinPolicy || mentionAllPolicy !== firstRights.mentionAllPolicy) await setRights(sql, room.id, { pinPolicy, mentionAllPolicy });
      const fresh = { chatId: room.id, joinedAt: now, joinedSeq: 0, deliveredSeq: 0, readSeq: 0 };
      await insertMembers(
        sql,
        memberIds.map((userId) => ({ ...fresh, userId, role: userId === viewer.userId ? 'OWNER' : 'MEMBER' })),
      );
      append(memberIds.map((userId) => ({ type: 'chat-added' as const, chatId: room.id, userId })));
      if (everyone) append((await letIn(sql, room, noUser, now)).events);
      return { room, duplicate: false };
    }
  }

  /**
   * Changes what is given; the result must keep the rules of a new room. Making it an `everyone` room makes every account a member and lifts all bans.
   * Fails with NOT_FOUND (Room, or Attachment for its picture), FORBIDDEN, VALIDATION_FAILED, ALREADY_TAKEN (link), RATE_LIMITED (passwords).
   */
  async function update(viewer: Viewer, roomId: ChatId, changes: RoomChanges): Promise<ChatRow> {
    const { avatarAttachmentId, ...others } = changes;
    const problems = createProblems();
    for (const field of ['name', 'visibility', 'postPolicy', 'pinPolicy', 'mentionAllPolicy', 'everyone'] as const) {
      if (changes[field] === null) problems.add(field, 'required', 'This cannot be empty.');
    }
    const given = Object.fromEntries(Object.entries({ ...others, ...cleaned(others) }).filter(([, value]) => value !== undefined)) as Partial<RoomSettings>;
    checkFields(problems, given);
    // Who may not is told so first, and nobody makes the server hash for a room that is not theirs.
    const before = must('updateRoom', await chats.findStanding(viewer, { roomId }), 'Room');
    problems.check();
    if (Object.keys(given).length === 0 && (avatarAttachmentId === undefined || avatarAttachmentId === before.avatarId)) return before;
    if (given.everyone && !before.everyone) await mustMayOpen(viewer, true);
    const { password, pinPolicy, mentionAllPolicy, ...settings } = given;
    const rights = { ...(pinPolicy === undefined ? {} : { pinPolicy }), ...(mentionAllPolicy === undefined ? {} : { mentionAllPolicy }) };
    const passwordHash = password == null ? password : await hashPassword(viewer, password);

    const store = async (tx: Tx, append: Append): Promise<ChatRow> => {
      const sql = db.sqlIn(tx);
      if (given.everyone) await locks.lockAccounts(sql);
      await locks.lockChat(tx, roomId);
      const room = must('updateRoom', await standing(sql, viewer.userId, { roomId }), 'Room');
      const hasPassword = (passwordHash === undefined ? room.passwordHash : passwordHash) !== null;
      const clashes = createProblems();
      checkRules(clashes, { ...(room as unknown as Omit<RoomSettings, 'password'>), ...settings, hasPassword }, Object.keys(given));
      if (given.capacity != null && given.capacity < room.memberCount) clashes.add('capacity', 'too-small', `The room has ${room.memberCount} members.`);
      clashes.check();
      if (given.link != null && foldName(given.link) !== room.linkKey) await checkLinkIsFree(tx, given.link);
      if (avatarAttachmentId !== undefined && avatarAttachmentId !== room.avatarId) {
        if (avatarAttachmentId !== null) await pictures.take(sql, viewer.userId, avatarAttachmentId, 'avatarAttachmentId');
        if (room.avatarId !== null) await pictures.drop(sql, room.avatarId);
      }
      if (Object.keys(rights).length > 0) await setRights(sql, roomId, rights);
      const changed = await tx.chat.update({
        where: { id: roomId },
        data: {
          ...settings,
          ...(settings.name === undefined ? {} : { nameKey: foldName(settings.name) }),
          ...(settings.link === undefined ? {} : { linkKey: settings.link === null ? null : foldName(settings.link) }),
          ...(passwordHash === undefined ? {} : { passwordHash }),
          ...(avatarAttachmentId === undefined ? {} : { avatarId: avatarAttachmentId }),
        },
      });
      append({ type: 'chat-updated', chatId: roomId });
      if (given.everyone && !room.everyone) append((await letIn(sql, changed, noUser, clock())).events);
      if (given.everyone === false) await stopLettingIn(sql, [roomId]);
      return { ...changed, lastSeq: room.lastSeq, lastActivityAt: room.lastActivityAt };
    };
    try {
      const changed = await write(store);
      if (avatarAttachmentId !== undefined) pictures.clearAway();
      return given.everyone ? await withEverybody(changed) : changed;
    } catch (error) {
      if (isUniqueViolation(error)) throw linkTaken();
      throw error;
    }
  }

  /** Ends the room for everybody: its members are told ChatRemoved, its link is free. Fails with NOT_FOUND (Room) or FORBIDDEN. */
  async function remove(viewer: Viewer, roomId: ChatId): Promise<void> {
    const isOver = await writeBatch(async (sql, number) => {
      await lockChats(sql, [roomId]);
      must('deleteRoom', await standing(sql, viewer.userId, { roomId }), 'Room');
      const closed = await closeChat(sql, roomId, clock());
      await number(closed.events);
      return closed.isOver;
    });
    if (!isOver) await roster.empty(roomId);
  }

  /** As it is when all accounts are in, or those who came in within a moment: where there are very many, the others follow. */
  async function withEverybody(room: ChatRow): Promise<ChatRow> {
    await roster.letInRest(room.id);
    const [now] = await chats.findRows([room.id]);
    return now ?? room;
  }

  async function hashPassword({ userId, address }: Viewer, password: string): Promise<string> {
    await limits.take('SET_PASSWORD', userId);
    return passwords.hash(password, { account: userId, address });
  }

  async function mustMayOpen(viewer: Viewer, everyone: boolean): Promise<void> {
    if (!everyone) return;
    const [account] = await accounts.findMany([viewer.userId]);
    const isOperator = account !== undefined && account !== null && (await operators.isOperator(account.usernameKey));
    if (!canOpenToEveryone({ areNamed: operators.areNamed, isOperator })) throw new AppError('FORBIDDEN', { forbiddenReason: 'NOT_AN_OPERATOR' });
  }

  async function findEarlier(sql: Sql, viewer: Viewer, clientRequestId: string | null): Promise<ChatRow | null> {
    if (clientRequestId === null) return null;
    const [earlier] = await sql.all<{ id: ChatId }>('SELECT "id" FROM "Chat" WHERE "creatorId" = ? AND "clientRequestId" = ?', [viewer.userId, clientRequestId]);
    return earlier ? must('see', await standing(sql, viewer.userId, { roomId: earlier.id }), 'Room') : null;
  }
}

const linkTaken = (): AppError => new AppError('ALREADY_TAKEN', { field: 'link' }, 'Another room has this link.');

async function checkLinkIsFree(tx: Tx, link: string | null): Promise<void> {
  if (link !== null && (await tx.chat.findUnique({ where: { linkKey: foldName(link) }, select: { id: true } }))) throw linkTaken();
}

/** The texts of a room as they are stored. An empty topic is none. */
const cleaned = <Given extends { name?: string | null; topic?: string | null }>({ name, topic }: Given): Pick<Given, 'name' | 'topic'> => ({
  name: name == null ? name : withoutInvisible(name),
  topic: topic == null ? topic : withoutInvisible(withNewlines(topic)) || null,
});

/** The same alphabet as a `clientMessageId`. */
function parseRequestId(id: string | null | undefined): string | null {
  if (id != null && !/^[\x20-\x7e]{1,128}$/.test(id)) throw invalid('clientRequestId', 'format', 'A request id has 1 to 128 printable ASCII characters.');
  return id ?? null;
}

/** Each field by itself; what is absent or empty is not looked at. */
function checkFields(problems: Problems, { name, topic, capacity, link, password }: Partial<RoomSettings>): void {
  if (name != null) checkLine(problems, 'name', name, 80);
  if (topic != null) checkLines(problems, 'topic', topic, 500);
  if (capacity != null && (capacity < 1 || capacity > mostCapacity)) problems.add('capacity', 'range', `A room can be limited to 1 to ${mostCapacity} members.`);
  if (link != null && !isLink(link)) problems.add('link', 'format', 'A link has 3 to 64 of A-Z, a-z, 0-9, "-", "_", "." and "~", or is an http(s) URL of up to 300 characters.');
  if (password != null) checkRoomPassword(problems, 'password', password);
}

function isLink(link: string): boolean {
  if (/^[A-Za-z0-9_.~-]{3,64}$/.test(link)) return true;
  return link.length <= 300 && isText(link) && /^https?:\/\/[^\s\p{C}]+$/iu.test(link) && URL.canParse(link);
}

/** Settings that go together. A problem is reported at a field that was given, where there is one. */
function checkRules(problems: Problems, { visibility, postPolicy, everyone, capacity, hasPassword }: Checked, given: readonly string[]): void {
  const clash = (fields: readonly string[], rule: string, message: string): void =>
    problems.add(fields.find((field) => given.includes(field)) ?? (fields[0] as string), rule, message);
  if (everyone && visibility !== 'PUBLIC') clash(['everyone', 'visibility'], 'everyone-is-public', 'A room for everyone must be public.');
  if (everyone && capacity !== null) clash(['everyone', 'capacity'], 'everyone-has-no-capacity', 'A room for everyone cannot have a capacity.');
  if (everyone && hasPassword) clash(['everyone', 'password'], 'everyone-has-no-password', 'A room for everyone cannot have a password.');
  if (postPolicy === 'ANYONE' && visibility !== 'PUBLIC') clash(['postPolicy', 'visibility'], 'open-is-public', 'A room in which anyone may post must be public.');
  if (postPolicy === 'ANYONE' && hasPassword) clash(['postPolicy', 'password'], 'open-has-no-password', 'A room in which anyone may post cannot have a password.');
}
