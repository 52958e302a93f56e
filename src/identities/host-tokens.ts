/**
 * Tokens of others: whose they are and what they may be used for, as jose finds them (after RFC 8725, JWT Best Current Practices). Each kind is told by what it
 * must have and must not have, so that none passes for another.
 */
import type { JWTHeaderParameters, JWTPayload, JWTVerifyGetKey } from 'jose';
import * as errors from 'jose/errors';
import { decodeJwt } from 'jose/jwt/decode';
import { jwtVerify } from 'jose/jwt/verify';
import { hasForbiddenInLine } from '../accounts/names.ts';
import { AppError, type TokenFailure } from '../errors.ts';
import type { Issuer } from '../issuers.ts';
import { createIssuerKeys, type Fetching, type IssuerKeys } from './issuer-keys.ts';

export type HostTokens = ReturnType<typeof createHostTokens>;
/** Somebody, as their issuer speaks of them. */
export type Stated = { issuer: Issuer; externalId: string; claims: JWTPayload; madeAt: Date; issuerSession: string | null };
/** A wish to end sessions (OpenID Connect Back-Channel Logout 1.0, 2.4): of a person, or of one session of the issuer. */
export type LogoutToken = { issuer: Issuer; externalId: string | null; issuerSession: string | null; madeAt: Date; id: string; endsAt: Date };

const longestToken = 16_384;
export const longestExternalId = 255;
const skewSeconds = 60;
const longestLifeSeconds = 60 * 60;
const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';

export function createHostTokens({ issuers, clock, ...fetching }: { issuers: readonly Issuer[]; clock: () => Date } & Fetching) {
  const { log } = fetching;
  const known = new Map(issuers.map((issuer) => [issuer.issuer, { issuer, keys: createIssuerKeys(issuer, fetching) }]));
  return { parsePerson, parseHost, parseLogout };

  /** Who somebody is. Fails with INVALID_TOKEN, or UNAVAILABLE when the issuer's keys cannot be had. */
  async function parsePerson(token: string): Promise<Stated> {
    const { issuer, claims, header, madeAt } = await parse(token);
    // A logout token is about somebody, and not theirs (2.8 there).
    if (isLogout(claims, header)) throw refused('UNKNOWN', 'This is a logout token: nobody is signed in by it.');
    return toStated(issuer, claims, madeAt);
  }

  /** The issuer itself, about its people. Fails as `parsePerson` does. */
  async function parseHost(token: string): Promise<Issuer> {
    const { issuer, claims, header } = await parse(token);
    const scopes = typeof claims.scope === 'string' ? claims.scope.split(' ') : [];
    if (claims.sub !== undefined || claims[issuer.claims.id] !== undefined) throw refused('WRONG_USER', 'This token is somebody’s: the host’s own has no `sub`.');
    if (!scopes.includes('provision') || isLogout(claims, header)) throw refused('UNKNOWN', 'The host’s own token needs `scope: "provision"`.');
    return issuer;
  }

  /** Fails as `parsePerson` does. Whether it was shown before is for others to know. */
  async function parseLogout(token: string): Promise<LogoutToken> {
    const { issuer, claims, header, madeAt } = await parse(token, { needsIssuedAt: true });
    if (!isLogout(claims, header)) throw refused('UNKNOWN', 'This is no logout token: its `events` do not say so.');
    if (header.typ !== undefined && !['logout+jwt', 'application/logout+jwt', 'jwt'].includes(header.typ.toLowerCase()))
      throw refused('UNKNOWN', 'The `typ` of a logout token is `logout+jwt`.');
    if (claims.nonce !== undefined) throw refused('UNKNOWN', 'A logout token has no `nonce`.');
    if (typeof claims.jti !== 'string' || claims.jti === '') throw refused('UNKNOWN', 'A logout token needs a `jti`.');
    const externalId = claims[issuer.claims.id] === undefined ? null : externalIdOf(issuer, claims);
    const issuerSession = sessionOf(claims);
    if (externalId === null && issuerSession === null) throw refused('UNKNOWN', `A logout token needs \`${issuer.claims.id}\` or \`sid\`.`);
    return { issuer, externalId, issuerSession, madeAt, id: claims.jti, endsAt: new Date(((claims.exp as number) + skewSeconds) * 1000) };
  }

  /** A token that one of the issuers has signed for this server, and that is good now. */
  async function parse(token: string, { needsIssuedAt = false } = {}): Promise<{ issuer: Issuer; claims: JWTPayload; header: JWTHeaderParameters; madeAt: Date }> {
    if (token.length > longestToken || !/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) throw refused('MALFORMED', 'This is not a signed token (JWT).');
    const { issuer, keys } = issuerOf(token);
    const now = clock();
    try {
      const { payload: claims, protectedHeader: header } = await verify(token, keys, {
        algorithms: issuer.algorithms,
        issuer: issuer.issuer,
        audience: issuer.audience,
        requiredClaims: needsIssuedAt ? ['exp', 'iat'] : ['exp'],
        clockTolerance: skewSeconds,
        currentDate: now,
      });
      return { issuer, claims, header, madeAt: madeAtOf(claims, now) };
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw toRefusal(error, issuer);
    }
  }

  /** Before anything about it is known to be true: only says with whose keys it is checked. */
  function issuerOf(token: string): { issuer: Issuer; keys: IssuerKeys } {
    let iss: unknown;
    try {
      iss = decodeJwt(token).iss;
    } catch {
      throw refused('MALFORMED', 'This is not a signed token (JWT).');
    }
    const found = typeof iss === 'string' ? known.get(iss) : undefined;
    if (!found) throw refused('UNKNOWN', 'The token’s `iss` is none of this server’s issuers, to the letter.');
    return found;
  }

  function toRefusal(error: unknown, issuer: Issuer): AppError {
    if (error instanceof errors.JWTExpired) return refused('EXPIRED', 'The token has expired: ask its issuer for a new one.');
    if (error instanceof errors.JWTClaimValidationFailed) return refused('UNKNOWN', claimSentences[error.claim] ?? 'The token’s claims are not what they must be.');
    if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return refused('MALFORMED', 'This is not a signed token (JWT).');
    if (error instanceof errors.JOSEAlgNotAllowed) return refused('UNKNOWN', 'The token is signed with an algorithm that its issuer is not known for.');
    if (error instanceof errors.JWKSNoMatchingKey) return refused('UNKNOWN', 'The token is signed with a key that its issuer does not have.');
    if (!(error instanceof errors.JWSSignatureVerificationFailed)) log.warn({ err: error, issuer: issuer.issuer }, 'a token could not be checked');
    return refused('UNKNOWN', 'The token’s signature is not its issuer’s.');
  }
}

