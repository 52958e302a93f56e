/**
 * What somebody else waits: the least that anybody can ask, asked all the time beside senders, beside a disk that takes its time, beside the sweep of a large
 * room and beside searches; and the longest turn of the server's main thread, less what that waited for a processor. `AGAINST=<another checkout> node bench/run.ts waits` measures both in turn.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { openCrowd } from '../test/kit/crowd.ts';
import { startProcess } from '../test/kit/process.ts';
import { temporaryFolder } from '../test/kit/server.ts';
import { compare, createDriver, createRoom, load, quantile, register } from './kit.ts';

const seconds = Number(process.env.SECONDS ?? 3);
const rounds = Number(process.env.ROUNDS ?? 5);
const senders = 32;
const inLargeRoom = 100_000;
const accounts = 5_000;
const searches = 45;
const checkouts = { ...(process.env.AGAINST ? { other: process.env.AGAINST } : {}), this: undefined };
const sendDocument = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename ... on SendMessagePayload { message { id } } ... on UserError { code } } }';
const hello = { path: '/graphql', body: { query: '{ __typename }' } };

/** A server with senders in a room. Time and again the load is run, and what a bystander waited meanwhile is answered. */
async function open(checkout: string | undefined, flushMs: number) {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  const [turns, disk] = [join(folder.path, 'turns'), join(folder.path, 'flush')];
  await writeFile(disk, String(flushMs));
  const preloads = ['turns', ...(flushMs > 0 ? ['slow-disk'] : [])].map((name) => `--import=${new URL(`../test/kit/${name}.ts`, import.meta.url).href}`);
  const settings = { DATA_DIR: folder.path, LOG_LEVEL: 'warn', TURNS: turns, FLUSH_MS: disk, NODE_OPTIONS: preloads.join(' ') };
  const server = opened.use(await startProcess(settings, { checkout }));
  /** The longest turn of the main thread since this was asked before, without what it waited for a processor. */
  const longestTurn = async (): Promise<number> => {
    await rm(turns, { force: true });
    server.kill('SIGUSR2');
    for (;;) {
      await sleep(5);
      const text = await readFile(turns, 'utf8').catch(() => '');
      if (text) return Number(text);
    }
  };
  const driver = createDriver(server.url);
  opened.defer(driver.close);
  const crowd = opened.use(await openCrowd(folder.path));
  const people: Awaited<ReturnType<typeof register>>[] = [];
  for (let index = 0; index < senders; index++) people.push(await register(driver, `sender${index}`));
  const [first, ...others] = people as [(typeof people)[number], ...typeof people];
  const room = await createRoom(
    driver,
    first.token,
    others.map(({ id }) => id),
  );
  const kept = opened.move();
  return { server, longestTurn, driver, crowd, people, room, close: () => kept.disposeAsync() };
}
type World = Awaited<ReturnType<typeof open>>;

async function waitsBeside({ server, longestTurn }: World, job: () => Promise<Record<string, number>>): Promise<Record<string, number>> {
  const bystander = new Worker(new URL('bystander.ts', import.meta.url), { workerData: { url: server.url, hello } });
  await new Promise((online) => bystander.once('online', online));
  await sleep(100);
  await longestTurn();
  const figures = await job();
  const waits = new Promise<number[]>((resolve, reject) => bystander.once('message', resolve).once('error', reject));
  bystander.postMessage('stop');
  const waited = await waits;
  return { ...figures, p50: quantile(waited, 0.5), p99: quantile(waited, 0.99), longest: Math.max(...waited), longestTurn: await longestTurn() };
}

let sent = 0;
const send = async ({ driver, people, room }: World): Promise<Record<string, number>> => {
  const { perSecond } = await load(senders, seconds, async (sender) => {
    await driver.graphql(sendDocument, { input: { to: { chatId: room }, text: 'hello', clientMessageId: `${++sent}` } }, people[sender]?.token);
  });
  return { sends: perSecond };
};

/** Rooms go for good when somebody deletes their account. */
async function sweep({ driver, crowd, people: [owner] }: World, room: string): Promise<Record<string, number>> {
  const startedAt = performance.now();
  await driver.graphql('mutation ($id: ID!) { deleteRoom(input: { roomId: $id }) { __typename } }', { id: room }, owner?.token);
  const leaving = await register(driver, `leaving${++sent}`);
  await driver.graphql('mutation { deleteAccount(input: { password: "correct horse battery", messages: ERASE }) { __typename } }', {}, leaving.token);
  while ((await crowd.run(`SELECT 1 FROM "Chat" WHERE "id" = ${crowd.numberIn(room)}`)).length > 0) await sleep(50);
  return { tookMs: performance.now() - startedAt };
}

async function search({ driver, people }: World): Promise<Record<string, number>> {
  const document = `{ ${Array.from({ length: searches }, (_, index) => `s${index}: registeredUsers(first: 1, filter: { query: "none ${index}" }) { nodes { id } }`).join(' ')} }`;
  const startedAt = performance.now();
  await Promise.all(people.slice(0, 3).map(({ token }) => driver.graphql(document, {}, token)));
  return { tookMs: performance.now() - startedAt };
}

const worlds = async (flushMs: number): Promise<[string, World][]> =>
  Promise.all(Object.entries(checkouts).map(async ([name, checkout]): Promise<[string, World]> => [name, await open(checkout, flushMs)]));
const measured = async (title: string, times: number, all: [string, World][], job: (world: World) => Promise<Record<string, number>>): Promise<void> =>
  compare(title, times, Object.fromEntries(all.map(([name, world]) => [name, () => waitsBeside(world, () => job(world))])));

for (const flushMs of [0, 20]) {
  const all = await worlds(flushMs);
  // What is compiled the first time takes longest.
  for (const [, world] of all) for (let round = 0; round < 2; round++) await send(world);
  await measured(`${senders} senders, full durability${flushMs > 0 ? `, a disk that takes ${flushMs} ms for a flush` : ''}`, rounds, all, send);
  if (flushMs === 0) {
    for (const [, { crowd }] of all) await crowd.addAccounts(accounts);
    await measured(`three requests of ${searches} searches among ${accounts} accounts`, rounds, all, search);
    const doomed = new Map<World, string[]>();
    for (const [, world] of all) {
      const [owner] = world.people as [World['people'][number]];
      const rooms = [await createRoom(world.driver, owner.token, []), await createRoom(world.driver, owner.token, [])];
      for (const room of rooms) await world.crowd.addMessages(room, owner.id, inLargeRoom);
      doomed.set(world, rooms);
    }
    await measured(`the sweep of a room of ${inLargeRoom} messages`, 2, all, (world) => sweep(world, doomed.get(world)?.pop() as string));
  }
  for (const [, world] of all) await world.close();
}
