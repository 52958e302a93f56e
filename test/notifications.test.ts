/** F24 of test/features.test.ts in full: what others wrote in one's own chats, as a list, live, and marked as read. */
import { describe, expect, it } from 'vitest';
import { change, outcome, read, sight } from './kit/outcome.ts';
import type { Item, Person, Untyped } from './kit/person.ts';
import { rowsOf } from './kit/rows.ts';
import { startTestServer } from './kit/server.ts';

const fields = 'id kind createdAt readAt summary actor { id } message { id seq text chat { id } }';
const list = async (who: Person, args = 'first: 50'): Promise<Untyped> =>
  read(who, `{ notifications(${args}) { unreadCount nodes { ${fields} } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`);
const textsOf = ({ nodes }: Untyped): string[] => nodes.map(({ message }: Untyped) => message.text);
const texts = async (who: Person, args?: string): Promise<string[]> => textsOf(await list(who, args));
const unread = async (who: Person): Promise<number> => (await list(who, 'first: 0')).unreadCount;
const mark = async (who: Person, input: Untyped): Promise<number> => (await change(who, 'markNotificationsRead', input, 'unreadCount')).unreadCount;
const notificationId = (messageId: string): string => Buffer.from(Buffer.from(messageId, 'base64').toString().replace('Message', 'Notification')).toString('base64');
const stream = `subscription ($after: EventCursor) { events(after: $after) { __typename ... on StreamEvent { cursor replayed }
  ... on NotificationAdded { notification { ${fields} } } ... on NotificationsRead { notificationIds notificationsUnread }
  ... on MessageAdded { message { id text chat { id } } } ... on MyChatChanged { chat { id my { readSeq } } } ... on ChatRemoved { chatId } } }`;
const added = (items: readonly Item[]): string[] => items.filter(({ __typename }) => __typename === 'NotificationAdded').map(({ notification }) => notification.message.text);

