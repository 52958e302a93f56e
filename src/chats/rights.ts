/** What rooms let their members do: stored where it is not what a room lets them do at first. */
import type { ChatId } from '../ids.ts';
import { oneOfList, type Sql } from '../storage/sql.ts';
import { firstRights, type RoomRights } from './access.ts';

/** Of these chats, in their order. */
export async function rightsOf(sql: Sql, ids: readonly ChatId[]): Promise<RoomRights[]> {
  const rows = await sql.all<RoomRights & { chatId: ChatId }>(`SELECT "chatId", "pinPolicy", "mentionAllPolicy" FROM "RoomRights" WHERE ${oneOfList(sql.engine, '"chatId"')}`, [
    ids,
  ]);
  const byChat = new Map(rows.map(({ chatId, ...rights }) => [chatId, rights]));
  return ids.map((id) => byChat.get(id) ?? firstRights);
}

/** Those that are given; the others stay. Under the lock of the room, or when it is made. */
export async function setRights(sql: Sql, chatId: ChatId, changes: Partial<RoomRights>): Promise<void> {
  const [before = firstRights] = await rightsOf(sql, [chatId]);
  const { pinPolicy, mentionAllPolicy } = { ...before, ...changes };
  await sql.all(
    `INSERT INTO "RoomRights" ("chatId", "pinPolicy", "mentionAllPolicy") VALUES (?, ?, ?)
     ON CONFLICT ("chatId") DO UPDATE SET "pinPolicy" = excluded."pinPolicy", "mentionAllPolicy" = excluded."mentionAllPolicy"`,
    [chatId, pinPolicy, mentionAllPolicy],
  );
}
