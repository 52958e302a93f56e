/** The printed schema against the contract, which is the schema as it was agreed before it was built (test/contract/): what is there agrees exactly, what is not there yet is listed in test/contract/missing.txt. */
import { readFileSync } from 'node:fs';
import {
  astFromValue,
  buildSchema,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
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
  TypeInfo,
  validate,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import { schema } from '../src/api/schema.ts';

const read = (name: string): string => readFileSync(new URL(`contract/${name}`, import.meta.url), 'utf8');
const contract = buildSchema(read('schema.graphql'));
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

  for (const definition of parse(read('operations.graphql')).definitions as OperationDefinitionNode[]) {
    const document = parse(print(definition));
    const lacking = coordinatesIn(document).filter((name) => missing.has(name));
    it.skipIf(lacking.length > 0)(`accepts the contract’s operation ${definition.name?.value}`, () => {
      expect(validate(schema, document).map(String)).toEqual([]);
    });
  }

  it('describes every type, field, argument, input field and enum value', () => {
    expect(undescribed(schema)).toEqual([]);
  });

  it('has no union or interface in which one field name stands for two types', () => {
    expect(conflicts(schema)).toEqual([]);
  });
});

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

/** What of the contract a document uses, so that an operation is tried as soon as all of it is there. */
function coordinatesIn(document: ReturnType<typeof parse>): string[] {
  const used = new Set<string>();
  const info = new TypeInfo(contract);
  const input = (name: string): void => {
    const type = contract.getType(name);
    if (used.has(name) || !isInputObjectType(type)) return void used.add(name);
    used.add(name);
    for (const field of Object.values(type.getFields())) {
      used.add(`${name}.${field.name}`);
      input(getNamedType(field.type).name);
    }
  };
  visit(
    document,
    visitWithTypeInfo(info, {
      Field: () => {
        const [parent, field] = [info.getParentType(), info.getFieldDef()];
        if (!parent || !field || field.name.startsWith('__')) return;
        used.add(parent.name).add(`${parent.name}.${field.name}`);
        for (const argument of field.args) {
          used.add(`${parent.name}.${field.name}(${argument.name}:)`);
          input(getNamedType(argument.type).name);
        }
      },
      InlineFragment: (node) => {
        const parent = info.getParentType();
        if (node.typeCondition) used.add(node.typeCondition.name.value);
        // A union may lack the one member that the fragment is about.
        if (isAbstractType(parent) && node.typeCondition) for (const name of theirs.keys()) if (name.startsWith(`${parent.name} | `)) used.add(name);
      },
      NamedType: (node) => input(node.name.value),
    }),
  );
  return [...used].filter((name) => theirs.has(name));
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
