/**
 * The one socket of all tabs: whichever tab holds the lock holds the socket, and hands what comes to the others. A tab that comes later polls what it has
 * missed once, and takes the socket over when the first is closed.
 */
import { createLive, type Live } from '../../examples/clients/live.ts';
import { ask, session } from './ask.ts';
import type { EventsSubscription, LookedAtSubscription } from './generated/graphql.ts';
import { eventsDocument, lookedAtDocument, syncDocument } from './state/documents.ts';
import type { Item } from './state/types.ts';

type Told = { items: readonly Item[] } | { line: 'on' | 'off' } | { hello: true } | { again: true } | { out: true };
export type Line = { close(): void; tellOut(): void; watch(chatId: string, seen: (items: readonly Item[]) => void): () => void };

/** Items that come faster are handed on together. */
const togetherMs = 40;
const wanted = 'tertulia:try';

export function openLine({
  accountId,
  cursor,
  take,
  turned,
  over,
  signedOut,
}: {
  accountId: string;
  /** Behind what the stream is to begin. */
  cursor: () => string;
  /** `leads`: this tab holds the socket. */
  take: (items: readonly Item[], leads: boolean) => void;
  turned: (line: 'on' | 'off') => void;
  /** The stream will not come back by itself. */
  over: () => void;
  /** In another tab. */
  signedOut: () => void;
}): Line {
  const channel = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel(`tertulia ${accountId}`);
  const stop = new AbortController();
  let live: Live | null = null;
  /** Of a tab that looks at something that the others do not follow. */
  let own: Live | null = null;
  let line: 'on' | 'off' = 'off';
  let behind: Item[] | null = null;
  if (channel) channel.onmessage = ({ data }: MessageEvent<Told>) => hear(data);
  if (navigator.locks && channel) {
    // Held until this tab is closed or signed out.
    navigator.locks.request(`tertulia line ${accountId}`, { signal: stop.signal }, lead).catch(() => {});
    navigator.locks.query().then(({ held = [] }) => {
      if (!live && held.some(({ name }) => name === `tertulia line ${accountId}`)) void join();
    }, lead);
  } else void lead();
  addEventListener(wanted, () => !live && tell({ again: true }), { signal: stop.signal });
  return {
    close() {
      stop.abort();
      void live?.dispose();
      void own?.dispose();
      channel?.close();
    },
    tellOut: () => tell({ out: true }),
    watch: (chatId, seen) =>
      (live ?? (own ??= connect())).subscribe<LookedAtSubscription>(
        { query: lookedAtDocument, variables: { chatId, after: cursor() } },
        { next: ({ data }) => data && seen([data.newMessages as Item]), error: () => {}, complete: () => {} },
      ),
  };

  function connect(): Live {
    return createLive({ url: `${location.origin.replace(/^http/, 'ws')}/graphql`, session, sooner: networkAgain });
  }

  function tell(told: Told): void {
    if (!stop.signal.aborted) channel?.postMessage(told);
  }

  function turn(to: 'on' | 'off'): void {
    line = to;
    turned(to);
    if (live) tell({ line: to });
  }

  // ---------------------------------------------------------------- the tab with the socket

  async function lead(): Promise<void> {
    if (stop.signal.aborted || live) return;
    const client = connect();
    live = client;
    client.on('closed', () => turn('off'));
    // Sooner than an unanswered ping.
    addEventListener('offline', () => client.terminate(), { signal: stop.signal });
    const ended = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
    const queue = createQueue((items: readonly Item[]) => {
      tell({ items });
      take(items, true);
      if (items.some(({ __typename }) => __typename === 'CaughtUp')) turn('on');
    });
    const final = (): void => {
      if (!stop.signal.aborted) over();
    };
    client.subscribe<EventsSubscription>(
      { query: eventsDocument, variables: { after: cursor() } },
      { next: ({ data }) => data && queue.push(data.events), error: final, complete: final },
    );
    await ended;
  }

  // ---------------------------------------------------------------- the others

  function hear(told: Told): void {
    if ('hello' in told) return live ? tell({ line }) : undefined;
    if ('again' in told) return live ? void tryNow() : undefined;
    if ('out' in told) return signedOut();
    if (live) return;
    if ('line' in told) turned((line = told.line));
    else if (behind) behind.push(...told.items);
    else take(told.items, false);
  }

  /** What has happened since this tab's state was read is polled once; what is handed on meanwhile comes behind it. */
  async function join(): Promise<void> {
    behind = [];
    tell({ hello: true });
    try {
      for (let after = cursor(); !live && !stop.signal.aborted; ) {
        const { sync: page } = await ask(syncDocument, { after, first: 100 });
        if (!page) break;
        take(page.items, false);
        after = page.endCursor;
        if (!page.hasMore) break;
      }
    } catch {
      // The tab with the socket tells when the line is back; then it is tried again.
      setTimeout(() => !live && !stop.signal.aborted && void join(), 2_000);
    }
    const waiting = behind ?? [];
    behind = null;
    if (waiting.length > 0) take(waiting, false);
  }
}

/** Resolves when the browser says that there is a network, or that somebody looks at the page again, or asks for it. */
function networkAgain(): Promise<void> {
  return new Promise((resolve) => {
    const controller = new AbortController();
    const done = ({ type }: Event): void => {
      if (type !== wanted && document.visibilityState === 'hidden') return;
      controller.abort();
      resolve();
    };
    addEventListener('online', done, { signal: controller.signal });
    addEventListener(wanted, done, { signal: controller.signal });
    document.addEventListener('visibilitychange', done, { signal: controller.signal });
  });
}

/** For the button that says so. The tab with the socket does it, also when nobody looks at it. */
export const tryNow = (): boolean => dispatchEvent(new Event(wanted));

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
