/** How large a document may be. Checked before graphql's own rules run, some of which take the square of what they are given. */
import { type DocumentNode, type FragmentDefinitionNode, GraphQLError, Kind, type SelectionSetNode } from 'graphql';
import type { Config } from '../config.ts';

export type DocumentLimits = Pick<Config, 'MAX_QUERY_TOKENS' | 'MAX_QUERY_DEPTH' | 'MAX_QUERY_BREADTH'>;

const maxDefinitions = 100;
const maxDirectivesAtOnePlace = 8;

export const tooCostly = (message: string): GraphQLError => new GraphQLError(message, { extensions: { code: 'QUERY_TOO_COSTLY' } });

/**
 * Null, or the first limit that the document breaks. Fragments count where they are spread, so that a few of them inside each other cannot become
 * millions of fields: written out, a document may have no more fields than the longest document has tokens. Introspection may be deeper than data:
 * graphql has its own rule for that. A fragment that contains itself is refused here, too.
 */
export function findExcess(document: DocumentNode, limits: DocumentLimits): GraphQLError | null {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  if (document.definitions.length > maxDefinitions) return tooCostly(`A document may have ${maxDefinitions} operations and fragments.`);

  const known = new Map<SelectionSetNode, { fields: number; depth: number } | 'measuring'>();
  let mostDirectives = 0;
  let circular = false;
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION) continue;
    const { fields, depth } = measure(definition.selectionSet);
    mostDirectives = Math.max(mostDirectives, definition.directives?.length ?? 0);
    if (circular) return new GraphQLError('A fragment contains itself.', { extensions: { code: 'BAD_REQUEST' } });
    if (depth > limits.MAX_QUERY_DEPTH) return tooCostly(`A query may be ${limits.MAX_QUERY_DEPTH} levels deep.`);
    if (fields > limits.MAX_QUERY_TOKENS) return tooCostly(`A query may select ${limits.MAX_QUERY_TOKENS} fields, fragments counted where they are used.`);
    if (mostDirectives > maxDirectivesAtOnePlace) return tooCostly(`A document may have ${maxDirectivesAtOnePlace} directives at one place.`);
    const top = answerOf([definition.selectionSet]);
    if (definition.kind === Kind.OPERATION_DEFINITION && top.size > limits.MAX_QUERY_BREADTH)
      return tooCostly(`An operation may have ${limits.MAX_QUERY_BREADTH} fields at its top.`);
    if (isCrowded(top)) return tooCostly(`A document may select one field of the answer ${limits.MAX_QUERY_BREADTH} times.`);
  }
  return null;

  /** Fields and depth below a selection set. A fragment is measured once. */
  function measure(set: SelectionSetNode): { fields: number; depth: number } {
    const before = known.get(set);
    if (before === 'measuring') circular = true;
    if (before) return before === 'measuring' ? { fields: 0, depth: 0 } : before;
    known.set(set, 'measuring');
    const result = { fields: 0, depth: 0 };
    for (const selection of set.selections) {
      mostDirectives = Math.max(mostDirectives, selection.directives?.length ?? 0);
      const below = selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value)?.selectionSet : selection.selectionSet;
      const inner = below ? measure(below) : { fields: 0, depth: 0 };
      const isField = selection.kind === Kind.FIELD;
      result.fields = Math.min(result.fields + inner.fields + (isField ? 1 : 0), Number.MAX_SAFE_INTEGER);
      result.depth = Math.max(result.depth, isField && selection.name.value.startsWith('__') ? 1 : inner.depth + (isField ? 1 : 0));
    }
    known.set(set, result);
    return result;
  }

  /** The fields of the answer that selection sets of one object make together: how often each is selected, and with what below it. */
  function answerOf(sets: SelectionSetNode[]): Map<string, { times: number; below: SelectionSetNode[] }> {
    const answer = new Map<string, { times: number; below: SelectionSetNode[] }>();
    const seen = new Set<SelectionSetNode>();
    const collect = (set: SelectionSetNode): void => {
      if (seen.has(set)) return;
      seen.add(set);
      for (const selection of set.selections) {
        const below = selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value)?.selectionSet : selection.selectionSet;
        if (selection.kind !== Kind.FIELD) {
          if (below) collect(below);
          continue;
        }
        const name = (selection.alias ?? selection.name).value;
        const field = answer.get(name) ?? { times: 0, below: [] };
        field.times++;
        if (below) field.below.push(below);
        answer.set(name, field);
      }
    };
    for (const set of sets) collect(set);
    return answer;
  }

  /** graphql compares every two selections of one field of the answer with each other. */
  function isCrowded(answer: ReturnType<typeof answerOf>): boolean {
    for (const { times, below } of answer.values()) {
      if (times > limits.MAX_QUERY_BREADTH || (below.length > 0 && isCrowded(answerOf(below)))) return true;
    }
    return false;
  }
}
