/** Who came, went, and what a room was named, as it happens: notes between the messages. The history of a chat has none, so they last as long as the page. */
import { signal } from '@preact/signals';
import { endOf, type State } from './state/state.ts';
import type { Item } from './state/types.ts';
import { phase } from './store.ts';

type Told = { is: 'joined' | 'left' | 'removed' | 'named'; name: string; by: string | null };
/** `after`: the place of the message behind which it stands. */
export type Note = { key: string; after: number } & Told;

/** Of each chat the latest. */
const most = 50;
const none: readonly Note[] = [];
const notes = signal<ReadonlyMap<string, readonly Note[]>>(new Map());

export const notesIn = (chatId: string): readonly Note[] => notes.value.get(chatId) ?? none;

/** `before`: what was known when they came. */
export function noteDown(items: readonly Item[], before: State): void {
  const ends = new Map<string, number>();
  for (const item of items) {
    if (item.__typename === 'MessageAdded') ends.set(item.message.chat.id, item.message.seq);
    const chatId = 'room' in item ? item.room.id : 'chat' in item ? item.chat.id : '';
    const chat = before.chats.get(chatId);
    const told = toldOf(item, before);
    if (!chat?.my || !told || !('cursor' in item)) continue;
    add(chatId, { ...told, key: `note ${item.cursor}`, after: ends.get(chatId) ?? endOf(chat) });
  }
}

function toldOf(item: Item, { chats, meId }: State): Told | null {
  switch (item.__typename) {
    case 'MemberJoined':
      return item.member.user.id === meId ? null : { is: 'joined', name: item.member.user.displayName, by: null };
    case 'MemberLeft':
      if (item.user.id === meId) return null;
      return { is: item.reason === 'REMOVED' ? 'removed' : 'left', name: item.user.displayName, by: item.by?.displayName ?? null };
    case 'ChatUpdated': {
      const known = chats.get(item.chat.id);
      return item.chat.__typename === 'Room' && known && known.name !== item.chat.name ? { is: 'named', name: item.chat.name, by: null } : null;
    }
    default:
      return null;
  }
}

function add(chatId: string, note: Note): void {
  const all = notesIn(chatId);
  if (all.some(({ key }) => key === note.key)) return;
  notes.value = new Map(notes.value).set(chatId, [...all, note].slice(-most));
}

phase.subscribe(({ is }) => {
  if (is === 'out') notes.value = new Map();
});
