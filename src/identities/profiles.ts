/** What an issuer says of somebody's name and e-mail address, as accounts here may have them: by the rules that hold for everybody. */
import { randomInt } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { codePoints, hasForbiddenInLine, isEmail, isUsername, isVisible, withoutInvisible } from '../accounts/names.ts';
import type { Issuer } from '../issuers.ts';

/** Null where nothing is said, or nothing that could be used. `username` is what a name is made of, and need not be one. */
export type Wish = { username: string | null; displayName: string | null; email: string | null; picture: string | null };

const longestDisplayName = 80;
const longestUsername = 32;
const longestAddress = 2_000;

/** Nobody can sign in less for a name that could not be stored here: it is left out. An e-mail address is taken if the issuer has verified it, or the operator trusts it. */
export function toWish({ claims: names, trustsEmail }: Issuer, claims: JWTPayload): Wish {
  const text = (name: string | null): string | null => {
    const value = name === null ? null : claims[name];
    return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
  };
  const verified = claims.email_verified === true || (trustsEmail && claims.email_verified !== false);
  return {
    username: text(names.username),
    displayName: toDisplayName(text(names.displayName)),
    email: verified ? toEmail(text(names.email)) : null,
    picture: toAddress(text(names.picture)),
  };
}

function toDisplayName(text: string | null): string | null {
  if (text === null || hasForbiddenInLine(text)) return null;
  const name = withoutInvisible(codePoints(text) > longestDisplayName ? [...text].slice(0, longestDisplayName).join('').trim() : text);
  return isVisible(name) ? name : null;
}

const toEmail = (text: string | null): string | null => (text !== null && isEmail(text) && withoutInvisible(text) === text ? text : null);

/** Whether it may be asked for is decided when it is. */
const toAddress = (text: string | null): string | null => (text !== null && text.length <= longestAddress && URL.canParse(text) ? text : null);

/** A username made of what is known, the first time (0) as it is, and then with a number behind it, which grows longer. */
export function usernameOf({ username, displayName }: Pick<Wish, 'username' | 'displayName'>, attempt: number): string {
  const base = toUsername(username ?? '') || toUsername(displayName ?? '') || 'user';
  if (attempt === 0 && isUsername(base) && base !== 'user') return base;
  const digits = Math.min(4 + attempt, 12);
  return `${base.slice(0, longestUsername - 1 - digits)}-${String(randomInt(10 ** digits)).padStart(digits, '0')}`;
}

/** What of a text can stand in a username. Of an e-mail address only what is before the @: the rest need not be told to everybody. */
function toUsername(text: string): string {
  const plain = text.slice(0, 200).split('@')[0]?.normalize('NFKD') ?? '';
  return plain
    .replace(/\p{M}/gu, '')
    .replace(/\s+/g, '.')
    .replace(/[^A-Za-z0-9_.-]/g, '')
    .replace(/^[_.-]+/, '')
    .slice(0, longestUsername);
}
