/** Where a thread of the database begins. In JavaScript, so that what it imports is found compiled: without that each thread would cost 30 MB and 100 ms. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache(join(import.meta.dirname, '../../node_modules/.cache/node'));
await import('./sqlite-thread.ts');
