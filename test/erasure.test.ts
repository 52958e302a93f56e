/** Deleting an account: what stays, what goes, and that nothing of it is left anywhere. */
import { execFile } from 'node:child_process';
import { createECDH, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { expect, it, vi } from 'vitest';
import { readConfig } from '../src/config.ts';
import { compact } from '../src/storage/compact.ts';
import type { Tx } from '../src/storage/database.ts';
import { databaseUrl, engine } from './kit/engine.ts';
import { bearer, change, nobody, outcome, read } from './kit/outcome.ts';
import { createPerson, type Item, type Person, request, type Untyped } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { rowsOf } from './kit/rows.ts';
import { startTestServer, type TestServer, temporaryFolder, testSettings } from './kit/server.ts';
import { fetched, slotFor, storedFiles, upload } from './kit/upload.ts';

const password = 'correct horse battery';
const run = promisify(execFile);
const erase = (who: Pick<Person, 'request'>, messages = 'ERASE') => change(who, 'deleteAccount', { password, messages }, 'receiptId erasedMessages');
/** One pixel. */
const picture = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
const publicKey = createECDH('prime256v1').generateKeys('base64url');
const auth = Buffer.alloc(16, 7).toString('base64url');
const of = (people: Person[]) => people as [Person, Person, Person, Person];
const byId = 'query ($id: ID!) { user(ref: { id: $id }) { id username displayName firstName lastName deleted isContact account { email } presence { state online lastSeenAt } } }';
const history = (who: Person, id: string): Promise<Untyped[]> =>
  read(
    who,
    'query ($id: ID!) { chat(id: $id) { messages(first: 100) { nodes { seq text deletedAt clientMessageId clientSentAt sender { id deleted avatar { id } } attachments { url } } } } }',
    { id },
  ).then((chat) => chat.messages.nodes);
const members = (who: Person, id: string): Promise<Untyped> =>
  read(who, 'query ($id: ID!) { chat(id: $id) { memberCount members(first: 100) { nodes { role user { id deleted } } } } }', { id });

/** Every row of every table, as text. */
async function tables(dataDir: string): Promise<string> {
  if (engine === 'sqlite') {
    const database = new Sqlite(`${dataDir}/tertulia.db`, { readonly: true });
    try {
      const names = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'").pluck().all() as string[];
      return JSON.stringify(names.map((name) => [name, database.prepare(`SELECT * FROM "${name}"`).all()]));
    } finally {
      database.close();
    }
  }
  return withPostgres(dataDir, async (client) => {
    const { rows } = await client.query("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'");
    const all: unknown[] = [];
    for (const { name } of rows) all.push(name, (await client.query(`SELECT * FROM "${name}"`)).rows);
    return JSON.stringify(all);
  });
}

async function withPostgres<T>(dataDir: string, job: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(await databaseUrl(dataDir));
  await client.connect();
  try {
    return await job(client);
  } finally {
    await client.end();
  }
}

/** The files below a folder that hold a text, in any case. A process of its own: this one must not open and close files that SQLite has locked here. */
async function filesWith(folder: string, text: string): Promise<string[]> {
  const found = await run('grep', ['-rlaiF', '--', text, folder]).catch((error: { code: number; stdout: string }) => {
    if (error.code > 1) throw error;
    return error;
  });
  return found.stdout.split('\n').filter(Boolean);
}

async function login(server: TestServer, name: string, device?: Untyped, userAgent = 'test'): Promise<Untyped> {
  const document = 'mutation ($input: LoginInput!) { login(input: $input) { __typename ... on LoginPayload { auth { accessToken refreshToken } } } }';
  const { data } = await request(server, document, { input: { login: name, password, device } }, { 'user-agent': userAgent });
  return data?.login.auth;
}

it('ANONYMIZE leaves the messages under a tombstone, and nothing else of the person', async () => {
  await using server = await startTestServer();
  const [ben] = of(await server.people(1));
  const ada = await server.person('ada');
  await change(ada, 'updateProfile', {
    displayName: 'Ada L.',
    firstName: 'Ada',
    lastName: 'L',
    email: 'ada@example.org',
    phone: '123',
    address: 'Here',
    currentPassword: password,
  });
  const room = await ben.createRoom({ members: [{ id: ada.id }] });
  await ada.send(room, 'to all');
  await ada.send({ username: 'ada' }, 'a note to self');
  const { message } = await ada.send({ username: ben.username }, 'to you');
  await ben.send({ username: 'ada' }, 'and back');
  await change(ben, 'addContacts', { users: [{ id: ada.id }] });
  await change(ada, 'addContacts', { users: [{ id: ben.id }] });

  expect(await erase(ada, 'ANONYMIZE')).toMatchObject({ receiptId: expect.stringMatching(/.{20}/), erasedMessages: 0 });

  expect(await read(ben, byId, { id: ada.id })).toEqual({
    id: ada.id,
    username: expect.stringMatching(/^deleted:\d+$/),
    displayName: 'Deleted account',
    firstName: null,
    lastName: null,
    deleted: true,
    isContact: false,
    account: null,
    presence: { state: 'OFFLINE', online: false, lastSeenAt: null },
  });
  expect(await history(ben, room.id)).toMatchObject([{ text: 'to all', deletedAt: null, sender: { id: ada.id, deleted: true } }]);
  expect(await members(ben, room.id)).toMatchObject({ memberCount: 1, members: { nodes: [{ user: { id: ben.id } }] } });
  expect(await history(ben, message.chat.id)).toMatchObject([{ text: 'to you' }, { text: 'and back' }]);
  const { nodes } = await read(ben, '{ chats { nodes { id name ... on Dialog { peer { id deleted } peerReadSeq } } } }');
  expect(nodes).toContainEqual({ id: message.chat.id, name: 'Deleted account', peer: { id: ada.id, deleted: true }, peerReadSeq: 0 });

  expect(await read(ben, '{ user(ref: { username: "ada" }) { id } }').catch(() => null)).toBeNull();
  expect((await read(ben, '{ registeredUsers { nodes { id } } }')).nodes).toEqual([{ id: ben.id }]);
  expect((await read(ben, '{ me { account { contacts(first: 9) { nodes { id } } } } }')).account.contacts.nodes).toEqual([]);
  const tombstone = (await read(ben, byId, { id: ada.id })).username;
  for (const name of ['ada', 'ada@example.org', tombstone])
    expect([name, await outcome(nobody(server), 'login', { login: name, password })]).toEqual([name, 'INVALID_CREDENTIALS UNSPECIFIED']);
  for (const to of [{ username: 'ada' }, { userId: ada.id }, { chatId: message.chat.id }, { username: tombstone }])
    expect([to, await outcome(ben, 'sendMessage', { to, text: 'are you there?' })]).toEqual([to, 'NOT_FOUND User']);
  expect(await outcome(ben, 'addContacts', { users: [{ id: ada.id }] })).toBe('NOT_FOUND User');
  expect(await outcome(ben, 'markRead', { chatId: message.chat.id, upToSeq: 1 })).toBe('done');

  const left = await tables(server.dataDir);
  for (const text of ['a note to self', 'Ada L.', 'ada@example.org', '"Here"', '"123"', '"ada"']) expect([text, left.includes(text)]).toEqual([text, false]);
  expect(await rowsOf(server.app.db).session.count({ where: { userId: Number(Buffer.from(ada.id, 'base64').toString().split(':')[1]) } })).toBe(0);
  expect(await rowsOf(server.app.db).session.count()).toBeGreaterThan(0);
});

it('ERASE leaves no text, name, address or session of the person in any table, nor anywhere in the data folder', async () => {
  await using server = await startTestServer();
  const mark = (what: string): string => `${what}${randomUUID().replaceAll('-', '').slice(0, 14)}`;
  const words = Object.fromEntries(
    'user mail1 mail2 name first last phone address agent device label text edited gone posted note topic client noted file bytes unused push kept said'
      .split(' ')
      .map((what) => [what, mark(what)]),
  ) as Record<string, string>;
  const people = of(await server.people(3));
  const [ben, carl] = people;
  const ada = await server.person(words.user);
  const profile = { displayName: words.name, firstName: words.first, lastName: words.last, phone: words.phone, address: words.address };
  await change(ada, 'updateProfile', { ...profile, email: `${words.mail1}@example.org`, currentPassword: password });
  await change(ada, 'updateProfile', { email: `${words.mail2}@example.org`, currentPassword: password });
  await login(server, words.user as string, { id: words.device, name: words.label }, words.agent);
  await outcome(nobody(server), 'requestPasswordReset', { email: `${words.mail2}@example.org` });
  await vi.waitUntil(async () => (await filesWith(server.dataDir, words.mail2 as string)).some((file) => file.endsWith('.eml')), { timeout: 5_000, interval: 50 });

  const room = await ben.createRoom({ members: [{ id: ada.id }, { id: carl.id }] });
  const open = await ben.createRoom({ postPolicy: 'ANYONE' });
  await ada.createRoom({ name: 'alone', topic: words.topic, clientRequestId: mark('request') });
  const sent = await ada.send(room, words.text as string, words.client);
  await change(ada, 'editMessage', { messageId: sent.message.id, text: `${words.edited} ${'longer than before '.repeat(40)}` });
  const { message: gone } = await ada.send({ username: ben.username }, words.gone as string, mark('client'));
  await change(ada, 'deleteMessage', { messageId: gone.id });
  await ada.send(open, words.posted as string);
  await ada.send({ username: words.user as string }, words.note as string);
  const file = await upload(ada, { bytes: Buffer.from(`a file with ${words.bytes} in it`), fileName: `${words.file}.txt`, contentType: 'text/plain' });
  await change(ada, 'sendMessage', { to: { chatId: room.id }, attachmentIds: [file.id] });
  const [linked] = (await history(ben, room.id)).flatMap(({ attachments }) => attachments);
  expect((await fetched(linked.url)).status).toBe(200);
  await slotFor(ada, { bytes: Buffer.from('x'), fileName: `${words.unused}.txt` });
  await change(ada, 'setProfilePicture', { attachmentId: (await upload(ada, { bytes: picture, fileName: 'face.png' })).id });
  const pictured = await ben.createRoom({ members: [{ id: ada.id }] });
  await change(ben, 'setMemberRole', { roomId: pictured.id, userId: ada.id, role: 'ADMIN' });
  await change(ada, 'updateRoom', { roomId: pictured.id, avatarAttachmentId: (await upload(ada, { bytes: picture, fileName: 'room.png' })).id });
  expect((await storedFiles(server)).length).toBeGreaterThanOrEqual(3);
  const webPush = { endpoint: `https://push.example.org/${words.push}`, p256dh: publicKey, auth };
  expect(await outcome(ada, 'registerPushDevice', { webPush, label: words.label })).toBe('done');
  // What is saved is the person's own; what was said before goes with the messages.
  await change(ada, 'saveMessage', { messageId: sent.message.id, note: words.kept });
  await change(ben, 'saveMessage', { messageId: sent.message.id, note: 'of ben' });
  const { message: said } = await ada.send(room, words.said as string);
  await change(ada, 'editMessage', { messageId: said.id, text: words.edited });
  await change(ben, 'pinMessage', { messageId: said.id });
  // Enough for more than one piece, and long enough for pages of their own.
  for (let i = 0; i < 300; i++) await ada.send(i % 2 ? room : { username: carl.username }, `${words.noted} ${i} ${'x'.repeat((i * 37) % 3_000)}`);
  // The name that somebody else wrote goes, not what they wrote.
  await change(ben, 'sendMessage', { to: { chatId: room.id }, text: 'a word of somebody else', mentions: { users: [{ id: ada.id }] } });
  await change(ada, 'updateMyChat', { chatId: gone.chat.id, notificationLevel: 'MENTIONS' });
  await change(ada, 'updateNotificationSettings', { roomLevel: 'MENTIONS' });

  const before = await tables(server.dataDir);
  for (const [what, word] of Object.entries(words)) {
    // What was replaced may be overwritten by now.
    if (['mail1', 'text', 'gone'].includes(what)) continue;
    if (what !== 'bytes') expect([what, before.includes(word)]).toEqual([what, true]);
    if (engine === 'sqlite' || what === 'bytes') expect([what, (await filesWith(server.dataDir, word)).length > 0]).toEqual([what, true]);
  }

  const { erasedMessages } = await erase(ada);
  expect(erasedMessages).toBe(305);

  const check = async (): Promise<void> => {
    const left = await tables(server.dataDir);
    for (const word of Object.values(words)) {
      expect([word, left.toLowerCase().includes(word)]).toEqual([word, false]);
      expect([word, await filesWith(server.dataDir, word)]).toEqual([word, []]);
    }
  };
  await check();
  for (const table of ['pin', 'savedMessage', 'messageRevision', 'chatView', 'notificationSettings'] as const)
    expect([table, await (rowsOf(server.app.db)[table] as Tx['pin']).count()]).toEqual([table, 0]);
  expect(await storedFiles(server)).toEqual([]);
  expect((await fetched(linked.url)).status).toBe(404);
  expect(await read(ben, 'query ($id: ID!) { room(ref: { id: $id }) { avatar { id } } }', { id: pictured.id })).toEqual({ avatar: null });
  for (const id of [room.id, open.id]) {
    const own = (await history(ben, id)).filter(({ sender }) => sender.id === ada.id);
    expect(own.every(({ text, deletedAt, clientMessageId, clientSentAt }) => text === null && deletedAt !== null && clientMessageId === null && clientSentAt === null)).toBe(true);
    expect(own.length).toBeGreaterThan(0);
  }
  expect((await history(ben, room.id)).map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
  await server.restart();
  await check();
  expect(await read(carl, '{ inbox(first: 100) { nodes { text } } }')).toEqual({ nodes: [{ text: 'a word of somebody else' }] });
});

it('ends all streams and tokens of the person, and tells the others of each change', async () => {
  await using server = await startTestServer({ PRESENCE_GRACE_SECONDS: '3600' });
  const [ada, ben, carl] = of(await server.people(3));
  const room = await ada.createRoom({ members: [{ id: ben.id }] });
  await change(ada, 'addMembers', { roomId: room.id, users: [{ id: carl.id }] });
  await ben.must('mutation ($input: AddContactsInput!) { addContacts(input: $input) { __typename } }', { input: { users: [{ id: ada.id }] } });
  const { eventCursor: from } = await ben.must('{ eventCursor }');
  await ada.send(room, 'secret one');
  const { message } = await ada.send({ username: ben.username }, 'secret two');
  const phone = await login(server, ada.username);
  const events = `subscription ($after: EventCursor) { events(after: $after) { __typename ... on StreamEvent { cursor }
    ... on MessageAdded { message { id text } } ... on MessageDeleted { message { id text deletedAt sender { deleted } } } ... on MemberLeft { user { id deleted } reason }
    ... on MemberUpdated { member { user { id } role } } ... on UserUpdated { user { id username deleted } } ... on AccountChanged { me { account { contacts(first: 5) { nodes { id } } } } }
    ... on PresenceChanged { user { id presence { online lastSeenAt } } } ... on SessionEnded { endReason retry } } }`;
  const own = await ada.follow(events);
  const elsewhere = await ada.follow(events, undefined, { on: ada.socket({ authorization: `Bearer ${phone.accessToken}` }) });
  const others = await ben.follow(events);
  const { eventCursor: cursor } = await ben.must('{ eventCursor }');

  expect((await erase(ada)).erasedMessages).toBe(2);

  for (const stream of [own, elsewhere]) {
    await stream.ended();
    expect(stream.items.at(-1)).toEqual({ __typename: 'SessionEnded', endReason: 'ACCOUNT_DELETED', retry: false });
    expect(stream.items.filter(({ __typename }) => __typename === 'UserUpdated')).toEqual([]);
    expect(await stream.socket.whenClosed()).toMatchObject({ code: 4401 });
  }
  for (const token of [ada.token, phone.accessToken])
    expect((await bearer(server, token).request('{ chats { nodes { id } } }')).errors?.[0]?.extensions.code).toBe('TOKEN_INVALID');
  for (const refreshToken of [ada.refreshToken, phone.refreshToken]) expect(await outcome(nobody(server), 'refreshSession', { refreshToken })).toMatch(/^INVALID_TOKEN/);
  expect(await ada.request('{ me { id } }')).toEqual({ data: { me: null } });

  const told = await others.until((item) => item.__typename === 'MessageDeleted' && item.message.id === message.id);
  // Presence is in no order with what is stored.
  if (!told.some(({ __typename }) => __typename === 'PresenceChanged')) told.push(...(await others.until('PresenceChanged')));
  const of$ = (type: string): Item[] => told.filter(({ __typename }) => __typename === type);
  expect(of$('MessageDeleted')).toHaveLength(2);
  for (const item of of$('MessageDeleted')) expect(item.message).toMatchObject({ text: null, deletedAt: expect.any(String), sender: { deleted: true } });
  expect(of$('UserUpdated')).toMatchObject([{ user: { id: ada.id, deleted: true } }]);
  expect(of$('AccountChanged')).toMatchObject([{ me: { account: { contacts: { nodes: [] } } } }]);
  expect(of$('MemberUpdated')).toMatchObject([{ member: { user: { id: ben.id }, role: 'OWNER' } }]);
  expect(of$('MemberLeft')).toMatchObject([{ user: { id: ada.id, deleted: true }, reason: 'LEFT' }]);
  expect(of$('PresenceChanged').at(-1)).toMatchObject({ user: { id: ada.id, presence: { online: false, lastSeenAt: null } } });
  expect(await read(ben, '{ registeredUsers(filter: { online: true }) { nodes { id } } }')).toEqual({ nodes: [{ id: ben.id }] });

  // Whoever comes back later is told the same, and shown no text: neither live nor out of memory.
  const missed = await ben.follow(events, { after: cursor });
  const kinds = (items: Item[]): string[] => items.map(({ __typename, cursor: at }) => `${__typename} ${at}`).filter((text) => !text.startsWith('Presence'));
  expect(kinds(await missed.until('CaughtUp')).slice(0, -1)).toEqual(kinds(told));
  const everything = await ben.follow(events, { after: from });
  expect(JSON.stringify(await everything.until('CaughtUp'))).not.toContain('secret');
});

it('never leaves a room without an owner: the longest-serving admin follows, else the member; an empty room goes', async () => {
  await using server = await startTestServer();
  const [ada, ben, carl, dora] = of(await server.people(4));
  const everybody = await ben.createRoom({ everyone: true });
  const setRole = (room: Untyped, who: Person, role: string) => change(ada, 'setMemberRole', { roomId: room.id, userId: who.id, role });
  const make = async (input: Untyped, ...joining: Person[]) => {
    const room = await ada.createRoom(input);
    for (const who of joining) await change(ada, 'addMembers', { roomId: room.id, users: [{ id: who.id }] });
    return room;
  };
  const withAdmins = await make({}, ben, carl, dora);
  for (const who of [dora, carl]) await setRole(withAdmins, who, 'ADMIN');
  const withMembers = await make({}, dora, ben);
  const withOwner = await make({}, ben, carl);
  await setRole(withOwner, carl, 'OWNER');
  const alone = await make({ link: 'the-link', visibility: 'PUBLIC' });
  const banned = await ben.createRoom();
  await change(ben, 'removeMember', { roomId: banned.id, userId: ada.id, ban: true });
  await ada.send(alone, 'nobody else is here');
  expect(await rowsOf(server.app.db).ban.count()).toBe(1);

  await erase(ada, 'ANONYMIZE');

  const roles = async (who: Person, room: Untyped) => {
    const found = await members(who, room.id);
    expect(found.memberCount).toBe(found.members.nodes.length);
    return Object.fromEntries(found.members.nodes.map(({ user, role }: Untyped) => [user.id, role]));
  };
  expect(await roles(ben, withAdmins)).toEqual({ [ben.id]: 'MEMBER', [carl.id]: 'OWNER', [dora.id]: 'ADMIN' });
  expect(await roles(ben, withMembers)).toEqual({ [dora.id]: 'OWNER', [ben.id]: 'MEMBER' });
  expect(await roles(ben, withOwner)).toEqual({ [ben.id]: 'MEMBER', [carl.id]: 'OWNER' });
  expect(await roles(ben, everybody)).toEqual({ [ben.id]: 'OWNER', [carl.id]: 'MEMBER', [dora.id]: 'MEMBER' });
  expect((await read(ben, '{ rooms(first: 100) { nodes { id } } }')).nodes.map(({ id }: Untyped) => id)).not.toContain(alone.id);
  expect(await outcome(ben, 'joinChat', { room: { id: alone.id } })).toBe('NOT_FOUND Room');
  expect(await outcome(ben, 'createRoom', { name: 'next', link: 'the-link' })).toBe('done');
  expect(await rowsOf(server.app.db).ban.count()).toBe(0);
  expect(await tables(server.dataDir)).not.toContain('nobody else is here');
});

it('ANONYMIZE leaves pins to the tombstone, and neither what was saved nor what was said before', async () => {
  await using server = await startTestServer();
  const [ada, ben] = of(await server.people(2));
  const { message } = await ada.send({ username: ben.username }, 'saidbefore');
  await change(ada, 'editMessage', { messageId: message.id, text: 'said now' });
  await change(ben, 'saveMessage', { messageId: message.id, note: 'of ben' });
  await change(ada, 'saveMessage', { messageId: message.id, note: 'notedown' });
  await change(ada, 'pinMessage', { messageId: message.id });
  await erase(ada, 'ANONYMIZE');
  const { pins } = await read(ben, 'query ($id: ID!) { chat(id: $id) { pins { nodes { pinnedBy { id deleted } message { text saved } } } } }', { id: message.chat.id });
  expect(pins.nodes).toEqual([{ pinnedBy: { id: ada.id, deleted: true }, message: { text: 'said now', saved: true } }]);
  for (const text of ['saidbefore', 'notedown']) {
    expect([text, (await tables(server.dataDir)).includes(text)]).toEqual([text, false]);
    expect([text, await filesWith(server.dataDir, text)]).toEqual([text, []]);
  }
  // The room that goes takes all of it along.
  const room = await ben.createRoom({ pinPolicy: 'NOBODY' });
  const { message: inRoom } = await ben.send(room, 'in a room');
  await change(ben, 'updateRoom', { roomId: room.id, pinPolicy: 'MEMBERS' });
  for (const name of ['pinMessage', 'saveMessage']) await change(ben, name, { messageId: inRoom.id });
  await change(ben, 'editMessage', { messageId: inRoom.id, text: 'edited' });
  await change(ben, 'deleteRoom', { roomId: room.id });
  await server.app.deletedRooms.sweep();
  const { pin, savedMessage, messageRevision, roomRights } = rowsOf(server.app.db);
  expect([await pin.count(), await savedMessage.count(), await messageRevision.count(), await roomRights.count()]).toEqual([1, 1, 0, 0]);
});

it('frees the name, which inherits nothing', async () => {
  await using server = await startTestServer();
  const ben = await server.person();
  const first = await server.person('ada');
  await change(first, 'updateProfile', { email: 'ada@example.org', currentPassword: password });
  const room = await first.createRoom({ visibility: 'PRIVATE', members: [{ id: ben.id }] });
  const closed = await ben.createRoom();
  await change(ben, 'removeMember', { roomId: closed.id, userId: first.id, ban: true });
  const { message } = await first.send({ username: ben.username }, 'from the first');
  await first.send(room, 'among us');
  await erase(first, 'ANONYMIZE');
  expect(await outcome(nobody(server), 'register', { username: 'deleted:2', password })).toBe('VALIDATION_FAILED username format');

  const second = await server.person('ADA');
  await change(second, 'updateProfile', { email: 'Ada@example.org', currentPassword: password });
  expect(second.id).not.toBe(first.id);
  expect((await read(second, '{ chats { nodes { id } } }')).nodes).toEqual([]);
  expect(await read(second, 'query ($id: ID!) { chat(id: $id) { id } }', { id: message.chat.id }).catch(() => null)).toBeNull();
  expect(await outcome(second, 'editMessage', { messageId: message.id, text: 'mine' })).toBe('NOT_FOUND Message');
  expect(await outcome(second, 'sendMessage', { to: { chatId: room.id }, text: 'let me in' })).toBe('NOT_FOUND Chat');
  expect(await outcome(second, 'joinChat', { room: { id: closed.id } })).toBe('done');
  const { message: fresh } = await ben.send({ username: 'ada' }, 'to the second');
  expect(fresh.chat.id).not.toBe(message.chat.id);
  expect(await history(second, fresh.chat.id)).toMatchObject([{ text: 'to the second' }]);
  expect(await history(ben, message.chat.id)).toMatchObject([{ text: 'from the first', sender: { id: first.id, deleted: true } }]);
});

it('removes a dialog with the last of its two people, with its messages and files', async () => {
  await using server = await startTestServer();
  const [ada, ben] = of(await server.people(2));
  const { id } = await upload(ada, { bytes: Buffer.from('the-file-of-both'), fileName: 'nameofboth.txt', contentType: 'text/plain' });
  await change(ada, 'sendMessage', { to: { username: ben.username }, text: 'textofboth', attachmentIds: [id] });
  await ben.send({ username: ada.username }, 'textofboth, too');
  await erase(ada, 'ANONYMIZE');
  expect((await read(ben, '{ chats { nodes { messages { nodes { text } } } } }')).nodes[0].messages.nodes).toHaveLength(2);
  await erase(ben, 'ANONYMIZE');
  await vi.waitUntil(async () => (await storedFiles(server)).length === 0, { timeout: 5_000, interval: 20 });
  expect((await tables(server.dataDir)).match(/ofboth/g)).toBeNull();
  for (const text of ['textofboth', 'nameofboth', 'the-file-of-both']) expect([text, await filesWith(server.dataDir, text)]).toEqual([text, []]);
});

it('does nothing more for an account in the document that deletes it, or for a session in the one that ends it', async () => {
  await using server = await startTestServer();
  const [ada, ben] = of(await server.people(2));
  const after = [
    'reportActivity { __typename }',
    'createRoom(input: { name: "All" }) { __typename }',
    'updateProfile(input: { firstName: "Ada" }) { __typename }',
    `registerPushDevice(input: { webPush: { endpoint: "https://push.example.org/1", p256dh: "${publicKey}", auth: "${auth}" } }) { __typename }`,
    'deleteAccount(input: { password: "correct horse battery", messages: ERASE }) { __typename }',
    'logout { __typename }',
  ].map((field, index) => `after${index}: ${field}`);
  for (const [who, end] of [
    [ada, 'deleteAccount(input: { password: "correct horse battery", messages: ANONYMIZE }) { __typename }'],
    [ben, 'logout { __typename }'],
  ] as const) {
    const { data, errors } = await who.request(`mutation { end: ${end} ${after.join(' ')} }`);
    expect(data?.end.__typename).toMatch(/Payload$/);
    expect(errors?.map(({ path, extensions }) => [path?.[0], extensions?.code])).toEqual(after.map((_, index) => [`after${index}`, 'TOKEN_INVALID']));
  }
  expect((await tables(server.dataDir)).match(/push\.example/g)).toBeNull();
});

it('frees an operator’s name without the right, until the setting names it anew', async () => {
  await using server = await startTestServer({ OPERATORS: 'Root' });
  const create = (who: Person): Promise<string> => outcome(who, 'createRoom', { name: 'All', everyone: true });
  const root = await server.person('root');
  expect(await create(root)).toBe('done');
  await erase(root);
  const next = await server.person('ROOT');
  expect(await create(next)).toBe('FORBIDDEN NOT_AN_OPERATOR');
  await server.restart();
  expect(await create(next)).toBe('FORBIDDEN NOT_AN_OPERATOR');
  await server.restart({ OPERATORS: 'other' });
  await server.restart();
  expect(await create(next)).toBe('done');
  await change(next, 'updateProfile', { username: 'retired' });
  const last = await server.person('root');
  for (const who of [next, last]) expect(await create(who)).toBe('FORBIDDEN NOT_AN_OPERATOR');
});

it('takes the right password, and counts wrong ones like wrong logins', async () => {
  await using server = await startTestServer({ RATE_LIMITS: 'on', LOGIN_LIMIT: '3' });
  const ada = await server.person();
  const wrong = { password: 'not the password' };
  for (let i = 0; i < 3; i++) expect(await outcome(ada, 'deleteAccount', wrong)).toBe('INVALID_CREDENTIALS UNSPECIFIED');
  expect(await outcome(ada, 'deleteAccount', wrong)).toMatch(/^RATE_LIMITED/);
  expect(await outcome(ada, 'deleteAccount', { password })).toMatch(/^RATE_LIMITED/);
  expect(await outcome(ada, 'deleteAccount', {})).toBe('top: BAD_REQUEST');
  expect((await read(ada, '{ me { deleted } }')).deleted).toBe(false);
  expect(await outcome(nobody(server), 'deleteAccount', { password })).toBe('top: UNAUTHENTICATED');
});

it('deletes an account once, however often it is asked to', async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => outcome(ada, 'deleteAccount', { password, messages: 'ERASE' })));
  expect(outcomes.filter((each) => each === 'done')).toHaveLength(1);
  expect(new Set(outcomes.filter((each) => each !== 'done'))).toEqual(new Set(['top: TOKEN_INVALID']));
  expect(await outcome(ada, 'deleteAccount', { password })).toBe('top: TOKEN_INVALID');
});

