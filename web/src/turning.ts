/** Reactions of the viewer that the server has not said yet: what each message shows on top of what is known, and why one was refused. */
import { signal } from '@preact/signals';
import { alarm } from './parts/announcer.tsx';
import { remember, remembered } from './remember.ts';
import type { Message } from './state/state.ts';
import { phase } from './store.ts';

/** `emojis`: which are given, and which taken back. */
export type Turning = { emojis: ReadonlyMap<string, boolean>; why: string | null };
type Group = Message['reactions'][number];

export const turning = signal<ReadonlyMap<string, Turning>>(new Map());

export function setTurning(messageId: string, to: Turning | null): void {
  const next = new Map(turning.value);
  if (to) next.set(messageId, to);
  else next.delete(messageId);
  turning.value = next;
}

const refusedMs = 8_000;

/** Says below a message for a while why something could not be done with it. */
export function setRefusal(messageId: string, why: string): void {
  const shown: Turning = { emojis: turning.peek().get(messageId)?.emojis ?? new Map(), why };
  alarm(why);
  setTurning(messageId, shown);
  setTimeout(() => turning.peek().get(messageId) === shown && setTurning(messageId, null), refusedMs);
}

/** As they will be. */
export function turned(reactions: readonly Group[], { emojis }: Turning): readonly Group[] {
  const groups = reactions.map((group) => {
    const mine = emojis.get(group.emoji) ?? group.mine;
    return mine === group.mine ? group : { ...group, mine, count: group.count + (mine ? 1 : -1) };
  });
  for (const [emoji, mine] of emojis) if (mine && !groups.some((group) => group.emoji === emoji)) groups.push({ emoji, count: 1, mine });
  return groups.filter(({ count }) => count > 0);
}

const key = 'tertulia.emojis';
const atFirst = ['👍', '❤️', '😂', '🎉', '🙏', '👀'];
const most = 18;

/** Those that were used last come first. */
export const recentEmojis = signal<readonly string[]>((remembered(key) ?? '').split(' ').filter(Boolean));
export const quickEmojis = (count: number): readonly string[] => [...new Set([...recentEmojis.value, ...atFirst])].slice(0, count);

export function used(emoji: string): void {
  recentEmojis.value = [emoji, ...recentEmojis.value.filter((each) => each !== emoji)].slice(0, most);
  remember(key, recentEmojis.value.join(' '));
}

phase.subscribe(({ is }) => {
  if (is === 'out') turning.value = new Map();
});
