/**
 * What of their chats notifies those who follow, kept in memory: a stream asks it at each message, of all who are handed it. Most have never said anything about
 * it, and are not looked up again until something of them changes.
 */
import { LRUCache } from 'lru-cache';
import type { Tail } from '../events/tail.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { tableOf, toDateOrNull } from '../storage/sql.ts';
import type { Level } from './levels.ts';
import type { ChatViews } from './views.ts';

export type KnownLevels = ReturnType<typeof createKnownLevels>;
type Place = { chatId: ChatId; userId: UserId };
type Said = { roomLevel: Level; chats: ReadonlyMap<ChatId, { level: Level | null; mutedUntil: Date | null }> };

const nothingSaid: Said = { roomLevel: 'ALL', chats: new Map() };
const mostKept = 200_000;

export function createKnownLevels({ db, tail, views, clock }: { db: Database; tail: Pick<Tail, 'onEvent' | 'onSkip'>; views: Pick<ChatViews, 'levelsOf'>; clock: () => Date }) {
  const people = new LRUCache<UserId, Said>({ maxSize: mostKept, sizeCalculation: ({ chats }) => 1 + chats.size });
  /** Who is being read, and by whom: what was read before a change must not be kept after it. */
  const reading = new Map<UserId, symbol>();
  const stopListening = tail.onEvent((event) => {
    if (event.type === 'account-changed' || event.type === 'chat-added' || event.type === 'chat-removed') forget(event.userId);
  });
  tail.onSkip(() => {
    people.clear();
    reading.clear();
  });
  return { find, read, close: stopListening };

  function forget(userId: UserId): void {
    people.delete(userId);
    reading.delete(userId);
  }

  /** What notifies a member now; null where the database must be asked. */
  function find({ chatId, userId }: Place): Level | null {
    const said = people.get(userId);
    if (!said) return null;
    const view = said.chats.get(chatId);
    if (view?.mutedUntil && view.mutedUntil > clock()) return 'NOTHING';
    if (view?.level) return view.level;
    // Dialogs have no part in the level of rooms: which of the two it is, is not known here.
    return said.roomLevel === 'ALL' ? 'ALL' : null;
  }

  /** The same of many members, in their order: those who are not known are read, and known from then on. */
  async function read(asked: readonly Place[]): Promise<Level[]> {
    await load([...new Set(asked.map(({ userId }) => userId))].filter((userId) => !people.has(userId)));
    const known = asked.map(find);
    const open = asked.filter((_, index) => known[index] === null);
    const levels = open.length > 0 ? await views.levelsOf(open) : [];
    return known.map((level) => level ?? (levels.shift() as Level));
  }

  async function load(userIds: readonly UserId[]): Promise<void> {
    if (userIds.length === 0) return;
    const mine = Symbol();
    for (const userId of userIds) reading.set(userId, mine);
    type Row = { userId: UserId; roomLevel: Level | null; chatId: ChatId | null; level: Level | null; mutedUntil: unknown };
    // Somebody may have said something of very many.
    const rows = await db.scan.all<Row>(
      `SELECT t."userId", s."roomLevel", v."chatId", v."level", v."mutedUntil" FROM ${tableOf(db.engine, 't', { userId: 'int' })}
       LEFT JOIN "NotificationSettings" s ON s."userId" = t."userId"
       LEFT JOIN "ChatView" v ON v."userId" = t."userId" AND (v."level" IS NOT NULL OR v."mutedUntil" IS NOT NULL)
       WHERE s."userId" IS NOT NULL OR v."userId" IS NOT NULL`,
      [userIds.map((userId) => ({ userId }))],
    );
    const said = new Map<UserId, { roomLevel: Level; chats: Map<ChatId, { level: Level | null; mutedUntil: Date | null }> }>();
    for (const { userId, roomLevel, chatId, level, mutedUntil } of rows) {
      if (!said.has(userId)) said.set(userId, { roomLevel: roomLevel ?? 'ALL', chats: new Map() });
      if (chatId !== null) said.get(userId)?.chats.set(chatId, { level, mutedUntil: toDateOrNull(mutedUntil) });
    }
    for (const userId of userIds) {
      if (reading.get(userId) !== mine) continue;
      reading.delete(userId);
      people.set(userId, said.get(userId) ?? nothingSaid);
    }
  }
}
