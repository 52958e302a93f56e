/**
 * `npm run chaos -- --seconds 120 --seed 7 --nodes 3`: servers on one PostgreSQL, people who write and read, and everything that can break, as the seed says. At
 * the end it is checked that nothing was lost. Starts all of it by itself, on this machine only, and ends it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { quantile } from '../bench/kit.ts';
import { ask, readHistory, register, startReader, startWriter } from './chaos/clients.ts';
import { startCluster } from './chaos/cluster.ts';
import { faults } from './chaos/faults.ts';
import { isClean, judge } from './chaos/history.ts';
import { createRandom } from './chaos/random.ts';

export type Options = { seconds: number; seed: number; nodes: number; writers: number; readers: number; pauseMs: number };

/** Runs once, and tells by `say` what it does. */
export async function runChaos({ seconds, seed, nodes, writers: writerCount, readers: readerCount, pauseMs }: Options, say: (line: string) => void) {
  const random = createRandom(seed);
  await using cluster = await startCluster(nodes);
  const [first] = cluster.nodes as [(typeof cluster.nodes)[number]];
  const accounts = [];
  for (let index = 0; index < writerCount + readerCount; index++) accounts.push(await register(first));
  const [owner] = accounts as [(typeof accounts)[number]];
  const chatIds: string[] = [];
  for (const name of ['one', 'two', 'three']) {
    const members = accounts.slice(1).map(({ id }) => ({ id }));
    const { createRoom } = await ask(
      first,
      'mutation ($input: CreateRoomInput!) { createRoom(input: $input) { ... on CreateRoomPayload { room { id } } } }',
      { input: { name, members } },
      owner.token,
    );
    chatIds.push(createRoom.room.id);
  }
  const { eventCursor: after } = await ask(first, '{ eventCursor }', {}, owner.token);
  // Each has choices of its own: what one of them waits for changes nothing for the others.
  const readers = accounts.slice(writerCount).map((account, index) => startReader({ account, places: cluster.nodes, after, random: createRandom(seed + 1_000 + index) }));
  const writers = accounts
    .slice(0, writerCount)
    .map((account, index) => startWriter({ account, places: cluster.nodes, chatIds, pauseMs, random: createRandom(seed + 2_000 + index) }));
  const counts = new Map<string, number>();
  const endsAt = performance.now() + seconds * 1000;
  const possible = faults.filter(({ long }) => !long || seconds >= 60);
  while (performance.now() < endsAt) {
    await sleep(random.between(200, 1_500));
    const fault = random.any(possible);
    say(`${((performance.now() - endsAt) / 1000 + seconds).toFixed(1).padStart(6)} s  ${fault.name}`);
    counts.set(fault.name, (counts.get(fault.name) ?? 0) + 1);
    await fault.run(cluster, random).catch((error: Error) => say(`          ${error.message}`));
  }
  for (const node of cluster.nodes) {
    node.kill('SIGCONT');
    node.line.mend();
    await node.setClock(0);
  }
  await within(90_000, 'the servers do not come back', async () => cluster.nodes.every(({ isUp }) => isUp));
  await Promise.race([
    Promise.all(writers.map((writer) => writer.stop())),
    sleep(90_000, undefined, { ref: false }).then(() => Promise.reject(new Error('a writer never got an answer'))),
  ]);
  const histories = [];
  for (const node of cluster.nodes) {
    const history = new Map<string, Awaited<ReturnType<typeof readHistory>>>();
    // One that was told to stop at the end may only just be going.
    const read = async (): Promise<boolean> => {
      for (const chatId of chatIds) history.set(chatId, await readHistory(node, owner, chatId));
      return true;
    };
    await within(60_000, `server ${node.name} does not answer`, read);
    histories.push(history);
  }
  const total = [...(histories[0] ?? new Map()).values()].reduce((sum, messages) => sum + messages.length, 0);
  // What does not come in this time does not come; the check says what it is.
  await within(30_000, '', async () => readers.every((reader) => reader.count() >= total)).catch(() => {});
  await sleep(1_000);
  const settled = await presenceSettles(
    cluster.nodes,
    readers.map(({ account }) => account.username),
    owner.token,
  );
  const acknowledged = writers.flatMap((writer) => writer.acknowledged);
  const verdict = judge({
    acknowledged,
    attempted: new Set(writers.flatMap((writer) => [...writer.attempted])),
    histories,
    readers: readers.map(({ added, versions, problems, gaps }) => ({ added, versions, problems, gaps: gaps() })),
  });
  const delays = readers.flatMap((reader) => acknowledged.map(({ id, at }) => Math.max(0, (reader.arrivedAt.get(id) ?? Number.POSITIVE_INFINITY) - at)));
  const refused = writers.flatMap((writer) => writer.refused);
  const defects = cluster.nodes.flatMap(({ output }) => output.filter((text) => text.trim() !== ''));
  const silence = Math.max(...readers.map((reader) => reader.longestSilenceMs()));
  await Promise.all(readers.map((reader) => reader.stop()));
  const figures = {
    faults: [...counts.values()].reduce((sum, count) => sum + count, 0),
    acknowledged: acknowledged.length,
    'edited or deleted': acknowledged.filter(({ text, edits }) => text === null || edits > 0).length,
    'tried again':
      writers.reduce((sum, writer) => sum + writer.tries(), 0) - acknowledged.length - acknowledged.reduce((sum, { edits, text }) => sum + edits + (text === null ? 1 : 0), 0),
    'readers came back': readers.reduce((sum, reader) => sum + reader.connects() - 1, 0),
    'p50 to a reader, ms': Math.round(quantile(delays, 0.5)),
    'longest way to a reader, s': Number((Math.max(0, ...delays) / 1000).toFixed(1)),
    'longest silence of a reader, s': Number((silence / 1000).toFixed(1)),
  };
  return { counts, figures, verdict, refused, defects, settled, clean: isClean(verdict) && settled && refused.length === 0 };
}

