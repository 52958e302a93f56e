/**
 * Before `npm pack`: JavaScript of src/ in dist/, since Node strips no types below node_modules, and a package.json that names only what a server needs to run. With
 * `--restore`, after it: the package.json of the checkout again. The clients of both engines and the page were made by the install.
 */
import { chmodSync, copyFileSync, existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';

const kept = 'package.json.checkout';
const shrinkwrap = 'npm-shrinkwrap.json';
/** Only make the clients and the page, which are packed as they are made. */
const forMaking = /^(prisma|vite|idb|preact|@preact\/signals)$/;
// An import or a URL of a file of ours, in the code and not in a text: what stands behind it is a name that ends here.
const ofOurs = /(\bfrom\s*|\bimport\s*\(?\s*|new URL\()(['"])(\.[^'"\n]*)\.ts\2/g;

type Entry = {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
};
type Lock = { packages: Record<string, Entry> };

/**
 * The lock file as npm reads it from a package: the same versions as here, and what `overrides` and scripts/lock.ts changed in it. Without it, npm would take another
 * better-sqlite3 for Prisma's adapter, and compile that.
 */
function shrinkwrapOf(lock: Lock, root: Entry): Lock {
  const packages: Record<string, Entry> = { '': root };
  const waiting: [from: string, entry: Entry][] = [['', root]];
  for (const [from, { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta }] of waiting) {
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
      if (peerDependenciesMeta?.[name]?.optional) continue;
      let place = from;
      let at = join(place, 'node_modules', name);
      while (!lock.packages[at] && place !== '') {
        place = place.includes('/node_modules/') ? place.slice(0, place.lastIndexOf('/node_modules/')) : '';
        at = join(place, 'node_modules', name);
      }
      const entry = lock.packages[at];
      if (!entry || packages[at] || forMaking.test(name)) continue;
      packages[at] = entry;
      waiting.push([at, entry]);
    }
  }
  return { ...lock, packages: Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

if (process.argv[2] === '--restore') {
  rmSync(shrinkwrap, { force: true });
  if (existsSync(kept)) renameSync(kept, 'package.json');
} else {
  rmSync('dist', { recursive: true, force: true });
  for (const file of globSync('src/**/*.{ts,js}')) {
    const target = join('dist', file.slice('src/'.length).replace(/\.ts$/, '.js'));
    const text = readFileSync(file, 'utf8');
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, (file.endsWith('.ts') ? stripTypeScriptTypes(text) : text).replaceAll(ofOurs, '$1$2$3.js$2'));
  }
  copyFileSync('scripts/packed-command.js', 'dist/tertulia.js');
  chmodSync('dist/tertulia.js', 0o755);
  const { name, version, description, license, type, engines, dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Entry & Record<string, unknown>;
  const packed = {
    name,
    version,
    description,
    license,
    type,
    engines,
    bin: { tertulia: 'dist/tertulia.js' },
    files: ['dist', 'prisma/migrations/*/*/migration.sql', 'web/dist', 'schema.graphql', 'docs', shrinkwrap],
    dependencies: Object.fromEntries(Object.entries(dependencies ?? {}).filter(([dependency]) => !forMaking.test(dependency))),
  };
  const { files: _files, description: _description, ...root } = packed;
  writeFileSync(shrinkwrap, `${JSON.stringify(shrinkwrapOf(JSON.parse(readFileSync('package-lock.json', 'utf8')) as Lock, root), null, 2)}\n`);
  renameSync('package.json', kept);
  writeFileSync('package.json', `${JSON.stringify(packed, null, 2)}\n`);
}
