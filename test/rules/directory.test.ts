/** The directory of many people: what a search finds does not show in how many pieces it was looked for, and asking for many at once is refused. */
import { expect, it } from 'vitest';
import { read } from '../kit/outcome.ts';
import type { Untyped } from '../kit/person.ts';
import { startTestServer } from '../kit/server.ts';

const people = `query ($filter: UserFilterInput, $first: Int, $last: Int, $after: String, $before: String) {
  registeredUsers(filter: $filter, first: $first, last: $last, after: $after, before: $before) {
    edges { cursor node { username } } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`;

it('pages through a search in both directions, however few of many people it finds', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const seeker = await server.person('seeker');
  // Several pieces, of which some hold nothing that fits.
  const all = Array.from({ length: 5_200 }, (_, index) => `p${String(index).padStart(4, '0')}`);
  const fits = (name: string): boolean => /^p(0000|0001|1999|2000|2001|47\d\d|5199)$/.test(name);
  await server.app.db.sqlTransaction(async (sql) => {
    for (const name of all)
      await sql.all('INSERT INTO "User" ("username", "usernameKey", "displayName", "displayNameKey", "passwordHash", "createdAt") VALUES (?, ?, ?, ?, \'\', ?)', [
        name,
        name,
        name,
        fits(name) ? 'needle in it' : 'hay',
        new Date(),
      ]);
  });
  const expected = all.filter(fits);
  const pages = async (size: { first: number } | { last: number }, filter: Untyped): Promise<string[]> => {
    const names: string[] = [];
    for (let cursor: Untyped = {}; ; ) {
      const page: Untyped = await read(seeker, people, { ...size, ...cursor, filter });
      const part = page.edges.map((edge: Untyped) => edge.node.username);
      if ('first' in size) names.push(...part);
      else names.unshift(...part);
      const { hasNextPage, hasPreviousPage, startCursor, endCursor } = page.pageInfo;
      expect('first' in size ? hasPreviousPage : hasNextPage).toBe(names.length > part.length);
      if (!('first' in size ? hasNextPage : hasPreviousPage)) return names;
      cursor = 'first' in size ? { after: endCursor } : { before: startCursor };
    }
  };
  for (const size of [{ first: 40 }, { last: 40 }, { first: 100 }, { last: 1 + 2 * 3 }]) expect(await pages(size, { query: 'NEEDLE' })).toEqual(expected);
  expect((await read(seeker, people, { filter: { query: 'needle' }, first: 1 })).totalCount).toBe(expected.length);
  expect((await read(seeker, people, { first: 1 })).totalCount).toBe(all.length + 1);
  expect((await read(seeker, people, { first: 1, filter: { online: false } })).totalCount).toBe(all.length + 1);
  expect(await read(seeker, people, { filter: { query: 'no such' }, first: 5 })).toMatchObject({
    edges: [],
    totalCount: 0,
    pageInfo: { hasNextPage: false, hasPreviousPage: false },
  });
  // Between two cursors with nothing in between, the ends are told exactly.
  const { edges } = await read(seeker, people, { filter: { query: 'needle' }, first: 3 });
  const between = await read(seeker, people, { filter: { query: 'needle' }, first: 3, after: edges[0].cursor, before: edges[1].cursor });
  expect([between.edges, between.pageInfo.hasPreviousPage, between.pageInfo.hasNextPage]).toEqual([[], true, true]);
});

it('tells exactly what lies before a page with nothing in it', async () => {
  await using server = await startTestServer();
  const seeker = await server.person('bbb');
  await server.person('zzz');
  const cursor = async (name: string): Promise<string> => (await read(seeker, people, { filter: { query: name } })).edges[0].cursor;
  const [after, before] = [await cursor('bbb'), await cursor('zzz')];
  const page = async (filter: Untyped): Promise<boolean[]> => {
    const { edges, pageInfo } = await read(seeker, people, { first: 5, after, before, filter });
    expect(edges).toEqual([]);
    return [pageInfo.hasPreviousPage, pageInfo.hasNextPage];
  };
  expect(await page({})).toEqual([true, true]);
  expect(await page({ query: 'zzz' })).toEqual([false, true]);
  expect(await page({ query: 'bbb' })).toEqual([true, false]);
});

it('weighs a search by what it reads: many of them in one request are refused', async () => {
  await using server = await startTestServer();
  const seeker = await server.person();
  const many = (count: number, filter: string): string => `{ ${Array.from({ length: count }, (_, i) => `a${i}: registeredUsers(first: 1${filter}) { nodes { id } }`).join(' ')} }`;
  const code = async (document: string, variables: Untyped = {}): Promise<string> => (await seeker.request(document, variables)).errors?.[0]?.extensions.code ?? 'ok';
  expect(await code(many(55, ', filter: { query: "x" }'))).toBe('QUERY_TOO_COSTLY');
  expect(await code(many(55, ', filter: $filter').replace('{', 'query ($filter: UserFilterInput) {'), { filter: { query: 'x' } })).toBe('QUERY_TOO_COSTLY');
  expect(await code(many(10, ', filter: { query: "x" }'))).toBe('ok');
  expect(await code(many(55, ', filter: { contactsOnly: true }'))).toBe('ok');
  expect(await code(many(55, ''))).toBe('ok');
});
