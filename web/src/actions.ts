/** What the viewer does to chats and messages, each as one mutation. What a mutation answers comes back as data; the change itself comes with the stream, or at once where waiting would be felt. */
import { ask } from './ask.ts';
import type {
  DeleteMutation,
  DeleteMutationVariables,
  EditMutation,
  EditMutationVariables,
  SignOutMutation,
  SignOutMutationVariables,
  TypeMutation,
  TypeMutationVariables,
} from './generated/graphql.ts';
import { operation } from './operation.ts';
import type { Place } from './places.ts';
import { quotedAs, toQuote, withMessages } from './state/merge.ts';
import { server, state } from './store.ts';
import { leave } from './sync.ts';

const typeDocument = operation<TypeMutation, TypeMutationVariables>(/* GraphQL */ `
  mutation Type($chatId: ID!, $threadRootId: ID, $active: Boolean!) { setTyping(input: { chatId: $chatId, threadRootId: $threadRootId, active: $active }) { __typename } }
`);
const editDocument = operation<EditMutation, EditMutationVariables>(/* GraphQL */ `
  mutation Edit($id: ID!, $text: String!, $version: Int!) {
    editMessage(input: { messageId: $id, text: $text, expectedVersion: $version }) {
      __typename
      ... on EditMessagePayload { message { ...MessageFields ...PlaceFields } }
      ...Failure
    }
  }
`);
const deleteDocument = operation<DeleteMutation, DeleteMutationVariables>(/* GraphQL */ `
  mutation Delete($id: ID!) {
    deleteMessage(input: { messageId: $id }) {
      __typename
      ... on DeleteMessagePayload { message { ...MessageFields ...PlaceFields } }
      ...Failure
    }
  }
`);
const signOutDocument = operation<SignOutMutation, SignOutMutationVariables>(/* GraphQL */ `
  mutation SignOut($everywhere: Boolean!) { logout(input: { everywhere: $everywhere }) { __typename } }
`);

/** When each chat was last told that the viewer types. */
const typedAt = new Map<string, number>();

export function tellTyping({ chatId, thread }: Place, active: boolean): void {
  const last = typedAt.get(chatId) ?? 0;
  if (active ? Date.now() - last < (server.value?.limits.typingRepeatMs ?? 3_000) : last === 0) return;
  if (active) typedAt.set(chatId, Date.now());
  else typedAt.delete(chatId);
  ask(typeDocument, { chatId, threadRootId: thread?.rootId ?? null, active }).catch(() => {});
}

export async function editMessage(id: string, text: string, version: number) {
  const { editMessage: result } = await ask(editDocument, { id, text, version });
  if (result?.__typename === 'EditMessagePayload') show(result.message);
  return result;
}

export async function deleteMessage(id: string) {
  const { deleteMessage: result } = await ask(deleteDocument, { id });
  if (result?.__typename === 'DeleteMessagePayload') show(result.message);
  return result;
}

function show({ chat: { id }, threadRoot: _, ...message }: Extract<NonNullable<EditMutation['editMessage']>, { __typename: 'EditMessagePayload' }>['message']): void {
  const chat = state.value.chats.get(id);
  if (chat?.messages.has(message.seq)) state.value = { ...state.value, chats: new Map(state.value.chats).set(id, quotedAs(withMessages(chat, [message]), toQuote(message))) };
}

/** Here the session is over even if the server cannot be told. */
export async function signOut(everywhere = false): Promise<void> {
  await ask(signOutDocument, { everywhere }).catch(() => {});
  leave(null);
}
