/** The workloads W1 to W7, who takes part in each, and the table that is made of them. */

import type { Contestant } from './arena.ts';
import { quantile } from './kit.ts';
import { type Figures, interleaved, type Options, type Prepare, type Result, residentMemory } from './measure.ts';
import { bare, ordinary, socketIo } from './peers/arenas.ts';
import { tertulia } from './tertulia.ts';
import { pages } from './workloads/pages.ts';
import { pairs } from './workloads/pairs.ts';
import { readers } from './workloads/readers.ts';
import { sends } from './workloads/sends.ts';
import { arrivals, idleSockets } from './workloads/sockets.ts';

export type Entry = { who: Contestant; prepare: Prepare };
/** `ratio` is the figure that is compared with the first entry's; `title` is what was done. */
export type Workload = { name: string; title: (options: Options) => string; ratio: string; entries: (other: Contestant[]) => Entry[]; options?: Partial<Options> };
export type Table = { title: string; ratio: string; results: Result[] };

const each = (prepare: Prepare, ...who: Contestant[]): Entry[] => who.map((contestant) => ({ who: contestant, prepare }));
const called = (contestant: Contestant, name: string): Contestant => ({ ...contestant, name });
const ours = (name = 'Tertulia', settings: Record<string, string> = {}): Contestant => tertulia(settings, { name });

const sendsBy = (senders: number, name: string): Workload => ({
  name,
  title: () => `${senders === 1 ? 'One sender' : `${senders} senders`}, durable sends acknowledged`,
  ratio: senders === 1 ? 'p50' : 'sends/s',
  entries: (others) => [
    ...each(sends(senders, 'http'), bare('FULL'), bare('NORMAL'), ours('Tertulia, HTTP'), ...others),
    ...each(sends(senders, 'socket'), ours('Tertulia, socket')),
    ...each(sends(senders, 'http'), ordinary('FULL')),
    ...each(sends(senders, 'socket'), socketIo('FULL')),
  ],
});
const readersOf = (under: number, name: string): Workload => ({
  name,
  title: ({ subscribers }) => `One room, ${subscribers} readers, ${under === 1 ? 'one message at a time' : `${under} messages under way`}`,
  ratio: under === 1 ? 'last p50' : 'deliveries/s',
  entries: (others) => [
    ...each(readers(under, 'messages'), bare('NORMAL'), ours('Tertulia, messages')),
    ...each(readers(under, 'events'), ours('Tertulia, everything'), ...others),
    ...each(readers(under, 'own'), ours('Tertulia, everything with the own unread count')),
    ...each(readers(under, 'messages'), ordinary('NORMAL'), socketIo('NORMAL')),
  ],
});

export const workloads: Workload[] = [
  sendsBy(32, 'W1'),
  sendsBy(1, 'W1-one'),
  readersOf(8, 'W2'),
  readersOf(1, 'W2-one'),
  {
    name: 'W3',
    title: ({ subscribers }) => `${Math.floor(subscribers / 2)} pairs of people chatting`,
    ratio: 'deliveries/s',
    entries: (others) => [
      ...each(pairs('messages'), bare('FULL'), ours('Tertulia, messages')),
      ...each(pairs('events'), ours('Tertulia, everything'), ...others),
      ...each(pairs('messages'), ordinary('FULL'), socketIo('FULL')),
    ],
  },
  {
    name: 'W4',
    title: ({ history }) => `Pages of 50 with their senders, of ${history.toLocaleString('en')} messages`,
    ratio: 'pages/s',
    entries: (others) => each(pages, bare(), ours(), ...others, ordinary(), called(socketIo(), 'socket.io with node:http')),
  },
  {
    name: 'W5',
    title: ({ subscribers }) => `Memory of an idle socket that follows everything, of ${subscribers}`,
    ratio: 'KB a socket',
    entries: (others) => each(idleSockets, bare(), ours(), ...others, ordinary(), socketIo()),
    options: { rounds: 1 },
  },
  {
    name: 'W7',
    title: ({ subscribers }) => `${subscribers} connect and subscribe at once`,
    ratio: 'all live after',
    entries: (others) => each(arrivals, bare(), ours(), ...others, ordinary(), socketIo()),
  },
];

export async function run(workload: Workload, given: Options, others: Contestant[]): Promise<Table> {
  const options = { ...given, ...workload.options };
  const results: Result[] = await interleaved(
    workload.entries(others).map(({ who, prepare }) => ({ contestant: who, prepare })),
    options,
  );
  return { title: `${workload.name}. ${workload.title(options)}`, ratio: workload.ratio, results };
}

/** W6: how long a start takes until the first answer, and what memory the server has then. */
export async function starts({ rounds }: Options, others: Contestant[]): Promise<Table> {
  const results = [bare(), ours(), ...others, ordinary(), socketIo()].map((contestant) => ({ contestant, rounds: [] as Figures[] }));
  for (let round = 0; round < rounds; round++)
    for (const { contestant, rounds: figures } of results) {
      await using arena = await contestant.start();
      figures.push({ 'first answer after': arena.startMs, 'memory MB': residentMemory(arena.pid) / 2 ** 20 });
    }
  return {
    title: 'W6. Start to the first answer',
    ratio: 'first answer after',
    results: results.map(({ contestant, rounds: figures }) => ({ contestant: contestant.name, rounds: figures })),
  };
}

/** Medians, with the least and the most of the figure that is compared, and its ratio to the first contestant. */
export function markdown({ title, ratio, results }: Table): string {
  const names = [...new Set(results.flatMap(({ rounds }) => rounds.flatMap(Object.keys)))];
  const values = (rounds: Figures[], name: string): number[] => rounds.map((figures) => figures[name] ?? Number.NaN);
  const first = quantile(values(results[0]?.rounds ?? [], ratio), 0.5);
  const lines = results.map(({ contestant, rounds }) => {
    const cells = names.map((name) => {
      const [all, median] = [values(rounds, name), quantile(values(rounds, name), 0.5)];
      return name === ratio && all.length > 1 ? `${short(median)} (${short(Math.min(...all))} to ${short(Math.max(...all))})` : short(median);
    });
    return `| ${contestant} | ${short(quantile(values(rounds, ratio), 0.5) / first)} | ${cells.join(' | ')} |`;
  });
  return [`### ${title}`, '', `| | ratio | ${names.join(' | ')} |`, `|---|${'---|'.repeat(names.length + 1)}`, ...lines, ''].join('\n');
}

function short(value: number): string {
  if (!Number.isFinite(value)) return '';
  if (value >= 10_000) return `${(value / 1000).toFixed(value >= 100_000 ? 0 : 1)}k`;
  return value >= 100 ? value.toFixed(0) : value.toPrecision(2).replace(/\.0$/, '');
}
