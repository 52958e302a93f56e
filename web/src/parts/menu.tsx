/** A button with a menu: arrows move, Enter does it, Esc closes and gives the focus back. A sheet from below on a phone (CSS). Above the items there may be a row of short ones. */
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { narrow } from '../narrow.ts';
import { Icon, type IconName } from './icon.tsx';

/** Between a menu and its button, and the edge of what scrolls. */
const gap = 8;
/** Less is no list. */
const least = 160;

export type MenuItem = {
  icon: IconName;
  text: string;
  danger?: boolean;
  /** Does the same where the menu is of something that has the focus. */
  keys?: string;
  act: () => void;
};

/** In the row above the items: a sign, and what it is called. */
export type QuickItem = { sign: string; name: string; chosen: boolean; act: () => void };

export function Menu({
  label,
  button,
  buttonLabel,
  buttonClass = 'ib',
  quick = [],
  items,
}: {
  label: string;
  button: ComponentChildren;
  /** Where what is on the button says nothing. */
  buttonLabel?: string;
  buttonClass?: string;
  quick?: readonly QuickItem[];
  items: readonly MenuItem[];
}) {
  const [open, setOpen] = useState(false);
  const [up, setUp] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (!open) return;
    shorten();
    list.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus();
    const outside = (event: Event): void => {
      if (!place.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [open]);
  if (items.length === 0) return null;

  /** A long one is no longer than the room for it. On a phone it has the whole screen. */
  function shorten(): void {
    const [box, button] = [list.current, place.current?.getBoundingClientRect()];
    if (!box || !button || narrow.value) return;
    const around = place.current?.closest('.scroll')?.getBoundingClientRect();
    const room = up ? button.top - (around?.top ?? 0) : (around?.bottom ?? innerHeight) - button.bottom;
    if (box.offsetHeight > room - gap) box.style.maxBlockSize = `${Math.max(least, room - gap)}px`;
  }
  function close(): void {
    setOpen(false);
    place.current?.querySelector('button')?.focus();
  }
  function keyed(event: KeyboardEvent): void {
    const all = [...(list.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
    const row = [...(list.current?.querySelectorAll<HTMLElement>('[role=menuitemcheckbox]') ?? [])];
    const inRow = row.indexOf(document.activeElement as HTMLElement);
    // The row is one stop above the others; along it one moves sideways.
    const stops = [...row.slice(0, 1), ...all];
    const at = inRow >= 0 ? 0 : stops.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + stops.length, Home: 0, End: stops.length - 1 }[event.key];
    const aside = { ArrowRight: inRow + 1, ArrowLeft: inRow - 1 + row.length }[event.key];
    if (to !== undefined) stops[to % stops.length]?.focus();
    else if (aside !== undefined && inRow >= 0) row[aside % row.length]?.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
  return (
    <div class="menu-place" ref={place} data-show={open ? '' : undefined} data-up={up ? '' : undefined}>
      <button
        class={buttonClass}
        type="button"
        aria-label={buttonLabel}
        aria-haspopup="menu"
        aria-expanded={open}
        onClick={(event) => {
          setUp(event.currentTarget.getBoundingClientRect().bottom > innerHeight * 0.6);
          setOpen(!open);
        }}
      >
        {button}
      </button>
      {open && (
        <div class="menu" role="menu" aria-label={label} ref={list} onKeyDown={keyed}>
          {quick.length > 0 && (
            <div class="quick" role="group">
              {quick.map(({ sign, name, chosen, act }) => (
                <button
                  key={sign}
                  type="button"
                  role="menuitemcheckbox"
                  tabIndex={-1}
                  aria-checked={chosen}
                  aria-label={name}
                  onClick={() => {
                    close();
                    act();
                  }}
                >
                  {sign}
                </button>
              ))}
            </div>
          )}
          {items.map(({ icon, text, danger, keys, act }) => (
            <button
              key={text}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class={danger ? 'danger' : undefined}
              onClick={() => {
                close();
                act();
              }}
            >
              <Icon name={icon} />
              {text}
              {keys && <kbd aria-hidden="true">{keys}</kbd>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
