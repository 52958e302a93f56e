/** A text as it was written: newlines, its own direction, links that lead to http(s) and mail addresses only, and whom it is for by their names. Never markup. */
import type { ComponentChildren } from 'preact';
import { calls, namesIn } from '../../names.ts';
import type { Message } from '../../state/state.ts';
import { personOf, state } from '../../store.ts';

const linkPattern = /\b(?:https?:\/\/[^\s<>"]+|mailto:[^\s<>"]+@[^\s<>"]+)/giu;
/** What ends a sentence is no part of an address; a bracket is, when it was opened in it. */
const trailing = /[.,:;!?'")\]]+$/u;
const longest = 320;
const emojiOnly = /^(?:\p{RGI_Emoji}\s*){1,3}$/v;

export const isBig = (text: string): boolean => text.length <= 40 && emojiOnly.test(text.trim());

type Named = Pick<Message, 'mentions' | 'mentionsAll'>;

/** People by the names they have now; those who are called all together as it was written. */
function named(text: string, { mentions, mentionsAll }: Named): ComponentChildren {
  if (mentions.length === 0 && !mentionsAll) return text;
  const ids = new Map(mentions.map(({ writtenAs, userId }) => [writtenAs.toLowerCase(), userId]));
  const parts: ComponentChildren[] = [];
  let end = 0;
  for (const { at, name, short } of namesIn(text)) {
    const written = ids.has(name) ? name : short;
    const id = ids.get(written);
    const isCall = mentionsAll !== null && calls[written as keyof typeof calls] === mentionsAll;
    if (!id && !isCall) continue;
    const person = id ? personOf(id) : null;
    const stop = at + 1 + written.length;
    parts.push(text.slice(end, at));
    parts.push(
      <bdi key={at} class="mention" data-me={isCall || id === state.peek().meId ? '' : undefined} title={person ? `@${person.username}` : undefined}>
        @{person?.displayName || text.slice(at + 1, stop)}
      </bdi>,
    );
    end = stop;
  }
  return end === 0 ? text : [...parts, text.slice(end)];
}

export function linked(text: string, about: Named = { mentions: [], mentionsAll: null }): ComponentChildren {
  const parts: ComponentChildren[] = [];
  let at = 0;
  for (const match of text.matchAll(linkPattern)) {
    const address = trimEnd(match[0]);
    if (!URL.canParse(address) || !['http:', 'https:', 'mailto:'].includes(new URL(address).protocol)) continue;
    parts.push(named(text.slice(at, match.index), about));
    parts.push(
      <a key={match.index} href={address} target="_blank" rel="noopener noreferrer">
        {address.length > longest ? `${address.slice(0, 200)}…${address.slice(-100)}` : address}
      </a>,
    );
    at = match.index + address.length;
  }
  return parts.length === 0 ? named(text, about) : [...parts, named(text.slice(at), about)];
}

function trimEnd(address: string): string {
  const end = trailing.exec(address)?.[0] ?? '';
  if (end.startsWith(')') && address.includes('(')) return address.slice(0, address.length - end.length + 1);
  return address.slice(0, address.length - end.length);
}
