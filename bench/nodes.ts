/**
 * How long after its acknowledgement a message reaches a reader on another node of the same PostgreSQL: woken by NOTIFY, or by looking every 500 ms and every 2 s.
 * Each node is a process of its own; the senders and the readers run here, and the machine does everything at once.
 */
import WebSocket from 'ws';
import { startPostgres } from '../scripts/embedded-postgres.ts';
import { compare, createDriver, createRoom, load, quantile, register, startBenchServer } from './kit.ts';

const seconds = Number(process.env.SECONDS ?? 4);
const rounds = Number(process.env.ROUNDS ?? 3);
const ways: Record<string, Record<string, string>> = {
  'woken by NOTIFY': {},
  'looking every 500 ms': { NODE_LISTEN_URL: 'off', NODE_POLL_MS: '500' },
  'looking every 2 s': { NODE_LISTEN_URL: 'off' },
};
const send = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { ... on SendMessagePayload { message { id } } } }';
const follow = 'subscription { newMessages { ... on MessageAdded { message { id } } } }';

await using postgres = await startPostgres(['max_connections=200']);
let databases = 0;
for (const nodes of [1, 2, 4]) {
  for (const senders of [1, 16]) {
    await compare(
      `${nodes} node(s), ${senders} sender(s), from the acknowledgement to a reader ${nodes === 1 ? 'on the same node' : 'on another node'}`,
      rounds,
      Object.fromEntries(Object.entries(ways).map(([name, settings]) => [name, () => measure(nodes, senders, settings)])),
    );
  }
}

async function measure(count: number, senders: number, settings: Record<string, string>): Promise<Record<string, number>> {
  const name = `bench_${++databases}`;
  await postgres.createDatabase(name);
  await using opened = new AsyncDisposableStack();
  const nodes = [];
  for (let index = 0; index < count; index++) nodes.push(opened.use(await startBenchServer({ DATABASE_URL: postgres.url(name), NODE_POLL_MS: '2000', ...settings })));
  const drivers = nodes.map(({ url }) => opened.adopt(createDriver(url), (driver) => driver.close()));
  const [first] = drivers as [(typeof drivers)[number]];
  const people: Awaited<ReturnType<typeof register>>[] = [];
  for (let index = 0; index < senders; index++) people.push(await register(first, `sender${index}`));
  const [owner] = people as [(typeof people)[number]];
  const chatId = await createRoom(
    first,
    owner.token,
    people.slice(1).map(({ id }) => id),
  );
  const acknowledged = new Map<string, number>();
  const arrived = new Map<string, number>();
  const times: number[] = [];
  const meet = (id: string): void => {
    const [from, to] = [acknowledged.get(id), arrived.get(id)];
    if (from === undefined || to === undefined) return;
    // What a reader has before its sender hears of it took no time.
    times.push(Math.max(0, to - from));
    acknowledged.delete(id);
    arrived.delete(id);
  };
  // The reader is on the last node, the senders on all others.
  const socket = new WebSocket(`${nodes.at(-1)?.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { perMessageDeflate: false });
  opened.defer(() => socket.terminate());
  await new Promise((open) => socket.once('open', open));
  socket.on('message', (data) => {
    const id = JSON.parse(String(data)).payload?.data?.newMessages?.message?.id;
    if (id) meet(arrived.set(id, performance.now()) && id);
  });
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${owner.token}` } }));
  await new Promise((acknowledgement) => socket.once('message', acknowledgement));
  socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: follow } }));
  await new Promise((settle) => setTimeout(settle, 1_500));
  const { perSecond } = await load(senders, seconds, async (sender, round) => {
    const driver = drivers[(sender + round) % Math.max(1, count - 1)] as (typeof drivers)[number];
    const { sendMessage } = await driver.graphql(send, { input: { to: { chatId }, text: `round ${round}` } }, people[sender]?.token);
    meet(acknowledged.set(sendMessage.message.id, performance.now()) && sendMessage.message.id);
    if (senders === 1) await new Promise((pause) => setTimeout(pause, 10));
  });
  await new Promise((settle) => setTimeout(settle, 2_500));
  return { 'sends/s': perSecond, 'p50 ms': quantile(times, 0.5), 'p99 ms': quantile(times, 0.99), missing: acknowledged.size };
}
