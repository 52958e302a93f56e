/** The messages of one chat: a window of at most 300 real rows over what is loaded, in which nothing moves under the eye. */
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useReducer, useRef } from 'preact/hooks';
import { narrow } from '../../narrow.ts';
import { notesIn } from '../../notes.ts';
import { Icon } from '../../parts/icon.tsx';
import { OfflineStrip } from '../../parts/offline-strip.tsx';
import { chatPlace } from '../../places.ts';
import { markRead } from '../../receipts.ts';
import { route } from '../../route.ts';
import { waiting } from '../../sending.ts';
import { type Chat, endOf, rangeAt } from '../../state/state.ts';
import { lookedAt, mayPin, mayWrite, state } from '../../store.ts';
import { readHistory, rest } from '../../sync.ts';
import { texts } from '../../texts/texts.ts';
import { timeOf } from '../../texts/times.ts';
import { turning } from '../../turning.ts';
import { Beginning, DayRow, NoteRow, UnreadRow } from './breaks.tsx';
import { moveByKey } from './keys.ts';
import { MessageView } from './message.tsx';
import type { May } from './message-actions.tsx';
import { wantedPlace } from './quote.tsx';
import { type Line, toRows } from './rows.ts';
import { WaitingView } from './waiting.tsx';

const mostRows = 300;
const step = 50;
/** So many are drawn at first: what fits on a screen. The others come behind the first painting. */
const firstRows = 30;
/** Whoever is nearer to the end than this follows it. */
const nearEnd = 80;

type View = { from: number; to: number };

