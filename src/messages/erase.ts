/** Erasing what a person has written, when the account is deleted: texts go, places stay. In bounded pieces, so that nobody else is held up. */
import type { NewEvent } from '../events/event.ts';
import type { WriteBatch } from '../events/write.ts';
import { type ChatId, type MessageId, toMessageId, type UserId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { lockChats } from '../storage/locks.ts';
import { oneOfList, type Sql, toDateOrNull } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import { dropBelongings } from './belongings.ts';
import type { DeletedRooms } from './deleted-rooms.ts';
import type { SearchEntries } from './searchable.ts';
import { blanked } from './store.ts';
import { removeReplies } from './thread-rows.ts';

type Written = { id: MessageId; chatId: ChatId; seq: number; deletedAt: Date | null };

/** Chats that are looked through at once for messages of the person. */
const chatsAtOnce = 1_000;
const pieceSize = 100;

export function createMessageErasure({
  db,
  writeBatch,
  deletedRooms,
  files,
  entries,
  clock,
}: {
  db: Database;
  writeBatch: WriteBatch;
  deletedRooms: Pick<DeletedRooms, 'sweep'>;
  files: {
    /** Lets go of the files of messages, in the transaction that blanks them. */
    release: (sql: Sql, messageIds: readonly MessageId[]) => Promise<void>;
  };
  entries: Pick<SearchEntries, 'takeOut'>;
  clock: () => Date;
}) {
  return { count, afterwards };

  /** How many messages of a person there are that were not deleted. */
  async function count(senderId: UserId): Promise<number> {
    let found = 0;
    for await (const piece of written(senderId)) found += piece.filter(({ deletedAt }) => deletedAt === null).length;
    return found;
  }

  /** ERASE: blanks every message of the person and what others have sent on of them, also those that are tombstones already, and tells of each that was none. Both modes: clears away the rooms that went with the account. */
  async function* afterwards(senderId: UserId, mode: 'ANONYMIZE' | 'ERASE'): AsyncGenerator<void> {
    if (mode === 'ERASE') {
      for await (const piece of written(senderId)) {
        await blank(piece);
        yield;
      }
      for (let piece = await sentOn(senderId); piece.length > 0; piece = await sentOn(senderId)) {
        await blank(piece);
        yield;
      }
    }
    await deletedRooms.sweep();
  }

  /** Some of what others have sent on of a person's. Blanking it takes it from the list. */
  async function sentOn(authorId: UserId): Promise<Written[]> {
    return toWritten(await db.scan.all<Written>('SELECT "id", "chatId", "seq", "deletedAt" FROM "Message" WHERE "forwardAuthorId" = ? LIMIT ?', [authorId, pieceSize]));
  }

  /**
   * All messages of a person, in pieces. No index leads from a person to messages, as that would make every send dearer; but one tells for each chat in no time
   * whether there are any.
   */
  async function* written(senderId: UserId): AsyncGenerator<Written[]> {
    const [last] = await db.scan.all<{ id: ChatId | null }>('SELECT MAX("id") AS "id" FROM "Chat"', []);
    let piece: Written[] = [];
    for (let from = 0; from < (last?.id ?? 0); from += chatsAtOnce) {
      const chats = await db.scan.all<{ id: ChatId }>(
        `SELECT c."id" FROM "Chat" c WHERE c."id" > ? AND c."id" <= ? AND EXISTS (SELECT 1 FROM "Message" m WHERE m."chatId" = c."id" AND m."senderId" = ?) ORDER BY c."id"`,
        [from, from + chatsAtOnce, senderId],
      );
      await yieldWhenLong();
      for (const { id } of chats) {
        for (let after = 0, more = true; more; ) {
          const rows = await pageOf(id, senderId, after, pieceSize - piece.length);
          after = rows.at(-1)?.seq ?? after;
          more = rows.length === pieceSize - piece.length;
          for (const row of rows) piece.push(row);
          if (piece.length === pieceSize) {
            yield piece;
            piece = [];
          }
          await yieldWhenLong();
        }
      }
    }
    if (piece.length > 0) yield piece;
  }

  async function pageOf(chatId: ChatId, senderId: UserId, after: number, limit: number): Promise<Written[]> {
    const rows = await db.scan.all<Written>('SELECT "id", "chatId", "seq", "deletedAt" FROM "Message" WHERE "chatId" = ? AND "senderId" = ? AND "seq" > ? ORDER BY "seq" LIMIT ?', [
      chatId,
      senderId,
      after,
      limit,
    ]);
    return toWritten(rows);
  }

  /** As deleting each of them does, and nothing stays of what its sender's client said. */
  async function blank(piece: readonly Written[]): Promise<void> {
    const ids = piece.map(({ id }) => id);
    await writeBatch(async (sql, number) => {
      const chats = await lockChats(sql, [...new Set(piece.map(({ chatId }) => chatId))]);
      const open = new Set(chats.filter(({ deletedAt }) => deletedAt === null).map(({ id }) => id));
      const standing = await standingAmong(sql, ids);
      await entries.takeOut(sql, ids);
      await sql.all(
        `UPDATE "Message" SET ${blanked}, "clientMessageId" = NULL, "contentDigest" = NULL, "clientSentAt" = NULL, "deletedAt" = COALESCE("deletedAt", ?)
         WHERE ${oneOfList(sql.engine, '"id"', 'bigint')}`,
        [clock(), ids],
      );
      await files.release(sql, ids);
      const others = await dropBelongings(
        sql,
        piece,
        chats.filter(({ id }) => open.has(id)),
      );
      await removeReplies(sql, [...standing]);
      const told = piece.filter(({ id, chatId }) => standing.has(id) && open.has(chatId)).map(({ id, chatId }): NewEvent => ({ type: 'message-deleted', chatId, messageId: id }));
      await number([...told, ...others]);
    });
  }
}

const toWritten = (rows: readonly Written[]): Written[] => rows.map((row) => ({ ...row, id: toMessageId(row.id), deletedAt: toDateOrNull(row.deletedAt) }));

/** Those of these messages that are not deleted at this moment. */
async function standingAmong(sql: Sql, ids: readonly MessageId[]): Promise<Set<MessageId>> {
  const rows = await sql.all<{ id: MessageId }>(`SELECT "id" FROM "Message" WHERE ${oneOfList(sql.engine, '"id"', 'bigint')} AND "deletedAt" IS NULL`, [ids]);
  return new Set(rows.map((row) => toMessageId(row.id)));
}
