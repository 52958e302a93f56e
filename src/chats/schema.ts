/** Chats, rooms, dialogs and members as clients see them, and looking up one. */
import { loadUser, parseUserRef, User, UserRefInput } from '../accounts/schema.ts';
import { notFound } from '../errors.ts';
import { builder, Node } from '../graphql/builder.ts';
import { type Context, loader, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { countOf, type PageArgs, pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import { type ChatId, keysOf, numberOf, placeKey, placeOf, toGlobalId, type UserId } from '../ids.ts';
import type { Page } from '../storage/page.ts';
import type { ChatRow, MemberRow, UserRow } from '../storage/rows.ts';
import type { Role, RoomRight as RoomRightName, RoomRights } from './access.ts';
import type { Chats } from './chats.ts';
import { type AnyMember, type ChatRef, type ChatStanding, type MemberRef, type Place, peerOf, type RoomRef, standingInVirtual } from './chats.ts';
import type { MemberFilter, MemberLists } from './member-lists.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    chats: Chats;
    memberLists: MemberLists;
  }
}

// ---------------------------------------------------------------- ids and loaders

/** A dialog's id is made of its two people: it is the same before its first message and after. */
export const toChatId = (chat: Pick<ChatRow, 'id' | 'kind' | 'lowUserId' | 'highUserId'>): string =>
  chat.kind === 'ROOM' ? toGlobalId('Room', chat.id) : toGlobalId('Dialog', `${chat.lowUserId}.${chat.highUserId}`);

/** The chat an id names, or null when it is not the id of a chat. */
export function parseChatRef(id: string): ChatRef | null {
  const roomId = numberOf(id, 'Room');
  if (roomId !== null) return { roomId };
  const pair = keysOf(id, 'Dialog');
  return pair && pair[0] <= pair[1] ? { low: pair[0], high: pair[1] } : null;
}

/** A member's id: the room and the person, or the dialog's two people and which of them. */
async function toMemberId(member: AnyMember, context: Context): Promise<string> {
  const pair = member.dialog ?? (await dialogOf(member.chatId));
  return toGlobalId('Member', pair ? `${pair.low}.${pair.high}.${member.userId}` : `${member.chatId}.${member.userId}`);

  async function dialogOf(chatId: ChatId): Promise<{ low: UserId | null; high: UserId | null } | null> {
    const chat = await loadChat(context, chatId);
    return chat?.kind === 'DIALOG' ? { low: chat.lowUserId, high: chat.highUserId } : null;
  }
}

/** The chat and the person that a member's id names, or null. */
export function parseMemberRef(id: string): MemberRef | null {
  const keys = keysOf(id, 'Member');
  if (!keys) return null;
  return keys.length === 2 ? { chat: { roomId: keys[0] }, userId: keys[1] } : { chat: { low: keys[0], high: keys[1] }, userId: keys[2] };
}

/** A chat by its row's id, without asking who may see it; null when it was deleted. One statement for all that are asked for together. */
export const loadChat = (context: Context, chatId: ChatId): Promise<ChatRow | null> => chatLoader(context).load(chatId);

/** What was just written is what this request sees from now on. */
export const rememberChat = (context: Context, chat: ChatRow): void => void chatLoader(context).clear(chat.id).prime(chat.id, chat);

