/** The program begins here. In JavaScript, so that what it imports is found compiled: for one file of TypeScript, Node loads a compiler of 17 MB. */
import './compile-cache.js';
import { setFlagsFromString } from 'node:v8';

await import('./main.ts');
// Garbage is collected when there is 0.6 times as much as is in use; V8 would wait for up to three times as much. Said now and not when Node is started, as its own code would then not be found compiled.
setFlagsFromString('--heap-growing-percent=60');
