/** What graphql's own errors quote of a client is neither repeated nor looked at for long, whatever it is and wherever it stands. */
import { describe, expect, it } from 'vitest';
import { openRawSocket } from './kit/raw-socket.ts';
import { startTestServer } from './kit/server.ts';

type Asked = { query: string; variables?: object };
const secret = 'hunter2';

/** Everywhere that a value of a client may be of a wrong kind. `value` is any text, also one that looks like graphql's own words. */
const places: Record<string, (value: string) => Asked> = {
  'a variable that is no number': (value) => ({ query: 'query ($first: Int) { rooms(first: $first) { totalCount } }', variables: { first: value } }),
  'a variable that is no enum': (value) => ({ query: 'query ($of: RoomVisibility) { rooms(filter: { visibility: $of }) { totalCount } }', variables: { of: value } }),
  'a variable that is no date-time': (value) => ({
    query: 'query ($at: DateTime) { dialog(with: { username: "x" }) { messages(anchor: { at: $at }) { nodes { id } } } }',
    variables: { at: { [value]: value } },
  }),
  'a variable that is no object': (value) => ({ query: 'mutation ($input: LoginInput!) { login(input: $input) { __typename } }', variables: { input: value } }),
  'a key of a variable': (value) => ({
    query: 'mutation ($input: LoginInput!) { login(input: $input) { __typename } }',
    variables: { input: { login: 'ada', password: secret, [value]: 1 } },
  }),
  'a field of a variable': (value) => ({
    query: 'mutation ($input: LoginInput!) { login(input: $input) { __typename } }',
    variables: { input: { login: [value], password: { value } } },
  }),
  'an item of a variable': (value) => ({ query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', variables: { ids: [{ value }, [value], { [value]: value }] } }),
  'several ways to name somebody': (value) => ({ query: 'query ($with: UserRefInput!) { dialog(with: $with) { id } }', variables: { with: { username: value, id: value } } }),
  'a literal that is no number': (value) => ({ query: `{ rooms(first: ${JSON.stringify(value)}) { totalCount } }` }),
  'a literal that is no enum': (value) => ({ query: `{ rooms(filter: { visibility: ${JSON.stringify(value)} }) { totalCount } }` }),
  'a literal that is no date-time': (value) => ({ query: `{ dialog(with: { username: "x" }) { messages(anchor: { at: ${JSON.stringify(value)} }) { nodes { id } } } }` }),
  'a literal in a list': (value) => ({ query: `{ nodes(ids: [{ a: ${JSON.stringify(value)} }]) { id } }` }),
  'a block string': (value) => ({ query: `{ rooms(first: """${value.replaceAll('"', "'")}""") { totalCount } }` }),
  'a string where a name belongs': (value) => ({ query: `{ rooms ${JSON.stringify(value)} }` }),
  'a block string where a name belongs': (value) => ({ query: `{ rooms { """${value.replaceAll('"', "'")}""" } }` }),
  'a string as a document': (value) => ({ query: JSON.stringify(value) }),
  'a number where a name belongs': () => ({ query: '{ rooms 4815162342 }' }),
};

const looks: Record<string, string> = {
  plain: secret,
  'like the end of a sentence': `"; ${secret} at "${secret}"; ${secret}`,
  'like another sentence': `got invalid value ${secret}; Value "${secret}" does not exist in "${secret}", found ${secret} value: ${secret}`,
};

describe('what a client wrote', () => {
  it('is not repeated in errors, over HTTP and sockets', async () => {
    await using server = await startTestServer();
    using socket = await openRawSocket(server, { init: true });
    let id = 0;
    for (const [place, ask] of Object.entries(places)) {
      for (const [look, value] of Object.entries(looks)) {
        const asked = ask(value);
        const answer = await (await fetch(`${server.url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(asked) })).json();
        socket.subscribe(String(++id), asked.query, asked.variables);
        const message = await socket.message((got) => got.id === String(id));
        for (const said of [JSON.stringify(answer), JSON.stringify(message)]) {
          expect([place, look, said]).toEqual([place, look, expect.stringContaining('"BAD_REQUEST"')]);
          expect([place, look, said]).toEqual([place, look, expect.not.stringMatching(/hunter2|4815162342/)]);
        }
      }
    }
  });

  it('holds nobody up, however long it is', async () => {
    await using server = await startTestServer();
    const unit = ['got invalid value ', '; ', '"', ' at "', 'Value "', ', found ', ' value: ', ' does not exist in ', 'String "', '\\', 'x'];
    for (const [place, ask] of Object.entries(places)) {
      for (const part of unit) {
        const body = JSON.stringify(ask(part.repeat(Math.floor(400_000 / part.length))));
        if (body.length > 1_000_000) continue;
        const started = performance.now();
        const response = await fetch(`${server.url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
        const text = await response.text();
        // A pattern that takes the square of this takes minutes.
        expect([place, part, performance.now() - started < 1_000]).toEqual([place, part, true]);
        expect([place, part, text.length < 10_000]).toEqual([place, part, true]);
      }
    }
  });
});
