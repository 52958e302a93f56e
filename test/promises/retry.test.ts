/** P1: a message is stored once, however often it is sent. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Person, request, type Untyped } from '../kit/person.ts';
import { startTestServer } from '../kit/server.ts';
import { events, history, messagesOf, rounds, sendMessage, seqsTo } from './kit.ts';

type Room = { id: string };
const input = (room: Room, text: string, clientMessageId: string): Untyped => ({ input: { to: { chatId: room.id }, text, clientMessageId } });
const retry = async (person: Person, room: Room, text: string, clientMessageId: string): Promise<Untyped> =>
  (await person.must(sendMessage, input(room, text, clientMessageId))).sendMessage;

describe('thirty identical sends at once', () => {
  it('store one message with one seq and tell of it once, over HTTP and sockets alike', async () => {
    await using server = await startTestServer();
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    const streams = await Promise.all([ana.follow(events), ben.follow(events)]);
    const sockets = [ana.socket(), ana.socket(), ana.socket()];
    const told = rounds(3, 60);
    for (let round = 1; round <= told; round++) {
      const variables = input(room, `round ${round}`, randomUUID());
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          index % 2 ? ana.request(sendMessage, variables) : (sockets[index % 3] as (typeof sockets)[0]).request<Untyped, Untyped>(sendMessage, variables),
        ),
      );
      const sent = answers.map((answer) => answer.data?.sendMessage as Untyped);
      expect(sent.filter((one) => one.duplicate === false)).toHaveLength(1);
      expect(sent.filter((one) => one.duplicate === true)).toHaveLength(29);
      expect(new Set(sent.map((one) => JSON.stringify({ ...one, duplicate: null }))).size).toBe(1);
      expect(sent[0]?.message.seq).toBe(round);
    }
    // A last message behind them all: had there been another event, it would have come before.
    await ana.send(room, 'the end');
    for (const stream of streams) {
      const items = await stream.until((item) => item.message?.text === 'the end');
      expect(messagesOf(items).map((message) => message.seq)).toEqual(seqsTo(told + 1));
    }
    expect((await history(ben, room.id)).map((message) => message.seq)).toEqual(seqsTo(told + 1));
  });

  it('open one dialog with one message', async () => {
    await using server = await startTestServer();
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const stream = await ben.follow(events);
    const id = randomUUID();
    const sent = await Promise.all(Array.from({ length: 30 }, () => ana.send({ username: ben.username }, 'hello', id)));
    expect(sent.filter((one) => !one.duplicate)).toHaveLength(1);
    expect(new Set(sent.map((one) => `${one.message.id} ${one.message.chat.id} ${one.message.seq} ${one.cursor}`)).size).toBe(1);
    await ana.send({ username: ben.username }, 'the end');
    const items = await stream.until((item) => item.message?.text === 'the end');
    expect(items.map((item) => item.__typename)).toEqual(['ChatAdded', 'MessageAdded', 'NotificationAdded', 'MessageAdded']);
  });

  it('of two contents keep one and refuse the other', async () => {
    await using server = await startTestServer();
    const ana = await server.person();
    const room = await ana.createRoom();
    const id = randomUUID();
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => ana.request(sendMessage, input(room, index % 2 ? 'one' : 'other', id))));
    const sent = answers.map((answer) => answer.data?.sendMessage as Untyped);
    const stored = await history(ana, room.id);
    expect(stored).toHaveLength(1);
    expect(sent.filter((one) => one.__typename === 'SendMessagePayload').map((one) => one.message.text)).toEqual(Array.from({ length: 15 }, () => stored[0]?.text));
    expect(sent.filter((one) => one.conflictReason === 'CLIENT_MESSAGE_ID_REUSED')).toHaveLength(15);
  });
});

describe('a retry finds what was stored', () => {
  it('one after the other, and refuses other content or another chat', async () => {
    await using server = await startTestServer();
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const [room, elsewhere] = [await ana.createRoom({ members: [{ id: ben.id }] }), await ana.createRoom()];
    const first = await retry(ana, room, 'hello', 'id 1');
    expect(first.duplicate).toBe(false);
    expect(await retry(ana, room, 'hello', 'id 1')).toEqual({ ...first, duplicate: true });
    for (const variables of [
      input(room, 'hello!', 'id 1'),
      input(elsewhere, 'hello', 'id 1'),
      { input: { to: { username: ben.username }, text: 'hello', clientMessageId: 'id 1' } },
    ]) {
      expect((await ana.request(sendMessage, variables)).data?.sendMessage).toMatchObject({ __typename: 'ConflictError', conflictReason: 'CLIENT_MESSAGE_ID_REUSED' });
    }
    // The id is the sender's own: somebody else's is another one.
    expect(await retry(ben, room, 'hello', 'id 1')).toMatchObject({ duplicate: false, message: { seq: 2 } });
    expect(await history(ana, room.id)).toHaveLength(2);
    expect(await history(ana, elsewhere.id)).toHaveLength(0);
  });

  it('after a restart of the server and after a refresh of the token', async () => {
    await using server = await startTestServer();
    const ana = await server.person();
    const room = await ana.createRoom();
    const first = await retry(ana, room, 'hello', 'id 1');
    await server.restart();
    expect(await retry(ana, room, 'hello', 'id 1')).toEqual({ ...first, duplicate: true });
    const { data } = await request(server, 'mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) { ... on RefreshSessionPayload { auth { accessToken } } } }', {
      input: { refreshToken: ana.refreshToken },
    });
    ana.token = data?.refreshSession.auth.accessToken;
    expect(await retry(ana, room, 'hello', 'id 1')).toEqual({ ...first, duplicate: true });
    expect((await ana.send(room, 'next')).message.seq).toBe(2);
  });

  it('after an edit as it is now, and after the deletion as a tombstone', async () => {
    await using server = await startTestServer();
    const ana = await server.person();
    const room = await ana.createRoom();
    const { message } = await retry(ana, room, 'hello', 'id 1');
    await ana.must('mutation ($input: EditMessageInput!) { editMessage(input: $input) { __typename } }', { input: { messageId: message.id, text: 'hi' } });
    expect(await retry(ana, room, 'hello', 'id 1')).toMatchObject({ duplicate: true, message: { id: message.id, seq: 1, text: 'hi', version: 2 } });
    // What counts is what was first sent.
    expect((await ana.request(sendMessage, input(room, 'hi', 'id 1'))).data?.sendMessage).toMatchObject({ conflictReason: 'CLIENT_MESSAGE_ID_REUSED' });
    await ana.must('mutation ($input: DeleteMessageInput!) { deleteMessage(input: $input) { __typename } }', { input: { messageId: message.id } });
    const tombstone = await retry(ana, room, 'hello', 'id 1');
    expect(tombstone).toMatchObject({ duplicate: true, message: { id: message.id, seq: 1, text: null } });
    expect(tombstone.message.deletedAt).not.toBeNull();
    expect((await ana.send(room, 'next')).message.seq).toBe(2);
  });

  it('after the sender lost the room, whose state it does not tell then', async () => {
    await using server = await startTestServer();
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ visibility: 'PRIVATE', members: [{ id: ben.id }] });
    const first = await retry(ben, room, 'hello', 'id 1');
    await ana.must('mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { __typename } }', { input: { roomId: room.id, userId: ben.id, ban: true } });
    await ana.send(room, 'just us');
    expect(await retry(ben, room, 'hello', 'id 1')).toEqual({ ...first, duplicate: true });
    const curious = await ben.request(
      'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { ... on SendMessagePayload { duplicate message { seq chat { lastSeq lastMessage { text } members { nodes { id } } } } } } }',
      input(room, 'hello', 'id 1'),
    );
    expect(JSON.stringify(curious)).not.toContain('just us');
    expect(curious.data?.sendMessage?.message?.chat?.members?.nodes ?? []).toEqual([]);
    expect(curious.errors?.map((error) => error.extensions.code) ?? []).not.toContain('INTERNAL_SERVER_ERROR');
    expect((await ben.request(sendMessage, input(room, 'new', 'id 2'))).data?.sendMessage).toMatchObject({ __typename: 'NotFoundError' });
    await ana.must('mutation ($input: DeleteRoomInput!) { deleteRoom(input: $input) { __typename } }', { input: { roomId: room.id } });
    // With the room, its messages are gone.
    expect((await ben.request(sendMessage, input(room, 'hello', 'id 1'))).data?.sendMessage).toMatchObject({ __typename: 'NotFoundError' });
  });
});
