/** What schema.graphql and docs/promises.md (P8, P9) say of receipts, rule by rule. */
import { describe, expect, it, vi } from 'vitest';
import { type Asker, bearer, change, outcome, read } from '../kit/outcome.ts';
import { createPerson, type Person, type Untyped } from '../kit/person.ts';
import { startProcess } from '../kit/process.ts';
import { startTestServer, temporaryFolder } from '../kit/server.ts';

const some = (people: Person[]) => people as [Person, Person, Person, Person];
const my = async (who: Asker, id: string) => (await read(who, 'query ($id: ID!) { chat(id: $id) { my { deliveredSeq readSeq unreadCount firstUnreadSeq } } }', { id })).my;
const status = (who: Person, id: string) => read(who, 'query ($id: ID!) { message(id: $id) { status deliveredCount readCount readBy { nodes { user { id } } } } }', { id });
const mark = (who: Asker, what: 'Read' | 'Delivered', chatId: string, upToSeq: number) => outcome(who, `mark${what}`, { chatId, upToSeq });
const moves =
  'subscription { events(filter: { kinds: [RECEIPTS, CHATS] }) { __typename ... on MessageStatusChanged { chat { id } user { id } status upToSeq } ... on MyChatChanged { chat { id my { readSeq deliveredSeq } } } } }';

