/** Names in texts: "@" and a username, or "@everyone" and "@here". Whom a message is for is told to the server; nothing is guessed from its text there. */
import type { Chat, Mention } from './state/state.ts';
import { hasRight, state } from './store.ts';

export type Mentions = { users: { id: string }[]; all?: 'EVERYONE' | 'HERE' };
/** A username, as the server takes it; a sentence may end behind it. */
const namePattern = /(?<![\p{L}\p{N}_.@-])@([\p{L}\p{N}][\p{L}\p{N}_.-]{0,31})/gu;
const trailing = /[.-]+$/u;
export const calls = { everyone: 'EVERYONE', here: 'HERE' } as const;

/** Members that were found beside those who are known with a chat. */
const found = new Map<string, Set<string>>();
export const keepMembers = (chatId: string, ids: readonly string[]): unknown => found.set(chatId, new Set([...(found.get(chatId) ?? []), ...ids]));

/** Those who can be named there and are known here. */
export function nameableIn(chat: Chat): string[] {
  const ids = chat.__typename === 'Dialog' ? [chat.peerId] : [...new Set([...chat.members.keys(), ...(found.get(chat.id) ?? [])])];
  return ids.filter((id) => id !== state.peek().meId);
}

/** Whether everybody may be called there. */
export function mayCallAll(chat: Chat): boolean {
  return chat.__typename === 'Room' && hasRight(chat, chat.mentionAllPolicy);
}

/** Each name that stands in a text, where, and with and without what may end a sentence. */
export function namesIn(text: string): { at: number; name: string; short: string }[] {
  return [...text.matchAll(namePattern)].map((match) => {
    const name = (match[1] ?? '').toLowerCase();
    return { at: match.index, name, short: name.replace(trailing, '') };
  });
}

/** Whom a text is for; nobody when none of its names is known. `before`: who was named in it until now. */
export function mentionsIn(text: string, chat: Chat, { inThread = false, before = [] }: { inThread?: boolean; before?: readonly Mention[] } = {}): Mentions | null {
  const names = namesIn(text);
  if (names.length === 0) return null;
  const people = new Map<string, string>();
  for (const id of nameableIn(chat)) people.set(state.peek().people.get(id)?.username.toLowerCase() ?? '', id);
  for (const { writtenAs, userId } of before) people.set(writtenAs.toLowerCase(), userId);
  const ids = new Set(names.flatMap(({ name, short }) => people.get(name) ?? people.get(short) ?? []));
  const called =
    inThread || !mayCallAll(chat) ? undefined : names.map(({ name, short }) => (people.has(short) ? undefined : calls[(short || name) as keyof typeof calls])).find(Boolean);
  if (ids.size === 0 && !called) return null;
  return { users: [...ids].map((id) => ({ id })), ...(called ? { all: called } : {}) };
}
