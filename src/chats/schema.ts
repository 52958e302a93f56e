/** Chats, rooms, dialogs and members as clients see them. */
import { loadUser, parseUserRef, User, UserRefInput } from '../accounts/schema.ts';
import { type AppError, notFound } from '../errors.ts';
import { builder, Node } from '../graphql/builder.ts';
import { type Context, loader, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { toErrorData, UserError } from '../graphql/errors.ts';
import { numberOf, pairOf, parseGlobalId, toGlobalId } from '../graphql/ids.ts';
import { mutation } from '../graphql/mutation.ts';
import { type PageArgs, pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import type { Page } from '../storage/page.ts';
import type { ChatRow, MemberRow, UserRow } from '../storage/rows.ts';
import type { Role } from './access.ts';
import { type AnyMember, type ChatRef, type ChatStanding, type MemberRef, type Place, type RoomRef, standingInVirtual } from './chats.ts';
import type { MemberFilter } from './lists.ts';

// ---------------------------------------------------------------- ids and loaders

/** A dialog's id is made of its two people: it is the same before its first message and after. */
export const toChatId = (chat: Pick<ChatRow, 'id' | 'kind' | 'lowUserId' | 'highUserId'>): string =>
  chat.kind === 'ROOM' ? toGlobalId('Room', chat.id) : toGlobalId('Dialog', `${chat.lowUserId}.${chat.highUserId}`);

/** The chat an id names, or null when it is not the id of a chat. */
export function parseChatRef(id: string): ChatRef | null {
  const roomId = numberOf(id, 'Room');
  if (roomId !== null) return { roomId };
  const pair = pairOf(id, 'Dialog');
  return pair && pair[0] <= pair[1] ? { low: pair[0], high: pair[1] } : null;
}

/** A member's id: the room and the person, or the dialog's two people and which of them. */
async function toMemberId(member: AnyMember, context: Context): Promise<string> {
  const pair = member.dialog ?? (await dialogOf(member.chatId));
  return toGlobalId('Member', pair ? `${pair.low}.${pair.high}.${member.userId}` : `${member.chatId}.${member.userId}`);

  async function dialogOf(chatId: number): Promise<{ low: number | null; high: number | null } | null> {
    const chat = await loadChat(context, chatId);
    return chat?.kind === 'DIALOG' ? { low: chat.lowUserId, high: chat.highUserId } : null;
  }
}

/** The chat and the person that a member's id names, or null. */
export function parseMemberRef(id: string): MemberRef | null {
  const parsed = parseGlobalId(id);
  const keys = parsed?.type === 'Member' ? parsed.key.split('.').map(Number) : [];
  const [first, second, third] = keys;
  if (first === undefined || second === undefined || keys.some((key) => key >= 2 ** 31)) return null;
  return third === undefined ? { chat: { roomId: first }, userId: second } : { chat: { low: first, high: second }, userId: third };
}

/** A chat by its row's id, without asking who may see it; null when it was deleted. One statement for all that are asked for together. */
export const loadChat = (context: Context, chatId: number): Promise<ChatRow | null> => chatLoader(context).load(chatId);

/** What was just written is what this request sees from now on. */
export const rememberChat = (context: Context, chat: ChatRow): void => void chatLoader(context).clear(chat.id).prime(chat.id, chat);

const chatLoader = (context: Context) =>
  sharedLoader<number, ChatRow>(context, 'chats', async (ids) => {
    const rows = new Map((await context.app.chats.findRows(ids)).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  });

/** A membership in a stored chat, without asking who may see it. One statement for all that are asked for together. */
export function loadMember(context: Context, chatId: number, userId: number): Promise<MemberRow | null> {
  return sharedLoader<string, MemberRow>(context, 'members', async (keys) => {
    const rows = await context.app.chats.findMembers(keys.map((key) => ({ chatId: Number(key.split('.')[0]), userId: Number(key.split('.')[1]) })));
    const byKey = new Map(rows.map((row) => [`${row.chatId}.${row.userId}`, row]));
    return keys.map((key) => byKey.get(key) ?? null);
  }).load(`${chatId}.${userId}`);
}

/** The viewer before a chat, for access.ts. Two statements for all chats that are asked for together. */
export async function loadStanding(context: Context, chat: ChatRow): Promise<ChatStanding> {
  if (chat.id === 0) return standingInVirtual(chat, mustBeSignedIn(context).userId);
  return { chat, ...(await loadPlace(context, chat.id)) };
}

async function loadPlace(context: Context, chatId: number): Promise<Place> {
  const { userId } = mustBeSignedIn(context);
  const load = sharedLoader<string, Place>(context, 'places', (keys) =>
    context.app.chats.placesOf(keys.map((key) => ({ chatId: Number(key.split('.')[0]), userId: Number(key.split('.')[1]) }))),
  );
  const place = await load.load(`${chatId}.${userId}`);
  return place ?? { member: null, banned: false };
}

const mustBeRoomId = (id: string): number => {
  const roomId = numberOf(id, 'Room');
  if (roomId === null) throw notFound('Room');
  return roomId;
};

/** Absent and null stay what they are; an id that is none names the attachment 0, which nobody has. */
const toAttachmentId = (id: string | null | undefined): number | null | undefined => (id == null ? id : (numberOf(id, 'Attachment') ?? 0));

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

const ChatFilterInput = builder.inputType('ChatFilterInput', {
  description: 'Which chats. All conditions that are given must hold.',
  fields: (t) => ({
    kind: t.field({ type: ChatKind, description: 'Only dialogs, or only rooms.' }),
    nameContains: t.string({ description: 'Case-insensitive part of the name; for a dialog also of the other user’s username.' }),
    withUserIds: t.idList({ description: 'Only chats in which all of these users take part. Up to 100.' }),
    unreadOnly: t.boolean({ defaultValue: false, description: 'Only chats with a message that the caller has not read.' }),
    includeAllUsers: t.boolean({ defaultValue: false, description: 'Behind the chats that exist, also a (still empty) dialog with every other registered user, by username.' }),
  }),
});
const RoomFilterInput = builder.inputType('RoomFilterInput', {
  description: 'Which rooms. All conditions that are given must hold.',
  fields: (t) => ({
    nameContains: t.string({ description: 'Case-insensitive part of the name.' }),
    visibility: t.field({ type: RoomVisibility, description: 'Only public ones, or only the caller’s private ones.' }),
    joined: t.boolean({ description: 'True: only rooms the caller belongs to. False: only others.' }),
    joinable: t.boolean({ description: 'True: only rooms the caller could join now (public, not full, not banned from; a password may be needed). False: only others.' }),
  }),
});

// ---------------------------------------------------------------- types

const countOf = (connection: unknown): Promise<number> | null => (connection as Pick<Page<unknown>, 'totalCount'>).totalCount?.() ?? null;

export const Member = builder.prismaObject('Member', {
  interfaces: [Node],
  description: 'A user in a chat.',
  fields: (t) => ({
    id: t.id({ description: 'The same for as long as the user is a member, and after coming back.', resolve: (member, _args, context) => toMemberId(member, context) }),
    user: t.field({ type: User, description: 'Who it is.', resolve: (member, _args, context) => mustLoadUser(context, member.userId) }),
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

async function mustLoadUser(context: Context, userId: number): Promise<UserRow> {
  const user = await loadUser(context, userId);
  if (!user) throw new Error(`user ${userId} is gone without a tombstone`);
  return user;
}

// Declared by each type: what it would inherit from Node resolves nothing.
const chatId = { description: 'A dialog’s id is known before its first message and stays the same.', resolve: toChatId };

export const Chat = builder.prismaInterface('Chat', {
  name: 'Chat',
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
    return context.app.chatLists.members(await loadStanding(context, chat), { role, online }, request);
  chatLoader(context).prime(chat.id, chat);
  return loader<number, Page<AnyMember>>(context, `members ${JSON.stringify([role, online, request.size])}`, async (ids) => {
    const chats = await Promise.all(ids.map((id) => loadChat(context, id)));
    const standings = await Promise.all(chats.map((row) => (row ? loadStanding(context, row) : { chat: null, member: null, banned: false })));
    // A loader hands an Error out to who asked for that key.
    return (await context.app.chatLists.firstMembers(standings, { role, online }, request.size)) as (Page<AnyMember> | null)[];
  }).load(chat.id);
}

export const Dialog = builder.prismaObject('Chat', {
  variant: 'Dialog',
  interfaces: [Chat, Node],
  description: 'The conversation of two users, or of one with itself.',
  fields: (t) => ({
    id: t.id(chatId),
    name: t.string({ description: 'Display name of the other user.', resolve: async (chat, _args, context) => (await loadPeer(context, chat)).displayName }),
    peer: t.field({ type: User, description: 'The other participant; the caller itself in a note-to-self dialog.', resolve: (chat, _args, context) => loadPeer(context, chat) }),
  }),
});

/** The one of a dialog's people who is not the viewer. */
function loadPeer(context: Context, { lowUserId, highUserId }: Pick<ChatRow, 'lowUserId' | 'highUserId'>): Promise<UserRow> {
  const { userId } = mustBeSignedIn(context);
  return mustLoadUser(context, (lowUserId === userId ? highUserId : lowUserId) as number);
}

export const Room = builder.prismaObject('Chat', {
  variant: 'Room',
  interfaces: [Chat, Node],
  description: 'A chat of many members, with settings of its own.',
  fields: (t) => ({
    id: t.id(chatId),
    topic: t.exposeString('topic', { nullable: true, description: 'What it is about.' }),
    link: t.exposeString('link', { nullable: true, description: 'Short public name or external link of the room; no two rooms have the same, whatever the case.' }),
    visibility: t.field({ type: RoomVisibility, description: 'Who knows that it exists.', resolve: (room) => room.visibility as 'PUBLIC' }),
    postPolicy: t.field({ type: PostPolicy, description: 'Who may write in it.', resolve: (room) => room.postPolicy as 'MEMBERS' }),
    everyone: t.exposeBoolean('everyone', { description: 'Everyone registered is a member, now and later.' }),
    capacity: t.exposeInt('capacity', { nullable: true, description: 'Most members allowed, the owner included; null = no limit.' }),
    passwordRequired: t.boolean({ description: 'Joining takes a password, and only members see messages and members.', resolve: (room) => room.passwordHash !== null }),
  }),
});

export const ChatEdge = builder.edgeObject({ name: 'ChatEdge', description: 'A chat in a list.', type: Chat });
export const ChatConnection = builder.connectionObject(
  {
    name: 'ChatConnection',
    description: 'A page of chats.',
    type: Chat,
    fields: (t) => ({ totalCount: t.int({ nullable: true, description: 'How many there are in all pages.', resolve: countOf }) }),
  },
  ChatEdge,
);
export const RoomEdge = builder.edgeObject({ name: 'RoomEdge', description: 'A room in a list.', type: Room });
export const RoomConnection = builder.connectionObject(
  {
    name: 'RoomConnection',
    description: 'A page of rooms.',
    type: Room,
    fields: (t) => ({ totalCount: t.int({ nullable: true, description: 'How many there are in all pages.', resolve: countOf }) }),
  },
  RoomEdge,
);

// ---------------------------------------------------------------- queries

builder.queryFields((t) => ({
  chats: t.connection(
    {
      type: Chat,
      nullable: true,
      description: `The caller's chats, most recently active first: dialogs and rooms with last message and
unread count. \`filter.includeAllUsers\` also lists a (still empty) dialog for every
registered user, as some messengers expect.`,
      args: { filter: t.arg({ type: ChatFilterInput, description: 'Only some of them.' }) },
      complexity: pageComplexity,
      resolve: async (_root, args, context) => {
        const { withUserIds, ...filter } = args.filter ?? {};
        return toConnection(
          await context.app.chatLists.chats(mustBeSignedIn(context), { ...filter, withUserIds: withUserIds?.map((id) => numberOf(id, 'User')) ?? null }, pageRequest(args)),
        );
      },
    },
    ChatConnection,
    ChatEdge,
  ),
  rooms: t.connection(
    {
      type: Room,
      nullable: true,
      description: 'Rooms the caller can see, by name: public ones plus those it belongs to.',
      args: { filter: t.arg({ type: RoomFilterInput, description: 'Only some of them.' }) },
      complexity: pageComplexity,
      resolve: async (_root, args, context) => toConnection(await context.app.chatLists.rooms(mustBeSignedIn(context), args.filter ?? {}, pageRequest(args))),
    },
    RoomConnection,
    RoomEdge,
  ),
  dialog: t.field({
    type: Dialog,
    nullable: true,
    description: 'The one-to-one conversation with one user, also before its first message. Null (and NOT_FOUND) when there is no such user.',
    args: { with: t.arg({ type: UserRefInput, required: true, description: 'The other user; the caller itself for notes to self.' }) },
    resolve: async (_root, args, context) => {
      const viewer = mustBeSignedIn(context);
      const ref = parseUserRef(args.with);
      if (!ref) throw notFound('User');
      return context.app.chats.dialog(viewer, await context.app.accounts.mustFind(ref));
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

// ---------------------------------------------------------------- mutations

mutation('createRoom', {
  description: 'Makes a room; the caller becomes its owner.',
  errors: ['VALIDATION_FAILED', 'ALREADY_TAKEN', 'NOT_FOUND', 'FORBIDDEN', 'RATE_LIMITED'],
  inputDescription: 'The settings of the new room, and who is in it from the start.',
  input: (t) => ({
    name: t.string({ required: true, description: '1 to 80 characters.' }),
    topic: t.string({ description: 'Up to 500 characters.' }),
    visibility: t.field({ type: RoomVisibility, required: true, defaultValue: 'PUBLIC', description: 'Who knows that it exists.' }),
    postPolicy: t.field({ type: PostPolicy, required: true, defaultValue: 'MEMBERS', description: 'Who may write in it. ANYONE takes a public room without password.' }),
    everyone: t.boolean({
      defaultValue: false,
      description: 'Make every account a member, present and future. Takes a public room without capacity and password; the operator may reserve it (FORBIDDEN, NOT_AN_OPERATOR).',
    }),
    members: t.field({ type: [UserRefInput], description: 'First members besides the creator, up to 1,000. Somebody who does not exist: NotFoundError, and no room.' }),
    capacity: t.int({ description: 'Most members, from 1 to 1,000,000; the owner counts. Must hold the first members.' }),
    link: t.string({ description: 'Short name of 3 to 64 letters, digits and `-_.~`, or an http(s) URL of up to 300 characters. No two rooms have the same, whatever the case.' }),
    password: t.string({ description: '1 to 128 characters that one must know to join.' }),
    avatarAttachmentId: t.id({ description: 'Its picture: a completed image upload of the caller, in no message and not a picture yet.' }),
    clientRequestId: t.string({ description: 'Makes a retry safe: the same id by the same user returns the room already made. 1 to 128 printable ASCII characters.' }),
  }),
  resolve: (viewer, input, context) => {
    const avatarAttachmentId = toAttachmentId(input.avatarAttachmentId) ?? null;
    return context.app.rooms.create(viewer, { ...input, avatarAttachmentId, everyone: input.everyone ?? false, members: input.members?.map(parseUserRef) ?? null });
  },
  payloadDescription: 'The room is there.',
  payload: (t) => ({
    room: t.field({ type: Room, description: 'The new room, or the first one of this request id.', resolve: ({ room }) => room }),
    duplicate: t.exposeBoolean('duplicate', { description: 'True when this request id had made the room before: nothing new was made.' }),
  }),
});

mutation('joinChat', {
  description: 'Makes the caller a member of a room. What was written before counts as read.',
  errors: ['NOT_FOUND', 'FORBIDDEN', 'WRONG_ROOM_PASSWORD', 'ROOM_FULL', 'RATE_LIMITED'],
  input: (t) => ({
    room: t.field({ type: RoomRefInput, required: true, description: 'Which room.' }),
    password: t.string({ description: 'Where `passwordRequired`.' }),
  }),
  resolve: (viewer, input, context) => {
    const ref = toRoomRef(input.room);
    if (!ref) throw notFound('Room');
    return context.app.membership.join(viewer, ref, input.password ?? null);
  },
  payloadDescription: 'The caller is a member.',
  payload: (t) => ({
    room: t.field({ type: Room, description: 'The room, with the caller in it.', resolve: ({ room }) => room }),
    member: t.field({ type: Member, description: 'The caller in this room.', resolve: ({ member }) => member }),
    alreadyMember: t.exposeBoolean('alreadyMember', { description: 'True when the caller was a member before: nothing has changed.' }),
  }),
});

mutation('updateRoom', {
  description: 'Changes settings of a room. Takes an admin or owner.',
  errors: ['VALIDATION_FAILED', 'ALREADY_TAKEN', 'NOT_FOUND', 'FORBIDDEN'],
  inputDescription: 'Only the fields present are changed; null clears.',
  input: (t) => ({
    roomId: t.id({ required: true, description: 'Which room.' }),
    name: t.string({ description: '1 to 80 characters. Cannot be null.' }),
    topic: t.string({ description: 'Up to 500 characters.' }),
    visibility: t.field({ type: RoomVisibility, description: 'Who knows that it exists. Cannot be null.' }),
    postPolicy: t.field({ type: PostPolicy, description: 'Who may write in it. Cannot be null.' }),
    everyone: t.boolean({ description: 'True makes every account a member and lifts all bans; false lets members leave again. Cannot be null.' }),
    capacity: t.int({ description: 'Most members; not below the number there are.' }),
    link: t.string({ description: 'Short name or http(s) URL.' }),
    password: t.string({ description: 'What one must know to join from now on; members stay.' }),
    avatarAttachmentId: t.id({ description: 'Its picture: a completed image upload of the caller, in no message and not a picture yet; null removes the picture.' }),
  }),
  resolve: async (viewer, { roomId, avatarAttachmentId, ...changes }, context) => {
    const id = mustBeRoomId(roomId);
    return { room: await context.app.rooms.update(viewer, id, { ...changes, avatarAttachmentId: toAttachmentId(avatarAttachmentId) }) };
  },
  payload: (t) => ({ room: t.field({ type: Room, description: 'The room as it is now.', resolve: ({ room }) => room }) }),
});

mutation('deleteRoom', {
  description: 'Ends a room for everybody, with all its messages. Takes an owner.',
  errors: ['NOT_FOUND', 'FORBIDDEN'],
  input: (t) => ({ roomId: t.id({ required: true, description: 'Which room.' }) }),
  resolve: async (viewer, input, context) => {
    const roomId = mustBeRoomId(input.roomId);
    await context.app.rooms.remove(viewer, roomId);
    return { roomId: toGlobalId('Room', roomId) };
  },
  payload: (t) => ({ roomId: t.exposeID('roomId', { description: 'The id that names nothing any more.' }) }),
});

mutation('leaveChat', {
  description: 'Ends the caller’s membership in a room. The last member’s leaving deletes the room; its last owner cannot leave others behind. A dialog cannot be left.',
  errors: ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
  input: (t) => ({ chatId: t.id({ required: true, description: 'Which room.' }) }),
  resolve: async (viewer, input, context) => {
    const ref = parseChatRef(input.chatId);
    if (!ref || !('roomId' in ref)) throw notFound('Chat');
    await context.app.membership.leave(viewer, ref.roomId);
    return { chatId: toGlobalId('Room', ref.roomId) };
  },
  payload: (t) => ({ chatId: t.exposeID('chatId', { description: 'The room that was left.' }) }),
});

const SkippedMember = builder.objectRef<{ user: UserRow | null; error: AppError }>('SkippedMember').implement({
  description: 'Somebody who was not added.',
  fields: (t) => ({
    user: t.field({ type: User, nullable: true, description: 'Who it is; null when the reference names nobody.', resolve: ({ user }) => user }),
    error: t.field({ type: UserError, description: 'Why: RoomFullError, or NotFoundError.', resolve: ({ error }, _args, context) => toErrorData(error, context.app.config) }),
  }),
});

mutation('addMembers', {
  description: 'Makes people members, in the order given, until the room is full; being added lifts a ban. Takes an admin or owner.',
  errors: ['VALIDATION_FAILED', 'NOT_FOUND', 'FORBIDDEN', 'ROOM_FULL'],
  input: (t) => ({
    roomId: t.id({ required: true, description: 'Which room.' }),
    users: t.field({ type: [UserRefInput], required: true, description: 'Whom to add, up to 1,000.' }),
  }),
  resolve: (viewer, input, context) => context.app.membership.add(viewer, mustBeRoomId(input.roomId), input.users.map(parseUserRef)),
  payloadDescription: 'Everybody named is in `added`, in `skipped`, or was a member before.',
  payload: (t) => ({
    room: t.field({ type: Room, description: 'The room with its new members.', resolve: ({ room }) => room }),
    added: t.field({ type: [Member], description: 'Who is a member now and was not before.', resolve: ({ added }) => added }),
    skipped: t.field({ type: [SkippedMember], description: 'Who could not be added.', resolve: ({ skipped }) => skipped }),
  }),
});

mutation('removeMember', {
  description: 'Ends somebody’s membership. Admins remove members, owners anybody; the last owner cannot be removed.',
  errors: ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
  input: (t) => ({
    roomId: t.id({ required: true, description: 'Which room.' }),
    userId: t.id({ required: true, description: 'Whom to remove.' }),
    ban: t.boolean({
      defaultValue: false,
      description: 'Keep the user from joining again; being added by an owner or admin lifts it. Also works for somebody who is not a member.',
    }),
  }),
  resolve: async (viewer, input, context) => {
    const userId = numberOf(input.userId, 'User');
    const room = await context.app.membership.remove(viewer, mustBeRoomId(input.roomId), userId, input.ban ?? false);
    return { room, userId: toGlobalId('User', userId as number) };
  },
  payload: (t) => ({
    room: t.field({ type: Room, description: 'The room without the user.', resolve: ({ room }) => room }),
    userId: t.exposeID('userId', { description: 'Who was removed.' }),
  }),
});

mutation('setMemberRole', {
  description: 'Gives a member another role. Takes an owner; the last owner stays one.',
  errors: ['NOT_FOUND', 'FORBIDDEN', 'CONFLICT'],
  input: (t) => ({
    roomId: t.id({ required: true, description: 'Which room.' }),
    userId: t.id({ required: true, description: 'Whose role.' }),
    role: t.field({ type: MemberRole, required: true, description: 'The new one.' }),
  }),
  resolve: async (viewer, input, context) => ({ member: await context.app.membership.setRole(viewer, mustBeRoomId(input.roomId), numberOf(input.userId, 'User'), input.role) }),
  payload: (t) => ({ member: t.field({ type: Member, description: 'The member with its role.', resolve: ({ member }) => member }) }),
});
