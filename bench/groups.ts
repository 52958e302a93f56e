/**
 * Ways in which nodes could write their groups of messages on PostgreSQL: as it is done (numbers, messages, chats and events in statements of their own under the lock of
 * the head row); all of it in one statement under that lock; the same statements, sent together with the commit as soon as the numbers are there; and groups that wait for
 * their turn first, collecting meanwhile. `LATENCY` is what a network takes each way, in ms.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
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
import { compare, quantile } from './kit.ts';

const seconds = Number(process.env.SECONDS ?? 1.5);
const rounds = Number(process.env.ROUNDS ?? 5);
const latency = Number(process.env.LATENCY ?? 0);
const chats = 64;
const sender = 1 as UserId;
const turnLock = 7_265_099;

type Way = { under: 'one by one' | 'in one' | 'together'; turns: boolean };
const ways: Record<string, Way> = {
  'as it is': { under: 'one by one', turns: false },
  'in one statement': { under: 'in one', turns: false },
  'sent together': { under: 'together', turns: false },
  'collecting in turns': { under: 'one by one', turns: true },
};

await using postgres = await startPostgres(['max_connections=50']);
await postgres.createDatabase('groups');
const url = postgres.url('groups');
const line = await openLine(latency);
await prepare();
for (const nodes of [1, 2]) {
  for (const writers of [16, 64, 256]) {
    if (writers < nodes) continue;
    await compare(`${nodes} node(s), ${writers} writer(s)`, rounds, Object.fromEntries(Object.entries(ways).map(([name, way]) => [name, () => run(way, nodes, writers)])));
  }
}

/** Sends in a closed loop for a while. */
async function run(way: Way, nodes: number, writers: number): Promise<Record<string, number>> {
  const groups = await Promise.all(Array.from({ length: nodes }, () => openNode(way)));
  const times: number[] = [];
  const until = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      while (performance.now() < until) {
        const from = performance.now();
        await groups[writer % nodes]?.send(((writer % chats) + 1) as ChatId);
        times.push(performance.now() - from);
      }
    }),
  );
  const commits = groups.reduce((sum, group) => sum + group.commits(), 0);
  for (const group of groups) await group.close();
  return { 'sends/s': times.length / seconds, 'p50 ms': quantile(times, 0.5), 'p99 ms': quantile(times, 0.99), 'commits/s': commits / seconds };
}

/** One node: a connection, and a group that is committed at a time, as src/events/group.ts does. */
async function openNode({ under, turns }: Way) {
  const connection = new pg.Client({ connectionString: line, pipeline: under === 'together' } as pg.ClientConfig);
  await connection.connect();
  const sql = postgresSql(connection, () => {});
  let waiting: { chatId: ChatId; resolve: () => void }[] = [];
  let busy = false;
  let commits = 0;
  return {
    send: (chatId: ChatId): Promise<void> =>
      new Promise((resolve, reject) => {
        waiting.push({ chatId, resolve });
        if (busy) return;
        busy = true;
        setImmediate(() => drain().catch(reject));
      }),
    commits: () => commits,
    close: () => connection.end(),
  };

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      await connection.query('BEGIN');
      if (turns) await connection.query(`SELECT pg_advisory_xact_lock(${turnLock})`);
      const batch = waiting.slice(0, 256);
      waiting = waiting.slice(256);
      await store(
        sql,
        batch.map(({ chatId }) => chatId),
        under,
        () => connection.query('COMMIT'),
      );
      commits++;
      for (const { resolve } of batch) resolve();
      await new Promise((turn) => setImmediate(turn));
    }
    busy = false;
  }
}

