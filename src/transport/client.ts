/** What a connection tells about who is at its other end: address, origin, credentials, request id. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Who } from '../api/pipeline.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import type { Client } from '../graphql/context.ts';

/** The socket's address; behind a trusted proxy, the last one it added to `X-Forwarded-For`. Some proxies add the port, too. */
export function clientOf(request: IncomingMessage, config: Pick<Config, 'TRUST_PROXY' | 'PUBLIC_URL'>): Client {
  const forwarded = config.TRUST_PROXY
    ? (String(request.headers['x-forwarded-for'] ?? '')
        .split(',')
        .at(-1) as string)
    : '';
  const address = addressIn(forwarded) ?? request.socket.remoteAddress ?? '';
  const given = request.headers['x-request-id'];
  return {
    ipAddress: address.replace(/^::ffff:(?=\d+\.)/i, ''),
    userAgent: request.headers['user-agent']?.slice(0, 256) ?? null,
    requestId: typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID(),
    baseUrl: config.PUBLIC_URL || `http://${hostOf(request)}`,
  };
}

/** The address in what a proxy says: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`; null for anything else. */
function addressIn(text: string): string | null {
  const bare = text.trim();
  const [, bracketed] = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(bare) ?? [];
  const [, beforePort] = /^([^:]*):\d{1,5}$/.exec(bare) ?? [];
  return [bare, bracketed, beforePort].find((candidate) => candidate !== undefined && isIP(candidate) !== 0) ?? null;
}

/** The host a client says it reached, or the address it did reach. Only for answers to this client: it can say what it likes. */
function hostOf({ headers: { host = '' }, socket }: IncomingMessage): string {
  if (/^(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(host)) return host;
  return `${socket.localAddress?.includes(':') ? `[${socket.localAddress}]` : socket.localAddress}:${socket.localPort}`;
}

/** Checks an `Authorization` value. None at all is nobody; anything but a good bearer token is refused with its reason. */
export async function authenticate(app: Pick<App, 'sessions'>, authorization: string | undefined): Promise<Who> {
  if (authorization === undefined) return { viewer: null, refusal: 'UNAUTHENTICATED' };
  const token = /^Bearer +([\x21-\x7e]{1,4096})$/i.exec(authorization)?.[1];
  if (!token) return { viewer: null, refusal: 'TOKEN_INVALID' };
  const checked = await app.sessions.authenticate(token);
  return 'viewer' in checked ? checked : { viewer: null, refusal: checked.refusal };
}

/**
 * Whether pages of this origin are the server's own or were allowed by ALLOWED_ORIGINS. Without PUBLIC_URL the server knows itself by addresses, `localhost` and
 * HOST alone: any other name may be a page's that has had it lead here (DNS rebinding).
 */
export function isKnownOrigin(origin: string, request: IncomingMessage, config: Pick<Config, 'PUBLIC_URL' | 'ALLOWED_ORIGINS' | 'TRUST_PROXY' | 'HOST'>): boolean {
  if (config.ALLOWED_ORIGINS.includes(origin)) return true;
  if (config.PUBLIC_URL) return origin === new URL(config.PUBLIC_URL).origin;
  const { host } = request.headers;
  if (host === undefined || (origin !== `http://${host}` && !(config.TRUST_PROXY && origin === `https://${host}`)) || !URL.canParse(origin)) return false;
  const name = new URL(origin).hostname.replace(/^\[|\]$/g, '');
  return isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost') || name === config.HOST.toLowerCase();
}
