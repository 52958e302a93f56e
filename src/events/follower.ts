/**
 * Streams that follow the log. A stream is one loop: what is after my cursor, of that what I may see, wait when there is nothing. Whoever is level with the
 * log is handed each new event; whoever is not (resuming, or slow) reads the log in pages until level. A stream holds a cursor and at most one page.
 */
import type { Config } from '../config.ts';
import { notFound } from '../errors.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import { again, over, polled, type Soon, untilAnswer, whenDone } from '../polled.ts';
import type { Database } from '../storage/database.ts';
import { isTurnLong, yieldWhenLong } from '../turns.ts';
import type { Audience } from './audience.ts';
import { createBacklog } from './backlog.ts';
import type { EndReason, EventKind, LogEvent } from './event.ts';
import type { EventLog } from './event-log.ts';
import type { Newest } from './newest.ts';
import { createPatience } from './patience.ts';
import { createSight } from './sight.ts';
import { type Ephemeral, type Follower, type FollowItem, type FollowOptions, isClosed, isReading, outdateQueued, pageSize, type Stream, wants } from './stream.ts';

export type Followers = ReturnType<typeof createFollowers>;
const wokenAtOnce = 32;

export function createFollowers({
  db,
  eventLog,
  newest,
  audience,
  config,
  clock,
  log,
  canRead,
  hydrate,
}: {
  db: Database;
  eventLog: EventLog;
  newest: Newest;
  audience: Audience;
  config: Pick<Config, 'HEARTBEAT_SECONDS'>;
  clock: () => Date;
  log: Log;
  /** Whether a person may read a chat without being a member. */
  canRead: (userId: UserId, chatId: ChatId) => Promise<boolean>;
  /** Gives events the messages they announce, in one go. */
  hydrate: (events: LogEvent[]) => Promise<void>;
}) {
  const patience = createPatience(log);
  const sight = createSight({ db, audience, patience, canRead });
  const backlog = createBacklog({ eventLog, newest, sight, clock, hydrate });
  let stopped = false;
  const toWake: (() => void)[] = [];
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
    const after = options.after == null ? undefined : await newest.positionOf(options.after);
    const stream: Stream = {
      options,
      person: audience.personOf(options.userId),
      chatIds: options.chats ? new Set(options.chats.filter((chat) => typeof chat === 'number')) : null,
      unopened: (options.chats ?? []).filter((chat) => typeof chat !== 'number'),
      // Everybody begins by reading the log, if only to find that there is nothing.
      phase: { name: 'reading', cursor: newest.head() },
      queue: [],
      missed: false,
      lastItemAt: performance.now(),
      wake: null,
      expiry: undefined,
      recheck: true,
      onAbort: () => end(stream, options.signal?.reason),
    };
    backlog.start(stream, after);
    register(stream);
    try {
      await stream.person.loading;
      if (stream.unopened.length > 0) await sight.findDialogs(stream);
      if (options.only && stream.unopened.length === 0 && !(await sight.isReadable(stream))) throw notFound('Chat');
    } catch (error) {
      close(stream);
      throw error;
    }
    const items = polled<FollowItem>(
      (wake) => untilAnswer(() => take(stream, wake)),
      () => close(stream),
    );
    return Object.assign(items, { push: (ephemeral: Ephemeral) => push(stream, ephemeral) });
  }

  function register(stream: Stream): void {
    audience.add(stream);
    const { signal } = stream.options;
    endWithToken(stream);
    signal?.addEventListener('abort', stream.onAbort);
    if (signal?.aborted) stream.onAbort();
    if (stopped) end(stream, 'SERVER_SHUTDOWN');
  }

  /** When the clock says that the token has expired, also when it was set back meanwhile. */
  function endWithToken(stream: Stream): void {
    const leftMs = stream.options.expiresAt.getTime() - clock().getTime();
    if (leftMs <= 0) return end(stream, 'TOKEN_EXPIRED');
    // setTimeout takes at most 2^31 - 1 ms.
    stream.expiry = setTimeout(() => endWithToken(stream), Math.min(leftMs, 2 ** 31 - 1)).unref();
  }

  function close(stream: Stream): void {
    if (isClosed(stream)) return;
    stream.phase = { name: 'closed' };
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
    if (stream.phase.name !== 'live') return;
    sight.openDialog(stream, event);
    if (!wants(stream, event)) return;
    if (stream.queue.length >= pageSize) return backlog.fallBehind(stream);
    put(stream, { type: 'event', event, cursor: newest.cursorOf(event.number), replayed: false });
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

  /** The next item, or what comes before it: `again`. */
  function take(stream: Stream, wake: () => void): Soon<IteratorResult<FollowItem> | null | typeof again> {
    // Before an item is taken: while it waits it can still be outdated.
    if (stream.queue.length > 0 && isTurnLong()) return yieldWhenLong().then(() => again);
    if (isClosed(stream)) return over;
    const item = stream.queue.shift();
    if (item?.type === 'event')
      return whenDone(
        sight.asSeen(stream, item.event, () => endUnlessReadable(stream)),
        (seen) => (seen ? handOut(stream, item, seen) : again),
      );
    if (item) return handOut(stream, item);
    if (stream.phase.name === 'ending') {
      close(stream);
      return over;
    }
    if (stream.missed && stream.phase.name === 'live') {
      stream.missed = false;
      return { done: false, value: { type: 'missed' } };
    }
    if (isReading(stream.phase)) {
      const read = backlog.readPage(stream).catch((error) => patience.tryLater(stream, error));
      return read.then(() => again);
    }
    if (stream.options.only && stream.recheck) return whenDone(endUnlessReadable(stream), () => again);
    stream.wake = wake;
    return null;
  }

  /** `seen`: the event as its person sees it. */
  function handOut(stream: Stream, item: FollowItem, seen?: LogEvent): IteratorResult<FollowItem> {
    if (isClosed(stream)) return over;
    if (item.type === 'event' && seen) item.event = seen;
    stream.lastItemAt = performance.now();
    if (item.type === 'ended') close(stream);
    return { done: false, value: item };
  }

  function endUnlessReadable(stream: Stream): Soon<boolean> {
    return whenDone(sight.isReadable(stream), (isReadable) => {
      if (!isReadable) lose(stream);
      return isReadable;
    });
  }

  // ---------------------------------------------------------------- ends, heartbeats, ephemera

  /** The stream's one chat is lost: it ends without a last word. */
  function lose(stream: Stream): void {
    if (stream.phase.name !== 'ending') finish(stream, []);
  }

  function end(stream: Stream, reason: EndReason): void {
    if (stream.phase.name === 'ending') return;
    finish(stream, [{ type: 'ended', reason, retry: reason === 'TOKEN_EXPIRED' || reason === 'SERVER_SHUTDOWN' || reason === 'SLOW_CONSUMER', at: clock() }]);
  }

  /** These are the last items. */
  function finish(stream: Stream, last: FollowItem[]): void {
    if (isClosed(stream)) return;
    stream.phase = { name: 'ending' };
    stream.queue = last;
    wakeUp(stream);
  }

  function endAll(reason: EndReason): void {
    for (const stream of audience.all()) end(stream, reason);
  }

  /** Live-only news of a chat, for all who follow it but one. */
  function tell(chatId: ChatId, kind: EventKind, ephemeral: Ephemeral, exceptUserId: UserId): void {
    for (const stream of audience.ofChat(chatId)) {
      const { kinds, userId, only } = stream.options;
      if (userId !== exceptUserId && (!kinds || kinds.has(kind)) && (only || !stream.chatIds || stream.chatIds.has(chatId))) push(stream, ephemeral);
    }
  }

  function push(stream: Stream, ephemeral: Ephemeral): void {
    const { phase } = stream;
    if (phase.name === 'closed' || phase.name === 'ending') return;
    // Nothing live comes before the backlog is done.
    const list = phase.name === 'replaying' ? phase.held : stream.queue;
    if (list.length < pageSize) list.push({ type: 'ephemeral', ephemeral });
    else stream.missed = true;
    wakeUp(stream);
  }

  function beat(): void {
    const [now, silentSince] = [clock(), performance.now() - config.HEARTBEAT_SECONDS * 1000];
    for (const stream of audience.all()) {
      // The clock may have been set forward since the timer was: tokens are over when it says so, here as everywhere.
      if (stream.options.expiresAt <= now) end(stream, 'TOKEN_EXPIRED');
      if (stream.lastItemAt > silentSince || stream.phase.name !== 'live' || stream.queue.length > 0) continue;
      stream.lastItemAt = performance.now();
      put(stream, { type: 'heartbeat', cursor: newest.cursorOf(newest.head()), at: clock() });
    }
  }
}
