/** Paged lists: their arguments, their answers, and their weight. */
import { AppError } from '../errors.ts';
import type { Page, PageRequest } from '../storage/page.ts';

export type PageArgs = { first?: number | null | undefined; last?: number | null | undefined; after?: string | null | undefined; before?: string | null | undefined };

export const maxPageSize = 100;
const defaultPageSize = 50;

/** Checks paging arguments. `first` with `last`, a negative count, or more than 100 is BAD_REQUEST. */
export function pageRequest(args: PageArgs): PageRequest {
  const { first, last } = args;
  if (first != null && last != null) throw new AppError('BAD_REQUEST', undefined, 'Give either `first` or `last`, not both.');
  const size = first ?? last ?? defaultPageSize;
  if (size < 0 || size > maxPageSize) throw new AppError('BAD_REQUEST', undefined, `A page has from 0 to ${maxPageSize} items.`);
  return { size, backward: last != null || (first == null && args.before != null && args.after == null), after: args.after ?? null, before: args.before ?? null };
}

/** A page in the shape of the Relay connection types. */
export function toConnection<Row>(page: Page<Row>) {
  return {
    edges: page.edges,
    pageInfo: { hasNextPage: page.hasNextPage, hasPreviousPage: page.hasPreviousPage, startCursor: page.edges[0]?.cursor ?? null, endCursor: page.edges.at(-1)?.cursor ?? null },
    totalCount: page.totalCount,
  };
}

/** For `totalCount` of a connection: the length of the whole list, or null where it is not counted. */
export const countOf = (connection: unknown): Promise<number> | null => (connection as Pick<Page<unknown>, 'totalCount'>).totalCount?.() ?? null;

/** The weight of a page: the number of its items times what is selected of each. */
export const pageComplexity = (args: PageArgs): { field: number; multiplier: number } => ({
  field: 1,
  multiplier: Math.max(1, Math.min(maxPageSize, args.first ?? args.last ?? defaultPageSize)),
});

/** The weight of a search: it may read everything there is, whatever its page shows. */
const searchWeight = 400;

/** The same for a list that is searched when `isSearch` says so. */
export const searchComplexity = (args: PageArgs, isSearch: boolean): { field: number; multiplier: number } => ({ ...pageComplexity(args), field: isSearch ? searchWeight : 1 });
