/** The most used socket library of Node, as its guide writes a chat: rooms of socket.io, acknowledgements, the same prepared statements as the bare peer. FOLDER, SYNCHRONOUS. */
import { Server } from 'socket.io';
import { type Asked, openStore, serveHttp } from './store.ts';

const store = openStore();
const server = serveHttp(store, (chat, text) => io.to(String(chat)).emit('message', JSON.parse(text)));
const io = new Server(server, { transports: ['websocket'], perMessageDeflate: false, serveClient: false });
io.on('connection', (socket) => {
  socket.on('follow', async (chat: number, done: () => void) => {
    await socket.join(String(chat));
    done();
  });
  socket.on('send', (asked: Asked, done: (answer: object) => void) => {
    const message = store.send(asked);
    done({ id: message.id, seq: message.seq });
    io.to(String(asked.chat)).emit('message', { message });
  });
});
