/** What strangers and careless clients do to a server: large answers, connections that ask for nothing, upgrades and headers of all kinds. Others go on. */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createPerson, type Person, request, type Untyped } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { openRawSocket, type RawSocket } from './kit/raw-socket.ts';
import { startTestServer, temporaryFolder } from './kit/server.ts';
import { isOpenAtServer, memoryOf } from './kit/system.ts';
import { until } from './promises/kit.ts';

const long = 'x'.repeat(4_000);
const aliases = (count: number): string => Array.from({ length: count }, (_, index) => `t${index}: text`).join(' ');

describe('a large answer', () => {
  it('is refused before it is made, over HTTP, as Server-Sent Events and on sockets; a mutation says that it was done', async () => {
    await using server = await startTestServer({ MAX_ANSWER_BYTES: '100000', MAX_QUERY_COMPLEXITY: '1000000' });
    const [owner, friend] = (await server.people(2)) as [Person, Person];
    const room = await owner.createRoom({ members: [{ id: friend.id }] });
    await owner.send(room, long);
    const query = `query ($id: ID!) { chat(id: $id) { messages(last: 1) { nodes { ${aliases(40)} } } } }`;
    const refused = { data: null, errors: [{ extensions: { code: 'QUERY_TOO_COSTLY' } }] };
    expect(await owner.request(query, { id: room.id })).toMatchObject(refused);
    expect((await owner.request(query.replace(aliases(40), aliases(20)), { id: room.id })).errors).toBeUndefined();
    using socket = await openRawSocket(server, { init: { accessToken: owner.token } });
    socket.subscribe('1', query, { id: room.id });
    expect((await socket.message(({ id }) => id === '1')).payload).toMatchObject(refused);
    socket.subscribe('2', `subscription { newMessages { ... on MessageAdded { message { seq ${aliases(40)} } } } }`);
    await expect.poll(() => server.followers()).toBe(1);
    const send = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { ... on SendMessagePayload { message { ${aliases(40)} } } } }`;
    const { errors } = await owner.request(send, { input: { to: { chatId: room.id }, text: long, clientMessageId: 'large' } });
    expect(errors?.[0]?.message).toContain('was done');
    expect((await socket.message(({ id }) => id === '2')).payload).toMatchObject(refused);
    expect((await owner.must('query ($id: ID!) { chat(id: $id) { lastSeq } }', { id: room.id })).chat.lastSeq).toBe(2);
  });

  it('is not made of a long id that every item repeats: the socket is closed', async () => {
    await using server = await startTestServer();
    const person = await server.person();
    const subscription = 'subscription { newMessages { __typename } }';
    using socket = await openRawSocket(server, { init: { accessToken: person.token } });
    socket.subscribe('x'.repeat(1_000), subscription);
    await expect.poll(() => server.followers()).toBe(1);
    socket.subscribe('x'.repeat(60_000), subscription);
    expect((await socket.whenClosed()).code).toBe(4400);
  });

  it('costs little memory where nobody takes it: twelve connections and forty streams, and others are answered', async () => {
    await using folder = await temporaryFolder();
    await using server = await startProcess({ DATA_DIR: folder.path, SLOW_CONSUMER_SECONDS: '2', MAX_QUERY_COMPLEXITY: '1000000' });
    const [owner, reader] = (await Promise.all([createPerson(server), createPerson(server)])) as [Person, Person];
    const room = await owner.createRoom({ members: [{ id: reader.id }] });
    for (let count = 0; count < 100; count += 20) await Promise.all(Array.from({ length: 20 }, () => owner.send(room, long)));
    const before = memoryOf(server.pid);
    let most = before;
    let longestMs = 0;
    const watching = new AbortController();
    const watch = (async () => {
      while (!watching.signal.aborted) {
        const started = performance.now();
        await request(server, '{ serverInfo { time } }');
        longestMs = Math.max(longestMs, performance.now() - started);
        most = Math.max(most, memoryOf(server.pid));
        await sleep(10);
      }
    })();
    // 7 MB each, just below the bound.
    const query = `query ($id: ID!) { chat(id: $id) { messages(last: 100) { nodes { ${aliases(17)} } } } }`;
    const body = JSON.stringify({ query, variables: { id: room.id } });
    const head = `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer ${reader.token}\r\nContent-Length: ${body.length}\r\n\r\n`;
    const connections = await Promise.all(Array.from({ length: 12 }, () => openConnection(server, head + body)));
    for (const connection of connections) connection.pause();
    using socket = await openRawSocket(server, { init: { accessToken: reader.token } });
    for (let index = 0; index < 40; index++) socket.subscribe(`s${index}`, `subscription { newMessages { ... on MessageAdded { message { ${aliases(600)} } } } }`);
    using asking = await openRawSocket(server, { init: { accessToken: reader.token } });
    asking.socket.pause();
    for (let index = 0; index < 60; index++) asking.subscribe(`q${index}`, query, { id: room.id });
    await sleep(500);
    socket.socket.pause();
    for (let count = 0; count < 20; count++) await owner.send(room, long);
    await until(() => connections.every((connection) => !isOpenAtServer(server, connection)), 'connections that take nothing were not closed', 20_000);
    await until(() => [socket, asking].every((raw) => !isOpenAtServer(server, connectionOf(raw))), 'sockets that take nothing were not closed', 10_000);
    watching.abort();
    await watch;
    // Without a bound they would hold more than 1 GB.
    if (platform() === 'linux') expect((most - before) / 2 ** 20).toBeLessThan(600);
    expect(longestMs).toBeLessThan(5_000);
    for (const connection of connections) connection.destroy();
    await Promise.all([owner.close(), reader.close()]);
  });
});

describe('what is refused before it runs', () => {
  it('counts like a request: no JSON, and documents that are wrong, over HTTP and on sockets', async () => {
    await using server = await startTestServer({ RATE_LIMITS: 'on', REQUEST_LIMIT: '1', TRUST_PROXY: 'on' });
    const post = async (address: string, body: string) => {
      const response = await fetch(`${server.url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-forwarded-for': address }, body });
      return [response.status, ((await response.json()) as Untyped).errors?.[0].extensions.code];
    };
    for (const [address, body] of [
      ['192.0.2.1', '{"quer'],
      ['192.0.2.2', '{"query":"{ nothing }"}'],
      ['192.0.2.3', '{"query":"{"}'],
    ] as const) {
      const codes: unknown[] = [];
      for (let time = 0; time < 12; time++) codes.push((await post(address, body))[1]);
      expect([body, codes]).toEqual([body, [...Array(10).fill('BAD_REQUEST'), 'RATE_LIMITED', 'RATE_LIMITED']]);
    }
    expect(await post('192.0.2.1', '{')).toEqual([429, 'RATE_LIMITED']);
    using socket = await openRawSocket(server, { init: true, headers: { 'x-forwarded-for': '192.0.2.4' } });
    for (let time = 0; time < 12; time++) socket.subscribe(String(time), '{ nothing }');
    const last = await socket.message(({ id }) => id === '11');
    expect(last.payload[0].extensions.code).toBe('RATE_LIMITED');
    expect(await post('192.0.2.5', '{"query":"{ __typename }"}')).toEqual([200, undefined]);
  });
});

