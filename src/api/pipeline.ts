/**
 * The way of every operation, whatever brought it: one Yoga instance, through whose hooks it is read, checked, run and answered. An operator's plugins
 * stand between our first and our last, so that what one refuses over HTTP is refused on a socket, too.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { useAPQ as automaticPersistedQueries } from '@graphql-yoga/plugin-apq';
import { createServerAdapter } from '@whatwg-node/server';
import { type DocumentNode, GraphQLError, type GraphQLSchema, specifiedRules } from 'graphql';
import { type GraphQLParams, getInstrumented, type Instrumentation, type Plugin, type YogaInitialContext, YogaServer } from 'graphql-yoga';
import { LRUCache } from 'lru-cache';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { type Client, type Context, createContext } from '../graphql/context.ts';
import { toFormattedError } from '../graphql/errors.ts';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import { createQueues, yieldWhenLong } from '../turns.ts';
import type { Viewer } from '../viewer.ts';
import { createDocuments, maxErrors } from './documents.ts';
import { asResult, createExecutor } from './execute.ts';
import { isStream, type Operation, type Result, type ResultStream, type ShownResult } from './operation.ts';
import { createSaturation } from './saturate.ts';

export type Pipeline = ReturnType<typeof createPipeline>;
/** A plugin of Yoga or Envelop. What each hook finds of us: `req`, and of HTTP `res`, in the server context; in the context of an operation `own.viewer`, who asks. */
export type OperatorPlugin = Plugin<Contexts, ServerContext>;
/** Plugins that packages bring know nothing of us. */
export type AnyPlugin = OperatorPlugin | Plugin<Contexts>;

/** Who asks, or why there is nobody. */
export type Who = { viewer: Viewer | null; refusal?: Context['refusal'] };

/** One operation on its way, as its transport knows it. */
export type Exchange = {
  client: Client;
  /** Says who asks, before anything is read. Throws when the operation may not come in at all. */
  identify(): Who | Promise<Who>;
  /** Says whether a stream may begin: throws when it may not, and returns what is to be done when it is over. */
  admit(operation: Operation, viewer: Viewer | null): () => void;
  who: Who;
  /** What was sent, before plugins may change it. */
  params: GraphQLParams | null;
  /** What is asked for, once that is known. */
  operation: Operation | null;
  /** Whether it was begun: before, nothing has happened. */
  began: boolean;
  /** As it was opened, before plugins may change it. */
  stream?: ResultStream;
  /** What Yoga's HTTP layer needs to be told: how a request is read, and how it is answered. */
  http?: { read(parse: () => unknown): Promise<GraphQLParams>; respond(result: Result | ResultStream): Response };
};
/** What is left of an HTTP request for as long as its socket lives. */
export type RequestHead = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'socket'>;
export type ServerContext = { req: RequestHead; res?: ServerResponse; exchange: Exchange };
type Contexts = { own: Context };
type Args = { document: DocumentNode; operationName?: string | null; variableValues?: Record<string, unknown> | null; contextValue: ServerContext & Contexts };

/** What Yoga's types leave out: all plugins, with those that plugins brought with them, and what they measure. */
type Inside = { plugins: OperatorPlugin[]; instrumentation?: Instrumentation<object> };

/** So many characters of documents are kept for clients that send their hashes. */
const persistedCharacters = 2_000_000;

