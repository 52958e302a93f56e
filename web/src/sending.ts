/** What the viewer has written and the server has not stored yet. The row of a message is known by its `clientMessageId` from the first moment on. */
import { computed, signal } from '@preact/signals';
import { createOutbox, type Outbox, type Outgoing, type Send, sendDocument } from '../../examples/clients/outbox.ts';
import type { SendFromOutboxMutation } from '../../test/generated/graphql.ts';
import { ask, Refused } from './ask.ts';
import { type KeptOutgoing, keepOutgoing, keptOutbox } from './keep.ts';
import type { Mentions } from './names.ts';
import type { Operation } from './operation.ts';
import { alarm } from './parts/announcer.tsx';
import { endOf, type Message, type Quote } from './state/state.ts';
import { state } from './store.ts';
import { texts } from './texts/texts.ts';
import { setRefusal } from './turning.ts';

/** `sent`: the server has it, and the stream will bring it. */
export type Waiting = KeptOutgoing & { sent: boolean };
type SendVariables = Pick<Outgoing, 'chatId' | 'text' | 'attachmentIds' | 'replyToId' | 'threadRootId' | 'forwardOf' | 'mentions' | 'clientMessageId'>;

/** What has no answer yet, and what has one and is not in the state: nothing is missing from the screen for a moment. */
const unanswered = signal<readonly KeptOutgoing[]>([]);
const stored = signal<readonly (KeptOutgoing & { seq: number })[]>([]);

/** In the order in which it was written, of all chats. */
export const waiting = computed((): readonly Waiting[] => [
  ...stored.value.filter(({ chatId, seq }) => !hasArrived(chatId, seq)).map((each) => ({ ...each, sent: true })),
  ...unanswered.value.map((each) => ({ ...each, sent: false })),
]);

function hasArrived(chatId: string, seq: number): boolean {
  const chat = state.value.chats.get(chatId);
  return !chat || endOf(chat) >= seq;
}

/** One for each account that has been here since the page was loaded: what is under way when somebody signs out goes nowhere. */
let outbox: Outbox | null = null;
let account = '';

/** What waited when the last tab was closed goes first. */
export function startSending(accountId: string): void {
  if (account === accountId) return;
  account = accountId;
  const times = new Map<string, string>();
  const mine: Outbox = createOutbox({
    send: (message) => (outbox === mine ? send({ ...message, writtenAt: times.get(message.clientMessageId) ?? '' }) : new Promise(() => {})),
    changed(all) {
      if (outbox !== mine) return;
      const before = unanswered.value;
      const next = all.map((each) => before.find((known) => isSame(known, each)) ?? { ...each, writtenAt: timeOf(each) });
      unanswered.value = next;
      const ids = new Set(next.map(({ clientMessageId }) => clientMessageId));
      void keepOutgoing(
        accountId,
        next.filter((each) => !before.includes(each)),
        before.filter(({ clientMessageId }) => !ids.has(clientMessageId)),
      );
    },
  });
  outbox = mine;
  void keptOutbox(accountId).then((kept) => {
    for (const each of kept) times.set(each.clientMessageId, each.writtenAt);
    if (kept.length > 0 && outbox === mine) mine.resume([...kept]);
  });

  function timeOf({ clientMessageId }: Outgoing): string {
    const at = times.get(clientMessageId) ?? new Date().toISOString();
    times.set(clientMessageId, at);
    return at;
  }
}

const isSame = (known: KeptOutgoing, told: Outgoing): boolean => known.clientMessageId === told.clientMessageId && known.refusal === told.refusal && known.code === told.code;

export function stopSending(): void {
  outbox = null;
  account = '';
  unanswered.value = [];
  stored.value = [];
}

async function send(message: KeptOutgoing): ReturnType<Send> {
  const { chatId, text, attachmentIds, replyToId, threadRootId, forwardOf, mentions, clientMessageId } = message;
  try {
    const data = await ask(sendDocument as Operation<SendFromOutboxMutation, SendVariables>, {
      chatId,
      text,
      attachmentIds,
      replyToId,
      threadRootId,
      forwardOf,
      mentions,
      clientMessageId,
    });
    if (data.sendMessage?.__typename === 'SendMessagePayload') {
      const { message: done, unreachable } = data.sendMessage;
      const { seq } = done;
      if (unreachable.length > 0) setRefusal(done.id, texts.value.mentions.unreachable(unreachable.map(({ displayName }) => displayName)));
      stored.value = [...stored.value.filter((each) => !hasArrived(each.chatId, each.seq)), { ...message, seq }];
    } else if (data.sendMessage && data.sendMessage.__typename !== 'RateLimitedError') alarm(texts.value.message.announceFailed);
    return { data };
  } catch (problem) {
    if (problem instanceof Refused) return { errors: [problem] };
    throw problem;
  }
}

/** What is answered by messages that wait, by their ids: only those are kept with a message. */
const answered = new Map<string, Quote>();
export const answerOf = ({ replyToId = '' }: Outgoing): Quote | null => answered.get(replyToId) ?? null;

export function say(
  chatId: string,
  text: string,
  attachmentIds: string[],
  { answers, threadRootId, mentions }: { answers: Quote | null; threadRootId?: string | undefined; mentions: Mentions | null },
): void {
  if (answers) answered.set(answers.id, answers);
  outbox?.say(chatId, text, attachmentIds, { ...(answers ? { replyToId: answers.id } : {}), ...(threadRootId ? { threadRootId } : {}), ...(mentions ? { mentions } : {}) });
}

/** What is sent on by messages that wait, by their ids. */
const origins = new Map<string, Message>();

/** As it is now where it is loaded: that is what is sent. */
export function originOf({ forwardOf }: Outgoing): Message | null {
  if (!forwardOf) return null;
  for (const { messages } of state.value.chats.values()) for (const message of messages.values()) if (message.id === forwardOf) return message;
  return origins.get(forwardOf) ?? null;
}

export function sendOn(chatId: string, message: Message): void {
  origins.set(message.id, message);
  outbox?.say(chatId, '', [], { forwardOf: message.id });
  hurry();
}

/** Puts away a message that was refused. */
export const discard = (message: Outgoing): void => outbox?.drop(message);
export const sayAgain = (message: Outgoing): void => outbox?.retry(message);
export const hurry = (): void => outbox?.hurry();
