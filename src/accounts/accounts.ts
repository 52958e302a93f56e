/** Accounts: finding people, making an account, changing a profile, contacts and the directory. */
import type { Config } from '../config.ts';
import { AppError, type CredentialFailure, createProblems, notFound, type Problems } from '../errors.ts';
import type { Append, Write } from '../events/write.ts';
import { noUser, type UserId } from '../ids.ts';
import type { Database, Tx } from '../storage/database.ts';
import { isUniqueViolation } from '../storage/failures.ts';
import { Prisma } from '../storage/generated/sqlite/client.ts';
import type { Page, PageRequest } from '../storage/page.ts';
import type { UserRow } from '../storage/rows.ts';
import { containsText, oneOfList, type Sql, toDate, toDateOrNull } from '../storage/sql.ts';
import type { Viewer } from '../viewer.ts';
import { checkEmail, checkLine, checkLines, checkUsername, foldName, hasForbiddenCharacters, isEmail, isUsername } from './names.ts';
import { voidResetCodes } from './password-reset.ts';
import { checkPassword, type Passwords } from './passwords.ts';
import type { RateLimits } from './rate-limits.ts';

export type Accounts = ReturnType<typeof createAccounts>;
export type UserRef = { id: UserId } | { username: string };
/** Runs in the transaction that makes an account. */
export type CreateHook = (tx: Tx, user: UserRow, append: Append) => Promise<void>;
/** In the transaction that gives an account another name, or deletes it: the one it had is free. */
export type NameHook = (tx: Tx, usernameKey: string) => Promise<unknown>;

type Optional = { email?: string | null; displayName?: string | null; firstName?: string | null; lastName?: string | null; phone?: string | null; address?: string | null };
export type NewAccountInput = Optional & { username: string; password: string; passwordConfirmation?: string | null };
/** Absent (or undefined) stays as it is, null clears. */
export type ProfileChanges = Optional & { username?: string | null; currentPassword?: string | null };
export type DirectoryFilter = { query?: string | null; online?: boolean | null; contactsOnly?: boolean | null };

type Profile = Pick<UserRow, 'username' | 'usernameKey' | 'displayName' | 'displayNameKey' | 'firstName' | 'lastName' | 'email' | 'emailKey' | 'phone' | 'address'>;

const columns = Object.keys(Prisma.UserScalarFieldEnum)
  .map((name) => `u."${name}"`)
  .join(', ');
const publicFields = ['username', 'displayName', 'firstName', 'lastName'] as const;
const privateFields = ['email', 'phone', 'address'] as const;
const mostRefs = 100;
const longestQuery = 200;

