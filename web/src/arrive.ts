/** Where the focus is after a change of screens: what had it may have gone with the one before. */

let due = false;

/** Another screen is asked for. */
export function arriving(): void {
  due = true;
  arrive();
}

/** When the screen stands: its field that is to be filled in takes the focus, or its heading, when nothing has it. Screens that are still loaded call once more. */
export function arrive(): void {
  if (due) requestAnimationFrame(take);
}

function take(): void {
  const main = document.querySelector('main:not([aria-busy])');
  if (!due || !main) return;
  due = false;
  const field = matchMedia('(pointer: fine)').matches ? main.querySelector<HTMLElement>('input[autofocus]') : null;
  if (field) return field.focus();
  const heading = main.querySelector('h1');
  if (document.activeElement !== document.body || !heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}
