/** One server: the app and its transports on one port, started and stopped as a whole. */
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AnyPlugin, createPipeline } from './api/pipeline.ts';
import { schema } from './api/schema.ts';
import { type App, createApp } from './app.ts';
import { type Config, shownHost } from './config.ts';
import { createLog, type Log } from './log.ts';
import { answerAndClose } from './transport/answer.ts';
import { createConnections } from './transport/connections.ts';
import { createCookies } from './transport/cookies.ts';
import { createHttp } from './transport/http.ts';
import { createSockets } from './transport/websocket.ts';

// An `import` of it reads all that it exports, and so loads a WebSocket client with fetch: 13 MB and 30 ms that nobody needs.
const { createServer } = process.getBuiltinModule('node:http');
/** Longest time that clients are given to take their last answers. */
const flushMs = 1_000;
/** So many requests may be sent on one connection before the answers are there: Node reads thousands in one go, and holds them all. */
const mostUnanswered = 32;
/**
 * Node's parser, which is not documented. What is given each request and returns 2, for another protocol, has it let go of the rest of what it has read. Otherwise
 * Node makes a request of each of thousands, and an error for each when the connection ends: ten connections took a turn of 180 ms, and take one of 9.
 */
type Parsed = Socket & { parser?: { onIncoming: unknown } };
/** A connection that has asked for nothing is closed after this time. */
const unusedMs = 30_000;

export type Server = Awaited<ReturnType<typeof startServer>>;

/**
 * Starts listening. `plugins` are Yoga's and Envelop's: their hooks see every operation, over HTTP, as Server-Sent Events and over sockets. Fails with DatabaseError, or with the system's error when the address cannot be had; nothing stays open then.
 * `stop()` answers what is running (for SHUTDOWN_SECONDS at most), ends streams and sockets, and closes the database. It may be called again.
 */
export async function startServer(config: Config, { plugins = [], log = createLog(config) }: { plugins?: readonly AnyPlugin[]; log?: Log } = {}) {
  const app = await createApp(config, log);
  try {
    return await serve(app, config, plugins, log);
  } catch (error) {
    await app.close().catch((failed: unknown) => log.warn({ err: failed }, 'what a failed start had opened was not closed well'));
    throw error;
  }
}

async function serve(app: App, config: Config, plugins: readonly AnyPlugin[], log: Log) {
  const connections = createConnections({ tail: app.tail, config });
  const pipeline = createPipeline({ app, schema, config, log, plugins, track: connections.track });
  const cookies = createCookies({ config });
  const sockets = createSockets({ app, pipeline, connections, cookies, config, log });
  const http = createHttp({ app, pipeline, connections, cookies, sockets, config, log });
  const listener = createServer(
    {
      headersTimeout: 15_000,
      requestTimeout: 60_000 + 2 * config.UPLOAD_SECONDS * 1000,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 65_000,
      noDelay: true,
      // Other upgrades (such as `h2c`, which some clients always offer) may be ignored (RFC 9110, 7.8): the request is answered as it is.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.trim().toLowerCase() === 'websocket',
    },
    (request, response) => {
      const { socket } = request;
      used(socket);
      const before = unanswered.get(socket) ?? 0;
      if (before >= mostUnanswered) {
        const { parser } = socket as Parsed;
        if (parser) parser.onIncoming = () => 2;
        socket.destroy();
      }
      if (socket.destroyed) return;
      unanswered.set(socket, before + 1);
      response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
      void http.handle(request, response);
    },
  );
  const unanswered = new WeakMap<Socket, number>();
  // Node counts a connection that never asked for anything as busy; browsers open such ones in advance.
  const unused = new Map<Socket, NodeJS.Timeout>();
  const used = (socket: Socket): void => {
    const patience = unused.get(socket);
    if (unused.delete(socket)) clearTimeout(patience);
  };
  listener.on('connection', (socket: Socket) => {
    unused.set(
      socket,
      setTimeout(() => socket.destroy(), unusedMs),
    );
    socket.once('close', () => used(socket));
  });
  listener.on('upgrade', (request, socket, head) => {
    used(request.socket);
    sockets.upgrade(request, socket, head);
  });
  listener.on('clientError', answerBrokenRequest);
  let stopped: Promise<void> | null = null;

  try {
    await listen(listener, config);
  } catch (error) {
    await sockets.stop(0);
    connections.close();
    throw error;
  }
  const { port } = listener.address() as AddressInfo;
  const url = `http://${shownHost(config.HOST)}:${port}`;

  return {
    app,
    port,
    /** Without a path. */
    url,
    wsUrl: `${url.replace('http', 'ws')}/graphql`,
    stop: (): Promise<void> => (stopped ??= stop()),
    [Symbol.asyncDispose]: (): Promise<void> => (stopped ??= stop()),
  };

  async function stop(): Promise<void> {
    const patienceMs = config.SHUTDOWN_SECONDS * 1000;
    log.info('stopping');
    http.stop();
    // Closing waits for what is under way; it cannot fail.
    void app.hurry();
    const answered = connections.idle(patienceMs);
    const socketsClosed = sockets.stop(patienceMs);
    app.tail.stop();
    await answered;
    const listenerClosed = new Promise<void>((resolve) => listener.close(() => resolve()));
    for (const socket of unused.keys()) socket.destroy();
    await socketsClosed;
    // A connection becomes idle when its last answer has been sent: Node closes those that were idle before, not these.
    const closing = setInterval(() => listener.closeIdleConnections(), 20);
    await Promise.race([listenerClosed, sleep(flushMs, undefined, { ref: false })]);
    clearInterval(closing);
    listener.closeAllConnections();
    await listenerClosed;
    connections.close();
    // What still runs after all this time may hold the database: the process must be able to end without it.
    await Promise.race([app.close(), sleep(2_000, undefined, { ref: false })]);
    log.info('stopped');
  }
}

function listen(listener: HttpServer, { PORT, HOST }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(PORT, HOST, () => {
      listener.off('error', reject);
      resolve();
    });
  });
}

/** What is not HTTP gets a short answer in HTTP and is cut off. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  const status =
    ({ HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large', ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout' } as Record<string, string>)[error.code ?? ''] ??
    '400 Bad Request';
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else answerAndClose(socket, status);
}
