/**
 * Streams that follow the log. A stream is one loop: what is after my cursor, of that what I may see, wait when there is nothing. Whoever is level with the
 * log is handed each new event; whoever is not (resuming, or slow) reads the log in pages until level. A stream holds a cursor and at most one page.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import DataLoader from 'dataloader';
import type { Config } from '../config.ts';
import { notFound } from '../errors.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import { dialogIds, type Pair, pairKey, pairOf } from '../storage/dialogs.ts';
import { isDatabaseAway } from '../storage/failures.ts';
import { isTurnLong, yieldWhenLong } from '../turns.ts';
import type { Audience } from './audience.ts';
import { audienceOf, type EndReason, type EventKind, type EventOf, kindOf, type LogEvent } from './event.ts';
import type { EventLog } from './event-log.ts';
import type { Newest } from './newest.ts';
import { type Ephemeral, type Follower, type FollowItem, type FollowOptions, isNotified, outdateQueued, reaches, type Stream } from './stream.ts';

export type Followers = ReturnType<typeof createFollowers>;
const pageSize = 200;
const logPage = 500;
const wokenAtOnce = 100;
const againMs = 500;
const done: IteratorResult<FollowItem> = { done: true, value: undefined };

export function createFollowers({
  db,
  log,
  newest,
  audience,
  config,
  clock,
  logger,
  canRead,
  hydrate,
}: {
  db: Database;
  log: EventLog;
  newest: Newest;
  audience: Audience;
  config: Pick<Config, 'HEARTBEAT_SECONDS'>;
  clock: () => Date;
  logger: Log;
  /** Whether a person may read a chat without being a member. */
  canRead: (userId: UserId, chatId: ChatId) => Promise<boolean>;
  /** Gives events the messages they announce, in one go. */
  hydrate: (events: LogEvent[]) => Promise<void>;
}) {
  let stopped = false;
  const toWake: (() => void)[] = [];
  /** What a person's new name is to each of their dialogs. */
  const dialogsUpdated = new WeakMap<LogEvent, Map<ChatId, LogEvent>>();
  /** Many streams ask for theirs at once. Nothing is remembered. */
  const dialogs = new DataLoader<Pair, ChatId | null>(chatsOf, { cache: false, maxBatchSize: 500 });
  const beats = setInterval(beat, Math.min(1000, config.HEARTBEAT_SECONDS * 250));
  beats.unref();
  return {
    follow,
    dispatch,
    tell,
    lose,
    endAll,
    stop: (): void => {
      stopped = true;
      endAll('SERVER_SHUTDOWN');
    },
    count: (): number => [...audience.all()].length,
    close: (): void => {
      stopped = true;
      clearInterval(beats);
      for (const stream of audience.all()) close(stream);
    },
  };

  // ---------------------------------------------------------------- opening and closing

  /**
   * Opens a stream. Throws BAD_REQUEST for a cursor that never was one, NOT_FOUND for an `only` chat that the person may not read.
   */
  async function follow(options: FollowOptions): Promise<Follower> {
    const after = options.after == null ? undefined : newest.positionOf(options.after);
    // A cursor from another node may be ahead of what this one has seen.
    if (typeof after === 'number') await newest.readUpTo(after);
    const head = newest.head();
    const stream: Stream = {
      options,
      person: audience.personOf(options.userId),
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
      onAbort: () => end(stream, options.signal?.reason),
    };
    if (after !== undefined) {
      if (after === null || after < newest.pruned() || after > head) {
        stream.queue.push({ type: 'gap', resumeFrom: newest.cursorOf(head), at: clock() });
        stream.queue.push({ type: 'caught-up', cursor: newest.cursorOf(head), at: clock() });
      } else {
        stream.cursor = after;
        stream.replayUntil = head;
      }
    }
    register(stream);
    try {
      await stream.person.loading;
      if (stream.unopened.length > 0) await findDialogs(stream);
      if (options.only && stream.unopened.length === 0 && !(await stillReadable(stream))) throw notFound('Chat');
    } catch (error) {
      close(stream);
      throw error;
    }
    const follower: Follower = {
      [Symbol.asyncIterator]: () => follower,
      async next() {
        const value = await take(stream);
        return value ? { done: false, value } : done;
      },
      async return() {
        close(stream);
        return done;
      },
      push: (ephemeral) => push(stream, ephemeral),
    };
    return follower;
  }

  function register(stream: Stream): void {
    audience.add(stream);
    const { expiresAt, signal } = stream.options;
    // setTimeout takes at most 2^31 - 1 ms; a token does not live that long without being asked for again.
    stream.expiry = setTimeout(() => end(stream, 'TOKEN_EXPIRED'), Math.max(0, Math.min(expiresAt.getTime() - clock().getTime(), 2 ** 31 - 1)));
    stream.expiry.unref();
    signal?.addEventListener('abort', stream.onAbort);
    if (signal?.aborted) stream.onAbort();
    if (stopped) end(stream, 'SERVER_SHUTDOWN');
  }

  /** Which of the filter's dialogs are open by now. The stream reads the log only afterwards, so one that opens meanwhile is seen there. */
  async function findDialogs(stream: Stream): Promise<void> {
    const pairs = [...stream.unopened];
    for (const [index, chatId] of (await chatsOf(pairs)).entries()) if (chatId !== null) openDialog(stream, pairs[index] as Pair, chatId);
  }

  /** The chats of dialogs; null for one that is not open. */
  async function chatsOf(pairs: readonly Pair[]): Promise<(ChatId | null)[]> {
    const ids = await dialogIds(db.sql, pairs);
    return pairs.map((pair) => ids.get(pairKey(pair)) ?? null);
  }

  /** A dialog of the filter has got its chat. */
  function openDialog(stream: Stream, { low, high }: Pair, chatId: ChatId): void {
    const index = stream.unopened.findIndex((pair) => pair.low === low && pair.high === high);
    if (index < 0) return;
    stream.unopened.splice(index, 1);
    stream.chatIds?.add(chatId);
    if (stream.options.only) audience.addToRoom(stream, chatId);
  }

  function close(stream: Stream): void {
    if (stream.closed) return;
    stream.closed = true;
    stream.queue = [];
    clearTimeout(stream.expiry);
    stream.options.signal?.removeEventListener('abort', stream.onAbort);
    audience.remove(stream);
    wakeUp(stream);
  }

  // ---------------------------------------------------------------- handing out

  /** Hands a new event to all whom it may be told. */
  function dispatch(event: LogEvent): void {
    if (event.type === 'session-ended') {
      for (const stream of audience.ofSession(event.sessionId)) end(stream, event.reason);
      return;
    }
    for (const stream of audience.ofEvent(event)) hand(stream, event);
    if (event.type !== 'chat-updated') return;
    for (const stream of audience.ofRoom(event.chatId)) {
      stream.recheck = true;
      wakeUp(stream);
    }
  }

  function hand(stream: Stream, event: LogEvent): void {
    if (event.type === 'message-edited' || event.type === 'message-deleted') outdateQueued(stream, event.messageId);
    if (stream.behind || stream.closed || stream.ending || !wants(stream, event)) return;
    if (stream.queue.length >= pageSize) return fallBehind(stream);
    put(stream, { type: 'event', event, cursor: newest.cursorOf(event.number), replayed: false });
  }

  /** Too slow for being handed things: reads the log from the last one taken instead. */
  function fallBehind(stream: Stream): void {
    const first = stream.queue.find((item) => item.type === 'event');
    stream.queue = stream.queue.filter((item) => item.type !== 'event' && item.type !== 'ephemeral');
    stream.cursor = (first?.type === 'event' ? first.event.number : newest.head()) - 1;
    stream.behind = true;
  }

  function wants(stream: Stream, event: LogEvent): boolean {
    const { kinds } = stream.options;
    if (event.type === 'chat-added' && event.dialog && stream.unopened.length > 0) openDialog(stream, event.dialog, event.chatId);
    if (kinds && !kinds.has(kindOf[event.type])) return false;
    return !('chatId' in event) || stream.chatIds === null || stream.chatIds.has(event.chatId);
  }

  function put(stream: Stream, item: FollowItem): void {
    stream.queue.push(item);
    wakeUp(stream);
  }

  /** Many streams of one chat have their turn a slice at a time, so that no message holds up what others ask for. */
  function wakeUp(stream: Stream): void {
    if (!stream.wake) return;
    if (toWake.length === 0) setImmediate(wakeSlice);
    toWake.push(stream.wake);
    stream.wake = null;
  }

  function wakeSlice(): void {
    for (const wake of toWake.splice(0, wokenAtOnce)) wake();
    if (toWake.length > 0) setImmediate(wakeSlice);
  }

  /** The next item, or null at the end. */
  async function take(stream: Stream): Promise<FollowItem | null> {
    for (;;) {
      if (stream.closed) return null;
      if (stream.queue.length > 0 && isTurnLong()) {
        // Before an item is taken: while it waits it can still be outdated.
        await yieldWhenLong();
        if (stream.closed) return null;
      }
      const item = stream.queue.shift();
      if (item) {
        if (item.type === 'event') {
          const looked = asSeen(stream, item.event);
          const seen = looked instanceof Promise ? await looked : looked;
          if (!seen) continue;
          item.event = seen;
        }
        if (stream.closed) return null;
        stream.lastItemAt = Date.now();
        if (item.type === 'ended') close(stream);
        return item;
      }
      if (stream.ending) {
        close(stream);
        return null;
      }
      if (stream.behind) await readPage(stream).catch((error) => tryLater(stream, error));
      else if (stream.options.only && stream.recheck) await endUnlessReadable(stream);
      else await new Promise<void>((wake) => (stream.wake = wake));
    }
  }

  // ---------------------------------------------------------------- what may be seen

  /** An event as it is for the stream's person, or null. Asked when it is handed out, not when it was queued. */
  function asSeen(stream: Stream, event: LogEvent): LogEvent | null | Promise<LogEvent | null> {
    const { person, options } = stream;
    const seenIf = (isIn: boolean): LogEvent | null => (isIn ? event : null);
    // A chat left since yields its removal only.
    if (event.type === 'chat-added') return seenIf(person.chats.has(event.chatId));
    if (event.type === 'notification-added') return seenIf(isNotified(person, event));
    if (event.type === 'peer-updated') return ownDialogUpdated(stream, event);
    if (audienceOf[event.type] !== 'chat') return event;
    return options.only ? endUnlessReadable(stream).then(seenIf) : seenIf(person.chats.has((event as { chatId: ChatId }).chatId));
  }

  async function ownDialogUpdated(stream: Stream, event: EventOf<'peer-updated'>): Promise<LogEvent | null> {
    const { number, at, userId } = event;
    const { options, person, chatIds } = stream;
    if (person.chats.size === 0) return null;
    const chatId = await insist(stream, () => dialogs.load(pairOf(userId, options.userId)));
    if (chatId === null || !person.chats.has(chatId) || chatIds?.has(chatId) === false) return null;
    // The same for all who have this dialog: what is read for it is read once.
    const ofDialogs = dialogsUpdated.get(event) ?? new Map<ChatId, LogEvent>();
    dialogsUpdated.set(event, ofDialogs);
    const updated = ofDialogs.get(chatId) ?? { type: 'chat-updated', number, at, chatId };
    ofDialogs.set(chatId, updated);
    return updated;
  }

  async function endUnlessReadable(stream: Stream): Promise<boolean> {
    if (await stillReadable(stream)) return true;
    lose(stream);
    return false;
  }

  async function stillReadable(stream: Stream): Promise<boolean> {
    const [chatId] = stream.chatIds ?? [];
    const { recheck } = stream;
    stream.recheck = false;
    if (!recheck || chatId === undefined || stream.person.chats.has(chatId)) return true;
    return insist(stream, () => canRead(stream.options.userId, chatId));
  }

  /** The stream's one chat is lost: it ends without a last word. */
  function lose(stream: Stream): void {
    if (stream.ending) return;
    stream.queue = [];
    stream.ending = true;
    stream.behind = false;
    wakeUp(stream);
  }

  // ---------------------------------------------------------------- reading the log

  /** Reads one page behind the cursor into the queue; level with the log, the stream is handed events from then on. */
  async function readPage(stream: Stream): Promise<void> {
    if (stream.cursor < newest.pruned()) return fallIntoGap(stream);
    let page = newest.behind(stream.cursor, pageSize);
    if (page === null) {
      page = await log.readAfter(stream.cursor, logPage);
      // The engine answers in the same turn on SQLite: let the others have theirs.
      await nextTurn();
      if (stream.closed) return;
      if (page[0]?.number !== stream.cursor + 1) return fallIntoGap(stream);
    }
    const level = newest.head();
    await hydrate(page.filter((event) => event.number <= level && reaches(stream, event)));
    if (stream.closed) return;
    newest.outdatedSince(level, page);
    for (const event of page) {
      // What other nodes just wrote comes when this node has taken it: memberships are true up to the head.
      if (event.number > newest.head()) break;
      if (stream.replayUntil !== null && event.number > stream.replayUntil) catchUp(stream);
      stream.cursor = event.number;
      if (!reaches(stream, event) || !wants(stream, event)) continue;
      stream.queue.push({ type: 'event', event, cursor: newest.cursorOf(event.number), replayed: stream.replayUntil !== null });
    }
    if (stream.replayUntil !== null && stream.cursor >= stream.replayUntil) catchUp(stream);
    // No await between this comparison and the next event: nothing can come in between. Only an empty queue may go live, as a full one falls behind again.
    if (stream.cursor >= newest.head() && stream.queue.length === 0) stream.behind = false;
  }

  function catchUp(stream: Stream): void {
    const cursor = newest.cursorOf(stream.replayUntil ?? newest.head());
    stream.replayUntil = null;
    stream.queue.push({ type: 'caught-up', cursor, at: clock() }, ...stream.afterReplay);
    stream.afterReplay = [];
  }

  /** Pruning overtook a reader. */
  function fallIntoGap(stream: Stream): void {
    stream.queue.push({ type: 'gap', resumeFrom: newest.cursorOf(newest.head()), at: clock() });
    if (stream.replayUntil !== null) catchUp(stream);
    stream.cursor = newest.head();
    stream.behind = false;
  }

  /** Asks until the database answers. */
  async function insist<T>(stream: Stream, ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        await tryLater(stream, error);
      }
    }
  }

  /** The database is away: the stream waits for it. */
  async function tryLater(stream: Stream, error: unknown): Promise<void> {
    if (stream.closed || !isDatabaseAway(error)) throw error;
    logger.warn({ err: error }, 'a stream waits for the event log');
    await new Promise((wake) => setTimeout(wake, againMs));
  }

  // ---------------------------------------------------------------- ends, heartbeats, ephemera

  /** Live-only news of a chat, for all who follow it but one. */
  function tell(chatId: ChatId, kind: EventKind, ephemeral: Ephemeral, exceptUserId: UserId): void {
    for (const stream of audience.ofChat(chatId)) {
      const { kinds, userId, only } = stream.options;
      if (userId !== exceptUserId && (!kinds || kinds.has(kind)) && (only || !stream.chatIds || stream.chatIds.has(chatId))) push(stream, ephemeral);
    }
  }

  function push(stream: Stream, ephemeral: Ephemeral): void {
    if (stream.closed || stream.ending) return;
    // Nothing live comes before the backlog is done.
    const list = stream.replayUntil === null ? stream.queue : stream.afterReplay;
    if (list.length < pageSize) list.push({ type: 'ephemeral', ephemeral });
    wakeUp(stream);
  }

  function end(stream: Stream, reason: EndReason): void {
    if (stream.ending || stream.closed) return;
    stream.ending = true;
    stream.behind = false;
    stream.queue = [{ type: 'ended', reason, retry: reason === 'TOKEN_EXPIRED' || reason === 'SERVER_SHUTDOWN' || reason === 'SLOW_CONSUMER', at: clock() }];
    wakeUp(stream);
  }

  function endAll(reason: EndReason): void {
    for (const stream of audience.all()) end(stream, reason);
  }

  function beat(): void {
    const silentSince = Date.now() - config.HEARTBEAT_SECONDS * 1000;
    for (const stream of audience.all()) {
      if (stream.lastItemAt > silentSince || stream.behind || stream.queue.length > 0) continue;
      stream.lastItemAt = Date.now();
      put(stream, { type: 'heartbeat', cursor: newest.cursorOf(newest.head()), at: clock() });
    }
  }
}
