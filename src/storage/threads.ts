/** A thread of the database, seen from the main thread: it is asked one thing after the other, and answers in this order. */
import { setFlagsFromString } from 'node:v8';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { AppError } from '../errors.ts';
import { type Answer, type Bound, fromWire, type Request, type Statement, type ThreadStart } from './crossing.ts';

export type Thread = ReturnType<typeof startThread>;

/** Twice so much is a thread's young generation: it makes little garbage, and that is gone at once. */
const youngMegabytes = 4;

type Modules = Pick<ThreadStart, 'jobs' | 'functions'>;
type Begun = ReturnType<typeof begin>;
let ahead: (Modules & { begun: Begun }) | null = null;

/** Begins a thread before anybody knows which file it is for: it loads while the main thread does. The next that is started with these modules is this one. */
export function beginThread(name: string, modules: Modules): void {
  ahead = { ...modules, begun: begin(name, modules) };
}

function takeAhead({ jobs, functions }: Modules): Begun | null {
  if (ahead?.jobs !== jobs || ahead.functions !== functions) return null;
  const { begun } = ahead;
  ahead = null;
  return begun;
}

function begin(name: string, modules: Modules) {
  const { port1: port, port2: itsPort } = new MessageChannel();
  const sent = new Int32Array(new SharedArrayBuffer(4));
  // What `npm start` says for the main thread, which has its own by now, would count for threads, too, before any `resourceLimits`.
  setFlagsFromString(`--max-semi-space-size=${youngMegabytes}`);
  const worker = new Worker(new URL('./thread.js', import.meta.url), {
    name,
    workerData: { ...modules, port: itsPort, sent } satisfies ThreadStart,
    transferList: [itsPort],
  });
  // Only what is waited for keeps the process alive.
  worker.unref();
  return { port, sent, worker };
}

/**
 * A thread with connections to this file, opened when it is first asked for something. `died` is told when the thread has ended without having been asked to. What it
 * was asked fails with UNAVAILABLE, then and from then on: a transaction may have been committed or not.
 */
export function startThread({ name, file, pragmas, died, ...modules }: Modules & { name: string; file: string; pragmas: readonly string[]; died: (error: Error) => void }) {
  const { port, sent, worker } = takeAhead(modules) ?? begin(name, modules);
  const waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void }[] = [];
  const numbers = new Map<string, number>();
  let state: 'running' | 'closing' | 'dead' = 'running';
  port.on('message', (first: string) => {
    answer(first);
    // Without a turn of the event loop for each of them.
    answerAll();
  });
  worker.on('error', end);
  worker.on('exit', () => end(new Error(`the thread ${name} has ended`)));
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  port.unref();
  ask({ type: 'place', file, pragmas }).catch(() => {});
  return { ask, statementOf, close };

  function ask(request: Request): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (state !== 'running') return reject(new AppError('UNAVAILABLE'));
      if (waiting.push({ resolve, reject }) === 1) port.ref();
      port.postMessage(JSON.stringify(request));
      Atomics.add(sent, 0, 1);
      Atomics.notify(sent, 0);
    });
  }

  function answer(text: string): void {
    const asked = waiting.shift();
    if (waiting.length === 0) port.unref();
    const answered = JSON.parse(text) as Answer;
    if (answered.error) asked?.reject(fromWire(answered.error));
    else asked?.resolve(answered);
  }

  function answerAll(): void {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) answer(next.message);
  }

  function statementOf(text: string, values: readonly Bound[]): Statement {
    const known = numbers.get(text);
    if (known !== undefined) return { number: known, values };
    const number = numbers.size;
    numbers.set(text, number);
    return { number, text, values };
  }

  function end(error: Error): void {
    const before = state;
    state = 'dead';
    // What it had answered may not have come in yet.
    answerAll();
    for (const { reject } of waiting.splice(0)) reject(new AppError('UNAVAILABLE', undefined, undefined, { cause: error }));
    port.close();
    if (before === 'running') died(error);
  }

  /** Resolves when its connections are closed and it has ended. */
  async function close(): Promise<void> {
    if (state !== 'running') return;
    const closed = ask({ type: 'close' });
    state = 'closing';
    worker.ref();
    await closed.finally(() => ended);
  }
}
