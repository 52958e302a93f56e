/** Batches: many intentions of one kind that one transaction decides and stores, together with their events. As jobs they run where the database is written. */
import type { Sql } from '../storage/sql.ts';
import type { LogEvent, NewEvent } from './event.ts';
import { insertEvents, takeNumbers } from './event-log.ts';

/** Gives events their numbers, so that rows can carry the number of their event. To be called once, last before the rows that need them. */
export type Numbering = (events: NewEvent[]) => Promise<LogEvent[]>;
/** Awaits nothing but statements. `Input` and `Output` are JSON. */
export type Batch<Input, Output> = (sql: Sql, number: Numbering, input: Input, at: Date) => Promise<Output>;
/** What src/jobs.ts has under these names. */
export type BatchName = 'store messages' | 'move markers';

export type BatchInput<Input> = { input: Input; at: number };
/** What came of it. The events have the numbers from `first` on. */
export type BatchDone<Output> = { output: Output; first: number; events: NewEvent[] };

/** A batch as a job. */
export const toJob =
  <Input, Output>(batch: Batch<Input, Output>) =>
  async (sql: Sql, { input, at }: BatchInput<Input>): Promise<BatchDone<Output>> => {
    const { result: output, events } = await numbered(
      sql,
      () => new Date(at),
      (number) => batch(sql, number, input, new Date(at)),
    );
    return { output, first: events[0]?.number ?? 0, events: events.map(({ number: _number, at: _at, message: _message, ...event }) => event as NewEvent) };
  };

/** The events as the log has them. */
export const eventsOf = ({ first, events }: Pick<BatchDone<unknown>, 'first' | 'events'>, at: Date): LogEvent[] =>
  events.map((event, index) => ({ ...event, number: first + index, at }) as LogEvent);

/** Runs a job that numbers events, and stores them. */
export async function numbered<T>(sql: Sql, clock: () => Date, job: (number: Numbering) => Promise<T>): Promise<{ result: T; events: LogEvent[] }> {
  let events: LogEvent[] = [];
  const result = await job(async (fresh) => {
    if (fresh.length === 0) return [];
    const [first, at] = [await takeNumbers(sql, fresh.length), clock()];
    events = fresh.map((event, index) => ({ ...event, number: first + index, at }));
    return events;
  });
  if (events.length > 0) await insertEvents(sql, events);
  return { result, events };
}
