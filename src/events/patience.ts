/** A stream outlives its database: what it asks while that is away is asked again. */
import type { Log } from '../log.ts';
import { isDatabaseAway } from '../storage/failures.ts';
import { isClosed, type Stream } from './stream.ts';

export type Patience = ReturnType<typeof createPatience>;
const againMs = 500;

export function createPatience(log: Log) {
  return { insist, tryLater };

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

  /** Waits a moment after what was the database's fault; throws what was not, and for a stream that nobody reads any more. */
  async function tryLater(stream: Stream, error: unknown): Promise<void> {
    if (isClosed(stream) || !isDatabaseAway(error)) throw error;
    log.warn({ err: error }, 'a stream waits for the event log');
    await new Promise((wake) => setTimeout(wake, againMs));
  }
}
