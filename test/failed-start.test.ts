/** A start that fails half-way leaves nothing behind: no lock, no connection, no timer. The same process can start a server on the same folder. */
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { type Config, readConfig } from '../src/config.ts';
import { startServer } from '../src/server.ts';
import { DatabaseError } from '../src/storage/migrate.ts';
import { createDatabase, databaseUrl, engine } from './kit/engine.ts';
import { temporaryFolder, testSettings } from './kit/server.ts';

/** What keeps the process alive, by kind. */
function counted(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** Resolves when nothing keeps the process alive that was not there before. */
async function nothingMoreThan(before: Map<string, number>): Promise<void> {
  let more: string[] = [];
  for (let tries = 0; tries < 100; tries++) {
    more = [...counted()].filter(([kind, count]) => count > (before.get(kind) ?? 0)).map(([kind, count]) => `${count} ${kind}`);
    if (more.length === 0) return;
    await sleep(20);
  }
  expect(more).toEqual([]);
}

/** Starts with `broken`, which must fail like this, and then without it, which must not. */
async function failsAndStarts(settings: Record<string, string>, broken: Partial<Config>, failure: RegExp, mend: () => Promise<void> = async () => {}): Promise<void> {
  const config = readConfig({ ...testSettings, NODE_POLL_MS: '50', ...settings });
  const before = counted();
  const failed = startServer({ ...config, ...broken });
  await expect(failed).rejects.toThrow(failure);
  await nothingMoreThan(before);
  await mend();
  const server = await startServer(config);
  expect((await fetch(`${server.url}/ready`)).status).toBe(200);
  await server.stop();
}

describe('a start that fails leaves nothing open', () => {
  it('because the port is taken', async () => {
    await using folder = await temporaryFolder();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await failsAndStarts({ DATA_DIR: folder.path, DATABASE_URL: await databaseUrl(folder.path) }, { PORT: port }, /EADDRINUSE/);
    other.close();
  });

  it('because the folder of the files cannot be used', async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, 'files'), 'in the way');
    const settings = { DATA_DIR: folder.path, DATABASE_URL: await databaseUrl(folder.path) };
    await failsAndStarts(settings, {}, /folder files in DATA_DIR/, () => rm(join(folder.path, 'files')));
  });

  it('because a part in the middle does not take its settings', async () => {
    await using folder = await temporaryFolder();
    await failsAndStarts({ DATA_DIR: folder.path, DATABASE_URL: await databaseUrl(folder.path) }, { HOST: 'no host' }, /Invalid URL/);
  });

  it.runIf(engine === 'sqlite')('because the disk is too small for the first migration', async () => {
    await using folder = await temporaryFolder();
    await failsAndStarts({ DATA_DIR: folder.path }, { SQLITE_MAX_PAGES: 20 }, /full/);
  });

  it.runIf(engine === 'sqlite')('because the database is a folder', async () => {
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'tertulia.db'));
    await failsAndStarts({ DATA_DIR: folder.path }, {}, /not a file/, () => rm(join(folder.path, 'tertulia.db'), { recursive: true }));
  });

  it.runIf(engine === 'postgresql')('because a migration fails', async () => {
    await using folder = await temporaryFolder();
    const url = await createDatabase({ empty: true });
    await using admin = await connected(url);
    await admin.query(`CREATE TYPE "User" AS ENUM ('in the way')`);
    const settings = { DATA_DIR: folder.path, DATABASE_URL: url };
    await failsAndStarts(settings, {}, /"?User"? already exists/, async () => void (await admin.query('DROP TYPE "User"')));
    await expect.poll(() => othersOn(admin)).toBe(0);
  });

  it.runIf(engine === 'postgresql')('because PostgreSQL goes away at any moment of it', async () => {
    await using folder = await temporaryFolder();
    const url = await createDatabase({ empty: true });
    await using admin = await connected(url);
    let failed = 0;
    for (let after = 0, started = false; !started; after++) {
      await using line = await openFailingLine(url, after);
      const before = counted();
      const config = readConfig({ ...testSettings, NODE_POLL_MS: '50', DATA_DIR: folder.path, DATABASE_URL: line.url });
      await startServer(config).then(
        async (server) => {
          started = true;
          await server.stop();
        },
        (error) => {
          failed++;
          expect(error).toBeInstanceOf(DatabaseError);
        },
      );
      await line[Symbol.asyncDispose]();
      await nothingMoreThan(before);
    }
    expect(failed).toBeGreaterThan(10);
    await expect.poll(() => othersOn(admin)).toBe(0);
    await failsAndStarts({ DATA_DIR: folder.path, DATABASE_URL: url }, { DATABASE_URL: 'postgresql://nobody:wrong@127.0.0.1:1/nowhere' }, /cannot be used/);
  });
});

async function connected(url: string) {
  const client = new pg.Client(url);
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

async function othersOn(admin: pg.Client): Promise<number> {
  const { rows } = await admin.query<{ count: string }>('SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()');
  return Number(rows[0]?.count);
}

/** A way to PostgreSQL on which everything breaks for good when the client has sent something for the n-th time. */
async function openFailingLine(url: string, after: number) {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let left = after;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const proxy = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => cutBoth());
    }
    const cutBoth = (): void => {
      client.destroy();
      upstream.destroy();
    };
    client.on('data', (bytes) => {
      if (left-- > 0) upstream.write(bytes);
      else cut();
    });
    upstream.on('data', (bytes) => client.write(bytes));
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const through = new URL(url);
  through.port = String((proxy.address() as AddressInfo).port);
  return {
    url: through.href,
    async [Symbol.asyncDispose](): Promise<void> {
      cut();
      if (proxy.listening) await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
