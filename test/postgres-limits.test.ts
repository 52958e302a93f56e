/** What guards a secret is counted once, however many servers are asked. */
import { expect, it } from 'vitest';
import { request, type Untyped } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const settings = { NODE_POLL_MS: '2000', RATE_LIMITS: 'on' };

async function startServers(overrides = {}) {
  const first = await startTestServer({ ...settings, ...overrides });
  const second = await startTestServer({ ...settings, ...overrides, DATABASE_URL: first.app.config.DATABASE_URL });
  await expect.poll(() => [first, second].map(({ app }) => app.elsewhere.count())).toEqual([2, 2]);
  const servers: [TestServer, TestServer] = [first, second];
  return {
    servers,
    async [Symbol.asyncDispose](): Promise<void> {
      await second[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
    },
  };
}

const login =
  'mutation ($login: String!, $password: String!) { login(input: { login: $login, password: $password }) { __typename ... on UserError { code } ... on RateLimitedError { retryAfterMs } } }';

it('wrong passwords: no more on all servers together than on one, also at the same time', async () => {
  await using opened = await startServers({ LOGIN_LIMIT: '5' });
  const person = await opened.servers[0].person();
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, index) => request(opened.servers[index % 2] as TestServer, login, { login: person.username, password: `wrong ${index} again` })),
  );
  const codes = answers.map(({ data, errors }) => data?.login?.code ?? errors?.[0]?.extensions.code);
  expect(codes.filter((code) => code === 'INVALID_CREDENTIALS')).toHaveLength(5);
  expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(19);
  const [refused] = answers.map(({ data }) => data?.login as Untyped).filter((one) => one?.retryAfterMs);
  expect(refused?.retryAfterMs).toBeGreaterThan(600_000);
  // Right ones neither count nor are let in now.
  for (const server of opened.servers) expect((await request(server, login, { login: person.username, password: person.password })).data?.login.code).toBe('RATE_LIMITED');
});

it('right passwords use nothing up, on any server', async () => {
  await using opened = await startServers({ LOGIN_LIMIT: '2' });
  const person = await opened.servers[0].person();
  for (let round = 0; round < 6; round++)
    expect((await request(opened.servers[round % 2] as TestServer, login, { login: person.username, password: person.password })).data?.login.__typename).toBe('LoginPayload');
});

it('registrations of one address', async () => {
  await using opened = await startServers({ REGISTER_LIMIT: '4' });
  const register = 'mutation ($name: String!) { register(input: { username: $name, password: "correct horse battery" }) { __typename ... on UserError { code } } }';
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => request(opened.servers[index % 2] as TestServer, register, { name: `somebody${index}` })));
  expect(answers.filter(({ data }) => data?.register?.__typename === 'RegisterPayload')).toHaveLength(4);
});

it('messages: each server has its part of what one account may send', async () => {
  await using opened = await startServers({ SEND_LIMIT: '1', SEND_BURST: '20' });
  const [first, second] = opened.servers;
  const person = await first.person();
  const send = `mutation { sendMessage(input: { to: { username: "${person.username}" }, text: "to myself" }) { __typename } }`;
  const sent = await Promise.all(Array.from({ length: 40 }, (_, index) => request(index % 2 ? first : second, send, {}, { authorization: `Bearer ${person.token}` })));
  expect(sent.filter(({ data }) => data?.sendMessage?.__typename === 'SendMessagePayload')).toHaveLength(20);
});
