/** Who is told what: the people who have streams, the chats they are in, and the streams of one chat or of one session. Memberships are true up to the newest event. */
import type { ChatId, SessionId, UserId } from '../ids.ts';
import { addTo, dropFrom, type MultiMap } from '../multimap.ts';
import type { Database } from '../storage/database.ts';
import { addresseesOf, type LogEvent } from './event.ts';
import { newestText } from './event-log.ts';
import type { Joined, Person, Stream } from './stream.ts';

export type Audience = ReturnType<typeof createAudience>;
export function createAudience({ db, lost }: { db: Database; lost: (stream: Stream) => void }) {
  const people = new Map<UserId, Person>();
  const byChat: MultiMap<ChatId, Person> = new Map();
  /** Streams of one chat, of members or guests. */
  const byRoom: MultiMap<ChatId, Stream> = new Map();
  const bySession: MultiMap<SessionId, Stream> = new Map();
  return { personOf, add, addToRoom, remove, learn, forget, isAnybody, ofEvent, ofSession, ofRoom, ofChat, all };

  /** Loads the chats of a person together with the position they are true for; changes that come meanwhile are applied when they are newer. */
  function personOf(userId: UserId): Person {
    const known = people.get(userId);
    if (known) return known;
    const person: Person = { userId, chats: new Map(), streams: new Set(), loading: null, missed: [] };
    people.set(userId, person);
    person.loading = load(person);
    person.loading.catch(() => {
      // The next one to follow tries again.
      if (people.get(userId) === person) people.delete(userId);
    });
    return person;
  }

  async function load(person: Person): Promise<void> {
    const rows = await db.sql.all<{ last: number; chatId: ChatId | null; joinedSeq: number | null }>(
      `SELECT ${newestText(db.engine)} AS "last", m."chatId", m."joinedSeq" FROM "EventHead" h LEFT JOIN "Member" m ON m."userId" = ? WHERE h."id" = 1`,
      [person.userId],
    );
    if (people.get(person.userId) !== person) return;
    for (const { chatId, joinedSeq } of rows) if (chatId !== null) addChat(person, chatId, { seq: joinedSeq ?? 0 });
    person.loading = null;
    for (const event of person.missed) if (event.number > Number(rows[0]?.last ?? 0)) apply(person, event);
    person.missed = [];
  }

  function add(stream: Stream): void {
    stream.person.streams.add(stream);
    addTo(bySession, stream.options.sessionId, stream);
    if (stream.options.only) for (const chatId of stream.chatIds ?? []) addTo(byRoom, chatId, stream);
  }

  /** The chat of a stream of one chat has come to be. */
  function addToRoom(stream: Stream, chatId: ChatId): void {
    addTo(byRoom, chatId, stream);
  }

  function remove(stream: Stream): void {
    const { person, options } = stream;
    person.streams.delete(stream);
    dropFrom(bySession, options.sessionId, stream);
    if (options.only) for (const chatId of stream.chatIds ?? []) dropFrom(byRoom, chatId, stream);
    if (person.streams.size > 0 || people.get(person.userId) !== person) return;
    people.delete(person.userId);
    for (const chatId of person.chats.keys()) dropFrom(byChat, chatId, person);
  }

  /** Who is in which chat from now on. */
  function learn(event: LogEvent): void {
    if (event.type !== 'chat-added' && event.type !== 'chat-removed') return;
    const person = people.get(event.userId);
    if (!person) return;
    if (person.loading) person.missed.push(event);
    else apply(person, event);
  }

  /** Whoever opens a stream from now on is looked up anew. */
  function forget(): void {
    people.clear();
    byChat.clear();
  }

  function apply(person: Person, event: LogEvent): void {
    if (event.type === 'chat-added') addChat(person, event.chatId, { number: event.number });
    if (event.type !== 'chat-removed') return;
    person.chats.delete(event.chatId);
    dropFrom(byChat, event.chatId, person);
    for (const stream of ofRoom(event.chatId)) if (stream.person === person) lost(stream);
  }

  function addChat(person: Person, chatId: ChatId, joined: Joined): void {
    person.chats.set(chatId, joined);
    addTo(byChat, chatId, person);
  }

  // ---------------------------------------------------------------- asking

  function isAnybody(): boolean {
    return people.size > 0;
  }

  /** The streams of those whom an event may be told. */
  function ofEvent(event: LogEvent): Iterable<Stream> {
    const addressees = addresseesOf[event.type];
    if (addressees === 'everyone') return all();
    if (addressees === 'person') return people.get((event as { userId: UserId }).userId)?.streams ?? [];
    return addressees === 'chat' ? ofChat((event as { chatId: ChatId }).chatId) : [];
  }

  function ofSession(sessionId: SessionId): Iterable<Stream> {
    return bySession.get(sessionId) ?? [];
  }

  /** The streams of this chat alone. */
  function ofRoom(chatId: ChatId): Iterable<Stream> {
    return byRoom.get(chatId) ?? [];
  }

  /** The streams that carry what happens in a chat. */
  function ofChat(chatId: ChatId): Stream[] {
    const streams: Stream[] = [];
    for (const person of byChat.get(chatId) ?? []) for (const stream of person.streams) if (!stream.options.only) streams.push(stream);
    for (const stream of ofRoom(chatId)) streams.push(stream);
    return streams;
  }

  function* all(): Iterable<Stream> {
    for (const person of people.values()) yield* person.streams;
  }
}
