/** The addresses of files: PUT takes the bytes of an upload, GET hands out files and pictures. Who may is in the signed link; whatever is not allowed does not exist. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { create as contentDisposition } from 'content-disposition';
import type { Config } from '../config.ts';
import type { ErrorCode } from '../errors.ts';
import type { Range } from '../files/blobs.ts';
import type { Files } from '../files/files.ts';
import { pictureType } from '../files/images.ts';
import type { UploadLink } from '../files/links.ts';
import type { Received, Uploads } from '../files/uploads.ts';
import type { UserId } from '../ids.ts';
import type { AttachmentRow } from '../storage/rows.ts';

export type FileRoutes = ReturnType<typeof createFileRoutes>;
/** One request below `/files/`. `refusal` makes the error that the transport answers with this status. */
export type FileRequest = {
  request: IncomingMessage;
  response: ServerResponse;
  path: string;
  search: string;
  refusal: (status: number, message: string, options?: { code?: ErrorCode; headers?: Record<string, string> }) => Error;
};

/** Nobody waits longer for a client that sends or takes nothing. */
const stalledMs = 30_000;

/** Shown in place when they are opened by themselves; everything else is saved. Never anything that can hold a script. */
const shown = /^(image\/(jpeg|png|apng|gif|webp|avif)|(audio|video)\/(mp4|mpeg|webm|ogg|wav|flac|aac))$/;

const headers = {
  // Should anything ever run in spite of its type: in an origin of its own, without network.
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  // The link is what protects a file: pages of other origins that hold one may show it.
  'cross-origin-resource-policy': 'cross-origin',
};

const refusals: Record<Exclude<Received, 'stored'>, [status: number, code: ErrorCode, message: string]> = {
  gone: [404, 'NOT_FOUND', 'There is nothing at this address.'],
  completed: [409, 'CONFLICT', 'This upload is complete: its bytes cannot change any more.'],
  replaced: [409, 'CONFLICT', 'Another upload to this address has begun, and nothing came here for a while.'],
  'too-many': [413, 'BAD_REQUEST', 'These are more bytes than were announced.'],
  'too-few': [400, 'BAD_REQUEST', 'These are fewer bytes than were announced.'],
  'other-digest': [400, 'BAD_REQUEST', 'The bytes do not have the SHA-256 that was announced.'],
};

export function createFileRoutes({
  files,
  uploads,
  config,
  clock,
}: {
  files: Pick<Files, 'parseLink' | 'open' | 'read' | 'picture'>;
  uploads: Pick<Uploads, 'receive'>;
  config: Pick<Config, 'UPLOAD_SECONDS'>;
  clock: () => Date;
}) {
  return { handle };

  /** Answers a request. Fails with a refusal, or with UNAVAILABLE when the disk is full or too many pictures are wanted at once. */
  async function handle(exchange: FileRequest): Promise<void> {
    const { request, response, path, search } = exchange;
    const link = files.parseLink(path, search);
    if (!link) throw notHere(exchange);
    const allowed = link.kind === 'upload' ? 'PUT' : 'GET, HEAD';
    if (!allowed.split(', ').includes(request.method ?? '')) throw exchange.refusal(405, `Only ${allowed} works here.`, { headers: { allow: allowed } });
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (link.kind === 'upload') return takeUpload(exchange, link);
    request.resume();
    const row = await files.open(link);
    if (!row) throw notHere(exchange);
    // For as long as the link lives, and only by the browser of who holds it.
    response.setHeader('cache-control', `private, max-age=${Math.max(0, Math.floor((link.expiresAt.getTime() - clock().getTime()) / 1000))}`);
    return link.size === null ? sendFile(exchange, row) : sendPicture(exchange, row, link.size, link.viewerId);
  }

  async function takeUpload({ request, response, refusal }: FileRequest, link: UploadLink): Promise<void> {
    const encoding = request.headers['content-encoding'];
    if (encoding && encoding !== 'identity') throw refusal(415, 'Send the bytes as they are, without Content-Encoding.');
    const length = request.headers['content-length'];
    const outcome = await uploads.receive(link, bodyOf(request), length === undefined ? null : Number(length)).catch((error) => {
      throw error instanceof Interrupted ? refusal(error.status, error.message) : error;
    });
    if (outcome !== 'stored') {
      const [status, code, message] = refusals[outcome];
      throw refusal(status, message, { code });
    }
    response.writeHead(204, { 'cache-control': 'no-store' });
    response.end();
  }

  /** The body as it comes. Leaves the request open when it is not read to its end, so that there can be an answer. Fails with Interrupted when it breaks off or stalls. */
  async function* bodyOf(request: IncomingMessage): AsyncGenerator<Uint8Array> {
    const chunks = request.iterator({ destroyOnReturn: false });
    const until = performance.now() + config.UPLOAD_SECONDS * 1000;
    for (;;) {
      const next = await within(Math.min(stalledMs, until - performance.now()), chunks.next());
      if (next.done) {
        if (!request.complete) throw new Interrupted(400, 'The upload broke off.');
        return;
      }
      yield next.value;
    }
  }

  async function sendFile(exchange: FileRequest, row: AttachmentRow): Promise<void> {
    const { request, response, refusal } = exchange;
    const etag = `"${row.blobKey}"`;
    response.setHeader('etag', etag);
    response.setHeader('accept-ranges', 'bytes');
    response.setHeader('content-disposition', contentDisposition(row.fileName, { type: shown.test(row.contentType) ? 'inline' : 'attachment' }));
    if (matches(request.headers['if-none-match'], etag)) return end(response, 304);
    const wanted = request.headers['if-range'] === undefined || request.headers['if-range'] === etag ? request.headers.range : undefined;
    const range = rangeOf(wanted, row.size);
    if (range === 'unsatisfiable') throw refusal(416, `The file has ${row.size} bytes.`, { headers: { 'content-range': `bytes */${row.size}` } });
    response.setHeader('content-type', row.contentType);
    response.setHeader('content-length', range ? range.end - range.start + 1 : row.size);
    if (range) response.setHeader('content-range', `bytes ${range.start}-${range.end}/${row.size}`);
    if (request.method === 'HEAD') return end(response, range ? 206 : 200);
    const found = await files.read(row.blobKey, range ?? undefined).catch((error) => {
      sayNothing(response);
      throw error;
    });
    if (!found) throw notHere(exchange);
    response.statusCode = range ? 206 : 200;
    await stream(found.bytes, response);
  }

  async function sendPicture(exchange: FileRequest, row: AttachmentRow, size: number, viewerId: UserId): Promise<void> {
    const { request, response } = exchange;
    const etag = `"${row.blobKey}.${size}"`;
    response.setHeader('etag', etag);
    if (matches(request.headers['if-none-match'], etag)) return end(response, 304);
    const picture = await files.picture(viewerId, row, size);
    if (!picture) throw notHere(exchange);
    response.setHeader('content-type', pictureType);
    response.setHeader('content-disposition', contentDisposition(`${row.fileName.replace(/\.[^.]*$/, '')}.webp`, { type: 'inline' }));
    response.setHeader('content-length', picture.length);
    end(response, 200, request.method === 'HEAD' ? undefined : picture);
  }
}

