/** P16: SIGTERM under load: not ready at once, what runs is finished, streams and sockets are told, and the process ends in time whatever clients do. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket as TcpSocket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createPerson, type Follow, type Item, type Person, request, type Untyped } from '../kit/person.ts';
import { startProcess } from '../kit/process.ts';
import { openRawSocket } from '../kit/raw-socket.ts';
import { temporaryFolder } from '../kit/server.ts';
import { eventCursor, events, history, newMessages, rounds, sendMessage, seqsTo, textsOf, until } from './kit.ts';

it('a stop under load loses nothing that was acknowledged and tells every stream and socket', async () => {
  for (let round = 0; round < rounds(1, 20); round++) {
    await using folder = await temporaryFolder();
    const place = { url: '' };
    await using first = await startProcess({ DATA_DIR: folder.path });
    place.url = first.url;
    const people = await Promise.all(seqsTo(15).map(() => createPerson(place)));
    const [owner, ...others] = people as [Person, ...Person[]];
    const room = await owner.createRoom({ members: others.map(({ id }) => ({ id })) });
    const start = await eventCursor(owner);
    const streams: Follow[] = await Promise.all([...others.slice(0, 5).map((person) => person.follow(events)), owner.follow(newMessages, { chatId: room.id })]);
    const sse = await openSse(place, owner);
    using idle = await openRawSocket(place, { init: true });
    const acknowledged: Untyped[] = [];
    const refused: string[] = [];
    const writing = others.map(async (person, index) => {
      const socket = index % 2 ? person.socket() : null;
      for (let sent = 0; ; sent++) {
        const text = `${index}.${sent}`;
        const variables = { input: { to: { chatId: room.id }, text, clientMessageId: text } };
        try {
          const { data, errors } = socket ? await socket.request<Untyped, Untyped>(sendMessage, variables) : await person.request(sendMessage, variables);
          if (data?.sendMessage) acknowledged.push({ person, variables, ...data.sendMessage.message });
          else {
            // A request that comes too late is told so; it is never an unexpected error.
            expect(errors?.map((error) => error.extensions.code)).toEqual(['UNAVAILABLE']);
            refused.push(text);
            return;
          }
        } catch {
          return;
        }
      }
    });
    await until(() => acknowledged.length > 100, 'nobody could write');
    await sleep(Math.random() * 100);
    const stoppedAt = Date.now();
    first.kill('SIGTERM');
    expect(await first.ended(10_000)).toEqual({ code: 0, signal: null });
    expect(Date.now() - stoppedAt).toBeLessThan(6_000);
    await Promise.all(writing);
    expect(first.output.error).toBe('');

    for (const stream of streams) {
      expect((await stream.socket.whenClosed()).code).toBe(1012);
      expect(stream.items.at(-1)).toMatchObject({ __typename: 'SessionEnded', endReason: 'SERVER_SHUTDOWN', retry: true });
    }
    expect((await idle.whenClosed()).code).toBe(1012);
    expect((await sse.items).at(-1)).toMatchObject({ __typename: 'SessionEnded', endReason: 'SERVER_SHUTDOWN', retry: true });

    await using second = await startProcess({ DATA_DIR: folder.path });
    place.url = second.url;
    const stored = await history(owner, room.id);
    expect(stored.map((message) => message.seq)).toEqual(seqsTo(stored.length));
    for (const { id, seq, text } of acknowledged) expect(stored[seq - 1]).toMatchObject({ id, text });
    for (const text of refused) expect(stored.map((message) => message.text)).not.toContain(text);
    // A stream that was told goes on where it was.
    const before = (streams.at(-1) as Follow).items.slice(0, -1);
    const again = await owner.follow(newMessages, { chatId: room.id, after: before.findLast((item) => item.cursor)?.cursor ?? start });
    expect([...textsOf(before), ...textsOf(await again.until('CaughtUp'))]).toEqual(stored.map((message) => message.text));
    await Promise.all(people.map((person) => person.close()));
  }
});

it('/ready says no at once while a running mutation is finished, whose answer is true', async () => {
  await using folder = await temporaryFolder();
  const place = { url: '' };
  // A password that takes a while to hash.
  await using first = await startProcess({ DATA_DIR: folder.path, ARGON2_MEMORY_KIB: '65536', ARGON2_PASSES: '10', SHUTDOWN_SECONDS: '20' });
  place.url = first.url;
  expect((await fetch(`${place.url}/ready`)).status).toBe(200);
  const username = `slow-${randomBytes(4).toString('hex')}`;
  const register = 'mutation ($input: RegisterInput!) { register(input: $input) { __typename ... on RegisterPayload { me { username } auth { accessToken } } } }';
  const answer = request(place, register, { input: { username, password: 'correct horse battery' } });
  await sleep(100);
  first.kill('SIGTERM');
  await until(() => first.output.out.includes('asked to stop'), 'the signal was not taken');
  const ready = await fetch(`${place.url}/ready`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ stopping: true });
  expect((await fetch(`${place.url}/health`)).status).toBe(200);
  const late = await fetch(`${place.url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query: '{ serverInfo { name } }' }) });
  expect(late.status).toBe(503);
  expect(late.headers.get('retry-after')).not.toBeNull();
  expect(((await late.json()) as Untyped).errors[0].extensions.code).toBe('UNAVAILABLE');
  using socket = await openRawSocket(place);
  expect(socket.refusal).toContain('503');
  const { data } = await answer;
  expect(data?.register).toMatchObject({ __typename: 'RegisterPayload', me: { username } });
  expect(await first.ended(10_000)).toEqual({ code: 0, signal: null });
  await using second = await startProcess({ DATA_DIR: folder.path });
  const me = await request(second, '{ me { username } }', {}, { authorization: `Bearer ${data?.register.auth.accessToken}` });
  expect(me.data?.me).toEqual({ username });
});

it('ends in time also with clients that never answer, never read, or never finish what they send', async () => {
  await using folder = await temporaryFolder();
  await using server = await startProcess({ DATA_DIR: folder.path });
  const ana = await createPerson(server);
  const room = await ana.createRoom();
  const port = Number(new URL(server.url).port);
  const open: TcpSocket[] = [];
  const tcp = async (text: string): Promise<TcpSocket> => {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    open.push(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(text);
    return socket;
  };
  // A WebSocket that does not even know what a close is, one that stops reading in the middle of a stream, half a request, half a header, and a silent connection.
  const deaf = await tcp(
    `GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`,
  );
  const upgraded = await new Promise((resolve) => deaf.once('data', (data) => resolve(String(data))));
  expect(upgraded).toContain('101 Switching Protocols');
  await tcp(`POST /graphql HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"query":`);
  await tcp('POST /graphql HTTP/1.1\r\nHost: 127.0');
  await tcp('');
  using unread = await openRawSocket(server, { init: { authorization: `Bearer ${ana.token}` } });
  unread.subscribe('1', events);
  await sleep(50);
  unread.socket.pause();
  for (let sent = 0; sent < 300; sent += 50) await Promise.all(seqsTo(50).map(() => ana.send(room, '😀'.repeat(4_000))));
  const stoppedAt = Date.now();
  server.kill('SIGTERM');
  expect(await server.ended(12_000)).toEqual({ code: 0, signal: null });
  // SHUTDOWN_SECONDS is 5 here, and a close is given two more.
  expect(Date.now() - stoppedAt).toBeLessThan(9_000);
  for (const socket of open) socket.destroy();
  await ana.close();
});

/** Resolves when the stream is open; `items` when the server has ended it. */
async function openSse(place: { url: string }, person: Person): Promise<{ items: Promise<Item[]> }> {
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${person.token}` };
  const response = await fetch(`${place.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query: events }) });
  const items = response.text().then((text) => [...text.matchAll(/^event: next\ndata: (.*)$/gm)].map(([, data]) => JSON.parse(data as string).data.events as Item));
  items.catch(() => {});
  return { items };
}
