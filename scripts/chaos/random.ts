/** Repeatable randomness: the same seed, the same choices. */
export type Random = ReturnType<typeof createRandom>;

/** Mulberry32. */
export function createRandom(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    /** From 0 up to 1. */
    next,
    between: (low: number, high: number): number => low + next() * (high - low),
    any: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T,
  };
}
