/**
 * Files: a slot is reserved, the bytes come to it, the upload is completed, and then it belongs to one message or is one picture. A row of "Attachment" is there
 * before its bytes and goes after them: what is not in use has an end (`expiresAt`), and is swept when that has come.
 */
import { createHash, type Hash } from 'node:crypto';
import { codePoints, isVisible } from '../accounts/names.ts';
import { can, canSee } from '../chats/access.ts';
import type { Chats } from '../chats/chats.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, invalid, notFound } from '../errors.ts';
import type { Write } from '../events/write.ts';
import type { Log } from '../log.ts';
import { addTo, dropFrom, type MultiMap } from '../multimap.ts';
import type { Viewer } from '../sessions/viewer.ts';
import type { Database } from '../storage/database.ts';
import { type AttachmentRow, toAttachmentRow, type UserRow } from '../storage/rows.ts';
import { forUpdate, oneOfList, type Sql, tableOf } from '../storage/sql.ts';
import { createQueues } from '../turns.ts';
import { type Blobs, newBlobKey } from './blobs.ts';
import { headBytes, type Images, typeOf } from './images.ts';
import type { DownloadLink, Links, UploadLink } from './links.ts';

export type Files = ReturnType<typeof createFiles>;
export type UploadRequest = { fileName: string; contentType: string; size: number; sha256: string | null };
/** What became of bytes that were sent into a slot. Only `stored` keeps any. */
export type Received = 'stored' | 'gone' | 'completed' | 'too-many' | 'too-few' | 'other-digest';

/** Uploads of one account that are in no message and are no picture. */
const mostUnused = 200;
const longestName = 255;
const pieceSize = 100;

/** Free to be used: completed, in no message, no picture, not yet swept. */
const isFree = `"state" = 'COMPLETE' AND "messageId" IS NULL AND "expiresAt" > ?`;