describe('connections', () => {
  it('on which nobody signs in have a bound for each address, and end when they ask for nothing', async () => {
    await using server = await startTestServer({
      RATE_LIMITS: 'on',
      MAX_ANONYMOUS_SOCKETS_PER_ADDRESS: '3',
      ANONYMOUS_SOCKET_SECONDS: '1',
      MAX_SOCKETS_PER_ACCOUNT: '2',
      TRUST_PROXY: 'on',
    });
    const person = await server.person();
    const of = (address: string, init: Untyped | true = true) => openRawSocket(server, { init, headers: { 'x-forwarded-for': address } });
    const signedIn = await Promise.all([1, 2].map(() => of('192.0.2.1', { accessToken: person.token })));
    const anonymous = [await of('192.0.2.1'), await of('192.0.2.1'), await of('192.0.2.1', { accessToken: person.token })];
    expect((await of('192.0.2.1')).refusal).toContain('429');
    expect((await of('192.0.2.2')).got[0]?.type).toBe('connection_ack');
    // An IPv6 customer has a whole network of addresses.
    for (const end of ['1', '2', 'ffff:1']) expect((await of(`2001:db8:1:2::${end}`)).got[0]?.type).toBe('connection_ack');
    expect((await of('2001:db8:1:2:3::4')).refusal).toContain('429');
    expect((await of('2001:db8:1:3::1')).got[0]?.type).toBe('connection_ack');
    // One that is asked something stays, and so do those of an account.
    const asking = setInterval(() => anonymous[0]?.subscribe(`${Math.random()}`, '{ __typename }'), 200);
    expect(await anonymous[1]?.whenClosed()).toMatchObject({ code: 1000 });
    expect(await anonymous[2]?.whenClosed()).toMatchObject({ code: 1000 });
    await sleep(500);
    expect([anonymous[0], ...signedIn].map((socket) => socket?.closed)).toEqual([null, null, null]);
    clearInterval(asking);
    expect((await of('192.0.2.1')).got[0]?.type).toBe('connection_ack');
  });

  it('are let go of when they were answered, whether or not the client lets go', async () => {
    await using server = await startTestServer();
    const broken = [
      'garbage\r\n\r\n',
      'GET /nothing HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nHost: x\r\n\r\n',
      'GET /graphql HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: https://evil.example\r\nHost: x\r\n\r\n',
      `POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{`,
      'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n{',
    ];
    // Both ends stay open on this side.
    const connections = await Promise.all(broken.map((text) => openConnection(server, text, { allowHalfOpen: true })));
    for (const connection of connections) connection.resume();
    await until(() => connections.every((connection) => !isOpenAtServer(server, connection)), 'answered connections are still open', 5_000);
    for (const connection of connections) connection.destroy();
  });

  it('that offer another upgrade are answered as if they did not', async () => {
    await using server = await startTestServer();
    const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAARAAAAAAAIAAAAA', 'content-type': 'application/json' };
    const posted = await ask(server, { method: 'POST', path: '/graphql', headers }, '{"query":"{ __typename }"}');
    expect(posted).toEqual({ status: 200, body: '{"data":{"__typename":"Query"}}' });
    expect((await ask(server, { path: '/health', headers })).status).toBe(200);
    expect((await ask(server, { path: '/health', headers: { ...headers, upgrade: 'TLS/1.0' } })).status).toBe(200);
  });
});

