/**
 * What of a text can be searched for, the same on both engines: words by their beginning, and of runs in scripts without spaces every part. Pure, and linear in
 * the length of the text.
 */

/** Raise it with every change of what is below: the index is then made anew. So it is for another version of Unicode. */
const version = 1;
/** What the terms of an index depend on. */
export const analyserName = `${version} unicode ${process.versions.unicode}`;

/** So many UTF-16 units of a text are looked at, and so many of a word are in the index. */
const longestText = 50_000;
const longestTerm = 64;

/** A word; or, in a script without spaces, everything between what is neither letter nor digit. */
export type Unit = { text: string; isRun: boolean /** Where it begins in the folded text. */; at: number };

/** A text as it is compared: without differences of case, of compatibility forms and of what cannot be seen; Latin, Greek and Cyrillic letters without accents. */
export function foldText(text: string): string {
  if (isAscii.test(text)) return text.slice(0, longestText).toLowerCase();
  const folded = text.slice(0, longestText).replace(marks, withFewer).normalize('NFKC').replace(unseen, '').toLowerCase().toUpperCase().toLowerCase();
  return folded.replaceAll('ς', 'σ').replace(accented, withoutAccents).normalize('NFC').slice(0, longestText);
}

const isAscii = /^[\0-\x7f]*$/;
const marks = /[\p{M}\uff9e\uff9f]+/gu;
/** Normalizing takes the square of combining marks that stand together. More than these are no writing (UAX #15, Stream-Safe Text). */
const mostMarks = 30;
const withFewer = (run: string): string => (run.length <= mostMarks ? run : [...run].slice(0, mostMarks).join(''));
const unseen = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Me}]/gu;
const accented = /(?![\0-\x7f])[\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}]\p{Mn}*|[a-z]\p{Mn}+/gu;
const withoutAccents = (letter: string): string => letter.normalize('NFD').replace(/\p{Mn}+/gu, '');

/** Han, Kana, Hangul, Thai, Lao, Khmer, Myanmar. */
const run = '[[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Hang}\\p{scx=Thai}\\p{scx=Laoo}\\p{scx=Khmr}\\p{scx=Mymr}]&&[\\p{L}\\p{M}\\p{N}]]';
const units = new RegExp(`(${run}+)|[[\\p{L}\\p{N}]--${run}][[\\p{L}\\p{M}\\p{N}]--${run}]*`, 'gv');
const asciiWords = /[a-z0-9]+/g;

/** What a folded text is made of, in its order. */
export function* unitsOf(folded: string): Generator<Unit> {
  for (const match of folded.matchAll(isAscii.test(folded) ? asciiWords : units)) yield { text: match[0], isRun: match[1] !== undefined, at: match.index };
}

/** What a text is found by. */
export function termsOf(text: string): Set<string> {
  const terms = new Set<string>();
  for (const unit of unitsOf(foldText(text))) {
    if (!unit.isRun) terms.add(cut(unit.text));
    else for (const pair of pairsOf(unit.text)) terms.add(pair);
  }
  return terms;
}

/** A term that a text must have, or the beginning of one. */
export type LookUp = { term: string; isPrefix: boolean };

/** What the index is asked for. More than these may be what it names: the text tells. */
export function lookUpsOf({ text, isRun }: Pick<Unit, 'text' | 'isRun'>): LookUp[] {
  if (!isRun) return [{ term: cut(text), isPrefix: true }];
  const pairs = [...pairsOf(text)];
  return pairs.length === 1 ? [{ term: text, isPrefix: true }] : pairs.slice(0, -1).map((term) => ({ term, isPrefix: false }));
}

/** Every two neighbours, and the last one alone, so that each character begins one of them. */
function* pairsOf(text: string): Generator<string> {
  let before = '';
  for (const character of text) {
    if (before) yield before + character;
    before = character;
  }
  yield before;
}

/** A long word by its beginning, whole characters of it. */
function cut(word: string): string {
  if (word.length <= longestTerm) return word;
  const isSplit = /[\ud800-\udbff]/.test(word.charAt(longestTerm - 1));
  return word.slice(0, isSplit ? longestTerm - 1 : longestTerm);
}