export function createAccounts({
  db,
  write,
  passwords,
  limits,
  config,
  clock,
  onlineIds,
  onCreate,
  onNameFreed,
}: {
  db: Database;
  write: Write;
  passwords: Passwords;
  limits: RateLimits;
  config: Pick<Config, 'REVEAL_ACCOUNTS'>;
  clock: () => Date;
  /** Who is online now, for the directory's filter. */
  onlineIds: () => Promise<ReadonlySet<UserId>>;
  onCreate: CreateHook;
  onNameFreed: NameHook;
}) {
  return {
    find,
    findByLogin,
    findMany,
    mustFind,
    mustFindAll,
    checkNew,
    create,
    mustKnowPassword,
    invalidCredentials,
    updateProfile,
    addContacts,
    removeContacts,
    contactsAmong,
    contacts,
    directory,
  };

  // ---------------------------------------------------------------- finding

  /** Somebody, or null. A deleted account is found by its id only, as a tombstone. */
  async function find(ref: UserRef): Promise<UserRow | null> {
    if ('id' in ref) return (await findMany([ref.id]))[0] ?? null;
    if (!isUsername(ref.username)) return null;
    return (await select('u."usernameKey" = ? AND u."deletedAt" IS NULL', [foldName(ref.username)]))[0] ?? null;
  }

  /** Who logs in with this username or e-mail, or null. */
  async function findByLogin(login: string): Promise<UserRow | null> {
    if (!login.includes('@')) return find({ username: login });
    if (!isEmail(login)) return null;
    return (await select('u."emailKey" = ? AND u."deletedAt" IS NULL', [foldName(login)]))[0] ?? null;
  }

  /** Those that exist, tombstones too, in no particular order. */
  async function findMany(ids: readonly UserId[]): Promise<UserRow[]> {
    return select(oneOfList(db.engine, 'u."id"'), [ids]);
  }

  /** Somebody who can be dealt with. Throws NOT_FOUND for nobody and for a deleted account. */
  async function mustFind(ref: UserRef): Promise<UserRow> {
    const user = await find(ref);
    if (!user || user.deletedAt) throw notFound('User');
    return user;
  }

  /** The same for many, each once, in the order named. Throws NOT_FOUND when one of them is missing. */
  async function mustFindAll(refs: readonly UserRef[]): Promise<UserRow[]> {
    const ids = refs.flatMap((ref) => ('id' in ref ? [ref.id] : []));
    const keys = refs.flatMap((ref) => ('username' in ref && isUsername(ref.username) ? [foldName(ref.username)] : []));
    // A statement with an empty list answers nothing, whatever else it asks: hence two.
    const rows = await Promise.all([findMany(ids), select(oneOfList(db.engine, 'u."usernameKey"', 'text'), [keys])]);
    const found = rows.flat().filter((user) => !user.deletedAt);
    const [byId, byKey] = [new Map(found.map((user) => [user.id, user])), new Map(found.map((user) => [user.usernameKey, user]))];
    const named = refs.map((ref) => ('id' in ref ? byId.get(ref.id) : byKey.get(foldName(ref.username))));
    if (named.includes(undefined)) throw notFound('User');
    return [...new Map((named as UserRow[]).map((user) => [user.id, user])).values()];
  }

  async function select(where: string, params: Parameters<Sql['all']>[1]): Promise<UserRow[]> {
    return (await db.sql.all<UserRow>(`SELECT ${columns} FROM "User" u WHERE ${where}`, params)).map(toUser);
  }

  // ---------------------------------------------------------------- making

  /** Adds to `problems` what is wrong with what somebody registers with. */
  function checkNew(problems: Problems, input: NewAccountInput): void {
    checkProfile(problems, input);
    checkPassword(problems, 'password', input.password, input.username, input.passwordConfirmation);
  }

  /**
   * Stores an account that was checked, and what `also` adds in the same transaction. Fails with ALREADY_TAKEN, its field `username` or `email`, or UNAVAILABLE.
   */
  async function create<T>(input: NewAccountInput, also: (tx: Tx, user: UserRow, append: Append) => Promise<T>): Promise<{ user: UserRow; also: T }> {
    const { username, displayName } = input;
    const profile = { ...emptyProfile, ...usernameOf(username), ...displayNameOf(displayName ?? username), ...toColumns(input) };
    // Spares the cost of hashing; the unique indexes decide.
    await checkFree(profile);
    const passwordHash = await passwords.hash(input.password);
    return tellingTaken(profile, noUser, () =>
      write(async (tx, append) => {
        const user = await tx.user.create({ data: { ...profile, passwordHash, createdAt: clock() } });
        // Whoever shows the directory learns of it.
        append({ type: 'user-updated', userId: user.id });
        await onCreate(tx, user, append);
        return { user, also: await also(tx, user, append) };
      }),
    );
  }

  /** Throws ALREADY_TAKEN when another account than `ownId` has the username or e-mail, the username first. */
  async function checkFree({ usernameKey = null, emailKey = null }: { usernameKey?: string | null; emailKey?: string | null }, ownId = noUser): Promise<void> {
    const others = await select('(u."usernameKey" = ? OR u."emailKey" = ?) AND u."id" <> ?', [usernameKey, emailKey, ownId]);
    if (others.some((other) => other.usernameKey === usernameKey)) throw alreadyTaken('username');
    if (others.length > 0) throw alreadyTaken('email');
  }

  /** Runs a change of these unique columns; when somebody else was first, says with which. */
  async function tellingTaken<T>(profile: Partial<Profile>, ownId: UserId, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (isUniqueViolation(error)) await checkFree(profile, ownId);
      throw error;
    }
  }

  // ---------------------------------------------------------------- passwords

  /** The account, when this is its password. Throws INVALID_CREDENTIALS, RATE_LIMITED after too many wrong ones, or UNAVAILABLE. */
  async function mustKnowPassword(userId: UserId, password: string): Promise<UserRow> {
    const user = await mustFind({ id: userId });
    await limits.take('LOGIN', userId);
    if (!(await passwords.verify(user.passwordHash, password))) throw invalidCredentials('WRONG_PASSWORD');
    await limits.giveBack('LOGIN', userId);
    return user;
  }

  /** The error of a failed login: tells which half was wrong only where the operator wants that. */
  function invalidCredentials(credentialFailure: CredentialFailure): AppError {
    if (!config.REVEAL_ACCOUNTS) return new AppError('INVALID_CREDENTIALS', { credentialFailure: 'UNSPECIFIED' });
    return new AppError('INVALID_CREDENTIALS', { credentialFailure }, credentialFailure === 'UNKNOWN_ACCOUNT' ? 'There is no such account.' : 'The password is wrong.');
  }

  // ---------------------------------------------------------------- profile

  /**
   * Changes the fields that are given. Another e-mail (or none) needs the current password: a stolen session alone must not capture the account.
   * Fails with VALIDATION_FAILED, ALREADY_TAKEN, INVALID_CREDENTIALS or RATE_LIMITED.
   */
  async function updateProfile(viewer: Viewer, changes: ProfileChanges): Promise<UserRow> {
    const problems = createProblems();
    if (changes.username === null) problems.add('username', 'required', 'An account has a username.');
    checkProfile(problems, changes);
    problems.check();
    const wanted = toColumns(changes);
    const before = await mustFind({ id: viewer.userId });
    const newEmail = wanted.email !== undefined && wanted.email !== before.email;
    if (newEmail) {
      if (changes.currentPassword == null) throw invalidCredentials('WRONG_PASSWORD');
      await mustKnowPassword(viewer.userId, changes.currentPassword);
    }
    return tellingTaken(wanted, viewer.userId, () =>
      write(async (tx, append) => {
        const now = await tx.user.findUniqueOrThrow({ where: { id: viewer.userId } });
        if (newEmail && now.passwordHash !== before.passwordHash) throw invalidCredentials('WRONG_PASSWORD');
        const data = { ...wanted, ...(changes.displayName === null ? displayNameOf(wanted.username ?? now.username) : {}) };
        const differs = (field: keyof Profile): boolean => data[field] !== undefined && data[field] !== now[field];
        const [publicChange, privateChange] = [publicFields.some(differs), privateFields.some(differs)];
        if (!publicChange && !privateChange) return now;
        if (publicChange) append({ type: 'user-updated', userId: now.id });
        if (differs('displayName')) append({ type: 'peer-updated', userId: now.id });
        if (privateChange) append({ type: 'account-changed', userId: now.id });
        const [updated] = await tx.user.updateManyAndReturn({ where: { id: now.id, deletedAt: null }, data });
        // Deleted since the request began.
        if (!updated) throw new AppError('TOKEN_INVALID');
        if (newEmail) await voidResetCodes(tx, now.id, clock());
        if (updated.usernameKey !== now.usernameKey) await onNameFreed(tx, now.usernameKey);
        return updated;
      }),
    );
  }

  // ---------------------------------------------------------------- contacts and directory

  /** Keeps people in the viewer's list. Answers with everybody named, also who was there already. Fails with NOT_FOUND (then nobody is added) or VALIDATION_FAILED. */
  async function addContacts(viewer: Viewer, refs: readonly UserRef[]): Promise<UserRow[]> {
    const problems = createProblems();
    if (refs.length > mostRefs) problems.add('users', 'length', `At most ${mostRefs} at once.`);
    problems.check();
    const people = await mustFindAll(refs);
    const add = (): Promise<void> =>
      write(async (tx, append) => {
        const known = await tx.contact.findMany({ where: { ownerId: viewer.userId, personId: { in: people.map((person) => person.id) } }, select: { personId: true } });
        const fresh = people.filter((person) => !known.some(({ personId }) => personId === person.id));
        if (fresh.length === 0) return;
        await tx.contact.createMany({ data: fresh.map((person) => ({ ownerId: viewer.userId, personId: person.id, addedAt: clock() })) });
        append({ type: 'account-changed', userId: viewer.userId });
      });
    await add().catch((error) => {
      // Another device added one of them in between: the second time it is known.
      if (!isUniqueViolation(error)) throw error;
      return add();
    });
    return people;
  }

  /** Takes people off the viewer's list. Who is not on it stays off it. Fails with BAD_REQUEST for more than a hundred. */
  async function removeContacts(viewer: Viewer, ids: readonly UserId[]): Promise<void> {
    if (ids.length > mostRefs) throw new AppError('BAD_REQUEST', undefined, `At most ${mostRefs} contacts at once.`);
    await write(async (tx, append) => {
      const { count } = await tx.contact.deleteMany({ where: { ownerId: viewer.userId, personId: { in: [...ids] } } });
      if (count > 0) append({ type: 'account-changed', userId: viewer.userId });
    });
  }

  /** Those of `ids` who are on the owner's list. */
  async function contactsAmong(ownerId: UserId, ids: readonly UserId[]): Promise<Set<UserId>> {
    const rows = await db.sql.all<{ personId: UserId }>(`SELECT "personId" FROM "Contact" WHERE "ownerId" = ? AND ${oneOfList(db.engine, '"personId"')}`, [ownerId, ids]);
    return new Set(rows.map((row) => row.personId));
  }

  /** The viewer's contacts by username. */
  async function contacts(viewer: Viewer, page: PageRequest): Promise<Page<UserRow>> {
    return directory(viewer, { contactsOnly: true }, page);
  }

  /**
   * Everybody registered, by username; `query` is a part of the username or display name in any case. Fails with BAD_REQUEST for a cursor that was
   * never given out. A page costs one statement, and one more for each end that the page itself does not tell about.
   */
  async function directory(viewer: Viewer, filter: DirectoryFilter, page: PageRequest): Promise<Page<UserRow>> {
    const where = ['u."deletedAt" IS NULL'];
    const params: (number | string | number[])[] = [];
    if (filter.query) {
      if (filter.query.length > longestQuery || hasForbiddenCharacters(filter.query)) return { edges: [], hasNextPage: false, hasPreviousPage: false, totalCount: async () => 0 };
      where.push(`(${containsText(db.engine, 'u."usernameKey"')} OR ${containsText(db.engine, 'u."displayNameKey"')})`);
      params.push(foldName(filter.query), foldName(filter.query));
    }
    if (filter.contactsOnly) {
      where.push('u."id" IN (SELECT "personId" FROM "Contact" WHERE "ownerId" = ?)');
      params.push(viewer.userId);
    }
    if (filter.online != null) {
      // Nobody has the id 0: an empty list would empty the answer of NOT, too.
      where.push(`${filter.online ? '' : 'NOT '}(${oneOfList(db.engine, 'u."id"')})`);
      params.push([0, ...(await onlineIds())]);
    }
    const [after, before] = [parseCursor(page.after), parseCursor(page.before)];
    const all = where.join(' AND ');
    const within = [all, ...(after === null ? [] : ['u."usernameKey" > ?']), ...(before === null ? [] : ['u."usernameKey" < ?'])].join(' AND ');
    const bounds = [after, before].filter((bound) => bound !== null);
    const rows = await select(`${within} ORDER BY u."usernameKey" ${page.backward ? 'DESC' : 'ASC'} LIMIT ?`, [...params, ...bounds, page.size + 1]);
    const cutOff = rows.length > page.size;
    const edges = rows.slice(0, page.size).map((node) => ({ cursor: toCursor(node.usernameKey), node }));
    if (page.backward) edges.reverse();
    const beyond = async (side: '<' | '<=' | '>' | '>=', key: string): Promise<boolean> =>
      (await db.sql.all(`SELECT 1 FROM "User" u WHERE ${all} AND u."usernameKey" ${side} ? LIMIT 1`, [...params, key])).length > 0;
    const [first, last] = [edges[0]?.node.usernameKey, edges.at(-1)?.node.usernameKey];
    return {
      edges,
      hasPreviousPage: (page.backward && cutOff) || (after !== null && (first === undefined ? await beyond('<=', after) : await beyond('<', first))),
      hasNextPage: (!page.backward && cutOff) || (before !== null && (last === undefined ? await beyond('>=', before) : await beyond('>', last))),
      totalCount: async () => Number((await db.sql.all<{ count: number }>(`SELECT COUNT(*) AS "count" FROM "User" u WHERE ${all}`, params))[0]?.count ?? 0),
    };
  }
}

