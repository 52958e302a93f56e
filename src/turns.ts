/**
 * Whose turn it is: long work gives others a turn of the event loop in between, and people who want the same thing have it in turn. On SQLite a database answers
 * in the same turn of the loop, so an await alone lets nobody in.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

const longTurnMs = 8;
const wokenAtOnce = 50;
/** When the work of this turn began; 0 when nobody has asked yet. */
let began = 0;
/** In the order they came: one who always has more to do must not keep the others out. */
const waiting: (() => void)[] = [];

/** Resolves at once while this turn is short and nobody waits, otherwise in a later one. To be awaited between the pieces of work that may be many. */
export async function yieldWhenLong(): Promise<void> {
  let mayGo = waiting.length === 0;
  while (!mayGo || isTurnLong()) {
    await new Promise<void>((wake) => waiting.push(wake));
    mayGo = true;
  }
}

/** Whether this turn has taken so long that others should have theirs before more is done. */
export function isTurnLong(): boolean {
  if (began === 0) begin();
  return performance.now() - began > longTurnMs;
}

function begin(): void {
  began = performance.now();
  setImmediate(() => {
    began = 0;
    if (waiting.length === 0) return;
    begin();
    for (const wake of waiting.splice(0, wokenAtOnce)) wake();
  });
}

const asker = new AsyncLocalStorage<number | null>();

/** Everything that `job` begins is done on behalf of this account, or, with null, of nobody in particular: `createTurns` goes by that. */
export const onBehalfOf = <T>(userId: number | null, job: () => T): T => asker.run(userId, job);

/**
 * Runs jobs one after the other, in turn for those on whose behalf they are: whoever has many waiting has one for each of the others'. Jobs of nobody in
 * particular count as one person's. The event loop goes on between them.
 */
export function createTurns() {
  /** Who has jobs waiting, the next first. */
  const waiting = new Map<number | null, (() => Promise<void>)[]>();
  let working: Promise<void> | null = null;
  return {
    take<T>(job: () => Promise<T>): Promise<T> {
      return new Promise((resolve, reject) => {
        const who = asker.getStore() ?? null;
        const run = AsyncLocalStorage.bind(() => job().then(resolve, reject));
        const jobs = waiting.get(who);
        if (jobs) jobs.push(run);
        else waiting.set(who, [run]);
        working ??= work();
      });
    },
    /** Resolves when nobody has a job waiting. */
    idle: async (): Promise<void> => void (await working),
  };

  async function work(): Promise<void> {
    for (let next = takeNext(); next; next = takeNext()) {
      await yieldWhenLong();
      await next();
    }
    working = null;
  }

  function takeNext(): (() => Promise<void>) | undefined {
    const [first] = waiting;
    if (!first) return undefined;
    const [who, jobs] = first;
    waiting.delete(who);
    const job = jobs.shift();
    if (jobs.length > 0) waiting.set(who, jobs);
    return job;
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

/** So long an answer waits for work that goes on by itself afterwards. */
const patienceMs = 2_000;

/** Work that may take longer than an answer should wait for it: one at a time of each name. A failure is told to `failed`, not to who waits. */
export function createBackground<Name>(failed: (error: unknown, name: Name) => void) {
  const running = new Map<Name, Promise<void>>();
  let stopping = false;
  return {
    /** Resolves when the work is over, or when that takes too long. It is given whether it may go on; a stop waits for the piece that is under way. */
    async run(name: Name, work: (mayGoOn: () => boolean) => Promise<void>): Promise<void> {
      let job = running.get(name);
      if (!job) {
        job = work(() => !stopping)
          .catch((error) => failed(error, name))
          .finally(() => running.delete(name));
        running.set(name, job);
      }
      const patience = new AbortController();
      await Promise.race([job, sleep(patienceMs, undefined, { signal: patience.signal, ref: false }).catch(() => {})]);
      patience.abort();
    },
    async close(): Promise<void> {
      stopping = true;
      await Promise.all(running.values());
    },
  };
}
