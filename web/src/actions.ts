/** What the viewer does to chats and messages, each as one mutation. What a mutation answers comes back as data; the change itself comes with the stream, or at once where waiting would be felt. */
import { ask } from './ask.ts';
import type {
  DeleteMutation,
  DeleteMutationVariables,
  DeliveredMutation,
  DeliveredMutationVariables,
  EditMutation,
  EditMutationVariables,
  ReadMutation,
  ReadMutationVariables,
  SignOutMutation,
  SignOutMutationVariables,
  TypeMutation,
  TypeMutationVariables,
} from './generated/graphql.ts';
import { operation } from './operation.ts';
import { withMessages } from './state/merge.ts';
import { server, state } from './store.ts';
import { leave } from './sync.ts';

const readDocument = operation<ReadMutation, ReadMutationVariables>(/* GraphQL */ `
  mutation Read($chatId: ID!, $upToSeq: Int!) { markRead(input: { chatId: $chatId, upToSeq: $upToSeq }) { __typename } }
`);
const deliveredDocument = operation<DeliveredMutation, DeliveredMutationVariables>(/* GraphQL */ `
  mutation Delivered($chatId: ID!, $upToSeq: Int!) { markDelivered(input: { chatId: $chatId, upToSeq: $upToSeq }) { __typename } }
`);
const typeDocument = operation<TypeMutation, TypeMutationVariables>(/* GraphQL */ `
  mutation Type($chatId: ID!, $active: Boolean!) { setTyping(input: { chatId: $chatId, active: $active }) { __typename } }
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

/** Markers move once for all that comes within a moment. If one gets lost, the next says the same and more. */
const toTell = { read: new Map<string, number>(), delivered: new Map<string, number>() };
let telling = false;

export function markRead(chatId: string, upToSeq: number): void {
  tellLater(toTell.read, chatId, upToSeq);
}
export function markDelivered(chatId: string, upToSeq: number): void {
  tellLater(toTell.delivered, chatId, upToSeq);
}

function tellLater(of: Map<string, number>, chatId: string, upToSeq: number): void {
  of.set(chatId, Math.max(upToSeq, of.get(chatId) ?? 0));
  if (!telling) setTimeout(tell, 150);
  telling = true;
}

function tell(): void {
  telling = false;
  const [read, delivered] = [[...toTell.read], [...toTell.delivered]];
  toTell.read.clear();
  toTell.delivered.clear();
  for (const [chatId, upToSeq] of read) ask(readDocument, { chatId, upToSeq }).catch(() => {});
  for (const [chatId, upToSeq] of delivered) if (!read.some(([id, seq]) => id === chatId && seq >= upToSeq)) ask(deliveredDocument, { chatId, upToSeq }).catch(() => {});
}

/** When each chat was last told that the viewer types. */
const typedAt = new Map<string, number>();

export function tellTyping(chatId: string, active: boolean): void {
  const last = typedAt.get(chatId) ?? 0;
  if (active ? Date.now() - last < (server.value?.limits.typingRepeatMs ?? 3_000) : last === 0) return;
  if (active) typedAt.set(chatId, Date.now());
  else typedAt.delete(chatId);
  ask(typeDocument, { chatId, active }).catch(() => {});
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

function show({ chat: { id }, ...message }: Extract<NonNullable<EditMutation['editMessage']>, { __typename: 'EditMessagePayload' }>['message']): void {
  const chat = state.value.chats.get(id);
  if (chat?.messages.has(message.seq)) state.value = { ...state.value, chats: new Map(state.value.chats).set(id, withMessages(chat, [message])) };
}

/** Here the session is over even if the server cannot be told. */
export async function signOut(everywhere = false): Promise<void> {
  await ask(signOutDocument, { everywhere }).catch(() => {});
  leave(null);
}
