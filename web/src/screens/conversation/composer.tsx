/** Where one writes: Enter sends, Shift+Enter begins a new line, Up in an empty box edits the last message. The draft is kept for each chat. */
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { tellTyping } from '../../actions.ts';
import { answeredIn, draftOf, dropDraft, setAnswer, setDraft } from '../../drafts.ts';
import { mentionsIn } from '../../names.ts';
import { alarm } from '../../parts/announcer.tsx';
import { Icon } from '../../parts/icon.tsx';
import type { Place } from '../../places.ts';
import { hurry, say } from '../../sending.ts';
import type { Chat } from '../../state/state.ts';
import { line, lostAt, personOf, server, state, typings } from '../../store.ts';
import { texts } from '../../texts/texts.ts';
import { timeOf } from '../../texts/times.ts';
import { setTray, trayOf } from '../../trays.ts';
import { useDrop } from './drop.ts';
import { editing } from './message-actions.tsx';
import type { NamesHandle } from './naming.tsx';
import { Answering } from './quote.tsx';

/** Loaded with the first "@". */
const naming = signal<typeof import('./naming.tsx') | null>(null);

/** Loaded with the first file. */
const tray = signal<typeof import('./tray.tsx') | null>(null);

async function addFiles(chatId: string, files: readonly File[]): Promise<void> {
  if (files.length === 0) return;
  try {
    tray.value ??= await import('./tray.tsx');
    tray.value.addFiles(chatId, files);
  } catch {
    alarm(texts.value.problems.offline);
  }
}

