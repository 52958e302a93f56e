/** A text as it was written: newlines, its own direction, and links that lead to http(s) and mail addresses only. Never markup. */
import type { ComponentChildren } from 'preact';

const linkPattern = /\b(?:https?:\/\/[^\s<>"]+|mailto:[^\s<>"]+@[^\s<>"]+)/giu;
/** What ends a sentence is no part of an address; a bracket is, when it was opened in it. */
const trailing = /[.,:;!?'")\]]+$/u;
const longest = 320;
const emojiOnly = /^(?:\p{RGI_Emoji}\s*){1,3}$/v;

export const isBig = (text: string): boolean => text.length <= 40 && emojiOnly.test(text.trim());

export function linked(text: string): ComponentChildren {
  const parts: ComponentChildren[] = [];
  let at = 0;
  for (const match of text.matchAll(linkPattern)) {
    const address = trimEnd(match[0]);
    if (!URL.canParse(address) || !['http:', 'https:', 'mailto:'].includes(new URL(address).protocol)) continue;
    parts.push(text.slice(at, match.index));
    parts.push(
      <a key={match.index} href={address} target="_blank" rel="noopener noreferrer">
        {address.length > longest ? `${address.slice(0, 200)}…${address.slice(-100)}` : address}
      </a>,
    );
    at = match.index + address.length;
  }
  return parts.length === 0 ? text : [...parts, text.slice(at)];
}

function trimEnd(address: string): string {
  const end = trailing.exec(address)?.[0] ?? '';
  if (end.startsWith(')') && address.includes('(')) return address.slice(0, address.length - end.length + 1);
  return address.slice(0, address.length - end.length);
}
