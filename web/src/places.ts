/** Where one writes: in a chat, or in a thread of it. Each has its draft, its tray and its box. */
import { route } from './route.ts';
import type { Message } from './state/state.ts';

export type Place = {
  chatId: string;
  /** Of drafts and trays. */
  key: string;
  /** The box where one writes. */
  box: string;
  /** Before the place of a message: its element. */
  row: string;
  thread: { rootId: string; rootSeq: number } | null;
};

export const chatPlace = (chatId: string): Place => ({ chatId, key: chatId, box: 'box', row: 'message', thread: null });
export const threadPlace = (chatId: string, { id, seq }: Pick<Message, 'id' | 'seq'>): Place => ({
  chatId,
  key: `${chatId} ${id}`,
  box: 'thread-box',
  row: 'reply',
  thread: { rootId: id, rootSeq: seq },
});

/** The thread of a chat that is open beside it, by the place of the message above it. */
export function threadSeqOf(chatId: string): number | null {
  const [name, id, part, seq] = route.value;
  return name === 'chat' && id === chatId && part === 'thread' && /^\d+$/.test(seq ?? '') ? Number(seq) : null;
}
