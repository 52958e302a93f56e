/** What counts as one emoji: an RGI sequence (https://www.unicode.org/reports/tr51/), fully qualified, so that the two ways to write one are the same. */

/** The longest of them are families and flags. */
const mostUnits = 64;
const presentation = '\u{FE0F}';

/** The emoji that a text is, or null. */
export function parseEmoji(text: string): string | null {
  if (text.length > mostUnits) return null;
  const points = [...text.replaceAll(presentation, '')];
  const qualified = points.map((point, index) => (isShownAsText(point) && !/^\p{Emoji_Modifier}$/u.test(points[index + 1] ?? '') ? point + presentation : point)).join('');
  return /^\p{RGI_Emoji}$/v.test(qualified) ? qualified : null;
}

/** Without a word to the contrary. */
const isShownAsText = (point: string): boolean => /^\p{Emoji}$/u.test(point) && !/^\p{Emoji_Presentation}$/u.test(point);
