/** The thread that makes GraphiQL's page, and ends. In JavaScript, so that what it imports is found compiled. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';

enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/node'));
const { makeGraphiqlPage } = await import('./graphiql-page.ts');
parentPort?.postMessage(makeGraphiqlPage());
