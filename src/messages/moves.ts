/** Moving the markers of members, many at once, as a job (docs/decisions/threads.md): it knows nothing but `sql`. */
import type { Numbering } from '../events/batch.ts';
import type { NewEvent } from '../events/event.ts';
import { type ChatId, placeKey, type UserId } from '../ids.ts';
import type { MemberRow } from '../storage/rows.ts';
import { type Sql, tableOf, toDateOrNull } from '../storage/sql.ts';

export type Move = {
  chatId: ChatId;
  userId: UserId;
  deliveredSeq: number;
  readSeq: number;
  /** `always`: also when this very move changes nothing. */
  tell: boolean | 'always';
};

/** For each move, whether there is such a member. */
export type StoredMoves = boolean[];

/** Moves the markers of a batch, each up at most, and tells of those that moved. */
export async function storeMoves(sql: Sql, number: Numbering, moves: readonly Move[], at: Date): Promise<StoredMoves> {
  const places = [...new Map(moves.map((move) => [placeKey(move), { chatId: move.chatId, userId: move.userId }])).values()];
  const rows = await sql.all<Pick<MemberRow, 'chatId' | 'userId' | 'deliveredSeq' | 'readSeq' | 'readAt'>>(
    `SELECT b."chatId", b."userId", b."deliveredSeq", b."readSeq", b."readAt" FROM ${tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' })}
     JOIN "Member" b ON b."chatId" = t."chatId" AND b."userId" = t."userId" ORDER BY b."chatId", b."userId" ${sql.engine === 'sqlite' ? '' : 'FOR NO KEY UPDATE OF b'}`,
    [places],
  );
  const members = new Map(rows.map((row) => [placeKey(row), { ...row, readAt: toDateOrNull(row.readAt), moved: false, tellDelivered: false, tellRead: false }]));
  const outcomes = moves.map((move) => {
    const member = members.get(placeKey(move));
    if (!member) return false;
    const [delivers, reads] = [move.deliveredSeq > member.deliveredSeq, move.readSeq > member.readSeq];
    if (delivers) member.deliveredSeq = move.deliveredSeq;
    if (reads) Object.assign(member, { readSeq: move.readSeq, readAt: at });
    member.moved ||= delivers || reads;
    member.tellDelivered ||= move.tell === 'always' || (move.tell && delivers);
    member.tellRead ||= move.tell === 'always' || (move.tell && reads);
    return true;
  });
  const moved = [...members.values()].filter((member) => member.moved);
  await sql.all(
    `UPDATE "Member" SET "deliveredSeq" = t."deliveredSeq", "readSeq" = t."readSeq", "readAt" = t."readAt"
     FROM ${tableOf(sql.engine, 't', { chatId: 'int', userId: 'int', deliveredSeq: 'int', readSeq: 'int', readAt: 'date' })} WHERE "Member"."chatId" = t."chatId" AND "Member"."userId" = t."userId"`,
    [moved.map(({ chatId, userId, deliveredSeq, readSeq, readAt }) => ({ chatId, userId, deliveredSeq, readSeq, readAt }))],
  );
  const placesOf = (list: readonly { chatId: ChatId; userId: UserId }[]) => list.map(({ chatId, userId }) => ({ chatId, userId }));
  const untold = tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' });
  await sql.all(`INSERT INTO "UntoldReceipt" ("chatId", "userId") SELECT t."chatId", t."userId" FROM ${untold} WHERE true ON CONFLICT DO NOTHING`, [
    placesOf(moved.filter(({ tellDelivered, tellRead }) => !tellDelivered && !tellRead)),
  ]);
  await sql.all(`DELETE FROM "UntoldReceipt" WHERE ("chatId", "userId") IN (SELECT t."chatId", t."userId" FROM ${untold})`, [
    placesOf(moves.filter(({ tell }) => tell === 'always')),
  ]);
  await number(
    [...members.values()].flatMap(({ chatId, userId, deliveredSeq, readSeq, tellDelivered, tellRead }) => {
      const events: NewEvent[] = tellRead ? [{ type: 'marker-moved', chatId, userId, status: 'READ', upToSeq: readSeq }] : [];
      // What is read was delivered: only a marker ahead of that needs a word of its own.
      if (tellDelivered && deliveredSeq > readSeq) events.push({ type: 'marker-moved', chatId, userId, status: 'DELIVERED', upToSeq: deliveredSeq });
      return events;
    }),
  );
  return outcomes;
}
