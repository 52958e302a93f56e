/** W1: durable sends, acknowledged. */
import type { Arena } from '../arena.ts';
import { load } from '../kit.ts';
import { openHttp } from '../lean-http.ts';
import type { Options, Prepare } from '../measure.ts';

/** So many people in one room, each with one send under way. */
export const sends =
  (senders: number, over: 'http' | 'socket'): Prepare =>
  async (arena: Arena, { seconds }: Options) => {
    const people = await arena.people(senders);
    const chat = await arena.room(people);
    const clients = await Promise.all(
      people.map(async (person) => {
        if (over === 'socket') {
          const line = await arena.open(person);
          return { send: (text: string) => line.send(chat, text), close: line.close };
        }
        const http = openHttp(arena.url);
        return { send: (text: string) => arena.send(http, person, chat, text), close: http.close };
      }),
    );
    return {
      async run() {
        const { perSecond, p50, p99 } = await load(senders, seconds, async (sender, round) => clients[sender]?.send(`hello ${round}`));
        return { figures: { 'sends/s': perSecond, p50, p99 }, count: perSecond * seconds };
      },
      close: () => {
        for (const client of clients) client.close();
      },
    };
  };
