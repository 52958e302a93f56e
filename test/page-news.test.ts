/** What the page tells while people talk: who has read, who came and went, what was begun, and where the next key or click leads. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressOf, barriers, buildWhenOld, enterAs, executablePath, message, openBrowser, type Visit, write } from './kit/browser.ts';
import { openLine } from './kit/line.ts';
import type { Person } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

const on = { WEB: 'on' } as const;
const patience = { timeout: 15_000 };

// Once is enough: the page knows nothing of the database.
describe.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(`news on the page${executablePath ? '' : ' (skipped: no chromium on PATH)'}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    buildWhenOld();
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  const enter = (url: string, person: Person, path = '/', options = {}): Promise<Visit> => enterAs(browser, url, person, path, options);

  it('says under the newest message of a room how many have read it, and who when asked', async () => {
    await using server = await startTestServer(on);
    const [ana, ben, eva] = (await server.people(3)) as [Person, Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }, { id: eva.id }] });
    const { page, problems } = await enter(server.url, ana, addressOf(room));
    await page.locator('#box').waitFor();
    await page.getByText('3 members · 1 online').waitFor(patience);
    await write(page, 'who is there?');
    await page.locator('.m.mine[data-seq]').waitFor();
    const read = (person: Person) => person.must('mutation ($input: MarkReadInput!) { markRead(input: $input) { __typename } }', { input: { chatId: room.id, upToSeq: 1 } });
    expect(await page.getByRole('button', { name: /Read by/ }).count()).toBe(0);
    await read(ben);
    await page.getByRole('button', { name: 'Read by 1' }).waitFor(patience);
    await ana.must('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }', { input: { to: { chatId: room.id }, text: 'and now?' } });
    await expect.poll(() => page.getByRole('button', { name: /Read by/ }).count(), patience).toBe(0);
    await message(page, 'who is there?').hover();
    await page.getByRole('button', { name: 'More', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Who has read it' }).click();
    const list = page.getByRole('dialog', { name: 'Read by 1' });
    await list.getByText(ben.username).waitFor();
    expect(await list.getByText(eva.username).count()).toBe(0);
    expect(await barriers(page, 'readers')).toEqual([]);
    await page.keyboard.press('Escape');
    await list.waitFor({ state: 'detached' });
    expect(await page.evaluate(() => document.activeElement?.closest('article')?.id)).toBe('message-1');
    expect(problems).toEqual([]);
  });

  it('lists again what notifies when that was changed on another device', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    await ana.send(room, 'to all of you');
    const { page, problems } = await enter(server.url, ben, '/notices');
    const notices = page.getByRole('link', { name: /^Notices/ });
    const shown = page.locator('main').getByText('to all of you');
    const notifyOf = (level: string): Promise<unknown> =>
      ben.must('mutation ($level: NotificationLevel!) { updateNotificationSettings(input: { roomLevel: $level }) { __typename } }', { level });
    await shown.waitFor(patience);
    await expect.poll(() => server.followers(), patience).toBe(1);
    await notifyOf('MENTIONS');
    await shown.waitFor({ state: 'detached', ...patience });
    expect(await notices.innerText()).not.toContain('1');
    await notifyOf('ALL');
    await shown.waitFor(patience);
    await expect.poll(() => notices.innerText(), patience).toContain('1');
    expect(problems).toEqual([]);
  });

  it('notes between the messages who came, who went, and the new name of the room', async () => {
    await using server = await startTestServer(on);
    const [ana, ben, eva, tom] = (await server.people(4)) as [Person, Person, Person, Person];
    const room = await ana.createRoom({ name: 'Readers', members: [{ id: ben.id }] });
    await ana.send(room, 'before');
    const { page, problems } = await enter(server.url, ben, addressOf(room));
    await message(page, 'before').waitFor();
    await expect.poll(() => server.followers(), patience).toBe(1);
    const change = (name: string, input: object) =>
      ana.must(`mutation ($input: ${name[0]?.toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { __typename } }`, { input });
    await change('addMembers', { roomId: room.id, users: [{ id: eva.id }, { id: tom.id }] });
    await page.getByText(`${eva.username} and ${tom.username} joined.`).waitFor();
    await ana.send(room, 'after');
    await eva.must('mutation ($input: LeaveChatInput!) { leaveChat(input: $input) { __typename } }', { input: { chatId: room.id } });
    await change('removeMember', { roomId: room.id, userId: tom.id });
    await change('updateRoom', { roomId: room.id, name: 'Night readers' });
    await page.getByText('The room is now called Night readers.').waitFor();
    const rows = await page.locator('.log > li:is(.m, .note)').allInnerTexts();
    expect(rows.map((text) => text.trim().split('\n').at(-1))).toEqual([
      'before',
      `${eva.username} and ${tom.username} joined.`,
      'after',
      `${eva.username} left.`,
      `${ana.username} removed ${tom.username}.`,
      'The room is now called Night readers.',
    ]);
    expect(await barriers(page, 'notes')).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('shows what was begun in the list of chats, and tries the line at once when asked', async () => {
    await using server = await startTestServer(on);
    await using line = await openLine(server);
    const url = new URL(line.url).origin;
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const [one, other] = [await ana.createRoom({ name: 'One', members: [{ id: ben.id }] }), await ana.createRoom({ name: 'Other', members: [{ id: ben.id }] })];
    await ana.send(other, 'hello');
    const { page, problems } = await enter(url, ben, addressOf(one));
    await page.locator('#box').fill('half a thought');
    await page.getByRole('link', { name: /^Other/ }).click();
    await page.getByRole('link', { name: /^One.*Draft: half a thought/s }).waitFor();
    await expect.poll(() => server.followers(), patience).toBe(1);
    line.cut();
    await page.getByText('You are offline').waitFor();
    // By then it waits for several seconds before it tries again.
    await page.waitForTimeout(3_000);
    line.mend();
    const pressed = Date.now();
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.getByText('You are offline').waitFor({ state: 'hidden' });
    expect(Date.now() - pressed).toBeLessThan(2_000);
    expect(problems).toEqual([]);
  });

  it('keeps the order of the chats while the pointer moves over them', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const rooms = [];
    for (const name of ['First', 'Second', 'Third']) {
      const room = await ana.createRoom({ name, members: [{ id: ben.id }] });
      await ana.send(room, 'hello');
      rooms.push(room);
    }
    const { page, problems } = await enter(server.url, ben);
    const order = (): Promise<string[]> => page.locator('.row .name bdi').allInnerTexts();
    await expect.poll(order, patience).toEqual(['Third', 'Second', 'First']);
    await expect.poll(() => server.followers(), patience).toBe(1);
    await page.getByRole('link', { name: /^Second/ }).hover();
    await ana.send(rooms[0] as { id: string }, 'up I go');
    // A little later it is read out, too.
    await page.getByText('up I go').first().waitFor();
    expect(await order()).toEqual(['Third', 'Second', 'First']);
    await page.mouse.move(900, 400);
    await expect.poll(order, patience).toEqual(['First', 'Third', 'Second']);
    expect(problems).toEqual([]);
  });

  it('lists its keys for whoever asks with one', async () => {
    await using server = await startTestServer(on);
    const { page, problems } = await enter(server.url, await server.person());
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).getByText('Find a chat').waitFor();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await barriers(page, `keys ${colorScheme}`)).toEqual([]);
    }
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.locator('#find').fill('what?');
    await page.keyboard.type('?');
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(problems).toEqual([]);
  });

  it('copies and deletes by key the message that has the focus', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    await ana.send(room, 'of ana');
    await ben.send(room, 'of ben');
    const { page, problems } = await enter(server.url, ben, addressOf(room), { permissions: ['clipboard-read', 'clipboard-write'] });
    await message(page, 'of ben').waitFor();
    await page.locator('#messages').focus();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Control+c');
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText()), patience).toBe('of ben');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Delete');
    expect(await page.getByRole('dialog').count()).toBe(0);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Delete');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('You deleted this message.').waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('message-2');
    expect(problems).toEqual([]);
  });

  it('shows what is written in a public room to whoever only looks at it', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ name: 'Reading circle' });
    await ana.send(room, 'the first');
    const visitor = await enter(server.url, ben, addressOf(room));
    await message(visitor.page, 'the first').waitFor();
    // Also in a tab that does not hold the socket.
    const second = await visitor.tab();
    await second.goto(`${server.url}${addressOf(room)}`);
    await message(second, 'the first').waitFor();
    await ana.send(room, 'the second');
    for (const page of [visitor.page, second]) await message(page, 'the second').waitFor(patience);
    expect(visitor.problems).toEqual([]);
  });

  it('tells about the other one beside a dialog, and takes them into the contacts', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    await ana.send({ username: ben.username }, 'hello');
    const { page, problems } = await enter(server.url, ben, '/', { viewport: { width: 1440, height: 900 } });
    await page.getByRole('link', { name: /hello/ }).click();
    await page.getByRole('button', { name: 'About this person' }).click();
    const panel = page.getByRole('complementary', { name: 'About this person' });
    await panel.getByText(`@${ana.username}`).waitFor();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await barriers(page, `about ${colorScheme}`)).toEqual([]);
    }
    await panel.getByRole('button', { name: 'Add to my contacts' }).click();
    await panel.getByRole('button', { name: 'Remove from my contacts' }).waitFor();
    const { me } = await ben.must('{ me { account { contacts(first: 5) { nodes { id } } } } }', {});
    expect(me.account.contacts.nodes).toEqual([{ id: ana.id }]);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.getByRole('button', { name: 'About this person' }).waitFor();
    await ana.must('mutation ($input: DeleteAccountInput!) { deleteAccount(input: $input) { __typename } }', { input: { password: ana.password, messages: 'ANONYMIZE' } });
    await page.getByLabel(/^Message to/).waitFor({ state: 'detached' });
    expect(problems).toEqual([]);
  });
});
