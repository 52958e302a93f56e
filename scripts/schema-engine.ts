/** Prisma's own schema engine as WebAssembly: compares models without a downloaded binary. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { bindMigrationAwareSqlAdapterFactory, type SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import { type Provider, schemaFor } from './prisma-schema.ts';

// Of the runtime; the compiler's library for it is the browser's.
declare const WebAssembly: { instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: object } }> };

/** SQL that makes the database of one model out of that of another, or out of nothing. The engine wants a database at hand, which it leaves alone. */
export async function diff(provider: Provider, adapter: SqlMigrationAwareDriverAdapterFactory, from: 'empty' | { model: string }, to: { model: string }): Promise<string> {
  const engineFolder = pathToFileURL(createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm'));
  const wasm = await import(new URL(`schema_engine_bg.js?${provider}`, engineFolder).href);
  const bytes = readFileSync(new URL('schema_engine_bg.wasm', engineFolder));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': wasm });
  wasm.__wbg_set_wasm(instance.exports);
  (instance.exports as { __wbindgen_start(): void }).__wbindgen_start();
  const files = ({ model }: { model: string }) => [{ path: 'schema.prisma', content: schemaFor(provider, model) }];
  const target = (state: typeof from) => (state === 'empty' ? { tag: 'empty' } : { tag: 'schemaDatamodel', files: files(state), configDir: '.' });
  const engine = await wasm.SchemaEngine.new({ datamodels: [['schema.prisma', files(to)[0]?.content]] }, () => {}, bindMigrationAwareSqlAdapterFactory(adapter));
  const result = await engine.diff({
    from: target(from),
    to: target(to),
    script: true,
    shadowDatabaseUrl: null,
    exitCode: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  return result.stdout;
}
