/** Emptying SQLite's journal, and what deleted rows have left in the file (remnants.ts), on the connection that writes. */
import { statSync } from 'node:fs';
import type Sqlite from 'better-sqlite3';
import { causes } from './failures.ts';
import { createRemnants } from './remnants.ts';

/** `canClear` is false where the file is not as expected: then copies of moved rows may be left in it. */
export type Cleared = { next: number | null | 'busy'; canClear: boolean };

export function createClearing(connection: Sqlite.Database, file: string) {
  const remnants = createRemnants(file);
  // Once: in this thread nothing that was prepared is given back (kept-statements.ts).
  let checkpoint: Sqlite.Statement<[], { busy: number }> | null = null;
  return { clear, sync: remnants.sync, close: remnants.close };

  /** One piece, from this page on. `forget` makes the other connections that write forget what they have read. */
  async function clear(from: number, forget: () => Promise<unknown>): Promise<Cleared> {
    // Without waiting inside SQLite for a reader, which would hold up all who write.
    connection.exec('PRAGMA busy_timeout = 0');
    try {
      checkpoint ??= connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)');
      if (checkpoint.all()[0]?.busy !== 0) return { next: 'busy', canClear: true };
      if (!beginsAtOnce()) return { next: 'busy', canClear: true };
      try {
        // Another process wrote in between.
        if (statSync(`${file}-wal`).size > 0) return { next: 'busy', canClear: true };
        const canClear = from !== 1 || remnants.canClear();
        return { next: remnants.clear(from), canClear };
      } finally {
        connection.exec('ROLLBACK');
        connection.exec('PRAGMA shrink_memory');
        await forget();
      }
    } finally {
      connection.exec('PRAGMA busy_timeout = 5000');
    }
  }

  /** False when another process writes. */
  function beginsAtOnce(): boolean {
    try {
      connection.exec('BEGIN IMMEDIATE');
      return true;
    } catch (error) {
      if (/SQLITE_BUSY/.test(causes(error))) return false;
      throw error;
    }
  }
}
