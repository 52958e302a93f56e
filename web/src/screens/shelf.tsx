/** The shelf: the chats of the viewer, the latest first, and everybody who can be written to. */

import { computed, signal, useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Count } from '../app.tsx';
import { ask } from '../ask.ts';
import { draftOf } from '../drafts.ts';
import type { FindPeopleQuery, FindPeopleQueryVariables } from '../generated/graphql.ts';
import { narrow } from '../narrow.ts';
import { operation } from '../operation.ts';
import { Icon } from '../parts/icon.tsx';
import { OfflineStrip } from '../parts/offline-strip.tsx';
import { ChatPicture } from '../parts/picture.tsx';
import { SearchField, Tabs } from '../parts/search.tsx';
import { addressOf, route } from '../route.ts';
import { originOf, waiting } from '../sending.ts';
import { toQuote } from '../state/merge.ts';
import type { Chat } from '../state/state.ts';
import { highlightsIn, isMuted, line, myChats, newestMessageOf, personOf, presenceOf, readInto, state, takeChats, typings, unreadIn } from '../store.ts';
import { texts } from '../texts/texts.ts';
import { shortTimeOf, wholeTimeOf } from '../texts/times.ts';
import { textOf } from './conversation/quote.tsx';
import { Receipt } from './conversation/receipt.tsx';
import { FirstSteps } from './home.tsx';

const findDocument = operation<FindPeopleQuery, FindPeopleQueryVariables>(/* GraphQL */ `
  query FindPeople($name: String!) {
    chats(first: 30, filter: { nameContains: $name, includeAllUsers: true }) { nodes { ...ChatFields lastMessage { ...MessageFields ...OwnFields } ... on Dialog { peer { presence { online lastSeenAt } } } } }
  }
`);
/** What was typed here, for the search of messages. */
export const searchedFor = signal<string | null>(null);

const askAfterMs = 150;
const heldMs = 2_000;
type Kind = 'all' | 'unread' | 'people' | 'rooms' | 'away';

const shows: Record<Kind, (chat: Chat) => boolean> = {
  all: ({ my }) => !my?.archived,
  unread: ({ my }) => !my?.archived && (my?.unreadCount ?? 0) > 0,
  people: ({ __typename, my }) => !my?.archived && __typename === 'Dialog',
  rooms: ({ __typename, my }) => !my?.archived && __typename === 'Room',
  away: ({ my }) => my?.archived === true,
};

/** `open`: the chat that is shown beside. */
export function Shelf({ open }: { open: string | null }) {
  const kind = useSignal<Kind>('all');
  const search = useSignal('');
  const order = useHeldOrder();
  const { shelf } = texts.value;
  const name = search.value.trim();
  const found = useFound(name);
  // On a phone the list is the page.
  const alone = narrow.value && route.value.length === 0;

  const folded = name.toLocaleLowerCase();
  const here = order.of(myChats.value).filter((chat) => (folded === '' ? shows[kind.value](chat) : matches(chat, folded)));
  const others = (found ?? []).flatMap((id) => state.value.chats.get(id) ?? []).filter((chat) => !here.includes(chat));
  return (
    <section class="shelf" aria-labelledby="shelf-title" role={alone ? 'main' : undefined}>
      <header class="bar">
        <h2 id="shelf-title" aria-level={alone ? 1 : undefined}>
          {shelf.title}
        </h2>
        <a class="ib" href="/saved" aria-label={shelf.saved} title={shelf.saved} aria-current={route.value[0] === 'saved' ? 'page' : undefined}>
          <Icon name="bookmark" />
        </a>
        <a class="ib" href="/rooms/new" aria-label={shelf.create} title={shelf.create}>
          <Icon name="plus" />
        </a>
      </header>
      <div class="tools">
        <SearchField
          id="find"
          label={shelf.find}
          aria-keyshortcuts="Control+K"
          value={search.value}
          onValue={(value) => (search.value = value)}
          onKeyDown={(event) => {
            if (event.key === 'Escape' && search.value !== '') search.value = '';
            else if (event.key === 'Enter') rowsIn(event.currentTarget)[0]?.click();
            else if (event.key === 'ArrowDown') rowsIn(event.currentTarget)[0]?.focus();
            else return;
            event.preventDefault();
          }}
        >
          <kbd aria-hidden="true">Ctrl K</kbd>
        </SearchField>
        <Tabs
          label={shelf.show}
          kinds={myChats.value.some(shows.away) || kind.value === 'away' ? ['all', 'unread', 'people', 'rooms', 'away'] : ['all', 'unread', 'people', 'rooms']}
          words={shelf}
          chosen={kind.value}
          onChoose={(each) => (kind.value = each)}
        />
      </div>
      {alone && <OfflineStrip />}
      <nav class="scroll" aria-label={shelf.title} onKeyDown={moveByKey} onClick={() => (search.value = '')} {...order.pointer}>
        <ul class="chats">
          {here.map((chat) => (
            <Row key={chat.id} chat={chat} open={chat.id === open} />
          ))}
        </ul>
        {others.length > 0 && (
          <>
            <h3 class="pad hint">{shelf.othersFound}</h3>
            <ul class="chats">
              {others.map((chat) => (
                <Row key={chat.id} chat={chat} open={chat.id === open} />
              ))}
            </ul>
          </>
        )}
        {/* Not before what stands above it: it would move from under the pointer. */}
        {name !== '' && found && (
          <div class="chats">
            <a class="row alone" href="/search" onClick={() => (searchedFor.value = name)}>
              <Icon name="search" />
              <span>{shelf.inMessages(name)}</span>
            </a>
          </div>
        )}
        <p class="hint pad" role="status">
          {here.length + others.length > 0 ? '' : name !== '' ? (found ? shelf.noneFound(name) : '') : kind.value === 'unread' ? shelf.noneUnread : shelf.empty}
        </p>
        {alone && name === '' && myChats.value.length === 0 && (
          <div class="pad">
            <FirstSteps />
          </div>
        )}
      </nav>
    </section>
  );
}

