/** Where a thread of the database begins. In JavaScript, so that what it imports is found compiled: without that each thread would cost 30 MB and 100 ms. */
import '../compile-cache.js';

await import('./sqlite-thread.ts');
