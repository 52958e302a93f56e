/** People on other nodes than the one they registered on: sessions are good on all that share a database. */
import type { Person, Untyped } from './person.ts';
import type { TestServer } from './server.ts';

/** The same person on another node. */
export const at = (node: TestServer, person: Person) => ({
  request: (document: string, variables?: Untyped) =>
    fetch(`${node.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${person.token}` },
      body: JSON.stringify({ query: document, variables }),
    }).then((response) => response.json() as Promise<Untyped>),
});

/** A stream of a person on any node: of somebody there, with the person's token. */
export async function followOn(node: TestServer, person: Person, document: string, variables: Untyped) {
  const helper = helpers.get(node) ?? node.person();
  helpers.set(node, helper);
  const there = await helper;
  return there.follow(document, variables, { on: there.socket({ authorization: `Bearer ${person.token}` }) });
}
const helpers = new WeakMap<TestServer, Promise<Person>>();
