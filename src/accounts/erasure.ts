/**
 * Deleting an account. One transaction turns it into a tombstone without a name, and deletes its sessions and everything that nobody else has a part in. What is
 * shared with others is removed right afterwards, in bounded pieces so that nobody has to wait. A stored note keeps track of that until nothing is left, also across a crash.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { AppError, hasCode } from '../errors.ts';
import type { Append, Write } from '../events/write.ts';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Database, Tx } from '../storage/database.ts';
import type { Locks } from '../storage/locks.ts';
import { oneOfList, toDate } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import type { Accounts, NameHook } from './accounts.ts';
import type { Mail } from './mail.ts';
import { foldName } from './names.ts';

export const erasureModes = ['ANONYMIZE', 'ERASE'] as const;
export type ErasureMode = (typeof erasureModes)[number];
export type Erasure = ReturnType<typeof createErasure>;

/** What one domain removes when an account is deleted. Both halves must be safe to run again. */
export type ErasurePart = {
  /** Runs in the transaction that ends the account. What it returns is called after the commit. */
  atOnce?: (tx: Tx, append: Append, userId: UserId) => Promise<(() => void) | undefined>;
  /** Runs afterwards, in transactions of its own. Each round is a bounded piece of the work. */
  afterwards?: (userId: UserId, mode: ErasureMode) => AsyncIterable<void>;
};

type Note = { userId: UserId; mode: string; receiptId: string; startedAt: Date };

/** How long the answer waits for the rest to be removed. */
const patienceMs = 2_000;
/** After this time everything is checked once more, because a request that was already running may have left something behind. */
const settledMs = 60_000;
const listsAtOnce = 200;

