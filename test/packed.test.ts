/** The package: what `npm pack` makes starts a server in an empty folder, with what it says that it needs and nothing else. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { createPerson } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { temporaryFolder } from './kit/server.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');

it('starts a server where nothing else is installed, and serves the page', { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  // A copy: packing writes into the checkout.
  const checkout = join(folder.path, 'checkout');
  const packed = /^(package(-lock)?\.json|LICENSE|README\.md|schema\.graphql|docs|scripts|src|prisma|web)(\/|$)/;
  await cp(root, checkout, {
    recursive: true,
    filter: (path) => path === root || (packed.test(relative(root, path)) && !/\.generate-|^web\/(src|node_modules)/.test(relative(root, path))),
  });
  const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, HOME: folder.path };
  await run('npm', ['pack', '--pack-destination', folder.path], { cwd: checkout, env });
  expect(await readFile(join(checkout, 'package.json'), 'utf8')).toBe(await readFile(join(root, 'package.json'), 'utf8'));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  // As npm would lay it out, without asking a registry.
  const modules = join(folder.path, 'empty/node_modules');
  await mkdir(modules, { recursive: true });
  await run('tar', ['xzf', join(folder.path, `tertulia-${version}.tgz`), '-C', modules]);
  await run('mv', [join(modules, 'package'), join(modules, 'tertulia')]);
  const { dependencies, bin } = JSON.parse(await readFile(join(modules, 'tertulia/package.json'), 'utf8')) as { dependencies: Record<string, string>; bin: { tertulia: string } };
  for (const name of Object.keys(dependencies)) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(modules, name));
  }
  expect(Object.keys(dependencies)).not.toContain('vite');
  const { packages } = JSON.parse(await readFile(join(modules, 'tertulia/npm-shrinkwrap.json'), 'utf8')) as { packages: Record<string, object> };
  expect(Object.keys(packages).filter((path) => /better-sqlite3$|node_modules\/(vite|prisma|vitest|typescript)$/.test(path))).toEqual([
    'node_modules/@prisma/adapter-better-sqlite3',
    'node_modules/better-sqlite3',
  ]);
  // Each copy of a package is loaded by each start: four of one took 12 MB. Those that are left are small.
  const names = Object.keys(packages).map((path) => path.split('node_modules/').at(-1) as string);
  expect([...new Set(names.filter((name, index) => names.indexOf(name) !== index))].sort()).toEqual([
    '@whatwg-node/disposablestack',
    '@whatwg-node/promise-helpers',
    'fast-uri',
    'lru-cache',
    'postgres-array',
  ]);
  await rm(checkout, { recursive: true });
  await using server = await startProcess(
    { DATA_DIR: join(folder.path, 'data'), WEB: 'on' },
    { command: [process.execPath, join(modules, 'tertulia', bin.tertulia)], checkout: join(folder.path, 'empty') },
  );
  expect(server.url, server.output.error).not.toBe('');
  // Made by a thread, which has an entry of its own.
  expect(await (await fetch(`${server.url}/graphql`, { headers: { accept: 'text/html' } })).text()).toContain('GraphiQL');
  const person = await createPerson(server);
  expect((await person.send({ username: person.username }, 'packed')).message.seq).toBe(1);
  const shell = await (await fetch(server.url, { headers: { accept: 'text/html' } })).text();
  expect(shell).toContain('<!doctype html>');
  // Whoever has the page open goes on, also when another one is put into its place.
  await rm(join(modules, 'tertulia/web/dist'), { recursive: true });
  const file = new URL(/src="(\/assets\/[^"]+\.js)"/.exec(shell)?.[1] ?? '', server.url);
  const [small, whole] = [await fetch(file, { headers: { 'accept-encoding': 'gzip, br' } }), await fetch(file, { headers: { 'accept-encoding': 'identity' } })];
  expect([small, whole].map(({ headers }) => [headers.get('content-encoding'), headers.get('content-type'), headers.get('cache-control')])).toEqual([
    ['br', 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
    [null, 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
  ]);
  expect(await small.text()).toBe(await whole.text());
  expect((await fetch(file, { headers: { 'accept-encoding': 'br', 'if-none-match': String(small.headers.get('etag')) } })).status).toBe(304);
  expect((await fetch(new URL('/assets/gone.js', server.url))).status).toBe(404);
});
