/** Answers to messages, the app's own object of a message, and messages that are sent on. */
import { describe, expect, it } from 'vitest';
import { change, outcome, read } from './kit/outcome.ts';
import type { Person, Untyped } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';
import { fetched, storedFiles, upload } from './kit/upload.ts';

const some = (people: Person[]) => people as [Person, Person, Person];
const answered = 'message { id seq replyToSeq replyTo { id text deletedAt sender { id } } } duplicate';
const send = (who: Person, chatId: string, input: Untyped) => change(who, 'sendMessage', { to: { chatId }, text: 'an answer', ...input }, answered);

describe('an answer', () => {
  it('shows what it answers as that is when somebody looks, and stays when that is deleted', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const live = await ben.follow(`subscription { events { __typename ... on MessageAdded { ${answered.replace(' duplicate', '')} } } }`);
    const { message: first } = await ada.send({ username: ben.username }, 'a question');
    const chat = first.chat.id;
    const { message } = await send(ada, chat, { replyToId: first.id });
    expect(message).toMatchObject({ replyToSeq: 1, replyTo: { id: first.id, text: 'a question', sender: { id: ada.id } } });
    await live.next('MessageAdded');
    expect((await live.next('MessageAdded')).message).toEqual(message);
    await change(ada, 'editMessage', { messageId: first.id, text: 'another question' });
    const page = 'query ($id: ID!) { chat(id: $id) { messages(last: 1) { nodes { replyToSeq replyTo { text deletedAt } } } } }';
    expect((await read(ben, page, { id: chat })).messages.nodes).toEqual([{ replyToSeq: 1, replyTo: { text: 'another question', deletedAt: null } }]);
    await change(ada, 'deleteMessage', { messageId: first.id });
    expect((await read(ben, page, { id: chat })).messages.nodes).toMatchObject([{ replyToSeq: 1, replyTo: { text: null, deletedAt: expect.any(String) } }]);
    expect(await outcome(ben, 'sendMessage', { to: { chatId: chat }, text: 'late', replyToId: first.id })).toBe('NOT_FOUND Message');
  });

  it('is to a message of the same chat, and of nowhere else', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const [room, other] = [await ada.createRoom({ members: [{ id: ben.id }] }), await ada.createRoom({ visibility: 'PRIVATE' })];
    const [{ message: there }, { message: here }] = [await ada.send(other, 'elsewhere'), await ada.send(room, 'here')];
    for (const replyToId of [there.id, 'nonsense', ada.id, Buffer.from('Message:999999').toString('base64')])
      expect(await outcome(ben, 'sendMessage', { to: { chatId: room.id }, text: 'x', replyToId })).toBe('NOT_FOUND Message');
    expect(await outcome(ada, 'sendMessage', { to: { chatId: room.id }, text: 'x', replyToId: there.id })).toBe('NOT_FOUND Message');
    expect((await send(ben, room.id, { replyToId: here.id })).message).toMatchObject({ seq: 2, replyToSeq: 1 });
  });

  it('is the same when it is sent again, and other content when it answers something else', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const room = await ada.createRoom();
    const [{ message: one }, { message: two }] = [await ada.send(room, 'one'), await ada.send(room, 'two')];
    const input = { replyToId: one.id, clientMessageId: 'once', metadata: { b: [1, { x: null }], a: 'ä' } };
    const first = await send(ada, room.id, input);
    expect(await send(ada, room.id, { ...input, notifyAuthor: false, metadata: { a: 'ä', b: [1, { x: null }] } })).toEqual({ ...first, duplicate: true });
    for (const changed of [
      { replyToId: two.id },
      { replyToId: null },
      { metadata: null },
      { metadata: { b: [1, { x: null }], a: 'a' } },
      { metadata: { b: [{ x: null }, 1], a: 'ä' } },
    ])
      expect(await outcome(ada, 'sendMessage', { to: { chatId: room.id }, text: 'an answer', ...input, ...changed })).toBe('CONFLICT CLIENT_MESSAGE_ID_REUSED');
    // Also when what it answers is gone since.
    await change(ada, 'deleteMessage', { messageId: one.id });
    expect(await send(ada, room.id, input)).toMatchObject({ duplicate: true, message: { id: first.message.id } });
  });
});

