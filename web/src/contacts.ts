/** Who is in the viewer's contacts, and keeping them there. */
import { ask } from './ask.ts';
import type { AddContactMutation, AddContactMutationVariables, ContactsPresenceQuery, RemoveContactMutation, RemoveContactMutationVariables } from './generated/graphql.ts';
import { operation } from './operation.ts';
import { withPeople } from './state/merge.ts';
import type { Failure } from './state/types.ts';
import { readInto, setPresence } from './store.ts';
import { isFailure } from './texts/errors.ts';

const addDocument = operation<AddContactMutation, AddContactMutationVariables>(/* GraphQL */ `
  mutation AddContact($id: ID!) { addContacts(input: { users: [{ id: $id }] }) { __typename ... on AddContactsPayload { added { ...PersonFields } } ...Failure } }
`);
const removeDocument = operation<RemoveContactMutation, RemoveContactMutationVariables>(/* GraphQL */ `
  mutation RemoveContact($id: ID!) { removeContacts(input: { userIds: [$id] }) { __typename } }
`);
const presenceDocument = operation<ContactsPresenceQuery>(/* GraphQL */ `
  query ContactsPresence { me { id account { contacts(first: 100) { nodes { id presence { online lastSeenAt } } } } } }
`);

/** Who of them is online now. */
export async function readContactsPresence(): Promise<void> {
  const { me } = await ask(presenceDocument);
  for (const { id, presence } of me?.account?.contacts.nodes ?? []) setPresence(id, presence);
}

/** Answers what the server will not have. */
export async function keepAsContact(id: string, keep: boolean): Promise<Failure | null> {
  if (!keep) {
    await readInto(
      () => ask(removeDocument, { id }),
      (before) => ({ ...before, account: { ...before.account, contactIds: before.account.contactIds.filter((other) => other !== id) } }),
    );
    return null;
  }
  const { addContacts: result } = await readInto(
    () => ask(addDocument, { id }),
    (before, data) =>
      data.addContacts?.__typename === 'AddContactsPayload'
        ? withPeople({ ...before, account: { ...before.account, contactIds: [...new Set([...before.account.contactIds, id])] } }, data.addContacts.added)
        : before,
  );
  return result && isFailure(result) ? result : null;
}
