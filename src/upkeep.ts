/** What the server does by itself from time to time: forgets old events and ended sessions, and clears away what deleted rooms left. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Erasure } from './accounts/erasure.ts';
import type { PasswordReset } from './accounts/password-reset.ts';
import type { RateLimits } from './accounts/rate-limits.ts';
import type { Roster } from './chats/roster.ts';
import type { EventLog } from './events/event-log.ts';
import type { Tail } from './events/tail.ts';
import type { Files } from './files/files.ts';
import type { Identities } from './identities/identities.ts';
import type { Log } from './log.ts';
import type { DeletedRooms } from './messages/deleted-rooms.ts';
import type { Reactions } from './messages/reactions.ts';
import type { Receipts } from './messages/receipts.ts';
import type { Revisions } from './messages/revisions.ts';
import type { Notifications } from './notifications/notifications.ts';
import type { Push } from './notifications/push.ts';
import type { PushDevices } from './notifications/push-devices.ts';
import type { Sessions } from './sessions/sessions.ts';

const everyMs = 60_000;

/** Begins after `afterMs` and repeats every minute, never two at a time. Returns how to stop; a failure is logged and tried again. */
export function startUpkeep({
  eventLog,
  tail,
  limits,
  roster,
  deletedRooms,
  revisions,
  receipts,
  reactions,
  files,
  sessions,
  identities,
  passwordReset,
  erasure,
  notifications,
  pushDevices,
  push,
  log,
  afterMs = 0,
}: {
  eventLog: EventLog;
  tail: Tail;
  limits: Pick<RateLimits, 'sweep'>;
  roster: Pick<Roster, 'finish'>;
  deletedRooms: Pick<DeletedRooms, 'sweep'>;
  revisions: Pick<Revisions, 'sweep'>;
  receipts: Pick<Receipts, 'tellUntold'>;
  reactions: Pick<Reactions, 'tellUntold'>;
  files: Files;
  sessions: Sessions;
  identities: Pick<Identities, 'sweep'>;
  passwordReset: PasswordReset;
  erasure: Erasure;
  notifications: Pick<Notifications, 'sweep'>;
  pushDevices: Pick<PushDevices, 'sweep'>;
  push: Pick<Push, 'sweep'>;
  log: Log;
  afterMs?: number;
}): () => Promise<void> {
  let stopped = false;
  const stopping = new AbortController();
  let running = afterMs === 0 ? round() : sleep(afterMs, undefined, { ref: false, signal: stopping.signal }).then(round, () => {});
  const timer = setInterval(() => {
    running = running.then(round);
  }, everyMs);
  timer.unref();
  return async () => {
    stopped = true;
    stopping.abort();
    clearInterval(timer);
    await running;
  };

  async function round(): Promise<void> {
    const tasks: [name: string, run: () => Promise<number>][] = [
      ['events', prune],
      ['rate limits that are over', limits.sweep],
      ['half open rooms', roster.finish],
      ['messages', deletedRooms.sweep],
      ['former texts', revisions.sweep],
      ['receipts that were not told', receipts.tellUntold],
      ['reactions that were not told', reactions.tellUntold],
      ['files', files.sweep],
      ['sessions', sessions.sweep],
      ['used tokens', identities.sweep],
      ['password reset codes', passwordReset.sweep],
      ['deleted accounts', erasure.finish],
      ['read notifications', notifications.sweep],
      ['push devices', pushDevices.sweep],
      ['pushes', push.sweep],
    ];
    for (const [what, run] of tasks) {
      if (stopped) return;
      try {
        const gone = await run();
        if (gone > 0) log.info({ what, gone }, 'cleared away');
      } catch (error) {
        log.warn({ err: error, what }, 'could not be cleared away; trying again later');
      }
    }
  }

  async function prune(): Promise<number> {
    const gone = await eventLog.prune();
    if (gone > 0) tail.setPruned((await eventLog.head()).pruned);
    return gone;
  }
}
