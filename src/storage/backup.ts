/** Copies a running SQLite database into one file, as it is at one moment. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { Config } from '../config.ts';
import { DatabaseError } from './migrate.ts';
import { makePrivateFile } from './private.ts';

/**
 * Writes a backup that can be put in the database's place. The server goes on meanwhile: the copy is of the moment when it begins.
 * Throws DatabaseError when there is nothing to copy, when the target exists, or when the copy is damaged.
 */
export async function backUp(config: Config, target: string): Promise<void> {
  if (!config.DATABASE_URL.startsWith('file:')) throw new DatabaseError('This command copies the embedded SQLite database. For PostgreSQL use pg_dump.');
  const file = resolve(config.DATA_DIR, config.DATABASE_URL.slice('file:'.length));
  if (!existsSync(file)) throw new DatabaseError(`There is no database at ${config.DATABASE_URL} in DATA_DIR.`);
  if (existsSync(target)) throw new DatabaseError('The target exists already: a backup never overwrites.');
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  const part = `${target}.part`;
  if (!makePrivateFile(part)) throw new DatabaseError(`There is ${part}: another backup is being made there, or was cut off. In that case remove it.`);
  try {
    const source = new Sqlite(file, { readonly: true });
    try {
      // One view of the database until the end: otherwise each commit of the server would let the copy begin anew.
      source.exec('BEGIN');
      source.prepare('SELECT 1 FROM "EventHead"').get();
      await source.backup(part);
    } finally {
      source.close();
    }
    finish(part);
    renameSync(part, target);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

/** Makes one file of a copy, and looks at all of it. */
function finish(file: string): void {
  const copy = new Sqlite(file);
  try {
    copy.pragma('journal_mode = DELETE');
    if (copy.pragma('integrity_check', { simple: true }) !== 'ok') throw new DatabaseError('The copy is damaged; the database itself may be, too.');
  } finally {
    copy.close();
  }
}
