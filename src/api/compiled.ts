/**
 * Operations that are run again and again, compiled to a function (graphql-jit): it walks no document and looks up no field, which is most of what
 * graphql-js does for a page of messages. Only where both answer alike: docs/decisions/compiled-operations.md.
 */
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  getVariableValues,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  specifiedScalarTypes,
  type TypeNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Context } from '../graphql/context.ts';
import type { Operation, Result } from './operation.ts';

/** So often an operation was run before it is compiled: what is asked once is not worth it. */
const usesBefore = 20;
/** Compiling takes some 50 µs a field, in one turn of the event loop. */
const mostFields = 200;
/** Of all that is kept: a field takes up to 17 KB, and a stranger may think up any number of documents. */
const mostFieldsKept = 3_000;

type Compiled = (rootValue: unknown, context: Context, variables: Record<string, unknown>) => Result | Promise<Result>;
type Interpret = () => Result | Promise<Result>;

const plainScalars = new Set(specifiedScalarTypes.map(({ name }) => name));

export function createCompiler(schema: GraphQLSchema) {
  const uses = new WeakMap<OperationDefinitionNode, number>();
  const compiled = new LRUCache<OperationDefinitionNode, Compiled>({ maxSize: mostFieldsKept });
  return { run };

  /** The result of an operation: as it was compiled, or by `interpret`, which is graphql-js. That also runs again what had errors: they are to be its own. Only what is read may be run twice. */
  function run(operation: Operation, context: Context, rootValue: unknown, interpret: Interpret): Result | Promise<Result> {
    const { node, variables } = operation;
    const known = compiled.get(node);
    if (!known) {
      count(operation);
      return interpret();
    }
    // As graphql-js reads them, and with its words for what is wrong.
    const { coerced } = getVariableValues(schema, node.variableDefinitions ?? [], variables, { maxErrors: 1 });
    if (!coerced) return interpret();
    const check = (result: Result): Result | Promise<Result> => (result.errors ? interpret() : result);
    const result = known(rootValue, context, coerced);
    return result instanceof Promise ? result.then(check) : check(result);
  }

  function count(operation: Operation): void {
    const times = (uses.get(operation.node) ?? 0) + 1;
    uses.set(operation.node, times);
    if (times % usesBefore !== 0) return;
    const fields = fieldsToCompile(operation);
    // What cannot be compiled is run as it was before.
    if (fields !== null) compile(operation, fields).catch(() => {});
  }

  async function compile({ node, document, name }: Operation, fields: number): Promise<void> {
    const { compileQuery, isCompiledQuery } = await import('graphql-jit');
    const made = compileQuery(schema, document, name ?? undefined);
    if (isCompiledQuery(made)) compiled.set(node, made.query as Compiled, { size: fields });
  }
}

/** How many; null for what is not compiled. Mutations run one after the other, and input objects have defaults that graphql-jit does not fill in: both are graphql-js's. */
function fieldsToCompile({ node, document }: Operation): number | null {
  if (node.operation === 'mutation' || !node.variableDefinitions?.every(({ type }) => isPlain(type))) return null;
  const fragments = new Map(document.definitions.flatMap((definition) => (definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition] as const] : [])));
  const left = fieldsOf(node.selectionSet, fragments, mostFields);
  return left < 0 ? null : mostFields - left;
}

const isPlain = (type: TypeNode): boolean => (type.kind === Kind.NON_NULL_TYPE ? isPlain(type.type) : type.kind === Kind.NAMED_TYPE && plainScalars.has(type.name.value));

/** What is left of so many fields, with those of fragments wherever they are spread; negative when there are more. */
function fieldsOf({ selections }: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>, left: number): number {
  for (const selection of selections) {
    if (left < 0) break;
    if (selection.kind === Kind.FIELD) left--;
    const inner = selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value)?.selectionSet : (selection as FieldNode).selectionSet;
    if (inner) left = fieldsOf(inner, fragments, left);
  }
  return left;
}