/** Every server shows the readers online, who are connected, and none of the writers, who are not. */
async function presenceSettles(places: readonly { url: string }[], readers: readonly string[], token: string): Promise<boolean> {
  const expected = JSON.stringify([...readers].sort());
  const shown = async (place: { url: string }): Promise<string> => {
    const { registeredUsers } = await ask(place, '{ registeredUsers(first: 100, filter: { online: true }) { nodes { username } } }', {}, token);
    return JSON.stringify(registeredUsers.nodes.map(({ username }: { username: string }) => username).sort());
  };
  return within(25_000, 'presence', async () => (await Promise.all(places.map(shown))).every((names) => names === expected)).then(
    () => true,
    () => false,
  );
}

async function within(ms: number, what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const until = performance.now() + ms; !(await holds().catch(() => false)); await sleep(100)) if (performance.now() > until) throw new Error(what);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '30' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      nodes: { type: 'string', default: '3' },
      writers: { type: 'string', default: '8' },
      readers: { type: 'string', default: '6' },
      pause: { type: 'string', default: '20' },
    },
  });
  const [seconds, seed, nodes, writers, readers, pauseMs] = [values.seconds, values.seed, values.nodes, values.writers, values.readers, values.pause].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  console.log(`${nodes} servers, ${writers} writers, ${readers} readers, ${seconds} s, seed ${seed}`);
  const result = await runChaos({ seconds, seed, nodes, writers, readers, pauseMs }, console.log);
  const table = {
    ...Object.fromEntries(result.counts),
    ...result.figures,
    ...result.verdict,
    'answers that no fault explains': result.refused.length,
    'presence settled': result.settled,
  };
  const width = Math.max(...Object.keys(table).map((name) => name.length));
  console.log(
    `\n${Object.entries(table)
      .map(([name, value]) => `| ${name.padEnd(width)} | ${String(value).padStart(8)} |`)
      .join('\n')}`,
  );
  for (const text of [...result.refused.slice(0, 5), ...result.defects.slice(0, 5)]) console.log(text.slice(0, 500));
  console.log(result.clean ? '\nNothing was lost, doubled or out of order.' : `\nSomething is wrong. Again: npm run chaos -- --seconds ${seconds} --seed ${seed} --nodes ${nodes}`);
  process.exitCode = result.clean ? 0 : 1;
}
