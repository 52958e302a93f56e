/** Writes an SQLite database anew, while no server runs on it: as small as it can be. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Config } from '../config.ts';
import { DatabaseError } from './migrate.ts';
import { lockFile } from './sqlite.ts';

/**
 * What was deleted leaves pages that are used again, but the file keeps its size. Needs as much room again as the file has.
 * Throws DatabaseError when there is nothing to compact, or a server runs on it.
 */
export function compact(config: Config): void {
  if (!config.DATABASE_URL.startsWith('file:')) throw new DatabaseError('This command compacts the embedded SQLite database. For PostgreSQL use VACUUM FULL.');
  const file = resolve(config.DATA_DIR, config.DATABASE_URL.slice('file:'.length));
  if (!existsSync(file)) throw new DatabaseError(`There is no database at ${config.DATABASE_URL} in DATA_DIR.`);
  const lock = lockFile(`${file}-lock`, config.DATABASE_URL);
  try {
    const database = new Sqlite(file);
    try {
      database.exec('VACUUM');
      database.pragma('wal_checkpoint(TRUNCATE)');
    } finally {
      database.close();
    }
  } finally {
    lock.close();
  }
}
