/**
 * `npm run docs`: writes the tables that the code knows better (settings, error codes); `--check` only tells whether they are others. Both tell whether
 * docs/decisions/ says of each dependency why it is there and lists every note, whether each promise has the tests that it names, and whether
 * links lead somewhere and files that are spoken of are there.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { settings } from '../src/config.ts';
import { type ErrorCode, sentences } from '../src/errors.ts';
import { httpStatusOf } from '../src/graphql/errors.ts';

const problems: string[] = [];
write('docs/settings.md', 'settings', settingsTable());
write('README.md', 'errors', errorsTable());

const manifest = JSON.parse(read('package.json')) as { dependencies: Record<string, string>; devDependencies: Record<string, string>; overrides: Record<string, string> };
const named = new Set(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies, ...manifest.overrides }));
const justified = new Set([...read('docs/decisions/dependencies.md').matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] as string));
for (const name of named) if (!justified.has(name)) problems.push(`docs/decisions/dependencies.md does not say why ${name} is there`);
for (const name of justified) if (!named.has(name)) problems.push(`docs/decisions/dependencies.md speaks of ${name}, which package.json does not have`);

const index = read('docs/decisions/README.md');
for (const file of globSync('*.md', { cwd: path('docs/decisions') })) {
  if (file !== 'README.md' && !index.includes(`(${file})`)) problems.push(`docs/decisions/README.md does not list ${file}`);
}

for (const file of ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: path('.') })]) {
  for (const [, target = ''] of read(file).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
    if (!existsSync(join(dirname(path(file)), target))) problems.push(`${file} links to ${target}, which is not there`);
  }
  for (const [, target = ''] of read(file).matchAll(/`((?:src|test|scripts|docs|bench|prisma|examples)\/[^`\s]*)`/g)) {
    if (globSync(target, { cwd: path('.') }).length === 0) problems.push(`${file} speaks of ${target}, which is not there`);
  }
}

const promises = promisesIn(read('docs/promises.md'));
for (const [index, { name, tests }] of promises.entries()) {
  const before = Number(promises[index - 1]?.name.slice(1) ?? 0);
  if (Number(name.slice(1)) <= before) problems.push(`docs/promises.md has ${name} behind P${before}`);
  if (tests.length === 0) problems.push(`docs/promises.md names no test for ${name}`);
  for (const { file, title } of tests) {
    if (!globSync(file, { cwd: path('.') }).length) problems.push(`docs/promises.md names ${file} for ${name}, which is not there`);
    else if (!titlesIn(read(file)).has(title)) problems.push(`docs/promises.md names a test for ${name} that ${file} does not have: ${title}`);
  }
}
const holding = new Set(promises.flatMap(({ tests }) => tests.map(({ file }) => file)));
for (const file of globSync('test/promises/*.test.ts', { cwd: path('.') })) if (!holding.has(file)) problems.push(`docs/promises.md names no test of ${file}`);
for (const file of globSync('{src,test,scripts,bench,examples,docs}/**/*.{ts,md}', { cwd: path('.'), exclude: ['src/storage/generated/**'] })) {
  for (const [name] of read(file).matchAll(/\bP[1-9]\d?\b/g))
    if (!promises.some((promise) => promise.name === name)) problems.push(`${file} speaks of ${name}, which docs/promises.md does not have`);
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

function path(file: string): string {
  return join(import.meta.dirname, '..', file);
}
function read(file: string): string {
  return readFileSync(path(file), 'utf8');
}

/** Replaces what stands in a file between `<!-- name` and `<!-- /name -->`, or tells that it is not this. */
function write(file: string, name: string, body: string): void {
  const pattern = new RegExp(`(<!-- ${name}:[^>]*-->\\n)[\\s\\S]*?(<!-- /${name} -->)`);
  const before = read(file);
  if (!pattern.test(before)) throw new Error(`${file} has no place for the table of ${name}`);
  const after = before.replace(pattern, (_all, start: string, end: string) => `${start}\n${body}\n\n${end}`);
  if (after === before) return;
  if (process.argv.includes('--check')) problems.push(`the table of ${name} in ${file} is not what the code says: run npm run docs`);
  else writeFileSync(path(file), after);
}

/** The promises of a document, each with the tests that it names: files in a list, and below each the titles of its tests. */
function promisesIn(text: string): { name: string; tests: { file: string; title: string }[] }[] {
  return text
    .split(/^## (?=P\d)/m)
    .slice(1)
    .map((part) => ({
      name: /^P\d+/.exec(part)?.[0] ?? '',
      tests: [...part.matchAll(/^- `(.+)`\n((?: {2}- .+\n?)+)/gm)].flatMap(([, file = '', list = '']) =>
        [...list.matchAll(/^ {2}- (.+)$/gm)].map(([, title = '']) => ({ file, title })),
      ),
    }));
}

/** The titles of a file's tests and of their groups. What is put into a title when it runs is written as `…`. */
function titlesIn(code: string): Set<string> {
  const titles = code.matchAll(/\b(?:describe|it)(?:\.\w+\(.*?\)(?=\())?\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g);
  return new Set([...titles].map(([, , title = '']) => title.replaceAll(/\$\{[^}]*\}/g, '…').replaceAll(/\\(.)/g, '$1')));
}

function settingsTable(): string {
  const rows = Object.entries(settings).map(
    ([name, setting]) => `| \`${name}\` | ${setting.default === '' ? '' : `\`${setting.default}\``} | ${setting.meaning.replaceAll('|', '\\|')} |`,
  );
  return ['| variable | default | meaning |', '|---|---|---|', ...rows].join('\n');
}

function errorsTable(): string {
  const rows = Object.entries(sentences).map(([code, sentence]) => `| \`${code}\` | ${httpStatusOf[code as ErrorCode]} | ${sentence} |`);
  return ['| code | `httpStatus` | sentence |', '|---|---|---|', ...rows].join('\n');
}
