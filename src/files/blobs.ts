/**
 * Where the bytes of files are kept: on disk, in DATA_DIR/files. A bucket (bucket.ts) offers the same functions; a blob never changes under its key, and appears
 * whole or not at all.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { AppError } from '../errors.ts';
import { DatabaseError } from '../storage/migrate.ts';

export type Blobs = Awaited<ReturnType<typeof openBlobs>>;
/** Both ends belong to it. */
export type Range = { start: number; end: number };

/** Nothing is written to a file for so long only when nobody writes it any more. */
export const strayAfterMs = 3_600_000;
const outOfSpace = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']);

/** A key that nobody can guess, and that no other blob has. */
export const newBlobKey = (): string => randomBytes(16).toString('hex');
/** The part of the store that a blob is in, one of 256. */
export const shardOf = (key: string): string => key.slice(0, 2);
/** What is derived from a blob has a key of its own that begins with the blob's: it is swept with it. */
export const derivedKey = (key: string, name: string | number): string => `${key}.${name}`;

/**
 * Makes the folder, readable by the server's own user only. Several nodes may share it; another installation may not, and what is in it is then left alone.
 * Throws DatabaseError with a message for people when it cannot be had.
 */
export async function openBlobs(folder: string, installation: string) {
  const coming = join(folder, 'coming');
  const owner = await claim().catch((error: Error) => {
    throw new DatabaseError(`The folder files in DATA_DIR cannot be used: ${error.message}`);
  });
  const folderOf = (key: string): string => join(folder, shardOf(key));
  const pathOf = (key: string): string => join(folderOf(key), key);
  return { put, copy, find, remove, freeBytes, sweep, close: async () => {} };

  /** Whose files these are. Kept in the folder: with another database, nothing in it would be known, and all of it would be swept. */
  async function claim(): Promise<string> {
    await mkdir(coming, { recursive: true, mode: 0o700 });
    const path = join(folder, 'installation');
    await writeFile(path, installation, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    // Empty: this process or another is about to write it.
    return (await readFile(path, 'utf8')) || installation;
  }

  /**
   * Stores what `bytes` yields, `size` bytes, under the key, for good: it survives a power cut. When `bytes` throws, or the disk cannot, nothing is left behind.
   * Fails with what `bytes` threw, or UNAVAILABLE when there is no room.
   */
  async function put(key: string, bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, _size: number): Promise<void> {
    const part = join(coming, `${key}-${newBlobKey()}`);
    let file: FileHandle | null = null;
    try {
      file = await open(part, 'wx', 0o600);
      for await (const chunk of bytes) await file.writeFile(chunk);
      await file.sync();
      await file.close();
      file = null;
      await mkdir(folderOf(key), { recursive: true, mode: 0o700 });
      await rename(part, pathOf(key));
      await syncFolder(folderOf(key));
    } catch (error) {
      await file?.close().catch(() => {});
      await rm(part, { force: true });
      throw outOfSpace.has((error as NodeJS.ErrnoException).code ?? '') ? new AppError('UNAVAILABLE', undefined, undefined, { cause: error }) : error;
    }
  }

  /** The same bytes under another key, for good. False when there are none. They take no room: a blob never changes. */
  async function copy(from: string, to: string): Promise<boolean> {
    await mkdir(folderOf(to), { recursive: true, mode: 0o700 });
    try {
      await link(pathOf(from), pathOf(to)).catch(async (error: NodeJS.ErrnoException) => {
        // Not every file system has links, nor any number of them.
        if (error.code === 'ENOENT') throw error;
        const found = await find(from);
        if (found) await put(to, found.bytes, found.size);
      });
      await syncFolder(folderOf(to));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw outOfSpace.has((error as NodeJS.ErrnoException).code ?? '') ? new AppError('UNAVAILABLE', undefined, undefined, { cause: error }) : error;
    }
  }

  /** A blob's size and its bytes, or a part of them; null when there is none. Read the stream or destroy it: it holds the file open. */
  async function find(key: string, range?: Range): Promise<{ size: number; bytes: Readable } | null> {
    let file: FileHandle;
    try {
      file = await open(pathOf(key), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    const { size } = await file.stat();
    return { size, bytes: file.createReadStream(range ?? {}) };
  }

  /** Removing what is not there is fine. */
  async function remove(key: string): Promise<void> {
    await rm(pathOf(key), { force: true });
  }

  /** How much more the disk takes. */
  async function freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  }

  /**
   * Removes what a process that died has left: uploads that nobody continues, and, of one of 256 parts of the store, blobs that are not `known`.
   * What was written within the last hour stays. Returns how many files went.
   */
  async function sweep(part: number, known: (keys: readonly string[]) => Promise<ReadonlySet<string>>): Promise<number> {
    const shard = join(folder, (part % 256).toString(16).padStart(2, '0'));
    const names = owner === installation ? await namesIn(shard) : [];
    const keys = [...new Set(names.map((name) => name.slice(0, 32)))];
    const kept = new Set<string>();
    for (let at = 0; at < keys.length; at += 500) for (const key of await known(keys.slice(at, at + 500))) kept.add(key);
    const strays = [...(await namesIn(coming)).map((name) => join(coming, name)), ...names.filter((name) => !kept.has(name.slice(0, 32))).map((name) => join(shard, name))];
    let gone = 0;
    for (const path of strays) {
      const found = await stat(path).catch(() => null);
      if (!found || Date.now() - found.mtimeMs < strayAfterMs) continue;
      await rm(path, { force: true });
      gone++;
    }
    return gone;
  }
}

/** All of them. */
export async function bytesOf(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** A new name is in its folder for good only when the folder itself is written. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
