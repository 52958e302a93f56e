/**
 * The one way to change something: the change and its events in one transaction, and the readers woken after the commit.
 */
import { hasCode } from '../errors.ts';
import type { Metrics } from '../metrics.ts';
import type { Database, Tx } from '../storage/database.ts';
import type { Sql } from '../storage/sql.ts';
import { type BatchDone, type BatchInput, type BatchName, eventsOf, type Numbering, numbered } from './batch.ts';
import type { LogEvent, NewEvent } from './event.ts';
import { appendEvents } from './event-log.ts';

/** Collects events of a transaction; they are stored and numbered when the job is done. */
export type Append = (...events: (NewEvent | readonly NewEvent[])[]) => void;
export type Write = ReturnType<typeof createWrite>['write'];
export type WriteJob = ReturnType<typeof createWrite>['writeJob'];
export type WriteBatch = ReturnType<typeof createWrite>['writeBatch'];

export function createWrite({
  db,
  offer,
  look,
  clock,
  metrics,
}: {
  db: Database;
  offer: (events: LogEvent[]) => void;
  look: () => void;
  clock: () => Date;
  metrics: Pick<Metrics, 'committed'>;
}) {
  return { write, writeBatch, writeJob };

  /**
   * Runs one intention. Its permission checks belong inside. When it throws, nothing happened; after a deadlock it may run again.
   * Fails with UNAVAILABLE when the database cannot.
   */
  async function write<T>(job: (tx: Tx, append: Append) => Promise<T>): Promise<T> {
    const transaction = db.transaction(
      async (tx) => {
        const collected: NewEvent[] = [];
        const result = await job(tx, (...events) => {
          for (const event of events.flat()) collected.push(event as NewEvent);
        });
        return { result, events: await appendEvents(db.sqlIn(tx), clock(), collected) };
      },
      ({ events }) => committed(events),
    );
    return (await transaction.catch(uncertain)).result;
  }

  /** The same with prepared statements, for many intentions at once. `number` is called once, last before the rows that need the numbers. */
  async function writeBatch<T>(job: (sql: Sql, number: Numbering) => Promise<T>): Promise<T> {
    const transaction = db.sqlTransaction(
      (sql) => numbered(sql, clock, (number) => job(sql, number)),
      ({ events }) => committed(events),
    );
    return (await transaction.catch(uncertain)).result;
  }

  /** The same where it is in a hurry: a batch of src/jobs.ts, by its name. `finish` makes of its output what is answered, and may add to the events what it knows of them. */
  async function writeJob<Input, Output, T>(name: BatchName, input: Input, finish: (output: Output, events: LogEvent[], at: Date) => T): Promise<T> {
    const at = clock();
    let result: T | undefined;
    const transaction = db.run<BatchDone<Output>>(name, { input, at: at.getTime() } satisfies BatchInput<Input>, (done) => {
      const events = eventsOf(done, at);
      result = finish(done.output, events, at);
      committed(events);
    });
    await transaction.catch(uncertain);
    return result as T;
  }

  /** A database that broke off may have committed before: the log tells. */
  function uncertain(error: unknown): never {
    if (hasCode(error, 'UNAVAILABLE')) look();
    throw error;
  }

  function committed(events: LogEvent[]): void {
    metrics.committed(events.length);
    offer(events);
  }
}
