/**
 * When this server cannot tell that somebody is offline. Right after a start, who was there a moment before may be on the way back. And where others
 * share the database and do not say who they have, or the database is away, all that is known is when somebody was last seen, a minute late.
 */
import type { UserId } from '../ids.ts';

export type Doubt = ReturnType<typeof createDoubt>;

export function createDoubt({
  isSure,
  graceMs,
  seenWithinMs,
  clock,
  over,
}: {
  /** Whether it is known who is there on other servers. */
  isSure: () => boolean;
  graceMs: number;
  /** Who is online somewhere is stored as seen at least this often. */
  seenWithinMs: number;
  clock: () => Date;
  /** Called when it has become certain what somebody is of whom `note` was called, unless it is doubtful again. */
  over: (userId: UserId) => void;
}) {
  const began = performance.now();
  const startedAt = clock().getTime();
  const timers = new Map<UserId, NodeJS.Timeout>();
  return { leftMs, note, forget, settle, close };

  /** For how long it cannot be told whether somebody is online who has no connection here; 0 when they are offline. */
  function leftMs(lastSeenAt: Date | null): number {
    if (!lastSeenAt) return 0;
    if (!isSure()) return Math.max(0, lastSeenAt.getTime() + seenWithinMs - clock().getTime());
    const seenBefore = startedAt - lastSeenAt.getTime();
    return seenBefore < 0 || seenBefore > seenWithinMs ? 0 : Math.max(0, began + graceMs - performance.now());
  }

  /** Somebody was told that it is not known. */
  function note(userId: UserId, ms: number): void {
    if (timers.has(userId)) return;
    const timer = setTimeout(() => {
      timers.delete(userId);
      over(userId);
    }, ms + 1);
    timers.set(userId, timer.unref());
  }

  /** It is known now. */
  function forget(userId: UserId): void {
    clearTimeout(timers.get(userId));
    timers.delete(userId);
  }

  /** Nobody else can know better any more. */
  function settle(): void {
    const doubtful = [...timers.keys()];
    close();
    timers.clear();
    for (const userId of doubtful) over(userId);
  }

  function close(): void {
    for (const timer of timers.values()) clearTimeout(timer);
  }
}
