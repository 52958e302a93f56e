/** What is broken: servers as processes of their own, each behind a line, on one PostgreSQL. A server that ends is started again until it is told to stay away. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { openLine } from '../../test/kit/line.ts';
import { type ServerProcess, startProcess } from '../../test/kit/process.ts';
import { temporaryFolder } from '../../test/kit/server.ts';
import { startPostgres } from '../embedded-postgres.ts';

export type Cluster = Awaited<ReturnType<typeof startCluster>>;
export type Node = Awaited<ReturnType<typeof startNode>>;

const clock = new URL('../../test/kit/clock.ts', import.meta.url).href;

export async function startCluster(count: number) {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const postgres = opening.use(await startPostgres(['max_connections=200']));
  const name = 'chaos';
  await postgres.createDatabase(name);
  const nodes: Node[] = [];
  for (let index = 0; index < count; index++) nodes.push(opening.use(await startNode(`${index + 1}`, postgres.url(name), join(folder.path, `node-${index + 1}`))));
  const opened = opening.move();
  return {
    postgres,
    nodes,
    /** Ends the connections by which servers wake each other. */
    async cutListeners(): Promise<void> {
      const admin = new pg.Client({ connectionString: postgres.url(name), connectionTimeoutMillis: 2_000 });
      admin.on('error', () => {});
      await admin.connect();
      await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tertulia-listener'`);
      await admin.end();
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function startNode(name: string, databaseUrl: string, folder: string) {
  await mkdir(folder, { recursive: true });
  const offset = join(folder, 'clock');
  await writeFile(offset, '0');
  let server: ServerProcess | null = null;
  let wanted = true;
  const place = { url: 'http://127.0.0.1:9' };
  const line = await openLine(place);
  const output: string[] = [];
  const living = live();
  while (!server) await sleep(50);
  return {
    name,
    /** Where clients reach it, whatever process is behind. */
    url: line.url.replace('/graphql', ''),
    line,
    /** What its processes wrote to stderr, and what they logged as a defect. */
    output,
    get isUp(): boolean {
      return server !== null;
    },
    kill: (signal: NodeJS.Signals): void => void server?.kill(signal),
    /** How far its clock is off. */
    async setClock(ms: number): Promise<void> {
      await writeFile(offset, String(ms));
      server?.kill('SIGUSR2');
    },
    async [Symbol.asyncDispose](): Promise<void> {
      wanted = false;
      server?.kill('SIGCONT');
      await server?.[Symbol.asyncDispose]();
      await living;
      await line[Symbol.asyncDispose]();
    },
  };

  async function live(): Promise<void> {
    while (wanted) {
      const started = await startProcess({
        DATA_DIR: folder,
        DATABASE_URL: databaseUrl,
        LOG_LEVEL: 'warn',
        NODE_POLL_MS: '2000',
        HEARTBEAT_SECONDS: '1',
        PRESENCE_GRACE_SECONDS: '3',
        ACCESS_TOKEN_SECONDS: '86400',
        MAX_SOCKETS_PER_ACCOUNT: '1000',
        CLOCK_OFFSET: offset,
        NODE_OPTIONS: `--import=${clock}`,
      }).catch(() => null);
      if (!started?.url) {
        await started?.[Symbol.asyncDispose]();
        await sleep(200);
        continue;
      }
      if (!wanted) return await started[Symbol.asyncDispose]();
      place.url = started.url;
      server = started;
      await started.ended(2 ** 31 - 1).catch(() => {});
      server = null;
      output.push(started.output.error, ...started.output.out.split('\n').filter((text) => /"level":(50|60)/.test(text)));
    }
  }
}
