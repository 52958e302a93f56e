/** Every permission rule of the product: what a person may do with a chat or a message, given what is true of both. Decides, reads nothing. */
import { AppError, type ForbiddenReason, notFound } from '../errors.ts';
import type { ChatRow, MemberRow } from '../storage/rows.ts';

/** One person before one chat. `chat` is null when it does not exist. */
export type Standing = { chat: ChatRow | null; member: Pick<MemberRow, 'role'> | null; banned: boolean };
export type Role = 'OWNER' | 'ADMIN' | 'MEMBER';

type Rule = {
  /** Least role; null: no membership needed. */
  role: Role | null;
  /** Further words on who may, asked when the role fits. */
  unless?: (standing: Standing & { chat: ChatRow }) => ForbiddenReason | null;
};

const rank: Record<Role, number> = { MEMBER: 1, ADMIN: 2, OWNER: 3 };
const isOpen = (chat: ChatRow): boolean => chat.kind === 'ROOM' && chat.visibility === 'PUBLIC' && chat.passwordHash === null;

/** Members may write, and where a room is for anyone to post in, everybody else who was not banned. */
const mayWrite: Rule['unless'] = ({ chat, member, banned }) => (member ? null : banned ? 'BANNED' : isOpen(chat) && chat.postPolicy === 'ANYONE' ? null : 'NOT_A_MEMBER');

/** The table. What is hidden is NOT_FOUND before any of these is asked. Who can see a message of their own can always delete it. */
const rules = {
  see: { role: null },
  read: { role: null, unless: ({ chat, member }) => (member || isOpen(chat) ? null : 'NOT_A_MEMBER') },
  post: { role: null, unless: mayWrite },
  // Otherwise whoever was banned could still make something else of what they had written.
  editOwnMessage: { role: null, unless: mayWrite },
  react: { role: null, unless: mayWrite },
  type: { role: 'MEMBER' },
  join: { role: null, unless: ({ banned }) => (banned ? 'BANNED' : null) },
  leave: { role: 'MEMBER', unless: ({ chat }) => (chat.everyone ? 'EVERYONE_ROOM' : null) },
  updateRoom: { role: 'ADMIN' },
  addMembers: { role: 'ADMIN' },
  removeMember: { role: 'ADMIN', unless: ({ chat }) => (chat.everyone ? 'EVERYONE_ROOM' : null) },
  setRole: { role: 'OWNER' },
  deleteRoom: { role: 'OWNER' },
  deleteOthersMessage: { role: 'ADMIN', unless: ({ chat }) => (chat.kind === 'DIALOG' ? 'NOT_THE_AUTHOR' : null) },
} satisfies Record<string, Rule>;
export type Action = keyof typeof rules;

/** Whether the person is told that the chat exists. A dialog exists for its two people, a private room for its members. */
export function canSee({ chat, member }: Standing): boolean {
  return chat !== null && chat.deletedAt === null && (member !== null || (chat.kind === 'ROOM' && chat.visibility === 'PUBLIC'));
}

/** Whether the person may do this. */
export function can(action: Action, standing: Standing): boolean {
  return canSee(standing) && refusal(action, standing as Standing & { chat: ChatRow }) === null;
}

/** Returns the chat, or throws NOT_FOUND for a hidden one and FORBIDDEN with the reason for a visible one. */
export function must(action: Action, standing: Standing, typeName: 'Chat' | 'Room' | 'Message' = 'Chat'): ChatRow {
  if (!canSee(standing)) throw notFound(typeName);
  const reason = refusal(action, standing as Standing & { chat: ChatRow });
  if (reason) throw new AppError('FORBIDDEN', { forbiddenReason: reason });
  return standing.chat as ChatRow;
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

function refusal(action: Action, standing: Standing & { chat: ChatRow }): ForbiddenReason | null {
  const rule: Rule = rules[action];
  if (rule.role !== null) {
    if (!standing.member) return 'NOT_A_MEMBER';
    if (rank[standing.member.role as Role] < rank[rule.role]) return action === 'deleteOthersMessage' ? 'NOT_THE_AUTHOR' : 'ROLE_TOO_LOW';
  }
  return rule.unless?.(standing) ?? null;
}
