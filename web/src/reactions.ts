/** What the viewer reacts with: shown at once, said to the server as the whole set with what it was before, so that two devices or two quick clicks never undo each other. Loaded with the first reaction. */
import { ask } from './ask.ts';
import type { MyReactionsQuery, MyReactionsQueryVariables, ReactMutation, ReactMutationVariables } from './generated/graphql.ts';
import { operation } from './operation.ts';
import { withReactions } from './state/merge.ts';
import type { Message } from './state/state.ts';
import { readInto } from './store.ts';
import { isFailure, sentenceOf } from './texts/errors.ts';
import { texts } from './texts/texts.ts';
import { setRefusal, setTurning, turning } from './turning.ts';

const reactDocument = operation<ReactMutation, ReactMutationVariables>(/* GraphQL */ `
  mutation React($id: ID!, $emojis: [String!]!, $ifMine: [String!]) {
    setReactions(input: { messageId: $id, emojis: $emojis, ifMine: $ifMine }) {
      __typename
      ... on SetReactionsPayload { message { ...ReactionsFields } }
      ...Failure
    }
  }
`);
const mineDocument = operation<MyReactionsQuery, MyReactionsQueryVariables>(/* GraphQL */ `
  query MyReactions($id: ID!) { message(id: $id) { ...ReactionsFields } }
`);

/** So often another device may come before. */
const mostTries = 4;
/** An event that is older than the answer may still be on its way: what was turned is shown so long after. */
const settleMs = 1_000;

/** What is asked of the server for each message, one after the other. */
const underWay = new Set<string>();

/** Gives the emoji, or takes it back when it is there. */
export function toggle(message: Message, emoji: string): void {
  const now = turning.value.get(message.id);
  const isMine = now?.emojis.get(emoji) ?? message.reactions.some((group) => group.emoji === emoji && group.mine);
  setTurning(message.id, { emojis: new Map(now?.emojis).set(emoji, !isMine), why: null });
  void send(message);
}

async function send(message: Message): Promise<void> {
  const { id } = message;
  if (underWay.has(id)) return;
  underWay.add(id);
  let told: ReadonlyMap<string, boolean> | undefined;
  let before = message.reactions;
  let why: string | null = null;
  try {
    for (let tries = 0; tries < mostTries && told !== turning.value.get(id)?.emojis; ) {
      told = turning.value.get(id)?.emojis ?? new Map();
      const ifMine = before.filter(({ mine }) => mine).map(({ emoji }) => emoji);
      const emojis = [...ifMine.filter((emoji) => told?.get(emoji) !== false), ...[...told].flatMap(([emoji, on]) => (on && !ifMine.includes(emoji) ? [emoji] : []))];
      const { setReactions: result } = await readInto(
        () => ask(reactDocument, { id, emojis, ifMine }),
        (state, data) => (data.setReactions?.__typename === 'SetReactionsPayload' ? withReactions(state, data.setReactions.message) : state),
      );
      if (result?.__typename === 'SetReactionsPayload') {
        before = result.message.reactions;
        tries = 0;
      } else if (result?.__typename === 'ConflictError') {
        const { message: now } = await readInto(
          () => ask(mineDocument, { id }),
          (state, data) => (data.message ? withReactions(state, data.message) : state),
        );
        before = now?.reactions ?? [];
        tries++;
        told = undefined;
      } else {
        why = result?.__typename === 'QuotaExceededError' ? texts.value.reactions.tooMany(result.limit) : sentenceOf(result && isFailure(result) ? result : null);
        break;
      }
    }
  } catch (thrown) {
    why = sentenceOf(thrown);
  }
  underWay.delete(id);
  if (why) {
    setTurning(id, null);
    return setRefusal(id, why);
  }
  const shown = turning.value.get(id);
  setTimeout(() => turning.value.get(id) === shown && !underWay.has(id) && setTurning(id, null), settleMs);
}
