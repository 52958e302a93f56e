/**
 * The session as cookies, for browsers: what they are called and carry (RFC 6265bis), and which requests may use them (after OWASP's Cross-Site Request
 * Forgery Prevention Cheat Sheet: origin verification, Fetch Metadata, and a custom header where a program sends neither).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config.ts';
import type { Client } from '../graphql/context.ts';
import { isKnownOrigin } from './client.ts';

export type Cookies = ReturnType<typeof createCookies>;
/** What a request brought; at least one of the two. */
export type SessionCookies = { accessToken: string | null; refreshToken: string | null };

/** A page of another origin can send this only after a preflight, which is answered for known origins alone. */
const customHeader = 'apollo-require-preflight';

/** Browsers keep no cookie for longer (RFC 6265bis, 5.5). */
const longestSeconds = 400 * 86_400;

export function createCookies({ config }: { config: Pick<Config, 'PUBLIC_URL' | 'ALLOWED_ORIGINS' | 'TRUST_PROXY' | 'HOST'> }) {
  const secure = config.PUBLIC_URL.startsWith('https:');
  const prefix = secure ? '__Host-' : '';
  const names = { accessToken: `${prefix}tertulia-access`, refreshToken: `${prefix}tertulia-refresh`, deviceToken: `${prefix}tertulia-device`, trip: `${prefix}tertulia-sign-in` };
  const attributes = `Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  return {
    read,
    mayUse,
    jar,
    /** What a browser keeps while somebody signs in elsewhere. */
    trip: (value: string, seconds: number): string => cookie(names.trip, value, seconds),
    readTrip: (request: IncomingMessage): string | null => parseCookies(request.headers.cookie ?? '').get(names.trip) ?? null,
  };

  /** The session cookies of a request; null when there are none, and when an `Authorization` header says who asks. */
  function read(request: IncomingMessage): SessionCookies | null {
    const { cookie, authorization } = request.headers;
    if (cookie === undefined || authorization !== undefined) return null;
    const given = parseCookies(cookie);
    const found = { accessToken: given.get(names.accessToken) ?? null, refreshToken: given.get(names.refreshToken) ?? null };
    return found.accessToken === null && found.refreshToken === null ? null : found;
  }

  /**
   * Whether a request with session cookies shows that it comes from the server's own pages, those of ALLOWED_ORIGINS, or a program that is no browser.
   * The content type tells nothing here, and neither does the method: every request is asked.
   */
  function mayUse(request: IncomingMessage): boolean {
    return !(comesFromElsewhere(request) ?? !request.headers[customHeader]);
  }

  /** What the browser says of where the request comes from; null when it says nothing. */
  function comesFromElsewhere(request: IncomingMessage): boolean | null {
    const { origin, 'sec-fetch-site': site } = request.headers;
    if (origin !== undefined) return !isKnownOrigin(origin, request, config);
    return site === undefined ? null : site !== 'same-origin' && site !== 'none';
  }

  /** How the answer to this request gives the browser a session, or takes it away. To be used before the head is written. */
  function jar(request: IncomingMessage, response: ServerResponse, given: SessionCookies | null): NonNullable<Client['cookies']> {
    return {
      refreshToken: given?.refreshToken ?? null,
      deviceToken: parseCookies(request.headers.cookie ?? '').get(names.deviceToken) ?? null,
      // Otherwise another site could sign somebody's browser in as somebody else.
      maySet: comesFromElsewhere(request) !== true,
      // Both live as long as the session: an access token that has expired shall be told from none.
      set: ({ accessToken, refreshToken, refreshTokenExpiresAt, deviceToken }) => {
        const seconds = Math.max(0, Math.floor((refreshTokenExpiresAt.getTime() - Date.now()) / 1000));
        const device = deviceToken === null ? [] : [cookie(names.deviceToken, deviceToken, longestSeconds)];
        response.setHeader('set-cookie', [cookie(names.accessToken, accessToken, seconds), cookie(names.refreshToken, refreshToken, seconds), ...device]);
      },
      clear: () => {
        if (given) response.setHeader('set-cookie', [cookie(names.accessToken, '', 0), cookie(names.refreshToken, '', 0)]);
      },
    };
  }

  function cookie(name: string, value: string, maxAgeSeconds: number): string {
    return `${name}=${value}; Max-Age=${maxAgeSeconds}; ${attributes}`;
  }
}

/** A `Cookie` header by name (RFC 6265bis, 4.2.1). Of several with one name the first counts: browsers send the most specific one first. What is no cookie is passed over. */
function parseCookies(header: string): Map<string, string> {
  const cookies = new Map<string, string>();
  for (const pair of header.split(';')) {
    const { name, value } = /^\s*(?<name>[^=\s]+)=("?)(?<value>[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+)\2\s*$/.exec(pair)?.groups ?? {};
    if (name && value && !cookies.has(name)) cookies.set(name, value);
  }
  return cookies;
}
