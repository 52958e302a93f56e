/**
 * The page for people, as `web/` built it: a shell for every address that people have, and files with hashed names. To a browser with a session the shell
 * brings the answer to the page's first query along, as data: the operation is the same as over `/graphql`, on the same way.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { isStream } from '../api/operation.ts';
import type { Exchange, Pipeline } from '../api/pipeline.ts';
import type { App } from '../app.ts';
import type { Config } from '../config.ts';
import { type Call, send } from './answer.ts';
import { authenticate } from './client.ts';
import type { Cookies } from './cookies.ts';
import { createLazyRequest } from './lazy-request.ts';
import { createPageFiles } from './page-files.ts';
import { createTell, outcomeOf } from './tell.ts';

const folder = join(import.meta.dirname, '../../web/dist');
/** Where the shell takes the answer up. */
const place = '<!-- home -->';
/** What lies beside the shell under its own name, so that it cannot be kept for ever. */
const ownNames = ['/icon.svg', '/manifest.webmanifest', '/sw.js'];
/** Addresses of the API answer as they always do, also where there is nothing. */
const isOfApi = (path: string): boolean => /^\/(graphql|files|health|ready|metrics)(\/|$)/.test(path);

export type WebPage = NonNullable<ReturnType<typeof createWebPage>>;

/** Null when it is turned off, or was not built. */
export function createWebPage({ app, pipeline, cookies, config }: { app: App; pipeline: Pipeline; cookies: Cookies; config: Config }) {
  if (!config.WEB || !existsSync(join(folder, 'index.html'))) return null;
  const [start = '', tail = ''] = readFileSync(join(folder, 'index.html'), 'utf8').split(place);
  const homeQuery = readFileSync(join(folder, 'home.graphql'), 'utf8');
  // How people come in, where that is not by a password of this server alone: the page shows it with its first drawing.
  const doors = { registration: config.REGISTRATION && config.PASSWORD_LOGIN, password: config.PASSWORD_LOGIN, offers: app.codeFlow.offered };
  const isUsual = doors.registration && doors.password && doors.offers.length === 0;
  const head = isUsual ? start : `${start}<script type="application/json" id="doors">${toScript(doors)}</script>`;
  const shell = `${head}${tail}`;
  const etag = `"${createHash('sha256').update(shell).digest('base64url').slice(0, 22)}"`;
  const lazyRequest = createLazyRequest(pipeline.fetchAPI.Request);
  const tell = createTell(app, 'http');
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policyOf(config),
    'referrer-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  };
  const { sendFile } = createPageFiles(folder);
  return { handle };

  /** Answers what people's browsers ask for. False when it is not for the page to answer. */
  async function handle(call: Call): Promise<boolean> {
    const { request, path } = call;
    if ((request.method !== 'GET' && request.method !== 'HEAD') || isOfApi(path)) return false;
    if (path.startsWith('/assets/') || ownNames.includes(path)) {
      request.resume();
      return sendFile(call);
    }
    if (path !== '/' && !(isForPeople(request.headers.accept) && /^\/[^.]*$/.test(path))) return false;
    request.resume();
    await sendShell(call);
    return true;
  }

  async function sendShell(call: Call): Promise<void> {
    const { request } = call;
    const data = await readHome(call);
    if (data === null && request.headers['if-none-match'] === etag) return send(call, 304, { ...headers, etag, 'cache-control': 'no-cache', vary: 'Cookie, Accept-Encoding' }, '');
    const caching: Record<string, string> = data === null ? { etag, 'cache-control': 'no-cache' } : { 'cache-control': 'no-store' };
    const body = data === null ? shell : `${head}<script type="application/json" id="home">${data}</script>${tail}`;
    const all = { ...headers, ...caching, vary: 'Cookie, Accept-Encoding' };
    if (!/\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) return send(call, 200, all, body);
    send(call, 200, { ...all, 'content-encoding': 'gzip' }, await promisify(gzip)(body, { level: constants.Z_BEST_SPEED }));
  }

  /** The answer to the page's first query as text that can stand in a script element; null for whoever is not signed in, and where only the page itself may ask. */
  async function readHome(call: Call): Promise<string | null> {
    const { request, response, client, path } = call;
    const given = cookies.read(request);
    // What looks at requests to /graphql shall see this one, too.
    if (!given?.accessToken || !cookies.mayUse(request) || pipeline.hasHttpHooks) return null;
    const exchange: Exchange = {
      client: { ...client, cookies: cookies.jar(request, response, given) },
      who: { viewer: null },
      params: null,
      operation: null,
      began: false,
      identify: () => authenticate(app, `Bearer ${given.accessToken}`),
      admit: () => {
        throw new Error('The page begins with a query.');
      },
    };
    const startedAt = performance.now();
    const chatId = chatIn(path);
    const params = { query: homeQuery, variables: { chatId: chatId ?? '', open: chatId !== null }, operationName: 'Home' };
    const result = await pipeline.getResult(params, { req: request, res: response, exchange }, lazyRequest(request));
    if (isStream(result)) return null;
    const shown = pipeline.toShown(result, client.requestId);
    const data = shown.data as { me?: unknown } | null | undefined;
    if (exchange.operation && exchange.began) tell(exchange, exchange.operation, startedAt, outcomeOf(shown));
    return data?.me ? toScript(data) : null;
  }
}

/** As data in a script element. */
const toScript = (data: object): string => JSON.stringify(data).replaceAll('<', '\\u003c');

const isForPeople = (accept: string | undefined): boolean => accept?.includes('text/html') ?? false;

/** The chat that a deep link leads to. */
function chatIn(path: string): string | null {
  const [, id] = /^\/chat\/([^/]{1,100})$/.exec(path) ?? [];
  try {
    return id === undefined ? null : decodeURIComponent(id);
  } catch {
    return null;
  }
}

/** Nothing from elsewhere, nothing inline, no markup made of text: https://www.w3.org/TR/CSP3/, https://w3c.github.io/trusted-types/dist/spec/. */
function policyOf({ PUBLIC_URL }: Config): string {
  // Signed links and sockets go to PUBLIC_URL, also for whoever came by another name of the server.
  const own = PUBLIC_URL ? ` ${new URL(PUBLIC_URL).origin}` : '';
  const sockets = PUBLIC_URL ? ` ${new URL(PUBLIC_URL).origin.replace(/^http/, 'ws')}` : '';
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src 'self' blob:${own}`,
    `media-src 'self' blob:${own}`,
    `connect-src 'self'${own}${sockets}`,
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types tertulia',
  ].join('; ');
}
