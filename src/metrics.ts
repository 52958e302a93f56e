/** What an operator watches, as Prometheus text. One registry for each server: two can live in one process. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { LRUCache } from 'lru-cache';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

/** Clients choose the names of their operations: only so many are told apart. */
const mostNames = 100;
const longestName = 64;
/** Of those that are not: so many are watched, to see whether more people come to use them. */
const mostWatched = 5_000;
/** Whoever ran a name is counted up to this number. */
const mostUsers = 50;

export function createMetrics() {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectDefaultMetrics({ register: registry, prefix: 'tertulia_' });
  const loopDelay = monitorEventLoopDelay({ resolution: 10 });
  loopDelay.enable();

  const requests = new Counter({ name: 'tertulia_http_requests_total', help: 'HTTP requests answered.', labelNames: ['status'], registers });
  const operations = new Counter({
    name: 'tertulia_operations_total',
    help: 'GraphQL operations by name and outcome.',
    labelNames: ['transport', 'kind', 'name', 'outcome'],
    registers,
  });
  const names = createNames(async (name) => {
    for (const { labels } of (await operations.get()).values) if (labels.name === name) operations.remove(labels);
  });
  const durations = new Histogram({
    name: 'tertulia_operation_seconds',
    help: 'How long queries and mutations took.',
    labelNames: ['kind'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  // Counted apart, and told when somebody asks: a busy server hands out a hundred thousand a second.
  const delivered = new Map<string, number>();
  new Counter({
    name: 'tertulia_deliveries_total',
    help: 'Items handed to streams.',
    labelNames: ['item'],
    registers,
    collect() {
      for (const [item, count] of delivered) this.inc({ item }, count);
      delivered.clear();
    },
  });
  const lag = new Histogram({
    name: 'tertulia_event_lag_seconds',
    help: 'Time from a commit to handing a live event to a stream.',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
    registers,
  });
  const commits = new Counter({ name: 'tertulia_commits_total', help: 'Transactions that changed something.', registers });
  const events = new Counter({ name: 'tertulia_events_total', help: 'Events written to the log.', registers });
  const refused = new Counter({ name: 'tertulia_refused_total', help: 'Operations refused, by code.', labelNames: ['code'], registers });
  const dropped = new Counter({ name: 'tertulia_dropped_readers_total', help: 'Connections cut off because they did not take what was sent.', registers });
  const pushes = new Counter({ name: 'tertulia_pushes_total', help: 'Web Pushes by what became of them.', labelNames: ['outcome'], registers });
  const databaseErrors = new Counter({ name: 'tertulia_database_errors_total', help: 'Times the database could not do what was asked.', registers });
  const open = new Gauge({ name: 'tertulia_open_sockets', help: 'WebSockets open.', registers });
  const streams = new Gauge({ name: 'tertulia_subscriptions', help: 'Streams that follow the log.', registers });
  for (const [name, help, read] of [
    ['tertulia_event_loop_delay_p99_seconds', 'Delay of the event loop since the last reading, 99th percentile.', () => loopDelay.percentile(99)],
    ['tertulia_event_loop_delay_max_seconds', 'Longest delay of the event loop since the last reading.', () => loopDelay.max],
  ] as const) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(Number.isFinite(read()) ? read() / 1e9 : 0);
      },
    });
  }

  return {
    /** An HTTP request was answered. */
    request: (status: number): void => requests.inc({ status: String(status) }),
    /** An operation is over. `by` is the account or the address it came from, `outcome` is `ok` or an error code. */
    operation({
      transport,
      kind,
      name,
      by,
      outcome,
      seconds,
    }: {
      transport: 'http' | 'websocket' | 'sse';
      kind: string;
      name: string | null;
      by: string;
      outcome: string;
      seconds: number;
    }): void {
      operations.inc({ transport, kind, name: name === null ? '' : names.shown(name, by), outcome });
      if (kind !== 'subscription') durations.observe({ kind }, seconds);
      if (outcome !== 'ok') refused.inc({ code: outcome });
    },
    /** A mutation answered with an error as data. */
    refused: (code: string): void => refused.inc({ code }),
    /** An item was handed to a stream; `at` is when its event was committed, for live ones. */
    delivered(item: string, at: Date | null): void {
      delivered.set(item, (delivered.get(item) ?? 0) + 1);
      if (at) lag.observe(Math.max(0, Date.now() - at.getTime()) / 1000);
    },
    committed(count: number): void {
      commits.inc();
      events.inc(count);
    },
    dropped: (): void => dropped.inc(),
    pushed: (outcome: string): void => pushes.inc({ outcome }),
    databaseError: (): void => databaseErrors.inc(),
    /** Everything as text, with what is open at the moment. */
    async text(now: { sockets: number; streams: number }): Promise<{ contentType: string; body: string }> {
      open.set(now.sockets);
      streams.set(now.streams);
      const body = await registry.metrics();
      loopDelay.reset();
      return { contentType: registry.contentType, body };
    },
    close: (): void => void loopDelay.disable(),
  };
}

/**
 * Which names are told apart: the first ones, until others are used by more people (accounts, or addresses of those who have none). So nobody alone can fill the
 * table, and the names of the apps that people use stay in it, or come back into it. `forget` is called with a name that has lost its place.
 */
function createNames(forget: (name: string) => unknown) {
  const places = new Map<string, Set<string>>();
  const watched = new LRUCache<string, Set<string>>({ max: mostWatched });
  return { shown };

  function shown(given: string, by: string): string {
    // A copy: a part of a document would keep all of it in memory.
    const name = Buffer.from(given.slice(0, longestName)).toString();
    const users = places.get(name) ?? watched.get(name) ?? new Set();
    if (users.size < mostUsers) users.add(by);
    if (places.has(name)) return name;
    if (places.size >= mostNames && !makePlace(users.size)) {
      watched.set(name, users);
      return 'other';
    }
    watched.delete(name);
    places.set(name, users);
    return name;
  }

  /** False when no name has fewer users. */
  function makePlace(count: number): boolean {
    if (count < 2) return false;
    let [weakest, least] = ['', count];
    for (const [name, { size }] of places) if (size < least) [weakest, least] = [name, size];
    if (least === count) return false;
    places.delete(weakest);
    forget(weakest);
    return true;
  }
}
