/**
 * The WebSocket side of the port: graphql-ws speaks the protocol (graphql-transport-ws), this file decides who may connect, how much one socket may
 * do, and how it ends. A socket ends in one way only: its streams are told why with SessionEnded, then it is closed, and cut when nobody answers.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ExecutionArgs, type FormattedExecutionResult, GraphQLError, type GraphQLFormattedError } from 'graphql';
import { handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Executor, isStream, type Operation, type Result, type ResultStream } from '../api/execute.ts';
import { toJson } from '../api/share.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import type { EndReason } from '../events/event.ts';
import { type Client, type Context, createContext } from '../graphql/context.ts';
import { toFormattedError } from '../graphql/errors.ts';
import type { Log } from '../log.ts';
import { authenticate, clientOf, isKnownOrigin, type Who } from './client.ts';
import type { Connections } from './connections.ts';
import type { Cookies } from './cookies.ts';
import { outcomeOf } from './http.ts';
import { createOutlets, type Outlet } from './outlet.ts';

export type Sockets = ReturnType<typeof createSockets>;

/** Longest time that streams are given for their last item before their socket is closed. */
const lastWordsMs = 900;
/** Longest time that a client is given to answer a close. */
const closeTimeoutMs = 2_000;
const pingEveryMs = 20_000;
/** How far apart timers for the same moment may fire. */
const timerSlackMs = 100;
/** Operations are counted over so many seconds, so that a client may do much at once when it starts. */
const averagedSeconds = 10;
/** A socket on which this many times the allowed operations were refused in that time is closed. */
const patience = 10;

/** Close codes beside those of graphql-ws. Its client takes 4401, 4400 and 1008 for final, and comes back after the others. */
const closeCodes = { badRequest: 4400, sessionEnded: 4401, tokenExpired: 4403, notText: 1003, tooMany: 1008, shutdown: 1012, tryLater: 1013 } as const;

/** What is known of one socket. */
type State = {
  socket: WebSocket;
  outlet: Outlet;
  client: Client;
  controller: AbortController;
  who: Who;
  /** The access token from the cookies of the upgrade, where they may count. */
  cookieToken: string | null;
  /** Gives back the account's place; null while it has none. */
  place: (() => void) | null;
  streams: number;
  /** Operations left of the allowed ones, and how many were refused since. */
  credit: { left: number; at: number; refused: number; refusedSince: number };
  /** Answers under way by the client's id. */
  running: Map<string, Running>;
  /** Set once: no operation begins any more. */
  ended: EndReason | 'CLOSED' | null;
  unansweredPings: number;
  cleanUp: (() => void)[];
};
type Running = { answered: Promise<void>; completedByClient: boolean };
/** What graphql-ws hands from one hook to the next. */
type Prepared = ExecutionArgs & { state: State; id: string; operation: Operation; contextValue: Context; started: number; endInSilence: () => void };

