/**
 * Files in use: each belongs to one message or is one picture, and goes with it. A row of "Attachment" is there before its bytes (uploads.ts) and goes after
 * them: what is not in use has an end (`expiresAt`), and is swept when that has come.
 */

import type { RateLimits } from '../accounts/rate-limits.ts';
import { canHaveFile, type Standing } from '../chats/access.ts';
import type { Chats } from '../chats/chats.ts';
import { AppError, invalid, notFound } from '../errors.ts';
import type { Write } from '../events/write.ts';
import { type AttachmentId, type ChatId, type MessageId, noChat, toMessageId, type UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import { lockChats } from '../storage/locks.ts';
import { type AttachmentRow, toAttachmentRow, type UserRow } from '../storage/rows.ts';
import { oneOfList, type Sql } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import type { Blobs } from './blobs.ts';
import { hold } from './holding.ts';
import type { Images } from './images.ts';
import type { DownloadLink, Links } from './links.ts';

export type Files = ReturnType<typeof createFiles>;

const pieceSize = 100;

/** Before a chat that does not exist (any more). */
const nowhere: Standing = { chat: null, member: null, banned: false };

export function createFiles({
  db,
  write,
  chats,
  blobs,
  images,
  links,
  limits,
  clock,
  log,
}: {
  db: Database;
  write: Write;
  chats: Pick<Chats, 'findRows' | 'places'>;
  blobs: Blobs;
  images: Images;
  links: Links;
  limits: Pick<RateLimits, 'take'>;
  clock: () => Date;
  log: Log;
}) {
  let clearing: Promise<number> | null = null;
  let clearAgain = false;
  let sweptPart = Math.floor(Math.random() * 256);
  return {
    open,
    linkTo,
    findMany,
    findRows,
    ofMessages,
    setProfilePicture,
    forMessages: { hasAny, release, drop, clearAway: () => void clearAway() },
    forRooms: { take, drop, clearAway: () => void clearAway() },
    removeOf,
    takeFromRooms,
    clearAway,
    sweep,
    /** For the addresses of files. */
    parseLink: links.parse,
    read: blobs.find,
    picture: images.picture,
    close: async (): Promise<void> => void (await clearing),
  };

  // ---------------------------------------------------------------- reading

  /** By id, whatever they are used for, without asking who may see them. */
  async function findRows(ids: readonly AttachmentId[]): Promise<(AttachmentRow | null)[]> {
    const rows = await db.sql.all<AttachmentRow>(`SELECT * FROM "Attachment" WHERE ${oneOfList(db.engine, '"id"')}`, [ids]);
    const byId = new Map(rows.map((row) => [row.id, toAttachmentRow(row)]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  /** The files of messages that the caller knows to be readable, in their order. */
  async function ofMessages(messageIds: readonly MessageId[]): Promise<AttachmentRow[][]> {
    const rows = await db.sql.all<AttachmentRow>(
      `SELECT * FROM "Attachment" WHERE ${oneOfList(db.engine, '"messageId"', 'bigint')} AND "state" = 'COMPLETE' ORDER BY "messageId", "position"`,
      [messageIds],
    );
    const all = rows.map(toAttachmentRow);
    return messageIds.map((id) => all.filter((row) => row.messageId === id));
  }

  /** In the order of the ids; null for what is not there or is not for the viewer. One's own until it is used, and those of messages that one may read. */
  async function findMany({ userId }: Pick<Viewer, 'userId'>, ids: readonly AttachmentId[]): Promise<(AttachmentRow | null)[]> {
    const rows = (await findRows(ids)).filter((row) => row?.state === 'COMPLETE') as AttachmentRow[];
    const chatIds = await chatsOf(rows);
    const standings = await standingsOf(userId, [...new Set(chatIds.values())]);
    const canHave = ({ messageId, uploaderId }: AttachmentRow): boolean =>
      canHaveFile({ own: uploaderId === userId, message: messageId === null ? null : (standings.get(chatIds.get(messageId) ?? noChat) ?? nowhere), pictureOf: null }, true);
    const visible = new Map(rows.filter(canHave).map((row) => [row.id, row]));
    return ids.map((id) => visible.get(id) ?? null);
  }

  async function chatsOf(rows: readonly AttachmentRow[]): Promise<Map<MessageId, ChatId>> {
    const ids = rows.flatMap(({ messageId }) => (messageId === null ? [] : [messageId]));
    const found = await db.sql.all<{ id: MessageId; chatId: ChatId }>(`SELECT "id", "chatId" FROM "Message" WHERE ${oneOfList(db.engine, '"id"', 'bigint')}`, [ids]);
    return new Map(found.map(({ id, chatId }) => [toMessageId(id), chatId]));
  }

  async function standingsOf(userId: UserId, chatIds: readonly ChatId[]): Promise<Map<ChatId, Standing>> {
    const found = await chats.findRows(chatIds);
    const places = await chats.places(
      userId,
      found.map((chat) => chat.id),
    );
    return new Map(found.map((chat, index) => [chat.id, { ...nowhere, chat, ...places[index] }]));
  }

  /** Where somebody may fetch a file that they were shown, and until when; with `size`, its picture of that size. */
  function linkTo(id: AttachmentId, viewerId: UserId, size: number | null = null): { path: string; expiresAt: Date } {
    const expiresAt = links.expiry();
    return { path: links.toPath({ kind: 'download', id, expiresAt, viewerId, size }), expiresAt };
  }

  /** What a link leads to, if it is still there and still for the person it was made for: whoever lost the message has lost its files. */
  async function open({ id, viewerId, size }: DownloadLink): Promise<AttachmentRow | null> {
    const [found] = await db.sql.all<AttachmentRow & { chatId: ChatId | null; personId: UserId | null; roomId: ChatId | null }>(
      `SELECT a.*, m."chatId", p."id" AS "personId", r."id" AS "roomId" FROM "Attachment" a JOIN "User" v ON v."id" = ? AND v."deletedAt" IS NULL
       LEFT JOIN "Message" m ON m."id" = a."messageId" LEFT JOIN "User" p ON p."avatarId" = a."id" LEFT JOIN "Chat" r ON r."avatarId" = a."id"
       WHERE a."id" = ? AND a."state" = 'COMPLETE'`,
      [viewerId, id],
    );
    if (!found || (size !== null && found.width === null)) return null;
    const { chatId, personId, roomId, ...row } = found;
    const standings = await standingsOf(
      viewerId,
      [chatId, roomId].filter((each) => each !== null),
    );
    const standingIn = (each: ChatId | null): Standing | null => (each === null ? null : (standings.get(each) ?? nowhere));
    const use = { own: row.uploaderId === viewerId, message: standingIn(chatId), pictureOf: personId !== null ? ('person' as const) : standingIn(roomId) };
    return canHaveFile(use, size === null) ? toAttachmentRow(row) : null;
  }

  // ---------------------------------------------------------------- in messages

  /** Whether a message has files. */
  async function hasAny(sql: Sql, messageId: MessageId): Promise<boolean> {
    return (await sql.all('SELECT 1 FROM "Attachment" WHERE "messageId" = ? LIMIT 1', [messageId])).length > 0;
  }

  /** The messages have no files any more; their bytes go after the commit. */
  async function release(sql: Sql, messageIds: readonly MessageId[]): Promise<void> {
    await sql.all(`UPDATE "Attachment" SET "state" = 'REMOVED', "messageId" = NULL, "expiresAt" = ? WHERE ${oneOfList(sql.engine, '"messageId"', 'bigint')}`, [
      clock(),
      messageIds,
    ]);
  }

  // ---------------------------------------------------------------- as pictures

  /** Makes an upload of this person the picture of somebody or something. Fails with NOT_FOUND (Attachment), or VALIDATION_FAILED when it is no picture. */
  async function take(sql: Sql, userId: UserId, id: AttachmentId, field: string): Promise<void> {
    const [held] = await hold(sql, [id], clock());
    if (held?.uploaderId !== userId) throw notFound('Attachment');
    const [picture] = await sql.all('SELECT 1 FROM "Attachment" WHERE "id" = ? AND "width" IS NOT NULL', [id]);
    if (!picture) throw invalid(field, 'image', 'This file is not a picture that the server can show (JPEG, PNG, GIF, WebP or AVIF of up to 40 megapixels).');
    await sql.all('UPDATE "Attachment" SET "expiresAt" = NULL WHERE "id" = ?', [id]);
  }

  /** A picture that is none any more goes after the commit. */
  async function drop(sql: Sql, id: AttachmentId): Promise<void> {
    await sql.all(`UPDATE "Attachment" SET "state" = 'REMOVED', "expiresAt" = ? WHERE "id" = ? AND "messageId" IS NULL`, [clock(), id]);
  }

  /** Shows a picture beside the viewer's name, or none. The same again changes nothing. Fails with NOT_FOUND (Attachment), VALIDATION_FAILED or RATE_LIMITED. */
  async function setProfilePicture(viewer: Pick<Viewer, 'userId'>, id: AttachmentId | null): Promise<UserRow> {
    await limits.take('PROFILE', viewer.userId);
    const changed = await write(async (tx, append) => {
      const sql = db.sqlIn(tx);
      // Before the upload, as everybody locks them.
      await sql.all(`SELECT "id" FROM "User" WHERE "id" = ? ${sql.engine === 'postgresql' ? 'FOR UPDATE' : ''}`, [viewer.userId]);
      const user = await tx.user.findUniqueOrThrow({ where: { id: viewer.userId } });
      if (user.deletedAt) throw new AppError('TOKEN_INVALID');
      if (user.avatarId === id) return user;
      if (id !== null) await take(sql, viewer.userId, id, 'attachmentId');
      if (user.avatarId !== null) await drop(sql, user.avatarId);
      append({ type: 'user-updated', userId: viewer.userId }, { type: 'peer-updated', userId: viewer.userId });
      return tx.user.update({ where: { id: viewer.userId }, data: { avatarId: id } });
    });
    void clearAway();
    return changed;
  }

  // ---------------------------------------------------------------- removing

  /**
   * What somebody uploaded and nobody uses, and their own pictures. Call `clearAway` after the commit, and `endOf` of uploads. What is in messages goes with these
   * (`release`), what is the picture of a room with that (`takeFromRooms`).
   */
  async function removeOf(sql: Sql, userId: UserId): Promise<void> {
    await sql.all('UPDATE "User" SET "avatarId" = NULL WHERE "id" = ?', [userId]);
    // UPLOAD_QUOTA_FILES bounds how many files somebody has.
    await sql.all(
      `UPDATE "Attachment" SET "state" = 'REMOVED', "expiresAt" = ? WHERE "uploaderId" = ? AND "messageId" IS NULL
       AND NOT EXISTS (SELECT 1 FROM "Chat" WHERE "avatarId" = "Attachment"."id")`,
      [clock(), userId],
    );
  }

  /** Takes pictures that somebody gave rooms away from them, some at a time. Returns the rooms that have none now. */
  async function takeFromRooms(sql: Sql, userId: UserId): Promise<ChatId[]> {
    const found = await sql.all<{ chatId: ChatId; id: AttachmentId }>(
      'SELECT c."id" AS "chatId", a."id" FROM "Attachment" a JOIN "Chat" c ON c."avatarId" = a."id" WHERE a."uploaderId" = ? ORDER BY c."id" LIMIT ?',
      [userId, pieceSize],
    );
    const [roomIds, ids] = [found.map(({ chatId }) => chatId), found.map(({ id }) => id)];
    await lockChats(sql, roomIds);
    await sql.all(`UPDATE "Chat" SET "avatarId" = NULL WHERE ${oneOfList(sql.engine, '"id"')} AND ${oneOfList(sql.engine, '"avatarId"')}`, [roomIds, ids]);
    await sql.all(`UPDATE "Attachment" SET "state" = 'REMOVED', "expiresAt" = ? WHERE ${oneOfList(sql.engine, '"id"')}`, [clock(), ids]);
    return roomIds;
  }

  /** Removes what is over, soon; resolves when it is done, with how many files went. Never fails: what could not be removed is tried again by the next sweep. */
  function clearAway(): Promise<number> {
    clearAgain = true;
    clearing ??= (async () => {
      let gone = 0;
      try {
        while (clearAgain) {
          clearAgain = false;
          gone += await clearExpired();
        }
      } catch (error) {
        log.warn({ err: error }, 'files could not be cleared away; trying again later');
      } finally {
        clearing = null;
      }
      return gone;
    })();
    return clearing;
  }

  /** The same, and what processes that died have left on the disk. Returns how many files went. */
  async function sweep(): Promise<number> {
    const gone = await clearAway();
    const known = async (keys: readonly string[]): Promise<Set<string>> => {
      const rows = await db.scan.all<{ blobKey: string }>(`SELECT "blobKey" FROM "Attachment" WHERE ${oneOfList(db.engine, '"blobKey"', 'text')}`, [keys]);
      return new Set(rows.map(({ blobKey }) => blobKey));
    };
    return gone + (await blobs.sweep(sweptPart++, known));
  }

  async function clearExpired(): Promise<number> {
    for (let gone = 0; ; ) {
      const now = clock();
      const over = await db.sql.all<{ id: AttachmentId }>('SELECT "id" FROM "Attachment" WHERE "expiresAt" <= ? ORDER BY "expiresAt" LIMIT ?', [now, pieceSize]);
      if (over.length === 0) return gone;
      // First nobody can use them, then the bytes go, then the rows: whenever this process dies, the rest is found again.
      const rows = await db.sqlTransaction((sql) =>
        sql.all<{ id: AttachmentId; blobKey: string }>(
          `UPDATE "Attachment" SET "state" = 'REMOVED' WHERE ${oneOfList(sql.engine, '"id"')} AND "expiresAt" <= ? AND "messageId" IS NULL RETURNING "id", "blobKey"`,
          [over.map(({ id }) => id), now],
        ),
      );
      for (const { blobKey } of rows) await images.remove(blobKey);
      await db.sqlTransaction((sql) => sql.all(`DELETE FROM "Attachment" WHERE ${oneOfList(sql.engine, '"id"')} AND "state" = 'REMOVED'`, [rows.map(({ id }) => id)]));
      gone += rows.length;
      if (rows.length === 0) return gone;
    }
  }
}
