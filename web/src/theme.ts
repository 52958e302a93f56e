/** Light, dark, or like the system: chosen for this browser, in all its tabs. */
import { signal } from '@preact/signals';
import { remember, remembered } from './remember.ts';

export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const key = 'tertulia.theme';
export const theme = signal<Theme>('system');

/** Before the first drawing. */
export function startTheme(): void {
  show(remembered(key));
  addEventListener('storage', (event) => event.key === key && show(event.newValue));
}

export function chooseTheme(wanted: Theme): void {
  remember(key, wanted === 'system' ? null : wanted);
  show(wanted);
}

function show(wanted: string | null): void {
  theme.value = themes.find((each) => each === wanted) ?? 'system';
  const { dataset } = document.documentElement;
  if (theme.value === 'system') delete dataset.theme;
  else dataset.theme = theme.value;
}
