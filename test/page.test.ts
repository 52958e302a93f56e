/** The page for people, in a real browser: two people talk, and whatever happens to their lines, tabs and sessions, nothing is lost and nothing comes twice. */
import type { Browser, Page, Worker } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { barriers, buildWhenOld, climb, enterAs, executablePath, message, openBrowser, type Visit, visit, write } from './kit/browser.ts';
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

  const enter = (url: string, person: Person, path = '/', options = {}): Promise<Visit> => enterAs(browser, url, person, path, options);

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
    // Nothing was known of Ada before.
    await ben.page.getByRole('link', { name: /Ada Moreno.*online/ }).click();
    await message(ben.page, 'Did my message reach you?').waitFor();
    await ada.page.getByRole('img', { name: 'Read', exact: true }).first().waitFor();
    // That somebody types may be lost on the way, and is told again while they do.
    const typing = async (): Promise<boolean> => {
      await ben.page.getByLabel('Message to Ada Moreno').pressSequentially('It');
      return ada.page.getByText('Ben Keller is typing').isVisible();
    };
    await expect.poll(typing, { ...patience, interval: 200 }).toBe(true);
    await write(ben.page, 'It came');
    await message(ada.page, 'It came').waitFor();
    expect(await ada.page.evaluate('document.cookie')).toBe('');
    expect([ada.problems, ben.problems]).toEqual([[], []]);
  });

  it('works at the plain http address of a home network, where browsers give a page no randomUUID and no locks', async () => {
    await using server = await startTestServer(on);
    const { page, problems } = await visit(browser, server.url);
    await page.addInitScript(() => {
      Reflect.deleteProperty(Crypto.prototype, 'randomUUID');
      Reflect.deleteProperty(Navigator.prototype, 'locks');
    });
    await page.goto(`${server.url}/register`);
    await page.getByLabel('Username').fill('home');
    await page.getByLabel('Password', { exact: true }).fill('a good long phrase');
    await page.keyboard.press('Enter');
    await page.getByRole('navigation', { name: 'Main' }).waitFor();
    await page.goto(`${server.url}/rooms/new`);
    await page.getByLabel('Name', { exact: true }).fill('Kitchen');
    await page.keyboard.press('Enter');
    await write(page, 'Soup is ready');
    await page.locator('.log .m .meta').waitFor();
    expect(problems).toEqual([]);
  });

  it('puts the focus into each screen that follows another', async () => {
    await using server = await startTestServer(on);
    const { page } = await visit(browser, server.url);
    const focused = (what: string): Promise<unknown> => page.waitForFunction((selector) => document.activeElement?.matches(selector), what);
    await page.goto(server.url);
    await page.getByRole('link', { name: 'Create an account' }).press('Enter');
    await focused('input[name=username]');
    await page.keyboard.type('keys');
    await page.getByLabel('Password', { exact: true }).fill('a good long phrase');
    await page.keyboard.press('Enter');
    await focused('main h1');
    await page.getByRole('link', { name: /^Look round/ }).press('Enter');
    await focused('main h1');
    await page.keyboard.press('Control+Shift+N');
    await focused('input[name=name]');
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(server.url);
    await page.getByRole('link', { name: /^Write to somebody/ }).click();
    await page.getByRole('heading', { name: 'People', level: 1 }).waitFor();
  });

  it('says at once that the browser is offline, and comes back with it', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    await ana.send({ username: ben.username }, 'hello');
    const { page, context } = await enter(server.url, ben);
    await page.getByRole('link', { name: /hello/ }).click();
    await page.getByText('Online', { exact: true }).or(page.locator('.bar .dot')).first().waitFor();
    await live(server, 1);
    await context.setOffline(true);
    await page.getByText('You are offline.').waitFor({ timeout: 4_000 });
    await write(page, 'wait for me');
    await context.setOffline(false);
    await page.getByText('You are offline.').waitFor({ state: 'detached' });
    await page.getByRole('img', { name: 'Sent', exact: true }).first().waitFor();
  });

  it('sets a new password once its link is good, and says once what is wrong with it', async () => {
    await using server = await startTestServer(on);
    const { page } = await visit(browser, server.url);
    await page.goto(`${server.url}/reset-password#${'x'.repeat(43)}`);
    await page.getByLabel('New password').fill('short');
    await page.keyboard.press('Enter');
    await page.locator('.err').first().waitFor();
    expect(await page.locator('.err').count()).toBe(1);
    await page.getByLabel('New password').fill('a good long phrase');
    await page.keyboard.press('Enter');
    await page.getByText('This link has been used or is too old.').waitFor();
    await page.getByRole('link', { name: 'A forgotten password' }).click();
    await page.getByRole('button', { name: 'Send the mail' }).waitFor();
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
    await expect.poll(async () => (await history(ana, room.id)).map(({ text }) => text), patience).toContain('from the tunnel');

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
    await expect.poll(() => kept(page), patience).toEqual([0, 0, 0, 0, 0, 0]);
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
    expect(await page.getByRole('link', { name: 'To the chats' }).evaluate((link) => document.activeElement === link)).toBe(true);
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
    for (const page of [visitor.page, second]) await expect.poll(() => page.title(), patience).toBe('(2) Tertulia');
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

  it('reads a long conversation up and down without moving the row under the eye, with at most 300 rows', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    const count = process.env.LONG ? 6_000 : 900;
    for (let at = 0; at < count; at += 50) await Promise.all(Array.from({ length: 50 }, (_, index) => ana.send(room, `${at + index} ${'word '.repeat((at + index) % 40)}`)));
    await ben.must('mutation ($input: MarkReadInput!) { markRead(input: $input) { __typename } }', { input: { chatId: room.id, upToSeq: count } });
    const { page, problems } = await enter(server.url, ben, `/chat/${encodeURIComponent(room.id)}`);
    await message(page, `${count - 1} `).waitFor();
    const up = await climb(page, 1_000);
    expect(up).toMatchObject({ atTop: true });
    expect(up.movedPx).toBeLessThanOrEqual(1);
    expect(up.rows).toBeLessThanOrEqual(300);
    // New messages do not move it either; they are told of.
    const eye = await topRow(page);
    await ana.send(room, 'while you read above');
    await page.getByRole('button', { name: '1 new' }).waitFor();
    expect(await topRow(page)).toEqual(eye);
    await page.getByRole('button', { name: '1 new' }).click();
    await message(page, 'while you read above').waitFor();
    await ana.send(room, 'and you follow');
    await expect.poll(() => page.locator('#messages').evaluate((box) => Math.round(box.scrollHeight - box.scrollTop - box.clientHeight))).toBeLessThanOrEqual(1);
    expect(problems).toEqual([]);
  });

  it('opens without a server from what it has kept, and reads what was missed when there is one again', { timeout: 60_000 }, async () => {
    await using server = await startTestServer(on);
    await using line = await openLine({
      get url() {
        return server.url;
      },
    });
    const url = new URL(line.url).origin;
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    for (const text of ['one', 'two', 'three']) await ana.send(room, text);
    const address = `${url}/chat/${encodeURIComponent(room.id)}`;
    const visitor = await enter(url, ben, new URL(address).pathname);
    await message(visitor.page, 'three').waitFor();
    await visitor.page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
    await expect.poll(() => cachedFiles(visitor.page), patience).toContain('/');
    await ana.send(room, 'four');
    await message(visitor.page, 'four').waitFor();
    await visitor.page.waitForTimeout(1_500);
    await visitor.page.close();
    await server.stop();
    const page = await visitor.tab();
    await page.goto(address);
    await message(page, 'four').waitFor();
    expect(await texts(page)).toEqual(['one', 'two', 'three', 'four']);
    await write(page, 'written to nobody');
    await server.restart();
    await ana.send(room, 'five');
    await message(page, 'five').waitFor({ timeout: 30_000 });
    await expect.poll(async () => (await history(ana, room.id)).map(({ text }) => text), patience).toContain('written to nobody');
    await expect.poll(() => texts(page), patience).toHaveLength(6);
    // Of what people say nothing is in the worker's cache.
    expect((await cachedFiles(page)).every((path) => path === '/' || path.startsWith('/assets/'))).toBe(true);
    expect(visitor.problems).toEqual([]);
  });

  it('shows a push, whose click opens the message', { timeout: 60_000 }, async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    for (let at = 0; at < 60; at++) await ana.send(room, `number ${at}`);
    const { message: wanted } = await ana.send(room, 'the one in the push');
    for (let at = 60; at < 200; at++) await ana.send(room, `number ${at}`);
    await ben.must('mutation ($input: MarkReadInput!) { markRead(input: $input) { __typename } }', { input: { chatId: room.id, upToSeq: 201 } });
    const visitor = await enter(server.url, ben, '/', { permissions: ['notifications'] });
    const { page, context, problems } = visitor;
    await page.getByRole('link', { name: /A room/ }).waitFor();
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
    const sent = { type: 'MESSAGE', chatId: room.id, messageId: wanted.id, notificationId: 'n1', summary: 'Ana: the one in the push' };
    const shown = (): Promise<string[]> => page.evaluate(async () => (await (await navigator.serviceWorker.ready).getNotifications()).map(({ body }) => body));
    // The browser says nothing of what has become of it on a busy machine; sent again it is the same notification.
    const pushed = async (): Promise<string[]> => {
      if ((await shown()).length === 0) await push(visitor, server.url, sent);
      return shown();
    };
    await expect.poll(pushed, { ...patience, interval: 500 }).toEqual([sent.summary]);
    const worker = context.serviceWorkers().at(-1) as Worker;
    await worker.evaluate(async () => {
      const { registration } = self as unknown as { registration: ServiceWorkerRegistration };
      const [notification] = await registration.getNotifications();
      self.dispatchEvent(Object.assign(new Event('notificationclick'), { notification, waitUntil: (promise: Promise<unknown>) => void promise }));
    });
    await message(page, 'the one in the push').waitFor(patience);
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent ?? ''), patience).toContain('the one in the push');
    expect(await shown()).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('is used by keyboard alone, from signing in to a sent message, its edit and its end', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    await ana.send({ username: ben.username }, 'hello ben');
    const { page, problems } = await visit(browser, server.url);
    await page.goto(server.url);
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'login');
    await page.keyboard.type(ben.username);
    await page.keyboard.press('Tab');
    await page.keyboard.type(ben.password);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: /hello ben/ }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type(ana.username.slice(0, 8));
    await page.keyboard.press('Enter');
    await message(page, 'hello ben').waitFor();
    await page.keyboard.type('by hand');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('in two lines');
    await page.keyboard.press('Enter');
    await expect.poll(() => texts(page), patience).toContain('by hand\nin two lines');
    await page.locator('.m.mine[data-seq]').waitFor();
    await page.keyboard.press('ArrowUp');
    await page.getByLabel('Edit your message').waitFor();
    await page.keyboard.press('Control+a');
    await page.keyboard.type('changed by hand');
    await page.keyboard.press('Enter');
    await expect.poll(() => texts(page), patience).toContain('changed by hand');
    await page.keyboard.press('Shift+Tab');
    for (let step = 0; step < 6 && !(await page.evaluate(() => document.activeElement?.id === 'messages')); step++) await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.getByRole('menu').waitFor();
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('You deleted this message.').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    expect(await page.evaluate(() => document.activeElement?.className)).toBe('row');
    expect(problems).toEqual([]);
  });

  it('speaks the language of the browser, and writes its times as its region does', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    await ana.send({ username: ben.username }, 'hello');
    const stranger = await visit(browser, server.url, { locale: 'ro-RO' });
    await stranger.page.goto(server.url);
    await stranger.page.getByRole('button', { name: 'Intră' }).waitFor();
    expect(await stranger.page.locator('html').getAttribute('lang')).toBe('ro');
    const { page, problems } = await enter(server.url, ben, '/', { locale: 'de-AT' });
    await page.getByRole('link', { name: /hello/ }).click();
    await page.getByRole('heading', { name: 'Heute' }).waitFor();
    expect(problems).toEqual([]);
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

const cachedFiles = (page: Page): Promise<string[]> =>
  page.evaluate(async () => {
    const names = await caches.keys();
    const requests = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
    return requests.flat().map(({ url }) => new URL(url).pathname);
  });

/** Of the row at the upper edge: which it is, and where. */
const topRow = (page: Page): Promise<[string, number]> =>
  page.evaluate(() => {
    const box = document.querySelector('#messages') as HTMLElement;
    const row = [...box.querySelectorAll<HTMLElement>('li[data-key]')].find((each) => each.getBoundingClientRect().bottom > box.getBoundingClientRect().top + 1) as HTMLElement;
    return [row.dataset.key as string, row.getBoundingClientRect().top];
  });

const texts = (page: Page): Promise<string[]> =>
  page.locator('.log .txt').evaluateAll((all) =>
    all.map((each) => {
      const copy = each.cloneNode(true) as HTMLElement;
      for (const meta of copy.querySelectorAll('.meta')) meta.remove();
      return copy.textContent ?? '';
    }),
  );

/** Gives a push to the browser as its push service would, which wakes the worker that it belongs to. */
async function push({ context, page }: Visit, origin: string, data: object): Promise<void> {
  const devtools = await context.newCDPSession(page);
  const registered = new Promise<string>((resolve) =>
    devtools.on('ServiceWorker.workerVersionUpdated', ({ versions }) => {
      const active = versions.find(({ status }) => status === 'activated');
      if (active) resolve(active.registrationId);
    }),
  );
  await devtools.send('ServiceWorker.enable');
  await devtools.send('ServiceWorker.deliverPushMessage', { origin, registrationId: await registered, data: JSON.stringify(data) });
  await devtools.detach();
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
