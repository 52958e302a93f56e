/**
 * What nodes on one PostgreSQL say to each other, by LISTEN and NOTIFY on one connection of each. A hint, never the truth: what is lost, or comes while the
 * connection is away, is found by looking. NOTIFY takes a lock of the whole cluster until its transaction has ended, so nothing is said inside of a transaction that
 * changes something: it is said afterwards, at most once at a time, and what came meanwhile together.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import { openDirect } from '../storage/postgresql.ts';
import { type Bridge, largestWord } from './bridge.ts';

/** PostgreSQL takes less than 8,000 bytes. */
const largestPayload = 7_900;
/** Words that wait while others are being sent; what is more is lost. */
const mostWaiting = 1_000;
const [firstPauseMs, longestPauseMs] = [100, 5_000];
/** How often it is seen whether the connection lives, and how long it may take to answer. */
const [tickMs, patienceMs] = [5_000, 5_000];
/** How long a message to oneself may take. */
const echoMs = 3_000;

type Payload = { from: string; head?: number; words?: [topic: string, word: unknown][]; echo?: string };

export function openBridge({
  db,
  logId,
  config,
  log,
  onHead,
  onConnected,
}: {
  db: Database;
  /** Servers whose tables are in different schemas of one database say nothing to each other. */
  logId: string;
  config: Pick<Config, 'DATABASE_URL' | 'NODE_LISTEN_URL'>;
  log: Log;
  /** Called with the number that another node's log has come to. */
  onHead: (number: number) => void;
  /** Called when the connection is there, also again: what was said before is lost. */
  onConnected: () => void;
}): Bridge {
  const channel = `tertulia_${logId}`;
  const self = randomUUID().slice(0, 8);
  const listeners = new Map<string, (word: unknown) => void>();
  let connection: ReturnType<typeof openDirect> | null = null;
  let head = 0;
  let toldHead = 0;
  /** As JSON. */
  let words: string[] = [];
  let sending: Promise<void> | null = null;
  let echo: (text: string) => void = () => {};
  let warned = false;
  const closing = new AbortController();
  const aborted = new Promise<void>((resolve) => closing.signal.addEventListener('abort', () => resolve(), { once: true }));
  const working = stayConnected();
  return {
    tellHead(number): void {
      if (number <= head) return;
      head = number;
      send();
    },
    tell(topic, word): void {
      const text = JSON.stringify([topic, word]);
      if (Buffer.byteLength(text) > largestWord) throw new Error(`${topic}: ${text.length} characters are too much for one word`);
      if (!connection || words.length >= mostWaiting) return;
      words.push(text);
      send();
    },
    on: (topic, listener) => void listeners.set(topic, listener),
    async close(): Promise<void> {
      // Last words.
      await sending;
      closing.abort();
      await working;
    },
  };

  // ---------------------------------------------------------------- the connection

  async function stayConnected(): Promise<void> {
    for (let pauseMs = firstPauseMs; !closing.signal.aborted; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      const startedAt = performance.now();
      try {
        await connect();
      } catch (error) {
        if (closing.signal.aborted) return;
        log.warn({ err: error }, 'the connection by which other servers wake this one broke; trying again');
      }
      if (performance.now() - startedAt > 2 * longestPauseMs) pauseMs = firstPauseMs;
      // Not all at once, after a database that was away.
      await sleep(pauseMs * (0.5 + Math.random()), undefined, { signal: closing.signal, ref: false }).catch(() => {});
    }
  }

  /** Resolves, or fails, when the connection is over. */
  async function connect(): Promise<void> {
    const client = openDirect(config.NODE_LISTEN_URL || config.DATABASE_URL, {
      name: 'tertulia-listener',
      // What is said need not be on the disk: its transaction, and the lock that it holds, end without waiting for that.
      settings: ['synchronous_commit=off'],
      patienceMs,
    });
    const over = new Promise<void>((resolve, reject) => {
      client.once('end', resolve);
      client.on('error', reject);
    });
    over.catch(() => {});
    client.on('notification', ({ payload }) => hear(payload ?? ''));
    let tick: NodeJS.Timeout | undefined;
    try {
      await Promise.race([client.connect().then(() => client.query(`LISTEN "${channel}"`)), aborted]);
      if (closing.signal.aborted) return;
      connection = client;
      tick = setInterval(() => client.query('SELECT 1').catch((error: Error) => client.emit('error', error)), tickMs).unref();
      onConnected();
      send();
      await Promise.race([over, aborted, Promise.all([checkEcho(), over])]);
    } finally {
      clearInterval(tick);
      if (connection === client) connection = null;
      words = [];
      client.end().catch(() => {});
      // A server that is gone without a word would keep the socket for many minutes.
      setTimeout(() => (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy(), 1_000).unref();
    }
  }

  /**
   * Whether what is said arrives here. It is said on another connection: behind a pooler that gives each transaction a connection of its own, this one only
   * seems to listen.
   */
  async function checkEcho(): Promise<void> {
    const text = randomUUID();
    const heard = new Promise<boolean>((resolve) => {
      echo = (said) => said === text && resolve(true);
      setTimeout(resolve, echoMs, false).unref();
    });
    try {
      await db.sql.all('SELECT CAST(pg_notify(?, ?) AS text)', [channel, JSON.stringify({ from: self, echo: text } satisfies Payload)]);
    } catch {
      return; // The database is away: the connection will be, too.
    }
    if ((await heard) || closing.signal.aborted || !connection) return;
    if (!warned)
      log.warn(
        'other servers cannot wake this one: a message to itself did not come back, as behind PgBouncer in transaction mode. It looks every NODE_POLL_MS; NODE_LISTEN_URL can name the database itself',
      );
    warned = true;
  }

  // ---------------------------------------------------------------- saying and hearing

  function send(): void {
    sending ??= sendAll().finally(() => {
      sending = null;
    });
  }

  async function sendAll(): Promise<void> {
    try {
      while (connection && (head > toldHead || words.length > 0)) await connection.query('SELECT pg_notify($1, payload) FROM unnest($2::text[]) payload', [channel, packed()]);
    } catch (error) {
      // One that does not answer is over.
      log.debug({ err: error }, 'other servers were not told');
      connection?.emit('error', error as Error);
    }
  }

  /** All that waits, in as few payloads as hold it. */
  function packed(): string[] {
    const parcels: { head?: number; words: string[]; bytes: number }[] = [{ ...(head > toldHead ? { head } : {}), words: [], bytes: 100 }];
    for (const word of words) {
      const bytes = Buffer.byteLength(word) + 1;
      let parcel = parcels.at(-1);
      if (!parcel || parcel.bytes + bytes > largestPayload) parcels.push((parcel = { words: [], bytes: 100 }));
      parcel.words.push(word);
      parcel.bytes += bytes;
    }
    toldHead = head;
    words = [];
    return parcels.map(({ head: told, words: texts }) => `{"from":"${self}"${told === undefined ? '' : `,"head":${told}`},"words":[${texts.join()}]}`);
  }

  function hear(text: string): void {
    const payload = parsed(text);
    if (!payload) return;
    if (payload.echo !== undefined) echo(payload.echo);
    if (payload.from === self) return;
    try {
      if (payload.head !== undefined) onHead(payload.head);
      for (const [topic, word] of payload.words ?? []) listeners.get(topic)?.(word);
    } catch (error) {
      log.error({ err: error }, 'what another server said was not understood');
    }
  }
}

/** Anybody who may use the database may say anything. */
function parsed(text: string): Payload | null {
  try {
    const { from, head, words, echo } = JSON.parse(text) as Partial<Record<keyof Payload, unknown>>;
    if (typeof from !== 'string') return null;
    return {
      from,
      ...(Number.isSafeInteger(head) ? { head: head as number } : {}),
      ...(Array.isArray(words) ? { words: words.filter((word) => Array.isArray(word) && typeof word[0] === 'string') } : {}),
      ...(typeof echo === 'string' ? { echo } : {}),
    };
  } catch {
    return null;
  }
}
