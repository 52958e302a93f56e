/** Writes the generated Prisma clients (one for each engine) and the Pothos types. Runs after every install; needs no network. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { schemaFor } from './prisma-schema.ts';

const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js');
const folder = mkdtempSync(join('prisma', '.generate-'));
try {
  for (const provider of ['sqlite', 'postgresql'] as const) {
    const file = join(folder, `${provider}.prisma`);
    writeFileSync(file, schemaFor(provider).replaceAll('"../src/', '"../../src/'));
    execFileSync(process.execPath, [prisma, 'generate', '--schema', file, '--no-hints'], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
} finally {
  rmSync(folder, { recursive: true });
}
