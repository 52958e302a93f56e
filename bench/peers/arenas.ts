/** The peers as contestants: the bare limit, socket.io, and the ordinary build of the same stack. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { SignJWT } from 'jose';
import { temporaryFolder } from '../../test/kit/server.ts';
import { type Arena, type Contestant, createPending, type Line, listening, openSocket, type Person } from '../arena.ts';
import { type GraphqlWords, openGraphqlLine, postOf } from '../graphql-line.ts';

type Synchronous = 'FULL' | 'NORMAL';

export const bare = (synchronous: Synchronous = 'FULL'): Contestant => ({
  name: `bare, ${synchronous}`,
  start: () => startPlain('peers/bare.ts', synchronous, openBareLine),
});
export const socketIo = (synchronous: Synchronous = 'FULL'): Contestant => ({
  name: `socket.io, ${synchronous}`,
  start: () => startPlain('peers/socket-io.ts', synchronous, openSocketIoLine),
});

async function startPeer(file: string, env: Record<string, string>, hello: Arena['hello']) {
  const folder = await temporaryFolder();
  const startedAt = performance.now();
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', file)], {
    cwd: join(import.meta.dirname, '../..'),
    env: { PATH: process.env.PATH, NODE_ENV: 'production', FOLDER: folder.path, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const atExit = (): void => void child.kill('SIGKILL');
  process.once('exit', atExit);
  void ended.then(() => process.off('exit', atExit));
  const { url, startMs } = await listening(child, startedAt, hello);
  return {
    folder: folder.path,
    pid: child.pid as number,
    url,
    startMs,
    hello,
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill('SIGKILL');
      await ended;
      await folder[Symbol.asyncDispose]();
    },
  };
}

// ---------------------------------------------------------------- bare and socket.io

async function startPlain(file: string, synchronous: Synchronous, open: (url: string, person: Person) => Promise<Line>): Promise<Arena> {
  const peer = await startPeer(file, { SYNCHRONOUS: synchronous }, { path: '/hello', body: {} });
  const ask = async (path: string, body: object): Promise<void> => void (await fetch(`${peer.url}${path}`, { method: 'POST', body: JSON.stringify(body) }));
  let chats = 0;
  return {
    ...peer,
    async people(count) {
      await ask('/people', { count });
      return Array.from({ length: count }, (_, index) => ({ id: index + 1 }));
    },
    room: async () => String(++chats),
    dialog: async () => String(++chats),
    fill: (chat, count) => ask('/fill', { chat: Number(chat), count }),
    open: (person) => open(peer.url, person),
    send: async (http, person, chat, text) => void (await http.post('/send', { chat: Number(chat), sender: person.id, text })),
    page: async (http, _person, chat, before) => void (await http.post('/page', { chat: Number(chat), before })),
  };
}

async function openBareLine(url: string, person: Person): Promise<Line> {
  const socket = await openSocket(url.replace('http', 'ws'));
  const pending = createPending();
  let heard = (_frame: string): void => {};
  socket.on('message', (data) => {
    const frame = String(data);
    if (frame.startsWith('{"id"')) pending.answered(Number.parseInt(frame.slice(6), 10));
    else heard(frame);
  });
  return {
    send: (chat, text) => pending.ask((id) => socket.send(JSON.stringify({ id, chat: Number(chat), sender: person.id, text }))),
    follow(chat, _interest, listener) {
      heard = listener;
      return pending.ask((id) => socket.send(JSON.stringify({ id, follow: Number(chat) })));
    },
    close: () => socket.terminate(),
  };
}

/** Its protocol over a plain socket: its own client would take more of the driver's time than the server takes. */
async function openSocketIoLine(url: string, person: Person): Promise<Line> {
  const socket = await openSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  const pending = createPending();
  let heard = (_frame: string): void => {};
  const connected = new Promise<void>((resolve) =>
    socket.on('message', (data) => {
      const frame = String(data);
      if (frame.startsWith('42')) heard(frame);
      else if (frame.startsWith('43')) pending.answered(Number.parseInt(frame.slice(2), 10));
      else if (frame === '2') socket.send('3');
      else if (frame.startsWith('40')) resolve();
    }),
  );
  socket.send('40');
  await connected;
  return {
    send: (chat, text) => pending.ask((id) => socket.send(`42${id}${JSON.stringify(['send', { chat: Number(chat), sender: person.id, text }])}`)),
    follow(chat, _interest, listener) {
      heard = listener;
      return pending.ask((id) => socket.send(`42${id}${JSON.stringify(['follow', Number(chat)])}`));
    },
    close: () => socket.terminate(),
  };
}

