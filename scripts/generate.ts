/** Writes the generated Prisma clients (one for each engine) and the Pothos types. Runs after every install; needs no network. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join, resolve } from 'node:path';
import { schemaFor } from './prisma-schema.ts';

const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js');
// Prisma finds its generators on PATH.
const env = { ...process.env, PATH: [resolve('node_modules/.bin'), process.env.PATH].join(delimiter), CHECKPOINT_DISABLE: '1' };
const folder = mkdtempSync(join('prisma', '.generate-'));
try {
  for (const provider of ['sqlite', 'postgresql'] as const) {
    const file = join(folder, `${provider}.prisma`);
    writeFileSync(file, schemaFor(provider).replaceAll('"../src/', '"../../src/'));
    const run = spawnSync(process.execPath, [prisma, 'generate', '--schema', file, '--no-hints'], { env, encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`prisma generate failed:\n${run.error?.message ?? run.stdout + run.stderr}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
