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
  /** Said by a person: whoever reads a chat need not come back to it any more. */
  isRead: boolean;
  /** Whether the replies in threads were read with the rest. */
  threads: boolean;
  /** `always`: also when this very move changes nothing. */
  tell: boolean | 'always';
};

/** For each move, whether there is such a member. */
export type StoredMoves = boolean[];

/** Moves the markers of a batch, each up at most, and tells of those that moved. */
export async function storeMoves(sql: Sql, number: Numbering, moves: readonly Move[], at: Date): Promise<StoredMoves> {
  const places = [...new Map(moves.map((move) => [placeKey(move), { chatId: move.chatId, userId: move.userId }])).values()];
  const asked = tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' });
  const rows = await sql.all<Pick<MemberRow, 'chatId' | 'userId' | 'joinedSeq' | 'deliveredSeq' | 'readSeq' | 'readAt'>>(
    `SELECT b."chatId", b."userId", b."joinedSeq", b."deliveredSeq", b."readSeq", b."readAt" FROM ${asked}
     JOIN "Member" b ON b."chatId" = t."chatId" AND b."userId" = t."userId" ORDER BY b."chatId", b."userId" ${sql.engine === 'sqlite' ? '' : 'FOR NO KEY UPDATE OF b'}`,
    [places],
  );
  // By itself, as they change under the locks of the members.
  const besides = await sql.all<{ chatId: ChatId; userId: UserId; readSeq: number | null; markedUnread: unknown }>(
    `SELECT t."chatId", t."userId", k."readSeq", v."markedUnread" FROM ${asked} LEFT JOIN "ThreadMarker" k ON k."chatId" = t."chatId" AND k."userId" = t."userId"
     LEFT JOIN "ChatView" v ON v."chatId" = t."chatId" AND v."userId" = t."userId"`,
    [places],
  );
  const markers = new Map(besides.map((row) => [placeKey(row), row.readSeq]));
  const cameBack = await endMarkedUnread(sql, besides, moves);
  const members = new Map(
    rows.map((row) => {
      const marker = markers.get(placeKey(row)) ?? null;
      const threadsSeq = marker === null ? row.readSeq : Math.min(row.readSeq, Math.max(marker, row.joinedSeq));
      return [placeKey(row), { ...row, readAt: toDateOrNull(row.readAt), marker, threadsSeq, moved: false, tellDelivered: false, tellRead: false, tellThreads: false }];
    }),
  );
  const outcomes = moves.map((move) => {
    const member = members.get(placeKey(move));
    if (!member) return false;
    const [delivers, reads] = [move.deliveredSeq > member.deliveredSeq, move.readSeq > member.readSeq];
    const readsThreads = move.threads && move.readSeq > member.threadsSeq;
    if (delivers) member.deliveredSeq = move.deliveredSeq;
    if (reads) Object.assign(member, { readSeq: move.readSeq, readAt: at });
    if (readsThreads) member.threadsSeq = move.readSeq;
    member.moved ||= delivers || reads || readsThreads;
    member.tellDelivered ||= move.tell === 'always' || (move.tell && delivers);
    member.tellRead ||= move.tell === 'always' || (move.tell && reads);
    member.tellThreads ||= move.tell === 'always' || (move.tell && readsThreads);
    return true;
  });
  await storeThreadMarkers(sql, [...members.values()]);
  const moved = [...members.values()].filter((member) => member.moved);
  await sql.all(
    `UPDATE "Member" SET "deliveredSeq" = t."deliveredSeq", "readSeq" = t."readSeq", "readAt" = t."readAt"
     FROM ${tableOf(sql.engine, 't', { chatId: 'int', userId: 'int', deliveredSeq: 'int', readSeq: 'int', readAt: 'date' })} WHERE "Member"."chatId" = t."chatId" AND "Member"."userId" = t."userId"`,
    [moved.map(({ chatId, userId, deliveredSeq, readSeq, readAt }) => ({ chatId, userId, deliveredSeq, readSeq, readAt }))],
  );
  const placesOf = (list: readonly { chatId: ChatId; userId: UserId }[]) => list.map(({ chatId, userId }) => ({ chatId, userId }));
  const untold = tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' });
  await sql.all(`INSERT INTO "UntoldReceipt" ("chatId", "userId") SELECT t."chatId", t."userId" FROM ${untold} WHERE true ON CONFLICT DO NOTHING`, [
    placesOf(moved.filter(({ tellDelivered, tellRead, tellThreads }) => !tellDelivered && !tellRead && !tellThreads)),
  ]);
  await sql.all(`DELETE FROM "UntoldReceipt" WHERE ("chatId", "userId") IN (SELECT t."chatId", t."userId" FROM ${untold})`, [
    placesOf(moves.filter(({ tell }) => tell === 'always')),
  ]);
  await number(
    [...members.values()].flatMap(({ chatId, userId, deliveredSeq, readSeq, threadsSeq, tellDelivered, tellRead, tellThreads }) => {
      const read = (upToSeq: number) => ({ type: 'marker-moved', chatId, userId, status: 'READ', upToSeq }) as const;
      const events: NewEvent[] = [];
      if (cameBack.has(placeKey({ chatId, userId })) && !tellRead && !tellThreads) events.push({ type: 'my-chat-changed', chatId, userId });
      const together = threadsSeq === readSeq;
      if (tellRead && !together) events.push({ ...read(readSeq), threads: false });
      if (tellThreads || (tellRead && together)) events.push(read(threadsSeq));
      // What is read was delivered: only a marker ahead of that needs a word of its own.
      if (tellDelivered && deliveredSeq > readSeq) events.push({ type: 'marker-moved', chatId, userId, status: 'DELIVERED', upToSeq: deliveredSeq });
      return events;
    }),
  );
  return outcomes;
}

