/** Messages that are for somebody where nothing else notifies them: those that name or answer them, those that call everybody, and replies in threads they follow. Each kind comes out of an index. */
import { type MessageId, toMessageId, type UserId } from '../ids.ts';
import { inPieces, type Stretch, stretchTable } from '../messages/stretches.ts';
import type { Database } from '../storage/database.ts';
import type { Value } from '../storage/sql.ts';

export function createForMe({ db }: { db: Database }) {
  const within = (table: string): string => `${table}."seq" > t."low" AND ${table}."seq" <= t."high"`;
  const unread = (id: string): string => `AND NOT EXISTS (SELECT 1 FROM "NotificationRead" r WHERE r."userId" = ? AND r."messageId" = ${id})`;
  /** Each message is of one kind, but those that name or answer somebody in a thread: `alone` leaves these to the first kind. What is deleted has no mentions, and calls nobody. */
  const kinds = (userId: UserId, unreadOnly: boolean, alone: boolean): { id: string; seq: string; from: string; params: Value[] }[] => [
    {
      id: 'n."messageId"',
      seq: 'n."seq"',
      from: `FROM "Mention" n WHERE n."userId" = ? AND n."chatId" = t."chatId" AND n."counts" = true AND ${within('n')} ${unreadOnly ? unread('n."messageId"') : ''}`,
      params: unreadOnly ? [userId, userId] : [userId],
    },
    {
      id: 'm."id"',
      seq: 'm."seq"',
      from: `FROM "Message" m WHERE m."chatId" = t."chatId" AND m."mentionsAll" = 'EVERYONE' AND m."senderId" <> ? AND ${within('m')} ${unreadOnly ? unread('m."id"') : ''}`,
      params: unreadOnly ? [userId, userId] : [userId],
    },
    {
      id: 'm."id"',
      seq: 'm."seq"',
      from: `FROM "ThreadFollow" f JOIN "Message" m ON m."chatId" = f."chatId" AND m."threadRootSeq" = f."rootSeq" AND ${within('m')} AND m."senderId" <> f."userId" AND m."deletedAt" IS NULL
        WHERE f."userId" = ? AND f."chatId" = t."chatId" AND f."following" ${alone ? 'AND NOT EXISTS (SELECT 1 FROM "Mention" n WHERE n."messageId" = m."id" AND n."userId" = f."userId")' : ''}
        ${unreadOnly ? unread('m."id"') : ''}`,
      params: unreadOnly ? [userId, userId] : [userId],
    },
  ];
  const atOnce = <Result>(stretches: readonly Stretch[], run: (piece: readonly Stretch[]) => Promise<Result[]>) => inPieces(stretches, run, Number.POSITIVE_INFINITY);
  return { idsIn, count };

  /** The first of them, in order; newest first when `descending`. */
  async function idsIn(userId: UserId, stretches: readonly Stretch[], unreadOnly: boolean, descending: boolean, limit: number): Promise<MessageId[]> {
    const found = new Set<MessageId>();
    for (const { id, seq, from, params } of kinds(userId, unreadOnly, false)) {
      const text = `SELECT (SELECT string_agg(CAST(q."id" AS text), ',') FROM (SELECT ${id} AS "id" ${from} ORDER BY ${seq} ${descending ? 'DESC' : 'ASC'} LIMIT ?) q) AS "ids" FROM ${stretchTable(db.engine)}`;
      for (const { ids } of await atOnce(stretches, (piece) => db.scan.all<{ ids: string | null }>(text, [...params, limit, piece])))
        for (const each of ids?.split(',') ?? []) found.add(toMessageId(each));
    }
    return [...found].sort((a, b) => (descending ? b - a : a - b)).slice(0, limit);
  }

  /** How many of them are not marked as read. */
  async function count(userId: UserId, stretches: readonly Stretch[]): Promise<number> {
    const parts = kinds(userId, true, true);
    const text = `SELECT ${parts.map(({ from }) => `(SELECT count(*) ${from})`).join(' + ')} AS "count" FROM ${stretchTable(db.engine)}`;
    const rows = await atOnce(stretches, (piece) => db.scan.all<{ count: number }>(text, [...parts.flatMap(({ params }) => params), piece]));
    return rows.reduce((sum, row) => sum + Number(row.count), 0);
  }
}
