/** What the page says: in every language the same sentences, and one for everything that the server can refuse. */
import { expect, it } from 'vitest';
import { sentences } from '../src/errors.ts';
import { de } from '../web/src/texts/de.ts';
import { en } from '../web/src/texts/en.ts';
import { more } from '../web/src/texts/en-more.ts';
import { it as italian } from '../web/src/texts/it.ts';
import { ro } from '../web/src/texts/ro.ts';

type Catalogue = Record<string, Record<string, unknown>>;
const languages: Record<string, Catalogue> = { en: { ...en, ...more }, de, it: italian, ro } as unknown as Record<string, Catalogue>;
const namesIn = (catalogue: Catalogue): string[] => Object.entries(catalogue).flatMap(([area, all]) => Object.keys(all).map((name) => `${area}.${name}`));

it('has a sentence for every error of the API, in every language', () => {
  for (const [language, { errors = {} }] of Object.entries(languages))
    for (const code of Object.keys(sentences)) expect(errors[code], `${code} in ${language}`).toMatch(/^\p{Lu}.{8,}[.]$/u);
});

it('says the same in every language', () => {
  for (const [language, catalogue] of Object.entries(languages)) expect(namesIn(catalogue).sort(), language).toEqual(namesIn(languages.en as Catalogue).sort());
});

it('counts as each language does', () => {
  const members = (language: string, count: number): string => (languages[language] as typeof languages & { chat: typeof en.chat }).chat.members(count);
  expect([1, 3].map((count) => members('en', count))).toEqual(['1 member', '3 members']);
  expect([1, 1_500].map((count) => members('de', count))).toEqual(['1 Mitglied', '1.500 Mitglieder']);
  expect([1, 2, 19, 20, 101].map((count) => members('ro', count))).toEqual(['1 membru', '2 membri', '19 membri', '20 de membri', '101 membri']);
});
