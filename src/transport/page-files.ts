/**
 * The built files of the page, read once: whatever happens to the folder, a page that was begun is gone on with, and a disk that fails ends nothing. They are about
 * a megabyte, in each of the forms in which they are sent.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { type Call, send } from './answer.ts';

type Form = { encoding: 'br' | 'gzip' | null; body: Buffer; etag: string };
type File = { headers: Record<string, string>; forms: Form[] };

const types: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};
/** The first that is there, and that the browser takes, is sent. */
const encodings = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const;

/** Throws when one of the files cannot be read. */
export function createPageFiles(folder: string) {
  const files = new Map<string, File>();
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'));
  const all = new Set(paths);
  for (const path of paths) {
    const type = types[extname(path)];
    if (type === undefined) continue;
    const formOf = (encoding: Form['encoding'], suffix: string): Form => {
      const body = readFileSync(join(folder, path + suffix));
      return { encoding, body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
    };
    files.set(`/${path}`, {
      headers: {
        'content-type': type,
        // What is in assets/ has its content in its name.
        'cache-control': path.startsWith('assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        vary: 'Accept-Encoding',
      },
      forms: [...encodings.filter(([, suffix]) => all.has(path + suffix)).map(([encoding, suffix]) => formOf(encoding, suffix)), formOf(null, '')],
    });
  }
  return { sendFile };

  /** False where there is no such file. */
  function sendFile(call: Call): boolean {
    const file = files.get(call.path);
    if (!file) return false;
    const { request } = call;
    const taken = String(request.headers['accept-encoding'] ?? '');
    const form = file.forms.find(({ encoding }) => encoding === null || taken.includes(encoding)) as Form;
    const headers = { ...file.headers, etag: form.etag, ...(form.encoding === null ? {} : { 'content-encoding': form.encoding }) };
    const isKnown = request.headers['if-none-match']?.includes(form.etag) ?? false;
    send(call, isKnown ? 304 : 200, headers, isKnown ? '' : form.body);
    return true;
  }
}
