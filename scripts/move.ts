/** `npm run move -- --to postgresql://…`: copies the SQLite database of a stopped server into an empty PostgreSQL one. Reads the same environment as the server. */
import { parseArgs } from 'node:util';
import { readConfig } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { moveToPostgres } from '../src/storage/move.ts';

try {
  const { to } = parseArgs({ options: { to: { type: 'string' } } }).values;
  if (!to) throw new Error('Say where to: npm run move -- --to postgresql://user:password@host/database');
  const config = readConfig({ ...process.env, LOG_LEVEL: 'warn' });
  const moved = await moveToPostgres(config, readConfig({ ...process.env, LOG_LEVEL: 'warn', DATABASE_URL: to }), createLog(config));
  for (const { table, rows } of moved) console.log(`${String(rows).padStart(12)}  ${table}`);
  console.log('Moved, and read again: the same. Start the server with this DATABASE_URL and the same DATA_DIR; the SQLite file stays as it is.');
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
