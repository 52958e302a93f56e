/** Clearing away what rooms that were deleted have left: members who were not told yet, bans, messages and their files, and at last the room. In bounded pieces. */
import type { Roster } from '../chats/roster.ts';
import { type AttachmentId, type ChatId, toMessageId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import type { MessageRow } from '../storage/rows.ts';
import { oneOfList, type Sql } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import { dropBelongings } from './belongings.ts';
import type { SearchEntries } from './searchable.ts';
import type { MessageFiles } from './send.ts';
import { dropThreads } from './thread-rows.ts';

export type DeletedRooms = ReturnType<typeof createDeletedRooms>;

const messagesAtOnce = 250;

export function createDeletedRooms({
  db,
  roster,
  files,
  entries,
}: {
  db: Database;
  roster: Pick<Roster, 'emptySome'>;
  files: Pick<MessageFiles, 'release' | 'drop'>;
  entries: Pick<SearchEntries, 'takeOut'>;
}) {
  let stopping = false;
  return { sweep, close: (): void => void (stopping = true) };

  /** Returns how many messages went. A stop ends it behind the piece that is under way. */
  async function sweep(): Promise<number> {
    for (let gone = 0; ; await yieldWhenLong()) {
      const [room] = await db.scan.all<{ id: ChatId; avatarId: AttachmentId | null }>(
        'SELECT "id", "avatarId" FROM "Chat" WHERE "deletedAt" IS NOT NULL ORDER BY "id" LIMIT 1',
        [],
      );
      if (!room || stopping) return gone;
      if (await roster.emptySome(room.id)) continue;
      gone += await db.sqlTransaction((sql) => removeSome(sql, room));
    }
  }

  /** The room goes with the last of its messages. */
  async function removeSome(sql: Sql, { id, avatarId }: { id: ChatId; avatarId: AttachmentId | null }): Promise<number> {
    const rows = await sql.all<Pick<MessageRow, 'id' | 'senderId' | 'threadRootSeq'>>(
      'SELECT "id", "senderId", "threadRootSeq" FROM "Message" WHERE "chatId" = ? ORDER BY "seq" LIMIT ?',
      [id, messagesAtOnce],
    );
    const ids = rows.map((row) => toMessageId(row.id));
    await entries.takeOut(sql, ids);
    await files.release(sql, ids);
    await dropBelongings(
      sql,
      ids.map((messageId) => ({ id: messageId, chatId: id })),
      [],
    );
    await dropThreads(
      sql,
      rows.map((row) => ({ ...row, id: toMessageId(row.id), chatId: id })),
    );
    await sql.all(`DELETE FROM "Message" WHERE ${oneOfList(sql.engine, '"id"', 'bigint')}`, [ids]);
    if (rows.length > 0) return rows.length;
    if (avatarId !== null) await files.drop(sql, avatarId);
    await sql.all('DELETE FROM "Chat" WHERE "id" = ?', [id]);
    return 0;
  }
}
