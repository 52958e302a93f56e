/** What texts of people may look like: the folding that decides uniqueness and search, and the checks of names and other profile fields. */
import type { Problems } from '../errors.ts';

/** Raise it with every change of `foldName`: stored keys are then brought in line at the next start (folding.ts). */
export const foldingVersion = 2;

/** No name that is stored has more UTF-16 units. */
const longestFolded = 400;

/**
 * A text as uniqueness checks and searches see it, the same on both engines and in every locale: compatibility forms and case folded, without what cannot be
 * seen. Through upper case, because only that makes two letters of sharp s, and an i of a dotless ı. Lower case treats a final sigma by its place, and keeps the
 * dot of İ as a character of its own. What is too long for a name stays as it is, and so is like none: normalizing takes the square of its combining marks.
 */
export function foldName(text: string): string {
  if (text.length > longestFolded) return text;
  const lower = text.normalize('NFKC').replace(invisible, '').toLowerCase().toUpperCase().toLowerCase();
  return lower.replaceAll('ς', 'σ').replaceAll('i\u0307', 'i').normalize('NFKC');
}

const invisible = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** Scripts whose letters are joined or kept apart by ZWJ and ZWNJ (RFC 5892, appendix A). */
const joining = ['Arab', 'Syrc', 'Mong', 'Nkoo', 'Deva', 'Beng', 'Guru', 'Gujr', 'Orya', 'Taml', 'Telu', 'Knda', 'Mlym', 'Sinh', 'Khmr', 'Mymr', 'Tibt']
  .map((script) => `\\p{scx=${script}}`)
  .join('');
const seenOrNeeded = [
  // Number signs of Arabic and Syriac, which are seen although they are format characters.
  '[\\u0600-\\u0605\\u06dd\\u070f\\u0890\\u0891\\u08e2]',
  `(?<=[${joining}])[\\u200c\\u200d](?=[${joining}])`,
  '(?<=\\u0d4d)\\u200d',
  '(?<=\\p{scx=Mong})[\\u180b-\\u180d\\u180f]',
  // Emoji: joined ones, their variants, keycaps, and flags of regions.
  '(?<=[\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\ufe0f])\\u200d(?=\\p{Extended_Pictographic})',
  '(?<=\\p{Extended_Pictographic})[\\ufe0e\\ufe0f]',
  '(?<=[0-9#*])\\ufe0f(?=\\u20e3)',
  // As a whole, and only as long as one is: more could hide a text.
  '\\u{1f3f4}[\\u{e0030}-\\u{e0039}\\u{e0061}-\\u{e007a}]{3,6}\\u{e007f}',
].join('|');
const invisibleInNames = new RegExp(`(${seenOrNeeded})|[\\p{Cf}\\p{Default_Ignorable_Code_Point}\\p{Zl}\\p{Zp}\\p{Noncharacter_Code_Point}]`, 'gu');

/** A name as it is stored: without characters that turn the direction of the text around it, or that cannot be seen and make one name look like another. */
export const withoutInvisible = (text: string): string => text.replace(invisibleInNames, '$1');

/** Lines as they are stored, whatever system they were written on. Before anything about the text is checked. */
export const withNewlines = (text: string): string => text.replace(/\r\n?/g, '\n');

/** Length as people count it, near enough: Unicode code points. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** Something in it can be seen: not only spaces, control, format and ignorable characters. */
export const isVisible = (text: string): boolean => /[^\p{White_Space}\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800]/u.test(text);

/** Holds what no text may: a control character (NUL included) other than newline and tab, or a lone surrogate, which no database would keep. */
export const hasForbiddenCharacters = (text: string): boolean => !text.isWellFormed() || /[^\P{Cc}\n\t]/u.test(text);

/** Also no newline, tab or line separator. */
export const hasForbiddenInLine = (text: string): boolean => hasForbiddenCharacters(text) || /[\n\t\u2028\u2029]/.test(text);

export const isUsername = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_.-]{2,31}$/.test(text);

/** One `@`, something before it, dotted labels behind it, nothing that mail software reads as syntax. RFC 5321 gives the lengths: 64, and 254 in all. */
export function isEmail(text: string): boolean {
  return text.length <= 254 && !hasForbiddenInLine(text) && /^[^\s@<>()[\]\\,;:"]{1,64}@(?:[\p{L}\p{N}]+(?:-+[\p{L}\p{N}]+)*\.)+[\p{L}\p{N}]+(?:-+[\p{L}\p{N}]+)*$/u.test(text);
}

export function checkUsername(problems: Problems, text: string): void {
  if (!isUsername(text)) problems.add('username', 'format', 'A username has 3 to 32 of A-Z, a-z, 0-9, "_", "." and "-", and begins with a letter or digit.');
}

export function checkEmail(problems: Problems, text: string, path: string | string[] = 'email'): void {
  if (!isEmail(text) || withoutInvisible(text) !== text) problems.add(path, 'format', 'This is not an e-mail address.');
}

/** One line of 1 to `most` code points in which something can be seen. */
export function checkLine(problems: Problems, path: string | string[], text: string, most = 80): void {
  checkLines(problems, path, text, most, hasForbiddenInLine(text) ? 'Only one line of well-formed text, without control characters.' : null);
}

/** The same with several lines. */
export function checkLines(
  problems: Problems,
  path: string | string[],
  text: string,
  most: number,
  forbidden = hasForbiddenCharacters(text) ? 'Only well-formed text, without control characters other than newline and tab.' : null,
): void {
  if (forbidden !== null) problems.add(path, 'characters', forbidden);
  else if (!isVisible(text)) problems.add(path, 'visible', 'Something in it must be visible.');
  else if (codePoints(text) > most) problems.add(path, 'length', `At most ${most} characters.`);
}
