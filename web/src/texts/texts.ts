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

let english: Partial<Catalogue> = en;
let spoken: Sentences = {};
/** What is not there yet belongs to screens that are not loaded yet either. */
const catalogue = signal(en as Catalogue);
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

/** For screens that are loaded when they are shown. */
export async function loadMore(): Promise<void> {
  const { more } = await import('./en-more.ts');
  if ('rooms' in english) return;
  english = { ...english, ...more };
  catalogue.value = filledUp();
}

async function speak(wanted: Language): Promise<void> {
  spoken = wanted === 'en' ? {} : await loaders[wanted]();
  catalogue.value = filledUp();
  language.value = wanted;
  document.documentElement.lang = wanted;
}

/** What a language lacks is said in English. */
function filledUp(): Catalogue {
  const areas = [...new Set([...Object.keys(english), ...Object.keys(spoken)])] as (keyof Catalogue)[];
  return Object.fromEntries(areas.map((area) => [area, { ...english[area], ...spoken[area] }])) as Catalogue;
}

const isLanguage = (tag: string): tag is Language => Object.hasOwn(languages, tag);