export function createPipeline({
  app,
  schema,
  config,
  log,
  plugins,
  track,
}: {
  app: App;
  schema: GraphQLSchema;
  config: Config;
  log: Log;
  plugins: readonly AnyPlugin[];
  /** Keeps the server from ending while the job runs. */
  track: <T>(job: () => Promise<T>) => Promise<T>;
}) {
  const documents = createDocuments({ schema, config });
  const executor = createExecutor({ schema, hideSuggestions: documents.hideSuggestions, maxAnswerBytes: config.MAX_ANSWER_BYTES });

  const saturated = createSaturation(schema);
  const inTurn = createQueues<UserId | string>();
  const first: OperatorPlugin = {
    onRequestParse({ serverContext, requestParser, setRequestParser }) {
      const { http } = serverContext.exchange;
      if (http) setRequestParser((request) => http.read(() => requestParser?.(request)));
    },
    async onParams({ params, context }) {
      const { exchange } = context as unknown as ServerContext;
      const viewer = await enter(params, exchange);
      const { query } = params;
      // New documents of one account or address are looked at one at a time: reading many takes long, also of those that are wrong.
      if (typeof query === 'string' && !documents.isKnown(query)) await inTurn(viewer?.userId ?? exchange.client.ipAddress, async () => documents.learn(query));
    },
    onParse: ({ setParseFn }) => setParseFn((source: string | { body: string }) => documents.read(typeof source === 'string' ? source : source.body)),
    // Yoga itself puts graphql's own rules first, which are among ours; behind them come those of plugins.
    onValidate: ({ setValidationFn }) => setValidationFn((_schema, document, rules = []) => documents.check(document, rules.slice(specifiedRules.length))),
    onExecute: ({ setExecuteFn }) => setExecuteFn(run as never),
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe as never),
    onResultProcess({ serverContext, setResultProcessor }) {
      const { http } = serverContext.exchange;
      if (http) setResultProcessor((result) => http.respond(result as Result | ResultStream), 'application/json');
    },
  };
  const last: OperatorPlugin = {
    onParams: ({ params, setParams }) => setParams(checked(params)),
    onParse:
      () =>
      ({ result, context }) => {
        if (!(result instanceof Error)) documents.choose(result, (context as unknown as YogaInitialContext).params.operationName);
      },
  };
  const persisted = persistedQueries();
  const yoga = new YogaServer<ServerContext, Contexts>({
    schema,
    plugins: [first, ...plugins, persisted, last],
    context: ({ exchange }: ServerContext) => ({ own: createContext(app.domains, exchange.client, exchange.who) }),
    // Ours, or nobody's: see docs/decisions/yoga.md.
    cors: false,
    graphiql: false,
    landingPage: false,
    // An address that no request can have.
    healthCheckEndpoint: '\n',
    multipart: false,
    batching: false,
    maxRequestBodySize: false,
    parserAndValidationCache: false,
    maskedErrors: false,
    logging: false,
  });
  const { getResultForParams, fetchAPI } = yoga;
  const { plugins: all, instrumentation } = yoga as unknown as Inside;
  // As `createYoga` does, but for what it would find out by looking at the global Request, with which Node loads the whole of `fetch`: 13 MB and 30 ms.
  const adapter = createServerAdapter<ServerContext, typeof yoga>(yoga, { fetchAPI, plugins: all as never, __useCustomAbortCtrl: true });
  // Once: each look at it makes a bound function.
  const { handleNodeRequestAndResponse } = adapter;
  // Also those that plugins brought with them.
  const others = all.slice(all.indexOf(first) + 1, all.indexOf(last)).filter((plugin) => plugin !== persisted);
  // Where nobody looks at the items of streams, they pass Yoga by, which has three promises for each.
  const hasItemHooks = others.some(looksAtItems);
  return {
    schema,
    /** Whether a plugin wants to see requests and responses: then none passes Yoga's HTTP layer by. */
    hasHttpHooks: others.some(looksAtHttp),
    /** The whole of HTTP. Throws for a request that has no address. */
    handle: async (req: IncomingMessage, res: ServerResponse, exchange: Exchange): Promise<Response> => handleNodeRequestAndResponse(req, res, { req, res, exchange }),
    keptText: documents.keptText,
    getResult,
    toShown,
    fetchAPI,
  };

  /** One operation without the HTTP layer: every hook runs that is not about requests and responses. Never throws. */
  async function getResult(params: GraphQLParams, context: ServerContext, request: Request): Promise<Result | ResultStream> {
    try {
      const known = others.length === 0 && isPlain(params) ? documents.findRight(params.query) : null;
      if (known) return await runKnown(known, params, context);
      const traced = instrumentation?.operation ? getInstrumented({ context, request }).asyncFn(instrumentation.operation, getResultForParams) : getResultForParams;
      const result = (await traced({ params, request }, context as never)) as Result | ResultStream;
      return (hasItemHooks ? null : context.exchange.stream) ?? result;
    } catch (error) {
      return asResult(error);
    }
  }

  /** An operation of a document that Yoga has read and checked before: where there is no plugin, it could add nothing (docs/decisions/yoga.md). */
  async function runKnown(document: DocumentNode, params: GraphQLParams, { req, res, exchange }: ServerContext): Promise<Result | ResultStream> {
    await enter(params, exchange);
    const { variables: variableValues, operationName } = checked(params);
    const args: Args = { document, operationName, variableValues, contextValue: { req, res, exchange, own: createContext(app.domains, exchange.client, exchange.who) } };
    return documents.choose(document, operationName).kind === 'subscription' ? subscribe(args) : run(args);
  }

  /** Finds out who asks, and takes the request from their share. */
  async function enter(params: GraphQLParams, exchange: Exchange): Promise<Viewer | null> {
    exchange.params = params;
    exchange.who = await exchange.identify();
    const { viewer } = exchange.who;
    if (config.RATE_LIMITS) await app.limits.take('REQUESTS', viewer ? viewer.userId : { address: exchange.client.ipAddress });
    return viewer;
  }

  async function run(args: Args): Promise<Result> {
    try {
      // Large variables take their time to be read, and many requests come at once.
      await yieldWhenLong();
      const operation = toOperation(args);
      args.contextValue.exchange.began = true;
      return await track(() => executor.run(operation, args.contextValue.own));
    } catch (error) {
      return asResult(error);
    }
  }

  async function subscribe(args: Args): Promise<ResultStream | Result> {
    try {
      const operation = toOperation(args);
      const { exchange, own } = args.contextValue;
      const over = exchange.admit(operation, own.viewer);
      exchange.began = true;
      const result = await executor.subscribe(operation, own, over);
      if (isStream(result)) exchange.stream = result;
      return result;
    } catch (error) {
      return asResult(error);
    }
  }

  function toOperation({ document, operationName, variableValues, contextValue }: Args): Operation {
    const chosen = documents.choose(document, operationName);
    const operation = documents.mustBeAffordable(chosen, saturated(chosen.node, variableValues ?? {}));
    contextValue.exchange.operation = operation;
    return operation;
  }

  /** A result as clients may see it: errors with nothing but their sentence, code and details. The same object where there is none. */
  function toShown(result: Result, requestId?: string): ShownResult {
    if (!result.errors) return result;
    return { ...result, errors: result.errors.slice(0, maxErrors).map((error) => toFormattedError(asError(error), log, requestId)) };
  }
}

