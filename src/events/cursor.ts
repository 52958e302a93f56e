/** Cursors as clients hold them: opaque text that names this log and a position in it. */
import { AppError } from '../errors.ts';

/** The text of a position. */
export const toCursor = (logId: string, number: number): string => Buffer.from(`1.${logId}.${number}`).toString('base64url');

/** The position a text names; `null` for one of another database. Throws BAD_REQUEST for what was never a cursor. */
export function parseCursor(logId: string, cursor: string): number | null {
  const match = /^[A-Za-z0-9_-]{8,64}$/.test(cursor) ? /^1\.([0-9a-f]{12})\.(0|[1-9]\d{0,14})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) : null;
  if (!match) throw new AppError('BAD_REQUEST', undefined, 'This is not a cursor of this server.');
  return match[1] === logId ? Number(match[2]) : null;
}
