/** What has become of a message of the viewer, in one box, so that nothing shifts: one tick, two, two in a capsule. */
import { Icon } from '../../parts/icon.tsx';
import { type Chat, type Message, statusOf } from '../../state/state.ts';
import { texts } from '../../texts/texts.ts';

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
