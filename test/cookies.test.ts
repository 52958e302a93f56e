/** Sessions as cookies: what a browser keeps and its programs never see, who may use it, and who may not. */
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { expect, it } from 'vitest';
import type { SessionId, UserId } from '../src/ids.ts';
import { nobody, outcome } from './kit/outcome.ts';
import { type Answer, createPerson, type Untyped } from './kit/person.ts';
import { openRawSocket } from './kit/raw-socket.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const password = 'correct horse battery';
const auth = 'auth { accessToken refreshToken grant session { id } }';
const register = `mutation ($input: RegisterInput!) { register(input: $input) { __typename ... on RegisterPayload { ${auth} } ... on ValidationError { fields { path rule } } } }`;
const login = `mutation ($input: LoginInput!) { login(input: $input) { __typename ... on LoginPayload { ${auth} } ... on ValidationError { fields { path rule } } } }`;
const refresh = `mutation { refreshSession(input: {}) { __typename ... on RefreshSessionPayload { ${auth} } ... on InvalidTokenError { tokenFailure } } }`;
const logout = 'mutation { logout { __typename } }';
const rename = 'mutation { updateProfile(input: { firstName: "Mallory" }) { __typename } }';
const me = '{ me { username firstName } }';

type Sent = { status: number; body: Answer<Untyped> | null; cookies: string[] };

/** A browser as far as cookies go: keeps what it is given, sends it back, and says where its requests come from. The cookie that stays when a session ends is apart. */
function createBrowser(server: { url: string }, origin: string | null = server.url) {
  const jar = new Map<string, string>();
  const device = new Map<string, string>();
  const browser = {
    jar,
    device,
    get cookie() {
      return [...jar, ...device].map(([name, value]) => `${name}=${value.split(';', 1)}`).join('; ');
    },
    /** Answers of pages at the browser's origin; `headers` of null are left out. */
    async send(query: string, variables: Untyped = {}, headers: Record<string, string | null> = {}, init: RequestInit = {}): Promise<Sent> {
      const all = { 'content-type': 'application/json', origin, ...(jar.size + device.size > 0 ? { cookie: browser.cookie } : {}), ...headers };
      const given = Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== null));
      const response = await fetch(`${server.url}/graphql`, { method: 'POST', body: JSON.stringify({ query, variables }), ...init, headers: given });
      const [cookies = [], devices = []] = [false, true].map((wanted) => response.headers.getSetCookie().filter((text) => /^(__Host-)?tertulia-device=/.test(text) === wanted));
      for (const text of [...cookies, ...devices]) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
        if (devices.includes(text)) device.set(name, text.slice(name.length + 1));
        else if (/Max-Age=0(;|$)/.test(text)) jar.delete(name);
        else jar.set(name, value);
      }
      const text = await response.text();
      return { status: response.status, body: text.startsWith('{') ? (JSON.parse(text) as Answer<Untyped>) : null, cookies };
    },
    async must(query: string, variables: Untyped = {}, headers: Record<string, string | null> = {}): Promise<Untyped> {
      const { body, status } = await browser.send(query, variables, headers);
      if (!body?.data || body.errors) throw new Error(`${status} ${JSON.stringify(body)}`);
      return Object.values(body.data)[0] as Untyped;
    },
    /** `ok`, or the code of the first error. */
    async code(query: string, headers: Record<string, string | null> = {}): Promise<string> {
      return (await browser.send(query, {}, headers)).body?.errors?.[0]?.extensions.code ?? 'ok';
    },
  };
  return browser;
}

async function signedIn(server: TestServer, username = 'ada') {
  const browser = createBrowser(server);
  await browser.must(register, { input: { username, password, useCookies: true } });
  return browser;
}

it('sets the session as HttpOnly cookies that only the server reads, and shows no token', async () => {
  await using server = await startTestServer();
  const browser = createBrowser(server);
  const registered = await browser.send(register, { input: { username: 'ada', password, useCookies: true } });
  expect(registered.body?.data?.register.auth).toMatchObject({ accessToken: null, refreshToken: null, grant: 'NEW' });
  expect(registered.cookies).toEqual([
    expect.stringMatching(/^tertulia-access=[\w.-]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/),
    expect.stringMatching(/^tertulia-refresh=[\w.-]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/),
  ]);
  expect(JSON.stringify(registered.body)).not.toContain(browser.jar.get('tertulia-access'));
  expect(await browser.must(me)).toMatchObject({ username: 'ada' });
  const other = createBrowser(server);
  expect((await other.must(login, { input: { login: 'ada', password, useCookies: true } })).auth).toMatchObject({ accessToken: null, refreshToken: null });
  expect(await other.must(me)).toMatchObject({ username: 'ada' });
  const tokens = await createBrowser(server).send(login, { input: { login: 'ada', password } });
  expect(tokens.cookies).toEqual([]);
  expect(tokens.body?.data?.login.auth).toMatchObject({ accessToken: expect.any(String), refreshToken: expect.any(String) });
});

