/** What schema.graphql says of messages, rule by rule. */
import { describe, expect, it } from 'vitest';
import { change, operation, outcome, read, sight } from '../kit/outcome.ts';
import type { Person, Untyped } from '../kit/person.ts';
import { startTestServer } from '../kit/server.ts';

const some = (people: Person[]) => people as [Person, Person, Person, Person];
const sent = 'message { id seq text version clientMessageId deletedAt chat { id lastSeq lastMessage { id } } } duplicate cursor';
const send = (who: Person, input: Untyped) => change(who, 'sendMessage', input, sent);
const messageOf = (who: Person, id: string) =>
  read(who, 'query ($id: ID!) { message(id: $id) { id seq text version editedAt deletedAt createdAt sender { id } clientMessageId } }', { id });
const unread = async (who: Person, id: string) => (await read(who, 'query ($id: ID!) { chat(id: $id) { my { unreadCount } } }', { id })).my.unreadCount;

describe('texts', () => {
  it('have 1 to 4,000 code points and are stored as sent', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const live = await ben.follow('subscription { newMessages { ... on MessageAdded { __typename message { text } } } }');
    for (const text of [
      'x',
      '  leading and trailing  ',
      'x'.repeat(4_000),
      '🦜'.repeat(4_000),
      'line\nline\ttab',
      'e\u0301 is not é',
      'שלום \u200f',
      'a\u200db',
      '<b>&amp;</b>',
      '"\\\'`$ {}',
      '👩‍👩‍👧‍👦',
    ]) {
      const { message } = await send(ada, { to: { username: ben.username }, text });
      expect(message.text).toBe(text);
      expect((await messageOf(ben, message.id)).text).toBe(text);
      expect((await live.next('MessageAdded')).message.text).toBe(text);
    }
  });

  it('have one kind of newline, whatever system they were written on, also when they are sent again', async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    const input = { to: { username: ada.username }, text: `one\r\ntwo\rthree\n\r\nfive`, clientMessageId: 'lines' };
    const { message } = await send(ada, input);
    expect(message.text).toBe('one\ntwo\nthree\n\nfive');
    expect(await send(ada, { ...input, text: message.text })).toMatchObject({ duplicate: true, message: { id: message.id } });
    expect(await send(ada, input)).toMatchObject({ duplicate: true });
    expect((await send(ada, { ...input, clientMessageId: null, text: 'x\r\n'.repeat(2_000) })).message.text).toHaveLength(4_000);
    expect((await change(ada, 'editMessage', { messageId: message.id, text: 'six\r\nseven' }, 'message { text }')).message.text).toBe('six\nseven');
    const { room } = await change(ada, 'createRoom', { name: 'Lines', topic: 'one\r\ntwo' }, 'room { id topic }');
    expect(room.topic).toBe('one\ntwo');
    expect((await change(ada, 'updateRoom', { roomId: room.id, topic: 'three\rfour' }, 'room { topic }')).room.topic).toBe('three\nfour');
    await change(ada, 'updateProfile', { address: 'Street 1\r\nTown' });
    expect((await read(ada, '{ me { account { address } } }')).account.address).toBe('Street 1\nTown');
  });

  it('are refused when nothing visible is in them, when too long, or with what no text may hold', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const { message } = await send(ada, { to: { username: ben.username }, text: 'original' });
    const refused: [text: string | null | undefined, rule: string][] = [
      [undefined, 'required'],
      [null, 'required'],
      ['', 'required'],
      [' ', 'visible'],
      ['\n\t ', 'visible'],
      ['\u200b\u200d\ufeff', 'visible'],
      ['\u2800', 'visible'],
      ['\u00ad\u3164', 'visible'],
      ['x'.repeat(4_001), 'length'],
      ['🦜'.repeat(4_001), 'length'],
      ['a\0b', 'characters'],
      ['a\u001bb', 'characters'],
      ['a\u007fb', 'characters'],
      ['a\u0085b', 'characters'],
      ['\ud800', 'characters'],
      ['a\udc00b', 'characters'],
    ];
    for (const [text, rule] of refused) {
      expect([text, await outcome(ada, 'sendMessage', { to: { username: ben.username }, text })]).toEqual([text, `VALIDATION_FAILED text ${rule}`]);
      if (text != null) expect([text, await outcome(ada, 'editMessage', { messageId: message.id, text })]).toEqual([text, `VALIDATION_FAILED text ${rule}`]);
    }
    expect(await messageOf(ben, message.id)).toMatchObject({ text: 'original', version: 1 });
    expect((await read(ben, '{ inbox { nodes { seq } } }')).nodes).toEqual([{ seq: 1 }]);
  });
});