describe('markers', () => {
  it('move only by markDelivered and markRead: writing to a socket is not delivery', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const live = await ben.follow('subscription { newMessages { __typename } }');
    const { message } = await ada.send({ username: ben.username }, 'x');
    const chatId = message.chat.id;
    await live.next('MessageAdded');
    await read(ben, 'query ($id: ID!) { chat(id: $id) { messages { nodes { text } } } }', { id: chatId });
    expect((await status(ada, message.id)).status).toBe('SENT');
    expect(await my(ben, chatId)).toEqual({ deliveredSeq: 0, readSeq: 0, unreadCount: 1, firstUnreadSeq: 1 });
    await mark(ben, 'Delivered', chatId, 1);
    expect((await status(ada, message.id)).status).toBe('DELIVERED');
    expect(await my(ben, chatId)).toEqual({ deliveredSeq: 1, readSeq: 0, unreadCount: 1, firstUnreadSeq: 1 });
    await mark(ben, 'Read', chatId, 1);
    expect((await status(ada, message.id)).status).toBe('READ');
    expect(await my(ben, chatId)).toEqual({ deliveredSeq: 1, readSeq: 1, unreadCount: 0, firstUnreadSeq: null });
  });

  it('only grow, 0 <= read <= delivered <= lastSeq', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const { chat } = (await ada.send({ username: ben.username }, '1')).message;
    for (let i = 2; i <= 6; i++) await ada.send({ id: chat.id }, `${i}`);
    const steps: [what: 'Read' | 'Delivered', upToSeq: number, expected: string, deliveredSeq: number, readSeq: number][] = [
      ['Delivered', 0, 'done', 0, 0],
      ['Delivered', 2, 'done', 2, 0],
      ['Delivered', 1, 'done', 2, 0],
      ['Read', 1, 'done', 2, 1],
      ['Read', 4, 'done', 4, 4],
      ['Delivered', 3, 'done', 4, 4],
      ['Read', 2, 'done', 4, 4],
      ['Read', 0, 'done', 4, 4],
      ['Read', 7, 'VALIDATION_FAILED upToSeq range', 4, 4],
      ['Delivered', 7, 'VALIDATION_FAILED upToSeq range', 4, 4],
      ['Delivered', 2_147_483_647, 'VALIDATION_FAILED upToSeq range', 4, 4],
      ['Delivered', 6, 'done', 6, 4],
      ['Read', 6, 'done', 6, 6],
    ];
    for (const [what, upToSeq, expected, deliveredSeq, readSeq] of steps) {
      expect([what, upToSeq, await mark(ben, what, chat.id, upToSeq)]).toEqual([what, upToSeq, expected]);
      expect(await my(ben, chat.id)).toMatchObject({ deliveredSeq, readSeq, unreadCount: 6 - readSeq });
    }
    // The sender may mark, too.
    expect(await mark(ada, 'Read', chat.id, 6)).toBe('done');
    expect(await my(ada, chat.id)).toMatchObject({ deliveredSeq: 6, readSeq: 6 });
  });

  it('end at the highest of many that move at once', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const { chat } = (await ada.send({ username: ben.username }, '1')).message;
    await Promise.all(Array.from({ length: 19 }, (_, i) => ada.send({ id: chat.id }, `${i}`)));
    const order = [7, 20, 3, 15, 1, 19, 11, 18, 5, 13];
    const told = await Promise.all(
      order.map((seq, i) => change(ben, i % 2 ? 'markRead' : 'markDelivered', { chatId: chat.id, upToSeq: seq }, 'chat { my { readSeq deliveredSeq } }')),
    );
    expect(await my(ben, chat.id)).toMatchObject({ deliveredSeq: 20, readSeq: 20 });
    for (const [
      i,
      {
        chat: { my: after },
      },
    ] of told.entries())
      expect(after[i % 2 ? 'readSeq' : 'deliveredSeq']).toBeGreaterThanOrEqual(order[i] as number);
    for (const {
      chat: { my: after },
    } of told)
      expect(after.deliveredSeq).toBeGreaterThanOrEqual(after.readSeq);
  });

  it('are for members: anybody else is told that there is no such chat', async () => {
    await using server = await startTestServer();
    const [ada, ben, guest] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }], postPolicy: 'ANYONE' });
    await guest.send({ id: room.id }, 'x');
    for (const what of ['Read', 'Delivered'] as const) expect(await mark(guest, what, room.id, 1)).toBe('NOT_FOUND Chat');
    await change(ben, 'leaveChat', { chatId: room.id });
    expect(await mark(ben, 'Read', room.id, 1)).toBe('NOT_FOUND Chat');
    const dialog = await read(ada, 'query ($with: UserRefInput!) { dialog(with: $with) { id } }', { with: { id: ben.id } });
    expect(await mark(guest, 'Read', dialog.id, 0)).toBe('NOT_FOUND Chat');
    expect(await mark(ada, 'Read', dialog.id, 0)).toBe('done');
    expect(await mark(ada, 'Read', dialog.id, 1)).toBe('VALIDATION_FAILED upToSeq range');
  });

  it('of each other are seen by members, and by nobody else', async () => {
    await using server = await startTestServer();
    const [ada, ben, guest] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    await ada.send({ id: room.id }, 'x');
    await mark(ben, 'Read', room.id, 1);
    const seen = async (who: Person) =>
      (await read(who, 'query ($id: ID!) { chat(id: $id) { members { nodes { user { id } readSeq deliveredSeq } } } }', { id: room.id })).members.nodes.find(
        ({ user }: Untyped) => user.id === ben.id,
      );
    expect(await seen(ada)).toEqual({ user: { id: ben.id }, readSeq: 1, deliveredSeq: 1 });
    expect(await seen(guest)).toEqual({ user: { id: ben.id }, readSeq: null, deliveredSeq: null });
    const { chat } = (await ada.send({ username: ben.username }, 'x')).message;
    await mark(ben, 'Delivered', chat.id, 1);
    expect(await read(ada, 'query ($with: UserRefInput!) { dialog(with: $with) { peerReadSeq peerDeliveredSeq } }', { with: { id: ben.id } })).toEqual({
      peerReadSeq: 0,
      peerDeliveredSeq: 1,
    });
  });
});

