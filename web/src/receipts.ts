/** What the viewer's devices have, and what the viewer has seen. Markers move once for all that comes within a moment; if one gets lost, the next says the same and more. */
import { ask } from './ask.ts';
import type { DeliveredMutation, DeliveredMutationVariables, ReadMutation, ReadMutationVariables } from './generated/graphql.ts';
import { operation } from './operation.ts';

const readDocument = operation<ReadMutation, ReadMutationVariables>(/* GraphQL */ `
  mutation Read($chatId: ID!, $upToSeq: Int!) { markRead(input: { chatId: $chatId, upToSeq: $upToSeq }) { __typename } }
`);
const deliveredDocument = operation<DeliveredMutation, DeliveredMutationVariables>(/* GraphQL */ `
  mutation Delivered($chatId: ID!, $upToSeq: Int!) { markDelivered(input: { chatId: $chatId, upToSeq: $upToSeq }) { __typename } }
`);
const patienceMs = 250;

const read = new Map<string, number>();
const delivered = new Map<string, number>();
let isDue = false;

export const markRead = (chatId: string, upToSeq: number): void => tellLater(read, chatId, upToSeq);
export const markDelivered = (chatId: string, upToSeq: number): void => tellLater(delivered, chatId, upToSeq);

function tellLater(of: Map<string, number>, chatId: string, upToSeq: number): void {
  of.set(chatId, Math.max(upToSeq, of.get(chatId) ?? 0));
  if (!isDue) setTimeout(tell, patienceMs);
  isDue = true;
}

function tell(): void {
  isDue = false;
  for (const [chatId, upToSeq] of read) ask(readDocument, { chatId, upToSeq }).catch(() => {});
  // Read is delivered, too.
  for (const [chatId, upToSeq] of delivered) if ((read.get(chatId) ?? 0) < upToSeq) ask(deliveredDocument, { chatId, upToSeq }).catch(() => {});
  read.clear();
  delivered.clear();
}
