/** What stays in this browser: the state with its cursor, in one transaction; what waits to be sent; drafts and files that are chosen for them. Under the account's id, and gone when the session is. Without IndexedDB nothing stays. */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { Outgoing } from '../../examples/clients/outbox.ts';
import { remember, remembered } from './remember.ts';
import { eventsDocument, homeDocument } from './state/documents.ts';
import { withRange } from './state/merge.ts';
import type { Account, Attachment, Chat, Message, Notification, Person, Quote, Range, State } from './state/state.ts';
import type { ServerInfo } from './state/types.ts';

type Kept = Omit<State, 'people' | 'chats' | 'notifications'> & { shape: string; server: ServerInfo; notifications: readonly Notification[]; account: Account };
type Member = Chat['members'] extends ReadonlyMap<string, infer M> ? M : never;
type KeptChat = { fields: Omit<Chat, 'members' | 'messages' | 'ranges'>; members: readonly Member[]; messages: readonly Message[] };
/** A file that is chosen and not sent: all of it, or once it is uploaded what the server calls it. */
export type KeptFile = { key: string; at: number; file: File | null; attachment: Attachment | null };
/** `answers`: the message that it is an answer to. */
export type Draft = { text: string; answers: Quote | null };
export type KeptOutgoing = Outgoing & { writtenAt: string };

interface Schema extends DBSchema {
  states: { key: string; value: Kept };
  chats: { key: [account: string, id: string]; value: KeptChat };
  people: { key: [account: string, id: string]; value: Person };
  outbox: { key: [account: string, writtenAt: string, id: string]; value: KeptOutgoing };
  /** A text alone is of an earlier page. */
  drafts: { key: [account: string, chat: string]; value: string | Draft };
  files: { key: [account: string, chat: string, key: string]; value: KeptFile };
}

const stores = ['states', 'chats', 'people', 'outbox', 'drafts', 'files'] as const;

/** Of each chat so many of the newest messages. */
const mostMessages = 100;
const mostMembers = 100;
/** Of chosen files together; more is not worth a full disk. */
const mostBytes = 100_000_000;
const accountKey = 'tertulia.account';
/** What was kept by a page that asked for other fields is of no use. */
const shape = hash(homeDocument + eventsDocument);

function hash(text: string): string {
  let sum = 7;
  for (let at = 0; at < text.length; at++) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  return String(sum);
}

let opening: Promise<IDBPDatabase<Schema> | null> | null = null;

function database(): Promise<IDBPDatabase<Schema> | null> {
  opening ??= openDB<Schema>('tertulia', 2, {
    upgrade(db) {
      for (const name of stores) if (!db.objectStoreNames.contains(name)) db.createObjectStore(name);
    },
    // A newer page in another tab wants to change the stores: it goes first.
    blocking: () => void opening?.then((db) => db?.close()).finally(() => (opening = null)),
  }).catch(() => null);
  return opening;
}

