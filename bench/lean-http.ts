/** HTTP/1.1 on one kept connection, one request at a time: costs the driver a few microseconds, so that what is measured is the server. */
import { connect, type Socket } from 'node:net';

export type LeanHttp = ReturnType<typeof openHttp>;

/** Connects with the first request, and again when the server has closed a connection that nobody used. */
export function openHttp(url: string) {
  const { hostname, port } = new URL(url);
  let socket: Socket | null = null;
  let waiting: { resolve: (body: string) => void; reject: (error: Error) => void } | null = null;
  let received: Buffer = Buffer.alloc(0);
  return {
    /** The text of the answer, whatever its status. */
    async post(path: string, body: object, token?: string): Promise<string> {
      const text = JSON.stringify(body);
      const authorization = token ? `authorization: Bearer ${token}\r\n` : '';
      socket ??= await open();
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/json\r\naccept: application/json\r\n${authorization}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
      );
      return new Promise((resolve, reject) => (waiting = { resolve, reject }));
    },
    close: (): void => void socket?.destroy(),
  };

  async function open(): Promise<Socket> {
    const opened = await connected(connect({ host: hostname, port: Number(port), noDelay: true }));
    const gone = (error: Error): void => {
      socket = null;
      waiting?.reject(error);
      waiting = null;
    };
    opened.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const body = bodyOf(received);
      if (body === null || !waiting) return;
      received = Buffer.alloc(0);
      const { resolve } = waiting;
      waiting = null;
      resolve(body);
    });
    opened.on('error', gone).on('close', () => gone(new Error('the server closed the connection')));
    return opened;
  }
}

function connected(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => socket.once('connect', () => resolve(socket)).once('error', reject));
}

/** Null until it is complete. */
function bodyOf(received: Buffer): string | null {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = received.toString('latin1', 0, end);
  const length = /content-length: (\d+)/i.exec(head)?.[1];
  if (length !== undefined) return received.length < end + 4 + Number(length) ? null : received.toString('utf8', end + 4, end + 4 + Number(length));
  if (!/transfer-encoding: chunked/i.test(head)) throw new Error(`An answer of unknown length:\n${head}`);
  return received.subarray(-5).toString('latin1') === '0\r\n\r\n' ? unchunked(received.subarray(end + 4)) : null;
}

function unchunked(body: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, line), 16);
    if (size === 0) return Buffer.concat(parts).toString('utf8');
    parts.push(body.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
