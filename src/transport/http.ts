/**
 * The HTTP side of the port: GraphQL over HTTP (the GraphQL Foundation's draft, held by its audits in test/wire.test.ts), Server-Sent Events, GraphiQL,
 * `/health`, `/ready`, `/metrics`, the page at `/` and that for a forgotten password. An answer of the GraphQL endpoint always has the shape of a GraphQL answer, also when no operation was reached.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Executor, isStream, type Operation, type Request, type Result } from '../api/execute.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import { type Client, createContext } from '../graphql/context.ts';
import { httpStatusOf, toFormattedError } from '../graphql/errors.ts';
import type { Log } from '../log.ts';
import { authenticate, clientOf, isKnownOrigin, type Who } from './client.ts';
import type { Connections } from './connections.ts';
import type { Cookies } from './cookies.ts';
import { createFileRoutes } from './files.ts';
import { graphiqlPage, landingPage, landingPolicy, type Page, resetPage, resetPolicy } from './landing.ts';
import { onlyItem, sseHeaders, writeStream } from './sse.ts';

export type Http = ReturnType<typeof createHttp>;

/** How a GraphQL answer is written. */
type Form = 'application/graphql-response+json' | 'application/json' | 'text/event-stream';
/** One request on its way. */
type Exchange = { request: IncomingMessage; response: ServerResponse; client: Client; path: string; search: string };

/** Refuses a request before any operation: the status is of the HTTP request, the body of a GraphQL answer. */
class Refusal extends Error {
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

const corsHeaders = {
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'X-Request-Id, Retry-After',
};
const preflightHeaders = {
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': 'Content-Type, Authorization, X-Request-Id, Apollo-Require-Preflight, Last-Event-ID',
  'access-control-max-age': '600',
};

const fileCorsHeaders = {
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'X-Request-Id, Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag',
};
const filePreflightHeaders = {
  'access-control-allow-methods': 'GET, HEAD, PUT',
  'access-control-allow-headers': 'Content-Type, Range, If-Range, If-None-Match, X-Request-Id',
  'access-control-max-age': '600',
};

export function createHttp({
  app,
  executor,
  connections,
  cookies,
  sockets,
  config,
  log,
}: {
  app: App;
  executor: Executor;
  connections: Connections;
  cookies: Cookies;
  sockets: { count(): number };
  config: Config;
  log: Log;
}) {
  const streams = new Set<AbortController>();
  const fileRoutes = createFileRoutes({ files: app.files, uploads: app.uploads, config, clock: app.clock });
  let stopping = false;
  let graphiql: Promise<Page> | null = null;

  return {
    /** Answers one request. Never throws. */
    async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const client = clientOf(request, config);
      const [path = '/', search = ''] = (request.url ?? '/').split('?', 2);
      response.setHeader('x-request-id', client.requestId);
      response.setHeader('x-content-type-options', 'nosniff');
      if (stopping) response.setHeader('connection', 'close');
      response.on('error', () => {});
      response.once('finish', () => app.metrics.request(response.statusCode));
      const exchange = { request, response, client, path, search };
      try {
        await route(exchange);
      } catch (error) {
        refuse(exchange, error);
      }
    },
    /** From now on `/ready` says no, new operations are refused, and streams end with SERVER_SHUTDOWN. */
    stop(): void {
      stopping = true;
      for (const stream of streams) stream.abort('SERVER_SHUTDOWN');
    },
    openStreams: (): number => streams.size,
  };

  async function route(exchange: Exchange): Promise<void> {
    const { request, path } = exchange;
    if (path === '/graphql' || path === '/graphql/') return graphql(exchange);
    if (path.startsWith('/files/')) return files(exchange);
    if (!['/', '/reset-password', '/health', '/ready', '/metrics'].includes(path)) throw new Refusal(404, 'There is nothing at this address.', { code: 'NOT_FOUND' });
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refusal(405, 'Only GET and HEAD work here.', { headers: { allow: 'GET, HEAD' } });
    request.resume();
    if (path === '/') return sendPage(exchange, landingPage({ graphiql: config.GRAPHIQL }), landingPolicy);
    if (path === '/reset-password') return sendPage(exchange, resetPage, resetPolicy);
    if (path === '/metrics') return sendMetrics(exchange);
    if (path === '/health') return sendJson(exchange, 200, { status: 'ok' });
    const database = await app.db.ping().then(
      () => true,
      () => false,
    );
    sendJson(exchange, database && !stopping ? 200 : 503, { database, stopping });
  }

