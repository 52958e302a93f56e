/** What goes over the wire, well-formed and not: HTTP, WebSocket and Server-Sent Events, held against their specifications and against abuse. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, print } from 'graphql';
import { auditServer } from 'graphql-http';
import { createClient } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createPerson } from './kit/person.ts';
import { openRawSocket } from './kit/raw-socket.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const json = { 'content-type': 'application/json', accept: 'application/graphql-response+json' };
const newMessages =
  'subscription ($after: EventCursor) { newMessages(after: $after) { __typename ... on MessageAdded { message { text } } ... on SessionEnded { endReason retry } } }';

describe('HTTP', () => {
  it('passes every audit of GraphQL over HTTP', async () => {
    await using server = await startTestServer();
    const audits = await auditServer({ url: `${server.url}/graphql` });
    expect(audits.length).toBeGreaterThan(60);
    expect(audits.filter((audit) => audit.status !== 'ok').map((audit) => `${audit.id} ${audit.name}`)).toEqual([]);
  });

  it('refuses what is no request, without repeating it', async () => {
    await using server = await startTestServer();
    const secret = 'hunter2';
    const bodies: [body: string | Uint8Array, status: number][] = [
      [`{ "${secret}`, 400],
      ['', 400],
      ['[]', 400],
      ['null', 400],
      [JSON.stringify([{ query: '{ __typename }' }]), 400],
      [JSON.stringify({ query: `{ ${secret}: "${secret}" }` }), 400],
      [JSON.stringify({ query: '{ __typename }', variables: secret }), 400],
      [JSON.stringify({ query: 'query ($first: Int) { rooms(first: $first) { totalCount } }', variables: { first: secret } }), 400],
      [JSON.stringify({ query: 'query A { __typename } query B { __typename }', operationName: secret }), 400],
      [JSON.stringify({ query: 'query A { __typename } query B { __typename }' }), 400],
      [new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 400],
      [`{"query":"{ __typename }","variables":{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`, 400],
    ];
    for (const [body, status] of bodies) {
      const answer = await post(server, body);
      expect(answer.status, String(body)).toBe(status);
      expect(answer.body.errors[0].extensions.code).toBe('BAD_REQUEST');
      expect(JSON.stringify(answer.body)).not.toContain(`"${secret}`);
      expect(JSON.stringify(answer.body)).not.toContain(`${secret}"`);
    }
    expect((await post(server, '{}', { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await post(server, '{}', { 'content-encoding': 'gzip' })).status).toBe(415);
    expect((await post(server, '{}', { accept: 'image/png' })).status).toBe(406);
  });

  it('refuses documents that are too long, too deep, too wide or too costly as such', async () => {
    await using server = await startTestServer();
    const nested = (levels: number): string => `{ chats ${'{ nodes { lastMessage { chat '.repeat(levels)}{ id }${' } } }'.repeat(levels)} }`;
    const fragments = Array.from({ length: 40 }, (_, i) => `fragment F${i} on Query { ...F${i + 1} ...G${i} } fragment G${i} on Query { ...F${i + 1} }`).join(' ');
    const documents = {
      long: `{ ${'__typename '.repeat(3_000)} }`,
      nested: `{ ${'a{'.repeat(5_000)} b ${'}'.repeat(5_000)} }`,
      deep: nested(5),
      wide: `{ ${Array.from({ length: 100 }, (_, i) => `a${i}: __typename`).join(' ')} }`,
      repeated: `{ ${'__typename '.repeat(1_000)} }`,
      bomb: `{ ...F0 } ${fragments} fragment F40 on Query { __typename }`,
      costly: '{ chats(first: 100) { nodes { messages(last: 100) { nodes { id text sender { id username displayName } } } } } }',
      directives: `{ __typename ${'@include(if: true) '.repeat(400)} }`,
      introspection: `{ ${Array.from({ length: 20 }, (_, i) => `a${i}: __schema { types { name fields { name type { name } args { name } } } }`).join(' ')} }`,
      insideIntrospection: `{ __schema { types { ${Array.from({ length: 40 }, (_, i) => `a${i}: fields { name type { name } args { name } }`).join(' ')} } } }`,
    };
    for (const [name, query] of Object.entries(documents)) {
      const started = performance.now();
      const { status, body } = await post(server, JSON.stringify({ query }));
      expect([name, status, body.errors?.[0].extensions.code]).toEqual([name, 400, 'QUERY_TOO_COSTLY']);
      expect(performance.now() - started).toBeLessThan(3_000);
    }
  });

  it('finds the operations that clients are expected to send affordable, by far', async () => {
    await using server = await startTestServer({ MAX_QUERY_COMPLEXITY: '10000' });
    const operations = parse(readFileSync(new URL('contract/operations.graphql', import.meta.url), 'utf8')).definitions.map(print);
    for (const query of operations) {
      const { body } = await post(server, JSON.stringify({ query, variables: { room: 'x', username: 'x', users: ['x'], chat: 'x', seq: 1 } }));
      expect(body.errors?.map((error: { extensions: { code: string } }) => error.extensions.code) ?? []).not.toContain('QUERY_TOO_COSTLY');
    }
  });

  it('takes no body above the limit, whether or not it was announced', async () => {
    await using server = await startTestServer({ MAX_BODY_BYTES: '10000', MAX_MESSAGE_CHARS: '100' });
    expect((await post(server, JSON.stringify({ query: `{ __typename } # ${'x'.repeat(20_000)}` }))).status).toBe(413);
    const chunks = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new Uint8Array(1_000).fill(32));
        controller.close();
      },
    });
    const response = await fetch(`${server.url}/graphql`, { method: 'POST', headers: json, body: chunks, duplex: 'half' } as RequestInit);
    expect(response.status).toBe(413);
    expect(((await response.json()) as { errors: { extensions: { code: string } }[] }).errors[0]?.extensions.code).toBe('BAD_REQUEST');
  });

  it('answers CORS only for origins it knows, and never with what was asked', async () => {
    await using server = await startTestServer({ ALLOWED_ORIGINS: 'https://app.example' });
    const preflight = (origin: string): Promise<Response> =>
      fetch(`${server.url}/graphql`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-evil' } });
    const known = await preflight('https://app.example');
    expect(known.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(known.headers.get('access-control-allow-headers')).not.toContain('x-evil');
    expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
    expect((await preflight('null')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('tells a missing token from a bad one, and lets anonymous operations ignore both', async () => {
    await using server = await startTestServer();
    const person = await server.person();
    const code = async (authorization?: string): Promise<string | undefined> =>
      (await post(server, '{"query":"{ eventCursor }"}', authorization === undefined ? {} : { authorization })).body.errors?.[0].extensions.code;
    expect(await code()).toBe('UNAUTHENTICATED');
    expect(await code('Bearer nonsense')).toBe('TOKEN_INVALID');
    expect(await code(`Basic ${person.token}`)).toBe('TOKEN_INVALID');
    expect(await code(`Bearer ${person.token}`)).toBeUndefined();
    expect((await post(server, '{"query":"{ serverInfo { name } me { id } }"}', { authorization: 'Bearer nonsense' })).body).toEqual({
      data: { serverInfo: { name: expect.any(String) }, me: null },
    });
  });

  it('serves its pages without anything from elsewhere, and nothing at other addresses', async () => {
    await using server = await startTestServer();
    const landing = await fetch(`${server.url}/`);
    expect(await landing.text()).toContain('href="/graphql"');
    expect(landing.headers.get('content-security-policy')).toContain("default-src 'none'");
    const graphiql = await fetch(`${server.url}/graphql`, { headers: { accept: 'text/html' } });
    const page = await graphiql.text();
    expect(page).toContain('mutation RegisterTwo');
    expect(page).not.toMatch(/<(script|link|img)[^>]+(src|href)="?https?:/);
    // The header editor reaches the socket, too: an upgrade of GraphiQL must not lose that.
    expect(page).toMatch(/connectionParams:\w+\?\.headers\}/);
    const again = await fetch(`${server.url}/graphql`, { headers: { accept: 'text/html', 'if-none-match': graphiql.headers.get('etag') as string } });
    expect(again.status).toBe(304);
    expect((await fetch(`${server.url}/nothing`)).status).toBe(404);
    expect((await fetch(`${server.url}/health`, { method: 'POST' })).status).toBe(405);
    await using bare = await startTestServer({ GRAPHIQL: 'off', INTROSPECTION: 'off' });
    expect((await fetch(`${bare.url}/graphql`, { headers: { accept: 'text/html' } })).headers.get('content-type')).not.toContain('html');
    const { body } = await post(bare, '{"query":"{ __schema { types { name } } chatz { id } }"}');
    expect(body.data).toBeUndefined();
    expect(JSON.stringify(body)).not.toContain('Did you mean');
    const variables = { visibility: 'PUBLI' };
    const guess = await post(bare, JSON.stringify({ query: 'query ($visibility: RoomVisibility) { rooms(filter: { visibility: $visibility }) { totalCount } }', variables }));
    expect(guess.body.errors[0].extensions.code).toBe('BAD_REQUEST');
    expect(JSON.stringify(guess.body)).not.toContain('Did you mean');
  });

  it('survives what is not HTTP', async () => {
    await using server = await startTestServer();
    const port = Number(new URL(server.url).port);
    for (const text of [
      'garbage\r\n\r\n',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
      'GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
      '\x00\x01\x02',
    ]) {
      expect(await say(port, text)).toMatch(/^(HTTP\/1\.1 4\d\d|$)/);
    }
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });
});

describe('WebSocket', () => {
  it('opens for pages it knows and for programs, not for other pages', async () => {
    await using server = await startTestServer({ ALLOWED_ORIGINS: 'https://app.example' });
    for (const origin of ['https://app.example', server.url, undefined]) {
      using socket = await openRawSocket(server, { init: true, ...(origin ? { origin } : {}) });
      expect(socket.got[0]?.type).toBe('connection_ack');
    }
    for (const origin of ['https://evil.example', 'null', `${server.url}0`]) {
      using socket = await openRawSocket(server, { origin });
      expect(socket.refusal).toContain('403');
    }
  });

  it('closes with the code that tells a client what to do', async () => {
    await using server = await startTestServer({ CONNECTION_INIT_SECONDS: '1' });
    const person = await server.person();
    const good = { authorization: `Bearer ${person.token}` };
    const closings: [what: string, code: number, Parameters<typeof openRawSocket>[1], (socket: Awaited<ReturnType<typeof openRawSocket>>) => void][] = [
      ['no subprotocol', 4406, { protocol: [] }, () => {}],
      ['no connection_init', 4408, {}, () => {}],
      ['a bad token', 4401, { init: { authorization: 'Bearer nonsense' } }, () => {}],
      ['another scheme', 4401, { init: { authorization: 'Basic eDp5' } }, () => {}],
      ['an operation before connection_init', 4401, {}, (socket) => socket.subscribe('1', '{ __typename }')],
      ['connection_init twice', 4429, { init: true }, (socket) => socket.send({ type: 'connection_init' })],
      [
        'an id twice',
        4409,
        { init: good },
        (socket) => {
          socket.subscribe('1', newMessages);
          socket.subscribe('1', newMessages);
        },
      ],
      ['no JSON', 4400, { init: true }, (socket) => socket.send('{"a')],
      ['no object', 4400, { init: true }, (socket) => socket.send('null')],
      ['no known type', 4400, { init: true }, (socket) => socket.send({ type: 'whatever' })],
      ['a message of the server', 4400, { init: true }, (socket) => socket.send({ type: 'next', id: '1', payload: {} })],
      ['bytes', 1003, { init: true }, (socket) => socket.send(Buffer.from('{}'))],
      ['too much', 1009, { init: true }, (socket) => socket.send('x'.repeat(70_000))],
    ];
    for (const [what, code, options, act] of closings) {
      using socket = await openRawSocket(server, options);
      if (!socket.closed) act(socket);
      expect([what, (await socket.whenClosed()).code]).toEqual([what, code]);
    }
    for (const init of [good, { Authorization: good.authorization }, { accessToken: person.token }]) {
      using socket = await openRawSocket(server, { init });
      socket.subscribe('1', '{ me { username } }');
      expect((await socket.message((message) => message.id === '1')).payload.data.me.username).toBe(person.username);
    }
  });

  it('answers the mistakes of an operation and stays open', async () => {
    await using server = await startTestServer();
    using socket = await openRawSocket(server, { init: true });
    const wrong: Record<string, [query: string, variables?: object, operationName?: string]> = {
      syntax: ['{'],
      field: ['{ nothing }'],
      name: ['query A { __typename }', undefined, 'B'],
      several: ['query A { __typename } query B { __typename }'],
      variables: ['query ($first: Int) { rooms(first: $first) { totalCount } }', { first: 'hunter2' }],
      long: [`{ ${'__typename '.repeat(2_500)} }`],
      skipped: ['subscription { newMessages @skip(if: true) { __typename } }'],
      skippedInside: ['subscription { ... @include(if: false) { ...Field } } fragment Field on Subscription { newMessages { __typename } }'],
      signedOut: [newMessages],
    };
    for (const [id, [query, variables, operationName]] of Object.entries(wrong)) {
      socket.subscribe(id, query, variables, operationName);
      const { payload } = await socket.message((message) => message.id === id && message.type !== 'complete');
      const [error] = payload.errors ?? payload;
      expect([id, error.extensions.code]).toEqual([id, id === 'long' ? 'QUERY_TOO_COSTLY' : id === 'signedOut' ? 'UNAUTHENTICATED' : 'BAD_REQUEST']);
      expect(JSON.stringify(payload)).not.toContain('hunter2');
    }
    expect(socket.closed).toBeNull();
  });

  it('takes any text as an id, also again after it was completed', async () => {
    await using server = await startTestServer();
    const [person, other] = await server.people(2);
    using socket = await openRawSocket(server, { init: { accessToken: person?.token } });
    for (const id of ['__proto__', 'constructor', 'toString', '☃']) {
      socket.subscribe(id, newMessages);
      socket.send({ type: 'complete', id });
      socket.subscribe(id, '{ me { id } }');
      expect((await socket.message((message) => message.id === id && message.type === 'next')).payload.data.me.id).toBe(person?.id);
    }
    socket.subscribe('again', newMessages);
    socket.send({ type: 'complete', id: 'again' });
    socket.subscribe('again', newMessages);
    await expect.poll(() => server.followers()).toBe(1);
    await other?.send({ username: person?.username as string }, 'once');
    await socket.message((message) => message.id === 'again');
    await sleep(100);
    expect(socket.got.filter((message) => message.id === 'again').map((message) => message.type)).toEqual(['next']);
    socket.send({ type: 'complete', id: 'again' });
    await expect.poll(() => server.followers()).toBe(0);
  });

  it('refuses operations above the caps and goes on', async () => {
    await using server = await startTestServer({ RATE_LIMITS: 'on', MAX_OPERATIONS_PER_SECOND: '3', MAX_SUBSCRIPTIONS_PER_SOCKET: '2', MAX_SOCKETS_PER_ACCOUNT: '2' });
    const person = await server.person();
    const init = { accessToken: person.token };
    using first = await openRawSocket(server, { init });
    for (let i = 0; i < 3; i++) first.subscribe(`s${i}`, newMessages);
    expect((await first.message((message) => message.type === 'error')).payload[0].extensions).toMatchObject({
      code: 'RATE_LIMITED',
      scope: 'REQUESTS',
      retryAfterMs: expect.any(Number),
    });
    for (let i = 0; i < 40; i++) first.subscribe(`q${i}`, '{ __typename }');
    await expect.poll(() => first.got.filter((message) => message.type === 'error').length).toBeGreaterThan(5);
    expect(first.got.filter((message) => message.type === 'next').length).toBeLessThanOrEqual(30);
    expect(first.closed).toBeNull();

    using second = await openRawSocket(server, { init });
    using third = await openRawSocket(server, { init });
    third.subscribe('1', '{ me { id } }');
    expect((await third.message((message) => message.id === '1')).payload[0].extensions.code).toBe('RATE_LIMITED');
    second.socket.close();
    await second.whenClosed();
    await sleep(50);
    third.subscribe('2', '{ me { id } }');
    expect((await third.message((message) => message.id === '2')).payload.data.me.id).toBe(person.id);
  });

  it('ends a socket whose token expires with SessionEnded and 4403', async () => {
    await using server = await startTestServer({ ACCESS_TOKEN_SECONDS: '2' });
    const person = await server.person();
    const events = await person.follow('subscription { events { __typename ... on SessionEnded { endReason retry } } }');
    expect(await events.next('SessionEnded')).toMatchObject({ endReason: 'TOKEN_EXPIRED', retry: true });
    expect((await events.socket.whenClosed()).code).toBe(4403);
    using late = await openRawSocket(server, { init: { accessToken: person.token } });
    expect((await late.whenClosed()).code).toBe(4403);
  });

  it('lets clients that come back by themselves do so when their token has expired', async () => {
    await using server = await startTestServer({ ACCESS_TOKEN_SECONDS: '2' });
    const person = await server.person();
    const variables = { login: person.username, password: person.password };
    const login = JSON.stringify({
      query: 'mutation ($login: String!, $password: String!) { login(input: { login: $login, password: $password }) { ... on LoginPayload { auth { accessToken } } } }',
      variables,
    });
    const heard: unknown[] = [];
    let connections = 0;
    const client = createClient({
      url: `${server.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      retryWait: async () => {},
      on: { connected: () => connections++ },
      connectionParams: async () => ({ accessToken: (await post(server, login)).body.data.login.auth.accessToken }),
    });
    client.subscribe({ query: newMessages }, { next: ({ data }) => heard.push(data?.newMessages), error: (error) => heard.push(error), complete: () => heard.push('complete') });
    await expect.poll(() => connections, { timeout: 10_000 }).toBeGreaterThan(1);
    await expect.poll(() => heard).toEqual([{ __typename: 'SessionEnded', endReason: 'TOKEN_EXPIRED', retry: true }]);
    await expect.poll(() => server.followers()).toBe(1);
    await client.dispose();
  });

  it('ends the sockets of a session that is logged out, and no others', async () => {
    await using server = await startTestServer();
    const [person, other] = await server.people(2);
    const document = 'subscription { events { __typename ... on SessionEnded { endReason retry } } }';
    const events = await person?.follow(document);
    const others = await other?.follow(document);
    await person?.must('mutation { logout { __typename } }');
    expect(await events?.next('SessionEnded')).toMatchObject({ endReason: 'LOGGED_OUT', retry: false });
    expect((await events?.socket.whenClosed(1_000))?.code).toBe(4401);
    await others?.stayQuiet(100);
    expect(others?.closed).toBeNull();
  });

  it('cuts off who reads nothing, and bothers nobody else with it', async () => {
    await using server = await startTestServer({ SLOW_CONSUMER_SECONDS: '1' });
    const [writer, reader, slow] = await server.people(3);
    const room = await writer?.createRoom({ members: [{ id: reader?.id }, { id: slow?.id }] });
    const good = await reader?.follow(newMessages);
    using stuck = await openRawSocket(server, { init: { accessToken: slow?.token } });
    for (let i = 0; i < 50; i++) stuck.subscribe(`s${i}`, newMessages);
    await expect.poll(() => server.followers()).toBe(51);
    stuck.socket.pause();
    const text = '☃'.repeat(4_000);
    for (let i = 0; i < 30; i++) await writer?.send({ id: room?.id as string }, `${i} ${text.slice(5)}`);
    await good?.next((item) => item.message?.text.startsWith('29 '));
    await expect.poll(() => server.followers(), { timeout: 10_000 }).toBe(1);
    stuck.socket.resume();
    expect((await stuck.whenClosed()).code).toBe(1013);
    const last = stuck.got.filter((message) => message.payload?.data?.newMessages.__typename === 'SessionEnded');
    expect(last.map((message) => message.id).sort()).toEqual(Array.from({ length: 50 }, (_, i) => `s${i}`).sort());
    expect(last[0]?.payload.data.newMessages).toMatchObject({ endReason: 'SLOW_CONSUMER', retry: true });
    expect(good?.closed).toBeNull();
  });
});

describe('Server-Sent Events', () => {
  it('carry a subscription, and end it when the client goes', async () => {
    await using server = await startTestServer();
    const [person, other] = await server.people(2);
    const stop = new AbortController();
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { ...json, accept: 'text/event-stream', authorization: `Bearer ${person?.token}` },
      body: JSON.stringify({ query: newMessages }),
      signal: stop.signal,
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    await expect.poll(() => server.followers()).toBe(1);
    await other?.send({ username: person?.username as string }, 'hello');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let got = '';
    while (!got.includes('hello')) got += (await reader?.read())?.value ?? '';
    expect(got).toContain('event: next\ndata: {"data":{"newMessages":{"__typename":"MessageAdded","message":{"text":"hello"}}}}\n\n');
    stop.abort();
    await expect.poll(() => server.followers()).toBe(0);
  });

  it('end with SessionEnded and complete when the session does', async () => {
    await using server = await startTestServer();
    const person = await server.person();
    const answer = fetch(`${server.url}/graphql?query=${encodeURIComponent(newMessages)}`, {
      headers: { accept: 'text/event-stream', authorization: `Bearer ${person.token}` },
    }).then((response) => response.text());
    await expect.poll(() => server.followers()).toBe(1);
    await person.must('mutation { logout { __typename } }');
    expect(await answer).toMatch(/"SessionEnded","endReason":"LOGGED_OUT","retry":false.*\n\nevent: complete\ndata:\n\n$/);
  });

  it('are needed for subscriptions over HTTP, and tell why one does not open', async () => {
    await using server = await startTestServer();
    const plain = await post(server, JSON.stringify({ query: newMessages }));
    expect([plain.status, plain.body.errors[0].extensions.code]).toEqual([400, 'BAD_REQUEST']);
    const refused = await (
      await fetch(`${server.url}/graphql`, { method: 'POST', headers: { ...json, accept: 'text/event-stream' }, body: JSON.stringify({ query: newMessages }) })
    ).text();
    expect(refused).toMatch(/^event: next\ndata: \{"errors":.*"UNAUTHENTICATED".*\n\nevent: complete\n/);
  });

  it('cut off who reads nothing', async () => {
    await using server = await startTestServer({ SLOW_CONSUMER_SECONDS: '1' });
    const [writer, slow] = await server.people(2);
    const body = JSON.stringify({
      query: `subscription { ${Array.from({ length: 1 }, () => 'newMessages').join(' ')} { ... on MessageAdded { message { ${Array.from({ length: 50 }, (_, i) => `t${i}: text`).join(' ')} } } } }`,
    });
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(
      `POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${slow?.token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await expect.poll(() => server.followers()).toBe(1);
    socket.pause();
    for (let i = 0; i < 30; i++) await writer?.send({ username: slow?.username as string }, `${i} ${'☃'.repeat(3_990)}`);
    await expect.poll(() => server.followers(), { timeout: 10_000 }).toBe(0);
    socket.destroy();
  });
});

it('shares one account’s connections between sockets and streams', async () => {
  await using server = await startTestServer({ MAX_SOCKETS_PER_ACCOUNT: '1' });
  const person = await createPerson(server);
  using socket = await openRawSocket(server, { init: { accessToken: person.token } });
  const refused = await (
    await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { ...json, accept: 'text/event-stream', authorization: `Bearer ${person.token}` },
      body: JSON.stringify({ query: newMessages }),
    })
  ).text();
  expect(refused).toContain('RATE_LIMITED');
  expect(socket.closed).toBeNull();
});

async function post(server: Pick<TestServer, 'url'>, body: string | Uint8Array, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.url}/graphql`, { method: 'POST', headers: { ...json, ...headers }, body: body as BodyInit });
  // biome-ignore lint/suspicious/noExplicitAny: the test says what it expects
  return { status: response.status, body: (await response.json()) as any };
}

/** What a server answers to these bytes before it hangs up, or for half a second. */
function say(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (data) => (got += data)).on('error', () => {});
    socket.on('close', () => resolve(got));
    setTimeout(() => socket.destroy(), 500);
  });
}
