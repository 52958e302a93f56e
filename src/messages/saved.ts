/** Saved messages: what people keep for themselves, with a note if they like. Nobody else learns of it. */
import { checkLines, withNewlines } from '../accounts/names.ts';
import { AppError, createProblems, notFound } from '../errors.ts';
import type { Append, WriteBatch } from '../events/write.ts';
import { type MessageId, toMessageId, type UserId } from '../ids.ts';
import { isLatestKey, type LatestKey, latestFirst, statementOf } from '../storage/conditions.ts';
import type { Database, Tx } from '../storage/database.ts';
import { mustLockAccount } from '../storage/locks.ts';
import { type Bounds, keysetPage, type Page, type PageRequest } from '../storage/page.ts';
import type { MessageRow } from '../storage/rows.ts';
import { tableOf, toDate } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { getMessage, type Messages, mustSee } from './messages.ts';

export type Saved = ReturnType<typeof createSaved>;
export type SavedMessage = { message: MessageRow; savedAt: Date; note: string | null };

/** Of one account, what it may no longer read included. */
export const mostSaved = 1_000;
const longestNote = 500;
/** So many are looked at together for those that may still be read. */
const savedAtOnce = 200;

type SavedRow = { messageId: MessageId; savedAt: Date; note: string | null };

export function createSaved({ db, writeBatch, messages, clock }: { db: Database; writeBatch: WriteBatch; messages: Pick<Messages, 'findMany'>; clock: () => Date }) {
  return { save, unsave, among, page, eraseAll };

  /** Saving again changes the note: undefined leaves it, null removes it. Fails with NOT_FOUND (also for a deleted message), VALIDATION_FAILED, or QUOTA_EXCEEDED. */
  async function save(viewer: Viewer, input: { messageId: MessageId; note?: string | null | undefined }): Promise<MessageRow> {
    const { userId } = viewer;
    const note = input.note == null ? input.note : withNewlines(input.note);
    const problems = createProblems();
    if (note != null) checkLines(problems, 'note', note, longestNote);
    problems.check();
    const found = await getMessage(db.sql, input.messageId);
    return writeBatch(async (sql, number) => {
      const { message } = await mustSee(sql, viewer, found);
      if (message.deletedAt) throw notFound('Message');
      // What is counted stays so until the commit.
      await mustLockAccount(sql, userId);
      const [earlier] = await sql.all<{ note: string | null }>('SELECT "note" FROM "SavedMessage" WHERE "userId" = ? AND "messageId" = ?', [userId, message.id]);
      if (earlier) {
        if (note === undefined || note === earlier.note) return message;
        await sql.all('UPDATE "SavedMessage" SET "note" = ? WHERE "userId" = ? AND "messageId" = ?', [note, userId, message.id]);
      } else {
        const [{ count } = { count: 0 }] = await sql.all<{ count: number }>('SELECT count(*) AS "count" FROM "SavedMessage" WHERE "userId" = ?', [userId]);
        if (Number(count) >= mostSaved) throw new AppError('QUOTA_EXCEEDED', { limit: mostSaved, used: Number(count) }, `At most ${mostSaved} messages can be saved.`);
        await sql.all('INSERT INTO "SavedMessage" ("userId", "messageId", "savedAt", "note") VALUES (?, ?, ?, ?)', [userId, message.id, clock(), note ?? null]);
      }
      await number([{ type: 'saved-changed', userId, messageId: message.id }]);
      return message;
    });
  }

  /** Whether or not the viewer may read the message, or ever saved it. */
  async function unsave({ userId }: Viewer, messageId: MessageId): Promise<void> {
    await writeBatch(async (sql, number) => {
      const gone = await sql.all('DELETE FROM "SavedMessage" WHERE "userId" = ? AND "messageId" = ? RETURNING "messageId"', [userId, messageId]);
      if (gone.length > 0) await number([{ type: 'saved-changed', userId, messageId }]);
    });
  }

  /** Whether each of these people has saved the message, in their order. */
  async function among(asked: readonly { userId: UserId; messageId: MessageId }[]): Promise<boolean[]> {
    const table = tableOf(db.engine, 't', { userId: 'int', messageId: 'bigint' });
    const rows = await db.sql.all<{ userId: UserId; messageId: MessageId }>(
      `SELECT s."userId", s."messageId" FROM ${table} JOIN "SavedMessage" s ON s."userId" = t."userId" AND s."messageId" = t."messageId"`,
      [asked],
    );
    const saved = new Set(rows.map(({ userId, messageId }) => `${userId} ${messageId}`));
    return asked.map(({ userId, messageId }) => saved.has(`${userId} ${messageId}`));
  }

  /** The latest first, without what the viewer may no longer read. Fails with BAD_REQUEST for a cursor that is none. */
  function page(viewer: Viewer, request: PageRequest): Promise<Page<SavedMessage>> {
    return keysetPage<SavedMessage, LatestKey>(request, {
      isKey: isLatestKey,
      keyOf: ({ savedAt, message }) => [savedAt.getTime(), message.id],
      read: (bounds) => read(viewer, bounds),
    });
  }

  async function read(viewer: Viewer, { limit, ...given }: Bounds<LatestKey>): Promise<SavedMessage[]> {
    const shown: SavedMessage[] = [];
    for (let bounds = given; ; ) {
      const { conditions, end } = latestFirst('s."savedAt"', 's."messageId"', bounds);
      const [text, ...params] = statementOf('SELECT s."messageId", s."savedAt", s."note" FROM "SavedMessage" s', [['s."userId" = ?', viewer.userId], ...conditions], end, [
        savedAtOnce,
      ]);
      const rows = await db.sql.all<SavedRow>(text, params);
      const found = await messages.findMany(
        viewer,
        rows.map(({ messageId }) => toMessageId(messageId)),
      );
      for (const [index, message] of found.entries()) {
        const { savedAt, note } = rows[index] as SavedRow;
        if (message && message.deletedAt === null) shown.push({ message, savedAt: toDate(savedAt), note });
      }
      const last = rows.at(-1);
      if (!last || rows.length < savedAtOnce || shown.length >= limit) return shown.slice(0, limit);
      const key: LatestKey = [toDate(last.savedAt).getTime(), toMessageId(last.messageId)];
      bounds = bounds.backward ? { ...bounds, before: key } : { ...bounds, after: key };
    }
  }

  /** What a deleted account had saved. */
  async function eraseAll(tx: Tx, _append: Append, userId: UserId): Promise<undefined> {
    await tx.savedMessage.deleteMany({ where: { userId } });
  }
}