export function createFiles({
  db,
  write,
  chats,
  blobs,
  images,
  links,
  config,
  clock,
  logger,
}: {
  db: Database;
  write: Write;
  chats: Pick<Chats, 'findRows' | 'places'>;
  blobs: Blobs;
  images: Images;
  links: Links;
  config: Pick<Config, 'MAX_ATTACHMENT_BYTES' | 'UPLOAD_QUOTA_BYTES' | 'UPLOAD_QUOTA_FILES' | 'MIN_FREE_BYTES' | 'UPLOAD_SECONDS' | 'UNUSED_UPLOAD_SECONDS'>;
  clock: () => Date;
  logger: Log;
}) {
  const inSlot = createQueues<number>();
  /** Uploads whose bytes are coming, by whose they are. */
  const receiving: MultiMap<number, AbortController> = new Map();
  let clearing: Promise<void> | null = null;
  let clearAgain = false;
  let sweptPart = Math.floor(Math.random() * 256);
  return {
    reserve,
    receive,
    complete,
    open,
    linkTo,
    findMany,
    getMany,
    ofMessages,
    setProfilePicture,
    forMessages: { hold, attach, hasAny, release, drop, clearAway: () => void clearAway() },
    forRooms: { take, drop, clearAway: () => void clearAway() },
    removeOf,
    endUploads,
    clearAway,
    sweep,
    /** For the addresses of files. */
    parseLink: links.parse,
    read: blobs.get,
    picture: images.picture,
    close: async (): Promise<void> => void (await clearing),
  };

  // ---------------------------------------------------------------- uploading

  /**
   * Keeps room for a file and tells where its bytes go. The name is cleaned: no folders, no control or formatting characters.
   * Fails with VALIDATION_FAILED, QUOTA_EXCEEDED (what was reserved counts), or UNAVAILABLE when the disk is nearly full.
   */
  async function reserve(viewer: Viewer, input: UploadRequest): Promise<{ attachment: AttachmentRow; path: string; expiresAt: Date }> {
    const [fileName, contentType, sha256] = [toFileName(input.fileName), toContentType(input.contentType), toDigest(input.sha256)];
    const problems = createProblems();
    if (fileName === null) problems.add('fileName', 'format', `A file name has 1 to ${longestName} characters, of which some can be seen.`);
    if (contentType === null) problems.add('contentType', 'format', 'A content type looks like image/png.');
    if (input.size < 1 || input.size > config.MAX_ATTACHMENT_BYTES) problems.add('size', 'range', `A file has from 1 to ${config.MAX_ATTACHMENT_BYTES} bytes.`);
    if (input.sha256 !== null && sha256 === null) problems.add('sha256', 'format', 'A SHA-256 has 64 hexadecimal digits, or is in base64.');
    problems.check();
    await mustHaveRoom(input.size);
    const now = clock();
    const expiresAt = new Date(now.getTime() + config.UPLOAD_SECONDS * 1000);
    const attachment = await db.sqlTransaction(async (sql) => {
      // One after the other for each account: they count together.
      const [account] = await sql.all(`SELECT "id" FROM "User" WHERE "id" = ? AND "deletedAt" IS NULL ${forUpdate(sql.engine)}`, [viewer.userId]);
      if (!account) throw new AppError('TOKEN_INVALID');
      await mustFitQuota(sql, viewer.userId, input.size);
      const [row] = await sql.all<AttachmentRow>(
        `INSERT INTO "Attachment" ("uploaderId", "state", "fileName", "contentType", "size", "sha256", "blobKey", "createdAt", "expiresAt")
         VALUES (?, 'RESERVED', ?, ?, ?, ?, ?, ?, ?) RETURNING *`,
        // An upload that began in time has as long again.
        [viewer.userId, fileName, contentType, input.size, sha256, newBlobKey(), now, new Date(now.getTime() + 2 * config.UPLOAD_SECONDS * 1000)],
      );
      return toAttachmentRow(row as AttachmentRow);
    });
    return { attachment, path: links.toPath({ kind: 'upload', id: attachment.id, expiresAt, sha256 }), expiresAt };
  }

  async function mustFitQuota(sql: Sql, userId: number, size: number): Promise<void> {
    const [found] = await sql.all<{ bytes: number; files: number; unused: number }>(
      `SELECT COALESCE(SUM("size"), 0) AS "bytes", COUNT(*) AS "files", COUNT("expiresAt") AS "unused" FROM "Attachment" WHERE "uploaderId" = ? AND "state" <> 'REMOVED'`,
      [userId],
    );
    const [bytes, files, unused] = [Number(found?.bytes), Number(found?.files), Number(found?.unused)];
    if (bytes + size > config.UPLOAD_QUOTA_BYTES) throw quotaExceeded(config.UPLOAD_QUOTA_BYTES, bytes, `All files of an account may have ${config.UPLOAD_QUOTA_BYTES} bytes.`);
    if (files >= config.UPLOAD_QUOTA_FILES) throw quotaExceeded(config.UPLOAD_QUOTA_FILES, files, `An account may have ${config.UPLOAD_QUOTA_FILES} files.`);
    if (unused >= mostUnused) throw quotaExceeded(mostUnused, unused, `At most ${mostUnused} uploads may be waiting to be used.`);
  }

  async function mustHaveRoom(size: number): Promise<void> {
    if ((await blobs.freeBytes()) - size < config.MIN_FREE_BYTES) throw new AppError('UNAVAILABLE', undefined, 'The server has no room for files at the moment.');
  }

  /** How many bytes a slot takes; null when there is no such slot (any more). */
  async function findSlot({ id }: UploadLink): Promise<{ uploaderId: number; size: number; completed: boolean } | null> {
    const [row] = await getMany([id]);
    if (!row || row.state === 'REMOVED') return null;
    const { uploaderId, size } = row;
    const completed = row.state === 'COMPLETE';
    return completed || (row.expiresAt ?? clock()) > clock() ? { uploaderId, size, completed } : null;
  }

  /**
   * Takes the bytes of an upload: exactly as many as were announced, with the digest that was announced. Again is fine until it is completed: the last
   * one counts. Two into one slot wait for each other. Fails with what `bytes` throws, or UNAVAILABLE; then nothing is kept of it.
   */
  function receive(link: UploadLink, bytes: AsyncIterable<Uint8Array>, announced: number | null): Promise<Received> {
    return inSlot(link.id, async () => {
      const slot = await findSlot(link);
      if (!slot) return 'gone';
      if (slot.completed) return 'completed';
      if (announced !== null && announced !== slot.size) return announced > slot.size ? 'too-many' : 'too-few';
      await mustHaveRoom(slot.size);
      const key = newBlobKey();
      const digest = createHash('sha256');
      const ended = new AbortController();
      addTo(receiving, slot.uploaderId, ended);
      try {
        await blobs.put(key, counted(untilEnded(bytes, ended.signal), slot.size, digest, link.sha256));
      } catch (error) {
        if (error instanceof Misfit) return error.outcome;
        throw error;
      } finally {
        dropFrom(receiving, slot.uploaderId, ended);
      }
      const outcome = await fill(link.id, key, digest.digest('hex')).catch(async (error) => {
        await blobs.remove(key);
        throw error;
      });
      if (outcome !== 'stored') await blobs.remove(key);
      return outcome;
    });
  }

  /** The slot has these bytes now, and no others. */
  async function fill(id: number, blobKey: string, sha256: string): Promise<Received> {
    const { outcome, replaced } = await db.sqlTransaction(async (sql): Promise<{ outcome: Received; replaced?: string }> => {
      const [row] = await sql.all<AttachmentRow>(`SELECT * FROM "Attachment" WHERE "id" = ? ${forUpdate(sql.engine)}`, [id]);
      if (row?.state === 'COMPLETE') return { outcome: 'completed' };
      if (!row || row.state === 'REMOVED') return { outcome: 'gone' };
      await sql.all(`UPDATE "Attachment" SET "state" = 'UPLOADED', "blobKey" = ?, "sha256" = ? WHERE "id" = ?`, [blobKey, sha256, id]);
      return { outcome: 'stored', replaced: row.blobKey };
    });
    if (replaced) await images.remove(replaced);
    return outcome;
  }

  /**
   * Ends an upload: what the file is was read from its bytes, and it can be used once. Again is fine. Fails with NOT_FOUND (Attachment) for what is not the
   * viewer's, VALIDATION_FAILED when the bytes are missing, UNAVAILABLE when too many pictures wait to be looked at.
   */
  async function complete(viewer: Viewer, id: number): Promise<AttachmentRow> {
    for (;;) {
      const [row] = await getMany([id]);
      if (!row || row.uploaderId !== viewer.userId || row.state === 'REMOVED') throw notFound('Attachment');
      if (row.state === 'COMPLETE') return row;
      const head = row.state === 'UPLOADED' ? await blobs.get(row.blobKey, { start: 0, end: headBytes - 1 }) : null;
      if (!head) throw invalid('attachmentId', 'missing', 'The bytes are not here: PUT them to `uploadUrl` first, all of them.');
      const contentType = await typeOf(await collect(head.bytes), row.contentType);
      const sides = await images.measure(row.blobKey, contentType, row.size);
      const [completed] = await db.sqlTransaction((sql) =>
        sql.all<AttachmentRow>(
          `UPDATE "Attachment" SET "state" = 'COMPLETE', "contentType" = ?, "width" = ?, "height" = ?, "expiresAt" = ?
           WHERE "id" = ? AND "state" = 'UPLOADED' AND "blobKey" = ? RETURNING *`,
          [contentType, sides?.width ?? null, sides?.height ?? null, new Date(clock().getTime() + config.UNUSED_UPLOAD_SECONDS * 1000), id, row.blobKey],
        ),
      );
      // Otherwise other bytes came in between, or somebody else completed it.
      if (completed) return toAttachmentRow(completed);
    }
  }

  // ---------------------------------------------------------------- reading

  /** By id, whatever they are used for, without asking who may see them. */
  async function getMany(ids: readonly number[]): Promise<(AttachmentRow | null)[]> {
    const rows = await db.sql.all<AttachmentRow>(`SELECT * FROM "Attachment" WHERE ${oneOfList(db.engine, '"id"')}`, [ids]);
    const byId = new Map(rows.map((row) => [row.id, toAttachmentRow(row)]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  /** The files of messages that the caller knows to be readable, in their order. */
  async function ofMessages(messageIds: readonly number[]): Promise<AttachmentRow[][]> {
    const rows = await db.sql.all<AttachmentRow>(
      `SELECT * FROM "Attachment" WHERE ${oneOfList(db.engine, '"messageId"', 'bigint')} AND "state" = 'COMPLETE' ORDER BY "messageId", "position"`,
      [messageIds],
    );
    const all = rows.map(toAttachmentRow);
    return messageIds.map((id) => all.filter((row) => row.messageId === id));
  }

  /** In the order of the ids; null for what is not there or is not for the viewer. One's own until it is used, and those of messages that one may read. */
  async function findMany(viewer: Viewer, ids: readonly number[]): Promise<(AttachmentRow | null)[]> {
    const rows = (await getMany(ids)).filter((row) => row?.state === 'COMPLETE') as AttachmentRow[];
    const chatIds = await chatsOf(rows);
    const readable = await readableBy(viewer.userId, [...new Set(chatIds.values())]);
    const visible = new Map(
      rows.filter((row) => (row.messageId === null ? row.uploaderId === viewer.userId : readable.has(chatIds.get(row.messageId) as number))).map((row) => [row.id, row]),
    );
    return ids.map((id) => visible.get(id) ?? null);
  }

  async function chatsOf(rows: readonly AttachmentRow[]): Promise<Map<number, number>> {
    const ids = rows.flatMap(({ messageId }) => (messageId === null ? [] : [messageId]));
    const found = await db.sql.all<{ id: number; chatId: number }>(`SELECT "id", "chatId" FROM "Message" WHERE ${oneOfList(db.engine, '"id"', 'bigint')}`, [ids]);
    return new Map(found.map(({ id, chatId }) => [Number(id), chatId]));
  }

  async function readableBy(userId: number, chatIds: readonly number[]): Promise<Set<number>> {
    const found = await chats.findRows(chatIds);
    const places = await chats.places(
      userId,
      found.map((chat) => chat.id),
    );
    return new Set(found.filter((chat, index) => can('read', { chat, member: null, banned: false, ...places[index] })).map((chat) => chat.id));
  }

  /** Where somebody may fetch a file that they were shown, and until when; with `size`, its picture of that size. */
  function linkTo(id: number, viewerId: number, size: number | null = null): { path: string; expiresAt: Date } {
    const expiresAt = links.expiry();
    return { path: links.toPath({ kind: 'download', id, expiresAt, viewerId, size }), expiresAt };
  }

  /** What a link leads to, if it is still there and still for the person it was made for: whoever lost the message has lost its files. */
  async function open({ id, viewerId, size }: DownloadLink): Promise<AttachmentRow | null> {
    const [found] = await db.sql.all<AttachmentRow & { chatId: number | null; personId: number | null; roomId: number | null }>(
      `SELECT a.*, m."chatId", p."id" AS "personId", r."id" AS "roomId" FROM "Attachment" a JOIN "User" v ON v."id" = ? AND v."deletedAt" IS NULL
       LEFT JOIN "Message" m ON m."id" = a."messageId" LEFT JOIN "User" p ON p."avatarId" = a."id" LEFT JOIN "Chat" r ON r."avatarId" = a."id"
       WHERE a."id" = ? AND a."state" = 'COMPLETE'`,
      [viewerId, id],
    );
    if (!found || (size !== null && found.width === null)) return null;
    const { chatId, personId, roomId, ...row } = found;
    if (chatId !== null) return (await readableBy(viewerId, [chatId])).has(chatId) ? toAttachmentRow(row) : null;
    if (row.uploaderId === viewerId) return toAttachmentRow(row);
    // The file itself may tell more than its picture, such as where it was taken: that is for who uploaded it.
    if (size === null) return null;
    return personId !== null || (roomId !== null && (await isVisibleTo(viewerId, roomId))) ? toAttachmentRow(row) : null;
  }

  async function isVisibleTo(userId: number, roomId: number): Promise<boolean> {
    const [[chat], [place]] = await Promise.all([chats.findRows([roomId]), chats.places(userId, [roomId])]);
    return canSee({ chat: chat ?? null, member: null, banned: false, ...place });
  }

  // ---------------------------------------------------------------- in messages

  /** Those of these uploads that are free, kept from others until the transaction ends. */
  async function hold(sql: Sql, ids: readonly number[]): Promise<{ id: number; uploaderId: number }[]> {
    return sql.all(`SELECT "id", "uploaderId" FROM "Attachment" WHERE ${oneOfList(sql.engine, '"id"')} AND ${isFree} ORDER BY "id" ${forUpdate(sql.engine)}`, [ids, clock()]);
  }

  /** Puts uploads that are held into messages that are stored. */
  async function attach(sql: Sql, places: readonly { id: number; messageId: number; position: number }[]): Promise<void> {
    const table = tableOf(sql.engine, 't', { id: 'int', messageId: 'bigint', position: 'int' });
    await sql.all(`UPDATE "Attachment" SET "messageId" = t."messageId", "position" = t."position", "expiresAt" = NULL FROM ${table} WHERE "Attachment"."id" = t."id"`, [places]);
  }

  /** Whether a message has files. */
  async function hasAny(sql: Sql, messageId: number): Promise<boolean> {
    return (await sql.all('SELECT 1 FROM "Attachment" WHERE "messageId" = ? LIMIT 1', [messageId])).length > 0;
  }

  /** The messages have no files any more; their bytes go after the commit. */
  async function release(sql: Sql, messageIds: readonly number[]): Promise<void> {
    await sql.all(`UPDATE "Attachment" SET "state" = 'REMOVED', "messageId" = NULL, "expiresAt" = ? WHERE ${oneOfList(sql.engine, '"messageId"', 'bigint')}`, [
      clock(),
      messageIds,
    ]);
  }

  // ---------------------------------------------------------------- as pictures

  /** Makes an upload of this person the picture of somebody or something. Fails with NOT_FOUND (Attachment), or VALIDATION_FAILED when it is no picture. */
  async function take(sql: Sql, userId: number, id: number, field: string): Promise<void> {
    const [held] = await hold(sql, [id]);
    if (held?.uploaderId !== userId) throw notFound('Attachment');
    const [picture] = await sql.all('SELECT 1 FROM "Attachment" WHERE "id" = ? AND "width" IS NOT NULL', [id]);
    if (!picture) throw invalid(field, 'image', 'This file is not a picture that the server can show (JPEG, PNG, GIF, WebP or AVIF of up to 40 megapixels).');
    await sql.all('UPDATE "Attachment" SET "expiresAt" = NULL WHERE "id" = ?', [id]);
  }

  /** A picture that is none any more goes after the commit. */
  async function drop(sql: Sql, id: number): Promise<void> {
    await sql.all(`UPDATE "Attachment" SET "state" = 'REMOVED', "expiresAt" = ? WHERE "id" = ? AND "messageId" IS NULL`, [clock(), id]);
  }

  /** Shows a picture beside the viewer's name, or none. The same again changes nothing. Fails with NOT_FOUND (Attachment) or VALIDATION_FAILED. */
  async function setProfilePicture(viewer: Viewer, id: number | null): Promise<UserRow> {
    const changed = await write(async (tx, append) => {
      const sql = db.sqlIn(tx);
      // Before the upload, as everybody locks them.
      await sql.all(`SELECT "id" FROM "User" WHERE "id" = ? ${sql.engine === 'postgresql' ? 'FOR UPDATE' : ''}`, [viewer.userId]);
      const user = await tx.user.findUniqueOrThrow({ where: { id: viewer.userId } });
      if (user.deletedAt) throw new AppError('TOKEN_INVALID');
      if (user.avatarId === id) return user;
      if (id !== null) await take(sql, viewer.userId, id, 'attachmentId');
      if (user.avatarId !== null) await drop(sql, user.avatarId);
      append({ type: 'user-updated', userId: viewer.userId });
      return tx.user.update({ where: { id: viewer.userId }, data: { avatarId: id } });
    });
    void clearAway();
    return changed;
  }

  // ---------------------------------------------------------------- removing

  /**
   * Everything that somebody uploaded and that is in no message: unused uploads, reservations, the own picture; with `rooms`, also what they gave rooms as
   * pictures. Call `clearAway` and `endUploads` after the commit. What is in messages goes with these (`release`).
   */
  async function removeOf(sql: Sql, userId: number, { rooms }: { rooms: boolean }): Promise<void> {
    const own = 'SELECT "id" FROM "Attachment" WHERE "uploaderId" = ? AND "messageId" IS NULL';
    if (rooms) await sql.all(`UPDATE "Chat" SET "avatarId" = NULL WHERE "avatarId" IN (${own})`, [userId]);
    await sql.all('UPDATE "User" SET "avatarId" = NULL WHERE "id" = ?', [userId]);
    await sql.all(
      `UPDATE "Attachment" SET "state" = 'REMOVED', "expiresAt" = ? WHERE "uploaderId" = ? AND "messageId" IS NULL
       AND NOT EXISTS (SELECT 1 FROM "Chat" WHERE "avatarId" = "Attachment"."id")`,
      [clock(), userId],
    );
  }

  /** Bytes of theirs that are still coming are not wanted any more. On another node they are refused when all have come. */
  function endUploads(userId: number): void {
    for (const upload of receiving.get(userId) ?? []) upload.abort();
  }

  /** Removes what is over, soon; resolves when it is done. Never fails: what could not be removed is tried again by the next sweep. */
  function clearAway(): Promise<void> {
    clearAgain = true;
    clearing ??= (async () => {
      try {
        while (clearAgain) {
          clearAgain = false;
          await clearExpired();
        }
      } catch (error) {
        logger.warn({ err: error }, 'files could not be cleared away; trying again later');
      } finally {
        clearing = null;
      }
    })();
    return clearing;
  }

  /** The same, and what processes that died have left on the disk. Returns how many files went. */
  async function sweep(): Promise<number> {
    const gone = await clearExpired();
    const known = async (keys: readonly string[]): Promise<Set<string>> => {
      const rows = await db.sql.all<{ blobKey: string }>(`SELECT "blobKey" FROM "Attachment" WHERE ${oneOfList(db.engine, '"blobKey"', 'text')}`, [keys]);
      return new Set(rows.map(({ blobKey }) => blobKey));
    };
    return gone + (await blobs.sweep(sweptPart++, known));
  }

  async function clearExpired(): Promise<number> {
    for (let gone = 0; ; ) {
      const now = clock();
      const over = await db.sql.all<{ id: number }>('SELECT "id" FROM "Attachment" WHERE "expiresAt" <= ? ORDER BY "expiresAt" LIMIT ?', [now, pieceSize]);
      if (over.length === 0) return gone;
      // First nobody can use them, then the bytes go, then the rows: whenever this process dies, the rest is found again.
      const rows = await db.sqlTransaction((sql) =>
        sql.all<{ id: number; blobKey: string }>(
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

const quotaExceeded = (limit: number, used: number, message: string): AppError => new AppError('QUOTA_EXCEEDED', { limit, used }, message);

/** Stops taking bytes that cannot be the announced ones. */
class Misfit extends Error {
  readonly outcome: Received;
  constructor(outcome: Received) {
    super(outcome);
    this.outcome = outcome;
  }
}

/** Does not wait for bytes that may never come once the upload has ended. */
async function* untilEnded(bytes: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const ended = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Misfit('gone'))));
  ended.catch(() => {});
  const chunks = bytes[Symbol.asyncIterator]();
  for (;;) {
    const next = await Promise.race([chunks.next(), ended]);
    if (next.done) return;
    yield next.value;
  }
}

async function* counted(bytes: AsyncIterable<Uint8Array>, size: number, digest: Hash, announced: string | null): AsyncGenerator<Uint8Array> {
  let taken = 0;
  for await (const chunk of bytes) {
    taken += chunk.length;
    if (taken > size) throw new Misfit('too-many');
    digest.update(chunk);
    yield chunk;
  }
  if (taken < size) throw new Misfit('too-few');
  if (announced !== null && digest.copy().digest('hex') !== announced) throw new Misfit('other-digest');
}

async function collect(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A name to show and to save under: the last part of a path, without control characters and without those that turn the direction of text around. Null when nothing is left. */
function toFileName(given: string): string | null {
  if (given.length > 4_096 || !given.isWellFormed()) return null;
  const name = (given.split(/[/\\]/).at(-1) ?? '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]|(?![\u200c\u200d])\p{Cf}/gu, '')
    .normalize('NFC')
    .trim();
  return isVisible(name) && !/^\.+$/.test(name) && codePoints(name) <= longestName ? name : null;
}

/** Without parameters, in lower case (RFC 9110, 8.3.1; the lengths are those of RFC 6838, 4.2). Null for what is none. */
function toContentType(given: string): string | null {
  const name = '[a-z0-9][a-z0-9!#$&^_.+-]{0,126}';
  const [, type] = new RegExp(`^(${name}/${name})(?:\\s*;[\\x20-\\x7e]{0,200})?$`).exec(given.trim().toLowerCase()) ?? [];
  return type ?? null;
}

/** As hexadecimal digits. */
function toDigest(given: string | null): string | null {
  if (given === null) return null;
  if (/^[0-9a-fA-F]{64}$/.test(given)) return given.toLowerCase();
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(given) ? Buffer.from(given, 'base64').toString('hex') : null;
}
