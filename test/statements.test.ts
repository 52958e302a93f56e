/** How many statements the hot paths take: constants, whatever the number of rows, of chats and of readers. More than these is a regression; fewer is a reason to lower them. */
import { createECDH, randomBytes } from 'node:crypto';
import { expect, it, vi } from 'vitest';
import { engine } from './kit/engine.ts';
import type { Follow, Person } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

/** Statements of a job. What the server does by itself meanwhile (who was seen when, what is pushed) only ever adds to them: the least of a few rounds, of many when it is more than expected. */
async function statements(server: TestServer, job: () => Promise<unknown>, expected = Number.POSITIVE_INFINITY): Promise<number> {
  const counts: number[] = [];
  for (let round = 0; round < 3 || (round < 30 && Math.min(...counts) > expected); round++) {
    const before = server.app.db.statements.count;
    await job();
    counts.push(server.app.db.statements.count - before);
  }
  return Math.min(...counts);
}

/** The viewer's chats: half of them rooms, half dialogs, each with messages of several people. */
async function worldOf(server: TestServer, size: number) {
  const viewer = await server.person();
  const others = await server.people(size);
  const rooms: { id: string }[] = [];
  for (const other of others) {
    await other.send({ username: viewer.username }, 'hello');
    const room = await other.createRoom({ members: [viewer, ...others.slice(0, 10)].map(({ id }) => ({ id })) });
    rooms.push(room);
  }
  const [room] = rooms as [{ id: string }];
  const ids: string[] = [];
  for (const other of [...others, viewer].slice(-10)) {
    await other.must('mutation ($id: ID!) { joinChat(input: { room: { id: $id } }) { __typename } }', { id: room.id });
    for (let count = 0; count < size; count++) ids.push((await other.send(room, `message ${count}`)).message.id);
  }
  for (const other of others)
    for (const messageId of ids.slice(-size))
      await other.must('mutation ($messageId: ID!) { setReactions(input: { messageId: $messageId, emojis: ["👍", "🦜"] }) { __typename } }', { messageId });
  // A room of its own, so that the others have what they are about.
  const talk = await (others[0] as Person).createRoom({ members: [viewer, ...others].map(({ id }) => ({ id })) });
  for (const other of others) {
    const { message } = await other.send(talk, 'a question');
    const input = { to: { chatId: talk.id }, text: 'an answer', threadRootId: message.id, replyToId: message.id, mentions: { users: [{ id: viewer.id }, { id: other.id }] } };
    await (others[0] as Person).must('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }', { input });
    await viewer.must('mutation ($messageId: ID!) { followThread(input: { messageId: $messageId }) { __typename } }', { messageId: message.id });
  }
  // The viewer's own messages are edited, all are saved by the viewer, and pinned by who made the room.
  for (const messageId of ids.slice(-size)) {
    await viewer.must('mutation ($messageId: ID!) { editMessage(input: { messageId: $messageId, text: "edited" }) { __typename } }', { messageId });
    await viewer.must('mutation ($messageId: ID!) { saveMessage(input: { messageId: $messageId, note: "note" }) { __typename } }', { messageId });
    await others[0]?.must('mutation ($messageId: ID!) { pinMessage(input: { messageId: $messageId }) { __typename } }', { messageId });
  }
  const own: string[] = [];
  for (let count = 0; count < size; count++) {
    const { login } = await viewer.must('mutation ($input: LoginInput!) { login(input: $input) { ... on LoginPayload { auth { session { id } } } } }', {
      input: { login: viewer.username, password: viewer.password, device: { name: `device ${count}` } },
    });
    own.push(login.auth.session.id);
    const { registerPushDevice } = await viewer.must(
      'mutation ($input: RegisterPushDeviceInput!) { registerPushDevice(input: $input) { ... on RegisterPushDevicePayload { device { id } } } }',
      { input: { webPush: { endpoint: `https://push.example.org/${viewer.username}/${count}`, ...keysOfBrowser() } } },
    );
    own.push(registerPushDevice.device.id);
  }
  return { viewer, others, rooms, room, talk, ids, own };
}

