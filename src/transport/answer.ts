/** What an HTTP request is answered with: bodies in one piece, and refusals. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ErrorCode } from '../errors.ts';
import type { Client } from '../graphql/context.ts';

/** One request on its way. */
export type Call = { request: IncomingMessage; response: ServerResponse; client: Client; path: string; search: string };

/** Refuses a request before any operation: the status is of the HTTP request, the body of a GraphQL answer. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: ErrorCode;
  readonly headers: Record<string, string>;
  constructor(status: number, message: string, { code = 'BAD_REQUEST', headers = {} }: { code?: ErrorCode; headers?: Record<string, string> } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export const stoppingRefusal = (): Refusal => new Refusal(503, 'The server is stopping: try again in a moment.', { code: 'UNAVAILABLE', headers: { 'retry-after': '1' } });

/** A client that has taken nothing of its answer for so long is dropped. */
const stuckMs = 10_000;
const pieceBytes = 65_536;
/** A client is given so long to take the answer to what was no request. */
const closeMs = 1_000;

export function send({ request, response }: Pick<Call, 'request' | 'response'>, status: number, headers: Record<string, string>, body: string | Buffer): void {
  if (response.destroyed) return;
  const empty = status === 204 || status === 304;
  const bytes = Buffer.byteLength(body);
  response.writeHead(status, empty ? headers : { ...headers, 'content-length': String(bytes) });
  if (empty || request.method === 'HEAD') response.end();
  else if (bytes <= pieceBytes) response.end(body);
  else sendInPieces(response, typeof body === 'string' ? Buffer.from(body) : body);
}

/** So that who takes anything can be told from who takes nothing, and is dropped. */
function sendInPieces(response: ServerResponse, body: Buffer): void {
  let timer: NodeJS.Timeout | undefined;
  let at = 0;
  const goOn = (): void => {
    clearTimeout(timer);
    for (let taken = true; taken && at < body.length; at += pieceBytes) taken = response.write(body.subarray(at, at + pieceBytes));
    if (at >= body.length) response.end();
    timer = setTimeout(() => response.destroy(), stuckMs);
  };
  response.on('drain', goOn);
  response.once('close', () => clearTimeout(timer));
  goOn();
}

export function sendJson(call: Call, status: number, body: object): void {
  send(call, status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }, JSON.stringify(body));
}

export function sendPage(call: Call, page: string, policy: string): void {
  send(call, 200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy, 'referrer-policy': 'no-referrer' }, page);
}

/** Answers what was no request, or no upgrade that is taken, and lets go of the connection whether or not the client does. */
export function answerAndClose(connection: Duplex, status: string, headers: Record<string, string> = {}): void {
  const lines = Object.entries({ ...headers, Connection: 'close', 'Content-Length': '0' }).map(([name, value]) => `${name}: ${value}\r\n`);
  connection.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`);
  setTimeout(() => connection.destroy(), closeMs).unref();
}
