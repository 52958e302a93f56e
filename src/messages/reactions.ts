/**
 * Reactions: everybody's own set of emojis under a message. A set is stated whole, so nothing that comes twice or late doubles or flips it. How many chose an emoji
 * is kept beside that, in the same transaction.
 */
import { must } from '../chats/access.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, notFound } from '../errors.ts';
import type { Numbering } from '../events/batch.ts';
import type { WriteBatch } from '../events/write.ts';
import { type ChatId, type MessageId, toMessageId, type UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import { lockChats, mustHoldAccount } from '../storage/locks.ts';
import { firstPage, isTime, isWhole, keysetPage, type Page, type PageRequest } from '../storage/page.ts';
import type { MessageRow } from '../storage/rows.ts';
import { oneOfList, type Sql, tableOf, toDate } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { parseEmoji } from './emoji.ts';
import { getMessage, mustSee } from './messages.ts';
import { createTelling, largeRoom } from './telling.ts';

export type Reactions = ReturnType<typeof createReactions>;
/** How many people chose an emoji under a message. */
export type ReactionGroup = { messageId: MessageId; emoji: string; count: number };
export type ReactionRow = { messageId: MessageId; userId: UserId; emoji: string; at: Date };

type ReactionKey = [at: number, userId: UserId];
const reactionKey = ({ at, userId }: ReactionRow): ReactionKey => [at.getTime(), userId];
const isReactionKey = (key: unknown): key is ReactionKey => Array.isArray(key) && key.length === 2 && isTime(key[0]) && isWhole(key[1]);

const untoldAtOnce = 500;
/** Messages of which somebody's reactions are taken back at once. */
const erasedAtOnce = 50;

export function createReactions({
  db,
  writeBatch,
  config,
  clock,
  log,
}: {
  db: Database;
  writeBatch: WriteBatch;
  config: Pick<Config, 'MAX_REACTIONS_PER_MEMBER' | 'MAX_REACTION_KINDS'>;
  clock: () => Date;
  log: Log;
}) {
  const telling = createTelling({ tell: (key) => tellRest(Number(key) as MessageId), log });
  return { set, groups, own, firstOf, pageOf, tellUntold, afterwards, close: telling.close };

  /**
   * Makes these the viewer's emojis under a message. With `ifMine` only if they are these so far, in any order.
   * Fails with VALIDATION_FAILED, NOT_FOUND (also for a message that was deleted), FORBIDDEN, QUOTA_EXCEEDED, or CONFLICT (VERSION_MISMATCH).
   */
  async function set(viewer: Viewer, { messageId, emojis, ifMine }: { messageId: MessageId; emojis: readonly string[]; ifMine: readonly string[] | null }): Promise<MessageRow> {
    const wanted = parseSet(emojis);
    const expected = ifMine && new Set(ifMine.map((text) => parseEmoji(text) ?? text));
    const found = await getMessage(db.sql, messageId);
    return writeBatch(async (sql, number) => {
      const { message, standing } = await mustSee(sql, viewer, found);
      if (message.deletedAt) throw notFound('Message');
      const chat = must('react', standing, 'Message');
      await mustHoldAccount(sql, viewer.userId);
      const mine = await ownOf(sql, messageId, viewer.userId);
      if (expected && !isSame(expected, mine)) throw new AppError('CONFLICT', { conflictReason: 'VERSION_MISMATCH' }, 'The reactions are others by now.');
      const [added, removed] = [[...wanted].filter((emoji) => !mine.has(emoji)), [...mine].filter((emoji) => !wanted.has(emoji))];
      if (added.length + removed.length === 0) return message;
      await takeBack(
        sql,
        removed.map((emoji) => ({ messageId, userId: viewer.userId, emoji })),
      );
      await add(sql, messageId, viewer.userId, added);
      await tell(sql, number, { chatId: chat.id, messageId, byId: viewer.userId }, chat.memberCount);
      return message;
    });
  }

  /** Each is an emoji, and there are not too many of them. */
  function parseSet(texts: readonly string[]): Set<string> {
    const different = [...new Set(texts)];
    const most = config.MAX_REACTIONS_PER_MEMBER;
    if (different.length > most) throw new AppError('QUOTA_EXCEEDED', { limit: most, used: different.length }, `At most ${most} emojis of one person are under a message.`);
    const problems = createProblems();
    const emojis = different.map((text) => {
      const emoji = parseEmoji(text);
      if (emoji === null) problems.add(['emojis', `${texts.indexOf(text)}`], 'emoji', 'A reaction is one emoji.');
      return emoji ?? '';
    });
    problems.check();
    return new Set(emojis);
  }

  async function add(sql: Sql, messageId: MessageId, userId: UserId, emojis: readonly string[]): Promise<void> {
    if (emojis.length === 0) return;
    const kinds = await sql.all<{ emoji: string; place: number }>('SELECT "emoji", "place" FROM "ReactionCount" WHERE "messageId" = ? ORDER BY "place"', [messageId]);
    const fresh = emojis.filter((emoji) => !kinds.some((kind) => kind.emoji === emoji));
    const most = config.MAX_REACTION_KINDS;
    if (kinds.length + fresh.length > most) throw new AppError('QUOTA_EXCEEDED', { limit: most, used: kinds.length }, `At most ${most} different emojis are under a message.`);
    const last = kinds.at(-1)?.place ?? 0;
    const rows = emojis.map((emoji) => ({ messageId, userId, emoji, at: clock(), place: last + 1 + fresh.indexOf(emoji) }));
    const table = tableOf(sql.engine, 't', { messageId: 'bigint', userId: 'int', emoji: 'text', at: 'date', place: 'int' });
    await sql.all(`INSERT INTO "Reaction" ("messageId", "userId", "emoji", "at") SELECT "messageId", "userId", "emoji", "at" FROM ${table}`, [rows]);
    await sql.all(
      `INSERT INTO "ReactionCount" ("messageId", "emoji", "count", "place") SELECT "messageId", "emoji", 1, "place" FROM ${table} WHERE true
       ON CONFLICT ("messageId", "emoji") DO UPDATE SET "count" = "ReactionCount"."count" + 1`,
      [rows],
    );
  }

  // ---------------------------------------------------------------- telling

  async function tell(sql: Sql, number: Numbering, change: { chatId: ChatId; messageId: MessageId; byId: UserId }, memberCount: number): Promise<void> {
    if (memberCount <= largeRoom || telling.canTell(String(change.messageId))) await number([{ type: 'reactions-changed', ...change }]);
    else {
      await sql.all(
        `INSERT INTO "UntoldReaction" ("messageId", "chatId", "byId") VALUES (?, ?, ?)
         ON CONFLICT ("messageId") DO UPDATE SET "byId" = CASE WHEN "UntoldReaction"."byId" = excluded."byId" THEN excluded."byId" END`,
        [change.messageId, change.chatId, change.byId],
      );
    }
  }

  async function tellRest(messageId: MessageId): Promise<void> {
    await writeBatch(async (sql, number) => {
      const rows = await sql.all<{ chatId: ChatId; byId: UserId | null }>('DELETE FROM "UntoldReaction" WHERE "messageId" = ? RETURNING "chatId", "byId"', [messageId]);
      await number(rows.map((row) => ({ type: 'reactions-changed', messageId, ...row })));
    });
  }

  /** What a process that was killed had not told yet. Returns how many messages that were. */
  async function tellUntold(): Promise<number> {
    const rows = await db.sql.all<{ messageId: MessageId }>('SELECT "messageId" FROM "UntoldReaction" LIMIT ?', [untoldAtOnce]);
    // What waits for its second here is told then.
    const left = rows.map((row) => toMessageId(row.messageId)).filter((id) => !telling.isQuiet(String(id)));
    for (const id of left) await tellRest(id);
    return left.length;
  }

  // ---------------------------------------------------------------- reading: of messages that the caller knows to be readable

  /** How many chose what, in the order in which each emoji was first used. One statement for any number of messages. */
  async function groups(messageIds: readonly MessageId[]): Promise<ReactionGroup[][]> {
    const rows = await db.sql.all<ReactionGroup>(
      `SELECT "messageId", "emoji", "count" FROM "ReactionCount" WHERE ${oneOfList(db.engine, '"messageId"', 'bigint')} ORDER BY "messageId", "place"`,
      [messageIds],
    );
    const byMessage = Map.groupBy(
      rows.map((row) => ({ ...row, messageId: toMessageId(row.messageId) })),
      ({ messageId }) => messageId,
    );
    return messageIds.map((id) => byMessage.get(id) ?? []);
  }

  /** Somebody's own emojis under each of these messages. */
  async function own(userId: UserId, messageIds: readonly MessageId[]): Promise<ReadonlySet<string>[]> {
    const rows = await db.sql.all<{ messageId: MessageId; emoji: string }>(
      `SELECT "messageId", "emoji" FROM "Reaction" WHERE "userId" = ? AND ${oneOfList(db.engine, '"messageId"', 'bigint')}`,
      [userId, messageIds],
    );
    const byMessage = Map.groupBy(rows, (row) => toMessageId(row.messageId));
    return messageIds.map((id) => new Set(byMessage.get(id)?.map(({ emoji }) => emoji)));
  }

  /** Who chose an emoji, in the order in which they did. */
  function pageOf({ messageId, emoji }: Pick<ReactionGroup, 'messageId' | 'emoji'>, request: PageRequest): Promise<Page<ReactionRow>> {
    return keysetPage<ReactionRow, ReactionKey>(request, {
      isKey: isReactionKey,
      keyOf: reactionKey,
      read: async ({ after, before, backward, limit }) => {
        const [from, to]: [ReactionKey, ReactionKey] = [after ?? [0, 0 as UserId], before ?? [253_402_300_799_999, 0 as UserId]];
        const order = backward ? 'DESC' : 'ASC';
        const rows = await db.sql.all<ReactionRow>(
          `SELECT * FROM "Reaction" WHERE "messageId" = ? AND "emoji" = ? AND ("at", "userId") > (?, ?) AND ("at", "userId") < (?, ?) ORDER BY "at" ${order}, "userId" ${order} LIMIT ?`,
          [messageId, emoji, new Date(from[0]), from[1], new Date(to[0]), to[1], limit],
        );
        return rows.map(toReactionRow);
      },
    });
  }

  /** The first pages of many, in their order, in one statement. */
  async function firstOf(places: readonly Pick<ReactionGroup, 'messageId' | 'emoji'>[], size: number): Promise<Page<ReactionRow>[]> {
    const table = tableOf(db.engine, 't', { place: 'int', messageId: 'bigint', emoji: 'text' });
    const first = 'SELECT r.* FROM "Reaction" r WHERE r."messageId" = t."messageId" AND r."emoji" = t."emoji" ORDER BY r."at", r."userId" LIMIT ?';
    const text =
      db.engine === 'postgresql'
        ? `SELECT t."place", f.* FROM ${table} CROSS JOIN LATERAL (${first}) f ORDER BY t."place", f."at", f."userId"`
        : `SELECT t."place", r.* FROM ${table} CROSS JOIN "Reaction" r ON r."messageId" = t."messageId" AND r."emoji" = t."emoji" AND r."userId" IN (SELECT "userId" FROM (${first}))
           ORDER BY t."place", r."at", r."userId"`;
    const rows = await db.scan.all<ReactionRow & { place: number }>(text, [places.map(({ messageId, emoji }, place) => ({ place, messageId, emoji })), size + 1]);
    const byPlace = Map.groupBy(rows, ({ place }) => place);
    return places.map((_, place) => firstPage((byPlace.get(place) ?? []).map(toReactionRow), size, { keyOf: reactionKey }));
  }

  // ---------------------------------------------------------------- erasure

  /** ERASE takes back everything of a person; otherwise it stays, and is the tombstone's. */
  async function* afterwards(userId: UserId, mode: 'ANONYMIZE' | 'ERASE'): AsyncGenerator<void> {
    if (mode !== 'ERASE') return;
    while (await eraseSome(userId)) yield;
  }

  function eraseSome(userId: UserId): Promise<boolean> {
    return writeBatch(async (sql, number) => {
      const messages = await sql.all<{ messageId: MessageId; chatId: ChatId }>(
        `SELECT DISTINCT r."messageId", m."chatId" FROM "Reaction" r JOIN "Message" m ON m."id" = r."messageId" WHERE r."userId" = ? ORDER BY r."messageId" LIMIT ?`,
        [userId, erasedAtOnce],
      );
      const open = (await lockChats(sql, [...new Set(messages.map(({ chatId }) => chatId))])).filter(({ deletedAt }) => deletedAt === null).map(({ id }) => id);
      const rows = await sql.all<Chosen>(`SELECT "messageId", "userId", "emoji" FROM "Reaction" WHERE "userId" = ? AND ${oneOfList(sql.engine, '"messageId"', 'bigint')}`, [
        userId,
        messages.map(({ messageId }) => messageId),
      ]);
      await takeBack(sql, rows);
      await number(
        messages
          .filter(({ chatId }) => open.includes(chatId))
          .map(({ messageId, chatId }) => ({ type: 'reactions-changed', chatId, messageId: toMessageId(messageId), byId: null })),
      );
      return messages.length > 0;
    });
  }
}

const isSame = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => a.size === b.size && [...a].every((each) => b.has(each));

type Chosen = Pick<ReactionRow, 'messageId' | 'userId' | 'emoji'>;

const toReactionRow = (row: ReactionRow): ReactionRow => ({ messageId: toMessageId(row.messageId), userId: row.userId, emoji: row.emoji, at: toDate(row.at) });

async function ownOf(sql: Sql, messageId: MessageId, userId: UserId): Promise<Set<string>> {
  const rows = await sql.all<{ emoji: string }>('SELECT "emoji" FROM "Reaction" WHERE "messageId" = ? AND "userId" = ?', [messageId, userId]);
  return new Set(rows.map(({ emoji }) => emoji));
}

/** Of one person. Under the locks of the chats. */
async function takeBack(sql: Sql, rows: readonly Chosen[]): Promise<void> {
  const chosen = rows.map(({ messageId, userId, emoji }) => ({ messageId, userId, emoji }));
  const table = tableOf(sql.engine, 't', { messageId: 'bigint', userId: 'int', emoji: 'text' });
  await sql.all(`DELETE FROM "Reaction" WHERE ("messageId", "userId", "emoji") IN (SELECT t."messageId", t."userId", t."emoji" FROM ${table})`, [chosen]);
  await sql.all(`UPDATE "ReactionCount" SET "count" = "count" - 1 WHERE ("messageId", "emoji") IN (SELECT t."messageId", t."emoji" FROM ${table})`, [chosen]);
  await sql.all(`DELETE FROM "ReactionCount" WHERE "count" <= 0 AND ("messageId", "emoji") IN (SELECT t."messageId", t."emoji" FROM ${table})`, [chosen]);
}