// ---------------------------------------------------------------- ordinary

const words: GraphqlWords = {
  send: 'mutation ($chat: ID!, $text: String!) { sendMessage(chat: $chat, text: $text) { id seq } }',
  sendVariables: (chat, text) => ({ chat, text }),
  page: 'query ($chat: ID!, $before: Int) { chat(id: $chat) { messages(last: 50, before: $before) { id seq text createdAt sender { id username displayName } } } }',
  follow: (interest, chat) => `subscription { messageAdded(chat: "${chat}") { id seq text sender { id username } ${interest === 'own' ? 'chat { unreadCount }' : ''} } }`,
};

export const ordinary = (synchronous: Synchronous = 'FULL'): Contestant => ({
  name: `ordinary, ${synchronous}`,
  async start(): Promise<Arena> {
    const secret = randomBytes(32).toString('hex');
    const peer = await startPeer('ordinary/server.ts', { SYNCHRONOUS: synchronous, SECRET: secret }, { path: '/graphql', body: { query: '{ __typename }' } });
    const database = new Sqlite(join(peer.folder, 'ordinary.db'), { timeout: 10_000 });
    const numbers = (count: number): string => `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
    let chats = 0;
    const chat = async (members: readonly Person[]): Promise<string> => {
      const id = ++chats;
      database.exec(
        `INSERT INTO "Chat" ("id", "kind", "visibility", "postPolicy", "memberCount", "createdAt", "lastActivityAt") VALUES (${id}, 'ROOM', 'PRIVATE', 'MEMBERS', ${members.length}, 0, 0)`,
      );
      const add = database.prepare(`INSERT INTO "Member" ("chatId", "userId", "role", "joinedAt", "joinedSeq", "deliveredSeq", "readSeq") VALUES (?, ?, 'MEMBER', 0, 0, 0, 0)`);
      database.transaction(() => {
        for (const member of members) add.run(id, member.id);
      })();
      return String(id);
    };
    return {
      ...peer,
      async people(count) {
        database.exec(`INSERT INTO "User" ("username", "usernameKey", "displayName", "displayNameKey", "passwordHash", "createdAt") ${numbers(count)}
          SELECT 'person' || i, 'person' || i, 'Person ' || i, 'person ' || i, '', 0 FROM n`);
        return Promise.all(
          Array.from({ length: count }, async (_, index) => ({
            id: index + 1,
            token: await new SignJWT({})
              .setProtectedHeader({ alg: 'HS256' })
              .setSubject(String(index + 1))
              .sign(new TextEncoder().encode(secret)),
          })),
        );
      },
      room: chat,
      dialog: (one, other) => chat([one, other]),
      async fill(id, count) {
        database.exec(`INSERT INTO "Message" ("id", "chatId", "seq", "senderId", "text", "createdAt", "version") ${numbers(count)}
          SELECT ${Number(id) * 1e9} + i, ${id}, i, 1, 'A message of a usual length, with some words to search for in it.', 0, 1 FROM n`);
        database.exec(`UPDATE "Chat" SET "lastSeq" = ${count} WHERE "id" = ${id}`);
      },
      open: (person) => openGraphqlLine(peer.url, person, words),
      send: postOf(words).send,
      page: (http, person, id, before) => postOf(words).page(http, person, { chat: id, before }),
      async [Symbol.asyncDispose]() {
        database.close();
        await peer[Symbol.asyncDispose]();
      },
    };
  },
});
