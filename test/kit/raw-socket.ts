/** A bare WebSocket that speaks graphql-transport-ws by hand, for what a well-behaved client never does. */
import WebSocket from 'ws';
import type { Untyped } from './person.ts';

export type RawSocket = Awaited<ReturnType<typeof openRawSocket>>;

/** Opens a socket; resolves also when it was refused. With `init`, after its `connection_ack` or its close. */
export async function openRawSocket(
  place: { url: string },
  { init, protocol = 'graphql-transport-ws', ...options }: { init?: Untyped | true; protocol?: string | string[] } & Omit<WebSocket.ClientOptions, 'protocol'> = {},
) {
  const socket = new WebSocket(`${place.url.replace('http', 'ws')}/graphql`, protocol, options);
  const got: Untyped[] = [];
  const listeners = new Set<() => void>();
  let closed: { code: number; reason: string } | null = null;
  let refusal: string | null = null;
  socket.on('message', (data) => {
    got.push(JSON.parse(String(data)) as Untyped);
    for (const look of listeners) look();
  });
  socket.on('error', (error) => (refusal ??= error.message));
  socket.on('close', (code, reason) => {
    closed = { code, reason: String(reason) };
    for (const look of listeners) look();
  });
  const raw = {
    socket,
    /** Every message of the server. */
    got,
    get closed() {
      return closed;
    },
    /** Why the socket did not open. */
    get refusal() {
      return refusal;
    },
    send: (message: object | string | Buffer): void => socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)),
    subscribe: (id: string, query: string, variables?: Untyped, operationName?: string): void => raw.send({ id, type: 'subscribe', payload: { query, variables, operationName } }),
    /** The first message that fits, from the beginning. */
    message: (fits: (message: Untyped) => boolean, timeoutMs = 5_000): Promise<Untyped> => wait(() => got.find(fits), timeoutMs),
    whenClosed: (timeoutMs = 5_000): Promise<{ code: number; reason: string }> => wait(() => closed ?? undefined, timeoutMs),
    [Symbol.dispose]: (): void => socket.terminate(),
  };
  await new Promise((resolve) => socket.once('open', resolve).once('close', resolve));
  if (init !== undefined && !closed) {
    raw.send({ type: 'connection_init', ...(init === true ? {} : { payload: init }) });
    await wait(() => closed ?? got.find((message) => message.type === 'connection_ack'), 5_000);
  }
  return raw;

  function wait<T>(look: () => T | undefined, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        const found = look();
        if (found === undefined) return;
        clearTimeout(timer);
        listeners.delete(check);
        resolve(found);
      };
      const timer = setTimeout(() => {
        listeners.delete(check);
        reject(new Error(`nothing such came within ${timeoutMs} ms; got ${JSON.stringify(got).slice(0, 2000)}, closed ${JSON.stringify(closed)}`));
      }, timeoutMs);
      listeners.add(check);
      check();
    });
  }
}
