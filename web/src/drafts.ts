/** What was begun and not sent, of each place where one writes, with the message that it answers. It survives the tab. */
import { signal } from '@preact/signals';
import { type Draft, keepDraft, keptDrafts } from './keep.ts';
import type { Quote } from './state/state.ts';

const keepMs = 250;

export const drafts = signal<ReadonlyMap<string, Draft>>(new Map());
let account = '';
const changed = new Set<string>();
let keptAt = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** By the chat's id. */
export const draftOf = (place: string): string => drafts.value.get(place)?.text ?? '';
export const answeredIn = (place: string): Quote | null => drafts.value.get(place)?.answers ?? null;

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

export const setDraft = (place: string, text: string): void => set(place, { text, answers: answeredIn(place) });
export const setAnswer = (place: string, answers: Quote | null): void => set(place, { text: draftOf(place), answers });
export const dropDraft = (place: string): void => set(place, { text: '', answers: null });

function set(place: string, draft: Draft): void {
  const next = new Map(drafts.value);
  const isEmpty = draft.text === '' && draft.answers === null;
  if (isEmpty) next.delete(place);
  else next.set(place, draft);
  drafts.value = next;
  changed.add(place);
  // What was sent or thrown away is gone at once, and what begins is there at once.
  if (isEmpty || (!timer && Date.now() - keptAt > keepMs)) keep();
  else timer ??= setTimeout(keep, keepMs);
}

function keep(): void {
  clearTimeout(timer);
  timer = undefined;
  keptAt = Date.now();
  for (const place of changed) void keepDraft(account, place, drafts.value.get(place) ?? null);
  changed.clear();
}

document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && timer && keep());
