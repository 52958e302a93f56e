/** Rooms and notices on the page for people, in a real browser: found, looked into, joined, opened, changed, and who is in them. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { barriers, buildWhenOld, enterAs, executablePath, openBrowser, type Visit } from './kit/browser.ts';
import type { Person } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

const on = { WEB: 'on' } as const;
const patience = { timeout: 15_000 };

// Once is enough: the page knows nothing of the database.
describe.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(`rooms on the page${executablePath ? '' : ' (skipped: no chromium on PATH)'}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    buildWhenOld();
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  const enter = (url: string, person: Person, path: string, width = 1440): Promise<Visit> => enterAs(browser, url, person, path, { viewport: { width, height: 900 } });

  it('finds rooms by name and by link, lets one look into a public one, and asks for the password of another', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const open = await ana.createRoom({ name: 'Reading circle' });
    await ana.createRoom({ name: 'Garden plots', password: 'beans', link: 'plots' });
    await ana.createRoom({ name: 'Chess', capacity: 1 });
    await ana.createRoom({ name: 'Nobody knows', visibility: 'PRIVATE' });
    await ana.send(open, 'Two of three chapters done.');
    const { page, problems } = await enter(server.url, ben, '/rooms');
    await expect.poll(() => names(page), patience).toEqual(['Chess', 'Garden plots', 'Reading circle']);
    expect(await page.getByRole('button', { name: 'Full' }).getAttribute('aria-disabled')).toBe('true');
    const find = page.getByRole('searchbox', { name: 'Find a room' });
    await find.fill(`${server.url}/join/plots`);
    await expect.poll(() => names(page), patience).toEqual(['Garden plots']);
    await page.getByRole('button', { name: 'Join Garden plots' }).click();
    const password = page.getByLabel('Password of this room');
    await password.fill('peas');
    await page.keyboard.press('Enter');
    await page.getByText('The room’s password is wrong.').waitFor();
    expect(await password.inputValue()).toBe('peas');
    await password.fill('beans');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Garden plots', level: 1 }).waitFor();
    await page.goto(`${server.url}/rooms`);
    await page.getByRole('link', { name: 'Look into Reading circle' }).click();
    await page.locator('.m').getByText('Two of three chapters done.').waitFor();
    await page.getByRole('button', { name: 'Join', exact: true }).click();
    await page.getByLabel('Message to Reading circle').waitFor();
    expect(problems).toEqual([]);
  });

  it('opens a room by keyboard alone, and what the server refuses stays in the form', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    await ana.createRoom({ name: 'Reading circle', link: 'readers' });
    const { page, problems } = await enter(server.url, ana, '/rooms/new', 390);
    await page.getByLabel('Name', { exact: true }).waitFor();
    await page.keyboard.type('Night readers');
    await tabTo(page, 'topic');
    await page.keyboard.type('The last chapter at two.');
    await tabTo(page, 'link');
    await page.keyboard.type('READERS');
    await tabTo(page, 'capacity');
    await page.keyboard.type('12');
    await page.keyboard.press('Enter');
    await page.getByText('Another room has this link.').waitFor();
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'link');
    expect(await page.getByLabel('What it is about').inputValue()).toBe('The last chapter at two.');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('night');
    await page.getByRole('checkbox', { name: ben.username }).focus();
    await page.keyboard.press('Space');
    await tabTo(page, 'capacity');
    await page.keyboard.press('Enter');
    await page.getByLabel('Message to Night readers').waitFor();
    const { room } = await ana.must('{ room(ref: { link: "night" }) { name topic capacity memberCount visibility postPolicy } }');
    expect(room).toEqual({ name: 'Night readers', topic: 'The last chapter at two.', capacity: 12, memberCount: 2, visibility: 'PUBLIC', postPolicy: 'MEMBERS' });
    expect(problems).toEqual([]);
  });

  it('changes only what was changed of a room, and deletes it when asked twice', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ name: 'Night readers', topic: 'Two o’clock', password: 'midnight', members: [{ id: ben.id }] });
    const { page, problems } = await enter(server.url, ana, `/room/${encodeURIComponent(room.id)}/settings`);
    await page.getByLabel('Name', { exact: true }).fill('Night owls');
    // Somebody else changes another setting meanwhile.
    await ana.must('mutation ($id: ID!) { updateRoom(input: { roomId: $id, topic: "Three o’clock" }) { __typename } }', { id: room.id });
    await page.waitForTimeout(300);
    await page.getByLabel('Most members').fill('1');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('There are more members than that.').waitFor();
    expect(await page.getByLabel('Name', { exact: true }).inputValue()).toBe('Night owls');
    await page.getByLabel('Most members').fill('');
    await page.getByRole('checkbox', { name: 'Take the password away' }).check();
    await page.getByRole('radio', { name: /Anyone who is signed in/ }).check();
    await page.getByLabel('Who may pin messages').selectOption({ label: 'Members' });
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved').first().waitFor();
    const fields = '{ name topic capacity passwordRequired postPolicy pinPolicy }';
    const { chat } = await ben.must(`query ($id: ID!) { chat(id: $id) { ... on Room ${fields} } }`, { id: room.id });
    expect(chat).toEqual({ name: 'Night owls', topic: 'Three o’clock', capacity: null, passwordRequired: false, postPolicy: 'ANYONE', pinPolicy: 'MEMBERS' });
    await page.getByRole('button', { name: 'Delete the room…' }).click();
    await page.getByRole('button', { name: 'Delete the room', exact: true }).click();
    await page.getByText('There are no rooms yet.').waitFor();
    expect(problems).toEqual([]);
  });

  it('shows who is in a room and online, and lets owners set roles, remove, ban and add', async () => {
    await using server = await startTestServer(on);
    const [ana, ben, eve] = (await server.people(3)) as [Person, Person, Person];
    const room = await ana.createRoom({ name: 'Reading circle', members: [{ id: ben.id }, { id: eve.id }] });
    const { page, problems } = await enter(server.url, ana, `/chat/${encodeURIComponent(room.id)}`);
    await page.getByRole('button', { name: 'Members and settings' }).click();
    const panel = page.getByRole('complementary', { name: 'About this room' });
    await panel.getByRole('region', { name: 'Away' }).getByRole('button', { name: ben.username }).click();
    await page.getByRole('menuitem', { name: 'Make an admin' }).press('Enter');
    await panel.getByRole('button', { name: `${ben.username} admin` }).waitFor();
    await panel.getByRole('button', { name: eve.username }).click();
    await page.getByRole('menuitem', { name: 'Remove and ban' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove and ban' }).click();
    await panel.getByRole('button', { name: eve.username }).waitFor({ state: 'detached' });
    await expect.poll(() => page.evaluate(() => document.activeElement?.className), patience).toBe('person');
    const guest = await enter(server.url, eve, '/rooms', 390);
    await guest.page.getByRole('button', { name: 'Join Reading circle' }).click();
    await guest.page.getByText('You cannot join this room; an owner or admin has closed it to you.').waitFor();
    await panel.getByRole('button', { name: 'Add people' }).click();
    await page.getByRole('checkbox', { name: eve.username }).check();
    await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click();
    // She is online now: the browser of hers is open.
    await panel.getByRole('region', { name: 'Online' }).getByRole('button', { name: eve.username }).waitFor();
    await page.getByText('3 members · 2 online').waitFor();
    await panel.getByRole('button', { name: 'Leave' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Leave' }).click();
    await page.getByText('You are its last owner.').waitFor();
    expect([problems, guest.problems]).toEqual([[], []]);
  });

  it('lists notices by chat, counts them, and marks one chat or all as read without moving a marker', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const [books, chess] = [await ana.createRoom({ name: 'Books', members: [{ id: ben.id }] }), await ana.createRoom({ name: 'Chess', members: [{ id: ben.id }] })];
    for (const [chat, text] of [
      [books, 'one'],
      [chess, 'two'],
      [books, 'three'],
    ] as const)
      await ana.send(chat, text);
    const { page, problems } = await enter(server.url, ben, '/notices');
    await expect.poll(() => page.locator('.list li').allTextContents(), patience).toHaveLength(2);
    const counter = page.getByRole('link', { name: /^Notices/ });
    expect(await counter.textContent()).toContain('3 unread');
    await page.getByRole('button', { name: 'Mark the messages of Books as read' }).click();
    await expect.poll(() => counter.textContent(), patience).toContain('1 unread');
    await ana.send(chess, 'four');
    await page.getByText(`${ana.username}: four`).first().waitFor();
    await page.getByRole('button', { name: 'Mark all as read' }).click();
    await expect.poll(() => counter.textContent(), patience).not.toContain('unread');
    await page.getByRole('group', { name: 'Show' }).last().getByRole('button', { name: 'Unread' }).click();
    await page.getByText('All read.').waitFor();
    const { chats } = await ben.must('{ chats(first: 5) { nodes { name my { readSeq } } } }');
    expect(chats.nodes).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'Books', my: { readSeq: 0 } })]));
    expect(problems).toEqual([]);
  });

  it('has nothing on these screens that axe-core finds, in both themes and on a phone', async () => {
    await using server = await startTestServer(on);
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ name: 'Books', topic: 'Two a month', link: 'books', capacity: 5, members: [{ id: ben.id }] });
    await ben.createRoom({ name: 'Garden plots', password: 'beans' });
    await ben.send(room, 'Page 112.');
    const { page } = await enter(server.url, ana, '/');
    const id = encodeURIComponent(room.id);
    for (const [path, there] of [
      ['/rooms', '.list h2'],
      ['/rooms/new', '.choose li'],
      ['/join/books', '.head'],
      [`/room/${id}/settings`, 'form .split'],
      ['/notices', '.list h2'],
      [`/chat/${id}/members`, '.panel .person'],
    ] as const) {
      for (const [colorScheme, width] of [
        ['light', 1440],
        ['dark', 390],
      ] as const) {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme });
        await page.goto(`${server.url}${path}`);
        await page.locator(there).first().waitFor();
        expect(await barriers(page, `${path} ${colorScheme}`)).toEqual([]);
      }
    }
  });
});

const names = (page: Page): Promise<string[]> => page.locator('.list h2').allTextContents();

/** As somebody without a mouse gets to a field. */
async function tabTo(page: Page, name: string): Promise<void> {
  for (let step = 0; step < 40; step++) {
    await page.keyboard.press('Tab');
    if ((await page.evaluate(() => document.activeElement?.getAttribute('name'))) === name) return;
  }
  throw new Error(`Tab does not come to ${name}`);
}
