/** A real server for a test: any free port, a database of its own, cheap password hashes, no rate limits, no log. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnyPlugin } from '../../src/api/pipeline.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { type Server, startServer } from '../../src/server.ts';
import { databaseUrl, freeDatabase } from './engine.ts';
import { createPerson, type Person } from './person.ts';

export type TestServer = Awaited<ReturnType<typeof startTestServer>>;
export type Overrides = { [Name in keyof Config]?: string };

/** What differs from a server for people. No polling, so that tests can count statements. ARGON2_MEMORY_KIB is the least that argon2 takes. */
export const testSettings: Overrides = {
  HOST: '127.0.0.1',
  PORT: '0',
  RATE_LIMITS: 'off',
  WEB: 'off',
  LOG_LEVEL: 'silent',
  ARGON2_MEMORY_KIB: '8',
  ARGON2_PASSES: '2',
  SHUTDOWN_SECONDS: '5',
  NODE_POLL_MS: '0',
};

/** An empty folder and how to remove it, together with the database of the servers that used it. */
export async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'tertulia-'));
  return {
    path,
    async [Symbol.asyncDispose](): Promise<void> {
      await freeDatabase(path);
      await rm(path, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** So that the same tests run with requests that pass Yoga’s HTTP layer by, and with none. */
const defaultPlugins: AnyPlugin[] = process.env.TEST_HTTP_HOOKS ? [{ onRequest() {} }] : [];

export async function startTestServer(overrides: Overrides = {}, plugins: readonly AnyPlugin[] = defaultPlugins) {
  const folder = await temporaryFolder();
  const start = async (more: Overrides = {}): Promise<Server> => {
    const DATA_DIR = overrides.DATA_DIR ?? folder.path;
    return startServer(readConfig({ ...testSettings, DATA_DIR, DATABASE_URL: await databaseUrl(DATA_DIR), ...overrides, ...more }), { plugins });
  };
  const people: Person[] = [];
  let server: Server;
  try {
    server = await start();
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
  const test = {
    dataDir: folder.path,
    /** Without a path. Another one after `restart`. */
    url: server.url,
    wsUrl: server.wsUrl,
    get app() {
      return server.app;
    },
    followers: (): number => server.app.tail.followerCount(),
    /** Registers somebody. Nobody is there twice: without a name, one is made up. */
    async person(username?: string): Promise<Person> {
      const made = await createPerson(test, username === undefined ? {} : { username });
      people.push(made);
      return made;
    },
    people: (count: number): Promise<Person[]> => Promise.all(Array.from({ length: count }, () => test.person())),
    stop: (): Promise<void> => server.stop(),
    /** Stops and starts on the same data. People keep their tokens; their sockets are gone. */
    async restart(more: Overrides = {}): Promise<void> {
      await server.stop();
      server = await start(more);
      Object.assign(test, { url: server.url, wsUrl: server.wsUrl });
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(people.map((person) => person.close()));
      await server.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
  return test;
}
