/** Answers of the server into the state: of each thing what is newer stays, whichever came last. */
import type { HomeQuery } from '../generated/graphql.ts';
import type { Chat, Member, Message, Notification, Person, Quote, Range, State } from './state.ts';
import type {
  ChatFieldsFragment,
  MemberFieldsFragment,
  MessageFieldsFragment,
  NotificationFieldsFragment,
  OwnFieldsFragment,
  QuoteFieldsFragment,
  ReactionsFieldsFragment,
} from './types.ts';

type MessageNode = MessageFieldsFragment & Partial<OwnFieldsFragment>;
type Nodes<Node> = { nodes: readonly Node[] } | null;
/** A chat with as much of what is in it as was asked for. */
export type ChatNode = ChatFieldsFragment & {
  members?: Nodes<MemberFieldsFragment>;
  lastMessage?: MessageNode | null;
  newest?: Nodes<MessageNode>;
  unread?: Nodes<MessageNode>;
};

/** The state of a first screen, with nothing of what was known before. Throws when nobody is signed in. */
export function stateOf({ eventCursor, me, chats, notifications, opened }: HomeQuery): State {
  if (!me?.account || eventCursor === null) throw new Error('Nobody is signed in.');
  const { account, ...person } = me;
  const { contacts, ...parts } = account;
  const fresh: State = {
    cursor: eventCursor,
    meId: me.id,
    account: { ...parts, contactIds: contacts.nodes.map(({ id }) => id) },
    people: new Map([person, ...contacts.nodes].map((each) => [each.id, each])),
    chats: new Map(),
    notifications: new Map(),
    olderUnread: 0,
    noticesAreOld: false,
  };
  return withChats(notifications ? withNotifications(fresh, notifications) : fresh, [...(chats?.nodes ?? []), ...(opened ? [opened] : [])]);
}

export function withChats(state: State, nodes: readonly ChatNode[]): State {
  const chats = new Map(state.chats);
  const met: Person[] = [];
  for (const node of nodes) {
    const { chat, people } = chatOf(node, chats.get(node.id));
    chats.set(chat.id, chat);
    met.push(...people);
  }
  return withPeople({ ...state, chats }, met);
}

/** The newest notifications, and how many are unread in all. */
export function withNotifications(state: State, { unreadCount, nodes }: { unreadCount: number; nodes: readonly NotificationFieldsFragment[] }): State {
  const notifications = new Map([...state.notifications, ...nodes.map((node) => [node.id, toNotification(node)] as const)]);
  const met = nodes.flatMap(({ actor }) => actor ?? []);
  const known = [...notifications.values()].filter(({ read }) => !read).length;
  return withPeople({ ...state, notifications, olderUnread: Math.max(0, unreadCount - known) }, met);
}

/** The newest notifications, and none of those that were known. */
export function withNewNotifications(state: State, read: Parameters<typeof withNotifications>[1]): State {
  return withNotifications({ ...state, notifications: new Map(), noticesAreOld: false }, read);
}

/** A stretch of one chat, as a page of its history. */
export function withHistory(state: State, chatId: string, nodes: readonly MessageNode[]): State {
  const chat = state.chats.get(chatId);
  if (!chat || nodes.length === 0) return state;
  const next = withPeople(state, sendersOf(nodes));
  return { ...next, chats: new Map(next.chats).set(chatId, withMessages(chat, nodes)) };
}

export function withPeople(state: State, people: readonly Person[]): State {
  const changed = people.filter((person) => !isSame(state.people.get(person.id), person));
  if (changed.length === 0) return state;
  const all = new Map(state.people);
  for (const person of changed) all.set(person.id, onlyPerson(person));
  return { ...state, people: all };
}

const onlyPerson = ({ id, username, displayName, firstName, lastName, deleted, avatar }: Person): Person => ({ id, username, displayName, firstName, lastName, deleted, avatar });

