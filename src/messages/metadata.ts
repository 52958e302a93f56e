/** A message's object of the app's own: any JSON object within bounds, kept and returned as it is. */
import type { Problems } from '../errors.ts';

/** As JSON in UTF-8. */
export const mostMetadataBytes = 4_096;
const mostLevels = 8;

/** As it is stored; null for none. Adds to the problems what is wrong. */
export function parseMetadata(problems: Problems, value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'object' || Array.isArray(value)) problems.add('metadata', 'object', 'Metadata is a JSON object.');
  else if (!isWithin(value, mostLevels)) problems.add('metadata', 'depth', `Metadata has at most ${mostLevels} levels.`);
  else {
    const text = JSON.stringify(value);
    if (Buffer.byteLength(text) <= mostMetadataBytes) return text;
    problems.add('metadata', 'length', `Metadata has at most ${mostMetadataBytes} bytes as JSON.`);
  }
  return null;
}

/** The same object, whatever the order of its names. */
export function toCanonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(toCanonical).join()}]`;
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${toCanonical((value as Record<string, unknown>)[name])}`).join()}}`;
}

function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((each) => isWithin(each, levels - 1));
}
