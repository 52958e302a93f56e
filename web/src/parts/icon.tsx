/** The icons: 20 × 20, drawn with a stroke that CSS sets. Alone they need a label; beside a word they have none. */
import type { ComponentChildren } from 'preact';

const shapes = {
  chats: <path d="M3 5.5A2.5 2.5 0 0 1 5.5 3h9A2.5 2.5 0 0 1 17 5.5v6a2.5 2.5 0 0 1-2.5 2.5H9l-4 3v-3a2 2 0 0 1-2-2z" />,
  rooms: (
    <>
      <circle cx="10" cy="10" r="7.25" />
      <path d="m13 7-1.6 4.4L7 13l1.6-4.4z" />
    </>
  ),
  bell: <path d="M5 8.5a5 5 0 0 1 10 0c0 4 1.5 5 1.5 5.5h-13C3.5 13.5 5 12.5 5 8.5M8 16.75a2.2 2.2 0 0 0 4 0" />,
  quiet: <path d="M5 8.5a5 5 0 0 1 8.2-3.85M15 8.5c0 4 1.5 5 1.5 5.5H6.5M4.4 12.2c-.3.8-.9 1.4-.9 1.8M8 16.75a2.2 2.2 0 0 0 4 0M3 3l14 14" />,
  search: (
    <>
      <circle cx="9" cy="9" r="5.25" />
      <path d="m13 13 4 4" />
    </>
  ),
  plus: <path d="M10 4v12M4 10h12" />,
  minus: <path d="M4 10h12" />,
  back: <path d="m12 4-6 6 6 6" />,
  next: <path d="m8 4 6 6-6 6" />,
  more: <path d="M4.5 10h.01M10 10h.01M15.5 10h.01" stroke-width="2.25" />,
  close: <path d="m5 5 10 10M15 5 5 15" />,
  clip: <path d="m16 9.5-5.7 5.7a3.7 3.7 0 0 1-5.2-5.2l6-6a2.45 2.45 0 0 1 3.5 3.5l-5.9 5.9a1.2 1.2 0 0 1-1.75-1.75L12.25 6.5" />,
  send: <path d="M10 16V4.5M5 9l5-5 5 5" />,
  down: <path d="M10 4v11.5M5 11l5 5 5-5" />,
  save: <path d="M10 3v9.5M6 9l4 4 4-4M4 16.5h12" />,
  clock: (
    <>
      <circle cx="10" cy="10" r="6.5" />
      <path d="M10 6.5V10l2.25 1.5" />
    </>
  ),
  tick1: <path d="m5 10.5 3.25 3.25L15 6.5" />,
  tick2: <path d="m1.5 10.5 3.25 3.25L11.5 6.5M9.5 13l.75.75L17.5 6.5" />,
  tickr: (
    <>
      <rect x=".75" y="3.5" width="18.5" height="13" rx="6.5" fill="currentColor" stroke="none" />
      <path d="m4.5 10.3 2.2 2.2L11.2 7.5M10 12.4l.3.3 4.7-5.2" stroke="var(--tick-ground, var(--leaf))" stroke-width="1.7" />
    </>
  ),
  warn: (
    <>
      <circle cx="10" cy="10" r="7" />
      <path d="M10 6.25v4.5M10 13.6h.01" />
    </>
  ),
  trash: <path d="M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10M8.5 9v4.5M11.5 9v4.5" />,
  edit: <path d="m4 16 .75-3.5L13 4.25a1.6 1.6 0 0 1 2.25 0l.5.5a1.6 1.6 0 0 1 0 2.25L7.5 15.25z" />,
  copy: (
    <>
      <rect x="7" y="7" width="9.5" height="9.5" rx="2" />
      <path d="M13 7V5.5a2 2 0 0 0-2-2H5.5a2 2 0 0 0-2 2V11a2 2 0 0 0 2 2H7" />
    </>
  ),
  eye: (
    <>
      <path d="M2.5 10S5 5 10 5s7.5 5 7.5 5-2.5 5-7.5 5-7.5-5-7.5-5z" />
      <circle cx="10" cy="10" r="2.25" />
    </>
  ),
  people: (
    <>
      <circle cx="7.5" cy="7" r="2.75" />
      <path d="M2.5 16c0-3 2.2-4.75 5-4.75s5 1.75 5 4.75M13 4.5a2.75 2.75 0 0 1 0 5M15 11.75c1.6.6 2.5 2.15 2.5 4.25" />
    </>
  ),
  person: (
    <>
      <circle cx="10" cy="6.75" r="3.25" />
      <path d="M3.75 17c.4-3.5 2.9-5.25 6.25-5.25s5.85 1.75 6.25 5.25" />
    </>
  ),
  'person-add': (
    <>
      <circle cx="8" cy="6.75" r="3" />
      <path d="M2.5 16.5c.35-3.25 2.5-4.9 5.5-4.9 1.1 0 2.1.2 2.9.65M15 11.5v5M12.5 14h5" />
    </>
  ),
  'person-in': (
    <>
      <circle cx="8" cy="6.75" r="3" />
      <path d="M2.5 16.5c.35-3.25 2.5-4.9 5.5-4.9 1.1 0 2.1.2 2.9.65M12.25 14.25l2 2 3.5-4" />
    </>
  ),
  lock: (
    <>
      <rect x="4.5" y="9" width="11" height="7.5" rx="2" />
      <path d="M7 9V6.5a3 3 0 0 1 6 0V9" />
    </>
  ),
  key: (
    <>
      <circle cx="6.75" cy="13.25" r="3" />
      <path d="m9 11 7-7M13 7l2.5 2.5" />
    </>
  ),
  globe: (
    <>
      <circle cx="10" cy="10" r="7.25" />
      <path d="M2.75 10h14.5M10 2.75c5 5 5 9.5 0 14.5-5-5-5-9.5 0-14.5z" />
    </>
  ),
  link: <path d="M8.5 11.5a3 3 0 0 0 4.25 0l3-3A3 3 0 0 0 11.5 4.25l-1 1M11.5 8.5a3 3 0 0 0-4.25 0l-3 3a3 3 0 0 0 4.25 4.25l1-1" />,
  phone: (
    <>
      <rect x="6" y="2.5" width="8" height="15" rx="2" />
      <path d="M9 15h2" />
    </>
  ),
  laptop: (
    <>
      <rect x="4" y="4" width="12" height="8.5" rx="1.5" />
      <path d="M2.5 15.5h15" />
    </>
  ),
  pin: <path d="M7.5 3.5h5l-.5 5 2.5 2.75h-9L8 8.5zM10 11.25V17" />,
  bookmark: <path d="M5.5 3.5h9V17L10 13.5 5.5 17z" />,
  history: (
    <>
      <path d="M3.75 10a6.25 6.25 0 1 0 2-4.6L3.5 7.5" />
      <path d="M3.5 4v3.5H7M10 6.75V10l2.25 1.5" />
    </>
  ),
  thread: <path d="M3 5.5A2.5 2.5 0 0 1 5.5 3h9A2.5 2.5 0 0 1 17 5.5v5a2.5 2.5 0 0 1-2.5 2.5H9l-4 3.5V13a2 2 0 0 1-2-2zM6.5 6.75h7M6.5 9.5h4.5" />,
  reply: <path d="m8 5-5 5 5 5M3.5 10H11c3.5 0 6 2 6 5.5" />,
  forward: <path d="m12 5 5 5-5 5M16.5 10H9c-3.5 0-6 2-6 5.5" />,
  smile: (
    <>
      <circle cx="10" cy="10" r="7.25" />
      <path d="M7 12c1.5 2 4.5 2 6 0M7.5 8h.01M12.5 8h.01" />
    </>
  ),
  off: <path d="M3 3l14 14M6.5 9.5A6 6 0 0 1 8 8.6M11.5 8.2a6 6 0 0 1 2.5 1.5M3.5 7a10 10 0 0 1 2.75-1.7M9.5 4.5A10 10 0 0 1 16.5 7M10 15h.01" />,
  image: (
    <>
      <rect x="3" y="4" width="14" height="12" rx="2" />
      <circle cx="7.25" cy="8" r="1.25" />
      <path d="m3.5 14 4-3.5 2.5 2 3-2.75 3.5 3.25" />
    </>
  ),
} satisfies Record<string, ComponentChildren>;

export type IconName = keyof typeof shapes;

export function Icon({ name, label, class: extra = '' }: { name: IconName; label?: string; class?: string }) {
  return (
    <svg class={`i ${extra}`} viewBox="0 0 20 20" {...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' })}>
      {shapes[name]}
    </svg>
  );
}

/** Five seats round a table; the green one is yours. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 28 28" width="28" height="28" aria-hidden="true">
      <circle cx="14" cy="14" r="6.25" fill="none" stroke="currentColor" stroke-width="1.75" />
      <g fill="currentColor">
        <circle cx="14" cy="3" r="2" />
        <circle cx="24.5" cy="10.6" r="2" />
        <circle cx="20.5" cy="22.9" r="2" />
        <circle cx="7.5" cy="22.9" r="2" />
      </g>
      <circle cx="3.5" cy="10.6" r="2.25" class="seat" />
    </svg>
  );
}