describe('a clientMessageId', () => {
  it('is 1 to 128 printable ASCII characters', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const to = { username: ben.username };
    for (const good of ['a', ' ', '~', 'x'.repeat(128), '{"a": 1}'])
      expect([good, await outcome(ada, 'sendMessage', { to, text: 'x', clientMessageId: good })]).toEqual([good, 'done']);
    for (const bad of ['', 'x'.repeat(129), 'é', 'a\nb', '\0', '\u007f', '🦜'])
      expect([bad, await outcome(ada, 'sendMessage', { to, text: 'x', clientMessageId: bad })]).toEqual([bad, 'VALIDATION_FAILED clientMessageId format']);
    expect((await send(ada, { to, text: 'x', clientMessageId: null })).message.clientMessageId).toBeNull();
  });

  it('is unique for each account, and the same again returns the first message', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const first = await send(ada, { to: { username: ben.username }, text: 'hi', clientMessageId: 'm1' });
    const { chat, id } = first.message;
    for (const to of [{ username: ben.username.toUpperCase() }, { userId: ben.id }, { chatId: chat.id }]) {
      expect(await send(ada, { to, text: 'hi', clientMessageId: 'm1', clientSentAt: '2020-01-01T00:00:00.000Z' })).toMatchObject({
        duplicate: true,
        cursor: first.cursor,
        message: { id, seq: 1, text: 'hi' },
      });
    }
    expect(await send(ben, { to: { username: ada.username }, text: 'hi', clientMessageId: 'm1' })).toMatchObject({ duplicate: false, message: { seq: 2 } });
    expect(await send(ada, { to: { username: ben.username }, text: 'hi' })).toMatchObject({ duplicate: false, message: { seq: 3 } });
    expect(await send(ada, { to: { username: ben.username }, text: 'hi' })).toMatchObject({ duplicate: false, message: { seq: 4 } });
    const room = await ada.createRoom();
    const other: [to: Untyped, text: string][] = [
      [{ chatId: chat.id }, 'hi!'],
      [{ chatId: chat.id }, 'Hi'],
      [{ chatId: chat.id }, 'hi '],
      [{ chatId: room.id }, 'hi'],
      [{ username: ada.username }, 'hi'],
    ];
    for (const [to, text] of other)
      expect([to, text, await outcome(ada, 'sendMessage', { to, text, clientMessageId: 'm1' })]).toEqual([to, text, 'CONFLICT CLIENT_MESSAGE_ID_REUSED']);
    expect(await messageOf(ben, id)).toMatchObject({ text: 'hi', version: 1 });
  });

  it('means the original text after an edit, and returns the tombstone after deletion', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const to = { username: ben.username };
    const { message } = await send(ada, { to, text: 'original', clientMessageId: 'm1' });
    await change(ada, 'editMessage', { messageId: message.id, text: 'changed' });
    expect(await send(ada, { to, text: 'original', clientMessageId: 'm1' })).toMatchObject({ duplicate: true, message: { id: message.id, text: 'changed', version: 2 } });
    expect(await outcome(ada, 'sendMessage', { to, text: 'changed', clientMessageId: 'm1' })).toBe('CONFLICT CLIENT_MESSAGE_ID_REUSED');
    await change(ada, 'deleteMessage', { messageId: message.id });
    expect(await send(ada, { to, text: 'original', clientMessageId: 'm1' })).toMatchObject({
      duplicate: true,
      message: { id: message.id, seq: 1, text: null, deletedAt: expect.any(String) },
    });
    expect(await outcome(ada, 'sendMessage', { to, text: 'other', clientMessageId: 'm1' })).toBe('CONFLICT CLIENT_MESSAGE_ID_REUSED');
  });

  it('is looked at before permissions: a retry learns that it was stored, and nothing of what happened in a room that was lost since', async () => {
    await using server = await startTestServer();
    const [owner, guest] = some(await server.people(2));
    const room = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: guest.id }] });
    const { message } = await send(guest, { to: { chatId: room.id }, text: 'hi', clientMessageId: 'm1' });
    await change(owner, 'removeMember', { roomId: room.id, userId: guest.id, ban: true });
    await change(owner, 'updateRoom', { roomId: room.id, name: 'New secrets', topic: 'Secret', link: 'secret-link', capacity: 77 });
    for (let i = 0; i < 3; i++) await owner.send({ id: room.id }, 'secret text');
    const seen = 'chat { id name lastSeq lastActivityAt memberCount my { role } lastMessage { text } members { nodes { id } } ... on Room { topic link capacity onlineCount } }';
    const retry = await change(guest, 'sendMessage', { to: { chatId: room.id }, text: 'hi', clientMessageId: 'm1' }, `duplicate cursor message { id seq text createdAt ${seen} }`);
    expect(retry).toMatchObject({
      duplicate: true,
      message: {
        id: message.id,
        seq: 1,
        text: 'hi',
        chat: {
          id: room.id,
          lastSeq: 1,
          lastActivityAt: retry.message.createdAt,
          memberCount: 0,
          my: null,
          lastMessage: null,
          members: null,
          topic: null,
          link: null,
          capacity: null,
          onlineCount: 0,
        },
      },
    });
    expect(JSON.stringify(retry)).not.toMatch(/secret/i);
    expect(await guest.request(operation('SendMessage'), { input: { to: { chatId: room.id }, text: 'hi', clientMessageId: 'm1' } })).toMatchObject({
      data: { sendMessage: { duplicate: true, message: { id: message.id } } },
    });
    expect(await outcome(guest, 'sendMessage', { to: { chatId: room.id }, text: 'hi', clientMessageId: 'm2' })).toBe('NOT_FOUND Chat');
  });

  it('of a room that was deleted is answered as an error, not as a broken answer', async () => {
    await using server = await startTestServer();
    const [owner, guest] = some(await server.people(2));
    const room = await owner.createRoom({ members: [{ id: guest.id }] });
    const retry = () => guest.request(operation('SendMessage'), { input: { to: { chatId: room.id }, text: 'hi', clientMessageId: 'm1' } });
    expect((await retry()).data?.sendMessage).toMatchObject({ __typename: 'SendMessagePayload', duplicate: false });
    await change(owner, 'deleteRoom', { roomId: room.id });
    expect(await retry()).toEqual({ data: { sendMessage: { __typename: 'NotFoundError', typeName: 'Chat', code: 'NOT_FOUND', errorMessage: expect.any(String) } } });
  });
});