it('remembers a browser that has signed in, in a cookie that outlives the session and is of no use for anything else', async () => {
  await using server = await startTestServer({ RATE_LIMITS: 'on', LOGIN_LIMIT: '2' });
  const browser = await signedIn(server);
  expect([...browser.device.entries()]).toEqual([['tertulia-device', expect.stringMatching(/^[\w-]{43}; Max-Age=34560000; Path=\/; HttpOnly; SameSite=Lax$/)]]);
  const [made] = browser.device.values();
  await browser.must(logout);
  expect(browser.jar.size).toBe(0);
  expect((await browser.send(me)).body).toEqual({ data: { me: null } });
  const stranger = createBrowser(server);
  const tries: Untyped[] = [];
  for (let i = 0; i < 3; i++) tries.push(await stranger.must(login, { input: { login: 'ada', password: `guess ${i}` } }));
  expect(tries.map(({ __typename }) => __typename)).toEqual(['InvalidCredentialsError', 'InvalidCredentialsError', 'RateLimitedError']);
  expect((await browser.must(login, { input: { login: 'ada', password, useCookies: true } })).__typename).toBe('LoginPayload');
  // The same device, and no new one with each login.
  expect([...browser.device.values()]).toEqual([made]);
  // Of another account's name it proves nothing.
  await createPerson(server, { username: 'grace', password });
  for (let i = 0; i < 2; i++) await stranger.must(login, { input: { login: 'grace', password: `guess ${i}` } });
  expect((await browser.must(login, { input: { login: 'grace', password } })).__typename).toBe('RateLimitedError');
});

