/**
 * Messages in the index. It holds the terms of what stands, of those messages that the progress covers, and never anything else: on SQLite an entry can only be
 * taken out by its very terms. So whoever changes a text does both in one transaction, which holds the progress.
 */
import { type MessageId, toMessageId } from '../ids.ts';
import type { SearchEntries } from '../messages/searchable.ts';
import { type Engine, oneOfList, type Sql, tableOf } from '../storage/sql.ts';
import { type Findable, termsOfMessage } from './terms.ts';

/** Covered are the messages with `fromId` < id <= `upToId`. */
export type Covered = { upToId: number; fromId: number };
/** So many messages, and so many characters, one piece has: a few milliseconds of whoever writes. */
const messagesAtOnce = 100;
const charactersAtOnce = 20_000;

const files = `COALESCE((SELECT MAX(CASE WHEN a."width" IS NULL THEN 1 ELSE 2 END) FROM "Attachment" a WHERE a."messageId" = m."id"), 0)`;
const termsInSqlite = `searchTerms(m."text", m."chatId", m."senderId", m."threadRootSeq", ${files})`;
const isCovered = 'm."id" > p."fromId" AND m."id" <= p."upToId" AND m."deletedAt" IS NULL';
const byIds = (engine: Engine): string => oneOfList(engine, 'm."id"', 'bigint');

export const searchEntries: SearchEntries = { takeOut, putIn };

async function takeOut(sql: Sql, ids: readonly MessageId[]): Promise<void> {
  if (sql.engine === 'sqlite') {
    await sql.all(
      `INSERT INTO "MessageIndex" ("MessageIndex", rowid, "terms") SELECT 'delete', m."id", ${termsInSqlite} FROM "SearchProgress" p CROSS JOIN "Message" m
       WHERE ${byIds(sql.engine)} AND ${isCovered} ORDER BY m."id"`,
      [ids],
    );
    return;
  }
  if (ids.length === 0) return;
  // Whoever is putting messages in is waited for, and waits: what they have read stays true.
  await sql.all('SELECT 1 FROM "SearchProgress" WHERE "id" = 1 FOR SHARE', []);
  await sql.all(`DELETE FROM "MessageIndex" m WHERE ${byIds(sql.engine)}`, [ids]);
}

async function putIn(sql: Sql, ids: readonly MessageId[]): Promise<void> {
  await store(sql, `FROM "SearchProgress" p CROSS JOIN "Message" m WHERE ${byIds(sql.engine)} AND ${isCovered}`, [ids]);
}

/** Puts messages of a FROM clause in, in the order of their ids: otherwise SQLite would write each by itself. */
async function store(sql: Sql, from: string, params: Parameters<Sql['all']>[1]): Promise<void> {
  if (sql.engine === 'sqlite') {
    await sql.all(`INSERT INTO "MessageIndex" (rowid, "terms") SELECT m."id", ${termsInSqlite} ${from} ORDER BY m."id"`, params);
    return;
  }
  const rows = await sql.all<Findable & { id: MessageId }>(
    `SELECT m."id", m."chatId", m."senderId", m."threadRootSeq", m."text", ${files} AS "files" ${from} ORDER BY m."id"`,
    params,
  );
  await sql.all(
    `INSERT INTO "MessageIndex" ("id", "terms") SELECT t."id", array_to_tsvector(string_to_array(t."terms", ' ')) FROM ${tableOf(sql.engine, 't', { id: 'bigint', terms: 'text' })}
     ON CONFLICT ("id") DO UPDATE SET "terms" = excluded."terms"`,
    [rows.map((row) => ({ id: row.id, terms: termsOfMessage(row) }))],
  );
}

/** How far it is, and what the terms were made with; null where nothing was begun yet. */
export async function findProgress(sql: Sql, lock = ''): Promise<(Covered & { analyser: string }) | null> {
  const [row] = await sql.all<Covered & { analyser: string }>(`SELECT "upToId", "fromId", "analyser" FROM "SearchProgress" WHERE "id" = 1 ${lock}`, []);
  return row ? { ...row, upToId: Number(row.upToId), fromId: Number(row.fromId) } : null;
}

