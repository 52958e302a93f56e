/** How large a document may be. Checked before graphql's own rules run, some of which take the square of what they are given. */
import { type DocumentNode, type FieldNode, type FragmentDefinitionNode, GraphQLError, Kind, type SelectionNode, type SelectionSetNode } from 'graphql';
import type { Config } from '../config.ts';

export type DocumentLimits = Pick<Config, 'MAX_QUERY_TOKENS' | 'MAX_QUERY_DEPTH' | 'MAX_QUERY_BREADTH'>;

const maxFragments = 100;
const maxDirectivesAtOnePlace = 8;

export const tooCostly = (message: string): GraphQLError => new GraphQLError(message, { extensions: { code: 'QUERY_TOO_COSTLY' } });

/**
 * Null, or the first limit that the document breaks. Fragments count where they are spread, so that a few of them inside each other cannot become
 * millions of fields: written out, a document may have no more fields than the longest document has tokens. Introspection may be deeper than data:
 * graphql has its own rule for that.
 */
export function findExcess(document: DocumentNode, limits: DocumentLimits): GraphQLError | null {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  if (document.definitions.length > maxFragments) return tooCostly(`A document may have ${maxFragments} operations and fragments.`);

  const known = new Map<SelectionSetNode, { fields: number; depth: number } | 'measuring'>();
  let crowded: string | null = null;
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION) continue;
    const { fields, depth } = measure(definition.selectionSet, true);
    if (depth > limits.MAX_QUERY_DEPTH) return tooCostly(`A query may be ${limits.MAX_QUERY_DEPTH} levels deep.`);
    if (fields > limits.MAX_QUERY_TOKENS) return tooCostly(`A query may select ${limits.MAX_QUERY_TOKENS} fields, fragments counted where they are used.`);
    if (definition.kind === Kind.OPERATION_DEFINITION && namesIn(definition.selectionSet).size > limits.MAX_QUERY_BREADTH) {
      return tooCostly(`An operation may have ${limits.MAX_QUERY_BREADTH} fields at its top.`);
    }
    if (tooManyDirectives(definition)) crowded ??= `${maxDirectivesAtOnePlace} directives at one place`;
  }
  return crowded === null ? null : tooCostly(`A document may have ${crowded}.`);

  /** Fields and depth below a selection set. A fragment is measured once; a circle of fragments is left to graphql's rule. */
  function measure(set: SelectionSetNode, whole: boolean): { fields: number; depth: number } {
    const before = known.get(set);
    if (before) return before === 'measuring' ? { fields: 0, depth: 0 } : before;
    known.set(set, 'measuring');
    const result = { fields: 0, depth: 0 };
    for (const selection of set.selections) {
      if (tooManyDirectives(selection)) crowded ??= `${maxDirectivesAtOnePlace} directives at one place`;
      const below = selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value)?.selectionSet : selection.selectionSet;
      const inner = below ? measure(below, selection.kind === Kind.FIELD) : { fields: 0, depth: 0 };
      const isField = selection.kind === Kind.FIELD;
      result.fields = Math.min(result.fields + inner.fields + (isField ? 1 : 0), Number.MAX_SAFE_INTEGER);
      result.depth = Math.max(result.depth, isField && selection.name.value.startsWith('__') ? 1 : inner.depth + (isField ? 1 : 0));
    }
    known.set(set, result);
    // graphql compares every two fields of one name in a selection set with each other. A fragment's are among those of the set around it.
    if (whole && [...namesIn(set).values()].some((times) => times > limits.MAX_QUERY_BREADTH)) crowded ??= `${limits.MAX_QUERY_BREADTH} fields of one name in a selection set`;
    return result;
  }

  /** How often each name of the answer is selected in a set, looking into the fragments that it spreads. */
  function namesIn(set: SelectionSetNode): Map<string, number> {
    const names = new Map<string, number>();
    const seen = new Set<SelectionSetNode>();
    const collect = (current: SelectionSetNode): void => {
      if (seen.has(current)) return;
      seen.add(current);
      for (const selection of current.selections) {
        if (selection.kind === Kind.FIELD) names.set(answerName(selection), (names.get(answerName(selection)) ?? 0) + 1);
        else {
          const below = selection.kind === Kind.INLINE_FRAGMENT ? selection.selectionSet : fragments.get(selection.name.value)?.selectionSet;
          if (below) collect(below);
        }
      }
    };
    collect(set);
    return names;
  }
}

const answerName = (field: FieldNode): string => (field.alias ?? field.name).value;
const tooManyDirectives = (node: SelectionNode | { directives?: readonly unknown[] }): boolean => (node.directives?.length ?? 0) > maxDirectivesAtOnePlace;