/** A refusal must not carry what was said of the file. */
function sayNothing(response: ServerResponse): void {
  for (const name of ['etag', 'accept-ranges', 'content-disposition', 'content-type', 'content-length', 'content-range', 'cache-control']) response.removeHeader(name);
}

function notHere({ response, refusal }: FileRequest): Error {
  sayNothing(response);
  return refusal(404, 'There is nothing at this address.', { code: 'NOT_FOUND' });
}

function end(response: ServerResponse, status: number, body?: Buffer): void {
  response.writeHead(status);
  response.end(body);
}

/** A client that goes away, or takes nothing for too long, ends it without an error. */
async function stream(bytes: Readable, response: ServerResponse): Promise<void> {
  response.setTimeout(stalledMs, () => response.destroy());
  try {
    await pipeline(bytes, response);
  } catch (error) {
    if (!response.destroyed || !isPrematureClose(error)) throw error;
  }
}

const isPrematureClose = (error: unknown): boolean => ['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '');

/** The upload did not arrive as a whole. */
class Interrupted extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function within<T>(timeoutMs: number, job: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Interrupted(408, 'The upload takes too long.')), Math.max(0, timeoutMs));
  });
  try {
    return await Promise.race([job, late]);
  } catch (error) {
    // Nobody waits for it any more.
    job.catch(() => {});
    throw error instanceof Interrupted ? error : new Interrupted(400, 'The upload broke off.');
  } finally {
    clearTimeout(timer);
  }
}

/** RFC 9110, 13.1.2: a list of tags, compared weakly; `*` is any. */
function matches(header: string | undefined, etag: string): boolean {
  return (header?.split(',') ?? []).some((part) => part.trim() === '*' || part.trim().replace(/^W\//, '') === etag);
}

/** RFC 9110, 14.2: one range of bytes. Several, or what is none, are as good as no header: then the whole file is sent. */
function rangeOf(header: string | undefined, size: number): Range | 'unsatisfiable' | null {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return null;
  if (first === '') return Number(last) === 0 ? 'unsatisfiable' : { start: Math.max(0, size - Number(last)), end: size - 1 };
  const [start, end] = [Number(first), last === '' ? size - 1 : Math.min(Number(last), size - 1)];
  if (last !== '' && Number(last) < start) return null;
  return start >= size ? 'unsatisfiable' : { start, end };
}
