/** The language of the page: the reader's, if there is a catalogue of it. Each but English is loaded when it is used. */
import { computed, signal } from '@preact/signals';
import { remember, remembered } from '../remember.ts';
import { type Catalogue, en, type Sentences } from './en.ts';

/** By their own names. */
export const languages = { en: 'English', de: 'Deutsch', it: 'Italiano', ro: 'Română' } as const;
export type Language = keyof typeof languages;

const loaders: Record<Language, () => Promise<Sentences>> = {
  en: async () => en,
  de: () => import('./de.ts').then(({ de }) => de),
  it: () => import('./it.ts').then(({ it }) => it),
  ro: () => import('./ro.ts').then(({ ro }) => ro),
};
const key = 'tertulia.language';

const catalogue = signal<Catalogue>(en);
export const language = signal<Language>('en');
/** What the page says. Read it inside of a component, so that it is drawn again in another language. */
export const texts = computed(() => catalogue.value);
/** For numbers and times: the reader's own region, when it speaks this language. */
export const locale = computed(() => navigator.languages.find((tag) => tag.split('-')[0] === language.value) ?? language.value);

export async function startLanguage(): Promise<void> {
  const wanted = [remembered(key) ?? '', ...navigator.languages.map((tag) => tag.split('-')[0] ?? '')].find(isLanguage);
  if (wanted && wanted !== 'en') await speak(wanted).catch(() => {});
}

/** From now on in this language, also next time. */
export async function choose(wanted: Language): Promise<void> {
  await speak(wanted);
  remember(key, wanted);
}

async function speak(wanted: Language): Promise<void> {
  catalogue.value = filledUp(await loaders[wanted]());
  language.value = wanted;
  document.documentElement.lang = wanted;
}

const filledUp = (sentences: Sentences): Catalogue =>
  Object.fromEntries(Object.entries(en).map(([area, inEnglish]) => [area, { ...inEnglish, ...sentences[area as keyof Catalogue] }])) as Catalogue;

const isLanguage = (tag: string): tag is Language => Object.hasOwn(languages, tag);
