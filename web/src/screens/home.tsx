/** No chat is open: a greeting, and for a newcomer the first steps. */
import { Icon, type IconName } from '../parts/icon.tsx';
import { me, myChats } from '../store.ts';
import { texts } from '../texts/texts.ts';

export function Home() {
  const { home } = texts.value;
  const isNew = myChats.value.length === 0;
  return (
    <main class="pane">
      <div />
      <div class="scroll">
        <div class="empty">
          <h1>{home.greeting(new Date().getHours(), me.value?.displayName ?? '')}</h1>
          <p>{isNew ? home.nobodyWrote : home.pick}</p>
          {isNew && <FirstSteps />}
        </div>
      </div>
    </main>
  );
}

export function FirstSteps() {
  const { home } = texts.value;
  return (
    <nav class="todo" aria-label={home.firstSteps}>
      <Step href="/people" icon="person" title={home.write} hint={home.writeHint} />
      <Step href="/rooms" icon="rooms" title={home.look} hint={home.lookHint} />
      <Step href="/rooms/new" icon="plus" title={home.open} hint={home.openHint} />
    </nav>
  );
}

function Step({ href, icon, title, hint }: { href: string; icon: IconName; title: string; hint: string }) {
  return (
    <a href={href}>
      <Icon name={icon} />
      <b>{title}</b>
      <small>{hint}</small>
      <Icon name="next" class="s flip" />
    </a>
  );
}
