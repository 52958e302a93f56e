/** What is selected below a field: what many rows would ask for one by one can be read for all of them before. */
import { type FieldNode, type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql';

/** By the name of a field. Documents are kept for long, so each is looked through once. */
const known = new Map<string, WeakMap<FieldNode, boolean>>();

/** Whether a field of this name is selected anywhere below the one that is resolved. May be true for one that is skipped, or of another type. */
export function isSelected({ fieldNodes, fragments }: Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>, name: string): boolean {
  let answers = known.get(name);
  if (!answers) known.set(name, (answers = new WeakMap()));
  return fieldNodes.some((node) => {
    const before = answers.get(node);
    if (before !== undefined) return before;
    const seen = new Set<string>();
    const found = isIn(node.selectionSet, seen);
    answers.set(node, found);
    return found;
  });

  function isIn(set: SelectionSetNode | undefined, seen: Set<string>): boolean {
    return Boolean(
      set?.selections.some((selection) => {
        if (selection.kind !== Kind.FRAGMENT_SPREAD) return (selection.kind === Kind.FIELD && selection.name.value === name) || isIn(selection.selectionSet, seen);
        const spread = selection.name.value;
        return !seen.has(spread) && Boolean(seen.add(spread)) && isIn(fragments[spread]?.selectionSet, seen);
      }),
    );
  }
}
