/** The frame: who is out sees the gate, who is in the rail, the shelf and one pane. */
import { useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { arriving } from './arrive.ts';
import { showsKeys } from './keyboard.ts';
import { Announcer } from './parts/announcer.tsx';
import { Confirm } from './parts/confirm.tsx';
import { ErrorBoundary } from './parts/error-boundary.tsx';
import { Icon, Mark } from './parts/icon.tsx';
import { lazy } from './parts/lazy.tsx';
import { PersonPicture } from './parts/picture.tsx';
import { route } from './route.ts';
import { Missing } from './screens/missing.tsx';
import { gate as Gate, screens } from './screens/screens.tsx';
import { Shelf } from './screens/shelf.tsx';
import { highlightTotal, noticesUnread, phase, state, unreadTotal } from './store.ts';
import { texts } from './texts/texts.ts';

const KeyList = lazy(() => import('./screens/key-list.tsx').then((module) => module.KeyList), { aside: true });

export function App() {
  useSignalEffect(() => {
    const title = phase.value.is === 'in' ? texts.value.app.title(unreadTotal.value, highlightTotal.value) : texts.value.app.title(0, 0);
    if (document.title !== title) document.title = title;
  });
  const [name = ''] = route.value;
  const place = phase.value.is === 'starting' ? null : [phase.value.is, ...route.value].join('/');
  const before = useRef<string | null>(null);
  useEffect(() => {
    // The page has just been opened: the browser puts the focus where it belongs.
    if (before.current !== null) arriving();
    before.current = place;
  }, [place]);
  if (phase.value.is === 'out' || name === 'reset-password') return <Gate />;
  if (phase.value.is === 'starting') return <div class="app" aria-busy="true" />;
  return <Inside />;
}

function Inside() {
  const [name = '', ...parts] = route.value;
  const screen = screens[name];
  const View = screen?.view ?? Missing;
  const isDeep = typeof screen?.deep === 'function' ? screen.deep(parts) : screen?.deep;
  return (
    <>
      {name === 'chat' && (
        <a class="skip" href="#messages">
          {texts.value.app.skip}
        </a>
      )}
      <div class="app" data-view={name === '' ? 'list' : 'pane'} data-deep={isDeep ? '' : undefined}>
        <Rail place={screen?.place ?? 'chats'} />
        <Shelf open={name === 'chat' ? (parts[0] ?? null) : null} />
        <ErrorBoundary key={name}>
          <View parts={parts} />
        </ErrorBoundary>
      </div>
      <Confirm />
      {showsKeys.value && <KeyList onClose={() => (showsKeys.value = false)} />}
      <Announcer />
    </>
  );
}

function Rail({ place }: { place: string }) {
  const { rail, app } = texts.value;
  const here = (which: string) => ({ 'aria-current': place === which ? ('page' as const) : undefined });
  return (
    <nav class="rail" aria-label={app.main}>
      <Mark />
      <ul>
        <li>
          <a href="/" title={rail.chats} {...here('chats')}>
            <Icon name="chats" />
            <span>{rail.chats}</span>
            <Count of={unreadTotal.value} />
          </a>
        </li>
        <li>
          <a href="/rooms" title={rail.rooms} {...here('rooms')}>
            <Icon name="rooms" />
            <span>{rail.rooms}</span>
          </a>
        </li>
        <li>
          <a href="/notices" title={rail.notices} {...here('notices')}>
            <Icon name="bell" />
            <span>{rail.notices}</span>
            <Count of={noticesUnread.value} />
          </a>
        </li>
        <li>
          <a href="/you" title={rail.you} {...here('you')}>
            <PersonPicture id={state.value.meId} presence />
            <span>{rail.you}</span>
          </a>
        </li>
      </ul>
    </nav>
  );
}

/** The number for the eye, the words for the ear. */
export function Count({ of, quiet = false }: { of: number; quiet?: boolean }) {
  if (of === 0) return null;
  return (
    <span class={quiet ? 'count quiet' : 'count'}>
      <span aria-hidden="true">{of > 99 ? '99+' : of}</span>
      <span class="vh">{texts.value.common.unread(of)}</span>
    </span>
  );
}
