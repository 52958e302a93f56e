/** Brings the state up and keeps it so: from what is kept or from a first read, along one stream, and by a fresh read after a gap. */
import { computed } from '@preact/signals';
import { ask, onSessionOver, SignedOut } from './ask.ts';
import { cameIn } from './doors.ts';
import { startDrafts, stopDrafts } from './drafts.ts';
import type { HomeQuery, NewestNoticesQuery, NewestNoticesQueryVariables, PresencesQuery, PresencesQueryVariables } from './generated/graphql.ts';
import { findKept, forgetKept, keepState } from './keep.ts';
import { type Line, openLine } from './line.ts';
import { noteDown } from './notes.ts';
import { operation } from './operation.ts';
import { threadSeqOf } from './places.ts';
import { markDelivered } from './receipts.ts';
import { hurry, startSending, stopSending } from './sending.ts';
import { chatsDocument, historyDocument, homeDocument, openDocument } from './state/documents.ts';
import { stateOf, trimmed, withHistory, withNewNotifications } from './state/merge.ts';
import { nobody, type State } from './state/state.ts';
import type { Item, ServerInfo } from './state/types.ts';
import { applyAll, isMuted, line, lostAt, phase, presences, readInto, server, setPresence, state, takeChats } from './store.ts';
import { told } from './telling.ts';
import { startTrays } from './trays.ts';

const presencesDocument = operation<PresencesQuery, PresencesQueryVariables>(/* GraphQL */ `
  query Presences($ids: [ID!]!) { nodes(ids: $ids) { ... on User { id presence { online lastSeenAt } } } }
`);
const noticesDocument = operation<NewestNoticesQuery, NewestNoticesQueryVariables>(/* GraphQL */ `
  query NewestNotices { notifications(first: 20) { unreadCount nodes { ...NotificationFields } } }
`);
/** What has changed is written down so long after. */
const keepMs = 1_000;
/** What could not be read is asked for again. */
const againMs = 2_000;
/** A chat that nobody looks at keeps so many messages in memory. */
const mostAtRest = 200;

let stream: Line | null = null;
/** Of people who were online when something was last known of them. */
let presencesAreOld = false;

/** Begins with what the server put into the page, with what is kept, or with a read. Resolves when there is something to show. */
export async function start(given: HomeQuery | null, chatId: string | null): Promise<void> {
  onSessionOver(() => leave('ended'));
  if (given?.me) return enter(given);
  const kept = await findKept();
  if (kept && !cameIn) return enterWith(kept.state, kept.server);
  try {
    const home = await readHome(chatId);
    if (kept && kept.state.meId !== home.me?.id) void forgetKept(kept.state.meId);
    enter(home);
  } catch (problem) {
    // Nobody is signed in: `onSessionOver` has been told.
    if (!(problem instanceof SignedOut)) setTimeout(() => void start(null, chatId), againMs);
  }
}

/** After signing in. */
export async function enterFresh(): Promise<void> {
  enter(await readHome(null));
}

const readHome = (chatId: string | null): Promise<HomeQuery> => ask(homeDocument, { chatId: chatId ?? '', open: chatId !== null });

function enter(home: HomeQuery): void {
  enterWith(stateOf(home), home.serverInfo);
  takePresences(home);
  void readOtherChats(home);
}

function enterWith(first: State, info: ServerInfo): void {
  state.value = first;
  server.value = info;
  presencesAreOld = true;
  setPresence(first.meId, { online: true, lastSeenAt: null });
  phase.value = { is: 'in' };
  startSending(first.meId);
  startDrafts(first.meId);
  startTrays(first.meId);
  follow();
  for (const chat of first.chats.values()) deliver(chat.id);
}

function takePresences({ chats, opened }: HomeQuery): void {
  presencesAreOld = false;
  for (const node of [...(chats?.nodes ?? []), ...(opened ? [opened] : [])]) if (node.__typename === 'Dialog') setPresence(node.peer.id, node.peer.presence);
}

