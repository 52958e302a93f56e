/** Accounts: finding people, making an account, changing a profile. */
import type { Config } from '../config.ts';
import { AppError, type CredentialFailure, createProblems, notFound, type Problems } from '../errors.ts';
import type { Append, Write } from '../events/write.ts';
import { noUser, type SessionId, type UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import { isUniqueViolation } from '../storage/failures.ts';
import { toUserRow, type UserRow } from '../storage/rows.ts';
import { type Engine, oneOfList, type Sql } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import type { Mail } from './mail.ts';
import { checkEmail, checkLine, checkLines, checkUsername, foldName, hasForbiddenInLine, isEmail, isUsername, withNewlines, withoutInvisible } from './names.ts';
import { voidResetCodes } from './password-reset.ts';
import { checkPassword, type Passwords } from './passwords.ts';
import type { RateLimits } from './rate-limits.ts';

export type Accounts = ReturnType<typeof createAccounts>;
/** `externalId` is a person's id at the issuer whose token opened the session. */
export type UserRef = { id: UserId } | { username: string } | { externalId: string; sessionId: SessionId };
/** Runs in the transaction that makes an account. */
export type CreateHook = (tx: Tx, user: UserRow, append: Append) => Promise<void>;
/** In the transaction that gives an account another name, or deletes it: the one it had is free. */
export type NameHook = (tx: Tx, usernameKey: string) => Promise<unknown>;

type Optional = { email?: string | null; displayName?: string | null; firstName?: string | null; lastName?: string | null; phone?: string | null; address?: string | null };
export type NewAccountInput = Optional & { username: string; password: string; passwordConfirmation?: string | null };
/** Undefined leaves a field as it is, null clears it. */
export type ProfileChanges = Optional & { username?: string | null; currentPassword?: string | null };

type Profile = Pick<UserRow, 'username' | 'usernameKey' | 'displayName' | 'displayNameKey' | 'firstName' | 'lastName' | 'email' | 'emailKey' | 'phone' | 'address'>;

const columns: Record<keyof UserRow, true> = {
  id: true,
  username: true,
  usernameKey: true,
  displayName: true,
  displayNameKey: true,
  firstName: true,
  lastName: true,
  email: true,
  emailKey: true,
  phone: true,
  address: true,
  passwordHash: true,
  createdAt: true,
  lastSeenAt: true,
  avatarId: true,
  deletedAt: true,
};
/** All columns of a `"User" u`, for prepared statements: with `*`, those of a server that is still of an earlier version would fail when a newer one adds a column. */
export const userColumns = Object.keys(columns)
  .map((name) => `u."${name}"`)
  .join(', ');
const publicFields = ['username', 'displayName', 'firstName', 'lastName'] as const;
const privateFields = ['email', 'phone', 'address'] as const;

export function createAccounts({
  db,
  write,
  passwords,
  limits,
  mail,
  config,
  clock,
  onCreate,
  onNameFreed,
}: {
  db: Database;
  write: Write;
  passwords: Passwords;
  limits: RateLimits;
  mail: Pick<Mail, 'post' | 'wake'>;
  config: Pick<Config, 'REVEAL_ACCOUNTS' | 'PASSWORD_LOGIN'>;
  clock: () => Date;
  onCreate: CreateHook;
  onNameFreed: NameHook;
}) {
  return {
    find,
    findByLogin,
    findMany,
    get,
    getAll,
    checkNew,
    create,
    add,
    follow,
    hasPassword,
    mustKnowPassword,
    invalidCredentials,
    updateProfile,
  };

  // ---------------------------------------------------------------- finding

  /** Somebody, or null. A deleted account is found by its id only, as a tombstone. */
  async function find(ref: UserRef): Promise<UserRow | null> {
    if ('id' in ref) return (await findMany([ref.id]))[0] ?? null;
    if ('externalId' in ref)
      return hasForbiddenInLine(ref.externalId) ? null : ((await select(`${named(db.engine)} AND u."deletedAt" IS NULL`, [ref.sessionId, [ref.externalId]]))[0] ?? null);
    if (!isUsername(ref.username)) return null;
    return (await select('u."usernameKey" = ? AND u."deletedAt" IS NULL', [foldName(ref.username)]))[0] ?? null;
  }

  /** Who logs in with this username or e-mail, or null. */
  async function findByLogin(login: string): Promise<UserRow | null> {
    if (!login.includes('@')) return find({ username: login });
    if (!isEmail(login)) return null;
    return (await select('u."emailKey" = ? AND u."deletedAt" IS NULL', [foldName(login)]))[0] ?? null;
  }

  /** The accounts that exist, tombstones included, in no particular order. */
  async function findMany(ids: readonly UserId[]): Promise<UserRow[]> {
    return select(oneOfList(db.engine, 'u."id"'), [ids]);
  }

  /** An account that is not deleted. Throws NOT_FOUND when there is none. */
  async function get(ref: UserRef): Promise<UserRow> {
    const user = await find(ref);
    if (!user || user.deletedAt) throw notFound('User');
    return user;
  }

  /** The same for many: each once, in the order they were named. Throws NOT_FOUND when one of them is missing. */
  async function getAll(refs: readonly UserRef[]): Promise<UserRow[]> {
    const ids = refs.flatMap((ref) => ('id' in ref ? [ref.id] : []));
    const keys = refs.flatMap((ref) => ('username' in ref && isUsername(ref.username) ? [foldName(ref.username)] : []));
    const external = await idsByExternalId(db.sql, refs);
    // A statement for each kind, because one with an empty list as a parameter is not run at all.
    const rows = await Promise.all([findMany([...ids, ...external.values()]), select(oneOfList(db.engine, 'u."usernameKey"', 'text'), [keys])]);
    const found = rows.flat().filter((user) => !user.deletedAt);
    const [byId, byKey] = [new Map(found.map((user) => [user.id, user])), new Map(found.map((user) => [user.usernameKey, user]))];
    const people = refs.map((ref) => ('id' in ref ? byId.get(ref.id) : 'username' in ref ? byKey.get(foldName(ref.username)) : byId.get(external.get(ref.externalId) ?? noUser)));
    if (people.includes(undefined)) throw notFound('User');
    return [...new Map((people as UserRow[]).map((user) => [user.id, user])).values()];
  }

  async function select(where: string, params: Parameters<Sql['all']>[1]): Promise<UserRow[]> {
    return (await db.sql.all<UserRow>(`SELECT ${userColumns} FROM "User" u WHERE ${where}`, params)).map(toUserRow);
  }

  // ---------------------------------------------------------------- making

  /** Adds to `problems` whatever is wrong with a registration. */
  function checkNew(problems: Problems, input: NewAccountInput): void {
    checkProfile(problems, input);
    checkPassword(problems, 'password', input.password, input.username, input.passwordConfirmation);
  }

  /** Stores a checked account, and whatever `also` adds in the same transaction. Fails with ALREADY_TAKEN (field `username` or `email`) or UNAVAILABLE. */
  async function create<T>(input: NewAccountInput, address: string, also: (tx: Tx, user: UserRow, append: Append) => Promise<T>): Promise<{ user: UserRow; also: T }> {
    const { username, displayName } = input;
    const profile = { ...emptyProfile, ...usernameOf(username), ...displayNameOf(displayName ?? username), ...toColumns(input) };
    // Saves the cost of hashing. The unique indexes decide.
    await checkFree(profile);
    const passwordHash = await passwords.hash(input.password, { address });
    return tellingTaken(profile, noUser, () =>
      write(async (tx, append) => {
        const user = await tx.user.create({ data: { ...profile, passwordHash, createdAt: clock() } });
        // For clients that show the directory.
        append({ type: 'user-updated', userId: user.id });
        await onCreate(tx, user, append);
        return { user, also: await also(tx, user, append) };
      }),
    );
  }

  /** Makes an account without a password in the caller's transaction: somebody else says who its owner is. A name or e-mail that is taken is a unique violation. */
  async function add(tx: Tx, append: Append, { username, displayName, email }: { username: string; displayName: string | null; email: string | null }): Promise<UserRow> {
    const profile = { ...emptyProfile, ...usernameOf(username), ...displayNameOf(displayName ?? username), ...toColumns({ email }) };
    const user = await tx.user.create({ data: { ...profile, passwordHash: '', createdAt: clock() } });
    append({ type: 'user-updated', userId: user.id });
    await onCreate(tx, user, append);
    return user;
  }

  /** Throws ALREADY_TAKEN when an account other than `ownId` has the username or the e-mail. When both are taken, it names the username. */
  async function checkFree({ usernameKey = null, emailKey = null }: { usernameKey?: string | null; emailKey?: string | null }, ownId = noUser): Promise<void> {
    const others = await select('(u."usernameKey" = ? OR u."emailKey" = ?) AND u."id" <> ?', [usernameKey, emailKey, ownId]);
    if (others.some((other) => other.usernameKey === usernameKey)) throw alreadyTaken('username');
    if (others.length > 0) throw alreadyTaken('email');
  }

  /** Runs a change of unique columns. When somebody else was faster, says which column is taken. */
  async function tellingTaken<T>(profile: Partial<Profile>, ownId: UserId, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (isUniqueViolation(error)) await checkFree(profile, ownId);
      throw error;
    }
  }

  // ---------------------------------------------------------------- passwords

  /** Whether somebody can come in by a password. */
  function hasPassword(user: Pick<UserRow, 'passwordHash'>): boolean {
    return config.PASSWORD_LOGIN && user.passwordHash !== '';
  }

  /**
   * The viewer's account, if this is its password. Wrong ones count for the viewer's session alone, so that nobody else's guesses can lock its owner out.
   * Whoever has none shows who they are by having signed in within the last five minutes: a token or cookie that is stolen later is not enough.
   * Throws INVALID_CREDENTIALS, RATE_LIMITED after too many wrong ones, or UNAVAILABLE.
   */
  async function mustKnowPassword({ userId, sessionId, address }: Viewer, password: string | null): Promise<UserRow> {
    const user = await get({ id: userId });
    if (!hasPassword(user)) {
      const since = new Date(clock().getTime() - freshMs);
      if ((await db.sql.all('SELECT 1 FROM "Session" WHERE "id" = ? AND "identifiedAt" > ?', [sessionId, since])).length > 0) return user;
      throw new AppError('INVALID_CREDENTIALS', { credentialFailure: 'UNSPECIFIED' }, 'This account has no password: sign in again, and do it within five minutes.');
    }
    if (password === null) throw invalidCredentials('WRONG_PASSWORD');
    const guess = limits.guess(['LOGIN', { session: sessionId }]);
    const right = await passwords.verify(user.passwordHash, password, { account: userId, address, alone: `session ${sessionId}` }, guess);
    if (!right) throw invalidCredentials('WRONG_PASSWORD');
    return user;
  }

  /** The error of a failed login. It tells which half was wrong only if the operator wants that. */
  function invalidCredentials(credentialFailure: CredentialFailure): AppError {
    if (!config.REVEAL_ACCOUNTS) return new AppError('INVALID_CREDENTIALS', { credentialFailure: 'UNSPECIFIED' });
    return new AppError('INVALID_CREDENTIALS', { credentialFailure }, credentialFailure === 'UNKNOWN_ACCOUNT' ? 'There is no such account.' : 'The password is wrong.');
  }

  // ---------------------------------------------------------------- profile

  /**
   * Changes the fields that are given. Another e-mail (or none) needs the current password: a stolen session alone must not capture the account.
   * The address until then is told by mail.
   * Fails with VALIDATION_FAILED, ALREADY_TAKEN, INVALID_CREDENTIALS or RATE_LIMITED.
   */
  async function updateProfile(viewer: Viewer, changes: ProfileChanges): Promise<UserRow> {
    const problems = createProblems();
    if (changes.username === null) problems.add('username', 'required', 'An account has a username.');
    checkProfile(problems, changes);
    problems.check();
    const wanted = toColumns(changes);
    const before = await get({ id: viewer.userId });
    if (publicFields.some((field) => wanted[field] !== undefined && wanted[field] !== before[field])) await limits.take('PROFILE', viewer.userId);
    const newEmail = wanted.email !== undefined && wanted.email !== before.email;
    if (newEmail) {
      await mustKnowPassword(viewer, changes.currentPassword ?? null);
      // It is told whether an address is taken, and somebody is sent a mail.
      await limits.take('RESET', viewer.userId);
    }
    const updated = await tellingTaken(wanted, viewer.userId, () =>
      write(async (tx, append) => {
        const now = await tx.user.findUniqueOrThrow({ where: { id: viewer.userId } });
        if (newEmail && now.passwordHash !== before.passwordHash) throw invalidCredentials('WRONG_PASSWORD');
        return change(tx, append, now, { ...wanted, ...(changes.displayName === null ? displayNameOf(wanted.username ?? now.username) : {}) });
      }),
    );
    if (newEmail) mail.wake();
    return updated;
  }

  /** Changes what is given by somebody who says who the account's owner is, in the caller's transaction. An e-mail that is taken is a unique violation. */
  function follow(tx: Tx, append: Append, now: UserRow, given: { displayName?: string; email?: string }): Promise<UserRow> {
    return change(tx, append, now, toColumns(given));
  }

  async function change(tx: Tx, append: Append, now: UserRow, data: Partial<Profile>): Promise<UserRow> {
    const differs = (field: keyof Profile): boolean => data[field] !== undefined && data[field] !== now[field];
    const [publicChange, privateChange] = [publicFields.some(differs), privateFields.some(differs)];
    if (!publicChange && !privateChange) return now;
    if (publicChange) append({ type: 'user-updated', userId: now.id });
    if (differs('displayName')) append({ type: 'peer-updated', userId: now.id });
    if (privateChange) append({ type: 'account-changed', userId: now.id });
    const [updated] = await tx.user.updateManyAndReturn({ where: { id: now.id, deletedAt: null }, data });
    // The account was deleted since the request began.
    if (!updated) throw new AppError('TOKEN_INVALID');
    if (differs('email')) {
      await voidResetCodes(tx, now.id, clock());
      if (now.email !== null) await mail.post(tx, 'email-changed', now.id, now.email);
    }
    if (updated.usernameKey !== now.usernameKey) await onNameFreed(tx, now.usernameKey);
    return updated;
  }
}

