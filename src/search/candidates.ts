/**
 * What the index names for a search, newest first. Never a long statement: on SQLite it looks through stretches of ids, and through a larger one the faster it was;
 * on PostgreSQL at the newest messages one by one, where a word that many have is found soon, and then at all that the index has of a rarer one.
 */

import { type MessageId, toMessageId } from '../ids.ts';
import type { Condition } from '../storage/conditions.ts';
import type { Database } from '../storage/database.ts';
import type { Param } from '../storage/sql.ts';
import type { LookUp } from './analyser.ts';
import type { Words } from './query.ts';

/** What the index is asked for: all of `all`, and one of `some` if there are any. Nothing at all: every message. */
export type Asked = { all: readonly LookUp[]; some: readonly LookUp[] };
/** What must be true of a message `m` besides: otherwise it is none of those that are looked at; and whether it may be read. Of PostgreSQL's the text is looked at by who asked. */
export type Checked = { words: Words; withLink: boolean; narrow: readonly Condition[]; readable: readonly Condition[] };
/** `ids` are worth a closer look. Everything from `lookedTo` on has been looked at, `count` of which the index had named. */
export type Found = { ids: MessageId[]; lookedTo: number; count: number };

const firstStretch = 200_000;
const quickMs = 5;
const slowMs = 20;
const rowsAtFirst = 2_000;
const rowsAtMost = 16_000;
/** Of so many rows looked at one by one, at least these must be named: otherwise the index is asked. */
const worthWalking = 20;
/** When so few of those that were looked at are worth a closer look, the chats become a part of what the index is asked: that costs it some milliseconds. */
const worthNaming = 0.1;

