/** Before the tests on PostgreSQL: one cluster for all of them, and a database with all migrations that the tests' own ones are copied from. */
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { type Postgres, startPostgres } from '../../scripts/embedded-postgres.ts';
import { readConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { openDatabase } from '../../src/storage/database.ts';

/** Where the tests find PostgreSQL, or why it is not there. */
export type PostgresPlace = { url: string; template: string } | { unavailable: string };

declare module 'vitest' {
  interface ProvidedContext {
    postgres: PostgresPlace;
  }
}

const template = 'tertulia_template';
/** Fast rather than safe: what a test stores need not outlive it. Tests of durability start a cluster of their own. */
const settings = [
  'fsync=off',
  'full_page_writes=off',
  'synchronous_commit=off',
  'wal_level=minimal',
  'max_wal_senders=0',
  'max_connections=500',
  'shared_buffers=64MB',
  'autovacuum=off',
  'jit=off',
];

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let postgres: Postgres | null = null;
  try {
    postgres = await startPostgres(settings);
    await makeTemplate(postgres);
    project.provide('postgres', { url: postgres.url('postgres'), template });
  } catch (error) {
    await postgres?.[Symbol.asyncDispose]();
    postgres = null;
    const unavailable = `PostgreSQL cannot be started on this machine: ${(error as Error).message}`;
    console.warn(`The tests on PostgreSQL are skipped. ${unavailable}`);
    project.provide('postgres', { unavailable });
  }
  return async () => postgres?.[Symbol.asyncDispose]();
}

async function makeTemplate(postgres: Postgres): Promise<void> {
  const admin = new pg.Client(postgres.url('postgres'));
  await admin.connect();
  // Sorts as people do, and not by code points: what depends on the order of texts shows.
  await admin.query(`CREATE DATABASE ${template} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'`);
  await admin.end();
  const config = readConfig({ DATABASE_URL: postgres.url(template), LOG_LEVEL: 'silent' });
  await (await openDatabase(config, createLog(config))).close();
  const client = new pg.Client(postgres.url(template));
  await client.connect();
  // Each copy is a log of its own.
  await client.query('DELETE FROM "EventHead"');
  await client.end();
}
