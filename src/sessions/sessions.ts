/**
 * Sessions: registering and logging in, refreshing, ending, and who a token stands for. A session is a row that ends once, with an event in the same
 * transaction; access tokens stand for it only as long as it lives.
 */
import type { Accounts, NewAccountInput } from '../accounts/accounts.ts';
import type { Mail } from '../accounts/mail.ts';
import { checkLine, foldName } from '../accounts/names.ts';
import { voidResetCodes } from '../accounts/password-reset.ts';
import { checkPassword, type Passwords } from '../accounts/passwords.ts';
import type { LimitKey, RateLimits } from '../accounts/rate-limits.ts';
import type { Config } from '../config.ts';
import { AppError, createProblems, notFound, type Problems, type TokenFailure } from '../errors.ts';
import type { EndReason } from '../events/event.ts';
import type { Append, Write } from '../events/write.ts';
import type { SessionId, UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import type { SessionRow, UserRow } from '../storage/rows.ts';
import type { Viewer } from '../viewer.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { RefreshToken, Tokens } from './tokens.ts';

export const deviceKinds = ['WEB', 'IOS', 'ANDROID', 'DESKTOP', 'BOT', 'OTHER'] as const;
export type DeviceKind = (typeof deviceKinds)[number];
export const sessionGrants = ['NEW', 'RENEWED', 'STILL_VALID'] as const;
export type SessionGrant = (typeof sessionGrants)[number];

export type Sessions = ReturnType<typeof createSessions>;
/** Of the connection that somebody signs in on. */
export type SignInClient = { ipAddress: string; userAgent: string | null };
export type DeviceInput = { id?: string | null; name?: string | null; kind?: DeviceKind | null };
export type RegisterInput = NewAccountInput & { device?: DeviceInput | null };
export type LoginInput = { login: string; password: string; device?: DeviceInput | null };
/** What somebody who signed in is given. */
export type Issued = {
  accessToken: string;
  issuedAt: Date;
  accessTokenExpiresAt: Date;
  refreshToken: string;
  refreshTokenExpiresAt: Date;
  grant: SessionGrant;
  session: SessionRow;
  me: UserRow;
};
export type TokenInfo = { active: boolean; username: string | null; issuedAt: Date | null; expiresAt: Date | null; failure: TokenFailure | null };

type Device = { id: string | null; name: string | null; kind: DeviceKind | null };
type Opened = { session: SessionRow; grant: SessionGrant; refreshToken: string };

const mostSessions = 100;
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
  accounts: Accounts;
  passwords: Passwords;
  tokens: Tokens;
  liveSessions: LiveSessions;
  limits: RateLimits;
  mail: Pick<Mail, 'post' | 'wake'>;
  config: Pick<Config, 'ACCESS_TOKEN_SECONDS' | 'REFRESH_TOKEN_SECONDS' | 'SESSION_SECONDS' | 'REFRESH_GRACE_SECONDS'>;
  clock: () => Date;
}) {
  return { register, login, refresh, logout, revoke, revokeOthers, changePassword, list, find, tokenInfo, authenticate, isLive, endAll, eraseAll, sweep };

  // ---------------------------------------------------------------- signing in

  /** Makes an account and its first session. Fails with VALIDATION_FAILED, ALREADY_TAKEN, RATE_LIMITED or UNAVAILABLE. */
  async function register(input: RegisterInput, client: SignInClient): Promise<Issued> {
    const problems = createProblems();
    accounts.checkNew(problems, input);
    const device = parseDevice(problems, input.device);
    problems.check();
    await limits.take('REGISTER', { address: client.ipAddress });
    const { user, also } = await accounts.create(input, (tx, created, append) => open(tx, append, created.id, device, client));
    return issue(also, user);
  }

  /**
   * Signs in by username or e-mail. On a device that is known the session goes on or is renewed. An unknown account costs the same time as a wrong
   * password. Fails with INVALID_CREDENTIALS, VALIDATION_FAILED (device), RATE_LIMITED or UNAVAILABLE.
   */
  async function login(input: LoginInput, client: SignInClient): Promise<Issued> {
    const problems = createProblems();
    const device = parseDevice(problems, input.device);
    problems.check();
    const name = input.login.trim().slice(0, 320);
    const address: LimitKey = { address: client.ipAddress };
    await limits.take('LOGIN', address);
    let account = await accounts.findByLogin(name);
    const person: LimitKey = account ? account.id : { name: foldName(name) };
    await limits.take('LOGIN', person);
    for (;;) {
      const right = await passwords.verify(account?.passwordHash ?? null, input.password);
      if (!account) throw accounts.invalidCredentials('UNKNOWN_ACCOUNT');
      if (!right) throw accounts.invalidCredentials('WRONG_PASSWORD');
      const { id, passwordHash } = account;
      const hash = passwords.isOutdated(passwordHash) ? await passwords.hash(input.password) : passwordHash;
      const opened = await write(async (tx, append) => {
        // Also lets logins of one account take turns, so that one device gets one session.
        const { count } = await tx.user.updateMany({ where: { id, passwordHash, deletedAt: null }, data: { passwordHash: hash } });
        return count === 0 ? null : open(tx, append, id, device, client);
      });
      if (opened) {
        await limits.giveBack('LOGIN', address, person);
        return issue(opened, account);
      }
      // The password was changed while it was checked.
      account = await accounts.findByLogin(name);
    }
  }

  /** The session of this device goes on, or a new one begins; beyond a hundred the oldest gives way. */
  async function open(tx: Tx, append: Append, userId: UserId, device: Device, client: SignInClient): Promise<Opened> {
    const now = clock();
    const secret = tokens.newSecret();
    const fresh = { ...seenNow(client, now), rotatedAt: now, refreshDigest: tokens.digestOf(secret) };
    append({ type: 'account-changed', userId });
    const known = device.id === null ? null : await tx.session.findFirst({ where: { userId, deviceId: device.id }, orderBy: { id: 'desc' } });
    if (known && !known.endedAt) {
      const stillValid = known.expiresAt > now;
      const createdAt = stillValid ? known.createdAt : now;
      const generation = known.generation + 1;
      const data = {
        ...fresh,
        createdAt,
        expiresAt: expiryOf(createdAt, now),
        generation,
        voidBelow: generation,
        deviceName: device.name ?? known.deviceName,
        deviceKind: device.kind ?? known.deviceKind,
      };
      const { count } = await tx.session.updateMany({ where: { id: known.id, endedAt: null }, data });
      if (count > 0)
        return { session: { ...known, ...data }, grant: stillValid ? 'STILL_VALID' : 'RENEWED', refreshToken: tokens.toRefreshToken({ sessionId: known.id, generation, secret }) };
    }
    const others = await tx.session.findMany({ where: { userId, endedAt: null, expiresAt: { gt: now } }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }], select: { id: true } });
    await end(
      tx,
      append,
      userId,
      others.slice(0, Math.max(0, others.length - mostSessions + 1)).map(({ id }) => id),
      'REVOKED',
    );
    const data = { ...fresh, userId, deviceId: device.id, deviceName: device.name, deviceKind: device.kind ?? 'OTHER', createdAt: now, expiresAt: expiryOf(now, now) };
    const session = await tx.session.create({ data });
    return { session, grant: 'NEW', refreshToken: tokens.toRefreshToken({ sessionId: session.id, generation: session.generation, secret }) };
  }

  async function issue({ session, grant, refreshToken }: Opened, me: UserRow): Promise<Issued> {
    const issuedAt = clock();
    const accessTokenExpiresAt = new Date(Math.min(issuedAt.getTime() + config.ACCESS_TOKEN_SECONDS * 1000, session.expiresAt.getTime()));
    const accessToken = await tokens.signAccess({ userId: me.id, sessionId: session.id, issuedAt, expiresAt: accessTokenExpiresAt });
    return { accessToken, issuedAt, accessTokenExpiresAt, refreshToken, refreshTokenExpiresAt: session.expiresAt, grant, session, me };
  }

  function expiryOf(createdAt: Date, usedAt: Date): Date {
    return new Date(Math.min(usedAt.getTime() + config.REFRESH_TOKEN_SECONDS * 1000, createdAt.getTime() + config.SESSION_SECONDS * 1000));
  }

  // ---------------------------------------------------------------- refreshing

  /**
   * New tokens for a refresh token, which is then used up. Repeated with the same token within the grace, it gives the same refresh token again: an
   * answer that was lost, or two tabs at once, do no harm. An older token shows that somebody has a copy, and ends the session (RFC 9700, 4.14.2).
   * Fails with INVALID_TOKEN, RATE_LIMITED or UNAVAILABLE.
   */
  async function refresh(refreshToken: string | null, client: SignInClient): Promise<Issued> {
    await limits.take('REQUESTS', { address: client.ipAddress });
    const token = tokens.parseRefresh(refreshToken ?? '');
    if (typeof token === 'string') throw invalidToken(token);
    const next: RefreshToken = { sessionId: token.sessionId, generation: token.generation + 1, secret: tokens.successorOf(token.secret) };
    const outcome = await write<{ failure: TokenFailure } | { session: SessionRow }>(async (tx, append) => {
      for (;;) {
        const now = clock();
        const session = await tx.session.findUnique({ where: { id: token.sessionId } });
        const state = stateOf(token, session, now);
        if (!session || (state !== 'CURRENT' && state !== 'REPEATED')) {
          if (session && state === 'REUSED') await endSome(tx, append, session.userId, [session.id], 'REVOKED');
          return { failure: state as TokenFailure };
        }
        if (state === 'REPEATED') return { session };
        const data = {
          ...seenNow(client, now),
          rotatedAt: now,
          refreshDigest: tokens.digestOf(next.secret),
          generation: next.generation,
          expiresAt: expiryOf(session.createdAt, now),
        };
        const { count } = await tx.session.updateMany({ where: { id: session.id, generation: token.generation, endedAt: null }, data });
        // Otherwise another node was faster with the same token, or the session ended: look again.
        if (count > 0) return { session: { ...session, ...data } };
      }
    });
    if ('failure' in outcome) {
      if (outcome.failure === 'REUSED') liveSessions.forget(token.sessionId);
      throw invalidToken(outcome.failure);
    }
    const me = await accounts.find({ id: outcome.session.userId });
    if (!me || me.deletedAt) throw invalidToken('REVOKED');
    return issue({ session: outcome.session, grant: 'STILL_VALID', refreshToken: tokens.toRefreshToken(next) }, me);
  }

  /** What a refresh token is to its session. CURRENT may be used, REPEATED was used a moment ago. */
  function stateOf(token: RefreshToken, session: SessionRow | null, now: Date): TokenFailure | 'CURRENT' | 'REPEATED' {
    if (!session || token.generation > session.generation) return 'UNKNOWN';
    if (session.endedAt || token.generation < session.voidBelow) return 'REVOKED';
    if (session.expiresAt <= now) return 'EXPIRED';
    if (token.generation === session.generation) return tokens.digestOf(token.secret) === session.refreshDigest ? 'CURRENT' : 'UNKNOWN';
    if (token.generation < session.generation - 1) return 'REUSED';
    if (tokens.digestOf(tokens.successorOf(token.secret)) !== session.refreshDigest) return 'UNKNOWN';
    return now.getTime() <= graceEnd(session) ? 'REPEATED' : 'REUSED';
  }

  function graceEnd(session: SessionRow): number {
    return Math.min(session.rotatedAt.getTime() + config.REFRESH_GRACE_SECONDS * 1000, session.expiresAt.getTime());
  }

  // ---------------------------------------------------------------- ending

  /** Ends the viewer's session, or all of the account. Returns the ids of those that ended. */
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
    if (password !== null) await accounts.mustKnowPassword(viewer.userId, password);
    return ending((tx, append) => endAll(tx, append, viewer.userId, 'REVOKED', viewer.sessionId));
  }

  /** Sets another password and, unless told to keep them, ends the other sessions; the account is told by mail. Fails with VALIDATION_FAILED, INVALID_CREDENTIALS, RATE_LIMITED or UNAVAILABLE. */
  async function changePassword(
    viewer: Viewer,
    input: { oldPassword: string; newPassword: string; newPasswordConfirmation?: string | null; keepOtherSessions?: boolean | null },
  ): Promise<{ me: UserRow; endedIds: SessionId[] }> {
    const { id, username } = await accounts.mustFind({ id: viewer.userId });
    const problems = createProblems();
    checkPassword(problems, 'newPassword', input.newPassword, username, input.newPasswordConfirmation);
    problems.check();
    const before = await accounts.mustKnowPassword(id, input.oldPassword);
    const passwordHash = await passwords.hash(input.newPassword);
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

  /** Their tokens fail on this node from here on, whenever the events come. */
  async function ending(job: (tx: Tx, append: Append) => Promise<SessionId[]>): Promise<SessionId[]> {
    const ids = await write(job);
    for (const id of ids) liveSessions.forget(id);
    return ids;
  }

  /** Ends every live session of an account, but for one to keep, inside a transaction of the caller. Returns their ids. */
  async function endAll(tx: Tx, append: Append, userId: UserId, reason: EndReason, keepId?: SessionId): Promise<SessionId[]> {
    const rows = await tx.session.findMany({
      where: { userId, endedAt: null, expiresAt: { gt: clock() }, ...(keepId === undefined ? {} : { id: { not: keepId } }) },
      select: { id: true },
    });
    return endSome(
      tx,
      append,
      userId,
      rows.map(({ id }) => id),
      reason,
    );
  }

  /** Ends every session of an account that is deleted, and forgets where from and on what it was signed in. To be called after the commit: what it returns. */
  async function eraseAll(tx: Tx, append: Append, userId: UserId): Promise<() => void> {
    const live = await tx.session.findMany({ where: { userId, endedAt: null, expiresAt: { gt: clock() } }, select: { id: true } });
    for (const { id } of live) append({ type: 'session-ended', userId, sessionId: id, reason: 'ACCOUNT_DELETED' });
    await tx.session.deleteMany({ where: { userId } });
    return () => {
      for (const { id } of live) liveSessions.forget(id);
    };
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
   * Forgets sessions that expired long ago, a bounded piece at a time so that writers are not held up. Until then their tokens are told from unknown ones,
   * and their devices are renewed. Returns how many went.
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

  // ---------------------------------------------------------------- looking

  /** The viewer's live sessions, the current one first, then by last activity. */
  async function list(viewer: Viewer): Promise<SessionRow[]> {
    const rows = await db.read.session.findMany({
      where: { userId: viewer.userId, endedAt: null, expiresAt: { gt: clock() } },
      orderBy: [{ lastActiveAt: 'desc' }, { id: 'desc' }],
      take: mostSessions,
    });
    return [...rows.filter((row) => row.id === viewer.sessionId), ...rows.filter((row) => row.id !== viewer.sessionId)];
  }

  /** One live session of the viewer, or null. */
  async function find(viewer: Viewer, sessionId: SessionId): Promise<SessionRow | null> {
    return db.read.session.findFirst({ where: { id: sessionId, userId: viewer.userId, endedAt: null, expiresAt: { gt: clock() } } });
  }

  /**
   * Whether a token (access or refresh) can be used now, by whom and until when. Of one that cannot it tells only why, and of an expired one the times.
   * With the name of somebody else it tells only that. Changes nothing: asking about a used refresh token ends no session.
   */
  async function tokenInfo(token: string, username: string | null): Promise<TokenInfo> {
    const now = clock();
    const refreshToken = tokens.parseRefresh(token);
    const claims = refreshToken === 'MALFORMED' ? await tokens.parseAccess(token) : refreshToken;
    if (typeof claims === 'string') return inactive(claims);
    const session = await db.read.session.findUnique({ where: { id: claims.sessionId }, include: { user: true } });
    if (!session) return inactive('UNKNOWN');
    const { user } = session;
    if (username !== null && (user.deletedAt || username.length > 64 || foldName(username) !== user.usernameKey)) return inactive('WRONG_USER');
    if (user.deletedAt) return inactive('REVOKED');
    if ('secret' in claims) {
      const state = stateOf(claims, session, now);
      const current = { issuedAt: session.rotatedAt, expiresAt: session.expiresAt };
      if (state === 'CURRENT') return { active: true, username: user.username, ...current, failure: null };
      if (state === 'REPEATED') return { active: true, username: user.username, issuedAt: null, expiresAt: new Date(graceEnd(session)), failure: null };
      return inactive(state, claims.generation === session.generation ? current : {});
    }
    if (claims.expiresAt <= now) return inactive('EXPIRED', claims);
    if (session.endedAt || session.userId !== claims.userId) return inactive('REVOKED');
    return { active: true, username: user.username, issuedAt: claims.issuedAt, expiresAt: claims.expiresAt, failure: null };
  }

  // ---------------------------------------------------------------- whose token

  /** Who an access token stands for. It must be ours, not expired, and of a session that has not ended. Fails with UNAVAILABLE when that cannot be asked. */
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

  /** Whether the session of somebody who was let in goes on. */
  async function isLive({ sessionId }: Viewer): Promise<boolean> {
    return (await liveSessions.find(sessionId, clock().getTime(), 'lately')) !== null;
  }
}

const seenNow = ({ ipAddress, userAgent }: SignInClient, now: Date) => ({
  ipAddress,
  userAgent:
    userAgent
      ?.replace(/[^\P{Cc}]/gu, '')
      .toWellFormed()
      .slice(0, 300) ?? null,
  lastActiveAt: now,
});

/** An empty id or name is none. */
function parseDevice(problems: Problems, input: DeviceInput | null | undefined): Device {
  if (input?.id) checkLine(problems, ['device', 'id'], input.id, 128);
  if (input?.name) checkLine(problems, ['device', 'name'], input.name, 80);
  return { id: input?.id || null, name: input?.name || null, kind: input?.kind ?? null };
}

const failureSentences: Record<TokenFailure, string> = {
  EXPIRED: 'The token has expired: sign in again.',
  MALFORMED: 'This is not a token.',
  UNKNOWN: 'This token is not known here.',
  REVOKED: 'The session has ended: sign in again.',
  REUSED: 'The token was used before: the session has been ended, sign in again.',
  WRONG_USER: 'The token belongs to somebody else.',
};
const invalidToken = (tokenFailure: TokenFailure): AppError => new AppError('INVALID_TOKEN', { tokenFailure }, failureSentences[tokenFailure]);

function inactive(failure: TokenFailure, times: { issuedAt?: Date; expiresAt?: Date } = {}): TokenInfo {
  const { issuedAt = null, expiresAt = null } = failure === 'EXPIRED' ? times : {};
  return { active: false, username: null, issuedAt, expiresAt, failure };
}
