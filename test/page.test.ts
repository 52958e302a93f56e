/** The page for people, in a real browser: two people talk, and whatever happens to their lines, tabs and sessions, nothing is lost and nothing comes twice. */
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildWhenOld, executablePath, openBrowser, signIn, type Visit, visit } from './kit/browser.ts';
import { openLine } from './kit/line.ts';
import type { Person, Untyped } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const on = { WEB: 'on' } as const;
const patience = { timeout: 15_000 };

// Once is enough: the page knows nothing of the database.
describe.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(`the page${executablePath ? '' : ' (skipped: no chromium on PATH)'}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    buildWhenOld();
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  /** Somebody in a browser of their own, signed in. */
  async function enter(url: string, person: Person, path = '/', options = {}): Promise<Visit> {
    const visitor = await visit(browser, url, options);
    await signIn(visitor, url, person);
    await visitor.page.goto(`${url}${path}`);
    return visitor;
  }

  it('lets two people register, find each other, talk, and see what became of their messages', async () => {
    await using server = await startTestServer(on);
    const [ada, ben] = [await visit(browser, server.url), await visit(browser, server.url)];
    for (const [{ page }, name, shown] of [
      [ada, 'ada', 'Ada Moreno'],
      [ben, 'ben', 'Ben Keller'],
    ] as const) {
      await page.goto(server.url);
      await page.getByRole('link', { name: 'Create an account' }).click();
      await page.getByLabel('Username').fill(name);
      await page.getByLabel('Your name').fill(shown);
      await page.getByLabel('Password', { exact: true }).fill('a good long phrase');
      await page.getByRole('button', { name: 'Create an account' }).click();
      await page.getByRole('navigation', { name: 'Main' }).waitFor();
    }
    await ada.page.getByLabel('Find a chat or a person').fill('ben');
    await ada.page.getByRole('link', { name: /Ben Keller/ }).click();
    await write(ada.page, 'Did my message reach you?');
    await ada.page.getByText('Did my message reach you?').first().waitFor();
    await ben.page.getByRole('link', { name: /Ada Moreno/ }).click();
    await message(ben.page, 'Did my message reach you?').waitFor();
    await ada.page.getByRole('img', { name: 'Read', exact: true }).first().waitFor();
    await ben.page.getByLabel('Message to Ada Moreno').pressSequentially('It came', { delay: 10 });
    await ada.page.getByText('Ben Keller is typing').waitFor();
    await ben.page.keyboard.press('Enter');
    await message(ada.page, 'It came').waitFor();
    expect(await ada.page.evaluate('document.cookie')).toBe('');
    expect([ada.problems, ben.problems]).toEqual([[], []]);
  });

  it('catches up after a line that was cut for a while, and after one that was cut for good', async () => {
    await using server = await startTestServer(on);
    await using line = await openLine(server);
    const url = new URL(line.url).origin;
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    await ana.send(room, 'one');
    const visitor = await enter(url, ben, `/chat/${encodeURIComponent(room.id)}`);
    const { page } = visitor;
    await message(page, 'one').waitFor();
    await live(server, 1);
    line.cut();
    await page.getByText('You are offline').waitFor();
    await ana.send(room, 'two');
    await write(page, 'from the tunnel');
    await page.getByRole('img', { name: 'waiting', exact: true }).waitFor();
    await ana.send(room, 'three');
    line.mend();
    await message(page, 'three').waitFor(patience);
    await expect.poll(() => texts(page), patience).toEqual(['one', 'two', 'three', 'from the tunnel']);
    await page.getByText('You are offline').waitFor({ state: 'hidden' });

    line.cut();
    await page.close();
    await ana.send(room, 'four');
    line.mend();
    const later = await visitor.tab();
    await later.goto(`${url}/chat/${encodeURIComponent(room.id)}`);
    await message(later, 'four').waitFor();
    expect(await texts(later)).toEqual(['one', 'two', 'three', 'from the tunnel', 'four']);
    expect(visitor.problems).toEqual([]);
  });

  it('has nothing that keeps somebody out, in either theme', { timeout: 120_000 }, async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ name: 'Reading circle', topic: 'Chapters 4 to 6', members: [{ id: ben.id }] });
    await ana.send(room, 'Which edition do we quote from?');
    await ben.send(room, 'The 2007 one: https://example.org/');
    const found: unknown[] = [];
    for (const [colorScheme, width] of [
      ['light', 1300],
      ['dark', 390],
      ...(process.env.LONG
        ? ([
            ['light', 390],
            ['dark', 1300],
          ] as const)
        : []),
    ] as const) {
      const stranger = await visit(browser, server.url, { colorScheme, viewport: { width, height: 800 } });
      for (const path of ['/', '/register', '/forgotten', '/reset-password#code']) {
        await stranger.page.goto(`${server.url}${path}`);
        await stranger.page.locator('.gate').waitFor();
        found.push(...(await barriers(stranger.page, `${path} ${colorScheme}`)));
      }
      const viewport = { width, height: 800 };
      const { page } = await enter(server.url, ben, '/', { colorScheme, viewport });
      for (const path of ['/', `/chat/${encodeURIComponent(room.id)}`, '/nothing']) {
        await page.goto(`${server.url}${path}`);
        await page.locator('.app :is(h1, h2):visible').first().waitFor();
        if (path.startsWith('/chat')) await message(page, 'The 2007 one').waitFor();
        found.push(...(await barriers(page, `${path} ${colorScheme} ${width}`)));
      }
      await page.context().close();
      await stranger.context.close();
    }
    expect(found).toEqual([]);
  });

  it('sends what was written without a line, each once and in order, also when the tab was closed and the server restarted meanwhile', async () => {
    await using server = await startTestServer(on);
    await using line = await openLine({
      get url() {
        return server.url;
      },
    });
    const url = new URL(line.url).origin;
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    await ana.send(room, 'begin');
    const visitor = await enter(url, ben, `/chat/${encodeURIComponent(room.id)}`);
    await message(visitor.page, 'begin').waitFor();
    await live(server, 1);
    line.cut();
    const written = Array.from({ length: 20 }, (_, index) => `offline ${index + 1}`);
    for (const text of written) await write(visitor.page, text);
    await visitor.page.getByLabel(/^Message to/).fill('not finished');
    await message(visitor.page, 'offline 20').waitFor();
    await visitor.page.waitForTimeout(500);
    await visitor.page.close();
    await server.restart();
    line.mend();
    const page = await visitor.tab();
    await page.goto(`${url}/chat/${encodeURIComponent(room.id)}`);
    await message(page, 'offline 20').waitFor();
    expect(await page.getByLabel(/^Message to/).inputValue()).toBe('not finished');
    const stored = async (): Promise<string[]> => (await history(ana, room.id)).map(({ text }) => text);
    await expect.poll(stored, { timeout: 20_000 }).toEqual(['begin', ...written]);
    await expect.poll(() => page.getByRole('img', { name: 'waiting' }).count(), patience).toBe(0);
    expect(await texts(page)).toEqual(['begin', ...written]);
  });

  it('goes on when its token runs out, and goes out when its session is ended', async () => {
    await using server = await startTestServer({ ...on, ACCESS_TOKEN_SECONDS: '2' });
    const [, ben] = (await server.people(2)) as [Person, Person];
    const visitor = await enter(server.url, ben);
    const { page } = visitor;
    await live(server, 1);
    await page.waitForTimeout(3_500);
    const again = await server.person();
    await again.send({ username: ben.username }, 'after the token');
    await page.getByText('after the token').first().waitFor(patience);
    await page.getByText('after the token').first().click();
    await write(page, 'and back');
    await expect.poll(async () => (await page.getByRole('img', { name: 'waiting' }).count()) === 0, patience).toBe(true);

    const fresh = await signInAgain(server, ben);
    await fresh('mutation { revokeOtherSessions { __typename } }');
    await page.getByText('You were signed out on this device.').waitFor(patience);
    await expect.poll(() => kept(page)).toEqual([0, 0, 0, 0, 0]);
    expect(visitor.problems).toEqual([]);
  });

  it('takes a room away from somebody who looks at it, and leaves what they had written', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ name: 'Printing workshop', visibility: 'PRIVATE', members: [{ id: ben.id }] });
    await ana.send(room, 'hello');
    const { page, problems } = await enter(server.url, ben, `/chat/${encodeURIComponent(room.id)}`);
    await message(page, 'hello').waitFor();
    await live(server, 1);
    await page.getByLabel(/^Message to/).fill('half a sentence');
    await ana.must('mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { __typename } }', { input: { roomId: room.id, userId: ben.id } });
    await page.getByText('You are no longer in Printing workshop').waitFor();
    expect(await page.getByLabel('What you had written').inputValue()).toBe('half a sentence');
    expect(await page.getByRole('link', { name: /Printing workshop/ }).count()).toBe(0);
    expect(problems).toEqual([]);
  });

  it('shows the same in two tabs over one socket, which the second takes over from the first', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    await ana.send({ username: ben.username }, 'one');
    const visitor = await enter(server.url, ben);
    await live(server, 1);
    const second = await visitor.tab();
    await second.goto(server.url);
    await second.getByText('one').first().waitFor();
    await ana.send({ username: ben.username }, 'two');
    for (const page of [visitor.page, second]) await expect.poll(() => page.title()).toBe('(2) Tertulia');
    expect(server.followers()).toBe(1);
    await second.bringToFront();
    await second.getByRole('link', { name: /two/ }).click();
    for (const page of [visitor.page, second]) await expect.poll(() => page.title(), patience).toBe('Tertulia');
    await visitor.page.close();
    await expect.poll(() => server.followers(), patience).toBe(1);
    await ana.send({ username: ben.username }, 'three');
    await message(second, 'three').waitFor(patience);
    expect(server.followers()).toBe(1);
    expect(visitor.problems).toEqual([]);
  });

  it('shows script and markup as the text that they are, wherever people can write', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const evil = [
      '<img src=x onerror=alert(1)>',
      '"><script>alert(1)</script>',
      "javascript:alert(1) 'onmouseover=alert(1)",
      '<svg/onload=alert(1)>',
      '{{7*7}} </script><script>alert(1)',
    ];
    await ana.must('mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }', {
      input: { displayName: evil[1], firstName: evil[0], lastName: evil[3] },
    });
    const room = await ana.createRoom({ name: evil[0], topic: evil[4], members: [{ id: ben.id }] });
    for (const text of [...evil, 'see javascript:alert(1) and https://example.org/"onclick="alert(1) and data:text/html,<script>alert(1)</script>']) await ana.send(room, text);
    const { page, problems } = await enter(server.url, ben, `/chat/${encodeURIComponent(room.id)}`);
    await message(page, evil[4] as string).waitFor();
    const links = await page.locator('.log a').evaluateAll((all) => all.map((each) => (each as HTMLAnchorElement).href));
    expect(links).toEqual(['https://example.org/']);
    await page.reload();
    await message(page, evil[4] as string).waitFor();
    expect(await page.locator('.head h1').textContent()).toBe(evil[0]);
    expect(await texts(page)).toContain(evil[1]);
    expect(await page.locator('script:not([src]):not([type="application/json"])').count()).toBe(0);
    expect(problems).toEqual([]);
  });
});

/** What axe-core finds, in the words of its rules. */
async function barriers(page: Page, where: string): Promise<unknown[]> {
  // As the policy of the page has it, no script of a test's comes in but through the browser's own door.
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate('axe.run({ resultTypes: ["violations"] })')) as { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] };
  return violations.map(({ id, nodes }) => ({ where, id, nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`) }));
}