describe('the list of notifications', () => {
  it("has what others wrote in the caller's chats, newest first, and nothing of the caller's own", async () => {
    await using server = await startTestServer();
    const [ada, ben, cleo] = (await server.people(3)) as [Person, Person, Person];
    const room = await ada.createRoom({ name: 'Chess club', members: [{ id: ben.id }, { id: cleo.id }] });
    const direct = await ada.send({ username: ben.username }, 'hello\n\n  you');
    await cleo.send(room, 'in the room');
    await ben.send(room, 'own');
    await ada.send({ username: cleo.username }, 'not for Ben');
    await ben.send({ username: ben.username }, 'a note');
    const found = await list(ben);
    expect(found).toMatchObject({
      unreadCount: 2,
      nodes: [
        { kind: 'ROOM_MESSAGE', readAt: null, actor: { id: cleo.id }, summary: `${cleo.username} (Chess club): in the room`, message: { seq: 1, chat: { id: room.id } } },
        { kind: 'DIRECT_MESSAGE', readAt: null, actor: { id: ada.id }, summary: `${ada.username}: hello you`, message: { id: direct.message.id } },
      ],
      pageInfo: { hasNextPage: false, hasPreviousPage: false },
    });
    expect(found.nodes[1].id).toBe(notificationId(direct.message.id));
    expect(await texts(ada)).toEqual(['own', 'in the room']);
  });

  it('pages through everything once, over many chats and long runs of own messages', async () => {
    await using server = await startTestServer();
    const [me, ...others] = (await server.people(5)) as [Person, ...Person[]];
    const rooms = await Promise.all(others.map((other) => other.createRoom({ members: [{ id: me.id }] })));
    const expected: string[] = [];
    for (let round = 0; round < 8; round++) {
      for (const [index, other] of others.entries()) {
        if ((round + index) % 3 === 0) continue;
        await other.send(rooms[index] as { id: string }, `${round} ${index}`);
        expected.unshift(`${round} ${index}`);
      }
      if (round === 4) for (let count = 0; count < 15; count++) await me.send(rooms[0] as { id: string }, 'own');
    }
    for (const size of [1, 3, 100]) {
      const got: string[] = [];
      let after = '';
      for (let pages = 0; ; pages++) {
        const page = await list(me, `first: ${size}${after}`);
        expect(page.pageInfo.hasPreviousPage).toBe(pages > 0);
        got.push(...textsOf(page));
        if (!page.pageInfo.hasNextPage) break;
        after = `, after: "${page.pageInfo.endCursor}"`;
      }
      expect(got).toEqual(expected);
    }
    expect(await unread(me)).toBe(expected.length);
  });

  it('finds what stands behind a thousand messages of the caller', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    await ben.send(room, 'a question');
    await ben.send(room, 'another one');
    for (let sent = 0; sent < 1_100; sent += 100) await Promise.all(Array.from({ length: 100 }, () => ada.send(room, 'an answer')));
    expect(await list(ada)).toMatchObject({ unreadCount: 2, nodes: [{ message: { text: 'another one' } }, { message: { text: 'a question' } }] });
    const { nodes, pageInfo } = await list(ada, 'first: 1, unreadOnly: true');
    expect([nodes[0].message.text, pageInfo.hasNextPage]).toEqual(['another one', true]);
  });

  it('begins where the caller joined, loses what was deleted, and goes with the membership', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const room = await ada.createRoom();
    await ada.send(room, 'before');
    await change(ben, 'joinChat', { room: { id: room.id } });
    expect(await texts(ben)).toEqual([]);
    const first = await ada.send(room, 'first');
    const second = await ada.send(room, 'second');
    expect(await texts(ben)).toEqual(['second', 'first']);
    await change(ada, 'deleteMessage', { messageId: first.message.id });
    expect(await list(ben)).toMatchObject({ unreadCount: 1, nodes: [{ message: { text: 'second' } }] });
    const id = notificationId(second.message.id);
    expect(await read(ben, 'query ($id: ID!) { node(id: $id) { ... on Notification { summary } } }', { id })).not.toBeNull();
    await change(ben, 'leaveChat', { chatId: room.id });
    expect(await list(ben)).toMatchObject({ unreadCount: 0, nodes: [] });
    expect(await sight(ben, 'query ($id: ID!) { node(id: $id) { id } }', { id })).toBe('null');
    await change(ben, 'joinChat', { room: { id: room.id } });
    expect(await texts(ben)).toEqual([]);
    await ada.send(room, 'third');
    expect(await texts(ben)).toEqual(['third']);
    await change(ada, 'deleteRoom', { roomId: room.id });
    expect(await texts(ben)).toEqual([]);
  });

  it('shows a summary whose line no name and no text turns around', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    await ada.must('mutation { updateProfile(input: { displayName: "דנה 1" }) { __typename } }');
    const room = await ada.createRoom({ name: 'غرفة', members: [{ id: ben.id }] });
    await ada.send(room, 'a \u202etext\u2066 that turns');
    await ada.must('mutation { updateProfile(input: { displayName: "Dana" }) { __typename } }');
    await ada.send({ username: ben.username }, 'שלום');
    const summaries = (await list(ben)).nodes.map(({ summary }: Untyped) => summary);
    expect(summaries).toEqual(['Dana: שלום', 'Dana (\u2068غرفة\u2069): a text that turns']);
    await ada.must('mutation { updateProfile(input: { displayName: "דנה 1" }) { __typename } }');
    expect((await list(ben)).nodes[1].summary).toBe('\u2068דנה 1\u2069 (\u2068غرفة\u2069): a text that turns');
  });

  it('shows a summary of at most 120 code points, whole characters, without line breaks', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    await change(ada, 'updateProfile', { displayName: '😀'.repeat(80) });
    const room = await ada.createRoom({ name: 'R'.repeat(80), members: [{ id: ben.id }] });
    await ada.send(room, `${'\n😀'.repeat(1_000)}`);
    const [{ summary }] = (await list(ben)).nodes;
    expect([...summary].length).toBeLessThanOrEqual(120);
    expect([...summary].length).toBeGreaterThan(115);
    expect(summary.isWellFormed()).toBe(true);
    expect(summary).toMatch(/^(😀){39}… \(R{39}…\): [^\n]+…$/u);
  });

  it('refuses cursors of other lists, pages that are too large, and garbage', async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    for (const args of ['first: 101', 'first: -1', 'after: "x"', `after: "${Buffer.from('[-1]').toString('base64url')}"`, `after: "${Buffer.from('[1,2]').toString('base64url')}"`])
      expect([args, await sight(ada, `{ notifications(${args}) { unreadCount } }`)]).toEqual([args, 'top: BAD_REQUEST']);
    expect(await sight(ada, `{ notifications(after: "${Buffer.from('[9007199254740991]').toString('base64url')}") { unreadCount } }`)).toBe('there');
    for (const key of ['0', '9007199254740991', '99999999999999999', 'x', '1.2']) {
      const id = Buffer.from(`Notification:${key}`).toString('base64');
      expect(await sight(ada, 'query ($id: ID!) { node(id: $id) { id } }', { id })).toBe('null');
      expect(await outcome(ada, 'markNotificationsRead', { ids: [id] })).toBe('NOT_FOUND Notification');
      expect(await outcome(ada, 'markNotificationsRead', { upToId: id })).toBe('NOT_FOUND Notification');
    }
    expect(await outcome(ada, 'markNotificationsRead', { all: false })).toBe('top: BAD_REQUEST');
    expect(await outcome(ada, 'markNotificationsRead', { ids: Array(101).fill('x') })).toBe('top: BAD_REQUEST');
    expect(await outcome(ada, 'markNotificationsRead', { ids: [], all: true })).toBe('top: BAD_REQUEST');
  });
});

