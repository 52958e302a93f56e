/**
 * People whom others know by ids of their own: signing in with an issuer's token, what an account is linked to, and what an issuer may do with its people. An
 * identity is an issuer with one of its ids. It is joined to an account by whoever is signed in to that account, never because a name or an e-mail is the same.
 */
import { createHash } from 'node:crypto';
import type { JWTPayload } from 'jose';
import type { Accounts } from '../accounts/accounts.ts';
import type { Mail } from '../accounts/mail.ts';
import { checkEmail, checkLine } from '../accounts/names.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import { AppError, createProblems, invalid, notFound } from '../errors.ts';
import type { Append, Write } from '../events/write.ts';
import type { SessionId, UserId } from '../ids.ts';
import type { Issuer } from '../issuers.ts';
import type { SignInClient } from '../sessions/issue.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { type Device, type DeviceInput, parseDevice, type SignedIn, type SignIn } from '../sessions/sign-in.ts';
import type { Database, Tx } from '../storage/database.ts';
import { isUniqueViolation } from '../storage/failures.ts';
import { lockLiveAccounts, mustLockAccount } from '../storage/locks.ts';
import { type IdentityRow, toIdentityRow, type UserRow } from '../storage/rows.ts';
import { oneOfList } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { type HostTokens, isExternalId, longestExternalId, type Stated, toStated } from './host-tokens.ts';
import { toWish, usernameOf, type Wish } from './profiles.ts';

export type Identities = ReturnType<typeof createIdentities>;
export type ProvisionInput = { externalId: string; username?: string | null; displayName?: string | null; email?: string | null; picture?: string | null };
export type Provisioned = { externalId: string; user: UserRow; created: boolean };

/** Most people one call may provision. */
export const mostProvisioned = 100;
/** Somebody else may be faster with the same person, name or e-mail, but not for ever. */
const mostAttempts = 10;
const sweptAtOnce = 500;
/** What an issuer says of times is whole seconds. */
const secondMs = 1_000;