it("the sender's own messages arrive on all of the sender's streams, count as unread for nobody but others, and move no marker", async () => {
  await using server = await startTestServer();
  const [ada, ben] = some(await server.people(2));
  const room = await ada.createRoom({ members: [{ id: ben.id }] });
  await ben.send({ id: room.id }, 'first');
  const streams = [
    await ada.follow('subscription { newMessages { ... on MessageAdded { __typename message { text } } } }'),
    await ada.follow('subscription { events(filter: { kinds: [MESSAGES, RECEIPTS] }) { __typename } }'),
  ];
  await ada.send({ id: room.id }, 'second');
  for (const stream of streams) expect(await stream.until('MessageAdded')).toHaveLength(1);
  await streams[1]?.stayQuiet(100);
  const my = 'query ($id: ID!) { chat(id: $id) { my { readSeq deliveredSeq unreadCount firstUnreadSeq } } }';
  expect((await read(ada, my, { id: room.id })).my).toEqual({ readSeq: 0, deliveredSeq: 0, unreadCount: 1, firstUnreadSeq: 1 });
  expect((await read(ben, my, { id: room.id })).my).toEqual({ readSeq: 0, deliveredSeq: 0, unreadCount: 1, firstUnreadSeq: 2 });
});

describe('editing', () => {
  it('is for the author, at any time: version + 1, and unread counts stay', async () => {
    await using server = await startTestServer();
    const [ada, ben, cleo] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const { message } = await ben.send({ id: room.id }, 'one');
    await ada.must('mutation ($id: ID!) { markRead(input: { chatId: $id, upToSeq: 1 }) { __typename } }', { id: room.id });
    const live = await ada.follow('subscription { events { __typename ... on MessageEdited { message { id text version } } } }');
    expect(await change(ben, 'editMessage', { messageId: message.id, text: 'two' }, 'message { id seq text version editedAt }')).toMatchObject({
      message: { id: message.id, seq: 1, text: 'two', version: 2, editedAt: expect.any(String) },
    });
    expect((await live.next('MessageEdited')).message).toEqual({ id: message.id, text: 'two', version: 2 });
    expect(await unread(ada, room.id)).toBe(0);
    for (const other of [ada, cleo]) expect(await outcome(other, 'editMessage', { messageId: message.id, text: 'three' })).toBe('FORBIDDEN NOT_THE_AUTHOR');
    expect(await outcome(ben, 'editMessage', { messageId: message.id, text: 'three', expectedVersion: 1 })).toBe('CONFLICT VERSION_MISMATCH');
    expect(await outcome(ben, 'editMessage', { messageId: message.id, text: 'three', expectedVersion: 2 })).toBe('done');
    expect(await messageOf(ada, message.id)).toMatchObject({ text: 'three', version: 3 });
  });

  it('is for an author who may post there: who was banned or removed can delete what they wrote, and no longer rewrite it', async () => {
    await using server = await startTestServer();
    const [owner, author, guest] = (await server.people(3)) as [Person, Person, Person];
    const edit = (person: Person, messageId: string) => outcome(person, 'editMessage', { messageId, text: 'buy my things' });
    for (const postPolicy of ['MEMBERS', 'ANYONE']) {
      const room = await owner.createRoom({ postPolicy, members: [{ id: author.id }] });
      const { message } = await author.send(room, 'hello');
      expect(await edit(author, message.id)).toBe('done');
      await change(owner, 'removeMember', { roomId: room.id, userId: author.id });
      expect(await edit(author, message.id)).toBe(postPolicy === 'ANYONE' ? 'done' : 'FORBIDDEN NOT_A_MEMBER');
      await change(owner, 'removeMember', { roomId: room.id, userId: author.id, ban: true });
      expect(await edit(author, message.id)).toBe('FORBIDDEN BANNED');
      expect(await outcome(author, 'deleteMessage', { messageId: message.id })).toBe('done');
    }
    // Who never was a member may change what they wrote for as long as they may write.
    const open = await owner.createRoom({ postPolicy: 'ANYONE' });
    const { message } = await guest.send(open, 'passing by');
    expect(await edit(guest, message.id)).toBe('done');
    await change(owner, 'updateRoom', { roomId: open.id, postPolicy: 'MEMBERS' });
    expect(await edit(guest, message.id)).toBe('FORBIDDEN NOT_A_MEMBER');
  });

  it('counts each of many edits at once, and lets exactly one of those that expect the same version through', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const { message } = await ada.send({ username: ben.username }, 'one');
    await Promise.all(Array.from({ length: 10 }, (_, i) => change(ada, 'editMessage', { messageId: message.id, text: `edit ${i}` })));
    expect((await messageOf(ben, message.id)).version).toBe(11);
    const outcomes = await Promise.all(Array.from({ length: 6 }, (_, i) => outcome(ada, 'editMessage', { messageId: message.id, text: `last ${i}`, expectedVersion: 11 })));
    expect(outcomes.sort()).toEqual([...Array(5).fill('CONFLICT VERSION_MISMATCH'), 'done']);
  });
});

