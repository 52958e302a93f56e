/** What is open on this node: how many connections each account has, which sessions have just ended, and which requests are still being answered. */
import type { EndReason } from '../events/event.ts';
import type { Tail } from '../events/tail.ts';
import type { SessionId, UserId } from '../ids.ts';

export type Connections = ReturnType<typeof createConnections>;

const rememberedEnds = 1_000;

export function createConnections({ tail, maxPerAccount }: { tail: Pick<Tail, 'onEvent'>; maxPerAccount: number }) {
  const perAccount = new Map<UserId, number>();
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
    takePlace(userId: UserId): (() => void) | null {
      const taken = perAccount.get(userId) ?? 0;
      if (taken >= maxPerAccount) return null;
      perAccount.set(userId, taken + 1);
      return once(() => {
        const left = (perAccount.get(userId) ?? 1) - 1;
        if (left > 0) perAccount.set(userId, left);
        else perAccount.delete(userId);
      });
    },

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

function once(job: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    job();
  };
}