export function Composer({ chat, name, place }: { chat: Chat; name: string; place: Place }) {
  const box = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  /** Enter was pressed before all files were there. */
  const [due, setDue] = useState(false);
  const text = draftOf(place.key);
  const answers = answeredIn(place.key);
  const most = server.value?.limits.maxMessageChars ?? 4_000;
  const length = [...text.trim()].length;
  const tooLong = length > most;
  const files = trayOf(place.key);
  const stuck = files.some(({ is }) => is === 'stopped' || is === 'refused');
  const underWay = files.some(({ is }) => is === 'waiting' || is === 'sending');
  const isEmpty = length === 0 && files.length === 0;
  const { chat: words, files: fileWords, threads } = texts.value;
  const Tray = tray.value?.Tray;
  const [caret, setCaret] = useState(0);
  const names = useRef<NamesHandle>(null);
  const Names = naming.value?.Names;

  useLayoutEffect(() => {
    // A message that was asked for has the focus already.
    if (!place.thread && matchMedia('(pointer: fine)').matches && !document.activeElement?.closest('#messages')) box.current?.focus({ preventScroll: true });
    return () => tellTyping(place, false);
  }, [chat.id]);

  useEffect(() => {
    // Put back out of a message that was not sent.
    if (files.length > 0 && !tray.value) void import('./tray.tsx').then((loaded) => (tray.value = loaded));
    if (due && isEmpty) setDue(false);
    else if (due && !underWay && !stuck) send();
  }, [files, due]);
  useEffect(() => setDue(false), [place.key, text]);
  // What was deleted meanwhile cannot be answered.
  const isGone = answers !== null && (chat.messages.get(answers.seq)?.deletedAt ?? null) !== null;
  useEffect(() => {
    if (isGone) setAnswer(place.key, null);
  }, [place.key, isGone]);
  useDrop(place.thread ? null : fileWords.drop, (dropped) => {
    void addFiles(place.key, dropped);
    box.current?.focus();
  });

  function send(): void {
    if (isEmpty || tooLong || stuck) return;
    if (underWay) return setDue(true);
    setDue(false);
    say(
      chat.id,
      text.trim(),
      files.flatMap(({ attachment }) => attachment?.id ?? []),
      { answers, threadRootId: place.thread?.rootId, mentions: mentionsIn(text, chat, { inThread: place.thread !== null }) },
    );
    hurry();
    setTray(place.key, []);
    dropDraft(place.key);
    tellTyping(place, false);
    box.current?.focus();
  }

  function keyed(event: KeyboardEvent): void {
    if (names.current?.keyed(event)) return;
    // Enter that ends the composing of a character is no Enter.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      send();
    }
    if (event.key.toLowerCase() === 'u' && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      picker.current?.click();
    }
    if (event.key === 'Escape' && answers) {
      event.preventDefault();
      event.stopPropagation();
      setAnswer(place.key, null);
    }
    if (event.key === 'ArrowUp' && text === '') {
      const mine = lastOfMine(chat, place);
      if (mine) {
        event.preventDefault();
        editing.value = `${place.row} ${mine}`;
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
        {Names && (
          <Names
            chat={chat}
            inThread={place.thread !== null}
            text={text}
            caret={caret}
            box={box}
            handle={names}
            onTake={(next, at) => {
              setDraft(place.key, next);
              requestAnimationFrame(() => {
                box.current?.focus();
                box.current?.setSelectionRange(at, at);
                setCaret(at);
              });
            }}
          />
        )}
        {answers && (
          <Answering
            of={answers}
            onCancel={() => {
              setAnswer(place.key, null);
              box.current?.focus();
            }}
          />
        )}
        {Tray && files.length > 0 && <Tray chatId={place.key} />}
        <button class="ib" type="button" aria-label={words.addFiles} title={`${words.addFiles} (Ctrl U)`} aria-keyshortcuts="Control+U" onClick={() => picker.current?.click()}>
          <Icon name="clip" />
        </button>
        <input
          hidden
          type="file"
          multiple
          aria-label={words.addFiles}
          ref={picker}
          onChange={(event) => {
            void addFiles(place.key, [...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = '';
            box.current?.focus();
          }}
        />
        <textarea
          id={place.box}
          ref={box}
          rows={1}
          dir="auto"
          aria-label={place.thread ? threads.replyTo(name) : words.messageTo(name)}
          placeholder={files.length > 0 ? fileWords.fewWords : place.thread ? threads.write : words.message(name)}
          value={text}
          enterkeyhint="send"
          onSelect={(event) => setCaret(event.currentTarget.selectionStart)}
          onInput={(event) => {
            setCaret(event.currentTarget.selectionStart);
            if (!naming.value && event.currentTarget.value.includes('@'))
              void import('./naming.tsx').then(
                (loaded) => (naming.value = loaded),
                () => {},
              );
            setDraft(place.key, event.currentTarget.value);
            if (event.currentTarget.value.trim() !== '') tellTyping(place, true);
          }}
          onKeyDown={keyed}
          onPaste={(event) => {
            const pasted = [...(event.clipboardData?.files ?? [])];
            // What was copied out of a document is text, and a picture of it.
            if (pasted.length === 0 || event.clipboardData?.types.includes('text/plain')) return;
            event.preventDefault();
            void addFiles(place.key, pasted);
          }}
        />
        <button class="ib send" type="submit" aria-disabled={isEmpty || tooLong || stuck} aria-label={words.send}>
          <Icon name="send" />
        </button>
      </form>
      <div class="under">
        {tooLong ? (
          <p class="err" role="status">
            {words.tooLong(length, most)}
          </p>
        ) : stuck ? (
          <p class="err" role="status">
            {fileWords.stuck}
          </p>
        ) : due ? (
          <p role="status">{fileWords.goesOut}</p>
        ) : (
          <Under chat={chat} place={place} />
        )}
        <p class="keys" aria-hidden="true">
          <kbd>Enter</kbd> {words.sends} <kbd>Shift Enter</kbd> {words.newLine}
        </p>
      </div>
    </div>
  );
}

/** Who types, or since when the line is down. Its place is there beforehand. */
function Under({ chat, place }: { chat: Chat; place: Place }) {
  const { chat: words } = texts.value;
  if (line.value === 'off') return lostAt.value ? <p>{words.lastConnected(timeOf(lostAt.value))}</p> : null;
  const names = (typings.value.get(chat.id) ?? [])
    .filter(({ personId, thread }) => personId !== state.value.meId && (!place.thread || thread === place.thread.rootId))
    .map(({ personId }) => personOf(personId)?.displayName ?? '');
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

function lastOfMine(chat: Chat, { thread }: Place): string | null {
  for (let seq = chat.lastSeq; seq > chat.lastSeq - 50; seq--) {
    const message = chat.messages.get(seq);
    if (message && message.senderId === state.value.meId && !message.deletedAt && !message.forwardedFrom && (!thread || message.threadRootSeq === thread.rootSeq))
      return message.id;
  }
  return null;
}
