/** P7: who loses a room receives nothing later from it, not even in a stream that was open before; `ChatRemoved` is the last. */
import { describe, expect, it } from 'vitest';
import type { Follow, Item, Person, Untyped } from '../kit/person.ts';
import { openRawSocket } from '../kit/raw-socket.ts';
import { startTestServer } from '../kit/server.ts';
import { eventCursor, events, messagesOf, newMessages, placeOf, rounds, seqsTo, sync, until } from './kit.ts';

type Room = { id: string };
const remove = (owner: Person, room: Room, guest: Person): Promise<unknown> =>
  owner.must('mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { __typename } }', { input: { roomId: room.id, userId: guest.id } });
const update = (owner: Person, room: Room, change: Untyped): Promise<unknown> =>
  owner.must('mutation ($input: UpdateRoomInput!) { updateRoom(input: $input) { __typename } }', { input: { roomId: room.id, ...change } });
const deleteRoom = (owner: Person, room: Room): Promise<unknown> =>
  owner.must('mutation ($input: DeleteRoomInput!) { deleteRoom(input: $input) { __typename } }', { input: { roomId: room.id } });

const losses: [name: string, reason: string, lose: (owner: Person, room: Room, guest: Person) => Promise<unknown>][] = [
  ['is removed', 'REMOVED', remove],
  ['leaves', 'LEFT', (_owner, room, guest) => guest.must('mutation ($input: LeaveChatInput!) { leaveChat(input: $input) { __typename } }', { input: { chatId: room.id } })],
  ['loses the room', 'ROOM_DELETED', deleteRoom],
];

describe('while many write, a member', () => {
  for (const [name, reason, lose] of losses) {
    it(`${name} and receives nothing of the room from then on`, async () => {
      for (let round = 0; round < rounds(1, 30); round++) {
        await using server = await startTestServer();
        const [owner, guest, ...people] = (await server.people(10)) as [Person, Person, ...Person[]];
        const room = await owner.createRoom({ visibility: 'PRIVATE', members: [guest, ...people].map(({ id }) => ({ id })) });
        const start = await eventCursor(guest);
        const streams = await Promise.all([
          guest.follow(events),
          guest.follow(events, { after: start }),
          guest.follow(newMessages),
          guest.follow(newMessages, { chatId: room.id }),
          guest.follow(newMessages, { chatId: room.id, after: start }),
        ]);
        const [first, second, ofAll, ...ofRoom] = streams as [Follow, Follow, Follow, Follow, Follow];
        const fire = await openFire(people, room);
        // What waits to be handed out when the room is lost is not: there must have been some before.
        await until(() => streams.every(({ items }) => messagesOf(items).length > 0), 'a stream shows nothing');
        await lose(owner, room, guest);
        // From here on nothing that is sent may come.
        const seqAtLoss = fire.lastSeq();
        await fire.stop();
        await people[0]?.send({ username: guest.username }, 'the end');
        for (const stream of [first, second]) {
          const items = await stream.until((item) => item.notification?.message.text === 'the end');
          const ofThisRoom = items.filter((item) => [item.chatId, item.chat?.id, item.message?.chat.id, item.notification?.message.chat.id].includes(room.id));
          expect(ofThisRoom.at(-1)).toMatchObject({ __typename: 'ChatRemoved', chatId: room.id, reason });
          expect(ofThisRoom.filter((item) => item.__typename === 'ChatRemoved')).toHaveLength(1);
          const seqs = messagesOf(ofThisRoom).map((message) => message.seq);
          expect(seqs).toEqual(seqsTo(seqs.length));
          expect(seqs.length).toBeGreaterThan(0);
        }
        // Those without a ChatRemoved show nothing that came behind it.
        const lostAt = placeOf(first.items.find((item) => item.__typename === 'ChatRemoved') as Item);
        const all = await ofAll.until((item) => item.message?.text === 'the end');
        for (const stream of ofRoom) expect((await stream.ended()).errors).toBeNull();
        for (const items of [first.items, second.items, all, ...ofRoom.map((stream) => stream.items)]) {
          const shown = items.filter((item) => item.message?.chat.id === room.id);
          expect(Math.max(...shown.map(placeOf))).toBeLessThan(lostAt);
          expect(Math.max(...shown.map((item) => item.message.seq))).toBeLessThanOrEqual(Math.max(seqAtLoss, fire.lastSeq()));
        }
        // Nor does going back in the log help.
        const { items } = (await guest.must(sync, { after: start })).sync;
        expect(items.filter((item: Item) => JSON.stringify(item).includes(room.id)).map((item: Item) => item.__typename)).toEqual(['ChatRemoved']);
        const replay = await guest.follow(newMessages, { after: start });
        expect(messagesOf(await replay.until('CaughtUp')).map((message) => message.text)).toEqual(['the end']);
        const again = await guest.follow(newMessages, { chatId: room.id, after: start });
        expect((await again.ended()).errors?.map((error) => error.extensions.code)).toEqual(['NOT_FOUND']);
        await Promise.all([first, second, ofAll].map((stream) => stream.stayQuiet(50)));
      }
    });
  }

  it('is removed and added again, and reads on', async () => {
    await using server = await startTestServer();
    const [owner, guest] = (await server.people(2)) as [Person, Person];
    const room = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: guest.id }] });
    const stream = await guest.follow(events);
    const fire = await openFire([owner], room);
    await remove(owner, room, guest);
    await owner.must('mutation ($input: AddMembersInput!) { addMembers(input: $input) { __typename } }', { input: { roomId: room.id, users: [{ id: guest.id }] } });
    await fire.stop();
    const { message } = await owner.send(room, 'the end');
    const kinds = (await stream.until((item) => item.message?.seq === message.seq)).map((item) => item.__typename);
    expect(kinds.indexOf('ChatRemoved')).toBeLessThan(kinds.indexOf('ChatAdded'));
    expect(kinds.slice(kinds.indexOf('ChatRemoved'), kinds.indexOf('ChatAdded'))).not.toContain('MessageAdded');
  });
});

