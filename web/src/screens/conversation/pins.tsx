/** What a chat keeps in view: the message that was pinned last in a bar over the others, all of them in a list. Read when the chat is opened, and anew when something of it changes. */
import { useEffect, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { PinMutation, PinMutationVariables, PinsQuery, PinsQueryVariables, UnpinMutation, UnpinMutationVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { alarm, announce } from '../../parts/announcer.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { FormError } from '../../parts/fields.tsx';
import { Icon } from '../../parts/icon.tsx';
import { toQuote, withPart, withPeople } from '../../state/merge.ts';
import type { Chat, Message, Quote } from '../../state/state.ts';
import { line, mayPin, personOf, pinChanges, readInto } from '../../store.ts';
import { isFailure, sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { dayNameOf } from '../../texts/times.ts';
import { Lines, textOf, wantedPlace } from './quote.tsx';

const pinsDocument = operation<PinsQuery, PinsQueryVariables>(/* GraphQL */ `
  query Pins($chatId: ID!) {
    chat(id: $chatId) { pins(first: 100) { nodes { pinnedAt pinnedBy { ...PersonFields } message { ...QuoteFields } } } }
  }
`);
const pinDocument = operation<PinMutation, PinMutationVariables>(/* GraphQL */ `
  mutation Pin($id: ID!) { pinMessage(input: { messageId: $id }) { __typename ... on PinMessagePayload { message { id pin { pinnedAt } } } ...Failure } }
`);
const unpinDocument = operation<UnpinMutation, UnpinMutationVariables>(/* GraphQL */ `
  mutation Unpin($id: ID!) { unpinMessage(input: { messageId: $id }) { __typename ... on UnpinMessagePayload { message { id pin { pinnedAt } } } ...Failure } }
`);
const againAfterMs = 300;

type Pinned = { quote: Quote; at: string; byId: string | null };

/** Answers what to tell when it could not be done. */
export async function setPinned(chatId: string, { id, seq }: Pick<Message, 'id' | 'seq'>, pinned: boolean): Promise<string | null> {
  try {
    const result = await readInto(
      async () => (pinned ? (await ask(pinDocument, { id })).pinMessage : (await ask(unpinDocument, { id })).unpinMessage),
      (state, answer) => (answer && 'message' in answer ? withPart(state, chatId, seq, { pin: answer.message.pin }) : state),
    );
    if (!result || isFailure(result)) return sentenceOf(result);
    announce(pinned ? texts.value.pins.pinned : texts.value.pins.unpinned);
    return null;
  } catch (thrown) {
    return sentenceOf(thrown);
  }
}

export function PinsBar({ chat }: { chat: Chat }) {
  const { pins: words } = texts.value;
  const [pins, setPins] = useState<readonly Pinned[]>([]);
  const [open, setOpen] = useState(false);
  const changes = pinChanges.value.get(chat.id) ?? 0;
  const isOn = line.value === 'on';
  useEffect(() => {
    if (!isOn) return;
    let left = false;
    const timer = setTimeout(
      () =>
        void readPins(chat.id).then(
          (read) => left || setPins(read),
          () => {},
        ),
      changes === 0 ? 0 : againAfterMs,
    );
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [chat.id, changes, isOn]);
  const [newest] = pins;
  if (!newest) return null;
  return (
    <>
      <section class="pinned" aria-label={words.title}>
        <Icon name="pin" class="s" />
        <button class="clip" type="button" onClick={() => (wantedPlace.value = { chatId: chat.id, seq: newest.quote.seq })}>
          <span class="vh">{words.newest} </span>
          {textOf(newest.quote)}
        </button>
        <button class="btn small text" type="button" aria-haspopup="dialog" onClick={() => setOpen(true)}>
          {words.all(pins.length)}
        </button>
      </section>
      {open && <PinsList chat={chat} pins={pins} onClose={() => setOpen(false)} />}
    </>
  );
}

async function readPins(chatId: string): Promise<Pinned[]> {
  const { chat } = await readInto(
    () => ask(pinsDocument, { chatId }),
    (before, data) =>
      withPeople(
        before,
        (data.chat?.pins?.nodes ?? []).flatMap(({ message, pinnedBy }) => (pinnedBy ? [message.sender, pinnedBy] : [message.sender])),
      ),
  );
  return (chat?.pins?.nodes ?? []).map(({ message, pinnedAt, pinnedBy }) => ({ quote: toQuote(message), at: pinnedAt, byId: pinnedBy?.id ?? null }));
}

function PinsList({ chat, pins, onClose }: { chat: Chat; pins: readonly Pinned[]; onClose: () => void }) {
  const { pins: words, common } = texts.value;
  const [problem, setProblem] = useState<string | null>(null);
  return (
    <Dialog title={words.title} onClose={onClose}>
      <ul class="readers pins">
        {pins.map(({ quote, at, byId }) => (
          <li key={quote.id}>
            <button
              class="quote"
              type="button"
              onClick={() => {
                onClose();
                wantedPlace.value = { chatId: chat.id, seq: quote.seq };
              }}
            >
              <Lines of={quote} />
              <small>{words.by(personOf(byId ?? '')?.displayName ?? '', dayNameOf(at))}</small>
            </button>
            {mayPin(chat) && (
              <button
                class="ib"
                type="button"
                aria-label={words.unpin}
                title={words.unpin}
                onClick={() =>
                  void setPinned(chat.id, quote, false).then((why) => {
                    setProblem(why);
                    if (why) alarm(why);
                    else if (pins.length === 1) onClose();
                  })
                }
              >
                <Icon name="close" class="s" />
              </button>
            )}
          </li>
        ))}
      </ul>
      <FormError>{problem}</FormError>
      <div class="row-btns">
        <button class="btn text" type="button" autofocus onClick={onClose}>
          {common.close}
        </button>
      </div>
    </Dialog>
  );
}
