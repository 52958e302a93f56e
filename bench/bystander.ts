/** Somebody else, in a thread of the driver: asks the least that can be asked, fifty times a second, and tells how long each answer took. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import type { Arena } from './arena.ts';
import { openHttp } from './lean-http.ts';

const { url, hello } = workerData as Pick<Arena, 'url' | 'hello'>;
const http = openHttp(url);
const waits: number[] = [];
let asking = true;
parentPort?.once('message', () => (asking = false));
while (asking) {
  const askedAt = performance.now();
  // A server that was busy for so long that it takes a connection for an idle one closes it: who waits asks again, and waits on.
  await http.post(hello.path, hello.body).catch(() => http.post(hello.path, hello.body));
  waits.push(performance.now() - askedAt);
  await sleep(20);
}
http.close();
parentPort?.postMessage(waits);
