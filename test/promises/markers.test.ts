/** P8 and P9: what is unread and how far everybody is, held against a model of a few lines. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Person, request, type Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';

const runs = process.env.LONG ? 150 : 4;
const seed = Number(process.env.SEED ?? 20_261_120);

const mark = (status: 'Read' | 'Delivered'): string =>
  `mutation ($input: Mark${status}Input!) { mark${status}(input: $input) { __typename ... on Mark${status}Payload { chat { my { deliveredSeq readSeq } } } ... on UserError { code } } }`;
const markRead = (person: Person, chatId: string, upToSeq: number) => person.request(mark('Read'), { input: { chatId, upToSeq } });
const markDelivered = (person: Person, chatId: string, upToSeq: number) => person.request(mark('Delivered'), { input: { chatId, upToSeq } });
const events = `subscription { events(filter: { kinds: [RECEIPTS] }) { __typename ... on StreamEvent { at }
  ... on MessageStatusChanged { chat { id } user { id } status upToSeq } ... on MyChatChanged { chat { id my { deliveredSeq readSeq unreadCount } } } } }`;

/** The same account on another device. */
async function device(server: TestServer, { username, password }: Person): Promise<string> {
  const { data } = await request(server, 'mutation ($input: LoginInput!) { login(input: $input) { ... on LoginPayload { auth { accessToken } } } }', {
    input: { login: username, password },
  });
  return data?.login.auth.accessToken;
}

// ---------------------------------------------------------------- the model

type Member = { joined: number; delivered: number; read: number };
type Model = { id: string; messages: { id: string; sender: number; deleted: boolean }[]; members: Map<number, Member> };

const unreadOf = ({ messages }: Model, who: number, { read }: Member): number[] =>
  messages.flatMap(({ sender, deleted }, index) => (index + 1 > read && sender !== who && !deleted ? [index + 1] : []));

function statusOf({ messages, members }: Model, seq: number): { status: string; deliveredCount: number; readCount: number } {
  const counting = [...members].filter(([who, { joined }]) => who !== messages[seq - 1]?.sender && joined < seq).map(([, member]) => member);
  const [deliveredCount, readCount] = [counting.filter(({ delivered }) => delivered >= seq).length, counting.filter(({ read }) => read >= seq).length];
  const all = counting.length;
  return { status: all > 0 && readCount === all ? 'READ' : all > 0 && deliveredCount === all ? 'DELIVERED' : 'SENT', deliveredCount, readCount };
}

const expected = (chats: Model[], who: number) => {
  const own = chats.filter(({ messages, members }, index) => members.has(who) && (index > 0 || messages.length > 0));
  const unread = own.map((chat) => unreadOf(chat, who, chat.members.get(who) as Member));
  return {
    totalUnread: unread.flat().length,
    chats: own
      .map((chat, index) => {
        const { delivered, read } = chat.members.get(who) as Member;
        const my = { deliveredSeq: delivered, readSeq: read, unreadCount: unread[index]?.length, firstUnreadSeq: unread[index]?.[0] ?? null };
        return { id: chat.id, lastSeq: chat.messages.length, my, messages: chat.messages.map((_message, at) => ({ seq: at + 1, ...statusOf(chat, at + 1) })) };
      })
      .sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
};

async function seen(server: TestServer, token: string) {
  const { data, errors } = await request(
    server,
    '{ me { account { totalUnread } } chats(first: 5) { nodes { id lastSeq my { deliveredSeq readSeq unreadCount firstUnreadSeq } messages(last: 100) { nodes { seq status deliveredCount readCount } } } } }',
    undefined,
    { authorization: `Bearer ${token}` },
  );
  if (!data) throw new Error(JSON.stringify(errors));
  const chats: Untyped[] = data.chats.nodes.map((chat: Untyped) => ({ ...chat, messages: chat.messages.nodes }));
  return { totalUnread: data.me.account.totalUnread, chats: chats.sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

// ---------------------------------------------------------------- what happens

const kinds = ['send', 'send', 'send', 'delete', 'edit', 'read', 'read', 'deliver', 'deliver', 'come or go'] as const;
const step = fc.record({ kind: fc.constantFrom(...kinds), who: fc.nat(2), chat: fc.nat(1), place: fc.nat(99) });

/** Who comes back counts for nothing that was written before, whatever the marker says. */
const back = (['send', 'read', 'come or go', 'come or go', 'send', 'come or go', 'read'] as const).map((kind, index) => ({
  kind,
  who: kind === 'read' ? 1 : 0,
  chat: 1,
  place: index === 5 ? 1 : 2 * index,
}));

it(`P8, P9: markers only grow, and unread counts and statuses follow from them on every device and after a restart (${runs} runs)`, {
  timeout: 20_000 + runs * 8_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 30 }), async (steps) => {
      await using server = await startTestServer();
      const people = await server.people(3);
      const devices = await Promise.all(people.map((person) => device(server, person)));
      const room = await (people[0] as Person).createRoom({ members: [{ id: people[1]?.id }] });
      const { dialog } = await (people[0] as Person).must('query ($id: ID!) { dialog(with: { id: $id }) { id } }', { id: people[1]?.id });
      const fresh = (...who: number[]): Map<number, Member> => new Map(who.map((each) => [each, { joined: 0, delivered: 0, read: 0 }]));
      const chats: Model[] = [
        { id: dialog.id, messages: [], members: fresh(0, 1) },
        { id: room.id, messages: [], members: fresh(0, 1) },
      ];
      for (const each of steps) {
        await take(people, chats, each);
        for (const [who, person] of people.entries())
          expect(await seen(server, (each.place % 2 ? devices[who] : person.token) as string), JSON.stringify(each)).toEqual(expected(chats, who));
      }
      await server.restart();
      for (const [who, person] of people.entries()) for (const token of [person.token, devices[who] as string]) expect(await seen(server, token)).toEqual(expected(chats, who));
    }),
    { seed, numRuns: runs, endOnFailure: true, examples: [[back]] },
  );
});

