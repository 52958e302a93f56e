/** P15: an acknowledged message survives the end of the process and a full database. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createEventLog } from '../../src/events/event-log.ts';
import { startUpkeep } from '../../src/upkeep.ts';
import { createPerson, type Person, request, type Untyped } from '../kit/person.ts';
import { startProcess } from '../kit/process.ts';
import { startTestServer, temporaryFolder } from '../kit/server.ts';
import { eventCursor, history, messagesOf, newMessages, rounds, sendMessage, seqsTo, until } from './kit.ts';

type Attempt = { person: Person; chatId: string; text: string; acknowledged: Untyped | null };
const input = (chatId: string, text: string): Untyped => ({ input: { to: { chatId }, text, clientMessageId: text.slice(0, 36) } });

it('every acknowledged message is there once after kill -9, and every other at most once', async () => {
  await using folder = await temporaryFolder();
  // People go on with the same tokens: only the address changes.
  const place = { url: '' };
  let people: Person[] = [];
  let chats: string[] = [];
  let start = '';
  const attempts: Attempt[] = [];
  for (let round = 0; round < rounds(2, 25); round++) {
    await using server = await startProcess({ DATA_DIR: folder.path, LOG_LEVEL: 'info' });
    place.url = server.url;
    if (round === 0) {
      people = await Promise.all(seqsTo(30).map(() => createPerson(place)));
      const [owner, partner, ...others] = people as [Person, Person, ...Person[]];
      const members = [partner, ...others].map(({ id }) => ({ id }));
      const rooms = await Promise.all([owner.createRoom({ members }), owner.createRoom({ members })]);
      chats = rooms.map(({ id }) => id);
      start = await eventCursor(owner);
    }
    await mustHoldAll(people, chats, attempts, start);
    const fresh: Attempt[] = [];
    const writing = people.map(async (person, index) => {
      for (;;) {
        const attempt: Attempt = { person, chatId: chats[(index + fresh.length) % chats.length] as string, text: randomUUID(), acknowledged: null };
        fresh.push(attempt);
        try {
          const { data } = await person.request(sendMessage, input(attempt.chatId, attempt.text));
          attempt.acknowledged = data?.sendMessage;
        } catch {
          return;
        }
      }
    });
    await until(() => fresh.filter(({ acknowledged }) => acknowledged).length > 100, 'nobody could write');
    await sleep(Math.random() * 150);
    server.kill('SIGKILL');
    expect(await server.ended()).toEqual({ code: null, signal: 'SIGKILL' });
    await Promise.all(writing);
    attempts.push(...fresh);
    expect(fresh.filter(({ acknowledged }) => !acknowledged).length).toBeGreaterThan(0);
  }
  await using server = await startProcess({ DATA_DIR: folder.path });
  place.url = server.url;
  await mustHoldAll(people, chats, attempts, start);
});

/** Checks what is stored, sends everything again, and checks again. */
async function mustHoldAll(people: Person[], chats: string[], attempts: Attempt[], start: string): Promise<void> {
  const [reader] = people as [Person];
  const read = async (): Promise<Map<string, Untyped>> => {
    const stored = (await Promise.all(chats.map((chatId) => history(reader, chatId)))).map((messages) => {
      expect(messages.map((message) => message.seq)).toEqual(seqsTo(messages.length));
      return messages;
    });
    const byText = new Map(stored.flat().map((message) => [message.text, message]));
    expect(byText.size).toBe(stored.flat().length);
    return byText;
  };
  const before = await read();
  for (const { text, acknowledged } of attempts) if (acknowledged) expect(before.get(text)).toMatchObject({ id: acknowledged.message.id, seq: acknowledged.message.seq });
  for (const attempt of attempts.filter(({ acknowledged }) => !acknowledged)) {
    const { sendMessage: sent } = await attempt.person.must(sendMessage, input(attempt.chatId, attempt.text));
    expect(sent.duplicate).toBe(before.has(attempt.text));
    attempt.acknowledged = sent;
  }
  await Promise.all(
    attempts
      .slice(-200)
      .map(async ({ person, chatId, text, acknowledged }) =>
        expect((await person.must(sendMessage, input(chatId, text))).sendMessage).toMatchObject({ duplicate: true, message: { id: acknowledged?.message.id } }),
      ),
  );
  const after = await read();
  expect(after.size).toBe(attempts.length);
  // The log says the same.
  const stream = await reader.follow(newMessages, { after: start });
  const told = messagesOf(await stream.until('CaughtUp', 15_000));
  expect(told.map((message) => message.text).sort()).toEqual([...after.keys()].sort());
  for (const chatId of chats) {
    const seqs = told.filter((message) => message.chat.id === chatId).map((message) => message.seq);
    expect(seqs).toEqual(seqsTo(seqs.length));
  }
  await reader.close();
}

