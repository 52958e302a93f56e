/** In large rooms, what changes often is told at most once a second: a first change at once, and what came after it when the second is over. */
import type { Log } from '../log.ts';

/** Of more members than this. */
export const largeRoom = 50;
const everyMs = 1_000;

export function createTelling({
  tell,
  log,
}: {
  /** Tells what was stored of a key and not told yet. */
  tell: (key: string) => Promise<void>;
  log: Log;
}) {
  /** What was told within the last second, and whether there is more to tell of it. */
  const quiet = new Map<string, boolean>();
  return { canTell, isQuiet: (key: string): boolean => quiet.has(key), close };

  /** Whether a change may be told at once. Otherwise it is to be stored as untold, and is told within a second. */
  function canTell(key: string): boolean {
    if (quiet.has(key)) {
      quiet.set(key, true);
      return false;
    }
    beQuiet(key);
    return true;
  }

  function beQuiet(key: string): void {
    if (!quiet.has(key)) quiet.set(key, false);
    setTimeout(() => {
      if (quiet.get(key)) void tellRest(key).then(() => beQuiet(key));
      else quiet.delete(key);
    }, everyMs).unref();
  }

  async function tellRest(key: string): Promise<void> {
    if (!quiet.get(key)) return;
    quiet.set(key, false);
    await tell(key).catch((error) => {
      // Again in a second.
      quiet.set(key, true);
      log.warn({ err: error }, 'a change was stored but not told yet');
    });
  }

  /** Nothing that was stored stays untold when the server stops. */
  async function close(): Promise<void> {
    await Promise.all([...quiet.keys()].map(tellRest));
    quiet.clear();
  }
}
