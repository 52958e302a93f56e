/** Turns of the event loop: long work gives others theirs in between. On SQLite a database answers in the same turn, so an await alone lets nobody in. */
import { setImmediate as nextTurn } from 'node:timers/promises';

const longTurnMs = 8;
let began = 0;

/** Resolves at once while this turn is short, otherwise in a later one. To be awaited between the pieces of work that may be many. */
export async function yieldWhenLong(): Promise<void> {
  for (;;) {
    const now = performance.now();
    if (began === 0) {
      began = now;
      setImmediate(() => {
        began = 0;
      });
    }
    if (now - began < longTurnMs) return;
    await nextTurn();
  }
}

/** Runs jobs of one key one after the other, with a turn for everybody else between them; jobs of different keys do not wait for each other. */
export function createQueues<Key>() {
  const last = new Map<Key, Promise<unknown>>();
  return async <T>(key: Key, job: () => Promise<T>): Promise<T> => {
    const turn = (last.get(key) ?? Promise.resolve()).then(nextTurn).then(yieldWhenLong).then(job);
    const settled = turn.catch(() => {});
    last.set(key, settled);
    try {
      return await turn;
    } finally {
      if (last.get(key) === settled) last.delete(key);
    }
  };
}
