/**
 * Clears what SQLite's `secure_delete` leaves: a row that is moved from one page to another (`rebuildPage` in btree.c) can leave a copy in the part of the old
 * page that holds nothing now, and deleting the row later does not touch that copy. No statement of SQL reaches those bytes, so they are zeroed in the file
 * itself. They are bytes that SQLite never reads: between the end of a page's cell pointers and its first cell (https://sqlite.org/fileformat2.html#b_tree_pages).
 */
import { closeSync, fdatasync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';

export type Remnants = ReturnType<typeof createRemnants>;

const pieceBytes = 2 * 1024 * 1024;
/** An overflow page begins with the number of the next one: only in files with more pages than this could it be taken for a page of a tree. */
const mostPages = 0x0200_0000;
/** Kinds of pages of a tree, and how long their header is. */
const headerBytes = new Map([
  [0x02, 12],
  [0x05, 12],
  [0x0a, 8],
  [0x0d, 8],
]);
const zeros = Buffer.alloc(65_536);

/**
 * For the file of an open database. `clear` may only be called while the journal is empty and nobody can write, and what connections have read of it before
 * they must forget afterwards, or they would write it back.
 */
export function createRemnants(file: string) {
  let descriptor: number | null = null;
  return { canClear, clear, sync, close };

  /** False for a file that is not as expected: nothing is cleared in it. */
  function canClear(): boolean {
    return layoutOf(descriptorOf()).pages > 0;
  }

  /** Clears a piece of the file from page `from` (the first is 1) on. Returns the page to go on with, or null at the end. Blocks for a few milliseconds. */
  function clear(from: number): number | null {
    const fd = descriptorOf();
    const { pageBytes, usableBytes, pages } = layoutOf(fd);
    const count = Math.min(Math.floor(pieceBytes / pageBytes), pages - from + 1);
    if (count < 1) return null;
    const start = (from - 1) * pageBytes;
    const piece = Buffer.alloc(count * pageBytes);
    readSync(fd, piece, 0, piece.length, start);
    for (let index = 0; index < count; index++) {
      const page = piece.subarray(index * pageBytes, (index + 1) * pageBytes);
      const unused = unusedPart(page, from + index === 1 ? 100 : 0, usableBytes);
      if (unused && !page.subarray(unused.start, unused.end).equals(zeros.subarray(0, unused.end - unused.start)))
        writeSync(fd, zeros, 0, unused.end - unused.start, start + index * pageBytes + unused.start);
    }
    return from + count <= pages ? from + count : null;
  }

  /** Kept open: closing it would give back the locks that SQLite holds on the file (POSIX ties them to the process, not to the descriptor). */
  function descriptorOf(): number {
    return (descriptor ??= openSync(file, 'r+'));
  }

  /** Resolves when what was cleared is cleared on the disk, too. */
  async function sync(): Promise<void> {
    if (descriptor !== null) await promisify(fdatasync)(descriptor);
  }

  /** After the connections to the database. */
  function close(): void {
    if (descriptor !== null) closeSync(descriptor);
    descriptor = null;
  }
}

/** No pages for a file that is not as expected: one that makes room by itself has pages of another kind, and a very large one cannot be told apart. */
function layoutOf(fd: number): { pageBytes: number; usableBytes: number; pages: number } {
  const header = Buffer.alloc(100);
  readSync(fd, header, 0, 100, 0);
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  const isExpected = header.toString('latin1', 0, 15) === 'SQLite format 3' && pageBytes >= 512 && header.readUInt32BE(52) === 0;
  const pages = isExpected ? Math.floor(fstatSync(fd).size / pageBytes) : 0;
  return { pageBytes, usableBytes: pageBytes - (header[20] as number), pages: pages < mostPages ? pages : 0 };
}

/** Where a page of a tree holds nothing: behind its cell pointers and before its cells. Null for other pages. */
function unusedPart(page: Buffer, at: number, usableBytes: number): { start: number; end: number } | null {
  const length = headerBytes.get(page[at] as number);
  if (length === undefined) return null;
  const start = at + length + 2 * page.readUInt16BE(at + 3);
  const end = page.readUInt16BE(at + 5) || 65_536;
  return start < end && end <= usableBytes ? { start, end } : null;
}
