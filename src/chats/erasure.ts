/** The chats of a person whose account is deleted, in bounded pieces: the rooms go on without them, and what was theirs alone goes. */
import type { ErasurePart } from '../accounts/erasure.ts';
import type { NewEvent } from '../events/event.ts';
import type { WriteBatch } from '../events/write.ts';
import { type ChatId, noChat, type UserId } from '../ids.ts';
import { lockChats } from '../storage/locks.ts';
import { oneOfList, type Sql, tableOf } from '../storage/sql.ts';
import { hideChats, leaveEvents, takeFromRooms } from './roster.ts';

/** Of the person's chats. */
const chatsAtOnce = 50;

export function createChatErasure({ writeBatch, clock }: { writeBatch: WriteBatch; clock: () => Date }) {
  return { afterwards } satisfies ErasurePart;

  /**
   * Takes the person out of all their rooms, those for everyone too. Where they were the last owner, the admin who has been there for the longest becomes one, or
   * else the member; a room without anybody goes. Their dialogs stay for the others, with what had been received and read, and go with the last of their two people.
   */
  async function* afterwards(userId: UserId): AsyncGenerator<void> {
    for (let after: ChatId | null = noChat; after !== null; ) {
      after = await leaveSome(userId, after);
      yield;
    }
    for (const text of forgetting) {
      while ((await forgetSome(text, userId)) === chatsAtOnce) yield;
      yield;
    }
  }

  /** Goes through the next chats behind `after`. Returns where to go on, null at the end. */
  function leaveSome(userId: UserId, after: ChatId): Promise<ChatId | null> {
    return writeBatch(async (sql, number) => {
      const ids = (
        await sql.all<{ chatId: ChatId }>('SELECT "chatId" FROM "Member" WHERE "userId" = ? AND "chatId" > ? ORDER BY "chatId" LIMIT ?', [userId, after, chatsAtOnce])
      ).map(({ chatId }) => chatId);
      const chats = (await lockChats(sql, ids)).filter(({ deletedAt }) => deletedAt === null);
      const deserted = await withoutReaders(
        sql,
        chats.filter(({ kind }) => kind === 'DIALOG').map(({ id }) => id),
      );
      const rooms = chats.filter(({ kind }) => kind === 'ROOM');
      const left = rooms.filter(({ memberCount }) => memberCount > 1).map(({ id }) => id);
      const over = [...deserted, ...rooms.filter(({ memberCount }) => memberCount <= 1).map(({ id }) => id)];
      await hideChats(sql, over, clock());
      const heirs = await handOn(sql, left, userId);
      await takeFromRooms(sql, left, userId);
      await number([
        ...over.map((chatId): NewEvent => ({ type: 'chat-updated', chatId })),
        ...heirs.map((heir): NewEvent => ({ type: 'member-updated', ...heir })),
        ...left.flatMap((id) => leaveEvents(id, userId)),
      ]);
      return ids.length < chatsAtOnce ? null : (ids.at(-1) as ChatId);
    });
  }

  function forgetSome(text: string, userId: UserId): Promise<number> {
    return writeBatch(async (sql) => (await sql.all(text, [userId, chatsAtOnce])).length);
  }
}

const forgetting = [
  'DELETE FROM "Ban" WHERE ("chatId", "userId") IN (SELECT "chatId", "userId" FROM "Ban" WHERE "userId" = ? ORDER BY "chatId" LIMIT ?) RETURNING "chatId"',
  // Nor are threads followed any more.
  'DELETE FROM "ThreadFollow" WHERE ("userId", "chatId", "rootSeq") IN (SELECT "userId", "chatId", "rootSeq" FROM "ThreadFollow" WHERE "userId" = ? ORDER BY "chatId", "rootSeq" LIMIT ?) RETURNING "chatId"',
  // Rooms do not remember by whom they were made, nor under which request.
  'UPDATE "Chat" SET "creatorId" = NULL, "clientRequestId" = NULL WHERE "id" IN (SELECT "id" FROM "Chat" WHERE "creatorId" = ? ORDER BY "id" LIMIT ?) RETURNING "id"',
  // Dialogs keep what was read, not when.
  'UPDATE "Member" SET "readAt" = NULL WHERE ("chatId", "userId") IN (SELECT "chatId", "userId" FROM "Member" WHERE "userId" = ? AND "readAt" IS NOT NULL ORDER BY "chatId" LIMIT ?) RETURNING "chatId"',
];

/** Those of these dialogs in which nobody is left who could read them. */
async function withoutReaders(sql: Sql, ids: readonly ChatId[]): Promise<Set<ChatId>> {
  const read = await sql.all<{ chatId: ChatId }>(
    `SELECT DISTINCT m."chatId" FROM "Member" m JOIN "User" u ON u."id" = m."userId" AND u."deletedAt" IS NULL WHERE ${oneOfList(sql.engine, 'm."chatId"')}`,
    [ids],
  );
  const readable = new Set(read.map(({ chatId }) => chatId));
  return new Set(ids.filter((id) => !readable.has(id)));
}

/** Makes somebody else an owner of each of these rooms that has no other. Returns who became one. */
async function handOn(sql: Sql, roomIds: readonly ChatId[], fromId: UserId): Promise<{ chatId: ChatId; userId: UserId }[]> {
  const longest = (which: string): string =>
    `(SELECT m."userId" FROM "Member" m JOIN "User" u ON u."id" = m."userId" AND u."deletedAt" IS NULL
      WHERE m."chatId" = c."id" AND m."userId" <> t."fromId" ${which} ORDER BY m."joinedAt", m."userId" LIMIT 1)`;
  const manager = (role: string): string => longest(`AND m."role" <> 'MEMBER' AND m."role" = '${role}'`);
  const heirs = await sql.all<{ chatId: ChatId; userId: UserId | null }>(
    `SELECT c."id" AS "chatId", COALESCE(${manager('ADMIN')}, ${longest('')}) AS "userId" FROM ${tableOf(sql.engine, 't', { chatId: 'int', fromId: 'int' })}
     JOIN "Chat" c ON c."id" = t."chatId" JOIN "Member" o ON o."chatId" = c."id" AND o."userId" = t."fromId" AND o."role" = 'OWNER' WHERE ${manager('OWNER')} IS NULL`,
    [roomIds.map((chatId) => ({ chatId, fromId }))],
  );
  const found = heirs.filter((heir) => heir.userId !== null) as { chatId: ChatId; userId: UserId }[];
  await sql.all(
    `UPDATE "Member" SET "role" = 'OWNER' FROM ${tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' })} WHERE "Member"."chatId" = t."chatId" AND "Member"."userId" = t."userId"`,
    [found],
  );
  return found;
}
