/**
 * Pictures: what a file is by its first bytes, how large its picture is, and thumbnails in a few sizes. Decoding is what attackers aim at: only five formats,
 * never SVG, a limit of pixels before anything is decoded, the first frame only, in turns (decoding.ts), and no metadata in what comes out.
 */
import type { UserId } from '../ids.ts';
import { type Blobs, bytesOf, derivedKey } from './blobs.ts';
import { type Decoding, isHeavy } from './decoding.ts';

export type Images = ReturnType<typeof createImages>;

/** Longest sides that pictures are made in. */
export const pictureSizes = [64, 128, 256, 512, 1024, 2048] as const;
/** Of every picture there is this one from the start. */
const firstSize = 256;
const largestSize = 2048;
/** Everything that is sent as a picture has this type. */
export const pictureType = 'image/webp';

/** How many of a file's first bytes tell what it is. */
export const headBytes = 65_536;

const decodable = new Set(['image/jpeg', 'image/png', 'image/apng', 'image/gif', 'image/webp', 'image/avif']);
const loaders = ['Jpeg', 'Png', 'Webp', 'Nsgif', 'Heif'].map((name) => `VipsForeignLoad${name}`);
/** Some 7,000 by 5,700: more than phones take, and 160 MB when decoded. */
const mostPixels = 40_000_000;
const largestFile = 64 * 1024 * 1024;
const mostSeconds = 8;

/** What a browser might run when it is told the truth about it. */
const active = /html|xml|svg|script|xsl|mathml|flash|java|mht/;
/** Types that bytes do not tell, and that are harmless when it is not true. */
const plain = new Set(['text/plain', 'text/csv', 'text/markdown', 'text/calendar', 'text/vcard', 'application/json']);
const unknown = 'application/octet-stream';

/**
 * The type of a file: what its bytes say, or, when they say nothing, what was announced if that is harmless. Whatever a browser could run is
 * `application/octet-stream`.
 */
export async function typeOf(head: Uint8Array, announced: string): Promise<string> {
  const { fileTypeFromBuffer } = await import('file-type');
  const found = await fileTypeFromBuffer(head).catch(() => undefined);
  if (found) return active.test(found.mime) ? unknown : found.mime;
  return plain.has(announced) ? announced : unknown;
}

/** The size in which a picture of these sides is sent to somebody who shows it in this width and height: the smallest that fills both. */
export function pictureSizeFor({ width, height }: { width: number; height: number }, wanted: { width: number | null; height: number | null }): number {
  const scale = Math.max((wanted.width ?? 0) / width, (wanted.height ?? 0) / height);
  if (scale <= 0) return pictureSizes.at(-1) as number;
  const longest = scale * Math.max(width, height);
  return pictureSizes.find((size) => size >= longest) ?? (pictureSizes.at(-1) as number);
}

/** A picture whose blob is known to be one. */
export type Picture = { blobKey: string; contentType: string; width: number | null; height: number | null };

export function createImages({ blobs, decoding }: { blobs: Pick<Blobs, 'put' | 'find' | 'remove'>; decoding: Pick<Decoding, 'inTurn'> }) {
  return { measure, picture, remove };

  /**
   * Width and height as the picture is seen; null for what is none, is broken or is too large. Decodes all of it when it is the account's turn; `head` is how
   * the file begins. Fails with UNAVAILABLE when too many wait.
   */
  async function measure(accountId: UserId, key: string, type: string, size: number, head: Buffer): Promise<{ width: number; height: number } | null> {
    if (!decodable.has(type) || size > largestFile) return null;
    const said = await open(head)
      .then((picture) => picture.metadata())
      .catch(() => ({ width: null, height: null }));
    return decoding.inTurn(accountId, 'upload', isHeavy({ ...said, type }), () => decodeAll(key));
  }

  async function decodeAll(key: string): Promise<{ width: number; height: number } | null> {
    const bytes = await readAll(key);
    const decoded = bytes && (await decode(bytes).catch(() => null));
    if (!decoded) return null;
    return (await keep(key, firstSize, decoded.small)) ? { width: decoded.width, height: decoded.height } : null;
  }

  /** The picture in one of the sizes, made when it is asked for the first time. Null when the file is gone. Fails with UNAVAILABLE when too many wait. */
  async function picture(accountId: UserId, { blobKey, contentType, width, height }: Picture, size: number): Promise<Buffer | null> {
    const kept = await readAll(derivedKey(blobKey, size));
    // Somebody else may have had their turn first.
    if (kept) return kept;
    const job = async (): Promise<Buffer | null> => (await readAll(derivedKey(blobKey, size))) ?? make(blobKey, size);
    return decoding.inTurn(accountId, 'look', isHeavy({ width, height, type: contentType }), job);
  }

  /** The original is decoded for two sizes only; the others are made of these. */
  async function make(key: string, size: number): Promise<Buffer | null> {
    const larger = size < firstSize ? firstSize : largestSize;
    const bytes = size === firstSize || size === largestSize ? await readAll(key) : ((await readAll(derivedKey(key, larger))) ?? (await make(key, larger)));
    if (!bytes) return null;
    const made = await scaled(bytes, size);
    return (await keep(key, size, made)) ? made : null;
  }

  /** False when the blob was removed in the meantime: then so is what was made of it, or it would stay for ever. */
  async function keep(key: string, size: number, made: Buffer): Promise<boolean> {
    await blobs.put(derivedKey(key, size), [made], made.length);
    const still = await blobs.find(key, { start: 0, end: 0 });
    still?.bytes.destroy();
    if (!still) await blobs.remove(derivedKey(key, size));
    return still !== null;
  }

  /** Removes a blob, and then everything that was made of it. */
  async function remove(key: string): Promise<void> {
    await blobs.remove(key);
    await Promise.all(pictureSizes.map((size) => blobs.remove(derivedKey(key, size))));
  }

  async function readAll(key: string): Promise<Buffer | null> {
    const found = await blobs.find(key);
    return found && bytesOf(found.bytes);
  }
}

/** Only a server to which pictures are sent loads what decodes them. */
const loadSharp = async () => {
  const { default: sharp } = await import('sharp');
  // Of the whole process: nothing but these loaders may ever see what somebody sent.
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: loaders });
  sharp.cache(false);
  sharp.concurrency(1);
  return sharp;
};
let loading: ReturnType<typeof loadSharp> | undefined;

const open = async (bytes: Buffer) => (await (loading ??= loadSharp()))(bytes, { limitInputPixels: mostPixels, failOn: 'error', pages: 1 });

const scaled = async (bytes: Buffer, size: number): Promise<Buffer> =>
  (await open(bytes))
    .timeout({ seconds: mostSeconds })
    .autoOrient()
    .resize({ width: size, height: size, fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 80, effort: 2 })
    .toBuffer();

/** Sides as the picture is seen, and the first thumbnail. Fails for what is broken or too large. */
async function decode(bytes: Buffer): Promise<{ width: number; height: number; small: Buffer }> {
  const { width, height } = (await (await open(bytes)).metadata()).autoOrient;
  return { width, height, small: await scaled(bytes, firstSize) };
}