async function take(
  people: Person[],
  chats: Model[],
  { kind, who, chat: index, place }: { kind: (typeof kinds)[number]; who: number; chat: number; place: number },
): Promise<void> {
  const [person, chat] = [people[who] as Person, chats[index] as Model];
  const member = chat.members.get(who);
  const { messages } = chat;
  switch (kind) {
    case 'send': {
      if (!member) return;
      const { message } = await person.send({ id: chat.id }, 'hello');
      expect(message.seq).toBe(messages.push({ id: message.id, sender: who, deleted: false }));
      return;
    }
    case 'delete':
    case 'edit': {
      const message = messages[place % Math.max(1, messages.length)];
      if (message?.sender !== who || message.deleted || !member) return;
      const input = kind === 'edit' ? { messageId: message.id, text: 'other' } : { messageId: message.id };
      await person.must(`mutation ($input: ${kind === 'edit' ? 'Edit' : 'Delete'}MessageInput!) { ${kind}Message(input: $input) { __typename } }`, { input });
      message.deleted = kind === 'delete';
      return;
    }
    case 'read':
    case 'deliver': {
      // One in four is above the newest message, or below zero.
      const upToSeq = place % 4 === 0 ? (place % 8 === 0 ? messages.length + 1 : -1) : place % (messages.length + 1);
      const { data } = await (kind === 'read' ? markRead : markDelivered)(person, chat.id, upToSeq);
      const [answer] = Object.values(data as Untyped);
      if (!member) expect(answer).toMatchObject({ __typename: 'NotFoundError' });
      else if (upToSeq > messages.length || upToSeq < 0) expect(answer).toMatchObject({ __typename: 'ValidationError' });
      else {
        member.delivered = Math.max(member.delivered, upToSeq);
        if (kind === 'read') member.read = Math.max(member.read, upToSeq);
        expect(answer.chat.my).toEqual({ deliveredSeq: member.delivered, readSeq: member.read });
      }
      return;
    }
    case 'come or go': {
      // One of two, in the room: who comes back counts for nothing that was written before.
      const index = 1 + (place % 2);
      const [guest, room] = [people[index] as Person, chats[1] as Model];
      const leaving = room.members.has(index);
      await guest.must(
        leaving ? 'mutation ($id: ID!) { leaveChat(input: { chatId: $id }) { __typename } }' : 'mutation ($id: ID!) { joinChat(input: { room: { id: $id } }) { __typename } }',
        { id: room.id },
      );
      if (leaving) room.members.delete(index);
      else room.members.set(index, { joined: room.messages.length, delivered: room.messages.length, read: room.messages.length });
    }
  }
}

