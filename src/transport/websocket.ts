/**
 * The WebSocket side of the port: graphql-ws speaks the protocol (graphql-transport-ws), this file decides who may connect and how a socket ends, in one way
 * only: its streams are told why with SessionEnded, then it is closed, and cut when nobody answers. What runs on it is in socket-operations.ts.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FormattedExecutionResult } from 'graphql';
import { handleProtocols, makeServer } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { networkOf } from '../accounts/rate-limits.ts';
import type { Pipeline } from '../api/pipeline.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import type { EndReason } from '../events/event.ts';
import type { Client } from '../graphql/context.ts';
import type { Log } from '../log.ts';
import { answerAndClose } from './answer.ts';
import { authenticate, clientOf, isKnownOrigin } from './client.ts';
import type { Connections } from './connections.ts';
import type { Cookies } from './cookies.ts';
import { closeCodes, isExpired, type OpenSocket } from './open-socket.ts';
import { createOutlets } from './outlet.ts';
import { createSocketOperations, type Ran, toShownError } from './socket-operations.ts';
import { createTell } from './tell.ts';

/** In a function of its own: what a listener can reach is kept as long as the socket, and around it there is the whole request. */
const destroyWhenBroken = (socket: Duplex): void => void socket.on('error', () => socket.destroy());

export type Sockets = ReturnType<typeof createSockets>;

