/**
 * Prepared statements beside Prisma, for what every screen asks and what runs in pieces: docs/decisions/prepared-statements.md says what each costs and which to take.
 * One text serves both engines: `?` for parameters, and the pieces below where SQLite and PostgreSQL write a thing differently.
 */
import type Sqlite from 'better-sqlite3';
import type { Bound } from './crossing.ts';

export type Engine = 'sqlite' | 'postgresql';
export type Value = string | number | bigint | boolean | Date | null;
export type Param = Value | readonly Value[] | readonly Record<string, Value>[];

/** A connection, or one inside a transaction. Dates go in as Date and come out through `toDate`. With an empty list as a parameter nothing is run: it can have no rows. */
export type Sql = {
  engine: Engine;
  all<Row>(text: string, params: readonly Param[]): Promise<Row[]>;
  /** Runs a statement once for each list of parameters: where the database is in the same thread, and a list as JSON costs more than that. */
  each?(text: string, rows: readonly (readonly Value[])[]): void;
};

/** `column` is one of a list given as one parameter. */
export const oneOfList = (engine: Engine, column: string, type: 'int' | 'bigint' | 'text' = 'int'): string =>
  engine === 'sqlite' ? `${column} IN (SELECT value FROM json_each(?))` : `${column} = ANY(?::${type}[])`;

/** `column` holds the text given as one parameter. LIKE, and with it Prisma's `contains`, would read `%` and `_` in that text as wildcards. */
export const containsText = (engine: Engine, column: string): string => `${engine === 'sqlite' ? 'instr' : 'strpos'}(${column}, ?) > 0`;

type ColumnType = 'int' | 'bigint' | 'text' | 'date' | 'boolean';
/** A list of objects given as one parameter, as a table `name` with these columns. */
export function tableOf(engine: Engine, name: string, columns: Readonly<Record<string, ColumnType>>): string {
  const entries = Object.entries(columns);
  if (engine === 'sqlite') return `(SELECT ${entries.map(([column]) => `value->>'${column}' AS "${column}"`).join(', ')} FROM json_each(?)) ${name}`;
  return `json_to_recordset(?::json) AS ${name}(${entries.map(([column, type]) => `"${column}" ${type === 'date' ? 'timestamptz' : type}`).join(', ')})`;
}

type Insert = { names: string[]; one: string; many: string };
const inserts: Record<Engine, WeakMap<object, Insert>> = { sqlite: new WeakMap(), postgresql: new WeakMap() };
/** Stores these columns of rows. `columns` must be one object for all calls. */
export async function insertRows<Column extends string>(
  sql: Sql,
  table: string,
  columns: Readonly<Record<Column, ColumnType>>,
  rows: readonly Readonly<Record<NoInfer<Column>, Value>>[],
): Promise<void> {
  const known = inserts[sql.engine];
  let insert = known.get(columns);
  if (!insert) known.set(columns, (insert = insertOf(sql.engine, table, columns)));
  const { names, one, many } = insert;
  if (rows.length === 0) return;
  if (sql.each) {
    sql.each(
      one,
      rows.map((row) => names.map((name) => row[name as Column])),
    );
  } else await sql.all(many, [rows.map((row) => Object.fromEntries(names.map((name) => [name, row[name as Column]])))]);
}

function insertOf(engine: Engine, table: string, columns: Readonly<Record<string, ColumnType>>): Insert {
  const names = Object.keys(columns);
  const listed = names.map((name) => `"${name}"`).join(', ');
  const into = `INSERT INTO "${table}" (${listed})`;
  return { names, one: `${into} VALUES (${names.map(() => '?').join(', ')})`, many: `${into} SELECT ${listed} FROM ${tableOf(engine, 't', columns)}` };
}

/** The greater, and the lesser, of two that are not null. */
export const greater = (engine: Engine, a: string, b: string): string => `${engine === 'sqlite' ? 'max' : 'GREATEST'}(${a}, ${b})`;
export const lesser = (engine: Engine, a: string, b: string): string => `${engine === 'sqlite' ? 'min' : 'LEAST'}(${a}, ${b})`;

/** Locks the rows a SELECT returns until the transaction ends. SQLite has one writer: nothing to lock. */
export const forUpdate = (engine: Engine): string => (engine === 'sqlite' ? '' : 'FOR NO KEY UPDATE');

