/** The two engines agree: what one refuses the other refuses, with the same words, and what one finds the other finds, in the same order. */
import { describe, expect, it } from 'vitest';
import { type Answer, createPerson, type Person, type Untyped } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

type Value = string | number | null;
/** One root field with `$v` somewhere in it, of a type, and what `$chat`, `$room`, `$message` and `$peer` stand for. */
type Case = [type: 'String' | 'ID' | 'Int' | 'EventCursor', field: string, wrap?: (value: Value) => Value];

const texts: string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'a\udc00b',
  '\u200b',
  'x'.repeat(70),
  'x'.repeat(5_000),
  '😀'.repeat(90),
  '%',
  '_',
  'A_',
  '\\',
  "'; --",
  '?',
  '$1',
  '"',
  '[]',
  '{}',
  '\u{10ffff}',
  '\ufeff',
  'ＡＤＡ',
  'ADA',
  'ada',
  'İ',
  'ı',
  'ẞ',
  'ss',
  'ΣΑΣ',
  'σας',
  'é',
  'e\u0301',
  'ﬁ',
  'ǅ',
  '\u2028',
  '\n',
  'null',
  '-1',
];
const id = (text: string): string => Buffer.from(text).toString('base64');
const ids: string[] = [
  ...texts.slice(0, 9),
  ...['User', 'Room', 'Message', 'Session', 'Notification', 'Image'].flatMap((type) =>
    ['0', '1', '2147483647', '2147483648', '4294967297', '999999999999999', '9223372036854775807', '1e3', '-1', '01', '1.2'].map((key) => id(`${type}:${key}`)),
  ),
  ...['Dialog', 'Member'].flatMap((type) =>
    ['1.2', '2.1', '0.1', '1.2147483647', '1.2147483648', '999999999999999.999999999999999', '1.2.3', '1'].map((key) => id(`${type}:${key}`)),
  ),
];
const numbers: number[] = [0, 1, -1, 100, 101, 2_147_483_647, -2_147_483_648];
const pageCursors = [
  ...texts.slice(0, 6),
  'seq:0',
  'seq:1',
  'seq:2147483647',
  'seq:2147483648',
  'seq:9999999999',
  'seq:99999999999',
  'seq:-1',
  '[]',
  '[1]',
  '["a\\u0000"]',
  '["\\ud800"]',
  '["x"]',
  '["x",1]',
  '["x",2147483648]',
  '[1,2]',
  '[1e300,1]',
  '[253402300800000,1]',
  '[253402300799999,2147483647]',
  '[1.5,1]',
  '["chat",1,1]',
  '["chat",1e18,1]',
  '["chat",1,9007199254740993]',
  '["user","a"]',
  '["user","\\u0000"]',
  '[9007199254740991]',
  '[9007199254740992]',
  '["user","user","user"]',
  'null',
  '{"length":1}',
];
const eventCursors = ['', '\0', 'x', ...['1.0.0', '1.aaaaaaaaaaaa.5', '1.aaaaaaaaaaaa.999999999999999'].map((text) => Buffer.from(text).toString('base64url'))];

const failure = '__typename ... on UserError { code errorMessage }';
const people = 'nodes { username displayName } pageInfo { hasNextPage hasPreviousPage } totalCount';
const chats = 'nodes { id name lastSeq memberCount } pageInfo { hasNextPage hasPreviousPage } totalCount';
const messages = 'nodes { id seq text } pageInfo { hasNextPage hasPreviousPage }';

