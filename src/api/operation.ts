/** What passes through the pipeline: a checked operation on its way in, results and streams of them on their way out. */
import type { DocumentNode, ExecutionResult, FormattedExecutionResult, OperationDefinitionNode } from 'graphql';
import type { Poll, Polled } from '../polled.ts';

/** A checked operation. */
export type Operation = {
  document: DocumentNode;
  node: OperationDefinitionNode;
  name: string | null;
  kind: 'query' | 'mutation' | 'subscription';
  variables: Record<string, unknown>;
  weight: number;
};
/** As it was executed: its errors hold what was thrown. */
export type Result = ExecutionResult;
/** As clients may see it. */
export type ShownResult = FormattedExecutionResult;
/** `return()` answers at once, also while a `next()` is waiting, and ends the source. One that a plugin has changed has no `poll`. */
export type ResultStream = Omit<Polled<Result>, 'poll'> & { poll?: Poll<Result> };
export const isStream = (value: object): value is ResultStream => Symbol.asyncIterator in value;
