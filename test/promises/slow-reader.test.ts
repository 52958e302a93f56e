/** P12: who does not read is cut off, costs little memory, and bothers nobody else. */
import type { Socket } from 'node:net';
import { platform } from 'node:os';
import { expect, it } from 'vitest';
import { createPerson, type Item, type Person } from '../kit/person.ts';
import { startProcess } from '../kit/process.ts';
import { openRawSocket, type RawSocket } from '../kit/raw-socket.ts';
import { startTestServer, temporaryFolder } from '../kit/server.ts';
import { isOpenAtServer, memoryOf } from '../kit/system.ts';
import { events, messagesOf, newMessages, rounds, seqsTo, until } from './kit.ts';

/** 16 kB in UTF-8, so that what the network holds is soon full. */
const long = '😀'.repeat(4_000);

it('a socket that takes nothing is told SLOW_CONSUMER and closed with 1013, and can go on later where it was', async () => {
  await using server = await startTestServer({ SLOW_CONSUMER_SECONDS: '1' });
  const [owner, slow, fast] = (await server.people(3)) as [Person, Person, Person];
  const room = await owner.createRoom({ members: [{ id: slow.id }, { id: fast.id }] });
  const stream = await fast.follow(newMessages);
  using raw = await openRawSocket(server, { init: { authorization: `Bearer ${slow.token}` } });
  raw.subscribe('1', events);
  await until(() => server.followers() === 2, 'the stream did not open');
  raw.socket.pause();
  const count = 320;
  await flood(owner, room, count);
  await stream.until((item) => item.message?.seq === count);
  await until(() => server.followers() === 1, 'the slow one was not cut off');
  raw.socket.resume();
  expect(await raw.whenClosed()).toMatchObject({ code: 1013 });
  const items = itemsOf(raw);
  expect(items.at(-1)).toMatchObject({ __typename: 'SessionEnded', endReason: 'SLOW_CONSUMER', retry: true });
  const got = messagesOf(items).map((message) => message.seq);
  expect(got).toEqual(seqsTo(got.length));
  expect(got.length).toBeLessThan(count);
  const again = await slow.follow(events, { after: items.at(-2)?.cursor });
  const rest = messagesOf(await again.until('CaughtUp')).map((message) => message.seq);
  expect([...got, ...rest]).toEqual(seqsTo(count));
  // The session has nothing to do with it.
  await slow.send(room, 'I am back');
});

it('an idle socket may leave 1,500 events unread, and then reads them all', async () => {
  await using server = await startTestServer({ SLOW_CONSUMER_SECONDS: '60' });
  const [owner, idle, eve] = (await server.people(3)) as [Person, Person, Person];
  const room = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: idle.id }] });
  const elsewhere = await owner.createRoom({ members: [{ id: eve.id }] });
  using raw = await openRawSocket(server, { init: { authorization: `Bearer ${idle.token}` } });
  for (const [id, document] of [events, newMessages, newMessages].entries()) raw.subscribe(String(id), document, id === 2 ? { chatId: room.id } : {});
  await until(() => server.followers() === 3, 'the streams did not open');
  raw.socket.pause();
  const text = 'x'.repeat(3_000);
  for (let sent = 0; sent < 1_500; sent += 50) {
    await Promise.all([...seqsTo(50).map(() => owner.send(room, text)), owner.send(elsewhere, 'not for all')]);
  }
  expect(server.followers()).toBe(3);
  raw.socket.resume();
  for (const id of ['0', '1', '2']) {
    const items = (): Item[] => itemsOf(raw, id);
    await until(
      () => messagesOf(items()).length >= 1_500,
      () => `only ${items().length} came`,
      20_000,
    );
    expect(messagesOf(items()).map((message) => message.seq)).toEqual(seqsTo(1_500));
    expect(items().filter((item) => !['MessageAdded', 'NotificationAdded'].includes(item.__typename))).toEqual([]);
  }
  expect(JSON.stringify(raw.got)).not.toContain('not for all');
});

