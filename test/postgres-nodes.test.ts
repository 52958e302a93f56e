/** Several nodes on one database: what the log promises holds across them. Most tests wake them by hand, every few milliseconds: nothing depends on what wakes them by itself, and nobody waits for it. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { chatsNow } from '../src/storage/chats-now.ts';
import { createDatabase } from './kit/engine.ts';
import { at, followOn } from './kit/nodes.ts';
import { createPerson, type Item, type Person, type Untyped } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const rounds = process.env.LONG ? 20 : 1;
const newMessages = `subscription ($after: EventCursor, $chatId: ID) { newMessages(after: $after, chatId: $chatId) { __typename
  ... on MessageAdded { cursor replayed message { seq text chat { id } } } ... on CaughtUp { replayedCount } } }`;

/** Two nodes on one database. The second is closed first, as its database goes with the first. */
async function startNodes({ options = '' }: { options?: string } = {}) {
  const database = options && `${await createDatabase()}?options=${encodeURIComponent(options)}`;
  const first = await startTestServer(database ? { DATABASE_URL: database } : {});
  const second = await startTestServer({ DATABASE_URL: first.app.config.DATABASE_URL });
  const nodes: [TestServer, TestServer] = [first, second];
  const waking = setInterval(() => {
    for (const node of nodes) node.app.tail.look();
  }, 5);
  return {
    nodes,
    async [Symbol.asyncDispose](): Promise<void> {
      clearInterval(waking);
      await second[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
    },
  };
}

const lastSeen = async (node: TestServer, asker: Person, person: Person): Promise<Untyped> =>
  (await at(node, asker).request('query ($id: ID!) { user(ref: { id: $id }) { presence { state online lastSeenAt } } }', { id: person.id })).data.user.presence;

const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T;

const sendDocument = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename
  ... on SendMessagePayload { duplicate message { id seq text createdAt } } ... on UserError { code } } }`;

describe('two nodes on one database', () => {
  it('hear of each other without being told, and end each other’s sessions within a second or so', async () => {
    await using first = await startTestServer({ NODE_POLL_MS: '500' });
    await using second = await startTestServer({ NODE_POLL_MS: '500', DATABASE_URL: first.app.config.DATABASE_URL });
    const [ada, bob] = [await first.person(), await second.person()];
    const stream = await followOn(second, bob, newMessages, {});
    await ada.send({ username: bob.username }, 'from the other node');
    await stream.next((item: Item) => item.__typename === 'MessageAdded');
    await at(first, bob).request('mutation { logout { __typename } }');
    await stream.socket.whenClosed(2_000);
    expect(stream.closed?.code).toBe(4401);
  });

  it('refuse a token at once that was logged out on the other', async () => {
    await using first = await startTestServer({ NODE_POLL_MS: '500' });
    await using second = await startTestServer({ NODE_POLL_MS: '500', DATABASE_URL: first.app.config.DATABASE_URL });
    for (let round = 0; round < 5; round++) {
      const ada = await first.person();
      expect((await at(second, ada).request('{ me { id } eventCursor }')).data.me.id).toBe(ada.id);
      await at(first, ada).request('mutation { logout { __typename } }');
      expect((await at(second, ada).request('{ eventCursor }')).errors[0].extensions.code).toBe('TOKEN_INVALID');
    }
  });

  it('hand nothing of a room to who was removed from it on the other', async () => {
    await using started = await startNodes();
    const [first, second] = started.nodes;
    const [owner, member] = [await first.person(), await second.person()];
    for (let round = 0; round < 3 * rounds; round++) {
      const room = await owner.createRoom({ members: [{ id: member.id }] });
      const items = 'subscription { events { __typename ... on MessageAdded { message { text chat { id } } } ... on ChatRemoved { chatId } } }';
      const [all, one] = [await followOn(second, member, items, {}), await followOn(second, member, newMessages, { chatId: room.id })];
      await owner.send(room, 'before');
      for (const stream of [all, one]) await stream.next((item: Item) => item.message?.text === 'before');
      await owner.must('mutation ($room: ID!, $user: ID!) { removeMember(input: { roomId: $room, userId: $user }) { __typename } }', { room: room.id, user: member.id });
      await owner.send(room, 'behind their back');
      await all.next((item: Item) => item.__typename === 'ChatRemoved' && item.chatId === room.id);
      await one.ended();
      // Whatever of the room came late would be here by now.
      await owner.send({ username: member.username }, `round ${round}`);
      await all.next((item: Item) => item.message?.text === `round ${round}`);
      expect([...all.items, ...one.items].map((item) => item.message?.text)).not.toContain('behind their back');
      await all.socket.close();
    }
  });

  it('call nobody offline who was lately seen while there is one that does not say whom it has', async () => {
    await using first = await startTestServer({ NODE_POLL_MS: '500', PRESENCE_GRACE_SECONDS: '0' });
    const [ada, bob, never] = (await first.people(3)) as [Person, Person, Person];
    const stream = await followOn(first, ada, newMessages, {});
    await expect.poll(() => lastSeen(first, bob, ada)).toMatchObject({ state: 'ONLINE' });
    await expect.poll(async () => (await first.app.db.sql.all('SELECT 1 FROM "User" WHERE "lastSeenAt" IS NOT NULL', [])).length, { timeout: 5_000 }).toBe(1);
    // As a server of an earlier version looks.
    const old = new pg.Client({ connectionString: first.app.config.DATABASE_URL, application_name: 'tertulia 0ld5e7e7' });
    await old.connect();
    await stream.socket.close();
    await expect.poll(() => lastSeen(first, bob, ada), { timeout: 15_000, interval: 500 }).toEqual({ state: 'UNKNOWN', online: null, lastSeenAt: expect.any(String) });
    expect(await lastSeen(first, bob, never)).toEqual({ state: 'OFFLINE', online: false, lastSeenAt: null });
    await old.end();
    await expect.poll(() => lastSeen(first, bob, ada), { timeout: 10_000, interval: 500 }).toMatchObject({ state: 'OFFLINE', online: false });
  });

  it('begin all streams anew when events were forgotten that they had not seen', async () => {
    await using first = await startTestServer({ NODE_POLL_MS: '50' });
    // Away from the database, as far as it can tell.
    await using second = await startTestServer({ NODE_POLL_MS: '0', DATABASE_URL: first.app.config.DATABASE_URL });
    const [ada, bob] = [await first.person(), await second.person()];
    await ada.send({ username: bob.username }, 'seen');
    second.app.tail.look();
    const stream = await followOn(second, bob, newMessages, {});
    await ada.send({ username: bob.username }, 'seen, too');
    second.app.tail.look();
    const { cursor } = (await stream.next((item: Item) => item.__typename === 'MessageAdded')) as Item;
    await ada.send({ username: bob.username }, 'missed');
    await first.app.db.sqlTransaction(async (sql) => {
      await sql.all('UPDATE "EventHead" SET "pruned" = "newestNumber"()', []);
      await sql.all('DELETE FROM "Event"', []);
    });
    await ada.send({ username: bob.username }, 'after it');
    second.app.tail.look();
    await stream.socket.whenClosed();
    expect(stream.closed?.code).toBe(1012);
    expect(stream.items.at(-1)).toMatchObject({ __typename: 'SessionEnded' });
    const again = await followOn(second, bob, newMessages, { after: cursor });
    await again.next((item: Item) => item.__typename === 'StreamGap');
    await ada.send({ username: bob.username }, 'live again');
    second.app.tail.look();
    expect(await again.next((item: Item) => item.__typename === 'MessageAdded')).toMatchObject({ message: { text: 'live again' } });
  });

  it('keep seq without a hole, and show no reader a later message before an earlier one, under 50 writers', async () => {
    await using opened = await startNodes();
    const [first, second] = opened.nodes;
    const owner = await first.person();
    const others = await Promise.all([...Array(3)].map((_, index) => (index % 2 ? first : second).person()));
    const chats = await Promise.all([0, 1, 2].map(() => owner.createRoom({ members: others.map(({ username }) => ({ username })) })));
    const readers = [];
    for (const node of opened.nodes) {
      for (let i = 0; i < 3; i++) readers.push(await followOn(node, owner, newMessages, {}));
      readers.push(await followOn(node, owner, newMessages, { chatId: chats[0]?.id }));
    }
    const sent: (typeof chats)[number][] = [];
    await Promise.all(
      Array.from({ length: 50 }, async (_, writer) => {
        const [node, person] = [opened.nodes[writer % 2] as TestServer, [owner, ...others][writer % 4] as Person];
        for (let i = 0; i < 6 * rounds; i++) {
          const chat = chats[(writer + i) % 3] as (typeof chats)[number];
          const answer = await at(node, person).request(sendDocument, { input: { to: { chatId: chat.id }, text: `${writer}.${i}`, clientMessageId: randomUUID() } });
          expect(answer.data?.sendMessage?.__typename, JSON.stringify(answer)).toBe('SendMessagePayload');
          sent.push(chat);
        }
      }),
    );
    for (const [index, reader] of readers.entries()) {
      const mine = index % 4 === 3 ? chats.slice(0, 1) : chats;
      const expected = sent.filter((chat) => mine.includes(chat)).length;
      await expect.poll(() => reader.items.length, { timeout: 10_000 }).toBe(expected);
      for (const chat of mine) {
        const seqs = reader.items.filter((item) => item.message.chat.id === chat?.id).map((item) => item.message.seq);
        expect(seqs).toEqual(seqs.map((_, at) => at + 1));
      }
    }
    const counts = await owner.must(`{ ${chats.map(({ id }, index) => `c${index}: chat(id: "${id}") { lastSeq }`).join(' ')} }`);
    expect(Object.values(counts).reduce((sum: number, chat) => sum + (chat as Untyped).lastSeq, 0)).toBe(sent.length);
    // What the log holds has no hole either, and is in the order in which it was committed.
    const numbers = await first.app.db.sql.all<{ low: number; high: number; count: number }>(
      'SELECT min("number") AS "low", max("number") AS "high", count(*) AS "count" FROM "Event"',
      [],
    );
    expect(numbers[0]?.high).toBe((numbers[0]?.low ?? 0) + (numbers[0]?.count ?? 0) - 1);
  });

  it('lose and double nothing for who moves from node to node', async () => {
    await using opened = await startNodes();
    const [first] = opened.nodes;
    const [owner, writer] = (await first.people(2)) as [Person, Person];
    const room = await owner.createRoom({ members: [{ username: writer.username }] });
    const { eventCursor } = await owner.must('{ eventCursor }');
    const total = 120 * rounds;
    let writing = true;
    const sending = (async () => {
      for (let i = 0; i < total; i += 4)
        await Promise.all([0, 1, 2, 3].map((k) => at(opened.nodes[k % 2] as TestServer, writer).request(sendDocument, { input: { to: { chatId: room.id }, text: `${i + k}` } })));
      writing = false;
    })();
    let cursor: string = eventCursor;
    const seqs: number[] = [];
    for (let turn = 0; writing || seqs.length < total; turn++) {
      const node = opened.nodes[turn % 2] as TestServer;
      const reader = await followOn(node, owner, newMessages, { after: cursor });
      await reader.until('CaughtUp');
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 60));
      const items = [...reader.items];
      reader.socket.cut();
      expect(items.filter((item) => item.__typename === 'CaughtUp')).toHaveLength(1);
      for (const item of items.filter((one: Item) => one.__typename === 'MessageAdded')) {
        seqs.push(item.message.seq);
        cursor = item.cursor;
      }
      if (turn > 2_000) throw new Error('the reader never caught up');
    }
    await sending;
    expect(seqs).toEqual(Array.from({ length: total }, (_, index) => index + 1));
  });

  it('store a message once that is sent to both at the same time', async () => {
    await using opened = await startNodes();
    const [first] = opened.nodes;
    const [owner, peer] = (await first.people(2)) as [Person, Person];
    const room = await owner.createRoom();
    for (let round = 0; round < 5 * rounds; round++) {
      // To a dialog that both open at once in the first round.
      const to = round % 2 ? { chatId: room.id } : { username: peer.username };
      const input = { to, text: 'once', clientMessageId: randomUUID() };
      const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => at(opened.nodes[index % 2] as TestServer, owner).request(sendDocument, { input })));
      const sent = answers.map((answer) => answer.data?.sendMessage);
      expect(new Set(sent.map((one) => JSON.stringify(one?.message))).size, JSON.stringify(answers)).toBe(1);
      expect(sent.filter((one) => one.duplicate === false)).toHaveLength(1);
      const other = await at(opened.nodes[1], owner).request(sendDocument, { input: { ...input, text: 'twice' } });
      expect(other.data.sendMessage.code).toBe('CONFLICT');
    }
    const { dialog, chat } = await owner.must('query ($room: ID!, $peer: String!) { chat(id: $room) { lastSeq } dialog(with: { username: $peer }) { lastSeq memberCount } }', {
      room: room.id,
      peer: peer.username,
    });
    expect([dialog.lastSeq, dialog.memberCount, chat.lastSeq]).toEqual([Math.ceil((5 * rounds) / 2), 2, Math.floor((5 * rounds) / 2)]);
  });

  it('find on each what was sent, edited and deleted on the other, and have it in the index once', async () => {
    await using opened = await startNodes();
    const [first, second] = opened.nodes;
    const owner = await first.person();
    const room = await owner.createRoom();
    const there = at(second, owner);
    const sent = await Promise.all(
      Array.from({ length: 120 }, async (_, index) => {
        const input = { to: { chatId: room.id }, text: `heron ${index}` };
        const answer = await at(opened.nodes[index % 2] as TestServer, owner).request(sendDocument, { input });
        return answer.data.sendMessage.message.id as string;
      }),
    );
    // While both make them searchable.
    await Promise.all(sent.slice(0, 20).map((id) => there.request('mutation ($id: ID!) { editMessage(input: { messageId: $id, text: "egret" }) { __typename } }', { id })));
    await Promise.all(sent.slice(20, 40).map((id) => there.request('mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { __typename } }', { id })));
    for (const node of opened.nodes) node.app.tail.look();
    await expect.poll(async () => (await first.app.db.sql.all('SELECT 1 FROM "MessageIndex"', [])).length, { timeout: 10_000 }).toBe(100);
    for (const node of opened.nodes) {
      const { data } = await at(node, owner).request(
        '{ a: searchMessages(query: "heron", first: 100) { nodes { id } } b: searchMessages(query: "egr", first: 100) { nodes { id } } }',
      );
      expect([data.a.nodes.length, data.b.nodes.length]).toEqual([80, 20]);
    }
  });

  it('fill a room to its capacity and not above, and count its members right', async () => {
    await using opened = await startNodes();
    const [first] = opened.nodes;
    const owner = await first.person();
    const people = await first.people(12);
    const room = await owner.createRoom({ capacity: 7 });
    const join = 'mutation ($id: ID!) { joinChat(input: { room: { id: $id } }) { __typename ... on UserError { code } } }';
    const answers = await Promise.all(people.map((person, index) => at(opened.nodes[index % 2] as TestServer, person).request(join, { id: room.id })));
    const names = answers.map((answer) => answer.data?.joinChat?.__typename ?? JSON.stringify(answer));
    expect(names.filter((name) => name === 'JoinChatPayload')).toHaveLength(6);
    expect(names.filter((name) => name === 'RoomFullError')).toHaveLength(6);
    const { chat } = await owner.must('query ($id: ID!) { chat(id: $id) { memberCount members(first: 50, role: MEMBER) { totalCount } } }', { id: room.id });
    expect(chat).toEqual({ memberCount: 7, members: { totalCount: 6 } });
  });

  it('never leave a room without an owner when all its owners go at once', async () => {
    await using opened = await startNodes();
    const [first] = opened.nodes;
    const [owner, second, third, member] = (await first.people(4)) as [Person, Person, Person, Person];
    for (let round = 0; round < 3 * rounds; round++) {
      const room = await owner.createRoom({ members: [second, third, member].map(({ username }) => ({ username })) });
      for (const { id } of [second, third])
        await owner.must('mutation ($room: ID!, $user: ID!) { setMemberRole(input: { roomId: $room, userId: $user, role: OWNER }) { __typename } }', { room: room.id, user: id });
      const leave = 'mutation ($id: ID!) { leaveChat(input: { chatId: $id }) { __typename ... on ConflictError { conflictReason } } }';
      const answers = await Promise.all([owner, second, third].map((person, index) => at(opened.nodes[index % 2] as TestServer, person).request(leave, { id: room.id })));
      const results = answers.map(({ data, errors }) => data?.leaveChat?.conflictReason ?? data?.leaveChat?.__typename ?? JSON.stringify(errors)).sort();
      expect(results).toEqual(['LAST_OWNER', 'LeaveChatPayload', 'LeaveChatPayload']);
      const { chat } = await member.must('query ($id: ID!) { chat(id: $id) { memberCount members(first: 9, role: OWNER) { totalCount } } }', { id: room.id });
      expect(chat).toEqual({ memberCount: 2, members: { totalCount: 1 } });
    }
  });

  it('give a username, a link and a request to one only, and tell the other so', async () => {
    await using opened = await startNodes();
    const [first] = opened.nodes;
    const [owner, rival] = (await first.people(2)) as [Person, Person];
    for (let round = 0; round < 4 * rounds; round++) {
      const username = `n${randomUUID().slice(0, 12)}`;
      const register = 'mutation ($input: RegisterInput!) { register(input: $input) { __typename ... on AlreadyTakenError { field } } }';
      const registered = await Promise.all(
        [0, 1, 0, 1].map((node, index) =>
          at(opened.nodes[node] as TestServer, owner).request(register, { input: { username: index % 2 ? username.toUpperCase() : username, password: 'correct horse battery' } }),
        ),
      );
      expect(registered.map(({ data, errors }) => data?.register.field ?? data?.register.__typename ?? JSON.stringify(errors)).sort()).toEqual([
        'RegisterPayload',
        'username',
        'username',
        'username',
      ]);

      const create =
        'mutation ($input: CreateRoomInput!) { createRoom(input: $input) { __typename ... on CreateRoomPayload { duplicate room { id } } ... on AlreadyTakenError { field } } }';
      const link = `link-${round}`;
      const linked = await Promise.all(
        [owner, rival, owner, rival].map((person, index) => at(opened.nodes[index % 2] as TestServer, person).request(create, { input: { name: 'x', link } })),
      );
      expect(linked.map(({ data, errors }) => data?.createRoom.field ?? data?.createRoom.__typename ?? JSON.stringify(errors)).sort()).toEqual([
        'CreateRoomPayload',
        'link',
        'link',
        'link',
      ]);
      const made = await Promise.all(
        [0, 1, 0, 1].map((node) => at(opened.nodes[node] as TestServer, owner).request(create, { input: { name: 'x', clientRequestId: `r${round}` } })),
      );
      expect(new Set(made.map(({ data, errors }) => data?.createRoom.room?.id ?? JSON.stringify(errors))).size).toBe(1);
      expect(made.filter(({ data }) => data.createRoom.duplicate === false)).toHaveLength(1);
    }
  });

  it('change everything at once and never wait for each other in a circle', async () => {
    // PostgreSQL would find a circle after a second and let one of them try again: here it shows as a failure.
    await using opened = await startNodes({ options: '-c deadlock_timeout=60s -c lock_timeout=3s' });
    const [first] = opened.nodes;
    const people = await first.people(8);
    const [owner] = people as [Person];
    const members = people.slice(1).map(({ username }) => ({ username }));
    const rooms = await Promise.all([0, 1, 2].map(() => owner.createRoom({ members })));
    const everyone = await owner.createRoom({ everyone: true });
    const text = (): string => `n${randomUUID().slice(0, 12)}`;
    const send = (to: string): string => `sendMessage(input: { to: { ${to} }, text: "${text()}" })`;
    const changes: (() => string)[] = [
      () => send(`chatId: "${any(rooms).id}"`),
      () => send(`chatId: "${everyone.id}"`),
      // Also dialogs that are opened on the way, several of them in one batch.
      () => send(`userId: "${any(people).id}"`),
      () => send(`userId: "${any(people).id}"`),
      () => `updateProfile(input: { username: "${text()}" })`,
      () => `updateProfile(input: { email: "${text()}@example.org", currentPassword: "correct horse battery" })`,
      () => `updateRoom(input: { roomId: "${any(rooms).id}", link: "${text()}" })`,
      () => `leaveChat(input: { chatId: "${any(rooms).id}" })`,
      () => `joinChat(input: { room: { id: "${any(rooms).id}" } })`,
      () => `addMembers(input: { roomId: "${any(rooms).id}", users: [${people.map(({ id }) => `{ id: "${id}" }`).join()}] })`,
      () => `removeMember(input: { roomId: "${any(rooms).id}", userId: "${any(people).id}", ban: true })`,
      () => `setMemberRole(input: { roomId: "${any(rooms).id}", userId: "${any(people).id}", role: ADMIN })`,
      () => `markRead(input: { chatId: "${any(rooms).id}", upToSeq: 1 })`,
      () => `register(input: { username: "${text()}", password: "correct horse battery" })`,
      () => 'login(input: { login: "nobody", password: "correct horse battery" })',
      () => `createRoom(input: { name: "x", everyone: true })`,
      () => `addContacts(input: { users: [{ id: "${any(people).id}" }] })`,
    ];
    const failures: unknown[] = [];
    await Promise.all(
      Array.from({ length: 32 }, async (_, worker) => {
        for (let i = 0; i < 12 * rounds; i++) {
          const { errors } = await at(opened.nodes[worker % 2] as TestServer, people[worker % people.length] as Person).request(`mutation { ${any(changes)()} { __typename } }`);
          if (errors) failures.push(errors);
        }
      }),
    );
    expect(failures).toEqual([]);
    const [head] = await first.app.db.sql.all<Untyped>(
      'SELECT "newestNumber"() AS "last", (SELECT count(*) FROM "Event") AS "count", (SELECT max("number") FROM "Event") AS "max"',
      [],
    );
    expect(head).toEqual({ last: head?.count, count: head?.count, max: head?.count });
    const wrong = await first.app.db.sql.all(
      `SELECT c."id" FROM ${chatsNow('postgresql')} c WHERE c."deletedAt" IS NULL AND c."memberCount" <> (SELECT count(*) FROM "Member" m WHERE m."chatId" = c."id") OR c."lastSeq" <> (SELECT count(*) FROM "Message" m WHERE m."chatId" = c."id")`,
      [],
    );
    expect(wrong).toEqual([]);
  });

  it('number events beside a server of the version before, which updates the head row, without a hole and without one twice', async () => {
    await using server = await startTestServer();
    const [ada, bob] = (await server.people(2)) as [Person, Person];
    const client = new pg.Client(server.app.config.DATABASE_URL);
    await client.connect();
    const before = async (): Promise<void> => {
      await client.query('BEGIN');
      const { rows } = await client.query('UPDATE "EventHead" SET "last" = "last" + 2 WHERE "id" = 1 RETURNING "last"');
      await client.query(`INSERT INTO "Event" ("number", "at", "type", "userId") SELECT $1::bigint - i, now(), 'user-updated', 1 FROM generate_series(0, 1) i`, [rows[0].last]);
      await client.query('COMMIT');
    };
    await Promise.all([
      (async () => {
        for (let round = 0; round < 50; round++) await before();
      })(),
      ...[ada, bob].map(async (person) => {
        for (let round = 0; round < 50; round++) await person.send({ username: bob.username }, String(round));
      }),
    ]);
    const [{ count, last, newest }] = (await client.query('SELECT count(*), max("number") AS "last", "newestNumber"() AS "newest" FROM "Event"')).rows as [Untyped];
    expect([last, newest]).toEqual([count, count]);
    await client.end();
  });

  it('end a session on one node when it is ended on the other', async () => {
    await using opened = await startNodes();
    const [first, second] = opened.nodes;
    const person = await first.person();
    const stream = await followOn(second, person, 'subscription { events { __typename ... on SessionEnded { endReason } } }', {});
    await person.must('mutation { logout { __typename } }');
    expect((await stream.next('SessionEnded')).endReason).toBe('LOGGED_OUT');
    expect((await at(second, person).request('{ eventCursor }')).errors[0].extensions.code).toBe('TOKEN_INVALID');
  });

  it('make somebody a member of every room for everyone who registers while one is made', async () => {
    await using opened = await startNodes();
    const [first] = opened.nodes;
    const owner = await first.person();
    const [people, rooms] = await Promise.all([
      Promise.all(Array.from({ length: 10 }, (_, index) => createPerson(opened.nodes[index % 2] as TestServer))),
      Promise.all(
        [0, 1, 2, 3].map((index) =>
          at(opened.nodes[index % 2] as TestServer, owner).request('mutation { createRoom(input: { name: "all", everyone: true }) { ... on CreateRoomPayload { room { id } } } }'),
        ),
      ),
    ]);
    for (const room of rooms) {
      const { chat } = await owner.must('query ($id: ID!) { chat(id: $id) { memberCount members(first: 100) { totalCount } } }', { id: room.data?.createRoom?.room?.id });
      expect(chat).toEqual({ memberCount: people.length + 1, members: { totalCount: people.length + 1 } });
    }
  });
});
