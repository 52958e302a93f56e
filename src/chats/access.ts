/** Every permission rule of the product: what a person may do with a chat or a message, given what is true of both. Decides, reads nothing. */
import type { Config } from '../config.ts';
import { AppError, type ForbiddenReason, notFound } from '../errors.ts';
import type { ChatRow, MemberRow } from '../storage/rows.ts';

/** Who may do something in a room, as its settings say. */
export const roomRights = ['ADMINS', 'MEMBERS', 'MEMBERS_WHILE_SMALL', 'NOBODY'] as const;
export type RoomRight = (typeof roomRights)[number];
/** What a room lets its members do, as its settings say. */
export type RoomRights = { pinPolicy: RoomRight; mentionAllPolicy: RoomRight };
export const firstRights: RoomRights = { pinPolicy: 'ADMINS', mentionAllPolicy: 'MEMBERS_WHILE_SMALL' };
/** Up to so many members a room is small. */
export const smallRoom = 30;
/** Who is shown what a message said before it was edited, as the server's settings say. */
type EditHistory = Config['EDIT_HISTORY'];

/** One person before one chat. `chat` is null when it does not exist. */
export type Standing = { chat: ChatRow | null; member: Pick<MemberRow, 'role'> | null; banned: boolean };
/** The same for what depends on the room's settings: as a room has them at first when they are left out. */
type WithRights = Standing & { rights?: RoomRights };
export type Role = 'OWNER' | 'ADMIN' | 'MEMBER';

type Rule = {
  /** Least role; null: no membership needed. */
  role: Role | null;
  /** Further words on who may, asked when the role fits. */
  unless?: (standing: WithRights & { chat: ChatRow }) => ForbiddenReason | null;
};

const rank: Record<Role, number> = { MEMBER: 1, ADMIN: 2, OWNER: 3 };
const isOpen = (chat: ChatRow): boolean => chat.kind === 'ROOM' && chat.visibility === 'PUBLIC' && chat.passwordHash === null;

/** Members may write, and where a room is for anyone to post in, everybody else who was not banned. */
const mayWrite: Rule['unless'] = ({ chat, member, banned }) => (member ? null : banned ? 'BANNED' : isOpen(chat) && chat.postPolicy === 'ANYONE' ? null : 'NOT_A_MEMBER');

/** What members may do where a room's setting gives them the right. In dialogs both may. */
const withRight =
  (name: keyof RoomRights): NonNullable<Rule['unless']> =>
  ({ chat, member, rights = firstRights }) =>
    chat.kind === 'DIALOG' || hasRight(rights[name], chat, member?.role as Role) ? null : 'ROLE_TOO_LOW';

function hasRight(right: RoomRight, { memberCount }: ChatRow, role: Role): boolean {
  if (right === 'NOBODY') return false;
  return right === 'MEMBERS' || rank[role] >= rank.ADMIN || (right === 'MEMBERS_WHILE_SMALL' && memberCount <= smallRoom);
}

/** The table. What is hidden is NOT_FOUND before any of these is asked. Who can see a message of their own can always delete it. */
const rules = {
  see: { role: null },
  read: { role: null, unless: ({ chat, member }) => (member || isOpen(chat) ? null : 'NOT_A_MEMBER') },
  post: { role: null, unless: mayWrite },
  // Otherwise whoever was banned could still make something else of what they had written.
  editOwnMessage: { role: null, unless: mayWrite },
  react: { role: null, unless: mayWrite },
  followThread: { role: 'MEMBER' },
  type: { role: 'MEMBER' },
  join: { role: null, unless: ({ banned }) => (banned ? 'BANNED' : null) },
  leave: { role: 'MEMBER', unless: ({ chat }) => (chat.everyone ? 'EVERYONE_ROOM' : null) },
  updateRoom: { role: 'ADMIN' },
  addMembers: { role: 'ADMIN' },
  removeMember: { role: 'ADMIN', unless: ({ chat }) => (chat.everyone ? 'EVERYONE_ROOM' : null) },
  setRole: { role: 'OWNER' },
  deleteRoom: { role: 'OWNER' },
  pin: { role: 'MEMBER', unless: withRight('pinPolicy') },
  // In rooms: a dialog has nobody to be called that a message does not reach anyway.
  mentionAll: {
    role: null,
    unless: ({ chat, member, rights = firstRights }) => (chat.kind === 'ROOM' && member && hasRight(rights.mentionAllPolicy, chat, member.role as Role) ? null : 'MENTION_ALL'),
  },
  seeOthersRevisions: { role: 'ADMIN' },
  deleteOthersMessage: { role: 'ADMIN', unless: ({ chat }) => (chat.kind === 'DIALOG' ? 'NOT_THE_AUTHOR' : null) },
} satisfies Record<string, Rule>;
export type Action = keyof typeof rules;

/** Whether the person is told that the chat exists. A dialog exists for its two people, a private room for its members. */
export function canSee({ chat, member }: Standing): boolean {
  return chat !== null && chat.deletedAt === null && (member !== null || (chat.kind === 'ROOM' && chat.visibility === 'PUBLIC'));
}

