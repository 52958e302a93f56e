/** The rows of mentions, as sending and editing change them: statements of that transaction. Some of it runs in the jobs (src/jobs.ts). */
import type { ChatId, MessageId, UserId } from '../ids.ts';
import type { MessageRow } from '../storage/rows.ts';
import { insertRows, type Sql } from '../storage/sql.ts';

/** Somebody who is named, and their username at that time. */
export type Named = { id: UserId; writtenAs: string };
/** Whom a message is for. */
export type Mentioned = { named: readonly Named[] /** The author of what it answers, if they are to be told. */; answered: UserId | null };
export type MentionRow = {
  messageId: MessageId;
  userId: UserId;
  chatId: ChatId;
  seq: number;
  threadRootSeq: number | null;
  place: number | null;
  writtenAs: string;
  answered: boolean;
  counts: boolean;
};

const columns = {
  messageId: 'bigint',
  userId: 'int',
  chatId: 'int',
  seq: 'int',
  threadRootSeq: 'int',
  place: 'int',
  writtenAs: 'text',
  answered: 'boolean',
  counts: 'boolean',
} as const;

/** Of one message. */
export function toMentionRows({ id, chatId, seq, senderId, threadRootSeq, mentionsAll }: MessageRow, { named, answered }: Mentioned): MentionRow[] {
  const rows = named.map(({ id: userId, writtenAs }, place) => ({ userId, place: place as number | null, writtenAs }));
  if (answered !== null && answered !== senderId && !named.some((one) => one.id === answered)) rows.push({ userId: answered, place: null, writtenAs: '' });
  return rows.map((row) => {
    const { userId } = row;
    return { messageId: id, chatId, seq, threadRootSeq, ...row, answered: userId === answered && userId !== senderId, counts: userId !== senderId && mentionsAll !== 'EVERYONE' };
  });
}

export async function insertMentions(sql: Sql, rows: readonly MentionRow[]): Promise<void> {
  await insertRows(sql, 'Mention', columns, rows);
}

/** Whom a message names, by the names that they had. */
export const namedIn = (sql: Sql, messageId: MessageId): Promise<Named[]> =>
  sql.all('SELECT "userId" AS "id", "writtenAs" FROM "Mention" WHERE "messageId" = ? AND "place" IS NOT NULL', [messageId]);

/** Whom an edited message is for now. Who is told as the author of what it answers stays so. `named` left out: those who were. Answers who was not named before. */
export async function replaceMentions(sql: Sql, message: MessageRow, named: readonly Named[] | null): Promise<UserId[]> {
  const before = await sql.all<{ userId: UserId; place: number | null; writtenAs: string; answered: unknown }>(
    'DELETE FROM "Mention" WHERE "messageId" = ? RETURNING "userId", "place", "writtenAs", "answered"',
    [message.id],
  );
  const namedBefore = before.filter(({ place }) => place !== null).sort((a, b) => Number(a.place) - Number(b.place));
  const answered = before.find((row) => row.answered)?.userId ?? null;
  const now = named ?? namedBefore.map(({ userId, writtenAs }) => ({ id: userId, writtenAs }));
  await insertMentions(sql, toMentionRows(message, { named: now, answered }));
  return now.map(({ id }) => id).filter((id) => !namedBefore.some(({ userId }) => userId === id));
}