async function readOtherChats({ chats }: HomeQuery): Promise<void> {
  for (let page = chats?.pageInfo; page?.hasNextPage; ) {
    const after = page.endCursor;
    const data = await readInto(
      () => ask(chatsDocument, { after }),
      (before, { chats: more }) => takeChats(before, more?.nodes ?? []),
    ).catch(() => null);
    page = data?.chats?.pageInfo;
  }
}

/** Nobody is signed in here any more: nothing stays. */
export function leave(why: 'ended' | 'deleted' | null, { tellOthers = true } = {}): void {
  if (phase.value.is === 'out') return;
  if (tellOthers) stream?.tellOut();
  stream?.close();
  stream = null;
  clearTimeout(keeping);
  keeping = undefined;
  const { meId } = state.value;
  if (meId !== '') void forgetKept(meId);
  stopSending();
  stopDrafts();
  state.value = nobody;
  presences.value = new Map();
  line.value = 'off';
  lostAt.value = null;
  phase.value = { is: 'out', why: meId === '' ? null : why };
}

// ---------------------------------------------------------------- the stream

function follow(): void {
  stream?.close();
  const opened = openLine({
    accountId: state.value.meId,
    cursor: () => state.value.cursor,
    take,
    turned,
    over: () => stream === opened && void again(),
    signedOut: () => leave(null, { tellOthers: false }),
  });
  stream = opened;
}

/** A stream that is over for good: whoever is still signed in begins anew. */
async function again(): Promise<void> {
  turned('off');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  try {
    enter(await readHome(null));
  } catch (problem) {
    if (!(problem instanceof SignedOut)) void again();
  }
}

function take(items: readonly Item[], leads: boolean): void {
  const before = state.value;
  applyAll(items);
  told(items, before);
  noteDown(items, before);
  for (const item of items) {
    if (item.__typename === 'StreamGap') void readAgain();
    if (item.__typename === 'SessionEnded' && !item.retry) return leave(item.endReason === 'ACCOUNT_DELETED' ? 'deleted' : 'ended', { tellOthers: false });
    if (leads && item.__typename === 'MessageAdded') deliver(item.message.chat.id);
  }
  if (items.some(isStranger)) void readPresences();
  if (state.value.noticesAreOld) void readNotices();
  if (leads) keepSoon();
}

/** Of somebody who writes for the first time nothing was asked yet. */
function isStranger(item: Item): boolean {
  return item.__typename === 'ChatAdded' && item.chat.__typename === 'Dialog' && line.value === 'on' && !presences.value.has(item.chat.peer.id);
}

/** This device has everything that is in the chat. */
function deliver(chatId: string): void {
  const chat = state.value.chats.get(chatId);
  if (chat?.my && chat.my.deliveredSeq < chat.lastSeq) markDelivered(chatId, chat.lastSeq);
}

function turned(to: 'on' | 'off'): void {
  if (to === 'off' && line.value === 'on') {
    lostAt.value = new Date();
    presencesAreOld = true;
  }
  line.value = to;
  if (to === 'off') return;
  lostAt.value = null;
  // What waits does not wait for its next try.
  hurry();
  if (presencesAreOld) void readPresences();
  if (state.value.noticesAreOld) void readNotices();
}

/** Presence is live only: what it was meanwhile nobody tells. */
async function readPresences(): Promise<void> {
  presencesAreOld = false;
  const ids = [...state.value.chats.values()].flatMap((chat) => (chat.__typename === 'Dialog' && chat.lastSeq > 0 ? [chat.peerId] : [])).slice(0, 100);
  if (ids.length === 0) return;
  const { nodes } = await ask(presencesDocument, { ids }).catch(() => ({ nodes: [] }));
  for (const node of nodes) if (node && 'presence' in node) setPresence(node.id, node.presence);
}

let readsNotices = false;

