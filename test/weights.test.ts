/** What an operation weighs, and how much of an account's share it takes: what it reads, what its input names, and what its answer can be long with. */
import { readFileSync } from 'node:fs';
import { getNamedType, isCompositeType, isListType, isNonNullType, isObjectType, parse, print } from 'graphql';
import { expect, it } from 'vitest';
import { schema } from '../src/api/schema.ts';
import type { Answer, Person } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

const codes = ({ errors }: Answer<unknown>): string[] => errors?.map(({ extensions }) => extensions.code) ?? [];
const nobody = (count: number) => Array.from({ length: count }, (_, index) => ({ username: `nobody${index}` }));
const repeated = (count: number, field: string): string => Array.from({ length: count }, (_, index) => `a${index}: ${field}`).join(' ');
const add = (person: Person, roomId: string, users: object[], payload: string) =>
  person.request(
    `mutation ($roomId: ID!, $users: [UserRefInput!]!) { addMembers(input: { roomId: $roomId, users: $users }) { __typename ... on AddMembersPayload { ${payload} } } }`,
    {
      roomId,
      users,
    },
  );

it('every list in the answer of a mutation says what it weighs', () => {
  const silent: string[] = [];
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || !type.name.endsWith('Payload')) continue;
    for (const field of Object.values(type.getFields())) {
      const shape = isNonNullType(field.type) ? field.type.ofType : field.type;
      if (isListType(shape) && isCompositeType(getNamedType(shape)) && field.extensions.complexity === undefined) silent.push(`${type.name}.${field.name}`);
    }
  }
  expect(silent).toEqual([]);
});

it('an answer weighs what the input names, and a text more than a number', async () => {
  await using server = await startTestServer({ MAX_QUERY_BREADTH: '1000' });
  const ada = await server.person();
  const { id } = await ada.createRoom();
  const error = 'error { code errorMessage httpStatus }';
  expect(codes(await add(ada, id, nobody(1_000), `skipped { user { id } ${error} } added { id user { id username } }`))).toEqual([]);
  expect(codes(await add(ada, id, nobody(1_000), `skipped { ${repeated(10, error)} }`))).toEqual(['QUERY_TOO_COSTLY']);
  expect(codes(await add(ada, id, nobody(20), `skipped { ${repeated(10, error)} }`))).toEqual([]);
  const page = (count: number) => ada.request(`query ($id: ID!) { chat(id: $id) { messages(last: 100) { nodes { ${repeated(count, 'text')} } } } }`, { id });
  expect(codes(await page(190))).toEqual(['QUERY_TOO_COSTLY']);
  expect(codes(await page(5))).toEqual([]);
  const search = (count: number) => ada.request(`{ ${repeated(count, 'rooms(first: 1, filter: { nameContains: "x" }) { nodes { id } }')} }`);
  expect(codes(await search(60))).toEqual(['QUERY_TOO_COSTLY']);
  expect(codes(await search(10))).toEqual([]);
});

it('the operations that clients are expected to send are affordable by far', async () => {
  await using server = await startTestServer({ MAX_QUERY_COMPLEXITY: '2000' });
  const ada = await server.person();
  for (const operation of parse(readFileSync(new URL('contract/operations.graphql', import.meta.url), 'utf8')).definitions.map(print)) {
    const answer = await ada.request(operation, { room: 'x', username: 'x', users: ['x'], chat: 'x', seq: 1 });
    expect(codes(answer), operation).not.toContain('QUERY_TOO_COSTLY');
  }
});

it('who names many people in a mutation has used up as much of their share as if asking many times', async () => {
  await using server = await startTestServer({ RATE_LIMITS: 'on', REGISTER_LIMIT: '1000', REQUEST_LIMIT: '5' });
  const [ada, ben] = (await server.people(2)) as [Person, Person];
  const { id } = await ada.createRoom();
  // Fifty requests are a share of ten seconds; of people named, ten count as one.
  expect(codes(await add(ada, id, nobody(300), '__typename'))).toEqual([]);
  expect(codes(await add(ada, id, nobody(300), '__typename'))).toEqual(['RATE_LIMITED']);
  expect(await ben.request('{ me { id } }')).toMatchObject({ data: { me: { id: ben.id } } });
  // However small the share, what is allowed is possible.
  const forAll = async () => (await ben.request('mutation { createRoom(input: { name: "all", everyone: true }) { __typename } }')).data?.createRoom.__typename;
  expect([await forAll(), await forAll()]).toEqual(['CreateRoomPayload', 'RateLimitedError']);
});