it('erases what is sent at the same moment, or refuses it', { timeout: 120_000 }, async () => {
  await using server = await startTestServer();
  const ben = await server.person();
  const room = await ben.createRoom({ everyone: true });
  const open = await ben.createRoom({ postPolicy: 'ANYONE' });
  for (let round = 0; round < 30; round++) {
    const ada = await server.person();
    const text = `fire ${round}`;
    const targets = [{ chatId: room.id }, { username: ben.username }, { chatId: open.id }];
    const send = (i: number): Promise<string> => outcome(ada, 'sendMessage', { to: targets[i % 3], text, clientMessageId: `${i}` });
    const later = async (i: number, job: () => Promise<string>): Promise<string> => {
      await new Promise((wake) => setTimeout(wake, (i * round) / 10));
      return job();
    };
    const sending = Array.from({ length: 12 }, (_, i) => later(i, () => send(i)));
    const own = Array.from({ length: 12 }, (_, i) =>
      later(
        i,
        () =>
          [
            () => outcome(ada, 'updateProfile', { firstName: `${text} ${i}` }),
            () => outcome(ada, 'createRoom', { name: text }),
            () => outcome(ada, 'joinChat', { room: { id: open.id } }),
            () => outcome(ada, 'requestUpload', { fileName: text, contentType: 'image/png', size: 5 }),
            () => outcome(ada, 'registerPushDevice', { webPush: { endpoint: `https://push.example.org/${round}.${i}`, p256dh: publicKey, auth }, label: text }),
          ][i % 5]?.() as Promise<string>,
      ),
    );
    await new Promise((wake) => setTimeout(wake, round / 10));
    const [{ erasedMessages }, outcomes] = await Promise.all([erase(ada), Promise.all(sending), Promise.all(own)]);
    expect(new Set(outcomes.filter((each) => each !== 'done' && each !== 'top: TOKEN_INVALID'))).toEqual(new Set());
    expect(erasedMessages).toBe(outcomes.filter((each) => each === 'done').length);
    const left = await tables(server.dataDir);
    expect([round, left.includes(text)]).toEqual([round, false]);
    expect(await read(ben, byId, { id: ada.id })).toMatchObject({ deleted: true, firstName: null });
    expect((await members(ben, open.id)).members.nodes.filter(({ user }: Untyped) => user.deleted)).toEqual([]);
    expect((await members(ben, room.id)).members.nodes.filter(({ user }: Untyped) => user.deleted)).toEqual([]);
  }
  const { lastSeq } = await read(ben, 'query ($id: ID!) { chat(id: $id) { lastSeq } }', { id: open.id });
  expect((await history(ben, open.id)).map(({ seq }) => seq)).toEqual(Array.from({ length: Math.min(lastSeq, 100) }, (_, index) => index + 1));
});