/** Of those who wanted to come back to a chat, who has done so. */
async function endMarkedUnread(sql: Sql, places: readonly { chatId: ChatId; userId: UserId; markedUnread: unknown }[], moves: readonly Move[]): Promise<Set<string>> {
  const readers = new Set(moves.filter(({ isRead }) => isRead).map(placeKey));
  const back = places.filter((place) => place.markedUnread && readers.has(placeKey(place)));
  await sql.all(
    `UPDATE "ChatView" SET "markedUnread" = false WHERE ("chatId", "userId") IN (SELECT t."chatId", t."userId" FROM ${tableOf(sql.engine, 't', { chatId: 'int', userId: 'int' })})`,
    [back.map(({ chatId, userId }) => ({ chatId, userId }))],
  );
  return new Set(back.map(placeKey));
}

/** A marker of their own have those who have read the threads less far than the chat. */
async function storeThreadMarkers(sql: Sql, members: readonly { chatId: ChatId; userId: UserId; readSeq: number; threadsSeq: number; marker: number | null }[]): Promise<void> {
  const placesOf = (list: typeof members) => list.map(({ chatId, userId, threadsSeq }) => ({ chatId, userId, readSeq: threadsSeq }));
  const table = tableOf(sql.engine, 't', { chatId: 'int', userId: 'int', readSeq: 'int' });
  await sql.all(
    `INSERT INTO "ThreadMarker" ("chatId", "userId", "readSeq") SELECT "chatId", "userId", "readSeq" FROM ${table} WHERE true
     ON CONFLICT ("chatId", "userId") DO UPDATE SET "readSeq" = excluded."readSeq"`,
    [placesOf(members.filter(({ readSeq, threadsSeq, marker }) => threadsSeq < readSeq && threadsSeq !== marker))],
  );
  await sql.all(`DELETE FROM "ThreadMarker" WHERE ("chatId", "userId") IN (SELECT t."chatId", t."userId" FROM ${table})`, [
    placesOf(members.filter(({ readSeq, threadsSeq, marker }) => marker !== null && threadsSeq >= readSeq)),
  ]);
}