describe('deleting', () => {
  it('is for the author, and for admins and owners of the room; twice is fine', async () => {
    await using server = await startTestServer();
    const [owner, admin, member, other] = some(await server.people(4));
    const room = await owner.createRoom({ members: [admin, member, other].map(({ id }) => ({ id })) });
    await change(owner, 'setMemberRole', { roomId: room.id, userId: admin.id, role: 'ADMIN' });
    const write = async (who: Person) => (await who.send({ id: room.id }, 'text')).message.id;
    const remove = (who: Person, messageId: string) => outcome(who, 'deleteMessage', { messageId });
    const [byMember, byOwner, byOther] = [await write(member), await write(owner), await write(other)];
    expect(await remove(other, byMember)).toBe('FORBIDDEN NOT_THE_AUTHOR');
    for (const [who, id] of [
      [member, byMember],
      [member, byMember],
      [admin, byMember],
      [admin, byOwner],
      [owner, byOther],
    ] as const)
      expect(await remove(who, id)).toBe('done');
    const { message: direct } = await member.send({ username: other.username }, 'x');
    expect(await remove(other, direct.id)).toBe('FORBIDDEN NOT_THE_AUTHOR');
    expect(await remove(owner, direct.id)).toBe('NOT_FOUND Message');
    const guest = await server.person();
    expect(await remove(guest, byOther)).toMatch(/^FORBIDDEN/);
    await change(member, 'leaveChat', { chatId: room.id });
    expect(await remove(member, byMember)).toBe('done');
  });

  it('leaves a tombstone that keeps id and seq, has no text, cannot be edited, and no longer counts as unread', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const { message } = await ada.send({ username: ben.username }, 'secret words');
    const chatId = message.chat.id;
    await ada.send({ id: chatId }, 'second');
    expect(await unread(ben, chatId)).toBe(2);
    const live = await ben.follow('subscription { events { __typename ... on MessageDeleted { message { id seq text deletedAt } } } }');
    await change(ada, 'deleteMessage', { messageId: message.id });
    expect((await live.next('MessageDeleted')).message).toEqual({ id: message.id, seq: 1, text: null, deletedAt: expect.any(String) });
    await change(ada, 'deleteMessage', { messageId: message.id });
    await live.stayQuiet(100);
    expect(await messageOf(ben, message.id)).toMatchObject({ id: message.id, seq: 1, text: null, deletedAt: expect.any(String), sender: { id: ada.id } });
    expect(await unread(ben, chatId)).toBe(1);
    expect((await read(ben, '{ me { account { totalUnread } } }')).account.totalUnread).toBe(1);
    expect(await read(ben, 'query ($id: ID!) { chat(id: $id) { my { firstUnreadSeq } } }', { id: chatId })).toEqual({ my: { firstUnreadSeq: 2 } });
    expect(await outcome(ada, 'editMessage', { messageId: message.id, text: 'again' })).toBe('NOT_FOUND Message');
    expect((await read(ben, 'query ($id: ID!) { chat(id: $id) { messages { nodes { seq text } } } }', { id: chatId })).messages.nodes).toEqual([
      { seq: 1, text: null },
      { seq: 2, text: 'second' },
    ]);
    expect((await read(ben, '{ inbox { nodes { seq } } }')).nodes).toEqual([{ seq: 2 }]);
    expect(JSON.stringify(await read(ben, 'query ($id: ID!) { chat(id: $id) { messages { nodes { text } } lastMessage { text } } }', { id: chatId }))).not.toContain('secret');
  });
});

