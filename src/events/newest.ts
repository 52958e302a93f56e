/** The newest events of the log in memory, in order and without holes, whoever wrote them: this node, which offers what it commits, or others, whose events are looked for. */
import type { Config } from '../config.ts';
import type { MessageId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import { isDatabaseAway } from '../storage/failures.ts';
import { epochAt, parseCursor, toCursor } from './cursor.ts';
import { type LogEvent, messageIdOf } from './event.ts';
import type { EventLog } from './event-log.ts';

export type Newest = Awaited<ReturnType<typeof createNewest>>;

const logPage = 500;
const ringSize = 2048;
const againMs = 500;
const epochAgainMs = 5_000;

export async function createNewest({
  db,
  eventLog,
  config,
  log,
  read,
  accepted,
  skipped,
}: {
  db: Database;
  eventLog: EventLog;
  config: Pick<Config, 'NODE_POLL_MS'>;
  log: Log;
  /** Called with what came from the log, before it is accepted. */
  read: (events: LogEvent[]) => Promise<void>;
  /** Called for each event in order. Throws nothing. */
  accepted: (event: LogEvent) => void;
  /** Called when events were forgotten before this node had seen them. */
  skipped: () => void;
}) {
  let beginningAgain: NodeJS.Timeout | undefined;
  await beginEpoch();
  const readStart = async () => ({ start: await eventLog.head(), known: await eventLog.epochs() });
  const { start, known } = await readStart().catch((error: unknown) => {
    clearTimeout(beginningAgain);
    throw error;
  });
  let epochs = known;
  let head = start.last;
  let pruned = start.pruned;
  /** The last one is `head`. */
  let recent: LogEvent[] = [];
  /** Offered before those ahead of them were seen. They carry their messages, which the log does not. */
  const early = new Map<number, LogEvent>();
  let reading: Promise<void> | null = null;
  let lookAgain = false;
  let stopped = false;
  let lastCursor = { number: -1, text: '' };
  // Other nodes write to the same log. Nothing depends on being told of it: looking late costs time, never an event.
  const polling = db.engine === 'postgresql' && config.NODE_POLL_MS > 0 ? setInterval(look, config.NODE_POLL_MS).unref() : undefined;

  return {
    head: (): number => head,
    pruned: (): number => pruned,
    setPruned: (number: number): void => {
      pruned = Math.max(pruned, number);
    },
    cursorOf,
    positionOf,
    offer,
    look,
    readAfter,
    outdate,
    outdatedSince,
    stop: (): void => {
      stopped = true;
      clearInterval(polling);
      clearTimeout(beginningAgain);
    },
  };

  /** One event goes to many: its cursor is made once. */
  function cursorOf(number: number): string {
    if (lastCursor.number !== number) lastCursor = { number, text: toCursor({ epoch: epochAt(epochs, number), number }) };
    return lastCursor.text;
  }

  /**
   * The position a cursor names, null for one that is not of this log as it is now. One from another node may be ahead of what this one has seen, and is
   * looked for. Throws BAD_REQUEST for what was never a cursor.
   */
  async function positionOf(cursor: string): Promise<number | null> {
    const place = parseCursor(cursor);
    if (!place) return null;
    const { epoch, number } = place;
    await readUpTo(number);
    return number <= head && epochAt(epochs, number) === epoch ? number : null;
  }

  /** A database that cannot take it yet, because it is full for instance, is asked again. */
  async function beginEpoch(): Promise<void> {
    try {
      await eventLog.beginEpoch();
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      log.warn({ err: error }, 'cursors do not tell this start from the one before yet');
      beginningAgain = setTimeout(() => {
        beginEpoch().then(look, (failed: unknown) => log.error({ err: failed }, 'cursors do not tell this start from the one before'));
      }, epochAgainMs).unref();
    }
  }

  /** Committed events of this node. Those right behind the head are taken as they are; otherwise other nodes wrote in between and the log is read. */
  function offer(events: LogEvent[]): void {
    const [first] = events;
    if (!first) return;
    if (first.number === head + 1) return accept(events);
    if (first.number <= head) return;
    for (const event of events) early.set(event.number, event);
    look();
  }

  /** Reads what the log has behind the head. Harmless at any time. */
  function look(): void {
    lookAgain = true;
    reading ??= readNew().finally(() => {
      reading = null;
    });
  }

  async function readNew(): Promise<void> {
    while (lookAgain && !stopped) {
      lookAgain = false;
      try {
        const events = await eventLog.readAfter(head, logPage);
        const fresh = events.filter((event) => event.number > head).map((event) => early.get(event.number) ?? event);
        if (fresh[0] && fresh[0].number > head + 1) {
          epochs = await eventLog.epochs();
          skip(fresh[0].number - 1);
        }
        if (fresh.length > 0) {
          await read(fresh);
          accept(fresh);
        }
        for (const number of early.keys()) if (number <= head) early.delete(number);
        if (events.length === logPage) lookAgain = true;
      } catch (error) {
        log.warn({ err: error }, 'the event log cannot be read; trying again');
        await new Promise((wake) => setTimeout(wake, againMs));
        lookAgain = true;
      }
    }
  }

  /** Resolves when this node has seen the event with this number, at once when there is none. */
  async function readUpTo(number: number): Promise<void> {
    if (number <= head) return;
    const { last } = await eventLog.head();
    if (number > last) return;
    while (head < number && !stopped) {
      look();
      await reading;
    }
  }

  /** This node was away from the database for longer than events are kept: what it remembers of who is where may be wrong. */
  function skip(number: number): void {
    log.error({ from: head, to: number }, 'events were forgotten before this server had seen them; all streams begin anew');
    head = number;
    pruned = Math.max(pruned, number);
    recent = [];
    skipped();
  }

  function accept(events: LogEvent[]): void {
    for (const event of events) {
      if (event.number !== head + 1) throw new Error(`event ${event.number} came behind ${head}`);
      head = event.number;
      if (event.type === 'epoch-began' && !epochs.some(({ from }) => from === event.number)) epochs.push({ name: event.name, from: event.number });
      recent.push(event);
      outdate(event, recent);
      accepted(event);
    }
    if (recent.length > 2 * ringSize) recent = recent.slice(-ringSize);
  }

  /** At most `count` of the events after a position; null when that lies further back than what is in memory. */
  function readAfter(position: number, count: number): LogEvent[] | null {
    const from = position + 1 - (head - recent.length + 1);
    return from < 0 ? null : recent.slice(from, from + count);
  }

  /** A message that is still handed out to slow readers must not show what it was before. `among` has no holes. */
  function outdate(event: LogEvent, among: LogEvent[]): void {
    if (event.type !== 'message-edited' && event.type !== 'message-deleted') return;
    const place = event.messageId - (among[0]?.number ?? 0);
    for (const about of [among[place], among[place + 1]]) if (about && announces(about, event.messageId)) delete about.message;
  }

  /** What was read when the head was `level` may be older than a change that came meanwhile. `among` may have holes. */
  function outdatedSince(level: number, among: LogEvent[]): void {
    for (const event of recent.slice(Math.max(0, recent.length - (head - level)))) {
      if (event.type !== 'message-edited' && event.type !== 'message-deleted') continue;
      for (const about of among) if (announces(about, event.messageId)) delete about.message;
    }
  }
}

/** Whether an event carries this message. */
export const announces = (event: LogEvent, messageId: MessageId): boolean =>
  (event.type === 'message-added' || event.type === 'notification-added') && messageIdOf(event) === messageId;