/** `at`: the message that a link leads to. */
export function Log({ chat, name, line, at }: { chat: Chat; name: string; line: Line | null; at: number | null }) {
  const scroller = useRef<HTMLDivElement>(null);
  const view = useRef<View>(firstView(chat, line));
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0);
  const atEnd = useRef(line === null);
  const isAtEnd = useSignal(line === null);
  const anchor = useRef<{ key: string; top: number } | null>(null);
  const reading = useRef(false);
  /** Counts the leaps: what was asked for before one has no say in where the window is after it. */
  const leaps = useRef(0);
  /** The message that gets the focus as soon as it stands. */
  const aim = useRef<number | null>(null);
  /** Where the end was, the last time that it was followed. */
  const settled = useRef(0);
  const sawTo = useRef(endOf(chat));

  if (hasLeftEnd()) atEnd.current = false;
  // The window follows what is loaded: new messages below, and what was trimmed.
  const shown = follow(view.current, chat, atEnd.current);
  view.current = shown;
  const own = waiting.value.filter(({ chatId }) => chatId === chat.id);
  const { meId } = state.peek();
  const notes = notesIn(chat.id);
  const place = useMemo(() => chatPlace(chat.id), [chat.id]);
  const may = useMay(chat);
  const rows = useMemo(() => toRows(chat, shown.from, shown.to, meId, line, own, notes), [chat, shown.from, shown.to, line, waiting.value, meId, notes]);

  if (!atEnd.current) remember();
  useLayoutEffect(settle);
  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return;
    const target = line ? box.querySelector<HTMLElement>('.new') : null;
    if (target) box.scrollTop = target.offsetTop - box.clientHeight / 3;
    else box.scrollTop = box.scrollHeight;
    scrolled();
    // For whoever measures (bench/web.ts).
    requestAnimationFrame(() => performance.mark('tertulia first message'));
    const observer = new ResizeObserver(() => settle());
    observer.observe(box);
    return () => {
      observer.disconnect();
      rest(chat.id, null);
    };
  }, []);
  useEffect(() => {
    if (at !== null) void show(at).catch(() => {});
  }, [at]);
  useSignalEffect(() => {
    const to = wantedPlace.value;
    if (to?.chatId !== chat.id) return;
    wantedPlace.value = null;
    void show(to.seq).catch(() => {});
  });
  useEffect(() => {
    tellRead();
    if (atEnd.current) sawTo.current = endOf(chat);
  });
  useEffect(() => {
    const seen = (): void => tellRead();
    document.addEventListener('visibilitychange', seen);
    addEventListener('focus', seen);
    addEventListener('blur', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      removeEventListener('focus', seen);
      removeEventListener('blur', seen);
      if (lookedAt.peek() === chat.id) lookedAt.value = null;
    };
  }, [chat.id]);

  const { chat: words } = texts.value;
  const below = Math.max(0, endOf(chat) - sawTo.current);
  return (
    <>
      <OfflineStrip />
      <div
        class="scroll messages"
        id="messages"
        tabIndex={0}
        role="region"
        aria-label={(chat.__typename === 'Dialog' ? words.messagesWith : words.messagesIn)(name)}
        ref={scroller}
        onScroll={scrolled}
        onKeyDown={(event) => moveByKey(event, scroller.current, chat, place, jump)}
      >
        {/* Above the names, also where the window begins in the middle of a day. */}
        <h2 class="vh">{(chat.__typename === 'Dialog' ? words.messagesWith : words.messagesIn)(name)}</h2>
        <ol class="column log">
          {shown.from === 1 && rangeAt(chat, 1) && <Beginning chat={chat} name={name} />}
          {chat.lastSeq === 0 && <Beginning chat={chat} name={name} />}
          {rows.map((row) =>
            row.is === 'day' ? (
              <DayRow key={row.key} at={row.at} quietDays={row.quietDays} />
            ) : row.is === 'unread' ? (
              <UnreadRow key={row.key} text={words.newMessages(row.count, row.since ? timeOf(row.since) : '')} />
            ) : row.is === 'note' ? (
              <NoteRow key={row.key} note={row.note} names={row.names} />
            ) : row.is === 'waiting' ? (
              <WaitingView key={row.key} rowKey={row.key} message={row.message} first={row.first} last={row.last} newest={row.newest} />
            ) : (
              <MessageView
                key={row.key}
                place={place}
                row={row}
                kind={chat.__typename}
                role={roleOf(chat, row.message.senderId)}
                last={chat.lastSeq}
                may={may}
                turning={turning.value.get(row.message.id)}
              />
            ),
          )}
        </ol>
      </div>
      {!isAtEnd.value && (
        <div class="jump-place">
          <button class="jump" type="button" onClick={jump} aria-label={below > 0 ? undefined : words.jump}>
            {below > 0 && words.jumpNew(below)}
            <Icon name="down" class="s" />
          </button>
        </div>
      )}
    </>
  );

  // ---------------------------------------------------------------- where the eye is

  /** Before the rows change: the first row that is seen, and where it is. */
  function remember(): void {
    const box = scroller.current;
    if (!box) return;
    const top = box.getBoundingClientRect().top;
    const row = firstSeen(box, top);
    anchor.current = row ? { key: row.dataset.key as string, top: row.getBoundingClientRect().top - top } : null;
  }

  /** Somebody has scrolled up, and the browser has not said so yet. */
  function hasLeftEnd(): boolean {
    const box = scroller.current;
    return box !== null && atEnd.current && box.scrollTop < settled.current - 8 && box.scrollHeight - box.scrollTop - box.clientHeight > nearEnd;
  }

  /** After they have: what was aimed at is in the middle; at the end it stays at the end; otherwise that row is where it was. */
  function settle(): void {
    const box = scroller.current;
    if (!box) return;
    const aimed = aim.current === null ? null : document.getElementById(`message-${aim.current}`);
    if (aimed) {
      aim.current = null;
      aimed.scrollIntoView({ block: 'center' });
      aimed.focus({ preventScroll: true });
      return scrolled();
    }
    if (atEnd.current && !hasLeftEnd()) {
      box.scrollTop = box.scrollHeight;
      settled.current = box.scrollTop;
      return;
    }
    const row = anchor.current && box.querySelector<HTMLElement>(`li[data-key="${CSS.escape(anchor.current.key)}"]`);
    if (!row || !anchor.current) return;
    const moved = row.getBoundingClientRect().top - box.getBoundingClientRect().top - anchor.current.top;
    if (Math.abs(moved) >= 0.5) box.scrollTop += moved;
  }

  function scrolled(): void {
    const box = scroller.current;
    if (!box) return;
    const left = box.scrollHeight - box.scrollTop - box.clientHeight;
    const { to } = view.current;
    const end = endOf(state.peek().chats.get(chat.id) ?? chat);
    atEnd.current = left <= nearEnd && to >= Math.min(end, endOf(chat));
    isAtEnd.value = atEnd.current;
    if (atEnd.current) sawTo.current = endOf(chat);
    if (!atEnd.current) remember();
    tellRead();
    if (box.scrollTop < box.clientHeight * 1.5) void more('up');
    else if (left < box.clientHeight * 1.5 && to < end) void more('down');
  }

  /** A piece more of what is loaded, or of the server's. The window stays within its bounds at the other end. */
  async function more(way: 'up' | 'down'): Promise<void> {
    const { from, to } = view.current;
    if (reading.current || (way === 'up' ? from <= 1 : to >= endOf(chat))) return;
    reading.current = true;
    const leap = leaps.current;
    try {
      const at = way === 'up' ? from - 1 : to + 1;
      if (!chat.messages.has(at)) await readHistory(chat.id, way === 'up' ? { beforeSeq: from } : { afterSeq: to });
      const now = state.peek().chats.get(chat.id);
      const range = now && rangeAt(now, way === 'up' ? from : to);
      if (!range || leap !== leaps.current) return;
      rest(chat.id, [from, to]);
      const last = view.current.to;
      view.current =
        way === 'up'
          ? { from: Math.max(range[0], from - step), to: Math.min(last, Math.max(range[0], from - step) + mostRows - 1) }
          : { from: Math.max(from, Math.min(range[1], to + step) - mostRows + 1), to: Math.min(range[1], to + step) };
      redraw();
    } catch {
      // The line is down; the next scroll asks again.
      return;
    } finally {
      reading.current = false;
    }
    // Whoever scrolled on meanwhile was not heard.
    requestAnimationFrame(scrolled);
  }

  /** The message at this place, in the middle and with the focus. */
  async function show(seq: number): Promise<void> {
    if (!state.peek().chats.get(chat.id)?.messages.has(seq)) await readHistory(chat.id, { aroundSeq: seq });
    const now = state.peek().chats.get(chat.id);
    const range = now && rangeAt(now, seq);
    if (!range) return;
    atEnd.current = false;
    isAtEnd.value = false;
    anchor.current = null;
    aim.current = seq;
    leaps.current++;
    view.current = { from: Math.max(range[0], seq - step), to: Math.min(range[1], seq + step) };
    redraw();
  }

  async function jump(): Promise<void> {
    const now = state.peek().chats.get(chat.id) ?? chat;
    const range = rangeAt(now, endOf(now));
    leaps.current++;
    atEnd.current = true;
    isAtEnd.value = true;
    if (range) view.current = { from: Math.max(range[0], range[1] - step + 1), to: range[1] };
    redraw();
    requestAnimationFrame(() => scrolled());
  }

  /** What has been on the screen of a page that somebody looks at, is read. */
  function tellRead(): void {
    const box = scroller.current;
    const { my } = state.peek().chats.get(chat.id) ?? chat;
    // On a phone what is beside a conversation is over it.
    const looks = document.visibilityState === 'visible' && document.hasFocus() && !(narrow.value && ['members', 'thread', 'threads'].includes(route.value[2] ?? ''));
    const readsEnd = looks && atEnd.current && my !== null;
    if (readsEnd) lookedAt.value = chat.id;
    else if (lookedAt.peek() === chat.id) lookedAt.value = null;
    if (!box || !my || !looks || my.readSeq >= endOf(chat)) return;
    const seen = atEnd.current ? view.current.to : lastSeen(box);
    if (seen > my.readSeq) markRead(chat.id, seen);
  }
}

