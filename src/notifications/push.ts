/**
 * Web Push (RFC 8030): what a browser that is closed is told. A worker is woken by events, fills the queue from the log and works it off; what goes wrong is
 * tried again, by whichever node lives.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { Tail } from '../events/tail.ts';
import { noUser, toGlobalId, type UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Answered, Post } from '../outgoing.ts';
import type { Presence } from '../presence/presence.ts';
import type { Keys } from '../sessions/keys.ts';
import { summaryOf, whoOf } from './notifications.ts';
import { type Claimed, type PushQueue, type Ready, type Result, timeToLiveSeconds } from './push-queue.ts';

export type Push = ReturnType<typeof createPush>;

/** What has just been said is looked at together. */
const gatherMs = 50;
/** Without being woken: what another node has left undone. */
const lookEveryMs = 30_000;
const inFlightAtMost = 50;
/** One account's devices must not keep the others waiting. */
const inFlightOfOne = 5;
const claimedAtOnce = 10;
/** Of those under way, to devices of which it is not known that they take anything. */
const doubtfulAtMost = 20;
/** Of those taken at once; more are taken when nothing else is due. */
const doubtfulAtOnce = 3;
const answerWithinMs = 10_000;
const longestWaitMs = 3_600_000;
const stopWithinMs = 1_000;

export function createPush({
  queue,
  tail,
  keys,
  presence,
  post,
  config,
  clock,
  metrics,
  log,
}: {
  queue: PushQueue;
  tail: Pick<Tail, 'onEvent'>;
  keys: Pick<Keys, 'webPush'>;
  presence: Pick<Presence, 'isConnected'>;
  post: Post;
  config: Config;
  clock: () => Date;
  metrics: Pick<Metrics, 'pushed'>;
  log: Log;
}) {
  const vapidDetails = { ...keys.webPush, subject: contactOf(config) };
  const stopping = new AbortController();
  let queueing: Promise<void> | null = null;
  let queueAgain = false;
  let sending: Promise<void> | null = null;
  let sendAgain = false;
  let nextLook: NodeJS.Timeout | undefined;
  const inFlight = new Map<Promise<void>, { userId: UserId; doubtful: boolean }>();
  const stopListening = tail.onEvent(({ type }) => {
    if (type === 'notification-added' || type === 'session-ended') look();
  });
  look();
  return { publicKey: keys.webPush.publicKey, sweep: queue.sweep, close };

  // ---------------------------------------------------------------- from the log into the queue

  /** Something may have happened. Harmless at any time. */
  function look(): void {
    queueAgain = true;
    queueing ??= queueNew().finally(() => {
      queueing = null;
    });
  }

  async function queueNew(): Promise<void> {
    while (queueAgain && !stopping.signal.aborted) {
      await pause(gatherMs);
      queueAgain = false;
      try {
        while (!stopping.signal.aborted && (await queue.fill())) await nextTurn();
        send();
      } catch (error) {
        await tryLater(error, 'pushes wait for the event log');
        queueAgain = true;
      }
    }
  }

  // ---------------------------------------------------------------- out of the queue

  function send(): void {
    sendAgain = true;
    sending ??= sendDue().finally(() => {
      sending = null;
    });
  }

  async function sendDue(): Promise<void> {
    clearTimeout(nextLook);
    // Somebody may ask while it is found out when to look again, and is told that this is at work.
    while (sendAgain && !stopping.signal.aborted) {
      while (sendAgain && !stopping.signal.aborted) {
        sendAgain = false;
        try {
          for (;;) {
            const claimed = await claim();
            if (claimed.length === 0 || stopping.signal.aborted) break;
            await start(claimed);
          }
        } catch (error) {
          await tryLater(error, 'pushes wait for the database');
          sendAgain = true;
        }
      }
      if (!stopping.signal.aborted) await waitForNext();
    }
  }

  /** Wakes up when the next try is due, or to look after what other nodes have left. */
  async function waitForNext(): Promise<void> {
    const next = await queue.nextDue().catch(() => null);
    const dueInMs = next ? next.getTime() - clock().getTime() : lookEveryMs;
    clearTimeout(nextLook);
    // What is due but was not taken waits for one of those on their way, whose end wakes this up, too.
    nextLook = setTimeout(look, dueInMs > 0 ? Math.min(dueInMs, lookEveryMs) : 1_000);
    nextLook.unref();
  }

  /** Takes due pushes, as many as there is room for. What goes to devices that have taken nothing yet, or not the last one, gets a part of it: they may hang. */
  async function claim(): Promise<Claimed[]> {
    const underWay = [...inFlight.values()];
    const doubtful = underWay.filter((push) => push.doubtful).length;
    const free = Math.min(inFlightAtMost - underWay.length, claimedAtOnce);
    const forDoubtful = Math.min(free, doubtfulAtOnce, doubtfulAtMost - doubtful);
    const taken = forDoubtful <= 0 ? [] : await queue.claim(forDoubtful, true, underWay, inFlightOfOne);
    const left = free - taken.length;
    return left <= 0 ? taken : [...taken, ...(await queue.claim(left, false, underWay, inFlightOfOne))];
  }

  /** Begins to send those that are still worth it. */
  async function start(claimed: readonly Claimed[]): Promise<void> {
    const ready = new Map((await queue.readyAmong(claimed.map(({ id }) => id))).map((row) => [row.id, row]));
    for (const push of claimed) {
      const row = ready.get(push.id);
      const job = (row && !presence.isConnected(row.userId) ? deliver(push, row) : queue.settle({ ...push, at: clock(), outcome: 'not needed' }))
        .catch((error) => log.warn({ err: error }, 'what became of a push was not stored; it is tried again'))
        .finally(() => {
          inFlight.delete(job);
          send();
        });
      inFlight.set(job, { userId: row?.userId ?? noUser, doubtful: push.doubtful });
    }
  }

  async function deliver(push: Claimed, row: Ready): Promise<void> {
    const at = clock();
    let result: Result;
    try {
      // Only a server that has a push to send loads it.
      const { default: webPush } = await import('web-push');
      const { headers, body } = webPush.generateRequestDetails({ endpoint: row.endpoint, keys: { p256dh: row.p256dh, auth: row.auth } }, JSON.stringify(payloadOf(row)), {
        vapidDetails,
        TTL: timeToLiveSeconds,
        urgency: row.kind === 'DIALOG' ? 'high' : 'normal',
        // A repeat takes the place of what the push service still has of it.
        topic: `message-${row.messageId}`,
      });
      const options = { headers: headers as Record<string, string>, body, timeoutMs: answerWithinMs, allowPrivate: config.PUSH_TO_PRIVATE_ADDRESSES, signal: stopping.signal };
      result = { ...push, at, ...outcomeOf(await post(row.endpoint, options), push.tries) };
    } catch (error) {
      log.debug({ err: error, deviceId: push.deviceId }, 'a push was not taken');
      // Cut off by a stop: that was no try.
      if (stopping.signal.aborted) result = { ...push, tries: push.tries - 1, at, outcome: 'later', error: null, nextTryAt: at };
      else result = { ...push, at, ...again('The push service could not be reached.', push.tries, null) };
    }
    metrics.pushed(result.outcome);
    await queue.settle(result);
  }

  /** RFC 8030: 404 and 410 say that the subscription is gone; 429 and 5xx ask to come later; anything else will not get better. */
  function outcomeOf({ status, retryAfterMs }: Answered, tries: number) {
    if (status >= 200 && status < 300) return { outcome: 'sent' as const };
    if (status === 404 || status === 410) return { outcome: 'device gone' as const };
    const error = `The push service answered ${status}.`;
    return status === 429 || status >= 500 ? again(error, tries, retryAfterMs) : { outcome: 'refused' as const, error };
  }

  function again(error: string, tries: number, retryAfterMs: number | null) {
    if (tries >= config.PUSH_TRIES) return { outcome: 'refused' as const, error };
    // Doubles, with a tenth at random, so that what failed together does not come back together.
    const backoffMs = config.PUSH_RETRY_SECONDS * 1000 * 2 ** (tries - 1) * (1 + Math.random() / 10);
    return { outcome: 'later' as const, error, nextTryAt: new Date(clock().getTime() + Math.min(longestWaitMs, Math.max(backoffMs, retryAfterMs ?? 0))) };
  }

  /** Nothing new is begun; what is on its way gets a moment, and is sent again after the next start if that was not enough. */
  async function close(): Promise<void> {
    stopListening();
    clearTimeout(nextLook);
    const late = sleep(stopWithinMs, undefined, { ref: false });
    await Promise.race([Promise.all([...inFlight.keys()]), late]);
    stopping.abort();
    await Promise.all([...inFlight.keys()]);
    await Promise.all([queueing, sending]);
    await queue.storePosition().catch((error) => log.warn({ err: error }, 'the position of the pushes was not stored'));
  }

  async function tryLater(error: unknown, what: string): Promise<void> {
    log.warn({ err: error }, what);
    await pause(1_000);
  }

  async function pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { ref: false, signal: stopping.signal }).catch(() => {});
  }
}