/** Whether the person may do this. */
export function can(action: Action, standing: WithRights): boolean {
  return canSee(standing) && refusal(action, standing as Standing & { chat: ChatRow }) === null;
}

/** Returns the chat, or throws NOT_FOUND for a hidden one and FORBIDDEN with the reason for a visible one. */
export function must(action: Action, standing: WithRights, typeName: 'Chat' | 'Room' | 'Message' = 'Chat'): ChatRow {
  if (!canSee(standing)) throw notFound(typeName);
  const reason = refusal(action, standing as Standing & { chat: ChatRow });
  if (reason) throw new AppError('FORBIDDEN', { forbiddenReason: reason });
  return standing.chat as ChatRow;
}

/** Whether the person may see what a message said before it was edited, given that they may read it. */
export function canSeeRevisions(own: boolean, standing: Standing, setting: EditHistory): boolean {
  if (setting === 'off') return false;
  return own || setting === 'everyone' || can('seeOthersRevisions', standing);
}

/** What can be done with a message, in the order in which it is told. */
export const messageActions = ['DELETE', 'EDIT', 'FORWARD', 'PIN', 'REACT', 'REPLY', 'SEE_REVISIONS'] as const;
export type MessageAction = (typeof messageActions)[number];

/** What the person may do with a message that they may read; with a deleted one nothing. `deserted`: the other one of its dialog is gone. */
export function actionsOn(
  message: { own: boolean; deleted: boolean },
  standing: Required<WithRights>,
  { deserted, editHistory }: { deserted: boolean; editHistory: EditHistory },
): MessageAction[] {
  const may: Record<MessageAction, boolean> = {
    DELETE: message.own || can('deleteOthersMessage', standing),
    EDIT: message.own && can('editOwnMessage', standing),
    FORWARD: true,
    PIN: can('pin', standing),
    REACT: can('react', standing),
    REPLY: !deserted && can('post', standing),
    SEE_REVISIONS: canSeeRevisions(message.own, standing, editHistory),
  };
  return message.deleted ? [] : messageActions.filter((action) => may[action]);
}

/** What can be done in a chat, in the order in which it is told. */
export const chatActions = ['ADD_MEMBERS', 'DELETE', 'JOIN', 'LEAVE', 'MENTION_ALL', 'PIN', 'REACT', 'READ', 'SEND', 'UPDATE'] as const;
export type ChatAction = (typeof chatActions)[number];

/** What the person may do in a chat. A room that is full cannot be joined now. `deserted`: the other one of the dialog is gone. */
export function actionsIn(standing: Required<WithRights>, { deserted }: { deserted: boolean }): ChatAction[] {
  const { chat, member } = standing;
  const isRoom = chat?.kind === 'ROOM';
  const isFull = chat !== null && chat.capacity !== null && chat.memberCount >= chat.capacity;
  const may: Record<ChatAction, boolean> = {
    ADD_MEMBERS: isRoom && !isFull && can('addMembers', standing),
    DELETE: can('deleteRoom', standing),
    JOIN: isRoom && !member && !isFull && can('join', standing),
    LEAVE: isRoom && can('leave', standing),
    MENTION_ALL: can('post', standing) && can('mentionAll', standing),
    PIN: can('pin', standing),
    REACT: can('react', standing),
    READ: can('read', standing),
    SEND: !deserted && can('post', standing),
    UPDATE: can('updateRoom', standing),
  };
  return chatActions.filter((action) => may[action]);
}

/** Admins manage members, owners everybody: nobody removes or bans somebody of at least their own role, but owners may remove owners. */
export const canRemove = (actor: Role, target: Role): boolean => actor === 'OWNER' || rank[actor] > rank[target];

/** Where the operator named accounts, only these may make every account a member of a room. */
export const canOpenToEveryone = ({ areNamed, isOperator }: { areNamed: boolean; isOperator: boolean }): boolean => !areNamed || isOperator;

/** A file, as the person stands to it: whether they uploaded it, in which chat's message it is, and whose picture it is. */
export type FileUse = { own: boolean; message: Standing | null; pictureOf: 'person' | Standing | null };

/**
 * Whether the person may have a file, `whole` or only as a picture. In a message it is for those who may read that, before for who uploaded it. A picture of
 * somebody is for all, one of a room for who can see it; the file itself may tell more, such as where it was taken: that is for who uploaded it.
 */
export function canHaveFile({ own, message, pictureOf }: FileUse, whole: boolean): boolean {
  if (message) return can('read', message);
  if (own) return true;
  return !whole && pictureOf !== null && (pictureOf === 'person' || canSee(pictureOf));
}

function refusal(action: Action, standing: WithRights & { chat: ChatRow }): ForbiddenReason | null {
  const rule: Rule = rules[action];
  if (rule.role !== null) {
    if (!standing.member) return 'NOT_A_MEMBER';
    if (rank[standing.member.role as Role] < rank[rule.role]) return action === 'deleteOthersMessage' ? 'NOT_THE_AUTHOR' : 'ROLE_TOO_LOW';
  }
  return rule.unless?.(standing) ?? null;
}
