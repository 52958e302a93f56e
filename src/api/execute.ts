/** Runs checked operations: queries and mutations in turns that are fair to others, subscriptions as streams of results. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSourceEventStream, type ExecutionArgs, execute, GraphQLError, type GraphQLSchema } from 'graphql';
import { AppError, hasCode, type TypeName } from '../errors.ts';
import { type Context, type Delivery, freshContext } from '../graphql/context.ts';
import type { UserId } from '../ids.ts';
import { again, over, type Poll, type Polled, polled, type Soon, untilAnswer, whenDone } from '../polled.ts';
import { isDatabaseAway } from '../storage/failures.ts';
import { createQueues, onBehalfOf } from '../turns.ts';
import { bounded } from './answer-size.ts';
import { createCompiler } from './compiled.ts';
import { maxErrors } from './documents.ts';
import { isStream, type Operation, type Result } from './operation.ts';
import { createSharing } from './share.ts';

export type Executor = ReturnType<typeof createExecutor>;

const longestWaitMs = 60_000;
/** What events are about. Where one of them is not found, also behind a field that may be null, its chat has gone, and `ChatRemoved` is on its way. */
const subjects = new Set<TypeName>(['Chat', 'Room', 'Message', 'Notification']);
/** Queries of this weight on are run one at a time for each account: many of them at once must not hold up others. */
const heavy = 500;

export function createExecutor({ schema, hideSuggestions, maxAnswerBytes }: { schema: GraphQLSchema; hideSuggestions: boolean; maxAnswerBytes: number }) {
  const inTurn = createQueues<UserId | string>();
  const executeShared = createSharing((operation, context, item) => executeBounded(operation, context, item));
  const compiler = createCompiler(schema);
  return { run, subscribe };

  /** Runs a query or mutation. Never throws. */
  async function run(operation: Operation, context: Context): Promise<Result> {
    try {
      const job = (): Result | Promise<Result> => onBehalfOf(context.viewer?.userId ?? null, () => executeBounded(operation, context));
      return await (operation.weight < heavy ? job() : inTurn(context.viewer?.userId ?? context.client.ipAddress, async () => job()));
    } catch (error) {
      return asResult(error);
    }
  }

  /** Opens a subscription, whose source hands out deliveries: a stream, or the errors why there is none. Neither throws: a stream that breaks ends with an item that has only errors. `isOver` is called once, when nothing more comes. */
  async function subscribe(operation: Operation, context: Context, isOver: () => void): Promise<Polled<Result> | Result> {
    try {
      const source: AsyncIterable<unknown> | Result = await createSourceEventStream(argsOf(operation, context));
      if (isStream(source)) return stream(source as unknown as Polled<Delivery>, (delivery) => executeShared(operation, delivery), isOver);
      isOver();
      return source as Result;
    } catch (error) {
      isOver();
      return asResult(error);
    }
  }

  function stream(source: Polled<Delivery>, runItem: (item: Delivery) => Soon<Result>, isOver: () => void): Polled<Result> {
    let ended = false;
    const end = (): void => {
      if (!ended) isOver();
      ended = true;
    };
    const poll: Poll<Result> = (wake) => {
      try {
        const found = untilAnswer(() => whenDone(ended ? over : source.poll(wake), take));
        return found instanceof Promise ? found.catch(broken) : found;
      } catch (error) {
        return broken(error);
      }
    };
    return polled(poll, () => {
      end();
      return source.return();
    });

    function take(item: IteratorResult<Delivery> | null): Soon<IteratorResult<Result> | null | typeof again> {
      if (item?.done) end();
      if (ended) return over;
      if (!item || item.done) return null;
      return whenDone(runItem(item.value), (result) => (isAway(result) ? runWhenAvailable(item.value).then(handOut) : handOut(result)));
    }

    function handOut(result: Result): IteratorResult<Result> | typeof again {
      if (ended) return over;
      // What the event is about was hidden or deleted between being handed out and being read.
      if (result.errors?.some(({ originalError }) => hasCode(originalError, 'NOT_FOUND') && (result.data == null || subjects.has(originalError.details.typeName)))) return again;
      return { done: false, value: result };
    }

    function broken(error: unknown): IteratorResult<Result> {
      if (ended) return over;
      end();
      source.return().catch(() => {});
      return { done: false, value: asResult(error) };
    }

    /** An item waits for a database that is away, as the log does: handed out without what it is about, it would be lost. After a minute the stream ends instead, to be resumed before it. */
    async function runWhenAvailable(item: Delivery): Promise<Result> {
      for (const until = performance.now() + longestWaitMs; ; ) {
        if (performance.now() > until) throw new AppError('UNAVAILABLE');
        await sleep(500);
        const result = await runItem({ ...item, context: freshContext(item.context, null), shareKey: null });
        if (ended || !isAway(result)) return result;
      }
    }
  }

  function executeBounded(operation: Operation, context: Context, rootValue?: unknown): Result | Promise<Result> {
    const check = (result: Result): Result => bounded(result, maxAnswerBytes, operation.kind === 'mutation');
    const result = compiler.run(operation, context, rootValue, () => execute({ ...argsOf(operation, context), rootValue }));
    return result instanceof Promise ? result.then(check) : check(result);
  }

  function argsOf({ document, variables, name }: Operation, contextValue: Context): ExecutionArgs {
    return { schema, document, contextValue, variableValues: variables, operationName: name, hideSuggestions, options: { maxCoercionErrors: maxErrors } };
  }
}

const isAway = (result: Result): boolean => result.errors?.some(({ originalError }) => isDatabaseAway(originalError)) ?? false;

/** The answer of an operation that failed as a whole. */
export function asResult(error: unknown): Result {
  return { errors: [error instanceof GraphQLError ? error : new GraphQLError('', { originalError: error as Error })] };
}
