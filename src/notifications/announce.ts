/** What is told of a notification when its message is stored. */
import type { Announce } from '../messages/batch.ts';

/** Right behind a message, where there is anybody to notify. */
export const announce: Announce = ({ chat, seq, others }) => (others > 0 ? [{ type: 'notification-added', chatId: chat.id, seq }] : []);
