/**
 * Whose picture is decoded next. Decoding takes a second or more at worst, however small the file: accounts take turns, what is light does not wait for what is
 * heavy, and nobody has many waiting.
 */
import { AppError } from '../errors.ts';
import type { UserId } from '../ids.ts';

export type Decoding = ReturnType<typeof createDecoding>;
type Job = { run: () => Promise<void>; refuse: (error: AppError) => void };

/** Of one account. An upload is completed again when it was refused; a page that shows many pictures asks once. */
const mostOfOne = { upload: 20, look: 1_000 };
const mostWaiting = 10_000;
/** A second's work or so. */
const heavyPixels = 16_000_000;
/** AVIF takes so much longer than the other formats. */
const avifFactor = 4;

/** Whether decoding takes long, by what the picture says of itself; what says nothing may. */
export const isHeavy = ({ width, height, type }: { width: number | null; height: number | null; type: string }): boolean =>
  width === null || height === null || width * height * (type === 'image/avif' ? avifFactor : 1) > heavyPixels;

export function createDecoding() {
  // Threads decode, of which everything else needs some, too: one light picture and one heavy at a time.
  const lanes = [createLane(), createLane()] as const;
  const waitingOf = new Map<string, number>();
  let waiting = 0;
  let closed = false;
  return { inTurn, close };

  /** Runs a job when it is its turn. Fails with UNAVAILABLE when too many wait, of the account or in all, and when the server stops first. */
  async function inTurn<T>(accountId: UserId, purpose: keyof typeof mostOfOne, heavy: boolean, job: () => Promise<T>): Promise<T> {
    if (closed) throw stopping();
    const key = `${purpose} ${accountId}`;
    if ((waitingOf.get(key) ?? 0) >= mostOfOne[purpose] || waiting >= mostWaiting)
      throw new AppError('UNAVAILABLE', undefined, 'Too many pictures at once: try again in a moment.');
    waiting++;
    waitingOf.set(key, (waitingOf.get(key) ?? 0) + 1);
    try {
      return await new Promise<T>((resolve, reject) => {
        lanes[heavy ? 1 : 0].add(accountId, { run: () => job().then(resolve, reject), refuse: reject });
      });
    } finally {
      waiting--;
      const left = (waitingOf.get(key) ?? 1) - 1;
      if (left === 0) waitingOf.delete(key);
      else waitingOf.set(key, left);
    }
  }

  /** Refuses what waits; resolves when what is under way is done. */
  async function close(): Promise<void> {
    closed = true;
    await Promise.all(lanes.map((lane) => lane.close(stopping())));
  }
}

/** One job at a time, of one account after the other. */
function createLane() {
  /** The account whose turn is next comes first. */
  const jobs = new Map<UserId, Job[]>();
  let working: Promise<void> | null = null;
  return { add, close };

  function add(accountId: UserId, job: Job): void {
    const own = jobs.get(accountId);
    if (own) own.push(job);
    else jobs.set(accountId, [job]);
    working ??= work();
  }

  async function work(): Promise<void> {
    for (let job = next(); job; job = next()) await job.run();
    working = null;
  }

  function next(): Job | undefined {
    const [first] = jobs;
    if (!first) return undefined;
    const [accountId, own] = first;
    const job = own.shift();
    jobs.delete(accountId);
    if (own.length > 0) jobs.set(accountId, own);
    return job;
  }

  async function close(error: AppError): Promise<void> {
    for (const own of jobs.values()) for (const job of own) job.refuse(error);
    jobs.clear();
    await working;
  }
}

const stopping = (): AppError => new AppError('UNAVAILABLE', undefined, 'The server is stopping: try again in a moment.');
