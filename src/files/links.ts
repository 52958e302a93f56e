/**
 * Signed links to files: who holds one may do what it says until it expires, without a session. What it says is all in it: the file, what of it,
 * until when, and on whose behalf. HMAC-SHA-256 (RFC 2104) under a key of this installation.
 */
import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import type { AttachmentId, UserId } from '../ids.ts';

export type Links = ReturnType<typeof createLinks>;

/** Filling a slot that was reserved; the digest that was announced goes with it. */
export type UploadLink = { kind: 'upload'; id: AttachmentId; expiresAt: Date; sha256: string | null };
/** The file as it was uploaded, or (`size`) its picture, no side longer than so many pixels. */
export type DownloadLink = { kind: 'download'; id: AttachmentId; expiresAt: Date; viewerId: UserId; size: number | null };

export function createLinks({ key, lifeSeconds, clock }: { key: KeyObject; lifeSeconds: number; clock: () => Date }) {
  const sign = (id: AttachmentId, what: string, expires: number, given: readonly string[]): string =>
    createHmac('sha256', key)
      .update(['tertulia file', id, what, expires, ...given].join('\n'))
      .digest('base64url');
  return {
    /** The path of a link, to be put behind the address of the server. */
    toPath(link: UploadLink | DownloadLink): string {
      const expires = Math.floor(link.expiresAt.getTime() / 1000);
      const [what, query] =
        link.kind === 'upload' ? ['upload', { sha256: link.sha256 ?? undefined }] : [link.size === null ? 'content' : String(link.size), { viewer: link.viewerId }];
      const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
      return `/files/${link.id}/${what}?${[`expires=${expires}`, ...given, `signature=${sign(link.id, what, expires, given)}`].join('&')}`;
    },

    /** The link of a path, or null when it was never signed or has expired. */
    parse(path: string, search: string): UploadLink | DownloadLink | null {
      const [, digits = '', what = ''] = /^\/files\/([1-9]\d{0,9})\/(upload|content|[1-9]\d{0,4})$/.exec(path) ?? [];
      const [, seconds = '', given = '', signature = ''] =
        /^expires=([1-9]\d{0,11})((?:&(?:viewer=\d{1,10}|sha256=[0-9a-f]{64}))?)&signature=([A-Za-z0-9_-]{43})$/.exec(search) ?? [];
      if (digits === '' || seconds === '') return null;
      const [id, expires] = [Number(digits) as AttachmentId, Number(seconds)];
      const expected = sign(id, what, expires, given === '' ? [] : [given.slice(1)]);
      // As texts: the last letter of a signature has bits that decoding ignores.
      if (!timingSafeEqual(Buffer.from(expected), Buffer.from(signature)) || expires * 1000 <= clock().getTime()) return null;
      const [name, value] = given.slice(1).split('=');
      const expiresAt = new Date(expires * 1000);
      if (what === 'upload') return { kind: 'upload', id, expiresAt, sha256: name === 'sha256' && value ? value : null };
      return name === 'viewer' ? { kind: 'download', id, expiresAt, viewerId: Number(value) as UserId, size: what === 'content' ? null : Number(what) } : null;
    },

    /** When a link that is made now expires: between half a life and a whole one from now, the same for some time, so that clients can cache what they got. */
    expiry(): Date {
      const grid = Math.max(1, Math.floor(lifeSeconds / 2));
      return new Date((Math.floor(clock().getTime() / 1000 / grid) + Math.max(1, Math.floor(lifeSeconds / grid))) * grid * 1000);
    },
  };
}