/** What a browser gives for Web Push. */
function keysOfBrowser() {
  const browser = createECDH('prime256v1');
  browser.generateKeys();
  return { p256dh: browser.getPublicKey('base64url'), auth: randomBytes(16).toString('base64url') };
}

const sendTo = (person: Person, room: { id: string }) => (): Promise<unknown> => person.send(room, 'hello');

it('takes so many statements for a page, a send, and a list, however many rows there are', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const [small, large] = [await worldOf(server, 2), await worldOf(server, 12)];
  const operations: Record<string, { expected: number; run: (world: typeof small) => () => Promise<unknown> }> = {
    'chats with last messages and unread counts': {
      expected: 7,
      run:
        ({ viewer }) =>
        () =>
          viewer.must(
            '{ chats(first: 20) { nodes { id name lastSeq lastActivityAt lastMessage { id text sender { displayName } } my { readSeq unreadCount role } ... on Dialog { peer { username presence { online } } } } } }',
          ),
    },
    'pages of the messages of many chats': {
      expected: 4,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ chats(first: 20) { nodes { id messages(last: 10) { nodes { id text sender { displayName } } pageInfo { hasPreviousPage } } } } }'),
    },
    'where the unread messages of many chats begin': {
      expected: 3,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ chats(first: 20) { nodes { id my { firstUnreadSeq } } } }'),
    },
    'who has read each message of a page': {
      expected: 6,
      run:
        ({ viewer, room }) =>
        () =>
          viewer.must('query ($id: ID!) { chat(id: $id) { messages(last: 20) { nodes { id readBy(first: 3) { nodes { user { username } } } } } } }', { id: room.id }),
    },
    'nodes: sessions and devices': {
      expected: 2,
      run:
        ({ viewer, own }) =>
        () =>
          viewer.must('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: own }),
    },
    'the own sessions, and one of them by its id': {
      expected: 4,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('query ($id: ID!) { me { account { sessions { id current } currentSession { id } } } nodes(ids: [$id]) { id } }', { id: viewer.sessionId }),
    },
    'a page of messages with senders and status': {
      expected: 6,
      run:
        ({ viewer, room }) =>
        () =>
          viewer.must('query ($id: ID!) { chat(id: $id) { messages(last: 50) { nodes { id seq text status sender { id displayName } } pageInfo { hasPreviousPage } } } }', {
            id: room.id,
          }),
    },
    'groupMessages with counts': {
      expected: 5,
      run:
        ({ viewer, room }) =>
        () =>
          viewer.must('query ($id: ID!) { groupMessages(room: { id: $id }, first: 50) { nodes { id text deliveredCount readCount } } }', { id: room.id }),
    },
    'whom each message of a page is for': {
      expected: 7,
      run:
        ({ viewer, talk }) =>
        () =>
          viewer.must('query ($id: ID!) { chat(id: $id) { messages(last: 50) { nodes { id mentions { writtenAs user { id username } } mentionsAll mentionsMe } } } }', {
            id: talk.id,
          }),
    },
    'chats with what is highlighted in each': {
      expected: 4,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ chats(first: 20) { nodes { id my { unreadCount highlightCount } } } }'),
    },
    'the number on an icon, and what is highlighted in all chats': {
      expected: 8,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ me { account { badgeCount totalHighlights notificationSettings { roomLevel } } } }'),
    },
    'notifications with their reasons, and the own view of chats': {
      expected: 7,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ notifications(first: 50) { nodes { id reason } } chats(first: 20) { nodes { id my { notificationLevel mutedUntil archived pinnedAt markedUnread } } } }'),
    },
    'reactions to each message of a page': {
      expected: 8,
      run:
        ({ viewer, room }) =>
        () =>
          viewer.must('query ($id: ID!) { chat(id: $id) { messages(last: 50) { nodes { id reactions { emoji count mine reactions(first: 3) { nodes { user { id } } } } } } } }', {
            id: room.id,
          }),
    },
    'a page of messages with what they answer and the threads under them': {
      expected: 16,
      run:
        ({ viewer, talk }) =>
        () =>
          viewer.must(
            `query ($id: ID!) { chat(id: $id) { my { unreadOutsideThreads unreadThreads threadsReadSeq } messages(last: 50) { nodes { id replyTo { text sender { username } }
               threadRoot { id } thread { replyCount lastReply { text } participants { username } my { following unreadCount firstUnreadSeq } } } } } }`,
            { id: talk.id },
          ),
    },
    'a page with what is pinned, saved, and was said before, and what the viewer may do': {
      expected: 10,
      run:
        ({ viewer, room }) =>
        () =>
          viewer.must(
            'query ($id: ID!) { chat(id: $id) { messages(last: 50) { nodes { id text pin { pinnedAt pinnedBy { username } } saved viewerMay revisions(first: 3) { nodes { version text } } } } } }',
            { id: room.id },
          ),
    },
    'pins of many chats, and what the viewer may do in each': {
      expected: 6,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ chats(first: 20) { nodes { id viewerMay pins(first: 10) { nodes { pinnedAt pinnedBy { username } message { text sender { username } } } } } } }'),
    },
    'saved messages': {
      expected: 6,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ savedMessages(first: 50) { nodes { note savedAt message { id text saved chat { id name } } } } }'),
    },
    'a day in many chats': {
      expected: 4,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ chats(first: 20) { nodes { id messages(anchor: { at: "2026-01-01T00:00:00Z" }, first: 10) { nodes { id } } } } }'),
    },
    'sendMessage to a room': { expected: 7, run: ({ viewer, room }) => sendTo(viewer, room) },
    markRead: {
      expected: 7,
      run: ({ viewer, room }) => {
        let seq = 0;
        return () => viewer.must('mutation ($input: MarkReadInput!) { markRead(input: $input) { __typename } }', { input: { chatId: room.id, upToSeq: ++seq } });
      },
    },
    'registeredUsers with presence': {
      expected: 1,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ registeredUsers(first: 100) { nodes { id username displayName presence { online lastSeenAt } } } }'),
    },
    'registeredUsers with contacts marked': {
      expected: 2,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ registeredUsers(first: 100) { nodes { id isContact } } }'),
    },
    'a page of members': {
      expected: 5,
      run:
        ({ viewer, room }) =>
        () =>
          viewer.must('query ($id: ID!) { chat(id: $id) { members(first: 50) { totalCount nodes { role readSeq user { username presence { online } } } } } }', { id: room.id }),
    },
    'members of many chats': {
      expected: 4,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ chats(first: 20) { nodes { id members(first: 10) { nodes { role user { username } } } } } }'),
    },
    inbox: {
      expected: 5,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ inbox(first: 50, filter: { undeliveredOnly: true }) { nodes { id text sender { username } chat { id } } } }'),
    },
    notifications: {
      expected: 10,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ notifications(first: 50) { unreadCount nodes { id kind readAt summary actor { displayName } message { text } } } }'),
    },
    'nodes: messages': {
      expected: 4,
      run:
        ({ viewer, ids }) =>
        () =>
          viewer.must('query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Message { id text sender { username } } } }', { ids: ids.slice(0, 100) }),
    },
    'nodes: rooms': {
      expected: 2,
      run:
        ({ viewer, rooms }) =>
        () =>
          viewer.must('query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Room { id name } } }', { ids: rooms.map(({ id }) => id) }),
    },
    'nodes: people': {
      expected: 1,
      run:
        ({ viewer, others }) =>
        () =>
          viewer.must('query ($ids: [ID!]!) { nodes(ids: $ids) { ... on User { id username } } }', { ids: others.map(({ id }) => id) }),
    },
    rooms: {
      expected: 3,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ rooms(first: 50) { nodes { id name memberCount onlineCount my { unreadCount } } } }'),
    },
    'a page of a search': {
      expected: 7,
      run:
        ({ viewer }) =>
        () =>
          viewer.must(
            '{ searchMessages(query: "messa", first: 5) { searchedBackTo edges { snippet { text hit } node { id text sender { displayName } chat { id name } } } pageInfo { hasNextPage } } }',
          ),
    },
    'total of unread messages': {
      expected: 3,
      run:
        ({ viewer }) =>
        () =>
          viewer.must('{ me { account { totalUnread } } }'),
    },
  };
  const found = { small: {} as Record<string, number>, large: {} as Record<string, number>, expected: {} as Record<string, number> };
  // Until what follows the log has looked at all of this.
  await new Promise((wake) => setTimeout(wake, 300));
  await server.app.indexing.idle();
  for (const [name, { expected, run }] of Object.entries(operations)) {
    // On PostgreSQL every request asks whether its session lives: another node may have ended it.
    const most = expected + (engine === 'postgresql' ? 1 : 0);
    found.expected[name] = most;
    found.small[name] = await statements(server, run(small), most);
    found.large[name] = await statements(server, run(large), most);
  }
  expect(found.large).toEqual(found.small);
  expect(found.large).toEqual(found.expected);
});