/** For so long whoever has no password has just signed in. */
const freshMs = 5 * 60_000;

/** Who has one of a list of ids at the issuer whose token opened a session: both are parameters. */
export const named = (engine: Engine): string =>
  `u."id" IN (SELECT i."userId" FROM "Identity" i WHERE i."issuer" = (SELECT s."issuer" FROM "Session" s WHERE s."id" = ?) AND ${oneOfList(engine, 'i."externalId"', 'text')})`;

/** The accounts behind external ids, which are all of one session. */
export async function idsByExternalId(sql: Sql, refs: readonly (UserRef | null)[]): Promise<Map<string, UserId>> {
  const asked = refs.flatMap((ref) => (ref && 'externalId' in ref && !hasForbiddenInLine(ref.externalId) ? [ref] : []));
  const rows = await sql.all<{ externalId: string; userId: UserId }>(
    `SELECT "externalId", "userId" FROM "Identity" WHERE "issuer" = (SELECT "issuer" FROM "Session" WHERE "id" = ?) AND ${oneOfList(sql.engine, '"externalId"', 'text')}`,
    [asked[0]?.sessionId ?? 0, asked.map(({ externalId }) => externalId)],
  );
  return new Map(rows.map(({ externalId, userId }) => [externalId, userId]));
}

const emptyProfile = { firstName: null, lastName: null, email: null, emailKey: null, phone: null, address: null };
const usernameOf = (username: string) => ({ username, usernameKey: foldName(username) });
const displayNameOf = (given: string) => {
  const displayName = withoutInvisible(given);
  return { displayName, displayNameKey: foldName(displayName) };
};

