/** Whether the panel about a room is open: beside the pane it stays as it was left; over the pane it has an address of its own, so that Back closes it. */
import { signal } from '@preact/signals';
import { remember, remembered } from '../../remember.ts';
import { addressOf, go } from '../../route.ts';

const key = 'tertulia.panel';
const wanted = signal(remembered(key) !== null);
const narrow = matchMedia('(max-width: 75rem)');
/** Over the pane. */
export const isOver = signal(narrow.matches);
narrow.addEventListener('change', ({ matches }) => (isOver.value = matches));
let opened = false;

export const isPanelOpen = ([, part]: readonly string[]): boolean => part === 'members' || (!isOver.value && wanted.value);

export function openPanel(chatId: string): void {
  if (isOver.value) {
    opened = true;
    go(addressOf('chat', chatId, 'members'));
  } else want(true);
}

export function closePanel(chatId: string): void {
  if (!isOver.value) want(false);
  if (location.pathname !== addressOf('chat', chatId, 'members')) return;
  if (opened) history.back();
  else go(addressOf('chat', chatId), { replace: true });
  opened = false;
}

function want(it: boolean): void {
  wanted.value = it;
  remember(key, it ? '1' : null);
}
