/** What goes wrong, one thing after the other, as the seed says. Each fault is over when its function resolves. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import type { Random } from './random.ts';

type Fault = { name: string; run: (cluster: Cluster, random: Random) => Promise<void> /** Takes longer than a short run. */; long?: boolean };

export const faults: readonly Fault[] = [
  { name: 'kill -9 of a server', run: async ({ nodes }, { any }) => any(nodes).kill('SIGKILL') },
  { name: 'SIGTERM of a server', run: async ({ nodes }, { any }) => any(nodes).kill('SIGTERM') },
  {
    name: 'SIGSTOP of a server, and SIGCONT',
    run: async ({ nodes }, { any, between }) => {
      const node = any(nodes);
      node.kill('SIGSTOP');
      await sleep(between(300, 3_000));
      node.kill('SIGCONT');
    },
  },
  { name: 'PostgreSQL restarted (fast)', run: async ({ postgres }) => postgres.stop().then(postgres.start) },
  { name: 'PostgreSQL restarted (hard)', run: async ({ postgres }) => postgres.crash().then(postgres.start) },
  {
    name: 'PostgreSQL away for 20 s',
    long: true,
    run: async ({ postgres }) => {
      await postgres.stop();
      await sleep(20_000);
      await postgres.start();
    },
  },
  { name: 'LISTEN connections cut', run: ({ cutListeners }) => cutListeners() },
  {
    name: 'sockets of a server cut',
    run: async ({ nodes }, { any, between }) => {
      const { line } = any(nodes);
      line.cut();
      await sleep(between(50, 1_000));
      line.mend();
    },
  },
  {
    name: 'sockets of a server silent',
    run: async ({ nodes }, { any, between }) => {
      const { line } = any(nodes);
      line.stall();
      await sleep(between(500, 3_000));
      line.mend();
    },
  },
  {
    name: 'sockets of a server slow',
    run: async ({ nodes }, { any, between }) => {
      const { line } = any(nodes);
      line.slow(between(50, 400));
      await sleep(between(1_000, 3_000));
      line.mend();
    },
  },
  { name: 'clock of a server set back', run: ({ nodes }, { any, between }) => any(nodes).setClock(-between(1_000, 3_600_000)) },
  { name: 'clock of a server set forward', run: ({ nodes }, { any, between }) => any(nodes).setClock(between(1_000, 3_600_000)) },
];