  // ---------------------------------------------------------------- /files

  async function files(exchange: Exchange): Promise<void> {
    const { request, response, path, search } = exchange;
    response.setHeader('vary', 'Origin');
    if (answerOrigin(exchange, fileCorsHeaders, filePreflightHeaders)) return;
    if (request.method === 'OPTIONS') return send(exchange, 204, { allow: 'GET, HEAD, PUT, OPTIONS' }, '');
    if (stopping) throw new Refusal(503, 'The server is stopping: try again in a moment.', { code: 'UNAVAILABLE', headers: { 'retry-after': '1' } });
    await connections.track(() => fileRoutes.handle({ request, response, path, search, refusal: (...given) => new Refusal(...given) }));
  }

  /** Lets pages of known origins read the answer. True when that was all that was asked. */
  function answerOrigin(exchange: Exchange, headers: Record<string, string>, preflight: Record<string, string>): boolean {
    const { request, response } = exchange;
    const { origin } = request.headers;
    if (origin === undefined || !isKnownOrigin(origin, request, config)) return false;
    response.setHeader('access-control-allow-origin', origin);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (request.method !== 'OPTIONS') return false;
    send(exchange, 204, preflight, '');
    return true;
  }

  // ---------------------------------------------------------------- /graphql

  async function graphql(exchange: Exchange): Promise<void> {
    const { request, response, client } = exchange;
    response.setHeader('vary', 'Origin, Accept');
    if (answerOrigin(exchange, corsHeaders, preflightHeaders)) return;
    if (request.method === 'OPTIONS') return send(exchange, 204, { allow: 'GET, POST, OPTIONS' }, '');
    if (request.method !== 'GET' && request.method !== 'POST') throw new Refusal(405, 'GraphQL takes GET and POST.', { headers: { allow: 'GET, POST, OPTIONS' } });
    if (request.method === 'GET' && config.GRAPHIQL && request.headers.accept?.includes('text/html')) return sendGraphiql(exchange);

    const forms = acceptedForms(request.headers.accept);
    if (forms.length === 0) throw new Refusal(406, 'Answers come as application/graphql-response+json, application/json or text/event-stream.');
    const [form] = forms as [Form];
    const asked = request.method === 'GET' ? readSearch(exchange.search) : readBody(await readText(request, config.MAX_BODY_BYTES));
    if (stopping) throw new Refusal(503, 'The server is stopping: try again in a moment.', { code: 'UNAVAILABLE', headers: { 'retry-after': '1' } });

    const prepared = executor.prepare(asked);
    if ('errors' in prepared) return sendResult(exchange, form, prepared);
    const { operation } = prepared;
    if (operation.kind === 'mutation' && request.method === 'GET') throw new Refusal(405, 'Mutations go by POST.', { headers: { allow: 'POST' } });
    if (operation.kind === 'subscription' && !forms.includes('text/event-stream')) {
      const error = new AppError('BAD_REQUEST', undefined, 'Subscriptions need `Accept: text/event-stream`, or a WebSocket with the subprotocol graphql-transport-ws.');
      return sendResult(exchange, form, { errors: [toFormattedError(error, log)] });
    }
    const given = cookies.read(request);
    if (given && !cookies.mayUse(request))
      throw new Refusal(403, 'A request with session cookies must come from this server’s own pages or from ALLOWED_ORIGINS, or carry the header Apollo-Require-Preflight.');
    const who = await authenticate(app, given?.accessToken ? `Bearer ${given.accessToken}` : request.headers.authorization);
    if (operation.kind === 'subscription') return stream(exchange, operation, who);

    const started = performance.now();
    await connections.track(async () => {
      const result = await executor.run(operation, createContext(app.domains, { ...client, cookies: cookies.jar(request, response, given) }, who));
      sendResult(exchange, form, result);
      tell(client, who, operation, started, outcomeOf(result));
    });
  }

