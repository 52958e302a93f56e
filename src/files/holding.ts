/** Uploads on their way into messages or pictures: statements of the transaction that uses them. */
import type { AttachmentId, MessageId, UserId } from '../ids.ts';
import { forUpdate, oneOfList, type Sql, tableOf } from '../storage/sql.ts';

/** Free to be used: completed, in no message, no picture, not yet swept. */
const isFree = `"state" = 'COMPLETE' AND "messageId" IS NULL AND "expiresAt" > ?`;

/** Those of these uploads that are free, kept from others until the transaction ends. */
export function hold(sql: Sql, ids: readonly AttachmentId[], at: Date): Promise<{ id: AttachmentId; uploaderId: UserId }[]> {
  return sql.all(`SELECT "id", "uploaderId" FROM "Attachment" WHERE ${oneOfList(sql.engine, '"id"')} AND ${isFree} ORDER BY "id" ${forUpdate(sql.engine)}`, [ids, at]);
}

/** Puts uploads that are held into messages that are stored. */
export async function attach(sql: Sql, places: readonly { id: AttachmentId; messageId: MessageId; position: number }[]): Promise<void> {
  const table = tableOf(sql.engine, 't', { id: 'int', messageId: 'bigint', position: 'int' });
  await sql.all(`UPDATE "Attachment" SET "messageId" = t."messageId", "position" = t."position", "expiresAt" = NULL FROM ${table} WHERE "Attachment"."id" = t."id"`, [places]);
}
