/**
 * GraphQL over HTTP (the GraphQL Foundation's draft, held by its audits in test/wire.test.ts) and its streams. Yoga answers; a POST of plain JSON that no
 * plugin wants to see as a request goes straight into the pipeline, past Yoga's HTTP layer, for what that costs (docs/decisions/yoga.md).
 */
import { sendNodeResponse } from '@whatwg-node/server';
import type { GraphQLParams } from 'graphql-yoga';
import { isStream, type Operation, type Result, type ResultStream, type ShownResult } from '../api/operation.ts';
import type { Exchange, Pipeline } from '../api/pipeline.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import type { Viewer } from '../viewer.ts';
import { type Call, Refusal, send, stoppingRefusal } from './answer.ts';
import { acceptedForms, type Form, readBody, readSearch } from './body.ts';
import { authenticate } from './client.ts';
import type { Connections } from './connections.ts';
import type { Cookies } from './cookies.ts';
import { createLazyRequest } from './lazy-request.ts';
import { onlyItem, sseHeaders, streamBody } from './sse.ts';
import { outcomeOf, type Tell } from './tell.ts';

/** An exchange over HTTP. */
type HttpExchange = Exchange & {
  call: Call;
  forms: readonly Form[];
  startedAt: number;
  /** What was thrown before there was an operation: the request is refused, whatever form its answer was to have. */
  refused: unknown;
  /** Of a stream that was opened: what became of it. */
  outcome: string | null;
};
type Answer = { status: number; headers: Record<string, string>; body: string };

