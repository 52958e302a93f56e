/**
 * `npm run lock`: puts into package-lock.json what npm leaves out, after every `npm install`; `--check` only tells.
 * better-sqlite3 ships its binaries beside a binding.gyp. npm 10 would compile it, and ask for python, unless the lock file says `gypfile: false`.
 */
import { readFileSync, writeFileSync } from 'node:fs';

type Package = { resolved?: string; gypfile?: boolean; optionalDependencies?: Record<string, string> };

const path = new URL('../package-lock.json', import.meta.url);
const shipsBinaries = ['node_modules/better-sqlite3'];

const text = readFileSync(path, 'utf8');
const lock = JSON.parse(text) as { packages: Record<string, Package> };
for (const name of shipsBinaries) {
  const entry = lock.packages[name];
  if (!entry) throw new Error(`${name} is not in package-lock.json`);
  entry.gypfile = false;
}
// Whoever installs takes packages from the registry they have configured.
for (const entry of Object.values(lock.packages)) if (/^https?:/.test(entry.resolved ?? '')) delete entry.resolved;

// npm leaves out the packages of other platforms when a registry does not have them; `npm ci` then fails there, or everywhere.
const names = new Set(Object.keys(lock.packages).map((name) => name.slice(name.lastIndexOf('node_modules/') + 'node_modules/'.length)));
const absent = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}).filter((name) => !names.has(name)));
if (absent.length > 0) throw new Error(`package-lock.json lacks packages of other platforms: ${absent.join(', ')}`);

const wanted = `${JSON.stringify(lock, null, 2)}\n`;
if (wanted !== text) {
  if (process.argv.includes('--check')) throw new Error('package-lock.json holds download addresses, or lacks "gypfile": false for a package with binaries: run npm run lock');
  writeFileSync(path, wanted);
}
