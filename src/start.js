/** The program begins here. In JavaScript, so that what it imports is found compiled: for one file of TypeScript, Node loads a compiler of 17 MB. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// The next start need not compile again what this one did. Where the folder cannot be written, every start does.
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/node'));
await import('./main.ts');
