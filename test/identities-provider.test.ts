/** Signing in by the page of a real OpenID provider, in a real browser where there is one, and being told by it that somebody has signed out. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { barriers, buildWhenOld, executablePath, openBrowser, visit } from './kit/browser.ts';
import { request, type Untyped } from './kit/person.ts';
import { createJar, type Jar, type OpenIdProvider, startProvider, throughProvider } from './kit/provider.ts';
import { type Overrides, startTestServer, type TestServer } from './kit/server.ts';

const issuerOf = ({ issuer }: OpenIdProvider, more: Untyped = {}) => ({
  issuer,
  name: 'company',
  label: 'the company',
  clientId: 'chat',
  clientSecret: 'of the client',
  privateNetwork: true,
  ...more,
});

/** A provider and a server that know each other. */
async function startWorld(overrides: Overrides = {}, issuer: Untyped = {}) {
  const provider = await startProvider();
  const server = await startTestServer({ WEB: 'on', IDENTITY_ISSUERS: JSON.stringify([issuerOf(provider, issuer)]), ...overrides });
  const claims: Record<string, Untyped> = {};
  const serve = (client: Untyped = {}): void =>
    provider.serve(
      {
        redirect_uris: [`${server.url}/sign-in/company/callback`],
        backchannel_logout_uri: `${server.url}/backchannel-logout`,
        backchannel_logout_session_required: true,
        ...client,
      },
      (sub) => claims[sub] ?? {},
    );
  serve();
  return {
    provider,
    server,
    claims,
    serve,
    async [Symbol.asyncDispose](): Promise<void> {
      await server[Symbol.asyncDispose]();
      await provider[Symbol.asyncDispose]();
    },
  };
}

async function me(jar: Jar, server: TestServer): Promise<Untyped | null> {
  const { text } = await jar.go(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'apollo-require-preflight': '1' },
    body: JSON.stringify({ query: '{ me { id username displayName externalId account { email sessions { deviceName deviceKind } } } }' }),
  });
  return JSON.parse(text).data.me;
}

