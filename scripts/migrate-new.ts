/**
 * `npm run migrate:new -- <name>`: writes a migration for both engines from what changed in prisma/schema.prisma since the last one.
 * Uses Prisma's own schema engine as WebAssembly, so nothing is downloaded. `--check` only tells whether one is missing.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import { startPostgres } from './embedded-postgres.ts';
import { modelFile, type Provider, schemaFor } from './prisma-schema.ts';

const snapshotFile = 'prisma/migrations/schema.prisma';
const model = readFileSync(modelFile, 'utf8');
const before = existsSync(snapshotFile) ? readFileSync(snapshotFile, 'utf8') : null;
const argument = process.argv[2];

if (argument === '--check') {
  if (model !== before) throw new Error(`${modelFile} changed without a migration: run npm run migrate:new -- <name>`);
} else if (!argument || !/^[a-z0-9_]+$/.test(argument)) {
  throw new Error('Name the migration: npm run migrate:new -- <lower_case_name>');
} else {
  const name = `${new Date().toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}_${argument}`;
  for (const provider of ['sqlite', 'postgresql'] as const) {
    const folder = join('prisma/migrations', provider, name);
    mkdirSync(folder, { recursive: true });
    // SQLite makes a table's key its row id only when the column is declared INTEGER, which Prisma writes as BIGINT.
    writeFileSync(join(folder, 'migration.sql'), (await diff(provider)).replaceAll(provider === 'sqlite' ? 'BIGINT NOT NULL PRIMARY KEY' : '\0', 'INTEGER NOT NULL PRIMARY KEY'));
    writeFileSync(join('prisma/migrations', provider, 'migration_lock.toml'), `provider = "${provider}"\n`);
    console.log(folder);
  }
  writeFileSync(snapshotFile, model);
}

// Of the runtime; the compiler's library for it is the browser's.
declare const WebAssembly: { instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: object } }> };

async function diff(provider: Provider): Promise<string> {
  const engineFolder = pathToFileURL(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const wasm = await import(new URL(`schema_engine_bg.js?${provider}`, engineFolder).href);
  const bytes = readFileSync(new URL('schema_engine_bg.wasm', engineFolder));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': wasm });
  wasm.__wbg_set_wasm(instance.exports);
  (instance.exports as { __wbindgen_start(): void }).__wbindgen_start();
  // The engine compares two models, yet wants a server of the engine at hand.
  await using postgres = provider === 'postgresql' ? await startPostgres() : null;
  const adapter = postgres ? new PrismaPg(postgres.url('postgres')) : new PrismaBetterSqlite3({ url: ':memory:' });
  const to = [{ path: 'schema.prisma', content: schemaFor(provider, model) }];
  const from = before === null ? null : [{ path: 'schema.prisma', content: schemaFor(provider, before) }];
  const engine = await wasm.SchemaEngine.new({ datamodels: [['schema.prisma', to[0]?.content]] }, () => {}, bindMigrationAwareSqlAdapterFactory(adapter));
  const result = await engine.diff({
    from: from === null ? { tag: 'empty' } : { tag: 'schemaDatamodel', files: from, configDir: '.' },
    to: { tag: 'schemaDatamodel', files: to, configDir: '.' },
    script: true,
    shadowDatabaseUrl: null,
    exitCode: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  return result.stdout;
}
