/** How the tests run: those in test/, each file in a process of its own. A limit of time is there to end what hangs, never to judge speed. */
import { createRequire } from 'node:module';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Vite takes graphql's ES modules where Node takes its CommonJS ones: two copies, which do not know each other's types.
  resolve: { alias: [{ find: /^graphql$/, replacement: createRequire(import.meta.url).resolve('graphql') }] },
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: process.env.LONG ? 600_000 : 30_000,
    hookTimeout: 60_000,
  },
});