const queries: Case[] = [
  ['String', 'user(ref: { username: $v }) { id username }'],
  ['ID', 'user(ref: { id: $v }) { id username }'],
  ['String', `registeredUsers(filter: { query: $v }) { ${people} }`],
  ['String', `registeredUsers(after: $v) { ${people} }`],
  ['String', `registeredUsers(before: $v) { ${people} }`],
  ['Int', `registeredUsers(first: $v) { ${people} }`],
  ['String', `rooms(filter: { nameContains: $v }) { ${chats} }`],
  ['String', `rooms(after: $v) { ${chats} }`],
  ['String', `rooms(last: 2, before: $v) { ${chats} }`],
  ['String', 'room(ref: { link: $v }) { id name }'],
  ['ID', 'room(ref: { id: $v }) { id name members(first: 3) { totalCount } }'],
  ['ID', 'chat(id: $v) { id name my { unreadCount } }'],
  ['String', `chats(filter: { nameContains: $v, includeAllUsers: true }) { ${chats} }`],
  ['ID', `chats(filter: { withUserIds: [$v] }) { ${chats} }`],
  ['String', `chats(after: $v, filter: { includeAllUsers: true }) { ${chats} }`],
  ['String', `chats(last: 2, before: $v, filter: { includeAllUsers: true }) { ${chats} }`],
  ['String', `dialog(with: { username: $v }) { id lastSeq messages { ${messages} } }`],
  ['ID', 'dialog(with: { id: $v }) { id lastSeq members { totalCount } }'],
  ['ID', 'message(id: $v) { id text }'],
  ['ID', 'node(id: $v) { __typename id }'],
  ['ID', 'nodes(ids: [$v, $v]) { __typename id }'],
  ['String', `groupMessages(room: { id: "$room" }, after: $v) { ${messages} }`],
  ['String', `groupMessages(room: { id: "$room" }, last: 2, before: $v) { ${messages} }`],
  ['Int', `groupMessages(room: { id: "$room" }, anchor: { aroundSeq: $v }) { ${messages} }`],
  ['Int', `groupMessages(room: { id: "$room" }, first: 2, anchor: { afterSeq: $v }) { ${messages} }`],
  ['Int', `groupMessages(room: { id: "$room" }, anchor: { beforeSeq: $v }) { ${messages} }`],
  ['String', `groupMessages(room: { link: $v }) { ${messages} }`],
  ['Int', 'chat(id: "$room") { messageAt(seq: $v) { id seq } }'],
  ['String', 'chat(id: "$room") { members(after: $v) { totalCount nodes { user { username } } } }'],
  ['String', `inbox(after: $v) { ${messages} }`],
  ['String', `inbox(filter: { from: { username: $v } }) { ${messages} }`],
  ['ID', `inbox(filter: { from: { id: $v } }) { ${messages} }`],
  ['EventCursor', 'sync(after: $v) { hasMore items { __typename } }'],
  ['String', 'me { account { contacts(after: $v) { totalCount } } }'],
  ['String', 'tokenInfo(token: $v) { active failure }'],
  ['String', 'tokenInfo(token: "x", username: $v) { active failure }'],
];