describe('an OpenID provider', () => {
  it('signs people in by its own page, with state, nonce and PKCE, into the session of the page', async () => {
    await using world = await startWorld();
    const { server, claims } = world;
    claims.ada = { name: 'Ada Lovelace', preferred_username: 'ada.lovelace', email: 'ada@example.org', email_verified: true };
    const jar = createJar();
    const { status, location } = await jar.go(`${server.url}/sign-in/company?to=/rooms&device=d1&deviceName=Firefox`);
    expect(status).toBe(303);
    const asked = new URL(location as string).searchParams;
    expect(Object.fromEntries(asked)).toMatchObject({
      response_type: 'code',
      scope: 'openid profile email',
      code_challenge_method: 'S256',
      redirect_uri: `${server.url}/sign-in/company/callback`,
    });
    for (const name of ['state', 'nonce', 'code_challenge']) expect(asked.get(name)?.length).toBeGreaterThan(40);
    const back = await throughProvider(jar, location as string, 'ada');
    expect(await jar.go(back)).toMatchObject({ status: 303, location: `${server.url}/rooms?signed-in` });
    expect([...jar.cookies(server.url).keys()].sort()).toEqual(['tertulia-access', 'tertulia-device', 'tertulia-refresh']);
    const ada = await me(jar, server);
    expect(ada).toMatchObject({
      username: 'ada.lovelace',
      displayName: 'Ada Lovelace',
      externalId: 'ada',
      account: { email: 'ada@example.org', sessions: [{ deviceName: 'Firefox', deviceKind: 'WEB' }] },
    });
    // Again on this device: the same session. The answer of before is good for nothing.
    const again = await throughProvider(jar, (await jar.go(`${server.url}/sign-in/company?device=d1`)).location as string, 'ada');
    await jar.go(again);
    expect((await me(jar, server))?.account.sessions).toHaveLength(1);
    expect((await jar.go(again)).location).toBe(`${server.url}/?sign-in=again`);
    expect(world.provider.problems).toEqual([]);
  });

  it('signs in nobody whose browser did not begin, who brings another answer, or refuses', async () => {
    await using world = await startWorld();
    const { server } = world;
    const [ada, eve] = [createJar(), createJar()];
    const begin = async (jar: Jar): Promise<string> => (await jar.go(`${server.url}/sign-in/company`)).location as string;
    // Eve's answer in Ada's browser, which has begun nothing, and then in one that has.
    const ofEve = await throughProvider(eve, await begin(eve), 'eve');
    expect((await ada.go(ofEve)).location).toBe(`${server.url}/?sign-in=again`);
    await begin(ada);
    expect((await ada.go(ofEve)).location).toBe(`${server.url}/?sign-in=refused`);
    const own = new URL(await throughProvider(ada, await begin(ada), 'ada'));
    const changed = new URL(own);
    changed.searchParams.set('code', new URL(ofEve).searchParams.get('code') as string);
    // What PKCE and the nonce are for: Eve's code with Ada's state.
    expect((await ada.go(changed.href)).location).toBe(`${server.url}/?sign-in=refused`);
    const state = new URL(await begin(ada)).searchParams.get('state') as string;
    const denied = `${server.url}/sign-in/company/callback?error=access_denied&state=${state}&iss=${encodeURIComponent(world.provider.issuer)}`;
    expect((await ada.go(denied)).location).toBe(`${server.url}/?sign-in=refused`);
    expect(await me(ada, server)).toBeNull();
    expect(ada.cookies(server.url).size).toBe(0);
    // Where it leads is a place of this server's, whatever was asked for.
    for (const to of ['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:alert(1)', '/x\r\nset-cookie: a=b']) {
      const jar = createJar();
      const there = await jar.go(`${server.url}/sign-in/company?to=${encodeURIComponent(to)}`);
      expect((await jar.go(await throughProvider(jar, there.location as string, 'ben'))).location).toBe(`${server.url}/?signed-in`);
    }
    expect((await ada.go(`${server.url}/sign-in/nobody`)).status).toBe(404);
  });

  it('that does not answer, or is another than it says, is told as a sentence on the page', async () => {
    await using world = await startWorld();
    const { provider, server } = world;
    await using other = await startTestServer({
      WEB: 'on',
      IDENTITY_ISSUERS: JSON.stringify([issuerOf(provider, { issuer: `${provider.issuer}/` }), issuerOf(provider, { issuer: 'http://127.0.0.1:9', name: 'gone' })]),
    });
    const answers = await Promise.all(['company', 'company', 'gone', 'gone'].map((name) => fetch(`${other.url}/sign-in/${name}`, { redirect: 'manual' })));
    for (const { status, headers } of answers) expect([status, headers.get('location')]).toEqual([303, '/?sign-in=unavailable']);
    expect((await fetch(`${server.url}/sign-in/company`, { redirect: 'manual' })).headers.get('location')).toContain(provider.issuer);
  });

  it('ends sessions by its logout token, which comes from the provider itself', async () => {
    await using world = await startWorld();
    const { server, provider } = world;
    const [jar, elsewhere] = [createJar(), createJar()];
    for (const each of [jar, elsewhere]) await each.go(await throughProvider(each, (await each.go(`${server.url}/sign-in/company`)).location as string, 'ada'));
    expect(await me(jar, server)).not.toBeNull();
    // At the provider: sign out there.
    const page = await jar.go(`${provider.issuer}/session/end`);
    const [, xsrf = ''] = /name="xsrf" value="([^"]+)"/.exec(page.text) ?? [];
    await jar.go(`${provider.issuer}/session/end/confirm`, { method: 'POST', body: new URLSearchParams({ xsrf, logout: 'yes' }) });
    await expect.poll(() => me(jar, server)).toBeNull();
    // The other browser's session at the provider goes on, and so does the one here.
    expect(await me(elsewhere, server)).not.toBeNull();
    expect(provider.problems).toEqual([]);
  });
});

