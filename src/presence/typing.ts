/** Who is typing: never stored, and over by itself. Other servers are told, and tell their people; what is lost on the way is over there by itself, too. */
import { must } from '../chats/access.ts';
import type { ChatRef, Chats } from '../chats/chats.ts';
import type { Config } from '../config.ts';
import { notFound } from '../errors.ts';
import type { Tail } from '../events/tail.ts';
import type { ChatId, MessageId, UserId } from '../ids.ts';
import type { Messages } from '../messages/messages.ts';
import type { Bridge } from '../nodes/bridge.ts';
import type { Viewer } from '../viewer.ts';

export type Typing = ReturnType<typeof createTyping>;

/** Somebody types in one place of a chat at a time: in a thread, or outside of them. */
type Typist = { chatId: ChatId; userId: UserId; threadRootId: MessageId | null; toldAt: number; timer: NodeJS.Timeout };

export function createTyping({
  tail,
  chats,
  messages,
  bridge,
  config,
  clock,
}: {
  tail: Tail;
  chats: Chats;
  messages: Pick<Messages, 'find'>;
  bridge: Bridge;
  config: Config;
  clock: () => Date;
}) {
  const typists = new Map<string, Typist>();
  const stopListening = tail.onEvent((event) => {
    // Who has sent it is no longer typing it.
    if (event.type === 'message-added' && event.message) stop(event.chatId, event.message.senderId);
  });
  bridge.on('typing', (word) => {
    const [chatId, userId, active, threadRootId = null] = word as [ChatId, UserId, boolean, MessageId?];
    if (active) start(chatId, userId, threadRootId, new Date(clock().getTime() + config.TYPING_SECONDS * 1000), 0);
    else over(chatId, userId);
  });
  return { set, close };

  /** Tells the other members; a repeat is passed on at most every few seconds. Returns when it is over by itself. Fails with NOT_FOUND or FORBIDDEN. */
  async function set(viewer: Viewer, ref: ChatRef, active: boolean, threadRootId: MessageId | null): Promise<Date> {
    const chat = must('type', await chats.findStanding(viewer, ref));
    if (threadRootId !== null && (await messages.find(viewer, threadRootId))?.chatId !== chat.id) throw notFound('Message');
    const now = clock();
    // A dialog that is not open yet has nobody who could be told.
    if (chat.id === 0) return active ? new Date(now.getTime() + config.TYPING_SECONDS * 1000) : now;
    if (!active) {
      stop(chat.id, viewer.userId);
      return now;
    }
    const expiresAt = new Date(now.getTime() + config.TYPING_SECONDS * 1000);
    if (start(chat.id, viewer.userId, threadRootId, expiresAt, config.TYPING_REPEAT_SECONDS * 1000))
      bridge.tell('typing', threadRootId === null ? [chat.id, viewer.userId, true] : [chat.id, viewer.userId, true, threadRootId]);
    return expiresAt;
  }

  /** False when the others were told within this time. */
  function start(chatId: ChatId, userId: UserId, threadRootId: MessageId | null, expiresAt: Date, quietMs: number): boolean {
    const key = `${chatId} ${userId}`;
    if (typists.get(key)?.threadRootId !== threadRootId) over(chatId, userId);
    const known = typists.get(key);
    const setAt = performance.now();
    clearTimeout(known?.timer);
    const quiet = known !== undefined && setAt - known.toldAt < quietMs;
    const timer = setTimeout(() => over(chatId, userId), config.TYPING_SECONDS * 1000);
    timer.unref();
    typists.set(key, { chatId, userId, threadRootId, toldAt: quiet ? known.toldAt : setAt, timer });
    if (!quiet) tell(chatId, userId, threadRootId, true, expiresAt);
    return !quiet;
  }

  /** Said by the person: others hear of it. */
  function stop(chatId: ChatId, userId: UserId): void {
    if (over(chatId, userId)) bridge.tell('typing', [chatId, userId, false]);
  }

  /** False for somebody who was not typing. */
  function over(chatId: ChatId, userId: UserId): boolean {
    const key = `${chatId} ${userId}`;
    const known = typists.get(key);
    if (!known) return false;
    clearTimeout(known.timer);
    typists.delete(key);
    tell(chatId, userId, known.threadRootId, false, clock());
    return true;
  }

  function tell(chatId: ChatId, userId: UserId, threadRootId: MessageId | null, active: boolean, expiresAt: Date): void {
    tail.tell(chatId, 'TYPING', { type: 'typing-changed', chatId, userId, threadRootId, active, expiresAt }, userId);
  }

  function close(): void {
    stopListening();
    for (const { timer } of typists.values()) clearTimeout(timer);
  }
}