describe('an object of the app’s own', () => {
  it('comes back as it was given, changes with an edit that names it, and goes with the message', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const room = await ada.createRoom();
    const metadata = { product: { id: 17, price: 1.5, tags: ['a', '', null, true], nested: { b: {} } }, z: '\u0000 "quoted" 🦜', a: 1 };
    const { message } = await change(ada, 'sendMessage', { to: { chatId: room.id }, text: 'look', metadata }, 'message { id metadata }');
    expect(JSON.stringify(message.metadata)).toBe(JSON.stringify(metadata));
    const edit = async (more: Untyped) => (await change(ada, 'editMessage', { messageId: message.id, text: 'look!', ...more }, 'message { version metadata }')).message;
    expect(await edit({})).toEqual({ version: 2, metadata });
    expect(await edit({ metadata: { b: 2 } })).toEqual({ version: 3, metadata: { b: 2 } });
    expect(await edit({ metadata: null })).toEqual({ version: 4, metadata: null });
    expect(await edit({ metadata: {} })).toEqual({ version: 5, metadata: {} });
    expect((await change(ada, 'deleteMessage', { messageId: message.id }, 'message { metadata }')).message).toEqual({ metadata: null });
    expect(await server.app.db.sql.all('SELECT 1 FROM "Message" WHERE "metadata" IS NOT NULL', [])).toEqual([]);
  });

  it('is an object, and within its bounds', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const room = await ada.createRoom();
    let deep: unknown = {};
    for (let level = 1; level < 8; level++) deep = { deep };
    const text = (bytes: number) => ({ text: 'x'.repeat(bytes - 11) });
    for (const [metadata, expected] of [
      [[1], 'VALIDATION_FAILED metadata object'],
      ['text', 'VALIDATION_FAILED metadata object'],
      [5, 'VALIDATION_FAILED metadata object'],
      [deep, 'done'],
      [{ deep }, 'VALIDATION_FAILED metadata depth'],
      [text(4_096), 'done'],
      [text(4_097), 'VALIDATION_FAILED metadata length'],
      [{ text: 'ä'.repeat(2_043) }, 'VALIDATION_FAILED metadata length'],
    ] as const) {
      expect([metadata, await outcome(ada, 'sendMessage', { to: { chatId: room.id }, text: 'x', metadata })]).toEqual([metadata, expected]);
    }
    let bottomless: unknown = 1;
    for (let level = 0; level < 1_000; level++) bottomless = [bottomless];
    expect(await outcome(ada, 'sendMessage', { to: { chatId: room.id }, text: 'x', metadata: { bottomless } })).toBe('VALIDATION_FAILED metadata depth');
  });
});

