/** One door for operations, whatever brought them: reads, checks, weighs and runs a document, and masks what must not leave. */
import { setTimeout as sleep } from 'node:timers/promises';
import { complexityFromQuery } from '@pothos/plugin-complexity';
import {
  type ASTVisitor,
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getVariableValues,
  isInterfaceType,
  isObjectType,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  TypeInfo,
  type ValidationContext,
  validate,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Config } from '../config.ts';
import { AppError, hasCode } from '../errors.ts';
import { type Context, type Delivery, freshContext } from '../graphql/context.ts';
import { toFormattedError } from '../graphql/errors.ts';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import { isDatabaseAway } from '../storage/failures.ts';
import { createQueues } from '../turns.ts';
import { findExcess, tooCostly } from './limits.ts';
import { createSharing } from './share.ts';

const longestWaitMs = 60_000;

/** What a client sends, its shape already checked by the transport. */
export type Request = { query: string; variables?: Record<string, unknown> | null | undefined; operationName?: string | null | undefined };
/** A checked operation. */
export type Operation = {
  document: DocumentNode;
  node: OperationDefinitionNode;
  name: string | null;
  kind: 'query' | 'mutation' | 'subscription';
  variables: Record<string, unknown>;
  weight: number;
};
export type Result = FormattedExecutionResult;
/** `return()` answers at once, also while a `next()` is waiting, and ends the source. */
export type ResultStream = AsyncIterableIterator<Result> & { return(): Promise<IteratorResult<Result>> };
export const isStream = (value: ResultStream | Result): value is ResultStream => 'next' in value;
export type Executor = ReturnType<typeof createExecutor>;

/** What is remembered of a document: its operations with their weights, or what is wrong with it. */
type Checked = { document: DocumentNode; operations: Weighed[] } | { errors: GraphQLFormattedError[] };
type Weighed = { node: OperationDefinitionNode; alone: DocumentNode; weight: number | 'depends on the variables' };

const maxErrors = 20;
const rememberedCharacters = 500_000;
/** Queries of this weight on are run one at a time for each account: many of them at once must not hold up others. */
const heavy = 500;

