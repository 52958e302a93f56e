/** Files that are chosen for a message and not sent yet, of each chat. They survive the tab, as far as there is a place for them; the work is in screens/conversation/tray.tsx, which is loaded with the first file. */
import { signal } from '@preact/signals';
import { forgetFile, keepFile, keptFiles } from './keep.ts';
import type { Attachment } from './state/state.ts';
import { phase, state } from './store.ts';

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
  keepChanges(chatId, trayOf(chatId), files);
  trays.value = next;
}

/** By the key of each file: their order. */
const chosenAt = new Map<string, number>();

/** Of a file that is uploaded only its name at the server is kept; what the server will never have is not. */
function keepChanges(chatId: string, before: readonly TrayFile[], after: readonly TrayFile[]): void {
  const account = state.peek().meId;
  after.forEach(({ key, is, file, attachment }, index) => {
    const was = before.find((each) => each.key === key);
    if (was ? was.is === is || is !== 'ready' : is === 'refused') return;
    const at = chosenAt.get(key) ?? Date.now() + index;
    chosenAt.set(key, at);
    void keepFile(account, chatId, { key, at, file: attachment ? null : file, attachment });
  });
  for (const { key } of before) if (!after.some((each) => each.key === key)) void forgetFile(account, chatId, key);
}

let stop: AbortController | null = null;

/** What was chosen when the last tab was closed comes back, in one tab. */
export function startTrays(accountId: string): void {
  if (stop) return;
  const { signal: over } = (stop = new AbortController());
  const restore = async (): Promise<void> => {
    const next = new Map(trays.peek());
    const here = new Set([...next.values()].flat().map(({ key }) => key));
    for (const { chatId, key, at, file, attachment } of await keptFiles(accountId)) {
      const [name, size] = attachment ? [attachment.fileName, attachment.size] : [file?.name ?? '', file?.size ?? 0];
      if (over.aborted || here.has(key)) continue;
      chosenAt.set(key, at);
      if (attachment) keepUploaded(attachment);
      next.set(chatId, [...(next.get(chatId) ?? []), { key, name, size, file, is: attachment ? 'ready' : 'stopped', sent: attachment ? size : 0, why: null, attachment }]);
    }
    if (!over.aborted) trays.value = next;
  };
  if (!navigator.locks) return void restore();
  // Held until the tab is closed or signed out.
  const held = (): Promise<void> => restore().then(() => new Promise((resolve) => over.addEventListener('abort', () => resolve())));
  navigator.locks.request(`tertulia trays ${accountId}`, { signal: over }, held).catch(() => {});
}

/** What was uploaded here, for messages that the server does not have yet. */
const uploaded = new Map<string, Attachment>();
export const keepUploaded = (attachment: Attachment): unknown => uploaded.set(attachment.id, attachment);
export const uploadedOf = (ids: readonly string[]): Attachment[] => ids.flatMap((id) => uploaded.get(id) ?? []);

phase.subscribe(({ is }) => {
  if (is !== 'out') return;
  stop?.abort();
  stop = null;
  trays.value = new Map();
  chosenAt.clear();
  uploaded.clear();
});
