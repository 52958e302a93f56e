/** Reading the log for a stream that is not level with it: what was missed, in pages, until it can be handed things as they happen. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type EventType, kindOf, type LogEvent } from './event.ts';
import { concernPage, type EventLog } from './event-log.ts';
import type { Newest } from './newest.ts';
import type { Sight } from './sight.ts';
import { isReading, pageSize, type Reading, reaches, type Stream, wants } from './stream.ts';

const eventTypes = Object.keys(kindOf) as EventType[];

export type Backlog = ReturnType<typeof createBacklog>;

export function createBacklog({
  eventLog,
  newest,
  sight,
  clock,
  hydrate,
}: {
  eventLog: Pick<EventLog, 'readConcerning'>;
  newest: Newest;
  sight: Pick<Sight, 'openDialog'>;
  clock: () => Date;
  /** Gives events the messages they announce, in one go. */
  hydrate: (events: LogEvent[]) => Promise<void>;
}) {
  return { start, readPage, fallBehind };

  /** Where a stream begins. `after`: the position it goes on from, null for one that is none of this log, undefined to begin now. */
  function start(stream: Stream, after: number | null | undefined): void {
    const head = newest.head();
    if (after === undefined) return;
    if (after !== null && after >= newest.pruned() && after <= head) {
      stream.phase = { name: 'replaying', cursor: after, until: head, held: [] };
      return;
    }
    stream.queue.push({ type: 'gap', resumeFrom: newest.cursorOf(head), at: clock() });
    stream.queue.push({ type: 'caught-up', cursor: newest.cursorOf(head), at: clock() });
  }

  /** Reads one page after the cursor into the queue; level with the log, the stream is handed events from then on. */
  async function readPage(stream: Stream): Promise<void> {
    if (!isReading(stream.phase)) return;
    let phase: Reading = stream.phase;
    if (phase.cursor < newest.pruned()) return fallIntoGap(stream, phase);
    const level = newest.head();
    const remembered = newest.readAfter(phase.cursor, pageSize);
    const { page, through } = remembered ? { page: remembered, through: phase.cursor } : await readConcerning(stream, phase.cursor, level);
    if (stream.phase !== phase) return;
    if (page === null) return fallIntoGap(stream, phase);
    await hydrate(page.filter((event) => reaches(stream, event)));
    if (stream.phase !== phase) return;
    newest.outdatedSince(level, page);
    const unopened = stream.unopened.length;
    for (const event of page) {
      if (phase.name === 'replaying' && event.number > phase.until) phase = endReplay(stream, phase);
      phase.cursor = event.number;
      if (!reaches(stream, event)) continue;
      sight.openDialog(stream, event);
      if (wants(stream, event)) stream.queue.push({ type: 'event', event, cursor: newest.cursorOf(event.number), replayed: phase.name === 'replaying' });
      // What happened in it since was not asked for.
      if (stream.unopened.length < unopened) break;
    }
    if (stream.unopened.length === unopened) phase.cursor = Math.max(phase.cursor, through);
    if (phase.name === 'replaying' && phase.cursor >= phase.until) phase = endReplay(stream, phase);
    // No await between this comparison and the next event: nothing can come in between. Only an empty queue may go live, as a full one falls behind again.
    if (phase.cursor >= newest.head() && stream.queue.length === 0) stream.phase = { name: 'live' };
  }

  /** What lies further back than memory. What is behind the head comes when this node has taken it: memberships are true up to there. */
  async function readConcerning({ options: { userId, kinds, only }, person, chatIds }: Stream, after: number, upTo: number): Promise<{ page: LogEvent[] | null; through: number }> {
    const types = eventTypes.filter((type) => !kinds || kinds.has(kindOf[type]) || type === 'chat-added');
    const chats = only ? (chatIds ?? []) : [...person.chats.keys()].filter((chatId) => !chatIds || chatIds.has(chatId));
    const found = await eventLog.readConcerning({ userId, chatIds: chats, types, after });
    // The engine answers in the same turn on SQLite: let the others have theirs.
    await nextTurn();
    if (found === null) return { page: null, through: after };
    const last = found.length < concernPage ? upTo : (found.at(-1)?.number ?? upTo);
    return { page: found.filter(({ number }) => number <= upTo), through: Math.min(last, upTo) };
  }

  function endReplay(stream: Stream, { cursor, until, held }: Extract<Reading, { name: 'replaying' }>): Reading {
    stream.queue.push({ type: 'caught-up', cursor: newest.cursorOf(until), at: clock() });
    for (const item of held) stream.queue.push(item);
    const phase: Reading = { name: 'reading', cursor };
    stream.phase = phase;
    return phase;
  }

  /** Pruning overtook a reader. */
  function fallIntoGap(stream: Stream, phase: Reading): void {
    stream.queue.push({ type: 'gap', resumeFrom: newest.cursorOf(newest.head()), at: clock() });
    if (phase.name === 'replaying') endReplay(stream, { ...phase, until: newest.head() });
    stream.phase = { name: 'live' };
  }

  /** Too slow for being handed things: reads the log from the last one taken instead. */
  function fallBehind(stream: Stream): void {
    const first = stream.queue.find((item) => item.type === 'event');
    stream.missed ||= stream.queue.some((item) => item.type === 'ephemeral');
    stream.queue = stream.queue.filter((item) => item.type !== 'event' && item.type !== 'ephemeral');
    stream.phase = { name: 'reading', cursor: (first?.type === 'event' ? first.event.number : newest.head()) - 1 };
  }
}