/** Events come with the sender each time, who hardly ever changes. */
function isSame(known: Person | undefined, told: Person): boolean {
  return (
    known !== undefined &&
    known.displayName === told.displayName &&
    known.username === told.username &&
    known.firstName === told.firstName &&
    known.lastName === told.lastName &&
    known.deleted === told.deleted &&
    known.avatar?.id === told.avatar?.id
  );
}

/** A chat as it is told, on top of what is loaded of it, and who was met in it. */
export function chatOf({ members, lastMessage, newest, unread, ...fields }: ChatNode, known?: Chat): { chat: Chat; people: Person[] } {
  const messages = [...(lastMessage ? [lastMessage] : []), ...(newest?.nodes ?? []), ...(unread?.nodes ?? [])];
  const people = [...sendersOf(messages), ...(members?.nodes ?? []).map(({ user }) => user)];
  const loaded = {
    members: members ? new Map(members.nodes.map((member) => [member.user.id, toMember(member)])) : (known?.members ?? new Map()),
    messages: known?.messages ?? new Map(),
    ranges: known?.ranges ?? [],
  };
  if (fields.__typename === 'Room') return { chat: withMessages({ ...fields, ...loaded }, messages), people };
  const { peer, ...own } = fields;
  return { chat: withMessages({ ...own, ...loaded, peerId: peer.id }, messages), people: [...people, peer] };
}

export const toMember = ({ user, role, joinedAt, deliveredSeq, readSeq }: MemberFieldsFragment): Member => ({ userId: user.id, role, joinedAt, deliveredSeq, readSeq });

export function toNotification({ id, kind, createdAt, readAt, actor, message }: NotificationFieldsFragment): Notification {
  return { id, kind, createdAt, read: readAt !== null, actorId: actor?.id ?? null, chatId: message?.chat.id ?? null, messageId: message?.id ?? null, seq: message?.seq ?? 0 };
}

/** Puts messages in their places. Of two answers about one message the higher version counts, and deleted stays deleted. */
export function withMessages<C extends Chat>(chat: C, nodes: readonly MessageNode[]): C {
  if (nodes.length === 0) return chat;
  const messages = new Map(chat.messages);
  let ranges = chat.ranges;
  for (const { sender, replyTo, mentions, forwardedFrom, status, saved, ...node } of nodes) {
    const known = messages.get(node.seq);
    ranges = withRange(ranges, [node.seq, node.seq]);
    if (known && (known.deletedAt || (!node.deletedAt && node.version < known.version))) continue;
    messages.set(node.seq, {
      ...node,
      senderId: sender.id,
      replyTo: replyTo && toQuote(replyTo),
      mentions: mentions.map(({ user, writtenAs }) => ({ userId: user.id, writtenAs })),
      thread: toThread(node.thread),
      forwardedFrom: forwardedFrom && { authorId: forwardedFrom.author?.id ?? null },
      status: higher(known?.status, status),
      saved: node.deletedAt === null && (saved ?? known?.saved ?? false),
    });
  }
  return { ...chat, messages, ranges };
}

/** Those who wrote, whom they answered, and whose words they sent on. */
export const sendersOf = (nodes: readonly Pick<MessageNode, 'sender' | 'replyTo' | 'forwardedFrom'>[]): Person[] =>
  nodes.flatMap(({ sender, replyTo, forwardedFrom }) => [sender, ...(replyTo ? [replyTo.sender] : []), ...(forwardedFrom?.author ? [forwardedFrom.author] : [])]);

const mostQuoted = 200;

export function toQuote({
  id,
  seq,
  version,
  text,
  deletedAt,
  attachments,
  ...by
}: Omit<QuoteFieldsFragment, 'sender'> & ({ sender: { id: string } } | { senderId: string })): Quote {
  return {
    id,
    seq,
    version,
    senderId: 'sender' in by ? by.sender.id : by.senderId,
    text: (text ?? '').slice(0, mostQuoted),
    files: attachments.length,
    pictures: attachments.length > 0 && attachments.every(({ image }) => image),
    gone: deletedAt !== null,
  };
}

