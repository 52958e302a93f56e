/** What is open on this node: how many connections each account has, which sessions have just ended, and which requests are still being answered. */
import type { Config } from '../config.ts';
import type { EndReason } from '../events/event.ts';
import type { Tail } from '../events/tail.ts';
import type { SessionId, UserId } from '../ids.ts';

export type Connections = ReturnType<typeof createConnections>;

const rememberedEnds = 1_000;

export function createConnections({
  tail,
  config,
}: {
  tail: Pick<Tail, 'onEvent'>;
  config: Pick<Config, 'MAX_SOCKETS_PER_ACCOUNT' | 'MAX_ANONYMOUS_SOCKETS_PER_ADDRESS' | 'RATE_LIMITS'>;
}) {
  const accounts = createPlaces<UserId>(config.MAX_SOCKETS_PER_ACCOUNT);
  const addresses = createPlaces<string>(config.RATE_LIMITS ? config.MAX_ANONYMOUS_SOCKETS_PER_ADDRESS : Number.POSITIVE_INFINITY);
  const ended = new Map<SessionId, EndReason>();
  const bySession = new Map<SessionId, Set<(reason: EndReason) => void>>();
  let running = 0;
  let whenIdle: (() => void)[] = [];
  const stopListening = tail.onEvent((event) => {
    if (event.type !== 'session-ended') return;
    ended.set(event.sessionId, event.reason);
    for (const oldest of ended.keys()) if (ended.size > rememberedEnds) ended.delete(oldest);
    for (const tell of bySession.get(event.sessionId) ?? []) tell(event.reason);
  });

  return {
    /** Takes one of the account's places and returns how to give it back; null when all are taken. Sockets and SSE streams share them. */
    takePlace: accounts.take,
    /** The same for a socket on which nobody has signed in yet, by the client's network. */
    takeAnonymousPlace: addresses.take,

    /** Calls back when the session ends, also when that happened while its token was being checked. Returns how to stop. */
    onSessionEnd(sessionId: SessionId, tell: (reason: EndReason) => void): () => void {
      const before = ended.get(sessionId);
      if (before) queueMicrotask(() => tell(before));
      const listeners = bySession.get(sessionId) ?? new Set();
      bySession.set(sessionId, listeners.add(tell));
      return once(() => {
        listeners.delete(tell);
        if (listeners.size === 0 && bySession.get(sessionId) === listeners) bySession.delete(sessionId);
      });
    },

    /** Counts what must be answered before the database may close. Streams are not counted: they are ended. */
    async track<T>(job: () => Promise<T>): Promise<T> {
      running++;
      try {
        return await job();
      } finally {
        running--;
        if (running === 0) for (const wake of whenIdle.splice(0)) wake();
      }
    },
    /** Resolves when nothing is being answered, or when the time is over. */
    async idle(timeoutMs: number): Promise<void> {
      if (running === 0) return;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((wake) => {
        whenIdle.push(wake);
        timer = setTimeout(wake, timeoutMs);
      });
      clearTimeout(timer);
      whenIdle = [];
    },
    close(): void {
      stopListening();
    },
  };
}

function createPlaces<Key>(most: number) {
  const taken = new Map<Key, number>();
  return {
    take(key: Key): (() => void) | null {
      const before = taken.get(key) ?? 0;
      if (before >= most) return null;
      taken.set(key, before + 1);
      return once(() => {
        const left = (taken.get(key) ?? 1) - 1;
        if (left > 0) taken.set(key, left);
        else taken.delete(key);
      });
    },
  };
}

function once(job: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    job();
  };
}