it('ends an upload whose bytes are coming, and keeps none of them', async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const slot = await slotFor(ada, { bytes: Buffer.alloc(1_000_000) });
  let more = (_bytes: Uint8Array): void => {};
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (more = (bytes) => controller.enqueue(bytes)) });
  const sending = fetch(slot.uploadUrl, { method: 'PUT', body, duplex: 'half' } as RequestInit);
  more(Buffer.alloc(100_000));
  await vi.waitUntil(async () => (await storedFiles(server)).length === 1, { timeout: 10_000, interval: 20 });
  await erase(ada);
  await vi.waitUntil(async () => (await storedFiles(server)).length === 0, { timeout: 10_000, interval: 20 });
  expect((await sending).status).toBe(404);
});

it('goes on after kill -9 with what it had not erased yet', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  const secret = `secret${randomUUID()}`;
  await using first = await startProcess({ DATA_DIR: folder.path });
  const [ada, ben] = [await createPerson(first), await createPerson(first)];
  const room = await ben.createRoom({ members: [{ id: ada.id }] });
  const total = 2_000;
  for (let i = 0; i < total; i += 100) await Promise.all(Array.from({ length: 100 }, (_, k) => ada.send(room, `${secret} ${i + k}`)));
  const stream = await ben.follow('subscription { events { __typename ... on MessageDeleted { message { seq } } } }');
  const deleting = ada.request('mutation { deleteAccount(input: { password: "correct horse battery", messages: ERASE }) { __typename } }').catch(() => null);
  await stream.next('MessageDeleted');
  first.kill('SIGKILL');
  await Promise.all([first.ended(), deleting]);
  await Promise.all([ada.close(), ben.close()]);
  const between = await tables(folder.path);
  expect(between.includes(secret)).toBe(true);
  // Another node waits for a minute before it takes over.
  if (engine === 'postgresql') await withPostgres(folder.path, (client) => client.query(`UPDATE "Erasure" SET "startedAt" = "startedAt" - interval '2 minutes'`));

  await using second = await startProcess({ DATA_DIR: folder.path });
  await vi.waitUntil(() => second.output.out.includes('nothing is left of a deleted account'), { timeout: 30_000, interval: 50 });
  expect((await tables(folder.path)).includes(secret)).toBe(false);
  expect(await filesWith(folder.path, secret)).toEqual([]);
  const found = await request(
    second,
    'query ($id: ID!) { chat(id: $id) { lastSeq memberCount lastMessage { text deletedAt } } }',
    { id: room.id },
    { authorization: `Bearer ${ben.token}` },
  );
  expect(found.data?.chat).toEqual({ lastSeq: total, memberCount: 1, lastMessage: { text: null, deletedAt: expect.any(String) } });
});

