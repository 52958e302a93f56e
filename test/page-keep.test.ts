/** What people do with messages for themselves and for others elsewhere, in a real browser: saving them, and sending them on. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { barriers, buildWhenOld, enterAs, executablePath, message, openBrowser, type Visit } from './kit/browser.ts';
import type { Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

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
  const addressOf = ({ id }: { id: string }, ...rest: string[]): string => `/chat/${[id, ...rest].map(encodeURIComponent).join('/')}`;
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
    await ben.must('mutation ($input: MarkReadInput!) { markRead(input: $input) { __typename } }', { input: { chatId: room.id, upToSeq: gone.seq } });
    const desk = await enter(ben, addressOf(room));
    const small = await enter(ben, '/', phone);
    await message(desk.page, 'I bring bread').waitFor();
    await ana.must('mutation ($input: DeleteMessageInput!) { deleteMessage(input: $input) { __typename } }', { input: { messageId: gone.id } });
    await desk.page.getByText(`${ana.username} deleted this message.`).waitFor();
    await desk.page.locator(`#message-${gone.seq}`).focus();
    await desk.page.keyboard.press('Enter');
    expect(await desk.page.getByRole('menu').count()).toBe(0);

    // To the list from the list of chats, where it says what it is for.
    await small.page.getByRole('link', { name: 'Saved messages' }).click();
    await small.page.getByText('Nothing is saved yet.').waitFor();
    await ben.must('mutation ($input: SaveMessageInput!) { saveMessage(input: $input) { __typename } }', { input: { messageId: first.id } });
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
    await ben.must('mutation ($input: DeleteMessageInput!) { deleteMessage(input: $input) { __typename } }', { input: { messageId: last.id } });
    await small.page.getByText('Nothing is saved yet.').waitFor(patience);
    expect([desk.problems, small.problems]).toEqual([[], []]);
  });

  it('shows a page of what is saved at a time, and says when no more can be', async () => {
    const [ana] = people();
    const room = await ana.createRoom({ name: 'Attic' });
    for (let at = 1; at <= 40; at++) {
      const { message: sent } = await ana.send(room, `thing ${at}`);
      await ana.must('mutation ($input: SaveMessageInput!) { saveMessage(input: $input) { __typename } }', { input: { messageId: sent.id } });
    }
    const { page, problems } = await enter(ana, '/saved');
    const hits = page.locator('.found > li');
    await expect.poll(() => hits.count(), patience).toBe(30);
    await page.getByRole('button', { name: 'More' }).click();
    await expect.poll(() => hits.count(), patience).toBe(40);
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain('thing 10');
    expect(await hits.first().innerText()).toContain('thing 40');
    await page.goto(server.url + addressOf(room));
    await message(page, 'thing 40').waitFor();
    await choose(page, 'thing 40', 'Remove from saved');
    await message(page, 'thing 40').getByRole('img', { name: 'saved' }).waitFor({ state: 'detached' });
    // With as many as there can be.
    const others = await Promise.all(Array.from({ length: 961 }, (_, at) => ana.send({ username: ana.username }, `note ${at}`)));
    const numberOf = (id: string): number => Number(Buffer.from(id, 'base64').toString().split(':')[1]);
    const rows = others.map(({ message: other }) => ({ userId: numberOf(ana.id), messageId: numberOf(other.id), savedAt: new Date(0) }));
    await server.app.db.transaction((tx) => tx.savedMessage.createMany({ data: rows }));
    await choose(page, 'thing 40', 'Save');
    await message(page, 'thing 40').getByText('No more than 1,000 messages can be saved.').waitFor();
    expect(problems).toEqual([]);
  });
});
