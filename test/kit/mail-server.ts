/** A real mail server for a test: takes mails over SMTP and keeps them, or refuses them, as it is told. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export type TestMailServer = Awaited<ReturnType<typeof startMailServer>>;
/** A mail as its reader sees it. */
export type ReceivedMail = { from: string; to: string[]; headers: Record<string, string>; text: string; html: string };

/** On any free port, or on one that was in use before. */
export async function startMailServer({ port = 0, ...options }: SMTPServerOptions & { port?: number } = {}) {
  const mails: ReceivedMail[] = [];
  /** Recipients named so far, also of mails that did not come through. */
  const recipients: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: options.onAuth ? [] : ['AUTH', 'STARTTLS'],
    closeTimeout: 100,
    onRcptTo: (address, _session, done) => {
      recipients.push(address.address);
      done();
    },
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        mails.push({ from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address), ...parseMail(Buffer.concat(chunks).toString('latin1')) });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
  const address = server.server.address() as { port: number };
  const stop = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return {
    port: address.port,
    url: `smtp://127.0.0.1:${address.port}`,
    mails,
    recipients,
    /** The first mail that fits, also one that is still to come. */
    async mail(fits: (mail: ReceivedMail) => boolean = () => true, timeoutMs = 10_000): Promise<ReceivedMail> {
      for (const deadline = Date.now() + timeoutMs; Date.now() < deadline; await sleep(5)) {
        const found = mails.find(fits);
        if (found) return found;
      }
      throw new Error(`no such mail; got ${JSON.stringify(mails)}`);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The code of a mail for a forgotten password, as its reader would copy it. */
export function codeOf({ text }: Pick<ReceivedMail, 'text'>): string {
  const code = /^[\w-]{43}$/m.exec(text)?.[0];
  if (!code) throw new Error(`no code in ${text}`);
  return code;
}

/** Headers and both parts of a mail of `multipart/alternative` (RFC 2046), decoded. */
export function parseMail(raw: string): Pick<ReceivedMail, 'headers' | 'text' | 'html'> {
  const { headers, body } = split(raw);
  const boundary = /boundary="?([^";]+)/.exec(headers['content-type'] ?? '')?.[1];
  const parts = boundary
    ? body
        .split(`--${boundary}`)
        .slice(1, -1)
        .map((part) => split(part.replace(/^\r\n/, '')))
    : [{ headers, body }];
  const decoded = (type: string): string => {
    const part = parts.find((each) => each.headers['content-type']?.startsWith(type));
    return part ? decode(part.body, part.headers['content-transfer-encoding'] ?? '7bit').replaceAll('\r\n', '\n') : '';
  };
  return { headers, text: decoded('text/plain'), html: decoded('text/html') };
}

function split(raw: string): { headers: Record<string, string>; body: string } {
  const end = raw.indexOf('\r\n\r\n');
  const lines = raw
    .slice(0, end)
    .replaceAll(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  return { headers: Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])), body: raw.slice(end + 4) };
}

function decode(body: string, encoding: string): string {
  if (encoding.toLowerCase() === 'base64') return Buffer.from(body, 'base64').toString('utf8');
  if (encoding.toLowerCase() !== 'quoted-printable') return Buffer.from(body, 'latin1').toString('utf8');
  const bytes = body.replaceAll(/=\r\n/g, '').replaceAll(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
