/** What is asked again and again is compiled (src/api/compiled.ts): the same answers, to the letter, as graphql-js gives at first. */
import { readFileSync } from 'node:fs';
import { type DocumentNode, Kind, parse, print } from 'graphql';
import { expect, it } from 'vitest';
import { createCompiler } from '../src/api/compiled.ts';
import type { Operation } from '../src/api/operation.ts';
import { schema } from '../src/api/schema.ts';
import type { Context } from '../src/graphql/context.ts';
import type { Item, Person, Untyped } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const document = parse(readFileSync(new URL('contract/operations.graphql', import.meta.url), 'utf8'));
const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
/** One operation of the contract, with the fragments. */
const operation = (name: string): string =>
  [...document.definitions.filter((definition) => 'name' in definition && definition.name?.value === name), ...fragments].map(print).join('\n');
/** Above the number of uses that make an operation worth it. */
const often = 25;

async function textOf(server: TestServer, person: Person, query: string, variables: Untyped): Promise<string> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${person.token}` };
  const text = await (await fetch(`${server.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })).text();
  return text.replaceAll(/"requestId":"[^"]+"/g, '').replaceAll(/\?[^"]*signature[^"]*/g, '');
}

it('answers the operations of the contract, and what goes wrong in them, as graphql-js does', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const [ada, ben, eve] = (await server.people(3)) as [Person, Person, Person];
  const room = await ada.createRoom({ members: [{ id: ben.id }], name: 'Über „Zitate“ \u2028 😀' });
  const hidden = await eve.createRoom({ visibility: 'PRIVATE' });
  for (const text of ['one', '"two" \\ \u2028', 'drei 😀']) await ada.send(room, text);
  const { message } = await ben.send(room, 'gone');
  await ben.must('mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { __typename } }', { id: message.id });
  await ben.send({ username: ada.username }, 'hello');
  const asked: [query: string, variables: Untyped][] = [
    [operation('Home'), {}],
    [operation('DialogWith'), { username: ben.username }],
    [operation('GroupMessages'), { room: room.id }],
    [operation('GroupMessages'), { room: room.id, last: 2 }],
    [operation('GroupMessages'), { room: 'nothing', last: 2 }],
    [operation('GroupMessages'), { last: 2 }],
    [operation('GroupMessages'), { room: room.id, last: 'two' }],
    [operation('RegisteredUsers'), {}],
    [operation('Inbox'), {}],
    [
      'query ($id: ID!, $all: Boolean!) { c: chat(id: $id) { ...on Room { n: name } id @skip(if: $all) messages(last: 2) { nodes { id @include(if: $all) text s: sender { ...P } } } } } fragment P on User { displayName presence { online } }',
      { id: room.id, all: true },
    ],
    [
      'query ($id: ID!, $all: Boolean = false) { chat(id: $id) { __typename id @skip(if: $all) my { unreadCount role } ... on Room { members(first: 5) { nodes { role user { username } } } } } }',
      { id: room.id },
    ],
    ['query ($id: ID!) { me { id } chat(id: $id) { id messages(last: 5) { nodes { id } } } }', { id: hidden.id }],
    ['query ($id: ID!) { a: groupMessages(room: { id: $id }) { nodes { text } } b: me { id } }', { id: hidden.id }],
    ['{ chats(first: 1000) { nodes { id } } }', {}],
    ['query ($first: Int) { chats(first: $first) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id } } } }', { first: 2 }],
  ];
  for (const [query, variables] of asked) {
    const first = await textOf(server, ada, query, variables);
    for (let count = 0; count < often; count++) expect(await textOf(server, ada, query, variables)).toBe(first);
  }
});

it('hands out the items of a stream as graphql-js does', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const [ada, ben] = (await server.people(2)) as [Person, Person];
  const room = await ada.createRoom({ members: [{ id: ben.id }] });
  const events = operation('Events');
  const own = 'subscription { events { __typename ... on StreamEvent { cursor replayed } ... on MessageAdded { message { id text status chat { id my { unreadCount } } } } } }';
  for (const query of [events, own]) {
    const old = await ben.follow(query);
    for (let count = 0; count < often; count++) await ada.send(room, `warm ${count}`);
    await old.until((item) => item.message?.text === `warm ${often - 1}`);
    // The same operation as another text: nobody has run it yet.
    const fresh = await ben.follow(`# ${query.length}\n${query}`);
    const { message } = await ada.send(room, 'both "see" this 😀');
    await ada.must('mutation ($id: ID!) { editMessage(input: { messageId: $id, text: "edited" }) { __typename } }', { id: message.id });
    await ada.must(`mutation { updateProfile(input: { displayName: "Ada ${query.length} ‰" }) { __typename } }`);
    const last = (item: Item): boolean => item.__typename === 'UserUpdated';
    const [ofOld, ofFresh] = [await old.until(last), await fresh.until(last)];
    expect(ofFresh.length).toBeGreaterThan(2);
    expect(JSON.stringify(ofOld.slice(-ofFresh.length))).toBe(JSON.stringify(ofFresh));
  }
});

it('compiles what was asked for often, and leaves mutations, input objects and long documents to graphql-js', async () => {
  const compiler = createCompiler(schema);
  const asking = (text: string, variables: Untyped = {}): Operation => {
    const document: DocumentNode = parse(text);
    const [node] = document.definitions as [Operation['node']];
    return { document, node, name: null, kind: node.operation, variables, weight: 1 };
  };
  const isHot = async (asked: Operation): Promise<boolean> => {
    let interpreted = 0;
    const run = (): unknown => compiler.run(asked, {} as Context, null, () => ({ data: { count: ++interpreted } }));
    for (let count = 0; count < often; count++) run();
    expect(interpreted).toBe(often);
    await new Promise((wake) => setTimeout(wake, 20));
    run();
    return interpreted === often;
  };
  // The compiler itself is loaded when it is first needed.
  await isHot(asking('{ __typename }'));
  await new Promise((wake) => setTimeout(wake, 300));
  const isCompiled = (text: string, variables: Untyped = {}): Promise<boolean> => isHot(asking(text, variables));
  expect(await isCompiled('query ($a: Boolean!) { a: __typename @skip(if: $a) }', { a: false })).toBe(true);
  expect(await isCompiled('query ($a: Boolean!) { a: __typename @skip(if: $a) }', { a: 'not one' })).toBe(false);
  expect(await isCompiled('mutation { __typename }')).toBe(false);
  expect(await isCompiled('query ($user: UserRefInput!) { __typename dialog(with: $user) { id } }')).toBe(false);
  expect(await isCompiled(`{ ${Array.from({ length: 300 }, (_, index) => `a${index}: __typename`).join(' ')} }`)).toBe(false);
  // However many documents somebody thinks up, so many are kept, and the latest.
  const many = Array.from({ length: 40 }, (_, document) => `{ ${Array.from({ length: 150 }, (_field, index) => `a${document}x${index}: __typename`).join(' ')} }`);
  const parsed = many.map((text) => asking(text));
  for (const asked of parsed) await isHot(asked);
  const kept = [];
  for (const asked of parsed) {
    let interpreted = false;
    compiler.run(asked, {} as Context, null, () => ({ data: { is: (interpreted = true) } }));
    kept.push(!interpreted);
  }
  expect(kept).toEqual(parsed.map((_, index) => index >= many.length - 20));
});
