/** PgBouncer in transaction mode, where it is installed, in front of the PostgreSQL of an address. */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const pgbouncer = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer', '/opt/homebrew/bin/pgbouncer'].find(existsSync) ?? null;

/** With these settings beside its own. Its `url` is the way through it. */
export async function startPooler(databaseUrl: string, settings: string[] = []) {
  const database = new URL(databaseUrl);
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'tertulia-pooler-'));
  chmodSync(folder, 0o755); // as root, it runs as another user
  const users = join(folder, 'users');
  writeFileSync(users, `"${database.username}" "${database.password}"\n`);
  const own = ['listen_addr = 127.0.0.1', `listen_port = ${port}`, 'unix_socket_dir =', 'auth_type = plain', `auth_file = ${users}`, 'pool_mode = transaction'];
  const lines = ['[databases]', `* = host=${database.hostname} port=${database.port}`, '[pgbouncer]', ...own, 'default_pool_size = 5', 'server_login_retry = 1', ...settings];
  writeFileSync(join(folder, 'pgbouncer.ini'), `${lines.join('\n')}\n`);
  const child = spawn(pgbouncer as string, [...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []), join(folder, 'pgbouncer.ini')], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const atExit = (): void => void child.kill('SIGKILL');
  process.once('exit', atExit);
  for (let tries = 0; tries < 100 && !(await answers(port)); tries++) await sleep(50);
  return {
    url: Object.assign(new URL(databaseUrl), { port: String(port) }).href,
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill('SIGTERM');
      await ended;
      process.off('exit', atExit);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
