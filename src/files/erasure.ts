/** The files of a person whose account is deleted: what nobody uses goes with the account, and with ERASE also the pictures given to rooms, in bounded pieces. */
import type { ErasureMode, ErasurePart } from '../accounts/erasure.ts';
import type { Append, WriteBatch } from '../events/write.ts';
import type { UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import type { Files } from './files.ts';
import type { Uploads } from './uploads.ts';

export function createFileErasure({
  db,
  writeBatch,
  files,
  uploads,
}: {
  db: Database;
  writeBatch: WriteBatch;
  files: Pick<Files, 'removeOf' | 'takeFromRooms' | 'clearAway'>;
  uploads: Pick<Uploads, 'endOf'>;
}) {
  return { atOnce, afterwards } satisfies ErasurePart;

  /** Uploads on their way, unused ones, and the own picture. */
  async function atOnce(tx: Tx, _append: Append, userId: UserId): Promise<() => void> {
    await files.removeOf(db.sqlIn(tx), userId);
    return () => {
      uploads.endOf(userId);
      void files.clearAway();
    };
  }

  /** Behind the messages, whose files they let go of. */
  async function* afterwards(userId: UserId, mode: ErasureMode): AsyncGenerator<void> {
    for (let more = mode === 'ERASE'; more; yield) {
      more = await writeBatch(async (sql, number) => {
        const roomIds = await files.takeFromRooms(sql, userId);
        await number(roomIds.map((chatId) => ({ type: 'chat-updated', chatId })));
        return roomIds.length > 0;
      });
    }
    await files.clearAway();
  }
}
