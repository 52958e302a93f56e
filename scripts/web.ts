/** `npm run web`: builds the page for people into web/dist, from which the server sends it. Runs after every install; needs no network. */
import { join } from 'node:path';
import { build } from 'vite';

// Whatever it is called by: a test would have it made for developers.
process.env.NODE_ENV = 'production';
await build({ configFile: join(import.meta.dirname, '../web/vite.config.ts') });
