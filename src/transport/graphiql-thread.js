/** The thread that makes GraphiQL's page, and ends. In JavaScript, so that what it imports is found compiled. */
import '../compile-cache.js';
import { parentPort } from 'node:worker_threads';

const { makeGraphiqlPage } = await import('./graphiql-page.ts');
parentPort?.postMessage(makeGraphiqlPage());