const toUser = (row: UserRow): UserRow => ({ ...row, createdAt: toDate(row.createdAt), lastSeenAt: toDateOrNull(row.lastSeenAt), deletedAt: toDateOrNull(row.deletedAt) });

const emptyProfile = { firstName: null, lastName: null, email: null, emailKey: null, phone: null, address: null };
const usernameOf = (username: string) => ({ username, usernameKey: foldName(username) });
const displayNameOf = (displayName: string) => ({ displayName, displayNameKey: foldName(displayName) });

const optionalFields = ['firstName', 'lastName', 'phone', 'address'] as const;

function checkProfile(problems: Problems, given: ProfileChanges): void {
  if (given.username != null) checkUsername(problems, given.username);
  if (given.displayName != null) checkLine(problems, 'displayName', given.displayName);
  if (given.email != null) checkEmail(problems, given.email);
  if (given.firstName) checkLine(problems, 'firstName', given.firstName);
  if (given.lastName) checkLine(problems, 'lastName', given.lastName);
  if (given.phone) checkLine(problems, 'phone', given.phone, 40);
  if (given.address) checkLines(problems, 'address', given.address, 500);
}

/** The columns of the fields that are given, but for a null name. An empty text in a field that may be missing is a missing one, as forms send it. */
function toColumns(given: ProfileChanges): Partial<Profile> {
  const columns: Partial<Profile> = {
    ...(given.username == null ? {} : usernameOf(given.username)),
    ...(given.displayName == null ? {} : displayNameOf(given.displayName)),
    ...(given.email === undefined ? {} : { email: given.email, emailKey: given.email === null ? null : foldName(given.email) }),
  };
  for (const field of optionalFields) if (given[field] !== undefined) columns[field] = given[field] || null;
  return columns;
}

const alreadyTaken = (field: 'username' | 'email'): AppError =>
  new AppError('ALREADY_TAKEN', { field }, field === 'username' ? 'This username is already taken.' : 'This e-mail address belongs to another account.');

const toCursor = (usernameKey: string): string => Buffer.from(usernameKey).toString('base64url');

function parseCursor(cursor: string | null): string | null {
  if (cursor === null) return null;
  const key = /^[A-Za-z0-9_-]{4,43}$/.test(cursor) ? Buffer.from(cursor, 'base64url').toString('latin1') : '';
  if (!isUsername(key) || toCursor(key) !== cursor) throw new AppError('BAD_REQUEST', undefined, 'This is not a cursor of this list.');
  return key;
}
