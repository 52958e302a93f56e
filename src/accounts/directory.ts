/** The directory of registered people, and the contacts that each of them keeps. */
import { AppError, createProblems } from '../errors.ts';
import type { Write } from '../events/write.ts';
import type { UserId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { isUniqueViolation } from '../storage/failures.ts';
import { keysetPage, type Page, type PageRequest, type ReadBetween } from '../storage/page.ts';
import { toUserRow, type UserRow } from '../storage/rows.ts';
import { containsText, oneOfList, type Param } from '../storage/sql.ts';
import { yieldWhenLong } from '../turns.ts';
import type { Viewer } from '../viewer.ts';
import { type Accounts, named, type UserRef, userColumns } from './accounts.ts';
import { foldName, hasForbiddenCharacters, hasForbiddenInLine, isUsername } from './names.ts';

export type Directory = ReturnType<typeof createDirectory>;
export type DirectoryFilter = { query?: string | null; online?: boolean | null; contactsOnly?: boolean | null; externalIds?: readonly string[] | null };

type UserKey = [usernameKey: string];
const isUserKey = (key: unknown): key is UserKey => Array.isArray(key) && key.length === 1 && typeof key[0] === 'string' && isUsername(key[0]);

/** A key that is left out, or with which a piece begins. */
type Bound = UserKey | { from: string } | null;
type Bounds = [after: Bound, before: Bound];
/** A condition with its parameters. Texts are fixed; what people send is only ever a parameter. */
type Piece = [text: string, ...params: Param[]];

/** Rows that are looked through in one statement: on SQLite everybody waits for it. */
const rowsAtOnce = 2_000;
const rowsAtOnceElsewhere = 50_000;
const mostRefs = 100;
const longestQuery = 200;

export function createDirectory({
  db,
  write,
  accounts,
  clock,
  onlineIds,
}: {
  db: Database;
  write: Write;
  accounts: Pick<Accounts, 'getAll'>;
  clock: () => Date;
  /** Who is online now, for the filter. */
  onlineIds: () => Promise<ReadonlySet<UserId>>;
}) {
  return { list, contacts, contactsAmong, addContacts, removeContacts };

  /**
   * Registered people by username. `query` is any part of the username or display name, in any case. Fails with BAD_REQUEST for a cursor that is not of
   * this list. A page takes one statement, and another for each end where the page itself does not show whether there is more. Where all accounts must be looked
   * through, it takes them in pieces, and others get their turns in between.
   */
  async function list(viewer: Viewer, filter: DirectoryFilter, page: PageRequest): Promise<Page<UserRow>> {
    const where: Piece[] = [['u."deletedAt" IS NULL']];
    if (filter.query) {
      if (filter.query.length > longestQuery || hasForbiddenCharacters(filter.query)) where.push(['1 = 0']);
      else {
        const query = foldName(filter.query);
        where.push([`(${containsText(db.engine, 'u."usernameKey"')} OR ${containsText(db.engine, 'u."displayNameKey"')})`, query, query]);
      }
    }
    if (filter.contactsOnly) where.push(['u."id" IN (SELECT "personId" FROM "Contact" WHERE "ownerId" = ?)', viewer.userId]);
    const { externalIds } = filter;
    if (externalIds && externalIds.length > mostRefs) throw new AppError('BAD_REQUEST', undefined, `At most ${mostRefs} external ids at once.`);
    if (externalIds) {
      const possible = externalIds.filter((id) => !hasForbiddenInLine(id));
      where.push(possible.length === 0 ? ['1 = 0'] : [named(db.engine), viewer.sessionId, possible]);
    }
    if (filter.online != null) {
      // Nobody has the id 0. Without it, the statement would not be run for an empty list.
      where.push([`${filter.online ? '' : 'NOT '}(${oneOfList(db.engine, 'u."id"')})`, [0, ...(await onlineIds())]]);
    }
    const looksThroughAll = !filter.contactsOnly && !filter.online && !externalIds;
    const read: ReadBetween<UserRow, UserKey> = async ({ after, before, backward, limit }) => {
      const rows: UserRow[] = [];
      const order = backward ? 'DESC' : 'ASC';
      const pieces = filter.query && looksThroughAll ? inPieces([after, before], order) : [within([after, before])];
      for await (const bounds of pieces) {
        const [text, ...params] = joined(`SELECT ${userColumns} FROM "User" u`, [...where, ...bounds]);
        for (const row of await db.scan.all<UserRow>(`${text} ORDER BY u."usernameKey" ${order} LIMIT ?`, [...params, limit - rows.length])) rows.push(toUserRow(row));
        if (rows.length === limit) break;
      }
      return rows;
    };
    const count = async (): Promise<number> => {
      let sum = 0;
      for await (const bounds of looksThroughAll ? inPieces([null, null], 'ASC') : [[]]) {
        const [text, ...params] = joined('SELECT COUNT(*) AS "count" FROM "User" u', [...where, ...bounds]);
        sum += Number((await db.scan.all<{ count: number }>(text, params))[0]?.count ?? 0);
      }
      return sum;
    };
    return keysetPage<UserRow, UserKey>(page, { isKey: isUserKey, keyOf: (user) => [user.usernameKey], read, count });
  }

  /** Conditions that divide what lies between two keys into bounded pieces, in this order. Between them others get their turns. */
  async function* inPieces([after, before]: Bounds, order: 'ASC' | 'DESC'): AsyncGenerator<Piece[]> {
    const size = db.engine === 'sqlite' ? rowsAtOnce : rowsAtOnceElsewhere;
    for (let rest: Bounds = [after, before]; ; ) {
      await yieldWhenLong();
      const [text, ...params] = joined('SELECT u."usernameKey" FROM "User" u', [['1 = 1'], ...within(rest)]);
      const [last] = await db.scan.all<{ usernameKey: string }>(`${text} ORDER BY u."usernameKey" ${order} LIMIT 1 OFFSET ?`, [...params, size]);
      if (!last) return yield within(rest);
      // The next piece begins with this key.
      const side: Piece = [`u."usernameKey" ${order === 'ASC' ? '<' : '>'} ?`, last.usernameKey];
      yield [...within(rest), side];
      rest = order === 'ASC' ? [{ from: last.usernameKey }, rest[1]] : [rest[0], { from: last.usernameKey }];
    }
  }

  // ---------------------------------------------------------------- contacts

  /** The viewer's contacts by username. */
  async function contacts(viewer: Viewer, page: PageRequest): Promise<Page<UserRow>> {
    return list(viewer, { contactsOnly: true }, page);
  }

  /** Adds people to the viewer's contacts, and returns all of them, also those who were contacts before. Fails with VALIDATION_FAILED, or NOT_FOUND, and then adds nobody. */
  async function addContacts(viewer: Viewer, refs: readonly UserRef[]): Promise<UserRow[]> {
    const problems = createProblems();
    if (refs.length > mostRefs) problems.add('users', 'length', `At most ${mostRefs} at once.`);
    problems.check();
    const people = await accounts.getAll(refs);
    const add = (): Promise<void> =>
      write(async (tx, append) => {
        const known = await tx.contact.findMany({ where: { ownerId: viewer.userId, personId: { in: people.map((person) => person.id) } }, select: { personId: true } });
        const fresh = people.filter((person) => !known.some(({ personId }) => personId === person.id));
        if (fresh.length === 0) return;
        await tx.contact.createMany({ data: fresh.map((person) => ({ ownerId: viewer.userId, personId: person.id, addedAt: clock() })) });
        append({ type: 'account-changed', userId: viewer.userId });
      });
    await add().catch((error) => {
      // Another device added one of them in the meantime. The second try sees that.
      if (!isUniqueViolation(error)) throw error;
      return add();
    });
    return people;
  }

  /** Removes people from the viewer's contacts, ignoring those who are none. Fails with BAD_REQUEST for more than a hundred. */
  async function removeContacts(viewer: Viewer, ids: readonly UserId[]): Promise<void> {
    if (ids.length > mostRefs) throw new AppError('BAD_REQUEST', undefined, `At most ${mostRefs} contacts at once.`);
    await write(async (tx, append) => {
      const { count } = await tx.contact.deleteMany({ where: { ownerId: viewer.userId, personId: { in: [...ids] } } });
      if (count > 0) append({ type: 'account-changed', userId: viewer.userId });
    });
  }

  /** Which of `ids` are contacts of the owner. */
  async function contactsAmong(ownerId: UserId, ids: readonly UserId[]): Promise<Set<UserId>> {
    const rows = await db.sql.all<{ personId: UserId }>(`SELECT "personId" FROM "Contact" WHERE "ownerId" = ? AND ${oneOfList(db.engine, '"personId"')}`, [ownerId, ids]);
    return new Set(rows.map((row) => row.personId));
  }
}

function within([after, before]: Bounds): Piece[] {
  const side = (bound: Bound, sign: '<' | '>'): Piece[] =>
    bound === null ? [] : 'from' in bound ? [[`u."usernameKey" ${sign}= ?`, bound.from]] : [[`u."usernameKey" ${sign} ?`, bound[0]]];
  return [...side(after, '>'), ...side(before, '<')];
}

const joined = (select: string, where: readonly Piece[]): Piece => [`${select} WHERE ${where.map(([text]) => text).join(' AND ')}`, ...where.flatMap(([, ...params]) => params)];
