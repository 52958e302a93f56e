/** What an operator watches, as Prometheus text. One registry for each server: two can live in one process. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

/** Clients choose the names of their operations: only so many are told apart. */
const mostNames = 100;

export function createMetrics() {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectDefaultMetrics({ register: registry, prefix: 'tertulia_' });
  const loopDelay = monitorEventLoopDelay({ resolution: 10 });
  loopDelay.enable();
  const names = new Set<string>();

  const requests = new Counter({ name: 'tertulia_http_requests_total', help: 'HTTP requests answered.', labelNames: ['status'], registers });
  const operations = new Counter({
    name: 'tertulia_operations_total',
    help: 'GraphQL operations by name and outcome.',
    labelNames: ['transport', 'kind', 'name', 'outcome'],
    registers,
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
    /** An operation is over. `outcome` is `ok` or an error code. */
    operation({ transport, kind, name, outcome, seconds }: { transport: 'http' | 'websocket' | 'sse'; kind: string; name: string | null; outcome: string; seconds: number }): void {
      operations.inc({ transport, kind, name: known(name), outcome });
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

  function known(name: string | null): string {
    if (name === null) return '';
    if (!names.has(name) && names.size >= mostNames) return 'other';
    names.add(name);
    return name;
  }
}
