/** Brings stored keys in line after `foldName` has become another one, so that what was stored before is still found and stays unique. */
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import type { Sql } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import { foldingVersion, foldName } from './names.ts';

/** A table with an `id`, and its key columns with the columns that they are folded from. */
export type FoldedTable = { name: string; keys: Record<string, string>; unique: readonly string[] };

export const foldedAccounts: FoldedTable = { name: 'User', keys: { displayNameKey: 'displayName', emailKey: 'email' }, unique: ['emailKey'] };

const rowsAtOnce = 200;

type Row = { id: number } & Record<string, string | null>;

/** Once for each version, before anybody is served, in bounded pieces; after a crash it goes on where it was. A unique key that another row has by now stays as it is. */
export async function foldAnew({ db, log }: { db: Database; log: Log }, tables: readonly FoldedTable[]): Promise<void> {
  for (const table of tables) {
    let changed = 0;
    for (let more = true; more; await yieldWhenLong()) {
      const piece = await db.sqlTransaction((sql) => foldSome(sql, table));
      changed += piece.changed;
      more = piece.more;
    }
    if (changed > 0) log.info({ table: table.name, changed }, 'names are compared in another way now: their keys were made anew');
  }
}

async function foldSome(sql: Sql, { name, keys, unique }: FoldedTable): Promise<{ changed: number; more: boolean }> {
  const [position] = await sql.all<{ upToId: number | null }>('SELECT "upToId" FROM "Folding" WHERE "tableName" = ? AND "version" = ?', [name, foldingVersion]);
  if (position?.upToId === null) return { changed: 0, more: false };
  const columns = [...Object.keys(keys), ...Object.values(keys)].map((column) => `"${column}"`).join(', ');
  const rows = await sql.all<Row>(`SELECT "id", ${columns} FROM "${name}" WHERE "id" > ? ORDER BY "id" LIMIT ?`, [position?.upToId ?? 0, rowsAtOnce]);
  let changed = 0;
  for (const row of rows) {
    for (const [key, column] of Object.entries(keys)) {
      const text = row[column] ?? null;
      const folded = text === null ? null : foldName(text);
      if (folded === null || folded === row[key]) continue;
      const free = unique.includes(key) ? `AND NOT EXISTS (SELECT 1 FROM "${name}" o WHERE o."${key}" = ?)` : '';
      await sql.all(`UPDATE "${name}" SET "${key}" = ? WHERE "id" = ? ${free}`, [folded, row.id, ...(free ? [folded] : [])]);
      changed++;
    }
  }
  const more = rows.length === rowsAtOnce;
  await sql.all(
    'INSERT INTO "Folding" ("tableName", "version", "upToId") VALUES (?, ?, ?) ON CONFLICT ("tableName") DO UPDATE SET "version" = excluded."version", "upToId" = excluded."upToId"',
    [name, foldingVersion, more ? (rows.at(-1)?.id ?? null) : null],
  );
  return { changed, more };
}