describe('what proxies and browsers say', () => {
  it('is read as they write it: addresses with ports and brackets', async () => {
    await using server = await startTestServer({ TRUST_PROXY: 'on' });
    const person = await server.person();
    const login =
      'mutation ($login: String!, $password: String!) { login(input: { login: $login, password: $password }) { ... on LoginPayload { auth { session { ipAddress } } } } }';
    const forms: Record<string, string> = {
      '192.0.2.7': '192.0.2.7',
      '192.0.2.7:4711': '192.0.2.7',
      '198.51.100.1, 192.0.2.8:80': '192.0.2.8',
      '[2001:db8::1]:4711': '2001:db8::1',
      '[2001:db8::1]': '2001:db8::1',
      '2001:db8::2': '2001:db8::2',
      '::ffff:192.0.2.9': '192.0.2.9',
      unknown: '127.0.0.1',
      '999.1.1.1': '127.0.0.1',
      '[::1': '127.0.0.1',
    };
    for (const [said, meant] of Object.entries(forms)) {
      const { data } = await request(server, login, { login: person.username, password: person.password }, { 'x-forwarded-for': said });
      expect([said, data?.login.auth.session.ipAddress]).toEqual([said, meant]);
    }
  });

  it('makes no page of a strange name one of the server’s own', async () => {
    await using server = await startTestServer();
    const { port } = new URL(server.url);
    const isKnown = async (host: string): Promise<boolean> => {
      const { status } = await ask(server, { method: 'OPTIONS', path: '/graphql', headers: { host, origin: `http://${host}`, 'access-control-request-method': 'POST' } });
      using socket = await openRawSocket(server, { init: true, origin: `http://${host}`, headers: { host } });
      expect([host, status, socket.refusal === null]).toEqual([host, 204, socket.got.length > 0]);
      return socket.refusal === null;
    };
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `chat.localhost:${port}`, `[::1]:${port}`, '192.0.2.1'])
      expect([host, await isKnown(host)]).toEqual([host, true]);
    for (const host of [`evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example', 'intranet']) expect([host, await isKnown(host)]).toEqual([host, false]);
  });

  it('is allowed in preflights where known clients add it by themselves', async () => {
    await using server = await startTestServer({ ALLOWED_ORIGINS: 'https://app.example' });
    const response = await fetch(`${server.url}/graphql`, { method: 'OPTIONS', headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' } });
    const allowed = (response.headers.get('access-control-allow-headers') ?? '').toLowerCase().split(', ');
    expect(allowed).toEqual(expect.arrayContaining(['apollographql-client-name', 'apollographql-client-version', 'traceparent', 'tracestate', 'authorization', 'content-type']));
  });

  it('is answered with Strict-Transport-Security where the server is reached by https', async () => {
    await using server = await startTestServer({ PUBLIC_URL: 'https://chat.example' });
    for (const path of ['/', '/graphql', '/health', '/files/x', '/nothing'])
      expect([path, (await fetch(server.url + path)).headers.get('strict-transport-security')]).toEqual([path, expect.stringMatching(/^max-age=\d{8}/)]);
    await using plain = await startTestServer();
    expect((await fetch(`${plain.url}/health`)).headers.get('strict-transport-security')).toBeNull();
  });
});

async function openConnection({ url }: { url: string }, text: string, options: { allowHalfOpen?: boolean } = {}): Promise<Socket> {
  const connection = connect({ port: Number(new URL(url).port), host: '127.0.0.1', ...options });
  connection.on('error', () => {});
  await once(connection, 'connect');
  connection.write(text);
  return connection;
}

async function ask({ url }: { url: string }, options: object, body?: string): Promise<{ status: number; body: string }> {
  const sent = httpRequest(url, options).end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode as number, body: text };
}

const connectionOf = ({ socket }: RawSocket): Socket => (socket as unknown as { _socket: Socket })._socket;
