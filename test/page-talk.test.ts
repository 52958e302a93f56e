/** What people do with messages on the page beside writing them, in a real browser: by mouse, by keyboard, on a phone, and read aloud. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emojisIn } from '../web/src/texts/emojis.ts';
import { addressOf, barriers, buildWhenOld, enterAs, executablePath, message, openBrowser, type Visit } from './kit/browser.ts';
import type { Person, Untyped } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const patience = { timeout: 15_000 };
const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'dark' } as const;

it('knows each emoji once, as the server takes it, and by a name in every language', () => {
  const all = emojisIn('en').flatMap(({ emojis }) => emojis.map(({ emoji }) => emoji));
  expect(all.filter((emoji) => !/^\p{RGI_Emoji}$/v.test(emoji))).toEqual([]);
  expect(new Set(all).size).toBe(all.length);
  for (const language of ['en', 'de', 'it', 'ro'] as const)
    for (const { name, emojis } of emojisIn(language))
      expect(
        [name, ...emojis.map((each) => each.name)].filter((each) => each.trim().length < 2),
        language,
      ).toEqual([]);
});

// Once is enough: the page knows nothing of the database.
describe.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(`talking on the page${executablePath ? '' : ' (skipped: no chromium on PATH)'}`, () => {
  let browser: Browser;
  let server: TestServer;
  let [ana, ben, eva]: Person[] = [];
  beforeAll(async () => {
    buildWhenOld();
    [browser, server] = await Promise.all([openBrowser(), startTestServer({ WEB: 'on', MAX_REACTIONS_PER_MEMBER: '3' })]);
    [ana, ben, eva] = await server.people(3);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
  });

  const enter = async (person: Person, path: string, options = {}): Promise<Visit> => {
    const visitor = await enterAs(browser, server.url, person, path, options);
    // What hangs says where.
    visitor.context.setDefaultTimeout(10_000);
    return visitor;
  };
  const change = (person: Person, name: string, input: Untyped): Promise<Untyped> =>
    person.must(`mutation ($input: ${name[0]?.toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { __typename ... on UserError { code } } }`, { input });
  const people = (): [Person, Person, Person] => [ana, ben, eva] as [Person, Person, Person];

  it('weighs little before a room works: lists, searches and panels come when they are used', async () => {
    const folder = join(import.meta.dirname, '../web/dist/assets');
    const weight = (pattern: RegExp): number =>
      readdirSync(folder)
        .filter((name) => pattern.test(name))
        .reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0);
    expect(weight(/^core-.*\.js$/)).toBeLessThan(60_000);
    expect(weight(/^core-.*\.css$/)).toBeLessThan(12_000);
    const [ana] = people();
    const room = await ana.createRoom({ name: 'Light' });
    await ana.send(room, 'one');
    const { page, problems } = await enter(ana, addressOf(room));
    await message(page, 'one').waitFor();
    const scripts = (): Promise<string[]> =>
      page.evaluate(() => performance.getEntriesByType('resource').flatMap(({ name }) => /assets\/([a-z-]+)-[^/]*\.js/.exec(name)?.[1] ?? []));
    expect((await scripts()).filter((name) => /reacting|search|thread|history|tray|saved|forward|en-more/.test(name))).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('reacts by click, by keyboard and on a phone, at once and as the server has it, and says what is refused', async () => {
    const [ana, ben, eva] = people();
    const room = await ana.createRoom({ name: 'Soup', members: [{ id: ben.id }, { id: eva.id }] });
    const { message: first } = await ana.send(room, 'Soup at seven?');
    const { message: last } = await ana.send(room, 'And who brings bread?');
    await change(eva, 'setReactions', { messageId: first.id, emojis: ['🍲'] });
    const { page, problems } = await enter(ben, addressOf(room));
    const mine = async (id: string): Promise<string[]> => {
      const { message } = await ben.must('query ($id: ID!) { message(id: $id) { reactions { emoji mine } } }', { id });
      return message.reactions.filter((group: Untyped) => group.mine).map(({ emoji }: Untyped) => emoji);
    };

    // A chip is a button that is pressed or not, and says who.
    const soup = message(page, 'Soup at seven?').getByRole('button', { name: '🍲 1 reaction' });
    expect(await soup.getAttribute('aria-pressed')).toBe('false');
    await soup.hover();
    await page
      .getByRole('tooltip', { name: eva.username })
      .or(page.getByRole('tooltip').filter({ hasText: eva.username }))
      .waitFor();
    await soup.click();
    const pressed = page.getByRole('button', { name: '🍲 2 reactions', pressed: true });
    await pressed.waitFor();
    await expect.poll(() => mine(first.id), patience).toEqual(['🍲']);
    await pressed.click();
    await expect.poll(() => mine(first.id), patience).toEqual([]);

    // By keyboard: to the message, to the list, by name, and the focus is back.
    await page.locator('#messages').focus();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('+');
    const picker = page.getByRole('dialog', { name: 'Choose a reaction' });
    await picker.getByRole('searchbox').waitFor();
    expect(await barriers(page, 'picker')).toEqual([]);
    await page.keyboard.type('bread');
    await page.keyboard.press('Enter');
    await picker.waitFor({ state: 'detached' });
    await message(page, 'And who brings bread?').getByRole('button', { name: '🍞 1 reaction', pressed: true }).waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('message-2');
    await page.keyboard.press('+');
    await picker.waitFor();
    // What was used last stands first.
    await page.keyboard.press('ArrowDown');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('bread');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await picker.waitFor({ state: 'detached' });
    await page.keyboard.press('+');
    await picker.waitFor();
    await page.keyboard.press('Escape');
    await picker.waitFor({ state: 'detached' });
    await expect.poll(async () => (await mine(last.id)).length, patience).toBe(2);

    // Another device was faster: both stay.
    await change(ben, 'setReactions', { messageId: last.id, emojis: ['🍞', '🚀'] });
    await message(page, 'And who brings bread?').hover();
    await page.getByRole('button', { name: 'React with', exact: false }).first().click();
    await expect.poll(async () => (await mine(last.id)).includes('🚀'), patience).toBe(true);
    await change(ben, 'setReactions', { messageId: last.id, emojis: ['🍞', '🚀', '👀'] });
    await page.getByRole('button', { name: '👀 1 reaction' }).waitFor();

    // One more than fits: it goes away again, and says why.
    await page.locator('#message-2').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('menu').waitFor();
    await page.getByRole('menuitemcheckbox', { name: 'React with ❤️' }).click();
    await message(page, 'And who brings bread?').getByText('No more than 3 different ones fit here.').waitFor();
    expect(await page.getByRole('button', { name: /^❤️/ }).count()).toBe(0);
    expect(await barriers(page, 'reactions')).toEqual([]);
    expect(problems).toEqual([]);

    // On a phone a long press opens the menu, whose first row are the emojis; on a chip it says who.
    const small = await enter(eva, addressOf(room), phone);
    await message(small.page, 'Soup at seven?').locator('article').dispatchEvent('contextmenu');
    await small.page.getByRole('menuitemcheckbox', { name: 'React with 👍' }).click();
    await page.getByRole('button', { name: '👍 1 reaction', pressed: false }).first().waitFor(patience);
    await small.page.getByRole('button', { name: '👀 1 reaction' }).dispatchEvent('contextmenu');
    await small.page.getByRole('dialog', { name: 'Who reacted' }).getByText(ben.username).first().waitFor();
    expect(await barriers(small.page, 'who reacted, on a phone')).toEqual([]);
    expect(small.problems).toEqual([]);
  });

  it('answers a message with its beginning above, leads to it, and keeps in a draft what it answers', async () => {
    const [ana, ben] = people();
    const room = await ana.createRoom({ name: 'Answers', members: [{ id: ben.id }] });
    const { message: first } = await ana.send(room, 'Which edition do we quote from?');
    for (let at = 0; at < 60; at++) await ana.send(room, `line ${at} ${'word '.repeat(20)}`);
    const { message: last } = await ana.send(room, 'And who prints it?');
    await change(ben, 'markRead', { chatId: room.id, upToSeq: last.seq });
    const visitor = await enter(ben, addressOf(room));
    const { page, problems } = visitor;
    await message(page, 'And who prints it?').waitFor();
    const composer = page.getByLabel('Message to Answers');

    // By key, and taken back by one.
    await page.locator('#messages').focus();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('r');
    const above = page.locator('.composer .answering');
    await above.getByText('And who prints it?').waitFor();
    expect(await composer.evaluate((box) => document.activeElement === box && (box as HTMLTextAreaElement).value === '')).toBe(true);
    expect(await barriers(page, 'answering')).toEqual([]);
    await page.keyboard.press('Escape');
    await above.waitFor({ state: 'detached' });

    // A draft has its answer also after the page was loaded again.
    await message(page, 'And who prints it?').hover();
    await page.getByRole('button', { name: 'Reply', exact: true }).click();
    await page.keyboard.type('The cellar');
    await page.waitForTimeout(600);
    await page.reload();
    await above.getByText('And who prints it?').waitFor();
    expect(await composer.inputValue()).toBe('The cellar');
    await page.keyboard.press('End');
    await page.keyboard.type(' press');
    await page.keyboard.press('Enter');
    await above.waitFor({ state: 'detached' });
    const sent = message(page, 'The cellar press');
    await sent.getByRole('button', { name: `In reply to ${ana.username} And who prints it?` }).waitFor();
    await change(ana, 'editMessage', { messageId: last.id, text: 'And who binds it?' });
    await sent.getByRole('button', { name: `In reply to ${ana.username} And who binds it?` }).waitFor();

    // To a place that is not loaded, and what is gone says so.
    await ana.must('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }', {
      input: { to: { chatId: room.id }, replyToId: first.id, text: 'Once more' },
    });
    await message(page, 'Once more').locator('button.quote').click();
    await page.waitForFunction(() => document.activeElement?.id === 'message-1');
    await change(ana, 'deleteMessage', { messageId: first.id });
    await page.getByText(`${ana.username} deleted this message.`).waitFor();
    await page.getByRole('button', { name: 'To the newest message' }).click();
    await message(page, 'Once more')
      .getByRole('button', { name: `In reply to ${ana.username} This message was deleted.` })
      .waitFor();
    expect(await barriers(page, 'answers')).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('talks in a thread beside the conversation, counts its replies below the root, and follows it or not', async () => {
    const [ana, ben] = people();
    const room = await ana.createRoom({ name: 'Workshop', members: [{ id: ben.id }] });
    const { message: root } = await ana.send(room, 'Who fetches the paper?');
    await ana.send(room, 'And the ink?');
    const own = await enter(ana, addressOf(room), { viewport: { width: 1440, height: 900 } });
    const other = await enter(ben, addressOf(room), phone);
    await message(own.page, 'Who fetches the paper?').waitFor();

    // From the menu on a phone, where it is a screen of its own; Back closes it.
    await message(other.page, 'Who fetches the paper?').locator('article').dispatchEvent('contextmenu');
    await other.page.getByRole('menuitem', { name: 'Reply in a thread' }).click();
    const theirs = other.page.getByRole('complementary', { name: 'Thread' });
    await theirs.getByLabel('Reply in the thread, in Workshop').fill('I do, on Monday');
    await theirs.getByRole('button', { name: 'Send' }).click();
    await theirs.getByRole('listitem').filter({ hasText: 'I do, on Monday' }).waitFor();
    expect(await barriers(other.page, 'thread, on a phone')).toEqual([]);
    expect(await other.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);

    // Counted below the message; in the conversation the reply says where it belongs.
    await message(own.page, 'Who fetches the paper?')
      .getByRole('link', { name: /^1 reply/ })
      .click();
    const mine = own.page.getByRole('complementary', { name: 'Thread' });
    await mine.getByText('I do, on Monday').waitFor();
    await own.page.locator('#messages').getByRole('link', { name: 'In the thread “Who fetches the paper?”' }).waitFor();
    await own.page.waitForFunction(() => document.activeElement?.id === 'thread-box');
    await own.page.keyboard.type('Take the cart');
    await theirs.getByText(`${ana.username} is typing`).waitFor();
    await own.page.keyboard.press('Enter');
    await theirs.getByText('Take the cart').waitFor(patience);
    await message(own.page, 'Who fetches the paper?')
      .getByRole('link', { name: /^2 replies/ })
      .waitFor();
    expect((await ana.must('query ($id: ID!) { message(id: $id) { thread { replyCount } } }', { id: root.id })).message.thread.replyCount).toBe(2);
    expect(await barriers(own.page, 'thread')).toEqual([]);

    // Answered within it, and with the same message actions as everywhere.
    await mine.getByText('I do, on Monday').hover();
    await mine.getByRole('button', { name: 'Reply', exact: true }).click();
    await own.page.keyboard.type('Thank you');
    await own.page.keyboard.press('Enter');
    await mine.getByRole('button', { name: `In reply to ${ben.username} I do, on Monday` }).click();
    await own.page.waitForFunction(() => document.activeElement?.id === 'reply-3');
    await own.page.keyboard.press('ArrowDown');
    await own.page.keyboard.press('Enter');
    await own.page.getByRole('menuitem', { name: 'Edit' }).click();
    await mine.getByLabel('Edit your message').waitFor();
    expect(await own.page.locator('#editor').count()).toBe(1);
    await own.page.keyboard.press('Escape');
    await own.page.waitForFunction(() => document.activeElement?.id === 'thread-box');

    await mine.getByRole('button', { name: 'Followed', pressed: true }).click();
    await mine.getByRole('button', { name: 'Follow', pressed: false }).waitFor();
    await own.page.keyboard.press('Escape');
    await mine.waitFor({ state: 'detached' });
    await own.page.waitForFunction((id) => document.activeElement?.id === id, `message-${root.seq}`);
    // What is unread in threads stands in the list of chats and in the head of the conversation.
    await other.page.getByRole('button', { name: 'Close' }).click();
    await theirs.waitFor({ state: 'detached' });
    await other.page.goto(server.url);
    await ana.must('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }', {
      input: { to: { chatId: room.id }, threadRootId: root.id, text: 'Monday it is' },
    });
    await other.page.getByRole('link', { name: /^Workshop.*Threads, 1 unread/s }).click();
    await other.page.getByRole('link', { name: 'Threads' }).click();
    await other.page
      .getByRole('complementary', { name: 'Threads' })
      .getByRole('link', { name: /Who fetches the paper.*4 replies/ })
      .waitFor();
    expect(await barriers(other.page, 'threads, on a phone')).toEqual([]);
    expect([own.problems, other.problems]).toEqual([[], []]);
  });

  it('finds messages by their words, in one chat or all, and leads to the place of each', async () => {
    const [ana, ben] = people();
    const room = await ana.createRoom({ name: 'Library', members: [{ id: ben.id }] });
    const { message: first } = await ana.send(room, 'A zeppelin over the harbour');
    for (let at = 0; at < 70; at++) await ana.send(room, `line ${at}`);
    await ana.send({ username: ben.username }, 'My zeppelin, too');
    const { page, problems } = await enter(ben, '/');
    await page.getByLabel('Find a chat or a person').fill('zeppelin');
    await page.getByRole('link', { name: 'Search the messages for “zeppelin”' }).click();
    const results = page.getByRole('main').getByRole('listitem');
    // Behind the log by a moment.
    await expect
      .poll(async () => {
        await page.getByRole('searchbox', { name: 'Words to look for' }).fill('');
        await page.getByRole('searchbox', { name: 'Words to look for' }).fill('zeppelin');
        await page.waitForTimeout(600);
        return results.count();
      }, patience)
      .toBe(2);
    expect(await results.locator('mark').allInnerTexts()).toEqual(['zeppelin', 'zeppelin']);
    expect(await barriers(page, 'search')).toEqual([]);
    await page.getByLabel('Where').selectOption({ label: 'Library' });
    await expect.poll(() => results.count(), patience).toBe(1);
    await results.getByRole('link', { name: /harbour/ }).click();
    await page.waitForFunction((id) => document.activeElement?.id === id, `message-${first.seq}`);
    await page.goBack();
    await results.getByRole('link', { name: /harbour/ }).waitFor();
    await page.getByLabel('With').selectOption({ label: 'Pictures' });
    await page.getByText('There is no such message.').waitFor();
    await page.setViewportSize({ width: 360, height: 740 });
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await barriers(page, 'search on a phone')).toEqual([]);
    expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    expect(problems).toEqual([]);
  });

  it('keeps a pinned message in view, and shows what one said before to those who may see it', async () => {
    const [ana, ben] = people();
    const room = await ana.createRoom({ name: 'Kitchen', members: [{ id: ben.id }] });
    const { message: first } = await ana.send(room, 'The key is under the stone');
    for (let at = 0; at < 40; at++) await ana.send(room, `line ${at}`);
    const { message: bens } = await ben.send(room, 'I bring the bred');
    const owner = await enter(ana, addressOf(room));
    const guest = await enter(ben, addressOf(room), phone);
    const pinned = (page: typeof owner.page) => page.getByRole('region', { name: 'Pinned messages' });
    await message(owner.page, 'I bring the bred').waitFor();
    await owner.page.locator('#messages').focus();
    await owner.page.keyboard.press('Home');
    await message(owner.page, 'The key is under the stone').locator('article').focus();
    await owner.page.keyboard.press('Enter');
    await owner.page.getByRole('menuitem', { name: 'Pin it' }).click();
    // To both, and one leads to it.
    for (const { page } of [owner, guest]) await pinned(page).getByRole('button', { name: 'Pinned: The key is under the stone' }).waitFor(patience);
    await pinned(guest.page).getByRole('button', { name: 'Pinned: The key is under the stone' }).click();
    await guest.page.waitForFunction((id) => document.activeElement?.id === id, `message-${first.seq}`);
    await message(guest.page, 'The key is under the stone').getByText('pinned', { exact: true }).waitFor();
    expect(await barriers(guest.page, 'pinned, on a phone')).toEqual([]);
    await change(ana, 'editMessage', { messageId: first.id, text: 'The key is with the baker' });
    await pinned(guest.page).getByRole('button', { name: 'Pinned: The key is with the baker' }).waitFor(patience);
    await pinned(owner.page).getByRole('button', { name: '1 pinned' }).click();
    const list = owner.page.getByRole('dialog', { name: 'Pinned messages' });
    await list.getByText(`pinned by ${ana.username}`).waitFor();
    expect(await barriers(owner.page, 'pins')).toEqual([]);
    await list.getByRole('button', { name: 'Unpin it' }).click();
    for (const { page } of [owner, guest]) await pinned(page).waitFor({ state: 'detached', ...patience });
    // Nobody is nobody, also for who owns the room.
    const mayBePinned = async (): Promise<boolean> => {
      await message(owner.page, 'The key is with the baker').locator('article').focus();
      await owner.page.keyboard.press('Enter');
      await owner.page.getByRole('menuitem', { name: 'Save', exact: true }).waitFor();
      const count = await owner.page.getByRole('menuitem', { name: 'Pin it' }).count();
      await owner.page.keyboard.press('Escape');
      return count > 0;
    };
    expect(await mayBePinned()).toBe(true);
    await change(ana, 'updateRoom', { roomId: room.id, pinPolicy: 'NOBODY' });
    await expect.poll(mayBePinned, patience).toBe(false);

    // Ben sees what his own said; of Ana's he only sees that it was changed. Ana owns the room.
    await change(ben, 'editMessage', { messageId: bens.id, text: 'I bring the bread' });
    await message(guest.page, 'The key is with the baker').getByText('edited').waitFor();
    expect(await message(guest.page, 'The key is with the baker').getByRole('button', { name: 'edited' }).count()).toBe(0);
    for (const { page } of [owner, guest]) {
      await page.getByRole('button', { name: 'To the newest message' }).click();
      await message(page, 'I bring the bread').getByRole('button', { name: 'edited' }).click();
      await page.getByRole('dialog', { name: 'What it said before' }).getByText('I bring the bred', { exact: true }).waitFor();
      expect(await barriers(page, 'history')).toEqual([]);
    }
    expect([owner.problems, guest.problems]).toEqual([[], []]);
  });

  it('names somebody out of a list, shows them by their name, and marks the chat for whom it is for, muted or not', async () => {
    const [ana, ben, eva] = people();
    const room = await ana.createRoom({ name: 'Names', members: [{ id: ben.id }, { id: eva.id }] });
    await change(ben, 'updateProfile', { displayName: 'Ben Baker' });
    await ana.send(room, 'one');
    const writer = await enter(ana, addressOf(room));
    const reader = await enter(ben, '/');
    const box = writer.page.locator('#box');
    await message(writer.page, 'one').waitFor();
    await box.pressSequentially('Bread, @bak');
    const names = writer.page.getByRole('listbox', { name: 'Whom to name' });
    await names.getByRole('option', { name: /Ben Baker/ }).waitFor();
    expect(await barriers(writer.page, 'names')).toEqual([]);
    await writer.page.keyboard.press('Enter');
    await names.waitFor({ state: 'detached' });
    await box.pressSequentially('please');
    await writer.page.keyboard.press('Enter');
    await message(writer.page, 'Bread, @Ben Baker please').waitFor();
    const row = reader.page.getByRole('link', { name: /Names/ });
    await row.getByText('@', { exact: true }).waitFor(patience);
    const { chat } = await ben.must('query ($id: ID!) { chat(id: $id) { my { highlightCount } lastMessage { text mentions { user { id } } } } }', { id: room.id });
    expect(chat).toEqual({ my: { highlightCount: 1 }, lastMessage: { text: `Bread, @${ben.username} please`, mentions: [{ user: { id: ben.id } }] } });

    // Muted, it is still marked; read, it is not.
    await row.click();
    await message(reader.page, 'Bread, @Ben Baker please').locator('.mention[data-me]').waitFor();
    await row.getByText('@', { exact: true }).waitFor({ state: 'detached', ...patience });
    await reader.page.locator('#about').click();
    await reader.page.getByRole('combobox', { name: 'Muted' }).selectOption({ label: 'For a day' });
    await expect.poll(async () => (await ben.must('query ($id: ID!) { chat(id: $id) { my { mutedUntil } } }', { id: room.id })).chat.my.mutedUntil, patience).not.toBe(null);
    await reader.page.getByRole('combobox', { name: 'Notify me of' }).selectOption({ label: 'only what is for me' });
    await expect
      .poll(async () => (await ben.must('query ($id: ID!) { chat(id: $id) { my { notificationLevel } } }', { id: room.id })).chat.my.notificationLevel, patience)
      .toBe('MENTIONS');
    expect(await barriers(reader.page, 'the own view')).toEqual([]);
    // What rooms notify of that have no word of their own; told here by another device.
    await reader.page.getByRole('combobox', { name: 'Notify me of' }).selectOption({ label: 'as in other rooms (every message)' });
    await ben.must('mutation { updateNotificationSettings(input: { roomLevel: NOTHING }) { __typename } }');
    await expect.poll(() => reader.page.getByRole('combobox', { name: 'Notify me of' }).locator('option:checked').innerText(), patience).toBe('as in other rooms (nothing)');
    await reader.page.getByRole('link', { name: 'You', exact: true }).click();
    await reader.page.getByLabel('In rooms, notify me of').selectOption({ label: 'only what is for me' });
    await expect
      .poll(async () => (await ben.must('{ me { account { notificationSettings { roomLevel } } } }')).me.account.notificationSettings.roomLevel, patience)
      .toBe('MENTIONS');
    expect([writer.problems, reader.problems]).toEqual([[], []]);
  });
});
