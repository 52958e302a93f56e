/**
 * Two ways to number events on PostgreSQL so that no reader passes a number that appears later: one head row whose lock lives until the commit, or
 * a sequence, with readers that stay below the oldest running transaction. Both with group commit and the statements that sending runs.
 */
import pg from 'pg';
import { startPostgres } from '../scripts/embedded-postgres.ts';
import { readConfig } from '../src/config.ts';
import { insertEvents, takeNumbers } from '../src/events/event-log.ts';
import type { ChatId, MessageId, UserId } from '../src/ids.ts';
import { createLog } from '../src/log.ts';
import { advanceChats, insertMessages, membersAt, plainKind } from '../src/messages/store.ts';
import { openDatabase } from '../src/storage/database.ts';
import { lockChats } from '../src/storage/locks.ts';
import { postgresSql } from '../src/storage/postgresql.ts';
import type { Sql } from '../src/storage/sql.ts';
import { compare } from './kit.ts';

const seconds = Number(process.env.SECONDS ?? 1.5);
const rounds = Number(process.env.ROUNDS ?? 3);
const chats = 64;
const sender = 1 as UserId;

type Way = 'head row' | 'sequence';
type Result = { sends: number; behindMs: number };

await using postgres = await startPostgres(['max_connections=50']);
const urls = {} as Record<Way, string>;
for (const way of ['head row', 'sequence'] as const) {
  const name = way.replace(' ', '_');
  await postgres.createDatabase(name);
  urls[way] = postgres.url(name);
  await prepare(way);
}

for (const nodes of [1, 2]) {
  for (const writers of [1, 16, 64]) {
    if (writers < nodes) continue;
    await compare(`${nodes} node(s), ${writers} writer(s): sends a second, and ms from acknowledgement to reader`, rounds, {
      sequence: () => run('sequence', nodes, writers),
      'head row': () => run('head row', nodes, writers),
    });
  }
}

for (const way of ['head row', 'sequence'] as const) {
  const foreign = await connect(way);
  // A report, an import, a report, a forgotten console: somebody else's transaction that has written something, anything.
  await foreign.query('BEGIN; CREATE TEMP TABLE report (x int)');
  const { sends, behindMs } = await run(way, 1, 16);
  await foreign.query('ROLLBACK');
  await foreign.end();
  console.log(
    `beside a transaction that stays open, ${way}: ${sends.toFixed(0)} sends/s, from acknowledgement to reader ${Number.isNaN(behindMs) ? 'nothing is read until it ends' : `${behindMs.toFixed(1)} ms`}`,
  );
}

/** Sends in a closed loop for a while; a reader follows the log. */
async function run(way: Way, nodes: number, writers: number): Promise<Result> {
  const acknowledgedAt = new Map<number, number>();
  const delays: number[] = [];
  const groups = await Promise.all(Array.from({ length: nodes }, () => openNode(way)));
  const reader = await connect(way);
  const sql = postgresSql(reader, () => {});
  let sends = 0;
  let running = true;
  let position = await newest(way, sql);
  const reading = (async () => {
    while (running) {
      const rows = await readAfter(way, sql, position);
      const last = rows.at(-1);
      const now = performance.now();
      for (const { number } of rows) {
        const at = acknowledgedAt.get(Number(number));
        // What is read before its sender hears of it counts as no delay.
        delays.push(at === undefined ? 0 : now - at);
        acknowledgedAt.delete(Number(number));
      }
      if (last) position = last;
      else await new Promise((turn) => setTimeout(turn, 1));
    }
  })();
  const until = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      while (performance.now() < until) {
        const number = await groups[writer % nodes]?.send(((writer % chats) + 1) as ChatId);
        sends++;
        acknowledgedAt.set(Number(number), performance.now());
      }
    }),
  );
  running = false;
  await reading;
  await reader.end();
  for (const group of groups) await group.close();
  return { sends: sends / seconds, behindMs: delays.length === 0 ? Number.NaN : delays.reduce((sum, delay) => sum + delay, 0) / delays.length };
}