it('ties the cookies to an https host where PUBLIC_URL is one', async () => {
  await using server = await startTestServer({ PUBLIC_URL: 'https://chat.example.org' });
  const browser = createBrowser(server, 'https://chat.example.org');
  const { cookies } = await browser.send(register, { input: { username: 'ada', password, useCookies: true } });
  expect(cookies).toHaveLength(2);
  for (const cookie of cookies) expect(cookie).toMatch(/^__Host-tertulia-\w+=[\w.-]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
  expect(await browser.must(me)).toMatchObject({ username: 'ada' });
  // A subdomain could have set these.
  expect((await browser.send(me, {}, { cookie: browser.cookie.replaceAll('__Host-', '') })).body).toEqual({ data: { me: null } });
  for (const cookie of (await browser.send(logout)).cookies) expect(cookie).toMatch(/^__Host-tertulia-\w+=; Max-Age=0; Path=\/; HttpOnly; SameSite=Lax; Secure$/);
});

it('tells an expired access token from none, and refreshes with the cookie', async () => {
  await using server = await startTestServer({ ACCESS_TOKEN_SECONDS: '1', REFRESH_GRACE_SECONDS: '0' });
  const browser = await signedIn(server);
  await expect.poll(() => browser.code('{ eventCursor }'), { timeout: 5_000 }).toBe('TOKEN_EXPIRED');
  const before = new Map(browser.jar);
  const refreshed = await browser.send(refresh);
  expect(refreshed.body?.data?.refreshSession).toMatchObject({ __typename: 'RefreshSessionPayload', auth: { accessToken: null, refreshToken: null, grant: 'STILL_VALID' } });
  expect(browser.jar).not.toEqual(before);
  expect(await browser.code('{ eventCursor }')).toBe('ok');
  expect(await createBrowser(server).code('{ eventCursor }')).toBe('UNAUTHENTICATED');
  // The old one again: somebody has a copy. The session ends, and the browser forgets it.
  await sleep(5);
  const old = [...before].map(([name, value]) => `${name}=${value}`).join('; ');
  const reused = await browser.send(refresh, {}, { cookie: old });
  expect(reused.body?.data?.refreshSession).toEqual({ __typename: 'InvalidTokenError', tokenFailure: 'REUSED' });
  expect(reused.cookies).toEqual([expect.stringMatching(/^tertulia-access=; Max-Age=0;/), expect.stringMatching(/^tertulia-refresh=; Max-Age=0;/)]);
});

it('clears the cookies at logout and when the own session is revoked', async () => {
  await using server = await startTestServer();
  const browser = await signedIn(server);
  const copy = browser.cookie;
  expect(await browser.must(logout)).toEqual({ __typename: 'LogoutPayload' });
  expect(browser.jar.size).toBe(0);
  expect(await browser.code('{ eventCursor }', { cookie: copy })).toBe('TOKEN_INVALID');
  expect((await browser.send(refresh, {}, { cookie: copy })).body?.data?.refreshSession.tokenFailure).toBe('REVOKED');
  const session = (await browser.must(login, { input: { login: 'ada', password, useCookies: true } })).auth.session.id;
  await browser.must('mutation ($id: ID!) { revokeSession(input: { sessionId: $id }) { __typename } }', { id: session });
  expect(browser.jar.size).toBe(0);
});

it('clears the cookies of a session that is over when somebody logs out, as scripts cannot; not those of one that is to be refreshed', async () => {
  await using server = await startTestServer({ ACCESS_TOKEN_SECONDS: '1' });
  const browser = await signedIn(server);
  await sleep(1_100);
  expect(await browser.code(logout)).toBe('TOKEN_EXPIRED');
  expect(browser.jar.size).toBe(2);
  await browser.must(refresh);
  await server.app.sessions.revokeOthers({ userId: 1 as UserId, sessionId: 0 as SessionId, expiresAt: new Date(Date.now() + 1_000) }, null);
  expect(await browser.code(logout)).toBe('TOKEN_INVALID');
  expect(browser.jar.size).toBe(0);
});

it('lets an Authorization header win over cookies, which then count for nothing', async () => {
  await using server = await startTestServer();
  const browser = await signedIn(server);
  const other = await createPerson(server, { username: 'bob' });
  const headers = { authorization: `Bearer ${other.token}` };
  expect(await browser.must(me, {}, headers)).toMatchObject({ username: 'bob' });
  // Needs no Origin: another site cannot make a browser send this header.
  expect(await browser.must(me, {}, { ...headers, origin: null })).toMatchObject({ username: 'bob' });
  expect(await browser.code('{ eventCursor }', { authorization: 'Bearer nonsense' })).toBe('TOKEN_INVALID');
  expect((await browser.send(refresh, {}, headers)).body?.data?.refreshSession.tokenFailure).toBe('MALFORMED');
  const out = await browser.send(logout, {}, headers);
  expect(out.cookies).toEqual([]);
  expect(await browser.must(me)).toMatchObject({ username: 'ada' });
});

it('does nothing in the name of who looks at another site: no content type, no method', async () => {
  await using server = await startTestServer({ ALLOWED_ORIGINS: 'https://app.example.org' });
  const browser = await signedIn(server);
  const evil: Record<string, string | null>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'https://app.example.org.evil.example' },
    { origin: server.url.replace('http', 'https') },
    { origin: 'https://evil.example', 'apollo-require-preflight': '1' },
    { origin: null, 'sec-fetch-site': 'cross-site' },
    { origin: null, 'sec-fetch-site': 'same-site', 'apollo-require-preflight': '1' },
    { origin: null },
  ];
  const query = `query=${encodeURIComponent(rename)}`;
  const requests: [headers: Record<string, string | null>, init?: RequestInit][] = [
    [{}],
    [{ 'content-type': 'text/plain' }],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, { body: query }],
    [{ 'content-type': 'multipart/form-data; boundary=x' }, { body: `--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n${rename}\r\n--x--\r\n` }],
    [{ 'content-type': 'application/graphql' }, { body: rename }],
    [{ 'content-type': null }],
  ];
  for (const from of evil) {
    for (const [headers, init] of requests) expect([403, 415], JSON.stringify([from, headers])).toContain((await browser.send(rename, {}, { ...from, ...headers }, init)).status);
    for (const each of [rename, me, logout]) {
      const got = await fetch(`${server.url}/graphql?query=${encodeURIComponent(each)}`, {
        headers: Object.fromEntries(Object.entries({ cookie: browser.cookie, ...from }).filter(([, value]) => value !== null)) as Record<string, string>,
      });
      expect([403, 405], JSON.stringify([from, each])).toContain(got.status);
    }
    const stream = await browser.send('subscription { events { __typename } }', {}, { ...from, accept: 'text/event-stream' });
    expect(stream.status).toBe(403);
  }
  // The right kind of request is refused for where it comes from, and nothing else.
  const refused = await browser.send(rename, {}, { origin: 'https://evil.example' });
  expect([refused.status, refused.body?.errors?.[0]?.extensions.code]).toEqual([403, 'BAD_REQUEST']);
  expect(await browser.must(me)).toEqual({ username: 'ada', firstName: null });

  const fine: Record<string, string | null>[] = [
    { origin: server.url },
    { origin: 'https://app.example.org' },
    { origin: null, 'sec-fetch-site': 'same-origin' },
    { origin: null, 'sec-fetch-site': 'none' },
    { origin: null, 'apollo-require-preflight': '1' },
  ];
  for (const from of fine) expect(await browser.must(me, {}, from), JSON.stringify(from)).toMatchObject({ username: 'ada' });
});

