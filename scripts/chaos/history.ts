/** What must be true at the end, whatever went wrong: found in what writers were told, readers were handed, and servers have. */
import type { Acknowledged, Version } from './clients.ts';

export type Evidence = {
  acknowledged: readonly Acknowledged[];
  /** Every text that was ever sent. */
  attempted: ReadonlySet<string>;
  /** By chat, as each server has it. */
  histories: readonly Map<string, readonly Version[]>[];
  readers: readonly { added: ReadonlyMap<string, readonly number[]>; versions: ReadonlyMap<string, Version>; problems: readonly string[]; gaps: number }[];
};

export type Verdict = ReturnType<typeof judge>;

export function judge({ acknowledged, attempted, histories, readers }: Evidence) {
  const [first = new Map<string, readonly Version[]>()] = histories;
  const stored = [...first.values()].flat();
  const byId = new Map(stored.map((message) => [message.id, message]));
  const lost = acknowledged.filter(({ id, chatId, seq }) => byId.get(id)?.chatId !== chatId || byId.get(id)?.seq !== seq);
  const texts = stored.map(({ text }) => text).filter((text) => text !== null && !text.endsWith(', edited'));
  const doubled =
    [...texts].filter((text, index) => texts.indexOf(text) !== index).length + (stored.length - byId.size) + (acknowledged.length - new Set(acknowledged.map(({ id }) => id)).size);
  const fromNowhere = stored.filter(({ text }) => text !== null && !attempted.has(text));
  const wrongChanges = acknowledged.filter(({ id, text }) => byId.get(id) && byId.get(id)?.text !== text);
  const holes = [...first.values()].filter((messages) => messages.some(({ seq }, index) => seq !== index + 1)).length;
  const servers = histories.filter((history) => JSON.stringify([...history].sort()) !== JSON.stringify([...first].sort())).length;
  const missed = readers.map(({ added }) => [...first].reduce((sum, [chatId, messages]) => sum + Math.abs(messages.length - (added.get(chatId)?.length ?? 0)), 0));
  const different = readers.map(({ versions }) => stored.filter((message) => !isSame(versions.get(message.id), message)).length);
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  return {
    stored: stored.length,
    lost: lost.length,
    doubled,
    'from nowhere': fromNowhere.length,
    'holes in seq': holes,
    'other than acknowledged': wrongChanges.length,
    'servers that differ': servers,
    'missed by a reader, or twice': sum(missed),
    'out of order': sum(readers.map(({ problems }) => problems.length)),
    'other than stored, at a reader': sum(different),
    'gaps told to readers': sum(readers.map(({ gaps }) => gaps)),
  };
}

const isSame = (seen: Version | undefined, stored: Version): boolean => seen !== undefined && seen.deleted === stored.deleted && (stored.deleted || seen.text === stored.text);

/** Whether nothing is wrong. How much was stored is nothing wrong. */
export const isClean = ({ stored: _stored, ...wrong }: Verdict): boolean => Object.values(wrong).every((count) => count === 0);
