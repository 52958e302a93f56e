/** What others have put to a message, and goes when its text goes. */
import type { MessageId } from '../ids.ts';
import { oneOfList, type Sql } from '../storage/sql.ts';

const tables = ['Reaction', 'ReactionCount', 'UntoldReaction'] as const;

/** In the transaction in which the messages are deleted, or become tombstones. */
export async function dropBelongings(sql: Sql, messageIds: readonly MessageId[]): Promise<void> {
  for (const table of tables) await sql.all(`DELETE FROM "${table}" WHERE ${oneOfList(sql.engine, '"messageId"', 'bigint')}`, [messageIds]);
}
