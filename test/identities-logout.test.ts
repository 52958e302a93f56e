/** OpenID Connect Back-Channel Logout 1.0: what a logout token must be, and which sessions end by it. */
import { expect, it } from 'vitest';
import { arrive, type Claims, hostIssuer, hostToken, provisionToken, signInWithToken } from './kit/issuer.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const event = 'http://schemas.openid.net/event/backchannel-logout';
const now = (): number => Math.floor(Date.now() / 1000);
let count = 0;

const startHost = () => startTestServer({ IDENTITY_ISSUERS: JSON.stringify([hostIssuer]) });
const logoutToken = (claims: Claims, typ: string | undefined = 'logout+jwt'): Promise<string> =>
  hostToken({ jti: `${++count}`, events: { [event]: {} }, ...claims }, { header: typ === undefined ? {} : { typ } });

async function logOut(server: TestServer, token: string, init: RequestInit = {}) {
  const response = await fetch(`${server.url}/backchannel-logout`, { method: 'POST', body: new URLSearchParams({ logout_token: token }), ...init });
  const text = await response.text();
  return { status: response.status, cache: response.headers.get('cache-control'), error: text && response.status === 400 ? JSON.parse(text).error_description : null };
}

it('a logout token is good with everything that the standard asks for, once', async () => {
  await using server = await startHost();
  const ada = await arrive(server, await hostToken({ sub: 'ada' }));
  const wrong: [why: string, token: string, sentence: RegExp][] = [
    ['no token', '', /not a signed token/],
    ["a user's", await hostToken({ sub: 'ada' }), /no logout token/],
    ["the host's own", await provisionToken(), /no logout token/],
    ['no event', await logoutToken({ sub: 'ada', events: undefined }, 'JWT'), /no logout token/],
    ['another event', await logoutToken({ sub: 'ada', events: { [`${event}/`]: {} } }, 'JWT'), /no logout token/],
    ['an event that is no object', await logoutToken({ sub: 'ada', events: { [event]: true } }, 'JWT'), /no logout token/],
    ['another type', await logoutToken({ sub: 'ada' }, 'at+jwt'), /`typ`/],
    ['a nonce', await logoutToken({ sub: 'ada', nonce: 'x' }), /`nonce`/],
    ['no id', await logoutToken({ sub: 'ada', jti: undefined }), /`jti`/],
    ['nobody and no session', await logoutToken({}), /`sub` or `sid`/],
    ['no time', await logoutToken({ sub: 'ada', iat: undefined }), /`iat`/],
    ['no end', await logoutToken({ sub: 'ada', exp: undefined }), /`exp`/],
    ['an old one', await logoutToken({ sub: 'ada', iat: now() - 300, exp: now() - 100 }), /expired/],
    ['another audience', await logoutToken({ sub: 'ada', aud: 'shop' }), /`aud`/],
    ['another issuer', await logoutToken({ sub: 'ada', iss: 'https://shop.example.org' }), /`iss`/],
    ['another key', await hostToken({ sub: 'ada', jti: 'x', events: { [event]: {} } }, { key: 'another secret that is long enough, too' }), /signature/],
  ];
  for (const [why, token, sentence] of wrong)
    expect({ why, ...(await logOut(server, token)) }).toEqual({ why, status: 400, cache: 'no-store', error: expect.stringMatching(sentence) });
  expect(await ada.ask('{ me { id } }')).toEqual({ me: { id: ada.id } });
  const stream = await logoutToken({ sub: 'ada' });
  expect(await logOut(server, stream)).toEqual({ status: 200, cache: 'no-store', error: null });
  expect(await ada.ask('{ eventCursor }')).toMatchObject({ errors: [{ extensions: { code: 'TOKEN_INVALID' } }] });
  expect(await logOut(server, stream)).toMatchObject({ status: 400, error: expect.stringMatching(/used before/) });
  // Somebody who is not here has nothing to end, and is not told apart. Also without a type, and at the same time.
  expect(await logOut(server, await logoutToken({ sub: 'nobody' }, undefined))).toMatchObject({ status: 200 });
  const twice = await logoutToken({ sub: 'nobody' }, 'JWT');
  expect((await Promise.all([1, 2, 3].map(() => logOut(server, twice)))).map(({ status }) => status).sort()).toEqual([200, 400, 400]);
  expect((await fetch(`${server.url}/backchannel-logout`)).status).toBe(405);
  expect((await logOut(server, '', { body: '{}', headers: { 'content-type': 'application/json' } })).status).toBe(415);
  expect((await logOut(server, 'x'.repeat(100_000))).status).toBe(413);
});

it('ends the sessions of a person, or of one session there, and voids what was made for them until then', async () => {
  await using server = await startHost();
  const come = async (sub: string, sid?: string) => arrive(server, await hostToken({ sub, sid, iat: now() - 10 }), { device: { id: `${sub} ${sid}` } });
  const [one, two, without, ben] = await Promise.all([come('ada', '1'), come('ada', '2'), come('ada'), come('ben', '1')]);
  const alive = async () => Promise.all([one, two, without, ben].map(async (each) => Boolean((await each?.ask('{ me { id } }'))?.me)));
  expect(await alive()).toEqual([true, true, true, true]);
  // Of a session that is told by its name alone, only that; two people may have one of this name, as hosts see it.
  await logOut(server, await logoutToken({ sid: '2' }));
  expect(await alive()).toEqual([true, false, true, true]);
  expect(await signInWithToken(server, await hostToken({ sub: 'ada', sid: '2', iat: now() - 10 }))).toMatchObject({ tokenFailure: 'REVOKED' });
  // Of a person's: with those of which nobody knows where they belong.
  await logOut(server, await logoutToken({ sub: 'ada', sid: '1' }));
  expect(await alive()).toEqual([false, false, false, true]);
  await logOut(server, await logoutToken({ sid: 'unheard of' }));
  await logOut(server, await logoutToken({ sub: 'ben' }));
  expect(await alive()).toEqual([false, false, false, false]);
  await arrive(server, await hostToken({ sub: 'ada', iat: now() + 2 }));
  // What was used is forgotten when it could not be shown again.
  const spent = async () => (await server.app.db.sql.all('SELECT 1 FROM "SpentToken"', [])).length;
  expect(await spent()).toBe(4);
  await server.app.db.sqlTransaction((sql) => sql.all('UPDATE "SpentToken" SET "endsAt" = ?', [new Date(Date.now() - 1_000)]));
  await server.app.identities.sweep();
  expect(await spent()).toBe(0);
});

it('streams of a session that the host ends are told why, and closed', async () => {
  await using server = await startHost();
  const ada = await server.person();
  const token = await hostToken({ sub: 'ada' });
  await ada.must('mutation ($i: LinkIdentityInput!) { linkIdentity(input: $i) { __typename } }', { i: { token, currentPassword: ada.password } });
  const came = await arrive(server, token);
  ada.token = came.auth.accessToken;
  const stream = await ada.follow('subscription { events { __typename ... on SessionEnded { endReason retry } } }');
  await logOut(server, await logoutToken({ sub: 'ada' }));
  expect(await stream.next('SessionEnded')).toMatchObject({ endReason: 'LOGGED_OUT', retry: false });
  expect(await stream.socket.whenClosed()).toMatchObject({ code: 4401 });
});
