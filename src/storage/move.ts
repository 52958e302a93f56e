/** Copies the database of a stopped SQLite server into an empty PostgreSQL one. Ids, cursors, retries and sessions stay as they are: clients notice a restart. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import { openDatabase } from './database.ts';
import { DatabaseError } from './migrate.ts';
import { openDirect } from './postgresql.ts';

type Value = string | number | bigint | null;
type Column = { name: string; type: string };
export type Moved = { table: string; rows: number };

const rowsAtOnce = 2_000;
/** Of the engine, and what servers on PostgreSQL write anew: what messages are searched in is made by the first of them. */
const notMoved = /^(sqlite_.*|_prisma_migrations|Node|Attendance|Tally|MessageIndex(_.*)?|SearchProgress)$/;

/**
 * All in one transaction, and read again before it is committed: when it fails, the target is as empty as before. The source is only read, apart from migrations
 * that it has not had. Throws DatabaseError when a server runs on it, or when something is in the target.
 */
export async function moveToPostgres(config: Config, target: Config, log: Log): Promise<Moved[]> {
  if (!config.DATABASE_URL.startsWith('file:')) throw new DatabaseError('This command moves the embedded SQLite database: DATABASE_URL must name that.');
  if (target.DATABASE_URL.startsWith('file:')) throw new DatabaseError('Say where to: npm run move -- --to postgresql://user:password@host/database');
  const file = resolve(config.DATA_DIR, config.DATABASE_URL.slice('file:'.length));
  if (!existsSync(file)) throw new DatabaseError(`There is no database at ${config.DATABASE_URL} in DATA_DIR.`);
  await using opened = new AsyncDisposableStack();
  // Keeps servers away from it, too.
  const locked = await openDatabase(config, log);
  opened.defer(locked.close);
  const made = await openDatabase(target, log);
  await made.close();
  const source = new Sqlite(file, { readonly: true });
  opened.defer(() => void source.close());
  source.defaultSafeIntegers(true);
  const client = openDirect(target.DATABASE_URL, { name: 'tertulia-move', settings: ['idle_in_transaction_session_timeout=0', 'statement_timeout=0'], patienceMs: 0 });
  await client.connect();
  opened.defer(() => client.end());
  const ask = async <Row>(text: string, values: unknown[] = []): Promise<Row[]> => (await client.query({ text, values })).rows as Row[];

  await ask('BEGIN ISOLATION LEVEL SERIALIZABLE');
  const tables = inOrder(source);
  for (const table of tables) {
    if (table !== 'EventHead' && (await ask(`SELECT 1 FROM "${table}" LIMIT 1`)).length > 0)
      throw new DatabaseError(`The target is not empty: there is something in ${table}. Give the move a database of its own, on which no server was started.`);
  }
  await ask('DELETE FROM "EventHead"');
  const moved: Moved[] = [];
  for (const table of tables) {
    const columns = await ask<Column>(
      `SELECT attname AS "name", format_type(atttypid, NULL) AS "type" FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      [`"${table}"`],
    );
    const names = columns.map(({ name }) => `"${name}"`).join(', ');
    const insert = `INSERT INTO "${table}" (${names}) SELECT * FROM unnest(${columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ')})`;
    let given = 0n;
    let rows: Value[][] = [];
    const flush = async (): Promise<void> => {
      if (rows.length > 0)
        await ask(
          insert,
          columns.map((column, index) => rows.map((row) => toPostgres(row[index] ?? null, column))),
        );
      rows = [];
    };
    let count = 0;
    for (const row of source.prepare(`SELECT ${names} FROM "${table}"`).raw().iterate() as Iterable<Value[]>) {
      given += digest(row.map((value) => (value === null ? null : String(value))));
      count++;
      if (rows.push(row) === rowsAtOnce) await flush();
    }
    await flush();
    // Read again as SQLite would have it: a sum of digests does not depend on the order.
    let [stored, storedCount] = [0n, 0];
    await ask(`DECLARE again CURSOR FOR SELECT ${columns.map(asInSqlite).join(', ')} FROM "${table}"`);
    for (;;) {
      const { rows: piece } = await client.query<(string | null)[]>({ text: `FETCH ${rowsAtOnce} FROM again`, rowMode: 'array' });
      for (const row of piece) stored += digest(row);
      storedCount += piece.length;
      if (piece.length === 0) break;
    }
    await ask('CLOSE again');
    if (storedCount !== count || stored !== given) throw new DatabaseError(`${table} is not the same in the target (${count} rows, and ${storedCount}). Nothing was moved.`);
    moved.push({ table, rows: count });
  }
  // An id that was given once is not given again, also one of what was deleted.
  for (const { name, seq } of source.prepare('SELECT name, seq FROM sqlite_sequence WHERE seq > 0').all() as { name: string; seq: bigint }[])
    if (tables.includes(name)) await ask(`SELECT setval(pg_get_serial_sequence($1, 'id'), $2)`, [`"${name}"`, String(seq)]);
  await ask('COMMIT');
  await ask('ANALYZE');
  return moved;
}

/** Tables, each behind those that it refers to. */
function inOrder(source: Sqlite.Database): string[] {
  const names = (source.prepare(`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`).all() as { name: string }[])
    .map(({ name }) => name)
    .filter((name) => !notMoved.test(name));
  const ordered = new Set<string>();
  const add = (name: string): void => {
    if (ordered.has(name)) return;
    const referred = (source.prepare(`SELECT "table" AS name FROM pragma_foreign_key_list(?)`).all(name) as { name: string }[]).map((row) => row.name);
    for (const other of referred) if (other !== name) add(other);
    ordered.add(name);
  };
  for (const name of names) add(name);
  return [...ordered];
}

/** SQLite has times in milliseconds, and truth as 0 and 1. */
function toPostgres(value: Value, { type }: Column): string | boolean | null {
  if (value === null) return null;
  if (type === 'boolean') return Number(value) !== 0;
  if (type.startsWith('timestamp')) return new Date(Number(value)).toISOString();
  return String(value);
}

const asInSqlite = ({ name, type }: Column): string => {
  if (type === 'boolean') return `CAST(CAST("${name}" AS int) AS text)`;
  if (type.startsWith('timestamp')) return `CAST(CAST(extract(epoch FROM "${name}") * 1000 AS bigint) AS text)`;
  return `CAST("${name}" AS text)`;
};

const digest = (row: readonly (string | null)[]): bigint => createHash('sha256').update(JSON.stringify(row)).digest().readBigUInt64BE();
