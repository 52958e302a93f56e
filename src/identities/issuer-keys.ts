/** The keys that an issuer's tokens are checked with: given in the settings, or fetched, remembered, and fetched again for a key that is new. */
import type { JWTVerifyGetKey } from 'jose';
import { createLocalJWKSet } from 'jose/jwks/local';
import { createRemoteJWKSet, customFetch } from 'jose/jwks/remote';
import { AppError } from '../errors.ts';
import type { Issuer } from '../issuers.ts';
import type { Log } from '../log.ts';
import { type Ask, Unreachable } from '../outgoing.ts';

export type IssuerKeys = Uint8Array | JWTVerifyGetKey;
export type Fetching = { ask: Ask; toPrivate: boolean; log: Log };

const answerWithinMs = 5_000;
const mostBytes = 256 * 1024;
/** A key that is not known is looked for at most so often, so that nobody's made-up tokens have the issuer asked all the time. */
const cooldownMs = 30_000;
const keptMs = 10 * 60_000;
/** What could not be fetched is tried again after this time at the earliest. */
const pauseMs = 2_000;

/**
 * jose asks for them once at a time, and everybody who waits is told the same. An issuer that cannot be asked fails with UNAVAILABLE, for its own people alone.
 * What `kid`, `jku` and `x5u` of a token say leads nowhere: a key is looked for by its name in the set of its issuer.
 */
export function createIssuerKeys(issuer: Issuer, { ask, toPrivate, log }: Fetching): IssuerKeys {
  const { keys } = issuer;
  if (keys.kind === 'secret') return keys.secret;
  if (keys.kind === 'jwks') return createLocalJWKSet(keys.jwks);
  const allowPrivate = issuer.privateNetwork || toPrivate;
  let failedAt = Number.NEGATIVE_INFINITY;
  let found: Promise<JWTVerifyGetKey> | null = null;
  return async (header, token) => {
    found ??= addressOf().then(remote);
    const known = found;
    const getKey = await known.catch((error) => {
      if (found === known) found = null;
      throw error;
    });
    return getKey(header, token);
  };

  async function addressOf(): Promise<string> {
    if (keys.kind === 'url') return keys.url;
    const about = (await fetchJson(discoveryUrlOf(issuer.issuer))) as { issuer?: unknown; jwks_uri?: unknown };
    if (about.issuer !== issuer.issuer || typeof about.jwks_uri !== 'string') throw away('its discovery document is of another issuer, or names no keys');
    return about.jwks_uri;
  }

  function remote(url: string): JWTVerifyGetKey {
    if (!URL.canParse(url)) throw away('its keys have no address');
    return createRemoteJWKSet(new URL(url), {
      cooldownDuration: cooldownMs,
      cacheMaxAge: keptMs,
      [customFetch]: async (address) => {
        const set = (await fetchJson(address)) as { keys?: unknown };
        if (!Array.isArray(set.keys) || !set.keys.every((key) => typeof key === 'object' && key !== null)) throw away('its keys are no key set');
        return Response.json({ keys: set.keys });
      },
    });
  }

  async function fetchJson(address: string): Promise<object> {
    if (performance.now() - failedAt < pauseMs) throw new AppError('UNAVAILABLE');
    try {
      const { status, body } = await ask(address, { headers: { accept: 'application/json' }, timeoutMs: answerWithinMs, mostBytes, allowPrivate });
      // Also where it would send on to: keys come from the address that the operator has named.
      if (status !== 200) throw away(`it answered ${status}`);
      const parsed: unknown = JSON.parse(body.toString());
      if (typeof parsed !== 'object' || parsed === null) throw away('it answered no object');
      return parsed;
    } catch (error) {
      failedAt = performance.now();
      if (error instanceof AppError) throw error;
      throw away(error instanceof Unreachable ? error.message : 'it answered no JSON');
    }
  }

  function away(why: string): AppError {
    log.warn({ issuer: issuer.issuer, why }, 'the keys of an issuer could not be fetched: its tokens cannot be checked');
    return new AppError('UNAVAILABLE', undefined, 'The keys of the token’s issuer cannot be fetched at the moment: try again later.');
  }
}

/** OpenID Connect Discovery 1.0, 4. */
export const discoveryUrlOf = (issuer: string): string => `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
