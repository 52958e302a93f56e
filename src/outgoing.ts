/** Requests to addresses that people gave: never into the server's own network, never following where they are sent on to (OWASP: server-side request forgery). */
import { lookup as resolveName } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** The other side could not be reached, broke off, or took too long. */
export class Unreachable extends Error {
  override name = 'Unreachable';
}
export type Outgoing = { headers: Record<string, string | number>; body: Buffer; timeoutMs: number; allowPrivate: boolean; signal: AbortSignal };
export type Answered = { status: number; retryAfterMs: number | null };
export type Post = typeof post;
export type Question = { method?: string; headers?: Record<string, string>; body?: string | null; timeoutMs: number; mostBytes: number; allowPrivate: boolean };
export type Reply = { status: number; headers: Record<string, string>; body: Buffer<ArrayBuffer> };
export type Ask = typeof ask;

/** What is no address of the public internet (IANA's special-purpose registries, RFC 6890). Of IPv6 only 2000::/3 is public at all. */
const special = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  special.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  special.addSubnet(net, prefix, 'ipv6');
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');

/** Whether an IP address is one of the public internet. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !special.check(address, 'ipv4');
  return isIP(address) === 6 && global6.check(address, 'ipv6') && !special.check(address, 'ipv6');
}

/** Why nothing may be sent to this URL, or null. Names are not resolved here: that happens at each request. */
export function refusalOf(text: string, allowPrivate: boolean): string | null {
  if (!URL.canParse(text)) return 'This is not a URL.';
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) return 'Only https is allowed.';
  if (url.username !== '' || url.password !== '') return 'The URL must not hold a user or password.';
  if (allowPrivate) return null;
  const host = hostOf(url);
  if (isIP(host) ? !isPublicAddress(host) : !host.includes('.') || /(^|\.)(localhost|local|internal|home\.arpa)\.?$/.test(host))
    return 'The host must be one of the public internet.';
  return null;
}

/** Without the brackets of an IPv6 address. */
const hostOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

/** Looks a name up when the connection is made, so that a name cannot point elsewhere than where it was checked; refuses when any of its addresses is private. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolveName(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    const [first] = addresses;
    if (!first || !addresses.every(({ address }) => isPublicAddress(address))) return callback(new Unreachable('the name leads into a private network'), []);
    if (options.all) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

/** Posts a body and answers the status; what else comes back is not read. Throws Unreachable. */
export function post(address: string, { headers, body, timeoutMs, allowPrivate, signal }: Outgoing): Promise<Answered> {
  const refusal = refusalOf(address, allowPrivate);
  if (refusal !== null) return Promise.reject(new Unreachable(refusal));
  const url = new URL(address);
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers: { ...headers, 'content-length': body.length }, agent: false, ...(allowPrivate ? {} : { lookup: publicLookup }) });
    const giveUp = (): void => void sent.destroy(new Unreachable('no answer in time'));
    const timer = setTimeout(giveUp, timeoutMs);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    const settled = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    };
    sent.on('response', (response) => {
      settled();
      response.on('error', () => {});
      response.destroy();
      resolve({ status: response.statusCode ?? 0, retryAfterMs: toWait(response.headers['retry-after']) });
    });
    // The answer 101: neither a response nor an error follows.
    sent.on('upgrade', (response, socket) => {
      settled();
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, retryAfterMs: null });
    });
    // Whatever else may end it: nobody waits for ever.
    sent.on('close', () => {
      settled();
      reject(new Unreachable('the other side broke off'));
    });
    sent.on('error', (cause) => {
      settled();
      reject(cause instanceof Unreachable ? cause : new Unreachable('the other side could not be reached', { cause }));
    });
    sent.end(body);
  });
}

/** Asks, and reads an answer of at most so many bytes, all of it within the time. Where it is sent on to is not followed: that is an answer like any other. Throws Unreachable. */
export function ask(address: string, { method = 'GET', headers = {}, body = null, timeoutMs, mostBytes, allowPrivate }: Question): Promise<Reply> {
  const refusal = refusalOf(address, allowPrivate);
  if (refusal !== null) return Promise.reject(new Unreachable(refusal));
  const url = new URL(address);
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  return new Promise((resolve, reject) => {
    const length = body === null ? {} : { 'content-length': Buffer.byteLength(body) };
    const sent = request(url, { method, headers: { ...headers, ...length }, agent: false, ...(allowPrivate ? {} : { lookup: publicLookup }) });
    const fail = (cause: unknown): void => {
      clearTimeout(timer);
      reject(cause instanceof Unreachable ? cause : new Unreachable('the other side could not be reached', { cause }));
      sent.destroy();
    };
    const timer = setTimeout(() => fail(new Unreachable('no answer in time')), timeoutMs);
    let answered = false;
    sent.on('response', (response) => {
      answered = true;
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > mostBytes) fail(new Unreachable('the answer is too large'));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('close', () => fail(new Unreachable('the other side broke off')));
      response.on('end', () => {
        clearTimeout(timer);
        const given = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]);
        resolve({ status: response.statusCode ?? 0, headers: Object.fromEntries(given), body: Buffer.concat(chunks) });
      });
    });
    // The answer 101: neither a response nor an error follows.
    sent.on('upgrade', (_response, socket) => socket.destroy());
    sent.on('close', () => answered || fail(new Unreachable('the other side broke off')));
    sent.on('error', fail);
    sent.end(body ?? undefined);
  });
}

/** `Retry-After` in milliseconds: seconds or a date (RFC 9110, 10.2.3). */
function toWait(header: string | undefined): number | null {
  if (header === undefined) return null;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}
