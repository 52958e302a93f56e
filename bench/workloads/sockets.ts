/** W5: memory of idle sockets that follow. W7: many that come at once. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Arena, Line, Person } from '../arena.ts';
import { openHttp } from '../lean-http.ts';
import { type Prepare, residentMemory } from '../measure.ts';
import { createCounter, untilAllHear } from './readers.ts';

async function prepare(arena: Arena, subscribers: number) {
  const people = await arena.people(Math.min(100, subscribers));
  const chat = await arena.room(people);
  const counter = createCounter(subscribers);
  const connect = async (index: number): Promise<Line> => {
    const line = await arena.open(people[index % people.length] as Person);
    await line.follow(chat, 'events', counter.arrived);
    return line;
  };
  const http = openHttp(arena.url);
  return { connect, allHear: () => untilAllHear(arena, counter, (text) => arena.send(http, people[0] as Person, chat, text)), close: http.close };
}

export const idleSockets: Prepare = async (arena, { subscribers }) => {
  const { connect, close } = await prepare(arena, subscribers);
  const lines = [await connect(0)];
  await sleep(500);
  let kilobytes = Number.NaN;
  const before = residentMemory(arena.pid);
  return {
    /** Once: memory that was given back is not given back to the system. */
    async run() {
      if (lines.length === 1) {
        for (let index = 1; index < subscribers; index++) lines.push(await connect(index));
        await sleep(1_000);
        kilobytes = (residentMemory(arena.pid) - before) / 1024 / (subscribers - 1);
      }
      return { figures: { 'KB a socket': kilobytes } };
    },
    close() {
      close();
      for (const line of lines) line.close();
    },
  };
};

export const arrivals: Prepare = async (arena, { subscribers }) => {
  const { connect, allHear, close } = await prepare(arena, subscribers);
  return {
    async run() {
      const startedAt = performance.now();
      const lines = await Promise.all(Array.from({ length: subscribers }, (_, index) => connect(index)));
      await allHear();
      const took = performance.now() - startedAt;
      for (const line of lines) line.close();
      await sleep(500);
      return { figures: { 'all live after': took }, count: subscribers };
    },
    close,
  };
};
