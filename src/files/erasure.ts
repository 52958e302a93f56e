/** The files of a person whose account is deleted: what is in no message goes with the account, and with ERASE also the pictures given to rooms. */
import type { ErasureMode, ErasurePart } from '../accounts/erasure.ts';
import type { Append, Write } from '../events/write.ts';
import type { UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import type { Locks } from '../storage/locks.ts';
import type { Files } from './files.ts';
import type { Uploads } from './uploads.ts';

export function createFileErasure({
  db,
  write,
  locks,
  files,
  uploads,
}: {
  db: Database;
  write: Write;
  locks: Locks;
  files: Pick<Files, 'removeOf' | 'clearAway'>;
  uploads: Pick<Uploads, 'endOf'>;
}) {
  return { atOnce, afterwards } satisfies ErasurePart;

  /** Uploads on their way, unused ones, and the own picture. */
  async function atOnce(tx: Tx, _append: Append, userId: UserId): Promise<() => void> {
    await files.removeOf(db.sqlIn(tx), userId, { rooms: false });
    return () => {
      uploads.endOf(userId);
      void files.clearAway();
    };
  }

  /** Behind the messages, whose files they let go of. */
  async function* afterwards(userId: UserId, mode: ErasureMode): AsyncGenerator<void> {
    if (mode === 'ERASE') await write((tx, append) => removePicturesOfRooms(tx, append, userId));
    yield;
    await files.clearAway();
  }

  async function removePicturesOfRooms(tx: Tx, append: Append, userId: UserId): Promise<void> {
    const pictures = await tx.attachment.findMany({ where: { uploaderId: userId, messageId: null }, select: { id: true } });
    const rooms = await tx.chat.findMany({ where: { avatarId: { in: pictures.map(({ id }) => id) } }, select: { id: true }, orderBy: { id: 'asc' } });
    for (const { id } of rooms) await locks.lockChat(tx, id);
    await files.removeOf(db.sqlIn(tx), userId, { rooms: true });
    append(rooms.map(({ id }) => ({ type: 'chat-updated' as const, chatId: id })));
  }
}