describe('where no password signs anybody in', () => {
  it('what asks for one is refused, and clients are told how people come', async () => {
    await using world = await startWorld({ PASSWORD_LOGIN: 'off' });
    const { server } = world;
    const info = '{ serverInfo { signIn { registration password token offers { name label url } } } }';
    expect((await request(server, info)).data?.serverInfo.signIn).toEqual({
      registration: false,
      password: false,
      token: true,
      offers: [{ name: 'company', label: 'the company', url: `${server.url}/sign-in/company` }],
    });
    const refusal = async (name: string, input: Untyped): Promise<Untyped> => {
      const type = name.charAt(0).toUpperCase() + name.slice(1);
      const { data } = await request(server, `mutation ($input: ${type}Input!) { ${name}(input: $input) { ... on ForbiddenError { forbiddenReason } } }`, { input });
      return data?.[name];
    };
    expect(await refusal('register', { username: 'ada', password: 'correct horse battery' })).toEqual({ forbiddenReason: 'REGISTRATION_OFF' });
    expect(await refusal('login', { login: 'ada', password: 'x' })).toEqual({ forbiddenReason: 'PASSWORD_LOGIN_OFF' });
    expect(await refusal('requestPasswordReset', { email: 'ada@example.org' })).toEqual({ forbiddenReason: 'PASSWORD_LOGIN_OFF' });
    expect(await refusal('confirmPasswordReset', { token: 'x', newPassword: 'correct horse battery' })).toEqual({ forbiddenReason: 'PASSWORD_LOGIN_OFF' });
  });

  it('and where nobody registers, whoever has an account still signs in', async () => {
    await using server = await startTestServer();
    const ada = await server.person('ada');
    await server.restart({ REGISTRATION: 'off' });
    const { data } = await request(
      server,
      'mutation ($p: String!) { login(input: { login: "ada", password: $p }) { __typename } register(input: { username: "ben", password: $p }) { ... on UserError { code } } }',
      { p: ada.password },
    );
    expect(data).toEqual({ login: { __typename: 'LoginPayload' }, register: { code: 'FORBIDDEN' } });
    expect((await request(server, '{ serverInfo { signIn { registration password token offers { url } } } }')).data?.serverInfo.signIn).toEqual({
      registration: false,
      password: true,
      token: false,
      offers: [],
    });
  });
});

describe.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(`the page with a provider${executablePath ? '' : ' (skipped: no chromium on PATH)'}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    buildWhenOld();
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  const signInThere = async (page: Page, login: string): Promise<void> => {
    await page.locator('input[name=login]').fill(login);
    await page.locator('input[name=password]').fill('any');
    await page.locator('button[type=submit]').click();
    await page.getByRole('button', { name: 'Continue' }).click();
  };

  it('offers it beside passwords, or alone, and lets people in who come back', async () => {
    await using world = await startWorld();
    const { server, claims } = world;
    claims.ada = { name: 'Ada Lovelace', preferred_username: 'ada' };
    const { page, context, problems } = await visit(browser, server.url);
    await page.goto(server.url);
    await page.getByLabel('Username or e-mail').waitFor();
    expect(await barriers(page, 'the gate')).toEqual([]);
    await page.getByRole('link', { name: 'Sign in with the company' }).click();
    await signInThere(page, 'ada');
    await page.getByRole('navigation', { name: 'Main' }).waitFor();
    expect(new URL(page.url()).href).toBe(`${server.url}/`);
    expect(await page.evaluate('document.cookie')).toBe('');
    // There is no password to ask for: whoever has just signed in sets one.
    await page.goto(`${server.url}/you`);
    await page.getByRole('button', { name: 'Set the password' }).click();
    await page.getByLabel('New password').fill('a good long phrase');
    await page.getByRole('button', { name: 'Set the password' }).click();
    await page.getByRole('button', { name: 'Change the password' }).waitFor();
    await page.goto(server.url);
    await page.getByRole('navigation', { name: 'Main' }).waitFor();
    // Somebody else comes by a link of an app: nothing is shown that this browser kept of her.
    await context.clearCookies();
    await page.goto(`${server.url}/sign-in/company?to=/you`);
    await signInThere(page, 'ben');
    await expect
      .poll(() =>
        page
          .getByLabel('Username')
          .inputValue()
          .catch(() => null),
      )
      .toMatch(/^user-\d+$/);
    expect(await page.content()).not.toContain('Lovelace');
    await server.restart({ PASSWORD_LOGIN: 'off', PORT: new URL(server.url).port });
    const other = await visit(browser, server.url);
    await other.page.goto(`${server.url}/register?sign-in=nobody`);
    await other.page.getByRole('link', { name: 'Sign in with the company' }).waitFor();
    expect(await other.page.getByRole('alert').innerText()).toContain('no account here');
    expect(await other.page.locator('input').count()).toBe(0);
    // On its way the browser asks for what the provider's page wants.
    expect([...problems, ...other.problems].filter((problem) => !problem.startsWith('asked for '))).toEqual([]);
  });
});
