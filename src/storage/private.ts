/** What the server keeps on the disk is for its own user alone, also in a folder that was made by somebody else, and whatever was there before. */
import { chmodSync, closeSync, openSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';

/** What SQLite keeps beside a database. What it makes itself gets the mode of the database. */
const companions = ['-wal', '-shm', '-journal', '-lock'];

/** Makes an empty file for its owner alone. False when there is one: it is not opened, since closing it again would give back the locks that SQLite holds on it. */
export function makePrivateFile(path: string): boolean {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Takes from everybody else what they could read of an SQLite database. */
export function hideDatabase(file: string, log: Log): void {
  for (const path of [file, ...companions.map((suffix) => `${file}${suffix}`)]) hide(path, 0o600, log);
}

/** The same for the files and mails in DATA_DIR: what is in a folder that others may not enter is hidden with it. */
export function hideFolders({ DATA_DIR }: Pick<Config, 'DATA_DIR'>, log: Log): void {
  for (const name of ['files', 'outbox']) hide(join(DATA_DIR, name), 0o700, log);
  // People take mails out of their folder to look at them.
  for (const name of namesIn(join(DATA_DIR, 'outbox'))) hide(join(DATA_DIR, 'outbox', name), 0o600, log);
}

function hide(path: string, mode: number, log: Log): void {
  try {
    chmodSync(path, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') log.warn({ path, code }, 'others may be able to read this: its mode cannot be changed');
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
