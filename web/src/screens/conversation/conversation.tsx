/** One chat: its head, its messages, and where one writes. */
import { computed } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { OnlineCountQuery, OnlineCountQueryVariables, PlaceQuery, PlaceQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { Icon } from '../../parts/icon.tsx';
import { lazy } from '../../parts/lazy.tsx';
import { ChatPicture } from '../../parts/picture.tsx';
import { chatPlace } from '../../places.ts';
import { addressOf, route } from '../../route.ts';
import { type Chat, endOf, type Room } from '../../state/state.ts';
import { line, mayWrite, personOf, presenceOf, state } from '../../store.ts';
import { openChat, watchRoom } from '../../sync.ts';
import { texts } from '../../texts/texts.ts';
import { agoOf } from '../../texts/times.ts';
import { Missing } from '../missing.tsx';
import type { ScreenProps } from '../screens.tsx';
import { chatName } from '../shelf.tsx';
import { closePanel, isPanelOpen, isThreadPart, openPanel } from './about.ts';
import { Composer } from './composer.tsx';
import { Log } from './log.tsx';
import { forwarding, historyOf, readersOf } from './message-actions.tsx';
import { Gone, JoinBar, Removed } from './outside.tsx';
import { picking, reacting, reactorsOf } from './reactions.tsx';
import type { Line } from './rows.ts';

const placeDocument = operation<PlaceQuery, PlaceQueryVariables>(/* GraphQL */ `
  query Place($id: ID!) { message(id: $id) { seq } }
`);

const onlineDocument = operation<OnlineCountQuery, OnlineCountQueryVariables>(/* GraphQL */ `
  query OnlineCount($id: ID!) { room(ref: { id: $id }) { onlineCount } }
`);
/** How old the number of those who are online may be. */
const onlineMs = 30_000;

const PersonPanel = lazy(() => import('./person-panel.tsx').then((module) => module.PersonPanel), { aside: true });
const Readers = lazy(() => import('./readers.tsx').then((module) => module.Readers), { aside: true });
const PinsBar = lazy(() => import('./pins.tsx').then((module) => module.PinsBar), { aside: true, says: false });
const History = lazy(() => import('./history.tsx').then((module) => module.History), { aside: true });
const Forward = lazy(() => import('./forward.tsx').then((module) => module.Forward), { aside: true });
const ThreadPanel = lazy(() => import('./thread.tsx').then((module) => module.ThreadPanel), { aside: true });
const ThreadList = lazy(() => import('./threads.tsx').then((module) => module.ThreadList), { aside: true });
const Picker = lazy(() => reacting().then((module) => module.Picker), { aside: true });
const ReactorsList = lazy(() => reacting().then((module) => module.ReactorsList), { aside: true });
const Panel = lazy(() => import('./panel.tsx').then((module) => module.Panel), { aside: true });

export function Conversation({ parts }: ScreenProps) {
  const [id = '', place] = parts;
  const chat = useMemo(() => computed(() => state.value.chats.get(id) ?? null), [id]).value;
  const [missing, setMissing] = useState(false);
  const [unreachable, setUnreachable] = useState(false);
  /** What was shown here before it was taken away. */
  const last = useRef<{ id: string; name: string } | null>(null);
  if (chat) last.current = { id, name: chatName(chat) };
  // Without a server what is here has to do.
  const isOpen = chat !== null && (isReady(chat) || (unreachable && chat.messages.size > 0));
  useEffect(() => {
    if (isOpen || (!chat && last.current?.id === id)) return;
    setMissing(false);
    openChat(id).then(
      (found) => setMissing(!found),
      () => setUnreachable(true),
    );
  }, [id, isOpen, line.value]);
  // Nothing of it comes by the one stream of what one is in.
  const isLookedAt = isOpen && chat.__typename === 'Room' && !chat.my && !chat.passwordRequired;
  useEffect(() => (isLookedAt ? watchRoom(id) : undefined), [id, isLookedAt]);
  if (!chat && last.current?.id === id) return <Removed chatId={id} name={last.current.name} />;
  if (missing) return <Missing />;
  if (!chat) return <Bones />;
  const about = isPanelOpen(chat.__typename, parts);
  return (
    <>
      <Open key={id} chat={chat} ready={isOpen} place={place === undefined || place === 'members' || isThreadPart(place) ? null : place} about={about} />
      {place === 'thread' && <ThreadPanel key={`thread ${id} ${parts[2]}`} chat={chat} rootSeq={Number(parts[2])} />}
      {place === 'threads' && <ThreadList key={`threads ${id}`} chat={chat} />}
      {about && (chat.__typename === 'Room' ? <Panel key={`about ${id}`} room={chat} /> : <PersonPanel key={`about ${id}`} chat={chat} />)}
    </>
  );
}

/** Enough of it to begin with: the place where reading stopped, or more than the one message that the list of chats shows. */
function isReady(chat: Chat): boolean {
  // Nothing of it can be read before one is in.
  if (chat.__typename === 'Room' && chat.passwordRequired && !chat.my) return true;
  const unread = chat.my?.firstUnreadSeq ?? null;
  if (unread !== null && unread < endOf(chat)) return chat.messages.has(unread);
  const end = endOf(chat);
  return end <= 1 || (chat.messages.has(end) && chat.messages.has(end - 1));
}

function Open({ chat, ready, place, about }: { chat: Chat; ready: boolean; place: string | null; about: boolean }) {
  const at = usePlace(chat, place);
  // The line stays where it was until the chat is left.
  const unread = useRef<{ line: Line | null } | null>(null);
  if (ready) unread.current ??= { line: lineOf(chat) };
  const name = chatName(chat);
  return (
    <main class="pane" data-kind={chat.__typename === 'Room' ? 'room' : 'dialog'}>
      <Head chat={chat} name={name} about={about} />
      {unread.current && (chat.__typename === 'Dialog' || chat.my || !chat.passwordRequired) && <PinsBar chat={chat} />}
      {unread.current ? <Log chat={chat} name={name} line={unread.current.line} at={at} /> : <BoneRows />}
      {mayWrite(chat) ? <Composer chat={chat} name={name} place={chatPlace(chat.id)} /> : chat.__typename === 'Room' ? <JoinBar room={chat} /> : <Gone />}
      {readersOf.value && <Readers key={readersOf.value.id} message={readersOf.value} onClose={() => (readersOf.value = null)} />}
      {historyOf.value && <History key={historyOf.value.id} message={historyOf.value} onClose={() => (historyOf.value = null)} />}
      {forwarding.value && <Forward key={forwarding.value.id} message={forwarding.value} onClose={() => (forwarding.value = null)} />}
      {picking.value && <Picker key={picking.value.id} message={picking.value} />}
      {reactorsOf.value && <ReactorsList key={reactorsOf.value.id} message={reactorsOf.value} onClose={() => (reactorsOf.value = null)} />}
    </main>
  );
}

/** Addresses name a message by its place or, in notifications, by its id. */
function usePlace(chat: Chat, place: string | null): number | null {
  const [found, setFound] = useState<{ place: string; seq: number } | null>(null);
  useEffect(() => {
    if (place === null || /^\d+$/.test(place)) return;
    const known = [...chat.messages.values()].find(({ id }) => id === place);
    if (known) setFound({ place, seq: known.seq });
    else
      ask(placeDocument, { id: place }).then(
        ({ message }) => message && setFound({ place, seq: message.seq }),
        () => {},
      );
  }, [place]);
  if (place === null) return null;
  if (/^\d+$/.test(place)) return Number(place);
  return found?.place === place ? found.seq : null;
}

function lineOf(chat: Chat): Line | null {
  const seq = chat.my?.firstUnreadSeq ?? null;
  if (seq === null || !chat.my || chat.my.unreadCount === 0 || !chat.messages.has(seq)) return null;
  return { seq, count: chat.my.unreadCount, since: chat.messages.get(seq)?.createdAt ?? null };
}

function Head({ chat, name, about }: { chat: Chat; name: string; about: boolean }) {
  const { chat: words, threads } = texts.value;
  const unread = chat.my?.unreadThreads ?? 0;
  const hasThreads = useMemo(() => unread > 0 || [...chat.messages.values()].some(({ thread, threadRootSeq }) => thread || threadRootSeq !== null), [chat.messages, unread > 0]);
  const aboutIt = chat.__typename === 'Room' ? words.about : words.aboutPerson;
  return (
    <header class="bar">
      <a class="ib only-phone" href="/" aria-label={words.backToChats}>
        <Icon name="back" class="flip" />
      </a>
      <div class="head">
        <ChatPicture id={chat.id} size="m" presence />
        <div>
          <h1>
            <bdi>{name}</bdi>
          </h1>
          <p>{chat.__typename === 'Room' ? <About room={chat} /> : <Presence personId={chat.peerId} />}</p>
        </div>
      </div>
      {hasThreads && (
        <a class="ib" href={addressOf('chat', chat.id, 'threads')} aria-label={threads.titleUnread(unread)} title={threads.title} aria-expanded={route.value[2] === 'threads'}>
          <Icon name="thread" />
          {unread > 0 && <i class="mark-dot" />}
        </a>
      )}
      <a class="ib" href={addressOf('search', chat.id)} aria-label={words.search} title={words.search}>
        <Icon name="search" />
      </a>
      <button class="ib" id="about" type="button" aria-label={aboutIt} title={aboutIt} aria-expanded={about} onClick={() => (about ? closePanel : openPanel)(chat)}>
        <Icon name={chat.__typename === 'Room' ? 'people' : 'person'} />
      </button>
    </header>
  );
}

function About({ room: { id, memberCount, topic } }: { room: Room }) {
  const { chat: words } = texts.value;
  const [online, setOnline] = useState(0);
  useEffect(() => {
    const read = (): void => {
      if (line.value !== 'on') return setOnline(0);
      if (document.visibilityState === 'visible')
        void ask(onlineDocument, { id }).then(
          ({ room }) => setOnline(room?.onlineCount ?? 0),
          () => {},
        );
    };
    read();
    const timer = setInterval(read, onlineMs);
    return () => clearInterval(timer);
  }, [id, line.value, memberCount]);
  return [words.members(memberCount), online > 0 && words.onlineCount(online), topic].filter(Boolean).join(' · ');
}

function Presence({ personId }: { personId: string }) {
  const { chat: words } = texts.value;
  const person = personOf(personId);
  if (person?.deleted) return words.deletedAccount;
  const presence = presenceOf(personId);
  if (presence?.online) return words.online;
  return presence?.lastSeenAt ? words.lastSeen(agoOf(presence.lastSeenAt)) : `@${person?.username ?? ''}`;
}

function Bones() {
  return (
    <main class="pane" data-kind="dialog" aria-busy="true">
      <header class="bar">
        <div class="head">
          <span class="av m bone" />
          <div class="grow">
            <h1 class="vh">{texts.value.chat.loading}</h1>
            <i class="bone w1" />
          </div>
        </div>
      </header>
      <BoneRows />
      <div class="foot column" />
    </main>
  );
}

function BoneRows() {
  return (
    <div class="scroll bones" aria-busy="true">
      <div class="column log" aria-hidden="true">
        {[1, 2, 3].map((each) => (
          <div class="m" data-first key={each}>
            <article>
              <span class="av bone" />
              <i class="bone w1" />
              <i class="bone w2" />
              <i class="bone w3" />
            </article>
          </div>
        ))}
      </div>
    </div>
  );
}
