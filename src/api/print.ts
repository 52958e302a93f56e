/** The schema as text: what `schema.graphql` holds, in one order that does not follow the order of the code. */
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';

/** SDL with all descriptions, sorted by name, so that moving code changes nothing. */
export const printedSchema = (schema: GraphQLSchema): string => `${printSchema(lexicographicSortSchema(schema))}\n`;
