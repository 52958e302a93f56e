/**
 * Followers of the log. A stream is one loop: what is after my cursor, of that what I may see, wait when there is nothing. Whoever is level with the
 * log is handed each new event; whoever is not (resuming, or slow) reads the log in pages until level. A follower holds a cursor and at most one page.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Config } from '../config.ts';
import { hasCode, notFound } from '../errors.ts';
import type { Log } from '../log.ts';
import { addTo, dropFrom } from '../multimap.ts';
import type { Database } from '../storage/database.ts';
import { isUnavailable } from '../storage/failures.ts';
import { tableOf } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import { parseCursor, toCursor } from './cursor.ts';
import { audienceOf, type EndReason, type EventKind, type EventOf, kindOf, type LogEvent, messageIdOf, type Pair } from './event.ts';
import type { EventLog } from './event-log.ts';

/** Live only, never in the log. */
export type Ephemeral =
  | { type: 'presence-changed'; userId: number; snapshot: boolean; at: Date }
  | { type: 'typing-changed'; chatId: number; userId: number; active: boolean; expiresAt: Date };

export type FollowItem =
  | { type: 'event'; event: LogEvent; cursor: string; replayed: boolean }
  | { type: 'ephemeral'; ephemeral: Ephemeral }
  | { type: 'caught-up'; cursor: string; at: Date }
  | { type: 'gap'; resumeFrom: string; at: Date }
  | { type: 'heartbeat'; cursor: string; at: Date }
  | { type: 'ended'; reason: EndReason; retry: boolean; at: Date };

export type FollowOptions = {
  userId: number;
  sessionId: number;
  /** The access token's end: the stream ends with it. */
  expiresAt: Date;
  /** Start behind this cursor; null or undefined starts live. */
  after?: string | null | undefined;
  /** Only these kinds. */
  kinds?: ReadonlySet<EventKind> | undefined;
  /** Only events of these chats (events without a chat still come). Dialogs are named by their people: they may not be open yet. */
  chats?: readonly (number | Pair)[] | undefined;
  /** Exactly the one chat of `chats`, which may also be a room that the person reads as a guest. The stream ends when the person loses it. */
  only?: boolean | undefined;
  /** Ends the stream; its reason is the EndReason. */
  signal?: AbortSignal | undefined;
};

/** An iterator whose `return()` answers at once, also while a `next()` is waiting. */
export type Follower = AsyncIterableIterator<FollowItem> & {
  return(): Promise<IteratorResult<FollowItem>>;
  /** Hands this follower something that is live only; it is lost on one that is behind. */
  push(ephemeral: Ephemeral): void;
};
export type Tail = Awaited<ReturnType<typeof createTail>>;

/** Since when somebody is in a chat: the newest message then, or the event that told of joining. */
type Joined = { seq: number } | { number: number };
type Person = { userId: number; chats: Map<number, Joined>; followers: Set<State>; loading: Promise<void> | null; missed: LogEvent[] };
type State = {
  options: FollowOptions;
  person: Person;
  /** The chats of the filter that exist, and the dialogs of it that do not yet. */
  chatIds: Set<number> | null;
  unopened: Pair[];
  /** Everything up to here was handed out or was not for this follower. Only kept exact while behind. */
  cursor: number;
  behind: boolean;
  queue: FollowItem[];
  /** What came live during the replay. */
  afterReplay: FollowItem[];
  /** Up to here events count as replayed; null once caught up, or when started live. */
  replayUntil: number | null;
  closed: boolean;
  /** No more items after those in the queue. */
  ending: boolean;
  lastItemAt: number;
  wake: (() => void) | null;
  expiry: NodeJS.Timeout | undefined;
  recheck: boolean;
  onAbort: () => void;
};

const pageSize = 200;
const logPage = 500;
const ringSize = 2048;
const wokenAtOnce = 100;

