/** What runs the tests also tells whether they passed: the status of its process. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';

it('keeps the status of a process that can start PostgreSQL', () => {
  const module = pathToFileURL(join(import.meta.dirname, '../scripts/embedded-postgres.ts')).href;
  const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', `process.exitCode = 7; await import(${JSON.stringify(module)})`]);
  expect(status).toBe(7);
});
