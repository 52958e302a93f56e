/** Nobody is held up by a text, whatever it is made of and wherever it is sent: every text of every query and mutation. */
import {
  type GraphQLField,
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
} from 'graphql';
import { expect, it } from 'vitest';
import { schema } from '../src/api/schema.ts';
import type { Person } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

type Sample = { place: string; value: unknown };

/** The least that a type takes. */
function least(type: GraphQLInputType): unknown {
  if (isNonNullType(type)) return least(type.ofType);
  if (isListType(type)) return [least(type.ofType)];
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields());
    const needed = type.isOneOf ? fields.slice(0, 1) : fields.filter(isRequiredInputField);
    return Object.fromEntries(needed.map((field) => [field.name, least(field.type)]));
  }
  if (isEnumType(type)) return type.getValues()[0]?.name;
  return ({ Int: 1, Float: 1, Boolean: true, DateTime: '2026-01-31T12:00:00Z' } as Record<string, unknown>)[type.name] ?? 'x';
}

/** A value for each text in a type, with `text` there and the least elsewhere. */
function samples(type: GraphQLInputType, text: string, place: string): Sample[] {
  if (isNonNullType(type)) return samples(type.ofType, text, place);
  if (isListType(type)) return samples(type.ofType, text, place).map((sample) => ({ ...sample, value: [sample.value] }));
  if (!isInputObjectType(type)) return ['String', 'ID', 'EventCursor'].includes(type.name) ? [{ place, value: text }] : [];
  return Object.values(type.getFields()).flatMap((field) =>
    samples(field.type, text, `${place}.${field.name}`).map((sample) => ({
      ...sample,
      value: { ...(type.isOneOf ? {} : (least(type) as object)), [field.name]: sample.value },
    })),
  );
}

function asksOf(kind: 'query' | 'mutation', field: GraphQLField<unknown, unknown>, text: string): { place: string; query: string; variables: Record<string, unknown> }[] {
  const type = getNamedType(field.type);
  const selection = isLeafType(type) ? '' : '{ __typename }';
  return field.args.flatMap((asked) =>
    samples(asked.type, text, `${field.name}.${asked.name}`).map(({ place, value }) => {
      const others = field.args.filter((arg) => arg !== asked && isRequiredArgument(arg));
      const given = [asked, ...others];
      const [declared, used] = [given.map((arg) => `$${arg.name}: ${arg.type}`), given.map((arg) => `${arg.name}: $${arg.name}`)];
      const variables = { ...Object.fromEntries(others.map((arg) => [arg.name, least(arg.type)])), [asked.name]: value };
      return { place, query: `${kind} (${declared.join(', ')}) { ${field.name}(${used.join(', ')}) ${selection} }`, variables };
    }),
  );
}

it('nobody waits for a long text, wherever it is sent', async () => {
  await using server = await startTestServer();
  const [person] = (await server.people(1)) as [Person];
  // Marks that are put in order, and what patterns may begin with again and again.
  const texts = ['a\u0315\u0300', '\u0315', ' ', 'a-', '@a.', '\u200d\u{1f468}', '/'].map((unit) => unit.repeat(90_000 / unit.length));
  texts.push(`a${'\u0315'.repeat(45_000)}${'\u0300'.repeat(45_000)}`);
  const slow: string[] = [];
  let count = 0;
  for (const [kind, root] of [
    ['query', schema.getQueryType()],
    ['mutation', schema.getMutationType()],
  ] as const) {
    for (const field of Object.values(root?.getFields() ?? {})) {
      if (field.name === 'logout' || field.name === 'deleteAccount') continue;
      for (const [index, text] of texts.entries()) {
        for (const { place, query, variables } of asksOf(kind, field, text)) {
          count++;
          const started = performance.now();
          await person.request(query, variables);
          if (performance.now() - started > 1_000) slow.push(`${place} with text ${index}`);
        }
      }
    }
  }
  expect(slow).toEqual([]);
  expect(count).toBeGreaterThan(400);
});
