/** Files of a message once more, for one that is sent on: rows of their own, at the quota of who sends it on, on copies of the bytes. */
import { notFound } from '../errors.ts';
import type { AttachmentId, MessageId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { mustLockAccount } from '../storage/locks.ts';
import { oneOfList } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { type Blobs, newBlobKey } from './blobs.ts';
import type { Files } from './files.ts';
import type { Uploads } from './uploads.ts';

export type Copies = ReturnType<typeof createCopies>;

export function createCopies({
  db,
  blobs,
  files,
  uploads,
  clock,
}: {
  db: Database;
  blobs: Blobs;
  files: Pick<Files, 'ofMessages' | 'clearAway'>;
  uploads: Pick<Uploads, 'mustFitQuota' | 'unusedUntil'>;
  clock: () => Date;
}) {
  return { copy, discard };

  /** Uploads of the viewer that are ready to be sent, in the order of the message's files. Fails with QUOTA_EXCEEDED, NOT_FOUND when the files went meanwhile, UNAVAILABLE. */
  async function copy({ userId }: Pick<Viewer, 'userId'>, messageId: MessageId): Promise<AttachmentId[]> {
    const [rows = []] = await files.ofMessages([messageId]);
    if (rows.length === 0) return [];
    const copied: string[] = [];
    try {
      for (const row of rows) {
        const key = newBlobKey();
        if (!(await blobs.copy(row.blobKey, key))) throw notFound('Message');
        copied.push(key);
      }
      return await db.sqlTransaction(async (sql) => {
        await mustLockAccount(sql, userId);
        await uploads.mustFitQuota(
          sql,
          userId,
          rows.reduce((sum, { size }) => sum + size, 0),
          rows.length,
        );
        const ids: AttachmentId[] = [];
        const [now, until] = [clock(), uploads.unusedUntil()];
        for (const [index, { fileName, contentType, size, sha256, width, height }] of rows.entries()) {
          const [made] = await sql.all<{ id: AttachmentId }>(
            `INSERT INTO "Attachment" ("uploaderId", "state", "fileName", "contentType", "size", "sha256", "blobKey", "width", "height", "createdAt", "expiresAt")
             VALUES (?, 'COMPLETE', ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING "id"`,
            [userId, fileName, contentType, size, sha256, copied[index] as string, width, height, now, until],
          );
          ids.push((made as { id: AttachmentId }).id);
        }
        return ids;
      });
    } catch (error) {
      for (const key of copied) await blobs.remove(key).catch(() => {});
      throw error;
    }
  }

  /** What was copied is not used. */
  async function discard(ids: readonly AttachmentId[]): Promise<void> {
    await db.sqlTransaction((sql) => sql.all(`UPDATE "Attachment" SET "expiresAt" = ? WHERE ${oneOfList(sql.engine, '"id"')} AND "messageId" IS NULL`, [clock(), ids]));
    void files.clearAway();
  }
}
