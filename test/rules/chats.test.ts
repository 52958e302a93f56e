/** What schema.graphql says of chats, rule by rule. */
import { describe, expect, it } from 'vitest';
import { change, outcome, read, sight } from '../kit/outcome.ts';
import type { Person, Untyped } from '../kit/person.ts';
import { startTestServer } from '../kit/server.ts';

const dialogWith =
  'query ($username: String!) { dialog(with: { username: $username }) { id createdAt lastActivityAt lastSeq memberCount lastMessage { id } my { role unreadCount readSeq } members { nodes { id user { id } role } totalCount } messages { nodes { id } } peer { id } peerReadSeq } }';
const chatIds = async (person: Person, filter: Untyped = {}): Promise<string[]> =>
  (await read(person, 'query ($filter: ChatFilterInput) { chats(filter: $filter) { nodes { id } } }', { filter })).nodes.map(({ id }: Untyped) => id);
const memberNames = async (person: Person, id: string): Promise<string[]> =>
  (await read(person, 'query ($id: ID!) { chat(id: $id) { members { nodes { user { username } } } } }', { id })).members.nodes.map(({ user }: Untyped) => user.username);
const roomOf = (person: Person, id: string) =>
  read(
    person,
    'query ($id: ID!) { room(ref: { id: $id }) { id name topic lastSeq memberCount capacity everyone visibility postPolicy passwordRequired link lastMessage { id } my { role readSeq deliveredSeq unreadCount } } }',
    { id },
  );
const post = (person: Person, chatId: string, text = 'hello') => outcome(person, 'sendMessage', { to: { chatId }, text });
const join = (person: Person, id: string, password?: string) => outcome(person, 'joinChat', { room: { id }, password });
const four = (people: Person[]) => people as [Person, Person, Person, Person];

describe('a dialog', () => {
  it('is there before any message, with an id that stays, and asking writes nothing', async () => {
    await using server = await startTestServer();
    const older = await server.person();
    const younger = await server.person();
    const stranger = await server.person();
    const cursor = await read(older, '{ eventCursor }');
    const dialog = await read(older, dialogWith, { username: younger.username });
    const { createdAt } = await read(younger, '{ me { createdAt } }');
    expect(dialog).toMatchObject({
      createdAt,
      lastActivityAt: createdAt,
      lastSeq: 0,
      memberCount: 2,
      lastMessage: null,
      my: { role: 'MEMBER', unreadCount: 0, readSeq: 0 },
      messages: { nodes: [] },
      peer: { id: younger.id },
    });
    expect(dialog.members.nodes.map(({ user }: Untyped) => user.id).sort()).toEqual([older.id, younger.id].sort());
    expect((await read(younger, dialogWith, { username: older.username.toUpperCase() })).id).toBe(dialog.id);
    for (const person of [older, younger]) {
      expect(await read(person, 'query ($id: ID!) { node(id: $id) { __typename id } }', { id: dialog.id })).toEqual({ __typename: 'Dialog', id: dialog.id });
      expect(await sight(person, 'query ($id: ID!) { chat(id: $id) { id } }', { id: dialog.id })).toBe('there');
      expect(await chatIds(person)).toEqual([]);
    }
    for (const { id } of dialog.members.nodes)
      expect(await read(younger, 'query ($id: ID!) { node(id: $id) { id ... on Member { role } } }', { id })).toEqual({ id, role: 'MEMBER' });
    expect(await sight(stranger, 'query ($id: ID!) { node(id: $id) { id } }', { id: dialog.id })).toBe('null');
    expect(await read(older, '{ eventCursor }')).toBe(cursor);
  });

  it('is listed for both from its first message on, and ChatAdded comes before that message', async () => {
    await using server = await startTestServer();
    const [ada, ben] = four(await server.people(2));
    const { id } = await read(ada, dialogWith, { username: ben.username });
    const streams = await Promise.all(
      [ada, ben].map((person) =>
        person.follow(
          'subscription { events(filter: { kinds: [CHATS, MESSAGES] }) { __typename ... on ChatAdded { chat { id } } ... on MessageAdded { message { seq chat { id } } } } }',
        ),
      ),
    );
    await ada.send({ username: ben.username }, 'first');
    for (const stream of streams)
      expect(await stream.until('MessageAdded')).toEqual([
        { __typename: 'ChatAdded', chat: { id } },
        { __typename: 'MessageAdded', message: { seq: 1, chat: { id } } },
      ]);
    for (const person of [ada, ben]) expect(await chatIds(person)).toEqual([id]);
    const stored = await read(ben, dialogWith, { username: ada.username });
    expect(stored).toMatchObject({ id, lastSeq: 1, memberCount: 2, my: { unreadCount: 1 } });
    await ben.send({ id }, 'second');
    for (const stream of streams) expect(await stream.until('MessageAdded')).toHaveLength(1);
  });

  it('keeps the ids of its members when it opens', async () => {
    await using server = await startTestServer();
    const [ada, ben] = four(await server.people(2));
    const members = async () => (await read(ada, dialogWith, { username: ben.username })).members.nodes.map(({ id }: Untyped) => id).sort();
    const before = await members();
    await ada.send({ username: ben.username }, 'hello');
    expect(await members()).toEqual(before);
    expect(await sight(ben, 'query ($id: ID!) { node(id: $id) { id } }', { id: before[0] })).toBe('there');
  });

  it('can be sent to by its id before its first message, also by both at once', async () => {
    await using server = await startTestServer();
    const [ada, ben] = four(await server.people(2));
    const { id } = await read(ada, dialogWith, { username: ben.username });
    const sent = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? ada.send({ id }, `${i}`) : ben.send({ username: ada.username }, `${i}`))));
    expect(sent.map(({ message }) => message.seq).sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i + 1));
    expect(new Set(sent.map(({ message }) => message.chat.id))).toEqual(new Set([id]));
  });

  it('with oneself works: one member, nothing ever unread', async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    const before = await read(ada, dialogWith, { username: ada.username });
    expect(before).toMatchObject({ memberCount: 1, peer: { id: ada.id }, members: { totalCount: 1 } });
    const { message } = await ada.send({ username: ada.username }, 'remember the milk');
    await ada.send({ id: before.id }, 'and the bread');
    const after = await read(ada, dialogWith, { username: ada.username });
    expect(after).toMatchObject({ id: before.id, lastSeq: 2, memberCount: 1, my: { unreadCount: 0 }, members: { totalCount: 1 } });
    expect(await read(ada, '{ me { account { totalUnread } } }')).toEqual({ account: { totalUnread: 0 } });
    expect(await read(ada, 'query ($id: ID!) { message(id: $id) { status sender { id } receiver { id } readCount } }', { id: message.id })).toEqual({
      status: 'SENT',
      sender: { id: ada.id },
      receiver: { id: ada.id },
      readCount: 0,
    });
    expect(await chatIds(ada)).toEqual([before.id]);
    expect((await read(ada, '{ inbox { nodes { id } } }')).nodes).toEqual([]);
  });

  it('cannot be left, nor treated as a room', async () => {
    await using server = await startTestServer();
    const [ada, ben] = four(await server.people(2));
    for (const id of [(await read(ada, dialogWith, { username: ben.username })).id, (await ada.send({ username: ben.username }, 'x')).message.chat.id]) {
      expect(await outcome(ada, 'leaveChat', { chatId: id })).toBe('NOT_FOUND Chat');
      for (const [name, input] of [
        ['updateRoom', {}],
        ['deleteRoom', {}],
        ['addMembers', { users: [] }],
        ['removeMember', { userId: ben.id }],
        ['setMemberRole', { userId: ben.id, role: 'OWNER' }],
      ] as const) {
        expect([name, await outcome(ada, name, { roomId: id, ...input })]).toEqual([name, 'NOT_FOUND Room']);
      }
      expect(await join(ada, id)).toBe('NOT_FOUND Room');
      expect(await sight(ada, 'query ($id: ID!) { room(ref: { id: $id }) { id } }', { id })).toBe('null');
      expect(await sight(ada, 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { id } } }', { id })).toBe('top: NOT_FOUND Room');
    }
  });

  it('with somebody who does not exist is null with NOT_FOUND', async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    for (const ref of [
      { username: 'nobody.here' },
      { username: '' },
      { username: '\0' },
      { id: 'garbage' },
      { id: '' },
      { id: Buffer.from('User:999999').toString('base64') },
      { id: (await ada.createRoom()).id },
    ]) {
      const { data, errors } = await ada.request('query ($with: UserRefInput!) { dialog(with: $with) { id } }', { with: ref });
      expect([ref, data, errors?.map(({ extensions }) => extensions)]).toEqual([ref, { dialog: null }, [{ code: 'NOT_FOUND', typeName: 'User' }]]);
    }
  });
});