describe('of what is put to messages, a member who is removed', () => {
  it('is told no pin from then on, and shown nothing of what they saved', async () => {
    await using server = await startTestServer();
    const [owner, guest] = (await server.people(2)) as [Person, Person];
    const room = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: guest.id }] });
    const [{ message: first }, { message: second }] = [await owner.send(room, 'first'), await owner.send(room, 'second')];
    const on = (person: Person, name: string, messageId: string): Promise<unknown> =>
      person.must(`mutation ($id: ID!) { ${name}(input: { messageId: $id }) { __typename } }`, { id: messageId });
    const start = await eventCursor(guest);
    const beside = `subscription ($after: EventCursor) { events(after: $after) { __typename ... on StreamEvent { cursor } ... on ChatRemoved { chatId }
      ... on PinsChanged { message { id text } } ... on SavedMessagesChanged { messageId savedMessage { id text saved } } ... on MessageAdded { message { text } } } }`;
    const streams = [await guest.follow(beside), await guest.follow(beside, { after: start })];
    await on(owner, 'pinMessage', first.id);
    await on(guest, 'saveMessage', first.id);
    await on(guest, 'saveMessage', second.id);
    // Who may see an item is asked when it is handed out: these are, before the room is lost.
    for (const stream of streams) expect(await stream.until((item) => item.messageId === second.id)).toHaveLength(stream === streams[0] ? 3 : 4);
    await remove(owner, room, guest);
    await on(owner, 'pinMessage', second.id);
    await on(owner, 'unpinMessage', first.id);
    await on(owner, 'deleteMessage', second.id);
    await on(guest, 'unsaveMessage', first.id);
    await guest.send({ username: guest.username }, 'the end');
    for (const stream of streams) {
      const items = await stream.until((item) => item.message?.text === 'the end');
      const lost = items.findIndex((item) => item.__typename === 'ChatRemoved');
      expect(items.slice(lost + 1).filter((item) => /Pins|Saved/.test(item.__typename))).toEqual([
        { __typename: 'SavedMessagesChanged', cursor: expect.any(String), messageId: first.id, savedMessage: null },
      ]);
    }
    // Nor does going back in the log help, nor the list.
    const replay = await (await guest.follow(beside, { after: start })).until((item) => item.message?.text === 'the end');
    expect(replay.filter((item) => item.__typename === 'PinsChanged')).toEqual([]);
    expect(replay.filter((item) => item.__typename === 'SavedMessagesChanged').map(({ savedMessage }) => savedMessage)).toEqual([null, null, null]);
    expect(JSON.stringify(replay)).not.toMatch(/first|second/);
    expect((await guest.must('{ savedMessages { nodes { message { id } } } }')).savedMessages.nodes).toEqual([]);
  });
});

