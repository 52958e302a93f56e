/** What texts of people may look like: the folding that decides uniqueness and search, and the checks of names and other profile fields. */
import type { Problems } from '../errors.ts';

/**
 * A text as uniqueness checks and searches see it, the same on both engines and in every locale: compatibility forms and case folded (Unicode NFKC,
 * then lower case). Final sigma and sharp s are folded by hand, because lower-casing treats them by their place, or not at all.
 */
export function foldName(text: string): string {
  return text.normalize('NFKC').toLowerCase().replaceAll('ς', 'σ').replaceAll('ß', 'ss').normalize('NFKC');
}

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
  return (
    text.length <= 254 &&
    !hasForbiddenInLine(text) &&
    /^[^\s@<>()[\]\\,;:"]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?\.)+[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?$/u.test(text)
  );
}

export function checkUsername(problems: Problems, text: string): void {
  if (!isUsername(text)) problems.add('username', 'format', 'A username has 3 to 32 of A-Z, a-z, 0-9, "_", "." and "-", and begins with a letter or digit.');
}

export function checkEmail(problems: Problems, text: string): void {
  if (!isEmail(text)) problems.add('email', 'format', 'This is not an e-mail address.');
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