/** Chats and people on the whole server, by a name: they are in the state then. Null until there is an answer. */
export function useFound(name: string): readonly string[] | null {
  const [found, setFound] = useState<{ by: string; ids: readonly string[] } | null>(null);
  useEffect(() => {
    setFound(null);
    if (name === '') return;
    const timer = setTimeout(() => {
      readInto(
        () => ask(findDocument, { name }),
        (before, data) => takeChats(before, data.chats?.nodes ?? []),
      ).then(
        (data) => setFound({ by: name, ids: data.chats?.nodes.map(({ id }) => id) ?? [] }),
        () => {},
      );
    }, askAfterMs);
    return () => clearTimeout(timer);
  }, [name]);
  return found?.by === name ? found.ids : null;
}

/** Nothing moves from under the pointer: while it moves over the list the order stays as it is, at most until it has rested for a while. */
function useHeldOrder() {
  const held = useSignal<readonly string[] | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const release = (): void => {
    clearTimeout(timer.current);
    held.value = null;
  };
  const hold = ({ pointerType }: PointerEvent): void => {
    if (pointerType !== 'mouse') return;
    held.value ??= myChats.peek().map(({ id }) => id);
    clearTimeout(timer.current);
    timer.current = setTimeout(release, heldMs);
  };
  useEffect(() => release, []);
  return {
    pointer: { onPointerMove: hold, onPointerLeave: release },
    of(chats: readonly Chat[]): readonly Chat[] {
      if (!held.value) return chats;
      const places = new Map(held.value.map((id, place) => [id, place]));
      return chats.toSorted((a, b) => (places.get(a.id) ?? places.size) - (places.get(b.id) ?? places.size));
    },
  };
}

const rowsIn = (element: Element): HTMLElement[] => [...(element.closest('.shelf')?.querySelectorAll<HTMLElement>('.row') ?? [])];

function moveByKey(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const rows = rowsIn(event.currentTarget);
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: Math.min(rows.length - 1, at + 1), ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (at < 0 || to === undefined || event.altKey) return;
  event.preventDefault();
  if (to < 0) document.getElementById('find')?.focus();
  else rows[to]?.focus();
}

export function matches(chat: Chat, folded: string): boolean {
  if (chat.name.toLocaleLowerCase().includes(folded)) return true;
  return chat.__typename === 'Dialog' && (personOf(chat.peerId)?.username.toLocaleLowerCase().includes(folded) ?? false);
}

export const chatName = (chat: Chat): string => (chat.__typename === 'Dialog' && chat.peerId === state.value.meId ? texts.value.shelf.yourself : chat.name);

