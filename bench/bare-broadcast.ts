/** The limit of a fan-out: ws alone, one frame made once and written to every socket but the sender's. */
import type { AddressInfo } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.on('message', (data) => {
    const text = String(data);
    for (const client of server.clients) if (client !== socket) client.send(text);
  });
});
server.on('listening', () => parentPort?.postMessage((server.address() as AddressInfo).port));
