/** Copies a running SQLite database into one file, as it is at one moment. */
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Config } from '../config.ts';
import { DatabaseError } from './migrate.ts';

/**
 * Writes a backup that can be put in the database's place. The server goes on meanwhile; what is committed while the copy is made may or may not be in it,
 * a transaction is in it wholly or not at all.
 * Throws DatabaseError when there is nothing to copy, when the target exists, or when the copy is damaged.
 */
export async function backUp(config: Config, target: string): Promise<void> {
  if (!config.DATABASE_URL.startsWith('file:')) throw new DatabaseError('This command copies the embedded SQLite database. For PostgreSQL use pg_dump.');
  const file = resolve(config.DATA_DIR, config.DATABASE_URL.slice('file:'.length));
  if (!existsSync(file)) throw new DatabaseError(`There is no database at ${config.DATABASE_URL} in DATA_DIR.`);
  if (existsSync(target)) throw new DatabaseError('The target exists already: a backup never overwrites.');
  const source = new Sqlite(file, { readonly: true });
  try {
    await source.backup(target);
  } finally {
    source.close();
  }
  const copy = new Sqlite(target);
  try {
    chmodSync(target, 0o600);
    copy.pragma('journal_mode = DELETE');
    if (copy.pragma('integrity_check', { simple: true }) !== 'ok') throw new DatabaseError('The copy is damaged; the database itself may be, too.');
  } catch (error) {
    rmSync(target, { force: true });
    throw error;
  } finally {
    copy.close();
  }
}
