/** The dependency rule of docs/architecture.md, held: a file imports from its left, never from its right, and domains know no transport. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** From left to right; the first pattern that fits a file gives its place. Files of one place may import each other. */
const layers: [name: string, files: RegExp][] = [
  ['config, errors, log', /^src\/(config|errors|log|metrics|multimap|outgoing|turns)\.ts$/],
  ['a domain’s schema', /^src\/\w+\/(\w+-)?schema\.ts$/],
  ['storage', /^src\/storage\//],
  ['events', /^src\/events\//],
  ['accounts', /^src\/accounts\//],
  ['sessions', /^src\/sessions\//],
  ['chats', /^src\/chats\//],
  ['messages', /^src\/messages\//],
  ['presence, files, notifications', /^src\/(presence|files|notifications)\//],
  ['app', /^src\/(app|upkeep)\.ts$/],
  ['graphql', /^src\/graphql\//],
  ['transport', /^src\/transport\//],
  ['server', /^src\/server\.ts$/],
  ['main', /^src\/main\.ts$/],
];
const order = [
  'config, errors, log',
  'storage',
  'events',
  'accounts',
  'sessions',
  'chats',
  'messages',
  'presence, files, notifications',
  'app',
  'graphql',
  'a domain’s schema',
  'the whole schema',
  'transport',
  'server',
  'main',
];
const domains = new Set(['accounts', 'sessions', 'chats', 'messages', 'presence, files, notifications', 'events', 'storage']);
const transports = /^(node:)?(https?|http2|net|tls)$|^(graphql|graphql-ws|graphql-yoga|ws)(\/|$)|^@(pothos|graphql-yoga|whatwg-node)\//;

function layerOf(file: string): string | null {
  if (/^src\/graphql\/(schema|nodes)\.ts$/.test(file)) return 'the whole schema';
  // Who acts: a type that every domain takes first, and nothing else.
  if (file === 'src/sessions/viewer.ts') return 'config, errors, log';
  // How ids are written: what leaves the server by another way than GraphQL names things by them, too.
  if (file === 'src/graphql/ids.ts') return 'config, errors, log';
  // Serves bytes: a transport of its own.
  if (file === 'src/files/http.ts') return 'transport';
  return layers.find(([, pattern]) => pattern.test(file))?.[0] ?? null;
}

/** One sentence for each import that breaks the rule, and for each file that has no place. */
export function findOffenders(): string[] {
  const offenders: string[] = [];
  for (const file of globSync('src/**/*.ts', { exclude: ['src/storage/generated/**'] }).sort()) {
    const layer = layerOf(file);
    if (!layer) {
      offenders.push(`${file} has no place in the layers: give it one in scripts/layers.ts`);
      continue;
    }
    for (const source of importsOf(readFileSync(file, 'utf8'))) {
      if (!source.startsWith('.')) {
        if (domains.has(layer) && transports.test(source)) offenders.push(`${file} belongs to ${layer}, which must not know ${source}`);
        continue;
      }
      const target = join(dirname(file), source);
      const targetLayer = layerOf(target);
      if (targetLayer && order.indexOf(targetLayer) > order.indexOf(layer)) offenders.push(`${file} (${layer}) imports ${target} (${targetLayer}), which is on its right`);
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
