/** The text around what was found, with the places marked: as the message has it, though it was found in the folded text. */
import { foldText } from './analyser.ts';
import { findPlaces, type Words } from './query.ts';

/** A piece of the message's text, and whether it is what was looked for. */
export type SnippetPart = { text: string; hit: boolean };

const longestSnippet = 200;
/** So much stands before the first place, where there is as much. */
const before = 60;

/** At most 200 UTF-16 units, whole characters. Nothing is marked where the folded text cannot be followed back. */
export function snippetOf(text: string, words: Words): SnippetPart[] {
  const folded = words.all.length === 0 ? '' : foldText(text);
  const places = folded === '' ? [] : findPlaces(folded, words);
  const [first] = places;
  const letters = first ? lettersIn(text, folded, first[0] + longestSnippet) : null;
  const hits = places.flatMap(([from, to]): [number, number][] => {
    const [head, tail] = [letters?.[from], letters?.[Math.min(to, letters.length) - 1]];
    return head && tail ? [[head.from, tail.to]] : [];
  });
  const start = startOf(text, hits[0]?.[0] ?? 0);
  const end = wholeCharacters(text, Math.min(text.length, start + longestSnippet));
  const parts: SnippetPart[] = [];
  const add = (from: number, to: number, hit: boolean): void => {
    if (to > from) parts.push({ text: text.slice(from, to), hit });
  };
  let at = start;
  for (const [from, to] of hits) {
    if (from >= end) break;
    add(at, from, false);
    add(Math.max(at, from), Math.min(to, end), true);
    at = Math.min(to, end);
  }
  add(at, end, false);
  return parts;
}

/** Where the snippet begins: some words before the first place. */
function startOf(text: string, place: number): number {
  if (place <= before) return 0;
  const from = wholeCharacters(text, place - before);
  const space = text.slice(from, place).search(/\s\S/);
  return space >= 0 ? from + space + 1 : from;
}

const wholeCharacters = (text: string, at: number): number => (/[\udc00-\udfff]/.test(text.charAt(at)) ? at - 1 : at);

/** A letter with all that can make one with it when it is folded. */
const cluster = /[\s\S][\p{M}\p{Default_Ignorable_Code_Point}\p{Cf}\u1160-\u11ff\uff9e\uff9f]*/gu;

/** What letters were folded to. Texts have few different ones. */
const foldings = new Map<string, string>();
const mostFoldings = 5_000;

function foldLetter(letter: string): string {
  let folded = foldings.get(letter);
  if (folded === undefined) {
    folded = foldText(letter);
    if (foldings.size >= mostFoldings) foldings.clear();
    if (letter.length <= 8) foldings.set(letter, folded);
  }
  return folded;
}

/** For each place of the folded text, as far as is needed, the letter that it comes from. Null where letters fold otherwise together than alone. */
function lettersIn(text: string, folded: string, upTo: number): { from: number; to: number }[] | null {
  const letters: { from: number; to: number }[] = [];
  for (const { 0: letter, index } of text.matchAll(cluster)) {
    if (letters.length > upTo) break;
    const piece = foldLetter(letter);
    if (!folded.startsWith(piece, letters.length)) return null;
    const place = { from: index, to: index + letter.length };
    for (let unit = 0; unit < piece.length; unit++) letters.push(place);
  }
  return letters;
}
