/** What stands below a message: what people reacted with, each emoji with how many, the viewer's own with a ring, and the thread. Who reacted shows on hover and focus; a long press lists them. */
import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { alarm } from '../../parts/announcer.tsx';
import { Icon } from '../../parts/icon.tsx';
import type { Place } from '../../places.ts';
import { addressOf } from '../../route.ts';
import type { Message } from '../../state/state.ts';
import { texts } from '../../texts/texts.ts';
import { numberOf, shortTimeOf } from '../../texts/times.ts';
import { type Turning, turned, used } from '../../turning.ts';

const whoAfterMs = 350;

/** The message for which somebody chooses an emoji. */
export const picking = signal<Message | null>(null);
/** The message of which somebody wants to know who reacted. */
export const reactorsOf = signal<Message | null>(null);

/** Everything that reacting needs beside the row itself comes with the first use. */
export const reacting = (): Promise<typeof import('./reacting.tsx')> => import('./reacting.tsx');

export async function react(message: Message, emoji: string): Promise<void> {
  used(emoji);
  try {
    (await reacting()).toggle(message, emoji);
  } catch {
    alarm(texts.value.problems.offline);
  }
}

type Props = { message: Message; place: Place; turning: Turning | undefined; open: boolean; active: boolean };

/** `open`: the viewer may react here. `active`: the row has the focus or the pointer; only then the keyboard goes through its chips. */
export function Slots({ message, place, turning, open, active }: Props) {
  const groups = turning ? turned(message.reactions, turning) : message.reactions;
  const thread = place.thread === null && message.thread && message.thread.replyCount > 0 ? message.thread : null;
  const [shown, setShown] = useState<{ emoji: string; names: string } | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const { reactions: words } = texts.value;
  useEffect(() => hide, [message.reactions]);
  if (groups.length === 0 && !thread && !turning?.why) return null;

  function show(emoji: string): void {
    clearTimeout(timer.current);
    timer.current = setTimeout(async () => {
      const asked = timer.current;
      const names = await reacting()
        .then(({ namesOf }) => namesOf(message.id, emoji))
        .catch(() => '');
      if (asked === timer.current && names !== '') setShown({ emoji, names });
    }, whoAfterMs);
  }
  function hide(): void {
    clearTimeout(timer.current);
    timer.current = undefined;
    setShown(null);
  }

  return (
    <div class="slots" role="group" aria-label={words.title}>
      {groups.map(({ emoji, count, mine }) => (
        <span key={emoji} class="slot" onPointerEnter={({ pointerType }) => pointerType === 'mouse' && show(emoji)} onPointerLeave={hide}>
          <button
            type="button"
            tabIndex={active ? 0 : -1}
            aria-pressed={mine}
            aria-disabled={!open}
            aria-label={words.chip(emoji, count)}
            aria-describedby={shown?.emoji === emoji ? `who-${place.row}-${message.seq}` : undefined}
            onClick={() => open && void react(message, emoji)}
            onFocus={() => show(emoji)}
            onBlur={hide}
            onContextMenu={(event) => {
              event.preventDefault();
              event.stopPropagation();
              hide();
              reactorsOf.value = message;
            }}
          >
            {emoji} <span class="num">{numberOf(count)}</span>
          </button>
          {shown?.emoji === emoji && (
            <span class="tip" role="tooltip" id={`who-${place.row}-${message.seq}`}>
              {shown.names}
            </span>
          )}
        </span>
      ))}
      {thread && (
        <a class="thread" href={addressOf('chat', place.chatId, 'thread', String(message.seq))} tabIndex={active ? 0 : -1}>
          {texts.value.threads.replies(thread.replyCount, shortTimeOf(thread.lastReplyAt))}
        </a>
      )}
      {turning?.why && (
        <span class="why">
          <Icon name="warn" class="s" />
          {turning.why}
        </span>
      )}
    </div>
  );
}
