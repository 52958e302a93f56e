/** Numbers in variables that are larger than GraphQL's Int, where that only means "too large": the domain says so, as of any other that is. */
import { type GraphQLInputObjectType, type GraphQLSchema, isInputObjectType, Kind, type OperationDefinitionNode, type TypeNode } from 'graphql';

const largestInt = 2 ** 31 - 1;

/** Fields say so by `extensions: { saturates: true }`; they are looked for in variables whose type has them. */
export function createSaturation(schema: GraphQLSchema) {
  const fieldsOf = new Map(
    Object.values(schema.getTypeMap())
      .filter(isInputObjectType)
      .map((type): [string, string[]] => [type.name, saturatingFields(type)])
      .filter(([, fields]) => fields.length > 0),
  );

  return function saturated({ variableDefinitions = [] }: OperationDefinitionNode, variables: Record<string, unknown>): Record<string, unknown> {
    let changed = variables;
    for (const { variable, type } of variableDefinitions) {
      const value = variables[variable.name.value];
      for (const field of fieldsOf.get(nameOf(type)) ?? []) {
        const given = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[field] : undefined;
        if (Number.isInteger(given) && (given as number) > largestInt)
          changed = { ...changed, [variable.name.value]: { ...(changed[variable.name.value] as object), [field]: largestInt } };
      }
    }
    return changed;
  };
}

function saturatingFields(type: GraphQLInputObjectType): string[] {
  return Object.values(type.getFields()).flatMap(({ name, extensions }) => (extensions.saturates ? [name] : []));
}

function nameOf(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : nameOf(type.type);
}