function Row({ chat, open }: { chat: Chat; open: boolean }) {
  const { shelf, threads, common } = texts.value;
  const unread = unreadIn(chat);
  const forMe = highlightsIn(chat);
  const muted = isMuted(chat);
  const online = chat.__typename === 'Dialog' && presenceOf(chat.peerId)?.online;
  return (
    <li>
      <a class="row" href={addressOf('chat', chat.id)} data-unread={unread > 0 ? '' : undefined} aria-current={open ? 'page' : undefined}>
        <ChatPicture id={chat.id} presence />
        <span>
          <span class="name">
            <bdi>{chatName(chat)}</bdi>
            {online && <span class="vh">, {common.online}</span>}
            {chat.__typename === 'Room' && chat.passwordRequired && <Icon name="key" class="s" label={shelf.password} />}
            {chat.__typename === 'Room' && chat.visibility === 'PRIVATE' && <Icon name="lock" class="s" label={shelf.private} />}
          </span>
          {(chat.lastSeq > 0 || chat.__typename === 'Room') && (
            <time dateTime={chat.lastActivityAt} title={wholeTimeOf(chat.lastActivityAt)}>
              {shortTimeOf(chat.lastActivityAt)}
            </time>
          )}
        </span>
        <span>
          <Preview chat={chat} open={open} />
          {(chat.my?.unreadThreads ?? 0) > 0 && <Icon name="thread" class="s alive" label={threads.titleUnread(chat.my?.unreadThreads ?? 0)} />}
          {chat.my?.pinnedAt && <Icon name="pin" class="s" label={shelf.onTop} />}
          {muted && <Icon name="quiet" class="s" label={shelf.muted} />}
          {forMe > 0 && (
            <span class="for-me">
              <span aria-hidden="true">@</span>
              <span class="vh">{shelf.forMe(forMe)}</span>
            </span>
          )}
          <Count of={unread} quiet={muted} />
        </span>
      </a>
    </li>
  );
}

/** There is little room for it. */
function shortNameOf(personId: string): string {
  const person = personOf(personId);
  return person?.firstName || (person?.displayName.split(/\s/u)[0] ?? '');
}

function Preview({ chat, open }: { chat: Chat; open: boolean }) {
  // Of its own, so that a key that is pressed draws nothing here.
  const draft = useMemo(() => computed(() => (open ? '' : draftOf(chat.id).trim())), [chat.id, open]).value;
  const { shelf, message: words } = texts.value;
  const typing = line.value === 'on' ? (typings.value.get(chat.id)?.[0] ?? null) : null;
  if (typing) {
    const name = personOf(typing.personId)?.displayName ?? '';
    return (
      <span class="prev typing-t">
        <span class="t">{chat.__typename === 'Dialog' ? shelf.isTyping : shelf.someTyping(name)}</span>
      </span>
    );
  }
  const mine = waiting.value.filter(({ chatId }) => chatId === chat.id).at(-1);
  if (mine) {
    const origin = originOf(mine);
    return (
      <span class="prev">
        {mine.refusal === undefined ? <Icon name="clock" class="s" label={shelf.waiting} /> : <Icon name="warn" class="s" />}
        {mine.refusal !== undefined && <span class="draft">{shelf.notSent}</span>}
        <span class="t">{origin ? textOf(toQuote(origin)) : mine.text || (mine.forwardOf ? words.forwarded('') : shelf.file(mine.attachmentIds.length))}</span>
      </span>
    );
  }
  if (draft !== '')
    return (
      <span class="prev">
        <span class="draft">{shelf.draft}</span>
        <span class="t">
          <bdi>{draft}</bdi>
        </span>
      </span>
    );
  const message = newestMessageOf(chat);
  if (!message)
    return <span class="prev">{chat.__typename === 'Room' ? <span class="t">{chat.topic ?? ''}</span> : <span class="t">@{personOf(chat.peerId)?.username ?? ''}</span>}</span>;
  const byMe = message.senderId === state.value.meId;
  const sender = chat.__typename === 'Room' && !byMe ? `${shortNameOf(message.senderId)}: ` : '';
  const [attachment] = message.attachments;
  const about = message.text || (attachment ? (attachment.image ? shelf.picture : shelf.file)(message.attachments.length) : words.gone);
  return (
    <span class="prev">
      {byMe && !message.deletedAt && <Receipt chat={chat} message={message} small />}
      {attachment && <Icon name={attachment.image ? 'image' : 'clip'} class="s" />}
      <span class="t">
        <bdi>
          {sender}
          {message.deletedAt ? words.gone : about}
        </bdi>
      </span>
    </span>
  );
}