/** One node: a connection, and a group that is committed at a time, as src/events/group.ts does. */
async function openNode(way: Way) {
  const connection = await connect(way);
  const sql = postgresSql(connection, () => {});
  let waiting: { chatId: ChatId; resolve: (number: number) => void }[] = [];
  let busy = false;
  return {
    send: (chatId: ChatId): Promise<number> =>
      new Promise((resolve, reject) => {
        waiting.push({ chatId, resolve });
        if (busy) return;
        busy = true;
        setImmediate(() => drain().catch(reject));
      }),
    close: () => connection.end(),
  };

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await connection.query('BEGIN');
      const rows = new Map((await lockChats(sql, [...new Set(batch.map(({ chatId }) => chatId))])).map((chat) => [chat.id, chat]));
      await membersAt(
        sql,
        batch.map(({ chatId }) => ({ chatId, userId: sender })),
      );
      const numbers = await numbersOf(way, sql, batch.length);
      const at = new Date();
      const messages = batch.map(({ chatId }, index) => {
        const chat = rows.get(chatId);
        if (!chat) throw new Error('no such chat');
        chat.lastSeq += 1;
        chat.lastActivityAt = at;
        return {
          id: numbers[index] as MessageId,
          chatId,
          seq: chat.lastSeq,
          senderId: sender,
          text: 'a message of ordinary length',
          createdAt: at,
          clientSentAt: null,
          clientMessageId: `${numbers[index]}`,
          contentDigest: null,
          version: 1,
          editedAt: null,
          deletedAt: null,
          ...plainKind,
        };
      });
      await insertMessages(sql, messages);
      await advanceChats(sql, [...rows.values()], new Map(messages.map(({ id, chatId }) => [chatId, id])));
      await insertEvents(
        sql,
        batch.map(({ chatId }, index) => ({ type: 'message-added', chatId, number: numbers[index] as number, at })),
      );
      await connection.query('COMMIT');
      for (const [index, { resolve }] of batch.entries()) resolve(numbers[index] as number);
      await new Promise((turn) => setImmediate(turn));
    }
    busy = false;
  }
}

async function numbersOf(way: Way, sql: Sql, count: number): Promise<number[]> {
  if (way === 'sequence')
    return (await sql.all<{ number: number }>(`SELECT nextval('event_number') AS "number" FROM generate_series(1, ?::int)`, [count])).map(({ number }) => number);
  const first = await takeNumbers(sql, count);
  return Array.from({ length: count }, (_, index) => first + index);
}

type Position = { number: number; xid: number };

/** With a sequence, what is complete is ordered by transaction: a number says nothing of when it appears. */
async function readAfter(way: Way, sql: Sql, { number, xid }: Position): Promise<Position[]> {
  if (way === 'head row') return sql.all('SELECT "number", 0 AS "xid" FROM "Event" WHERE "number" > ? ORDER BY "number" LIMIT 500', [number]);
  return sql.all(
    `SELECT "number", "xid" FROM "Event" WHERE ("xid", "number") > (?::bigint, ?::bigint) AND "xid" < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
     ORDER BY "xid", "number" LIMIT 500`,
    [xid, number],
  );
}

async function newest(way: Way, sql: Sql): Promise<Position> {
  const [row] = await sql.all<Position>(
    `SELECT "number", ${way === 'head row' ? '0' : '"xid"'} AS "xid" FROM "Event" ORDER BY ${way === 'head row' ? '' : '"xid" DESC, '}"number" DESC LIMIT 1`,
    [],
  );
  return row ?? { number: 0, xid: 0 };
}

async function prepare(way: Way): Promise<void> {
  const config = readConfig({ DATABASE_URL: urls[way], LOG_LEVEL: 'silent' });
  const db = await openDatabase(config, createLog(config));
  await db.close();
  const connection = await connect(way);
  await connection.query(`INSERT INTO "User" ("username", "usernameKey", "displayName", "displayNameKey", "passwordHash", "createdAt") VALUES ('a', 'a', 'a', 'a', '', now())`);
  await connection.query(
    `INSERT INTO "Chat" ("kind", "visibility", "postPolicy", "memberCount", "createdAt", "lastActivityAt") SELECT 'ROOM', 'PUBLIC', 'MEMBERS', 1, now(), now() FROM generate_series(1, ${chats})`,
  );
  await connection.query(
    `INSERT INTO "Member" ("chatId", "userId", "role", "joinedAt", "joinedSeq", "deliveredSeq", "readSeq") SELECT "id", 1, 'OWNER', now(), 0, 0, 0 FROM "Chat"`,
  );
  if (way === 'sequence') {
    await connection.query('CREATE SEQUENCE event_number');
    await connection.query('ALTER TABLE "Event" ADD COLUMN "xid" bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint');
    await connection.query('CREATE INDEX ON "Event" ("xid", "number")');
  }
  await connection.end();
}

async function connect(way: Way): Promise<pg.Client> {
  const client = new pg.Client(urls[way]);
  await client.connect();
  return client;
}
