/**
 * How the tests run: those in test/, some files at a time, one after the other in the same processes. Those that start servers run twice, on SQLite and on PostgreSQL, unless they are about what
 * stands before the server or around it; those of HTTP once more with plugins that look at requests.
 * A limit of time is there to end what hangs, never to judge speed.
 */
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';

const files = globSync('test/**/*.test.ts', { cwd: import.meta.dirname });
const ofPostgres = files.filter((file) => basename(file).startsWith('postgres'));
const ofServers = files.filter((file) => !ofPostgres.includes(file) && /kit(\/(server|process))?\.ts'/.test(readFileSync(file, 'utf8')));
/**
 * The page in a browser, GraphiQL, the programs of the guides, the package; requests and sockets before anything is asked of a database; pictures: what they need
 * of the database, others try on both engines, and `test:long` with them.
 */
const around = /^(page|graphiql|embed|packed|example|readme|clients|wire|cookies|abuse|pictures|weights|compiled|plugins|quoted-values|long-texts|slow-reader)\b/;
const aroundServers = ofServers.filter((file) => around.test(basename(file)) || file.startsWith('test/clients/'));
const others = files.filter((file) => !ofPostgres.includes(file) && !ofServers.includes(file));

export default defineConfig({
  // Vite takes graphql's ES modules where Node takes its CommonJS ones: two copies, which do not know each other's types.
  resolve: { alias: [{ find: /^graphql$/, replacement: createRequire(import.meta.url).resolve('graphql') }] },
  test: {
    pool: 'forks',
    // Tests wait more than they work: while one does, its core goes to another. (In percent, it would be no more than there are cores.)
    maxWorkers: Math.ceil(1.5 * availableParallelism()),
    // What they load is loaded once: that is a quarter of all they do. So a file leaves a process as it found it.
    isolate: false,
    testTimeout: process.env.LONG ? 600_000 : 30_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000 } },
    projects: [
      { extends: true, test: { name: 'sqlite', include: [...ofServers, ...others] } },
      // Every request through Yoga's HTTP layer, as plugins that look at requests have it.
      { extends: true, test: { name: 'http-hooks', include: ['test/wire.test.ts', 'test/cookies.test.ts'], env: { TEST_HTTP_HOOKS: '1' } } },
      {
        extends: true,
        test: {
          name: 'postgresql',
          include: [...ofServers.filter((file) => process.env.LONG || !aroundServers.includes(file)), ...ofPostgres],
          env: { TEST_ENGINE: 'postgresql' },
          globalSetup: 'test/kit/postgres.ts',
          setupFiles: 'test/kit/skip-without-postgres.ts',
        },
      },
    ],
  },
});
