/** What the promise tests share: documents that ask for all that is compared, repeatable randomness, and waiting. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Item, Person, Untyped } from '../kit/person.ts';

/** More of the same with LONG=1. */
export const rounds = (short: number, long: number): number => (process.env.LONG ? long : short);

export const sendMessage = `mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) {
    __typename
    ... on SendMessagePayload { message { id seq text version deletedAt } duplicate cursor }
    ... on UserError { code errorMessage }
    ... on ConflictError { conflictReason }
  }
}`;

const common = `__typename
  ... on MessageAdded { cursor replayed message { id seq text chat { id } } }
  ... on CaughtUp { cursor replayedCount }
  ... on StreamGap { resumeFrom }
  ... on Heartbeat { cursor }
  ... on SessionEnded { endReason retry }`;
const item = `${common} ... on StreamEvent { cursor replayed } ... on ChatAdded { chat { id } } ... on ChatRemoved { chatId reason } ... on ChatUpdated { chat { id } }
  ... on NotificationAdded { notification { message { text chat { id } } } }`;
export const events = `subscription Events($after: EventCursor) { events(after: $after) { ${item} } }`;
export const newMessages = `subscription NewMessages($chatId: ID, $after: EventCursor) { newMessages(chatId: $chatId, after: $after) { ${common} } }`;
export const sync = `query Sync($after: EventCursor!, $first: Int) { sync(after: $after, first: $first) { items { ${item} } endCursor hasMore } }`;

export const isDurable = (found: Item): boolean => typeof found.replayed === 'boolean';
/** Where in the log an item stands. */
export const placeOf = ({ cursor }: Item): number => Number(Buffer.from(cursor, 'base64url').toString().split('.')[2]);
export const messagesOf = (items: readonly Item[]): Untyped[] => items.filter((found) => found.__typename === 'MessageAdded').map((found) => found.message);
export const textsOf = (items: readonly Item[]): string[] => messagesOf(items).map((message) => message.text);
export const seqsTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

export async function eventCursor(person: Person): Promise<string> {
  return (await person.must('{ eventCursor }')).eventCursor;
}

/** All messages of a chat from its first, tombstones too. */
export async function history(person: Person, chatId: string): Promise<Untyped[]> {
  const found: Untyped[] = [];
  for (let after: string | null = null; ; ) {
    const { chat }: Untyped = await person.must(
      'query ($id: ID!, $after: String) { chat(id: $id) { messages(first: 100, after: $after) { nodes { id seq text clientMessageId } pageInfo { hasNextPage endCursor } } } }',
      { id: chatId, after },
    );
    found.push(...chat.messages.nodes);
    if (!chat.messages.pageInfo.hasNextPage) return found;
    after = chat.messages.pageInfo.endCursor;
  }
}

/** Resolves when the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string | (() => string), timeoutMs = 5_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`${typeof what === 'string' ? what : what()} (after ${timeoutMs} ms)`);
    await sleep(1);
  }
}

/** Numbers from 0 to 1 that come again with the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
/** SEED in the environment repeats a run. */
export const newSeed = (): number => Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