it('takes as many statements to hand a message to a hundred readers as to one', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const [sender, ...readers] = await server.people(11);
  const room = await (sender as Person).createRoom({ members: readers.map(({ id }) => ({ id })) });
  const sending = await statements(server, sendTo(sender as Person, room), 7);
  const delivering = async (document: string, people: Person[], each: number, expected?: number): Promise<number> => {
    const streams: Follow[] = [];
    for (const person of people) for (let count = 0; count < each; count++) streams.push(await person.follow(document, {}, { on: person.socket() }));
    const toAll = async (): Promise<void> => {
      const { message } = await (sender as Person).send(room, 'hello');
      await Promise.all(streams.map((stream) => stream.next((item) => item.message?.id === message.id)));
    };
    const count = await statements(server, toAll, expected === undefined ? undefined : sending + expected);
    await Promise.all(people.map((person) => person.close()));
    await vi.waitUntil(() => server.followers() === 0, { timeout: 10_000 });
    return count - sending;
  };
  const same = 'subscription { newMessages { ... on MessageAdded { message { id text seq sender { id displayName } chat { id name lastSeq } } } } }';
  // What differs from reader to reader is read together for those who have their turn together.
  const own = 'subscription { newMessages { ... on MessageAdded { message { id status chat { id lastMessage { id } my { unreadCount role } } } } } }';
  expect({ toOne: await delivering(same, readers.slice(0, 1), 1, 2), toHundred: await delivering(same, readers, 10, 2) }).toEqual({ toOne: 2, toHundred: 2 });
  // Whom of them it notifies is known.
  const all = 'subscription { events { ... on MessageAdded { message { id text } } ... on NotificationAdded { notification { id } } } }';
  expect({ toOne: await delivering(all, readers.slice(0, 1), 1, 0), toHundred: await delivering(all, readers, 10, 0) }).toEqual({ toOne: 0, toHundred: 0 });
  const toOne = await delivering(own, readers.slice(0, 1), 1);
  expect(toOne).toBeLessThanOrEqual(6);
  expect(await delivering(own, readers, 10)).toBeLessThanOrEqual(4 * toOne);
});

it('tells many streams of a changed name in a few statements', async () => {
  await using server = await startTestServer({ MAX_SOCKETS_PER_ACCOUNT: '100' });
  const [ada, ben, eve] = (await server.people(3)) as [Person, Person, Person];
  await ben.send({ username: eve.username }, 'hello');
  const streams = await Promise.all(
    Array.from({ length: 60 }, () => ben.follow('subscription { events { __typename ... on ChatUpdated { chat { name } } ... on UserUpdated { user { displayName } } } }')),
  );
  await new Promise((wake) => setTimeout(wake, 300));
  const before = server.app.db.statements.count;
  for (const who of [ada, eve]) await who.must('mutation { updateProfile(input: { displayName: "Else" }) { __typename } }');
  for (const stream of streams) expect((await stream.next('ChatUpdated')).chat.name).toBe('Else');
  expect(server.app.db.statements.count - before).toBeLessThan(40);
});
