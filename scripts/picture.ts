/** `npm run picture`: pictures of the real page for the README, light and dark, from a server of its own with a few people who talk. Needs chromium. */
import { join } from 'node:path';
import { openBrowser, signIn, visit } from '../test/kit/browser.ts';
import type { Person } from '../test/kit/person.ts';
import { createPerson } from '../test/kit/person.ts';
import { startTestServer } from '../test/kit/server.ts';

await using server = await startTestServer({ WEB: 'on' });
const names: [username: string, displayName: string][] = [
  ['ada', 'Ada Moreno'],
  ['ines', 'Ines Duarte'],
  ['bruno', 'Bruno Keller'],
  ['giulia', 'Giulia Rossi'],
  ['tomasz', 'Tomasz Nowak'],
];
const people: Person[] = [];
for (const [username, displayName] of names) {
  const person = await createPerson(server, { username });
  await person.must('mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }', { input: { displayName } });
  people.push(person);
}
const [ada, ines, bruno, giulia, tomasz] = people as [Person, Person, Person, Person, Person];
const members = people.slice(1).map(({ id }) => ({ id }));
const circle = await ada.createRoom({ name: 'Reading circle', topic: '“The Savage Detectives”, chapters 4 to 6 by Sunday', members });
const workshop = await giulia.createRoom({ name: 'Printing workshop', visibility: 'PRIVATE', members: [{ id: ada.id }, { id: tomasz.id }] });
await giulia.send(workshop, 'The proofs are dry. Who can fetch the paper on Monday?');
await tomasz.send({ username: 'ada' }, 'Could you send me the list of translators?');
await ines.send({ username: 'ada' }, 'Tonight at seven, the usual table?');
await bruno.send(circle, 'Two of three chapters done. Here is where I sat.');
await ada.send(circle, 'That is the best review this book has had. May I print it?');
await ines.send(circle, 'Which edition do we quote from? Mine has the poems in Spanish and the footnotes in a temper.');
await bruno.send(circle, 'The 2007 one. Page 112, second paragraph: https://example.org/detectives#112');
await ada.send(circle, 'Seven it is. I will bring the Pessoa, the lamp stays.');
for (const person of people.slice(1))
  await person.must('mutation ($input: MarkReadInput!) { markRead(input: $input) { __typename } }', { input: { chatId: circle.id, upToSeq: 5 } });
const present = await ines.follow('subscription { events { __typename } }');

const browser = await openBrowser();
for (const colorScheme of ['light', 'dark'] as const) {
  const visitor = await visit(browser, server.url, { colorScheme, viewport: { width: 1080, height: 640 } });
  await signIn(visitor, server.url, ada);
  await visitor.page.goto(`${server.url}/chat/${encodeURIComponent(circle.id)}`);
  await visitor.page.locator('.m').first().waitFor();
  await visitor.page.waitForTimeout(1_000);
  await visitor.page.screenshot({ path: join(import.meta.dirname, `../docs/page-${colorScheme}.png`) });
  await visitor.context.close();
}
void present;
await browser.close();
await Promise.all(people.map((person) => person.close()));
