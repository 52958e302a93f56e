/** The queue for password hashes. A few run at a time; whoever asks for many waits behind their own, and people who sign in go before everything else. */

import { AppError } from '../errors.ts';
import type { UserId } from '../ids.ts';
import { networkOf } from './rate-limits.ts';

export type PasswordQueue = ReturnType<typeof createPasswordQueue>;
/** Whose turn a job takes. */
export type Turn = {
  /** Somebody waits at the door. */
  signIn?: boolean;
  account?: UserId;
  address?: string | undefined;
  /** Jobs with the same text never run side by side, so that guesses are counted one by one. */
  alone?: string;
};

type Job = { place: number; signIn: boolean; owners: readonly Owner[]; alone: string | null; start: () => void; refuse: (error: AppError) => void };
type Owner = { name: string; most: number };

/** So many sign-ins may go ahead of a job that is none. */
const signInsInARow = 4;
/** Which part of the queue may hold the jobs of one account, and of one address, behind which there may be a whole school. */
const shareOfAccount = 1 / 8;
const shareOfAddress = 3 / 4;

/**
 * Runs at most `width` jobs at a time while at most `depth` wait. A job's place is behind the last job of its account and of its address, so others get their turns
 * in between (start-time fair queueing). When the queue is full, the job with the last place is refused: whoever filled it loses, not whoever comes.
 */
export function createPasswordQueue(width: number, depth: number) {
  const waiting: Job[] = [];
  const alone = new Set<string>();
  /** Of each owner, the place of the last job. */
  const places = new Map<string, number>();
  /** The place of the job that started last. */
  let current = 0;
  let running = 0;
  let signInsStarted = 0;
  return { run };

  /** Fails with UNAVAILABLE when too many are waiting. */
  async function run<T>(turn: Turn, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((start, refuse) => enqueue(toJob(turn, start, refuse)));
    try {
      return await work();
    } finally {
      running--;
      if (turn.alone !== undefined) alone.delete(turn.alone);
      if (running + waiting.length === 0) forgetPlaces();
      startNext();
    }
  }

  function toJob(turn: Turn, start: () => void, refuse: (error: AppError) => void): Job {
    const owners: Owner[] = [];
    if (turn.account !== undefined) owners.push({ name: `account ${turn.account}`, most: Math.ceil(depth * shareOfAccount) });
    if (turn.address) owners.push({ name: `address ${networkOf(turn.address)}`, most: Math.ceil(depth * shareOfAddress) });
    const place = 1 + owners.reduce((latest, { name }) => Math.max(latest, places.get(name) ?? 0), current);
    return { place, signIn: turn.signIn ?? false, owners, alone: turn.alone ?? null, start, refuse };
  }

  function enqueue(job: Job): void {
    const isFull = job.owners.some(({ name, most }) => waiting.filter(({ owners }) => owners.some((owner) => owner.name === name)).length >= most);
    if (isFull) return job.refuse(new AppError('UNAVAILABLE'));
    for (const { name } of job.owners) places.set(name, job.place);
    waiting.push(job);
    startNext();
    if (waiting.length > depth) refuse(waiting.reduce((last, each) => (isBehind(each, last) ? each : last)));
  }

  function refuse(job: Job): void {
    waiting.splice(waiting.indexOf(job), 1);
    // What was refused makes nobody wait longer.
    for (const { name } of job.owners) if (places.get(name) === job.place) places.set(name, job.place - 1);
    job.refuse(new AppError('UNAVAILABLE'));
  }

  function startNext(): void {
    while (running < width) {
      const job = takeNext();
      if (!job) return;
      running++;
      if (job.alone !== null) alone.add(job.alone);
      current = Math.max(current, job.place);
      signInsStarted = job.signIn ? signInsStarted + 1 : 0;
      job.start();
    }
  }

  function takeNext(): Job | null {
    const ready = waiting.filter((job) => job.alone === null || !alone.has(job.alone));
    const others = signInsStarted >= signInsInARow ? ready.filter((job) => !job.signIn) : [];
    const [first, ...rest] = others.length > 0 ? others : ready;
    if (!first) return null;
    const next = rest.reduce((best, each) => (isBehind(best, each) ? each : best), first);
    waiting.splice(waiting.indexOf(next), 1);
    return next;
  }

  function forgetPlaces(): void {
    places.clear();
    current = 0;
  }
}

const isBehind = (a: Job, b: Job): boolean => (a.signIn === b.signIn ? a.place > b.place : b.signIn);
