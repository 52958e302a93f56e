/** Documents: read, checked and weighed once, and remembered with what was found. What is asked for again costs a look-up. */
import { complexityFromQuery } from '@pothos/plugin-complexity';
import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  type GraphQLSchema,
  getVariableValues,
  isInterfaceType,
  isObjectType,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  parse,
  specifiedRules,
  TypeInfo,
  type ValidationContext,
  type ValidationRule,
  validate,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Config } from '../config.ts';
import { AppError } from '../errors.ts';
import { createIntrospectionLimit } from './introspection.ts';
import { findExcess, tooCostly } from './limits.ts';
import type { Operation } from './operation.ts';

export type Documents = ReturnType<typeof createDocuments>;
/** An operation that was not asked for by its variables yet. */
export type Chosen = Pick<Operation, 'document' | 'node' | 'name' | 'kind'>;

/** What is remembered of a document. The rules are those that plugins add: whoever makes new ones for each operation has each checked. */
type Known = { operations: Weighed[]; errors: readonly GraphQLError[] | null; added: { rules: readonly ValidationRule[]; errors: readonly GraphQLError[] } | null };
type Weighed = { node: OperationDefinitionNode; alone: DocumentNode; weight: number | 'depends on the variables' | null };

export const maxErrors = 20;
const rememberedCharacters = 500_000;

export function createDocuments({ schema, config }: { schema: GraphQLSchema; config: Config }) {
  const texts = new LRUCache<string, DocumentNode | GraphQLError>({ max: 2_000, maxSize: rememberedCharacters, sizeCalculation: (_document, text) => text.length + 200 });
  const documents = new WeakMap<DocumentNode, Known>();
  const rules = [...specifiedRules, unconditionalSubscription, ...(config.INTROSPECTION ? [] : [NoSchemaIntrospectionCustomRule])];
  const introspectsTooMuch = createIntrospectionLimit(schema);
  const hideSuggestions = !config.INTROSPECTION;
  return { isKnown, findRight, keptText, learn, read, check, choose, mustBeAffordable, hideSuggestions };

  function isKnown(text: string): boolean {
    return texts.has(text);
  }

  /** The document of a text that was read and checked before, and in which nothing is wrong. */
  function findRight(text: string): DocumentNode | null {
    const document = kept(text);
    return document && knownOf(document).errors?.length === 0 ? document : null;
  }

  /** The same text, and where it is remembered, the one that is remembered. */
  function keptText(text: string): string {
    return kept(text)?.loc?.source.body ?? text;
  }

  /** The document that is remembered of a text, if it could be read. */
  function kept(text: string): DocumentNode | null {
    const found = texts.get(text);
    return !found || found instanceof GraphQLError ? null : found;
  }

  /** Reads and checks a text ahead of its use. What is wrong with it is found again when it is used. */
  function learn(text: string): void {
    if (!texts.has(text)) texts.set(text, parsed(text));
    const document = kept(text);
    if (document) check(document, []);
  }

  /** A text as a document. Throws GraphQLError for what is none, or too large to be looked at. */
  function read(text: string): DocumentNode {
    let found = texts.get(text);
    if (!found) texts.set(text, (found = parsed(text)));
    if (found instanceof GraphQLError) throw found;
    return found;
  }

  function parsed(text: string): DocumentNode | GraphQLError {
    try {
      const document = parse(text, { maxTokens: config.MAX_QUERY_TOKENS });
      return findExcess(document, config) ?? (introspectsTooMuch(document) ? tooCostly('The query asks for too much of the schema at once.') : document);
    } catch (error) {
      if (error instanceof RangeError) return tooCostly('The document is nested too deeply.');
      if (!(error instanceof GraphQLError)) throw error;
      if (error.message.endsWith(' tokens. Parsing aborted.')) return tooCostly(`A document may have ${config.MAX_QUERY_TOKENS} tokens.`);
      return badRequest(error.message, error);
    }
  }

  /** What is wrong with a document, by our rules and by those that plugins add. */
  function check(document: DocumentNode, added: readonly ValidationRule[]): readonly GraphQLError[] {
    const known = knownOf(document);
    known.errors ??= errorsBy(document, rules);
    if (known.errors.length > 0 || added.length === 0) return known.errors;
    const isSame = known.added?.rules.length === added.length && added.every((rule, index) => rule === known.added?.rules[index]);
    if (!known.added || !isSame) known.added = { rules: added, errors: errorsBy(document, added) };
    return known.added.errors;
  }

  function errorsBy(document: DocumentNode, by: readonly ValidationRule[]): readonly GraphQLError[] {
    // graphql's own have no code; a plugin's may have.
    return validate(schema, document, by, { maxErrors, hideSuggestions }).map((error) => (error.extensions.code ? error : badRequest(error.message, error)));
  }

  /** The operation that is asked for. Throws BAD_REQUEST when the document has none of this name, or several and none is named. */
  function choose(document: DocumentNode, name: string | null | undefined): Chosen {
    const { node } = chosen(knownOf(document).operations, name || null);
    return { document, node, name: node.name?.value ?? null, kind: node.operation };
  }

  /** The same with its variables and its weight. Throws QUERY_TOO_COSTLY, or BAD_REQUEST for variables that the weight cannot be told from. */
  function mustBeAffordable({ document, node, name, kind }: Chosen, variables: Record<string, unknown>): Operation {
    const weighed = knownOf(document).operations.find((operation) => operation.node === node) as Weighed;
    weighed.weight ??= weigh(weighed);
    if (weighed.weight === 'depends on the variables') {
      const [wrong] = getVariableValues(schema, node.variableDefinitions ?? [], variables, { maxErrors, hideSuggestions }).errors ?? [];
      if (wrong) throw wrong;
    }
    const weight = weighed.weight === 'depends on the variables' ? weightOf(weighed.alone, variables) : weighed.weight;
    if (weight > config.MAX_QUERY_COMPLEXITY)
      throw tooCostly(`The query weighs ${Math.min(weight, Number.MAX_SAFE_INTEGER)}; ${config.MAX_QUERY_COMPLEXITY} is allowed. Ask for smaller pages or fewer fields.`);
    return { document, node, name, kind, variables, weight };
  }

  function knownOf(document: DocumentNode): Known {
    let known = documents.get(document);
    if (!known) {
      const fragments = document.definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
      const operations = document.definitions.filter((definition) => definition.kind === Kind.OPERATION_DEFINITION);
      known = {
        operations: operations.map((node) => ({ node, alone: { kind: Kind.DOCUMENT, definitions: [node, ...fragments] }, weight: null })),
        errors: null,
        added: null,
      };
      documents.set(document, known);
    }
    return known;
  }

  function weigh({ node, alone }: Weighed): number | 'depends on the variables' {
    if (dependsOnVariables(alone)) return 'depends on the variables';
    return weightOf({ ...alone, definitions: alone.definitions.map((definition) => (definition === node ? { ...node, variableDefinitions: [] } : definition)) }, {});
  }

  /** Whether a variable reaches an argument that a field's weight is computed from. */
  function dependsOnVariables(document: DocumentNode): boolean {
    const info = new TypeInfo(schema);
    let found = false;
    visit(
      document,
      visitWithTypeInfo(info, {
        Field(node) {
          const parent = info.getParentType();
          const field = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[node.name.value] : undefined;
          if (typeof field?.extensions.complexity !== 'function') return;
          for (const argument of node.arguments ?? []) visit(argument, { Variable: () => void (found = true) });
        },
      }),
    );
    return found;
  }

  function weightOf(document: DocumentNode, variables: Record<string, unknown>): number {
    return complexityFromQuery(document, { schema, variables, ctx: {} }).complexity;
  }
}

