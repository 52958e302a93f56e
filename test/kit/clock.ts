/**
 * A clock that a test sets: preloaded into a server's process (`NODE_OPTIONS=--import=…`), it moves what `Date` says by the milliseconds in the file CLOCK_OFFSET,
 * read again on SIGUSR2. Elapsed time (`performance.now()`, timers) goes on as it does when somebody sets a machine's clock.
 */
import { readFileSync } from 'node:fs';

const real = Date;
const file = process.env.CLOCK_OFFSET ?? '';
let offsetMs = 0;
const now = (): number => real.now() + offsetMs;

process.on('SIGUSR2', () => {
  offsetMs = Number(readFileSync(file, 'utf8'));
});
globalThis.Date = new Proxy(real, {
  construct: (target, given, self) => Reflect.construct(target, given.length > 0 ? given : [now()], self),
  get: (target, name, self) => (name === 'now' ? now : Reflect.get(target, name, self)),
});
