/** The stored log: appending inside a transaction, reading after a number, pruning. Numbers have no holes and appear in commit order. */
import type { Config } from '../config.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { type Engine, insertRows, oneOfList, type Sql, toDate } from '../storage/sql.ts';
import { type Epoch, newEpochName } from './cursor.ts';
import { type Addressees, addresseesOf, type EventType, fromRow, type LogEvent, type NewEvent, toColumns } from './event.ts';

export type EventLog = ReturnType<typeof createEventLog>;

/**
 * Numbers for `count` events, the first of them. The lock of one row lives until the commit, so take them last: whoever takes the next ones has waited until these
 * are visible, and no reader passes a number that appears later. On PostgreSQL the row stays as it is (docs/decisions/event-order.md): the events that are stored
 * under these numbers, all of them and at once, tell which come next.
 */
export async function takeNumbers(sql: Sql, count: number): Promise<number> {
  const [taken] =
    sql.engine === 'sqlite'
      ? await sql.all<{ first: number | null }>('UPDATE "EventHead" SET "last" = "last" + ? WHERE "id" = 1 RETURNING "last" - ? + 1 AS "first"', [count, count])
      : await sql.all<{ first: number | null }>('SELECT "takeNumbers"() AS "first"', []);
  if (!taken?.first) throw new Error('the event log has no head row');
  return Number(taken.first);
}

/** The newest number, in a statement that reads "EventHead" h. */
export const newestText = (engine: Engine): string => (engine === 'sqlite' ? 'h."last"' : '"newestNumber"()');

/** The number of the newest event, as this transaction sees it. Others may be written meanwhile: this one only says what was before. */
export async function newestNumber(sql: Sql): Promise<number> {
  const [head] = await sql.all<{ last: number }>(`SELECT ${newestText(sql.engine)} AS "last" FROM "EventHead" h WHERE h."id" = 1`, []);
  return Number(head?.last ?? 0);
}

/** Stores events under numbers taken before. */
export async function insertEvents(sql: Sql, events: readonly LogEvent[]): Promise<void> {
  await insertRows(sql, 'Event', eventColumns, events.map(toEventRow));
}

const eventColumns = { number: 'bigint', at: 'date', type: 'text', chatId: 'int', userId: 'int', data: 'text' } as const;

function toEventRow({ number, at, message, ...event }: LogEvent) {
  return { number, at, ...toColumns(event as NewEvent) };
}

/** Both at once for an ordinary transaction, which must do nothing after it. */
export async function appendEvents(sql: Sql, at: Date, fresh: readonly NewEvent[]): Promise<LogEvent[]> {
  if (fresh.length === 0) return [];
  const first = await takeNumbers(sql, fresh.length);
  const events = fresh.map((event, index) => ({ ...event, number: first + index, at }));
  await insertEvents(sql, events);
  return events;
}

export type Concern = { userId: UserId; chatIds: Iterable<ChatId>; types: readonly EventType[]; after: number };
/** So many events are read at a time for somebody who was away. */
export const concernPage = 200;

/** Each part looks into an index of its own, and no further than a page. PostgreSQL plans without the values: a second bound, or a limit that it does not know, would let it go through the log instead. */
export function concerningText(engine: Engine, ofEveryone: readonly EventType[]): string {
  const some = `AND "number" > ? ORDER BY "number" LIMIT ${concernPage}`;
  const ofTypes = oneOfList(engine, '"type"', 'text');
  const ofChats =
    engine === 'sqlite'
      ? `SELECT e.* FROM json_each(?) c CROSS JOIN "Event" e ON e."number" IN (SELECT "number" FROM "Event" WHERE "chatId" = c.value AND ${ofTypes} ${some})`
      : `SELECT e.* FROM unnest(?::int[]) c CROSS JOIN LATERAL (SELECT * FROM "Event" WHERE "chatId" = c AND ${ofTypes} ${some}) e`;
  const ofPerson = `SELECT * FROM (SELECT * FROM "Event" WHERE "userId" = ? AND ${ofTypes} ${some}) p`;
  const others = ofEveryone.map((type) => `SELECT * FROM (SELECT * FROM "Event" WHERE "chatId" IS NULL AND "type" = '${type}' ${some}) a`);
  return `SELECT h."pruned", e."number", e."at", e."type", e."chatId", e."userId", e."data" FROM "EventHead" h
    LEFT JOIN (SELECT * FROM (${[ofChats, ofPerson, ...others].join(' UNION ALL ')}) found ORDER BY "number" LIMIT ${concernPage}) e ON 1 = 1
    WHERE h."id" = 1 ORDER BY e."number"`;
}

