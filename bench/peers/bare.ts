/**
 * The physical limit, as a program: node:http, one prepared statement each, and a ws broadcast of one text. FOLDER, SYNCHRONOUS.
 * It knows no people: whoever says that they follow a chat does.
 */
import { type WebSocket, WebSocketServer } from 'ws';
import { openStore, serveHttp } from './store.ts';

const store = openStore();
const followers = new Map<number, Set<WebSocket>>();
const tell = (chat: number, text: string): void => {
  for (const socket of followers.get(chat) ?? []) socket.send(text);
};
const server = serveHttp(store, tell);
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => {
  const mine = new Set<number>();
  socket.on('message', (data) => {
    const asked = JSON.parse(String(data)) as { id: number; follow?: number; chat: number; sender: number; text: string };
    if (asked.follow !== undefined) {
      mine.add(asked.follow);
      followers.set(asked.follow, (followers.get(asked.follow) ?? new Set()).add(socket));
      return socket.send(JSON.stringify({ id: asked.id }));
    }
    const message = store.send(asked);
    socket.send(JSON.stringify({ id: asked.id, message: { id: message.id, seq: message.seq } }));
    tell(asked.chat, JSON.stringify({ message }));
  });
  socket.on('close', () => {
    for (const chat of mine) followers.get(chat)?.delete(socket);
  });
});
