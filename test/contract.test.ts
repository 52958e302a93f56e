/** The printed schema against the contract, which is the schema as it was agreed before it was built (test/contract/): what is there agrees exactly, what is not there yet is listed in test/contract/missing.txt. */
import { readFileSync } from 'node:fs';
import {
  astFromValue,
  buildSchema,
  extendSchema,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  isAbstractType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isSpecifiedScalarType,
  isUnionType,
  type OperationDefinitionNode,
  parse,
  print,
  validate,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { schema } from '../src/api/schema.ts';

const read = (name: string): string => readFileSync(new URL(`contract/${name}`, import.meta.url), 'utf8');
// What was agreed at first, and what was agreed to come after it.
const contract = extendSchema(buildSchema(read('schema.graphql')), parse(read('v2.graphql')));
const ours = coordinates(schema);
const theirs = coordinates(contract);
const missing = new Set([...theirs.keys()].filter((name) => !ours.has(name)));

describe('the schema', () => {
  it('agrees with the contract in everything that both have', () => {
    const wrong = [...theirs]
      .filter(([name, meaning]) => ours.has(name) && ours.get(name) !== meaning)
      .map(([name, meaning]) => `${name}: is ${ours.get(name)}, should be ${meaning}`);
    expect(wrong).toEqual([]);
  });

  it('asks for nothing that the contract does not ask for', () => {
    const demanded = [...ours]
      .filter(([name, meaning]) => !theirs.has(name) && theirs.has(parentOf(name)) && meaning.startsWith('input ') && /!$/.test(meaning))
      .map(([name]) => name);
    expect(demanded).toEqual([]);
  });

  it('lacks of the contract what contract/missing.txt says, no more and no less (vitest -u writes the list)', async () => {
    const listed = [...missing].filter((name) => !missing.has(parentOf(name))).sort();
    await expect(listed.map((name) => `${name}\n`).join('')).toMatchFileSnapshot('contract/missing.txt');
  });

  for (const definition of operationsOf('operations.graphql')) {
    it(`accepts the contract’s operation ${definition.name?.value}`, () => {
      expect(validate(schema, toDocument(definition)).map(String)).toEqual([]);
    });
  }

  it('accepts of the operations that came later all but those of contract/missing-operations.txt, which have to do with what is missing', async () => {
    const refused = operationsOf('operations2.graphql').filter((definition) => validate(schema, toDocument(definition)).length > 0);
    await expect(refused.map((definition) => `${definition.name?.value}\n`).join('')).toMatchFileSnapshot('contract/missing-operations.txt');
  });

  it('describes every type, field, argument, input field and enum value', () => {
    expect(undescribed(schema)).toEqual([]);
  });

  it('has no union or interface in which one field name stands for two types', () => {
    // What both may do was agreed under one name: under `node`, where only clients that ask for anything at all ask for both, one of them takes an alias.
    expect(conflicts(schema)).toEqual(['Node: Dialog.viewerMay is [ChatAction!]!, Message.viewerMay is [MessageAction!]!']);
  });
});

const operationsOf = (file: string): OperationDefinitionNode[] => parse(read(file)).definitions as OperationDefinitionNode[];
const toDocument = (definition: OperationDefinitionNode) => parse(print(definition));

/** Everything a schema declares, by name, with what a client relies on. */
function coordinates(of: GraphQLSchema): Map<string, string> {
  const found = new Map<string, string>();
  const input = (value: GraphQLArgument | GraphQLInputField): string => {
    const fallback = value.defaultValue === undefined ? null : astFromValue(value.defaultValue, value.type);
    return `input ${value.type}${fallback ? ` = ${print(fallback)}` : ''}`;
  };
  for (const type of declared(of)) {
    found.set(
      type.name,
      `${type.constructor.name}${isInputObjectType(type) && type.isOneOf ? ' @oneOf' : ''}${'specifiedByURL' in type && type.specifiedByURL ? ` ${type.specifiedByURL}` : ''}`,
    );
    if (isObjectType(type) || isInterfaceType(type)) {
      for (const parent of type.getInterfaces()) found.set(`${type.name} implements ${parent.name}`, '');
      for (const field of Object.values(type.getFields())) {
        found.set(`${type.name}.${field.name}`, String(field.type));
        for (const argument of field.args) found.set(`${type.name}.${field.name}(${argument.name}:)`, input(argument));
      }
    } else if (isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) found.set(`${type.name}.${field.name}`, input(field));
    } else if (isEnumType(type)) {
      for (const value of type.getValues()) found.set(`${type.name}.${value.name}`, '');
    } else if (isUnionType(type)) {
      for (const member of type.getTypes()) found.set(`${type.name} | ${member.name}`, '');
    }
  }
  return found;
}

function declared(of: GraphQLSchema): GraphQLNamedType[] {
  return Object.values(of.getTypeMap()).filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type));
}

/** The field of an argument, the type of anything else; for a type itself, the type. */
function parentOf(name: string): string {
  return /^(.*)\(.*:\)$/.exec(name)?.[1] ?? /^(\w+)[ .]/.exec(name)?.[1] ?? '';
}

function undescribed(of: GraphQLSchema): string[] {
  const bare: string[] = [];
  const look = (name: string, thing: { description?: string | null | undefined }): void => {
    if (!thing.description?.trim()) bare.push(name);
  };
  for (const type of declared(of)) {
    look(type.name, type);
    if (isEnumType(type)) for (const value of type.getValues()) look(`${type.name}.${value.name}`, value);
    if (isObjectType(type) || isInterfaceType(type) || isInputObjectType(type)) {
      for (const field of Object.values(type.getFields())) {
        look(`${type.name}.${field.name}`, field);
        if ('args' in field) for (const argument of field.args) look(`${type.name}.${field.name}(${argument.name}:)`, argument);
      }
    }
  }
  return bare;
}

/** Pairs that could not be selected side by side (GraphQL's rule OverlappingFieldsCanBeMerged). */
function conflicts(of: GraphQLSchema): string[] {
  const found: string[] = [];
  for (const type of declared(of)) {
    if (!isAbstractType(type)) continue;
    const seen = new Map<string, { member: string; type: GraphQLOutputType }>();
    for (const member of of.getPossibleTypes(type)) {
      for (const field of Object.values(member.getFields())) {
        const earlier = seen.get(field.name);
        if (!earlier) seen.set(field.name, { member: member.name, type: field.type });
        else if (shape(earlier.type) !== shape(field.type))
          found.push(`${type.name}: ${earlier.member}.${field.name} is ${earlier.type}, ${member.name}.${field.name} is ${field.type}`);
      }
    }
  }
  return found;
}

function shape(type: GraphQLOutputType): string {
  if (isNonNullType(type)) return `${shape(type.ofType)}!`;
  if (isListType(type)) return `[${shape(type.ofType)}]`;
  return isLeafType(type) ? type.name : '{}';
}