it('answers a retry to somebody who is gone with the message that was stored, and nobody else’s name with it', async () => {
  await using server = await startTestServer();
  const ben = await server.person();
  const ada = await server.person('ada');
  await server.person('eve');
  const room = await ben.createRoom();
  await ben.send({ username: 'ada' }, 'hello', 'to-ada');
  await ben.send({ username: 'eve' }, 'hello', 'to-eve');
  await ben.send(room, 'hello', 'to-room');
  await erase(ada, 'ANONYMIZE');
  const retry = (username: string, text: string, clientMessageId: string) => ({ to: { username }, text, clientMessageId });
  expect(await change(ben, 'sendMessage', retry('ada', 'hello', 'to-ada'), 'duplicate message { text }')).toMatchObject({ duplicate: true, message: { text: 'hello' } });
  expect(await outcome(ben, 'sendMessage', retry('ada', 'something else', 'to-ada'))).toBe('CONFLICT CLIENT_MESSAGE_ID_REUSED');
  // These were sent elsewhere: whoever does not exist got nothing.
  for (const id of ['to-eve', 'to-room', 'never sent']) expect([id, await outcome(ben, 'sendMessage', retry('ada', 'hello', id))]).toEqual([id, 'NOT_FOUND User']);
  await server.person('ada');
  expect(await outcome(ben, 'sendMessage', retry('ada', 'hello', 'to-ada'))).toBe('CONFLICT CLIENT_MESSAGE_ID_REUSED');
});

it.skipIf(engine === 'postgresql')('a stopped server’s database can be written anew, without anything that was deleted', async () => {
  await using server = await startTestServer();
  const config = readConfig({ ...testSettings, DATA_DIR: server.dataDir });
  const ada = await server.person();
  await ada.send({ username: ada.username }, 'a note');
  expect(() => compact(config)).toThrow('Another server is running');
  await server.stop();
  // A text that no row holds.
  const database = new Sqlite(`${server.dataDir}/tertulia.db`);
  database.exec(`CREATE TABLE "Left" ("text" TEXT); INSERT INTO "Left" VALUES ('leftover'); PRAGMA secure_delete = OFF; DELETE FROM "Left"; DROP TABLE "Left"`);
  database.close();
  expect(await filesWith(server.dataDir, 'leftover')).toHaveLength(1);
  compact(config);
  expect(await filesWith(server.dataDir, 'leftover')).toEqual([]);
  await server.restart();
  expect((await read(ada, '{ chats { nodes { lastMessage { text } } } }')).nodes).toEqual([{ lastMessage: { text: 'a note' } }]);
});
