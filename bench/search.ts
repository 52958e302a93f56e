/**
 * `npm run bench -- search`: how long it takes to make messages searchable, and to find some among a million. In one process, without HTTP. MESSAGES and
 * ENGINE=postgresql in the environment change it.
 */
import { statSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { startPostgres } from '../scripts/embedded-postgres.ts';
import { numberOf, type UserId } from '../src/ids.ts';
import type { Step } from '../src/search/entries.ts';
import type { SearchFilter } from '../src/search/search.ts';
import { tableOf } from '../src/storage/sql.ts';
import type { Viewer } from '../src/viewer.ts';
import { startTestServer } from '../test/kit/server.ts';
import { quantile } from './kit.ts';

const messages = Number(process.env.MESSAGES ?? 1_000_000);
const rooms = 1_000;
/** Of so many rooms the one who searches is a member: each is asked for by the index, or each message for its membership. */
const own = { few: 150, many: 600 };
const atOnce = 1_000;
/** Other events have numbers, too. */
const step = 3;

let state = 7;
const random = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
/** The lower, the more often, as words are. */
const oftenLow = (count: number): number => Math.min(count - 1, Math.floor(count ** random()) - 1);
const letters = 'abcdefghijklmnopqrstuvwxyz';
const wordOf = (index: number): string => {
  let [word, left] = ['', index * 7_919 + 3];
  for (let length = 2 + (index % 7); length > 0; length--, left = Math.floor(left / 26) + index) word += letters[left % 26];
  return word;
};
const greek = (word: string): string => word.replaceAll(/[a-z]/g, (letter) => String.fromCharCode(0x3b1 + (letter.charCodeAt(0) % 24)));
const cyrillic = (word: string): string => word.replaceAll(/[a-z]/g, (letter) => String.fromCharCode(0x430 + (letter.charCodeAt(0) % 32)));
const han = (): string => String.fromCharCode(0x4e00 + oftenLow(3_000));

function textOf(index: number): string {
  const kind = index % 4;
  if (kind === 3) return `${Array.from({ length: 5 + Math.floor(random() * 20) }, han).join('')}${index % 100_003 === 99 ? '龘靐' : ''}。`;
  const words = Array.from({ length: 3 + Math.floor(random() * 14) }, () => wordOf(oftenLow(30_000)));
  if (index % 100_000 === 50_000) words.push('quetzalcoatl');
  if (random() < 0.4) words.push('hello');
  return words.map(kind === 1 ? greek : kind === 2 ? cyrillic : (word) => word).join(' ');
}

await using postgres = process.env.ENGINE === 'postgresql' ? await startPostgres() : null;
await using server = await startTestServer(postgres ? { DATABASE_URL: postgres.url('postgres') } : {});
const { db, search } = server.app;
const { engine } = db;
const person = await server.person();
const userId = numberOf(person.id, 'User') as UserId;
const now = Date.now();
await db.sqlTransaction(async (sql) => {
  const table = tableOf(sql.engine, 't', { name: 'text', at: 'date' });
  await sql.all(
    `INSERT INTO "Chat" ("kind", "name", "nameKey", "visibility", "postPolicy", "everyone", "lastSeq", "memberCount", "createdAt", "lastActivityAt", "activity")
     SELECT 'ROOM', "name", "name", 'PRIVATE', 'MEMBERS', false, 1, 1, "at", "at", 0 FROM ${table}`,
    [Array.from({ length: rooms }, (_, index) => ({ name: `room ${index}`, at: new Date(now) }))],
  );
});
const chatIds = (await db.sql.all<{ id: number }>(`SELECT "id" FROM "Chat" WHERE "kind" = 'ROOM' ORDER BY "id"`, [])).map(({ id }) => id);
const join = (from: number, to: number): Promise<unknown> =>
  db.sqlTransaction((sql) =>
    sql.all(
      `INSERT INTO "Member" ("chatId", "userId", "role", "joinedAt", "joinedSeq", "deliveredSeq", "readSeq")
       SELECT "chatId", "userId", 'MEMBER', "at", 0, 0, 0 FROM ${tableOf(sql.engine, 't', { chatId: 'int', userId: 'int', at: 'date' })}`,
      [chatIds.slice(from, to).map((chatId) => ({ chatId, userId, at: new Date(now) }))],
    ),
  );
await join(0, own.few);
await server.app.indexing.close();

let bytes = 0;
let seq = 0;
for (let from = 0; from < messages; from += atOnce) {
  const rows = Array.from({ length: Math.min(atOnce, messages - from) }, (_, place) => {
    const index = from + place;
    const text = textOf(index);
    bytes += Buffer.byteLength(text);
    return { id: 1_000 + index * step, chatId: chatIds[index % rooms] as number, seq: ++seq, senderId: userId, text, createdAt: new Date(now + index * 1_000), version: 1 };
  });
  await db.sqlTransaction((sql) =>
    sql.all(
      `INSERT INTO "Message" ("id", "chatId", "seq", "senderId", "text", "createdAt", "version") SELECT "id", "chatId", "seq", "senderId", "text", "createdAt", "version"
       FROM ${tableOf(sql.engine, 't', { id: 'bigint', chatId: 'int', seq: 'int', senderId: 'int', text: 'text', createdAt: 'date', version: 'int' })}`,
      [rows],
    ),
  );
}
const sizeNow = async (): Promise<number> => {
  if (engine === 'postgresql') return Number((await db.sql.all<{ size: number }>('SELECT pg_database_size(current_database()) AS "size"', []))[0]?.size);
  return ['', '-wal'].reduce((sum, end) => sum + statSync(`${server.dataDir}/tertulia.db${end}`).size, 0);
};
const before = await sizeNow();
const head = 1_000 + messages * step;
const pieces: number[] = [];
const startedAt = performance.now();
for (let upToId = 0; upToId < head; ) {
  const pieceAt = performance.now();
  ({ upToId } = await db.run<Step>('index messages', { head }));
  pieces.push(performance.now() - pieceAt);
}
const tookMs = performance.now() - startedAt;
if (engine === 'postgresql') await db.sql.all('VACUUM ANALYZE', []);
const megabytes = (count: number): string => `${(count / 2 ** 20).toFixed(0)} MB`;
console.log(`${messages} messages, ${megabytes(bytes)} of text, ${engine}`);
console.log(
  `made searchable: ${((tookMs * 1_000) / messages).toFixed(0)} µs each; a piece p50 ${quantile(pieces, 0.5).toFixed(1)}, p99 ${quantile(pieces, 0.99).toFixed(1)}, longest ${Math.max(...pieces).toFixed(1)} ms; ${megabytes((await sizeNow()) - before)} more on the disk\n`,
);

const viewer = { userId } as Viewer;
const nothing: SearchFilter = { chat: null, thread: null, from: null, after: null, before: null, has: [], mentionsMe: false };
const inRoom: SearchFilter = { ...nothing, chat: { roomId: chatIds[8] as never } };
const searches: [what: string, query: string | null, filter: SearchFilter | null][] = [
  ['a rare word', 'quetzalcoatl', null],
  ['a rare word by its beginning', 'quetz', null],
  ['two Han characters that are rare', '龘靐', null],
  ['two Han characters', '一丁', null],
  ['one Han character', '丁', null],
  ['a word of 40 %', 'hello', null],
  ['the same by one letter', 'h', null],
  ['two words', `hello ${wordOf(400)}`, null],
  ['a word that nobody wrote', 'zzzzzzzz', null],
  ['a word of 40 % in one room', 'hello', inRoom],
  ['a word in a room that has it not', 'quetzalcoatl', inRoom],
  ['everything in one room', null, inRoom],
  ['a word, before a time', 'hello', { ...nothing, before: new Date(now + messages * 500) }],
  ['a word and one left out', `hello -${wordOf(1)}`, null],
];
for (const count of [own.few, own.many]) {
  if (count === own.many) await join(own.few, own.many);
  console.log(`member of ${count} rooms${' '.repeat(18)}found   p50 ms   p99 ms`);
  for (const [what, query, filter] of searches) {
    const times: number[] = [];
    let found = 0;
    let goesOn = false;
    for (let round = 0; round < 30; round++) {
      const at = performance.now();
      const page = await search.page(viewer, { query, filter, after: null, size: 20 });
      times.push(performance.now() - at);
      [found, goesOn] = [page.edges.length, page.hasNextPage];
    }
    console.log(`${what.padEnd(38)} ${`${found}${goesOn ? '+' : ''}`.padStart(5)} ${quantile(times, 0.5).toFixed(2).padStart(8)} ${quantile(times, 0.99).toFixed(2).padStart(8)}`);
  }
}
