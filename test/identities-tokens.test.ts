/** Which tokens of others are good: what each of them must have and must not have, and where the keys come from that they are checked with. */
import { createHmac } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, exportSPKI } from 'jose';
import { describe, expect, it } from 'vitest';
import { arrive, createSigner, hostIssuer, hostToken, hostUrl, provisionToken, sign, signInWithToken, startKeyServer } from './kit/issuer.ts';
import { request } from './kit/person.ts';
import { type Overrides, startTestServer } from './kit/server.ts';

const withIssuers = (issuers: object[], more: Overrides = {}) => startTestServer({ IDENTITY_ISSUERS: JSON.stringify(issuers), ...more });
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const now = (): number => Math.floor(Date.now() / 1000);

describe('a token of a host', () => {
  it('signs in whoever it is of, and nobody when anything about it is not as it must be', async () => {
    await using server = await withIssuers([hostIssuer]);
    const wrong: [why: string, token: string, tokenFailure: string, sentence: RegExp][] = [
      ['no token', 'x', 'MALFORMED', /not a signed token/],
      ['no claims', 'a.b.c', 'MALFORMED', /not a signed token/],
      ['an enormous one', `${'a'.repeat(20_000)}.b.c`, 'MALFORMED', /not a signed token/],
      ['another secret', await hostToken({ sub: 'a' }, { key: 'another secret that is long enough, too' }), 'UNKNOWN', /signature/],
      ['another algorithm', await hostToken({ sub: 'a' }, { alg: 'HS512', key: 'x'.repeat(64) }), 'UNKNOWN', /algorithm/],
      ['no algorithm', `${part({ alg: 'none' })}.${part({ iss: hostUrl, sub: 'a', aud: 'chat', exp: now() + 300 })}.`, 'UNKNOWN', /algorithm/],
      ['an issuer that differs by a slash', await hostToken({ sub: 'a', iss: `${hostUrl}/` }), 'UNKNOWN', /`iss`/],
      ['no issuer', await hostToken({ sub: 'a', iss: undefined }), 'UNKNOWN', /`iss`/],
      ['no audience', await hostToken({ sub: 'a', aud: undefined }), 'UNKNOWN', /`aud`/],
      ['another audience', await hostToken({ sub: 'a', aud: ['chat/', 'other'] }), 'UNKNOWN', /`aud`/],
      ['no end', await hostToken({ sub: 'a', exp: undefined }), 'UNKNOWN', /`exp`/],
      ['an end that is a text', await hostToken({ sub: 'a', exp: `${now() + 300}` as never }), 'UNKNOWN', /`exp`/],
      ['over for longer than a minute', await hostToken({ sub: 'a', iat: now() - 300, exp: now() - 65 }), 'EXPIRED', /expired/],
      ['a life of more than an hour', await hostToken({ sub: 'a', exp: now() + 3605 }), 'UNKNOWN', /longer than an hour/],
      ['more than an hour to go, without a beginning', await hostToken({ sub: 'a', iat: undefined, exp: now() + 3700 }), 'UNKNOWN', /longer than an hour/],
      ['a beginning in the future', await hostToken({ sub: 'a', iat: now() + 90, exp: now() + 300 }), 'UNKNOWN', /`iat`/],
      ['good only later', await hostToken({ sub: 'a', nbf: now() + 90 }), 'UNKNOWN', /`nbf`/],
      ['nobody', await hostToken({ sub: undefined }), 'UNKNOWN', /`sub`/],
      ['an empty id', await hostToken({ sub: '' }), 'UNKNOWN', /`sub`/],
      ['an id that is an object', await hostToken({ sub: { toString: 'a' } as never }), 'UNKNOWN', /`sub`/],
      ['an id with a control character', await hostToken({ sub: 'a\u0000b' }), 'UNKNOWN', /`sub`/],
      ['an id that is too long', await hostToken({ sub: 'a'.repeat(256) }), 'UNKNOWN', /`sub`/],
      ["the host's own", await provisionToken(), 'UNKNOWN', /`sub`/],
      ['a logout token', await hostToken({ sub: 'a', events: { 'http://schemas.openid.net/event/backchannel-logout': {} } }), 'UNKNOWN', /logout token/],
      ['a logout token by its type', await hostToken({ sub: 'a' }, { header: { typ: 'logout+jwt' } }), 'UNKNOWN', /logout token/],
      [
        'an extension that is not understood',
        await hostToken({ sub: 'a' }, { header: { crit: ['exp2'], exp2: 1 } }).catch(() => `${part({ alg: 'HS256', crit: ['exp2'], exp2: 1 })}.${part({ iss: hostUrl })}.AA`),
        'UNKNOWN',
        /signature/,
      ],
    ];
    for (const [why, token, tokenFailure, sentence] of wrong) {
      expect({ why, ...(await signInWithToken(server, token)) }).toEqual({
        why,
        __typename: 'InvalidTokenError',
        code: 'INVALID_TOKEN',
        tokenFailure,
        errorMessage: expect.stringMatching(sentence),
      });
    }
    const good: Record<string, string> = {
      'as it is': await hostToken({ sub: 'ada' }),
      'over for less than a minute': await hostToken({ sub: 'ada', iat: now() - 300, exp: now() - 30 }),
      'good in less than a minute': await hostToken({ sub: 'ada', nbf: now() + 30, iat: now() + 30 }),
      'one of several audiences': await hostToken({ sub: 'ada', aud: ['shop', 'chat'] }),
      'without a beginning': await hostToken({ sub: 'ada', iat: undefined }),
    };
    const ids = new Set<string>();
    for (const token of Object.values(good)) ids.add((await arrive(server, token)).id);
    expect(ids.size).toBe(1);
  });

  it('is not taken for one of ours, nor ours for one of a host', async () => {
    await using server = await withIssuers([hostIssuer]);
    const token = await hostToken({ sub: 'ada', sid: '1' });
    const ada = await arrive(server, token);
    const asBearer = await request(server, '{ eventCursor }', {}, { authorization: `Bearer ${token}` });
    expect(asBearer.errors?.[0]?.extensions.code).toBe('TOKEN_INVALID');
    const refresh = await request(server, 'mutation ($t: String!) { refreshSession(input: { refreshToken: $t }) { ... on InvalidTokenError { tokenFailure } } }', { t: token });
    expect(refresh.data?.refreshSession).toEqual({ tokenFailure: 'MALFORMED' });
    expect((await request(server, 'query ($t: String!) { tokenInfo(token: $t) { active } }', { t: token })).data?.tokenInfo).toEqual({ active: false });
    expect(await signInWithToken(server, ada.auth.accessToken)).toMatchObject({ tokenFailure: 'UNKNOWN' });
    expect(await signInWithToken(server, ada.auth.refreshToken)).toMatchObject({ tokenFailure: 'MALFORMED' });
    // As if it were ours, with all that can be known of ours.
    const { iss, aud, sub, sid } = decodeJwt(ada.auth.accessToken);
    const { alg, typ } = decodeProtectedHeader(ada.auth.accessToken) as { alg: string; typ: string };
    const forger = await createSigner(null, alg);
    const forged = await forger.sign({ iss, aud, sub, sid }, { typ });
    expect((await request(server, '{ eventCursor }', {}, { authorization: `Bearer ${forged}` })).errors?.[0]?.extensions.code).toBe('TOKEN_INVALID');
  });

  it('says what is so of a person of the host, whom no other issuer means by the same id', async () => {
    await using server = await withIssuers([hostIssuer, { ...hostIssuer, issuer: 'https://shop.example.org', secret: 'the secret of the shop, of 32 bytes and more' }]);
    const here = await arrive(server, await hostToken({ sub: '1', preferred_username: 'ada' }));
    const there = await arrive(
      server,
      await hostToken({ sub: '1', iss: 'https://shop.example.org', preferred_username: 'ada' }, { key: 'the secret of the shop, of 32 bytes and more' }),
    );
    expect(there.id).not.toBe(here.id);
    expect([here.username, there.username]).toEqual(['ada', expect.stringMatching(/^ada-\d+$/)]);
    // The secret of one does not sign for the other.
    expect(await signInWithToken(server, await hostToken({ sub: '1', iss: 'https://shop.example.org' }))).toMatchObject({
      tokenFailure: 'UNKNOWN',
      errorMessage: expect.stringMatching(/signature/),
    });
    // A number is the text that it is written as.
    const byNumber = await arrive(server, await hostToken({ sub: 1 as never }));
    expect(byNumber.id).toBe(here.id);
  });
});

