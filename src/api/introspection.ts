/** What an introspection query would visit. graphql answers it in one turn, however much it asks for, and the weights of fields know nothing of it. */
import {
  type DocumentNode,
  type GraphQLSchema,
  getIntrospectionQuery,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  Kind,
  parse,
  type SelectionSetNode,
} from 'graphql';

/** So many times what the largest of graphql's own introspection queries visits. */
const timesTheUsual = 3;

/** Answers whether a document asks for too much of the schema. Its fragments must not go round in circles. */
export function createIntrospectionLimit(schema: GraphQLSchema): (document: DocumentNode) => boolean {
  const lists = countLists(schema);
  const usual = visitsOf(parse(getIntrospectionQuery({ inputValueDeprecation: true, oneOf: true, schemaDescription: true, specifiedByUrl: true, directiveIsRepeatable: true })));
  return (document) => visitsOf(document) > timesTheUsual * usual;

  function visitsOf(document: DocumentNode): number {
    const fragments = new Map(
      document.definitions.flatMap((definition) => (definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition.selectionSet] as const] : [])),
    );
    const known = new Map<SelectionSetNode, number>();
    return document.definitions.reduce((sum, definition) => sum + (definition.kind === Kind.OPERATION_DEFINITION ? below(definition.selectionSet, false) : 0), 0);

    function below(set: SelectionSetNode, inside: boolean): number {
      const before = inside ? known.get(set) : undefined;
      if (before !== undefined) return before;
      let visits = 0;
      for (const selection of set.selections) {
        if (selection.kind !== Kind.FIELD) {
          const spread = selection.kind === Kind.FRAGMENT_SPREAD ? fragments.get(selection.name.value) : selection.selectionSet;
          visits += spread ? below(spread, inside) : 0;
        } else if (inside || selection.name.value === '__schema' || selection.name.value === '__type') {
          visits += (lists.get(selection.name.value) ?? 1) * (1 + (selection.selectionSet ? below(selection.selectionSet, true) : 0));
        }
      }
      if (inside) known.set(set, visits);
      return visits;
    }
  }
}

/** How many items the lists of the introspection types have in this schema, on average over all its types. */
function countLists(schema: GraphQLSchema): Map<string, number> {
  const types = Object.values(schema.getTypeMap());
  const fields = types.flatMap((type) => (isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : []));
  const perType = (count: number): number => Math.max(1, count / types.length);
  return new Map([
    ['types', types.length],
    ['fields', perType(fields.length)],
    ['args', Math.max(1, fields.reduce((sum, { args }) => sum + args.length, 0) / fields.length)],
    ['inputFields', perType(types.reduce((sum, type) => sum + (isInputObjectType(type) ? Object.keys(type.getFields()).length : 0), 0))],
    ['enumValues', perType(types.reduce((sum, type) => sum + (isEnumType(type) ? type.getValues().length : 0), 0))],
    ['directives', schema.getDirectives().length],
    // Most types are not wrapped, and few twice.
    ['ofType', 0.4],
  ]);
}