function chosen(operations: Weighed[], name: string | null): Weighed {
  const [first] = operations;
  if (!first) throw new AppError('BAD_REQUEST', undefined, 'The document has no operation.');
  if (name === null) {
    if (operations.length > 1) throw new AppError('BAD_REQUEST', undefined, 'The document has several operations: name one as `operationName`.');
    return first;
  }
  const found = operations.find(({ node }) => node.name?.value === name);
  if (!found) throw new AppError('BAD_REQUEST', undefined, 'The document has no operation of the name that `operationName` gives.');
  return found;
}

/** An error of graphql's with our code. Yoga would give it one of its own. */
function badRequest(message: string, { nodes, source, positions }: GraphQLError): GraphQLError {
  return new GraphQLError(message, { nodes, source, positions, extensions: { code: 'BAD_REQUEST' } });
}

/** The field of a subscription is never skipped (https://spec.graphql.org/September2025/#sec-Single-Root-Field). graphql 16 allows it, and then fails for want of a field. */
function unconditionalSubscription(context: ValidationContext): ASTVisitor {
  return {
    Directive(node) {
      if (node.name.value !== 'skip' && node.name.value !== 'include') return;
      if (context.getParentType() !== context.getSchema().getSubscriptionType()) return;
      context.reportError(new GraphQLError('The field of a subscription cannot be skipped or included.', { nodes: node }));
    },
  };
}