  async function stream(exchange: Exchange, operation: Operation, who: Who): Promise<void> {
    const { response, client } = exchange;
    const { viewer } = who;
    const started = performance.now();
    const release = viewer ? connections.takePlace(viewer.userId) : () => {};
    if (release === null) {
      const error = new AppError('RATE_LIMITED', { retryAfterMs: 10_000, scope: 'REQUESTS' }, `An account may have ${config.MAX_SOCKETS_PER_ACCOUNT} connections.`);
      return sendResult(exchange, 'text/event-stream', { errors: [toFormattedError(error, log)] });
    }
    const controller = new AbortController();
    const cleanUp = viewer ? [connections.onSessionEnd(viewer.sessionId, (reason) => controller.abort(reason)), release] : [];
    streams.add(controller);
    try {
      const items = await executor.subscribe(operation, createContext(app.domains, { ...client, signal: controller.signal }, who));
      if (!isStream(items)) {
        tell(client, who, operation, started, outcomeOf(items));
        return sendResult(exchange, 'text/event-stream', items);
      }
      if (viewer) cleanUp.push(app.presence.connect(viewer.userId));
      response.writeHead(200, sseHeaders);
      response.socket?.setNoDelay(true);
      let outcome = 'ok';
      await writeStream(response, items, {
        config,
        cut: () => {
          outcome = 'SLOW_CONSUMER';
          app.metrics.dropped();
          controller.abort('SLOW_CONSUMER');
        },
      });
      tell(client, who, operation, started, outcome);
    } finally {
      streams.delete(controller);
      for (const job of cleanUp) job();
    }
  }

  async function sendGraphiql(exchange: Exchange): Promise<void> {
    graphiql ??= graphiqlPage();
    const { body, gzipped, etag, policy } = await graphiql;
    const headers = { etag, 'cache-control': 'no-cache', 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy, 'referrer-policy': 'no-referrer' };
    if (exchange.request.headers['if-none-match'] === etag) return send(exchange, 304, headers, '');
    const compressed = /\bgzip\b/.test(String(exchange.request.headers['accept-encoding'] ?? ''));
    send(exchange, 200, compressed ? { ...headers, 'content-encoding': 'gzip' } : headers, compressed ? gzipped : body);
  }

  /** The draft's table: JSON proper says 200 to every well-formed request, the newer type 400 where there is no data at all. */
  function sendResult(exchange: Exchange, form: Form, result: Result): void {
    if (form === 'text/event-stream') return send(exchange, 200, sseHeaders, onlyItem(result));
    const status = form === 'application/json' || result.data !== undefined ? 200 : Math.max(400, ...(result.errors ?? []).map((error) => (isUnavailable(error) ? 503 : 400)));
    send(exchange, status, { 'content-type': `${form}; charset=utf-8`, 'cache-control': 'no-store' }, JSON.stringify(result));
  }

  function refuse(exchange: Exchange, error: unknown): void {
    const { request, response, client } = exchange;
    if (response.headersSent || response.destroyed) {
      if (!(error instanceof Refusal)) log.error({ err: error, requestId: client.requestId }, 'an answer broke off');
      response.destroy();
      return;
    }
    if (!request.complete) {
      // What is still coming is not read to its end: the connection cannot be used again.
      response.setHeader('connection', 'close');
      request.resume();
      setTimeout(() => request.destroy(), 1_000).unref();
    }
    const known = error instanceof Refusal;
    const formatted = known ? { message: error.message, extensions: { code: error.code } } : toFormattedError(error, log, client.requestId);
    const status = known ? error.status : httpStatusOf[formatted.extensions?.code as ErrorCode];
    for (const [name, value] of Object.entries(known ? error.headers : {})) response.setHeader(name, value);
    sendJson(exchange, status, { errors: [formatted] });
    log.info({ requestId: client.requestId, ip: client.ipAddress, status, outcome: formatted.extensions?.code }, 'request refused');
  }

  async function sendMetrics(exchange: Exchange): Promise<void> {
    const { contentType, body } = await app.metrics.text({ sockets: sockets.count(), streams: app.tail.followerCount() });
    send(exchange, 200, { 'content-type': contentType, 'cache-control': 'no-store' }, body);
  }

  function tell(client: Client, { viewer }: Who, { name, kind }: Operation, started: number, outcome: string): void {
    const ms = performance.now() - started;
    app.metrics.operation({ transport: kind === 'subscription' ? 'sse' : 'http', kind, name, outcome, seconds: ms / 1000 });
    log.info({ requestId: client.requestId, userId: viewer?.userId, operation: name?.slice(0, 64), kind, ms: Math.round(ms * 10) / 10, outcome }, 'operation over http');
  }
}

/** `ok`, or the code of the first error. */
export const outcomeOf = (result: Result): string => (result.errors?.[0] ? String(result.errors[0].extensions?.code) : 'ok');

const isUnavailable = (error: { extensions?: Record<string, unknown> }): boolean => error.extensions?.code === 'UNAVAILABLE';

