/** Pages of lists, by keyset: a row's cursor is its sort key, so a page costs the same wherever it is. */
import { AppError } from '../errors.ts';

/** So many, in this direction, between two cursors (exclusive). */
export type PageRequest = { size: number; backward: boolean; after: string | null; before: string | null };

/** Rows in list order with their cursors. */
export type Page<Row> = { edges: { cursor: string; node: Row }[]; hasNextPage: boolean; hasPreviousPage: boolean; totalCount?: () => Promise<number> };

/** What distinguishes one place of a list from every other, in the order of the list. */
export type Key = readonly (string | number)[];

/** A part of a list: what is strictly between two keys, from its start or, when `backward`, from its end. */
export type Bounds<K> = { after: K | null; before: K | null; backward: boolean; limit: number };

/** At most `limit` rows of a part: the first ones in list order, or, when `backward`, the last ones with the last one first. */
export type ReadBetween<Row, K extends Key> = (bounds: Bounds<K>) => Promise<Row[]>;

/**
 * One page, with exact words on what lies on either side of it. Reads one row more than asked for, and looks for a neighbour only at a side that has a cursor.
 * Fails with BAD_REQUEST for a cursor that is not of this list.
 */
export async function keysetPage<Row, K extends Key>(
  { size, backward, ...cursors }: PageRequest,
  list: { isKey: (value: unknown) => value is K; keyOf: (row: Row) => K; read: ReadBetween<Row, K>; count?: () => Promise<number> },
): Promise<Page<Row>> {
  const [after, before] = [parseKey(cursors.after, list.isKey), parseKey(cursors.before, list.isKey)];
  const rows = await list.read({ after, before, backward, limit: size + 1 });
  const page = rows.slice(0, size);
  const [start, end] = backward ? [before, after] : [after, before];
  const [nearest, furthest] = [rows[0], page.at(-1)];
  const hasMoreAhead = rows.length > size || (end !== null && (await exists(furthest ? list.keyOf(furthest) : start, backward)));
  const hasMoreBehind = start !== null && (await exists(nearest ? list.keyOf(nearest) : end, !backward));
  return {
    edges: (backward ? page.reverse() : page).map((node) => ({ cursor: toCursor(list.keyOf(node)), node })),
    hasNextPage: backward ? hasMoreBehind : hasMoreAhead,
    hasPreviousPage: backward ? hasMoreAhead : hasMoreBehind,
    ...(list.count ? { totalCount: list.count } : {}),
  };

  async function exists(from: K | null, towardsStart: boolean): Promise<boolean> {
    return (await list.read({ after: towardsStart ? null : from, before: towardsStart ? from : null, backward: towardsStart, limit: 1 })).length > 0;
  }
}

/** The page at the start of a list, from its rows read with one more than asked for: many lists can then be read at once. */
export const firstPage = <Row>(rows: readonly Row[], size: number, list: { keyOf: (row: Row) => Key; count?: () => Promise<number> }): Page<Row> => ({
  edges: rows.slice(0, size).map((node) => ({ cursor: toCursor(list.keyOf(node)), node })),
  hasNextPage: rows.length > size,
  hasPreviousPage: false,
  ...(list.count ? { totalCount: list.count } : {}),
});

/** Parts of a key as they come from a cursor: whatever a client sends there reaches the database. */
export const isWhole = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;
/** A number of the event log. */
export const isPosition = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
export const isTime = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0 && (value as number) < 253_402_300_800_000;
export const isText = (value: unknown): value is string => typeof value === 'string' && value.length <= 3000 && value.isWellFormed() && !value.includes('\0');

/** The cursor of a key, and back: BAD_REQUEST for what is none of this list. */
export const toCursor = (key: Key): string => Buffer.from(JSON.stringify(key)).toString('base64url');

export function parseKey<K extends Key>(cursor: string | null, isKey: (value: unknown) => value is K): K | null {
  if (cursor === null) return null;
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor.slice(0, 12_000), 'base64url').toString('utf8'));
    if (Array.isArray(key) && isKey(key)) return key;
  } catch {
    // Not JSON: answered below like any other text that is no cursor.
  }
  throw new AppError('BAD_REQUEST', undefined, 'This is not a cursor of this list.');
}
