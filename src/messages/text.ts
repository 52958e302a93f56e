/** What a text of a message must be. */
import { codePoints, hasForbiddenCharacters, isVisible } from '../accounts/names.ts';
import type { Problems } from '../errors.ts';

/** `most` is the longest it may be, in code points. */
export function checkText(problems: Problems, text: string | null, most: number): void {
  if (text === null || text === '') problems.add('text', 'required', 'A message needs a text.');
  else if (hasForbiddenCharacters(text)) problems.add('text', 'characters', 'A text may hold no control characters but newline and tab, and must be well-formed Unicode.');
  else if (!isVisible(text)) problems.add('text', 'visible', 'A text needs something that can be seen.');
  else if (codePoints(text) > most) problems.add('text', 'length', `A text has at most ${most} characters.`);
}
