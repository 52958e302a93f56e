/** P13: refresh tokens rotate; a lost answer does no harm; an old token that is shown later ends the session. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Person, request, type Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';
import { events } from './kit.ts';

it('every refresh gives other tokens of the same session', async () => {
  await using server = await startTestServer();
  const ana = await server.person();
  const seen = new Set([ana.refreshToken]);
  let token = ana.refreshToken;
  for (let round = 0; round < 5; round++) {
    const auth = await refresh(server, token);
    expect(auth.session.id).toBe(ana.sessionId);
    expect(seen.has(auth.refreshToken)).toBe(false);
    expect(await works(server, auth.accessToken)).toBe(true);
    seen.add(auth.refreshToken);
    token = auth.refreshToken;
  }
  // Also with a stale or broken access token beside it.
  expect(await refresh(server, token, { authorization: 'Bearer nonsense' })).toMatchObject({ session: { id: ana.sessionId } });
});

it('a lost answer can be repeated within the grace and gives the same next token, also after a restart', async () => {
  await using server = await startTestServer();
  const ana = await server.person();
  const first = await refresh(server, ana.refreshToken);
  const again = await refresh(server, ana.refreshToken);
  expect(again.refreshToken).toBe(first.refreshToken);
  await server.restart();
  const afterwards = await refresh(server, ana.refreshToken);
  expect(afterwards.refreshToken).toBe(first.refreshToken);
  for (const { accessToken } of [first, again, afterwards]) expect(await works(server, accessToken)).toBe(true);
  expect((await refresh(server, first.refreshToken)).refreshToken).not.toBe(first.refreshToken);
});

it('two tabs that refresh at once both go on', async () => {
  await using server = await startTestServer();
  const ana = await server.person();
  let token = ana.refreshToken;
  for (let round = 0; round < 5; round++) {
    const tabs = await Promise.all(Array.from({ length: 8 }, () => refresh(server, token)));
    expect(new Set(tabs.map((auth) => auth.refreshToken)).size).toBe(1);
    expect(await Promise.all(tabs.map((auth) => works(server, auth.accessToken)))).toEqual(tabs.map(() => true));
    token = tabs[0]?.refreshToken;
  }
  expect(await works(server, ana.token)).toBe(true);
});

it('a token from before the grace ends the session everywhere, and no other session', async () => {
  await using server = await startTestServer({ REFRESH_GRACE_SECONDS: '1' });
  const ana = await server.person();
  const other = await logIn(server, ana);
  const next = await refresh(server, ana.refreshToken);
  const stream = await ana.follow(events, {}, { on: ana.socket({ authorization: `Bearer ${next.accessToken}` }) });
  const bystander = await ana.follow(events, {}, { on: ana.socket({ authorization: `Bearer ${other.accessToken}` }) });
  await sleep(1_100);
  // To ask about it is not to use it.
  expect((await request(server, 'query ($token: String!) { tokenInfo(token: $token) { active failure } }', { token: ana.refreshToken })).data?.tokenInfo).toEqual({
    active: false,
    failure: 'REUSED',
  });
  expect(await works(server, next.accessToken)).toBe(true);
  expect(await refresh(server, ana.refreshToken)).toMatchObject({ __typename: 'InvalidTokenError', tokenFailure: 'REUSED' });
  for (const accessToken of [ana.token, next.accessToken]) expect(await works(server, accessToken)).toBe(false);
  expect(await refresh(server, next.refreshToken)).toMatchObject({ __typename: 'InvalidTokenError', tokenFailure: 'REVOKED' });
  expect((await stream.socket.whenClosed(1_000)).code).toBe(4401);
  expect(stream.items.at(-1)).toMatchObject({ __typename: 'SessionEnded', endReason: 'REVOKED', retry: false });
  expect(await works(server, other.accessToken)).toBe(true);
  expect(bystander.closed).toBeNull();
  expect(await refresh(server, other.refreshToken)).toMatchObject({ session: { id: other.session.id } });
});

it('a token two generations old ends the session also within the grace', async () => {
  await using server = await startTestServer();
  const ana = await server.person();
  const second = await refresh(server, ana.refreshToken);
  const third = await refresh(server, second.refreshToken);
  expect(await refresh(server, ana.refreshToken)).toMatchObject({ __typename: 'InvalidTokenError', tokenFailure: 'REUSED' });
  expect(await works(server, third.accessToken)).toBe(false);
});

it('a forged token ends nothing', async () => {
  await using server = await startTestServer({ REFRESH_GRACE_SECONDS: '0' });
  const ana = await server.person();
  const next = await refresh(server, ana.refreshToken);
  const [session, generation, secret] = next.refreshToken.split('.');
  const forged = [
    `${session}.1.${secret}`,
    `${session}.${generation}.${'A'.repeat(secret.length)}`,
    `${session}.${Number(generation) + 1}.${secret}`,
    `${Number(session) + 1}.${generation}.${secret}`,
    '',
    'x',
    ana.token,
  ];
  for (const token of forged) expect((await refresh(server, token)).tokenFailure).toMatch(/^(UNKNOWN|MALFORMED)$/);
  expect(await works(server, next.accessToken)).toBe(true);
  expect(await refresh(server, next.refreshToken)).toMatchObject({ session: { id: ana.sessionId } });
});

it('a login on the same device voids the earlier refresh token without alarm', async () => {
  await using server = await startTestServer({ REFRESH_GRACE_SECONDS: '0' });
  const ana = await server.person();
  const [first, second] = [await logIn(server, ana, { id: 'phone' }), await logIn(server, ana, { id: 'phone' })];
  expect(second.session.id).toBe(first.session.id);
  expect((await refresh(server, first.refreshToken)).__typename).toBe('InvalidTokenError');
  expect(await works(server, second.accessToken)).toBe(true);
  expect(await refresh(server, second.refreshToken)).toMatchObject({ session: { id: first.session.id } });
});

const auth = 'auth { accessToken refreshToken session { id } }';
const failure = '__typename ... on InvalidTokenError { tokenFailure }';

async function refresh(server: TestServer, refreshToken: string, headers: Record<string, string> = {}): Promise<Untyped> {
  const { data } = await request(
    server,
    `mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) { ${failure} ... on RefreshSessionPayload { ${auth} } } }`,
    { input: { refreshToken } },
    headers,
  );
  return data?.refreshSession.auth ?? data?.refreshSession;
}

async function logIn(server: TestServer, { username, password }: Person, device?: Untyped): Promise<Untyped> {
  const { data } = await request(server, `mutation ($input: LoginInput!) { login(input: $input) { ... on LoginPayload { ${auth} } } }`, {
    input: { login: username, password, device },
  });
  return data?.login.auth;
}

async function works(server: TestServer, accessToken: string): Promise<boolean> {
  return (await request(server, '{ eventCursor }', {}, { authorization: `Bearer ${accessToken}` })).errors === undefined;
}