it('a full database refuses with UNAVAILABLE, loses nothing, still reads, and writes again when there is room', async ({ skip }) => {
  await using server = await startTestServer({ SQLITE_MAX_PAGES: '250', EVENT_RETENTION_SECONDS: '1' });
  const { app } = server;
  if (app.db.engine !== 'sqlite') return skip('this limit is one of SQLite');
  const [ana, ben] = (await server.people(2)) as [Person, Person];
  const room = await ana.createRoom({ members: [{ id: ben.id }] });
  const stream = await ben.follow(newMessages, { chatId: room.id });
  const acknowledged: Untyped[] = [];
  const refused: string[] = [];
  await fillUp(1_000, 20);
  await fillUp(20, 20);
  expect(acknowledged.length).toBeGreaterThan(20);

  // Whatever else would be written is refused alike: nothing is an unexpected error.
  const writes: [document: string, input: Untyped][] = [
    ['mutation ($input: CreateRoomInput!) { createRoom(input: $input) { __typename } }', { name: 'Another', topic: 'x'.repeat(500) }],
    ['mutation ($input: EditMessageInput!) { editMessage(input: $input) { __typename } }', { messageId: acknowledged[0]?.id, text: '😀'.repeat(4_000) }],
    ['mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }', { address: 'x'.repeat(200) }],
    ['mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }', { to: { username: ben.username }, text: '😀'.repeat(4_000) }],
    ['mutation ($input: LoginInput!) { login(input: $input) { __typename } }', { login: ana.username, password: ana.password }],
  ];
  for (const [document, variables] of writes) {
    const { data, errors } = await ana.request(document, { input: variables });
    if (errors) expect(errors.map((error) => error.extensions.code)).toEqual(['UNAVAILABLE']);
    else expect(JSON.stringify(data)).toContain('Payload');
  }
  // Reading goes on, live streams too.
  const check = async (): Promise<void> => {
    const stored = await history(ben, room.id);
    expect(stored.map((message) => message.seq)).toEqual(seqsTo(stored.length));
    for (const { id, seq, text } of acknowledged) expect(stored[seq - 1]).toMatchObject({ id, text });
    expect(stored).toHaveLength(acknowledged.length);
    await until(() => messagesOf(stream.items).length === stored.length, 'the stream does not have it all');
    expect(messagesOf(stream.items).map((message) => message.seq)).toEqual(seqsTo(stored.length));
  };
  await check();
  expect((await fetch(`${server.url}/health`)).status).toBe(200);

  // The server makes room by itself when old events go.
  await sleep(1_100);
  await startUpkeep({ ...app, eventLog: createEventLog(app) })();
  const again = refused.splice(-10);
  for (const text of again) acknowledged.push((await ana.must(sendMessage, input(room.id, text))).sendMessage.message);
  await check();

  // So does an operator who gives it more.
  const raise = 'PRAGMA max_page_count = 100000';
  await fillUp(1_000, 20);
  await app.db.sqlTransaction((sql) => sql.all(raise, []));
  await app.db.transaction((tx) => tx.$queryRawUnsafe(raise));
  for (const [document, variables] of writes) expect(await ana.must(document, { input: variables })).toBeTruthy();
  for (const text of refused.splice(0)) {
    const { duplicate, message } = (await ana.must(sendMessage, input(room.id, text))).sendMessage;
    expect(duplicate).toBe(false);
    acknowledged.push(message);
  }
  acknowledged.splice(0, 1, { ...acknowledged[0], text: '😀'.repeat(4_000) });
  await check();

  /** Sends until nothing of this length is taken. */
  async function fillUp(length: number, atOnce: number): Promise<void> {
    for (let round = 0; round < 1_000; round++) {
      const texts = seqsTo(atOnce).map(() => randomUUID().padEnd(length, 'x'));
      const answers = await Promise.all(texts.map((text) => ana.request(sendMessage, input(room.id, text))));
      for (const [index, { data, errors }] of answers.entries()) {
        if (data?.sendMessage?.message) acknowledged.push(data.sendMessage.message);
        else {
          expect(errors?.map((error) => error.extensions.code)).toEqual(['UNAVAILABLE']);
          refused.push(texts[index] as string);
        }
      }
      if (answers.every(({ errors }) => errors)) return;
    }
    throw new Error('the database is never full');
  }
});

it('an acknowledgement means stored, also for those who ask another server on the same data afterwards', async () => {
  await using server = await startTestServer();
  const ana = await server.person();
  const room = await ana.createRoom();
  // Without waiting for anything else: the answer to the last send is followed by the stop at once.
  const sent = await Promise.all(seqsTo(50).map((index) => ana.send(room, String(index))));
  await server.restart();
  const stored = await history(ana, room.id);
  expect(stored.map((message) => message.id).sort()).toEqual(sent.map(({ message }) => message.id).sort());
  expect((await request(server, '{ serverInfo { name } }')).errors).toBeUndefined();
});
