/** Which sessions are alive, remembered so that a request need not ask the database, and when they were last in use. */
import { LRUCache } from 'lru-cache';
import type { Tail } from '../events/tail.ts';
import type { SessionId, UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import { oneOfList, toDate } from '../storage/sql.ts';

export type LiveSessions = ReturnType<typeof createLiveSessions>;
/** `readAt` is by the clock that nobody sets. */
type LiveSession = { userId: UserId; expiresAt: number; lastActiveAt: number; readAt: number };

const activityStepMs = 60_000;
const activityDelayMs = 1_000;
const latelyMs = 1_000;

export function createLiveSessions({ db, tail, clock, log }: { db: Database; tail: Pick<Tail, 'onEvent'>; clock: () => Date; log: Log }) {
  const live = new LRUCache<SessionId, LiveSession>({ max: 50_000 });
  /** Sessions that ended. A row that was read before the end must not be remembered after it. An ended session never comes back. */
  const ended = new LRUCache<SessionId, true>({ max: 10_000 });
  const active = new Set<SessionId>();
  let activityTimer: NodeJS.Timeout | null = null;
  const stopListening = tail.onEvent((event) => {
    if (event.type === 'session-ended') forget(event.sessionId);
  });
  return { find, forget, noteActivity, close };

  /**
   * The session, unless it has ended or expired. On PostgreSQL another node may have ended it: `lately` accepts what was read within the last second, for callers that
   * hear of the end anyway. Fails with UNAVAILABLE when the database must be asked and cannot.
   */
  async function find(sessionId: SessionId, now: number, trusted: 'just now' | 'lately' = 'just now'): Promise<LiveSession | null> {
    const known = live.get(sessionId);
    // A refresh may have moved the expiry, so only the row knows whether it has passed.
    const trustedMs = db.engine === 'sqlite' ? Number.POSITIVE_INFINITY : trusted === 'lately' ? latelyMs : 0;
    if (known && known.expiresAt > now && performance.now() - known.readAt < trustedMs) return known;
    type Row = { userId: UserId; expiresAt: unknown; lastActiveAt: unknown; endedAt: unknown };
    const [row] = await db.sql.all<Row>('SELECT "userId", "expiresAt", "lastActiveAt", "endedAt" FROM "Session" WHERE "id" = ?', [sessionId]);
    if (!row || row.endedAt !== null || toDate(row.expiresAt).getTime() <= now || ended.has(sessionId)) return null;
    const lastActiveAt = Math.max(toDate(row.lastActiveAt).getTime(), known?.lastActiveAt ?? 0);
    const session = { userId: row.userId, expiresAt: toDate(row.expiresAt).getTime(), lastActiveAt, readAt: performance.now() };
    live.set(sessionId, session);
    return session;
  }

  /** The session has ended: forgets what was known of it. */
  function forget(sessionId: SessionId): void {
    ended.set(sessionId, true);
    live.delete(sessionId);
  }

  /** Notes, at most once a minute, that a session is in use. All notes of one second share a statement. */
  function noteActivity(sessionId: SessionId, session: LiveSession, now: number): void {
    // Also when the clock was set back since.
    if (Math.abs(now - session.lastActiveAt) < activityStepMs) return;
    session.lastActiveAt = now;
    active.add(sessionId);
    activityTimer ??= setTimeout(() => void storeActivity(), activityDelayMs).unref();
  }

  /** Nobody waits for this, so failures are only logged. */
  async function storeActivity(): Promise<void> {
    activityTimer = null;
    const ids = [...active];
    active.clear();
    if (ids.length === 0) return;
    try {
      await db.sqlTransaction((sql) => sql.all(`UPDATE "Session" SET "lastActiveAt" = ? WHERE ${oneOfList(sql.engine, '"id"')}`, [clock(), ids]));
    } catch (error) {
      log.warn({ err: error }, 'the last activity of sessions could not be stored');
    }
  }

  /** Stores the notes that are left. Call it before the database closes. */
  async function close(): Promise<void> {
    stopListening();
    if (activityTimer) clearTimeout(activityTimer);
    await storeActivity();
  }
}
