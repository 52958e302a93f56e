/** What an HTTP request is answered with: bodies in one piece, and refusals. */
import type { IncomingMessage, ServerResponse } from 'node:http';
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

export function send({ request, response }: Pick<Call, 'request' | 'response'>, status: number, headers: Record<string, string>, body: string | Buffer): void {
  if (response.destroyed) return;
  const empty = status === 204 || status === 304;
  response.writeHead(status, empty ? headers : { ...headers, 'content-length': String(Buffer.byteLength(body)) });
  response.end(empty || request.method === 'HEAD' ? undefined : body);
}

export function sendJson(call: Call, status: number, body: object): void {
  send(call, status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }, JSON.stringify(body));
}

export function sendPage(call: Call, page: string, policy: string): void {
  send(call, 200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy, 'referrer-policy': 'no-referrer' }, page);
}
