/** Where Node keeps what it has compiled of this program, so that the next start need not do it again. Where the folder cannot be written, every start does. To be imported before anything else, by every thread. */
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/node'));
