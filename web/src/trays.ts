/** Files that are chosen for a message and not sent yet, of each chat. They last as long as the page; the work is in screens/conversation/tray.tsx, which is loaded with the first file. */
import { signal } from '@preact/signals';
import type { Attachment } from './state/state.ts';
import { phase } from './store.ts';

export type TrayFile = {
  key: string;
  name: string;
  size: number;
  /** Null for one that came back out of a message that was not sent. */
  file: File | null;
  /** `stopped` can go on; `refused` never will. */
  is: 'waiting' | 'sending' | 'ready' | 'stopped' | 'refused';
  /** How many bytes have gone out. */
  sent: number;
  why: string | null;
  attachment: Attachment | null;
};

export const trays = signal<ReadonlyMap<string, readonly TrayFile[]>>(new Map());
const none: readonly TrayFile[] = [];
export const trayOf = (chatId: string): readonly TrayFile[] => trays.value.get(chatId) ?? none;

export function setTray(chatId: string, files: readonly TrayFile[]): void {
  const next = new Map(trays.value);
  if (files.length === 0) next.delete(chatId);
  else next.set(chatId, files);
  trays.value = next;
}

/** What was uploaded here, for messages that the server does not have yet. */
const uploaded = new Map<string, Attachment>();
export const keepUploaded = (attachment: Attachment): unknown => uploaded.set(attachment.id, attachment);
export const uploadedOf = (ids: readonly string[]): Attachment[] => ids.flatMap((id) => uploaded.get(id) ?? []);

phase.subscribe(({ is }) => {
  if (is !== 'out') return;
  trays.value = new Map();
  uploaded.clear();
});
