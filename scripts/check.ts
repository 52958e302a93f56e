/** `npm run check`: everything about the project that needs no running server. One line for each part, and what a failing part said below its line. */
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const programs = join(root, 'node_modules/.bin');

/** Parts of one list run one after the other (types need the documents, documents the schema, and what people read may speak of what is generated); the lists run side by side. */
const lists: { name: string; command: string[] }[][] = [
  [
    { name: 'schema.graphql is what the code says', command: ['node', 'scripts/schema.ts', '--check'] },
    { name: 'documents fit schema.graphql', command: ['node', 'scripts/codegen.ts'] },
    { name: 'types', command: ['tsc', '--noEmit'] },
    { name: 'types of the page', command: ['tsc', '--noEmit', '-p', 'web'] },
    { name: 'types of its service worker', command: ['tsc', '--noEmit', '-p', 'web/worker'] },
    { name: 'documents for people agree with the code', command: ['node', 'scripts/docs.ts', '--check'] },
  ],
  [
    { name: 'files import only from what stands below them', command: ['node', 'scripts/layers.ts'] },
    { name: 'regular expressions take no longer than their text', command: ['node', 'scripts/patterns.ts'] },
    { name: 'lint and format', command: ['biome', 'check', '--error-on-warnings', '--colors=off', '.'] },
    { name: 'every model change has its migration', command: ['node', 'scripts/migrate-new.ts', '--check'] },
    { name: 'lock file installs anywhere', command: ['node', 'scripts/lock.ts', '--check'] },
  ],
];

let failed = 0;
await Promise.all(
  lists.map(async (parts) => {
    for (const { name, command } of parts) {
      const startedAt = performance.now();
      const { status, output } = await run(command);
      const seconds = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
      if (status === 0) {
        console.log(`ok    ${name} (${seconds})`);
      } else {
        failed++;
        console.log(`FAIL  ${name} (${seconds}): ${command.join(' ')}\n${summary(output).replaceAll(/^/gm, '        ')}`);
      }
    }
  }),
);
console.log(failed === 0 ? 'All checks passed.' : `${failed} of ${lists.flat().length} checks failed.`);
process.exitCode = failed === 0 ? 0 : 1;

function run([program = '', ...args]: string[]): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(join(programs, program), args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.on('error', (error) => resolve({ status: null, output: error.message }));
    child.on('close', (status) => resolve({ status, output }));
  });
}

/** Of an uncaught error only its message; of anything else the first lines, without what is indented below them. */
function summary(output: string): string {
  const thrown = /^(?:\w*Error(?: \[\w+\])?): ([\s\S]*?)\n\s+at /m.exec(output)?.[1];
  const lines = (thrown ?? output.replaceAll(/^ {2,}.*\n/gm, '')).split('\n').filter((line) => line.trim() !== '');
  return [...lines.slice(0, 15).map((line) => line.slice(0, 240)), ...(lines.length > 15 ? [`… and ${lines.length - 15} more lines`] : [])].join('\n');
}
