/**
 * No regular expression of the server takes much longer than its text is long, whatever somebody sends: recheck judges each one in src. One that is not linear
 * fails, unless the list below says why it does no harm.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type ParserOptions, parse } from '@babel/parser';
import type { checkSync as judge } from 'recheck';

/** Not linear, or made at run time, and harmless. */
const harmless: { file: string; begins: string; why: string }[] = [
  {
    file: 'src/accounts/names.ts',
    begins: 'new RegExp(`(',
    why: 'each part looks at one character, and one before and behind it, but for a flag, which is taken as a whole',
  },
  { file: 'src/accounts/names.ts', begins: '/^[^\\s@<>()[\\]\\\\,;:"]{1,64}@', why: 'sees at most 254 characters, and too many of Unicode for a verdict' },
  { file: 'src/accounts/letters.ts', begins: '/(.{1,72})(?: +|$)/g', why: 'sees sentences of our own mails' },
  {
    file: 'src/search/analyser.ts',
    begins: 'new RegExp(`(',
    why: 'two classes of characters that have none in common: each is taken as far as it goes, and nothing is behind it',
  },
  { file: 'src/messages/emoji.ts', begins: '/^\\p{RGI_Emoji}$/v', why: 'a fixed list of sequences, before a text of at most 64 units' },
  { file: 'src/storage/failures.ts', begins: 'new RegExp(`(?:^|["\\`])(?:', why: 'fixed codes, in which nothing repeats' },
  { file: 'src/storage/failures.ts', begins: 'new RegExp(patterns.map(', why: 'one of several, each of which is looked at where it is written' },
];

type Pattern = { file: string; line: number; text: string; regExp: { source: string; flags: string } | null };
type Node = { type: string; start: number; end: number; loc: { start: { line: number } }; pattern?: string; flags?: string; callee?: Node & { name?: string } };

const root = join(import.meta.dirname, '..');
// The build for browsers is one file of JavaScript: no Java, no binary, no other process.
const { checkSync } = createRequire(import.meta.url)('recheck/lib/browser.js') as { checkSync: typeof judge };
/** What was found safe before: it takes seconds to find out. */
const cacheFile = join(root, 'node_modules/.cache/patterns.json');
const safe = new Set<string>(readCache());

const patterns = globSync('src/**/*.ts', { cwd: root, exclude: ['src/storage/generated/**'] })
  .sort()
  .flatMap(patternsOf);
const problems: string[] = [];
for (const pattern of patterns) {
  const { file, line, text } = pattern;
  const problem = harmless.some((entry) => entry.file === file && text.startsWith(entry.begins)) ? null : problemOf(pattern);
  if (problem) problems.push(`${file}:${line} ${text}: ${problem}`);
}
for (const { file, begins } of harmless)
  if (!patterns.some((found) => found.file === file && found.text.startsWith(begins))) problems.push(`scripts/patterns.ts speaks of ${begins} in ${file}, which is not there`);
mkdirSync(dirname(cacheFile), { recursive: true });
writeFileSync(cacheFile, JSON.stringify([...safe]));
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;

function problemOf({ text, regExp }: Pattern): string | null {
  if (!regExp) return 'is made at run time and cannot be judged: write it out, or say in scripts/patterns.ts why it does no harm';
  if (safe.has(text)) return null;
  const judged = checkSync(regExp.source, regExp.flags, { timeout: 120_000 });
  if (judged.status === 'vulnerable') return `takes ${judged.complexity.summary} time, for example for ${judged.attack.pattern}`;
  if (judged.status === 'unknown') return `could not be judged (${judged.error.kind})`;
  safe.add(text);
  return null;
}

/** Every regular expression of a file: those that are written out, and those that are made. */
function patternsOf(file: string): Pattern[] {
  const code = readFileSync(join(root, file), 'utf8');
  const options: ParserOptions = { sourceType: 'module', plugins: ['typescript', 'explicitResourceManagement'] };
  const found: Pattern[] = [];
  visit(parse(code, options).program);
  return found;

  function visit(node: unknown): void {
    if (Array.isArray(node)) return node.forEach(visit);
    if (typeof node !== 'object' || node === null) return;
    const { type, start, end, loc, pattern, flags, callee } = node as Node;
    const add = (regExp: Pattern['regExp']) => found.push({ file, line: loc.start.line, text: code.slice(start, end), regExp });
    if (type === 'RegExpLiteral') add({ source: String(pattern), flags: String(flags) });
    if ((type === 'NewExpression' || type === 'CallExpression') && callee?.type === 'Identifier' && callee.name === 'RegExp') add(null);
    for (const part of Object.values(node)) visit(part);
  }
}

function readCache(): string[] {
  try {
    return JSON.parse(readFileSync(cacheFile, 'utf8'));
  } catch {
    return [];
  }
}
