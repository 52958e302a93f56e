/** Pages of lists, by keyset: a row's cursor is its sort key, so a page costs the same wherever it is. */

/** So many, in this direction, between two cursors (exclusive). */
export type PageRequest = { size: number; backward: boolean; after: string | null; before: string | null };

/** Rows in list order with their cursors. */
export type Page<Row> = { edges: { cursor: string; node: Row }[]; hasNextPage: boolean; hasPreviousPage: boolean; totalCount?: () => Promise<number> };
