/** What can be done with a message: its bar on hover and focus, its menu, editing and deleting. */
import { signal } from '@preact/signals';
import { deleteMessage } from '../../actions.ts';
import { draftOf, setAnswer, setDraft } from '../../drafts.ts';
import { confirm } from '../../parts/confirm.tsx';
import { Icon } from '../../parts/icon.tsx';
import { Menu } from '../../parts/menu.tsx';
import type { Place } from '../../places.ts';
import { addressOf, go, route } from '../../route.ts';
import { answerOf, discard, type Waiting } from '../../sending.ts';
import { toQuote } from '../../state/merge.ts';
import type { Message } from '../../state/state.ts';
import { isFailure, sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { quickEmojis, setRefusal } from '../../turning.ts';
import { picking, react, reactorsOf } from './reactions.tsx';

/** The message whose text is being changed, in its own place: in the conversation or in a thread, not in both. */
export const editing = signal<string | null>(null);

/** The message of which somebody wants to know who has read it. */
export const readersOf = signal<Message | null>(null);

/** The message of which somebody wants to know what it said before. */
export const historyOf = signal<Message | null>(null);

/** The message that somebody sends on. */
export const forwarding = signal<Message | null>(null);

/** The message has the focus meanwhile, and afterwards: its buttons go when somebody looks elsewhere. */
export function showReaders(message: Message): void {
  document.getElementById(`message-${message.seq}`)?.focus({ preventScroll: true });
  readersOf.value = message;
}

/** What the viewer may do in a chat: write, pin, and what else its owners and admins do. */
export type May = { write: boolean; pin: boolean; moderate: boolean };

export function MessageActions({ message, place, mine, kind, may }: { message: Message; place: Place; mine: boolean; kind: 'Room' | 'Dialog'; may: May }) {
  const { message: words, reactions, pins, threads, common } = texts.value;
  const { write: open } = may;
  const isMine = (emoji: string): boolean => message.reactions.some((group) => group.emoji === emoji && group.mine);
  const [first = ''] = quickEmojis(1);
  return (
    <div class="acts">
      {open && (
        <>
          <button
            class="ib emoji"
            type="button"
            aria-label={reactions.reactWith(first)}
            title={reactions.reactWith(first)}
            aria-pressed={isMine(first)}
            onClick={() => void react(message, first)}
          >
            {first}
          </button>
          <button class="ib" type="button" aria-label={words.reply} title={`${words.reply} (R)`} onClick={() => answer(message, place)}>
            <Icon name="reply" class="flip" />
          </button>
          <button class="ib" type="button" aria-label={reactions.choose} title={`${reactions.choose} (+)`} aria-haspopup="dialog" onClick={() => (picking.value = message)}>
            <Icon name="smile" />
          </button>
        </>
      )}
      <Menu
        label={words.actions}
        button={<Icon name="more" />}
        buttonLabel={common.more}
        quick={open ? quickEmojis(6).map((emoji) => ({ sign: emoji, name: reactions.reactWith(emoji), chosen: isMine(emoji), act: () => void react(message, emoji) })) : []}
        items={[
          ...(open ? [{ icon: 'reply' as const, text: words.reply, keys: 'R', act: () => answer(message, place) }] : []),
          ...(open && !place.thread ? [{ icon: 'thread' as const, text: threads.reply, keys: 'T', act: () => openThread(message, place.chatId) }] : []),
          ...(open ? [{ icon: 'smile' as const, text: reactions.choose, keys: '+', act: () => (picking.value = message) }] : []),
          ...(message.reactions.length > 0 ? [{ icon: 'people' as const, text: reactions.who, act: () => (reactorsOf.value = message) }] : []),
          ...(mine && !message.forwardedFrom ? [{ icon: 'edit' as const, text: words.edit, act: () => (editing.value = `${place.row} ${message.id}`) }] : []),
          ...(message.text ? [{ icon: 'copy' as const, text: words.copy, keys: 'Ctrl C', act: () => void navigator.clipboard.writeText(message.text ?? '') }] : []),
          { icon: 'forward', text: words.forward, act: () => (forwarding.value = message) },
          { icon: 'bookmark', text: message.saved ? words.unsave : words.save, act: () => void save(message) },
          ...(may.pin ? [{ icon: 'pin' as const, text: message.pin ? pins.unpin : pins.pin, act: () => void pin(message) }] : []),
          ...(message.version > 1 && (mine || may.moderate) ? [{ icon: 'history' as const, text: words.history, act: () => (historyOf.value = message) }] : []),
          { icon: 'link' as const, text: words.copyLink, act: () => void copyLink(message.seq) },
          ...(mine && kind === 'Room' ? [{ icon: 'eye' as const, text: words.whoRead, act: () => showReaders(message) }] : []),
          ...(mine ? [{ icon: 'trash' as const, text: words.delete, danger: true, keys: 'Del', act: () => void askToDelete(message) }] : []),
        ]}
      />
    </div>
  );
}

/** What is written next is an answer to it. */
export function answer(message: Message, { key, box }: Place): void {
  setAnswer(key, toQuote(message));
  document.getElementById(box)?.focus();
}

/** A reply's thread is the one that it is in. */
export const openThread = ({ seq, threadRootSeq }: Message, chatId: string): void => go(addressOf('chat', chatId, 'thread', String(threadRootSeq ?? seq)));

/** What it needs comes with its first use. Why it could not be done stands below the message. */
async function act(message: Message, how: (chatId: string) => Promise<string | null>): Promise<void> {
  const [, chatId = ''] = route.value;
  const why = await how(chatId).catch(() => texts.value.problems.offline);
  if (why) setRefusal(message.id, why);
}
const pin = (message: Message): Promise<void> => act(message, async (chatId) => (await import('./pins.tsx')).setPinned(chatId, message, !message.pin));
const save = (message: Message): Promise<void> => act(message, async (chatId) => (await import('../../saved.ts')).setSaved(chatId, message, !message.saved));

function copyLink(seq: number): Promise<void> {
  const [, chatId = ''] = route.value;
  return navigator.clipboard.writeText(location.origin + addressOf('chat', chatId, String(seq)));
}

export function askToDelete(message: Message): Promise<void> {
  const { message: words } = texts.value;
  const text = (message.text ?? '').slice(0, 120);
  return confirm({
    title: words.deleteTitle,
    text: words.deleteText(text),
    yes: words.delete,
    no: words.keep,
    danger: true,
    act: async () => {
      const result = await deleteMessage(message.id);
      return result && isFailure(result) ? sentenceOf(result) : null;
    },
  });
}

/** A message that was not sent goes back into the composer. */
export function putBack(message: Waiting): void {
  const key = message.threadRootId ? `${message.chatId} ${message.threadRootId}` : message.chatId;
  const before = draftOf(key);
  setDraft(key, before === '' ? message.text : `${before}\n${message.text}`);
  if (message.replyToId) setAnswer(key, answerOf(message));
  if (message.attachmentIds.length > 0) void import('./tray.tsx').then(({ putBackFiles }) => putBackFiles(key, message.attachmentIds));
  discard(message);
}
