/** Which engine the tests of this run are on, and a database on it for each data folder. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';

export const engine = process.env.TEST_ENGINE === 'postgresql' ? 'postgresql' : 'sqlite';

/** A table of more bytes is not emptied row by row. */
const mostDeleted = 262_144;
const databases = new Map<string, Promise<string>>();
/** Databases of tests that are over, empty again: making one takes ten times as long as emptying one. */
const free: string[] = [];

/** DATABASE_URL for a server with this data folder, the same each time: on SQLite the file in it, on PostgreSQL a database that is as empty. */
export async function databaseUrl(dataDir: string): Promise<string> {
  if (engine === 'sqlite') return '';
  let made = databases.get(dataDir);
  if (!made) {
    const emptied = free.pop();
    databases.set(dataDir, (made = emptied === undefined ? createDatabase() : Promise.resolve(emptied)));
  }
  return made;
}

/** Empties the database of a data folder for another test. Servers on it lose their connections. */
export async function freeDatabase(dataDir: string): Promise<void> {
  const made = databases.get(dataDir);
  databases.delete(dataDir);
  if (!made) return;
  const url = await made;
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()');
    const { rows } = await client.query<{ name: string; bytes: string }>(
      `SELECT quote_ident(relname) AS name, pg_relation_size(oid) AS bytes FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> '_prisma_migrations'`,
    );
    const used = rows.filter(({ bytes }) => bytes !== '0');
    // Truncating makes new files for each table and index: of the few rows that most tests write, deleting takes a tenth of the time.
    if (used.some(({ bytes }) => Number(bytes) > mostDeleted)) await client.query(`TRUNCATE ${rows.map(({ name }) => name).join(', ')} RESTART IDENTITY`);
    else {
      const deletes = used.map(({ name }) => `DELETE FROM ${name};`).join(' ');
      const restarts = "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S';";
      await client.query(`BEGIN; SET LOCAL session_replication_role = replica; ${deletes} ${restarts} COMMIT;`);
    }
    free.push(url);
  } finally {
    await client.end();
  }
}

/** A database on the cluster of this run: with all migrations, or an empty one. Gone with the cluster. */
export async function createDatabase({ empty = false }: { empty?: boolean } = {}): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  return asAdmin(async (admin, place) => {
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${empty ? 'template0' : place.template}`);
    const url = new URL(place.url);
    url.pathname = name;
    return url.href;
  });
}

/** A copy of a database that nobody is connected to, as a dump that is restored elsewhere makes it. */
export async function copyDatabase(url: string): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  return asAdmin(async (admin) => {
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${new URL(url).pathname.slice(1)}`);
    return Object.assign(new URL(url), { pathname: name }).href;
  });
}

async function asAdmin<T>(job: (admin: pg.Client, place: { url: string; template: string }) => Promise<T>): Promise<T> {
  // Here only: benches use the kit without vitest.
  const place = (await import('vitest')).inject('postgres');
  if ('unavailable' in place) throw new Error(place.unavailable);
  const admin = new pg.Client(place.url);
  await admin.connect();
  try {
    return await job(admin, place);
  } finally {
    await admin.end();
  }
}
