/** W2: one room with many readers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arena, Interest, Line } from '../arena.ts';
import { load, quantile } from '../kit.ts';
import { openHttp } from '../lean-http.ts';
import type { Prepare } from '../measure.ts';

const accounts = 100;

/** So many messages under way: the next is sent when everybody has the last. */
export const readers =
  (under: number, interest: Interest): Prepare =>
  async (arena, { seconds, subscribers }) => {
    const people = await arena.people(Math.min(accounts, subscribers) + 1);
    const [sender, ...others] = people as [(typeof people)[number], ...typeof people];
    const chat = await arena.room(people);
    const counter = createCounter(subscribers);
    const lines: Line[] = [];
    for (let index = 0; index < subscribers; index++) {
      const line = await arena.open(others[index % others.length] as (typeof people)[number]);
      await line.follow(chat, interest, counter.arrived);
      lines.push(line);
    }
    const posts = Array.from({ length: under }, () => openHttp(arena.url));
    const send = (index: number, text: string): Promise<void> => arena.send(posts[index] as (typeof posts)[number], sender, chat, text);
    await untilAllHear(arena, counter, (text) => send(0, text));
    return {
      async run() {
        const times: number[] = [];
        const [before, startedAt] = [counter.deliveries(), performance.now()];
        await load(under, seconds, async (index) => {
          const key = counter.nextKey();
          const everybody = counter.everybodyHas(key);
          const sentAt = performance.now();
          await send(index, key);
          await everybody;
          times.push(performance.now() - sentAt);
        });
        const count = counter.deliveries() - before;
        return { figures: { 'deliveries/s': (count * 1000) / (performance.now() - startedAt), 'last p50': quantile(times, 0.5), 'last p99': quantile(times, 0.99) }, count };
      },
      close() {
        for (const line of [...lines, ...posts]) line.close();
      },
    };
  };

/** Counts what arrives on the driver's own sockets, and tells when a text has reached so many. */
export function createCounter(readers: number) {
  const waiting = new Map<string, { left: number; done: () => void }>();
  let deliveries = 0;
  let keys = 0;
  return {
    deliveries: () => deliveries,
    nextKey: () => `key ${++keys} `,
    arrived(frame: string): void {
      const [key] = /key \d+ /.exec(frame) ?? [];
      if (!key) return;
      deliveries++;
      const wait = waiting.get(key);
      if (!wait || --wait.left > 0) return;
      waiting.delete(key);
      wait.done();
    },
    everybodyHas: (key: string): Promise<void> => new Promise((done) => waiting.set(key, { left: readers, done })),
  };
}

/** A server may not say when a subscription is live. */
export async function untilAllHear(_arena: Arena, counter: ReturnType<typeof createCounter>, send: (text: string) => Promise<void>): Promise<void> {
  for (;;) {
    const key = counter.nextKey();
    const all = counter.everybodyHas(key).then(() => true);
    await send(key);
    if (await Promise.race([all, sleep(1_000, false)])) return;
  }
}
