/**
 * Devices that have signed in before, after OWASP's "device cookies": a token that only this server can make, for one account. Whoever shows it has a share of
 * wrong passwords of their own, so that strangers who guess cannot lock the owner out. It signs nobody in.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { UserId } from '../ids.ts';
import type { Keys } from './keys.ts';

export type KnownDevices = ReturnType<typeof createKnownDevices>;

const nonceBytes = 16;
const tagBytes = 16;

export function createKnownDevices({ keys }: { keys: Pick<Keys, 'device'> }) {
  return { newToken, nameOf };

  function newToken(userId: UserId): string {
    const nonce = randomBytes(nonceBytes);
    return Buffer.concat([nonce, tagOf(userId, nonce)]).toString('base64url');
  }

  /** The device that a token was made for. Null unless it was made here, for this account. */
  function nameOf(token: string | null | undefined, userId: UserId): string | null {
    if (!token || !/^[\w-]{43}$/.test(token)) return null;
    const bytes = Buffer.from(token, 'base64url');
    const nonce = bytes.subarray(0, nonceBytes);
    return timingSafeEqual(bytes.subarray(nonceBytes), tagOf(userId, nonce)) ? nonce.toString('base64url') : null;
  }

  function tagOf(userId: UserId, nonce: Buffer): Buffer {
    return createHmac('sha256', keys.device).update(`device.${userId}.`).update(nonce).digest().subarray(0, tagBytes);
  }
}