// ---------------------------------------------------------------- told

it('tells others of a move as MessageStatusChanged and the own devices as MyChatChanged, and nobody of none', async () => {
  await using server = await startTestServer();
  const [sender, reader, stranger] = (await server.people(3)) as [Person, Person, Person];
  const { message } = await sender.send({ username: reader.username }, 'one');
  await sender.send({ username: reader.username }, 'two');
  const [others, own, nobody] = await Promise.all([sender.follow(events), reader.follow(events), stranger.follow(events)]);
  await markDelivered(reader, message.chat.id, 2);
  expect(await others.next()).toMatchObject({ __typename: 'MessageStatusChanged', chat: { id: message.chat.id }, user: { id: reader.id }, status: 'DELIVERED', upToSeq: 2 });
  expect(await own.next()).toMatchObject({ __typename: 'MyChatChanged', chat: { my: { deliveredSeq: 2, readSeq: 0, unreadCount: 2 } } });
  await markRead(reader, message.chat.id, 1);
  expect(await others.next()).toMatchObject({ status: 'READ', upToSeq: 1 });
  expect(await own.next()).toMatchObject({ chat: { my: { deliveredSeq: 2, readSeq: 1, unreadCount: 1 } } });
  // Nothing moves: nothing is told. The next thing told is the next move.
  await markRead(reader, message.chat.id, 1);
  await markDelivered(reader, message.chat.id, 0);
  await markRead(reader, message.chat.id, 2);
  expect(await others.next()).toMatchObject({ status: 'READ', upToSeq: 2 });
  // One move of both markers is one event.
  expect(others.items.filter(({ __typename }) => __typename === 'MessageStatusChanged')).toHaveLength(3);
  expect(nobody.items).toEqual([]);
});

/** A room of 52 with messages in it: its owner, one who reads, one who looks on, and others. */
async function largeRoom(server: TestServer, messages: number) {
  const [owner, reader] = (await server.people(2)) as [Person, Person];
  const crowd = await server.people(50);
  const room = await owner.createRoom({ members: [reader, ...crowd].map(({ id }) => ({ id })) });
  await Promise.all(Array.from({ length: messages }, (_, index) => owner.send(room, `${index}`)));
  return { owner, reader, room };
}

it('tells of a member’s moves in a room of more than 50 at most once a second, and of the last position in the end', async () => {
  await using server = await startTestServer();
  const { owner, reader, room } = await largeRoom(server, 20);
  const [others, own] = [await owner.follow(events), await reader.follow(events)];
  const begun = performance.now();
  let moves = 0;
  for (; performance.now() - begun < 1_300; moves++) await markRead(reader, room.id, Math.min(19, 1 + moves));
  await markRead(reader, room.id, 20);
  await others.next(({ status, upToSeq }) => status === 'READ' && upToSeq === 20);
  await own.next(({ chat }) => chat.my.readSeq === 20);
  expect(moves).toBeGreaterThan(5);
  for (const { items } of [others, own]) {
    expect(items.length).toBeGreaterThan(1);
    // Two readings of a clock that is not the sender's: a little less than a second is one.
    for (const [index, { at }] of items.slice(1).entries()) expect(Date.parse(at) - Date.parse(items[index]?.at)).toBeGreaterThan(700);
  }
  const told = others.items.map(({ upToSeq }) => upToSeq);
  expect(told).toEqual([...told].sort((a, b) => a - b));
});

it('tells of the last position also when the server stops before the second is over', async () => {
  await using server = await startTestServer();
  const { owner, reader, room } = await largeRoom(server, 5);
  const { eventCursor } = await owner.must('{ eventCursor }');
  for (const seq of [1, 2, 3]) await markRead(reader, room.id, seq);
  await server.restart();
  const { sync } = await owner.must(
    'query ($after: EventCursor!) { sync(after: $after, filter: { kinds: [RECEIPTS] }) { items { ... on MessageStatusChanged { status upToSeq } } } }',
    { after: eventCursor },
  );
  expect(sync.items.at(-1)).toEqual({ status: 'READ', upToSeq: 3 });
});