/** Nothing that is kept is worth an error: whoever has no place for it works without. */
async function withDatabase<T>(job: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T | null> {
  const db = await database();
  return db ? job(db).catch(() => null) : null;
}

const all = (account: string): IDBKeyRange => IDBKeyRange.bound([account], [account, []]);

// ---------------------------------------------------------------- the state

/** What was last kept, by identity: only what has changed since is written. */
let before: State | null = null;

/** The state of whoever was here last; null when there is none that can be used. */
export async function findKept(): Promise<{ state: State; server: ServerInfo } | null> {
  const account = remembered(accountKey);
  if (!account) return null;
  return withDatabase(async (db) => {
    const transaction = db.transaction(['states', 'chats', 'people']);
    const [kept, chats, people] = await Promise.all([
      transaction.objectStore('states').get(account),
      transaction.objectStore('chats').getAll(all(account)),
      transaction.objectStore('people').getAll(all(account)),
    ]);
    if (!kept || kept.shape !== shape) return null;
    const { server, shape: _, notifications, ...rest } = kept;
    const state: State = {
      ...rest,
      people: new Map(people.map((person) => [person.id, person])),
      chats: new Map(chats.map(toChat).map((chat) => [chat.id, chat])),
      notifications: new Map(notifications.map((each) => [each.id, each])),
    };
    before = state;
    return { state, server };
  });
}

function toChat({ fields, members, messages }: KeptChat): Chat {
  return {
    ...fields,
    members: new Map(members.map((member) => [member.userId, member])),
    messages: new Map(messages.map((message) => [message.seq, message])),
    ranges: messages.reduce((ranges: readonly Range[], { seq }) => withRange(ranges, [seq, seq]), []),
  } as unknown as Chat;
}

function fromChat({ members, messages, ranges, ...fields }: Chat): KeptChat {
  const [from, to] = ranges.at(-1) ?? [1, 0];
  const newest: Message[] = [];
  for (let seq = Math.max(from, to - mostMessages + 1); seq <= to; seq++) {
    const message = messages.get(seq);
    if (message) newest.push(message);
  }
  // A large room's members are read when somebody looks at them.
  return { fields, members: members.size <= mostMembers ? [...members.values()] : [], messages: newest };
}

/** Writes what has changed since the last time, and the cursor with it: all of it or nothing. */
export async function keepState(state: State, server: ServerInfo): Promise<void> {
  const { meId: account, people, chats, notifications, ...rest } = state;
  if (account === '') return;
  remember(accountKey, account);
  await withDatabase(async (db) => {
    const last = before?.meId === account ? before : null;
    const transaction = db.transaction(['states', 'chats', 'people'], 'readwrite');
    const [ofChats, ofPeople] = [transaction.objectStore('chats'), transaction.objectStore('people')];
    const writes: Promise<unknown>[] = [
      transaction.objectStore('states').put({ ...rest, meId: account, shape, server, notifications: [...notifications.values()].slice(-100) }, account),
    ];
    if (!last) writes.push(ofChats.delete(all(account)), ofPeople.delete(all(account)));
    // What is looked at from outside is not followed.
    for (const [id, chat] of chats) if (chat.my && last?.chats.get(id) !== chat) writes.push(ofChats.put(fromChat(chat), [account, id]));
    for (const id of last?.chats.keys() ?? []) if (!chats.has(id)) writes.push(ofChats.delete([account, id]));
    for (const [id, person] of people) if (last?.people.get(id) !== person) writes.push(ofPeople.put(person, [account, id]));
    await Promise.all([...writes, transaction.done]);
    before = state;
  });
}

/** Everything of the account, everywhere. */
export async function forgetKept(account: string): Promise<void> {
  remember(accountKey, null);
  before = null;
  await withDatabase(async (db) => {
    const transaction = db.transaction(stores, 'readwrite');
    const deletes = stores.map((name) => transaction.objectStore(name).delete(name === 'states' ? account : all(account)));
    await Promise.all([...deletes, transaction.done]);
  });
}

// ---------------------------------------------------------------- what waits, and drafts

export async function keptOutbox(account: string): Promise<readonly KeptOutgoing[]> {
  return (await withDatabase((db) => db.getAll('outbox', all(account)))) ?? [];
}

export async function keepOutgoing(account: string, changed: readonly KeptOutgoing[], gone: readonly KeptOutgoing[]): Promise<void> {
  await withDatabase(async (db) => {
    const transaction = db.transaction('outbox', 'readwrite');
    const keyOf = ({ writtenAt, clientMessageId }: KeptOutgoing): [string, string, string] => [account, writtenAt, clientMessageId];
    await Promise.all([...changed.map((each) => transaction.store.put(each, keyOf(each))), ...gone.map((each) => transaction.store.delete(keyOf(each))), transaction.done]);
  });
}

export async function keptDrafts(account: string): Promise<ReadonlyMap<string, Draft>> {
  const found = await withDatabase(async (db) => {
    const [keys, kept] = await Promise.all([db.getAllKeys('drafts', all(account)), db.getAll('drafts', all(account))]);
    return new Map(kept.map((draft, index) => [keys[index]?.[1] ?? '', typeof draft === 'string' ? { text: draft, answers: null } : draft]));
  });
  return found ?? new Map();
}

export async function keepDraft(account: string, chatId: string, draft: Draft | null): Promise<void> {
  await withDatabase((db) => (draft === null ? db.delete('drafts', [account, chatId]) : db.put('drafts', draft, [account, chatId]).then(() => undefined)));
}

/** In the order in which they were chosen. */
export async function keptFiles(account: string): Promise<readonly (KeptFile & { chatId: string })[]> {
  const found = await withDatabase(async (db) => {
    const [keys, files] = await Promise.all([db.getAllKeys('files', all(account)), db.getAll('files', all(account))]);
    return files.map((file, index) => ({ ...file, chatId: keys[index]?.[1] ?? '' }));
  });
  return (found ?? []).sort((a, b) => a.at - b.at);
}

export async function keepFile(account: string, chatId: string, kept: KeptFile): Promise<void> {
  await withDatabase(async (db) => {
    const transaction = db.transaction('files', 'readwrite');
    const others = (await transaction.store.getAll(all(account))).filter(({ key }) => key !== kept.key);
    const bytes = [...others, kept].reduce((sum, { file }) => sum + (file?.size ?? 0), 0);
    if (bytes <= mostBytes) await transaction.store.put(kept, [account, chatId, kept.key]);
    await transaction.done;
  });
}

export async function forgetFile(account: string, chatId: string, key: string): Promise<void> {
  await withDatabase((db) => db.delete('files', [account, chatId, key]));
}