it('a large answer is no reason to close the socket of who reads it', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const room = await ada.createRoom();
  await flood(ada, room, 100);
  const reading = await openRawSocket(server, { init: { authorization: `Bearer ${ada.token}` } });
  const page = (alias: string): string => `${alias}: chat(id: $id) { messages(first: 100) { nodes { id seq text } } }`;
  reading.subscribe('1', `query ($id: ID!) { ${page('a')} ${page('b')} }`, { id: room.id });
  const answer = await reading.message((message) => message.type === 'next', 20_000);
  expect(JSON.stringify(answer).length).toBeGreaterThan(1_500_000);
  reading.subscribe('2', '{ me { id } }');
  await reading.message((message) => message.type === 'next' && message.id === '2');
  expect(reading.closed).toBeNull();
  reading.socket.close();
});

it('twenty sockets that take nothing cost little memory, others receive in time, and the process lives', async () => {
  await using folder = await temporaryFolder();
  await using server = await startProcess({ DATA_DIR: folder.path, SLOW_CONSUMER_SECONDS: '2', LOG_LEVEL: 'info' });
  const people = await Promise.all(seqsTo(12).map(() => createPerson(server)));
  const [owner, fast, ...slow] = people as [Person, Person, ...Person[]];
  const room = await owner.createRoom({ members: [fast, ...slow].map(({ id }) => ({ id })) });
  const stream = await fast.follow(newMessages);
  const count = rounds(500, 3_000);
  // What the program needs for the work itself, without anybody slow.
  await flood(owner, room, 200);
  await stream.until((item) => item.message?.seq === 200);
  const sockets = await Promise.all([...slow, ...slow].map((person) => openRawSocket(server, { init: { authorization: `Bearer ${person.token}` } })));
  for (const raw of sockets) {
    raw.subscribe('1', events);
    await raw.message((message) => message.type === 'connection_ack');
  }
  await until(async () => {
    await owner.send(room, 'are you there?');
    return sockets.every((raw) => itemsOf(raw).length > 0);
  }, 'the streams did not open');
  for (const raw of sockets) raw.socket.pause();
  const before = memoryOf(server.pid);
  let most = before;
  let latest = 0;
  for (let sent = 0; sent < count; sent += 20) {
    const { message } = (await Promise.all(seqsTo(20).map(() => owner.send(room, long)))).reduce((a, b) => (a.message.seq > b.message.seq ? a : b));
    const stored = performance.now();
    await stream.until((item) => item.message?.seq === message.seq);
    latest = Math.max(latest, performance.now() - stored);
    most = Math.max(most, memoryOf(server.pid));
  }
  // 20 sockets times 500 messages of 16 kB would be 160 MB on top of what the work itself takes (some 90, as the heap is collected late).
  if (platform() === 'linux') expect((most - before) / 2 ** 20).toBeLessThan(160);
  expect(latest).toBeLessThan(2_000);
  // The server closes behind them without any help of theirs.
  await until(() => sockets.every((raw) => !isOpenAtServer(server, connectionOf(raw))), 'the slow ones were not dropped', 10_000);
  expect((await fast.send(room, 'still here')).duplicate).toBe(false);
  expect(stream.closed).toBeNull();
  for (const raw of sockets) raw.socket.terminate();
  await Promise.all(people.map((person) => person.close()));
});

async function flood(person: Person, room: { id: string }, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += 20) await Promise.all(seqsTo(20).map(() => person.send(room, long)));
}

const itemsOf = (raw: RawSocket, id = '1'): Item[] =>
  raw.got.filter((message) => message.type === 'next' && message.id === id).map((message) => Object.values(message.payload.data)[0] as Item);

/** The connection under a socket. */
const connectionOf = ({ socket }: RawSocket): Socket => (socket as unknown as { _socket: Socket })._socket;
