/** W1: durable sends acknowledged a second, against a bare node:http server that inserts with one prepared statement. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { temporaryFolder } from '../test/kit/server.ts';
import { compare, createDriver, createRoom, load, register, startBenchServer } from './kit.ts';

const seconds = Number(process.env.SECONDS ?? 3);
const rounds = Number(process.env.ROUNDS ?? 3);
const document = `mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) { __typename ... on SendMessagePayload { message { id seq } duplicate cursor } ... on UserError { code errorMessage } }
}`;

for (const senders of [1, 32]) {
  await compare(`W1, ${senders} sender(s), messages acknowledged a second`, rounds, {
    'bare, synchronous=FULL': () => bare('FULL', senders),
    'bare, synchronous=NORMAL': () => bare('NORMAL', senders),
    'Tertulia over HTTP, full': () => ours('full', senders, 'http'),
    'Tertulia over HTTP, normal': () => ours('normal', senders, 'http'),
    'Tertulia over the socket, full': () => ours('full', senders, 'socket'),
  });
}

async function bare(synchronous: string, senders: number) {
  await using folder = await temporaryFolder();
  const database = new Sqlite(join(folder.path, 'bare.db'));
  database.pragma('journal_mode = WAL');
  database.pragma(`synchronous = ${synchronous}`);
  database.exec('CREATE TABLE message (id INTEGER PRIMARY KEY, chat INTEGER, seq INTEGER, sender INTEGER, text TEXT, at INTEGER)');
  const insert = database.prepare('INSERT INTO message (chat, seq, sender, text, at) VALUES (?, ?, ?, ?, ?)');
  let seq = 0;
  const server = http.createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      const message = JSON.parse(text) as { text: string };
      insert.run(1, ++seq, 1, message.text, Date.now());
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ id: seq, seq }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const driver = createDriver(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const result = await load(senders, seconds, async (_sender, round) => void (await driver.post('/', { text: `hello ${round}` })));
  driver.close();
  server.close();
  database.close();
  return result;
}

async function ours(synchronous: string, senders: number, transport: 'http' | 'socket') {
  await using server = await startBenchServer({ SQLITE_SYNCHRONOUS: synchronous });
  const driver = createDriver(server.url);
  const people: Awaited<ReturnType<typeof register>>[] = [];
  for (let index = 0; index < senders; index++) people.push(await register(driver, `sender${index}`));
  const [first, ...others] = people as [(typeof people)[number], ...typeof people];
  const chatId = await createRoom(
    driver,
    first.token,
    others.map(({ id }) => id),
  );
  const sockets = people.map(({ token }) =>
    createClient({
      url: `${server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
      lazy: transport === 'http',
    }),
  );
  const result = await load(senders, seconds, async (sender, round) => {
    const variables = { input: { to: { chatId }, text: `hello ${round}`, clientMessageId: `${sender} ${round}` } };
    if (transport === 'http') await driver.graphql(document, variables, people[sender]?.token);
    else for await (const _answer of (sockets[sender] as (typeof sockets)[number]).iterate({ query: document, variables })) break;
  });
  driver.close();
  for (const socket of sockets) await socket.dispose();
  return result;
}
