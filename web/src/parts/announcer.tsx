/** What a screen reader says of itself, once and politely: new messages of others. More than three in a moment are summed up. */
import { signal } from '@preact/signals';

const said = signal<readonly { id: number; text: string }[]>([]);
const alarms = signal('');
let next = 0;

export function announce(text: string): void {
  said.value = [...said.value.slice(-9), { id: next++, text }];
}

/** For what must not be missed, such as a message that was not sent. */
export function alarm(text: string): void {
  alarms.value = '';
  setTimeout(() => (alarms.value = text), 50);
}

export function Announcer() {
  return (
    <>
      <div class="vh" role="log" aria-live="polite">
        {said.value.map(({ id, text }) => (
          <p key={id}>{text}</p>
        ))}
      </div>
      <div class="vh" role="alert">
        {alarms.value}
      </div>
    </>
  );
}