it('signs no browser in for another site', async () => {
  await using server = await startTestServer();
  await createPerson(server, { username: 'mallory', password });
  const input = { login: 'mallory', password, useCookies: true };
  const elsewhere: Record<string, string | null>[] = [{ origin: 'https://evil.example' }, { origin: null, 'sec-fetch-site': 'cross-site' }];
  for (const from of elsewhere) {
    const { body, cookies } = await createBrowser(server).send(login, { input }, from);
    expect(body?.data?.login).toEqual({ __typename: 'ValidationError', fields: [{ path: ['useCookies'], rule: 'origin' }] });
    expect(cookies).toEqual([]);
  }
  expect((await createBrowser(server, null).send(login, { input })).cookies).toHaveLength(2);
});

it('takes cookies on a socket from a known origin, sets none there, and ends it with the session', async () => {
  await using server = await startTestServer({ ALLOWED_ORIGINS: 'https://app.example.org' });
  const browser = await signedIn(server);
  const headers = { cookie: browser.cookie };
  const ask = async (socket: Awaited<ReturnType<typeof openRawSocket>>, query: string, variables?: Untyped): Promise<Untyped> => {
    const id = String(socket.got.length + 1_000);
    socket.subscribe(id, query, variables);
    return (await socket.message((message) => message.id === id && message.type !== 'complete')).payload;
  };
  for (const origin of [server.url, 'https://app.example.org']) {
    using socket = await openRawSocket(server, { init: true, origin, headers });
    expect((await ask(socket, me)).data.me).toMatchObject({ username: 'ada' });
  }
  using foreign = await openRawSocket(server, { init: true, origin: 'https://evil.example', headers });
  expect(foreign.refusal).toContain('403');
  using program = await openRawSocket(server, { init: true, headers });
  expect((await ask(program, me)).data.me).toBeNull();
  using other = await openRawSocket(server, { init: { authorization: `Bearer ${(await createPerson(server, { username: 'bob' })).token}` }, origin: server.url, headers });
  expect((await ask(other, me)).data.me).toMatchObject({ username: 'bob' });

  using own = await openRawSocket(server, { init: true, origin: server.url, headers });
  const refused = await ask(own, login, { input: { login: 'ada', password, useCookies: true } });
  expect(refused.data.login).toEqual({ __typename: 'ValidationError', fields: [{ path: ['useCookies'], rule: 'transport' }] });
  expect((await ask(own, refresh)).data.refreshSession.tokenFailure).toBe('MALFORMED');
  await browser.must(logout);
  expect((await own.whenClosed()).code).toBe(4401);
  using late = await openRawSocket(server, { init: true, origin: server.url, headers });
  expect((await late.whenClosed()).code).toBe(4401);
});

it('streams events with cookies over Server-Sent Events to known origins', async () => {
  await using server = await startTestServer();
  const browser = await signedIn(server);
  const controller = new AbortController();
  const response = await fetch(`${server.url}/graphql?query=${encodeURIComponent('subscription { events { __typename ... on MessageAdded { message { text } } } }')}`, {
    headers: { accept: 'text/event-stream', 'sec-fetch-site': 'same-origin', cookie: browser.cookie },
    signal: controller.signal,
  });
  expect(response.status).toBe(200);
  await (await createPerson(server, { username: 'bob' })).send({ username: 'ada' }, 'hello ada');
  let text = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString('utf8');
    if (text.includes('hello ada')) break;
  }
  controller.abort();
  expect(text).toContain('hello ada');
});

