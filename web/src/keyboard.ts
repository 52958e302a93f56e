/** Keys that work everywhere: find a chat, the next one, the next unread, a new one, and back. */
import { signal } from '@preact/signals';
import { addressOf, go, route } from './route.ts';
import { myChats, phase } from './store.ts';

/** Whether the list of them is open. */
export const showsKeys = signal(false);

export function listenToKeys(): void {
  addEventListener('keydown', (event) => {
    const control = event.ctrlKey || event.metaKey;
    if (control && !event.shiftKey && !event.altKey && event.key.toLowerCase() === 'k') focusFind();
    else if (control && event.shiftKey && event.key.toLowerCase() === 'n') go('/rooms/new');
    else if (control && event.shiftKey && event.key.toLowerCase() === 'f') searchHere();
    else if (event.altKey && !control && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) next(event.key === 'ArrowDown' ? 1 : -1, event.shiftKey);
    else if (event.key === '?' && !control && !event.altKey && phase.value.is === 'in' && !isTyping(event.target)) showsKeys.value = true;
    else if (event.key === 'Escape' && !event.defaultPrevented && !document.querySelector('dialog[open]')) back();
    else return;
    event.preventDefault();
  });
}

const isTyping = (target: EventTarget | null): boolean => target instanceof Element && target.closest('input, textarea, select, dialog[open]') !== null;

/** At once where it can be seen: the next key belongs to it. */
function focusFind(): void {
  const find = (): HTMLInputElement | null => document.getElementById('find') as HTMLInputElement | null;
  if (find()?.checkVisibility()) return find()?.select();
  go('/');
  requestAnimationFrame(() => find()?.select());
}

/** In the chat that is open, or everywhere. */
function searchHere(): void {
  const [name, id] = route.value;
  go(name === 'chat' && id ? addressOf('search', id) : '/search');
}

function next(by: 1 | -1, unreadOnly: boolean): void {
  const [name, id] = route.value;
  const chats = myChats.value;
  const here = name === 'chat' ? chats.findIndex((chat) => chat.id === id) : -1;
  for (let step = 1; step <= chats.length; step++) {
    const chat = chats[(((here + by * step) % chats.length) + chats.length) % chats.length];
    if (chat && (!unreadOnly || (chat.my?.unreadCount ?? 0) > 0)) return go(addressOf('chat', chat.id));
  }
}

/** What is nearer has had its turn: menus, dialogs, panels, the editor. From the composer to the list. */
function back(): void {
  const focused = document.activeElement as HTMLElement | null;
  if (focused?.id === 'find' || route.value.length === 0) return;
  const row = document.querySelector<HTMLElement>('.row[aria-current]');
  if (row?.checkVisibility()) row.focus();
  else go('/');
}