const mutations: Case[] = [
  ['String', `login(input: { login: $v, password: "wrong password" }) { ${failure} }`],
  ['String', `login(input: { login: "Ada", password: $v }) { ${failure} }`],
  ['String', `login(input: { login: "Ada", password: "correct horse battery", device: { id: $v } }) { ${failure} ... on LoginPayload { auth { grant } } }`],
  ['String', `login(input: { login: "Ada", password: "correct horse battery", device: { name: $v } }) { ${failure} }`],
  ['String', `register(input: { username: $v, password: "correct horse battery" }) { ${failure} ... on RegisterPayload { me { username displayName } } }`],
  ['String', `register(input: { username: "Ada", password: $v }) { ${failure} }`],
  ['String', `register(input: { username: "ADA", email: $v, password: "correct horse battery" }) { ${failure} }`],
  ['String', `refreshSession(input: { refreshToken: $v }) { ${failure} }`],
  ['String', `updateProfile(input: { displayName: $v }) { ${failure} ... on UpdateProfilePayload { me { displayName } } }`],
  ['String', `updateProfile(input: { firstName: $v, lastName: $v, phone: $v, address: $v }) { ${failure} }`],
  ['String', `updateProfile(input: { email: $v, currentPassword: "correct horse battery" }) { ${failure} }`],
  ['String', `updateProfile(input: { email: "x@example.org", currentPassword: $v }) { ${failure} }`],
  ['ID', `addContacts(input: { users: [{ id: $v }] }) { ${failure} ... on AddContactsPayload { added { username } } }`],
  ['String', `addContacts(input: { users: [{ username: $v }] }) { ${failure} ... on AddContactsPayload { added { username } } }`],
  ['ID', `removeContacts(input: { userIds: [$v] }) { __typename }`],
  ['String', `createRoom(input: { name: $v }) { ${failure} ... on CreateRoomPayload { room { name } } }`],
  ['String', `createRoom(input: { name: "r", topic: $v }) { ${failure} ... on CreateRoomPayload { room { topic } } }`],
  ['String', `createRoom(input: { name: "r", link: $v }) { ${failure} ... on CreateRoomPayload { room { link } } }`],
  ['String', `createRoom(input: { name: "r", password: $v }) { ${failure} }`],
  ['String', `createRoom(input: { name: "r", clientRequestId: $v }) { ${failure} ... on CreateRoomPayload { duplicate } }`],
  ['Int', `createRoom(input: { name: "r", capacity: $v }) { ${failure} ... on CreateRoomPayload { room { capacity } } }`],
  ['ID', `createRoom(input: { name: "r", members: [{ id: $v }] }) { ${failure} }`],
  ['ID', `joinChat(input: { room: { id: $v } }) { ${failure} ... on JoinChatPayload { alreadyMember } }`],
  ['String', `joinChat(input: { room: { link: $v } }) { ${failure} }`],
  ['String', `joinChat(input: { room: { link: "locked" }, password: $v }) { ${failure} }`],
  ['ID', `leaveChat(input: { chatId: $v }) { ${failure} }`],
  ['ID', `addMembers(input: { roomId: "$room", users: [{ id: $v }] }) { ${failure} ... on AddMembersPayload { added { user { username } } skipped { __typename } } }`],
  ['ID', `removeMember(input: { roomId: "$room", userId: $v }) { ${failure} }`],
  ['ID', `removeMember(input: { roomId: $v, userId: "$peer", ban: true }) { ${failure} }`],
  ['ID', `setMemberRole(input: { roomId: "$room", userId: $v, role: ADMIN }) { ${failure} }`],
  ['ID', `deleteRoom(input: { roomId: $v }) { ${failure} }`],
  ['ID', `updateRoom(input: { roomId: $v, topic: "t" }) { ${failure} }`],
  ['String', `sendMessage(input: { to: { username: $v }, text: "hi" }) { ${failure} ... on SendMessagePayload { message { seq } } }`],
  ['ID', `sendMessage(input: { to: { userId: $v }, text: "hi" }) { ${failure} ... on SendMessagePayload { message { seq } } }`],
  ['ID', `sendMessage(input: { to: { chatId: $v }, text: "hi" }) { ${failure} ... on SendMessagePayload { message { seq } } }`],
  ['String', `sendMessage(input: { to: { chatId: "$chat" }, text: $v }) { ${failure} ... on SendMessagePayload { message { seq text } } }`],
  [
    'String',
    `sendMessage(input: { to: { chatId: "$chat" }, text: "hi", clientMessageId: $v }) { ${failure} ... on SendMessagePayload { duplicate message { seq clientMessageId } } }`,
  ],
  ['String', `editMessage(input: { messageId: "$message", text: $v }) { ${failure} ... on EditMessagePayload { message { text version } } }`],
  ['ID', `editMessage(input: { messageId: $v, text: "x" }) { ${failure} }`],
  ['Int', `editMessage(input: { messageId: "$message", text: "x", expectedVersion: $v }) { ${failure} }`],
  ['ID', `deleteMessage(input: { messageId: $v }) { ${failure} }`],
  ['Int', `markRead(input: { chatId: "$chat", upToSeq: $v }) { ${failure} }`],
  ['ID', `markDelivered(input: { chatId: $v, upToSeq: 1 }) { ${failure} }`],
  ['ID', `setTyping(input: { chatId: $v, active: true }) { ${failure} }`],
  ['ID', `revokeSession(input: { sessionId: $v }) { ${failure} }`],
];

