/** `npm run compact`: writes the SQLite database of a stopped server anew. Reads the same environment as the server. */
import { readConfig } from '../src/config.ts';
import { compact } from '../src/storage/compact.ts';

try {
  compact(readConfig(process.env));
  console.log('Compacted');
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