const optionalFields = ['firstName', 'lastName', 'phone', 'address'] as const;

function checkProfile(problems: Problems, given: ProfileChanges): void {
  if (given.username != null) checkUsername(problems, given.username);
  if (given.displayName != null) checkLine(problems, 'displayName', given.displayName);
  if (given.email != null) checkEmail(problems, given.email);
  if (given.firstName) checkLine(problems, 'firstName', given.firstName);
  if (given.lastName) checkLine(problems, 'lastName', given.lastName);
  if (given.phone) checkLine(problems, 'phone', given.phone, 40);
  if (given.address) checkLines(problems, 'address', withNewlines(given.address), 500);
}

/** The columns for the fields that are given, except a name that is null. In an optional field, an empty text counts as null, since that is what forms send. */
function toColumns(given: ProfileChanges): Partial<Profile> {
  const columns: Partial<Profile> = {
    ...(given.username == null ? {} : usernameOf(given.username)),
    ...(given.displayName == null ? {} : displayNameOf(given.displayName)),
    ...(given.email === undefined ? {} : { email: given.email, emailKey: given.email === null ? null : foldName(given.email) }),
  };
  for (const field of optionalFields) if (given[field] !== undefined) columns[field] = withoutInvisible(withNewlines(given[field] ?? '')) || null;
  return columns;
}

const alreadyTaken = (field: 'username' | 'email'): AppError =>
  new AppError('ALREADY_TAKEN', { field }, field === 'username' ? 'This username is already taken.' : 'This e-mail address belongs to another account.');