describe('marking as read', () => {
  it('takes some, all up to one, or all; exactly counted, on all devices, and unseen by others', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const ids: string[] = [];
    for (let count = 1; count <= 6; count++) ids.push(notificationId((await ada.send(count % 2 ? room : { username: ben.username }, `${count}`)).message.id));
    const [phone, sender] = [await ben.follow(stream), await ada.follow(stream)];
    expect(await mark(ben, { ids: [ids[1], ids[4], ids[4]] })).toBe(4);
    expect(await phone.next('NotificationsRead')).toMatchObject({ notificationIds: [ids[4], ids[1]], notificationsUnread: 4 });
    expect(await texts(ben, 'unreadOnly: true')).toEqual(['6', '4', '3', '1']);
    expect(await mark(ben, { upToId: ids[3] })).toBe(1);
    expect((await phone.next('NotificationsRead')).notificationIds).toEqual([ids[3], ids[2], ids[1], ids[0]]);
    expect(await mark(ben, { upToId: ids[0] })).toBe(1);
    expect(await texts(ben, 'unreadOnly: true')).toEqual(['6']);
    const times = (await list(ben)).nodes.map(({ readAt }: Untyped) => readAt !== null);
    expect(times).toEqual([false, true, true, true, true, true]);
    expect(await mark(ben, { all: true })).toBe(0);
    expect(await phone.next('NotificationsRead')).toMatchObject({ notificationIds: null, notificationsUnread: 0 });
    expect(await mark(ben, { all: true })).toBe(0);
    expect(await mark(ben, { ids })).toBe(0);
    await Promise.all([phone, sender].map((each) => each.stayQuiet()));
    await ada.send(room, '7');
    expect(await texts(ben, 'unreadOnly: true')).toEqual(['7']);
    expect(await read(ben, 'query ($id: ID!) { chat(id: $id) { my { readSeq unreadCount } } }', { id: room.id })).toEqual({ my: { readSeq: 0, unreadCount: 4 } });
  });

  it('happens by itself when the chat is read, and tells it by the marker alone', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const { message } = await ada.send({ username: ben.username }, '1');
    await ada.send({ username: ben.username }, '2');
    const phone = await ben.follow(stream);
    const before = Date.now();
    await change(ben, 'markRead', { chatId: message.chat.id, upToSeq: 1 });
    expect(await phone.next()).toMatchObject({ __typename: 'MyChatChanged', chat: { my: { readSeq: 1 } } });
    const [second, first] = (await list(ben)).nodes;
    expect(second.readAt).toBeNull();
    expect(Date.parse(first.readAt)).toBeGreaterThanOrEqual(before - 1_000);
    expect(await unread(ben)).toBe(1);
    await phone.stayQuiet();
  });

  it('marks nothing when one of the ids is not one of the caller’s', async () => {
    await using server = await startTestServer();
    const [ada, ben, eve] = (await server.people(3)) as [Person, Person, Person];
    const mine = (await ada.send({ username: ben.username }, 'mine')).message;
    const own = (await ben.send({ username: ada.username }, 'own')).message;
    const foreign = (await ada.send({ username: eve.username }, 'foreign')).message;
    const gone = (await ada.send({ username: ben.username }, 'gone')).message;
    await change(ada, 'deleteMessage', { messageId: gone.id });
    for (const { id } of [own, foreign]) {
      expect(await outcome(ben, 'markNotificationsRead', { ids: [notificationId(mine.id), notificationId(id)] })).toBe('NOT_FOUND Notification');
      expect(await outcome(ben, 'markNotificationsRead', { upToId: notificationId(id) })).toBe('NOT_FOUND Notification');
    }
    expect(await outcome(ben, 'markNotificationsRead', { ids: [mine.id] })).toBe('NOT_FOUND Notification');
    expect(await unread(ben)).toBe(1);
    expect(await mark(ben, { ids: [notificationId(mine.id), notificationId(gone.id)] })).toBe(0);
  });

  it('keeps what was marked when the chat or everything is read afterwards, and forgets the marks that say nothing any more', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const sent: Untyped[] = [];
    for (let count = 1; count <= 5; count++) sent.push((await ada.send({ username: ben.username }, `${count}`)).message);
    expect(await mark(ben, { ids: sent.map(({ id }) => notificationId(id)).slice(1) })).toBe(1);
    const rows = () => rowsOf(server.app.db).notificationRead.count();
    expect(await rows()).toBe(4);
    await change(ben, 'markRead', { chatId: sent[0]?.chat.id, upToSeq: 2 });
    expect(await unread(ben)).toBe(0);
    // The server's own upkeep may have been here before.
    await server.app.notifications.sweep();
    expect(await rows()).toBe(3);
    await change(ada, 'deleteMessage', { messageId: sent[2]?.id });
    await server.app.notifications.sweep();
    expect(await rows()).toBe(2);
    await ada.send({ username: ben.username }, '6');
    expect(await mark(ben, { all: true })).toBe(0);
    await server.app.notifications.sweep();
    expect(await rows()).toBe(0);
    expect(await unread(ben)).toBe(0);
  });
});