export function createErasure({
  db,
  write,
  locks,
  accounts,
  mail,
  clock,
  log,
  countMessages,
  onNameFreed,
  parts: ofOthers,
}: {
  db: Database;
  write: Write;
  locks: Locks;
  accounts: Pick<Accounts, 'mustKnowPassword'>;
  mail: Pick<Mail, 'erase'>;
  clock: () => Date;
  log: Log;
  /** How many messages of a person are there to be erased. */
  countMessages: (userId: UserId) => Promise<number>;
  onNameFreed: NameHook;
  /** What each domain has of a person. */
  parts: readonly ErasurePart[];
}) {
  /** In the order in which they run. */
  const parts: ErasurePart[] = [{ atOnce: removeOwn, afterwards: leaveContactLists }, ...ofOthers];
  const running = new Map<UserId, Promise<boolean>>();
  let traces: Promise<unknown> = Promise.resolve();
  let stopping = false;
  let resumed = false;
  return { deleteAccount, finish, close };

  /**
   * Ends the viewer's account for good. ANONYMIZE leaves its messages, ERASE nothing but their places. When this resolves, the account is gone and its sessions
   * have ended. The last messages of a large account may take a few moments longer. `erasedMessages` counts them. The name is free again, with nothing attached to it.
   * Fails with INVALID_CREDENTIALS, RATE_LIMITED after too many wrong passwords, UNAVAILABLE, or TOKEN_INVALID when the account was deleted meanwhile.
   */
  async function deleteAccount(viewer: Viewer, { password, mode }: { password: string; mode: ErasureMode }): Promise<{ receiptId: string; erasedMessages: number }> {
    const { note, afterCommit } = await endAccount(viewer, password, mode);
    for (const job of afterCommit) job();
    let erasedMessages = 0;
    let rest: Promise<boolean>;
    try {
      if (mode === 'ERASE') erasedMessages = await countMessages(viewer.userId);
    } finally {
      rest = begin(note);
    }
    log.info({ receiptId: note.receiptId, mode, erasedMessages }, 'account deleted');
    const timeout = new AbortController();
    await Promise.race([rest, sleep(patienceMs, undefined, { signal: timeout.signal, ref: false }).catch(() => {})]);
    timeout.abort();
    return { receiptId: note.receiptId, erasedMessages };
  }

  async function endAccount(viewer: Viewer, password: string, mode: ErasureMode): Promise<{ note: Note; afterCommit: (() => void)[] }> {
    const { userId } = viewer;
    for (;;) {
      const account = await accounts.mustKnowPassword(viewer, password).catch((error) => {
        throw hasCode(error, 'NOT_FOUND') ? new AppError('TOKEN_INVALID') : error;
      });
      const ended = await write(async (tx, append) => {
        // Taken before the account is changed, so that a room that is being opened to everyone either includes this account or finds it gone.
        await locks.lockAccountsForJoining(tx);
        const note = { userId, mode, receiptId: randomUUID(), startedAt: clock() };
        const { count } = await tx.user.updateMany({ where: { id: userId, passwordHash: account.passwordHash, deletedAt: null }, data: tombstoneOf(userId, note.startedAt) });
        // The hash was renewed, the password changed, or the account deleted while it was checked.
        if (count === 0) return null;
        const afterCommit = await removeAtOnce(tx, append, userId);
        append({ type: 'user-updated', userId }, { type: 'peer-updated', userId });
        await tx.erasure.create({ data: note });
        await onNameFreed(tx, account.usernameKey);
        return { note, afterCommit };
      });
      if (ended) return ended;
    }
  }

  async function removeAtOnce(tx: Tx, append: Append, userId: UserId): Promise<(() => void)[]> {
    const afterCommit: (() => void)[] = [];
    for (const part of parts) {
      const job = await part.atOnce?.(tx, append, userId);
      if (job) afterCommit.push(job);
    }
    return afterCommit;
  }

  // ---------------------------------------------------------------- the rest

  /** Removes the rest and every trace of it. Resolves to whether nothing is left; never fails, as it is tried again later. */
  async function begin(note: Note): Promise<boolean> {
    return (await remove(note)) && (await leaveNoTrace([note]));
  }

  /** For each account, one run at a time. */
  function remove(note: Note): Promise<boolean> {
    const known = running.get(note.userId);
    if (known) return known;
    const job = trying([note], () => removeRest(note)).finally(() => running.delete(note.userId));
    running.set(note.userId, job);
    return job;
  }

  async function removeRest({ userId, mode }: Note): Promise<boolean> {
    for (const { afterwards } of parts) {
      for await (const _piece of afterwards?.(userId, mode as ErasureMode) ?? []) {
        if (stopping) return false;
        await nextTurn();
      }
    }
    await mail.erase(userId);
    return true;
  }

  /** Takes many accounts at once, because it goes through the whole database. */
  async function leaveNoTrace(notes: readonly Note[]): Promise<boolean> {
    const clearing = trying(notes, () => db.clearRemnants(() => !stopping));
    traces = Promise.all([traces, clearing]);
    const cleared = await clearing;
    if (cleared) for (const { receiptId } of notes) log.info({ receiptId }, 'nothing is left of a deleted account');
    return cleared;
  }

  async function trying(notes: readonly Note[], job: () => Promise<boolean>): Promise<boolean> {
    try {
      return await job();
    } catch (error) {
      log.warn({ err: error, receiptIds: notes.map(({ receiptId }) => receiptId) }, 'a deleted account is not cleared away yet; trying again later');
      return false;
    }
  }

  /**
   * Resumes what a crash or an error interrupted, and checks the settled accounts once more. Returns how many accounts are finished with that.
   */
  async function finish(): Promise<number> {
    const settled = clock().getTime() - settledMs;
    // Another node may be working on younger ones. On SQLite there is no other node.
    const youngest = !resumed && db.engine === 'sqlite' ? Number.POSITIVE_INFINITY : settled;
    resumed = true;
    const removed: Note[] = [];
    for (const { startedAt, ...row } of await db.sql.all<Omit<Note, 'startedAt'> & { startedAt: unknown }>('SELECT * FROM "Erasure" ORDER BY "startedAt"', [])) {
      const note = { ...row, startedAt: toDate(startedAt) };
      if (stopping) return 0;
      if (note.startedAt.getTime() > youngest || running.has(note.userId)) continue;
      for (const job of await write((tx, append) => removeAtOnce(tx, append, note.userId))) job();
      if (await remove(note)) removed.push(note);
    }
    if (removed.length === 0 || !(await leaveNoTrace(removed))) return 0;
    const last = removed.filter(({ startedAt }) => startedAt.getTime() <= settled).map(({ userId }) => userId);
    await db.sqlTransaction((sql) => sql.all(`DELETE FROM "Erasure" WHERE ${oneOfList(sql.engine, '"userId"')}`, [last]));
    return last.length;
  }

  /** Stops after the current piece. The rest continues after the next start. */
  async function close(): Promise<void> {
    stopping = true;
    await Promise.all(running.values());
    await traces;
  }

  // ---------------------------------------------------------------- what accounts themselves have

  /** What belongs to this account alone. */
  async function removeOwn(tx: Tx, _append: Append, userId: UserId): Promise<undefined> {
    await tx.contact.deleteMany({ where: { ownerId: userId } });
    await tx.passwordReset.deleteMany({ where: { userId } });
    await tx.identity.deleteMany({ where: { userId } });
    await tx.mail.deleteMany({ where: { userId } });
  }

  /** Takes the person off other people's lists of contacts. */
  async function* leaveContactLists(userId: UserId): AsyncGenerator<void> {
    for (let count = listsAtOnce; count === listsAtOnce; ) {
      count = await write(async (tx, append) => {
        const lists = await tx.contact.findMany({ where: { personId: userId }, orderBy: { ownerId: 'asc' }, take: listsAtOnce, select: { ownerId: true } });
        const ownerIds = lists.map(({ ownerId }) => ownerId);
        await tx.contact.deleteMany({ where: { personId: userId, ownerId: { in: ownerIds } } });
        append(ownerIds.map((ownerId) => ({ type: 'account-changed' as const, userId: ownerId })));
        return lists.length;
      });
      yield;
    }
  }
}

/** What is left of an account: its id and when it was made. The name holds a colon, so nobody can register it, and no password matches. */
const tombstoneOf = (id: UserId, deletedAt: Date) => ({
  username: `deleted:${id}`,
  usernameKey: `deleted:${id}`,
  displayName: 'Deleted account',
  displayNameKey: foldName('Deleted account'),
  firstName: null,
  lastName: null,
  email: null,
  emailKey: null,
  phone: null,
  address: null,
  passwordHash: '',
  lastSeenAt: null,
  avatarId: null,
  deletedAt,
});
