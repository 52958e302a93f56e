/** The message that another one answers: above its text, and above what is being written. */
import { signal } from '@preact/signals';
import { Icon } from '../../parts/icon.tsx';
import { addressOf, go } from '../../route.ts';
import type { Quote } from '../../state/state.ts';
import { personOf, state } from '../../store.ts';
import { texts } from '../../texts/texts.ts';
import { isOver } from './about.ts';

/** The place that somebody wants to see. */
export const wantedPlace = signal<{ chatId: string; seq: number } | null>(null);

const nameOf = ({ senderId }: Quote): string => (senderId === state.value.meId ? texts.value.message.you : (personOf(senderId)?.displayName ?? ''));

export function textOf({ text, files, pictures, gone }: Quote): string {
  const { message: words, shelf } = texts.value;
  return gone ? words.gone : text || (pictures ? shelf.picture : shelf.file)(files);
}

/** A press leads to it. */
export function Quoted({ of, chatId }: { of: Quote; chatId: string }) {
  const { message: words } = texts.value;
  return (
    <button class="quote" type="button" tabIndex={-1} onClick={({ currentTarget }) => lookAt(currentTarget, chatId, of.seq)}>
      <span class="vh">{words.inReplyTo} </span>
      <Lines of={of} />
    </button>
  );
}

/** In a thread to what is in it; otherwise in the conversation, which a thread may cover. */
function lookAt(from: Element, chatId: string, seq: number): void {
  const near = from.closest('.panel') ? document.getElementById(`reply-${seq}`) : null;
  if (near) {
    near.scrollIntoView({ block: 'center' });
    near.focus({ preventScroll: true });
  } else if (from.closest('.panel') && isOver.value) go(addressOf('chat', chatId, String(seq)), { replace: true });
  else wantedPlace.value = { chatId, seq };
}

/** While it is written. */
export function Answering({ of, onCancel }: { of: Quote; onCancel: () => void }) {
  const { message: words } = texts.value;
  return (
    <div class="answering" role="status">
      <Icon name="reply" class="s flip" />
      <div class="quote">
        <span class="vh">{words.replyingTo(nameOf(of))}</span>
        <Lines of={of} />
      </div>
      <button class="ib" type="button" aria-label={words.noReply} title={`${words.noReply} (Esc)`} onClick={onCancel}>
        <Icon name="close" />
      </button>
    </div>
  );
}

export function Lines({ of }: { of: Quote }) {
  return (
    <>
      <b>
        <bdi>{nameOf(of)}</bdi>
      </b>
      <span class={of.gone ? 'clip hint' : 'clip'} dir="auto">
        {textOf(of)}
      </span>
    </>
  );
}