/** Longest time that streams are given for their last item before their socket is closed. */
const lastWordsMs = 900;
/** Longest time that a client is given to answer a close. */
const closeTimeoutMs = 2_000;
const pingEveryMs = 20_000;
export function createSockets({
  app,
  pipeline,
  connections,
  cookies,
  config,
  log,
}: {
  app: App;
  pipeline: Pipeline;
  connections: Connections;
  cookies: Cookies;
  config: Config;
  log: Log;
}) {
  const all = new Set<OpenSocket>();
  const outlets = createOutlets(config);
  const operations = createSocketOperations({ pipeline, connections, clock: app.clock, config, tell: createTell(app, 'socket'), fail });
  let stopping = false;
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: config.MAX_FRAME_BYTES,
    maxFragments: 64,
    maxBufferedChunks: 256,
    perMessageDeflate: false,
    // One message of a socket in each turn: thousands that come at once, whatever they are, let others have theirs.
    allowSynchronousEvents: false,
    closeTimeout: closeTimeoutMs,
    handleProtocols,
  } as ConstructorParameters<typeof WebSocketServer>[0]);
  const protocol = makeServer<Record<string, unknown>, OpenSocket>({
    connectionInitWaitTimeout: config.CONNECTION_INIT_SECONDS * 1000,
    onConnect: (context) => {
      const { connectionParams, extra } = context;
      // Nobody asks for them again, and the token in them would be kept as long as the socket.
      (context as { connectionParams?: unknown }).connectionParams = undefined;
      return welcome(extra, connectionParams ?? {});
    },
    // Without its id among the subscriptions, graphql-ws ends an operation without `complete`.
    onSubscribe: ({ extra, subscriptions }, id, payload) => operations.run(extra, id, payload, () => void delete subscriptions[id]) as never,
    execute: (args) => (args as Ran).result as never,
    subscribe: (args) => (args as Ran).result as never,
    // Already as clients may see them.
    onNext: (_context, _id, _payload, _args, result) => result as FormattedExecutionResult,
    onError: (_context, _id, _payload, errors) => errors.map((error) => toShownError(error, log)),
  });
  const timers = [setInterval(pingAll, pingEveryMs), setInterval(sweep, 500)];
  for (const timer of timers) timer.unref();
  // Clients come back as after a restart.
  app.tail.onSkip(() => {
    for (const open of all) void end(open, 'SERVER_SHUTDOWN', closeCodes.shutdown, 'Server shutdown');
  });
  return { upgrade, stop, count: (): number => all.size };

  // ---------------------------------------------------------------- opening

  /** Takes over a connection of the HTTP server, or refuses it with an HTTP status. */
  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    destroyWhenBroken(socket);
    const path = request.url?.split('?', 1)[0];
    const { origin } = request.headers;
    if (path !== '/graphql' && path !== '/graphql/') return answerAndClose(socket, '404 Not Found');
    if (stopping) return answerAndClose(socket, '503 Service Unavailable');
    if (origin !== undefined && !isKnownOrigin(origin, request, config)) return answerAndClose(socket, '403 Forbidden');
    // A known origin: other pages could otherwise open sockets in the name of whoever looks at them, and upgrades need no preflight.
    const accessToken = origin === undefined ? null : (cookies.read(request)?.accessToken ?? null);
    const { requestId, ...rest } = clientOf(request, config);
    // A copy in one piece: Node makes an id of fifteen, which take 700 bytes for as long as the socket lives.
    const client = { ...rest, requestId: Buffer.from(requestId).toString() };
    const anonymousPlace = connections.takeAnonymousPlace(networkOf(client.ipAddress));
    if (!anonymousPlace) return answerAndClose(socket, '429 Too Many Requests', { 'Retry-After': '10' });
    // Also when the handshake fails.
    socket.once('close', anonymousPlace);
    server.handleUpgrade(request, socket, head, (opened) => begin(opened, request, socket, { client, accessToken, anonymousPlace }));
  }

  function begin(
    socket: WebSocket,
    request: IncomingMessage,
    connection: Duplex,
    { client, accessToken, anonymousPlace }: { client: Client; accessToken: string | null; anonymousPlace: () => void },
  ): void {
    const controller = new AbortController();
    const open: OpenSocket = {
      socket,
      request: { method: request.method, url: request.url, headers: request.headers, socket: request.socket },
      outlet: outlets.open(socket, connection, () => void cutOff(open)),
      client: { ...client, signal: controller.signal },
      controller,
      who: { viewer: null },
      cookieToken: accessToken,
      place: null,
      anonymousPlace,
      lastAskedAt: performance.now(),
      streams: 0,
      credit: operations.fullCredit(),
      turns: { taken: 0, waiting: [] },
      running: new Map(),
      ended: null,
      unansweredPings: 0,
      cleanUp: [],
    };
    all.add(open);
    let receive: (message: string) => Promise<void> = async () => {};
    // ws closes by itself after broken frames (1002), text that is not UTF-8 (1007) and too large messages (1009).
    socket.on('error', () => {});
    socket.on('pong', () => (open.unansweredPings = 0));
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: open.outlet.send,
        close: (code, reason) => socket.close(code, reason?.slice(0, 120)),
        onMessage: (listener) => (receive = listener),
      },
      open,
    );
    socket.on('message', (data, isBinary) => {
      open.unansweredPings = 0;
      if (isBinary) socket.close(closeCodes.notText, 'Only text');
      else void operations.take(open, String(data), receive).catch((error: unknown) => fail(open, error));
    });
    socket.on('close', (code, reason) => {
      all.delete(open);
      open.ended ??= 'CLOSED';
      open.outlet.release();
      for (const job of open.cleanUp.splice(0)) job();
      void closed(code, String(reason)).catch((error: unknown) => log.error({ err: error, requestId: open.client.requestId }, 'a socket did not end well'));
    });
  }

  /** `connection_init`. Without credentials the socket is anonymous; with bad ones it is closed. */
  async function welcome(open: OpenSocket, params: Record<string, unknown>): Promise<boolean> {
    const { socket } = open;
    const token = params.accessToken ?? open.cookieToken;
    const given = params.authorization ?? params.Authorization ?? (token == null ? undefined : `Bearer ${String(token)}`);
    try {
      open.who = await authenticate(app, given == null ? undefined : String(given));
    } catch (error) {
      log.warn({ err: error, requestId: open.client.requestId }, 'a socket could not be authenticated');
      socket.close(closeCodes.tryLater, 'Try again later');
      return false;
    }
    if (socket.readyState !== socket.OPEN) return false;
    const { viewer, refusal } = open.who;
    if (given != null && refusal === 'TOKEN_EXPIRED') socket.close(closeCodes.tokenExpired, 'Token expired');
    else if (given != null && !viewer) socket.close(closeCodes.sessionEnded, 'Unauthorized');
    if (socket.readyState !== socket.OPEN) return false;
    if (viewer) {
      operations.takePlace(open, viewer.userId);
      const expiry = setTimeout(() => endIfExpired(open), Math.min(viewer.expiresAt.getTime() - app.clock().getTime(), 2 ** 31 - 1));
      const forget = connections.onSessionEnd(viewer.sessionId, (reason) => void end(open, reason, closeCodes.sessionEnded, 'Session ended'));
      open.cleanUp.push(
        forget,
        () => clearTimeout(expiry),
        () => open.place?.(),
        app.presence.connect(viewer.userId),
      );
    }
    return true;
  }

  // ---------------------------------------------------------------- ending

  function sweep(): void {
    const idleSince = performance.now() - config.ANONYMOUS_SOCKET_SECONDS * 1000;
    for (const open of all) {
      if (open.outlet.isStuck()) void cutOff(open);
      // The clock may have been set since the timer was.
      else if (open.who.viewer) endIfExpired(open);
      if (!open.place && open.running.size === 0 && open.lastAskedAt < idleSince) open.socket.close(closeCodes.idle, 'Idle');
    }
  }

  function endIfExpired(open: OpenSocket): void {
    if (isExpired(open, app.clock())) void end(open, 'TOKEN_EXPIRED', closeCodes.tokenExpired, 'Token expired');
  }

  function cutOff(open: OpenSocket): Promise<void> {
    if (!open.ended) app.metrics.dropped();
    return end(open, 'SLOW_CONSUMER', closeCodes.tryLater, 'Slow consumer');
  }

  function pingAll(): void {
    for (const open of all) {
      if (open.unansweredPings >= 2) open.socket.terminate();
      else if (open.socket.readyState === open.socket.OPEN) {
        open.unansweredPings++;
        open.socket.ping();
      }
    }
  }

  /** Ends the streams with the reason as their last item and closes behind them. ws cuts the connection when the close is not answered in time. */
  async function end(open: OpenSocket, reason: EndReason, code: number, text: string, patienceMs = lastWordsMs): Promise<void> {
    if (open.ended) return;
    open.ended = reason;
    open.controller.abort(reason);
    open.outlet.release();
    const answered = Promise.all([...open.running.values()].map((running) => running.answered));
    const timeout = new AbortController();
    await Promise.race([answered, sleep(patienceMs, undefined, { signal: timeout.signal, ref: false }).catch(() => {})]);
    timeout.abort();
    open.socket.close(code, text);
  }

  /** Refuses new sockets and operations, lets running ones be answered for so long, ends streams with SERVER_SHUTDOWN, and closes 1012. */
  async function stop(patienceMs: number): Promise<void> {
    stopping = true;
    for (const timer of timers) clearInterval(timer);
    await Promise.all(
      [...all].map(async (open) => {
        const closed = new Promise<void>((resolve) => open.socket.once('close', () => resolve()));
        await end(open, 'SERVER_SHUTDOWN', closeCodes.shutdown, 'Server shutdown', patienceMs);
        await Promise.race([closed, sleep(closeTimeoutMs + 100, undefined, { ref: false })]);
        open.socket.terminate();
      }),
    );
    server.close();
  }

  /** Something failed that is no operation's error. */
  function fail(open: OpenSocket, error: unknown): void {
    if (error instanceof Error && error.message.startsWith('Unexpected message')) return open.socket.close(closeCodes.badRequest, 'Unexpected message');
    log.error({ err: error, requestId: open.client.requestId }, 'unexpected error on a socket');
    open.socket.close(closeCodes.tryLater, 'Internal error');
  }
}
