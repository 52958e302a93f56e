/** Moving through messages by keyboard: one at a time, to either end, to what can be done with one. A letter goes to where one writes. */
import type { Place } from '../../places.ts';
import type { Chat, Message } from '../../state/state.ts';
import { mayWrite, state } from '../../store.ts';
import { answer, askToDelete, openThread } from './message-actions.tsx';
import { picking } from './reactions.tsx';

export function moveByKey(event: KeyboardEvent, box: HTMLElement | null, chat: Chat, place: Place, jump: () => Promise<void>): void {
  const target = event.target as HTMLElement;
  const message = target.tagName === 'ARTICLE' ? chat.messages.get(Number(target.closest('li')?.dataset.seq)) : undefined;
  if (message && isCopy(event) && getSelection()?.isCollapsed !== false) void navigator.clipboard?.writeText(message.text ?? '');
  if (!box || event.ctrlKey || event.metaKey || event.altKey || target.closest('textarea, input, [role=menu]')) return;
  const articles = [...box.querySelectorAll<HTMLElement>('article')];
  const at = articles.findIndex((each) => each.contains(document.activeElement));
  const focus = (index: number): void => {
    const article = articles[Math.max(0, Math.min(articles.length - 1, index))];
    article?.focus({ preventScroll: true });
    article?.scrollIntoView({ block: 'nearest' });
  };
  if (event.key === 'ArrowUp') focus(at < 0 ? articles.length - 1 : at - 1);
  else if (event.key === 'ArrowDown') at < 0 ? focus(articles.length - 1) : at === articles.length - 1 ? document.getElementById(place.box)?.focus() : focus(at + 1);
  else if (event.key === 'Home') focus(0);
  else if (event.key === 'End') void jump().then(() => requestAnimationFrame(() => [...box.querySelectorAll<HTMLElement>('article')].at(-1)?.focus()));
  else if ((event.key === 'Enter' || (event.key === 'F10' && event.shiftKey)) && target.tagName === 'ARTICLE') target.querySelector<HTMLElement>('[aria-haspopup=menu]')?.click();
  else if (event.key.toLowerCase() === 'r' && message && !message.deletedAt && mayWrite(chat)) answer(message, place);
  else if (event.key.toLowerCase() === 't' && message && !place.thread && mayWrite(chat)) openThread(message, chat.id);
  else if (event.key === '+' && message && !message.deletedAt && mayWrite(chat)) picking.value = message;
  else if (event.key === 'Delete' && message && canDelete(message)) void askToDelete(message);
  else if (event.key === 'Escape' || (event.key.length === 1 && event.key !== ' ' && event.key !== '?' && target.tagName === 'ARTICLE')) {
    document.getElementById(place.box)?.focus();
    // The letter itself goes where the focus is now.
    if (event.key.length === 1) return;
  } else return;
  event.preventDefault();
}

const isCopy = ({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent): boolean => key.toLowerCase() === 'c' && (ctrlKey || metaKey) && !shiftKey && !altKey;
const canDelete = ({ senderId, deletedAt }: Message): boolean => senderId === state.value.meId && deletedAt === null;
