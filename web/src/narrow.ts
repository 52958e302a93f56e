/** Whether there is room for one thing at a time only: a phone, or a page that is zoomed. The same width as in the styles. */
import { signal } from '@preact/signals';

const query = matchMedia('(max-width: 45rem)');
export const narrow = signal(query.matches);
query.addEventListener('change', () => (narrow.value = query.matches));
