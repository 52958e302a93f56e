/** Messages on their way: each has its id before the first try and keeps it until the server has answered, so that trying again never sends twice. */
import type { SendFromOutboxMutation } from '../../test/generated/graphql.ts';

export type Outgoing = {
  clientMessageId: string;
  chatId: string;
  text: string;
  attachmentIds: string[];
  /** The message that it answers. */
  replyToId?: string;
  /** The thread that it is for, by the message above it. */
  threadRootId?: string;
  /** The message that it sends on: then it has no text and no files of its own. */
  forwardOf?: string;
  /** Whom it is for, beside what its text says. */
  mentions?: { users: { id: string }[]; all?: 'EVERYONE' | 'HERE' };
  /** Why the server will not have it, in words and as a code. */
  refusal?: string;
  code?: string;
};
/** What came back, as any client has it. Rejects when nothing did. */
export type Send = (message: Outgoing) => Promise<{ data?: SendFromOutboxMutation | null; errors?: readonly { message: string; extensions?: Record<string, unknown> }[] }>;
export type Outbox = ReturnType<typeof createOutbox>;

export const sendDocument = /* GraphQL */ `
  mutation SendFromOutbox($chatId: ID!, $text: String!, $attachmentIds: [ID!], $replyToId: ID, $threadRootId: ID, $forwardOf: ID, $mentions: MentionsInput, $clientMessageId: String!) {
    sendMessage(
      input: { to: { chatId: $chatId }, text: $text, attachmentIds: $attachmentIds, replyToId: $replyToId, threadRootId: $threadRootId, forwardOf: $forwardOf, mentions: $mentions, clientMessageId: $clientMessageId }
    ) {
      __typename
      ... on SendMessagePayload {
        message { id seq text version createdAt clientMessageId sender { id username } chat { id lastSeq } }
        unreachable { id displayName }
        duplicate
        cursor
      }
      ... on UserError { code errorMessage }
      ... on RateLimitedError { retryAfterMs }
    }
  }
`;

/** Sends in order, one at a time, until the server has each message or says that it never will. `changed` is told what to show below the messages, and to store. */
export function createOutbox({ send, changed, waiting = [] }: { send: Send; changed: (waiting: readonly Outgoing[]) => void; waiting?: Outgoing[] }) {
  let running = false;
  let wake = (): void => {};
  void run();
  return { say, drop, retry, hurry, resume, waiting: (): readonly Outgoing[] => waiting };

  function say(chatId: string, text: string, attachmentIds: string[] = [], about: Pick<Outgoing, 'replyToId' | 'threadRootId' | 'forwardOf' | 'mentions'> = {}): Outgoing {
    const message = { clientMessageId: crypto.randomUUID(), chatId, text, attachmentIds, ...about };
    set([...waiting, message]);
    void run();
    return message;
  }

  /** Forgets a message that was refused. */
  function drop({ clientMessageId }: Outgoing): void {
    set(waiting.filter((other) => other.clientMessageId !== clientMessageId));
  }

  /** Once more, under the same id, what was refused. */
  function retry({ clientMessageId }: Outgoing): void {
    set(waiting.map(({ refusal, code, ...other }) => (other.clientMessageId === clientMessageId ? other : { ...other, refusal, code })));
    void run();
  }

  /** What waited before, and was found only now: it goes first. */
  function resume(before: Outgoing[]): void {
    set([...before, ...waiting.filter((message) => !before.some(({ clientMessageId }) => clientMessageId === message.clientMessageId))]);
    void run();
  }

  /** There is a network again: the next try comes at once. */
  function hurry(): void {
    wake();
  }

  async function run(): Promise<void> {
    if (running) return;
    running = true;
    let tries = 0;
    for (let next = first(); next; next = first()) {
      const message = next;
      const { data, errors } = await send(message).catch(() => ({ data: null, errors: undefined }));
      const result = data?.sendMessage;
      const passing = !result ? isPassing(errors) : result.__typename === 'RateLimitedError';
      if (passing) {
        const atLeast = (result?.__typename === 'RateLimitedError' ? result.retryAfterMs : 0) + Math.min(15_000, 250 * 2 ** tries++);
        await new Promise<void>((resolve) => {
          wake = resolve;
          setTimeout(resolve, atLeast * (1 + Math.random()));
        });
        continue;
      }
      tries = 0;
      if (result?.__typename === 'SendMessagePayload') drop(message);
      else refuse(message, { refusal: result?.errorMessage ?? errors?.[0]?.message ?? '', code: result?.code ?? String(errors?.[0]?.extensions?.code) });
    }
    running = false;
  }

  function refuse(message: Outgoing, why: Pick<Outgoing, 'refusal' | 'code'>): void {
    set(waiting.map((other) => (other.clientMessageId === message.clientMessageId ? { ...other, ...why } : other)));
  }

  function first(): Outgoing | undefined {
    return waiting.find((message) => message.refusal === undefined);
  }

  function set(next: Outgoing[]): void {
    waiting = next;
    changed(waiting);
  }
}

/** No answer at all, or one that will be another in a while. */
function isPassing(errors: Awaited<ReturnType<Send>>['errors']): boolean {
  return !errors || errors.some(({ extensions }) => ['TOKEN_EXPIRED', 'RATE_LIMITED', 'UNAVAILABLE', 'INTERNAL_SERVER_ERROR'].includes(String(extensions?.code)));
}
