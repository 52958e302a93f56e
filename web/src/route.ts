/** Where the reader is: the address, its screen, and moving about without loading the page again. */
import { computed, signal } from '@preact/signals';

const path = signal(location.pathname);
addEventListener('popstate', () => (path.value = location.pathname));

/** The parts of the address, decoded: `/chat/abc` is `['chat', 'abc']`, `/` is none. */
export const route = computed((): readonly string[] => path.value.split('/').filter(Boolean).map(decode));

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const addressOf = (...parts: readonly string[]): string => `/${parts.map(encodeURIComponent).join('/')}`;

export function go(address: string, { replace = false } = {}): void {
  if (address === location.pathname + location.hash) return;
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  path.value = location.pathname;
}

/** One listener for all links of the page: those that lead to itself move inside it. */
export function followLinks(): void {
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (link.target || link.download || link.origin !== location.origin || /^\/(files|graphql|sign-in)\b/.test(link.pathname)) return;
    event.preventDefault();
    if (!link.hash) return go(link.pathname);
    go(link.pathname + link.hash);
    document.getElementById(link.hash.slice(1))?.focus();
  });
}