/** The place of the last message that is wholly on the screen. */
function lastSeen(box: HTMLElement): number {
  const bottom = box.getBoundingClientRect().bottom;
  const rows = [...box.querySelectorAll<HTMLElement>('li[data-seq]')];
  return Number(rows.findLast((row) => row.getBoundingClientRect().bottom <= bottom + 4)?.dataset.seq ?? 0);
}

function firstView(chat: Chat, line: Line | null): View {
  const end = endOf(chat);
  const range = rangeAt(chat, line?.seq ?? end);
  if (!range) return { from: end + 1, to: end };
  const at = line?.seq ?? range[1];
  return { from: Math.max(range[0], at - firstRows), to: Math.min(range[1], at + firstRows) };
}

/** The first row that is not wholly above; rows stand in order, so it is found by halving. */
function firstSeen(box: HTMLElement, top: number): HTMLElement | undefined {
  const rows = box.querySelectorAll<HTMLElement>('li[data-key]');
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as HTMLElement).getBoundingClientRect().bottom > top + 1) high = middle;
    else low = middle + 1;
  }
  return rows[low];
}

/** What came behind the window is shown where somebody follows it, or looks near it. */
function follow({ from, to }: View, chat: Chat, atEnd: boolean): View {
  const range = rangeAt(chat, Math.min(Math.max(to, 1), endOf(chat))) ?? rangeAt(chat, endOf(chat));
  if (!range) return { from, to };
  const end = atEnd ? range[1] : to < range[1] && range[1] - from < mostRows ? range[1] : Math.min(to, range[1]);
  const start = Math.max(Math.min(from, end), range[0], end - mostRows + 1);
  return { from: start, to: end };
}

export function useMay(chat: Chat): May {
  return useMemo(
    (): May => ({ write: mayWrite(chat), pin: mayPin(chat), moderate: chat.__typename === 'Room' && (chat.my?.role === 'OWNER' || chat.my?.role === 'ADMIN') }),
    [mayWrite(chat), mayPin(chat), chat.my?.role],
  );
}

export function roleOf(chat: Chat, personId: string): 'OWNER' | 'ADMIN' | null {
  const role = chat.__typename === 'Room' ? chat.members.get(personId)?.role : null;
  return role === 'OWNER' || role === 'ADMIN' ? role : null;
}