/** What answers a message shows it as it is now. */
export function quotedAs<C extends Chat>(chat: C, quote: Quote): C {
  const answers = [...chat.messages.values()].filter(({ replyToSeq, replyTo }) => replyToSeq === quote.seq && replyTo && !replyTo.gone && replyTo.version <= quote.version);
  if (answers.length === 0) return chat;
  const messages = new Map(chat.messages);
  for (const each of answers) messages.set(each.seq, { ...each, replyTo: quote });
  return { ...chat, messages };
}

/** One that has no replies, or none any more, is none. */
export const toThread = (thread: Message['thread']): Message['thread'] => (thread && thread.replyCount > 0 ? thread : null);

/** What changes of a message without another version of it, if it is loaded. */
export function withPartOf<C extends Chat>(chat: C, seq: number, part: Partial<Message>): C {
  const known = chat.messages.get(seq);
  return known ? { ...chat, messages: new Map(chat.messages).set(seq, { ...known, ...part }) } : chat;
}

/** What changes of a chat that is known. */
export function withChatPart(state: State, chatId: string, part: Pick<Chat, 'my'>): State {
  const chat = state.chats.get(chatId);
  return chat ? { ...state, chats: new Map(state.chats).set(chatId, { ...chat, ...part }) } : state;
}

export function withPart(state: State, chatId: string, seq: number, part: Partial<Message>): State {
  const chat = state.chats.get(chatId);
  return chat ? { ...state, chats: new Map(state.chats).set(chatId, withPartOf(chat, seq, part)) } : state;
}

export const withReactions = (state: State, { seq, chat, reactions }: ReactionsFieldsFragment): State => withPart(state, chat.id, seq, { reactions });

const order = ['SENT', 'DELIVERED', 'READ'] as const;
const higher = (one: Message['status'] = 'SENT', other: Message['status'] = 'SENT'): Message['status'] => (order.indexOf(one) > order.indexOf(other) ? one : other);

/** The stretches with one more, which may close the hole between two. */
export function withRange(ranges: readonly Range[], [from, to]: Range): readonly Range[] {
  const last = ranges.at(-1);
  if (last && last[0] <= from && to <= last[1]) return ranges;
  if (last && from === last[1] + 1) return [...ranges.slice(0, -1), [last[0], to]];
  const apart = ranges.filter((range) => range[1] < from - 1 || range[0] > to + 1);
  const touching = ranges.filter((range) => !apart.includes(range));
  const joined: Range = [Math.min(from, ...touching.map(([start]) => start)), Math.max(to, ...touching.map(([, end]) => end))];
  return [...apart, joined].sort((a, b) => a[0] - b[0]);
}

/** A member's markers, which only grow. */
export function markedAs<C extends Chat>(chat: C, userId: string, delivered: number, read: number): C {
  const member = chat.members.get(userId);
  const members = member
    ? new Map(chat.members).set(userId, { ...member, deliveredSeq: Math.max(member.deliveredSeq ?? 0, delivered, read), readSeq: Math.max(member.readSeq ?? 0, read) })
    : chat.members;
  if (chat.__typename !== 'Dialog' || userId !== chat.peerId) return { ...chat, members };
  return { ...chat, members, peerDeliveredSeq: Math.max(chat.peerDeliveredSeq ?? 0, delivered, read), peerReadSeq: Math.max(chat.peerReadSeq ?? 0, read) };
}

/** Lets go of all but the newest messages and, if given, a stretch around a place and a thread. */
export function trimmed<C extends Chat>(chat: C, most: number, keep: Range | null, thread: number | null): C {
  if (chat.messages.size <= most * 2) return chat;
  const newest: Range = [Math.max(1, chat.lastSeq - most + 1), chat.lastSeq];
  const stays = (seq: number): boolean => seq >= newest[0] || (keep !== null && keep[0] <= seq && seq <= keep[1]);
  const messages = new Map([...chat.messages].filter(([seq, { threadRootSeq }]) => stays(seq) || (thread !== null && (seq === thread || threadRootSeq === thread))));
  const ranges = [...messages.keys()].sort((a, b) => a - b).reduce((all: readonly Range[], seq) => withRange(all, [seq, seq]), []);
  return { ...chat, messages, ranges };
}
