/**
 * For how long at most nobody else had a turn: the time between two turns of a process's main thread, in milliseconds. Working counts and waiting for the disk, but
 * not waiting for a processor that other processes have (which Linux tells). Preloaded into a server's process (`NODE_OPTIONS=--import=…`), it writes that to the
 * file TURNS on SIGUSR2.
 */
import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';

const everyMs = 2;

/** The time, less what this thread has waited for a processor so far. */
function createOwnTime(): () => number {
  const buffer = Buffer.alloc(100);
  let file: number;
  try {
    file = openSync('/proc/thread-self/schedstat', 'r');
  } catch {
    return () => performance.now();
  }
  process.once('exit', () => closeSync(file));
  return () => {
    const [, waitedNs] = buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0)).split(' ');
    return performance.now() - Number(waitedNs) / 1e6;
  };
}

/** `longest` gives the longest turn since it was asked before. */
export function watchTurns() {
  let longestMs = 0;
  const ownTime = createOwnTime();
  let before = ownTime();
  const look = (): void => {
    const now = ownTime();
    longestMs = Math.max(longestMs, now - before - everyMs);
    before = now;
  };
  const timer = setInterval(look, everyMs).unref();
  return {
    longest(): number {
      look();
      const found = longestMs;
      longestMs = 0;
      return found;
    },
    [Symbol.dispose]: (): void => clearInterval(timer),
  };
}

const file = process.env.TURNS;
if (file) {
  const turns = watchTurns();
  process.on('SIGUSR2', () => writeFileSync(file, turns.longest().toFixed(1)));
}
