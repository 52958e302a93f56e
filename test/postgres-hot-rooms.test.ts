/** A room that is written to all the time: its row is not written with every message, and nobody can tell. */
import pg from 'pg';
import { expect, it } from 'vitest';
import { at } from './kit/nodes.ts';
import type { Person, Untyped } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const numberOf = (id: string): number => Number(/\d+$/.exec(Buffer.from(id, 'base64').toString())?.[0]);

/** The database beside the servers, and the row of a chat as it stands there. */
async function openRows(server: TestServer) {
  const client = new pg.Client(server.app.config.DATABASE_URL);
  await client.connect();
  return {
    query: (text: string) => client.query(text),
    lastSeqOf: async (id: string): Promise<number> => (await client.query('SELECT "lastSeq" FROM "Chat" WHERE "id" = $1', [numberOf(id)])).rows[0].lastSeq,
    [Symbol.asyncDispose]: () => client.end(),
  };
}

const state = `query ($id: ID!) {
  room(ref: { id: $id }) { topic lastSeq lastActivityAt lastMessage { text createdAt } my { unreadCount readSeq } messages(last: 2) { pageInfo { hasNextPage } nodes { seq text } } }
  chats(first: 5) { nodes { id lastSeq } } unread: chats(filter: { unreadOnly: true }) { totalCount }
  inbox(last: 1) { nodes { seq chat { id } } } notifications(first: 1) { unreadCount } me { account { totalUnread } } }`;

it('a hot room has its row written a few times a second, and what is read of it is right on every server', async () => {
  await using first = await startTestServer();
  await using second = await startTestServer({ DATABASE_URL: first.app.config.DATABASE_URL });
  await using rows = await openRows(first);
  const [ada, ben, cid] = (await first.people(3)) as [Person, Person, Person];
  const room = await ada.createRoom({ members: [{ id: ben.id }] });
  const quiet = await ada.createRoom({ members: [{ id: ben.id }] });
  const stood = new Set<number>();
  const startedAt = performance.now();
  const sent: Untyped[] = [];
  const say = async (node: TestServer, chat: { id: string }, text: string): Promise<Untyped> => {
    const { data } = await at(node, ada).request(
      'mutation ($i: SendMessageInput!) { sendMessage(input: $i) { ... on SendMessagePayload { message { seq chat { lastSeq lastMessage { text } } } } } }',
      { i: { to: { chatId: chat.id }, text } },
    );
    return data.sendMessage.message;
  };
  // Until the row is behind, so that what follows is read of such a one.
  let count = 0;
  for (let row = 0; count < 40 || row === count; stood.add(row)) {
    count++;
    sent.push(await say(count % 2 ? first : second, room, `round ${count}`));
    row = await rows.lastSeqOf(room.id);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  expect(sent).toEqual(sent.map((_, index) => ({ seq: index + 1, chat: { lastSeq: index + 1, lastMessage: { text: `round ${index + 1}` } } })));
  expect(stood.size).toBeLessThan(4 + 3 * seconds);
  const seen = async (who: Person): Promise<Untyped[]> =>
    Promise.all(
      [first, second].map(async (node) => {
        const answer = await at(node, who).request(state, { id: room.id });
        expect(answer.errors).toBeUndefined();
        return answer.data;
      }),
    );
  const whole = {
    room: {
      lastSeq: count,
      lastMessage: { text: `round ${count}` },
      my: { unreadCount: count, readSeq: 0 },
      messages: { pageInfo: { hasNextPage: false }, nodes: [{ seq: count - 1 }, { seq: count }] },
    },
    chats: { nodes: [{ id: room.id, lastSeq: count }, { id: quiet.id }] },
    unread: { totalCount: 1 },
    inbox: { nodes: [{ seq: count, chat: { id: room.id } }] },
    notifications: { unreadCount: count },
    me: { account: { totalUnread: count } },
  };
  for (const data of await seen(ben)) {
    expect(data).toMatchObject(whole);
    expect(data.room.lastActivityAt).toBe(data.room.lastMessage.createdAt);
  }
  // What is written into the row meanwhile takes nothing back.
  const topic = 'mutation ($i: UpdateRoomInput!) { updateRoom(input: $i) { ... on UpdateRoomPayload { room { topic lastSeq lastMessage { text } } } } }';
  expect((await ada.must(topic, { i: { roomId: room.id, topic: 'hot' } })).updateRoom.room).toEqual({ topic: 'hot', lastSeq: count, lastMessage: { text: `round ${count}` } });
  // Whoever comes now has nothing unread.
  await ada.must('mutation ($i: AddMembersInput!) { addMembers(input: $i) { __typename } }', { i: { roomId: room.id, users: [{ id: cid.id }] } });
  for (const data of await seen(cid)) expect(data.room.my).toEqual({ unreadCount: 0, readSeq: count });
  await ben.must('mutation ($i: MarkReadInput!) { markRead(input: $i) { __typename } }', { i: { chatId: room.id, upToSeq: count } });
  await say(second, quiet, 'later');
  for (const data of await seen(ben)) {
    expect(data).toMatchObject({
      room: { topic: 'hot', my: { unreadCount: 0 } },
      chats: { nodes: [{ id: quiet.id }, { id: room.id, lastSeq: count }] },
      notifications: { unreadCount: 1 },
    });
  }
  expect(await say(first, room, 'again')).toMatchObject({ seq: count + 1 });
  for (const data of await seen(cid)) expect(data.room.my).toEqual({ unreadCount: 1, readSeq: count });
});

it('while there is a server that takes each row as it stands, every message is in it', async () => {
  await using server = await startTestServer({ NODE_POLL_MS: '500' });
  await using rows = await openRows(server);
  // As a server of an earlier version looks, and a database that it had before.
  const old = new pg.Client({ connectionString: server.app.config.DATABASE_URL, application_name: 'tertulia 0ld5e7e7' });
  await old.connect();
  await rows.query('UPDATE "EventHead" SET "mayLag" = false');
  await server.restart();
  const ada = await server.person();
  const room = await ada.createRoom();
  const say = async (count: number): Promise<number[]> => {
    const stood: number[] = [];
    for (let round = 0; round < count; round++) {
      await ada.send(room, 'a word');
      stood.push(await rows.lastSeqOf(room.id));
    }
    return stood;
  };
  expect(await say(20)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  expect(await server.app.db.isOlderAbout()).toBe(true);
  await old.end();
  await expect.poll(() => server.app.db.isOlderAbout()).toBe(false);
  if (!process.env.LONG) return;
  await expect.poll(async () => (await rows.query('SELECT "mayLag" FROM "EventHead"')).rows, { timeout: 40_000, interval: 500 }).toEqual([{ mayLag: true }]);
  expect((await say(20)).at(-1)).toBeLessThan(40);
});
