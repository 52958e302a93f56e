/**
 * The follower of the log that makes messages searchable, soon after they were sent and never as a part of it: the newest first, then what was there before. One
 * small piece at a time, in the thread that writes, with most of the time for the others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tail } from '../events/tail.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import { analyserName } from './analyser.ts';
import { type Covered, findProgress, prepare, type Step } from './entries.ts';

export type Indexing = ReturnType<typeof createIndexing>;

/** What has just been said is looked at together. */
const gatherMs = 100;
/** After a piece the others have so many times as long. */
const shareOfOthers = 4;
const shortestPauseMs = 2;
const longestPauseMs = 500;
const firstRetryMs = 1_000;
const longestRetryMs = 60_000;

export function createIndexing({ db, tail, log }: { db: Database; tail: Pick<Tail, 'onEvent' | 'head'>; log: Log }) {
  const stopping = new AbortController();
  let working: Promise<void> | null = null;
  let again = false;
  let isPrepared = false;
  /** As far as this server knows. */
  let covered: Covered | null = null;
  const stopListening = tail.onEvent(({ type }) => {
    if (type === 'message-added') look();
  });
  look();
  return { look, idle, close };

  /** There may be something new. Harmless at any time. */
  function look(): void {
    again = true;
    working ??= work().finally(() => {
      working = null;
    });
  }

  async function work(): Promise<void> {
    for (let retryMs = firstRetryMs; again && !stopping.signal.aborted; ) {
      await pause(gatherMs);
      again = false;
      try {
        await indexNew();
        retryMs = firstRetryMs;
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.warn({ err: error }, 'messages cannot be made searchable at the moment; trying again later');
        again = true;
        await pause(retryMs);
        retryMs = Math.min(longestRetryMs, 2 * retryMs);
      }
    }
  }

  async function indexNew(): Promise<void> {
    if (!isPrepared) {
      await db.sqlTransaction((sql) => prepare(sql, tail.head(), analyserName));
      isPrepared = true;
    }
    for (let total = 0; !stopping.signal.aborted; ) {
      const head = tail.head();
      // Another server may have done it.
      if (covered === null || db.engine === 'postgresql') covered = await findProgress(db.sql);
      if (covered === null || (covered.upToId >= head && covered.fromId === 0)) return;
      const wasComplete = covered.fromId === 0;
      if (!wasComplete && total === 0) log.info('messages are being made searchable');
      const startedAt = performance.now();
      const step = await db.run<Step>('index messages', { head });
      const tookMs = performance.now() - startedAt;
      covered = step;
      total += step.indexed;
      if (!wasComplete && step.fromId === 0) log.info({ messages: total }, 'all messages can be searched');
      // What came meanwhile gathers first: each piece is a commit.
      if (step.upToId >= head && step.fromId === 0) return;
      await pause(Math.max(shortestPauseMs, Math.min(longestPauseMs, shareOfOthers * tookMs)));
    }
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { ref: false, signal: stopping.signal }).catch(() => {});
  }

  /** Resolves when nothing is left to be done. */
  async function idle(): Promise<void> {
    look();
    await working;
  }

  /** What is left is done after the next start. */
  async function close(): Promise<void> {
    stopListening();
    stopping.abort();
    await working;
  }
}
