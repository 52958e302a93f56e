/** The state as signals, and what is shown but never kept: the line, who is online, who is typing. Screens read signals; only sync.ts and actions write. */
import { batch, computed, signal } from '@preact/signals';
import { apply } from './state/apply.ts';
import { type ChatNode, withChats } from './state/merge.ts';
import { type Chat, newestOf, nobody, noticesUnreadIn, type Person, type Room, type State } from './state/state.ts';
import type { Item, ServerInfo } from './state/types.ts';

export type Presence = { online: boolean | null; lastSeenAt: string | null };
/** `thread`: where, by the message above it. */
export type Typing = { personId: string; thread: string | null; until: number };

export const state = signal<State>(nobody);
/** `out`: nobody is signed in here. `why` is told on the sign-in page. */
export const phase = signal<{ is: 'starting' | 'in' } | { is: 'out'; why: 'ended' | 'deleted' | null }>({ is: 'starting' });
/** Whether what is shown is what there is now. */
export const line = signal<'on' | 'off'>('off');
/** When the line was lost. */
export const lostAt = signal<Date | null>(null);
export const server = signal<ServerInfo | null>(null);
export const presences = signal<ReadonlyMap<string, Presence>>(new Map());
export const typings = signal<ReadonlyMap<string, readonly Typing[]>>(new Map());

export const me = computed((): Person | null => state.value.people.get(state.value.meId) ?? null);
const chats = computed(() => state.value.chats);
const people = computed(() => state.value.people);
const isOnTop = ({ my }: Chat): boolean => (my?.pinnedAt ?? null) !== null;
/** The chats of the viewer, those that are kept on top before the others, the latest first. */
export const myChats = computed((): readonly Chat[] =>
  [...chats.value.values()]
    .filter((chat) => chat.my !== null && (chat.__typename === 'Room' || chat.lastSeq > 0))
    .sort((a, b) => Number(isOnTop(b)) - Number(isOnTop(a)) || (a.lastActivityAt < b.lastActivityAt ? 1 : a.lastActivityAt > b.lastActivityAt ? -1 : 0)),
);
/** The chat whose end somebody looks at: what comes there is read before it could be counted. */
export const lookedAt = signal<string | null>(null);
export const unreadIn = (chat: Chat): number => (lookedAt.value === chat.id ? 0 : (chat.my?.unreadCount ?? 0));
/** A minute late at most: nothing else happens when it ends. */
const clock = signal(Date.now());
setInterval(() => (clock.value = Date.now()), 60_000);
export const isMuted = ({ my }: Chat): boolean => Date.parse(my?.mutedUntil ?? '') > clock.value;
/** Unread and for the viewer: by name, as an answer, or because everybody was called. */
export const highlightsIn = (chat: Chat): number => (lookedAt.value === chat.id ? 0 : (chat.my?.highlightCount ?? 0));
/** What a chat adds to the number on an icon: nothing when it is muted or put away, only what is for the viewer where they want it so. */
function badgeOf(chat: Chat): number {
  if (!chat.my || chat.my.archived || isMuted(chat) || chat.my.notificationLevel === 'NOTHING') return 0;
  return chat.my.notificationLevel === 'ALL' ? unreadIn(chat) : highlightsIn(chat);
}
export const unreadTotal = computed(() => myChats.value.reduce((sum, chat) => sum + badgeOf(chat), 0));
export const highlightTotal = computed(() => myChats.value.reduce((sum, chat) => sum + (isMuted(chat) || chat.my?.archived ? 0 : highlightsIn(chat)), 0));
export const noticesUnread = computed(() => noticesUnreadIn(state.value));

export const chatOfId = (id: string): Chat | null => chats.value.get(id) ?? null;
export const personOf = (id: string): Person | null => people.value.get(id) ?? null;
export const presenceOf = (id: string): Presence | null => (line.value === 'on' ? (presences.value.get(id) ?? null) : null);
export const newestMessageOf = newestOf;

