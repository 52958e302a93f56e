/** Files, pictures and the account on the page for people, in a real browser: what is refused or broken off stays where it can be mended. */
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildWhenOld, enterAs, executablePath, openBrowser, type Visit } from './kit/browser.ts';
import type { Person } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

const on = { WEB: 'on' } as const;
const patience = { timeout: 15_000 };
const picture = (width: number, height: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: '#8fa9b0' } })
    .jpeg()
    .toBuffer();

// Once is enough: the page knows nothing of the database.
describe.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(`files on the page${executablePath ? '' : ' (skipped: no chromium on PATH)'}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    buildWhenOld();
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  const enter = (url: string, person: Person, path: string): Promise<Visit> => enterAs(browser, url, person, path);

  it('goes on with a file that broke off, and sends by itself what was sent before its files were there', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const chat = await ana.createRoom({ name: 'By the sea', members: [{ id: ben.id }] });
    const { page, problems } = await enter(server.url, ben, `/chat/${encodeURIComponent(chat.id)}`);
    const box = page.locator('#box');
    await box.waitFor();
    const breaks = (route: { request(): { method(): string }; abort(): Promise<void>; continue(): Promise<void> }): Promise<void> =>
      route.request().method() === 'PUT' ? route.abort() : route.continue();
    await page.route('**/files/**', breaks);
    const [chooser] = await Promise.all([page.waitForEvent('filechooser'), box.press('Control+u')]);
    await chooser.setFiles([
      { name: 'sea.jpg', mimeType: 'image/jpeg', buffer: await picture(800, 600) },
      { name: 'list.txt', mimeType: 'text/plain', buffer: Buffer.from('bread, wine') },
    ]);
    await expect.poll(() => page.getByText('Stopped at').count(), patience).toBe(2);
    await box.fill('with two files');
    await box.press('Enter');
    expect(await page.locator('.m.mine').count()).toBe(0);
    await page.unroute('**/files/**', breaks);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    await page.route('**/files/**', async (route) => {
      if (route.request().method() === 'PUT') await held;
      await route.continue();
    });
    for (const name of ['sea.jpg', 'list.txt']) await page.getByRole('button', { name: `Go on with ${name}` }).press('Enter');
    await box.press('Enter');
    await page.getByText('It goes out when the files are there.').waitFor();
    release();
    await page.locator('.m.mine[data-seq]', { hasText: 'with two files' }).waitFor(patience);
    expect(await box.inputValue()).toBe('');
    const { chat: now } = await ana.must('query ($id: ID!) { chat(id: $id) { lastMessage { text attachments { fileName } } } }', { id: chat.id });
    expect(now.lastMessage).toEqual({ text: 'with two files', attachments: [{ fileName: 'sea.jpg' }, { fileName: 'list.txt' }] });
    expect(problems).toEqual([]);
  });

  it('has the files that were chosen and not sent also after the page was loaded again', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const chat = await ana.createRoom({ name: 'By the sea', members: [{ id: ben.id }] });
    const { page, problems } = await enter(server.url, ben, `/chat/${encodeURIComponent(chat.id)}`);
    const box = page.locator('#box');
    const choose = async (name: string, text: string): Promise<void> => {
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), box.press('Control+u')]);
      await chooser.setFiles({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
    };
    await box.waitFor();
    await choose('list.txt', 'bread, wine');
    await page.getByText('11 bytes').waitFor();
    await page.route('**/files/**', (route) => (route.request().method() === 'PUT' ? route.abort() : route.continue()));
    await choose('later.txt', 'olives');
    await page.getByText('Stopped at').waitFor();
    await expect.poll(() => keptFiles(page), patience).toEqual(['later.txt: olives', 'list.txt']);
    await page.unrouteAll();
    await page.reload();
    await expect.poll(() => page.locator('.tray .fn').allTextContents(), patience).toEqual(['list.txt', 'later.txt']);
    await page.getByText('6 bytes').waitFor();
    await box.fill('both');
    await box.press('Enter');
    await expect.poll(() => page.locator('.m.mine[data-seq] .fn').allTextContents(), patience).toEqual(['list.txt', 'later.txt']);
    await expect.poll(() => keptFiles(page), patience).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('keeps the place of a picture before anything of it is loaded, and shows it as large as the window', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const chat = await ana.createRoom({ name: 'By the sea', members: [{ id: ben.id }] });
    const { page, problems } = await enter(server.url, ben, `/chat/${encodeURIComponent(chat.id)}`);
    await page.locator('#box').waitFor();
    const bytes = (await picture(1200, 900)).toString('base64');
    await page.evaluate((text) => {
      const file = new File([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))], 'ferry.jpg', { type: 'image/jpeg' });
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(file);
      for (const name of ['dragenter', 'drop']) document.body.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true }));
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([file], 'image.png', { type: 'image/jpeg' }));
      document.querySelector('#box')?.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
    }, bytes);
    await expect.poll(() => page.locator('.tray progress[data-idle]').count(), patience).toBe(2);
    const focused = (): Promise<string | null | undefined> => page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
    await page.getByRole('button', { name: 'Remove image.png' }).press('Enter');
    await expect.poll(focused).toBe('Remove ferry.jpg');
    await page.locator('#box').press('Enter');
    await page.locator('.m.mine[data-seq] .shot[data-here]').waitFor(patience);
    // The same again, while neither its link nor anything of it comes.
    await page.route(/graphql/, (route) => (route.request().postData()?.includes('query Links') ? undefined : route.continue()));
    await page.reload();
    const place = page.getByRole('button', { name: 'Look at ferry.jpg' });
    await place.waitFor(patience);
    const before = await place.boundingBox();
    expect(before).toMatchObject({ width: 352, height: 264 });
    await page.unroute(/graphql/);
    await page.reload();
    await page.locator('.shot[data-here]').waitFor(patience);
    expect(await place.boundingBox()).toEqual(before);
    await place.press('Enter');
    await page.locator('.viewer img').waitFor();
    await page.keyboard.press('+');
    expect(await page.locator('.viewer img').evaluate(({ style }) => style.transform)).toContain('scale(1.5)');
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.viewer').count()).toBe(0);
    expect(await focused()).toBe('Look at ferry.jpg');
    expect(problems).toEqual([]);
  });

  it('changes the profile, keeps what is refused to be changed again, ends other devices, and deletes the account', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const { page, problems } = await enter(server.url, ben, '/you');
    await page.getByLabel('Username').fill(ana.username);
    await page.getByLabel('E-mail').fill('ben@example.org');
    await page.getByLabel('Your password').fill(ben.password);
    await page.getByLabel('Your password').press('Enter');
    await page.getByText('This username is taken.').waitFor();
    expect(await page.getByLabel('E-mail').inputValue()).toBe('ben@example.org');
    await page.getByLabel('Username').fill(`${ben.username.slice(0, 12)}x`);
    await page.getByLabel('Username').press('Enter');
    await page.getByRole('button', { name: 'Saved' }).waitFor();
    await setPicture(page, Buffer.from('no picture'));
    await page.getByText('This is not a picture that can be shown').waitFor();
    await setPicture(page, await picture(300, 300));
    await page.locator('.face img').waitFor(patience);
    const { user } = await ana.must('query ($id: ID!) { user(ref: { id: $id }) { username avatar { id } } }', { id: ben.id });
    expect(user).toEqual({ username: `${ben.username.slice(0, 12)}x`, avatar: { id: expect.any(String) } });

    await page.getByRole('button', { name: 'Sign out everywhere else' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Sign out' }).click();
    await expect.poll(async () => (await ben.request('{ eventCursor }')).errors?.[0]?.extensions.code, patience).toBe('TOKEN_INVALID');

    await page.getByRole('button', { name: 'Delete the account…' }).click();
    await page.getByRole('dialog').getByLabel('Your password').fill('not this one');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete the account' }).click();
    await page.getByText('This is not your password.').waitFor();
    await page.getByRole('dialog').getByLabel('Your password').fill(ben.password);
    await page.getByRole('dialog').getByRole('button', { name: 'Delete the account' }).click();
    await page.getByText('The account is gone.').waitFor(patience);
    expect(problems).toEqual([]);
  });
});

const setPicture = (page: Page, buffer: Buffer): Promise<void> => page.locator('.face input[type=file]').setInputFiles({ name: 'me.jpg', mimeType: 'image/jpeg', buffer });

/** What the browser keeps of chosen files: the bytes of those that the server does not have. */
const keptFiles = (page: Page): Promise<string[]> =>
  page.evaluate(
    () =>
      new Promise<string[]>((resolve) => {
        const opening = indexedDB.open('tertulia');
        opening.onsuccess = () => {
          const asked = opening.result.transaction('files').objectStore('files').getAll();
          asked.onsuccess = async () => {
            const kept = asked.result as { file: File | null; attachment: { fileName: string } | null }[];
            const texts = await Promise.all(kept.map(async ({ file, attachment }) => (file ? `${file.name}: ${await file.text()}` : (attachment?.fileName ?? ''))));
            opening.result.close();
            resolve(texts.sort());
          };
        };
      }),
  );
