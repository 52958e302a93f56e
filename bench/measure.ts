/** One measured stretch of a contestant: what a load reports, what a bystander waited meanwhile, and what the process took of processor and memory. */
import { readFileSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Arena, Contestant } from './arena.ts';
import { quantile } from './kit.ts';

/** Figures by their name; what a table shows of them, the workload decides. */
export type Figures = Record<string, number>;
export type Options = { seconds: number; rounds: number; subscribers: number; history: number };
/** What a round did: its figures, and how many of what is measured, so that the processor's time can be told for each. */
export type Done = { figures: Figures; count?: number };
/** Prepares one contestant and gives what is run once in each round. */
export type Prepare = (arena: Arena, options: Options) => Promise<{ run(): Promise<Done>; close?(): void }>;
export type Result = { contestant: string; rounds: Figures[] };

type Entry = { contestant: Contestant; prepare: Prepare };

/** Contestants take turns: what else the machine does meets all alike. Where this process may not have that many files open, one begins when the one before is over. */
export async function interleaved(entries: readonly Entry[], options: Options): Promise<Result[]> {
  if (entries.length * options.subscribers < 0.9 * mostOpenFiles()) return takeTurns(entries, options);
  const results: Result[] = [];
  for (const entry of entries) results.push(...(await takeTurns([entry], options)));
  return results;
}

/** All are started and prepared before the first round. */
async function takeTurns(entries: readonly Entry[], options: Options): Promise<Result[]> {
  await using stack = new AsyncDisposableStack();
  const ready: { name: string; arena: Arena; run(): Promise<Done>; rounds: Figures[] }[] = [];
  for (const { contestant, prepare } of entries) {
    const arena = stack.use(await contestant.start());
    const { run, close } = await prepare(arena, options);
    if (close) stack.defer(close);
    ready.push({ name: contestant.name, arena, run, rounds: [] });
  }
  for (let round = 0; round < options.rounds; round++) for (const { arena, run, rounds } of ready) rounds.push(await watched(arena, run));
  return ready.map(({ name, rounds }) => ({ contestant: name, rounds }));
}

async function watched(arena: Arena, run: () => Promise<Done>): Promise<Figures> {
  const bystander = new Worker(new URL('bystander.ts', import.meta.url), { workerData: { url: arena.url, hello: arena.hello } });
  await new Promise((online) => bystander.once('online', online));
  forgetPeak(arena.pid);
  const cpuBefore = cpuSeconds(arena.pid);
  const { figures, count } = await run();
  const cpu = cpuSeconds(arena.pid) - cpuBefore;
  const waits = new Promise<number[]>((resolve, reject) => bystander.once('message', resolve).once('error', reject));
  bystander.postMessage('stop');
  const waited = await waits;
  return {
    ...figures,
    ...(count === undefined ? {} : { 'CPU µs each': (cpu * 1e6) / count }),
    'bystander p99': quantile(waited, 0.99),
    'longest wait': Math.max(...waited),
    'memory MB': peakMemory(arena.pid) / 2 ** 20,
  };
}

const statusOf = (pid: number, name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
export const residentMemory = (pid: number): number => statusOf(pid, 'VmRSS');
const peakMemory = (pid: number): number => statusOf(pid, 'VmHWM');
/** The peak is counted from here. */
const forgetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');
const mostOpenFiles = (): number => Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1_024);
/** User and system time; Linux counts it in hundredths. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
