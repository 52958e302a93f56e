/** What was read and checked before passes Yoga by where there is no plugin (docs/decisions/yoga.md): the same answers as with it, also to what is wrong. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { openRawSocket } from './kit/raw-socket.ts';
import { startTestServer } from './kit/server.ts';

type Asked = { query: string; variables?: unknown; operationName?: unknown; extensions?: unknown };

const two = 'query A { serverInfo { name } } query B { me { username } }';
const page = 'query ($last: Int) { groupMessages(room: { id: "nothing" }, last: $last) { nodes { id } } }';
const asked: Asked[] = [
  { query: '{ me { username } }' },
  { query: two, operationName: 'B' },
  { query: two, operationName: 'C' },
  { query: two },
  { query: two, operationName: 1 },
  { query: page, variables: { last: 5 } },
  { query: page, variables: { last: 'five' } },
  { query: page, variables: { last: 100_000 } },
  { query: page, variables: ['five'] },
  { query: page, variables: null, operationName: null, extensions: null },
  { query: page, extensions: 'none' },
  { query: page, extensions: {} },
  { query: 'query ($id: ID!) { chat(id: $id) { id } }' },
  { query: '{ chats(first: 2147483647) { nodes { id } } }' },
  { query: '{ nothing }' },
  { query: '{' },
  { query: 'subscription { events(after: "nonsense") { __typename } }' },
  { query: 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename ... on UserError { code errorMessage } } }', variables: { input: { text: 'x' } } },
  {
    query: 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename ... on UserError { code errorMessage } } }',
    variables: { input: { to: { username: 'nobody' }, text: '' } },
  },
];

it('is answered alike, whoever asks and by which way', async () => {
  await using passing = await startTestServer({}, []);
  // One that does nothing: with it, everything goes through Yoga.
  await using through = await startTestServer({}, [{}]);
  const people = [await passing.person('ada'), await through.person('ada')];
  for (const each of asked) {
    for (const token of ['own', 'nonsense', undefined]) {
      const answersOf = async ({ url }: { url: string }, own: string | undefined): Promise<unknown[]> => {
        const authorization: Record<string, string> = token ? { authorization: `Bearer ${token === 'own' ? own : token}` } : {};
        const answers: unknown[] = [];
        // The first time it is read.
        for (const type of ['application/json', 'application/json', 'application/graphql-response+json', 'text/event-stream']) {
          const headers = { 'content-type': 'application/json', accept: type, ...authorization };
          const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify(each) });
          answers.push([response.status, response.headers.get('content-type'), withoutIds(await response.text())]);
        }
        using socket = await openRawSocket({ url }, { init: token === 'own' && own ? { accessToken: own } : true });
        for (const id of ['1', '2']) {
          socket.send({ id, type: 'subscribe', payload: each });
          answers.push(await Promise.race([socket.message((message) => message.id === id).then((message) => withoutIds(JSON.stringify(message))), socket.whenClosed()]));
        }
        return answers;
      };
      expect([each, token, await answersOf(passing, people[0]?.token)]).toEqual([each, token, await answersOf(through, people[1]?.token)]);
    }
  }
});

it('is remembered by its hash, also when it was known by its text', async () => {
  await using server = await startTestServer({}, []);
  const query = '{ serverInfo { name } }';
  const persistedQuery = { version: 1, sha256Hash: createHash('sha256').update(query).digest('hex') };
  const post = async (body: object): Promise<unknown> =>
    (await fetch(`${server.url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json();
  const answer = { data: { serverInfo: { name: 'Tertulia' } } };
  for (const body of [{ query }, { query }, { query, extensions: { persistedQuery } }, { extensions: { persistedQuery } }])
    expect([body, await post(body)]).toEqual([body, answer]);
});

const withoutIds = (text: string): string => text.replaceAll(/"requestId":"[^"]+"/g, '"requestId"');