describe('pages', () => {
  /** A room with messages 1 to `count`, and how to ask for a page of it: `3-5 <>` means seqs 3, 4, 5 with more on both sides. */
  const world = async (server: Awaited<ReturnType<typeof startTestServer>>, count: number) => {
    const [ada, ben] = some(await server.people(2));
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    for (let i = 1; i <= count; i += 20) await Promise.all(Array.from({ length: Math.min(20, count - i + 1) }, () => ada.send({ id: room.id }, 'x')));
    const ask = async (args: Untyped, who: Person = ben) => {
      const connection = await read(
        who,
        'query ($room: ID!, $anchor: MessageAnchorInput, $first: Int, $after: String, $last: Int, $before: String) { groupMessages(room: { id: $room }, anchor: $anchor, first: $first, after: $after, last: $last, before: $before) { edges { cursor } nodes { seq } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }',
        { room: room.id, ...args },
      );
      const seqs: number[] = connection.nodes.map(({ seq }: Untyped) => seq);
      const { hasPreviousPage, hasNextPage, startCursor, endCursor } = connection.pageInfo;
      expect([startCursor, endCursor]).toEqual([connection.edges[0]?.cursor ?? null, connection.edges.at(-1)?.cursor ?? null]);
      expect(seqs).toEqual(seqs.map((_, i) => (seqs[0] as number) + i));
      return {
        words: `${seqs.length ? `${seqs[0]}-${seqs.at(-1)}` : 'none'} ${hasPreviousPage ? '<' : ''}${hasNextPage ? '>' : ''}`.trim(),
        cursors: connection.edges.map(({ cursor }: Untyped) => cursor) as string[],
      };
    };
    return { ada, ben, room, ask };
  };

  it('are ascending and exact in both directions, whatever is asked for', async () => {
    await using server = await startTestServer();
    const { ask, ada } = await world(server, 12);
    const { cursors } = await ask({ first: 12 });
    const at = (seq: number) => cursors[seq - 1] as string;
    const asked: [args: Untyped, expected: string][] = [
      [{}, '1-12'],
      [{ first: 12 }, '1-12'],
      [{ last: 12 }, '1-12'],
      [{ first: 100 }, '1-12'],
      [{ first: 5 }, '1-5 >'],
      [{ last: 5 }, '8-12 <'],
      [{ first: 0 }, 'none >'],
      [{ last: 0 }, 'none <'],
      [{ first: null, last: null, after: null, before: null, anchor: null }, '1-12'],
      [{ first: 3, last: null, anchor: null, after: null }, '1-3 >'],
      [{ after: at(5) }, '6-12 <'],
      [{ after: at(5), first: 3 }, '6-8 <>'],
      [{ after: at(5), last: 3 }, '10-12 <'],
      [{ after: at(12) }, 'none <'],
      [{ after: at(12), last: 2 }, 'none <'],
      [{ before: at(5) }, '1-4 >'],
      [{ before: at(5), last: 3 }, '2-4 <>'],
      [{ before: at(5), first: 3 }, '1-3 >'],
      [{ before: at(1) }, 'none >'],
      [{ before: at(1), first: 2 }, 'none >'],
      [{ after: at(3), before: at(9) }, '4-8 <>'],
      [{ after: at(3), before: at(9), first: 2 }, '4-5 <>'],
      [{ after: at(3), before: at(9), last: 2 }, '7-8 <>'],
      [{ after: at(3), before: at(4) }, 'none <>'],
      // Anchors: forward behind `afterSeq` and `firstUnread`, backward before `beforeSeq`, half each around.
      [{ anchor: { afterSeq: 5 } }, '6-12 <'],
      [{ anchor: { afterSeq: 5 }, first: 3 }, '6-8 <>'],
      [{ anchor: { afterSeq: 5 }, last: 3 }, '10-12 <'],
      [{ anchor: { afterSeq: 0 }, first: 3 }, '1-3 >'],
      [{ anchor: { afterSeq: -7 }, first: 3 }, '1-3 >'],
      [{ anchor: { afterSeq: 12 }, first: 3 }, 'none <'],
      [{ anchor: { afterSeq: 99 } }, 'none <'],
      [{ anchor: { beforeSeq: 5 } }, '1-4 >'],
      [{ anchor: { beforeSeq: 9 }, last: 3 }, '6-8 <>'],
      [{ anchor: { beforeSeq: 9 }, first: 3 }, '1-3 >'],
      [{ anchor: { beforeSeq: 1 } }, 'none >'],
      [{ anchor: { beforeSeq: -3 }, last: 2 }, 'none >'],
      [{ anchor: { beforeSeq: 13 }, last: 2 }, '11-12 <'],
      [{ anchor: { beforeSeq: 99 }, last: 2 }, '11-12 <'],
      [{ anchor: { aroundSeq: 6 }, first: 5 }, '4-8 <>'],
      [{ anchor: { aroundSeq: 6 }, last: 5 }, '4-8 <>'],
      [{ anchor: { aroundSeq: 1 }, first: 5 }, '1-5 >'],
      [{ anchor: { aroundSeq: 12 }, first: 5 }, '8-12 <'],
      [{ anchor: { aroundSeq: 6 } }, '1-12'],
      [{ anchor: { aroundSeq: 99 }, first: 3 }, '10-12 <'],
      [{ anchor: { aroundSeq: -5 }, first: 3 }, '1-3 >'],
      [{ anchor: { aroundSeq: 6 }, first: 1 }, '6-6 <>'],
      [{ anchor: { firstUnread: true } }, '1-12'],
      [{ anchor: { firstUnread: true }, first: 4 }, '1-4 >'],
      // Cursors win over an anchor, which clients send again with every page.
      [{ anchor: { afterSeq: 1 }, after: at(8), first: 2 }, '9-10 <>'],
      [{ anchor: { beforeSeq: 3 }, after: at(8), first: 2 }, '9-10 <>'],
      [{ anchor: { beforeSeq: 3 }, after: at(8) }, '9-12 <'],
      [{ anchor: { aroundSeq: 2 }, before: at(8), last: 2 }, '6-7 <>'],
      [{ anchor: { afterSeq: 2 }, before: at(8) }, '1-7 >'],
      [{ anchor: { firstUnread: true }, before: at(4), last: 2 }, '2-3 <>'],
    ];
    for (const [args, expected] of asked) expect([args, (await ask(args)).words]).toEqual([args, expected]);
    // With an even size the message stands in the window, which is full.
    const even = (await ask({ anchor: { aroundSeq: 6 }, first: 4 })).words;
    expect(['4-7 <>', '5-8 <>']).toContain(even);
    expect((await ask({}, ada)).words).toBe('1-12');
  });

  it('are the newest 50 when nothing is given, and go on without a gap in both directions', async () => {
    await using server = await startTestServer();
    const { ask } = await world(server, 120);
    expect((await ask({})).words).toBe('71-120 <');
    expect((await ask({ first: 100 })).words).toBe('1-100 >');
    expect((await ask({ anchor: { afterSeq: 10 } })).words).toBe('11-60 <>');
    expect((await ask({ anchor: { beforeSeq: 110 } })).words).toBe('60-109 <>');
    expect((await ask({ anchor: { firstUnread: true } })).words).toBe('1-50 >');
    const backward = ['71-120 <'];
    for (let page = await ask({}); page.words.includes('<'); ) {
      page = await ask({ before: page.cursors[0] });
      backward.push(page.words);
    }
    expect(backward).toEqual(['71-120 <', '21-70 <>', '1-20 >']);
    const forward = ['81-100 <>'];
    const around = await ask({ anchor: { aroundSeq: 91 }, first: 20 });
    expect(around.words).toBe(forward[0]);
    expect((await ask({ anchor: { aroundSeq: 91 }, first: 20, after: around.cursors.at(-1) })).words).toBe('101-120 <');
    expect((await ask({ anchor: { aroundSeq: 91 }, last: 20, before: around.cursors[0] })).words).toBe('61-80 <>');
  });

  it('from the first unread go forward, and are the newest page when nothing is unread', async () => {
    await using server = await startTestServer();
    const { ask, ada, ben, room } = await world(server, 12);
    const firstUnread = { anchor: { firstUnread: true } };
    await change(ben, 'markRead', { chatId: room.id, upToSeq: 7 });
    expect((await ask({ ...firstUnread, first: 3 })).words).toBe('8-10 <>');
    expect((await ask(firstUnread)).words).toBe('8-12 <');
    await change(ben, 'markRead', { chatId: room.id, upToSeq: 12 });
    expect((await ask({ ...firstUnread, first: 3 })).words).toBe('10-12 <');
    expect((await ask(firstUnread)).words).toBe('1-12');
    expect((await ask({ ...firstUnread, first: 3 }, ada)).words).toBe('10-12 <');
    const guest = await server.person();
    expect((await ask({ ...firstUnread, first: 3 }, guest)).words).toBe('10-12 <');
  });

  it('are empty in an empty chat, with nothing on either side', async () => {
    await using server = await startTestServer();
    const { ask, ada, ben } = await world(server, 0);
    for (const args of [
      {},
      { first: 3 },
      { last: 3 },
      { first: 0 },
      { last: 0 },
      { anchor: { afterSeq: 3 } },
      { anchor: { beforeSeq: 3 } },
      { anchor: { aroundSeq: 3 } },
      { anchor: { firstUnread: true } },
    ])
      expect([args, (await ask(args)).words]).toEqual([args, 'none']);
    const dialog = await read(
      ada,
      'query ($with: UserRefInput!) { dialog(with: $with) { messages(anchor: { firstUnread: true }) { nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor } } } }',
      { with: { id: ben.id } },
    );
    expect(dialog.messages).toEqual({ nodes: [], pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null } });
  });

  it('of more than 100, of negative counts, in two directions, and behind garbage are BAD_REQUEST', async () => {
    await using server = await startTestServer();
    const { ada, ben, room } = await world(server, 1);
    const wrong = [
      'first: 101',
      'last: 101',
      'first: -1',
      'last: -1',
      'first: 1, last: 1',
      'first: 2147483647',
      'after: "garbage"',
      'before: ""',
      'after: "\\u0000"',
      `after: "${'x'.repeat(5000)}"`,
    ];
    const lists = [
      'chats',
      'rooms',
      'registeredUsers',
      'inbox',
      `groupMessages(room: { id: "${room.id}" }, ARGS)`,
      `dialog(with: { id: "${ben.id}" }) { messages(ARGS)`,
      `room(ref: { id: "${room.id}" }) { members(ARGS)`,
      `chat(id: "${room.id}") { messages(ARGS)`,
    ];
    for (const list of lists) {
      for (const args of wrong) {
        const field = list.includes('ARGS') ? list.replace('ARGS', args) : `${list}(${args})`;
        const document = `{ ${field} { pageInfo { hasNextPage } }${field.includes(') {') ? ' }' : ''} }`;
        expect([document, await sight(ada, document)]).toEqual([document, 'top: BAD_REQUEST']);
      }
      const field = list.includes('ARGS')
        ? list.replace('ARGS', 'first: null, last: null, after: null, before: null')
        : `${list}(first: null, last: null, after: null, before: null)`;
      expect([list, await sight(ada, `{ ${field} { pageInfo { hasNextPage } }${field.includes(') {') ? ' }' : ''} }`)]).toEqual([list, 'there']);
    }
    for (const anchor of ['{ firstUnread: false }', '{ afterSeq: 1, beforeSeq: 2 }', '{}', '{ afterSeq: null }', '{ aroundSeq: 99999999999 }'])
      expect([anchor, await sight(ada, `{ groupMessages(room: { id: "${room.id}" }, anchor: ${anchor}) { nodes { id } } }`)]).toEqual([anchor, 'top: BAD_REQUEST']);
  });

  it('of other lists are the first 50 when nothing is given', async () => {
    await using server = await startTestServer();
    const ada = await server.person('aaa');
    const others = Array.from({ length: 54 }, (_, i) => `user-${100 + i}`);
    await Promise.all(others.map((name) => server.person(name)));
    const page = (args: string) => read(ada, `{ registeredUsers${args} { nodes { username } totalCount pageInfo { hasNextPage hasPreviousPage endCursor } } }`);
    const first = await page('');
    expect(first.nodes.map(({ username }: Untyped) => username)).toEqual(['aaa', ...others.slice(0, 49)]);
    expect(first).toMatchObject({ totalCount: 55, pageInfo: { hasNextPage: true, hasPreviousPage: false } });
    const second = await page(`(after: "${first.pageInfo.endCursor}")`);
    expect(second.nodes).toHaveLength(5);
    expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  });
});

