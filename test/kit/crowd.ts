/** Many accounts, members and messages at once: straight into the database, as nobody could wait for each of them to be made. */
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { databaseUrl, engine } from './engine.ts';

export type Crowd = Awaited<ReturnType<typeof openCrowd>>;

/** Far above the numbers of events that a test sees. */
const firstMessageId = 1_000_000_000_000;
const numberIn = (globalId: string): number => Number(Buffer.from(globalId, 'base64').toString().split(':')[1]);

/** On the database of a server that may run. */
export async function openCrowd(dataDir: string) {
  const run = await connect(dataDir);
  const now = engine === 'sqlite' ? String(Date.now()) : 'now()';
  const counted = (count: number): string => `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`;
  let made = 0;
  let messages = 0;
  return {
    run: run.all,
    /** Named person1, person2 and so on. Nobody can log in to them. */
    async addAccounts(count: number): Promise<void> {
      await run.all(
        `INSERT INTO "User" ("username", "usernameKey", "displayName", "displayNameKey", "passwordHash", "createdAt") ${counted(count)}
         SELECT 'person' || (i + ${made}), 'person' || (i + ${made}), 'Person ' || (i + ${made}), 'person ' || (i + ${made}), '', ${now} FROM n`,
      );
      made += count;
    },
    /** Everybody who is none yet, at most so many. */
    async addMembers(roomId: string, count: number): Promise<void> {
      const id = numberIn(roomId);
      await run.all(
        `INSERT INTO "Member" ("chatId", "userId", "role", "joinedAt", "joinedSeq", "deliveredSeq", "readSeq") SELECT ${id}, u."id", 'MEMBER', ${now}, 0, 0, 0 FROM "User" u
         WHERE NOT EXISTS (SELECT 1 FROM "Member" m WHERE m."chatId" = ${id} AND m."userId" = u."id") ORDER BY u."id" LIMIT ${count}`,
      );
      await run.all(`UPDATE "Chat" SET "memberCount" = (SELECT COUNT(*) FROM "Member" WHERE "chatId" = ${id}) WHERE "id" = ${id}`);
    },
    /** In a room that has none. */
    async addMessages(roomId: string, senderId: string, count: number): Promise<void> {
      await run.all(
        `INSERT INTO "Message" ("id", "chatId", "seq", "senderId", "text", "createdAt", "version") ${counted(count)}
         SELECT ${firstMessageId + messages} + i, ${numberIn(roomId)}, i, ${numberIn(senderId)}, 'A message of a usual length, with some words to search for in it.', ${now}, 1 FROM n`,
      );
      await run.all(`UPDATE "Chat" SET "lastSeq" = ${count} WHERE "id" = ${numberIn(roomId)}`);
      messages += count;
    },
    numberIn,
    [Symbol.asyncDispose]: run.close,
  };
}

async function connect(dataDir: string): Promise<{ all: (text: string) => Promise<Record<string, unknown>[]>; close: () => Promise<void> }> {
  if (engine === 'postgresql') {
    const client = new pg.Client(await databaseUrl(dataDir));
    await client.connect();
    return { all: async (text) => (await client.query(text)).rows, close: () => client.end() };
  }
  // The thread of a server in this process may wait for this thread with a transaction open: whoever waited for it inside SQLite would wait for ever.
  const database = new Sqlite(`${dataDir}/tertulia.db`, { timeout: 0 });
  return {
    all: async (text) => {
      for (;;) {
        try {
          const statement = database.prepare(text);
          if (statement.reader) return statement.all() as Record<string, unknown>[];
          statement.run();
          return [];
        } catch (error) {
          if (!String((error as { code?: string }).code).startsWith('SQLITE_BUSY')) throw error;
          await sleep(5);
        }
      }
    },
    close: async () => void database.close(),
  };
}
