/**
 * Streams that hand out an item without a promise where one is at hand. A message for a thousand readers passes a handful of stages for each of them: as async
 * iterators these cost more than everything else that is done for a reader (docs/decisions/shared-execution.md).
 */

/** A value that is at hand, or a promise of it. */
export type Soon<T> = T | Promise<T>;

export const whenDone = <T, R>(value: Soon<T>, next: (value: T) => Soon<R>): Soon<R> => (value instanceof Promise ? value.then(next) : next(value));

/** What an attempt answers that came to nothing. */
export const again = Symbol('again');

/** Attempts until one has an answer. A loop, however many have none: promises that wait for each other would be kept until the last. */
export function untilAnswer<T>(attempt: () => Soon<T | typeof again>): Soon<T> {
  for (;;) {
    const answer = attempt();
    if (answer instanceof Promise) return later(answer);
    if (answer !== again) return answer;
  }

  async function later(first: Promise<T | typeof again>): Promise<T> {
    for (let answer = await first; ; answer = await attempt()) if (answer !== again) return answer;
  }
}

/** The next item, or null while there is none: then `wake` is called once, in a later turn, when it is time to ask again. */
export type Poll<T> = (wake: () => void) => Soon<IteratorResult<T> | null>;

/** To be read by one reader, in either way. `return()` answers at once, also while the reader is waiting. */
export type Polled<T> = AsyncIterableIterator<T> & { poll: Poll<T>; return(): Promise<IteratorResult<T>> };

export const over: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** `close` ends what it is read from, and so lets go on who waits. */
export function polled<T>(poll: Poll<T>, close: () => Soon<unknown>): Polled<T> {
  const stream: Polled<T> = {
    [Symbol.asyncIterator]: () => stream,
    poll,
    async next() {
      for (;;) {
        let wake = (): void => {};
        const woken = new Promise<void>((resolve) => (wake = resolve));
        const found = await poll(wake);
        if (found) return found;
        await woken;
      }
    },
    async return() {
      await close();
      return over;
    },
  };
  return stream;
}
