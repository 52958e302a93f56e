/**
 * This version against another one, in one run: AGAINST=<another checkout> node bench/against.ts. Both servers run all the time and are asked in turn, so that
 * what else the machine does meets both alike: W1 over HTTP and over the socket, W2 with readers of one room, W4 pages of a history. ONLY=W2
 * leaves out the others.
 */
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { compare, createDriver, createRoom, load, register, startBenchServer } from './kit.ts';

const seconds = Number(process.env.SECONDS ?? 3);
const rounds = Number(process.env.ROUNDS ?? 5);
const senders = 32;
const readers = 200;
const other = process.env.AGAINST;
if (!other) throw new Error('Say which checkout to compare with: AGAINST=<folder> node bench/against.ts');

const sendDocument = `mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) { __typename ... on SendMessagePayload { message { id seq } duplicate cursor } ... on UserError { code errorMessage } }
}`;
const pageDocument = `query Page($chat: ID!, $before: String) {
  chat(id: $chat) { messages(last: 50, before: $before) { nodes { id seq text createdAt sender { id username displayName } } pageInfo { hasPreviousPage startCursor } } }
}`;
const streamDocument = 'subscription { newMessages { __typename ... on MessageAdded { cursor message { id seq text sender { id username } } } } }';

await using theirs = await startBenchServer({}, other);
await using ours = await startBenchServer();
const contestants = { other: await prepare(theirs.url), this: await prepare(ours.url) };
const each = (run: (world: World) => Promise<Record<string, number>>): Record<string, () => Promise<Record<string, number>>> =>
  Object.fromEntries(Object.entries(contestants).map(([name, world]) => [name, () => run(world)]));

await measure(
  `W1 over HTTP, ${senders} senders`,
  rounds,
  each((world) => load(senders, seconds, (sender) => world.send(sender))),
);
await measure(
  'W1 over HTTP, one sender',
  rounds,
  each((world) => load(1, seconds, (sender) => world.send(sender))),
);
await measure(
  `W1 over the socket, ${senders} senders`,
  rounds,
  each((world) => load(senders, seconds, (sender) => world.sendOverSocket(sender))),
);
await measure(
  'W4, pages of 50',
  rounds,
  each((world) => load(8, seconds, () => world.readPage())),
);
await measure(
  `W2, messages to ${readers} readers, eight under way`,
  rounds,
  each((world) => world.fanOut()),
);
for (const world of Object.values(contestants)) world.close();

async function measure(title: string, count: number, runs: Record<string, () => Promise<Record<string, number>>>): Promise<void> {
  if (title.startsWith(process.env.ONLY ?? '')) await compare(title, count, runs);
}

type World = Awaited<ReturnType<typeof prepare>>;

async function prepare(url: string) {
  const driver = createDriver(url);
  const people: Awaited<ReturnType<typeof register>>[] = [];
  for (let index = 0; index < senders; index++) people.push(await register(driver, `sender${index}`));
  const [first] = people as [(typeof people)[number]];
  const everybody = people.slice(1).map(({ id }) => id);
  const [chatId, history, loud] = [await createRoom(driver, first.token, everybody), await createRoom(driver, first.token, []), await createRoom(driver, first.token, everybody)];
  const socketOf = (token: string) =>
    createClient({ url: `${url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, connectionParams: { authorization: `Bearer ${token}` }, lazy: false });
  const sockets = people.map(({ token }) => socketOf(token));
  let count = 0;
  const variablesTo = (chat: string) => ({ input: { to: { chatId: chat }, text: `hello ${++count}`, clientMessageId: `${count}` } });
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let index = 0; index < 125; index++) await driver.graphql(sendDocument, variablesTo(history), first.token);
    }),
  );
  return {
    send: async (sender: number): Promise<void> => void (await driver.graphql(sendDocument, variablesTo(chatId), people[sender]?.token)),
    async sendOverSocket(sender: number): Promise<void> {
      for await (const _answer of (sockets[sender] as (typeof sockets)[number]).iterate({ query: sendDocument, variables: variablesTo(chatId) })) break;
    },
    readPage: async (): Promise<void> => void (await driver.graphql(pageDocument, { chat: history }, first.token)),
    async fanOut(): Promise<Record<string, number>> {
      let received = 0;
      const listening = Array.from({ length: readers }, (_, index) => {
        const client = socketOf(people[1 + (index % (senders - 1))]?.token as string);
        client.subscribe({ query: streamDocument }, { next: () => received++, error: () => {}, complete: () => {} });
        return client;
      });
      // Until everybody hears.
      for (let heard = 0; heard < readers; heard = received) {
        received = 0;
        await driver.graphql(sendDocument, variablesTo(loud), first.token);
        await new Promise((wake) => setTimeout(wake, 200));
      }
      received = 0;
      const { perSecond } = await load(8, seconds, async () => {
        const goal = received + readers;
        await driver.graphql(sendDocument, variablesTo(loud), first.token);
        while (received < goal) await new Promise((wake) => setImmediate(wake));
      });
      const deliveries = received / seconds;
      for (const client of listening) await client.dispose();
      return { perSecond, deliveries };
    },
    close(): void {
      driver.close();
      for (const socket of sockets) void socket.dispose();
    },
  };
}
