/** What the viewer keeps for themselves: saving a message, what they write beside it, and giving it up. Comes with its first use. */
import { ask } from './ask.ts';
import type { SaveMutation, SaveMutationVariables, UnsaveMutation, UnsaveMutationVariables } from './generated/graphql.ts';
import { operation } from './operation.ts';
import { announce } from './parts/announcer.tsx';
import { withPart } from './state/merge.ts';
import type { Failure } from './state/types.ts';
import { readInto } from './store.ts';
import { isFailure, sentenceOf } from './texts/errors.ts';
import { loadMore, texts } from './texts/texts.ts';

const saveDocument = operation<SaveMutation, SaveMutationVariables>(/* GraphQL */ `
  mutation Save($input: SaveMessageInput!) { saveMessage(input: $input) { __typename ... on SaveMessagePayload { message { id saved } } ...Failure } }
`);
const unsaveDocument = operation<UnsaveMutation, UnsaveMutationVariables>(/* GraphQL */ `
  mutation Unsave($id: ID!) { unsaveMessage(input: { messageId: $id }) { __typename ...Failure } }
`);

/** Answers what to tell when it could not be done. */
export async function setSaved(chatId: string, { id, seq }: { id: string; seq: number }, saved: boolean): Promise<string | null> {
  try {
    const result = await readInto(
      async () => (saved ? (await ask(saveDocument, { input: { messageId: id } })).saveMessage : (await ask(unsaveDocument, { id })).unsaveMessage),
      (state, answer) => (answer && !isFailure(answer) ? withPart(state, chatId, seq, { saved }) : state),
    );
    if (!result || isFailure(result)) return await whyNot(result);
    announce(saved ? texts.value.common.saved : texts.value.message.unsaved);
    return null;
  } catch (thrown) {
    return sentenceOf(thrown);
  }
}

/** An empty one is none. */
export async function setNote(messageId: string, note: string): Promise<Failure | null> {
  const { saveMessage: result } = await ask(saveDocument, { input: { messageId, note: note.trim() || null } });
  return result && isFailure(result) ? result : null;
}

async function whyNot(failure: Failure | null): Promise<string> {
  if (failure?.__typename !== 'QuotaExceededError') return sentenceOf(failure);
  await loadMore();
  return texts.value.saved.full(failure.limit);
}
