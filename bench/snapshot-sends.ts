/**
 * What a snapshot that is held open does to people: sends through a server, one after the other into one hot room and now and then into a quiet one, minute by minute.
 * Beside the times, which depend on what else the machine does, how many blocks PostgreSQL looks at for a send. `MINUTES`, `RATE` (sends a second), `HELD=off` without such a snapshot, `CHECKOUT=/folder` another version of the server.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startPostgres } from '../scripts/embedded-postgres.ts';
import { createDriver, createRoom, quantile, register, startBenchServer } from './kit.ts';

const minutes = Number(process.env.MINUTES ?? 15);
const perSecond = Number(process.env.RATE ?? 150);
const held = process.env.HELD !== 'off';
const quietRooms = 50;
const quietEvery = 20;
const send = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { ... on SendMessagePayload { message { id seq chat { lastSeq } } } } }';

await using postgres = await startPostgres();
await postgres.createDatabase('snapshot');
const url = postgres.url('snapshot');
await using server = await startBenchServer({ DATABASE_URL: url, ACCESS_TOKEN_SECONDS: '86400' }, process.env.CHECKOUT);
const driver = createDriver(server.url);
const sender = await register(driver, 'sender');
const rooms: string[] = [];
for (let index = 0; index <= quietRooms; index++) rooms.push(await createRoom(driver, sender.token, []));
const [hot = '', ...quiet] = rooms;
const say = (chatId: string, round: number) => driver.graphql(send, { input: { to: { chatId }, text: `round ${round}` } }, sender.token);
for (let round = 0; round < 500; round++) await say(rooms[round % rooms.length] as string, round);

const snapshot = new pg.Client(url);
snapshot.on('error', () => {});
await snapshot.connect();
if (held) await snapshot.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM "Chat"');
const watch = new pg.Client(url);
await watch.connect();
const blocks = async (): Promise<number> => {
  const { rows } = await watch.query('SELECT blks_hit + blks_read AS "all" FROM pg_stat_database WHERE datname = current_database()');
  return Number(rows[0].all);
};
console.log(`${held ? 'beside a snapshot that is held open' : 'without a snapshot'}, ${perSecond} sends a second: ms of a send`);
const startedAt = performance.now();
let [blocksBefore, roundsBefore] = [await blocks(), 0];
for (let minute = 1, round = 0; minute <= minutes; minute++) {
  const times = { hot: [] as number[], quiet: [] as number[] };
  while (performance.now() < startedAt + minute * 60_000) {
    round++;
    const isQuiet = round % quietEvery === 0;
    const from = performance.now();
    await say(isQuiet ? (quiet[(round / quietEvery) % quietRooms] as string) : hot, round);
    times[isQuiet ? 'quiet' : 'hot'].push(performance.now() - from);
    const due = startedAt + (round * 1000) / perSecond;
    await sleep(Math.max(0, due - performance.now()));
  }
  const shown = Object.entries(times).map(([name, all]) => `${name} p50 ${quantile(all, 0.5).toFixed(2)} p99 ${quantile(all, 0.99).toFixed(1)}`);
  const seen = await blocks();
  console.log(`  minute ${String(minute).padStart(2)}, ${round} sends: ${shown.join(', ')}, ${((seen - blocksBefore) / (round - roundsBefore)).toFixed(0)} blocks a send`);
  [blocksBefore, roundsBefore] = [seen, round];
}
await snapshot.end();
await watch.end();
driver.close();
