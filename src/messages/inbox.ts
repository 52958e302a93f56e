/** What was sent to a person across all chats: with `undeliveredOnly` the store-and-forward inbox, which nothing leaves until it is acknowledged. */
import type { Viewer } from '../sessions/viewer.ts';
import type { Database } from '../storage/database.ts';
import { keysetPage, type Page, type PageRequest, type ReadBetween } from '../storage/page.ts';
import type { MessageRow } from '../storage/rows.ts';
import type { Value } from '../storage/sql.ts';
import { messageColumns, toMessage } from './store.ts';

export type Inbox = ReturnType<typeof createInbox>;
type Bounds = Parameters<ReadBetween<MessageRow, [number]>>[0];
export type InboxFilter = { directOnly: boolean; undeliveredOnly: boolean; unreadOnly: boolean; fromId: number | null };

export function createInbox({ db }: { db: Database }) {
  return { page };

  /** Oldest first. Messages of others, not deleted, since the viewer is a member. */
  async function page(viewer: Viewer, filter: InboxFilter, request: PageRequest): Promise<Page<MessageRow>> {
    const marker = filter.undeliveredOnly ? 'b."deliveredSeq"' : 'b."joinedSeq"';
    return keysetPage<MessageRow, [number]>(request, { isKey, keyOf: ({ id }) => [id], read });

    async function read({ after, before, backward, limit }: Bounds): Promise<MessageRow[]> {
      const params: Value[] = [viewer.userId, viewer.userId];
      const where = [`b."userId" = ?`, `m."senderId" <> ?`, `m."deletedAt" IS NULL`, 'c."deletedAt" IS NULL'];
      if (filter.unreadOnly) where.push('m."seq" > b."readSeq"');
      if (filter.directOnly) where.push(`c."kind" = 'DIALOG'`);
      for (const [condition, value] of [
        ['m."senderId" = ?', filter.fromId],
        ['m."id" > ?', after?.[0]],
        ['m."id" < ?', before?.[0]],
      ] as const) {
        if (value == null) continue;
        where.push(condition);
        params.push(value);
      }
      const rows = await db.sql.all<MessageRow>(
        `SELECT ${messageColumns} FROM "Member" b JOIN "Chat" c ON c."id" = b."chatId" JOIN "Message" m ON m."chatId" = b."chatId" AND m."seq" > ${marker}
         WHERE ${where.join(' AND ')} ORDER BY m."id" ${backward ? 'DESC' : 'ASC'} LIMIT ?`,
        [...params, limit],
      );
      return rows.map(toMessage);
    }
  }
}

const isKey = (key: unknown): key is [number] => Array.isArray(key) && key.length === 1 && Number.isSafeInteger(key[0]) && key[0] >= 0;
