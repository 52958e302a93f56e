/** Streams over plain HTTP: Server-Sent Events in the form of graphql-sse's "distinct connections" (`next` items, then `complete`). */
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { Result, ResultStream, ShownResult } from '../api/operation.ts';
import { toJson } from '../api/share.ts';
import type { Config } from '../config.ts';

export const sseHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx would hold items back.
  'x-accel-buffering': 'no',
};

/**
 * A stream as the body of its response, one item at a time: the next is asked for when the last was taken, and nothing is read ahead. A client that takes
 * nothing for SLOW_CONSUMER_SECONDS, or lets more than SLOW_CONSUMER_BYTES wait, is told through `cut` and dropped.
 */
export function streamBody(
  response: ServerResponse,
  items: ResultStream,
  { config, toShown, cut }: { config: Pick<Config, 'SLOW_CONSUMER_BYTES' | 'SLOW_CONSUMER_SECONDS'>; toShown: (item: Result) => ShownResult; cut: () => void },
): Readable {
  let timer: NodeJS.Timeout | undefined;
  const drop = (): void => {
    cut();
    response.destroy();
  };
  const body = new Readable({
    highWaterMark: 0,
    read() {
      clearTimeout(timer);
      void items.next().then(
        ({ done, value }) => {
          if (body.destroyed) return;
          body.push(done ? complete : frame(toShown(value)));
          if (done) body.push(null);
          else if (response.writableLength > config.SLOW_CONSUMER_BYTES) drop();
          else if (response.writableNeedDrain) timer = setTimeout(drop, config.SLOW_CONSUMER_SECONDS * 1000);
        },
        (error: Error) => body.destroy(error),
      );
    },
    destroy(error, callback) {
      clearTimeout(timer);
      items.return().then(
        () => callback(error),
        () => callback(error),
      );
    },
  });
  response.once('close', () => body.destroy());
  // Some browsers report a stream as open when its first byte comes.
  body.push(':\n\n');
  return body;
}

/** One answer in the form of a stream, for clients that accept nothing else. */
export const onlyItem = (result: ShownResult): string => frame(result) + complete;

const frame = (data: ShownResult): string => `event: next\ndata: ${toJson(data)}\n\n`;
const complete = 'event: complete\ndata:\n\n';