describe('chats', () => {
  it('are those of which the caller is a member, the last active first', async () => {
    await using server = await startTestServer();
    const [ada, ben, cleo] = four(await server.people(3));
    const room = await ada.createRoom({ name: 'Room', members: [{ id: ben.id }] });
    const { message: first } = await ada.send({ username: cleo.username }, 'x');
    const { message: second } = await ben.send({ username: ada.username }, 'x');
    await ben.createRoom({ name: 'Public, not joined' });
    await ben.send({ username: cleo.username }, 'not for Ada');
    expect(await chatIds(ada)).toEqual([second.chat.id, first.chat.id, room.id]);
    await ben.send({ id: room.id }, 'up again');
    expect(await chatIds(ada)).toEqual([room.id, second.chat.id, first.chat.id]);
  });

  it('can be searched by kind, name, people, and for what is unread', async () => {
    await using server = await startTestServer();
    const [ada, cleo] = four(await server.people(2));
    const ben = await server.person('Benedict');
    await change(ben, 'updateProfile', { displayName: 'Große Überraschung' });
    const room = await ada.createRoom({ name: 'Über uns 100%_', members: [{ id: ben.id }, { id: cleo.id }] });
    const { chat: dialog } = (await ben.send({ username: ada.username }, 'x')).message;
    const { chat: other } = (await ada.send({ username: cleo.username }, 'x')).message;
    const all = [other.id, dialog.id, room.id];
    const searches: [filter: Untyped, expected: string[]][] = [
      [{}, all],
      [{ kind: null, nameContains: null, withUserIds: null, unreadOnly: null, includeAllUsers: null }, all],
      [{ nameContains: '' }, all],
      [{ kind: 'DIALOG' }, [other.id, dialog.id]],
      [{ kind: 'ROOM' }, [room.id]],
      [{ nameContains: 'ÜBER' }, [dialog.id, room.id]],
      [{ nameContains: 'grosse' }, [dialog.id]],
      [{ nameContains: 'NEDIC' }, [dialog.id]],
      [{ nameContains: '%_' }, [room.id]],
      [{ nameContains: '_%' }, []],
      [{ nameContains: '\0' }, []],
      [{ withUserIds: [ben.id] }, [dialog.id, room.id]],
      [{ withUserIds: [ben.id, cleo.id] }, [room.id]],
      [{ withUserIds: [ada.id] }, all],
      [{ withUserIds: [] }, all],
      [{ withUserIds: ['garbage'] }, []],
      [{ unreadOnly: true }, [dialog.id]],
      [{ unreadOnly: true, kind: 'ROOM' }, []],
    ];
    for (const [filter, expected] of searches) expect([filter, await chatIds(ada, filter)]).toEqual([filter, expected]);
  });

  it('with includeAllUsers go on with an unopened dialog for every other account, by username, in exact pages', async () => {
    await using server = await startTestServer();
    const ada = await server.person('mid-ada');
    for (const name of ['Zoe', 'bob', 'Carl', 'dan']) await server.person(name);
    const room = await ada.createRoom();
    const { chat } = (await ada.send({ username: 'Carl' }, 'x')).message;
    const page = (args: string) =>
      read(ada, `{ chats(filter: { includeAllUsers: true }, ${args}) { nodes { id name lastSeq } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`);
    const all = await page('first: 100');
    expect(all.nodes.map(({ name }: Untyped) => name)).toEqual(['Carl', 'A room', 'bob', 'dan', 'Zoe']);
    expect(all.nodes.slice(0, 2).map(({ id }: Untyped) => id)).toEqual([chat.id, room.id]);
    expect(all.totalCount).toBe(5);
    expect(all.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false });
    for (const size of [1, 2, 3, 4, 5]) {
      for (const [direction, more, from] of [
        ['first', 'hasNextPage', 'after'],
        ['last', 'hasPreviousPage', 'before'],
      ] as const) {
        const pages: string[][] = [];
        let [place, last]: [string, Untyped] = ['', {}];
        do {
          last = await page(`${direction}: ${size} ${place}`);
          pages.push(last.nodes.map(({ name }: Untyped) => name));
          expect(last.pageInfo[more === 'hasNextPage' ? 'hasPreviousPage' : 'hasNextPage']).toBe(pages.length > 1);
          place = `${from}: "${last.pageInfo[from === 'after' ? 'endCursor' : 'startCursor']}"`;
        } while (last.pageInfo[more]);
        expect((direction === 'first' ? pages : pages.reverse()).flat()).toEqual(['Carl', 'A room', 'bob', 'dan', 'Zoe']);
        expect(pages).toHaveLength(Math.ceil(5 / size));
      }
    }
  });

  it('of others, and public rooms that were not joined, do not come in streams and inbox', async () => {
    await using server = await startTestServer();
    const [ada, ben, cleo] = four(await server.people(3));
    const room = await ben.createRoom({ postPolicy: 'ANYONE' });
    const cursor = await read(ada, '{ eventCursor }');
    const streams = [
      await ada.follow('subscription { events(filter: { kinds: [MESSAGES, CHATS, MEMBERS, RECEIPTS] }) { __typename } }'),
      await ada.follow('subscription { newMessages { __typename } }'),
    ];
    await ben.send({ id: room.id }, 'in the room');
    await ben.send({ username: cleo.username }, 'in private');
    await change(cleo, 'joinChat', { room: { id: room.id } });
    for (const stream of streams) await stream.stayQuiet();
    expect(
      (await read(ada, 'query ($after: EventCursor!) { sync(after: $after) { items { __typename ... on MessageAdded { message { text } } } } }', { after: cursor })).items.filter(
        ({ __typename }: Untyped) => __typename !== 'CaughtUp' && __typename !== 'PresenceChanged',
      ),
    ).toEqual([]);
    expect((await read(ada, '{ inbox { nodes { id } } }')).nodes).toEqual([]);
  });
});