export function createGraphqlOverHttp({
  app,
  pipeline,
  connections,
  cookies,
  config,
  tell,
  isStopping,
}: {
  app: App;
  pipeline: Pipeline;
  connections: Connections;
  cookies: Cookies;
  config: Config;
  tell: Tell;
  isStopping: () => boolean;
}) {
  const streams = new Set<AbortController>();
  const { Request, Response } = pipeline.fetchAPI;
  const lazyRequest = createLazyRequest(Request);
  return {
    handle,
    /** Ends all streams with SERVER_SHUTDOWN. */
    stop: (): void => {
      for (const stream of streams) stream.abort('SERVER_SHUTDOWN');
    },
  };

  /** Answers one request. Throws what refuses it. */
  async function handle(call: Call): Promise<void> {
    const { request, response } = call;
    if (request.method !== 'GET' && request.method !== 'POST') throw new Refusal(405, 'GraphQL takes GET and POST.', { headers: { allow: 'GET, POST, OPTIONS' } });
    const forms = acceptedForms(request.headers.accept);
    // Otherwise Yoga would run the operation first, and find then that nobody takes the answer.
    if (forms.length === 0) throw new Refusal(406, 'Answers come as application/graphql-response+json, application/json or text/event-stream.');
    const exchange = open(call, forms);
    if (request.method === 'POST' && !forms.includes('text/event-stream') && !pipeline.hasHttpHooks) {
      const params = await read(call);
      // What was taken before a stop began is answered.
      const result = await connections.track(() => pipeline.getResult(params, { req: request, res: response, exchange }, lazyRequest(request)));
      if (exchange.refused) throw exchange.refused;
      const { status, headers, body } = toAnswer(exchange, result as Result);
      return send(call, status, headers, body);
    }
    const answer = await handleByYoga(exchange);
    if (exchange.refused) throw exchange.refused;
    const headers = Object.fromEntries(answer.headers);
    // One write instead of three.
    if (!headers['content-type']?.startsWith('text/event-stream') || !exchange.operation) return send(call, answer.status, headers, await answer.text());
    response.socket?.setNoDelay(true);
    await sendNodeResponse(answer, response, request as never, true);
  }

  async function handleByYoga(exchange: HttpExchange): Promise<Response> {
    const { request, response } = exchange.call;
    try {
      return await pipeline.handle(request, response, exchange);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_INVALID_URL') throw new Refusal(400, 'The request has no address that could be understood.');
      throw error;
    }
  }

  async function read(call: Call): Promise<GraphQLParams> {
    const params = await parse(call).catch(async (refusal) => {
      // Who never sends a request is limited, too.
      if (config.RATE_LIMITS) await app.limits.take('REQUESTS', { address: call.client.ipAddress });
      throw refusal;
    });
    if (isStopping()) throw stoppingRefusal();
    return params;
  }

  async function parse({ request, search }: Call): Promise<GraphQLParams> {
    return request.method === 'GET' ? readSearch(search) : readBody(request, config.MAX_BODY_BYTES);
  }

  function open(call: Call, forms: readonly Form[]): HttpExchange {
    const { request, response, client } = call;
    const given = cookies.read(request);
    const refusing = async <T>(job: () => Promise<T>): Promise<T> => {
      try {
        return await job();
      } catch (error) {
        exchange.refused = error;
        throw error;
      }
    };
    const exchange: HttpExchange = {
      call,
      forms,
      startedAt: performance.now(),
      refused: null,
      outcome: null,
      client: { ...client, cookies: cookies.jar(request, response, given) },
      who: { viewer: null },
      params: null,
      operation: null,
      began: false,
      identify: () =>
        refusing(async () => {
          if (given && !cookies.mayUse(request))
            throw new Refusal(403, 'A request with session cookies must come from this server’s own pages or from ALLOWED_ORIGINS, or carry the header Apollo-Require-Preflight.');
          return authenticate(app, given?.accessToken ? `Bearer ${given.accessToken}` : request.headers.authorization);
        }),
      admit: (operation, viewer) => admit(exchange, operation, viewer),
      http: {
        read: () => refusing(() => read(call)),
        respond: (result) => {
          if (exchange.refused) return new Response(null);
          if (isStream(result)) return new Response(toBody(exchange, result) as never, { headers: sseHeaders });
          const { status, headers, body } = toAnswer(exchange, result);
          return new Response(body, { status, headers });
        },
      },
    };
    return exchange;
  }

  // ---------------------------------------------------------------- streams

  function admit(exchange: HttpExchange, operation: Operation, viewer: Viewer | null): () => void {
    if (!exchange.forms.includes('text/event-stream'))
      throw new AppError('BAD_REQUEST', undefined, 'Subscriptions need `Accept: text/event-stream`, or a WebSocket with the subprotocol graphql-transport-ws.');
    const giveBack = viewer ? connections.takePlace(viewer.userId) : () => {};
    if (!giveBack) throw new AppError('RATE_LIMITED', { retryAfterMs: 10_000, scope: 'REQUESTS' }, `An account may have ${config.MAX_SOCKETS_PER_ACCOUNT} connections.`);
    const controller = new AbortController();
    exchange.client.signal = controller.signal;
    streams.add(controller);
    const jobs = viewer ? [connections.onSessionEnd(viewer.sessionId, (reason) => controller.abort(reason)), app.presence.connect(viewer.userId)] : [];
    return () => {
      giveBack();
      streams.delete(controller);
      for (const job of jobs) job();
      if (exchange.outcome !== null) tell(exchange, operation, exchange.startedAt, exchange.outcome);
    };
  }

  function toBody(exchange: HttpExchange, items: ResultStream): ReturnType<typeof streamBody> {
    const { client, call } = exchange;
    exchange.outcome = 'ok';
    return streamBody(call.response, items, {
      config,
      toShown: (item) => pipeline.toShown(item, client.requestId),
      cut: () => {
        app.metrics.dropped();
        exchange.outcome = 'SLOW_CONSUMER';
      },
    });
  }

  // ---------------------------------------------------------------- answers

  function toAnswer(exchange: HttpExchange, result: Result): Answer {
    const { operation, forms, client } = exchange;
    const { extensions, ...shown } = pipeline.toShown(result, client.requestId);
    const { http: said, ...others } = { ...extensions } as { http?: HttpExtension };
    if (operation && exchange.began) tell(exchange, operation, exchange.startedAt, outcomeOf(shown));
    const form = operation?.kind === 'subscription' && forms.includes('text/event-stream') ? 'text/event-stream' : (forms[0] as Form);
    const body = extensions && Object.keys(others).length > 0 ? { ...shown, extensions: others } : shown;
    const asked = [said, ...(result.errors ?? []).map((error) => error.extensions?.http as HttpExtension | undefined)];
    const headers: Record<string, string> = {};
    for (const extension of asked) Object.assign(headers, lowerCased(extension?.headers));
    if (form === 'text/event-stream') return { status: 200, headers: { ...sseHeaders, ...headers }, body: onlyItem(body) };
    return { status: statusOf(form, shown, asked), headers: { 'content-type': `${form}; charset=utf-8`, 'cache-control': 'no-store', ...headers }, body: JSON.stringify(body) };
  }
}

/** How Yoga's plugins say what an answer is to look like over HTTP. `spec`: only where the answer is not plain JSON, as the draft has it. */
type HttpExtension = { status?: number; headers?: Record<string, string>; spec?: boolean };

/** The draft's table: JSON proper says 200 to every well-formed request, the newer type 400 where there is no data at all. What a plugin asks for goes before. */
function statusOf(form: Form, { data, errors = [] }: ShownResult, asked: readonly (HttpExtension | undefined)[]): number {
  const statuses = asked.flatMap((extension) => (extension?.status && !(extension.spec && form === 'application/json') ? [extension.status] : []));
  if (statuses.length > 0) return statuses.reduce((highest, status) => Math.max(highest, status));
  if (form === 'application/json' || data !== undefined) return 200;
  return errors.some((error) => error.extensions?.code === 'UNAVAILABLE') ? 503 : 400;
}

const lowerCased = (headers: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