/** What notifies the viewer has changed, here or on another device. */
async function readNotices(): Promise<void> {
  if (readsNotices) return;
  readsNotices = true;
  // While the line is off, it is done when it is on again.
  while (state.value.noticesAreOld && line.value === 'on')
    await readInto(
      () => ask(noticesDocument),
      (before, { notifications }) => (notifications ? withNewNotifications(before, notifications) : before),
    ).catch(() => new Promise((resolve) => setTimeout(resolve, againMs)));
  readsNotices = false;
}

let mutedBefore = 0;
/** What came while a chat was muted is told of when that ends by itself, of which no event tells. */
computed(() => [...state.value.chats.values()].filter(isMuted).length).subscribe((count) => {
  if (count < mutedBefore && phase.peek().is === 'in') {
    state.value = { ...state.peek(), noticesAreOld: true };
    void readNotices();
  }
  mutedBefore = count;
});

/** Something is missing that will not come again. What was open is read once more. */
async function readAgain(): Promise<void> {
  const open = [...state.value.chats.values()].filter(({ messages }) => messages.size > 1).map(({ id }) => id);
  const home = await readInto(
    () => readHome(null),
    (_before, data) => stateOf(data),
  ).catch(() => null);
  if (!home) return void setTimeout(() => void readAgain(), againMs);
  takePresences(home);
  void readOtherChats(home);
  for (const id of open.slice(0, 5)) void openChat(id).catch(() => {});
}

// ---------------------------------------------------------------- what is kept

let keeping: ReturnType<typeof setTimeout> | undefined;

function keepSoon(): void {
  keeping ??= setTimeout(keepNow, keepMs);
}

function keepNow(): void {
  clearTimeout(keeping);
  keeping = undefined;
  if (server.value) void keepState(state.value, server.value);
}

/** Before the tab goes: what was not written yet. */
addEventListener('pagehide', () => keeping && keepNow());
document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && keeping && keepNow());

// ---------------------------------------------------------------- what screens ask for

/** A chat with its members and the messages where reading stopped. False when there is none, or not for the viewer. */
export async function openChat(chatId: string): Promise<boolean> {
  const { opened } = await readInto(
    () => ask(openDocument, { chatId }),
    (before, data) => (data.opened ? takeChats(before, [data.opened]) : before),
  );
  keepSoon();
  return opened !== null;
}

/** What is written in a room that one only looks at, as long as it is looked at. How far the viewer's own stream is, it does not say. */
export function watchRoom(chatId: string): (() => void) | undefined {
  return stream?.watch(chatId, (items) => {
    const { cursor } = state.value;
    const news = items.filter(({ __typename }) => __typename === 'MessageAdded').map((item) => ({ ...item, cursor }));
    const before = state.value;
    if (news.length > 0) applyAll(news);
    told(news, before);
    if (items.some(({ __typename }) => __typename === 'StreamGap')) void openChat(chatId).catch(() => {});
  });
}

/** More messages of a chat: older than, newer than, or around a place. */
export async function readHistory(chatId: string, where: { beforeSeq: number } | { afterSeq: number } | { aroundSeq: number } | 'newest', most = 50): Promise<void> {
  const size = where !== 'newest' && 'afterSeq' in where ? { first: most } : { last: most };
  await readInto(
    () => ask(historyDocument, { chatId, anchor: where === 'newest' ? null : where, ...size }),
    (before, { chat }) => withHistory(before, chatId, chat?.messages?.nodes ?? []),
  );
}

/** What is far from what is looked at is let go of. `around`: the places on the screen; none when the chat is left. */
export function rest(chatId: string, around: readonly [number, number] | null): void {
  const chat = state.value.chats.get(chatId);
  if (!chat) return;
  const keep: readonly [number, number] | null = around && [around[0] - mostAtRest, around[1] + mostAtRest];
  const next = trimmed(chat, mostAtRest, keep, threadSeqOf(chatId));
  if (next !== chat) state.value = { ...state.value, chats: new Map(state.value.chats).set(chatId, next) };
}
