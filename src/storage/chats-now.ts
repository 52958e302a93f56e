/**
 * Chats as they are now. On PostgreSQL a chat that is written to all the time does not have its row written with every message: versions of it would pile up beside a
 * snapshot that is held open (docs/decisions/event-order.md). Such a row is behind, and its newest message tells the rest. A negative
 * `activity` says so: a column of its own would break the statements that servers of the version before have prepared.
 */
import type { ChatColumn } from './rows.ts';
import type { Engine } from './sql.ts';

const isBehind = 'h."activity" < 0';
const newest = (value: string): string => `(SELECT m."${value}" FROM "Message" m WHERE m."chatId" = h."id" ORDER BY m."seq" DESC LIMIT 1)`;

/** Every column, and how it is found when the row is behind. */
const columns: Record<ChatColumn, string | null> = {
  id: null,
  kind: null,
  lowUserId: null,
  highUserId: null,
  name: null,
  nameKey: null,
  topic: null,
  link: null,
  linkKey: null,
  visibility: null,
  postPolicy: null,
  everyone: null,
  capacity: null,
  passwordHash: null,
  lastSeq: newest('seq'),
  memberCount: null,
  createdAt: null,
  // A clock may have been set back.
  lastActivityAt: `GREATEST(h."lastActivityAt", ${newest('createdAt')})`,
  activity: newest('id'),
  creatorId: null,
  clientRequestId: null,
  avatarId: null,
  deletedAt: null,
};

const selected = Object.entries(columns)
  .map(([name, found]) => (found === null ? `h."${name}"` : `CASE WHEN ${isBehind} THEN COALESCE(${found}, h."${name}") ELSE h."${name}" END AS "${name}"`))
  .join(', ');

/** In place of "Chat" wherever `lastSeq`, `lastActivityAt` or `activity` are read. Whether there is a message at all, the table says, too. */
export const chatsNow = (engine: Engine): string => (engine === 'sqlite' ? '"Chat"' : `(SELECT ${selected} FROM "Chat" h)`);
