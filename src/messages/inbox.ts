/** What was sent to a person across all chats: with `undeliveredOnly` the store-and-forward inbox, which nothing leaves until it is acknowledged. */

import type { ChatId, UserId } from '../ids.ts';
import { chatsNow } from '../storage/chats-now.ts';
import type { Database } from '../storage/database.ts';
import { keysetPage, type Page, type PageRequest, type ReadBetween } from '../storage/page.ts';
import type { MessageRow } from '../storage/rows.ts';
import type { Viewer } from '../viewer.ts';
import { messagesByIds } from './store.ts';
import { createStretches, type Stretch } from './stretches.ts';

export type Inbox = ReturnType<typeof createInbox>;
type Bounds = Parameters<ReadBetween<MessageRow, [number]>>[0];
export type InboxFilter = { directOnly: boolean; undeliveredOnly: boolean; unreadOnly: boolean; fromId: UserId | null };

export function createInbox({ db }: { db: Database }) {
  const inOrder = createStretches({ db });
  return { page };

  /** Oldest first. Messages of others, not deleted, since the viewer is a member. */
  async function page({ userId }: Viewer, filter: InboxFilter, request: PageRequest): Promise<Page<MessageRow>> {
    return keysetPage<MessageRow, [number]>(request, { isKey, keyOf: ({ id }) => [id], read });

    async function read({ after, before, backward, limit }: Bounds): Promise<MessageRow[]> {
      let stretches = await stretchesOf(userId, filter);
      if (after) stretches = await inOrder.cut(stretches, 'low', after[0]);
      if (before) stretches = await inOrder.cut(stretches, 'high', before[0] - 1);
      const from = filter.fromId === null ? '' : 'AND m."senderId" = ?';
      const counted = { where: `m."senderId" <> ? AND m."deletedAt" IS NULL ${from}`, params: filter.fromId === null ? [userId] : [userId, filter.fromId] };
      const ids = await inOrder.idsIn(stretches, counted, backward, limit);
      const rows = new Map((await messagesByIds(db.sql, ids)).map((row) => [row.id, row]));
      return ids.flatMap((id) => rows.get(id) ?? []);
    }
  }

  /** The chats of a person from the markers on that the filter names, where there is anything behind them. */
  async function stretchesOf(userId: UserId, { directOnly, undeliveredOnly, unreadOnly }: InboxFilter): Promise<Stretch[]> {
    const rows = await db.scan.all<{ chatId: ChatId; joinedSeq: number; deliveredSeq: number; readSeq: number; lastSeq: number }>(
      `SELECT b."chatId", b."joinedSeq", b."deliveredSeq", b."readSeq", c."lastSeq" FROM "Member" b JOIN ${chatsNow(db.engine)} c ON c."id" = b."chatId"
       WHERE b."userId" = ? AND c."deletedAt" IS NULL AND c."lastSeq" > b."joinedSeq" ${directOnly ? `AND c."kind" = 'DIALOG'` : ''}`,
      [userId],
    );
    return rows
      .map(({ chatId, joinedSeq, deliveredSeq, readSeq, lastSeq }) => ({
        chatId,
        low: Math.max(joinedSeq, undeliveredOnly ? deliveredSeq : 0, unreadOnly ? readSeq : 0),
        high: lastSeq,
      }))
      .filter(({ low, high }) => high > low);
  }
}

const isKey = (key: unknown): key is [number] => Array.isArray(key) && key.length === 1 && Number.isSafeInteger(key[0]) && key[0] >= 0;
