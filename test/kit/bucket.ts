/** An S3 server of its own with one bucket, in a folder, and a way to it that can be blocked. */
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import S3rver from '@20minutes/s3rver';
import type { Overrides } from './server.ts';

/** `silent`: takes connections and answers nothing. `gone`: breaks them. `breaking`: breaks them in the middle of a file. `full`: takes nothing more. */
type State = 'open' | 'silent' | 'gone' | 'breaking' | 'full';

export async function startBucket() {
  const folder = await mkdtemp(join(tmpdir(), 'tertulia-s3-'));
  const s3 = new S3rver({ address: '127.0.0.1', port: 0, silent: true, vhostBuckets: false, directory: folder, configureBuckets: [{ name: 'chat' }] });
  // It forgets that a slash behind the name of the bucket is signed, too, except for buckets that are hosts.
  Object.defineProperty(s3.context, 'mountPath', {
    get(this: { path: string; state: { vhost: boolean } }) {
      this.state.vhost = /^\/\w+\/$/.test(this.path);
      return this.state.vhost ? '/' : '';
    },
    set() {},
  });
  const { port } = await s3.run();
  /** What was asked, and how much of it came how. */
  const asked: { method: string; path: string; headers: IncomingMessage['headers']; received: number }[] = [];
  let state: State = 'open';
  const way = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const one = { method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers, received: 0 };
    asked.push(one);
    if (state === 'gone') return void incoming.destroy();
    if (state === 'silent') return void incoming.resume();
    if (state === 'full' && incoming.method === 'PUT') return void outgoing.writeHead(403).end('<Error><Code>QuotaExceeded</Code></Error>');
    const { method, url: path, headers } = incoming;
    const passed = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
      // Who asked may have gone.
      if (outgoing.destroyed) return void answer.destroy();
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      if (state === 'breaking') answer.once('data', (piece: Buffer) => outgoing.write(piece, () => outgoing.destroy()));
      else pipeline(answer, outgoing, () => {});
    });
    passed.on('error', () => outgoing.destroy());
    incoming.on('data', (piece: Buffer) => (one.received += piece.length));
    pipeline(incoming, passed, () => {});
  }).listen(0, '127.0.0.1');
  await once(way, 'listening');
  const origin = `http://127.0.0.1:${(way.address() as AddressInfo).port}`;
  const settings = { FILES_S3_URL: `${origin}/chat`, FILES_S3_KEY_ID: 'S3RVER', FILES_S3_SECRET: 'S3RVER' } satisfies Overrides;
  const fileOf = (path: string): string => join(folder, 'chat', `${path}._S3rver_object`);
  return {
    origin,
    settings,
    asked,
    block(next: State): void {
      state = next;
      if (next !== 'open') way.closeAllConnections();
    },
    /** The names of all files in the bucket, without what the server keeps for itself. */
    async stored(): Promise<string[]> {
      const entries = await readdir(join(folder, 'chat'), { recursive: true, withFileTypes: true });
      return entries.flatMap(({ name }) => /^(.+)\._S3rver_object$/.exec(name)?.[1] ?? []).filter((name) => name !== 'installation');
    },
    /** As if it had been stored two hours ago. */
    async age(path: string): Promise<void> {
      const then = new Date(Date.now() - 7_200_000);
      await utimes(fileOf(path), then, then);
    },
    /** Answers what was there. */
    async replace(path: string, content: string): Promise<string> {
      const before = await readFile(fileOf(path), 'utf8');
      await writeFile(fileOf(path), content);
      return before;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      way.closeAllConnections();
      way.close();
      (s3 as unknown as { httpServer: Server }).httpServer.closeAllConnections();
      await s3.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
