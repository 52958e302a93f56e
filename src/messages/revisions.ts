/** What messages said before they were edited. */
import type { ErasurePart } from '../accounts/erasure.ts';
import type { Config } from '../config.ts';
import { type MessageId, toMessageId, type UserId } from '../ids.ts';
import { statementOf } from '../storage/conditions.ts';
import type { Database } from '../storage/database.ts';
import { type Bounds, firstPage, isWhole, keysetPage, type Page, type PageRequest } from '../storage/page.ts';
import type { MessageRow } from '../storage/rows.ts';
import { type Sql, tableOf, toDate } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';

export type Revisions = ReturnType<typeof createRevisions>;
export type Revision = { version: number; text: string | null; at: Date };

/** Of one message. What it said at first stays among them. */
export const mostRevisions = 50;
const removedAtOnce = 200;

type RevisionRow = Revision & { messageId: MessageId };
const columns = 'r."messageId", r."version", r."text", r."at"';
const order = { isKey: (key: unknown): key is [number] => Array.isArray(key) && key.length === 1 && isWhole(key[0]), keyOf: ({ version }: Revision): [number] => [version] };

export function createRevisions({ db, config }: { db: Database; config: Pick<Config, 'EDIT_HISTORY'> }) {
  return { keep, page, firstPages, sweep, erasure: { afterwards } satisfies ErasurePart };

  /** In the transaction that changes the text. Beyond the most there may be, the second oldest goes. */
  async function keep(sql: Sql, { id, version, text, editedAt, createdAt, senderId }: MessageRow): Promise<void> {
    if (config.EDIT_HISTORY === 'off') return;
    await sql.all('INSERT INTO "MessageRevision" ("messageId", "version", "text", "at", "authorId") VALUES (?, ?, ?, ?, ?)', [id, version, text, editedAt ?? createdAt, senderId]);
    // Each version is kept once, so there are no more of them than this.
    if (version <= mostRevisions) return;
    await sql.all(
      `DELETE FROM "MessageRevision" WHERE "messageId" = ? AND (SELECT count(*) FROM "MessageRevision" WHERE "messageId" = ?) > ${mostRevisions}
       AND "version" = (SELECT "version" FROM "MessageRevision" WHERE "messageId" = ? ORDER BY "version" LIMIT 1 OFFSET 1)`,
      [id, id, id],
    );
  }

  /** Oldest first, of a message whose former texts the caller knows to be shown. Fails with BAD_REQUEST for a cursor that is none. */
  function page(messageId: MessageId, request: PageRequest): Promise<Page<Revision>> {
    return keysetPage<Revision, [number]>(request, { ...order, read });

    async function read({ after, before, backward, limit }: Bounds<[number]>): Promise<Revision[]> {
      const rows = await db.sql.all<RevisionRow>(
        `SELECT ${columns} FROM "MessageRevision" r WHERE r."messageId" = ? AND r."version" > ? AND r."version" < ? ORDER BY r."version" ${backward ? 'DESC' : 'ASC'} LIMIT ?`,
        [messageId, after?.[0] ?? 0, before?.[0] ?? 2 ** 31 - 1, limit],
      );
      return rows.map(toRevision);
    }
  }

  /** The first pages of many such messages, in their order, in one statement. */
  async function firstPages(ids: readonly MessageId[], size: number): Promise<Page<Revision>[]> {
    const table = tableOf(db.engine, 't', { id: 'bigint' });
    const [first, limit] = statementOf(`SELECT ${columns} FROM "MessageRevision" r`, [['r."messageId" = t."id"']], 'ORDER BY r."version" LIMIT ?', [size + 1]);
    const rows = await db.sql.all<RevisionRow>(
      db.engine === 'postgresql'
        ? `SELECT f.* FROM ${table} CROSS JOIN LATERAL (${first}) f ORDER BY f."messageId", f."version"`
        : `SELECT ${columns} FROM ${table} CROSS JOIN "MessageRevision" r ON r."messageId" = t."id" AND r."version" IN (SELECT "version" FROM (${first})) ORDER BY r."messageId", r."version"`,
      [ids.map((id) => ({ id })), limit as number],
    );
    const byMessage = Map.groupBy(rows, ({ messageId }) => toMessageId(messageId));
    return ids.map((id) => firstPage((byMessage.get(id) ?? []).map(toRevision), size, order));
  }

  /** Where nothing is to be kept any more, what was kept goes. Returns how many went. */
  async function sweep(): Promise<number> {
    if (config.EDIT_HISTORY !== 'off') return 0;
    for (let gone = 0; ; await yieldWhenLong()) {
      const count = await remove('', []);
      gone += count;
      if (count < removedAtOnce) return gone;
    }
  }

  /** What a deleted account had written before, whether its messages stay or not. */
  async function* afterwards(userId: UserId): AsyncGenerator<void> {
    while ((await remove('WHERE "authorId" = ?', [userId])) === removedAtOnce) yield;
  }

  function remove(where: string, params: UserId[]): Promise<number> {
    const some = `SELECT "messageId", "version" FROM "MessageRevision" ${where} LIMIT ${removedAtOnce}`;
    return db.sqlTransaction(async (sql) => (await sql.all(`DELETE FROM "MessageRevision" WHERE ("messageId", "version") IN (${some}) RETURNING "version"`, params)).length);
  }
}

const toRevision = ({ version, text, at }: RevisionRow): Revision => ({ version, text, at: toDate(at) });
