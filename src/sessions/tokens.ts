/**
 * How tokens are written. An access token is a signed statement (JWT, RFC 9068's `at+jwt`) that anyone with the public key can check. A refresh token is a
 * secret of its session; the next one is a keyed hash of the one before, so that a repeated refresh gives the same answer while the database holds only digests.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import * as errors from 'jose/errors';
import { SignJWT } from 'jose/jwt/sign';
import { jwtVerify } from 'jose/jwt/verify';
import { LRUCache } from 'lru-cache';
import type { SessionId, UserId } from '../ids.ts';
import type { Keys } from './keys.ts';

export type Tokens = ReturnType<typeof createTokens>;
export type AccessClaims = { userId: UserId; sessionId: SessionId; issuedAt: Date; expiresAt: Date };
/** A refresh token made by this server, as its tag proves. Whether it may still be used is up to its session. */
export type RefreshToken = { sessionId: SessionId; generation: number; secret: Buffer };

const algorithm = 'EdDSA';
const name = 'tertulia';
const longestAccessToken = 2_000;
const secretBytes = 32;
const tagBytes = 16;

export function createTokens({ keys }: { keys: Keys }) {
  const verified = new LRUCache<string, AccessClaims>({ max: 20_000 });
  return { signAccess, parseAccess, newSecret: () => randomBytes(secretBytes), successorOf, digestOf, toRefreshToken, parseRefresh };

  // ---------------------------------------------------------------- access tokens

  async function signAccess({ userId, sessionId, issuedAt, expiresAt }: AccessClaims): Promise<string> {
    return (
      new SignJWT({ sid: String(sessionId) })
        .setProtectedHeader({ alg: algorithm, typ: 'at+jwt' })
        .setIssuer(name)
        .setAudience(name)
        .setSubject(String(userId))
        // RFC 7519's NumericDate may have a fraction: tokens live as long as they say, to the millisecond.
        .setIssuedAt(issuedAt.getTime() / 1000)
        .setExpirationTime(expiresAt.getTime() / 1000)
        .sign(keys.signing)
    );
  }

  /** What a token says, expired or not. MALFORMED: it is no access token. UNKNOWN: it is one, but not ours. */
  async function parseAccess(token: string): Promise<AccessClaims | 'MALFORMED' | 'UNKNOWN'> {
    const known = verified.get(token);
    if (known) return known;
    if (token.length > longestAccessToken || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return 'MALFORMED';
    try {
      // With this date nothing has expired. The caller decides about that, and may want to tell it.
      const options = { algorithms: [algorithm], typ: 'at+jwt', issuer: name, audience: name, requiredClaims: ['sub', 'sid', 'iat', 'exp'], currentDate: new Date(0) };
      const { payload } = await jwtVerify(token, keys.verifying, options);
      const claims = { userId: Number(payload.sub) as UserId, sessionId: Number(payload.sid) as SessionId, issuedAt: toDate(payload.iat), expiresAt: toDate(payload.exp) };
      verified.set(token, claims);
      return claims;
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error;
      return error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid ? 'MALFORMED' : 'UNKNOWN';
    }
  }

  // ---------------------------------------------------------------- refresh tokens

  /** The secret of the next generation. It is the same each time, and cannot be computed without the server's key. */
  function successorOf(secret: Buffer): Buffer {
    return createHmac('sha256', keys.refresh).update('next').update(secret).digest();
  }

  /** What the database stores of a secret. */
  function digestOf(secret: Buffer): string {
    return createHash('sha256').update(secret).digest('base64url');
  }

  function toRefreshToken({ sessionId, generation, secret }: RefreshToken): string {
    return `${sessionId}.${generation}.${Buffer.concat([secret, tagOf(sessionId, generation, secret)]).toString('base64url')}`;
  }

  /** MALFORMED: not a refresh token. UNKNOWN: looks like one, but was not made by this server. */
  function parseRefresh(token: string): RefreshToken | 'MALFORMED' | 'UNKNOWN' {
    const match = /^([1-9]\d{0,9})\.([1-9]\d{0,9})\.([\w-]{64})$/.exec(token);
    if (!match) return 'MALFORMED';
    const [sessionId, generation, bytes] = [Number(match[1]) as SessionId, Number(match[2]), Buffer.from(match[3] as string, 'base64url')];
    const secret = bytes.subarray(0, secretBytes);
    if (!timingSafeEqual(bytes.subarray(secretBytes), tagOf(sessionId, generation, secret))) return 'UNKNOWN';
    return { sessionId, generation, secret };
  }

  /** Proves that this server made a token, of whatever generation, without storing it. */
  function tagOf(sessionId: SessionId, generation: number, secret: Buffer): Buffer {
    return createHmac('sha256', keys.refresh).update(`tag.${sessionId}.${generation}.`).update(secret).digest().subarray(0, tagBytes);
  }
}

const toDate = (seconds: number | undefined): Date => new Date(Math.round((seconds ?? 0) * 1000));
