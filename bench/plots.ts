/**
 * `npm run bench -- plots`: three pictures for docs/performance.md: deliveries over subscribers, the time of a page over the length of the history, and what a
 * bystander waits over the time that the disk takes for a flush.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../test/kit/server.ts';
import type { Contestant } from './arena.ts';
import { type Chart, chart } from './chart.ts';
import { interleaved, type Options, type Prepare } from './measure.ts';
import { bare, ordinary, socketIo } from './peers/arenas.ts';
import { tertulia } from './tertulia.ts';
import { pages } from './workloads/pages.ts';
import { readers } from './workloads/readers.ts';
import { sends } from './workloads/sends.ts';

const options: Options = { seconds: Number(process.env.SECONDS ?? 2), rounds: Number(process.env.ROUNDS ?? 3), subscribers: 1_000, history: 100_000 };
/** Only these: `PLOTS=history npm run bench -- plots`. */
const wanted = (process.env.PLOTS ?? 'subscribers history disk').split(' ');
const peers = { Tertulia: () => tertulia(), bare: () => bare('NORMAL'), 'socket.io': () => socketIo('NORMAL'), ordinary: () => ordinary('NORMAL') };

if (wanted.includes('subscribers'))
  await draw('subscribers', await over([100, 300, 1_000, 3_000], peers, readers(8, 'messages'), 'deliveries/s', (subscribers) => ({ subscribers })), {
    title: 'Deliveries a second, one room',
    x: 'readers',
    y: 'deliveries a second',
  });
if (wanted.includes('history'))
  await draw(
    'history',
    await over([1_000, 10_000, 100_000, 1_000_000], { Tertulia: peers.Tertulia, bare: peers.bare, ordinary: peers.ordinary }, pages, 'p50', (history) => ({ history })),
    {
      title: 'A page of 50, eight askers',
      x: 'messages in the room',
      y: 'ms',
      logarithmicY: true,
    },
  );
const delays = wanted.includes('disk') ? [0, 5, 20, 50] : [];
const waits: number[] = [];
await using folder = await temporaryFolder();
const flush = join(folder.path, 'flush');
for (const ms of delays) {
  writeFileSync(flush, String(ms));
  const slow = tertulia({ FLUSH_MS: flush, NODE_OPTIONS: `--import=${new URL('../test/kit/slow-disk.ts', import.meta.url).href}` });
  const [result] = await interleaved([{ contestant: slow, prepare: sends(32, 'http') }], options);
  waits.push(best(result?.rounds ?? [], 'bystander p99'));
}
if (wanted.includes('disk'))
  await draw(
    'disk',
    { points: delays, series: { Tertulia: waits } },
    { title: 'What a bystander waits beside 32 senders (p99)', x: 'ms that the disk takes for a flush', y: 'ms' },
  );

async function over(points: number[], contestants: Record<string, () => Contestant>, prepare: Prepare, figure: string, set: (point: number) => Partial<Options>) {
  const series: Record<string, number[]> = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
  for (const point of points) {
    const results = await interleaved(
      Object.values(contestants).map((contestant) => ({ contestant: contestant(), prepare })),
      { ...options, ...set(point) },
    );
    for (const [index, name] of Object.keys(contestants).entries()) series[name]?.push(best(results[index]?.rounds ?? [], figure));
  }
  return { points, series };
}

/** Of all rounds the best: what other work on the machine took is in none of it. */
function best(rounds: Record<string, number>[], figure: string): number {
  const values = rounds.map((figures) => figures[figure] ?? Number.NaN);
  return figure.endsWith('/s') ? Math.max(...values) : Math.min(...values);
}

async function draw(name: string, { points, series }: Pick<Chart, 'points' | 'series'>, rest: Omit<Chart, 'points' | 'series'>): Promise<void> {
  console.log(rest.title, points, series);
  writeFileSync(join(import.meta.dirname, `../docs/performance-${name}.svg`), chart({ ...rest, points, series }));
}
