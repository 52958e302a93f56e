/** A checkout works wherever it lies: in a folder whose name has spaces, umlauts and what has another meaning in URLs, shells and patterns. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, it } from 'vitest';
import { startProcess } from './kit/process.ts';

const root = join(import.meta.dirname, '..');
/** What is made, and no part of what people check out. */
const made = /^(node_modules|data|src\/storage\/generated|test\/generated|web\/dist|web\/src\/generated|\.git|\.vitest|prisma\/\.generate-.*)$/;
/** The parts of `npm run check` that are our own; the long form runs it as a whole. */
const checks = ['schema.ts --check', 'codegen.ts', 'layers.ts', 'patterns.ts', 'lock.ts --check', 'migrate-new.ts --check', 'docs.ts --check'];

it.skipIf(process.env.TEST_ENGINE === 'postgresql')(
  'installs, checks, starts and backs up in a folder with a space and an umlaut',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tertulia-'));
    using _ = { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
    const checkout = join(folder, "Jürgen's Projects [50%] #1");
    cpSync(root, checkout, { recursive: true, filter: (path) => !made.test(relative(root, path)) });
    symlinkSync(join(root, 'node_modules'), join(checkout, 'node_modules'));
    const run = (command: string, args: string[]): Promise<string> =>
      new Promise((resolve, reject) => {
        const env = { PATH: process.env.PATH, DATA_DIR: join(checkout, 'data') };
        execFile(command, args, { cwd: checkout, env }, (error, out, err) => (error ? reject(new Error(`${args.join(' ')} failed:\n${out}${err}`)) : resolve(out)));
      });
    const check = async (): Promise<void> => {
      if (process.env.LONG) return void (await run('npm', ['run', 'check']));
      for (const script of checks) await run(process.execPath, `scripts/${script}`.split(' '));
    };
    const serve = async (): Promise<void> => {
      await using server = await startProcess({ DATA_DIR: join(checkout, 'data') }, { command: ['npm', 'start'], checkout });
      expect((await fetch(`${server.url}/ready`)).status).toBe(200);
      await run('npm', ['run', 'backup', '--', join(folder, 'copy.db')]);
      server.kill('SIGTERM');
      expect((await server.ended()).code).toBe(0);
      await run('npm', ['run', 'compact']);
    };

    await run('npm', ['run', 'postinstall']);
    await Promise.all([check(), serve()]);
  },
  120_000,
);