describe('the status of a message in a room', () => {
  it('is that of the least advanced of the members who were there when it was sent', async () => {
    await using server = await startTestServer();
    const [ada, ben, cleo, late] = some(await server.people(4));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cleo.id }] });
    const { message } = await ada.send({ id: room.id }, 'x');
    const told = async (who = ada) => {
      const { status: word, deliveredCount, readCount, readBy } = await status(who, message.id);
      expect(readBy.nodes).toHaveLength(readCount);
      return `${word} ${deliveredCount} ${readCount}`;
    };
    expect(await told()).toBe('SENT 0 0');
    await mark(ada, 'Read', room.id, 1);
    expect(await told()).toBe('SENT 0 0');
    await change(late, 'joinChat', { room: { id: room.id } });
    expect(await told()).toBe('SENT 0 0');
    await mark(ben, 'Delivered', room.id, 1);
    expect(await told()).toBe('SENT 1 0');
    await mark(cleo, 'Read', room.id, 1);
    expect(await told()).toBe('DELIVERED 2 1');
    expect((await status(ada, message.id)).readBy.nodes).toEqual([{ user: { id: cleo.id } }]);
    expect(await told(late)).toBe('DELIVERED 2 1');
    await mark(ben, 'Read', room.id, 1);
    expect(await told()).toBe('READ 2 2');
    await change(cleo, 'leaveChat', { chatId: room.id });
    expect(await told()).toBe('READ 1 1');
  });

  it('counts only those who are still members', async () => {
    await using server = await startTestServer();
    const [ada, ben, cleo] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cleo.id }] });
    const { message } = await ada.send({ id: room.id }, 'x');
    await mark(ben, 'Read', room.id, 1);
    expect((await status(ada, message.id)).status).toBe('SENT');
    await change(ada, 'removeMember', { roomId: room.id, userId: cleo.id });
    expect((await status(ada, message.id)).status).toBe('READ');
    await change(ben, 'leaveChat', { chatId: room.id });
    expect((await status(ada, message.id)).status).toBe('SENT');
    await change(ben, 'joinChat', { room: { id: room.id } });
    expect(await status(ada, message.id)).toMatchObject({ status: 'SENT', deliveredCount: 0, readCount: 0 });
  });

  it('is SENT when there is nobody to count', async () => {
    await using server = await startTestServer();
    const [ada, late, guest] = some(await server.people(3));
    const room = await ada.createRoom({ postPolicy: 'ANYONE' });
    const { message } = await ada.send({ id: room.id }, 'x');
    await mark(ada, 'Read', room.id, 1);
    await change(late, 'joinChat', { room: { id: room.id } });
    expect((await status(ada, message.id)).status).toBe('SENT');
    // Somebody who posts without being a member is counted by the members.
    const { message: byGuest } = await guest.send({ id: room.id }, 'y');
    expect((await status(guest, byGuest.id)).status).toBe('SENT');
    await mark(ada, 'Read', room.id, 2);
    await mark(late, 'Delivered', room.id, 2);
    expect(await status(guest, byGuest.id)).toMatchObject({ status: 'DELIVERED', deliveredCount: 2, readCount: 1 });
  });
});

describe('moves', () => {
  it("of others come as MessageStatusChanged, the caller's own as MyChatChanged, and what changes nothing does not come", async () => {
    await using server = await startTestServer();
    const [ada, ben, guest] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const chat = { id: room.id };
    for (const text of ['1', '2']) await ada.send(chat, text);
    const [toAda, toBen, toGuest, filtered] = [
      await ada.follow(moves),
      await ben.follow(moves),
      await guest.follow(moves),
      await ada.follow('subscription ($id: ID!) { messageStatus(chatId: $id) { __typename ... on MessageStatusChanged { status upToSeq user { id } } } }', { id: room.id }),
    ];
    await mark(ben, 'Delivered', room.id, 2);
    expect(await toAda.next()).toEqual({ __typename: 'MessageStatusChanged', chat, user: { id: ben.id }, status: 'DELIVERED', upToSeq: 2 });
    expect(await toBen.next()).toEqual({ __typename: 'MyChatChanged', chat: { ...chat, my: { readSeq: 0, deliveredSeq: 2 } } });
    await mark(ben, 'Delivered', room.id, 1);
    await mark(ben, 'Delivered', room.id, 2);
    await mark(ben, 'Read', room.id, 1);
    expect(await toAda.next()).toEqual({ __typename: 'MessageStatusChanged', chat, user: { id: ben.id }, status: 'READ', upToSeq: 1 });
    expect(await toBen.next()).toEqual({ __typename: 'MyChatChanged', chat: { ...chat, my: { readSeq: 1, deliveredSeq: 2 } } });
    expect((await filtered.until(({ status: word }) => word === 'READ')).map(({ status: word, upToSeq }) => `${word} ${upToSeq}`)).toEqual(['DELIVERED 2', 'READ 1']);
    await Promise.all([toAda, toBen, toGuest, filtered].map((stream) => stream.stayQuiet(150)));
  });

  it('in rooms of more than 50 are told at most once a second for each member, and the last place is told in the end', async () => {
    await using server = await startTestServer();
    const [ada, ben, ...others] = (await server.people(51)) as [Person, Person, ...Person[]];
    const room = await ada.createRoom({ members: [ben, ...others].map(({ id }) => ({ id })) });
    await Promise.all(Array.from({ length: 30 }, (_, i) => ada.send({ id: room.id }, `${i}`)));
    const stream = await ada.follow(moves);
    const start = Date.now();
    for (let seq = 1; seq <= 30; seq++) await mark(ben, 'Read', room.id, seq);
    const told = await stream.until(({ upToSeq }) => upToSeq === 30);
    const seconds = Math.ceil((Date.now() - start) / 1000);
    expect(told.length).toBeLessThanOrEqual(seconds + 1);
    expect(told.length).toBeGreaterThan(1);
    expect(told.map(({ upToSeq }) => upToSeq)).toEqual(told.map(({ upToSeq }) => upToSeq).sort((a, b) => a - b));
    await stream.stayQuiet(100);
  });
});