export function createSockets({
  app,
  executor,
  connections,
  cookies,
  config,
  log,
}: {
  app: App;
  executor: Executor;
  connections: Connections;
  cookies: Cookies;
  config: Config;
  log: Log;
}) {
  const states = new Set<State>();
  const outlets = createOutlets(config);
  let stopping = false;
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: config.MAX_FRAME_BYTES,
    maxFragments: 64,
    maxBufferedChunks: 256,
    perMessageDeflate: false,
    closeTimeout: closeTimeoutMs,
    handleProtocols,
  } as ConstructorParameters<typeof WebSocketServer>[0]);
  const protocol = makeServer<Record<string, unknown>, State>({
    connectionInitWaitTimeout: config.CONNECTION_INIT_SECONDS * 1000,
    onConnect: ({ connectionParams, extra }) => welcome(extra, connectionParams ?? {}),
    // Without its id among the subscriptions, graphql-ws ends an operation without `complete`.
    onSubscribe: ({ extra, subscriptions }, id, payload) => begin(extra, id, payload, () => void delete subscriptions[id]) as never,
    execute: (args) => answer(args as Prepared) as never,
    subscribe: (args) => openStream(args as Prepared) as never,
    // Already as clients may see them.
    onNext: (_context, _id, _payload, _args, result) => result as FormattedExecutionResult,
    onError: (_context, _id, _payload, errors) => errors.map((error) => (error instanceof Refused ? error.formatted : toFormattedError(error, log))),
  });
  const timers = [setInterval(pingAll, pingEveryMs), setInterval(cutSlowOnes, 500)];
  for (const timer of timers) timer.unref();
  // Clients come back as after a restart.
  app.tail.onSkip(() => {
    for (const state of states) void end(state, 'SERVER_SHUTDOWN', closeCodes.shutdown, 'Server shutdown');
  });
  return { upgrade, stop, count: (): number => states.size };

  // ---------------------------------------------------------------- opening

  /** Takes over a connection of the HTTP server, or refuses it with an HTTP status. */
  function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const path = request.url?.split('?', 1)[0];
    const { origin } = request.headers;
    if (path !== '/graphql' && path !== '/graphql/') return refuse(socket, '404 Not Found');
    if (stopping) return refuse(socket, '503 Service Unavailable');
    if (origin !== undefined && !isKnownOrigin(origin, request, config)) return refuse(socket, '403 Forbidden');
    // A known origin: other pages could otherwise open sockets in the name of whoever looks at them, and upgrades need no preflight.
    const accessToken = origin === undefined ? null : (cookies.read(request)?.accessToken ?? null);
    server.handleUpgrade(request, socket, head, (opened) => open(opened, socket, clientOf(request, config), accessToken));
  }

  function open(socket: WebSocket, connection: Duplex, connected: Client, cookieToken: string | null): void {
    const controller = new AbortController();
    const now = Date.now();
    const state: State = {
      socket,
      outlet: outlets.open(socket, connection, () => void cutOff(state)),
      client: { ...connected, signal: controller.signal },
      controller,
      who: { viewer: null },
      cookieToken,
      place: null,
      streams: 0,
      credit: { left: config.MAX_OPERATIONS_PER_SECOND * averagedSeconds, at: now, refused: 0, refusedSince: now },
      running: new Map(),
      ended: null,
      unansweredPings: 0,
      cleanUp: [],
    };
    states.add(state);
    let receive: (message: string) => Promise<void> = async () => {};
    // ws closes by itself after broken frames (1002), text that is not UTF-8 (1007) and too large messages (1009).
    socket.on('error', () => {});
    socket.on('pong', () => (state.unansweredPings = 0));
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: state.outlet.send,
        close: (code, reason) => socket.close(code, reason?.slice(0, 120)),
        onMessage: (listener) => (receive = listener),
      },
      state,
    );
    socket.on('message', (data, isBinary) => {
      state.unansweredPings = 0;
      if (isBinary) socket.close(closeCodes.notText, 'Only text');
      else void take(state, String(data), receive).catch((error: unknown) => fail(state, error));
    });
    socket.on('close', (code, reason) => {
      states.delete(state);
      state.ended ??= 'CLOSED';
      state.outlet.release();
      for (const job of state.cleanUp.splice(0)) job();
      void closed(code, String(reason)).catch((error: unknown) => log.error({ err: error, requestId: state.client.requestId }, 'a socket did not end well'));
    });
  }

  /** `connection_init`. Without credentials the socket is anonymous; with bad ones it is closed. */
  async function welcome(state: State, params: Record<string, unknown>): Promise<boolean> {
    const { socket } = state;
    const token = params.accessToken ?? state.cookieToken;
    const given = params.authorization ?? params.Authorization ?? (token == null ? undefined : `Bearer ${String(token)}`);
    try {
      state.who = await authenticate(app, given == null ? undefined : String(given));
    } catch (error) {
      log.warn({ err: error, requestId: state.client.requestId }, 'a socket could not be authenticated');
      socket.close(closeCodes.tryLater, 'Try again later');
      return false;
    }
    if (socket.readyState !== socket.OPEN) return false;
    const { viewer, refusal } = state.who;
    if (given != null && refusal === 'TOKEN_EXPIRED') socket.close(closeCodes.tokenExpired, 'Token expired');
    else if (given != null && !viewer) socket.close(closeCodes.sessionEnded, 'Unauthorized');
    if (socket.readyState !== socket.OPEN) return false;
    if (viewer) {
      state.place = connections.takePlace(viewer.userId);
      const expiry = setTimeout(
        () => void end(state, 'TOKEN_EXPIRED', closeCodes.tokenExpired, 'Token expired'),
        Math.min(viewer.expiresAt.getTime() - app.clock().getTime(), 2 ** 31 - 1),
      );
      const forget = connections.onSessionEnd(viewer.sessionId, (reason) => void end(state, reason, closeCodes.sessionEnded, 'Session ended'));
      state.cleanUp.push(
        forget,
        () => clearTimeout(expiry),
        () => state.place?.(),
        app.presence.connect(viewer.userId),
      );
    }
    return true;
  }

  // ---------------------------------------------------------------- operations

  /** One message of the client, handed on when it is its turn. */
  async function take(state: State, text: string, receive: (message: string) => Promise<void>): Promise<void> {
    const { socket, running } = state;
    if (socket.readyState !== socket.OPEN) return;
    const message = parseMessage(text);
    if (!message) return socket.close(closeCodes.badRequest, 'Invalid message received');
    // graphql-ws takes a parsed message as well as a text.
    const handOn = (): Promise<void> => receive(message as never);
    const { type, id } = message;
    if (typeof id !== 'string' || (type !== 'subscribe' && type !== 'complete')) return handOn();
    const before = running.get(id);
    if (type === 'complete') {
      if (before) before.completedByClient = true;
      return handOn();
    }
    if (before && !before.completedByClient) return handOn();
    // A completed id may be used again, but graphql-ws would take the old operation's end for the new one's.
    const own: Running = { completedByClient: false, answered: Promise.resolve() };
    running.set(id, own);
    own.answered = (before?.answered ?? Promise.resolve())
      .then(() => (own.completedByClient ? undefined : handOn()))
      .catch((error: unknown) => fail(state, error))
      .then(() => {
        if (running.get(id) === own) running.delete(id);
      });
    return own.answered;
  }

  /** Checks an operation against what the socket may do and what its document says. Errors are answered; a throw here would close the socket. */
  function begin(state: State, id: string, payload: SubscribePayload, endInSilence: () => void): Prepared | readonly Refused[] {
    const { who, client } = state;
    try {
      if (state.ended) throw new AppError(refusalAfter(state.ended));
      mustBeWithinRate(state);
      if (who.viewer) {
        state.place ??= connections.takePlace(who.viewer.userId);
        if (!state.place) throw limited(1_000, `An account may have ${config.MAX_SOCKETS_PER_ACCOUNT} connections.`);
      }
      const prepared = executor.prepare(payload as { query: string });
      if ('errors' in prepared) return prepared.errors.map((error) => new Refused(error));
      const { operation } = prepared;
      if (operation.kind === 'subscription' && state.streams >= config.MAX_SUBSCRIPTIONS_PER_SOCKET)
        throw limited(1_000, `A socket may have ${config.MAX_SUBSCRIPTIONS_PER_SOCKET} subscriptions.`);
      if (operation.kind === 'subscription') state.streams++;
      return {
        schema: executor.schema,
        document: operation.document,
        operationName: operation.name,
        rootValue: undefined,
        contextValue: createContext(app.domains, client, who),
        state,
        id,
        operation,
        started: performance.now(),
        endInSilence,
      };
    } catch (error) {
      return [new Refused(toFormattedError(error, log, client.requestId))];
    }
  }

  function mustBeWithinRate(state: State): void {
    if (!config.RATE_LIMITS) return;
    const { credit } = state;
    const rate = config.MAX_OPERATIONS_PER_SECOND;
    const now = Date.now();
    credit.left = Math.min(rate * averagedSeconds, credit.left + ((now - credit.at) / 1000) * rate);
    credit.at = now;
    if (credit.left >= 1) {
      credit.left--;
      return;
    }
    if (now - credit.refusedSince > averagedSeconds * 1000) Object.assign(credit, { refused: 0, refusedSince: now });
    if (++credit.refused > rate * averagedSeconds * patience) state.socket.close(closeCodes.tooMany, 'Too many operations');
    throw limited(Math.ceil(((1 - credit.left) / rate) * 1000), `A socket may do ${rate} operations a second.`);
  }

  async function answer({ state, operation, contextValue, started }: Prepared): Promise<Result> {
    const result = await connections.track(() => executor.run(operation, contextValue));
    tell(state, operation, started, outcomeOf(result));
    return result;
  }

  /** Its items are written here: graphql-ws would put each into JSON again for everybody who is delivered the same. To graphql-ws the stream only ends. */
  async function openStream({ state, id, operation, contextValue, started, endInSilence }: Prepared): Promise<ResultStream | Result> {
    let over = false;
    const finish = (outcome: string): void => {
      if (over) return;
      over = true;
      state.streams--;
      tell(state, operation, started, outcome);
    };
    const items = await executor.subscribe(operation, contextValue);
    if (!isStream(items)) {
      finish(outcomeOf(items));
      return items;
    }
    const running = state.running.get(id);
    const beginning = `{"id":${JSON.stringify(id)},"type":"next","payload":`;
    const paced: ResultStream = {
      [Symbol.asyncIterator]: () => paced,
      async next() {
        for (;;) {
          const room = state.ended === null ? state.outlet.room() : undefined;
          if (room) await room;
          const item = await items.next();
          if (!item.done && !running?.completedByClient) {
            state.outlet.send(`${beginning}${toJson(item.value)}}`);
            continue;
          }
          finish('ok');
          // The stream's own timer may be the first to see that the token has expired.
          if (isToComeBack(state.ended) || isExpired(state)) endInSilence();
          return { done: true, value: undefined };
        }
      },
      async return() {
        finish('ok');
        return items.return();
      },
    };
    return paced;
  }

  function isExpired({ who }: State): boolean {
    return who.viewer !== null && who.viewer.expiresAt.getTime() - app.clock().getTime() <= timerSlackMs;
  }

  // ---------------------------------------------------------------- ending

  function cutSlowOnes(): void {
    for (const state of states) if (state.outlet.isStuck()) void cutOff(state);
  }

  function cutOff(state: State): Promise<void> {
    if (!state.ended) app.metrics.dropped();
    return end(state, 'SLOW_CONSUMER', closeCodes.tryLater, 'Slow consumer');
  }

  function pingAll(): void {
    for (const state of states) {
      if (state.unansweredPings >= 2) state.socket.terminate();
      else if (state.socket.readyState === state.socket.OPEN) {
        state.unansweredPings++;
        state.socket.ping();
      }
    }
  }

  /** Ends the streams with the reason as their last item and closes behind them. ws cuts the connection when the close is not answered in time. */
  async function end(state: State, reason: EndReason, code: number, text: string, patienceMs = lastWordsMs): Promise<void> {
    if (state.ended) return;
    state.ended = reason;
    state.controller.abort(reason);
    state.outlet.release();
    const answered = Promise.all([...state.running.values()].map((running) => running.answered));
    const timeout = new AbortController();
    await Promise.race([answered, sleep(patienceMs, undefined, { signal: timeout.signal, ref: false }).catch(() => {})]);
    timeout.abort();
    state.socket.close(code, text);
  }

  /** Refuses new sockets and operations, lets running ones be answered for so long, ends streams with SERVER_SHUTDOWN, and closes 1012. */
  async function stop(patienceMs: number): Promise<void> {
    stopping = true;
    for (const timer of timers) clearInterval(timer);
    await Promise.all(
      [...states].map(async (state) => {
        const closed = new Promise<void>((resolve) => state.socket.once('close', () => resolve()));
        await end(state, 'SERVER_SHUTDOWN', closeCodes.shutdown, 'Server shutdown', patienceMs);
        await Promise.race([closed, sleep(closeTimeoutMs + 100, undefined, { ref: false })]);
        state.socket.terminate();
      }),
    );
    server.close();
  }

  /** Something failed that is no operation's error. */
  function fail(state: State, error: unknown): void {
    if (error instanceof Error && error.message.startsWith('Unexpected message')) return state.socket.close(closeCodes.badRequest, 'Unexpected message');
    log.error({ err: error, requestId: state.client.requestId }, 'unexpected error on a socket');
    state.socket.close(closeCodes.tryLater, 'Internal error');
  }

  function tell({ client, who }: State, { name, kind }: Operation, started: number, outcome: string): void {
    const ms = performance.now() - started;
    app.metrics.operation({ transport: 'websocket', kind, name, outcome, seconds: ms / 1000 });
    log.info({ requestId: client.requestId, userId: who.viewer?.userId, operation: name?.slice(0, 64), kind, ms: Math.round(ms * 10) / 10, outcome }, 'operation over socket');
  }
}

