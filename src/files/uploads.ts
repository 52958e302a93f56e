/**
 * Uploads: a slot is reserved, the bytes come to it, and the upload is completed; then it can be used (files.ts). A slot that is not filled in time, and a
 * file that nobody uses, are swept there.
 */
import { createHash, type Hash } from 'node:crypto';
import { codePoints, isVisible, withoutInvisible } from '../accounts/names.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, invalid, notFound } from '../errors.ts';
import type { AttachmentId, UserId } from '../ids.ts';
import { addTo, dropFrom, type MultiMap } from '../multimap.ts';
import type { Database } from '../storage/database.ts';
import { mustLockAccount } from '../storage/locks.ts';
import { type AttachmentRow, toAttachmentRow } from '../storage/rows.ts';
import { forUpdate, type Sql } from '../storage/sql.ts';
import { createQueues } from '../turns.ts';
import type { Viewer } from '../viewer.ts';
import { type Blobs, bytesOf, newBlobKey } from './blobs.ts';
import type { Files } from './files.ts';
import { headBytes, type Images, typeOf } from './images.ts';
import type { Links, UploadLink } from './links.ts';

export type Uploads = ReturnType<typeof createUploads>;
export type UploadRequest = { fileName: string; contentType: string; size: number; sha256: string | null };
/** What became of bytes that were sent into a slot. Only `stored` keeps any. */
export type Received = 'stored' | 'gone' | 'replaced' | 'completed' | 'too-many' | 'too-few' | 'other-digest';

/** Uploads of one account that are in no message and are no picture. */
const mostUnused = 200;
const longestName = 255;
/** Who has sent nothing for so long gives way to who waits. */
const quietMs = 1_000;

/** An upload whose bytes are coming, and when the last of them came. */
type Coming = { ended: AbortController; heardAt: number };