it('takes whatever else is in a Cookie header for what it is', async () => {
  await using server = await startTestServer();
  const browser = await signedIn(server);
  const access = browser.jar.get('tertulia-access') as string;
  expect(await browser.must(me, {}, { cookie: `theme=dark; tertulia-access="${access}";; =; x` })).toMatchObject({ username: 'ada' });
  for (const value of ['', 'nonsense', 'a'.repeat(5_000), '%00', access.slice(0, -3), '"', access.split('.').slice(0, 2).join('.')]) {
    const { status, body } = await browser.send('{ eventCursor }', {}, { cookie: `tertulia-access=${value}; tertulia-refresh=${value}` });
    expect([status, ['TOKEN_INVALID', 'UNAUTHENTICATED'].includes(body?.errors?.[0]?.extensions.code ?? '')], value).toEqual([200, true]);
    expect((await browser.send(refresh, {}, { cookie: `tertulia-refresh=${value}` })).body?.data?.refreshSession.__typename).toBe('InvalidTokenError');
  }
  expect(await outcome(nobody(server), 'refreshSession', {})).toBe('INVALID_TOKEN MALFORMED');
});

const executablePath = ['chromium', 'chromium-browser', 'google-chrome'].map(findOnPath).find(Boolean);

// Once is enough: cookies know nothing of the database.
it.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(
  `keeps a real browser's session from its own scripts and from a page of another origin${executablePath ? '' : ' (skipped: no chromium on PATH)'}`,
  async () => {
    await using server = await startTestServer();
    const elsewhere = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>Elsewhere</title>'));
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const browser = await chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
    try {
      const context = await browser.newContext();
      const home = await context.newPage();
      // The page at `/` may not fetch anything.
      await home.goto(`${server.url}/reset-password`);
      const asked = (query: string, variables: Untyped = {}): Promise<Untyped> =>
        home.evaluate(
          async ([text, values]) =>
            (await fetch('graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query: text, variables: values }) })).json(),
          [query, variables] as const,
        );
      expect((await asked(register, { input: { username: 'ada', password, useCookies: true } })).data.register.__typename).toBe('RegisterPayload');
      expect((await asked(me)).data.me.username).toBe('ada');
      expect(await home.evaluate('document.cookie')).toBe('');

      // Another port of the same host: another origin, but the same site, so that SameSite=Lax lets the cookies go along.
      const visitor = await context.newPage();
      await visitor.goto(`http://127.0.0.1:${(elsewhere.address() as { port: number }).port}`);
      const attempts = (await visitor.evaluate(
        async ([url, query]) => {
          const attempt = async (path: string, init: RequestInit): Promise<string> => {
            try {
              return `read ${await (await fetch(url + path, { credentials: 'include', ...init })).text()}`;
            } catch {
              return 'blocked';
            }
          };
          const opened = await new Promise<string>((resolve) => {
            const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
            socket.onopen = () => resolve('open');
            socket.onerror = () => resolve('blocked');
          });
          const body = JSON.stringify({ query });
          return [
            await attempt('/graphql', { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
            await attempt('/graphql', { method: 'POST', mode: 'no-cors', headers: { 'content-type': 'text/plain' }, body }),
            await attempt(`/graphql?query=${encodeURIComponent('{ me { username } }')}`, {}),
            await attempt(`/graphql?query=${encodeURIComponent('{ me { username } }')}`, { mode: 'no-cors' }),
            opened,
          ];
        },
        [server.url, rename] as const,
      )) as string[];
      expect(attempts).toEqual(['blocked', 'read ', 'blocked', 'read ', 'blocked']);
      const [answer] = await Promise.all([
        visitor.waitForResponse(`${server.url}/graphql`),
        visitor.evaluate(
          ([url, text]) => {
            const form = Object.assign(document.createElement('form'), { method: 'post', action: `${url}/graphql`, enctype: 'text/plain' });
            form.append(Object.assign(document.createElement('input'), { name: text, value: '' }));
            document.body.append(form);
            form.submit();
          },
          [server.url, JSON.stringify({ query: rename })] as const,
        ),
      ]);
      expect([403, 415]).toContain(answer.status());
      expect((await asked(me)).data.me).toEqual({ username: 'ada', firstName: null });
    } finally {
      await browser.close();
      await new Promise((resolve) => elsewhere.close(resolve));
    }
  },
);

function findOnPath(name: string): string | null {
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}