type VerifyOptions = NonNullable<Parameters<typeof jwtVerify>[2]>;

async function verify(token: string, keys: IssuerKeys, options: VerifyOptions) {
  if (keys instanceof Uint8Array) return jwtVerify(token, keys, options);
  try {
    return await jwtVerify(token, keys as JWTVerifyGetKey, options);
  } catch (error) {
    // It has no `kid`, and several keys could have signed it.
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return await jwtVerify(token, key, options);
      } catch (failed) {
        if (!(failed instanceof errors.JWSSignatureVerificationFailed)) throw failed;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** When a token was made, at the earliest. One that lives for longer than an hour is refused, by what it says of its beginning or by what is left of it. */
function madeAtOf({ iat, exp = 0 }: JWTPayload, now: Date): Date {
  const seconds = now.getTime() / 1000;
  if (iat !== undefined && iat > seconds + skewSeconds) throw refused('UNKNOWN', 'The token’s `iat` is in the future: compare the clocks.');
  if (exp - (iat ?? seconds) > longestLifeSeconds + (iat === undefined ? skewSeconds : 0))
    throw refused('UNKNOWN', 'The token lives for longer than an hour: make its `exp` an earlier one.');
  return new Date((iat ?? exp - longestLifeSeconds) * 1000);
}

export function toStated(issuer: Issuer, claims: JWTPayload, madeAt: Date): Stated {
  return { issuer, externalId: externalIdOf(issuer, claims), claims, madeAt, issuerSession: sessionOf(claims) };
}

function externalIdOf({ claims: { id: name } }: Issuer, claims: JWTPayload): string {
  const value = claims[name];
  const id = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (!isExternalId(id)) throw refused('UNKNOWN', `The token needs \`${name}\`, a text of 1 to ${longestExternalId} characters that says whose it is.`);
  return id;
}

export const isExternalId = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= longestExternalId && !hasForbiddenInLine(value);

const sessionOf = ({ sid }: JWTPayload): string | null => (isExternalId(sid) ? sid : null);

function isLogout({ events }: JWTPayload, { typ }: JWTHeaderParameters): boolean {
  const event = typeof events === 'object' && events !== null ? (events as Record<string, unknown>)[logoutEvent] : undefined;
  return (typeof event === 'object' && event !== null && !Array.isArray(event)) || /^(application\/)?logout\+jwt$/i.test(typ ?? '');
}

const claimSentences: Record<string, string> = {
  aud: 'The token’s `aud` is not what this server expects of its issuer.',
  exp: 'The token needs an `exp`, in seconds.',
  nbf: 'The token’s `nbf` is in the future.',
  iat: 'The token needs an `iat`, in seconds.',
  iss: 'The token’s `iss` is none of this server’s issuers, to the letter.',
};

const refused = (tokenFailure: TokenFailure, message: string): AppError => new AppError('INVALID_TOKEN', { tokenFailure }, message);