describe('of who is named, a member who is removed', () => {
  it('learns nothing, whether by name or with all the others', async () => {
    await using server = await startTestServer();
    const [owner, guest] = (await server.people(2)) as [Person, Person];
    const room = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: guest.id }] });
    const name = (more: Untyped): Promise<Untyped> =>
      owner.must('mutation ($input: SendMessageInput!) { sendMessage(input: $input) { ... on SendMessagePayload { unreachable { id } } } }', {
        input: { to: { chatId: room.id }, text: 'for you', mentions: { users: [{ id: guest.id }], ...more } },
      });
    const beside = `subscription ($after: EventCursor) { events(after: $after) { __typename ... on StreamEvent { cursor } ... on MyChatChanged { chat { id } } ... on ChatRemoved { chatId }
      ... on NotificationAdded { notification { reason message { text } } } ... on MessageAdded { message { text mentionsMe } } } }`;
    const start = await eventCursor(guest);
    const stream = await guest.follow(beside);
    expect((await name({})).sendMessage.unreachable).toEqual([]);
    await guest.must('mutation ($input: UpdateMyChatInput!) { updateMyChat(input: $input) { __typename } }', { input: { chatId: room.id, archived: true } });
    const before = await stream.until('AccountChanged');
    await remove(owner, room, guest);
    expect((await name({ all: 'EVERYONE' })).sendMessage.unreachable).toEqual([{ id: guest.id }]);
    await guest.send({ username: guest.username }, 'the end');
    const items = await stream.until((item) => item.message?.text === 'the end');
    const lost = items.findIndex((item) => item.__typename === 'ChatRemoved');
    expect(before.map(({ __typename }) => __typename)).toEqual(['MessageAdded', 'NotificationAdded', 'MyChatChanged', 'AccountChanged']);
    expect(items.slice(lost + 1).map(({ __typename }) => __typename)).toEqual(['ChatAdded', 'MessageAdded']);
    const replay = await (await guest.follow(beside, { after: start })).until((item) => item.message?.text === 'the end');
    expect(JSON.stringify(replay)).not.toMatch(/for you|MyChatChanged/);
    const { me, notifications } = await guest.must('{ me { account { totalHighlights badgeCount } } notifications { unreadCount nodes { id } } }');
    expect([me.account, notifications]).toEqual([
      { totalHighlights: 0, badgeCount: 0 },
      { unreadCount: 0, nodes: [] },
    ]);
  });
});

describe('while many write, a guest who follows a public room', () => {
  const changes: [name: string, change: (owner: Person, room: Room) => Promise<unknown>][] = [
    ['made private', (owner, room) => update(owner, room, { visibility: 'PRIVATE' })],
    ['given a password', (owner, room) => update(owner, room, { password: 'a password' })],
    ['deleted', deleteRoom],
  ];
  for (const [name, change] of changes) {
    it(`receives nothing of it from when it is ${name}, and the stream ends`, async () => {
      for (let round = 0; round < rounds(1, 30); round++) {
        await using server = await startTestServer();
        const [owner, guest, ...people] = (await server.people(8)) as [Person, Person, ...Person[]];
        const room = await owner.createRoom({ members: people.map(({ id }) => ({ id })) });
        const start = await eventCursor(guest);
        const [order, ...streams] = (await Promise.all([
          owner.follow(events),
          guest.follow(newMessages, { chatId: room.id }),
          guest.follow(newMessages, { chatId: room.id, after: start }),
        ])) as [Follow, Follow, Follow];
        const fire = await openFire(people, room);
        await change(owner, room);
        await fire.stop();
        const changed = (await order.until((item) => item.__typename === 'ChatUpdated' || item.__typename === 'ChatRemoved')).at(-1) as Item;
        for (const stream of streams) {
          expect((await stream.ended()).errors).toBeNull();
          const seqs = messagesOf(stream.items).map((message) => message.seq);
          expect(seqs).toEqual(seqsTo(seqs.length));
          expect(seqs.length).toBeGreaterThan(0);
          expect(Math.max(...stream.items.map(placeOf))).toBeLessThan(placeOf(changed));
        }
      }
    });
  }
});

