/** What was begun and not sent, of each chat. It survives the tab. */
import { signal } from '@preact/signals';
import { keepDraft, keptDrafts } from './keep.ts';

const keepMs = 250;

export const drafts = signal<ReadonlyMap<string, string>>(new Map());
let account = '';
const changed = new Set<string>();
let keptAt = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

export function startDrafts(accountId: string): void {
  if (account === accountId) return;
  account = accountId;
  void keptDrafts(accountId).then((kept) => {
    if (account === accountId) drafts.value = new Map([...kept, ...drafts.value]);
  });
}

export function stopDrafts(): void {
  clearTimeout(timer);
  timer = undefined;
  changed.clear();
  account = '';
  drafts.value = new Map();
}

export function setDraft(chatId: string, text: string): void {
  const next = new Map(drafts.value);
  if (text === '') next.delete(chatId);
  else next.set(chatId, text);
  drafts.value = next;
  changed.add(chatId);
  // What was sent or thrown away is gone at once, and what begins is there at once.
  if (text === '' || (!timer && Date.now() - keptAt > keepMs)) keep();
  else timer ??= setTimeout(keep, keepMs);
}

function keep(): void {
  clearTimeout(timer);
  timer = undefined;
  keptAt = Date.now();
  for (const chatId of changed) void keepDraft(account, chatId, drafts.value.get(chatId) ?? '');
  changed.clear();
}

document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && timer && keep());
