/** Brings the state up and keeps it so: the first screen, one stream from its cursor on, and a fresh read after a gap. */
import { createLive, type Live } from '../../examples/clients/live.ts';
import { ask, onSessionOver, SignedOut, session } from './ask.ts';
import type { EventsSubscription, HomeQuery } from './generated/graphql.ts';
import { chatsDocument, eventsDocument, historyDocument, homeDocument, openDocument } from './state/documents.ts';
import { stateOf, withHistory } from './state/merge.ts';
import { nobody } from './state/state.ts';
import type { Item } from './state/types.ts';
import { applyAll, line, lostAt, phase, presences, readInto, server, setPresence, state, takeChats } from './store.ts';

/** Items that come faster are put on the screen together. */
const togetherMs = 40;

let live: Live | null = null;
let unsubscribe: () => void = () => {};

/** Starts with what the server put into the page, or asks for it. Resolves when there is something to show. */
export async function start(given: HomeQuery | null, chatId: string | null): Promise<void> {
  onSessionOver(() => leave('ended'));
  if (given?.me) return enter(given);
  try {
    enter(await readHome(chatId));
  } catch (problem) {
    if (problem instanceof SignedOut) leave(null);
    else setTimeout(() => void start(null, chatId), 2_000);
  }
}

/** After signing in. */
export async function enterFresh(): Promise<void> {
  enter(await readHome(null));
}

const readHome = (chatId: string | null): Promise<HomeQuery> => ask(homeDocument, { chatId: chatId ?? '', open: chatId !== null });

function enter(home: HomeQuery): void {
  takeHome(home);
  phase.value = { is: 'in' };
  void readOtherChats(home);
  follow();
}

function takeHome(home: HomeQuery): void {
  state.value = stateOf(home);
  server.value = home.serverInfo;
  for (const node of [...(home.chats?.nodes ?? []), ...(home.opened ? [home.opened] : [])]) if (node.__typename === 'Dialog') setPresence(node.peer.id, node.peer.presence);
  setPresence(state.value.meId, { online: true, lastSeenAt: null });
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
export function leave(why: 'ended' | null): void {
  unsubscribe();
  void live?.dispose();
  live = null;
  state.value = nobody;
  presences.value = new Map();
  line.value = 'off';
  phase.value = { is: 'out', why };
}

// ---------------------------------------------------------------- the stream

function follow(): void {
  unsubscribe();
  void live?.dispose();
  const client = createLive({ url: `${location.origin.replace(/^http/, 'ws')}/graphql`, session, sooner: networkAgain });
  live = client;
  client.on('closed', () => lost());
  const queue = createQueue(take);
  unsubscribe = client.subscribe<EventsSubscription>(
    { query: eventsDocument, variables: { after: state.value.cursor } },
    {
      next: ({ data }) => data && queue.push(data.events),
      // Final: the session is over, or the program is wrong.
      error: () => live === client && void again(),
      complete: () => live === client && void again(),
    },
  );
}

/** A stream that is over for good: whoever is still signed in begins anew. */
async function again(): Promise<void> {
  lost();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  try {
    enter(await readHome(null));
  } catch (problem) {
    if (!(problem instanceof SignedOut)) void again();
  }
}

function take(items: readonly Item[]): void {
  applyAll(items);
  for (const item of items) {
    if (item.__typename === 'CaughtUp') found();
    if (item.__typename === 'StreamGap') void readAgain();
    if (item.__typename === 'SessionEnded' && !item.retry) leave('ended');
  }
}

/** Something is missing that will not come again. What is open is read by its screen. */
async function readAgain(): Promise<void> {
  const open = [...state.value.chats.values()].filter(({ messages }) => messages.size > 1).map(({ id }) => id);
  const home = await readInto(
    () => readHome(null),
    (_before, data) => stateOf(data),
  ).catch(() => null);
  if (!home) return void setTimeout(() => void readAgain(), 2_000);
  void readOtherChats(home);
  for (const id of open) void openChat(id).catch(() => {});
}

function found(): void {
  line.value = 'on';
  lostAt.value = null;
}
function lost(): void {
  if (line.value === 'on') lostAt.value = new Date();
  line.value = 'off';
}

/** Resolves when the browser says that there is a network, or that somebody looks at the page again. */
function networkAgain(): Promise<void> {
  return new Promise((resolve) => {
    const controller = new AbortController();
    const done = (): void => {
      if (document.visibilityState === 'hidden') return;
      controller.abort();
      resolve();
    };
    addEventListener('online', done, { signal: controller.signal });
    addEventListener('tertulia:try', done, { signal: controller.signal });
    document.addEventListener('visibilitychange', done, { signal: controller.signal });
  });
}

/** For the button that says so. */
export const tryNow = (): boolean => dispatchEvent(new Event('tertulia:try'));

/** The first item at once, those that follow closely together. */
function createQueue<T>(job: (items: readonly T[]) => void): { push(item: T): void } {
  let waiting: T[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;
  const flush = (): void => {
    timer = null;
    if (waiting.length === 0) return;
    const items = waiting;
    waiting = [];
    timer = setTimeout(flush, togetherMs);
    job(items);
  };
  return {
    push(item) {
      waiting.push(item);
      if (timer === null) flush();
    },
  };
}

// ---------------------------------------------------------------- what screens ask for

/** A chat with its members and the messages where reading stopped. Null when there is none, or not for the viewer. */
export async function openChat(chatId: string): Promise<boolean> {
  const { opened } = await readInto(
    () => ask(openDocument, { chatId }),
    (before, data) => (data.opened ? takeChats(before, [data.opened]) : before),
  );
  return opened !== null;
}

/** More messages of a chat: older than, newer than, or around a place. */
export async function readHistory(chatId: string, where: { beforeSeq: number } | { afterSeq: number } | { aroundSeq: number } | 'newest', most = 50): Promise<void> {
  const size = where !== 'newest' && 'afterSeq' in where ? { first: most } : { last: most };
  await readInto(
    () => ask(historyDocument, { chatId, anchor: where === 'newest' ? null : where, ...size }),
    (before, { chat }) => withHistory(before, chatId, chat?.messages?.nodes ?? []),
  );
}
