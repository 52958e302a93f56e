/** What the viewer has written and the server has not stored yet. The row of a message is known by its `clientMessageId` from the first moment on. */
import { computed, signal } from '@preact/signals';
import { createOutbox, type Outgoing, sendDocument } from '../../examples/clients/outbox.ts';
import type { SendFromOutboxMutation } from '../../test/generated/graphql.ts';
import { ask, Refused } from './ask.ts';
import type { Operation } from './operation.ts';
import { state } from './store.ts';

/** `sent`: the server has it, and the stream will bring it. */
export type Waiting = Outgoing & { writtenAt: string; sent: boolean };
type SendVariables = { chatId: string; text: string; attachmentIds: string[]; clientMessageId: string };

/** What has no answer yet, and what has one and is not in the state: nothing is missing from the screen for a moment. */
const unanswered = signal<readonly Outgoing[]>([]);
const answered = signal<readonly (Outgoing & { seq: number })[]>([]);
const times = new Map<string, string>();

/** In the order in which it was written, of all chats. */
export const waiting = computed((): readonly Waiting[] => [
  ...answered.value.filter(({ chatId, seq }) => !hasArrived(chatId, seq)).map((each) => ({ ...each, writtenAt: timeOf(each), sent: true })),
  ...unanswered.value.map((each) => ({ ...each, writtenAt: timeOf(each), sent: false })),
]);

function hasArrived(chatId: string, seq: number): boolean {
  const chat = state.value.chats.get(chatId);
  return !chat || chat.lastSeq >= seq;
}

const outbox = createOutbox({
  async send(message) {
    const { chatId, text, attachmentIds, clientMessageId } = message;
    try {
      const data = await ask(sendDocument as Operation<SendFromOutboxMutation, SendVariables>, { chatId, text, attachmentIds, clientMessageId });
      if (data.sendMessage?.__typename === 'SendMessagePayload') {
        const { seq } = data.sendMessage.message;
        answered.value = [...answered.value.filter((each) => !hasArrived(each.chatId, each.seq)), { ...message, seq }];
      }
      return { data };
    } catch (problem) {
      if (problem instanceof Refused) return { errors: [problem] };
      throw problem;
    }
  },
  changed: (all) => (unanswered.value = all),
});

function timeOf({ clientMessageId }: Outgoing): string {
  const known = times.get(clientMessageId);
  if (known) return known;
  const now = new Date().toISOString();
  times.set(clientMessageId, now);
  return now;
}

export const say = (chatId: string, text: string, attachmentIds: string[] = []): Outgoing => outbox.say(chatId, text, attachmentIds);
/** Puts away a message that was refused. */
export const discard = (message: Outgoing): void => outbox.drop(message);
export const sayAgain = (message: Outgoing): void => outbox.retry(message);
export const hurry = (): void => outbox.hurry();
