/** What rooms let their members do: stored where it is not what a room lets them do at first. */
import type { ChatId } from '../ids.ts';
import { oneOfList, type Sql } from '../storage/sql.ts';
import { firstRights, type RoomRights } from './access.ts';

/** Of these chats, in their order. */
export async function rightsOf(sql: Sql, ids: readonly ChatId[]): Promise<RoomRights[]> {
  const rows = await sql.all<RoomRights & { chatId: ChatId }>(`SELECT "chatId", "pinPolicy" FROM "RoomRights" WHERE ${oneOfList(sql.engine, '"chatId"')}`, [ids]);
  const byChat = new Map(rows.map(({ chatId, ...rights }) => [chatId, rights]));
  return ids.map((id) => byChat.get(id) ?? firstRights);
}

/** Under the lock of the room, or when it is made. */
export async function setRights(sql: Sql, chatId: ChatId, { pinPolicy }: RoomRights): Promise<void> {
  await sql.all('INSERT INTO "RoomRights" ("chatId", "pinPolicy") VALUES (?, ?) ON CONFLICT ("chatId") DO UPDATE SET "pinPolicy" = excluded."pinPolicy"', [chatId, pinPolicy]);
}
