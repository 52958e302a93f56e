/**
 * Group commit: intentions of one kind that are under way at the same time share a transaction, which is what makes full durability cheap.
 */
import { AppError } from '../errors.ts';
import { isUniqueViolation } from '../storage/failures.ts';
import { onBehalfOf } from '../turns.ts';

/** What became of one item: a refused one fails alone. */
export type Outcome<Result> = { result: Result } | { error: unknown };
/** Decides and stores a batch in a transaction; gives an outcome for each item, in their order. May run again with the same items: it must not change them. */
export type StoreBatch<Item, Result> = (items: readonly Item[]) => Promise<Outcome<Result>[]>;

const largestBatch = 256;

/** Returns a function that resolves when its item is stored for good, or fails with the item's own error. */
export function createGroup<Item, Result>(store: StoreBatch<Item, Result>): (item: Item) => Promise<Result> {
  let waiting: { item: Item; resolve: (result: Result) => void; reject: (error: unknown) => void }[] = [];
  let busy = false;
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (busy) return;
      busy = true;
      // After the sockets that are readable now have been read: what they bring shares the transaction.
      setImmediate(() => onBehalfOf(null, drain));
    });

  async function drain(): Promise<void> {
    for (let next = begin(); next; next ??= begin()) {
      const { batch, settled } = next;
      const outcomes = await settled;
      // What came meanwhile is on its way to the database before anybody here is answered.
      next = begin();
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index] as Outcome<Result>;
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.result);
      }
      await new Promise((turn) => setImmediate(turn));
    }
    busy = false;
  }

  function begin() {
    if (waiting.length === 0) return null;
    const batch = waiting.slice(0, largestBatch);
    waiting = waiting.slice(largestBatch);
    return { batch, settled: settle(batch.map(({ item }) => item)) };
  }

  async function settle(items: Item[]): Promise<Outcome<Result>[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await store(items);
      } catch (error) {
        // Another node stored the same thing in between: the next look finds it.
        if (isUniqueViolation(error) && attempt < 5) continue;
        if (items.length === 1 || error instanceof AppError) return items.map(() => ({ error }));
        const alone: Outcome<Result>[] = [];
        for (const item of items) for (const outcome of await settle([item])) alone.push(outcome);
        return alone;
      }
    }
  }
}
