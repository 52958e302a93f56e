/** Pins: messages that a chat keeps in view for everybody. */
import { must } from '../chats/access.ts';
import type { ChatStanding } from '../chats/chats.ts';
import { rightsOf } from '../chats/rights.ts';
import { AppError, notFound } from '../errors.ts';
import type { WriteBatch } from '../events/write.ts';
import { type ChatId, type MessageId, toMessageId, type UserId } from '../ids.ts';
import { isLatestKey, type LatestKey, latestFirst, statementOf } from '../storage/conditions.ts';
import type { Database } from '../storage/database.ts';
import { mustHoldAccount } from '../storage/locks.ts';
import { firstPage, keysetPage, type Page, type PageRequest } from '../storage/page.ts';
import type { MessageRow } from '../storage/rows.ts';
import { oneOfList, type Sql, tableOf, toDate } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { getMessage, mustSee } from './messages.ts';
import { messageColumns, toMessage } from './store.ts';

export type Pins = ReturnType<typeof createPins>;
export type Pinned = { pinnedAt: Date; pinnedById: UserId };
export type Pin = Pinned & { message: MessageRow };

/** Of one chat. */
export const mostPins = 100;

type PinRow = Pinned & MessageRow;
const select = `SELECT p."pinnedAt", p."pinnedById", ${messageColumns} FROM "Pin" p JOIN "Message" m ON m."id" = p."messageId"`;
const order = { isKey: isLatestKey, keyOf: ({ pinnedAt, message }: Pin): LatestKey => [pinnedAt.getTime(), message.id] };
const fromStart = { after: null, before: null, backward: false };

export function createPins({ db, writeBatch, clock }: { db: Database; writeBatch: WriteBatch; clock: () => Date }) {
  return { pin, unpin, ofMessages, page, firstPages };

  /** What is pinned stays as it is. Fails with NOT_FOUND (also for a deleted message), FORBIDDEN, or QUOTA_EXCEEDED. */
  async function pin(viewer: Viewer, messageId: MessageId): Promise<MessageRow> {
    const { id, chatId } = await getMessage(db.sql, messageId);
    return writeBatch(async (sql, number) => {
      const { message, standing } = await mustSee(sql, viewer, { id, chatId });
      if (message.deletedAt) throw notFound('Message');
      await mustPin(sql, standing);
      const there = await sql.all<{ messageId: MessageId }>('SELECT "messageId" FROM "Pin" WHERE "chatId" = ?', [chatId]);
      if (there.some((row) => toMessageId(row.messageId) === id)) return message;
      if (there.length >= mostPins) throw new AppError('QUOTA_EXCEEDED', { limit: mostPins, used: there.length }, `A chat has at most ${mostPins} pins.`);
      await mustHoldAccount(sql, viewer.userId);
      await sql.all('INSERT INTO "Pin" ("messageId", "chatId", "pinnedAt", "pinnedById") VALUES (?, ?, ?, ?)', [id, chatId, clock(), viewer.userId]);
      await number([{ type: 'pins-changed', chatId, messageId: id, byId: viewer.userId }]);
      return message;
    });
  }

  /** What is not pinned stays so. Fails with NOT_FOUND or FORBIDDEN. */
  async function unpin(viewer: Viewer, messageId: MessageId): Promise<MessageRow> {
    const { id, chatId } = await getMessage(db.sql, messageId);
    return writeBatch(async (sql, number) => {
      const { message, standing } = await mustSee(sql, viewer, { id, chatId });
      await mustPin(sql, standing);
      const gone = await sql.all('DELETE FROM "Pin" WHERE "messageId" = ? RETURNING "messageId"', [id]);
      if (gone.length > 0) await number([{ type: 'pins-changed', chatId, messageId: id, byId: viewer.userId }]);
      return message;
    });
  }

  async function mustPin(sql: Sql, standing: ChatStanding): Promise<void> {
    const [rights] = await rightsOf(sql, standing.chat ? [standing.chat.id] : []);
    must('pin', { ...standing, ...(rights ? { rights } : {}) }, 'Message');
  }

  /** In the order of the messages, null for what is not pinned. */
  async function ofMessages(ids: readonly MessageId[]): Promise<(Pinned | null)[]> {
    const rows = await db.sql.all<Pinned & { messageId: MessageId }>(`SELECT * FROM "Pin" WHERE ${oneOfList(db.engine, '"messageId"', 'bigint')}`, [ids]);
    const byId = new Map(rows.map(({ messageId, pinnedAt, pinnedById }) => [toMessageId(messageId), { pinnedAt: toDate(pinnedAt), pinnedById }]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  /** Of a chat that the caller knows to be readable, the latest first. Fails with BAD_REQUEST for a cursor that is none. */
  function page(chatId: ChatId, request: PageRequest): Promise<Page<Pin>> {
    return keysetPage<Pin, LatestKey>(request, {
      ...order,
      read: async ({ limit, ...bounds }) => {
        const { conditions, end } = latestFirst('p."pinnedAt"', 'p."messageId"', bounds);
        const [text, ...params] = statementOf(select, [['p."chatId" = ?', chatId], ...conditions], end, [limit]);
        return (await db.sql.all<PinRow>(text, params)).map(toPin);
      },
    });
  }

  /** The first pages of many such chats, in their order, in one statement. */
  async function firstPages(chatIds: readonly ChatId[], size: number): Promise<Page<Pin>[]> {
    const table = tableOf(db.engine, 't', { chatId: 'int' });
    const [first, limit] = statementOf('SELECT p.* FROM "Pin" p', [['p."chatId" = t."chatId"']], latestFirst('p."pinnedAt"', 'p."messageId"', fromStart).end, [size + 1]);
    const pins =
      db.engine === 'postgresql'
        ? `${table} CROSS JOIN LATERAL (${first}) p`
        : `${table} CROSS JOIN "Pin" p ON p."chatId" = t."chatId" AND p."messageId" IN (SELECT "messageId" FROM (${first}))`;
    const rows = await db.sql.all<PinRow>(
      `SELECT p."pinnedAt", p."pinnedById", ${messageColumns} FROM ${pins} JOIN "Message" m ON m."id" = p."messageId" ORDER BY p."pinnedAt" DESC, p."messageId" DESC`,
      [chatIds.map((chatId) => ({ chatId })), limit as number],
    );
    const byChat = Map.groupBy(rows.map(toPin), ({ message }) => message.chatId);
    return chatIds.map((id) => firstPage(byChat.get(id) ?? [], size, order));
  }
}

const toPin = ({ pinnedAt, pinnedById, ...message }: PinRow): Pin => ({ pinnedAt: toDate(pinnedAt), pinnedById, message: toMessage(message) });
