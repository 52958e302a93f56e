/** Migrations: what they make is what the model says, whole or not at all, and once. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { PrismaPg } from '@prisma/adapter-pg';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { modelFile } from '../../scripts/prisma-schema.ts';
import { diff } from '../../scripts/schema-engine.ts';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { openDatabase } from '../../src/storage/database.ts';
import { createDatabase, engine } from '../kit/engine.ts';
import { request, type Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer, temporaryFolder } from '../kit/server.ts';

type Row = Record<string, unknown>;

/** A place without a database of ours, and statements on it beside the server. */
async function openEmpty() {
  const folder = await temporaryFolder();
  const url = engine === 'sqlite' ? 'file:tertulia.db' : await createDatabase({ empty: true });
  const file = join(folder.path, 'tertulia.db');
  return {
    file,
    config: readConfig({ DATA_DIR: folder.path, DATABASE_URL: url, LOG_LEVEL: 'silent' }),
    async run(text: string): Promise<Row[]> {
      if (engine === 'sqlite') {
        const connection = new Sqlite(file);
        const statement = connection.prepare(text);
        const rows = statement.reader ? statement.all() : [];
        if (!statement.reader) statement.run();
        connection.close();
        return rows as Row[];
      }
      return onPostgres(url, text);
    },
    /** Several statements. */
    async exec(script: string): Promise<void> {
      if (engine === 'sqlite') new Sqlite(file).exec(script).close();
      else await onPostgres(url, script);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function onPostgres(url: string, text: string): Promise<Row[]> {
  const connection = new pg.Client(url);
  await connection.connect();
  const { rows } = await connection.query(text);
  await connection.end();
  return rows;
}

/** Every column, index and constraint in a line of its own; not the order of columns, nor what a model cannot say. */
async function shapeOf({ run }: Awaited<ReturnType<typeof openEmpty>>): Promise<string[]> {
  const rows = await run(
    engine === 'sqlite'
      ? `SELECT m.name AS "on", c.name, CASE c.type WHEN 'BIGINT' THEN 'INTEGER' ELSE c.type END AS "type", c."notnull", c.dflt_value AS "default", c.pk FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'
         UNION ALL SELECT m.tbl_name, m.name, m.sql, 0, NULL, 0 FROM sqlite_master m WHERE m.type = 'index' AND m.sql IS NOT NULL
         UNION ALL SELECT m.name, f."from", f."table" || '.' || f."to" || ' ' || f.on_delete, 0, f.on_update, 0 FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`
      : `SELECT c.relname AS "on", a.attname AS "name", format_type(a.atttypid, a.atttypmod) AS "type", a.attnotnull::text AS "notnull", pg_get_expr(d.adbin, d.adrelid) AS "default"
           FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum WHERE a.attnum > 0 AND NOT a.attisdropped
         UNION ALL SELECT tablename, indexname, indexdef, NULL, NULL FROM pg_indexes WHERE schemaname = 'public'
         UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL FROM pg_constraint WHERE connamespace = 'public'::regnamespace`,
  );
  return (
    rows
      .map((row) => JSON.stringify(row))
      // What messages are searched in is of the engine, and in no model.
      .filter((row) => !/_prisma_migrations|MessageIndex/.test(row))
      .sort()
  );
}

const start = async (config: ReturnType<typeof readConfig>): Promise<string[]> => {
  const db = await openDatabase(config, createLog(config));
  const tables = await db.sql.all<{ name: string }>(
    engine === 'sqlite' ? `SELECT name FROM sqlite_master WHERE type = 'table'` : `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
    [],
  );
  await db.close();
  return tables.map(({ name }) => name);
};

describe('migrations', () => {
  it('make the database that the model describes', async () => {
    await using migrated = await openEmpty();
    await start(migrated.config);
    await using described = await openEmpty();
    const adapter = engine === 'sqlite' ? new PrismaBetterSqlite3({ url: ':memory:' }) : new PrismaPg(described.config.DATABASE_URL);
    await described.exec(await diff(engine, adapter, 'empty', { model: readFileSync(modelFile, 'utf8') }));
    const shape = await shapeOf(described);
    expect(shape.length).toBeGreaterThan(100);
    expect(await shapeOf(migrated)).toEqual(shape);
    await described.exec('ALTER TABLE "User" ADD COLUMN "more" TEXT');
    expect(await shapeOf(described)).not.toEqual(shape);
  });

  it('are recorded as Prisma records them, with what was applied', async () => {
    await using place = await openEmpty();
    await start(place.config);
    const rows = await place.run(
      'SELECT "migration_name", "checksum", "applied_steps_count", "rolled_back_at", "logs", "finished_at" FROM "_prisma_migrations" ORDER BY "migration_name"',
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { finished_at, ...row } of rows) {
      expect(finished_at).not.toBeNull();
      expect(row).toEqual({
        migration_name: expect.stringMatching(/^\d{14}_\w+$/),
        checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
        applied_steps_count: 1,
        rolled_back_at: null,
        logs: null,
      });
    }
    await start(place.config);
    expect(await place.run('SELECT "migration_name" FROM "_prisma_migrations"')).toHaveLength(rows.length);
  });

  it('leave nothing behind when one fails, and go on when the reason is gone', async () => {
    await using place = await openEmpty();
    // In the way of one of the last tables.
    await place.run('CREATE VIEW "EventHead" AS SELECT 1 AS "one"');
    await expect(start(place.config)).rejects.toThrow(/EventHead/);
    expect(
      await place.run(
        engine === 'sqlite' ? `SELECT count(*) AS "count" FROM sqlite_master WHERE name = 'User'` : `SELECT count(*)::int AS "count" FROM pg_tables WHERE tablename = 'User'`,
      ),
    ).toEqual([{ count: 0 }]);
    await place.run('DROP VIEW "EventHead"');
    expect(await start(place.config)).toContain('User');
  });

  it('are refused for a database that a newer program has changed', async () => {
    await using place = await openEmpty();
    await start(place.config);
    await place.run(`INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name", "finished_at") VALUES ('x', 'y', '29991231235959_later', CURRENT_TIMESTAMP)`);
    await expect(start(place.config)).rejects.toThrow('newer than this program: it has had the migration 29991231235959_later');
  });

  it.runIf(engine === 'postgresql')('are applied once when nodes start together, which then share one log and one set of keys', async () => {
    await using place = await openEmpty();
    const nodes = await Promise.all([0, 1, 2, 3].map(() => startTestServer({ DATABASE_URL: place.config.DATABASE_URL })));
    try {
      expect(await place.run(`SELECT "migration_name" FROM "_prisma_migrations" GROUP BY "migration_name" HAVING count(*) > 1`)).toEqual([]);
      const [first] = nodes as [TestServer];
      const { token } = await first.person();
      const ask = (node: TestServer, document: string): Promise<Untyped> => request(node, document, {}, { authorization: `Bearer ${token}` });
      const cursors = await Promise.all(nodes.map(async (node) => (await ask(node, '{ eventCursor }')).data.eventCursor));
      // What one of them says, each of them can go on from.
      const answers = await Promise.all(nodes.flatMap((node) => cursors.map((cursor) => ask(node, `{ sync(after: "${cursor}") { items { __typename } } }`))));
      expect(answers.flatMap(({ data, errors }) => errors ?? data.sync.items).filter(({ __typename }) => __typename === undefined || __typename === 'StreamGap')).toEqual([]);
    } finally {
      for (const node of nodes) await node[Symbol.asyncDispose]();
    }
  });
});
