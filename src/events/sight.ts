/** What the person of a stream may see, as of now, and which chats a stream is about. */
import DataLoader from 'dataloader';
import type { ChatId, UserId } from '../ids.ts';
import { type Soon, whenDone } from '../polled.ts';
import type { Database } from '../storage/database.ts';
import { dialogIds, type Pair, pairKey, pairOf } from '../storage/dialogs.ts';
import type { Audience } from './audience.ts';
import { addresseesOf, type EventOf, type LogEvent } from './event.ts';
import type { Patience } from './patience.ts';
import { isNotified, type Stream } from './stream.ts';

export type Sight = ReturnType<typeof createSight>;

export function createSight({
  db,
  audience,
  patience,
  canRead,
}: {
  db: Database;
  audience: Pick<Audience, 'addToRoom'>;
  patience: Patience;
  /** Whether a person may read a chat without being a member. */
  canRead: (userId: UserId, chatId: ChatId) => Promise<boolean>;
}) {
  /** What a person's new name is to each of their dialogs. */
  const dialogsUpdated = new WeakMap<LogEvent, Map<ChatId, LogEvent>>();
  /** Many streams ask for theirs at once. Nothing is remembered. */
  const dialogs = new DataLoader<Pair, ChatId | null>(chatsOf, { cache: false, maxBatchSize: 500 });
  return { asSeen, isReadable, findDialogs, openDialog };

  /** An event as it is for the stream's person, or null. `isReadable` says it of a stream's one chat. Asked when it is handed out, not when it was queued. */
  function asSeen(stream: Stream, event: LogEvent, isReadable: () => Soon<boolean>): Soon<LogEvent | null> {
    const { person, options } = stream;
    const seenIf = (isIn: boolean): LogEvent | null => (isIn ? event : null);
    // A chat left since yields its removal only.
    if (event.type === 'chat-added' || event.type === 'my-chat-changed' || event.type === 'my-thread-changed') return seenIf(person.chats.has(event.chatId));
    if (event.type === 'notification-added') return seenIf(isNotified(person, event));
    if (event.type === 'peer-updated') return ownDialogUpdated(stream, event);
    if (addresseesOf[event.type] !== 'chat') return event;
    if (options.only) return whenDone(isReadable(), seenIf);
    // Whoever was removed and added again, while the stream was behind, was not there in between.
    const joined = person.chats.get((event as { chatId: ChatId }).chatId);
    return seenIf(joined !== undefined && ('seq' in joined || event.number > joined.number));
  }

  async function ownDialogUpdated(stream: Stream, event: EventOf<'peer-updated'>): Promise<LogEvent | null> {
    const { number, at, userId } = event;
    const { options, person, chatIds } = stream;
    if (person.chats.size === 0) return null;
    const chatId = await patience.insist(stream, () => dialogs.load(pairOf(userId, options.userId)));
    if (chatId === null || !person.chats.has(chatId) || chatIds?.has(chatId) === false) return null;
    // The same for all who have this dialog: what is read for it is read once.
    const ofDialogs = dialogsUpdated.get(event) ?? new Map<ChatId, LogEvent>();
    dialogsUpdated.set(event, ofDialogs);
    const updated = ofDialogs.get(chatId) ?? { type: 'chat-updated', number, at, chatId };
    ofDialogs.set(chatId, updated);
    return updated;
  }

  /** Whether the person may still read the stream's one chat. */
  function isReadable(stream: Stream): Soon<boolean> {
    const [chatId] = stream.chatIds ?? [];
    const { recheck } = stream;
    stream.recheck = false;
    if (!recheck || chatId === undefined || stream.person.chats.has(chatId)) return true;
    return patience.insist(stream, () => canRead(stream.options.userId, chatId));
  }

  // ---------------------------------------------------------------- dialogs of a filter

  /** Which of the filter's dialogs are open by now. The stream reads the log only afterwards, so one that opens meanwhile is seen there. */
  async function findDialogs(stream: Stream): Promise<void> {
    const pairs = [...stream.unopened];
    for (const [index, chatId] of (await chatsOf(pairs)).entries()) if (chatId !== null) toChat(stream, pairs[index] as Pair, chatId);
  }

  /** A dialog of the filter may have got its chat. */
  function openDialog(stream: Stream, event: LogEvent): void {
    if (event.type === 'chat-added' && event.dialog && stream.unopened.length > 0) toChat(stream, event.dialog, event.chatId);
  }

  function toChat(stream: Stream, { low, high }: Pair, chatId: ChatId): void {
    const index = stream.unopened.findIndex((pair) => pair.low === low && pair.high === high);
    if (index < 0) return;
    stream.unopened.splice(index, 1);
    stream.chatIds?.add(chatId);
    if (stream.options.only) audience.addToRoom(stream, chatId);
  }

  /** The chats of dialogs; null for one that is not open. */
  async function chatsOf(pairs: readonly Pair[]): Promise<(ChatId | null)[]> {
    const ids = await dialogIds(db.sql, pairs);
    return pairs.map((pair) => ids.get(pairKey(pair)) ?? null);
  }
}
