/**
 * Cursors as clients hold them: opaque text that names a position in the log, and the epoch that the position belongs to. Each start of a server begins an
 * epoch. After a copy of the database was put back, numbers stand for other events than before: a cursor from what was lost names an epoch that is not here,
 * or a position that is another epoch's now.
 */
import { randomBytes } from 'node:crypto';
import { AppError } from '../errors.ts';

/** `from`: the number of its first event. */
export type Epoch = { name: string; from: number };
export type Place = { epoch: string; number: number };

// The first epoch of a log is named like the log itself, in twelve digits: cursors had no other name before.
// A text that is cut off or goes on is none: hence the dot at its end.
const text = /^(?:1\.([0-9a-f]{12})\.(0|[1-9]\d{0,14})|2\.([0-9a-f]{16})\.(0|[1-9]\d{0,14})\.)$/;

export const newEpochName = (): string => randomBytes(8).toString('hex');

/**
 * What a version of this server that comes later may hand out: each begins with the number of its form. This one can resume from none of them, and says so by a
 * gap, so that servers of both versions may run side by side.
 */
const later = /^[3-9]\.[\x21-\x7e]{1,180}$/;

/** The text of a place. */
export const toCursor = ({ epoch, number }: Place): string => Buffer.from(epoch.length === 12 ? `1.${epoch}.${number}` : `2.${epoch}.${number}.`).toString('base64url');

/** The place a text names, null for one of a later form. Throws BAD_REQUEST for what was never a cursor. */
export function parseCursor(cursor: string): Place | null {
  const decoded = /^[A-Za-z0-9_-]{8,256}$/.test(cursor) ? Buffer.from(cursor, 'base64url').toString('latin1') : '';
  const match = text.exec(decoded);
  const place = match && { epoch: (match[1] ?? match[3]) as string, number: Number(match[2] ?? match[4]) };
  if (later.test(decoded) && Buffer.from(decoded, 'latin1').toString('base64url') === cursor) return null;
  // Base64 has several texts for the same bytes: only the one that was handed out is a cursor.
  if (!place || toCursor(place) !== cursor) throw new AppError('BAD_REQUEST', undefined, 'This is not a cursor of this server.');
  return place;
}

/** The name of the epoch that a number belongs to. They are in order, and the first one begins with 0. */
export const epochAt = (epochs: readonly Epoch[], number: number): string => (epochs.findLast(({ from }) => from <= number) as Epoch).name;
