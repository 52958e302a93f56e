/** `npm run picture`: the README's pictures of the page, light and dark, from the real page on a real server. Needs a Chromium. */
import { executablePath, openBrowser, signIn, visit } from '../test/kit/browser.ts';
import { createPerson, type Person } from '../test/kit/person.ts';
import { startProcess } from '../test/kit/process.ts';
import { temporaryFolder } from '../test/kit/server.ts';

if (!executablePath) throw new Error('There is no Chromium on the PATH.');
await using folder = await temporaryFolder();
await using server = await startProcess({ DATA_DIR: folder.path, WEB: 'on', LOG_LEVEL: 'warn' });

const names = { ines: 'Ines Brandt', tomasz: 'Tomasz Nowak', yusra: 'Yusra Haddad', marco: 'Marco Bianchi' };
const people = {} as Record<keyof typeof names, Person>;
for (const [username, displayName] of Object.entries(names) as [keyof typeof names, string][]) {
  people[username] = await createPerson(server, { username });
  await people[username].must('mutation ($displayName: String!) { updateProfile(input: { displayName: $displayName }) { __typename } }', { displayName });
}
const { ines, tomasz, yusra, marco } = people;
const ids = (...members: Person[]) => members.map(({ id }) => ({ id }));
const garden = await ines.createRoom({ name: 'Community garden', topic: 'Beds, tools, and who waters when', members: ids(tomasz, yusra, marco) });
const choir = await marco.createRoom({ name: 'Choir, Thursdays', members: ids(ines, yusra) });
const conversation: [Person, string][] = [
  [tomasz, 'The tomatoes in bed four need tying up before the storm.'],
  [tomasz, 'I can come at six, if somebody brings string.'],
  [ines, 'I have string, and two pairs of gloves.'],
  [yusra, 'Then I bring tea. Shall we water today, or wait for the rain?'],
  [ines, 'Wait for the rain. My line was down all afternoon, did I miss anything?'],
  [tomasz, 'You missed nothing: it is all here, once and in order.'],
];
for (const [who, text] of conversation) await who.send(garden, text);
await marco.send(choir, 'We begin with the Bach, please bring the new score.');
await yusra.send({ username: 'ines' }, 'See you at six!');
// Everybody has read it but one, and two are here.
for (const [person, upToSeq] of [
  [tomasz, 6],
  [yusra, 6],
  [marco, 6],
  [ines, 5],
] as const)
  await person.must('mutation ($id: ID!, $upToSeq: Int!) { markRead(input: { chatId: $id, upToSeq: $upToSeq }) { __typename } }', { id: garden.id, upToSeq });
const here = await Promise.all([tomasz, yusra].map((person) => person.follow('subscription { events { __typename } }')));

const browser = await openBrowser();
for (const colorScheme of ['light', 'dark'] as const) {
  const guest = await visit(browser, server.url, { colorScheme, viewport: { width: 1100, height: 680 } });
  await signIn(guest, server.url, ines);
  await guest.page.goto(server.url);
  await guest.page.getByText('Community garden').first().click();
  await guest.page.getByText('once and in order').first().waitFor();
  await guest.page.evaluate(() => document.fonts.ready);
  await guest.page.waitForTimeout(800);
  await guest.page.screenshot({ path: `docs/page-${colorScheme}.png` });
  await guest.context.close();
}
await browser.close();
await Promise.all(here.map((stream) => stream.socket.close()));
for (const person of Object.values(people)) await person.close();
