/** How large an answer would be, found out before it is put into JSON: the same long text, asked for under a hundred names, is in memory once and in the answer a hundred times. */

import { tooCostly } from './limits.ts';
import type { Result } from './operation.ts';

/** The result, or an error in its place when it would have more bytes. Looks at each value once, and no further than the limit. */
export function bounded(result: Result, maxBytes: number, isMutation: boolean): Result {
  if (result.data == null || bytesLeft(result.data, maxBytes) >= 0) return result;
  const done = isMutation ? 'What was asked for was done, but its' : 'The';
  return { data: null, errors: [tooCostly(`${done} answer would have more than ${maxBytes} bytes. Ask for smaller pages or fewer fields.`)] };
}

/** What remains of `left` bytes behind this value in JSON; negative when it does not fit. */
function bytesLeft(value: unknown, left: number): number {
  if (typeof value === 'string') return left - 2 - (value.length < 64 || value.length > left ? value.length : Buffer.byteLength(value));
  if (typeof value !== 'object' || value === null) return left - 5;
  if (Array.isArray(value)) {
    for (const item of value) if ((left = bytesLeft(item, left - 1)) < 0) return left;
    return left - 2;
  }
  for (const name in value) if ((left = bytesLeft((value as Record<string, unknown>)[name], left - name.length - 4)) < 0) return left;
  return left - 2;
}