/** Whether the viewer writes there: in rooms for whoever comes, and not to somebody who is gone. */
export function mayWrite(chat: Chat): boolean {
  if (chat.__typename === 'Dialog') return !personOf(chat.peerId)?.deleted;
  return chat.my !== null || chat.postPolicy === 'ANYONE';
}

/** Whether the viewer pins there: both in a dialog, in rooms as the room has it. */
export function mayPin(chat: Chat): boolean {
  return chat.__typename === 'Dialog' ? chat.my !== null : hasRight(chat, chat.pinPolicy);
}

/** Whether a room gives the viewer what it gives to those whom the setting names. */
export function hasRight({ my, memberCount }: Room, right: Room['pinPolicy']): boolean {
  if (!my || right === 'NOBODY') return false;
  return right === 'MEMBERS' || my.role !== 'MEMBER' || (right === 'MEMBERS_WHILE_SMALL' && (memberCount ?? 0) <= (server.value?.limits.smallRoomMembers ?? 0));
}
/** Counts how often the pins of a chat have changed since the page was loaded. */
export const pinChanges = signal<ReadonlyMap<string, number>>(new Map());

/** The items that were applied last, for lists that a screen has of its own. */
export const news = signal<readonly Item[]>([]);

/** Items that came while something is being read: the answer may be older than they are. */
const reads = new Set<Item[]>();

/** Reads something into the state. Items that came meanwhile are applied once more, on top of the answer. */
export async function readInto<Data>(asking: () => Promise<Data>, merge: (state: State, data: Data) => State): Promise<Data> {
  const meanwhile: Item[] = [];
  reads.add(meanwhile);
  try {
    const data = await asking();
    const { cursor } = state.value;
    const next = meanwhile.reduce(apply, merge(state.value, data));
    // The stream says how far we are; an answer alone never goes ahead of it.
    state.value = next.cursor === cursor || cursor === '' ? next : { ...next, cursor: meanwhile.length > 0 ? cursor : next.cursor };
    return data;
  } finally {
    reads.delete(meanwhile);
  }
}

export function applyAll(items: readonly Item[]): void {
  for (const meanwhile of reads) meanwhile.push(...items);
  batch(() => {
    state.value = items.reduce(apply, state.value);
    for (const item of items) notice(item);
    news.value = items;
  });
}

/** What is shown as long as it lasts. */
function notice(item: Item): void {
  if (item.__typename === 'PresenceChanged') setPresence(item.user.id, item.user.presence);
  if (item.__typename === 'TypingChanged') setTyping(item.chat.id, item.user.id, item.threadRootId, item.active ? Date.parse(item.expiresAt) : 0);
  if (item.__typename === 'PinsChanged' || item.__typename === 'MessageEdited' || item.__typename === 'MessageDeleted') {
    const { id } = item.message.chat;
    pinChanges.value = new Map(pinChanges.value).set(id, (pinChanges.value.get(id) ?? 0) + 1);
  }
  if (item.__typename === 'MessageAdded') setTyping(item.message.chat.id, item.message.sender.id, null, 0);
}

export function setPresence(personId: string, { online, lastSeenAt }: Presence): void {
  presences.value = new Map(presences.value).set(personId, { online, lastSeenAt });
}

function setTyping(chatId: string, personId: string, thread: string | null, until: number): void {
  const others = (typings.value.get(chatId) ?? []).filter((each) => each.personId !== personId);
  if (until === 0 && others.length === (typings.value.get(chatId)?.length ?? 0)) return;
  // By the server's clock; a wrong clock here must not keep somebody typing for ever.
  const here = Math.min(until, Date.now() + 10_000);
  typings.value = new Map(typings.value).set(chatId, until === 0 ? others : [...others, { personId, thread, until: here }]);
  if (until !== 0) setTimeout(() => setTyping(chatId, personId, thread, 0), Math.max(0, here - Date.now()) + 50);
}

/** Chats come with whether the other one is online. */
export function takeChats(from: State, nodes: readonly (ChatNode & { peer?: { id: string; presence?: Presence } })[]): State {
  for (const node of nodes) if (node.peer?.presence) setPresence(node.peer.id, node.peer.presence);
  return withChats(from, nodes);
}
