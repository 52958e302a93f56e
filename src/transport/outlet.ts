/** What goes out of a socket: in one piece for each turn of the event loop, no faster than it is taken, and watched for readers that take nothing. */
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Config } from '../config.ts';

export type Outlet = ReturnType<ReturnType<typeof createOutlets>['open']>;

type Gathered = { connection: Duplex; isCorked: boolean };

/** There is room while a socket has less than this unsent. */
const lowWaterBytes = 65_536;
/** One piece has not much more than this. */
const pieceBytes = 16_384;

export function createOutlets(config: Pick<Config, 'SLOW_CONSUMER_BYTES' | 'SLOW_CONSUMER_SECONDS'>) {
  /** What was written to in this turn. */
  let gathered: Gathered[] = [];
  return { open };

  /** `connection` is what carries the socket; `overflow` is called when more is unsent than a reader may leave. */
  function open(socket: WebSocket, connection: Duplex, overflow: () => void) {
    /** Since when nothing of what is unsent was taken. */
    let stuckSince: number | null = null;
    let waiting: (() => void)[] = [];
    const written: Gathered = { connection, isCorked: false };
    return { send, hasRoom, room, release, isStuck };

    function send(text: string): void {
      if (socket.readyState !== socket.OPEN) return;
      stuckSince ??= performance.now();
      // What was written in this turn, the reader has not been asked to take yet.
      const unsent = written.isCorked ? 0 : socket.bufferedAmount;
      cork(written);
      socket.send(text, taken);
      if (unsent > config.SLOW_CONSUMER_BYTES) overflow();
      // A slow reader takes a small piece in time, and so shows that it takes anything.
      else if (connection.writableLength > pieceBytes) uncork(written);
    }

    function taken(): void {
      const unsent = socket.bufferedAmount;
      stuckSince = unsent > 0 ? performance.now() : null;
      if (waiting.length > 0 && unsent < lowWaterBytes) release();
    }

    function hasRoom(): boolean {
      return socket.bufferedAmount < lowWaterBytes;
    }

    /** Resolves when there may be room again. */
    function room(): Promise<void> {
      return new Promise((wake) => waiting.push(wake));
    }

    /** Lets go on who waits for room, whether there is any or not. */
    function release(): void {
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    }

    /** Whether the reader has taken nothing for too long. */
    function isStuck(): boolean {
      return stuckSince !== null && stuckSince < performance.now() - config.SLOW_CONSUMER_SECONDS * 1000;
    }
  }

  function cork(written: Gathered): void {
    if (written.isCorked) return;
    if (gathered.length === 0) setImmediate(flush);
    gathered.push(written);
    written.isCorked = true;
    written.connection.cork();
  }

  function uncork(written: Gathered): void {
    if (!written.isCorked) return;
    written.isCorked = false;
    written.connection.uncork();
  }

  function flush(): void {
    const all = gathered;
    gathered = [];
    for (const written of all) uncork(written);
  }
}
