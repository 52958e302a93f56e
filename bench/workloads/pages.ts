/** W4: pages of 50 of a long history, with their senders: the newest, and anywhere in it. */
import { load } from '../kit.ts';
import { openHttp } from '../lean-http.ts';
import type { Prepare } from '../measure.ts';

const askers = 8;

export const pages: Prepare = async (arena, { seconds, history }) => {
  const [person] = await arena.people(1);
  if (!person) throw new Error('nobody');
  const chat = await arena.room([person]);
  await arena.fill(chat, history);
  const https = Array.from({ length: askers }, () => openHttp(arena.url));
  const read = (before: () => number) => load(askers, seconds / 2, async (index) => arena.page(https[index] as (typeof https)[number], person, chat, before()));
  return {
    async run() {
      const newest = await read(() => history + 1);
      const anywhere = await read(() => 51 + Math.floor(Math.random() * (history - 50)));
      const figures = { 'pages/s': newest.perSecond, p50: newest.p50, p99: newest.p99, 'anywhere/s': anywhere.perSecond };
      return { figures, count: ((newest.perSecond + anywhere.perSecond) * seconds) / 2 };
    },
    close() {
      for (const http of https) http.close();
    },
  };
};
