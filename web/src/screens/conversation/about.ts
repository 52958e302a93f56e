/** Whether the panel about a room or a person is open: beside the pane it stays as it was left; over the pane it has an address of its own, so that Back closes it. */
import { type Signal, signal } from '@preact/signals';
import { remember, remembered } from '../../remember.ts';
import { addressOf, go, route } from '../../route.ts';
import type { Chat } from '../../state/state.ts';

type Kind = Chat['__typename'];
const keys: Record<Kind, string> = { Room: 'tertulia.panel', Dialog: 'tertulia.person' };
const wanted: Record<Kind, Signal<boolean>> = { Room: signal(remembered(keys.Room) !== null), Dialog: signal(remembered(keys.Dialog) !== null) };
const narrow = matchMedia('(max-width: 75rem)');
/** Over the pane. */
export const isOver = signal(narrow.matches);
narrow.addEventListener('change', ({ matches }) => (isOver.value = matches));
let opened = false;

export const isPanelOpen = (kind: Kind, [, part]: readonly string[]): boolean => part === 'members' || (!isOver.value && wanted[kind].value && !isThreadPart(part));
/** A thread, or the list of them, has its address also beside the pane, where it takes the place of what is about the chat. */
export const isThreadPart = (part: string | undefined): boolean => part === 'thread' || part === 'threads';

export function openPanel({ __typename, id }: Chat): void {
  const [, , part] = route.value;
  if (isOver.value) {
    opened = true;
    go(addressOf('chat', id, 'members'));
    return;
  }
  want(__typename, true);
  if (isThreadPart(part)) go(addressOf('chat', id));
}

export function closePanel({ __typename, id }: Chat): void {
  const [, , part] = route.value;
  if (!isOver.value && !isThreadPart(part)) want(__typename, false);
  if (part !== 'members' && !isThreadPart(part)) return;
  if (opened) history.back();
  else go(addressOf('chat', id), { replace: true });
  opened = false;
}

function want(kind: Kind, it: boolean): void {
  wanted[kind].value = it;
  remember(keys[kind], it ? '1' : null);
}