function sendJson(exchange: Exchange, status: number, body: object): void {
  send(exchange, status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' }, JSON.stringify(body));
}

function sendPage(exchange: Exchange, page: string, policy: string): void {
  send(exchange, 200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy, 'referrer-policy': 'no-referrer' }, page);
}

function send({ request, response }: Exchange, status: number, headers: Record<string, string>, body: string | Buffer): void {
  if (response.destroyed) return;
  const empty = status === 204 || status === 304;
  response.writeHead(status, empty ? headers : { ...headers, 'content-length': String(Buffer.byteLength(body)) });
  response.end(empty || request.method === 'HEAD' ? undefined : body);
}

// ---------------------------------------------------------------- reading requests

/** The forms a client takes, in the order it names them; JSON for `*` and for no header. Answers as a stream only where nothing else is taken, or for subscriptions. */
function acceptedForms(header: string | undefined): Form[] {
  if (header === undefined || header === '*/*') return ['application/json'];
  const forms = new Set<Form>();
  for (const part of header.toLowerCase().split(',')) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim());
    if (parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter) || (parameter.startsWith('charset=') && !/^charset="?utf-?8"?$/.test(parameter)))) continue;
    if (type === '*/*' || type === 'application/*') forms.add('application/json');
    if (type === 'application/json' || type === 'application/graphql-response+json' || type === 'text/event-stream') forms.add(type);
  }
  return [...forms].sort((a, b) => Number(a === 'text/event-stream') - Number(b === 'text/event-stream'));
}

const longestBodyMs = 60_000;

/** The body as text: refused when it is too large (also one that does not say so in advance), compressed, of another type, or not UTF-8. */
async function readText(request: IncomingMessage, maxBytes: number): Promise<string> {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '')
    .toLowerCase()
    .split(';')
    .map((piece) => piece.trim());
  const foreign = parameters.some((parameter) => parameter.startsWith('charset=') && !/^charset="?utf-?8"?$/.test(parameter));
  if (type !== 'application/json' || foreign) throw new Refusal(415, 'Send the request as application/json in UTF-8.');
  if (request.headers['content-encoding'] && request.headers['content-encoding'] !== 'identity') throw new Refusal(415, 'Send the request uncompressed.');
  const tooLarge = (): Refusal => new Refusal(413, `A request may have ${maxBytes} bytes.`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.removeAllListeners('data');
        reject(tooLarge());
      } else chunks.push(chunk);
    });
    request.on('end', resolve);
    request.on('error', () => reject(new Refusal(400, 'The request broke off.')));
    request.on('close', () => reject(new Refusal(400, 'The request broke off.')));
    // The listener's own limit is that of uploads.
    timer = setTimeout(() => reject(new Refusal(408, 'The request took too long.')), longestBodyMs);
  });
  await ended.finally(() => clearTimeout(timer));
  try {
    return utf8.decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  } catch {
    throw new Refusal(400, 'The body is not UTF-8.');
  }
}
const utf8 = new TextDecoder('utf-8', { fatal: true });

function readBody(text: string): Request {
  const body = parseJson(text, 'The body is not JSON.');
  if (Array.isArray(body)) throw new Refusal(400, 'The body is a list: send one operation at a time.');
  if (!isObject(body)) throw new Refusal(400, 'The body is not an object with `query`.');
  return checkRequest(body);
}

function readSearch(search: string): Request {
  const given = new URLSearchParams(search);
  const parsed = (name: string): unknown => (given.get(name) ? parseJson(given.get(name) as string, `The parameter \`${name}\` is not JSON.`) : undefined);
  return checkRequest({
    query: given.get('query') ?? undefined,
    operationName: given.get('operationName') ?? undefined,
    variables: parsed('variables'),
    extensions: parsed('extensions'),
  });
}

function checkRequest({ query, variables, operationName, extensions }: Record<string, unknown>): Request {
  if (query == null) throw new Refusal(400, 'The parameter `query` is missing.');
  if (typeof query !== 'string') throw new Refusal(400, 'The parameter `query` is not text.');
  if (variables != null && !isObject(variables)) throw new Refusal(400, 'The parameter `variables` is not an object.');
  if (operationName != null && typeof operationName !== 'string') throw new Refusal(400, 'The parameter `operationName` is not text.');
  if (extensions != null && !isObject(extensions)) throw new Refusal(400, 'The parameter `extensions` is not an object.');
  return { query, variables: variables as Request['variables'], operationName: operationName as Request['operationName'] };
}

/** JSON.parse without its message, which quotes the text. */
function parseJson(text: string, problem: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, problem);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
