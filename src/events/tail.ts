/** The live end of the log: what is new, who is told of it, and the streams that hand it out, put together. */
import { LRUCache } from 'lru-cache';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import { createAudience } from './audience.ts';
import type { LogEvent } from './event.ts';
import type { EventLog } from './event-log.ts';
import { createFollowers } from './follower.ts';
import { createNewest } from './newest.ts';

/** What was read for those who are handed an event, at one position of the log. */
export type Reads = { cursor: string; readAt: number; loaders: Map<string, unknown> };
export type Tail = Awaited<ReturnType<typeof createTail>>;

export async function createTail({
  db,
  eventLog,
  config,
  clock,
  log,
  canRead,
  hydrate,
}: {
  db: Database;
  eventLog: EventLog;
  config: Config;
  clock: () => Date;
  log: Log;
} & Pick<Parameters<typeof createFollowers>[0], 'canRead' | 'hydrate'>) {
  const listeners = new Set<(event: LogEvent) => void>();
  const skipListeners = new Set<() => void>();
  // A message is in two events: it is announced, and it notifies.
  const read = async (events: LogEvent[]): Promise<void> => {
    if (audience.isAnybody()) await hydrate(events);
  };
  const newest = await createNewest({ db, eventLog, config, log, read, accepted, skipped });
  const audience = createAudience({ db, lost: (stream) => followers.lose(stream) });
  const followers = createFollowers({ db, eventLog, newest, audience, config, clock, log, canRead, hydrate });
  return {
    follow: followers.follow,
    tell: followers.tell,
    /** Streams that are opened from now on end at once. */
    stop: followers.stop,
    followerCount: followers.count,
    offer: newest.offer,
    look: newest.look,
    /** At most `count` of the events after a position; null when that lies further back than what is in memory. */
    readAfter: newest.readAfter,
    /** The position of the newest event this node has seen: never newer than what a query reads after asking. */
    cursor: (): string => newest.cursorOf(newest.head()),
    cursorOf: newest.cursorOf,
    head: newest.head,
    setPruned: newest.setPruned,
    /** Called for each event in order, before any stream has it. Returns how to stop. */
    onEvent: (listener: (event: LogEvent) => void): (() => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    /** Called when what was followed cannot be gone on with: streams end, to be resumed, and connections should, too. */
    onSkip: (listener: () => void): void => void skipListeners.add(listener),
    /** Of the events that were handed out lately: what was read is large, and soon nobody asks for it any more. */
    reads: new LRUCache<LogEvent, Reads>({ max: 100 }),
    close: (): void => {
      newest.stop();
      followers.close();
    },
  };

  function accepted(event: LogEvent): void {
    audience.learn(event);
    for (const listener of listeners) takeNote(listener, event);
    followers.dispatch(event);
  }

  function skipped(): void {
    followers.endAll('SERVER_SHUTDOWN');
    audience.forget();
    for (const listener of skipListeners) listener();
  }

  /** A listener's mistake is its own: the event was committed, and the streams get it. */
  function takeNote(listener: (event: LogEvent) => void, event: LogEvent): void {
    try {
      listener(event);
    } catch (error) {
      log.error({ err: error, type: event.type }, 'an event was not taken note of');
    }
  }
}
