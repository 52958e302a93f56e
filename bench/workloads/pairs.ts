/** W3: pairs of people chatting: each answers as soon as they have heard the other. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Interest, Line, Person } from '../arena.ts';
import { quantile } from '../kit.ts';
import type { Prepare } from '../measure.ts';

export const pairs =
  (interest: Interest): Prepare =>
  async (arena, { seconds, subscribers }) => {
    const people = await arena.people(subscribers - (subscribers % 2));
    const lines: Line[] = [];
    const starts: (() => void)[] = [];
    let running = false;
    let under = 0;
    let times: number[] = [];
    for (let index = 0; index < people.length; index += 2) {
      const [one, other] = people.slice(index, index + 2) as [Person, Person];
      const chat = await arena.dialog(one, other);
      const couple = [await arena.open(one), await arena.open(other)] as const;
      lines.push(...couple);
      let turn = 0;
      let sentAt = 0;
      const say = (): void => {
        sentAt = performance.now();
        under++;
        turn++;
        void couple[turn % 2]?.send(chat, `turn ${turn} `);
      };
      for (const [side, line] of couple.entries())
        await line.follow(chat, interest, (frame) => {
          // One's own message comes back, too: only what the other said counts.
          if (turn % 2 === side || !frame.includes(`turn ${turn} `)) return;
          under--;
          times.push(performance.now() - sentAt);
          if (running) say();
        });
      starts.push(say);
    }
    return {
      async run() {
        [times, running] = [[], true];
        const startedAt = performance.now();
        for (const start of starts) start();
        await sleep(seconds * 1000);
        const count = times.length;
        const figures = { 'deliveries/s': (count * 1000) / (performance.now() - startedAt), p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
        running = false;
        for (let waited = 0; under > 0 && waited < 100; waited++) await sleep(100);
        return { figures, count };
      },
      close() {
        for (const line of lines) line.close();
      },
    };
  };