async function store(sql: Sql, chatIds: readonly ChatId[], under: Way['under'], commit: () => Promise<unknown>): Promise<void> {
  const rows = new Map((await lockChats(sql, [...new Set(chatIds)])).map((chat) => [chat.id, chat]));
  await membersAt(
    sql,
    chatIds.map((chatId) => ({ chatId, userId: sender })),
  );
  const at = new Date();
  const placed = chatIds.map((chatId, index) => {
    const chat = rows.get(chatId);
    if (!chat) throw new Error('no such chat');
    chat.lastSeq += 1;
    chat.lastActivityAt = at;
    return { index, chatId, seq: chat.lastSeq, text: 'a message of ordinary length' };
  });
  if (under === 'in one') {
    await sql.all(
      `WITH n AS MATERIALIZED (SELECT "takeNumbers"() AS "first"),
         t AS MATERIALIZED (SELECT n."first" + t."index" AS "number", t.* FROM n, json_to_recordset(?::json) AS t("index" int, "chatId" int, "seq" int, "text" text)),
         m AS (INSERT INTO "Message" ("id", "chatId", "seq", "senderId", "text", "createdAt", "clientMessageId", "version") SELECT "number", "chatId", "seq", ${sender}, "text", ?::timestamptz, "number"::text, 1 FROM t),
         c AS (UPDATE "Chat" SET "lastSeq" = l."seq", "lastActivityAt" = ?::timestamptz, "activity" = CASE WHEN h."mayLag" AND "lastActivityAt" + interval '1 second' > ?::timestamptz THEN -l."number" ELSE l."number" END
           FROM (SELECT "chatId", max("seq") AS "seq", max("number") AS "number" FROM t GROUP BY "chatId") l, "EventHead" h
           WHERE "Chat"."id" = l."chatId" AND h."id" = 1 AND NOT ("Chat"."activity" < 0 AND "lastActivityAt" + interval '1 second' > ?::timestamptz))
       INSERT INTO "Event" ("number", "at", "type", "chatId") SELECT "number", ?::timestamptz, 'message-added', "chatId" FROM t RETURNING "number"`,
      [placed, at, at, at, at, at],
    );
    await commit();
    return;
  }
  const first = await takeNumbers(sql, placed.length);
  const messages = placed.map(({ index, ...place }) => ({
    ...place,
    id: (first + index) as MessageId,
    senderId: sender,
    createdAt: at,
    clientSentAt: null,
    clientMessageId: `${first + index}`,
    contentDigest: null,
    version: 1,
    editedAt: null,
    deletedAt: null,
    ...plainKind,
  }));
  const steps = [
    () => insertMessages(sql, messages),
    () => advanceChats(sql, [...rows.values()], new Map(messages.map(({ id, chatId }) => [chatId, id]))),
    () =>
      insertEvents(
        sql,
        messages.map(({ id, chatId }) => ({ type: 'message-added', chatId, number: Number(id), at })),
      ),
    commit,
  ];
  if (under === 'together') await Promise.all(steps.map((step) => step()));
  else for (const step of steps) await step();
}

/** An address of the same database, so many ms away. */
async function openLine(ms: number): Promise<string> {
  if (ms === 0) return url;
  const target = new URL(url);
  const proxy = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    const pass = (from: Socket, to: Socket): void => {
      from.setNoDelay(true).on('data', (bytes) => setTimeout(() => to.write(bytes), ms));
      from.on('close', () => to.destroy()).on('error', () => to.destroy());
    };
    pass(near, far);
    pass(far, near);
  }).listen(0, '127.0.0.1');
  proxy.unref();
  await new Promise((listening) => proxy.once('listening', listening));
  return Object.assign(new URL(url), { port: String((proxy.address() as AddressInfo).port) }).href;
}

async function prepare(): Promise<void> {
  const config = readConfig({ DATABASE_URL: url, LOG_LEVEL: 'silent' });
  const db = await openDatabase(config, createLog(config));
  await db.close();
  const connection = new pg.Client(url);
  await connection.connect();
  await connection.query(`INSERT INTO "User" ("username", "usernameKey", "displayName", "displayNameKey", "passwordHash", "createdAt") VALUES ('a', 'a', 'a', 'a', '', now())`);
  await connection.query(
    `INSERT INTO "Chat" ("kind", "visibility", "postPolicy", "memberCount", "createdAt", "lastActivityAt") SELECT 'ROOM', 'PUBLIC', 'MEMBERS', 1, now(), now() FROM generate_series(1, ${chats})`,
  );
  await connection.query(
    `INSERT INTO "Member" ("chatId", "userId", "role", "joinedAt", "joinedSeq", "deliveredSeq", "readSeq") SELECT "id", 1, 'OWNER', now(), 0, 0, 0 FROM "Chat"`,
  );
  await connection.end();
}
