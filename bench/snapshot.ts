/**
 * What a snapshot that is held open does to sends: an hour's dump, a forgotten report. Versions of a row that it may still want cannot be pruned, and whoever updates
 * that row again walks past them. The time of the statements of a send, every few seconds, without and with such a snapshot: of a number from a head row that is
 * updated, as it was once, and from max + 1 under a lock of that row, which makes no version.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { startPostgres } from '../scripts/embedded-postgres.ts';
import { quantile } from './kit.ts';

const seconds = Number(process.env.SECONDS ?? 180);
const every = Number(process.env.EVERY ?? 30);
const perSecond = Number(process.env.RATE ?? 300);

await using postgres = await startPostgres();
await postgres.createDatabase('snapshot');
const url = postgres.url('snapshot');
const client = await connect();
for (const held of [false, true]) {
  await client.query(`DROP TABLE IF EXISTS head, chat, event; CREATE TABLE head (id int PRIMARY KEY, last bigint); CREATE TABLE chat (id int PRIMARY KEY, seq int, at timestamptz);
    CREATE TABLE event (number bigint PRIMARY KEY, text text); INSERT INTO head VALUES (1, 0), (2, 0); INSERT INTO chat SELECT i, 0, now() FROM generate_series(1, 100) i;
    INSERT INTO event SELECT i, 'a message of a usual length' FROM generate_series(1, 1000) i`);
  const snapshot = await connect();
  if (held) await snapshot.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM event');
  console.log(`\n${held ? 'beside a snapshot that is held open' : 'without'}, ${perSecond} commits a second: p50 in ms of each statement`);
  const times: Record<string, number[]> = {};
  const timed = async (name: string, text: string): Promise<void> => {
    const from = performance.now();
    await client.query(text);
    (times[name] ??= []).push(performance.now() - from);
  };
  const startedAt = performance.now();
  for (let round = 1, shownAt = startedAt; performance.now() < startedAt + seconds * 1000; round++) {
    await client.query('BEGIN');
    await timed('hot room: update', `UPDATE chat SET seq = seq + 1, at = now() WHERE id = 1`);
    await timed('head row: update', `UPDATE head SET last = last + 1 WHERE id = 1 RETURNING last`);
    await timed('head row: lock', 'SELECT 1 FROM head WHERE id = 2 FOR UPDATE');
    await timed('max + 1: read', 'SELECT max(number) + 1 FROM event');
    await timed('insert', `INSERT INTO event SELECT max(number) + 1, 'a message of a usual length' FROM event`);
    await timed('commit', 'COMMIT');
    if (performance.now() > shownAt + every * 1000) {
      shownAt = performance.now();
      console.log(
        `  ${((shownAt - startedAt) / 1000).toFixed(0).padStart(4)} s, ${round} commits: ${Object.entries(times)
          .map(([name, all]) => `${name} ${quantile(all.splice(0), 0.5).toFixed(2)}`)
          .join(', ')}`,
      );
    }
    const due = startedAt + (round * 1000) / perSecond;
    if (due > performance.now()) await sleep(due - performance.now());
  }
  await snapshot.end();
}
await client.end();

async function connect(): Promise<pg.Client> {
  const opened = new pg.Client(url);
  await opened.connect();
  return opened;
}
