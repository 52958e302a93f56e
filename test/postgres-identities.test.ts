/** People who come with tokens of others, where two servers share a database: it makes no difference which of them they meet. */
import { expect, it } from 'vitest';
import { arrive, hostIssuer, hostToken, signInWithToken } from './kit/issuer.ts';
import { followOn } from './kit/nodes.ts';
import type { Person, Untyped } from './kit/person.ts';
import { createJar, startProvider, throughProvider } from './kit/provider.ts';
import { type Overrides, startTestServer } from './kit/server.ts';

/** Two servers, as they are run: they look at the database every now and then, and wake each other. The second is closed first, as its database goes with the first. */
async function startNodes(settings: Overrides = {}) {
  const overrides: Overrides = { NODE_POLL_MS: '2000', ...settings };
  const first = await startTestServer(overrides);
  const second = await startTestServer({ ...overrides, DATABASE_URL: first.app.config.DATABASE_URL });
  return {
    first,
    second,
    async [Symbol.asyncDispose](): Promise<void> {
      await second[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
    },
  };
}

const logoutToken = (claims: Untyped): Promise<string> =>
  hostToken({ events: { 'http://schemas.openid.net/event/backchannel-logout': {} }, ...claims }, { header: { typ: 'logout+jwt' } });

it('who comes to two servers at once with a token of the host has one account', async () => {
  await using nodes = await startNodes({ IDENTITY_ISSUERS: JSON.stringify([hostIssuer]) });
  for (let round = 0; round < 5; round++) {
    const tokens = await Promise.all([0, 1, 2, 3].map(() => hostToken({ sub: `ada ${round}`, name: 'Ada Lovelace', preferred_username: 'ada' })));
    const came = await Promise.all(tokens.map((token, index) => arrive(index % 2 ? nodes.second : nodes.first, token)));
    expect(new Set(came.map(({ id }) => id)).size).toBe(1);
    expect(new Set(came.map(({ username }) => username)).size).toBe(1);
    // Each is good on the other, too.
    expect(await Promise.all(came.map(({ ask }) => ask('{ me { id } }')))).toEqual(came.map(({ id }) => ({ me: { id } })));
  }
  const { db } = nodes.first.app;
  expect((await db.sql.all('SELECT 1 FROM "User" WHERE "displayName" = ?', ['Ada Lovelace'])).length).toBe(5);
});

it('a logout token that comes to one server ends sessions and streams on the other within a second, once', async () => {
  await using nodes = await startNodes({ IDENTITY_ISSUERS: JSON.stringify([hostIssuer]) });
  const { first, second } = nodes;
  const old = await hostToken({ sub: 'ada', iat: Math.floor(Date.now() / 1000) - 10 });
  const [ada, ben] = [await arrive(second, old), await arrive(second, await hostToken({ sub: 'ben' }))];
  const follow = (token: string) => followOn(second, { token } as Person, 'subscription { events { __typename ... on SessionEnded { endReason retry } } }', {});
  const [ofAda, ofBen] = [await follow(ada.auth.accessToken), await follow(ben.auth.accessToken)];
  const token = await logoutToken({ sub: 'ada', jti: '1' });
  const logOut = (server: typeof first) => fetch(`${server.url}/backchannel-logout`, { method: 'POST', body: new URLSearchParams({ logout_token: token }) });
  expect((await logOut(first)).status).toBe(200);
  expect(await ada.ask('{ eventCursor }')).toMatchObject({ errors: [{ extensions: { code: 'TOKEN_INVALID' } }] });
  const answeredAt = performance.now();
  expect(await ofAda.next('SessionEnded')).toMatchObject({ endReason: 'LOGGED_OUT', retry: false });
  expect(await ofAda.socket.whenClosed()).toMatchObject({ code: 4401 });
  expect(performance.now() - answeredAt).toBeLessThan(1_000);
  // What was used there is used up here, and what was made before is void here.
  expect((await logOut(second)).status).toBe(400);
  expect(await signInWithToken(second, old)).toMatchObject({ tokenFailure: 'REVOKED' });
  expect(await ben.ask('{ me { id } }')).toEqual({ me: { id: ben.id } });
  expect(ofBen.closed).toBeFalsy();
});

it('who was sent to a provider by one server comes back to the other, in either order and at once', async () => {
  await using provider = await startProvider();
  const front = 'http://chat.example.org';
  const issuer = { issuer: provider.issuer, name: 'company', label: 'the company', clientId: 'chat', clientSecret: 'of the client', privateNetwork: true };
  await using nodes = await startNodes({ PUBLIC_URL: front, IDENTITY_ISSUERS: JSON.stringify([issuer]) });
  provider.serve({ redirect_uris: [`${front}/sign-in/company/callback`] }, () => ({ name: 'Ada Lovelace' }));
  const { first, second } = nodes;
  const travel = async (there: typeof first, back: typeof first): Promise<Untyped> => {
    let at = there;
    const jar = createJar((url) => url.replace(front, at.url));
    const answer = await throughProvider(jar, (await jar.go(`${front}/sign-in/company?to=/rooms`)).location as string, 'ada');
    at = back;
    expect(await jar.go(answer)).toMatchObject({ status: 303, location: `${front}/rooms?signed-in` });
    // With the cookies of the one, the other knows who it is.
    at = there;
    const { text } = await jar.go(`${front}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'apollo-require-preflight': '1' },
      body: JSON.stringify({ query: '{ me { id displayName externalId } }' }),
    });
    // It works once, wherever it is shown.
    expect((await jar.go(answer)).location).not.toContain('signed-in');
    return JSON.parse(text).data.me;
  };
  const [one, other] = await Promise.all([travel(first, second), travel(second, first)]);
  expect(one).toMatchObject({ displayName: 'Ada Lovelace', externalId: 'ada' });
  expect(other).toEqual(one);
  expect(provider.problems).toEqual([]);
});