/** An operation's error that was made ready before graphql-ws asks for it. */
class Refused extends GraphQLError {
  readonly formatted: GraphQLFormattedError;
  constructor(formatted: GraphQLFormattedError) {
    super(formatted.message);
    this.formatted = formatted;
  }
}

const limited = (retryAfterMs: number, message: string): AppError => new AppError('RATE_LIMITED', { retryAfterMs, scope: 'REQUESTS' }, message);

/** A stream that ends like this is to be opened again: `complete` before the close would tell clients that it is over for good, and none would subscribe again by itself. */
const isToComeBack = (ended: State['ended']): boolean => ended === 'TOKEN_EXPIRED' || ended === 'SERVER_SHUTDOWN' || ended === 'SLOW_CONSUMER';

/** What an operation is told that comes while its socket is being closed. */
function refusalAfter(ended: NonNullable<State['ended']>): Extract<ErrorCode, 'TOKEN_EXPIRED' | 'TOKEN_INVALID' | 'UNAVAILABLE'> {
  if (ended === 'TOKEN_EXPIRED') return 'TOKEN_EXPIRED';
  return ended === 'SERVER_SHUTDOWN' || ended === 'SLOW_CONSUMER' || ended === 'CLOSED' ? 'UNAVAILABLE' : 'TOKEN_INVALID';
}

/** A message as far as its place in the order of messages depends on it; null for what is no object. graphql-ws checks the rest. */
function parseMessage(text: string): { type?: unknown; id?: unknown } | null {
  try {
    const message: unknown = JSON.parse(text);
    return typeof message === 'object' && message !== null ? message : null;
  } catch {
    return null;
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
