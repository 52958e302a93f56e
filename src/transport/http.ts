/** The HTTP side of the port: its addresses and who answers them, what pages of other origins may read, and how a request is refused. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Pipeline } from '../api/pipeline.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import type { ErrorCode } from '../errors.ts';
import { httpStatusOf, toFormattedError } from '../graphql/errors.ts';
import type { Log } from '../log.ts';
import { isTurnLong, yieldWhenLong } from '../turns.ts';
import { type Call, Refusal, send, sendJson, sendPage, stoppingRefusal } from './answer.ts';
import { clientOf, isKnownOrigin } from './client.ts';
import type { Connections } from './connections.ts';
import type { Cookies } from './cookies.ts';
import { createFileRoutes } from './files.ts';
import { createGraphiql } from './graphiql.ts';
import { createGraphqlOverHttp } from './graphql.ts';
import { landingPage, landingPolicy, resetPage, resetPolicy } from './landing.ts';
import { createWebPage } from './page.ts';
import { createSignInRoutes } from './sign-in.ts';
import { createTell } from './tell.ts';

export type Http = ReturnType<typeof createHttp>;

const corsHeaders = {
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': 'X-Request-Id, Retry-After',
};
const preflightHeaders = {
  'access-control-allow-methods': 'GET, POST',
  // What clients add by themselves: Apollo's names of clients and operations, and traces (https://www.w3.org/TR/trace-context/).
  'access-control-allow-headers':
    'Content-Type, Authorization, X-Request-Id, Apollo-Require-Preflight, Last-Event-ID, Apollographql-Client-Name, Apollographql-Client-Version, Graphql-Client-Name, Graphql-Client-Version, X-Apollo-Operation-Name, X-Apollo-Operation-Id, X-Apollo-Operation-Type, Traceparent, Tracestate, Baggage, Sentry-Trace',
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

/** RFC 6797: a browser that was here comes by https only, for two years from its last visit. */
const strictTransportSecurity = 'max-age=63072000';

export function createHttp({
  app,
  pipeline,
  connections,
  cookies,
  sockets,
  config,
  log,
}: {
  app: App;
  pipeline: Pipeline;
  connections: Connections;
  cookies: Cookies;
  sockets: { count(): number };
  config: Config;
  log: Log;
}) {
  const fileRoutes = createFileRoutes({ files: app.files, uploads: app.uploads, config, clock: app.clock });
  const graphqlOverHttp = createGraphqlOverHttp({ app, pipeline, connections, cookies, config, tell: createTell(app, 'http'), isStopping: () => stopping });
  const secure = config.PUBLIC_URL.startsWith('https:');
  const webPage = createWebPage({ app, pipeline, cookies, config });
  const signInRoutes = createSignInRoutes({ app, cookies, hasPage: webPage !== null });
  let stopping = false;
  const sendGraphiql = createGraphiql();

  return {
    /** Answers one request. Never throws. */
    async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
      // Requests of many connections come at once, thousands before the first answer, and some are gone when it is their turn.
      if (isTurnLong()) {
        await yieldWhenLong();
        if (request.socket.destroyed) return;
      }
      const client = clientOf(request, config);
      const [path = '/', search = ''] = (request.url ?? '/').split('?', 2);
      response.setHeader('x-request-id', client.requestId);
      response.setHeader('x-content-type-options', 'nosniff');
      if (secure) response.setHeader('strict-transport-security', strictTransportSecurity);
      if (stopping) response.setHeader('connection', 'close');
      response.on('error', () => {});
      response.once('finish', () => app.metrics.request(response.statusCode));
      const call = { request, response, client, path, search };
      try {
        await route(call);
      } catch (error) {
        refuse(call, error);
      }
    },
    /** From now on `/ready` says no, new operations are refused, and streams end with SERVER_SHUTDOWN. */
    stop(): void {
      stopping = true;
      graphqlOverHttp.stop();
    },
  };

  async function route(call: Call): Promise<void> {
    const { request, path } = call;
    if (path === '/graphql' || path === '/graphql/') return graphql(call);
    if (path.startsWith('/files/')) return files(call);
    if (path.startsWith('/sign-in/') || path === '/backchannel-logout') {
      if (stopping) throw stoppingRefusal();
      if (await connections.track(() => signInRoutes.handle(call))) return;
    }
    if (await webPage?.handle(call)) return;
    if (!['/', '/reset-password', '/health', '/ready', '/metrics'].includes(path)) throw new Refusal(404, 'There is nothing at this address.', { code: 'NOT_FOUND' });
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new Refusal(405, 'Only GET and HEAD work here.', { headers: { allow: 'GET, HEAD' } });
    request.resume();
    if (path === '/') return sendPage(call, landingPage({ graphiql: config.GRAPHIQL }), landingPolicy);
    if (path === '/reset-password') return sendPage(call, resetPage, resetPolicy);
    if (path === '/metrics') return sendMetrics(call);
    if (path === '/health') return sendJson(call, 200, { status: 'ok' });
    const database = await app.db.ping().then(
      () => true,
      () => false,
    );
    sendJson(call, database && !stopping ? 200 : 503, { database, stopping });
  }

  // ---------------------------------------------------------------- /files

  async function files(call: Call): Promise<void> {
    const { request, response, path, search } = call;
    response.setHeader('vary', 'Origin');
    if (answerOrigin(call, fileCorsHeaders, filePreflightHeaders)) return;
    if (request.method === 'OPTIONS') return send(call, 204, { allow: 'GET, HEAD, PUT, OPTIONS' }, '');
    if (stopping) throw stoppingRefusal();
    // biome-ignore lint/plugin: what a refusal is made of
    const refusal = (...given: ConstructorParameters<typeof Refusal>): Refusal => new Refusal(...given);
    await connections.track(() => fileRoutes.handle({ request, response, path, search, refusal }));
  }

  /** Lets pages of known origins read the answer. True when that was all that was asked. */
  function answerOrigin(call: Call, headers: Record<string, string>, preflight: Record<string, string>): boolean {
    const { request, response } = call;
    const { origin } = request.headers;
    if (origin === undefined || !isKnownOrigin(origin, request, config)) return false;
    response.setHeader('access-control-allow-origin', origin);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (request.method !== 'OPTIONS') return false;
    send(call, 204, preflight, '');
    return true;
  }

  // ---------------------------------------------------------------- /graphql

  async function graphql(call: Call): Promise<void> {
    const { request, response } = call;
    response.setHeader('vary', 'Origin, Accept');
    if (answerOrigin(call, corsHeaders, preflightHeaders)) return;
    if (request.method === 'OPTIONS') return send(call, 204, { allow: 'GET, POST, OPTIONS' }, '');
    if (request.method === 'GET' && config.GRAPHIQL && request.headers.accept?.includes('text/html')) return sendGraphiql(call);
    await graphqlOverHttp.handle(call);
  }

  function refuse(call: Call, error: unknown): void {
    const { request, response, client } = call;
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
    sendJson(call, status, { errors: [formatted] });
    log.info({ requestId: client.requestId, ip: client.ipAddress, status, outcome: formatted.extensions?.code }, 'request refused');
  }

  async function sendMetrics(call: Call): Promise<void> {
    const { contentType, body } = await app.metrics.text({ sockets: sockets.count(), streams: app.tail.followerCount() });
    send(call, 200, { 'content-type': contentType, 'cache-control': 'no-store' }, body);
  }
}