const message = (page: Page, text: string) => page.locator('.log .m', { hasText: text }).first();
const texts = (page: Page): Promise<string[]> =>
  page.locator('.log .txt').evaluateAll((all) =>
    all.map((each) => {
      const copy = each.cloneNode(true) as HTMLElement;
      for (const meta of copy.querySelectorAll('.meta')) meta.remove();
      return copy.textContent ?? '';
    }),
  );

async function write(page: Page, text: string): Promise<void> {
  await page.getByLabel(/^Message to/).fill(text);
  await page.keyboard.press('Enter');
}

const live = (server: TestServer, followers: number): Promise<void> => expect.poll(() => server.followers(), patience).toBe(followers);

async function history(person: Person, chatId: string): Promise<Untyped[]> {
  const { chat } = await person.must('query ($id: ID!) { chat(id: $id) { messages(last: 100) { nodes { text } } } }', { id: chatId });
  return chat.messages.nodes;
}

/** Another session of somebody, who acts through it. */
async function signInAgain(server: TestServer, { username, password }: Person): Promise<(query: string) => Promise<unknown>> {
  const post = async (query: string, variables: Untyped, token?: string): Promise<Untyped> => {
    const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
    return (await (await fetch(`${server.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })).json()) as Untyped;
  };
  const { data } = await post('mutation ($input: LoginInput!) { login(input: $input) { ... on LoginPayload { auth { accessToken } } } }', { input: { login: username, password } });
  return (query) => post(query, {}, data.login.auth.accessToken);
}

/** How much is kept in each store of the browser. */
const kept = (page: Page): Promise<number[]> =>
  page.evaluate(
    () =>
      new Promise<number[]>((resolve, reject) => {
        const opening = indexedDB.open('tertulia');
        opening.onerror = () => reject(new Error('no database'));
        opening.onsuccess = async () => {
          const names = [...opening.result.objectStoreNames];
          const count = (name: string): Promise<number> =>
            new Promise((done) => {
              const asked = opening.result.transaction(name).objectStore(name).count();
              asked.onsuccess = () => done(asked.result);
            });
          resolve(await Promise.all(names.map(count)));
        };
      }),
  );
