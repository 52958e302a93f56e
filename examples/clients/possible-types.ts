/** What Apollo must know of interfaces and unions: run it in your build, with the schema.graphql of the server, and ship the result as JSON. */
import { buildSchema, isAbstractType } from 'graphql';

export function possibleTypesOf(schemaText: string): Record<string, string[]> {
  const schema = buildSchema(schemaText);
  const abstract = Object.values(schema.getTypeMap()).filter(isAbstractType);
  return Object.fromEntries(abstract.map((type) => [type.name, schema.getPossibleTypes(type).map(({ name }) => name)]));
}
