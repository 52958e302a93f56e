/** What people do with messages for themselves and for others elsewhere, in a real browser: saving them, and sending them on. */
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressOf, barriers, buildWhenOld, enterAs, executablePath, message, openBrowser, type Visit } from './kit/browser.ts';
import { change } from './kit/outcome.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { upload } from './kit/upload.ts';

const patience = { timeout: 15_000 };
const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'dark' } as const;

// Once is enough: the page knows nothing of the database.
describe.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(`keeping on the page${executablePath ? '' : ' (skipped: no chromium on PATH)'}`, () => {
  let browser: Browser;
  let server: TestServer;
  let [ana, ben, eva]: Person[] = [];
  beforeAll(async () => {
    buildWhenOld();
    [browser, server] = await Promise.all([openBrowser(), startTestServer({ WEB: 'on' })]);
    [ana, ben, eva] = await server.people(3);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
  });

  const enter = async (person: Person, path: string, options = {}): Promise<Visit> => {
    const visitor = await enterAs(browser, server.url, person, path, options);
    visitor.context.setDefaultTimeout(10_000);
    return visitor;
  };
  const people = (): [Person, Person, Person] => [ana, ben, eva] as [Person, Person, Person];
  const choose = async (page: Page, text: string, item: string): Promise<void> => {
    await message(page, text).locator('article').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('menuitem', { name: item, exact: true }).click();
  };

  it('keeps a message for its reader on all their devices, with a note, and leads to its place', async () => {
    const [ana, ben] = people();
    const room = await ana.createRoom({ name: 'Cellar', members: [{ id: ben.id }] });
    const { message: first } = await ana.send(room, 'The code of the door is 4711');
    for (let at = 0; at < 45; at++) await ana.send(room, `line ${at} ${'word '.repeat(20)}`);
    const { message: last } = await ben.send(room, 'I bring bread');
    const { message: gone } = await ana.send(room, 'gone soon');
    await change(ben, 'markRead', { chatId: room.id, upToSeq: gone.seq });
    const desk = await enter(ben, addressOf(room));
    const small = await enter(ben, '/', phone);
    await message(desk.page, 'I bring bread').waitFor();
    await change(ana, 'deleteMessage', { messageId: gone.id });
    await desk.page.getByText(`${ana.username} deleted this message.`).waitFor();
    await desk.page.locator(`#message-${gone.seq}`).focus();
    await desk.page.keyboard.press('Enter');
    expect(await desk.page.getByRole('menu').count()).toBe(0);

    // To the list from the list of chats, where it says what it is for.
    await small.page.getByRole('link', { name: 'Saved messages' }).click();
    await small.page.getByText('Nothing is saved yet.').waitFor();
    await change(ben, 'saveMessage', { messageId: first.id });
    await choose(desk.page, 'I bring bread', 'Save');
    await message(desk.page, 'I bring bread').getByRole('img', { name: 'saved' }).waitFor();
    const hits = small.page.locator('.found > li');
    await expect.poll(() => hits.locator('p').allInnerTexts(), patience).toEqual(['I bring bread', 'The code of the door is 4711']);
    expect(await barriers(small.page, 'saved, on a phone')).toEqual([]);

    // A note is the reader's own, and its message leads to its place.
    await hits.nth(1).getByRole('button', { name: 'Write a note' }).click();
    const note = small.page.getByRole('dialog', { name: 'Write a note' });
    await note.getByLabel('Note').fill('until spring');
    expect(await barriers(small.page, 'a note')).toEqual([]);
    await note.getByRole('button', { name: 'Save' }).click();
    await hits.nth(1).getByText('until spring').waitFor(patience);
    await desk.page.getByRole('link', { name: 'Saved messages' }).click();
    const row = desk.page.locator('.found').getByRole('link', { name: /4711/ });
    await row.getByText('until spring').waitFor();
    expect(await barriers(desk.page, 'saved')).toEqual([]);
    await row.click();
    await desk.page.waitForFunction((id) => document.activeElement?.id === id, `message-${first.seq}`);
    await message(desk.page, '4711').getByRole('img', { name: 'saved' }).waitFor();

    // Given up there, it is no more saved here; what is deleted goes by itself.
    await hits.nth(1).getByRole('button', { name: 'Remove from saved' }).click();
    await expect.poll(() => hits.count(), patience).toBe(1);
    expect(await small.page.evaluate(() => document.activeElement?.closest('.found') !== null)).toBe(true);
    await message(desk.page, '4711')
      .getByRole('img', { name: 'saved' })
      .waitFor({ state: 'detached', ...patience });
    await change(ben, 'deleteMessage', { messageId: last.id });
    await small.page.getByText('Nothing is saved yet.').waitFor(patience);
    expect([desk.problems, small.problems]).toEqual([[], []]);
  });

  it('shows a page of what is saved at a time, and says when no more can be', async () => {
    const [ana] = people();
    const room = await ana.createRoom({ name: 'Attic' });
    for (let at = 1; at <= 40; at++) {
      const { message: sent } = await ana.send(room, `thing ${at}`);
      await change(ana, 'saveMessage', { messageId: sent.id });
    }
    const { page, problems } = await enter(ana, '/saved');
    const hits = page.locator('.found > li');
    await expect.poll(() => hits.count(), patience).toBe(30);
    // Before the rest has come, something is saved elsewhere, and the list is read anew.
    const late = Promise.withResolvers<void>();
    await page.route(/graphql/, async (route) => {
      const asked = route.request().postData() ?? '';
      if (asked.includes('query Saved') && asked.includes('"after":"')) await late.promise;
      await route.continue();
    });
    await page.getByRole('button', { name: 'More' }).click();
    const { message: another } = await ana.send(room, 'thing 41');
    await change(ana, 'saveMessage', { messageId: another.id });
    await expect.poll(() => hits.count(), patience).toBe(41);
    late.resolve();
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('thing 11');
    expect(await hits.first().innerText()).toContain('thing 41');
    await page.goto(server.url + addressOf(room));
    await message(page, 'thing 40').waitFor();
    await choose(page, 'thing 40', 'Remove from saved');
    await message(page, 'thing 40').getByRole('img', { name: 'saved' }).waitFor({ state: 'detached' });
    // With as many as there can be.
    const others = await Promise.all(Array.from({ length: 960 }, (_, at) => ana.send({ username: ana.username }, `note ${at}`)));
    const numberOf = (id: string): number => Number(Buffer.from(id, 'base64').toString().split(':')[1]);
    const rows = others.map(({ message: other }) => ({ userId: numberOf(ana.id), messageId: numberOf(other.id), savedAt: new Date(0) }));
    await server.app.db.transaction((tx) => tx.savedMessage.createMany({ data: rows }));
    await choose(page, 'thing 40', 'Save');
    await message(page, 'thing 40').getByText('No more than 1,000 messages can be saved.').waitFor();
    expect(problems).toEqual([]);
  });

  it('sends a message on with its picture to somebody found by name, once however often it is tried, and says whose words they are', async () => {
    const [ana, ben, eva] = people();
    const room = await ana.createRoom({ name: 'Kitchen', members: [{ id: ben.id }] });
    const bytes = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#8fa9b0' } })
      .jpeg()
      .toBuffer();
    const file = await upload(ana, { bytes, fileName: 'bread.jpg', contentType: 'image/jpeg' });
    await change(ana, 'sendMessage', { to: { chatId: room.id }, text: 'This is how it rises', attachmentIds: [file.id] });
    await ana.send(room, 'Second');
    const desk = await enter(ben, addressOf(room));
    await message(desk.page, 'Second').waitFor();
    await choose(desk.page, 'This is how it rises', 'Forward…');
    const dialog = desk.page.getByRole('dialog', { name: 'Forward this message' });
    await dialog.getByText('This is how it rises').waitFor();
    await dialog.getByRole('radio', { name: 'Kitchen' }).waitFor();
    await dialog.getByRole('button', { name: 'Forward' }).click();
    await dialog.getByText('Choose where to first.').waitFor();
    expect(await barriers(desk.page, 'forwarding')).toEqual([]);
    // By keyboard: a name, whom it finds, and off it goes. The answer to the first try is lost.
    await dialog.getByRole('searchbox').fill(eva.username);
    await expect.poll(() => dialog.getByRole('radio').count(), patience).toBe(1);
    let tries = 0;
    const answered = Promise.withResolvers<void>();
    await desk.page.route(/graphql/, async (route) => {
      if (!route.request().postData()?.includes('SendFromOutbox') || ++tries > 1) return route.continue();
      await answered.promise;
      await route.fetch();
      await route.abort();
    });
    await dialog.getByRole('searchbox').press('Enter');
    expect(await dialog.getByRole('radio', { checked: true }).evaluate((radio) => radio === document.activeElement)).toBe(true);
    await desk.page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    await desk.page.getByRole('heading', { name: eva.username, exact: true }).waitFor();
    const waiting = desk.page.locator('.leaf.waiting', { hasText: `Forwarded from ${ana.username}` });
    await waiting.getByText('This is how it rises').waitFor();
    await waiting.locator('.shot[data-here]').waitFor();
    await desk.page.getByRole('log').getByText(`It is on its way to ${eva.username}.`).waitFor({ state: 'attached' });
    expect(await desk.page.evaluate(() => document.activeElement?.id)).toBe('box');
    answered.resolve();
    await waiting.waitFor({ state: 'detached', ...patience });
    await expect.poll(() => tries, patience).toBe(2);
    const { dialog: made } = await eva.must(
      'query ($id: ID!) { dialog(with: { id: $id }) { messages(first: 9) { nodes { text attachments { fileName } forwardedFrom { author { id } } } } } }',
      { id: ben.id },
    );
    expect(made.messages.nodes).toEqual([{ text: 'This is how it rises', attachments: [{ fileName: 'bread.jpg' }], forwardedFrom: { author: { id: ana.id } } }]);

    // What was sent on is not one's own to change.
    await message(desk.page, 'This is how it rises').locator('article').focus();
    await desk.page.keyboard.press('Enter');
    await desk.page.getByRole('menuitem', { name: 'Delete' }).waitFor();
    expect(await desk.page.getByRole('menuitem', { name: 'Edit' }).count()).toBe(0);
    await desk.page.keyboard.press('Escape');

    // Sent on once more on a phone, without a line and with another start between: still hers, and only once.
    const small = await enter(eva, '/', phone);
    const notes = await eva.createRoom({ name: 'Recipes' });
    await small.page.getByRole('link', { name: new RegExp(ben.username) }).click();
    await message(small.page, `Forwarded from ${ana.username}`).locator('.shot[data-here]').waitFor();
    await message(small.page, 'This is how it rises').locator('article').dispatchEvent('contextmenu');
    await small.page.getByRole('menuitem', { name: 'Forward…' }).click();
    await small.page.getByRole('radio', { name: 'Recipes' }).check();
    expect(await barriers(small.page, 'forwarding on a phone')).toEqual([]);
    await small.page.route(/graphql/, (route) => (route.request().postData()?.includes('SendFromOutbox') ? route.abort() : route.continue()));
    await small.page.getByRole('button', { name: 'Forward', exact: true }).click();
    const late = small.page.locator('.leaf.waiting', { hasText: 'This is how it rises' });
    await late.waitFor();
    await small.page.reload();
    await late.waitFor();
    await small.page.unroute(/graphql/);
    await late.waitFor({ state: 'detached', ...patience });
    await message(small.page, `Forwarded from ${ana.username}`).getByText('This is how it rises').waitFor();
    expect(await barriers(small.page, 'a forwarded message, on a phone')).toEqual([]);
    const { chat } = await eva.must('query ($id: ID!) { chat(id: $id) { messages(first: 9) { nodes { text } } } }', { id: notes.id });
    expect(chat.messages.nodes).toEqual([{ text: 'This is how it rises' }]);
    expect([desk.problems, small.problems]).toEqual([[], []]);
  });
});