describe('while nobody writes, a guest who follows a public room', () => {
  it('is told by the end of the stream that it is closed to guests, and by nothing else that it changes', async () => {
    await using server = await startTestServer();
    const [owner, guest] = (await server.people(2)) as [Person, Person];
    for (const change of [{ visibility: 'PRIVATE' }, { password: 'a password' }, null]) {
      const room = await owner.createRoom();
      const [stream, ofOwner] = (await Promise.all([guest.follow(newMessages, { chatId: room.id }), owner.follow(newMessages, { chatId: room.id })])) as [Follow, Follow];
      await update(owner, room, { topic: 'something else' });
      await owner.send(room, 'hello');
      await Promise.all([stream, ofOwner].map((each) => each.next('MessageAdded')));
      if (change) await update(owner, room, change);
      else await deleteRoom(owner, room);
      expect((await stream.ended()).errors).toBeNull();
      expect(ofOwner.over).toBe(change === null);
      expect(stream.items).toHaveLength(1);
    }
  });
});

describe('somebody who reads slowly and has a backlog', () => {
  /** 16 kB in UTF-8, so that what the network holds is soon full. */
  const long = '😀'.repeat(4_000);
  for (const count of process.env.LONG ? [320, 700, 3_000] : [320]) {
    for (const [name, asGuest] of [
      ['a member who is removed', false],
      ['a guest whose room is made private', true],
    ] as const) {
      it(`receives none of it as ${name} (${count} messages)`, async () => {
        await using server = await startTestServer({ SLOW_CONSUMER_SECONDS: '60' });
        const [owner, reader] = (await server.people(2)) as [Person, Person];
        const room = await owner.createRoom({ members: asGuest ? [] : [{ id: reader.id }] });
        using raw = await openRawSocket(server, { init: { authorization: `Bearer ${reader.token}` } });
        raw.subscribe('1', asGuest ? newMessages : events, asGuest ? { chatId: room.id } : {});
        await until(() => server.followers() === 1, 'the stream did not open');
        raw.socket.pause();
        for (let sent = 0; sent < count; sent += 20) await Promise.all(seqsTo(20).map(() => owner.send(room, long)));
        if (asGuest) await update(owner, room, { visibility: 'PRIVATE' });
        else await remove(owner, room, reader);
        await Promise.all(seqsTo(20).map(() => owner.send(room, 'just us')));
        raw.socket.resume();
        const items = (): Item[] => raw.got.filter((message) => message.type === 'next').map((message) => Object.values(message.payload.data)[0] as Item);
        if (asGuest) await raw.message((message) => message.type === 'complete' && message.id === '1');
        else await raw.message((message) => message.payload?.data?.events?.__typename === 'ChatRemoved');
        await reader.send({ username: reader.username }, 'to myself');
        if (!asGuest) await raw.message((message) => message.payload?.data?.events?.message?.text === 'to myself');
        const got = items().filter((item) => item.message?.chat.id === room.id || item.chatId === room.id);
        const seqs = messagesOf(got).map((message) => message.seq);
        expect(seqs).toEqual(seqsTo(seqs.length));
        // Had the network taken it all, there would have been no backlog.
        expect(seqs.length).toBeLessThan(count);
        if (!asGuest) expect(got.at(-1)).toMatchObject({ __typename: 'ChatRemoved', reason: 'REMOVED' });
      });
    }
  }
});

/** People who write without a pause; resolves when the first of it is stored. Who may not write any more stops. */
async function openFire(people: readonly Person[], room: Room) {
  let over = false;
  let last = 0;
  const writing = people.map(async (person) => {
    for (let index = 0; !over; index++) {
      try {
        last = Math.max(last, (await person.send(room, String(index))).message.seq);
      } catch (error) {
        if (!String(error).includes('NOT_FOUND')) throw error;
        return;
      }
    }
  });
  await until(() => last > 20, 'nobody could write');
  return {
    lastSeq: (): number => last,
    stop: async (): Promise<void> => {
      await until(() => last > 60, '', 300).catch(() => {});
      over = true;
      await Promise.all(writing);
    },
  };
}
