/** What has become of a message of the viewer, in one box, so that nothing shifts: one tick, two, two in a capsule. Under the newest one of a room, how many have read it. */
import { useEffect, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { ReadCountQuery, ReadCountQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { Icon } from '../../parts/icon.tsx';
import { type Chat, type Message, statusOf } from '../../state/state.ts';
import { line } from '../../store.ts';
import { texts } from '../../texts/texts.ts';
import { showReaders } from './message-actions.tsx';

const countDocument = operation<ReadCountQuery, ReadCountQueryVariables>(/* GraphQL */ `
  query ReadCount($id: ID!) { message(id: $id) { readCount } }
`);
/** Of a room in which not everybody is known here. */
const againMs = 10_000;

export function Receipt({ chat, message, small = false }: { chat: Chat; message: Message; small?: boolean }) {
  return <Tick status={statusOf(chat, message)} small={small} />;
}

export function Tick({ status, small = false }: { status: Message['status']; small?: boolean }) {
  const { message } = texts.value;
  const size = small ? 's' : '';
  if (status === 'READ') return <Icon name="tickr" class={`read ${size}`} label={message.read} />;
  if (status === 'DELIVERED') return <Icon name="tick2" class={size} label={message.delivered} />;
  return <Icon name="tick1" class={size} label={message.sent} />;
}

/** `count`: null where only the server knows. Its place is there beforehand. */
export function Seen({ message, count }: { message: Message; count: number | null }) {
  const [told, setTold] = useState(0);
  const isAsked = count === null && line.value === 'on';
  useEffect(() => {
    if (!isAsked) return;
    const read = (): void => {
      if (document.visibilityState === 'visible')
        ask(countDocument, { id: message.id }).then(
          ({ message: found }) => setTold(found?.readCount ?? 0),
          () => {},
        );
    };
    read();
    const timer = setInterval(read, againMs);
    return () => clearInterval(timer);
  }, [message.id, isAsked]);
  const shown = count ?? told;
  if (shown === 0) return <p class="seen" />;
  return (
    <button class="seen" type="button" aria-haspopup="dialog" onClick={() => showReaders(message)}>
      {texts.value.message.readBy(shown)}
    </button>
  );
}
