/** Where one writes: Enter sends, Shift+Enter begins a new line, Up in an empty box edits the last message. The draft is kept for each chat. */
import { useLayoutEffect, useRef } from 'preact/hooks';
import { tellTyping } from '../../actions.ts';
import { drafts, setDraft } from '../../drafts.ts';
import { Icon } from '../../parts/icon.tsx';
import { hurry, say } from '../../sending.ts';
import type { Chat } from '../../state/state.ts';
import { line, lostAt, personOf, server, state, typings } from '../../store.ts';
import { texts } from '../../texts/texts.ts';
import { timeOf } from '../../texts/times.ts';
import { editing } from './message-actions.tsx';

export function Composer({ chat, name }: { chat: Chat; name: string }) {
  const box = useRef<HTMLTextAreaElement>(null);
  const text = drafts.value.get(chat.id) ?? '';
  const most = server.value?.limits.maxMessageChars ?? 4_000;
  const length = [...text.trim()].length;
  const tooLong = length > most;
  const { chat: words } = texts.value;

  useLayoutEffect(() => {
    if (matchMedia('(pointer: fine)').matches) box.current?.focus({ preventScroll: true });
    return () => tellTyping(chat.id, false);
  }, [chat.id]);

  function send(): void {
    if (text.trim() === '' || tooLong) return;
    say(chat.id, text.trim());
    hurry();
    setDraft(chat.id, '');
    tellTyping(chat.id, false);
    box.current?.focus();
  }

  function keyed(event: KeyboardEvent): void {
    // Enter that ends the composing of a character is no Enter.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    }
    if (event.key === 'ArrowUp' && text === '') {
      const mine = lastOfMine(chat);
      if (mine) {
        event.preventDefault();
        editing.value = mine;
      }
    }
  }

  return (
    <div class="foot column">
      <form
        class="composer"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <button class="ib" type="button" aria-label={words.addFiles} title={words.addFiles}>
          <Icon name="clip" />
        </button>
        <textarea
          id="box"
          ref={box}
          rows={1}
          dir="auto"
          aria-label={words.messageTo(name)}
          placeholder={words.message(name)}
          value={text}
          enterkeyhint="send"
          onInput={(event) => {
            setDraft(chat.id, event.currentTarget.value);
            if (event.currentTarget.value.trim() !== '') tellTyping(chat.id, true);
          }}
          onKeyDown={keyed}
        />
        <button class="ib send" type="submit" aria-disabled={length === 0 || tooLong} aria-label={words.send}>
          <Icon name="send" />
        </button>
      </form>
      <div class="under">
        {tooLong ? (
          <p class="err" role="status">
            {words.tooLong(length, most)}
          </p>
        ) : (
          <Under chat={chat} />
        )}
        <p class="keys" aria-hidden="true">
          <kbd>Enter</kbd> {words.sends} <kbd>Shift Enter</kbd> {words.newLine}
        </p>
      </div>
    </div>
  );
}

/** Who types, or since when the line is down. Its place is there beforehand. */
function Under({ chat }: { chat: Chat }) {
  const { chat: words } = texts.value;
  if (line.value === 'off') return lostAt.value ? <p>{words.lastConnected(timeOf(lostAt.value))}</p> : null;
  const names = (typings.value.get(chat.id) ?? []).filter(({ personId }) => personId !== state.value.meId).map(({ personId }) => personOf(personId)?.displayName ?? '');
  if (names.length === 0) return null;
  return (
    <p class="typing">
      <span class="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {words.typing(names)}
    </p>
  );
}

function lastOfMine(chat: Chat): string | null {
  for (let seq = chat.lastSeq; seq > chat.lastSeq - 50; seq--) {
    const message = chat.messages.get(seq);
    if (message && message.senderId === state.value.meId && !message.deletedAt) return message.id;
  }
  return null;
}