/** Automatic persisted queries as Apollo's and urql's links speak them. Stands back where another plugin has found the document. */
function persistedQueries(): OperatorPlugin {
  const store = new LRUCache<string, string>({ max: 10_000, maxSize: persistedCharacters, sizeCalculation: (text) => text.length + 64 });
  const { onParams } = automaticPersistedQueries({
    store: { get: (hash) => store.get(hash), set: (hash, text) => store.set(hash, text) },
    responseConfig: { forceStatusCodeOk: true },
  });
  return {
    onParams(payload) {
      const { exchange } = payload.context as unknown as ServerContext;
      return payload.params.query === exchange.params?.query ? onParams?.(payload as never) : undefined;
    },
  };
}

/** Whether nothing but a text says what is asked for. Extensions may ask for it to be remembered. */
const isPlain = (params: GraphQLParams): params is GraphQLParams & { query: string } => typeof params.query === 'string' && params.extensions == null;

/** The four parameters there are. Throws BAD_REQUEST for what none of them may be; what else a client sends is passed over. */
function checked({ query, variables, operationName, extensions }: { [Name in keyof GraphQLParams]: unknown }): GraphQLParams {
  const refused = (what: string): GraphQLError => new GraphQLError(`The parameter ${what}.`, { extensions: { code: 'BAD_REQUEST', http: { status: 400 } } });
  if (query == null) throw refused('`query` is missing');
  if (typeof query !== 'string') throw refused('`query` is not text');
  if (variables != null && !isObject(variables)) throw refused('`variables` is not an object');
  if (operationName != null && typeof operationName !== 'string') throw refused('`operationName` is not text');
  if (extensions != null && !isObject(extensions)) throw refused('`extensions` is not an object');
  return { query, ...(variables ? { variables } : {}), ...(operationName ? { operationName } : {}), ...(extensions ? { extensions } : {}) };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Errors that a plugin made by hand are errors, too. */
const asError = (error: GraphQLError): GraphQLError =>
  error instanceof Error ? error : new GraphQLError(String((error as GraphQLError).message), { extensions: (error as GraphQLError).extensions });

/** Whether it may put something in the place of a stream. */
const looksAtItems = ({ onParams, onEnveloped, onSubscribe, onExecutionResult, instrumentation }: OperatorPlugin): boolean =>
  Boolean(onParams || onEnveloped || onSubscribe || onExecutionResult || instrumentation?.operation || instrumentation?.subscribe);
const looksAtHttp = ({ onRequest, onResponse, onRequestParse, onResultProcess, instrumentation }: OperatorPlugin): boolean =>
  Boolean(onRequest || onResponse || onRequestParse || onResultProcess || instrumentation?.request || instrumentation?.requestParse || instrumentation?.resultProcess);