describe('the stream of notifications', () => {
  it('tells every member but the sender, once, right behind the message, live and replayed, and no guest', async () => {
    await using server = await startTestServer();
    const [ada, ben, guest] = (await server.people(3)) as [Person, Person, Person];
    const room = await ada.createRoom({ visibility: 'PUBLIC', postPolicy: 'ANYONE', members: [{ id: ben.id }] });
    const after = await read(ben, '{ eventCursor }');
    const [live, own, only, others] = [
      await ben.follow(stream),
      await ada.follow(stream),
      await ben.follow(`subscription { notificationAdded { __typename ... on NotificationAdded { replayed notification { ${fields} } } } }`),
      await guest.follow(stream),
    ];
    const { cursor } = await ada.send(room, 'from Ada');
    await guest.send(room, 'from a guest');
    const types = (await live.until((item) => item.notification?.message.text === 'from a guest')).map(({ __typename }) => __typename);
    expect(types).toEqual(['MessageAdded', 'NotificationAdded', 'MessageAdded', 'NotificationAdded']);
    expect(await only.next()).toMatchObject({ replayed: false, notification: { actor: { id: ada.id }, readAt: null, kind: 'ROOM_MESSAGE' } });
    expect(await only.next()).toMatchObject({ notification: { actor: { id: guest.id } } });
    expect(added(await own.until((item) => item.__typename === 'NotificationAdded'))).toEqual(['from a guest']);
    await others.stayQuiet();
    const replayed = await ben.follow(
      'subscription ($after: EventCursor) { notificationAdded(after: $after) { __typename ... on NotificationAdded { replayed notification { message { text } } } } }',
      {
        after,
      },
    );
    expect((await replayed.until('CaughtUp')).map((item) => item.notification?.message.text)).toEqual(['from Ada', 'from a guest', undefined]);
    // The cursor of a sent message stands right behind it, and before what is told of it to others.
    expect(added(await (await ben.follow(stream, { after: cursor })).until('CaughtUp'))).toEqual(['from Ada', 'from a guest']);
    expect(added(await (await ada.follow(stream, { after: cursor })).until('CaughtUp'))).toEqual(['from a guest']);
    const polled = await read(ben, 'query ($after: EventCursor!) { sync(after: $after, filter: { kinds: [NOTIFICATIONS] }) { items { __typename } } }', { after });
    expect(polled.items).toEqual([{ __typename: 'NotificationAdded' }, { __typename: 'NotificationAdded' }]);
  });

  it('replays no notification of a message that was deleted, nor of a time before the caller came back', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const after = await read(ben, '{ eventCursor }');
    // As long as this is open, what is known of the membership comes from the log; after the restart from the table.
    await ben.follow(stream);
    const gone = (await ada.send(room, 'gone')).message;
    await ada.send(room, 'before leaving');
    await change(ben, 'leaveChat', { chatId: room.id });
    await ada.send(room, 'while away');
    await change(ben, 'joinChat', { room: { id: room.id } });
    const deleted = (await ada.send(room, 'deleted')).message;
    await ada.send(room, 'after');
    await change(ada, 'deleteMessage', { messageId: gone.id });
    await change(ada, 'deleteMessage', { messageId: deleted.id });
    for (let round = 0; round < 2; round++) {
      expect(added(await (await ben.follow(stream, { after })).until('CaughtUp'))).toEqual(['after']);
      // From the log, not from memory.
      if (round === 0) await server.restart();
    }
    expect(await texts(ben)).toEqual(['after']);
  });

  it('tells nobody of a room with one member, or of a note to oneself', async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    const room = await ada.createRoom();
    await ada.send(room, 'alone');
    await ada.send({ username: ada.username }, 'a note');
    expect(await rowsOf(server.app.db).event.count({ where: { type: 'notification-added' } })).toBe(0);
  });

  it('shows a message that was edited while a slow reader had not taken it yet as it is then', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const after = await read(ben, '{ eventCursor }');
    const { message } = await ada.send(room, 'first');
    await change(ada, 'editMessage', { messageId: message.id, text: 'second' });
    expect(added(await (await ben.follow(stream, { after })).until('CaughtUp'))).toEqual(['second']);
  });
});
