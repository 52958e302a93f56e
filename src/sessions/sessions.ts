/**
 * Sessions: listing them, ending them, and whom an access token stands for. A session is a row that ends once, with an event in the same transaction. Its
 * access tokens are good only as long as it lives.
 */
import type { Accounts } from '../accounts/accounts.ts';
import type { Mail } from '../accounts/mail.ts';
import { voidResetCodes } from '../accounts/password-reset.ts';
import { checkPassword, mustAllowPasswords, type Passwords } from '../accounts/passwords.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import type { Config } from '../config.ts';
import { createProblems, notFound } from '../errors.ts';
import type { EndReason } from '../events/event.ts';
import type { Append, Write } from '../events/write.ts';
import type { SessionId, UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import type { Prisma } from '../storage/generated/sqlite/client.ts';
import { type SessionRow, toSessionRow, type UserRow } from '../storage/rows.ts';
import { oneOfList, type Param } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { Tokens } from './tokens.ts';

export type Sessions = ReturnType<typeof createSessions>;

const mostSessions = 100;
/** So many sessions of an account that are over are kept, to tell their tokens from unknown ones. */
const mostRemembered = 100;
/** More than a login adds, so that an account that has too many comes down in the end. */
const forgottenAtOnce = 50;
const sweptAtOnce = 500;

export function createSessions({
  db,
  write,
  accounts,
  passwords,
  tokens,
  liveSessions,
  limits,
  mail,
  config,
  clock,
}: {
  db: Database;
  write: Write;
  accounts: Pick<Accounts, 'get' | 'mustKnowPassword' | 'invalidCredentials'>;
  passwords: Pick<Passwords, 'hash'>;
  tokens: Pick<Tokens, 'parseAccess'>;
  liveSessions: LiveSessions;
  limits: Pick<RateLimits, 'take'>;
  mail: Pick<Mail, 'post' | 'wake'>;
  config: Pick<Config, 'REFRESH_TOKEN_SECONDS' | 'PASSWORD_LOGIN'>;
  clock: () => Date;
}) {
  return { list, find, findMany, authenticate, isLive, logout, revoke, revokeOthers, changePassword, ending, endAll, endThose, eraseAll, makeRoom, sweep };

  // ---------------------------------------------------------------- looking

  /** The viewer's live sessions, the current one first, then by last activity. */
  async function list(viewer: Viewer): Promise<SessionRow[]> {
    const rows = await select('ORDER BY "lastActiveAt" DESC, "id" DESC LIMIT ?', viewer, [mostSessions]);
    return [...rows.filter((row) => row.id === viewer.sessionId), ...rows.filter((row) => row.id !== viewer.sessionId)];
  }

  /** One live session of the viewer, or null. */
  async function find(viewer: Viewer, sessionId: SessionId): Promise<SessionRow | null> {
    return (await findMany(viewer, [sessionId]))[0] ?? null;
  }

  /** Live sessions of the viewer by id, in the order of the ids, with null for every id that is none of them. */
  async function findMany(viewer: Viewer, ids: readonly SessionId[]): Promise<(SessionRow | null)[]> {
    const rows = new Map((await select(`AND ${oneOfList(db.engine, '"id"')}`, viewer, [ids])).map((row) => [row.id, row]));
    return ids.map((id) => rows.get(id) ?? null);
  }

  async function select(rest: string, { userId }: Viewer, params: readonly Param[]): Promise<SessionRow[]> {
    return (await db.sql.all<SessionRow>(`SELECT * FROM "Session" WHERE "userId" = ? AND "endedAt" IS NULL AND "expiresAt" > ? ${rest}`, [userId, clock(), ...params])).map(
      toSessionRow,
    );
  }

  // ---------------------------------------------------------------- whose token

  /** Whom an access token stands for. It must be ours, not expired, and of a session that has not ended. Fails with UNAVAILABLE when the database cannot be asked. */
  async function authenticate(accessToken: string): Promise<{ viewer: Viewer } | { refusal: 'TOKEN_EXPIRED' | 'TOKEN_INVALID' }> {
    const claims = await tokens.parseAccess(accessToken);
    if (typeof claims === 'string') return { refusal: 'TOKEN_INVALID' };
    const now = clock().getTime();
    if (claims.expiresAt.getTime() <= now) return { refusal: 'TOKEN_EXPIRED' };
    const session = await liveSessions.find(claims.sessionId, now);
    if (session?.userId !== claims.userId) return { refusal: 'TOKEN_INVALID' };
    liveSessions.noteActivity(claims.sessionId, session, now);
    return { viewer: { userId: claims.userId, sessionId: claims.sessionId, expiresAt: claims.expiresAt } };
  }

  /** Whether the session of an authenticated viewer still goes on. */
  async function isLive({ sessionId }: Viewer): Promise<boolean> {
    return (await liveSessions.find(sessionId, clock().getTime(), 'lately')) !== null;
  }

  // ---------------------------------------------------------------- ending

  /** Ends the viewer's session, or all sessions of the account. Returns the ids of those that ended. */
  async function logout(viewer: Viewer, everywhere: boolean): Promise<SessionId[]> {
    return ending((tx, append) => (everywhere ? endAll(tx, append, viewer.userId, 'LOGGED_OUT') : endSome(tx, append, viewer.userId, [viewer.sessionId], 'LOGGED_OUT')));
  }

  /** Ends one of the viewer's sessions. Fails with NOT_FOUND when it is not the viewer's, or not alive. */
  async function revoke(viewer: Viewer, sessionId: SessionId): Promise<void> {
    await ending(async (tx, append) => {
      const session = await tx.session.findFirst({ where: { id: sessionId, userId: viewer.userId, endedAt: null, expiresAt: { gt: clock() } }, select: { id: true } });
      if (!session) throw notFound('Session');
      return endSome(tx, append, viewer.userId, [sessionId], 'REVOKED');
    });
  }

  /** Ends all sessions but the viewer's. A password that is given must be right: INVALID_CREDENTIALS, RATE_LIMITED. */
  async function revokeOthers(viewer: Viewer, password: string | null): Promise<SessionId[]> {
    if (password !== null) await accounts.mustKnowPassword(viewer, password);
    return ending((tx, append) => endAll(tx, append, viewer.userId, 'REVOKED', viewer.sessionId));
  }

  /** Sets another password, and ends the other sessions unless told to keep them. The account is told by mail. Fails with VALIDATION_FAILED, INVALID_CREDENTIALS, RATE_LIMITED or UNAVAILABLE. */
  async function changePassword(
    viewer: Viewer,
    input: { oldPassword: string; newPassword: string; newPasswordConfirmation?: string | null; keepOtherSessions?: boolean | null },
  ): Promise<{ me: UserRow; endedIds: SessionId[] }> {
    mustAllowPasswords(config);
    const { id, username } = await accounts.get({ id: viewer.userId });
    const problems = createProblems();
    checkPassword(problems, 'newPassword', input.newPassword, username, input.newPasswordConfirmation);
    problems.check();
    const before = await accounts.mustKnowPassword(viewer, input.oldPassword);
    await limits.take('SET_PASSWORD', id);
    const passwordHash = await passwords.hash(input.newPassword, { account: id, address: viewer.address });
    const endedIds = await ending(async (tx, append) => {
      const { count } = await tx.user.updateMany({ where: { id, passwordHash: before.passwordHash, deletedAt: null }, data: { passwordHash } });
      if (count === 0) throw accounts.invalidCredentials('WRONG_PASSWORD');
      await voidResetCodes(tx, id, clock());
      if (before.email !== null) await mail.post(tx, 'password-changed', id);
      return input.keepOtherSessions ? [] : endAll(tx, append, id, 'PASSWORD_CHANGED', viewer.sessionId);
    });
    mail.wake();
    return { me: { ...before, passwordHash }, endedIds };
  }

  /** Runs a job that ends sessions. After it, their tokens fail on this node, without waiting for the events. */
  async function ending(job: (tx: Tx, append: Append) => Promise<SessionId[]>): Promise<SessionId[]> {
    const ids = await write(job);
    for (const id of ids) liveSessions.forget(id);
    return ids;
  }

  /** Ends every live session of an account except `keepId`, inside the caller's transaction. Returns their ids. */
  async function endAll(tx: Tx, append: Append, userId: UserId, reason: EndReason, keepId?: SessionId): Promise<SessionId[]> {
    return endThose(tx, append, userId, keepId === undefined ? {} : { id: { not: keepId } }, reason);
  }

  /** The same with those that fit. */
  async function endThose(tx: Tx, append: Append, userId: UserId, which: Prisma.SessionWhereInput, reason: EndReason): Promise<SessionId[]> {
    const rows = await tx.session.findMany({ where: { AND: [{ userId, endedAt: null, expiresAt: { gt: clock() } }, which] }, select: { id: true } });
    return endSome(
      tx,
      append,
      userId,
      rows.map(({ id }) => id),
      reason,
    );
  }

  /** Ends every session of an account that is being deleted, and deletes what is stored of them. What it returns must be called after the commit. */
  async function eraseAll(tx: Tx, append: Append, userId: UserId): Promise<() => void> {
    const live = await tx.session.findMany({ where: { userId, endedAt: null, expiresAt: { gt: clock() } }, select: { id: true } });
    for (const { id } of live) append({ type: 'session-ended', userId, sessionId: id, reason: 'ACCOUNT_DELETED' });
    await tx.session.deleteMany({ where: { userId } });
    return () => {
      for (const { id } of live) liveSessions.forget(id);
    };
  }

  /** Before a session is opened: when an account has as many as it may have, the one that was not in use for the longest ends. Of those that are over, old ones are deleted. */
  async function makeRoom(tx: Tx, append: Append, userId: UserId): Promise<void> {
    const live = await tx.session.findMany({
      where: { userId, endedAt: null, expiresAt: { gt: clock() } },
      orderBy: [{ lastActiveAt: 'asc' }, { id: 'asc' }],
      select: { id: true },
    });
    const ids = live.slice(0, Math.max(0, live.length - mostSessions + 1)).map(({ id }) => id);
    await end(tx, append, userId, ids, 'REVOKED');
    // Those of many logins; the others go with `sweep`.
    const where = { userId, OR: [{ endedAt: { not: null } }, { expiresAt: { lte: clock() } }] };
    const over = await tx.session.findMany({ where, orderBy: { id: 'desc' }, skip: mostRemembered, take: forgottenAtOnce, select: { id: true } });
    if (over.length > 0) await tx.session.deleteMany({ where: { id: { in: over.map(({ id }) => id) } } });
  }

  async function endSome(tx: Tx, append: Append, userId: UserId, ids: SessionId[], reason: EndReason): Promise<SessionId[]> {
    if (ids.length > 0) append({ type: 'account-changed', userId });
    return end(tx, append, userId, ids, reason);
  }

  async function end(tx: Tx, append: Append, userId: UserId, ids: SessionId[], reason: EndReason): Promise<SessionId[]> {
    if (ids.length > 0) await tx.session.updateMany({ where: { id: { in: ids }, endedAt: null }, data: { endedAt: clock(), endReason: reason } });
    for (const sessionId of ids) append({ type: 'session-ended', userId, sessionId, reason });
    return ids;
  }

  /**
   * Deletes sessions that expired long ago, in bounded pieces so that writers are not held up. Until then, their tokens are recognised, and their devices
   * are renewed. Returns how many were deleted.
   */
  async function sweep(): Promise<number> {
    const before = new Date(clock().getTime() - config.REFRESH_TOKEN_SECONDS * 1000);
    for (let gone = 0; ; ) {
      const rows = await db.sqlTransaction((sql) =>
        sql.all('DELETE FROM "Session" WHERE "id" IN (SELECT "id" FROM "Session" WHERE "expiresAt" < ? ORDER BY "expiresAt" LIMIT ?) RETURNING "id"', [before, sweptAtOnce]),
      );
      gone += rows.length;
      if (rows.length < sweptAtOnce) return gone;
    }
  }
}
