/** A dialog's two people, and the chats of dialogs. */
import type { ChatId, UserId } from '../ids.ts';
import { chatsNow } from './chats-now.ts';
import { type Engine, type Sql, tableOf } from './sql.ts';

/** A dialog's two people, the lower id first, twice the same in a dialog with oneself: what names it before it is opened and after. */
export type Pair = { low: UserId; high: UserId };

/** The dialog of two people, or of one with oneself. */
export const pairOf = (a: UserId, b: UserId): Pair => (a <= b ? { low: a, high: b } : { low: b, high: a });

export const pairKey = ({ low, high }: Pair): string => `${low}.${high}`;

/** The chats `c` of a list of pairs given as one parameter. */
export const dialogsOf = (engine: Engine): string =>
  `${tableOf(engine, 't', { low: 'int', high: 'int' })} JOIN ${chatsNow(engine)} c ON c."lowUserId" = t."low" AND c."highUserId" = t."high"`;

/** The ids of the dialogs between these people, by `pairKey`, where there are any. */
export async function dialogIds(sql: Sql, pairs: readonly Pair[]): Promise<Map<string, ChatId>> {
  const rows = await sql.all<Pair & { id: ChatId }>(`SELECT c."id", t."low", t."high" FROM ${dialogsOf(sql.engine)}`, [pairs]);
  return new Map(rows.map((row) => [pairKey(row), row.id]));
}