/** Without what differs from run to run; errors come in the order in which they happened to be met. */
const masked = ({ data, errors = [] }: Answer<Untyped>): unknown => ({ data: data && mask(data), errors: errors.map((error) => JSON.stringify(mask(error))).sort() });
const mask = (answer: object): object =>
  JSON.parse(
    JSON.stringify(answer)
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
      .replaceAll(/"requestId":"[^"]*"/g, '"requestId":""'),
  );

/** Two servers with the same people and chats in them. */
async function openWorlds() {
  const sqlite = await startTestServer({ DATABASE_URL: 'file:tertulia.db' });
  const postgres = await startTestServer();
  const worlds = await Promise.all(
    [sqlite, postgres].map(async (server) => {
      const people: Person[] = [];
      for (const username of ['Ada', 'bob_b', 'bob-b', 'bob.b', 'Bobb', 'zoe', 'Zed', '0xx']) people.push(await createPerson(server, { username }));
      const [ada, bob] = people as [Person, Person];
      const room = await ada.createRoom({ name: 'Straße', members: [{ username: 'bob_b' }], link: 'open' });
      for (const name of ['a b', 'a_b', 'A-b', 'ab', 'Äb', 'zz', 'ΣΑΣ', 'ﬁn', '100%', '_']) await ada.createRoom({ name });
      await ada.createRoom({ name: 'locked', link: 'locked', password: 'sesame open' });
      const sent = await ada.send({ username: 'bob_b' }, 'first');
      for (let i = 0; i < 5; i++) await bob.send(room, `text ${i}`);
      const places: Record<string, string> = { $room: room.id, $chat: sent.message.chat.id, $message: sent.message.id, $peer: bob.id };
      const ask = (kind: 'query' | 'mutation', [type, field]: Case, values: readonly Value[]): Promise<Answer<Untyped>> => {
        const filled = field.replaceAll(/\$(?:room|chat|message|peer)/g, (name) => places[name] as string);
        const fields = values.map((_, index) => `a${index}: ${filled.replaceAll('$v', `$v${index}`)}`);
        const document = `${kind} (${values.map((_, index) => `$v${index}: ${type}!`).join(', ')}) { ${fields.join('\n')} }`;
        return ada.request(document, Object.fromEntries(values.map((value, index) => [`v${index}`, value])));
      };
      return { ask };
    }),
  );
  return {
    worlds,
    async [Symbol.asyncDispose](): Promise<void> {
      await sqlite[Symbol.asyncDispose]();
      await postgres[Symbol.asyncDispose]();
    },
  };
}

async function agree(kind: 'query' | 'mutation', cases: readonly Case[]): Promise<void> {
  await using opened = await openWorlds();
  for (const [place, tried] of cases.entries()) {
    const [type, field] = tried;
    const cursors = /(after|before): \$v/.test(field) ? pageCursors.map((text) => Buffer.from(text).toString('base64url')) : [];
    const all = { String: [...cursors, ...texts], ID: ids, Int: numbers, EventCursor: eventCursors }[type];
    // The short form tries a third of the values with each field, the next field the next third.
    const values = process.env.LONG ? all : all.filter((_, index) => index % 3 === place % 3);
    for (let at = 0; at < values.length; at += 10) {
      const some = values.slice(at, at + 10);
      const [onSqlite, onPostgres] = await Promise.all(opened.worlds.map(({ ask }) => ask(kind, tried, some)));
      expect(onSqlite?.data, JSON.stringify([field, onSqlite?.errors])).toBeDefined();
      expect(masked(onPostgres as Answer<Untyped>), field).toEqual(masked(onSqlite as Answer<Untyped>));
      expect(JSON.stringify(onPostgres), field).not.toContain('INTERNAL_SERVER_ERROR');
    }
  }
}

describe('PostgreSQL agrees with SQLite', () => {
  it('on what is asked with any text, number, id or cursor', () => agree('query', queries));
  it('on what is written with any text, number or id', () => agree('mutation', mutations));
});