export async function createTail({
  db,
  log,
  config,
  clock,
  logger,
  mayRead,
  hydrate,
}: {
  db: Database;
  log: EventLog;
  config: Config;
  clock: () => Date;
  logger: Log;
  /** Whether a person may read a chat without being a member. */
  mayRead: (userId: number, chatId: number) => Promise<boolean>;
  /** Gives events the messages they announce, in one go. */
  hydrate: (events: LogEvent[]) => Promise<void>;
}) {
  const start = await log.head();
  const { logId } = start;
  let head = start.last;
  let pruned = start.pruned;
  /** The newest events, without holes: the last one is `head`. */
  let recent: LogEvent[] = [];
  /** Offered before those ahead of them were seen. They carry their messages, which the log does not. */
  const early = new Map<number, LogEvent>();
  let reading: Promise<void> | null = null;
  let lookAgain = false;
  let stopped = false;
  const toWake: (() => void)[] = [];
  const people = new Map<number, Person>();
  const byChat = new Map<number, Set<Person>>();
  /** Followers of one chat, members or guests. */
  const byRoom = new Map<number, Set<State>>();
  const bySession = new Map<number, Set<State>>();
  const listeners = new Set<(event: LogEvent) => void>();
  const sweep = setInterval(beat, Math.min(1000, config.HEARTBEAT_SECONDS * 250));
  sweep.unref();
  // Other nodes write to the same log. Nothing depends on being told of it: looking late costs time, never an event.
  const polling = db.engine === 'postgresql' && config.NODE_POLL_MS > 0 ? setInterval(look, config.NODE_POLL_MS).unref() : undefined;

  return {
    follow,
    offer,
    look,
    tell,
    endAll,
    /** The position of the newest event this node has seen: never newer than what a query reads after asking. */
    cursor: (): string => toCursor(logId, head),
    cursorOf: (number: number): string => toCursor(logId, number),
    head: (): number => head,
    /** Called for each event in order, before any follower has it. Returns how to stop. */
    onEvent: (listener: (event: LogEvent) => void): (() => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    followerCount: (): number => [...people.values()].reduce((sum, person) => sum + person.followers.size, 0),
    setPruned: (number: number): void => {
      pruned = Math.max(pruned, number);
    },
    close: (): void => {
      stopped = true;
      clearInterval(sweep);
      clearInterval(polling);
      for (const person of people.values()) for (const state of person.followers) close(state);
    },
  };

  // ---------------------------------------------------------------- the tail: events in order

  /** Committed events of this node. Those right behind the head are taken as they are; otherwise other nodes wrote in between and the log is read. */
  function offer(events: LogEvent[]): void {
    const [first] = events;
    if (!first) return;
    if (first.number === head + 1) return accept(events);
    if (first.number <= head) return;
    for (const event of events) early.set(event.number, event);
    look();
  }

  /** Reads what the log has behind the head. Harmless at any time. */
  function look(): void {
    lookAgain = true;
    reading ??= catchUp().finally(() => {
      reading = null;
    });
  }

  async function catchUp(): Promise<void> {
    while (lookAgain && !stopped) {
      lookAgain = false;
      try {
        const events = await log.readAfter(head, logPage);
        const fresh = events.filter((event) => event.number > head).map((event) => early.get(event.number) ?? event);
        if (fresh.length > 0) accept(fresh);
        for (const number of early.keys()) if (number <= head) early.delete(number);
        if (events.length === logPage) lookAgain = true;
      } catch (error) {
        logger.warn({ err: error }, 'the event log cannot be read; trying again');
        await new Promise((wake) => setTimeout(wake, 500));
        lookAgain = true;
      }
    }
  }

  function accept(events: LogEvent[]): void {
    for (const event of events) {
      if (event.number !== head + 1) throw new Error(`event ${event.number} came behind ${head}`);
      head = event.number;
      recent.push(event);
      outdate(event, recent);
      keepMemberships(event);
      for (const listener of listeners) takeNote(listener, event);
      dispatch(event);
    }
    if (recent.length > 2 * ringSize) recent = recent.slice(-ringSize);
  }

  /** A listener's mistake is its own: the event was committed, and the followers get it. */
  function takeNote(listener: (event: LogEvent) => void, event: LogEvent): void {
    try {
      listener(event);
    } catch (error) {
      logger.error({ err: error, type: event.type }, 'an event was not taken note of');
    }
  }

  /** A message that is still handed out to slow readers must not show what it was before. `among` has no holes. */
  function outdate(event: LogEvent, among: LogEvent[]): void {
    if (event.type !== 'message-edited' && event.type !== 'message-deleted') return;
    const place = event.messageId - (among[0]?.number ?? 0);
    for (const about of [among[place], among[place + 1]]) if (about && announces(about, event.messageId)) delete about.message;
  }

  function dispatch(event: LogEvent): void {
    if (event.type === 'session-ended') {
      for (const state of bySession.get(event.sessionId) ?? []) end(state, event.reason);
      return;
    }
    switch (audienceOf[event.type]) {
      case 'everyone':
        for (const person of people.values()) for (const state of person.followers) hand(state, event);
        return;
      case 'person':
        for (const state of people.get((event as { userId: number }).userId)?.followers ?? []) hand(state, event);
        return;
      case 'chat': {
        const { chatId } = event as { chatId: number };
        for (const person of byChat.get(chatId) ?? []) for (const state of person.followers) if (!state.options.only) hand(state, event);
        for (const state of byRoom.get(chatId) ?? []) {
          hand(state, event);
          if (event.type !== 'chat-updated') continue;
          state.recheck = true;
          wakeUp(state);
        }
        return;
      }
      case 'nobody':
        return;
    }
  }

  function hand(state: State, event: LogEvent): void {
    if (event.type === 'message-edited' || event.type === 'message-deleted') outdateQueued(state, event.messageId);
    if (state.behind || state.closed || state.ending || !wants(state, event)) return;
    if (state.queue.length >= pageSize) {
      // Too slow for being handed things: read the log from the last one taken instead.
      const first = state.queue.find((item) => item.type === 'event');
      state.queue = state.queue.filter((item) => item.type !== 'event' && item.type !== 'ephemeral');
      state.cursor = first?.type === 'event' ? first.event.number - 1 : head - 1;
      state.behind = true;
      return;
    }
    put(state, { type: 'event', event, cursor: toCursor(logId, event.number), replayed: false });
  }

  function outdateQueued({ queue }: State, messageId: number): void {
    for (const item of queue) if (item.type === 'event' && announces(item.event, messageId)) item.event = { ...item.event, message: undefined };
  }

  function wants(state: State, event: LogEvent): boolean {
    const { kinds } = state.options;
    if (event.type === 'chat-added' && event.dialog && state.unopened.length > 0) openDialog(state, event.dialog, event.chatId);
    if (kinds && !kinds.has(kindOf[event.type])) return false;
    return !('chatId' in event) || state.chatIds === null || state.chatIds.has(event.chatId);
  }

  /** A dialog of the filter has got its chat. */
  function openDialog(state: State, { low, high }: Pair, chatId: number): void {
    const index = state.unopened.findIndex((pair) => pair.low === low && pair.high === high);
    if (index < 0) return;
    state.unopened.splice(index, 1);
    state.chatIds?.add(chatId);
    if (state.options.only) addTo(byRoom, chatId, state);
  }

  function put(state: State, item: FollowItem): void {
    state.queue.push(item);
    wakeUp(state);
  }

  /** Many followers of one chat have their turn a slice at a time, so that no message holds up what others ask for. */
  function wakeUp(state: State): void {
    if (!state.wake) return;
    if (toWake.length === 0) setImmediate(wakeSlice);
    toWake.push(state.wake);
    state.wake = null;
  }

  function wakeSlice(): void {
    for (const wake of toWake.splice(0, wokenAtOnce)) wake();
    if (toWake.length > 0) setImmediate(wakeSlice);
  }

  // ---------------------------------------------------------------- who is in which chat

  function keepMemberships(event: LogEvent): void {
    if (event.type !== 'chat-added' && event.type !== 'chat-removed') return;
    const person = people.get(event.userId);
    if (!person) return;
    if (person.loading) person.missed.push(event);
    else applyMembership(person, event);
  }

  function applyMembership(person: Person, event: LogEvent): void {
    if (event.type === 'chat-added') addChat(person, event.chatId, { number: event.number });
    if (event.type !== 'chat-removed') return;
    person.chats.delete(event.chatId);
    dropFrom(byChat, event.chatId, person);
    for (const state of byRoom.get(event.chatId) ?? []) {
      if (state.person !== person) continue;
      state.queue = [];
      finish(state);
    }
  }

  function addChat(person: Person, chatId: number, joined: Joined): void {
    person.chats.set(chatId, joined);
    addTo(byChat, chatId, person);
  }

  /** Loads the chats of a person together with the position they are true for; changes that come meanwhile are applied when they are newer. */
  function personOf(userId: number): Person {
    const known = people.get(userId);
    if (known) return known;
    const person: Person = { userId, chats: new Map(), followers: new Set(), loading: null, missed: [] };
    people.set(userId, person);
    person.loading = (async () => {
      const rows = await db.sql.all<{ last: number; chatId: number | null; joinedSeq: number | null }>(
        'SELECT h."last", m."chatId", m."joinedSeq" FROM "EventHead" h LEFT JOIN "Member" m ON m."userId" = ? WHERE h."id" = 1',
        [userId],
      );
      if (people.get(userId) !== person) return;
      for (const { chatId, joinedSeq } of rows) if (chatId !== null) addChat(person, chatId, { seq: joinedSeq ?? 0 });
      person.loading = null;
      for (const event of person.missed) if (event.number > Number(rows[0]?.last ?? 0)) applyMembership(person, event);
      person.missed = [];
    })();
    person.loading.catch(() => {
      // The next one to follow tries again.
      if (people.get(userId) === person) people.delete(userId);
    });
    return person;
  }

  // ---------------------------------------------------------------- one follower

  /**
   * Opens a stream. Throws BAD_REQUEST for a cursor that never was one, NOT_FOUND for an `only` chat that the person may not read.
   */
  async function follow(options: FollowOptions): Promise<Follower> {
    const after = options.after == null ? undefined : parseCursor(logId, options.after);
    // A cursor from another node may be ahead of what this one has seen.
    if (typeof after === 'number' && after > head) await readUpTo(after);
    const person = personOf(options.userId);
    const state: State = {
      options,
      person,
      chatIds: options.chats ? new Set(options.chats.filter((chat) => typeof chat === 'number')) : null,
      unopened: (options.chats ?? []).filter((chat) => typeof chat !== 'number'),
      cursor: head,
      // Everybody begins by reading the log, if only to find that there is nothing.
      behind: true,
      queue: [],
      afterReplay: [],
      replayUntil: null,
      closed: false,
      ending: false,
      lastItemAt: Date.now(),
      wake: null,
      expiry: undefined,
      recheck: true,
      onAbort: () => end(state, options.signal?.reason),
    };
    if (after !== undefined) {
      if (after === null || after < pruned || after > head) {
        state.queue.push({ type: 'gap', resumeFrom: toCursor(logId, head), at: clock() });
        state.queue.push({ type: 'caught-up', cursor: toCursor(logId, head), at: clock() });
      } else {
        state.cursor = after;
        state.replayUntil = head;
      }
    }
    register(state);
    try {
      await person.loading;
      if (state.unopened.length > 0) await findDialogs(state);
      if (options.only && state.unopened.length === 0 && !(await stillReadable(state))) throw notFound('Chat');
    } catch (error) {
      close(state);
      throw error;
    }
    return iterator(state);
  }

  /** Which of the filter's dialogs are open by now. The follower reads the log only afterwards, so one that opens meanwhile is seen there. */
  async function findDialogs(state: State): Promise<void> {
    const rows = await db.sql.all<Pair & { id: number }>(
      `SELECT c."id", t."low", t."high" FROM ${tableOf(db.engine, 't', { low: 'int', high: 'int' })} JOIN "Chat" c ON c."lowUserId" = t."low" AND c."highUserId" = t."high"`,
      [state.unopened],
    );
    for (const row of rows) openDialog(state, row, row.id);
  }

  async function readUpTo(number: number): Promise<void> {
    const { last } = await log.head();
    if (number > last) return;
    while (head < number && !stopped) {
      look();
      await reading;
    }
  }

  function register(state: State): void {
    state.person.followers.add(state);
    addTo(bySession, state.options.sessionId, state);
    if (state.options.only) for (const chatId of state.chatIds ?? []) addTo(byRoom, chatId, state);
    const left = state.options.expiresAt.getTime() - clock().getTime();
    // setTimeout takes at most 2^31 - 1 ms; a token does not live that long without being asked for again.
    state.expiry = setTimeout(() => end(state, 'TOKEN_EXPIRED'), Math.max(0, Math.min(left, 2 ** 31 - 1)));
    state.expiry.unref();
    const { signal } = state.options;
    signal?.addEventListener('abort', state.onAbort);
    if (signal?.aborted) state.onAbort();
    if (stopped) end(state, 'SERVER_SHUTDOWN');
  }

  function close(state: State): void {
    if (state.closed) return;
    state.closed = true;
    state.queue = [];
    clearTimeout(state.expiry);
    const { person, options } = state;
    person.followers.delete(state);
    dropFrom(bySession, options.sessionId, state);
    options.signal?.removeEventListener('abort', state.onAbort);
    if (options.only) for (const chatId of state.chatIds ?? []) dropFrom(byRoom, chatId, state);
    if (person.followers.size === 0 && people.get(person.userId) === person) {
      people.delete(person.userId);
      for (const chatId of person.chats.keys()) dropFrom(byChat, chatId, person);
    }
    wakeUp(state);
  }

  function iterator(state: State): Follower {
    const done: IteratorResult<FollowItem> = { done: true, value: undefined };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      async next() {
        const value = await take(state);
        return value ? { done: false, value } : done;
      },
      async return() {
        close(state);
        return done;
      },
      push: (ephemeral) => pushTo(state, ephemeral),
    };
  }

  /** The next item, or null at the end. */
  async function take(state: State): Promise<FollowItem | null> {
    for (;;) {
      if (state.closed) return null;
      if (state.queue.length > 0) {
        // Before an item is taken: while it waits it can still be outdated.
        await yieldWhenLong();
        if (state.closed) return null;
      }
      const item = state.queue.shift();
      if (item) {
        if (item.type === 'event' && !(await visible(state, item.event))) continue;
        if (state.closed) return null;
        state.lastItemAt = Date.now();
        if (item.type === 'ended') close(state);
        return item;
      }
      if (state.ending) {
        close(state);
        return null;
      }
      if (state.behind) await readPage(state).catch((error) => tryLater(state, error));
      else if (state.options.only && state.recheck) await endUnlessReadable(state);
      else await new Promise<void>((wake) => (state.wake = wake));
    }
  }

  /** Asked when an item is handed out, not when it was queued. */
  async function visible(state: State, event: LogEvent): Promise<boolean> {
    // A chat left since yields its removal only.
    if (event.type === 'chat-added') return state.person.chats.has(event.chatId);
    if (event.type === 'notification-added') return isAfter(state.person.chats.get(event.chatId), event);
    if (audienceOf[event.type] !== 'chat') return true;
    if (!state.options.only) return state.person.chats.has((event as { chatId: number }).chatId);
    return endUnlessReadable(state);
  }

  async function endUnlessReadable(state: State): Promise<boolean> {
    if (await stillReadable(state)) return true;
    state.queue = [];
    finish(state);
    return false;
  }

  async function stillReadable(state: State): Promise<boolean> {
    const [chatId] = state.chatIds ?? [];
    const { recheck } = state;
    state.recheck = false;
    if (!recheck || chatId === undefined || state.person.chats.has(chatId)) return true;
    for (;;) {
      try {
        return await mayRead(state.options.userId, chatId);
      } catch (error) {
        await tryLater(state, error);
      }
    }
  }

  /** Reads one page behind the cursor into the queue; level with the log, the follower is handed events from then on. */
  async function readPage(state: State): Promise<void> {
    const firstRecent = head - recent.length + 1;
    if (state.cursor < pruned) return fallIntoGap(state);
    let page: LogEvent[];
    if (state.cursor + 1 >= firstRecent) {
      page = recent.slice(state.cursor + 1 - firstRecent, state.cursor + 1 - firstRecent + pageSize);
    } else {
      page = await log.readAfter(state.cursor, logPage);
      // The engine answers in the same turn on SQLite: let the others have theirs.
      await nextTurn();
      if (state.closed) return;
      if (page[0]?.number !== state.cursor + 1) return fallIntoGap(state);
    }
    const level = head;
    await hydrate(page.filter((event) => event.number <= head && reaches(state, event)));
    if (state.closed) return;
    // What was read may be older than a change that came meanwhile.
    for (const event of recent.slice(Math.max(0, recent.length - (head - level)))) outdate(event, page);
    for (const event of page) {
      // What other nodes just wrote comes when this node has taken it: memberships are true up to the head.
      if (event.number > head) break;
      if (state.replayUntil !== null && event.number > state.replayUntil) caughtUp(state);
      state.cursor = event.number;
      if (!reaches(state, event) || !wants(state, event)) continue;
      state.queue.push({ type: 'event', event, cursor: toCursor(logId, event.number), replayed: state.replayUntil !== null });
    }
    if (state.replayUntil !== null && state.cursor >= state.replayUntil) caughtUp(state);
    // No await between this comparison and the next event: nothing can come in between. Only an empty queue may go live, as a full one falls behind again.
    if (state.cursor >= head && state.queue.length === 0) state.behind = false;
  }

  /** The database is away: the stream waits for it. */
  async function tryLater(state: State, error: unknown): Promise<void> {
    if (state.closed || !(hasCode(error, 'UNAVAILABLE') || isUnavailable(error))) throw error;
    logger.warn({ err: error }, 'a stream waits for the event log');
    await new Promise((wake) => setTimeout(wake, 500));
  }

  function caughtUp(state: State): void {
    const cursor = toCursor(logId, state.replayUntil ?? head);
    state.replayUntil = null;
    state.queue.push({ type: 'caught-up', cursor, at: clock() }, ...state.afterReplay);
    state.afterReplay = [];
  }

  /** Pruning overtook a reader. */
  function fallIntoGap(state: State): void {
    state.queue.push({ type: 'gap', resumeFrom: toCursor(logId, head), at: clock() });
    if (state.replayUntil !== null) caughtUp(state);
    state.cursor = head;
    state.behind = false;
  }

  function reaches(state: State, event: LogEvent): boolean {
    const audience = audienceOf[event.type];
    if (audience === 'chat') return state.options.only || state.person.chats.has((event as { chatId: number }).chatId);
    if (audience === 'person') return (event as { userId: number }).userId === state.options.userId;
    return audience === 'everyone';
  }

  // ---------------------------------------------------------------- ends, heartbeats, ephemera

  /** Live-only news of a chat, for all who follow it but one. */
  function tell(chatId: number, kind: EventKind, ephemeral: Ephemeral, exceptUserId: number): void {
    const states = [...(byRoom.get(chatId) ?? [])];
    for (const person of byChat.get(chatId) ?? [])
      for (const state of person.followers) if (!state.options.only && (!state.chatIds || state.chatIds.has(chatId))) states.push(state);
    for (const state of states) {
      const { kinds, userId } = state.options;
      if (userId !== exceptUserId && (!kinds || kinds.has(kind))) pushTo(state, ephemeral);
    }
  }

  function pushTo(state: State, ephemeral: Ephemeral): void {
    if (state.closed || state.ending) return;
    // Nothing live comes before the backlog is done.
    const list = state.replayUntil === null ? state.queue : state.afterReplay;
    if (list.length < pageSize) list.push({ type: 'ephemeral', ephemeral });
    wakeUp(state);
  }

  function end(state: State, reason: EndReason): void {
    if (state.ending || state.closed) return;
    state.ending = true;
    state.behind = false;
    state.queue = [{ type: 'ended', reason, retry: reason === 'TOKEN_EXPIRED' || reason === 'SERVER_SHUTDOWN' || reason === 'SLOW_CONSUMER', at: clock() }];
    wakeUp(state);
  }

  /** Ends without a last word, after what is queued. */
  function finish(state: State): void {
    state.ending = true;
    state.behind = false;
    wakeUp(state);
  }

  function endAll(reason: EndReason): void {
    if (reason === 'SERVER_SHUTDOWN') stopped = true;
    for (const person of people.values()) for (const state of person.followers) end(state, reason);
  }

  function beat(): void {
    const silentSince = Date.now() - config.HEARTBEAT_SECONDS * 1000;
    for (const person of people.values()) {
      for (const state of person.followers) {
        if (state.lastItemAt > silentSince || state.behind || state.queue.length > 0) continue;
        state.lastItemAt = Date.now();
        put(state, { type: 'heartbeat', cursor: toCursor(logId, head), at: clock() });
      }
    }
  }
}

const announces = (event: LogEvent, messageId: number): boolean => (event.type === 'message-added' || event.type === 'notification-added') && messageIdOf(event) === messageId;

/** Whether somebody was in the chat already: whoever left and came back is notified of nothing from before. */
const isAfter = (joined: Joined | undefined, { seq, number }: EventOf<'notification-added'>): boolean =>
  joined !== undefined && ('seq' in joined ? seq > joined.seq : number > joined.number);
