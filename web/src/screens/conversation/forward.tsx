/** Sending a message on: choosing where to, among the viewer's chats and everybody on the server. It goes out like every message, and the viewer goes along. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { announce } from '../../parts/announcer.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { FormError } from '../../parts/fields.tsx';
import { DialogButtons } from '../../parts/form.tsx';
import { ChatPicture } from '../../parts/picture.tsx';
import { SearchField } from '../../parts/search.tsx';
import { addressOf, go } from '../../route.ts';
import { sendOn } from '../../sending.ts';
import { toQuote } from '../../state/merge.ts';
import type { Chat, Message } from '../../state/state.ts';
import { chatOfId, mayWrite, myChats, personOf } from '../../store.ts';
import { texts } from '../../texts/texts.ts';
import { chatName, matches, useFound } from '../shelf.tsx';
import { Lines } from './quote.tsx';

/** Whoever is not among them is found by name. */
const most = 30;

export function Forward({ message, onClose }: { message: Message; onClose: () => void }) {
  const { forward: words, shelf } = texts.value;
  const [search, setSearch] = useState('');
  const [chosen, setChosen] = useState<string | null>(null);
  const [isMissing, setMissing] = useState(false);
  const list = useRef<HTMLDivElement>(null);
  // On a phone the keys would cover what one chooses from.
  const hasKeys = matchMedia('(pointer: fine)').matches;
  const name = search.trim();
  const found = useFound(name);
  const chats = choicesOf(name, found);
  // What is not shown any more is not chosen either.
  const to = chats.find(({ id }) => id === chosen) ?? null;
  // Back, in the browser, leaves what it was asked for.
  useEffect(() => onClose, []);

  function send(): void {
    setMissing(to === null);
    if (!to) return;
    sendOn(to.id, message);
    announce(words.underWay(chatName(to)));
    onClose();
    go(addressOf('chat', to.id));
  }
  return (
    <Dialog title={words.title} onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <div class="quote">
          <Lines of={toQuote(message)} />
        </div>
        <SearchField
          label={shelf.find}
          value={search}
          onValue={setSearch}
          autofocus={hasKeys}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' && event.key !== 'ArrowDown') return;
            event.preventDefault();
            // Nothing goes out before it is seen where to.
            if (!to) setChosen(chats[0]?.id ?? null);
            list.current?.querySelector<HTMLElement>('input:checked, input')?.focus();
          }}
        />
        <div class="people choose" role="radiogroup" aria-label={words.where} tabIndex={-1} autofocus={!hasKeys} ref={list}>
          {chats.map((chat) => (
            <label key={chat.id}>
              <input type="radio" name="to" value={chat.id} checked={chat === to} onChange={() => setChosen(chat.id)} />
              <ChatPicture id={chat.id} />
              <span class="n clip">
                <bdi>{chatName(chat)}</bdi>
              </span>
              {chat.__typename === 'Dialog' && <span class="tag">@{personOf(chat.peerId)?.username}</span>}
            </label>
          ))}
        </div>
        <p class="hint" role="status">
          {chats.length === 0 && name !== '' && found ? shelf.noneFound(name) : ''}
        </p>
        <FormError>{isMissing && !to && words.choose}</FormError>
        <DialogButtons busy={false} busyText={words.send} onClose={onClose}>
          {words.send}
        </DialogButtons>
      </form>
    </Dialog>
  );
}

/** Where the viewer writes, the own chats first. */
function choicesOf(name: string, found: readonly string[] | null): readonly Chat[] {
  const folded = name.toLocaleLowerCase();
  const mine = myChats.value.filter((chat) => (folded === '' ? !chat.my?.archived : matches(chat, folded)));
  const others = (found ?? []).flatMap((id) => chatOfId(id) ?? []).filter((chat) => !mine.includes(chat));
  return [...mine, ...others].filter(mayWrite).slice(0, most);
}