it('a move that had to wait is told after a kill -9, too', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  await using first = await startProcess({ DATA_DIR: folder.path });
  const [ada, ben, ...others] = (await Promise.all(Array.from({ length: 52 }, () => createPerson(first)))) as [Person, Person, ...Person[]];
  const room = await ada.createRoom({ members: [ben, ...others].map(({ id }) => ({ id })) });
  for (let seq = 1; seq <= 5; seq++) await ada.send(room, `${seq}`);
  const { eventCursor } = await ada.must('{ eventCursor }');
  for (const seq of [2, 5]) expect(await mark(ben, 'Read', room.id, seq)).toBe('done');
  first.kill('SIGKILL');
  await first.ended();
  await using second = await startProcess({ DATA_DIR: folder.path });
  const document = 'query ($after: EventCursor!) { sync(after: $after, filter: { kinds: [RECEIPTS] }) { items { ... on MessageStatusChanged { upToSeq } } } }';
  await vi.waitUntil(async () => (await read(bearer(second, ada.token), document, { after: eventCursor })).items.at(-1)?.upToSeq === 5, { timeout: 10_000, interval: 50 });
});

it('unread counts are messages by others, not deleted, behind readSeq, on every device', async () => {
  await using server = await startTestServer();
  const [ada, ben] = some(await server.people(2));
  const room = await ada.createRoom({ members: [{ id: ben.id }] });
  const sent: string[] = [];
  for (const [who, text] of [
    [ada, '1'],
    [ben, '2'],
    [ada, '3'],
    [ada, '4'],
    [ben, '5'],
  ] as const)
    sent.push((await who.send({ id: room.id }, text)).message.id);
  const { auth } = await change(ben, 'login', { login: ben.username, password: ben.password }, 'auth { accessToken }');
  const device = bearer(server, auth.accessToken);
  const counts = async () => [await my(ada, room.id), await my(ben, room.id), await my(device, room.id)].map(({ unreadCount, firstUnreadSeq }) => [unreadCount, firstUnreadSeq]);
  expect(await counts()).toEqual([
    [2, 2],
    [3, 1],
    [3, 1],
  ]);
  await change(ada, 'deleteMessage', { messageId: sent[2] as string });
  expect(await counts()).toEqual([
    [2, 2],
    [2, 1],
    [2, 1],
  ]);
  await mark(device, 'Read', room.id, 2);
  expect(await counts()).toEqual([
    [2, 2],
    [1, 4],
    [1, 4],
  ]);
  await change(ada, 'deleteMessage', { messageId: sent[3] as string });
  expect(await counts()).toEqual([
    [2, 2],
    [0, null],
    [0, null],
  ]);
  expect((await read(ben, '{ chats(filter: { unreadOnly: true }) { nodes { id } } }')).nodes).toEqual([]);
  await change(ben, 'deleteMessage', { messageId: sent[1] as string });
  expect(await counts()).toEqual([
    [1, 5],
    [0, null],
    [0, null],
  ]);
});
