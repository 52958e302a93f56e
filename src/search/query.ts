/** What somebody looks for, read out of one line; and whether and where a text has it. */
import { AppError } from '../errors.ts';
import { foldText, type LookUp, lookUpsOf, type Unit, unitsOf } from './analyser.ts';

type Part = Pick<Unit, 'text' | 'isRun'>;
/** Each of `all` is a word, or several that stand together; so is each of `none`. JSON. */
export type Words = { all: Part[][]; none: Part[][] };
/** A piece of a folded text: from, and up to. */
export type Place = [from: number, to: number];

export const noWords: Words = { all: [], none: [] };
const longestQuery = 200;
const mostWords = 10;

const token = /(-)?(?:"([^"]*)"|([^\s"]+))/g;

/** Fails with BAD_REQUEST for one that is too long, or that only says what not to look for. */
export function parseWords(query: string): Words {
  if ([...query.slice(0, 2 * longestQuery + 1)].length > longestQuery) throw new AppError('BAD_REQUEST', undefined, `A search has at most ${longestQuery} characters.`);
  const words: Words = { all: [], none: [] };
  for (const [, minus, phrase, plain] of query
    .replace(/[“”„＂]/g, '"')
    .replaceAll('－', '-')
    .matchAll(token)) {
    const parts = [...unitsOf(foldText(phrase ?? plain ?? ''))].map(({ text, isRun }) => ({ text, isRun }));
    if (parts.length === 0) continue;
    if (minus) words.none.push(parts);
    else if (phrase !== undefined) words.all.push(parts);
    else for (const part of parts) words.all.push([part]);
  }
  if ([...words.all, ...words.none].flat().length > mostWords) throw new AppError('BAD_REQUEST', undefined, `A search has at most ${mostWords} words.`);
  if (words.all.length === 0 && words.none.length > 0) throw new AppError('BAD_REQUEST', undefined, 'Say what to look for, not only what to leave out.');
  return words;
}

/** What the index is asked for. */
export const lookUpsFor = ({ all }: Words): LookUp[] => [
  ...new Map(all.flatMap((parts) => parts.flatMap(lookUpsOf)).map((lookUp) => [`${lookUp.term} ${lookUp.isPrefix}`, lookUp])).values(),
];

/** Whether a text has all that is looked for, and nothing of what is left out. */
export function holds(text: string, { all, none }: Words): boolean {
  if (all.length === 0 && none.length === 0) return true;
  const units = [...unitsOf(foldText(text))];
  const has = (parts: Part[]): boolean => !placesIn(units, parts).next().done;
  return all.every(has) && !none.some(has);
}

/** Where in a folded text it has what is looked for, in order and without overlaps. */
export function findPlaces(folded: string, { all }: Words): Place[] {
  const units = [...unitsOf(folded)];
  const places = all.flatMap((parts) => [...placesIn(units, parts)]).sort(([a, aTo], [b, bTo]) => a - b || bTo - aTo);
  const apart: Place[] = [];
  for (const place of places) {
    const last = apart.at(-1);
    if (last && place[0] <= last[1]) last[1] = Math.max(last[1], place[1]);
    else apart.push([...place]);
  }
  return apart;
}

/** A word is found by its beginning, a run anywhere. Of several that stand together only the last may go on, and only a first run may have begun before. */
function* placesIn(units: readonly Unit[], parts: readonly Part[]): Generator<Place> {
  const [first, last] = [parts[0] as Part, parts.at(-1) as Part];
  if (parts.length === 1) {
    for (const { text, isRun, at } of units) {
      if (isRun !== first.isRun) continue;
      if (!isRun && text.startsWith(first.text)) yield [at, at + first.text.length];
      for (let from = isRun ? text.indexOf(first.text) : -1; from >= 0; from = text.indexOf(first.text, from + first.text.length)) yield [at + from, at + from + first.text.length];
    }
    return;
  }
  for (let start = 0; start + parts.length <= units.length; start++) {
    const [head, tail] = [units[start] as Unit, units[start + parts.length - 1] as Unit];
    if (head.isRun !== first.isRun || !(first.isRun ? head.text.endsWith(first.text) : head.text === first.text)) continue;
    if (tail.isRun !== last.isRun || !tail.text.startsWith(last.text)) continue;
    if (parts.slice(1, -1).some(({ text, isRun }, index) => units[start + 1 + index]?.text !== text || units[start + 1 + index]?.isRun !== isRun)) continue;
    yield [head.at + head.text.length - first.text.length, tail.at + last.text.length];
  }
}