export function createIdentities({
  db,
  write,
  accounts,
  sessions,
  signIn: { open, handOver },
  tokens,
  issuers,
  limits,
  mail,
  onPicture,
  clock,
}: {
  db: Database;
  write: Write;
  accounts: Pick<Accounts, 'find' | 'findByLogin' | 'findMany' | 'add' | 'follow' | 'hasPassword' | 'mustKnowPassword'>;
  sessions: Pick<Sessions, 'ending' | 'endThose'>;
  signIn: Pick<SignIn, 'open' | 'handOver'>;
  tokens: HostTokens;
  issuers: readonly Issuer[];
  limits: Pick<RateLimits, 'take'>;
  mail: Pick<Mail, 'wake'>;
  /** An issuer has a picture of somebody who has none here. */
  onPicture: (userId: UserId, address: string) => void;
  clock: () => Date;
}) {
  return { signIn, signInAs, list, link, unlink, externalIdsOf, provision, endSessions, logOut, sweep };

  // ---------------------------------------------------------------- signing in

  /**
   * Exchanges a token of an issuer for a session. Whoever comes for the first time gets an account. On a known device its session goes on; without a device, the one
   * of this very token, so that a repeated try opens no second one.
   * Fails with INVALID_TOKEN, INVALID_CREDENTIALS when the issuer makes no accounts and there is none, VALIDATION_FAILED (device), RATE_LIMITED or UNAVAILABLE.
   */
  async function signIn(input: { token: string; device?: DeviceInput | null }, client: SignInClient): Promise<SignedIn> {
    const problems = createProblems();
    const device = parseDevice(problems, input.device);
    problems.check();
    await limits.take('REQUESTS', { address: client.ipAddress });
    const stated = await tokens.parsePerson(input.token);
    const id = device.id ?? `token ${createHash('sha256').update(input.token).digest('base64url')}`;
    return enter(stated, { ...device, id }, client, input.device?.token || client.deviceToken);
  }

  /** The same for somebody whom the issuer has just sent here, with what it says of them. */
  async function signInAs(issuer: Issuer, claims: JWTPayload, device: Device, client: SignInClient): Promise<SignedIn> {
    return enter(toStated(issuer, claims, clock()), device, client, client.deviceToken);
  }

  async function enter(stated: Stated, device: Device, client: SignInClient, deviceToken: string | null | undefined): Promise<SignedIn> {
    const { issuer, issuerSession } = stated;
    const wish = toWish(issuer, stated.claims);
    return trying(async (attempt) => {
      const known = await find(issuer.issuer, stated.externalId);
      if (!known && !issuer.create) {
        throw new AppError('INVALID_CREDENTIALS', { credentialFailure: 'UNKNOWN_ACCOUNT' }, 'The token is good, but nobody here belongs to it.');
      }
      const wanted = known && !issuer.updateProfile ? null : await toFree(wish, attempt, known);
      const entered = await write(async (tx, append) => {
        const user = known ? await hold(tx, known) : await make(tx, append, issuer.issuer, stated.externalId, wanted as Wish & { username: string });
        // It was deleted or unlinked since it was looked for.
        if (!user) return null;
        const identity = await tx.identity.findUniqueOrThrow({ where: { issuer_externalId: { issuer: issuer.issuer, externalId: stated.externalId } } });
        if (identity.voidBefore && stated.madeAt < identity.voidBefore) {
          throw new AppError('INVALID_TOKEN', { tokenFailure: 'REVOKED' }, 'The token was made before its issuer signed this person out: ask for a new one.');
        }
        await tx.identity.update({ where: { id: identity.id }, data: { lastUsedAt: clock() } });
        const updated = known && wanted ? await followed(tx, append, user, wanted) : user;
        return { user: updated, opened: await open(tx, append, user.id, device, client, { issuer: issuer.issuer, issuerSession }) };
      });
      if (!entered) return null;
      mail.wake();
      if (!known || issuer.updateProfile) offerPicture(entered.user, wish.picture);
      return handOver(entered.opened, entered.user, deviceToken);
    });
  }

  function offerPicture({ id, avatarId }: UserRow, address: string | null): void {
    if (address !== null && avatarId === null) onPicture(id, address);
  }

  /** Until it gives something. When somebody else was faster, everything is looked at again. */
  async function trying<T>(run: (attempt: number) => Promise<T | null>): Promise<T> {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      try {
        const result = await run(attempt);
        if (result !== null) return result;
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
      }
    }
    throw new AppError('UNAVAILABLE');
  }

  /** What of a wish nobody else has: a name is made free, an e-mail that is taken is left out. */
  async function toFree(wish: Wish, attempt: number, known: IdentityRow | null): Promise<Wish & { username: string }> {
    let username = usernameOf(wish, attempt);
    // A name is given once.
    for (let more = attempt + 1; !known && more < mostAttempts && (await accounts.find({ username })); more++) username = usernameOf(wish, more);
    const owner = wish.email === null ? null : await accounts.findByLogin(wish.email);
    return { ...wish, username, email: owner && owner.id !== known?.userId ? null : wish.email };
  }

  async function make(tx: Tx, append: Append, issuer: string, externalId: string, wanted: Wish & { username: string }): Promise<UserRow> {
    const user = await accounts.add(tx, append, wanted);
    await tx.identity.create({ data: { userId: user.id, issuer, externalId, createdAt: clock() } });
    return user;
  }

  /** The account of an identity, held until the commit; null when it is its account no more. The account comes before the identity, as when it is deleted. */
  async function hold(tx: Tx, { id, userId }: IdentityRow): Promise<UserRow | null> {
    if ((await lockLiveAccounts(db.sqlIn(tx), [userId])).length === 0) return null;
    const identity = await tx.identity.findUnique({ where: { id }, include: { user: true } });
    return identity?.userId === userId ? identity.user : null;
  }

  /** Where somebody has a password, the e-mail is theirs: whoever could change it could have the password reset. */
  async function followed(tx: Tx, append: Append, user: UserRow, { displayName, email }: Pick<Wish, 'displayName' | 'email'>): Promise<UserRow> {
    return accounts.follow(tx, append, user, { ...(displayName === null ? {} : { displayName }), ...(email === null || accounts.hasPassword(user) ? {} : { email }) });
  }

  async function find(issuer: string, externalId: string): Promise<IdentityRow | null> {
    const [row] = await db.sql.all<IdentityRow>('SELECT * FROM "Identity" WHERE "issuer" = ? AND "externalId" = ?', [issuer, externalId]);
    return row ? toIdentityRow(row) : null;
  }

  // ---------------------------------------------------------------- the own ones

  /** By whom the viewer can be signed in, in the order of time. */
  async function list(viewer: Viewer): Promise<IdentityRow[]> {
    return (await db.sql.all<IdentityRow>('SELECT * FROM "Identity" WHERE "userId" = ? ORDER BY "id"', [viewer.userId])).map(toIdentityRow);
  }

  /**
   * Lets somebody be signed in by this token's issuer, too. It takes their password, or a sign-in a moment ago: a stolen session alone must not make a way in for
   * good. Again with the same identity does no harm. Fails with INVALID_TOKEN, INVALID_CREDENTIALS, RATE_LIMITED, ALREADY_TAKEN (another account has it, or this one
   * another of the same issuer) or UNAVAILABLE.
   */
  async function link(viewer: Viewer, input: { token: string; currentPassword?: string | null }): Promise<IdentityRow> {
    await accounts.mustKnowPassword(viewer, input.currentPassword ?? null);
    const { issuer, externalId } = await tokens.parsePerson(input.token);
    return trying(() =>
      write(async (tx, append) => {
        await mustHold(tx, viewer);
        const known = await tx.identity.findFirst({ where: { issuer: issuer.issuer, OR: [{ externalId }, { userId: viewer.userId }] }, orderBy: { id: 'asc' } });
        if (known?.userId === viewer.userId && known.externalId === externalId) return known;
        if (known) {
          const whose = known.userId === viewer.userId ? 'This account has another identity of this issuer: unlink that one first.' : 'This identity belongs to another account.';
          throw new AppError('ALREADY_TAKEN', { field: 'token' }, whose);
        }
        append({ type: 'account-changed', userId: viewer.userId });
        return tx.identity.create({ data: { userId: viewer.userId, issuer: issuer.issuer, externalId, createdAt: clock() } });
      }),
    );
  }

  /** Ends that, and the other sessions that it has opened. Fails with NOT_FOUND (Identity), or CONFLICT (LAST_WAY_IN) when nothing else could sign its owner in. */
  async function unlink(viewer: Viewer, issuer: string): Promise<void> {
    await sessions.ending(async (tx, append) => {
      const user = await mustHold(tx, viewer);
      const all = await tx.identity.findMany({ where: { userId: viewer.userId } });
      const own = all.find((identity) => identity.issuer === issuer);
      if (!own) throw notFound('Identity');
      const others = all.filter((identity) => identity !== own && issuers.some((each) => each.issuer === identity.issuer));
      if (!accounts.hasPassword(user) && others.length === 0) {
        throw new AppError('CONFLICT', { conflictReason: 'LAST_WAY_IN' }, 'Nothing else could sign you in: set a password, or link another identity first.');
      }
      await tx.identity.delete({ where: { id: own.id } });
      append({ type: 'account-changed', userId: viewer.userId });
      await tx.session.updateMany({ where: { id: viewer.sessionId, issuer }, data: { issuer: null, issuerSession: null, identifiedAt: null } });
      return sessions.endThose(tx, append, viewer.userId, { issuer, id: { not: viewer.sessionId } }, 'REVOKED');
    });
  }

  /** How the issuer that opened the viewer's session calls these people; those whom it does not know are left out. */
  async function externalIdsOf(viewer: Viewer, ids: readonly UserId[]): Promise<Map<UserId, string>> {
    const rows = await db.sql.all<{ userId: UserId; externalId: string }>(
      `SELECT "userId", "externalId" FROM "Identity" WHERE "issuer" = (SELECT "issuer" FROM "Session" WHERE "id" = ?) AND ${oneOfList(db.engine, '"userId"')}`,
      [viewer.sessionId, ids],
    );
    return new Map(rows.map(({ userId, externalId }) => [userId, externalId]));
  }

  // ---------------------------------------------------------------- what the host itself does

  /**
   * Makes accounts for people who have not been here, so that they can be written to, and brings names and e-mails of the others in line. In the order given, each by
   * itself: sending it again does what was left. Fails with INVALID_TOKEN, VALIDATION_FAILED, RATE_LIMITED or UNAVAILABLE.
   */
  async function provision(input: { token: string; users: readonly ProvisionInput[] }, client: { ipAddress: string }): Promise<Provisioned[]> {
    await limits.take('REQUESTS', { address: client.ipAddress });
    const { issuer } = await tokens.parseHost(input.token);
    checkPeople(input.users);
    const known = await findMany(
      issuer,
      input.users.map(({ externalId }) => externalId),
    );
    const result: Provisioned[] = [];
    for (const { externalId, ...given } of input.users) {
      const wish = { username: given.username ?? null, displayName: given.displayName ?? null, email: given.email ?? null, picture: given.picture ?? null };
      const before = known.get(externalId);
      const same = before && (wish.displayName ?? before.displayName) === before.displayName && (wish.email ?? before.email) === before.email;
      const provisioned = same ? { user: before, created: false } : await ensure(issuer, externalId, wish);
      offerPicture(provisioned.user, wish.picture);
      result.push({ externalId, ...provisioned });
    }
    mail.wake();
    return result;
  }

  function checkPeople(users: readonly ProvisionInput[]): void {
    const problems = createProblems();
    if (users.length > mostProvisioned) throw invalid('users', 'length', `At most ${mostProvisioned} people at once.`);
    for (const [index, { externalId, displayName, email }] of users.entries()) {
      const at = ['users', String(index)];
      if (!isExternalId(externalId)) problems.add([...at, 'externalId'], 'format', `An externalId is one line of 1 to ${longestExternalId} characters.`);
      else if (users.findIndex((other) => other.externalId === externalId) < index) problems.add([...at, 'externalId'], 'unique', 'Nobody can be named twice.');
      if (displayName != null) checkLine(problems, [...at, 'displayName'], displayName);
      if (email != null) checkEmail(problems, email, [...at, 'email']);
    }
    problems.check();
  }

  async function ensure(issuer: string, externalId: string, wish: Wish): Promise<{ user: UserRow; created: boolean }> {
    return trying(async (attempt) => {
      const known = await find(issuer, externalId);
      const wanted = await toFree(wish, attempt, known);
      return write(async (tx, append) => {
        if (!known) return { user: await make(tx, append, issuer, externalId, wanted), created: true };
        const user = await hold(tx, known);
        return user && { user: await followed(tx, append, user, wanted), created: false };
      });
    });
  }

  async function findMany(issuer: string, externalIds: readonly string[]): Promise<Map<string, UserRow>> {
    const rows = await db.sql.all<{ externalId: string; userId: UserId }>(
      `SELECT "externalId", "userId" FROM "Identity" WHERE "issuer" = ? AND ${oneOfList(db.engine, '"externalId"', 'text')}`,
      [issuer, externalIds],
    );
    const users = new Map((await accounts.findMany(rows.map(({ userId }) => userId))).map((user) => [user.id, user]));
    return new Map(rows.flatMap(({ externalId, userId }) => (users.get(userId)?.deletedAt === null ? [[externalId, users.get(userId) as UserRow]] : [])));
  }

  /**
   * Ends the sessions that the host's tokens have opened for somebody, and voids the tokens that were made until now. Returns how many sessions ended.
   * Fails with INVALID_TOKEN, NOT_FOUND (User), RATE_LIMITED or UNAVAILABLE.
   */
  async function endSessions(input: { token: string; externalId: string }, client: { ipAddress: string }): Promise<number> {
    await limits.take('REQUESTS', { address: client.ipAddress });
    const { issuer } = await tokens.parseHost(input.token);
    const known = isExternalId(input.externalId) ? await find(issuer, input.externalId) : null;
    if (!known) throw notFound('User');
    const ended = await sessions.ending(async (tx, append) => {
      if (!(await hold(tx, known))) throw notFound('User');
      return signOut(tx, append, known.userId, issuer, {}, clock());
    });
    return ended.length;
  }

  /**
   * The same as the issuer's logout token says: all sessions of somebody there, or those of one session of the issuer, and those of which nobody knows where they
   * belong. A token works once. Somebody who is not here has no session to end. Fails with INVALID_TOKEN or UNAVAILABLE.
   */
  async function logOut(token: string, client: { ipAddress: string }): Promise<void> {
    await limits.take('REQUESTS', { address: client.ipAddress });
    const { issuer, externalId, issuerSession, madeAt, id, endsAt } = await tokens.parseLogout(token);
    const digest = createHash('sha256')
      .update(JSON.stringify([issuer.issuer, id]))
      .digest('base64url');
    const known = externalId === null ? null : await find(issuer.issuer, externalId);
    const which = issuerSession === null ? {} : externalId === null ? { issuerSession } : { OR: [{ issuerSession }, { issuerSession: null }] };
    try {
      await sessions.ending(async (tx, append) => {
        await tx.spentToken.create({ data: { digest, endsAt } });
        if (externalId !== null && !known) return [];
        const opened = known
          ? []
          : await tx.session.findMany({ where: { issuer: issuer.issuer, issuerSession, endedAt: null }, select: { userId: true }, distinct: ['userId'], take: mostProvisioned });
        const held = await lockLiveAccounts(db.sqlIn(tx), known ? [known.userId] : opened.map(({ userId }) => userId));
        const ended: SessionId[] = [];
        for (const userId of held) for (const id of await signOut(tx, append, userId, issuer.issuer, which, madeAt)) ended.push(id);
        return ended;
      });
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      throw new AppError('INVALID_TOKEN', { tokenFailure: 'REUSED' }, 'This logout token was used before.');
    }
  }

  async function signOut(tx: Tx, append: Append, userId: UserId, issuer: string, which: object, at: Date): Promise<SessionId[]> {
    // Also those of the same second.
    const voidBefore = new Date((Math.floor(at.getTime() / secondMs) + 1) * secondMs);
    await tx.identity.updateMany({ where: { userId, issuer, OR: [{ voidBefore: null }, { voidBefore: { lt: voidBefore } }] }, data: { voidBefore } });
    return sessions.endThose(tx, append, userId, { issuer, ...which }, 'LOGGED_OUT');
  }

  /** Forgets used tokens that could not be shown again, a bounded piece at a time. Returns how many went. */
  async function sweep(): Promise<number> {
    for (let gone = 0; ; ) {
      const rows = await db.sqlTransaction((sql) =>
        sql.all('DELETE FROM "SpentToken" WHERE "digest" IN (SELECT "digest" FROM "SpentToken" WHERE "endsAt" < ? LIMIT ?) RETURNING "digest"', [clock(), sweptAtOnce]),
      );
      gone += rows.length;
      if (rows.length < sweptAtOnce) return gone;
    }
  }

  async function mustHold(tx: Tx, { userId }: Viewer): Promise<UserRow> {
    await mustLockAccount(db.sqlIn(tx), userId);
    return tx.user.findUniqueOrThrow({ where: { id: userId } });
  }
}
