/** What the page knows: entities by id, and of each chat the stretches of messages that are loaded. Values are never changed in place. */
import type {
  AccountParts,
  ChatFieldsFragment,
  MemberFieldsFragment,
  MessageFieldsFragment,
  MyFieldsFragment,
  NotificationFieldsFragment,
  OwnFieldsFragment,
  PersonFieldsFragment,
} from './types.ts';

export type Person = PersonFieldsFragment;
export type My = MyFieldsFragment;
export type Member = Omit<MemberFieldsFragment, 'user'> & { userId: string };
export type Attachment = MessageFieldsFragment['attachments'][number];
/** What of a message is shown where another one answers it: its beginning, or how many files and whether they are pictures. */
export type Quote = { id: string; seq: number; version: number; senderId: string; text: string; files: number; pictures: boolean; gone: boolean };
/** Whom a message is for, and how they are written in it. */
export type Mention = { userId: string; writtenAs: string };
/** `status` is what the server said when the message was read; markers may have moved since. */
export type Message = Omit<MessageFieldsFragment, 'sender' | 'replyTo' | 'mentions' | 'forwardedFrom'> &
  OwnFieldsFragment & {
    senderId: string;
    replyTo: Quote | null;
    mentions: readonly Mention[];
    /** Who wrote what was sent on. */
    forwardedFrom: { authorId: string | null } | null;
  };
export type Notification = Pick<NotificationFieldsFragment, 'id' | 'kind' | 'createdAt'> & {
  read: boolean;
  actorId: string | null;
  chatId: string | null;
  messageId: string | null;
  seq: number;
};
/** Both ends belong to it. */
export type Range = readonly [from: number, to: number];

type Fields = Omit<ChatFieldsFragment, 'peer' | '__typename'>;
type RoomFields = Extract<ChatFieldsFragment, { __typename: 'Room' }>;
type DialogFields = Extract<ChatFieldsFragment, { __typename: 'Dialog' }>;
type Loaded = {
  members: ReadonlyMap<string, Member>;
  messages: ReadonlyMap<number, Message>;
  /** In order, with holes between them. */
  ranges: readonly Range[];
};
export type Room = RoomFields & Loaded;
export type Dialog = Omit<DialogFields, 'peer'> & { peerId: string } & Loaded;
export type Chat = Room | Dialog;
export type { Fields };

export type Account = Omit<AccountParts, 'contacts'> & { contactIds: readonly string[] };
export type State = {
  /** Everything up to here is in it. */
  cursor: string;
  meId: string;
  account: Account;
  people: ReadonlyMap<string, Person>;
  chats: ReadonlyMap<string, Chat>;
  notifications: ReadonlyMap<string, Notification>;
  /** Unread ones that are older than those known here. */
  olderUnread: number;
  /** What notifies the viewer may have changed since they were read: others may be among them now. */
  noticesAreOld: boolean;
};

export const nobody: State = {
  cursor: '',
  meId: '',
  account: { hasPassword: true, email: null, phone: null, address: null, notificationSettings: { roomLevel: 'ALL' }, contactIds: [] },
  people: new Map(),
  chats: new Map(),
  notifications: new Map(),
  olderUnread: 0,
  noticesAreOld: false,
};

/**
 * The place of the newest message that is here. `lastSeq` may be ahead of it: an event tells what is true when it is handed out, and others are on their way.
 * What is newest in a chat is always loaded, so this is the end of its last stretch.
 */
export const endOf = (chat: Chat): number => chat.ranges.at(-1)?.[1] ?? chat.lastSeq;

/** The newest message, when it is known. */
export const newestOf = (chat: Chat): Message | null => chat.messages.get(endOf(chat)) ?? null;

/** How many notifications nobody has read. */
export const noticesUnreadIn = ({ notifications, olderUnread }: State): number => olderUnread + [...notifications.values()].filter(({ read }) => !read).length;

/** Whether `members` are all there are. */
export const knowsAllMembers = (chat: Chat): boolean => chat.members.size === chat.memberCount;

/** The stretch that holds this place. */
export const rangeAt = (chat: Chat, seq: number): Range | null => chat.ranges.find(([from, to]) => from <= seq && seq <= to) ?? null;

/** What has become of a message of the viewer: out of the markers where they are known (promise 9), otherwise what the server said last. */
export function statusOf(chat: Chat, message: Message): 'SENT' | 'DELIVERED' | 'READ' {
  if (chat.__typename === 'Dialog' && chat.members.size === 0) {
    if ((chat.peerReadSeq ?? 0) >= message.seq) return 'READ';
    return (chat.peerDeliveredSeq ?? 0) >= message.seq ? 'DELIVERED' : 'SENT';
  }
  if (!knowsAllMembers(chat)) return message.status;
  const others = [...chat.members.values()].filter(({ userId, joinedAt }) => userId !== message.senderId && joinedAt <= message.createdAt);
  if (others.length === 0) return 'SENT';
  if (others.every(({ readSeq }) => (readSeq ?? 0) >= message.seq)) return 'READ';
  return others.every(({ deliveredSeq }) => (deliveredSeq ?? 0) >= message.seq) ? 'DELIVERED' : 'SENT';
}

/** What the server said of a reply in a thread counts, too: it may have been read there alone. */
export const statusOfReply = (chat: Chat, message: Message): Message['status'] => (message.status === 'READ' ? 'READ' : statusOf(chat, message));

/** How many others have read it, of those who were members when it was sent; null where not all of them are known. */
export function readCountOf(chat: Chat, message: Message): number | null {
  if (!knowsAllMembers(chat)) return null;
  return [...chat.members.values()].filter(({ userId, joinedAt, readSeq }) => userId !== message.senderId && joinedAt <= message.createdAt && (readSeq ?? 0) >= message.seq).length;
}