/** How many came in, and how far it is now. */
export type Step = Covered & { indexed: number };

/** As a job (docs/decisions/threads.md): the next messages up to `head`, or, when these are all in, the next of those that were there before, the newest first. */
export async function indexSome(sql: Sql, { head }: { head: number }): Promise<Step> {
  const progress = await findProgress(sql, sql.engine === 'sqlite' ? '' : 'FOR NO KEY UPDATE');
  if (!progress) throw new Error('there is no search progress');
  const { upToId, fromId } = progress;
  const isForward = head > upToId;
  if (!isForward && fromId === 0) return { upToId, fromId, indexed: 0 };
  const [where, params] = isForward ? ['m."id" > ? AND m."id" <= ?', [upToId, head]] : ['m."id" <= ?', [fromId]];
  const rows = await sql.all<{ id: MessageId; length: number | null }>(
    `SELECT m."id", length(m."text") AS "length" FROM "Message" m WHERE ${where} ORDER BY m."id" ${isForward ? '' : 'DESC'} LIMIT ?`,
    [...params, messagesAtOnce],
  );
  const piece = within(rows);
  const isAll = piece.length === rows.length && rows.length < messagesAtOnce;
  const last = toMessageId(piece.at(-1) ?? (0 as MessageId));
  const reached: Covered = isForward ? { upToId: isAll ? head : last, fromId } : { upToId, fromId: isAll ? 0 : last - 1 };
  const [low, high] = isForward ? [upToId, reached.upToId] : [reached.fromId, fromId];
  await store(sql, 'FROM "Message" m WHERE m."id" > ? AND m."id" <= ? AND m."deletedAt" IS NULL', [low, high]);
  await sql.all('UPDATE "SearchProgress" SET "upToId" = ?, "fromId" = ? WHERE "id" = 1', [reached.upToId, reached.fromId]);
  if (isForward && sql.engine === 'postgresql') await renew(sql, low, high);
  return { ...reached, indexed: piece.length };
}

/** What was changed meanwhile: a server of the version before, on the same PostgreSQL, knows nothing of the index. */
async function renew(sql: Sql, low: number, high: number): Promise<void> {
  const rows = await sql.all<{ id: MessageId }>(
    `SELECT DISTINCT CAST(CAST("data" AS json)->>'messageId' AS bigint) AS "id" FROM "Event" WHERE "number" > ? AND "number" <= ? AND "type" IN ('message-edited', 'message-deleted')`,
    [low, high],
  );
  const ids = rows.map(({ id }) => toMessageId(id));
  await sql.all(`DELETE FROM "MessageIndex" m WHERE ${byIds(sql.engine)}`, [ids]);
  await putIn(sql, ids);
}

/** The first of them, as many as one piece may have; one at least. */
function within(rows: readonly { id: MessageId; length: number | null }[]): MessageId[] {
  let characters = 0;
  const end = rows.findIndex(({ length }, index) => {
    characters += Number(length ?? 0);
    return index > 0 && characters > charactersAtOnce;
  });
  return (end < 0 ? rows : rows.slice(0, end)).map(({ id }) => id);
}

/** The first time, and when terms are made in another way than before: nothing is in it then, and everything up to `head` is still to come. */
export async function prepare(sql: Sql, head: number, analyser: string): Promise<void> {
  await sql.all(`INSERT INTO "SearchProgress" ("id", "upToId", "fromId", "analyser") VALUES (1, 0, 0, '') ON CONFLICT DO NOTHING`, []);
  const before = await findProgress(sql, sql.engine === 'sqlite' ? '' : 'FOR UPDATE');
  if (before?.analyser === analyser) return;
  await sql.all(sql.engine === 'sqlite' ? `INSERT INTO "MessageIndex" ("MessageIndex") VALUES ('delete-all')` : 'TRUNCATE "MessageIndex"', []);
  const [any] = await sql.all('SELECT 1 FROM "Message" LIMIT 1', []);
  await sql.all('UPDATE "SearchProgress" SET "upToId" = ?, "fromId" = ?, "analyser" = ? WHERE "id" = 1', [head, any ? head : 0, analyser]);
}
