/** The operations of a socket: in the order they came, as many at once and in a second as one socket may, through the pipeline, and out at the pace of the reader. */
import { type ExecutionArgs, GraphQLError, type GraphQLFormattedError, parse } from 'graphql';
import type { SubscribePayload } from 'graphql-ws';
import type { GraphQLParams } from 'graphql-yoga';
import { isStream, type Operation, type Result, type ResultStream, type ShownResult } from '../api/operation.ts';
import type { Exchange, Pipeline } from '../api/pipeline.ts';
import { toJson } from '../api/share.ts';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import { toFormattedError } from '../graphql/errors.ts';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import { over, type Poll } from '../polled.ts';
import type { Connections } from './connections.ts';
import { createLazyRequest } from './lazy-request.ts';
import { closeCodes, isExpired, isToComeBack, type OpenSocket, type Running, refusalAfter } from './open-socket.ts';
import { outcomeOf, type Tell } from './tell.ts';

/** Operations are counted over so many seconds, so that a client may do much at once when it starts. */
const averagedSeconds = 10;
/** A socket on which this many times the allowed operations were refused in that time is closed. */
const patience = 10;
/** So many operations of one socket run at once, and wait to be taken; the others wait for them. Streams count until they are open. */
const mostAtOnce = 16;
const longestId = 1_000;

/** What graphql-ws hands from one hook to the next: the operation was run already. */
export type Ran = ExecutionArgs & { result: Result | ResultStream };
/** What graphql-ws asks the kind of an operation that a plugin answered before it was known. */
const anything = parse('{ __typename }');

