/** Rooms of a size at which nothing can be done at once: opened to everyone, listed, searched, and deleted, in pieces that leave nobody out. */
import { expect, it, vi } from 'vitest';
import { openCrowd } from './kit/crowd.ts';
import { change, read } from './kit/outcome.ts';
import type { Person, Untyped } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** More than two of the pieces in which members come and go; LONG: as many as a large organisation has. */
const crowdSize = process.env.LONG ? 150_000 : 1_300;
const timeout = process.env.LONG ? 300_000 : 30_000;

const chatEvents =
  'subscription { events(filter: { kinds: [CHATS] }) { __typename ... on ChatAdded { chat { id } } ... on ChatRemoved { chatId reason } ... on ChatUpdated { chat { memberCount } } } }';
const memberCountOf = async (person: Person, id: string): Promise<number> => (await read(person, 'query ($id: ID!) { chat(id: $id) { memberCount } }', { id })).memberCount;

/** People with streams, and so many others without. */
async function crowdIn(server: TestServer) {
  const [owner, early] = (await server.people(2)) as [Person, Person];
  const crowd = await openCrowd(server.dataDir);
  await crowd.addAccounts(crowdSize);
  // Of the last piece.
  const late = await server.person();
  return { owner, early, late, crowd, everybody: crowdSize + 3 };
}

it('a room for everyone takes in every account, however many there are, and tells each once', { timeout }, async () => {
  await using server = await startTestServer();
  const { owner, early, late, crowd, everybody } = await crowdIn(server);
  await using _ = crowd;
  const streams = await Promise.all([owner, early, late].map((person) => person.follow(chatEvents)));
  const made = await owner.createRoom({ name: 'made', everyone: true });
  const opened = await owner.createRoom({ name: 'opened' });
  await change(owner, 'updateRoom', { roomId: opened.id, everyone: true });
  for (const { id } of [made, opened]) {
    await vi.waitUntil(async () => (await memberCountOf(early, id)) === everybody, { timeout });
    const [row] = await crowd.run(`SELECT COUNT(*) AS "count", COUNT(DISTINCT "userId") AS "people" FROM "Member" WHERE "chatId" = ${crowd.numberIn(id)}`);
    expect([Number(row?.count), Number(row?.people)]).toEqual([everybody, everybody]);
  }
  for (const stream of streams) {
    for (const { id } of [made, opened]) await vi.waitUntil(() => stream.items.some((item) => item.__typename === 'ChatAdded' && item.chat.id === id), { timeout });
    // Whoever came first hears how many there are in the end.
    await vi.waitUntil(() => stream.items.some((item) => item.__typename === 'ChatUpdated' && item.chat.memberCount === everybody), { timeout });
    expect(stream.items.filter(({ __typename }) => __typename === 'ChatAdded').map(({ chat }) => chat.id)).toHaveLength(2);
  }
});

it('a room that was half open when the server died is opened to the end, and one that is no room for everyone any more is not', { timeout }, async () => {
  await using server = await startTestServer();
  const { owner, early, crowd, everybody } = await crowdIn(server);
  await using _ = crowd;
  const [half, changed] = [await owner.createRoom({ everyone: true }), await owner.createRoom({ everyone: true })];
  for (const { id } of [half, changed]) await vi.waitUntil(async () => (await memberCountOf(early, id)) === everybody, { timeout });
  // As a crash behind the first piece leaves it.
  for (const id of [half.id, changed.id].map(crowd.numberIn)) {
    await crowd.run(`DELETE FROM "Member" WHERE "chatId" = ${id} AND "userId" > 500`);
    await crowd.run(`UPDATE "Chat" SET "memberCount" = 500 WHERE "id" = ${id}`);
    await crowd.run(`INSERT INTO "Opening" ("chatId", "afterId") VALUES (${id}, 500)`);
  }
  await change(owner, 'updateRoom', { roomId: changed.id, everyone: false });
  await server.restart();
  await vi.waitUntil(async () => (await memberCountOf(early, half.id)) === everybody, { timeout });
  expect(await memberCountOf(early, changed.id)).toBe(500);
});

it('a large room that is deleted tells every member, also those whom a crash left untold', { timeout }, async () => {
  await using server = await startTestServer();
  const { owner, early, late, crowd, everybody } = await crowdIn(server);
  await using _ = crowd;
  const [room, interrupted] = [await owner.createRoom({ name: 'large' }), await owner.createRoom({ name: 'interrupted' })];
  for (const { id } of [room, interrupted]) await crowd.addMembers(id, everybody);
  const removed = { __typename: 'ChatRemoved', reason: 'ROOM_DELETED' };
  const cursor = (await late.must('{ eventCursor }')).eventCursor;
  const streams = await Promise.all([owner, early, late].map((person) => person.follow(chatEvents)));
  await change(owner, 'deleteRoom', { roomId: room.id });
  for (const stream of streams) expect(await stream.next('ChatRemoved')).toEqual({ ...removed, chatId: room.id });
  // As a crash behind the first transaction leaves it.
  await server.stop();
  await crowd.run(`UPDATE "Chat" SET "deletedAt" = "createdAt", "memberCount" = 0 WHERE "id" = ${crowd.numberIn(interrupted.id)}`);
  await server.restart();
  const resumed = await late.follow(
    'subscription ($after: EventCursor!) { events(after: $after, filter: { kinds: [CHATS] }) { __typename ... on ChatRemoved { chatId reason } } }',
    { after: cursor },
  );
  await resumed.next((item: Untyped) => item.__typename === 'ChatRemoved' && item.chatId === interrupted.id);
  await vi.waitUntil(async () => (await crowd.run('SELECT 1 FROM "Member"')).length === 0, { timeout });
  await vi.waitUntil(async () => (await crowd.run('SELECT 1 FROM "Chat"')).length === 0, { timeout });
});

