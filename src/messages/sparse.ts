/** Pages of some of a chat's messages, in the order and with the cursors of all of them: a thread's replies, or what lies outside of threads. */

import { AppError } from '../errors.ts';
import { isWhole, type Page, type PageRequest } from '../storage/page.ts';
import type { MessageRow } from '../storage/rows.ts';

/** Where the first page of messages starts. */
export type Anchor = { afterSeq: number } | { beforeSeq: number } | { aroundSeq: number } | { firstUnread: true } | { at: Date };
/** The place that such an anchor means; null for none, and then the end is. */
export type SeqOf = (anchor: { firstUnread: true } | { at: Date }) => Promise<number | null>;

/** At most `limit` of those that belong to the list, between two places (both outside); the last ones, last first, when `backward`. */
export type ReadSome = (bounds: { after: number; before: number; backward: boolean; limit: number }) => Promise<MessageRow[]>;

/** One page, with exact words on what lies on either side of it. Cursors win over the anchor. */
export async function sparsePage(lastSeq: number, request: PageRequest & { anchor: Anchor | null; seqOf: SeqOf }, read: ReadSome): Promise<Page<MessageRow>> {
  const { size } = request;
  let { backward } = request;
  let after = request.after === null ? 0 : parsePlace(request.after);
  let before = request.before === null ? lastSeq + 1 : parsePlace(request.before);
  const anchor = request.after === null && request.before === null ? request.anchor : null;
  if (anchor && 'afterSeq' in anchor) after = Math.max(0, anchor.afterSeq);
  if (anchor && 'beforeSeq' in anchor) before = Math.min(before, anchor.beforeSeq);
  if (anchor && ('firstUnread' in anchor || 'at' in anchor)) {
    const seq = await request.seqOf(anchor);
    backward = seq === null;
    if (seq !== null) after = seq - 1;
  }
  const rows = anchor && 'aroundSeq' in anchor ? await around(anchor.aroundSeq, size, lastSeq, read) : await some();
  const first = rows[0]?.seq ?? (backward ? before : after + 1);
  const last = rows.at(-1)?.seq ?? first - 1;
  const [earlier, later] = await Promise.all([read({ after: 0, before: first, backward: true, limit: 1 }), read({ after: last, before: lastSeq + 1, backward: false, limit: 1 })]);
  return { edges: rows.map((node) => ({ cursor: toPlace(node.seq), node })), hasPreviousPage: earlier.length > 0, hasNextPage: later.length > 0 };

  async function some(): Promise<MessageRow[]> {
    const found = size === 0 || before - after <= 1 ? [] : await read({ after, before, backward, limit: size });
    return backward ? found.toReversed() : found;
  }
}

/** A window with the place in its middle, as far as there is something on both sides. */
async function around(seq: number, size: number, lastSeq: number, read: ReadSome): Promise<MessageRow[]> {
  if (size === 0) return [];
  const half = Math.floor(size / 2);
  const older = await read({ after: 0, before: seq, backward: true, limit: half });
  const newer = await read({ after: seq - 1, before: lastSeq + 1, backward: false, limit: size - older.length });
  const missing = size - older.length - newer.length;
  const more = missing > 0 && older.length === half ? await read({ after: 0, before: older.at(-1)?.seq ?? seq, backward: true, limit: missing }) : [];
  return [...older, ...more].reverse().concat(newer);
}

export const toPlace = (seq: number): string => Buffer.from(`seq:${seq}`).toString('base64url');

export function parsePlace(cursor: string): number {
  const match = cursor.length <= 40 ? /^seq:(\d{1,10})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1')) : null;
  if (!match || !isWhole(Number(match[1]))) throw new AppError('BAD_REQUEST', undefined, 'This is not a cursor of a page of messages.');
  return Number(match[1]);
}