describe('a public room', () => {
  it('shows itself, its history and its live messages to anyone signed in, joined or not', async () => {
    await using server = await startTestServer();
    const [owner, guest] = four(await server.people(2));
    const room = await owner.createRoom({ topic: 'Open to all' });
    await owner.send({ id: room.id }, 'before');
    expect(await roomOf(guest, room.id)).toMatchObject({
      name: 'A room',
      topic: 'Open to all',
      lastSeq: 1,
      memberCount: 1,
      passwordRequired: false,
      my: null,
      lastMessage: { id: expect.any(String) },
    });
    expect(await memberNames(guest, room.id)).toEqual([owner.username]);
    expect((await read(guest, 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { text } } }', { id: room.id })).nodes).toEqual([{ text: 'before' }]);
    expect((await read(guest, '{ rooms { nodes { id } } }')).nodes).toEqual([{ id: room.id }]);
    const live = await guest.follow('subscription ($id: ID!) { newMessages(chatId: $id) { __typename ... on MessageAdded { message { text } } } }', { id: room.id });
    await owner.send({ id: room.id }, 'live');
    expect((await live.next('MessageAdded')).message.text).toBe('live');
    expect(await post(guest, room.id)).toBe('FORBIDDEN NOT_A_MEMBER');
    expect(await outcome(guest, 'setTyping', { chatId: room.id })).toBe('FORBIDDEN NOT_A_MEMBER');
    expect(await outcome(guest, 'leaveChat', { chatId: room.id })).toBe('FORBIDDEN NOT_A_MEMBER');
    for (const name of ['markRead', 'markDelivered']) expect(await outcome(guest, name, { chatId: room.id, upToSeq: 1 })).toBe('NOT_FOUND Chat');
    // Markers are for members.
    expect((await read(guest, 'query ($id: ID!) { chat(id: $id) { members { nodes { readSeq deliveredSeq } } } }', { id: room.id })).members.nodes).toEqual([
      { readSeq: null, deliveredSeq: null },
    ]);
  });

  it('with a password shows others only name, topic, counts and settings until they have joined', async () => {
    await using server = await startTestServer();
    const [owner, guest] = four(await server.people(2));
    const room = await owner.createRoom({ topic: 'Club', password: 'open sesame', capacity: 5, link: 'the-club' });
    const { message } = await owner.send({ id: room.id }, 'secret');
    expect(await roomOf(guest, room.id)).toEqual({
      id: room.id,
      name: 'A room',
      topic: 'Club',
      lastSeq: 1,
      memberCount: 1,
      capacity: 5,
      everyone: false,
      visibility: 'PUBLIC',
      postPolicy: 'MEMBERS',
      passwordRequired: true,
      link: 'the-club',
      lastMessage: null,
      my: null,
    });
    for (const [field, selection] of [
      ['messages', 'nodes { id }'],
      ['members', 'nodes { id }'],
    ]) {
      const { data, errors } = await guest.request(`query ($id: ID!) { room(ref: { id: $id }) { name ${field} { ${selection} } } }`, { id: room.id });
      expect([data, errors?.map(({ path, extensions }) => [path, extensions])]).toEqual([
        { room: { name: 'A room', [field as string]: null } },
        [[['room', field], { code: 'FORBIDDEN', forbiddenReason: 'NOT_A_MEMBER' }]],
      ]);
    }
    expect(await sight(guest, 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { id } } }', { id: room.id })).toBe('top: FORBIDDEN NOT_A_MEMBER');
    const [{ id: memberId }] = (await read(owner, 'query ($id: ID!) { chat(id: $id) { members { nodes { id } } } }', { id: room.id })).members.nodes;
    for (const id of [message.id, memberId]) expect(await sight(guest, 'query ($id: ID!) { node(id: $id) { id } }', { id })).toBe('null');
    expect(await sight(guest, 'query ($id: ID!) { message(id: $id) { id } }', { id: message.id })).toBe('null');
    expect((await read(guest, 'query ($id: ID!) { chat(id: $id) { messageAt(seq: 1) { id } } }', { id: room.id })).messageAt).toBeNull();
    const refused = await guest.follow('subscription ($id: ID!) { newMessages(chatId: $id) { __typename } }', { id: room.id });
    expect((await refused.ended()).errors?.[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', forbiddenReason: 'NOT_A_MEMBER' });
    const inRooms = await read(guest, '{ rooms { nodes { id lastMessage { id } } } }');
    expect(inRooms.nodes).toEqual([{ id: room.id, lastMessage: null }]);
    for (const wrong of [undefined, '', 'open Sesame', ' open sesame']) expect([wrong, await join(guest, room.id, wrong)]).toEqual([wrong, 'WRONG_ROOM_PASSWORD']);
    expect(await join(guest, room.id, 'open sesame')).toBe('done');
    expect((await read(guest, 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { text } } }', { id: room.id })).nodes).toEqual([{ text: 'secret' }]);
    expect(await memberNames(guest, room.id)).toEqual([owner.username, guest.username]);
    await change(owner, 'removeMember', { roomId: room.id, userId: guest.id });
    expect(await sight(guest, 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { id } } }', { id: room.id })).toBe('top: FORBIDDEN NOT_A_MEMBER');
    expect(await post(guest, room.id)).toBe('FORBIDDEN NOT_A_MEMBER');
  });

  it('can be joined again after leaving or removal, but not by who is banned, until somebody adds them', async () => {
    await using server = await startTestServer();
    const [owner, admin, guest] = four(await server.people(3));
    const room = await owner.createRoom({ members: [{ id: admin.id }, { id: guest.id }], postPolicy: 'ANYONE' });
    await change(owner, 'setMemberRole', { roomId: room.id, userId: admin.id, role: 'ADMIN' });
    await change(guest, 'leaveChat', { chatId: room.id });
    expect(await post(guest, room.id)).toBe('done');
    expect(await join(guest, room.id)).toBe('done');
    await change(owner, 'removeMember', { roomId: room.id, userId: guest.id });
    expect(await join(guest, room.id)).toBe('done');
    await change(admin, 'removeMember', { roomId: room.id, userId: guest.id, ban: true });
    expect(await join(guest, room.id)).toBe('FORBIDDEN BANNED');
    expect(await post(guest, room.id)).toBe('FORBIDDEN BANNED');
    expect(await sight(guest, 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { id } } }', { id: room.id })).toBe('there');
    expect((await read(guest, '{ rooms(filter: { joinable: true }) { nodes { id } } }')).nodes).toEqual([]);
    expect(await outcome(admin, 'addMembers', { roomId: room.id, users: [{ id: guest.id }] })).toBe('done');
    await change(guest, 'leaveChat', { chatId: room.id });
    expect(await join(guest, room.id)).toBe('done');
  });

  it('can ban somebody who never was a member', async () => {
    await using server = await startTestServer();
    const [owner, guest] = four(await server.people(2));
    const room = await owner.createRoom();
    expect(await outcome(owner, 'removeMember', { roomId: room.id, userId: guest.id })).toBe('NOT_FOUND User');
    expect(await outcome(owner, 'removeMember', { roomId: room.id, userId: guest.id, ban: true })).toBe('done');
    expect(await outcome(owner, 'removeMember', { roomId: room.id, userId: guest.id, ban: true })).toBe('done');
    expect(await join(guest, room.id)).toBe('FORBIDDEN BANNED');
  });
});

it('a private room does not exist for others, whatever they do with its id', async () => {
  await using server = await startTestServer();
  const [owner, member, stranger] = four(await server.people(3));
  const room = await owner.createRoom({ visibility: 'PRIVATE', link: 'hidden-room', members: [{ id: member.id }] });
  const { message } = await owner.send({ id: room.id }, 'secret');
  const hidden = async (who: Person) => {
    for (const ref of [{ id: room.id }, { link: 'hidden-room' }]) {
      expect(await sight(who, 'query ($ref: RoomRefInput!) { room(ref: $ref) { id } }', { ref })).toBe('null');
      expect(await sight(who, 'query ($ref: RoomRefInput!) { groupMessages(room: $ref) { nodes { id } } }', { ref })).toBe('top: NOT_FOUND Room');
      expect(await outcome(who, 'joinChat', { room: ref })).toBe('NOT_FOUND Room');
    }
    for (const id of [room.id, message.id]) expect(await sight(who, 'query ($id: ID!) { node(id: $id) { id } }', { id })).toBe('null');
    expect(await post(who, room.id)).toBe('NOT_FOUND Chat');
    expect(await chatIds(who)).toEqual([]);
    expect(await read(who, '{ rooms { nodes { id } totalCount } }')).toEqual({ nodes: [], totalCount: 0 });
  };
  await hidden(stranger);
  expect(await sight(member, 'query { room(ref: { link: "HIDDEN-room" }) { id } }')).toBe('there');
  await change(owner, 'removeMember', { roomId: room.id, userId: member.id });
  await hidden(member);
  await change(owner, 'removeMember', { roomId: room.id, userId: member.id, ban: true });
  await hidden(member);
});

it('postPolicy ANYONE lets anyone post without becoming a member, and needs a public room without password', async () => {
  await using server = await startTestServer();
  const [owner, guest] = four(await server.people(2));
  const room = await owner.createRoom({ postPolicy: 'ANYONE' });
  const { message } = await guest.send({ id: room.id }, 'just passing');
  expect(message.seq).toBe(1);
  expect(await roomOf(guest, room.id)).toMatchObject({ memberCount: 1, my: null, lastSeq: 1 });
  expect(await chatIds(guest)).toEqual([]);
  expect(await memberNames(owner, room.id)).toEqual([owner.username]);
  expect(await roomOf(owner, room.id)).toMatchObject({ my: { unreadCount: 1 } });
  expect(await outcome(guest, 'editMessage', { messageId: message.id, text: 'just passed' })).toBe('done');
  const make = (input: Untyped) => outcome(owner, 'createRoom', { name: 'Another', ...input });
  expect(await make({ postPolicy: 'ANYONE', visibility: 'PRIVATE' })).toBe('VALIDATION_FAILED postPolicy open-is-public');
  expect(await make({ postPolicy: 'ANYONE', password: 'x' })).toBe('VALIDATION_FAILED postPolicy open-has-no-password');
  const turn = (input: Untyped) => outcome(owner, 'updateRoom', { roomId: room.id, ...input });
  expect(await turn({ visibility: 'PRIVATE' })).toBe('VALIDATION_FAILED visibility open-is-public');
  expect(await turn({ password: 'x' })).toBe('VALIDATION_FAILED password open-has-no-password');
  expect(await turn({ password: 'x', postPolicy: 'MEMBERS' })).toBe('done');
  expect(await turn({ postPolicy: 'ANYONE' })).toBe('VALIDATION_FAILED postPolicy open-has-no-password');
  expect(await post(guest, room.id)).toBe('FORBIDDEN NOT_A_MEMBER');
});

describe('a room for everyone', () => {
  it('has every account as a member, present and future, and cannot be left', async () => {
    await using server = await startTestServer();
    const [owner, present] = four(await server.people(2));
    const room = await owner.createRoom({ everyone: true });
    await owner.send({ id: room.id }, 'welcome');
    const future = await server.person();
    expect(await memberNames(owner, room.id)).toEqual(expect.arrayContaining([owner, present, future].map(({ username }) => username)));
    expect(await roomOf(present, room.id)).toMatchObject({ everyone: true, memberCount: 3, my: { role: 'MEMBER', unreadCount: 1, readSeq: 0 } });
    expect(await roomOf(future, room.id)).toMatchObject({ my: { role: 'MEMBER', unreadCount: 0, readSeq: 1, deliveredSeq: 1 } });
    expect(await chatIds(future)).toEqual([room.id]);
    expect(await post(future, room.id)).toBe('done');
    for (const who of [present, owner]) expect(await outcome(who, 'leaveChat', { chatId: room.id })).toBe('FORBIDDEN EVERYONE_ROOM');
    for (const ban of [false, true]) expect(await outcome(owner, 'removeMember', { roomId: room.id, userId: present.id, ban })).toBe('FORBIDDEN EVERYONE_ROOM');
    expect(await join(future, room.id)).toBe('done');
  });

  it('needs to be public, without capacity and password', async () => {
    await using server = await startTestServer();
    const owner = await server.person();
    for (const [input, problem] of [
      [{ visibility: 'PRIVATE' }, 'everyone-is-public'],
      [{ capacity: 100 }, 'everyone-has-no-capacity'],
      [{ password: 'x' }, 'everyone-has-no-password'],
    ] as const) {
      expect(await outcome(owner, 'createRoom', { name: 'All', everyone: true, ...input })).toBe(`VALIDATION_FAILED everyone ${problem}`);
      const room = await owner.createRoom(input);
      expect(await outcome(owner, 'updateRoom', { roomId: room.id, everyone: true })).toBe(`VALIDATION_FAILED everyone ${problem}`);
    }
    const all = await owner.createRoom({ everyone: true });
    expect(await outcome(owner, 'updateRoom', { roomId: all.id, capacity: 100 })).toBe('VALIDATION_FAILED capacity everyone-has-no-capacity');
    expect(await outcome(owner, 'updateRoom', { roomId: all.id, password: 'x' })).toBe('VALIDATION_FAILED password everyone-has-no-password');
    expect(await outcome(owner, 'updateRoom', { roomId: all.id, visibility: 'PRIVATE' })).toBe('VALIDATION_FAILED visibility everyone-is-public');
  });

  it('takes in everybody when a room becomes one, also who was banned, and misses nobody who registers meanwhile', async () => {
    await using server = await startTestServer();
    const [owner, banned] = four(await server.people(3));
    const room = await owner.createRoom();
    await change(owner, 'removeMember', { roomId: room.id, userId: banned.id, ban: true });
    const [fresh] = await Promise.all([server.people(5), change(owner, 'updateRoom', { roomId: room.id, everyone: true })]);
    expect(await roomOf(banned, room.id)).toMatchObject({ memberCount: 8, my: { role: 'MEMBER' } });
    for (const person of fresh) expect(await roomOf(person, room.id)).toMatchObject({ my: { role: 'MEMBER' } });
  });

  it('is for operators to create, where the setting names some', async () => {
    await using server = await startTestServer({ OPERATORS: 'Root, second.one' });
    const [root, second, other] = [await server.person('root'), await server.person('Second.One'), await server.person()];
    for (const operator of [root, second]) expect(await outcome(operator, 'createRoom', { name: 'All', everyone: true })).toBe('done');
    expect(await outcome(other, 'createRoom', { name: 'All', everyone: true })).toBe('FORBIDDEN NOT_AN_OPERATOR');
    const room = await other.createRoom();
    expect(await outcome(other, 'updateRoom', { roomId: room.id, everyone: true })).toBe('FORBIDDEN NOT_AN_OPERATOR');
    expect(await outcome(other, 'updateRoom', { roomId: room.id, everyone: false, name: 'Mine' })).toBe('done');
  });
});

it('joining starts the markers at lastSeq, and the whole history can be read', async () => {
  await using server = await startTestServer();
  const [owner, guest, added] = four(await server.people(3));
  const room = await owner.createRoom();
  for (let i = 1; i <= 3; i++) await owner.send({ id: room.id }, `${i}`);
  const joined = await change(
    guest,
    'joinChat',
    { room: { id: room.id } },
    'alreadyMember member { role readSeq deliveredSeq user { id } } room { memberCount my { readSeq deliveredSeq unreadCount firstUnreadSeq } }',
  );
  expect(joined).toMatchObject({
    alreadyMember: false,
    member: { role: 'MEMBER', readSeq: 3, deliveredSeq: 3, user: { id: guest.id } },
    room: { memberCount: 2, my: { readSeq: 3, deliveredSeq: 3, unreadCount: 0, firstUnreadSeq: null } },
  });
  await change(owner, 'addMembers', { roomId: room.id, users: [{ username: added.username.toUpperCase() }] });
  expect(await roomOf(added, room.id)).toMatchObject({ my: { readSeq: 3, deliveredSeq: 3, unreadCount: 0 } });
  expect((await read(added, 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { seq } } }', { id: room.id })).nodes).toHaveLength(3);
  await owner.send({ id: room.id }, '4');
  expect(await roomOf(guest, room.id)).toMatchObject({ my: { unreadCount: 1 } });
  expect(await change(guest, 'joinChat', { room: { id: room.id } }, 'alreadyMember room { memberCount my { readSeq } }')).toMatchObject({
    alreadyMember: true,
    room: { memberCount: 3, my: { readSeq: 3 } },
  });
  await change(guest, 'leaveChat', { chatId: room.id });
  await owner.send({ id: room.id }, '5');
  await change(guest, 'joinChat', { room: { id: room.id } });
  expect(await roomOf(guest, room.id)).toMatchObject({ my: { readSeq: 5, deliveredSeq: 5, unreadCount: 0 } });
});

describe('capacity', () => {
  it('counts every member, the owner too, also when many join at once', async () => {
    await using server = await startTestServer();
    const [owner, ...guests] = (await server.people(9)) as [Person, ...Person[]];
    const room = await owner.createRoom({ capacity: 4 });
    const outcomes = await Promise.all(guests.map((guest) => join(guest, room.id)));
    expect(outcomes.filter((each) => each === 'done')).toHaveLength(3);
    expect(new Set(outcomes)).toEqual(new Set(['done', 'ROOM_FULL 4']));
    expect(await roomOf(owner, room.id)).toMatchObject({ memberCount: 4 });
    const inside = guests[outcomes.indexOf('done')] as Person;
    expect(await join(inside, room.id)).toBe('done');
    await change(inside, 'leaveChat', { chatId: room.id });
    expect(await join(guests[outcomes.indexOf('ROOM_FULL 4')] as Person, room.id)).toBe('done');
    expect((await read(inside, '{ rooms(filter: { joinable: true }) { nodes { id } } }')).nodes).toEqual([]);
  });

  it('is filled up by addMembers, which reports the rest as skipped', async () => {
    await using server = await startTestServer();
    const [owner, a, b, c] = four(await server.people(4));
    const room = await owner.createRoom({ capacity: 3, members: [{ id: a.id }] });
    const users = [{ username: 'nobody.here' }, { id: a.id }, { id: b.id }, { id: 'garbage' }, { id: c.id }, { id: b.id }, { username: c.username }];
    const added = await change(
      owner,
      'addMembers',
      { roomId: room.id, users },
      'added { user { id } role } skipped { user { id } error { __typename code ... on NotFoundError { typeName } ... on RoomFullError { roomCapacity } } } room { memberCount }',
    );
    expect(added).toMatchObject({ added: [{ user: { id: b.id }, role: 'MEMBER' }], room: { memberCount: 3 } });
    expect(added.skipped).toHaveLength(3);
    expect(added.skipped).toEqual(
      expect.arrayContaining([
        { user: null, error: { __typename: 'NotFoundError', code: 'NOT_FOUND', typeName: 'User' } },
        { user: { id: c.id }, error: { __typename: 'RoomFullError', code: 'ROOM_FULL', roomCapacity: 3 } },
      ]),
    );
    expect(await outcome(owner, 'addMembers', { roomId: room.id, users: [{ id: c.id }] })).toBe('ROOM_FULL 3');
    expect(await outcome(owner, 'addMembers', { roomId: room.id, users: [{ id: a.id }] })).toBe('done');
    expect(await outcome(owner, 'addMembers', { roomId: room.id, users: [] })).toBe('done');
  });

  it('cannot be set below the member count, nor outside its range', async () => {
    await using server = await startTestServer();
    const [owner, a, b] = four(await server.people(3));
    const room = await owner.createRoom({ members: [{ id: a.id }, { id: b.id }] });
    const set = (capacity: number | null) => outcome(owner, 'updateRoom', { roomId: room.id, capacity });
    expect(await set(2)).toBe('VALIDATION_FAILED capacity too-small');
    for (const wrong of [0, -1, 1_000_001]) expect(await set(wrong)).toMatch(/^VALIDATION_FAILED capacity /);
    expect(await set(3)).toBe('done');
    expect(await set(null)).toBe('done');
    expect(await roomOf(owner, room.id)).toMatchObject({ capacity: null });
    expect(await outcome(owner, 'createRoom', { name: 'x', capacity: 1, members: [{ id: a.id }] })).toBe('VALIDATION_FAILED capacity too-small');
    expect(await outcome(owner, 'createRoom', { name: 'x', capacity: 1, members: [{ id: owner.id }] })).toBe('done');
  });
});

describe('roles', () => {
  it('allow an owner everything, an admin the daily work, a member to read, post and leave', async () => {
    await using server = await startTestServer();
    const [owner, admin, member, other, second, outside] = (await server.people(6)) as [Person, Person, Person, Person, Person, Person];
    const room = await owner.createRoom({ members: [admin, member, other, second].map(({ id }) => ({ id })) });
    const roomId = room.id;
    const setRole = (who: Person, whom: Person, role: string) => outcome(who, 'setMemberRole', { roomId, userId: whom.id, role });
    expect(await setRole(owner, admin, 'ADMIN')).toBe('done');
    expect(await setRole(owner, second, 'ADMIN')).toBe('done');
    const { message } = await other.send({ id: roomId }, 'to be deleted');
    const remove = (who: Person, whom: Person, ban = false) => outcome(who, 'removeMember', { roomId, userId: whom.id, ban });

    expect(await outcome(member, 'updateRoom', { roomId, name: 'x' })).toBe('FORBIDDEN ROLE_TOO_LOW');
    expect(await outcome(member, 'addMembers', { roomId, users: [{ id: outside.id }] })).toBe('FORBIDDEN ROLE_TOO_LOW');
    expect(await remove(member, other)).toBe('FORBIDDEN ROLE_TOO_LOW');
    expect(await outcome(member, 'deleteMessage', { messageId: message.id })).toBe('FORBIDDEN NOT_THE_AUTHOR');
    for (const who of [member, admin]) {
      expect(await setRole(who, who, 'OWNER')).toBe('FORBIDDEN ROLE_TOO_LOW');
      expect(await outcome(who, 'deleteRoom', { roomId })).toBe('FORBIDDEN ROLE_TOO_LOW');
    }
    expect(await remove(admin, owner)).toBe('FORBIDDEN ROLE_TOO_LOW');
    expect(await remove(admin, second, true)).toBe('FORBIDDEN ROLE_TOO_LOW');
    for (const [name, input] of [
      ['updateRoom', { name: 'x' }],
      ['addMembers', { users: [] }],
      ['removeMember', { userId: member.id }],
      ['setMemberRole', { userId: member.id, role: 'ADMIN' }],
      ['deleteRoom', {}],
    ] as const) {
      expect([name, await outcome(outside, name, { roomId, ...input })]).toEqual([name, 'FORBIDDEN NOT_A_MEMBER']);
    }

    expect(await outcome(admin, 'updateRoom', { roomId, name: 'Renamed', topic: 'New' })).toBe('done');
    expect(await outcome(admin, 'deleteMessage', { messageId: message.id })).toBe('done');
    expect(await remove(admin, other, true)).toBe('done');
    expect(await outcome(admin, 'addMembers', { roomId, users: [{ id: other.id }, { id: outside.id }] })).toBe('done');
    expect(await post(member, roomId)).toBe('done');
    expect(await outcome(member, 'leaveChat', { chatId: roomId })).toBe('done');
    expect(await setRole(owner, second, 'OWNER')).toBe('done');
    expect(await remove(second, owner)).toBe('done');
    expect(await roomOf(second, roomId)).toMatchObject({ name: 'Renamed', my: { role: 'OWNER' } });
    expect(await outcome(second, 'deleteRoom', { roomId })).toBe('done');
    for (const who of [second, admin]) expect(await sight(who, 'query ($id: ID!) { room(ref: { id: $id }) { id } }', { id: roomId })).toBe('null');
  });

  it('never leave a room without an owner while others are there', async () => {
    await using server = await startTestServer();
    const [owner, member] = four(await server.people(2));
    const room = await owner.createRoom({ members: [{ id: member.id }], link: 'gone-soon' });
    const roomId = room.id;
    const lastOwner = 'CONFLICT LAST_OWNER';
    expect(await outcome(owner, 'leaveChat', { chatId: roomId })).toBe(lastOwner);
    for (const role of ['ADMIN', 'MEMBER']) expect(await outcome(owner, 'setMemberRole', { roomId, userId: owner.id, role })).toBe(lastOwner);
    for (const ban of [false, true]) expect(await outcome(owner, 'removeMember', { roomId, userId: owner.id, ban })).toBe(lastOwner);
    expect(await outcome(owner, 'setMemberRole', { roomId, userId: owner.id, role: 'OWNER' })).toBe('done');
    await change(owner, 'setMemberRole', { roomId, userId: member.id, role: 'OWNER' });
    // Both at once: one of them must stay.
    const left = await Promise.all([outcome(owner, 'leaveChat', { chatId: roomId }), outcome(member, 'setMemberRole', { roomId, userId: member.id, role: 'MEMBER' })]);
    expect(left.sort()).toEqual([lastOwner, 'done']);
  });

  it('end with the room when the last member leaves', async () => {
    await using server = await startTestServer();
    const [owner, guest] = four(await server.people(2));
    const room = await owner.createRoom({ link: 'gone-soon' });
    const { message } = await owner.send({ id: room.id }, 'x');
    const stream = await owner.follow('subscription { events { __typename ... on ChatRemoved { chatId reason } } }');
    expect(await outcome(owner, 'leaveChat', { chatId: room.id })).toBe('done');
    expect(await stream.next('ChatRemoved')).toMatchObject({ chatId: room.id, reason: 'LEFT' });
    for (const who of [owner, guest]) {
      expect(await sight(who, 'query ($id: ID!) { node(id: $id) { id } }', { id: room.id })).toBe('null');
      expect(await sight(who, 'query ($id: ID!) { node(id: $id) { id } }', { id: message.id })).toBe('null');
      expect(await join(who, room.id)).toBe('NOT_FOUND Room');
    }
    expect(await outcome(guest, 'createRoom', { name: 'Again', link: 'Gone-Soon' })).toBe('done');
  });
});

it('links are unique without regard to case, and a way in', async () => {
  await using server = await startTestServer();
  const [ada, ben] = four(await server.people(2));
  const room = await ada.createRoom({ link: 'Town-Hall' });
  expect(await outcome(ben, 'createRoom', { name: 'x', link: 'town-hall' })).toBe('ALREADY_TAKEN link');
  // A hidden room's link is taken as well: that much must be told.
  await ada.createRoom({ visibility: 'PRIVATE', link: 'https://example.org/Room' });
  expect(await outcome(ben, 'createRoom', { name: 'x', link: 'HTTPS://example.org/room' })).toBe('ALREADY_TAKEN link');
  expect(await read(ben, '{ room(ref: { link: "TOWN-hall" }) { id link } }')).toEqual({ id: room.id, link: 'Town-Hall' });
  expect(await outcome(ben, 'joinChat', { room: { link: 'TOWN-HALL' } })).toBe('done');
  for (const bad of ['', 'ab', 'a b c', 'javascript:alert(1)', 'x'.repeat(65), 'https://', 'ab\0'])
    expect([bad, await outcome(ben, 'createRoom', { name: 'x', link: bad })]).toEqual([bad, 'VALIDATION_FAILED link format']);
  expect(await outcome(ada, 'updateRoom', { roomId: room.id, link: 'town-HALL' })).toBe('done');
  expect(await outcome(ada, 'updateRoom', { roomId: room.id, link: null })).toBe('done');
  expect(await outcome(ben, 'createRoom', { name: 'x', link: 'town-hall' })).toBe('done');
  expect(await outcome(ada, 'updateRoom', { roomId: room.id, link: 'town-hall' })).toBe('ALREADY_TAKEN link');
});

it('createRoom returns the first room for the same clientRequestId, also at the same time', async () => {
  await using server = await startTestServer();
  const [ada, ben] = four(await server.people(2));
  const make = (who: Person, name = 'Once') => change(who, 'createRoom', { name, clientRequestId: 'r1', members: [] }, 'duplicate room { id name }');
  const made = await Promise.all(Array.from({ length: 8 }, () => make(ada)));
  expect(new Set(made.map(({ room }) => room.id)).size).toBe(1);
  expect(made.filter(({ duplicate }) => !duplicate)).toHaveLength(1);
  expect(await make(ada, 'Other name')).toMatchObject({ duplicate: true, room: { id: made[0]?.room.id, name: 'Once' } });
  expect(await make(ben)).toMatchObject({ duplicate: false });
  expect((await read(ada, '{ chats { totalCount } }')).totalCount).toBe(1);
  expect(await outcome(ada, 'createRoom', { name: 'x', members: [{ id: ben.id }, { username: 'nobody.here' }] })).toBe('NOT_FOUND User');
  expect((await read(ada, '{ chats { totalCount } }')).totalCount).toBe(1);
});
