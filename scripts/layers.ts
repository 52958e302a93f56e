/** The dependency rule (docs/architecture.md), held: a file imports from what stands below it, never from above, and domains know no transport. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The floors of the house, from the top down; the first pattern that fits a file is its floor. Files of one floor may import each other. */
const floors: [name: string, files: RegExp][] = [
  ['main', /^src\/main\.ts$/],
  ['server', /^src\/server\.ts$/],
  ['transport', /^src\/transport\//],
  ['api', /^src\/api\//],
  ['app', /^src\/(app|jobs|upkeep)\.ts$/],
  ...['notifications', 'presence', 'streams', 'files', 'search', 'messages', 'chats', 'identities', 'sessions', 'accounts', 'graphql', 'events', 'nodes', 'storage'].map(
    (name): [string, RegExp] => [name, new RegExp(`^src/${name}/`)],
  ),
  ['what everything stands on', /^src\/((config|issuers|errors|log|ids|viewer|metrics|multimap|outgoing|polled|turns)\.ts|compile-cache\.js)$/],
];
const heightOf = (file: string): number => floors.findIndex(([, files]) => files.test(file));
const nameOf = (file: string): string => floors[heightOf(file)]?.[0] ?? 'no floor';

/** Files of the domains speak no protocol. Their faces do: the `schema.ts` files are written in GraphQL. */
const isDomain = (file: string): boolean =>
  /^src\/(notifications|presence|streams|files|search|messages|chats|identities|sessions|accounts|events|nodes|storage)\//.test(file) && !/\/(\w+-)?schema\.ts$/.test(file);
const protocols = /^(node:)?(https?|http2|net|tls)$|^(graphql|graphql-ws|graphql-yoga|ws)(\/|$)|^@(pothos|graphql-yoga|envelop|whatwg-node)\//;

/** One sentence for each import that breaks the rule, and for each file that has no floor. */
export function findOffenders(): string[] {
  const offenders: string[] = [];
  for (const file of globSync('src/**/*.ts', { exclude: ['src/storage/generated/**'] }).sort()) {
    if (heightOf(file) < 0) offenders.push(`${file} has no floor: give it one in scripts/layers.ts`);
    for (const source of importsOf(readFileSync(file, 'utf8'))) {
      if (!source.startsWith('.')) {
        if (isDomain(file) && protocols.test(source)) offenders.push(`${file} belongs to a domain, which must not know ${source}`);
        continue;
      }
      const target = join(dirname(file), source);
      if (target.startsWith('src/') && heightOf(target) < heightOf(file)) offenders.push(`${file} (${nameOf(file)}) imports ${target} (${nameOf(target)}), which stands above it`);
    }
  }
  return offenders;
}

/** What a file imports, loads or passes on, also as types only. */
function importsOf(text: string): string[] {
  const code = text.replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  return [...code.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)'([^']+)'/g)].map((match) => match[1] as string);
}

if (import.meta.main) {
  const offenders = findOffenders();
  for (const offender of offenders) console.error(offender);
  process.exitCode = offenders.length > 0 ? 1 : 0;
}
