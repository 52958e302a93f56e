/**
 * Messages of many chats in one order, that of their ids, which grow with `seq` inside each chat. Costs index look-ups: for each chat its first message that
 * counts, then a page's worth of each chat that can be on the page. Long runs of what does not count are passed over a bounded piece at a time.
 */
import { type ChatId, type MessageId, toMessageId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { type Sql, tableOf, type Value } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';

export type Stretches = ReturnType<typeof createStretches>;
/** A piece of a chat: the messages with `low` < seq <= `high`. */
export type Stretch = { chatId: ChatId; low: number; high: number };
/** Which messages count: a condition on `m`, and its parameters. */
export type Counted = { where: string; params: readonly Value[] };

/** What one statement may have to walk through: so many chats, and so many messages in all. */
const chatsAtOnce = 200;
export const walkedAtOnce = 10_000;
export const walkedAtFirst = 1_000;

export function createStretches({ db }: { db: Database }) {
  return { idsIn, cut };

  /** The ids of the first messages that count, in order; newest first when `descending`. */
  async function idsIn(stretches: readonly Stretch[], counted: Counted, descending: boolean, limit: number): Promise<MessageId[]> {
    const inOrder = (a: number, b: number): number => (descending ? b - a : a - b);
    const found = await nearest(await leading(), limit);
    return found
      .flatMap((chat) => chat.ids)
      .sort(inOrder)
      .slice(0, limit);

    /** The stretches that a page can reach into: no more than it has places, those whose first message comes first. */
    async function leading(): Promise<readonly Stretch[]> {
      if (stretches.length <= limit) return stretches;
      const heads = (await nearest(stretches, 1)).flatMap(({ chatId, ids: [id] }) => (id === undefined ? [] : [{ chatId, id }]));
      const first = heads.sort((a, b) => inOrder(a.id, b.id)).slice(0, limit);
      const chatIds = new Set(first.map(({ chatId }) => chatId));
      return stretches.filter(({ chatId }) => chatIds.has(chatId));
    }

    /** The first messages of each stretch. */
    async function nearest(among: readonly Stretch[], most: number): Promise<{ chatId: ChatId; ids: MessageId[] }[]> {
      const text = `SELECT t."chatId", (SELECT string_agg(CAST(q."id" AS text), ',') FROM (
           SELECT m."id" FROM "Message" m WHERE m."chatId" = t."chatId" AND m."seq" > t."low" AND m."seq" <= t."high" AND ${counted.where}
           ORDER BY m."seq" ${descending ? 'DESC' : 'ASC'} LIMIT ?) q) AS "ids" FROM ${stretchTable(db.engine)}`;
      const found = new Map(among.map(({ chatId }) => [chatId, [] as MessageId[]]));
      let left = [...among];
      for (let length = walkedAtFirst; left.length > 0; length = Math.min(2 * length, walkedAtOnce)) {
        const parts = left.map(({ chatId, low, high }) => (descending ? { chatId, low: Math.max(low, high - length), high } : { chatId, low, high: Math.min(high, low + length) }));
        const rows = await inPieces(parts, (piece) => db.scan.all<{ chatId: ChatId; ids: string | null }>(text, [...counted.params, most, piece]));
        for (const { chatId, ids } of rows) for (const id of ids?.split(',') ?? []) found.get(chatId)?.push(toMessageId(id));
        left = left
          .map((stretch, index) => (descending ? { ...stretch, high: (parts[index] as Stretch).low } : { ...stretch, low: (parts[index] as Stretch).high }))
          .filter(({ chatId, low, high }) => high > low && (found.get(chatId)?.length ?? 0) < most);
      }
      return [...found].map(([chatId, ids]) => ({ chatId, ids: ids.slice(0, most) }));
    }
  }

  /**
   * Moves one end of each stretch to the newest message whose id is at most `id`, and leaves out the stretches that this empties. As `seq` has no holes, each
   * place is found by halving, all of them in one statement.
   */
  async function cut<Some extends Stretch>(stretches: readonly Some[], end: 'low' | 'high', id: number): Promise<Some[]> {
    if (stretches.length === 0 || (end === 'low' && id <= 0)) return [...stretches];
    const middle = '(s."low" + s."high") / 2';
    const isBefore = `(SELECT m."id" FROM "Message" m WHERE m."chatId" = s."chatId" AND m."seq" = ${middle}) <= ?`;
    const places = await inPieces(stretches, (piece) =>
      db.scan.all<{ chatId: ChatId; low: number }>(
        `WITH RECURSIVE s("chatId", "low", "high") AS (
           SELECT t."chatId", t."low", t."high" + 1 FROM ${stretchTable(db.engine)}
           UNION ALL SELECT s."chatId", CASE WHEN ${isBefore} THEN ${middle} ELSE s."low" END, CASE WHEN ${isBefore} THEN s."high" ELSE ${middle} END FROM s WHERE s."high" - s."low" > 1)
         SELECT s."chatId", s."low" FROM s WHERE s."high" - s."low" = 1`,
        [piece, id, id],
      ),
    );
    const placeIn = new Map(places.map(({ chatId, low }) => [chatId, low]));
    return stretches.map((stretch) => ({ ...stretch, [end]: placeIn.get(stretch.chatId) ?? stretch.low })).filter(({ low, high }) => high > low);
  }
}

/** A list of stretches given as one parameter. */
export const stretchTable = (engine: Sql['engine']): string => tableOf(engine, 't', { chatId: 'int', low: 'int', high: 'int' });

/** Many stretches in pieces, with a turn for the others in between: no statement takes long. */
export async function inPieces<Result>(stretches: readonly Stretch[], run: (piece: readonly Stretch[]) => Promise<Result[]>, most = walkedAtOnce): Promise<Result[]> {
  const results: Result[] = [];
  for (let from = 0, to = 0; from < stretches.length; from = to) {
    let walked = 0;
    while (to < stretches.length && (to === from || (to - from < chatsAtOnce && walked < most))) {
      const { low, high } = stretches[to++] as Stretch;
      walked += high - low;
    }
    for (const result of await run(stretches.slice(from, to))) results.push(result);
    await yieldWhenLong();
  }
  return results;
}
