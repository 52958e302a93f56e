/**
 * `npm run bench`: W1 to W7 in a few minutes, as a Markdown table; with names only these (`npm run bench -- W2 --subscribers 5000`), or another bench of this
 * folder by its name. `--against FOLDER` adds another checkout, `--write` puts the table into docs/performance.md.
 */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { markdown, run, starts, workloads } from './suite.ts';
import { tertulia } from './tertulia.ts';

// So that what was started is ended, too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    subscribers: { type: 'string', default: '1000' },
    history: { type: 'string', default: '100000' },
    against: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
const names = [...workloads.map(({ name }) => name), 'W6'].sort();
const [alone = ''] = positionals;
if (positionals.length === 1 && !names.includes(alone)) {
  if (!/^[a-z-]+$/.test(alone)) throw new Error(`Which one? ${names.join(', ')}, or a file of bench/ by its name`);
  await import(`./${alone}.ts`);
} else await suite();

async function suite(): Promise<void> {
  const options = { seconds: Number(values.seconds), rounds: Number(values.rounds), subscribers: Number(values.subscribers), history: Number(values.history) };
  const others = values.against ? [tertulia({}, { name: 'Tertulia, the other checkout', checkout: values.against })] : [];
  const tables: string[] = [];
  for (const name of names) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    const workload = workloads.find((candidate) => candidate.name === name);
    const table = markdown(workload ? await run(workload, options, others) : await starts(options, others));
    tables.push(table);
    console.log(table);
  }
  if (!values.write) return;
  const machine = `Node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model.trim()}), ${options.rounds} rounds of ${options.seconds} s each, driver and server on the same machine.`;
  writeFileSync(join(import.meta.dirname, '../docs/performance.md'), `${head(machine)}\n${tables.join('\n')}`);
}
function head(machine: string): string {
  return `# Performance

Made by \`npm run bench -- --write\`. ${machine}

Read the ratios, not the figures: they are to the first line of each table, from rounds in which all contestants took turns. Times are milliseconds. *bare* is
what the machine can do with node:http, prepared statements of better-sqlite3 and a ws broadcast of one text, without accounts, access, receipts, order or a way to resume;
*ordinary* is this project's stack (Yoga, Pothos, Prisma, graphql-ws) as one writes it in an afternoon (bench/ordinary); FULL and NORMAL are SQLite's durability, and
Tertulia's is FULL. The bystander asks for \`{ __typename }\` fifty times a second meanwhile: what they wait is what everybody else waits.

The pictures are made by \`npm run bench -- plots\`, from the best of some rounds each.

![Deliveries a second over the number of readers](performance-subscribers.svg)

![The time of a page over the length of the history](performance-history.svg)

![What a bystander waits over the time of a flush](performance-disk.svg)
`;
}
