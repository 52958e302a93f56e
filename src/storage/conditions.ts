/** Statements put together from conditions, each with its parameters; and lists of which a filter lets few through, read a bounded stretch at a time. */
import { yieldWhenLong } from '../turns.ts';
import { type Bounds, isPosition, isTime, type Key } from './page.ts';
import type { Param, Sql } from './sql.ts';

/** A condition with its parameters. Texts are fixed; what people send only ever is a parameter. */
export type Condition = [text: string, ...params: Param[]];

/** `end` is what stands behind the conditions, with its own parameters. */
export function selectWhere<Row>(sql: Sql, select: string, conditions: readonly Condition[], end = '', ...last: Param[]): Promise<Row[]> {
  const [text, ...params] = statementOf(select, conditions, end, last);
  return sql.all<Row>(text, params);
}

export const statementOf = (select: string, conditions: readonly Condition[], end: string, last: readonly Param[]): Condition => [
  `${select} WHERE ${conditions.map(([text]) => text).join(' AND ')} ${end}`,
  ...conditions.flatMap(([, ...params]) => params),
  ...last,
];

/** `from` is a FROM clause. */
export async function countWhere(sql: Sql, from: string, conditions: readonly Condition[]): Promise<number> {
  return Number((await selectWhere<{ count: number }>(sql, `SELECT COUNT(*) AS "count" ${from}`, conditions))[0]?.count ?? 0);
}

/** A place in a list of which the latest comes first: a time, and a number where times are the same. */
export type LatestKey = [at: number, id: number];
export const isLatestKey = (key: unknown): key is LatestKey => Array.isArray(key) && key.length === 2 && isTime(key[0]) && isPosition(key[1]);

/** A part of such a list: its conditions, and the order of its rows with their limit as the last parameter. */
export function latestFirst(time: string, id: string, { after, before, backward }: Omit<Bounds<LatestKey>, 'limit'>): { conditions: Condition[]; end: string } {
  const conditions: Condition[] = [];
  if (after) conditions.push([`(${time}, ${id}) < (?, ?)`, new Date(after[0]), after[1]]);
  if (before) conditions.push([`(${time}, ${id}) > (?, ?)`, new Date(before[0]), before[1]]);
  const order = backward ? 'ASC' : 'DESC';
  return { conditions, end: `ORDER BY ${time} ${order}, ${id} ${order} LIMIT ?` };
}

/** So many rows of a list one statement looks at. */
const stretchLength = 2_000;

/** A stretch of a list: from one key (exclusive) to another, `until` (inclusive). */
export type Stretch<K> = Bounds<K> & { until: K | null };

/** The key of the row so many places on, or null when there are not that many left. */
export type FindEdge<K> = (bounds: Bounds<K>, places: number) => Promise<K | null>;

/** The first rows between two keys that a filter lets through, without any statement that looks at more than a stretch. */
export async function walk<Row, K extends Key>(bounds: Bounds<K>, findEdge: FindEdge<K>, read: (stretch: Stretch<K>) => Promise<Row[]>): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const stretch of stretchesOf(bounds, findEdge)) {
    for (const row of await read({ ...stretch, limit: bounds.limit - rows.length })) rows.push(row);
    if (rows.length >= bounds.limit) break;
  }
  return rows;
}

/** How many rows of the whole list a filter lets through. */
export async function countByStretches<K extends Key>(findEdge: FindEdge<K>, count: (stretch: Stretch<K>) => Promise<number>): Promise<number> {
  let sum = 0;
  for await (const stretch of stretchesOf({ after: null, before: null, backward: false, limit: 0 }, findEdge)) sum += await count(stretch);
  return sum;
}

async function* stretchesOf<K extends Key>(bounds: Bounds<K>, findEdge: FindEdge<K>): AsyncGenerator<Stretch<K>> {
  const left = { ...bounds };
  for (;;) {
    const until = await findEdge(left, stretchLength);
    yield { ...left, until };
    if (until === null) return;
    left[bounds.backward ? 'before' : 'after'] = until;
    await yieldWhenLong();
  }
}
