/** Which of the items a screen reader hears: new messages of others, each once; more than three within two seconds are summed up for each chat. */
import { announce } from './parts/announcer.tsx';
import type { State } from './state/state.ts';
import type { Item } from './state/types.ts';
import { personOf, state } from './store.ts';
import { texts } from './texts/texts.ts';

const togetherMs = 2_000;
const most = 3;

let heard: { chatId: string; text: string }[] = [];
let isDue = false;

export function told(items: readonly Item[], before: State): void {
  for (const item of items) {
    if (item.__typename !== 'MessageAdded' || item.replayed || item.message.sender.id === before.meId) continue;
    const { message } = item;
    if (before.chats.get(message.chat.id)?.messages.has(message.seq)) continue;
    heard.push({ chatId: message.chat.id, text: texts.value.message.announce(personOf(message.sender.id)?.displayName ?? '', message.text ?? '') });
  }
  if (heard.length === 0 || isDue) return;
  isDue = true;
  setTimeout(speak, heard.length > most ? togetherMs : 300);
}

function speak(): void {
  const all = heard;
  heard = [];
  isDue = false;
  if (all.length <= most) {
    for (const { text } of all) announce(text);
    return;
  }
  for (const [chatId, list] of Map.groupBy(all, (each) => each.chatId)) announce(texts.value.message.announceMany(list.length, state.value.chats.get(chatId)?.name ?? ''));
}