export function createEventLog({ db, config, clock }: { db: Database; config: Config; clock: () => Date }) {
  const headText = `SELECT ${newestText(db.engine)} AS "last", h."pruned", h."logId" FROM "EventHead" h WHERE h."id" = 1`;
  return { beginEpoch, epochs, head, readAfter, readConcerning, prune };

  /** From its own event on, cursors are of a new epoch. Once for each start of a server. */
  async function beginEpoch(): Promise<void> {
    const name = newEpochName();
    await db.sqlTransaction(async (sql) => {
      const [event] = await appendEvents(sql, clock(), [{ type: 'epoch-began', name }]);
      await sql.all('INSERT INTO "LogEpoch" ("number", "name") VALUES (?, ?)', [(event as LogEvent).number, name]);
    });
  }

  /** All whose cursors can still be resumed from, in order. */
  async function epochs(): Promise<Epoch[]> {
    const { logId } = await head();
    const rows = await db.sql.all<{ number: number; name: string }>('SELECT "number", "name" FROM "LogEpoch" ORDER BY "number"', []);
    return [{ name: logId, from: 0 }, ...rows.map(({ number, name }) => ({ name, from: Number(number) }))];
  }

  /** The newest number, the last pruned one, and the name of this log. */
  async function head(): Promise<{ last: number; pruned: number; logId: string }> {
    const [row] = await db.sql.all<{ last: number; pruned: number; logId: string }>(headText, []);
    if (!row) throw new Error('the event log has no head row');
    return { last: Number(row.last), pruned: Number(row.pruned), logId: row.logId };
  }

  /** Events after `number`, oldest first, at most `limit`. */
  async function readAfter(number: number, limit: number): Promise<LogEvent[]> {
    const rows = await db.sql.all<Parameters<typeof fromRow>[0]>(
      'SELECT "number", "at", "type", "chatId", "userId", "data" FROM "Event" WHERE "number" > ? ORDER BY "number" LIMIT ?',
      [number, limit],
    );
    return rows.map((row) => fromRow(row, toDate));
  }

  /**
   * Of the events after a position, those that can concern somebody, oldest first, at most a page: what other people do elsewhere is not read. Null when some of
   * it has been pruned.
   */
  async function readConcerning({ userId, chatIds, types, after }: Concern): Promise<LogEvent[] | null> {
    const among = (addressees: Addressees): EventType[] => types.filter((type) => addresseesOf[type] === addressees);
    // A list that is empty would be an answer: nothing is of chat 0, and no event has no type.
    const rows = await db.sql.all<Parameters<typeof fromRow>[0] & { pruned: number }>(concerningText(db.engine, among('everyone')), [
      [0, ...chatIds],
      ['', ...among('chat')],
      after,
      userId,
      ['', ...among('person')],
      after,
      ...among('everyone').map(() => after),
    ]);
    if (Number(rows[0]?.pruned) > after) return null;
    return rows.filter(({ number }) => number !== null).map((row) => fromRow(row, toDate));
  }

  /** Forgets events older than the retention, a bounded piece at a time so that writers are not held up. Returns how many went. */
  async function prune(): Promise<number> {
    const before = new Date(clock().getTime() - config.EVENT_RETENTION_SECONDS * 1000);
    for (let gone = 0; ; ) {
      const count = await db.sqlTransaction(async (sql) => {
        const rows = await sql.all<{ number: number }>(
          'SELECT "number" FROM "Event" WHERE "at" < ? AND "number" <= (SELECT "pruned" + 500 FROM "EventHead" WHERE "id" = 1) ORDER BY "number"',
          [before],
        );
        const last = rows.at(-1);
        if (!last) return 0;
        await sql.all('DELETE FROM "Event" WHERE "number" <= ?', [last.number]);
        await sql.all('UPDATE "EventHead" SET "pruned" = ? WHERE "id" = 1', [last.number]);
        await sql.all('DELETE FROM "LogEpoch" WHERE "number" < (SELECT max("number") FROM "LogEpoch" WHERE "number" <= ?)', [last.number]);
        return rows.length;
      });
      gone += count;
      if (count === 0) return gone;
    }
  }
}