export function createSocketOperations({
  pipeline,
  connections,
  clock,
  config,
  tell,
  fail,
}: {
  pipeline: Pipeline;
  connections: Connections;
  clock: () => Date;
  config: Config;
  tell: Tell;
  /** Something failed that is no operation's error. */
  fail: (open: OpenSocket, error: unknown) => void;
}) {
  const lazyRequest = createLazyRequest(pipeline.fetchAPI.Request);
  return { take, run, takePlace, fullCredit };

  /** One message of the client, handed on when it is its turn. */
  async function take(open: OpenSocket, text: string, receive: (message: string) => Promise<void>): Promise<void> {
    const { socket, running } = open;
    if (socket.readyState !== socket.OPEN) return;
    const message = parseMessage(text);
    if (!message) return socket.close(closeCodes.badRequest, 'Invalid message received');
    // graphql-ws takes a parsed message as well as a text.
    const handOn = (): Promise<void> => receive(message as never);
    const { type, id } = message;
    // Every item of a stream repeats it.
    if (typeof id === 'string' && id.length > longestId) return socket.close(closeCodes.badRequest, 'The id is too long');
    if (typeof id !== 'string' || (type !== 'subscribe' && type !== 'complete')) return handOn();
    const before = running.get(id);
    if (type === 'complete') {
      if (before) before.completedByClient = true;
      return handOn();
    }
    if (before && !before.completedByClient) return handOn();
    // graphql-ws knows no operation without its text; a plugin may know it by its hash.
    if (isObject(message.payload)) message.payload.query ??= '';
    // A completed id may be used again, but graphql-ws would take the old operation's end for the new one's.
    const own: Running = { completedByClient: false, answered: Promise.resolve() };
    running.set(id, own);
    const answer = async (): Promise<void> => {
      try {
        if (before) await before.answered;
        if (!own.completedByClient) await handOn();
      } catch (error) {
        fail(open, error);
      }
      if (running.get(id) === own) running.delete(id);
    };
    own.answered = answer();
    return own.answered;
  }

  /** Runs an operation. Errors of what could not be run are answered as such; a throw here would close the socket. */
  async function run(open: OpenSocket, id: string, payload: SubscribePayload, endInSilence: () => void): Promise<Ran | readonly Refused[]> {
    open.lastAskedAt = performance.now();
    const { client, turns } = open;
    if (turns.taken >= mostAtOnce) await new Promise<void>((wake) => turns.waiting.push(wake));
    else turns.taken++;
    const giveBack = (): void => {
      const next = turns.waiting.shift();
      if (next) next();
      else turns.taken--;
    };
    // A stream keeps what it was asked for: the same text for all who ask for the same.
    (payload as { query: string }).query = pipeline.keptText(payload.query);
    const startedAt = performance.now();
    const exchange: Exchange = {
      client,
      who: { viewer: null },
      params: null,
      operation: null,
      began: false,
      identify: () => mayRun(open),
      admit: (operation) => admit(open, exchange, operation, startedAt),
    };
    const result = await pipeline.getResult({ ...payload, query: payload.query || undefined } as GraphQLParams, { req: open.request, exchange }, lazyRequest(open.request));
    const { operation, began } = exchange as Exchange;
    const args = { schema: pipeline.schema, document: operation?.document ?? anything, operationName: operation?.name ?? null, rootValue: undefined, contextValue: undefined };
    if (isStream(result)) {
      giveBack();
      return { ...args, result: paced(open, id, result, endInSilence, (item) => pipeline.toShown(item, client.requestId)) };
    }
    const shown = pipeline.toShown(result, client.requestId);
    if (operation && began) tell(exchange, operation, startedAt, outcomeOf(shown));
    else if (shown.data === undefined && shown.errors) {
      giveBack();
      return shown.errors.map((error) => new Refused(error));
    }
    // It has its `complete` in any case: asked for again, a mutation would be done again.
    return { ...args, result: only(open, id, shown, giveBack) };
  }

  // ---------------------------------------------------------------- what a socket may

  function mayRun(open: OpenSocket): OpenSocket['who'] {
    const { who } = open;
    if (open.ended) throw new AppError(refusalAfter(open.ended));
    mustBeWithinRate(open);
    if (who.viewer) {
      if (!takePlace(open, who.viewer.userId)) throw limited(1_000, `An account may have ${config.MAX_SOCKETS_PER_ACCOUNT} connections.`);
    }
    return who;
  }

  /** A socket has one of its account's places, or else one of its address. */
  function takePlace(open: OpenSocket, userId: UserId): boolean {
    open.place ??= connections.takePlace(userId);
    if (open.place) open.anonymousPlace();
    return open.place !== null;
  }

  function fullCredit(): OpenSocket['credit'] {
    const now = performance.now();
    return { left: config.MAX_OPERATIONS_PER_SECOND * averagedSeconds, at: now, refused: 0, refusedSince: now };
  }

  function mustBeWithinRate({ credit, socket }: OpenSocket): void {
    if (!config.RATE_LIMITS) return;
    const rate = config.MAX_OPERATIONS_PER_SECOND;
    const now = performance.now();
    credit.left = Math.min(rate * averagedSeconds, credit.left + ((now - credit.at) / 1000) * rate);
    credit.at = now;
    if (credit.left >= 1) {
      credit.left--;
      return;
    }
    if (now - credit.refusedSince > averagedSeconds * 1000) Object.assign(credit, { refused: 0, refusedSince: now });
    if (++credit.refused > rate * averagedSeconds * patience) socket.close(closeCodes.tooMany, 'Too many operations');
    throw limited(Math.ceil(((1 - credit.left) / rate) * 1000), `A socket may do ${rate} operations a second.`);
  }

  function admit(open: OpenSocket, exchange: Exchange, operation: Operation, startedAt: number): () => void {
    if (open.streams >= config.MAX_SUBSCRIPTIONS_PER_SOCKET) throw limited(1_000, `A socket may have ${config.MAX_SUBSCRIPTIONS_PER_SOCKET} subscriptions.`);
    open.streams++;
    return () => {
      open.streams--;
      tell(exchange, operation, startedAt, 'ok');
    };
  }

  // ---------------------------------------------------------------- streams

  /** One answer as a stream: its turn lasts until the reader has taken it. */
  function only(open: OpenSocket, id: string, shown: ShownResult, giveBack: () => void): ResultStream {
    const send = sender(open, id);
    let isOver = false;
    const end = (): typeof over => {
      if (!isOver) giveBack();
      isOver = true;
      return over;
    };
    const stream: ResultStream = {
      [Symbol.asyncIterator]: () => stream,
      async next() {
        while (isFull(open)) await open.outlet.room();
        if (!isOver) send(shown);
        return end();
      },
      return: async () => end(),
    };
    return stream;
  }

  /** A stream at the pace of its reader. */
  function paced(open: OpenSocket, id: string, items: ResultStream, endInSilence: () => void, toShown: (item: Result) => ShownResult): ResultStream {
    const send = sender(open, id);
    const poll: Poll<Result> = items.poll ?? (() => items.next());
    const stream: ResultStream = {
      [Symbol.asyncIterator]: () => stream,
      next: () =>
        new Promise((resolve, reject) => {
          const go = (): void => {
            try {
              while (!isFull(open)) {
                const item = poll(go);
                if (item instanceof Promise) return void item.then(goOn).catch(reject);
                if (!item) return;
                if (item.done || !send(toShown(item.value))) return end(item);
              }
              void open.outlet.room().then(go);
            } catch (error) {
              reject(error);
            }
          };
          const goOn = async (item: IteratorResult<Result> | null): Promise<void> => {
            if (!item) return;
            // Others of this socket may have filled it meanwhile. What is put into JSON may become much larger than it was.
            while (isFull(open)) await open.outlet.room();
            if (item.done || !send(toShown(item.value))) end(item);
            else go();
          };
          const end = ({ done }: IteratorResult<Result>): void => {
            const closed = done ? Promise.resolve() : items.return();
            closed.then(() => {
              // The stream's own timer may be the first to see that the token has expired.
              if (isToComeBack(open.ended) || isExpired(open, clock())) endInSilence();
              resolve(over);
            }, reject);
          };
          go();
        }),
      return: () => items.return(),
    };
    return stream;
  }

  /** Sends results; false when nothing more is to be sent. Written here: graphql-ws would put each into JSON again for everybody who is delivered the same. To graphql-ws a stream only ends. */
  function sender(open: OpenSocket, id: string): (shown: ShownResult) => boolean {
    const running = open.running.get(id);
    const beginning = `{"id":${JSON.stringify(id)},"type":"next","payload":`;
    return (shown) => {
      if (running?.completedByClient || open.ended === 'CLOSED') return false;
      open.outlet.send(`${beginning}${toJson(shown)}}`);
      return true;
    };
  }
}

/** Whether to wait before more is sent. */
const isFull = ({ ended, outlet }: OpenSocket): boolean => ended === null && !outlet.hasRoom();

/** An operation's error that was made ready before graphql-ws asks for it. */
export class Refused extends GraphQLError {
  readonly formatted: GraphQLFormattedError;
  constructor(formatted: GraphQLFormattedError) {
    super(formatted.message);
    this.formatted = formatted;
  }
}

/** An error as a socket's client may see it. */
export const toShownError = (error: GraphQLError, log: Log): GraphQLFormattedError => (error instanceof Refused ? error.formatted : toFormattedError(error, log));

const limited = (retryAfterMs: number, message: string): AppError => new AppError('RATE_LIMITED', { retryAfterMs, scope: 'REQUESTS' }, message);

/** A message as far as its place in the order of messages depends on it; null for what is no object. graphql-ws checks the rest. */
function parseMessage(text: string): { type?: unknown; id?: unknown; payload?: unknown } | null {
  try {
    const message: unknown = JSON.parse(text);
    return isObject(message) ? message : null;
  } catch {
    return null;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
