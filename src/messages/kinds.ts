/** What a message can be besides a text with files: an answer, a reply in a thread, for somebody, sent on, with an object of the app's own. Part of storing it (batch.ts). */
import { invalid, notFound } from '../errors.ts';
import type { ChatId, MessageId, UserId } from '../ids.ts';
import type { ChatRow, MessageRow } from '../storage/rows.ts';
import { type Sql, toDateOrNull } from '../storage/sql.ts';
import type { Named } from './mention-rows.ts';
import { type MessageKind, messagesAt, messagesByIds, plainKind } from './store.ts';

/** As its sender said it, checked as far as that can be done without its chat. It is JSON. */
export type DraftKind = {
  replyToId: MessageId | null;
  /** Whether the author of that is told as of a mention. */
  notifyAuthor: boolean;
  /** The root of a thread, or one of its replies. */
  threadRootId: MessageId | null;
  /** Each person once. */
  named: readonly Named[];
  mentionsAll: 'EVERYONE' | 'HERE' | null;
  /** The message to send on. */
  forwardOf: MessageId | null;
  /** Where its content comes from: that message, or what that one was sent on from. In milliseconds. */
  forward: { id: MessageId; authorId: UserId; sentAt: number } | null;
  /** JSON. */
  metadata: string | null;
};

/** The places that a message points to. */
export type Pointers = Pick<MessageKind, 'replyToSeq' | 'threadRootSeq'>;
/** And what is known of what stands there. */
export type Resolved = Pointers & { root: MessageRow | null; answered: UserId | null };
/** Messages that drafts point to. */
export type Pointed = { byId: ReadonlyMap<MessageId, MessageRow>; rootOf: (message: MessageRow) => MessageRow | undefined };

/** What the drafts point to, wherever that is. Runs nothing for drafts that point nowhere. Under the locks of their chats. */
export async function readPointed(sql: Sql, kinds: readonly (DraftKind | null)[]): Promise<Pointed> {
  const ids = [...new Set(kinds.flatMap((kind) => [kind?.replyToId ?? null, kind?.threadRootId ?? null]).filter((id) => id !== null))];
  const rows = ids.length === 0 ? [] : await messagesByIds(sql, ids);
  const threadIds = new Set(kinds.map((kind) => kind?.threadRootId ?? null));
  const inThreads = rows.filter(({ id, threadRootSeq }) => threadRootSeq !== null && threadIds.has(id));
  const roots =
    inThreads.length === 0 ? [] : await messagesAt(sql, [...new Map(inThreads.map((row) => [rootKey(row), { chatId: row.chatId, seq: row.threadRootSeq as number }])).values()]);
  const byPlace = new Map(roots.map((root) => [`${root.chatId} ${root.seq}`, root]));
  return { byId: new Map(rows.map((row) => [row.id, row])), rootOf: (message) => (message.threadRootSeq === null ? message : byPlace.get(rootKey(message))) };
}

const rootKey = ({ chatId, threadRootSeq }: { chatId: ChatId; threadRootSeq: number | null }): string => `${chatId} ${threadRootSeq}`;

/**
 * Where a draft for this chat points to, the root of its thread, and who is told that they are answered. Throws NOT_FOUND for what is not in the chat and for a quote of what was deleted,
 * VALIDATION_FAILED for a quote that is outside of the thread.
 */
export function pointersOf(kind: DraftKind, chat: ChatRow, { byId, rootOf }: Pointed): Resolved {
  const find = (id: MessageId): MessageRow => {
    const message = byId.get(id);
    if (message?.chatId !== chat.id) throw notFound('Message');
    return message;
  };
  const root = kind.threadRootId === null ? null : (rootOf(find(kind.threadRootId)) ?? null);
  if (kind.threadRootId !== null && root === null) throw notFound('Message');
  const quoted = kind.replyToId === null ? null : find(kind.replyToId);
  if (quoted?.deletedAt) throw notFound('Message');
  if (root && quoted && quoted.threadRootSeq !== root.seq && quoted.seq !== root.seq)
    throw invalid('replyToId', 'thread', 'What is answered in a thread is a message of that thread.');
  return { replyToSeq: quoted?.seq ?? null, threadRootSeq: root?.seq ?? null, root, answered: kind.notifyAuthor ? (quoted?.senderId ?? null) : null };
}

/** What a message has of its draft's kind, at the places it points to. */
export const toMessageKind = (kind: DraftKind | null, pointers: Pointers | null): MessageKind =>
  kind === null
    ? plainKind
    : {
        replyToSeq: pointers?.replyToSeq ?? null,
        threadRootSeq: pointers?.threadRootSeq ?? null,
        mentionsAll: kind.mentionsAll,
        forwardOfId: kind.forward?.id ?? null,
        forwardAuthorId: kind.forward?.authorId ?? null,
        forwardSentAt: toDateOrNull(kind.forward?.sentAt ?? null),
        metadata: kind.metadata,
      };
