/**
 * One execution for everybody who is delivered the same event and whose answer does not depend on who asks. Decided by what the execution does, not by
 * what the document looks like: it runs with a viewer that notes being looked at, so that a forgotten mark costs speed, never privacy.
 */
import { Kind, type OperationDefinitionNode, visit } from 'graphql';
import type { Context, Delivery } from '../graphql/context.ts';
import { type Soon, whenDone } from '../polled.ts';
import type { Operation, Result, ShownResult } from './operation.ts';

type Execute = (operation: Operation, context: Context, item: unknown) => Soon<Result>;
/** The result of an execution that has begun; null where it was not everybody's. */
type Everybodys = { result: Soon<Result | null> };
/** What is known of an operation: the variables that its items are resolved with. */
type Known = { key: string; variables: string[] };

const texts = new WeakMap<ShownResult, string>();
/** A result as JSON, made once however many are sent it. */
export function toJson(result: ShownResult): string {
  let text = texts.get(result);
  if (text === undefined) texts.set(result, (text = JSON.stringify(result)));
  return text;
}

export function createSharing(execute: Execute) {
  const operations = new WeakMap<OperationDefinitionNode, Known>();
  let lastId = 0;

  /** The result of an item, from another subscriber's execution where that is everybody's. */
  return function executeShared(operation: Operation, { item, context, shareKey }: Delivery): Soon<Result> {
    if (shareKey === null) return execute(operation, context, item);
    const results = resultsOf(context, keyOf(operation));
    const before = results.get(shareKey);
    if (before) return whenDone(before.result, (result) => result ?? execute(operation, context, item));

    let asked = false;
    const watched: Context = {
      ...context,
      get viewer() {
        asked = true;
        return context.viewer;
      },
    };
    const own = execute(operation, watched, item);
    const settle = (result: Result): Result | null => (asked || result.errors ? null : result);
    const everybodys: Everybodys = { result: own instanceof Promise ? own.then(settle, () => null) : settle(own) };
    results.set(shareKey, everybodys);
    // Once it is at hand, it is handed out without a promise.
    if (everybodys.result instanceof Promise) void everybodys.result.then((result) => (everybodys.result = result));
    return own;
  };

  /** What is known of an event for all who ask for the same, by the kind of item it is to them. */
  function resultsOf({ sharedLoaders }: Context, key: string): Map<string, Everybodys> {
    let results = sharedLoaders.get(key) as Map<string, Everybodys> | undefined;
    if (!results) sharedLoaders.set(key, (results = new Map()));
    return results;
  }

  /** The document, and the variables that its items are resolved with. */
  function keyOf(operation: Operation): string {
    const { key, variables } = knownOf(operation);
    return variables.length === 0 ? key : `${key} ${JSON.stringify(variables.map((name) => operation.variables[name]))}`;
  }

  function knownOf({ node, document }: Operation): Known {
    let known = operations.get(node);
    if (!known) {
      known = { key: `results ${++lastId}`, variables: variablesOfItems(node, document) };
      operations.set(node, known);
    }
    return known;
  }
}

/** The variables used below the root field, or in any fragment: those of the root field's arguments only open the stream. */
function variablesOfItems(node: OperationDefinitionNode, document: Operation['document']): string[] {
  const names = new Set<string>();
  const collect = { Variable: ({ name }: { name: { value: string } }) => void names.add(name.value) };
  for (const selection of node.selectionSet.selections) {
    if (selection.kind !== Kind.FIELD) visit(selection, collect);
    else {
      for (const directive of selection.directives ?? []) visit(directive, collect);
      if (selection.selectionSet) visit(selection.selectionSet, collect);
    }
  }
  for (const definition of document.definitions) if (definition.kind === Kind.FRAGMENT_DEFINITION) visit(definition, collect);
  return [...names].sort();
}