// ---------------------------------------------------------------- what is sent

/** What a service worker is handed: enough to show a notification and to open the chat. */
function payloadOf({ kind, chatId, lowUserId, highUserId, messageId, threadRootId, reason, pushContent, name, text, displayName }: Ready) {
  const summary = { FULL: () => summaryOf({ text }, { kind, name }, { displayName }), SENDER: () => whoOf({ kind, name }, { displayName }), NOTHING: () => '' }[pushContent];
  return {
    type: kind === 'ROOM' ? 'ROOM_MESSAGE' : 'DIRECT_MESSAGE',
    chatId: kind === 'ROOM' ? toGlobalId('Room', chatId) : toGlobalId('Dialog', `${lowUserId}.${highUserId}`),
    messageId: toGlobalId('Message', messageId),
    notificationId: toGlobalId('Notification', messageId),
    reason,
    threadRootId: threadRootId === null ? null : toGlobalId('Message', threadRootId),
    summary: summary(),
  };
}

/** Whom a push service can write to (RFC 8292, 2.1). */
function contactOf({ PUSH_CONTACT, PUBLIC_URL, MAIL_FROM }: Pick<Config, 'PUSH_CONTACT' | 'PUBLIC_URL' | 'MAIL_FROM'>): string {
  if (PUSH_CONTACT) return PUSH_CONTACT;
  if (PUBLIC_URL.startsWith('https://')) return PUBLIC_URL;
  const address = MAIL_FROM.slice(MAIL_FROM.lastIndexOf('<') + 1).replace('>', '');
  return `mailto:${address || 'operator@tertulia.invalid'}`;
}
