/** `npm run backup -- FILE`: copies the SQLite database of a running (or stopped) server. Reads the same environment as the server. */
import { readConfig } from '../src/config.ts';
import { backUp } from '../src/storage/backup.ts';

const [target] = process.argv.slice(2);
try {
  if (!target) throw new Error('Say where to: npm run backup -- FILE');
  await backUp(readConfig(process.env), target);
  console.log(`Backed up to ${target}`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
