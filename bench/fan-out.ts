/** W2: one room with many subscribers, against a bare ws broadcast of one string. The readers run in this process, so its share of the cores counts for all alike. */
import WebSocket from 'ws';
import { compare, createDriver, createRoom, load, quantile, register, startBenchServer } from './kit.ts';

const seconds = Number(process.env.SECONDS ?? 4);
const rounds = Number(process.env.ROUNDS ?? 3);
const readers = Number(process.env.READERS ?? 1_000);
/** A whole stream carries a notification beside each message. */
const documentOf = (args: string): string =>
  `subscription Events { events${args} { __typename ... on StreamEvent { cursor } ... on MessageAdded { message { id seq text sender { id username } } } } }`;
const [everything, messages] = [documentOf(''), documentOf('(filter: { kinds: [MESSAGES] })')];

for (const [title, under] of [
  ['8 messages under way', 8],
  ['one message at a time', 1],
] as const)
  await compare(`W2, ${readers} readers, ${title}`, rounds, {
    'bare ws broadcast': () => bare(under),
    'Tertulia, everything': () => ours(under, everything),
    'Tertulia, messages': () => ours(under, messages),
  });

/** Counts what arrives and tells when a message has reached everybody. */
function createCounter() {
  const waiting = new Map<string, { left: number; done: () => void }>();
  let deliveries = 0;
  return {
    get deliveries() {
      return deliveries;
    },
    arrived(text: string): void {
      const [key] = /round \d+ \d+ /.exec(text) ?? [];
      if (!key) return;
      deliveries++;
      const wait = waiting.get(key);
      if (wait && --wait.left === 0) wait.done();
    },
    everybodyHas: (key: string): Promise<void> => new Promise((done) => waiting.set(key, { left: readers, done })),
  };
}

async function measure(under: number, send: (text: string) => Promise<unknown>, counter: ReturnType<typeof createCounter>) {
  const times: number[] = [];
  const started = performance.now();
  await load(under, seconds, async (sender, round) => {
    const key = `round ${sender} ${round} `;
    const arrived = counter.everybodyHas(key);
    const at = performance.now();
    await send(key);
    await arrived;
    times.push(performance.now() - at);
  });
  return { 'deliveries/s': (counter.deliveries * 1000) / (performance.now() - started), 'last p50 ms': quantile(times, 0.5), 'last p99 ms': quantile(times, 0.99) };
}

async function bare(under: number) {
  const { Worker } = await import('node:worker_threads');
  const worker = new Worker(new URL('bare-broadcast.ts', import.meta.url));
  const port = await new Promise<number>((resolve) => worker.once('message', resolve));
  const counter = createCounter();
  const sockets = await Promise.all(Array.from({ length: readers }, () => open(`ws://127.0.0.1:${port}`)));
  for (const socket of sockets) socket.on('message', (data) => counter.arrived(String(data)));
  const sender = await open(`ws://127.0.0.1:${port}`);
  const result = await measure(under, async (text) => sender.send(text), counter);
  for (const socket of [...sockets, sender]) socket.terminate();
  await worker.terminate();
  return result;
}

async function ours(under: number, query: string) {
  await using server = await startBenchServer({ MAX_SOCKETS_PER_ACCOUNT: '1000000' });
  const driver = createDriver(server.url);
  const people: Awaited<ReturnType<typeof register>>[] = [];
  for (let index = 0; index < 100; index++) people.push(await register(driver, `reader${index}`));
  const [first] = people as [(typeof people)[number]];
  const chatId = await createRoom(
    driver,
    first.token,
    people.slice(1).map(({ id }) => id),
  );
  const counter = createCounter();
  const sockets = await Promise.all(
    Array.from({ length: readers }, async (_, index) => {
      const socket = await open(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
      socket.on('message', (data) => counter.arrived(String(data)));
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${people[index % people.length]?.token}` } }));
      await new Promise((acknowledged) => socket.once('message', acknowledged));
      socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
      return socket;
    }),
  );
  await new Promise((settle) => setTimeout(settle, 500));
  const mutation = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }';
  const result = await measure(under, (text) => driver.graphql(mutation, { input: { to: { chatId }, text } }, first.token), counter);
  for (const socket of sockets) socket.terminate();
  driver.close();
  return result;
}

function open(url: string, protocol?: string): Promise<WebSocket> {
  const socket = new WebSocket(url, protocol, { perMessageDeflate: false });
  return new Promise((resolve, reject) => socket.once('open', () => resolve(socket)).once('error', reject));
}
