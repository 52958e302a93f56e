/** Says that there is no line. It covers what is below instead of pushing it, and waits a moment: a page that begins has none yet. */
import { tryNow } from '../line.ts';
import { line } from '../store.ts';
import { texts } from '../texts/texts.ts';
import { Icon } from './icon.tsx';

export function OfflineStrip() {
  if (line.value === 'on') return null;
  const { chat } = texts.value;
  return (
    <div class="strip" role="status">
      <Icon name="off" class="s" />
      <span>{chat.offline}</span>
      <button class="link" type="button" onClick={tryNow}>
        {chat.tryNow}
      </button>
    </div>
  );
}