describe('a message that is sent on', () => {
  const sentOn = 'message { id text attachments { fileName size url } replyToSeq forwardedFrom { author { id deleted } sentAt message { id } } } duplicate';
  const forward = (who: Person, to: Untyped, forwardOf: string, more: Untyped = {}) => change(who, 'sendMessage', { to, forwardOf, ...more }, sentOn);

  it('has the text and the files of the first one, and tells who wrote it and never where', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const secret = await ada.createRoom({ visibility: 'PRIVATE', members: [{ id: ben.id }] });
    const bytes = Buffer.from('the bytes of a file');
    const file = await upload(ada, { bytes, fileName: 'a file.txt' });
    const { message: first } = await change(
      ada,
      'sendMessage',
      { to: { chatId: secret.id }, text: 'a secret', attachmentIds: [file.id], metadata: { a: 1 } },
      'message { id createdAt metadata }',
    );
    const { message } = await forward(ben, { username: cem.username }, first.id, { clientMessageId: 'on' });
    expect(message).toMatchObject({ text: 'a secret', attachments: [{ fileName: 'a file.txt', size: bytes.length }], replyToSeq: null });
    expect(message.forwardedFrom).toEqual({ author: { id: ada.id, deleted: false }, sentAt: first.createdAt, message: { id: first.id } });
    // Nobody else learns of the room, and the files are those of the new message.
    const seen = await read(cem, `query ($id: ID!) { message(id: $id) { ${sentOn.slice(10, -12)} metadata } }`, { id: message.id });
    expect(seen).toMatchObject({ metadata: null, forwardedFrom: { author: { id: ada.id }, message: null } });
    expect((await fetched(seen.attachments[0].url)).bytes.equals(bytes)).toBe(true);
    await change(ada, 'editMessage', { messageId: first.id, text: 'edited' });
    await change(ada, 'deleteMessage', { messageId: first.id });
    expect(await read(cem, 'query ($id: ID!) { message(id: $id) { text } }', { id: message.id })).toEqual({ text: 'a secret' });
    expect((await fetched((await read(cem, 'query ($id: ID!) { message(id: $id) { attachments { url } } }', { id: message.id })).attachments[0].url)).bytes.equals(bytes)).toBe(
      true,
    );
    // A retry finds it, also when the first one is gone since, and leaves no copies behind.
    expect(await forward(ben, { username: cem.username }, first.id, { clientMessageId: 'on' })).toMatchObject({ duplicate: true, message: { id: message.id } });
    expect(await outcome(ben, 'sendMessage', { to: { username: cem.username }, forwardOf: message.id, clientMessageId: 'on' })).toBe('CONFLICT CLIENT_MESSAGE_ID_REUSED');
    // Sent on once more, it still tells of the first.
    expect((await forward(cem, { username: cem.username }, message.id)).message.forwardedFrom).toMatchObject({ author: { id: ada.id }, message: null });
    await server.app.files.sweep();
    expect(await server.app.db.sql.all(`SELECT 1 FROM "Attachment" WHERE "state" = 'COMPLETE'`, [])).toHaveLength(2);
    expect(await storedFiles(server)).toHaveLength(2);
  });

  it('is one that its sender may read, and that may be written where it goes', async () => {
    await using server = await startTestServer({ UPLOAD_QUOTA_FILES: '1' });
    const [ada, ben] = some(await server.people(2));
    const [secret, listed] = [await ada.createRoom({ visibility: 'PRIVATE' }), await ada.createRoom()];
    const file = await upload(ada, { bytes: Buffer.from('x') });
    const { message } = await change(ada, 'sendMessage', { to: { chatId: secret.id }, attachmentIds: [file.id] }, 'message { id }');
    expect(await outcome(ben, 'sendMessage', { to: { username: ada.username }, forwardOf: message.id })).toBe('NOT_FOUND Message');
    expect(await outcome(ada, 'sendMessage', { to: { username: ben.username }, forwardOf: message.id })).toBe('QUOTA_EXCEEDED');
    const { message: open } = await ada.send(listed, 'open');
    for (const more of [{ text: 'x' }, { replyToId: open.id }, { attachmentIds: [file.id] }])
      expect(await outcome(ada, 'sendMessage', { to: { username: ben.username }, forwardOf: open.id, ...more })).toBe('VALIDATION_FAILED forwardOf alone');
    expect(await outcome(ben, 'sendMessage', { to: { chatId: listed.id }, forwardOf: open.id })).toBe('FORBIDDEN NOT_A_MEMBER');
    expect(await outcome(ben, 'sendMessage', { to: { username: ada.username }, forwardOf: open.id })).toBe('done');
    await change(ada, 'deleteMessage', { messageId: open.id });
    expect(await outcome(ada, 'sendMessage', { to: { username: ben.username }, forwardOf: open.id })).toBe('NOT_FOUND Message');
    expect(await storedFiles(server)).toHaveLength(1);
  });

  it('goes with the account of who wrote it, when that is erased', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const { message: first } = await ada.send({ username: ben.username }, 'to be erased');
    const { message: second } = await cem.send({ username: ben.username }, 'to be kept');
    const on = [];
    for (const { id } of [first, second]) on.push((await forward(ben, { username: cem.username }, id)).message.id);
    const live = await cem.follow('subscription { events { __typename ... on MessageDeleted { message { id text } } } }');
    await change(ada, 'deleteAccount', { password: ada.password, messages: 'ERASE' });
    expect((await live.next('MessageDeleted')).message).toEqual({ id: on[0], text: null });
    await change(cem, 'deleteAccount', { password: cem.password, messages: 'ANONYMIZE' });
    const textOf = async (id: string) => await read(ben, 'query ($id: ID!) { message(id: $id) { text forwardedFrom { author { deleted } } } }', { id });
    expect(await textOf(on[0])).toEqual({ text: null, forwardedFrom: null });
    expect(await textOf(on[1])).toEqual({ text: 'to be kept', forwardedFrom: { author: { deleted: true } } });
  });
});