it('members of a large room are listed, filtered and counted exactly', { timeout }, async () => {
  await using server = await startTestServer();
  const { owner, early, late, crowd, everybody } = await crowdIn(server);
  await using _ = crowd;
  const { id } = await owner.createRoom({ members: [{ id: early.id }, { id: late.id }] });
  await crowd.addMembers(id, everybody);
  await change(owner, 'setMemberRole', { roomId: id, userId: late.id, role: 'ADMIN' });
  await early.follow(chatEvents);
  const list = async (args: string, person = owner) =>
    (await read(person, `query ($id: ID!) { chat(id: $id) { members(${args}) { totalCount pageInfo { hasNextPage hasPreviousPage } nodes { user { id } } } } }`, { id })).members;
  const ids = ({ nodes }: Untyped) => nodes.map(({ user }: Untyped) => user.id);
  expect(await list('first: 3')).toMatchObject({ totalCount: everybody, pageInfo: { hasNextPage: true, hasPreviousPage: false } });
  expect(ids(await list('first: 10, role: OWNER'))).toEqual([owner.id]);
  const admins = await list('first: 10, role: ADMIN');
  expect([ids(admins), admins.totalCount, admins.pageInfo.hasNextPage]).toEqual([[late.id], 1, false]);
  expect(await list('last: 2, role: MEMBER')).toMatchObject({ totalCount: everybody - 2, pageInfo: { hasNextPage: false, hasPreviousPage: true } });
  const online = await list('first: 10, online: true');
  expect([ids(online), online.totalCount]).toEqual([[early.id], 1]);
  expect((await list('first: 1, online: false')).totalCount).toBe(everybody - 1);
  expect((await list('first: 1, online: false, role: MEMBER')).totalCount).toBe(everybody - 3);
  expect((await list('first: 1, online: true, role: ADMIN')).totalCount).toBe(0);
  // Of a page of messages, whoever was there before counts with what they have read, but not for their own.
  await crowd.addMessages(id, late.id, 10);
  const chat = crowd.numberIn(id);
  await crowd.run(`UPDATE "Member" SET "deliveredSeq" = 10, "readSeq" = 5 WHERE "chatId" = ${chat}`);
  await crowd.run(`UPDATE "Member" SET "joinedSeq" = 4, "deliveredSeq" = 10, "readSeq" = 10 WHERE "chatId" = ${chat} AND "userId" = ${crowd.numberIn(early.id)}`);
  const { messages } = await read(owner, 'query ($id: ID!) { chat(id: $id) { messages { nodes { seq deliveredCount readCount } } } }', { id });
  const others = everybody - 1;
  expect(messages.nodes).toEqual(
    Array.from({ length: 10 }, (_, index) => ({
      seq: index + 1,
      deliveredCount: index < 4 ? others - 1 : others,
      readCount: index < 4 ? others - 1 : index < 5 ? others : 1,
    })),
  );
  // First pages of many chats together are the same as those of one.
  const { nodes } = await read(owner, '{ chats { nodes { id members(first: 5, role: MEMBER) { totalCount nodes { user { id } } } } } }');
  expect(nodes.find((chat: Untyped) => chat.id === id).members).toEqual({ totalCount: everybody - 2, nodes: (await list('first: 5, role: MEMBER')).nodes });
});

it('a search finds what is in any piece of a long list, in exact pages', { timeout }, async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  await using crowd = await openCrowd(server.dataDir);
  await crowd.addAccounts(4_500);
  // Found at the beginning, in the middle and at the end of the names.
  const wanted = ['person1000', 'person3000', 'person999'];
  for (const name of wanted) await crowd.run(`UPDATE "User" SET "displayNameKey" = 'somebody wanted' WHERE "usernameKey" = '${name}'`);
  const page = (args: string) =>
    read(
      ada,
      `{ chats(${args}, filter: { includeAllUsers: true, nameContains: "Wanted" }) { totalCount pageInfo { hasNextPage hasPreviousPage endCursor } nodes { ... on Dialog { peer { username } } } } }`,
    );
  const names = ({ nodes }: Untyped) => nodes.map(({ peer }: Untyped) => peer.username);
  const all = await page('first: 10');
  expect([names(all), all.totalCount, all.pageInfo.hasNextPage]).toEqual([wanted, 3, false]);
  expect(names(await page('last: 2'))).toEqual(wanted.slice(1));
  const first = await page('first: 1');
  expect([names(first), first.pageInfo.hasNextPage]).toEqual([wanted.slice(0, 1), true]);
  expect(names(await page(`first: 10, after: "${first.pageInfo.endCursor}"`))).toEqual(wanted.slice(1));
  await crowd.run(
    `INSERT INTO "Chat" ("kind", "name", "nameKey", "visibility", "postPolicy", "createdAt", "lastActivityAt") SELECT 'ROOM', "username", "usernameKey", 'PUBLIC', 'MEMBERS', "createdAt", "createdAt" FROM "User" WHERE "usernameKey" LIKE 'person%'`,
  );
  const rooms = (args: string, filter: string) => read(ada, `{ rooms(${args}, filter: { ${filter} }) { totalCount pageInfo { hasNextPage } nodes { name } } }`);
  expect(await rooms('first: 10', 'nameContains: "n4321"')).toEqual({ totalCount: 1, pageInfo: { hasNextPage: false }, nodes: [{ name: 'person4321' }] });
  expect((await rooms('last: 1', 'joined: false')).nodes).toEqual([{ name: 'person999' }]);
  expect(await rooms('first: 10', 'joined: true')).toEqual({ totalCount: 0, pageInfo: { hasNextPage: false }, nodes: [] });
});
