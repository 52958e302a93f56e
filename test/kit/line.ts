/** The line between a client and a server: it can be cut, stay dead for a while, and lose answers after the server has done what was asked. */
import { connect, createServer, type Socket } from 'node:net';

export type Line = Awaited<ReturnType<typeof openLine>>;

/** A TCP proxy in front of a server. Its `url` stays the same when the server gets another one. */
export async function openLine(server: { readonly url: string }) {
  const pairs = new Set<{ client: Socket; upstream: Socket; isSocket: boolean; lost: boolean }>();
  let dead = false;
  let silent = false;
  let answersToLose = 0;
  let delayMs = 0;
  const proxy = createServer((client): void => {
    if (dead) return void client.destroy();
    const { hostname, port } = new URL(server.url);
    const upstream = connect(Number(port), hostname);
    const pair = { client, upstream, isSocket: false, lost: false };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.setNoDelay(true).on('error', end).on('close', end);
    client.on('data', (bytes) => {
      if (silent || pair.lost) return;
      if (/\r\nupgrade: *websocket/i.test(bytes.toString('latin1'))) pair.isSocket = true;
      pass(() => upstream.write(bytes));
    });
    upstream.on('data', (bytes) => {
      if (silent || pair.lost) return;
      if (pair.isSocket || answersToLose === 0) return pass(() => client.write(bytes));
      answersToLose--;
      end();
    });
  });
  // What was delayed comes before what is not any more: timers of one length keep their order, and a shorter one begins when the longer are over.
  let last: Promise<void> = Promise.resolve();
  function pass(write: () => void): void {
    if (delayMs === 0 && passing === 0) return write();
    const ms = delayMs;
    const due = performance.now() + ms;
    passing++;
    last = last
      .then(() => new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now()))))
      .then(() => {
        passing--;
        write();
      });
  }
  let passing = 0;
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}/graphql`,
    wsUrl: `ws://127.0.0.1:${port}/graphql`,
    /** Ends every connection, without a word; after that, none comes through until `mend`. */
    cut(): void {
      dead = true;
      for (const { client } of [...pairs]) client.destroy();
    },
    /** Nothing gets through in either direction, and nobody is told. What is sent meanwhile is lost for good. */
    stall: (): void => void (silent = true),
    /** What comes through is late by so much, in each direction. */
    slow: (ms: number): void => void (delayMs = ms),
    /** New connections come through again. */
    mend(): void {
      if (silent) for (const pair of pairs) pair.lost = true;
      dead = false;
      silent = false;
      delayMs = 0;
    },
    /** The next so many HTTP answers do not arrive, and their connections end. */
    loseAnswers: (count: number): void => void (answersToLose = count),
    async [Symbol.asyncDispose](): Promise<void> {
      for (const { client, upstream } of [...pairs]) {
        client.destroy();
        upstream.destroy();
      }
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