/** Between two ids: from `high` (exclusive) down to `low` (inclusive). Each call of `next` goes on behind the last one. */
export function createCandidates({ db, asked: { all, some }, checked, high, low }: { db: Database; asked: Asked; checked: Checked; high: number; low: number }) {
  const [narrow, readable] = [checked.narrow, checked.readable].map((conditions) => ({
    text: conditions.map(([text]) => ` AND ${text}`).join(''),
    params: conditions.flatMap(([, ...values]) => values),
  })) as [{ text: string; params: Param[] }, { text: string; params: Param[] }];
  let asked: Asked = { all, some: all.length > 0 ? [] : some };
  let at = high;
  let stretch = firstStretch;
  let scale = 1;
  let how: 'by rows' | 'by index' = 'by rows';
  let rowsAtOnce = rowsAtFirst;
  return { next: db.engine === 'sqlite' ? nextInSqlite : nextInPostgres, isOver: () => at <= low };

  async function nextInSqlite(most: number): Promise<Found> {
    const isAny = asked.all.length + asked.some.length === 0;
    const from = Math.max(low, at - stretch);
    const limit = Math.max(1, Math.round(most * scale));
    const joined = narrow.text === '' || isAny ? ['', narrow.text] : [' CROSS JOIN "Message" m', ` AND m."id" = n.rowid${narrow.text}`];
    const named = isAny
      ? `SELECT m."id" FROM "Message" m WHERE m."id" < ? AND m."id" >= ?${joined[1]} ORDER BY m."id" DESC LIMIT ?`
      : `SELECT n.rowid AS "id" FROM "MessageIndex" n${joined[0]} WHERE n."MessageIndex" MATCH ? AND n.rowid < ? AND n.rowid >= ?${joined[1]} ORDER BY n.rowid DESC LIMIT ?`;
    const startedAt = performance.now();
    const rows = await db.scan.all<{ id: MessageId; fits: number }>(
      `SELECT i."id", m."id" IS NOT NULL AS "fits" FROM (${named}) i
       LEFT JOIN "Message" m ON m."id" = i."id" AND m."deletedAt" IS NULL${readable.text} AND searchHolds(m."text", ?, ?)`,
      [...(isAny ? [] : [toMatch(asked)]), at, from, ...narrow.params, limit, ...readable.params, JSON.stringify(checked.words), checked.withLink],
    );
    const tookMs = performance.now() - startedAt;
    at = rows.length === limit ? rows.reduce((least, { id }) => Math.min(least, id), at) : from;
    // Which of both it was that took long is not known.
    if (tookMs < quickMs) [stretch, scale] = [Math.min(4 * stretch, Number.MAX_SAFE_INTEGER), Math.min(4, 2 * scale)];
    else if (tookMs > slowMs) [stretch, scale] = [Math.max(1_000, Math.round(stretch / 2)), Math.max(0.05, scale / 2)];
    return foundIn(rows, rows.length);
  }

  async function nextInPostgres(most: number): Promise<Found> {
    const isAny = asked.all.length + asked.some.length === 0;
    const named = isAny ? 'true' : 'x."terms" @@ ?::tsquery';
    const query: Param[] = isAny ? [] : [toTsquery(asked)];
    const joined = `LEFT JOIN "Message" m ON m."id" = i."id" AND m."deletedAt" IS NULL${narrow.text}`;
    const fits = `m."id" IS NOT NULL AS "counts", m."id" IS NOT NULL${readable.text} AS "fits"`;
    type Row = { id: MessageId; named: boolean; counts: boolean; fits: boolean };
    if (how === 'by index') {
      const rows = await db.scan.all<Row>(
        `WITH x AS MATERIALIZED (SELECT x."id" FROM "MessageIndex" x WHERE ${named})
         SELECT i."id", true AS "named", ${fits} FROM (SELECT x."id" FROM x WHERE x."id" < ? AND x."id" >= ? ORDER BY x."id" DESC LIMIT ?) i ${joined} ORDER BY i."id" DESC`,
        [...query, ...readable.params, at, low, most, ...narrow.params],
      );
      at = rows.length === most ? Number(rows.at(-1)?.id) : low;
      return foundIn(rows, rows.filter(({ counts }) => counts).length);
    }
    const rows = await db.scan.all<Row>(
      `SELECT i."id", i."named", ${fits} FROM (
         SELECT w."id", w."named", row_number() OVER (ORDER BY w."id") AS "place" FROM (
           SELECT x."id", ${named} AS "named" FROM "MessageIndex" x WHERE x."id" < ? AND x."id" >= ? ORDER BY x."id" DESC LIMIT ?) w) i
       ${joined} AND i."named" WHERE i."named" OR i."place" = 1 ORDER BY i."id" DESC`,
      [...readable.params, ...query, at, low, rowsAtOnce, ...narrow.params],
    );
    at = rows.length > 0 ? Number(rows.at(-1)?.id) : low;
    const count = rows.filter(({ counts }) => counts).length;
    if (!isAny && rows.filter((row) => row.named).length < worthWalking) how = 'by index';
    // None of these is meant.
    else if (count === 0) rowsAtOnce = Math.min(rowsAtMost, 2 * rowsAtOnce);
    return foundIn(rows, count);
  }

  function foundIn(rows: readonly { id: MessageId; fits: number | boolean }[], count: number): Found {
    const ids = rows.filter(({ fits }) => fits).map(({ id }) => toMessageId(id));
    if (asked.some.length === 0 && some.length > 0 && ids.length < worthNaming * count) [asked, how] = [{ all, some }, 'by index'];
    return { ids: ids.sort((a, b) => b - a), lookedTo: at, count };
  }
}

/** In the language of FTS5: whatever a term holds, it stands in quotes, and no term holds one. */
export function toMatch({ all, some }: Asked): string {
  const quoted = ({ term, isPrefix }: LookUp): string => `"${term}"${isPrefix ? ' *' : ''}`;
  return [...all.map(quoted), ...(some.length > 0 ? [`(${some.map(quoted).join(' OR ')})`] : [])].join(' AND ');
}

/** The same for PostgreSQL. */
export function toTsquery({ all, some }: Asked): string {
  const quoted = ({ term, isPrefix }: LookUp): string => `'${term}'${isPrefix ? ':*' : ''}`;
  return [...all.map(quoted), ...(some.length > 0 ? [`(${some.map(quoted).join(' | ')})`] : [])].join(' & ');
}