/** A time column as the engines give it: milliseconds from SQLite, a Date from PostgreSQL. */
export const toDate = (value: unknown): Date => (value instanceof Date ? value : new Date(Number(value)));
export const toDateOrNull = (value: unknown): Date | null => (value === null ? null : toDate(value));

/** Every statement is prepared once per connection and kept: callers must not build texts from data. */
export function sqliteSql(connection: Sqlite.Database, count: () => void): Sql {
  const prepared = new Map<string, Sqlite.Statement>();
  const statementOf = (text: string): Sqlite.Statement => {
    let statement = prepared.get(text);
    if (!statement) prepared.set(text, (statement = connection.prepare(text)));
    count();
    return statement;
  };
  return {
    engine: 'sqlite',
    each(text, rows) {
      const statement = statementOf(text);
      for (const row of rows) statement.run(row.map(toSqlite));
    },
    async all<Row>(text: string, params: readonly Param[]): Promise<Row[]> {
      if (params.some(isEmptyList)) return [];
      const statement = statementOf(text);
      const values = params.map(toSqlite);
      // One for each `?` of the text.
      if (statement.reader) return statement.all(values) as Row[];
      statement.run(values);
      return [];
    },
  };
}

/** The same inside a transaction of Prisma, which counts for itself. */
export function prismaSql(tx: { $queryRawUnsafe<T>(text: string, ...values: unknown[]): Promise<T> }, engine: Engine): Sql {
  return {
    engine,
    async all<Row>(text: string, params: readonly Param[]): Promise<Row[]> {
      if (params.some(isEmptyList)) return [];
      const values = params.map((param) => (engine === 'sqlite' ? toSqlite(param) : toPostgres(param)));
      // biome-ignore lint/plugin: one for each `?` of the text
      return tx.$queryRawUnsafe<Row[]>(engine === 'sqlite' ? text : numberedText(text).text, ...values);
    },
  };
}

export const isEmptyList = (param: Param): boolean => Array.isArray(param) && param.length === 0;

/** As SQLite takes it, and JSON. */
export function toSqlite(param: Param): Bound {
  if (param instanceof Date) return param.getTime();
  if (typeof param === 'boolean') return param ? 1 : 0;
  if (typeof param === 'bigint') return Number(param);
  if (param !== null && typeof param === 'object') return JSON.stringify(param, dateAsMilliseconds);
  return param;
}
function dateAsMilliseconds(this: Record<string, unknown>, key: string, value: unknown): unknown {
  const raw = this[key];
  return raw instanceof Date ? raw.getTime() : bigintAsNumber(key, value);
}
const bigintAsNumber = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? Number(value) : value);

const numbered = new Map<string, { name: string; text: string }>();

/** PostgreSQL numbers its parameters, and keeps a statement prepared under a name. */
export function numberedText(text: string): { name: string; text: string } {
  let query = numbered.get(text);
  if (!query) {
    let position = 0;
    query = { name: `s${numbered.size}`, text: text.replaceAll('?', () => `$${++position}`) };
    numbered.set(text, query);
  }
  return query;
}

/** A list of objects becomes JSON, a list of values an array. */
export function toPostgres(param: Param): unknown {
  const isTable = Array.isArray(param) && typeof param[0] === 'object' && param[0] !== null && !(param[0] instanceof Date);
  return isTable ? JSON.stringify(param, bigintAsNumber) : param;
}

/**
 * Whoever took a row of a queue did so for as long as its lease runs. On SQLite there is one server, and when it starts nobody else is at work: what was taken
 * is due again.
 */
export async function freeClaims(db: { engine: Engine; sqlTransaction<T>(job: (sql: Sql) => Promise<T>): Promise<T> }, queue: string, leaseMs: number, now: Date): Promise<void> {
  if (db.engine !== 'sqlite') return;
  await db.sqlTransaction((sql) =>
    sql.all(`UPDATE "${queue}" SET "nextTryAt" = ? WHERE "tries" > 0 AND "nextTryAt" > ? AND "nextTryAt" <= ?`, [now, now, new Date(now.getTime() + leaseMs)]),
  );
}
