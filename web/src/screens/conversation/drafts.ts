/** What was begun and not sent, of each chat. */
import { signal } from '@preact/signals';

export const drafts = signal<ReadonlyMap<string, string>>(new Map());

export function setDraft(chatId: string, text: string): void {
  const next = new Map(drafts.value);
  if (text === '') next.delete(chatId);
  else next.set(chatId, text);
  drafts.value = next;
}
