/** Streams over plain HTTP: Server-Sent Events in the form of graphql-sse's "distinct connections" (`next` items, then `complete`). */
import type { ServerResponse } from 'node:http';
import type { Result, ResultStream } from '../api/execute.ts';
import type { Config } from '../config.ts';

export const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx would hold items back.
  'x-accel-buffering': 'no',
};

/**
 * Writes a stream to a response whose head was sent, one item at a time: the next is asked for when the last was taken. Resolves when the stream or
 * the client has ended. A client that takes nothing for SLOW_CONSUMER_SECONDS, or lets more than SLOW_CONSUMER_BYTES wait, is told through `cut` and dropped.
 */
export async function writeStream(
  response: ServerResponse,
  items: ResultStream,
  { config, cut }: { config: Pick<Config, 'SLOW_CONSUMER_BYTES' | 'SLOW_CONSUMER_SECONDS'>; cut: () => void },
): Promise<void> {
  const gone = (): void => void items.return().catch(() => {});
  response.once('close', gone);
  try {
    // Some browsers report a stream as open when its first byte comes.
    response.write(':\n\n');
    for await (const item of items) {
      if (response.destroyed) return;
      const taken = response.write(frame('next', item));
      if (taken) continue;
      if (response.writableLength > config.SLOW_CONSUMER_BYTES || !(await drained(response, config.SLOW_CONSUMER_SECONDS * 1000))) {
        cut();
        response.destroy();
        return;
      }
    }
    if (!response.destroyed) response.end(complete);
  } finally {
    response.off('close', gone);
    gone();
  }
}

/** One answer in the form of a stream, for clients that accept nothing else. */
export const onlyItem = (result: Result): string => frame('next', result) + complete;

const frame = (event: string, data: Result): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
const complete = 'event: complete\ndata:\n\n';

function drained(response: ServerResponse, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => settle(false), timeoutMs);
    const onDrain = (): void => settle(true);
    const onClose = (): void => settle(true);
    const settle = (ok: boolean): void => {
      clearTimeout(timer);
      response.off('drain', onDrain).off('close', onClose);
      resolve(ok);
    };
    response.once('drain', onDrain).once('close', onClose);
  });
}
