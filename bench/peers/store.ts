/** What the bare peer and socket.io share: messages in SQLite behind prepared statements, and three HTTP routes. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';

export type Asked = { chat: number; sender: number; text: string };
export type Store = ReturnType<typeof openStore>;

/** The database in FOLDER, with SYNCHRONOUS as durability. */
export function openStore() {
  const { FOLDER = '.', SYNCHRONOUS = 'FULL' } = process.env;
  const database = new Sqlite(join(FOLDER, 'peer.db'));
  database.pragma('journal_mode = WAL');
  database.pragma(`synchronous = ${SYNCHRONOUS}`);
  database.exec(`CREATE TABLE IF NOT EXISTS person (id INTEGER PRIMARY KEY, username TEXT, displayName TEXT);
    CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, chat INTEGER, seq INTEGER, sender INTEGER, text TEXT, at INTEGER, UNIQUE (chat, seq))`);
  const insert = database.prepare('INSERT INTO message (chat, seq, sender, text, at) VALUES (?, ?, ?, ?, ?)');
  const newest = database.prepare<[number], { seq: number | null }>('SELECT max(seq) AS seq FROM message WHERE chat = ?');
  const page = database.prepare(
    `SELECT m.id, m.seq, m.text, m.at, p.id AS sender, p.username, p.displayName FROM message m LEFT JOIN person p ON p.id = m.sender
     WHERE m.chat = ? AND m.seq < ? ORDER BY m.seq DESC LIMIT 50`,
  );
  const seqs = new Map<number, number>();
  return {
    send({ chat, sender, text }: Asked) {
      const seq = (seqs.get(chat) ?? newest.get(chat)?.seq ?? 0) + 1;
      seqs.set(chat, seq);
      const { lastInsertRowid } = insert.run(chat, seq, sender, text, Date.now());
      return { id: Number(lastInsertRowid), seq, sender, text };
    },
    page: (chat: number, before: number): unknown[] => page.all(chat, before),
    people(count: number): void {
      database.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) INSERT OR IGNORE INTO person SELECT i, 'person' || i, 'Person ' || i FROM n`,
      );
    },
    fill(chat: number, count: number): void {
      database.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
        INSERT INTO message (chat, seq, sender, text, at) SELECT ${chat}, i, 1, 'A message of a usual length, with some words to search for in it.', 0 FROM n`);
    },
  };
}

/** POST /send, /page, /people, /fill and /hello with JSON. Tells on stdout when it is ready. */
export function serveHttp(store: Store, tell: (chat: number, text: string) => void): Server {
  const routes: Record<string, (given: Asked & { before: number; count: number }) => unknown> = {
    '/send': (given) => {
      const { id, seq, ...rest } = store.send(given);
      tell(given.chat, JSON.stringify({ message: { id, seq, ...rest } }));
      return { id, seq };
    },
    '/page': ({ chat, before }) => store.page(chat, before),
    '/people': ({ count }) => store.people(count),
    '/fill': ({ chat, count }) => store.fill(chat, count),
    '/hello': () => 'hello',
  };
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      const body = JSON.stringify(routes[request.url ?? '']?.(JSON.parse(text)) ?? null);
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
    });
  });
  server.listen(0, '127.0.0.1', () => console.log(`ready at http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  return server;
}
