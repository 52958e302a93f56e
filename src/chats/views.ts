/** A member's own view of a chat, the same on all devices: what of it notifies them, whether it is muted, put away, kept on top, or to come back to. Others learn nothing of it. */
import { createProblems, notFound, type Problems } from '../errors.ts';
import type { NewEvent } from '../events/event.ts';
import type { Append, WriteBatch } from '../events/write.ts';
import { type ChatId, placeKey, type UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import { lockChats } from '../storage/locks.ts';
import type { ChatRow } from '../storage/rows.ts';
import { tableOf, toDateOrNull } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { can } from './access.ts';
import { type ChatRef, type Chats, refOf, standing } from './chats.ts';
import { joinLevel, type Level, levelText, unmutedText } from './levels.ts';

export type ChatViews = ReturnType<typeof createChatViews>;
export type ChatView = {
  /** What they said of this chat. */
  ownLevel: Level | null;
  /** What notifies, were it not muted. */
  level: Level;
  /** And what does now. */
  levelNow: Level;
  /** Null when it is over. */
  mutedUntil: Date | null;
  archived: boolean;
  pinnedAt: Date | null;
  markedUnread: boolean;
};
/** Absent or undefined: stays as it is. Null returns to the default, or ends it; the last three cannot be null. */
export type ViewChanges = { level?: Level | null; mutedUntil?: Date | null; archived?: boolean | null; pinned?: boolean | null; markedUnread?: boolean | null };

type Row = { level: string | null; mutedUntil: unknown; archivedSeq: number | null; pinnedAt: unknown; markedUnread: unknown };

const plainRow: Row = { level: null, mutedUntil: null, archivedSeq: null, pinnedAt: null, markedUnread: false };
const longestMuteYears = 10;

/** Adds to `problems` when a time is past, or further ahead than it may be. */
export function checkFuture(problems: Problems, field: string, time: Date, now: Date): void {
  const last = new Date(now);
  last.setUTCFullYear(last.getUTCFullYear() + longestMuteYears);
  if (time <= now || time > last) problems.add(field, 'future', `This is a time to come, at most ${longestMuteYears} years ahead.`);
}

export function createChatViews({ db, writeBatch, chats, clock }: { db: Database; writeBatch: WriteBatch; chats: Pick<Chats, 'find'>; clock: () => Date }) {
  return { update, ofPlaces, levelsOf, eraseAll };

  /** The same again tells nobody. Fails with NOT_FOUND for who is no member, also in a dialog before its first message, or VALIDATION_FAILED. */
  async function update(viewer: Viewer, ref: ChatRef, changes: ViewChanges): Promise<ChatRow> {
    const problems = createProblems();
    for (const field of ['archived', 'pinned', 'markedUnread'] as const) if (changes[field] === null) problems.add(field, 'required', 'This cannot be empty.');
    if (changes.mutedUntil) checkFuture(problems, 'mutedUntil', changes.mutedUntil, clock());
    problems.check();
    const found = await chats.find(viewer, ref);
    if (!found || found.id === 0) throw notFound('Chat');
    return writeBatch(async (sql, number) => {
      const { userId } = viewer;
      const [locked] = await lockChats(sql, [found.id]);
      const { chat, member, banned } = locked ? await standing(sql, userId, refOf(locked)) : { chat: null, member: null, banned: false };
      if (!chat || !member || !can('read', { chat, member, banned })) throw notFound('Chat');
      const [before = plainRow] = await sql.all<Row>(
        'SELECT "level", "mutedUntil", "archivedSeq", "pinnedAt", "markedUnread" FROM "ChatView" WHERE "chatId" = ? AND "userId" = ?',
        [chat.id, userId],
      );
      const [mutedBefore, pinnedBefore, markedBefore] = [toDateOrNull(before.mutedUntil), toDateOrNull(before.pinnedAt), Boolean(before.markedUnread)];
      const level = changes.level === undefined ? before.level : changes.level;
      const mutedUntil = changes.mutedUntil === undefined ? mutedBefore : changes.mutedUntil;
      const archivedSeq = changes.archived == null || changes.archived === (before.archivedSeq !== null) ? before.archivedSeq : changes.archived ? chat.lastSeq : null;
      const pinnedAt = changes.pinned == null || changes.pinned === (pinnedBefore !== null) ? pinnedBefore : changes.pinned ? clock() : null;
      const markedUnread = changes.markedUnread ?? markedBefore;
      const counts = level !== before.level || mutedUntil?.getTime() !== mutedBefore?.getTime() || archivedSeq !== before.archivedSeq;
      if (!counts && pinnedAt === pinnedBefore && markedUnread === markedBefore) return chat;
      await sql.all(
        `INSERT INTO "ChatView" ("chatId", "userId", "level", "mutedUntil", "archivedSeq", "pinnedAt", "markedUnread") VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT ("chatId", "userId") DO UPDATE SET "level" = excluded."level", "mutedUntil" = excluded."mutedUntil", "archivedSeq" = excluded."archivedSeq",
           "pinnedAt" = excluded."pinnedAt", "markedUnread" = excluded."markedUnread"`,
        [chat.id, userId, level, mutedUntil, archivedSeq, pinnedAt, markedUnread],
      );
      // What is counted in all chats together changes with the first three.
      await number([{ type: 'my-chat-changed', chatId: chat.id, userId }, ...(counts ? [{ type: 'account-changed', userId } satisfies NewEvent] : [])]);
      return chat;
    });
  }

  /** In their order; null for who is no member. One statement for any number. */
  async function ofPlaces(asked: readonly { chatId: ChatId; userId: UserId }[]): Promise<(ChatView | null)[]> {
    const now = clock();
    const rows = await db.sql.all<Omit<Row, 'level'> & { chatId: ChatId; userId: UserId; ownLevel: Level | null; levelNow: Level; level: Level }>(
      `SELECT b."chatId", b."userId", v."level" AS "ownLevel", ${levelText} AS "levelNow", ${unmutedText} AS "level",
         v."mutedUntil", v."archivedSeq", v."pinnedAt", v."markedUnread" FROM ${tableOf(db.engine, 't', { chatId: 'int', userId: 'int' })}
       JOIN "Member" b ON b."chatId" = t."chatId" AND b."userId" = t."userId" JOIN "Chat" c ON c."id" = b."chatId" ${joinLevel}`,
      [now, asked.map(({ chatId, userId }) => ({ chatId, userId }))],
    );
    const byPlace = new Map(
      rows.map((row): [string, ChatView] => {
        const mutedUntil = toDateOrNull(row.mutedUntil);
        const { ownLevel, level, levelNow, archivedSeq } = row;
        return [
          placeKey(row),
          {
            ownLevel,
            level,
            levelNow,
            mutedUntil: mutedUntil && mutedUntil > now ? mutedUntil : null,
            archived: archivedSeq !== null,
            pinnedAt: toDateOrNull(row.pinnedAt),
            markedUnread: Boolean(row.markedUnread),
          },
        ];
      }),
    );
    return asked.map((place) => byPlace.get(placeKey(place)) ?? null);
  }

  /** What notifies members now, in their order. Those who never said anything are in no row of the answer: there may be very many, at each message. */
  async function levelsOf(asked: readonly { chatId: ChatId; userId: UserId }[]): Promise<Level[]> {
    const rows = await db.sql.all<{ chatId: ChatId; userId: UserId; level: Level }>(
      `SELECT b."chatId", b."userId", ${levelText} AS "level" FROM ${tableOf(db.engine, 'b', { chatId: 'int', userId: 'int' })} ${joinLevel}
       JOIN "Chat" c ON c."id" = b."chatId" WHERE v."userId" IS NOT NULL OR s."roomLevel" <> 'ALL'`,
      [clock(), asked.map(({ chatId, userId }) => ({ chatId, userId }))],
    );
    const byPlace = new Map(rows.map((row) => [placeKey(row), row.level]));
    return asked.map((place) => byPlace.get(placeKey(place)) ?? 'ALL');
  }

  /** Of a deleted account: its dialogs stay with the others. */
  async function eraseAll(tx: Tx, _append: Append, userId: UserId): Promise<undefined> {
    await tx.chatView.deleteMany({ where: { userId } });
  }
}
