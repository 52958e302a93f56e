/** The messages of one chat: a window of at most 300 real rows over what is loaded, in which nothing moves under the eye. */
import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { Icon } from '../../parts/icon.tsx';
import { markRead } from '../../receipts.ts';
import { waiting } from '../../sending.ts';
import { type Chat, rangeAt } from '../../state/state.ts';
import { line as network, state } from '../../store.ts';
import { readHistory, rest } from '../../sync.ts';
import { texts } from '../../texts/texts.ts';
import { timeOf } from '../../texts/times.ts';
import { Beginning, DayRow, UnreadRow } from './breaks.tsx';
import { moveByKey } from './keys.ts';
import { MessageView, WaitingView } from './message.tsx';
import { type Line, toRows } from './rows.ts';

const mostRows = 300;
const step = 60;
/** Whoever is nearer to the end than this follows it. */
const nearEnd = 80;

type View = { from: number; to: number };

/** `at`: the message that a link leads to. */
export function Log({ chat, name, line, at }: { chat: Chat; name: string; line: Line | null; at: number | null }) {
  const scroller = useRef<HTMLDivElement>(null);
  const view = useSignal<View>(firstView(chat, line));
  const atEnd = useRef(line === null);
  const isAtEnd = useSignal(line === null);
  const anchor = useRef<{ key: string; top: number } | null>(null);
  const reading = useRef(false);
  const sawTo = useRef(chat.lastSeq);

  // The window follows what is loaded: new messages below, and what was trimmed.
  const shown = follow(view.value, chat, atEnd.current);
  const own = waiting.value.filter(({ chatId }) => chatId === chat.id);
  const meId = state.value.meId;
  const rows = useMemo(() => toRows(chat, shown.from, shown.to, meId, line, own), [chat, shown.from, shown.to, line, waiting.value, meId]);

  remember();
  useLayoutEffect(() => {
    if (view.peek().from !== shown.from || view.peek().to !== shown.to) view.value = shown;
    settle();
  });
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
  useEffect(() => {
    tellRead();
    if (atEnd.current) sawTo.current = chat.lastSeq;
  });
  useEffect(() => {
    const seen = (): void => tellRead();
    document.addEventListener('visibilitychange', seen);
    addEventListener('focus', seen);
    return () => {
      document.removeEventListener('visibilitychange', seen);
      removeEventListener('focus', seen);
    };
  }, [chat.id]);

  const { chat: words } = texts.value;
  const below = Math.max(0, chat.lastSeq - sawTo.current);
  return (
    <>
      {network.value === 'off' && <OfflineStrip />}
      <div
        class="scroll"
        id="messages"
        tabIndex={0}
        role="region"
        aria-label={(chat.__typename === 'Dialog' ? words.messagesWith : words.messagesIn)(name)}
        ref={scroller}
        onScroll={scrolled}
        onKeyDown={(event) => moveByKey(event, scroller.current, jump)}
      >
        <ol class="column log">
          {shown.from === 1 && rangeAt(chat, 1) && <Beginning chat={chat} name={name} />}
          {chat.lastSeq === 0 && <Beginning chat={chat} name={name} />}
          {rows.map((row) =>
            row.is === 'day' ? (
              <DayRow key={row.key} at={row.at} quietDays={row.quietDays} />
            ) : row.is === 'unread' ? (
              <UnreadRow key={row.key} text={words.newMessages(row.count, row.since ? timeOf(row.since) : '')} />
            ) : row.is === 'waiting' ? (
              <WaitingView key={row.key} rowKey={row.key} message={row.message} first={row.first} last={row.last} />
            ) : (
              <MessageView key={row.key} row={row} kind={chat.__typename} role={roleOf(chat, row.message.senderId)} last={chat.lastSeq} />
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
    const row = [...box.querySelectorAll<HTMLElement>('li[data-key]')].find((each) => each.getBoundingClientRect().bottom > top + 1);
    anchor.current = row ? { key: row.dataset.key as string, top: row.getBoundingClientRect().top - top } : null;
  }

  /** After they have: at the end it stays at the end, otherwise that row is where it was. */
  function settle(): void {
    const box = scroller.current;
    if (!box) return;
    if (atEnd.current) {
      box.scrollTop = box.scrollHeight;
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
    const known = view.peek();
    atEnd.current = left <= nearEnd && known.to >= chat.lastSeq;
    isAtEnd.value = atEnd.current;
    if (atEnd.current) sawTo.current = chat.lastSeq;
    remember();
    tellRead();
    if (box.scrollTop < box.clientHeight * 1.5) void more('up');
    else if (left < box.clientHeight * 1.5 && known.to < chat.lastSeq) void more('down');
  }

  /** A piece more of what is loaded, or of the server's. The window stays within its bounds at the other end. */
  async function more(way: 'up' | 'down'): Promise<void> {
    const { from, to } = view.peek();
    if (reading.current || (way === 'up' ? from <= 1 : to >= chat.lastSeq)) return;
    reading.current = true;
    try {
      const at = way === 'up' ? from - 1 : to + 1;
      if (!chat.messages.has(at)) await readHistory(chat.id, way === 'up' ? { beforeSeq: from } : { afterSeq: to });
      const now = state.peek().chats.get(chat.id);
      const range = now && rangeAt(now, way === 'up' ? from : to);
      if (!range) return;
      rest(chat.id, [from, to]);
      view.value =
        way === 'up'
          ? { from: Math.max(range[0], from - step), to: Math.min(to, Math.max(range[0], from - step) + mostRows - 1) }
          : { from: Math.max(from, Math.min(range[1], to + step) - mostRows + 1), to: Math.min(range[1], to + step) };
    } catch {
      // The line is down; the next scroll asks again.
    } finally {
      reading.current = false;
    }
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
    view.value = { from: Math.max(range[0], seq - step), to: Math.min(range[1], seq + step) };
    requestAnimationFrame(() => {
      const article = document.getElementById(`message-${seq}`);
      article?.scrollIntoView({ block: 'center' });
      article?.focus({ preventScroll: true });
      scrolled();
    });
  }

  async function jump(): Promise<void> {
    if (!chat.messages.has(chat.lastSeq)) await readHistory(chat.id, 'newest').catch(() => {});
    const now = state.peek().chats.get(chat.id) ?? chat;
    const range = rangeAt(now, now.lastSeq);
    atEnd.current = true;
    isAtEnd.value = true;
    if (range) view.value = { from: Math.max(range[0], range[1] - step + 1), to: range[1] };
    requestAnimationFrame(() => settle());
  }

  /** What has been on the screen of a page that somebody looks at, is read. */
  function tellRead(): void {
    const box = scroller.current;
    const { my } = state.peek().chats.get(chat.id) ?? chat;
    if (!box || !my || document.visibilityState === 'hidden' || !document.hasFocus()) return;
    const bottom = box.getBoundingClientRect().bottom;
    let seen = atEnd.current ? view.peek().to : 0;
    if (seen === 0)
      for (const row of box.querySelectorAll<HTMLElement>('li[data-seq]')) if (row.getBoundingClientRect().bottom <= bottom + 4) seen = Math.max(seen, Number(row.dataset.seq));
    if (seen > my.readSeq) markRead(chat.id, seen);
  }
}

function firstView(chat: Chat, line: Line | null): View {
  const range = rangeAt(chat, line?.seq ?? chat.lastSeq);
  if (!range) return { from: chat.lastSeq + 1, to: chat.lastSeq };
  const at = line?.seq ?? range[1];
  return { from: Math.max(range[0], at - step), to: Math.min(range[1], at + step) };
}

/** What came behind the window is shown where somebody follows it, or looks near it. */
function follow({ from, to }: View, chat: Chat, atEnd: boolean): View {
  const range = rangeAt(chat, Math.min(Math.max(to, 1), chat.lastSeq)) ?? rangeAt(chat, chat.lastSeq);
  if (!range) return { from, to };
  const end = atEnd ? range[1] : to < range[1] && range[1] - from < mostRows ? range[1] : Math.min(to, range[1]);
  const start = Math.max(Math.min(from, end), range[0], end - mostRows + 1);
  return { from: start, to: end };
}

function roleOf(chat: Chat, personId: string): 'OWNER' | 'ADMIN' | null {
  const role = chat.__typename === 'Room' ? chat.members.get(personId)?.role : null;
  return role === 'OWNER' || role === 'ADMIN' ? role : null;
}

function OfflineStrip() {
  const { chat } = texts.value;
  return (
    <p class="strip" role="status">
      <Icon name="off" class="s" />
      <span>{chat.offline}</span>
    </p>
  );
}
