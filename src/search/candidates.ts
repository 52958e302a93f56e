/**
 * What the index names for a search, newest first. Never a long statement: on SQLite it looks through stretches of ids, and through a larger one the faster it was;
 * on PostgreSQL at the newest messages themselves, where a word that many have is found soon, and only then at all that the index has of a rarer one.
 */

import { type MessageId, toMessageId } from '../ids.ts';
import type { Condition } from '../storage/conditions.ts';
import type { Database } from '../storage/database.ts';
import type { Param } from '../storage/sql.ts';
import type { LookUp } from './analyser.ts';
import type { Words } from './query.ts';

/** What the index is asked for: all of `all`, and one of `some` if there are any. Nothing at all: every message. */
export type Asked = { all: readonly LookUp[]; some: readonly LookUp[] };
/** What must be true of a row besides. Of PostgreSQL's the text is looked at by who asked. */
export type Checked = { words: Words; withLink: boolean; conditions: readonly Condition[] };
/** `ids` are worth a closer look. Everything from `lookedTo` on has been looked at, `count` of which the index had named. */
export type Found = { ids: MessageId[]; lookedTo: number; count: number };

const firstStretch = 200_000;
const quickMs = 5;
const slowMs = 20;
const rowsAtFirst = 2_000;
/** Of so many rows looked at one by one, at least these must be named: otherwise the index is asked. */
const worthWalking = 20;

/** Between two ids: from `high` (exclusive) down to `low` (inclusive). Each call of `next` goes on behind the last one. */
export function createCandidates({ db, asked, checked, high, low }: { db: Database; asked: Asked; checked: Checked; high: number; low: number }) {
  const isAny = asked.all.length + asked.some.length === 0;
  const where = checked.conditions.map(([text]) => ` AND ${text}`).join('');
  const params = checked.conditions.flatMap(([, ...values]) => values);
  let at = high;
  let stretch = firstStretch;
  let scale = 1;
  let isRare = false;
  return { next: db.engine === 'sqlite' ? nextInSqlite : nextInPostgres, isOver: () => at <= low };

  async function nextInSqlite(most: number): Promise<Found> {
    const from = Math.max(low, at - stretch);
    const limit = Math.max(1, Math.round(most * scale));
    const source = isAny
      ? 'SELECT "id" FROM "Message" WHERE "id" < ? AND "id" >= ? ORDER BY "id" DESC LIMIT ?'
      : 'SELECT rowid AS "id" FROM "MessageIndex" WHERE "MessageIndex" MATCH ? AND rowid < ? AND rowid >= ? ORDER BY rowid DESC LIMIT ?';
    const startedAt = performance.now();
    const rows = await db.scan.all<{ id: MessageId; fits: number }>(
      `SELECT i."id", m."id" IS NOT NULL AS "fits" FROM (${source}) i LEFT JOIN "Message" m ON m."id" = i."id" AND m."deletedAt" IS NULL${where}
       AND searchHolds(m."text", ?, ?) ORDER BY i."id" DESC`,
      [...(isAny ? [] : [toMatch(asked)]), at, from, limit, ...params, JSON.stringify(checked.words), checked.withLink],
    );
    const tookMs = performance.now() - startedAt;
    at = rows.length === limit ? (rows.at(-1)?.id ?? from) : from;
    // Which of both it was that took long is not known.
    if (tookMs < quickMs) [stretch, scale] = [Math.min(4 * stretch, Number.MAX_SAFE_INTEGER), Math.min(4, 2 * scale)];
    else if (tookMs > slowMs) [stretch, scale] = [Math.max(1_000, stretch / 2), Math.max(0.05, scale / 2)];
    stretch = Math.round(stretch);
    return { ids: rows.filter(({ fits }) => fits).map(({ id }) => toMessageId(id)), lookedTo: at, count: rows.length };
  }

  async function nextInPostgres(most: number): Promise<Found> {
    const named = isAny ? 'true' : 'x."terms" @@ ?::tsquery';
    const query: Param[] = isAny ? [] : [toTsquery(asked)];
    if (isRare) {
      const rows = await db.scan.all<{ id: MessageId; fits: boolean }>(
        `WITH x AS MATERIALIZED (SELECT x."id" FROM "MessageIndex" x WHERE ${named})
         SELECT i."id", m."id" IS NOT NULL AS "fits" FROM (SELECT x."id" FROM x WHERE x."id" < ? AND x."id" >= ? ORDER BY x."id" DESC LIMIT ?) i
         LEFT JOIN "Message" m ON m."id" = i."id" AND m."deletedAt" IS NULL${where} ORDER BY i."id" DESC`,
        [...query, at, low, most, ...params],
      );
      at = rows.length === most ? Number(rows.at(-1)?.id ?? low) : low;
      return { ids: rows.filter(({ fits }) => fits).map(({ id }) => toMessageId(id)), lookedTo: at, count: rows.length };
    }
    const rows = await db.scan.all<{ id: MessageId; named: boolean; fits: boolean }>(
      `SELECT i."id", i."named", m."id" IS NOT NULL AS "fits" FROM (
         SELECT w."id", w."named", row_number() OVER (ORDER BY w."id") AS "place" FROM (
           SELECT x."id", ${named} AS "named" FROM "MessageIndex" x WHERE x."id" < ? AND x."id" >= ? ORDER BY x."id" DESC LIMIT ?) w) i
       LEFT JOIN "Message" m ON m."id" = i."id" AND i."named" AND m."deletedAt" IS NULL${where} WHERE i."named" OR i."place" = 1 ORDER BY i."id" DESC`,
      [...query, at, low, rowsAtFirst, ...params],
    );
    const count = rows.filter((row) => row.named).length;
    at = rows.length > 0 ? Number(rows.at(-1)?.id) : low;
    isRare = !isAny && count < worthWalking;
    return { ids: rows.filter(({ fits }) => fits).map(({ id }) => toMessageId(id)), lookedTo: at, count };
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
