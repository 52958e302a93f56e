/** Writing to somebody, known or not. */
import { ask } from './ask.ts';
import type { DialogToQuery, DialogToQueryVariables } from './generated/graphql.ts';
import { operation } from './operation.ts';
import { addressOf, go } from './route.ts';
import { readInto, state, takeChats } from './store.ts';
import { texts } from './texts/texts.ts';

const dialogDocument = operation<DialogToQuery, DialogToQueryVariables>(/* GraphQL */ `
  query DialogTo($id: ID!) { dialog(with: { id: $id }) { ...ChatFields peer { presence { online lastSeenAt } } } }
`);

/** Opens the dialog with a person, also one in which nobody has written yet. Answers why it cannot be. */
export async function writeTo(personId: string): Promise<string | null> {
  const known = [...state.value.chats.values()].find((chat) => chat.__typename === 'Dialog' && chat.peerId === personId);
  if (known) {
    go(addressOf('chat', known.id));
    return null;
  }
  const { dialog } = await readInto(
    () => ask(dialogDocument, { id: personId }),
    (before, data) => (data.dialog ? takeChats(before, [data.dialog]) : before),
  );
  if (!dialog) return texts.value.errors.NOT_FOUND;
  go(addressOf('chat', dialog.id));
  return null;
}