describe('public keys', () => {
  it('check what was signed with the private half, by the algorithms of the issuer alone, and are no secrets', async () => {
    const [signer, other, curve] = [await createSigner('one'), await createSigner('one'), await createSigner('two', 'ES256')];
    const issuer = 'https://login.example.org/';
    await using server = await withIssuers([{ issuer, audience: 'chat', jwks: { keys: [signer.jwk, curve.jwk] }, algorithms: ['RS256'] }]);
    await arrive(server, await signer.sign({ iss: issuer, sub: 'ada' }));
    const failing = async (token: string) => (await signInWithToken(server, token)).errorMessage;
    expect(await failing(await other.sign({ iss: issuer, sub: 'ada' }))).toMatch(/signature/);
    expect(await failing(await curve.sign({ iss: issuer, sub: 'ada' }))).toMatch(/algorithm/);
    expect(await failing(await other.sign({ iss: issuer, sub: 'ada' }, { kid: 'unheard of' }))).toMatch(/key/);
    // What everybody has, as an HMAC secret: as PEM, with and without its last newline, and as JSON.
    const pem = await exportSPKI(signer.publicKey);
    for (const key of [pem, `${pem}\n`, JSON.stringify(signer.jwk), signer.jwk.n as string]) {
      expect(await failing(await sign({ iss: issuer, sub: 'ada' }, new TextEncoder().encode(key), { alg: 'HS256', kid: 'one' }))).toMatch(/algorithm/);
      const input = `${part({ alg: 'RS256', kid: 'one' })}.${part({ iss: issuer, aud: 'chat', sub: 'ada', exp: now() + 300 })}`;
      expect(await failing(`${input}.${createHmac('sha256', key).update(input).digest('base64url')}`)).toMatch(/signature/);
    }
    // A key that the token brings along, or names an address of.
    await using elsewhere = await startKeyServer();
    elsewhere.keys.push(other.jwk);
    for (const header of [
      { jwk: other.jwk },
      { jku: elsewhere.url },
      { x5u: elsewhere.url },
      { kid: elsewhere.url },
      { kid: '../../../../dev/null' },
      { kid: "' OR 1=1" },
      { kid: '__proto__' },
    ]) {
      expect(await failing(await other.sign({ iss: issuer, sub: 'ada' }, { kid: 'one', ...header }))).toMatch(/signature|key/);
    }
    expect(elsewhere.asked).toEqual([]);
  });

  it('are fetched once for all who wait, and not again for every key that is made up', async () => {
    await using place = await startKeyServer();
    const [first, second] = [await createSigner('first'), await createSigner('second')];
    place.keys.push(first.jwk);
    const issuer = { issuer: 'https://login.example.org', audience: 'chat', jwksUrl: place.url };
    await using server = await withIssuers([issuer], { PUSH_TO_PRIVATE_ADDRESSES: 'on' });
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => first.sign({ iss: issuer.issuer, sub: `p${index}` })));
    await Promise.all(tokens.map((token) => arrive(server, token)));
    expect(place.asked).toEqual(['/keys']);
    // Made up: it has been asked a moment ago.
    const madeUp = await createSigner('made up');
    for (let count = 0; count < 5; count++) expect(await signInWithToken(server, await madeUp.sign({ iss: issuer.issuer, sub: 'x' }))).toMatchObject({ tokenFailure: 'UNKNOWN' });
    expect(place.asked).toHaveLength(1);
    expect(await signInWithToken(server, await second.sign({ iss: issuer.issuer, sub: 'p0' }))).toMatchObject({ tokenFailure: 'UNKNOWN' });
  });

  it('that are new are fetched at once, unless that was done a moment ago, and the old one is good for nothing then', async () => {
    await using place = await startKeyServer();
    const [first, second] = [await createSigner('first'), await createSigner('second')];
    place.keys.push(first.jwk);
    const issuer = { issuer: 'https://login.example.org', audience: 'chat', jwksUrl: place.url };
    await using server = await withIssuers([issuer], { PUSH_TO_PRIVATE_ADDRESSES: 'on' });
    await arrive(server, await first.sign({ iss: issuer.issuer, sub: 'ada' }));
    place.keys.splice(0, 1, second.jwk);
    // jose goes by the wall clock.
    const { now: wall } = Date;
    Date.now = () => wall() + 31_000;
    try {
      await arrive(server, await second.sign({ iss: issuer.issuer, sub: 'ada' }));
      expect(place.asked).toHaveLength(2);
      expect(await signInWithToken(server, await first.sign({ iss: issuer.issuer, sub: 'ada' }))).toMatchObject({ tokenFailure: 'UNKNOWN' });
    } finally {
      Date.now = wall;
    }
  });

  it('that are sent on elsewhere, too large, no keys or not there are not to be had: UNAVAILABLE, until they are', async () => {
    const answers = [
      { status: 302, headers: { location: 'http://127.0.0.1:1/keys' } },
      'large',
      { status: 200, body: '<html>' },
      { status: 200, body: '{"keys":{}}' },
      { status: 404 },
    ] as const;
    await using places = new AsyncDisposableStack();
    const signer = await createSigner('one');
    const wrong = await Promise.all(answers.map(async (answer) => ({ answer, place: places.use(await startKeyServer()) })));
    const issuerOf = (index: number): string => `https://${index}.example.org`;
    await using server = await withIssuers(wrong.map(({ place }, index) => ({ issuer: issuerOf(index), audience: 'chat', jwksUrl: place.url, privateNetwork: true })));
    await Promise.all(
      wrong.map(async ({ answer, place }, index) => {
        place.keys.push(signer.jwk);
        place.answer(answer);
        const token = await signer.sign({ iss: issuerOf(index), sub: 'ada' });
        expect(await signInWithToken(server, token)).toMatchObject({ code: 'UNAVAILABLE', errorMessage: expect.stringMatching(/issuer/) });
        place.answer('keys');
        await expect.poll(() => signInWithToken(server, token), { timeout: 10_000, interval: 300 }).toMatchObject({ __typename: 'SignInWithTokenPayload' });
      }),
    );
  });

  it('of an issuer that hangs hold up its own people alone', { timeout: 20_000 }, async () => {
    await using place = await startKeyServer();
    place.answer('hang');
    const slow = await createSigner('one');
    const issuer = { issuer: 'https://login.example.org', audience: 'chat', jwksUrl: place.url, privateNetwork: true };
    await using server = await withIssuers([issuer, hostIssuer]);
    const token = await slow.sign({ iss: issuer.issuer, sub: 'ada' });
    let over = 0;
    const waiting = Array.from({ length: 50 }, () => signInWithToken(server, token).finally(() => over++));
    await expect.poll(() => place.asked.length).toBe(1);
    await arrive(server, await hostToken({ sub: 'ben' }));
    const person = await server.person();
    await person.must('{ me { id } }');
    expect(over).toBe(0);
    expect(new Set((await Promise.all(waiting)).map(({ code }) => code))).toEqual(new Set(['UNAVAILABLE']));
    expect(place.asked).toHaveLength(1);
  });

  it('on this machine or in a private network are not asked for, unless the operator says so', async () => {
    await using place = await startKeyServer();
    const signer = await createSigner('one');
    place.keys.push(signer.jwk);
    const byName = place.url.replace('127.0.0.1', 'localhost');
    const issuers = [place.url, byName, 'https://10.0.0.1/keys', 'https://metadata.internal/keys'].map((jwksUrl, index) => ({
      issuer: `https://${index}.example.org`,
      audience: 'chat',
      jwksUrl,
    }));
    await using server = await withIssuers(issuers);
    for (const { issuer } of issuers) expect(await signInWithToken(server, await signer.sign({ iss: issuer, sub: 'ada' }))).toMatchObject({ code: 'UNAVAILABLE' });
    expect(place.asked).toEqual([]);
  });
});