const chatLoader = (context: Context) =>
  sharedLoader<ChatId, ChatRow>(context, 'chats', async (ids) => {
    const rows = new Map((await context.app.chats.findRows(ids)).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  });

/** A membership in a stored chat, without asking who may see it. One statement for all that are asked for together. */
export function loadMember(context: Context, chatId: ChatId, userId: UserId): Promise<MemberRow | null> {
  return sharedLoader<string, MemberRow>(context, 'members', async (keys) => {
    const rows = await context.app.chats.findMembers(keys.map(placeOf));
    const byKey = new Map(rows.map((row) => [placeKey(row), row]));
    return keys.map((key) => byKey.get(key) ?? null);
  }).load(placeKey({ chatId, userId }));
}

/** The viewer before a chat, for access.ts. Two statements for all chats that are asked for together. */
export async function loadStanding(context: Context, chat: ChatRow): Promise<ChatStanding> {
  if (chat.id === 0) return standingInVirtual(chat, mustBeSignedIn(context).userId);
  return { chat, ...(await loadPlace(context, chat.id)) };
}

async function loadPlace(context: Context, chatId: ChatId): Promise<Place> {
  const { userId } = mustBeSignedIn(context);
  const load = sharedLoader<string, Place>(context, 'places', (keys) => context.app.chats.placesOf(keys.map(placeOf)));
  const place = await load.load(placeKey({ chatId, userId }));
  return place ?? { member: null, banned: false };
}

/** What a chat lets its members do. One statement for all that are asked for together. */
export async function loadRights(context: Context, chatId: ChatId): Promise<RoomRights> {
  const rights = await sharedLoader<ChatId, RoomRights>(context, 'rights', (ids) => context.app.chats.findRights(ids)).load(chatId);
  return rights as RoomRights;
}

// ---------------------------------------------------------------- enums and inputs

export const ChatKind = builder.enumType('ChatKind', {
  description: 'What a chat is.',
  values: { DIALOG: { description: "One-to-one ('privat', 'dialog')." }, ROOM: { description: "Many members ('group', 'chat room')." } },
});
export const RoomVisibility = builder.enumType('RoomVisibility', {
  description: 'Who knows that a room exists.',
  values: {
    PUBLIC: { description: 'Listed in `rooms`; anyone signed in may look at it and join.' },
    PRIVATE: { description: 'Only members know it exists; one enters by being added.' },
  },
});
export const PostPolicy = builder.enumType('PostPolicy', {
  description: 'Who may write in a room.',
  values: {
    ANYONE: { description: 'Any signed-in user, joined or not. Only for public rooms without password.' },
    MEMBERS: { description: 'Only members.' },
  },
});
export const RoomRight = builder.enumType('RoomRight', {
  description: 'Who may do something in a room.',
  values: {
    ADMINS: { description: 'Admins and owners.' },
    MEMBERS: { description: 'Every member.' },
    MEMBERS_WHILE_SMALL: { description: 'Every member while there are at most `limits.smallRoomMembers`; admins and owners always.' },
    NOBODY: { description: 'Nobody.' },
  } satisfies Record<RoomRightName, { description: string }>,
});
export const MemberRole = builder.enumType('MemberRole', {
  description: 'What a member may do. A room can have several owners and always has one; in dialogs everybody is MEMBER.',
  values: {
    OWNER: { description: 'Everything: also sets roles and deletes the room.' },
    ADMIN: { description: 'Updates the room, adds people, removes and bans members, deletes messages.' },
    MEMBER: { description: 'Reads, posts, leaves.' },
  },
});

export const RoomRefInput = builder.inputType('RoomRefInput', {
  isOneOf: true,
  description: 'Exactly one way to name a room.',
  fields: (t) => ({
    id: t.id({ description: 'The room’s id.' }),
    link: t.string({ description: 'The room’s `link`, in any case.' }),
  }),
});
/** The room a reference names, or null when its id is not one. */
export function toRoomRef(ref: typeof RoomRefInput.$inferInput): RoomRef | null {
  if (ref.link != null) return { link: ref.link };
  const roomId = numberOf(ref.id ?? '', 'Room');
  return roomId === null ? null : { roomId };
}

/** The room an id names. Throws NOT_FOUND (Room) for what is none. */
export const mustBeRoomId = (id: string): ChatId => {
  const roomId = numberOf(id, 'Room');
  if (roomId === null) throw notFound('Room');
  return roomId;
};

// ---------------------------------------------------------------- types

export const Member = builder.objectRef<AnyMember>('Member').implement({
  interfaces: [Node],
  description: 'A user in a chat.',
  fields: (t) => ({
    id: t.id({ description: 'The same for as long as the user is a member, and after coming back.', resolve: (member, _args, context) => toMemberId(member, context) }),
    user: t.field({ type: User, description: 'Who it is.', resolve: (member, _args, context) => getUser(context, member.userId) }),
    role: t.field({ type: MemberRole, description: 'What the user may do here.', resolve: (member) => member.role as Role }),
    joinedAt: t.expose('joinedAt', { type: 'DateTime', description: 'When the user became a member, the last time.' }),
    deliveredSeq: t.int({
      nullable: true,
      description: 'Everything up to here has reached a device of the user. Null for callers who are not members.',
      resolve: (member, _args, context) => markerOf(context, member, 'deliveredSeq'),
    }),
    readSeq: t.int({
      nullable: true,
      description: 'The user has read everything up to here. Null for callers who are not members.',
      resolve: (member, _args, context) => markerOf(context, member, 'readSeq'),
    }),
  }),
});
export const MemberEdge = builder.edgeObject({ name: 'MemberEdge', description: 'A member in a list.', type: Member });
export const MemberConnection = builder.connectionObject(
  {
    name: 'MemberConnection',
    description: 'A page of members.',
    type: Member,
    fields: (t) => ({ totalCount: t.int({ nullable: true, description: 'How many there are in all pages.', resolve: countOf }) }),
  },
  MemberEdge,
);

async function markerOf(context: Context, member: MemberRow, marker: 'deliveredSeq' | 'readSeq'): Promise<number | null> {
  return member.chatId === 0 || (await loadPlace(context, member.chatId)).member ? member[marker] : null;
}

async function getUser(context: Context, userId: UserId): Promise<UserRow> {
  const user = await loadUser(context, userId);
  if (!user) throw new Error(`user ${userId} is gone without a tombstone`);
  return user;
}

// Declared by each type: what it would inherit from Node resolves nothing.
const chatId = { description: 'A dialog’s id is known before its first message and stays the same.', resolve: toChatId };

export const Chat = builder.interfaceRef<ChatRow>('Chat').implement({
  interfaces: [Node],
  description: 'A conversation: a dialog between two users, or a room.',
  resolveType: (chat) => (chat.kind === 'ROOM' ? 'Room' : 'Dialog'),
  fields: (t) => ({
    id: t.id(chatId),
    name: t.string({ description: "Room name, or the other user's display name.", resolve: (chat) => chat.name ?? '' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made. Of a dialog without messages: when the younger account was.' }),
    lastSeq: t.exposeInt('lastSeq', { description: 'Seq of the newest message; 0 when empty.' }),
    lastActivityAt: t.expose('lastActivityAt', { type: 'DateTime', description: 'When the newest message came; when there is none, the same as `createdAt`.' }),
    memberCount: t.exposeInt('memberCount', { description: 'How many members it has.' }),
    members: t.connection(
      {
        type: Member,
        nullable: true,
        description: 'Who is in it, in the order in which they joined. Null with FORBIDDEN (NOT_A_MEMBER) in a room with a password that the caller has not joined.',
        args: {
          role: t.arg({ type: MemberRole, description: 'Only members with this role.' }),
          online: t.arg.boolean({ description: 'True: only who is online now. False: only who is not.' }),
        },
        complexity: pageComplexity,
        resolve: async (chat, args, context) => {
          const page = await loadMembers(context, chat, args);
          return page && toConnection(page);
        },
      },
      MemberConnection,
      MemberEdge,
    ),
  }),
});

/** A page of one chat's members; first pages of many chats with the same arguments are read together. */
async function loadMembers(context: Context, chat: ChatRow, { role, online, ...args }: PageArgs & MemberFilter): Promise<Page<AnyMember> | null> {
  const request = pageRequest(args);
  if (chat.id === 0 || request.backward || request.after !== null || request.before !== null)
    return context.app.memberLists.members(await loadStanding(context, chat), { role, online }, request);
  chatLoader(context).prime(chat.id, chat);
  return loader<ChatId, Page<AnyMember>>(context, `members ${JSON.stringify([role, online, request.size])}`, async (ids) => {
    const chats = await Promise.all(ids.map((id) => loadChat(context, id)));
    const standings = await Promise.all(chats.map((row) => (row ? loadStanding(context, row) : { chat: null, member: null, banned: false })));
    // A loader hands an Error out to who asked for that key.
    return (await context.app.memberLists.firstMembers(standings, { role, online }, request.size)) as (Page<AnyMember> | null)[];
  }).load(chat.id);
}

export const Dialog = builder.objectRef<ChatRow>('Dialog').implement({
  interfaces: [Chat, Node],
  description: 'The conversation of two users, or of one with itself.',
  fields: (t) => ({
    id: t.id(chatId),
    name: t.string({ description: 'Display name of the other user.', resolve: async (chat, _args, context) => (await loadPeer(context, chat)).displayName }),
    peer: t.field({ type: User, description: 'The other participant; the caller itself in a note-to-self dialog.', resolve: (chat, _args, context) => loadPeer(context, chat) }),
  }),
});

/** The one of a dialog's people who is not the viewer. */
const loadPeer = (context: Context, chat: Pick<ChatRow, 'lowUserId' | 'highUserId'>): Promise<UserRow> => getUser(context, peerOf(chat, mustBeSignedIn(context).userId));

export const Room = builder.objectRef<ChatRow>('Room').implement({
  interfaces: [Chat, Node],
  description: 'A chat of many members, with settings of its own.',
  fields: (t) => ({
    id: t.id(chatId),
    topic: t.exposeString('topic', { nullable: true, complexity: 2, description: 'What it is about.' }),
    link: t.exposeString('link', { nullable: true, description: 'Short public name or external link of the room; no two rooms have the same, whatever the case.' }),
    visibility: t.field({ type: RoomVisibility, description: 'Who knows that it exists.', resolve: (room) => room.visibility as 'PUBLIC' }),
    postPolicy: t.field({ type: PostPolicy, description: 'Who may write in it.', resolve: (room) => room.postPolicy as 'MEMBERS' }),
    pinPolicy: t.field({ type: RoomRight, description: 'Who may pin messages.', resolve: async (room, _args, context) => (await loadRights(context, room.id)).pinPolicy }),
    mentionAllPolicy: t.field({
      type: RoomRight,
      description: 'Who may call everybody.',
      resolve: async (room, _args, context) => (await loadRights(context, room.id)).mentionAllPolicy,
    }),
    everyone: t.exposeBoolean('everyone', { description: 'Everyone registered is a member, now and later.' }),
    capacity: t.exposeInt('capacity', { nullable: true, description: 'Most members allowed, the owner included; null = no limit.' }),
    passwordRequired: t.boolean({ description: 'Joining takes a password, and only members see messages and members.', resolve: (room) => room.passwordHash !== null }),
  }),
});

// ---------------------------------------------------------------- look-ups

builder.queryFields((t) => ({
  dialog: t.field({
    type: Dialog,
    nullable: true,
    description: 'The one-to-one conversation with one user, also before its first message. Null (and NOT_FOUND) when there is no such user.',
    args: { with: t.arg({ type: UserRefInput, required: true, description: 'The other user; the caller itself for notes to self.' }) },
    resolve: async (_root, args, context) => {
      const viewer = mustBeSignedIn(context);
      const ref = parseUserRef(args.with, context);
      if (!ref) throw notFound('User');
      return context.app.chats.dialog(viewer, await context.app.accounts.get(ref));
    },
  }),
  room: t.field({
    type: Room,
    nullable: true,
    description: 'One room, or null when there is none that the caller can see.',
    args: { ref: t.arg({ type: RoomRefInput, required: true, description: 'Which room.' }) },
    resolve: (_root, args, context) => {
      const viewer = mustBeSignedIn(context);
      const ref = toRoomRef(args.ref);
      return ref && context.app.chats.findRoom(viewer, ref);
    },
  }),
  chat: t.field({
    type: Chat,
    nullable: true,
    description: 'One chat by its id, or null when there is none that the caller can see.',
    args: { id: t.arg.id({ required: true, description: 'Id of a dialog or room.' }) },
    resolve: (_root, args, context) => {
      const viewer = mustBeSignedIn(context);
      const ref = parseChatRef(args.id);
      return ref && context.app.chats.find(viewer, ref);
    },
  }),
}));
