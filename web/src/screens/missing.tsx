/** An address behind which there is nothing, or nothing for the viewer. */
import { texts } from '../texts/texts.ts';

export function Missing() {
  const { app } = texts.value;
  return (
    <main class="pane">
      <div />
      <div class="empty">
        <h1>{app.missing}</h1>
        <a class="btn" href="/">
          {app.toChats}
        </a>
      </div>
    </main>
  );
}