export function createUploads({
  db,
  blobs,
  images,
  links,
  files,
  config,
  clock,
}: {
  db: Database;
  blobs: Blobs;
  images: Images;
  links: Pick<Links, 'toPath'>;
  files: Pick<Files, 'findMany'>;
  config: Pick<Config, 'MAX_ATTACHMENT_BYTES' | 'UPLOAD_QUOTA_BYTES' | 'UPLOAD_QUOTA_FILES' | 'MIN_FREE_BYTES' | 'UPLOAD_SECONDS' | 'UNUSED_UPLOAD_SECONDS'>;
  clock: () => Date;
}) {
  const inSlot = createQueues<AttachmentId>();
  /** What comes into a slot, and how many wait for it. */
  const coming = new Map<AttachmentId, Coming>();
  const waiting = new Map<AttachmentId, number>();
  /** Uploads whose bytes are coming, by whose they are. */
  const receiving: MultiMap<UserId, AbortController> = new Map();
  return { reserve, receive, complete, endOf, mustFitQuota, unusedUntil };

  /**
   * Keeps room for a file and tells where its bytes go. The name is cleaned: no folders, no control or formatting characters.
   * Fails with VALIDATION_FAILED, QUOTA_EXCEEDED (what was reserved counts), or UNAVAILABLE when the disk is nearly full.
   */
  async function reserve(viewer: Pick<Viewer, 'userId'>, input: UploadRequest): Promise<{ attachment: AttachmentRow; path: string; expiresAt: Date }> {
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
      await mustLockAccount(sql, viewer.userId);
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

  /** When an upload that nobody has used by then is swept. */
  function unusedUntil(): Date {
    return new Date(clock().getTime() + config.UNUSED_UPLOAD_SECONDS * 1000);
  }

  /** Under the account's lock. Throws QUOTA_EXCEEDED when so much more, in so many files, is too much. */
  async function mustFitQuota(sql: Sql, userId: UserId, size: number, count = 1): Promise<void> {
    const [found] = await sql.all<{ bytes: number; files: number; unused: number }>(
      `SELECT COALESCE(SUM("size"), 0) AS "bytes", COUNT(*) AS "files", COUNT("expiresAt") AS "unused" FROM "Attachment" WHERE "uploaderId" = ? AND "state" <> 'REMOVED'`,
      [userId],
    );
    const [bytes, files, unused] = [Number(found?.bytes), Number(found?.files), Number(found?.unused)];
    if (bytes + size > config.UPLOAD_QUOTA_BYTES) throw quotaExceeded(config.UPLOAD_QUOTA_BYTES, bytes, `All files of an account may have ${config.UPLOAD_QUOTA_BYTES} bytes.`);
    if (files + count > config.UPLOAD_QUOTA_FILES) throw quotaExceeded(config.UPLOAD_QUOTA_FILES, files, `An account may have ${config.UPLOAD_QUOTA_FILES} files.`);
    if (unused + count > mostUnused) throw quotaExceeded(mostUnused, unused, `At most ${mostUnused} uploads may be waiting to be used.`);
  }

  async function mustHaveRoom(size: number): Promise<void> {
    if ((await blobs.freeBytes()) - size < config.MIN_FREE_BYTES) throw new AppError('UNAVAILABLE', undefined, 'The server has no room for files at the moment.');
  }

  /** How many bytes a slot takes; null when there is no such slot (any more). */
  async function findSlot({ id }: UploadLink): Promise<{ uploaderId: UserId; size: number; completed: boolean } | null> {
    const row = await findRow(id);
    if (!row || row.state === 'REMOVED') return null;
    const { uploaderId, size } = row;
    const completed = row.state === 'COMPLETE';
    return completed || (row.expiresAt ?? clock()) > clock() ? { uploaderId, size, completed } : null;
  }

  /**
   * Takes the bytes of an upload: exactly as many as were announced, with the digest that was announced. Again is fine until it is completed: the last
   * one counts. Two into one slot wait for each other, but not for one from which nothing comes: that is replaced. Fails with what `bytes` throws, or UNAVAILABLE; then nothing is kept of it.
   */
  function receive(link: UploadLink, bytes: AsyncIterable<Uint8Array>, announced: number | null): Promise<Received> {
    waiting.set(link.id, (waiting.get(link.id) ?? 0) + 1);
    replaceQuiet(link.id);
    return inSlot(link.id, async () => {
      const others = (waiting.get(link.id) ?? 1) - 1;
      if (others > 0) waiting.set(link.id, others);
      else waiting.delete(link.id);
      const slot = await findSlot(link);
      if (!slot) return 'gone';
      if (slot.completed) return 'completed';
      if (announced !== null && announced !== slot.size) return announced > slot.size ? 'too-many' : 'too-few';
      await mustHaveRoom(slot.size);
      const key = newBlobKey();
      const digest = createHash('sha256');
      const ended = new AbortController();
      const upload: Coming = { ended, heardAt: performance.now() };
      addTo(receiving, slot.uploaderId, ended);
      coming.set(link.id, upload);
      if (others > 0) replaceQuiet(link.id);
      try {
        await blobs.put(key, counted(untilEnded(bytes, upload), slot.size, digest, link.sha256), slot.size);
      } catch (error) {
        if (error instanceof Misfit) return error.outcome;
        throw error;
      } finally {
        dropFrom(receiving, slot.uploaderId, ended);
        coming.delete(link.id);
      }
      const outcome = await fill(link.id, key, digest.digest('hex')).catch(async (error) => {
        await blobs.remove(key);
        throw error;
      });
      if (outcome !== 'stored') await blobs.remove(key);
      return outcome;
    });
  }

  /** Somebody waits for this slot: ends what has it as soon as nothing has come for a while. A client whose connection broke begins anew long before the server hears of it. */
  function replaceQuiet(id: AttachmentId): void {
    const upload = coming.get(id);
    if (!upload) return;
    const leftMs = quietMs - (performance.now() - upload.heardAt);
    if (leftMs <= 0) upload.ended.abort('replaced' satisfies Received);
    else setTimeout(() => coming.get(id) === upload && replaceQuiet(id), leftMs).unref();
  }

  /** The slot has these bytes now, and no others. */
  async function fill(id: AttachmentId, blobKey: string, sha256: string): Promise<Received> {
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
  async function complete(viewer: Pick<Viewer, 'userId'>, id: AttachmentId): Promise<AttachmentRow> {
    for (;;) {
      const row = await findRow(id);
      if (!row || row.uploaderId !== viewer.userId || row.state === 'REMOVED') throw notFound('Attachment');
      if (row.state === 'COMPLETE') return mustStillSee(viewer, row);
      const head = row.state === 'UPLOADED' ? await blobs.find(row.blobKey, { start: 0, end: headBytes - 1 }) : null;
      if (!head) throw invalid('attachmentId', 'missing', 'The bytes are not here: PUT them to `uploadUrl` first, all of them.');
      const beginning = await bytesOf(head.bytes);
      const contentType = await typeOf(beginning, row.contentType);
      const sides = await images.measure(viewer.userId, row.blobKey, contentType, row.size, beginning);
      const [completed] = await db.sqlTransaction((sql) =>
        sql.all<AttachmentRow>(
          `UPDATE "Attachment" SET "state" = 'COMPLETE', "contentType" = ?, "width" = ?, "height" = ?, "expiresAt" = ?
           WHERE "id" = ? AND "state" = 'UPLOADED' AND "blobKey" = ? RETURNING *`,
          [contentType, sides?.width ?? null, sides?.height ?? null, unusedUntil(), id, row.blobKey],
        ),
      );
      // Otherwise other bytes came in between, or somebody else completed it.
      if (completed) return toAttachmentRow(completed);
    }
  }

  /** A file that is in a message now is seen by those who may read it. */
  async function mustStillSee(viewer: Pick<Viewer, 'userId'>, row: AttachmentRow): Promise<AttachmentRow> {
    const [found] = await files.findMany(viewer, [row.id]);
    if (!found) throw notFound('Attachment');
    return found;
  }

  /** Bytes of theirs that are still coming are not wanted any more. On another node they are refused when all have come. */
  function endOf(userId: UserId): void {
    for (const upload of receiving.get(userId) ?? []) upload.abort('gone' satisfies Received);
  }

  async function findRow(id: AttachmentId): Promise<AttachmentRow | null> {
    const [row] = await db.sql.all<AttachmentRow>('SELECT * FROM "Attachment" WHERE "id" = ?', [id]);
    return row ? toAttachmentRow(row) : null;
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
async function* untilEnded(bytes: AsyncIterable<Uint8Array>, upload: Coming): AsyncGenerator<Uint8Array> {
  const chunks = bytes[Symbol.asyncIterator]();
  for (;;) {
    const next = await unlessEnded(chunks.next(), upload.ended.signal);
    upload.heardAt = performance.now();
    if (next.done) return;
    yield next.value;
  }
}

/** Not by Promise.race with one promise for all: that would keep every chunk until the upload is over. */
function unlessEnded<T>(job: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => reject(new Misfit(signal.reason as Received));
    if (signal.aborted) end();
    signal.addEventListener('abort', end);
    job.then(resolve, reject).finally(() => signal.removeEventListener('abort', end));
  });
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

/** A name to show and to save under: the last part of a path, without control characters and without those that turn the direction of text around. Null when nothing is left. */
function toFileName(given: string): string | null {
  if (given.length > 4_096 || !given.isWellFormed()) return null;
  const visible = withoutInvisible((given.split(/[/\\]/).at(-1) ?? '').replace(/\p{Cc}/gu, ''));
  // What takes the square of a name's combining marks is done for what may become a name only: no character is composed of more.
  if (visible.length > 4 * longestName) return null;
  const name = visible.normalize('NFC').trim();
  return isVisible(name) && !/^\.+$/.test(name) && codePoints(name) <= longestName ? name : null;
}

/** Without parameters, in lower case (RFC 9110, 8.3.1; the lengths are those of RFC 6838, 4.2). Null for what is none. */
function toContentType(given: string): string | null {
  const [, type] = /^([a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126})(?:\s*;[\x20-\x7e]{0,200})?$/.exec(given.trim().toLowerCase()) ?? [];
  return type ?? null;
}

/** As hexadecimal digits. */
function toDigest(given: string | null): string | null {
  if (given === null) return null;
  if (/^[0-9a-fA-F]{64}$/.test(given)) return given.toLowerCase();
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(given) ? Buffer.from(given, 'base64').toString('hex') : null;
}
