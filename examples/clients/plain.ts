/** A chat client on nothing but `fetch` and graphql-ws: one function to ask, the first screen and the stream behind it, receipts. */
import type { FirstScreenQuery, FollowAllSubscription, MarkDeliveredHereMutation } from '../../test/generated/graphql.ts';
import type { Live } from './live.ts';
import { type Send, sendDocument } from './outbox.ts';
import type { Session } from './session.ts';

export type Item = FollowAllSubscription['events'];
export type Plain = ReturnType<typeof createPlain>;
type Message = { id: string; seq: number; version: number; text: string | null; clientMessageId: string | null; sender: { id: string; username: string }; chat: { id: string } };

/** The whole operation was refused. What a mutation answers is data, and comes here only when it is no answer at all. */
export class Refused extends Error {
  readonly code: string;
  readonly extensions: Record<string, unknown>;
  constructor({ message, extensions = {} }: { message: string; extensions?: Record<string, unknown> }) {
    super(message);
    this.code = String(extensions.code);
    this.extensions = extensions;
  }
}

const firstScreenDocument = /* GraphQL */ `
  query FirstScreen {
    eventCursor
    me { id username }
    chats(first: 20) {
      nodes { id name lastSeq my { readSeq unreadCount } messages(last: 20) { nodes { id seq version text clientMessageId sender { id username } chat { id } } } }
    }
  }
`;
const followDocument = /* GraphQL */ `
  subscription FollowAll($after: EventCursor) {
    events(after: $after, filter: { kinds: [MESSAGES, RECEIPTS, CHATS] }) {
      __typename
      ... on StreamEvent { cursor replayed }
      ... on MessageAdded { message { id seq version text clientMessageId sender { id username } chat { id } } }
      ... on MessageEdited { message { id seq version text clientMessageId sender { id username } chat { id } } }
      ... on MessageDeleted { message { id seq version text clientMessageId sender { id username } chat { id } } }
      ... on MessageStatusChanged { chat { id } user { id } status upToSeq }
      ... on MyChatChanged { chat { id my { readSeq unreadCount } } }
      ... on ChatAdded { chat { id name } }
      ... on ChatRemoved { chatId reason }
      ... on CaughtUp { cursor }
      ... on StreamGap { resumeFrom }
      ... on Heartbeat { cursor }
      ... on SessionEnded { endReason retry }
    }
  }
`;
const markDeliveredDocument = /* GraphQL */ `
  mutation MarkDeliveredHere($chatId: ID!, $upToSeq: Int!) {
    markDelivered(input: { chatId: $chatId, upToSeq: $upToSeq }) {
      __typename
      ... on UserError { code errorMessage }
    }
  }
`;

export function createPlain({ url, session, live }: { url: string; session: Session; live: Live }) {
  /** By id: what is shown of the chats, in whatever order it came. */
  const messages = new Map<string, Message>();
  const received = new Map<string, number>();
  return { ask, send, start, messagesOf };

  /** One query or mutation. Rejects with Refused, or with what `fetch` rejects with. */
  async function ask<Data>(query: string, variables: object = {}): Promise<Data> {
    const response = await session.fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables }) });
    const { data, errors } = (await response.json()) as { data?: Data | null; errors?: { message: string }[] };
    if (errors?.[0]) throw new Refused(errors[0]);
    return data as Data;
  }

  /** For the outbox. */
  function send({ refusal: _, ...message }: Parameters<Send>[0]): ReturnType<Send> {
    return ask<NonNullable<Awaited<ReturnType<Send>>['data']>>(sendDocument, message).then(
      (data) => ({ data }),
      (problem: unknown) => (problem instanceof Refused ? { errors: [problem] } : Promise.reject(problem)),
    );
  }

  /** Reads the first screen, then follows. Returns how to stop. `changed` is called when there is something new to show, `over` when the stream will not come back. */
  async function start({ changed, over }: { changed: (item?: Item) => void; over: (problem?: unknown) => void }): Promise<() => void> {
    const { eventCursor, me } = await readAgain();
    changed();
    return live.subscribe<FollowAllSubscription>(
      { query: followDocument, variables: { after: eventCursor } },
      {
        next: ({ data }) => {
          if (!data) return;
          const item = data.events;
          if ('message' in item) apply(item.message);
          if (item.__typename === 'MessageAdded' && item.message.sender.id !== me?.id) delivered(item.message);
          if (item.__typename === 'ChatRemoved') for (const { id, chat } of [...messages.values()]) if (chat.id === item.chatId) messages.delete(id);
          // Something is missing that will not come again.
          if (item.__typename === 'StreamGap') void readAgain().then(() => changed(), over);
          changed(item);
        },
        error: over,
        complete: () => over(),
      },
    );
  }

  async function readAgain(): Promise<FirstScreenQuery> {
    const screen = await ask<FirstScreenQuery>(firstScreenDocument);
    for (const chat of screen.chats?.nodes ?? []) for (const message of chat.messages?.nodes ?? []) apply(message);
    return screen;
  }

  /** An answer may be older than an event that overtook it: the higher version is the newer. */
  function apply(message: Message): void {
    if ((messages.get(message.id)?.version ?? 0) <= message.version) messages.set(message.id, message);
  }

  function messagesOf(chatId: string): Message[] {
    return [...messages.values()].filter(({ chat }) => chat.id === chatId).sort((a, b) => a.seq - b.seq);
  }

  /** "My device has everything up to here", once for all that comes within a moment. If it gets lost, the next one says the same and more. */
  function delivered({ chat, seq }: Message): void {
    if (received.size === 0) setTimeout(tell, 200);
    received.set(chat.id, Math.max(seq, received.get(chat.id) ?? 0));
  }

  function tell(): void {
    for (const [chatId, upToSeq] of received) ask<MarkDeliveredHereMutation>(markDeliveredDocument, { chatId, upToSeq }).catch(() => {});
    received.clear();
  }
}
