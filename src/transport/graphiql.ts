/** GraphiQL: made when somebody first asks for it, in a thread of its own, which takes most of its 120 MB along when it ends. What is kept is the page as browsers take it. */
import { once } from 'node:events';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { gunzip } from 'node:zlib';
import { type Call, send } from './answer.ts';
import type { GraphiqlPage } from './graphiql-page.ts';

// GraphiQL is one inline script with an editor in it that starts its workers from blobs.
const policy =
  "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; worker-src blob:; style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src data:; connect-src 'self' ws: wss: blob:; base-uri 'none'; frame-ancestors 'none'";

type Kept = { gzipped: Buffer; etag: string };

export function createGraphiql() {
  let made: Promise<Kept> | null = null;
  /** For who takes nothing compressed: one for all of them, however slowly they read. */
  let whole: Promise<Buffer> | null = null;

  return async function sendGraphiql(call: Call): Promise<void> {
    const { headers: asked } = call.request;
    const { gzipped, etag } = await (made ??= make().catch((error: unknown) => {
      // Who asks again may have more luck.
      made = null;
      throw error;
    }));
    const headers = { etag, 'cache-control': 'no-cache', 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy, 'referrer-policy': 'no-referrer' };
    if (asked['if-none-match'] === etag) return send(call, 304, headers, '');
    if (/\bgzip\b/.test(String(asked['accept-encoding'] ?? ''))) return send(call, 200, { ...headers, 'content-encoding': 'gzip' }, gzipped);
    send(call, 200, headers, await (whole ??= promisify(gunzip)(gzipped)));
  };
}

async function make(): Promise<Kept> {
  const worker = new Worker(new URL('./graphiql-thread.js', import.meta.url), { name: 'graphiql' });
  worker.unref();
  const [{ gzipped, etag }] = (await once(worker, 'message')) as [GraphiqlPage];
  return { gzipped: Buffer.from(gzipped.buffer, gzipped.byteOffset, gzipped.byteLength), etag };
}