describe('look-ups', () => {
  const garbage = [
    '',
    'x',
    'garbage',
    '\0',
    '☃',
    '=',
    'VXNlcg==',
    Buffer.from('User:').toString('base64'),
    Buffer.from('User:-1').toString('base64'),
    Buffer.from('User:01').toString('base64'),
    Buffer.from('User:1.5').toString('base64'),
    Buffer.from('Toaster:1').toString('base64'),
    Buffer.from('Room:99999999999999').toString('base64'),
    Buffer.from('Message:999999999999999').toString('base64'),
    Buffer.from('Room:2147483648').toString('base64'),
    Buffer.from('Dialog:5').toString('base64'),
    Buffer.from('Dialog:9.3').toString('base64'),
    Buffer.from('Member:1').toString('base64'),
    Buffer.from('__proto__:1').toString('base64'),
    Buffer.from('constructor:1').toString('base64'),
    `${Buffer.from('User:1').toString('base64')} `,
    'x'.repeat(10_000),
  ];

  it('give null without an error for what is absent, hidden or garbage', async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    for (const id of garbage) {
      for (const document of ['node(id: $id) { id }', 'user(ref: { id: $id }) { id }', 'room(ref: { id: $id }) { id }', 'chat(id: $id) { id }', 'message(id: $id) { id }'])
        expect([id, document, await sight(ada, `query ($id: ID!) { ${document} }`, { id })]).toEqual([id, document, 'null']);
    }
    const nodes = await read(ada, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: [...garbage, ada.id, 'x', ada.id] });
    expect(nodes).toEqual([...garbage.map(() => null), { id: ada.id }, null, { id: ada.id }]);
    for (const username of ['', 'nobody.here', '\0', '\ud800', 'x'.repeat(100_000)]) {
      expect([username.slice(0, 20), await sight(ada, 'query ($username: String!) { user(ref: { username: $username }) { id } }', { username })]).toEqual([
        username.slice(0, 20),
        'null',
      ]);
      expect([username.slice(0, 20), await sight(ada, 'query ($link: String!) { room(ref: { link: $link }) { id } }', { link: username })]).toEqual([
        username.slice(0, 20),
        'null',
      ]);
    }
    expect(await sight(ada, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids: Array(101).fill('x') })).toBe('top: BAD_REQUEST');
    const room = await ada.createRoom();
    await ada.send({ id: room.id }, 'x');
    for (const seq of [0, -1, 2, 2_147_483_647, -2_147_483_648])
      expect([seq, await read(ada, 'query ($id: ID!, $seq: Int!) { chat(id: $id) { messageAt(seq: $seq) { id } } }', { id: room.id, seq })]).toEqual([seq, { messageAt: null }]);
  });

  it('of one kind do not find another', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const room = await ada.createRoom();
    const { message } = await ada.send({ username: ben.username }, 'x');
    const ids: Record<string, string> = { User: ada.id, Room: room.id, Dialog: message.chat.id, Message: message.id, Session: ada.sessionId };
    const fits: Record<string, string[]> = {
      'user(ref: { id: $id })': ['User'],
      'room(ref: { id: $id })': ['Room'],
      'chat(id: $id)': ['Room', 'Dialog'],
      'message(id: $id)': ['Message'],
      'node(id: $id)': Object.keys(ids),
    };
    for (const [field, types] of Object.entries(fits)) {
      for (const [type, id] of Object.entries(ids))
        expect([field, type, await sight(ada, `query ($id: ID!) { ${field} { id } }`, { id })]).toEqual([field, type, types.includes(type) ? 'there' : 'null']);
    }
    for (const [type, id] of Object.entries(ids)) expect((await read(ada, 'query ($id: ID!) { node(id: $id) { __typename } }', { id })).__typename).toBe(type);
  });

  it('in mutations answer NotFoundError, and typeName says which reference failed', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const noDialog = Buffer.from(`Dialog:${Buffer.from(ada.id, 'base64').toString().slice(5)}.9999`).toString('base64');
    for (const id of [...garbage, noDialog]) {
      const expected: [name: string, input: Untyped, typeName: string][] = [
        ['sendMessage', { to: { chatId: id }, text: 'x' }, 'Chat'],
        ['sendMessage', { to: { userId: id }, text: 'x' }, 'User'],
        ['joinChat', { room: { id } }, 'Room'],
        ['revokeSession', { sessionId: id }, 'Session'],
        ['addContacts', { users: [{ id }] }, 'User'],
        ['setTyping', { chatId: id }, 'Chat'],
        ['createRoom', { name: 'x', members: [{ id }] }, 'User'],
        ['updateRoom', { roomId: id, name: 'x' }, 'Room'],
        ['deleteRoom', { roomId: id }, 'Room'],
        ['leaveChat', { chatId: id }, 'Chat'],
        ['addMembers', { roomId: id, users: [] }, 'Room'],
        ['removeMember', { roomId: id, userId: ben.id }, 'Room'],
        ['removeMember', { roomId: room.id, userId: id, ban: true }, 'User'],
        ['setMemberRole', { roomId: id, userId: ben.id, role: 'ADMIN' }, 'Room'],
        ['setMemberRole', { roomId: room.id, userId: id, role: 'ADMIN' }, 'User'],
        ['editMessage', { messageId: id, text: 'x' }, 'Message'],
        ['deleteMessage', { messageId: id }, 'Message'],
        ['markRead', { chatId: id, upToSeq: 1 }, 'Chat'],
        ['markDelivered', { chatId: id, upToSeq: 1 }, 'Chat'],
      ];
      for (const [name, input, typeName] of expected) expect([id.slice(0, 60), name, await outcome(ada, name, input)]).toEqual([id.slice(0, 60), name, `NOT_FOUND ${typeName}`]);
      expect(await outcome(ada, 'removeContacts', { userIds: [id] })).toBe('done');
    }
    expect(await outcome(ada, 'sendMessage', { to: { username: 'nobody.here' }, text: 'x' })).toBe('NOT_FOUND User');
    expect(await outcome(ada, 'joinChat', { room: { link: 'no-such-link' } })).toBe('NOT_FOUND Room');
    expect(await outcome(ada, 'sendMessage', { to: { chatId: room.id }, text: 'x', attachmentIds: ['x'] })).toBe('NOT_FOUND Attachment');
  });
});