export function createExecutor({ schema, config, log }: { schema: GraphQLSchema; config: Config; log: Log }) {
  const documents = new LRUCache<string, Checked>({ max: 2_000, maxSize: rememberedCharacters, sizeCalculation: (_checked, text) => text.length + 200 });
  const rules = [...specifiedRules, unconditionalSubscription, ...(config.INTROSPECTION ? [] : [NoSchemaIntrospectionCustomRule])];
  const hideSuggestions = !config.INTROSPECTION;
  const inTurn = createQueues<UserId | string>();
  const executeShared = createSharing((operation, context, item) => execute({ ...argsOf(operation, context), rootValue: item }));
  return { schema, prepare, run, subscribe };

  /** The operation that a request asks for, ready to run, or what is wrong with it. */
  function prepare(request: Request): { operation: Operation } | { errors: GraphQLFormattedError[] } {
    let checked = documents.get(request.query);
    if (!checked) {
      checked = check(request.query);
      documents.set(request.query, checked);
    }
    if ('errors' in checked) return checked;
    const variables = request.variables ?? {};
    try {
      const chosen = choose(checked.operations, request.operationName || null);
      const weight = mustBeAffordable(chosen, variables);
      const { node } = chosen;
      return { operation: { document: checked.document, node, name: node.name?.value ?? null, kind: node.operation, variables, weight } };
    } catch (error) {
      return { errors: [format(error)] };
    }
  }

  /** Runs a query or mutation. Never throws. */
  async function run(operation: Operation, context: Context): Promise<Result> {
    try {
      await takeShare(context);
      const job = async (): Promise<Result> => masked(await execute(argsOf(operation, context)), context);
      return await (operation.weight < heavy ? job() : inTurn(context.viewer?.userId ?? context.client.ipAddress, job));
    } catch (error) {
      return { errors: [format(error, context)] };
    }
  }

  /** Opens a subscription, whose source hands out deliveries: a stream, or the errors why there is none. Neither throws: a stream that breaks ends with an item that has only errors. */
  async function subscribe(operation: Operation, context: Context): Promise<ResultStream | Result> {
    try {
      await takeShare(context);
      const source: AsyncIterable<unknown> | ExecutionResult = await createSourceEventStream(argsOf(operation, context));
      if (!isIterable(source)) return masked(source, context);
      return stream((source as AsyncIterable<Delivery>)[Symbol.asyncIterator](), (delivery) => executeShared(operation, delivery), context);
    } catch (error) {
      return { errors: [format(error, context)] };
    }
  }

  /** Throws RATE_LIMITED when the account, or the address of somebody unknown, asks too often. */
  async function takeShare({ app, viewer, client }: Context): Promise<void> {
    if (config.RATE_LIMITS) await app.limits.take('REQUESTS', viewer ? viewer.userId : { address: client.ipAddress });
  }

  /** Hand-made: the return() of an async generator waits for the item that is under way, which may never come. */
  function stream(source: AsyncIterator<Delivery>, runItem: (item: Delivery) => ExecutionResult | Promise<ExecutionResult>, context: Context): ResultStream {
    let ended = false;
    const done: IteratorResult<Result> = { done: true, value: undefined };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      async next() {
        try {
          while (!ended) {
            const item = await source.next();
            if (item.done) ended = true;
            if (ended) break;
            const result = await runWhenAvailable(item.value);
            if (ended) break;
            // What the event is about was hidden or deleted between being handed out and being read.
            if (result.data == null && result.errors?.some((error) => hasCode(error.originalError, 'NOT_FOUND'))) continue;
            return { done: false, value: masked(result, context) };
          }
          return done;
        } catch (error) {
          if (ended) return done;
          ended = true;
          void Promise.resolve(source.return?.()).catch(() => {});
          return { done: false, value: { errors: [format(error, context)] } };
        }
      },
      async return() {
        ended = true;
        await source.return?.();
        return done;
      },
    };

    /** An item waits for a database that is away, as the log does: handed out without what it is about, it would be lost. After a minute the stream ends instead, to be resumed before it. */
    async function runWhenAvailable(item: Delivery): Promise<ExecutionResult> {
      let result = await runItem(item);
      for (const until = performance.now() + longestWaitMs; result.errors?.some(({ originalError }) => isDatabaseAway(originalError)); ) {
        if (ended) return result;
        if (performance.now() > until) throw new AppError('UNAVAILABLE');
        await sleep(500);
        result = await runItem({ ...item, context: freshContext(item.context, null), shareKey: null });
      }
      return result;
    }
  }

  function check(text: string): Checked {
    try {
      const document = parse(text, { maxTokens: config.MAX_QUERY_TOKENS });
      const excess = findExcess(document, config);
      if (excess) throw excess;
      const errors = validate(schema, document, rules, { maxErrors, hideSuggestions });
      if (errors.length > 0) return { errors: errors.map((error) => format(error)) };
      const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
      const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
      return { document, operations: operations.map((node) => weigh(node, { kind: Kind.DOCUMENT, definitions: [node, ...fragments] })) };
    } catch (error) {
      return { errors: [format(unreadable(error))] };
    }
  }

  /** Why a document was not read. graphql quotes strings of it, which may be passwords. */
  function unreadable(error: unknown): unknown {
    if (error instanceof RangeError) return tooCostly('The document is nested too deeply.');
    if (!(error instanceof GraphQLError)) return error;
    if (/tokens\. Parsing aborted/.test(error.message)) return tooCostly(`A document may have ${config.MAX_QUERY_TOKENS} tokens.`);
    return new GraphQLError(error.message.replace(/(String|Int|Float) "[\s\S]*$/, '$1.'), { source: error.source, positions: error.positions, extensions: error.extensions });
  }

  function weigh(node: OperationDefinitionNode, alone: DocumentNode): Weighed {
    if (dependsOnVariables(alone)) return { node, alone, weight: 'depends on the variables' };
    const withoutVariables = { ...alone, definitions: alone.definitions.map((definition) => (definition === node ? { ...node, variableDefinitions: [] } : definition)) };
    return { node, alone, weight: weightOf(withoutVariables, {}) };
  }

  /** Whether a variable reaches an argument that a field's weight is computed from. */
  function dependsOnVariables(document: DocumentNode): boolean {
    const info = new TypeInfo(schema);
    let found = false;
    visit(
      document,
      visitWithTypeInfo(info, {
        Field(node) {
          const parent = info.getParentType();
          const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : undefined;
          if (typeof field?.extensions.complexity !== 'function') return;
          for (const argument of node.arguments ?? []) visit(argument, { Variable: () => void (found = true) });
        },
      }),
    );
    return found;
  }

  function weightOf(document: DocumentNode, variables: Record<string, unknown>): number {
    return complexityFromQuery(document, { schema, variables, ctx: {} }).complexity;
  }

  /** The weight of an operation. */
  function mustBeAffordable({ weight, alone, node }: Weighed, variables: Record<string, unknown>): number {
    if (weight === 'depends on the variables') {
      const [wrong] = getVariableValues(schema, node.variableDefinitions ?? [], variables, { maxErrors, hideSuggestions }).errors ?? [];
      if (wrong) throw wrong;
    }
    const cost = weight === 'depends on the variables' ? weightOf(alone, variables) : weight;
    if (cost > config.MAX_QUERY_COMPLEXITY)
      throw tooCostly(`The query weighs ${Math.min(cost, Number.MAX_SAFE_INTEGER)}; ${config.MAX_QUERY_COMPLEXITY} is allowed. Ask for smaller pages or fewer fields.`);
    return cost;
  }

  function masked(result: ExecutionResult, context: Context): Result {
    return result.errors ? { ...result, errors: result.errors.slice(0, maxErrors).map((error) => format(error, context)) } : result;
  }

  function format(error: unknown, context?: Context): GraphQLFormattedError {
    return toFormattedError(error, log, context?.client.requestId);
  }

  function argsOf({ document, variables, name }: Operation, contextValue: Context): ExecutionArgs {
    return { schema, document, contextValue, variableValues: variables, operationName: name, hideSuggestions, options: { maxCoercionErrors: maxErrors } };
  }
}

function choose(operations: Weighed[], name: string | null): Weighed {
  const [first] = operations;
  if (!first) throw new AppError('BAD_REQUEST', undefined, 'The document has no operation.');
  if (name === null) {
    if (operations.length > 1) throw new AppError('BAD_REQUEST', undefined, 'The document has several operations: name one as `operationName`.');
    return first;
  }
  const chosen = operations.find(({ node }) => node.name?.value === name);
  if (!chosen) throw new AppError('BAD_REQUEST', undefined, 'The document has no operation of the name that `operationName` gives.');
  return chosen;
}

/** The field of a subscription is never skipped (https://spec.graphql.org/September2025/#sec-Single-Root-Field). graphql 16 allows it, and then fails for want of a field. */
function unconditionalSubscription(context: ValidationContext): ASTVisitor {
  return {
    Directive(node) {
      if (node.name.value !== 'skip' && node.name.value !== 'include') return;
      if (context.getParentType() !== context.getSchema().getSubscriptionType()) return;
      context.reportError(new GraphQLError('The field of a subscription cannot be skipped or included.', { nodes: node }));
    },
  };
}

const isIterable = (value: object): value is AsyncIterable<unknown> => typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function';
