/**
 * The bytes of files in an S3 bucket: what several servers share without a disk between them. Behind the same functions as the folder (blobs.ts). Not loaded where
 * there is no bucket. One that is away or slow makes what needs it UNAVAILABLE, and nothing else.
 */
import { Readable } from 'node:stream';
import { ReadableStream as NodeStream } from 'node:stream/web';
import { S3mini, S3ServiceError } from 's3mini';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../log.ts';
import { DatabaseError } from '../storage/migrate.ts';
import { type Blobs, type Range, shardOf, strayAfterMs } from './blobs.ts';

/**
 * Reads, writes and deletes something, so that a start fails where an upload would. Several servers may share a bucket; another installation may not, and what is in
 * it is then left alone. Throws DatabaseError with a message for people when it cannot be used.
 */
export async function openBucket(
  config: Pick<Config, 'FILES_S3_URL' | 'FILES_S3_REGION' | 'FILES_S3_KEY_ID' | 'FILES_S3_SECRET' | 'FILES_S3_SECONDS'>,
  installation: string,
  log: Log,
): Promise<Blobs> {
  const underWay = new Set<Request>();
  const uploads = new WeakMap<object, Request>();
  let closed = false;
  let away = false;
  /** The bucket's own clock, by which its files are dated. */
  let now = 0;
  const s3 = new S3mini({
    endpoint: config.FILES_S3_URL,
    region: config.FILES_S3_REGION,
    accessKeyId: config.FILES_S3_KEY_ID,
    secretAccessKey: config.FILES_S3_SECRET,
    fetch: send as typeof fetch,
  });
  const pathOf = (key: string): string => `${shardOf(key)}/${key}`;
  const owner = await claim();
  return { put, copy, find, remove, freeBytes: async () => Number.POSITIVE_INFINITY, sweep, close };

  /** Whose files these are, as in the folder. */
  async function claim(): Promise<string> {
    let cannot = 'listed';
    try {
      if ((await s3.listObjectsPaged('/', 'installation', 1)) === null) throw new Error('there is no such bucket');
      cannot = 'read';
      let found = await readText('installation');
      cannot = 'written';
      await s3.putObject(found === null ? 'installation' : 'probe', found === null ? installation : 'written at each start');
      // Others may have started at the same moment: the last one's stands.
      found ??= await readText('installation');
      cannot = 'deleted from';
      await s3.deleteObject('probe');
      if (found !== installation) log.warn('the bucket of FILES_S3_URL belongs to another installation: nothing that is left over is removed from it');
      if ((await s3.getBucketVersioning().catch(() => 'Off')) === 'Enabled')
        log.warn('the bucket of FILES_S3_URL keeps versions: what people delete stays in it until a rule of the bucket removes it');
      return found ?? '';
    } catch (error) {
      throw new DatabaseError(`The bucket of FILES_S3_URL cannot be ${cannot}: ${reasonOf(error)}`, { cause: error });
    }
  }

  async function readText(path: string): Promise<string | null> {
    const answer = await s3.getObjectRaw(path).catch(unlessMissing);
    return answer === null ? null : answer.text();
  }

  /**
   * Stores what `bytes` yields under the key, piece by piece as they come. The last piece goes when it is known that there is nothing wrong with them: a body that is
   * shorter than announced leaves nothing behind. Fails with what `bytes` threw, or UNAVAILABLE.
   */
  async function put(key: string, bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, size: number): Promise<void> {
    const request = createRequest();
    let thrown: { error: unknown } | null = null;
    const pieces = handOver();
    const body = NodeStream.from(pieces) as ReadableStream;
    uploads.set(body, request);
    try {
      await ask(async () => {
        const answer = await s3.putObject(pathOf(key), body, undefined, undefined, undefined, size);
        await answer.body?.cancel();
      });
    } catch (error) {
      // Perhaps only the answer was lost, and not every store forgets what came half. What this misses is swept.
      void s3.deleteObject(pathOf(key)).catch(() => {});
      throw thrown ? (thrown as { error: unknown }).error : error;
    } finally {
      // Does not wait for a client from which nothing comes.
      pieces.return().catch(() => {});
    }

    async function* handOver(): AsyncGenerator<Uint8Array, void, void> {
      request.rest();
      let last: Uint8Array | null = null;
      try {
        for await (const piece of bytes) {
          if (last) yield* taken(last);
          last = piece;
        }
      } catch (error) {
        thrown = { error };
        request.end(error);
        throw error;
      }
      if (last) yield* taken(last);
      request.wait();
    }

    function* taken(piece: Uint8Array): Generator<Uint8Array> {
      request.wait();
      yield piece;
      request.rest();
    }
  }

  /** The bytes pass through here: not every store copies by itself. */
  async function copy(from: string, to: string): Promise<boolean> {
    const found = await find(from);
    if (found) await put(to, found.bytes, found.size);
    return found !== null;
  }

  async function find(key: string, range?: Range): Promise<{ size: number; bytes: Readable } | null> {
    return ask(async () => {
      const answer = await s3.getObjectRaw(pathOf(key), !range, range?.start, range && range.end + 1).catch(unlessMissing);
      if (!answer) return null;
      if (range && answer.status !== 206) {
        await answer.body?.cancel();
        throw new Error('the bucket does not know ranges');
      }
      const size = Number(/\/(\d+)$/.exec(answer.headers.get('content-range') ?? '')?.[1] ?? answer.headers.get('content-length'));
      return { size, bytes: answer.body ? Readable.fromWeb(answer.body as NodeStream) : Readable.from([]) };
    });
  }

  async function remove(key: string): Promise<void> {
    await ask(() => s3.deleteObject(pathOf(key)).catch(unlessMissing));
  }

  async function sweep(part: number, known: (keys: readonly string[]) => Promise<ReadonlySet<string>>): Promise<number> {
    if (owner !== installation) return 0;
    const prefix = `${(part % 256).toString(16).padStart(2, '0')}/`;
    let gone = 0;
    for (let next: string | undefined, more = true; more; more = next !== undefined) {
      const page = await ask(() => s3.listObjectsPaged('/', prefix, 500, next));
      next = page?.nextContinuationToken;
      const old = (page?.objects ?? []).filter(({ LastModified }) => now - LastModified.getTime() >= strayAfterMs).map(({ Key }) => Key.slice(prefix.length));
      const kept = await known([...new Set(old.map((name) => name.slice(0, 32)))]);
      for (const name of old.filter((each) => !kept.has(each.slice(0, 32)))) {
        await remove(name);
        gone++;
      }
    }
    return gone;
  }

  /** Nobody waits for the bucket any more. */
  async function close(): Promise<void> {
    closed = true;
    for (const request of underWay) request.end(new Error('the server is stopping'));
  }

  /** Tells once when the bucket is away, and when it is back. */
  async function ask<T>(job: () => Promise<T>): Promise<T> {
    try {
      const answer = await job();
      if (away) log.info('the bucket of the files can be used again');
      away = false;
      return answer;
    } catch (error) {
      throw unavailable(error);
    }
  }

  function unavailable(error: unknown): AppError {
    if (!away && !closed) log.warn({ why: reasonOf(error) }, 'the bucket of the files cannot be used');
    away = true;
    return new AppError('UNAVAILABLE', undefined, undefined, { cause: error });
  }

  // ---------------------------------------------------------------- requests

  /** What the client library sends with. Without a body it is sent again once: a connection that was kept may just have been closed. */
  async function send(url: string, init: RequestInit): Promise<Response> {
    const upload = init.body && typeof init.body === 'object' ? uploads.get(init.body) : undefined;
    for (let last = Boolean(init.body); ; last = true) {
      const request = upload ?? createRequest();
      try {
        return await sendOnce(url, init, request);
      } catch (error) {
        request.done();
        if (last || request.signal.aborted) throw request.signal.aborted ? request.signal.reason : error;
      }
    }
  }

  async function sendOnce(url: string, init: RequestInit, request: Request): Promise<Response> {
    if (closed) request.end(new Error('the server is stopping'));
    request.wait();
    const answer = await fetch(url, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), 'accept-encoding': 'identity' },
      redirect: 'manual',
      signal: request.signal,
      duplex: 'half',
    } as RequestInit);
    now = Date.parse(answer.headers.get('date') ?? '') || now;
    request.rest();
    if (!answer.body) {
      request.done();
      return answer;
    }
    return new Response(watched(answer.body, request), { status: answer.status, statusText: answer.statusText, headers: answer.headers });
  }

  /** Its reader may take as long as it likes; the bucket may not. */
  function watched(body: ReadableStream<Uint8Array>, request: Request): ReadableStream<Uint8Array> {
    const reader = body.getReader();
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          request.wait();
          const { done, value } = await reader.read().catch((error) => {
            request.done();
            throw unavailable(request.signal.aborted ? request.signal.reason : error);
          });
          request.rest();
          if (!done) return controller.enqueue(value);
          request.done();
          controller.close();
        },
        async cancel(reason) {
          request.done();
          await reader.cancel(reason);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** Whether it is the bucket's turn (`wait`) or somebody else's (`rest`), until it is `done`. */
  function createRequest() {
    const ended = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const rest = (): void => clearTimeout(timer);
    const request = {
      signal: ended.signal,
      rest,
      wait(): void {
        rest();
        timer = setTimeout(() => ended.abort(new Error('it does not answer')), config.FILES_S3_SECONDS * 1000);
      },
      end: (why: unknown): void => ended.abort(why),
      done(): void {
        rest();
        underWay.delete(request);
      },
    };
    underWay.add(request);
    return request;
  }
}

type Request = { signal: AbortSignal; wait: () => void; rest: () => void; end: (why: unknown) => void; done: () => void };

/** A bucket that is gone has lost nothing of its own accord. */
function unlessMissing(error: unknown): null {
  if (error instanceof S3ServiceError && error.status === 404 && codeOf(error) !== 'NoSuchBucket') return null;
  throw error;
}

/** S3's word for what went wrong. */
const codeOf = (error: S3ServiceError): string | undefined => /<Code>(\w+)<\/Code>/.exec(error.body ?? '')?.[1];

/** For people; nothing of what was signed. */
function reasonOf(error: unknown): string {
  if (error instanceof S3ServiceError) return [`it answers ${error.status}`, codeOf(error)].filter(Boolean).join(' ');
  const { message, code, cause } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException };
  return code ?? cause?.code ?? cause?.message ?? message;
}
