/** P14: hidden equals absent. What one may not see answers, byte for byte but for its id, like what never was. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { change } from './kit/outcome.ts';
import { type Person, request, type Untyped } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const failure =
  '... on UserError { code errorMessage httpStatus ... on NotFoundError { typeName } ... on ForbiddenError { forbiddenReason } ... on ConflictError { conflictReason } ... on ValidationError { fields { path message rule } } }';
const id = (type: string, key: string): string => Buffer.from(`${type}:${key}`).toString('base64');
const keyOf = (globalId: string): string => Buffer.from(globalId, 'base64').toString().split(':')[1] as string;
const page = 'nodes { id } pageInfo { hasNextPage }';

/** Operations that take the id of a chat, as a room or a dialog. */
const onChats: Record<string, string> = {
  node: 'query ($id: ID!) { node(id: $id) { __typename id } }',
  nodes: 'query ($id: ID!) { nodes(ids: [$id]) { __typename id } }',
  chat: 'query ($id: ID!) { chat(id: $id) { id name lastSeq } }',
  pins: `query ($id: ID!) { chat(id: $id) { viewerMay pins { ${page.replace('id', 'pinnedAt')} } } }`,
  jump: `query ($id: ID!) { chat(id: $id) { messages(anchor: { at: "2026-01-01T00:00:00Z" }) { ${page} } } }`,
  send: `mutation ($id: ID!) { sendMessage(input: { to: { chatId: $id }, text: "x" }) { __typename ${failure} } }`,
  sendInvalid: `mutation ($id: ID!) { sendMessage(input: { to: { chatId: $id }, text: "" }) { __typename ${failure} } }`,
  sendOnce: `mutation ($id: ID!) { sendMessage(input: { to: { chatId: $id }, text: "x", clientMessageId: "never stored" }) { __typename ${failure} } }`,
  leave: `mutation ($id: ID!) { leaveChat(input: { chatId: $id }) { __typename ${failure} } }`,
  typing: `mutation ($id: ID!) { setTyping(input: { chatId: $id }) { __typename ${failure} } }`,
  delivered: `mutation ($id: ID!) { markDelivered(input: { chatId: $id, upToSeq: 1 }) { __typename ${failure} } }`,
  read: `mutation ($id: ID!) { markRead(input: { chatId: $id, upToSeq: 0 }) { __typename ${failure} } }`,
  readTooFar: `mutation ($id: ID!) { markRead(input: { chatId: $id, upToSeq: 1000000 }) { __typename ${failure} } }`,
  readNegative: `mutation ($id: ID!) { markRead(input: { chatId: $id, upToSeq: -1 }) { __typename ${failure} } }`,
};
/** And those that take a room. */
const onRooms: Record<string, string> = {
  room: 'query ($id: ID!) { room(ref: { id: $id }) { id name } }',
  history: `query ($id: ID!) { groupMessages(room: { id: $id }) { ${page} } }`,
  historyAround: `query ($id: ID!) { groupMessages(room: { id: $id }, anchor: { firstUnread: false }, first: 1, last: 1) { ${page} } }`,
  join: `mutation ($id: ID!) { joinChat(input: { room: { id: $id } }) { __typename ${failure} } }`,
  joinWithPassword: `mutation ($id: ID!) { joinChat(input: { room: { id: $id }, password: "x" }) { __typename ${failure} } }`,
  update: `mutation ($id: ID!) { updateRoom(input: { roomId: $id, name: "x" }) { __typename ${failure} } }`,
  updateInvalid: `mutation ($id: ID!) { updateRoom(input: { roomId: $id, name: "", capacity: 0 }) { __typename ${failure} } }`,
  updateNothing: `mutation ($id: ID!) { updateRoom(input: { roomId: $id }) { __typename ${failure} } }`,
  updatePicture: `mutation ($id: ID!) { updateRoom(input: { roomId: $id, avatarAttachmentId: "x" }) { __typename ${failure} } }`,
  delete: `mutation ($id: ID!) { deleteRoom(input: { roomId: $id }) { __typename ${failure} } }`,
  add: `mutation ($id: ID!, $user: ID!) { addMembers(input: { roomId: $id, users: [{ id: $user }] }) { __typename ${failure} } }`,
  addNobody: `mutation ($id: ID!) { addMembers(input: { roomId: $id, users: [] }) { __typename ${failure} } }`,
  remove: `mutation ($id: ID!, $user: ID!) { removeMember(input: { roomId: $id, userId: $user }) { __typename ${failure} } }`,
  ban: `mutation ($id: ID!, $user: ID!) { removeMember(input: { roomId: $id, userId: $user, ban: true }) { __typename ${failure} } }`,
  role: `mutation ($id: ID!, $user: ID!) { setMemberRole(input: { roomId: $id, userId: $user, role: ADMIN }) { __typename ${failure} } }`,
};
const onMessages: Record<string, string> = {
  node: onChats.node as string,
  nodes: onChats.nodes as string,
  message: 'query ($id: ID!) { message(id: $id) { id seq text } }',
  beside: 'query ($id: ID!) { message(id: $id) { pin { pinnedAt } saved viewerMay revisions { nodes { text } } } }',
  pin: `mutation ($id: ID!) { pinMessage(input: { messageId: $id }) { __typename ${failure} } }`,
  unpin: `mutation ($id: ID!) { unpinMessage(input: { messageId: $id }) { __typename ${failure} } }`,
  save: `mutation ($id: ID!) { saveMessage(input: { messageId: $id, note: "x" }) { __typename ${failure} } }`,
  saveInvalid: `mutation ($id: ID!) { saveMessage(input: { messageId: $id, note: "" }) { __typename ${failure} } }`,
  edit: `mutation ($id: ID!) { editMessage(input: { messageId: $id, text: "x" }) { __typename ${failure} } }`,
  editInvalid: `mutation ($id: ID!) { editMessage(input: { messageId: $id, text: "" }) { __typename ${failure} } }`,
  editVersion: `mutation ($id: ID!) { editMessage(input: { messageId: $id, text: "x", expectedVersion: 1 }) { __typename ${failure} } }`,
  delete: `mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { __typename ${failure} } }`,
};
const streams: Record<string, string> = {
  newMessages: 'subscription ($id: ID!) { newMessages(chatId: $id) { __typename } }',
  messageStatus: 'subscription ($id: ID!) { messageStatus(chatId: $id) { __typename } }',
  typing: 'subscription ($id: ID!) { typing(chatId: $id) { __typename } }',
  presence: 'subscription ($id: ID!) { presence(scope: { chatId: $id }) { __typename } }',
};

/** What the server answers, byte for byte, with the ids that were sent taken out. */
async function answer(server: TestServer, who: Person, document: string, variables: Untyped): Promise<string> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${who.token}` },
    body: JSON.stringify({ query: document, variables }),
  });
  return `${response.status} ${Object.values(variables).reduce<string>((text, value) => text.replaceAll(String(value), 'ID'), await response.text())}`;
}

async function same(server: TestServer, who: Person, documents: Record<string, string>, hidden: Record<string, string>, absent: string, more: Untyped = {}): Promise<void> {
  for (const [name, document] of Object.entries(documents)) {
    const expected = await answer(server, who, document, { id: absent, ...more });
    expect([name, expected]).toEqual([name, expect.stringMatching(/NOT_FOUND|VALIDATION_FAILED|BAD_REQUEST|:null|\[null\]/)]);
    for (const [what, hiddenId] of Object.entries(hidden)) expect([what, name, await answer(server, who, document, { id: hiddenId, ...more })]).toEqual([what, name, expected]);
  }
}

/** Two people with things that a third must not see. */
async function secretWorld(server: TestServer) {
  const [owner, member, stranger] = (await server.people(3)) as [Person, Person, Person];
  const room = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: member.id }, { id: stranger.id }], link: 'secret' });
  const { message } = await owner.send({ id: room.id }, 'secret');
  await change(owner, 'removeMember', { roomId: room.id, userId: stranger.id });
  const locked = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: stranger.id }], capacity: 2, password: 'x' });
  const { message: inLocked } = await stranger.send({ id: locked.id }, 'own words in a room that was lost');
  await change(owner, 'removeMember', { roomId: locked.id, userId: stranger.id, ban: true });
  const { message: direct } = await owner.send({ username: member.username }, 'between us');
  const gone = await owner.createRoom();
  const { message: inGone } = await owner.send({ id: gone.id }, 'gone');
  await change(owner, 'deleteRoom', { roomId: gone.id });
  const club = await owner.createRoom({ password: 'sesame' });
  const { message: inClub } = await owner.send({ id: club.id }, 'members only');
  return { owner, member, stranger, room, locked, gone, message, inLocked, direct, inGone, inClub };
}

const never = { room: id('Room', '987654'), message: id('Message', '987654321'), session: id('Session', '987654') };

describe('hidden equals absent', () => {
  it('for rooms: private, private and banned from, deleted', async () => {
    await using server = await startTestServer();
    const { member, stranger, room, locked, gone } = await secretWorld(server);
    await same(server, stranger, { ...onChats, ...onRooms }, { room: room.id, locked: locked.id, gone: gone.id }, never.room, { user: member.id });
    await same(server, stranger, Object.fromEntries(['add', 'remove', 'ban', 'role'].map((name) => [name, onRooms[name] as string])), { room: room.id }, never.room, {
      user: id('User', '987654'),
    });
    for (const link of ['room(ref: { link: $id }) { id }', `groupMessages(room: { link: $id }) { ${page} }`])
      await same(server, stranger, { link: `query ($id: String!) { ${link} }` }, { hidden: 'secret' }, 'nosuch');
    await same(server, stranger, { join: `mutation ($id: String!) { joinChat(input: { room: { link: $id } }) { __typename ${failure} } }` }, { hidden: 'secret' }, 'nosuch');
  });

  it('for dialogs of others, open or not, and with people who never were', async () => {
    await using server = await startTestServer();
    const { owner, member, stranger, direct } = await secretWorld(server);
    const low = Number(keyOf(owner.id));
    const mine = Number(keyOf(stranger.id));
    const hidden = { open: direct.chat.id, own: id('Dialog', `${low}.${low}`), withNobody: id('Dialog', `${mine}.987654`) };
    await same(server, stranger, onChats, hidden, id('Dialog', '987654.987655'));
    await same(server, stranger, onRooms, hidden, id('Dialog', '987654.987655'), { user: member.id });
  });

  it('for the row of a dialog, called a room', async () => {
    await using server = await startTestServer();
    const { owner, member, stranger } = await secretWorld(server);
    const rooms = Array.from({ length: 12 }, (_, i) => id('Room', `${i + 1}`));
    for (const who of [stranger, owner]) {
      const seen = await Promise.all(rooms.map((each) => answer(server, who, 'query ($id: ID!) { node(id: $id) { __typename } }', { id: each })));
      const hidden = Object.fromEntries(rooms.flatMap((each, i) => (seen[i]?.includes('"node":null') ? [[`room ${i + 1}`, each]] : [])));
      expect(Object.keys(hidden).length).toBeGreaterThan(5);
      await same(server, who, { ...onChats, ...onRooms }, hidden, never.room, { user: member.id });
    }
  });

  it('for messages in private rooms, dialogs of others, deleted rooms, and rooms with a password', async () => {
    await using server = await startTestServer();
    const { stranger, message, inLocked, direct, inGone, inClub } = await secretWorld(server);
    await same(server, stranger, onMessages, { private: message.id, own: inLocked.id, direct: direct.id, gone: inGone.id, club: inClub.id }, never.message);
    const hidden = { private: message.id, own: inLocked.id, direct: direct.id, gone: inGone.id, club: inClub.id };
    const mine = await stranger.createRoom();
    const around = 'query ($id: ID!, $chat: ID!) { chat(id: $chat) { messages(anchor: { aroundId: $id }) { nodes { id } } } }';
    await same(server, stranger, { around }, hidden, never.message, { chat: mine.id });
    // Giving up what was never kept is fine: nothing tells whether it is there.
    const unsave = 'mutation ($id: ID!) { unsaveMessage(input: { messageId: $id }) { __typename ... on UnsaveMessagePayload { messageId } } }';
    const expected = await answer(server, stranger, unsave, { id: never.message });
    for (const [what, id] of Object.entries(hidden)) expect([what, await answer(server, stranger, unsave, { id })]).toEqual([what, expected]);
  });

  it('for members, sessions and people', async () => {
    await using server = await startTestServer();
    const { owner, member, stranger, room, direct, gone } = await secretWorld(server);
    const ids: string[] = (
      await owner.must('query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Chat { members { nodes { id } } } } }', { ids: [room.id, direct.chat.id] })
    ).nodes.flatMap(({ members }: Untyped) => members.nodes.map(({ id: each }: Untyped) => each));
    const hidden = Object.fromEntries(
      [...ids, id('Member', `${keyOf(gone.id)}.${keyOf(owner.id)}`), id('Member', `${keyOf(room.id)}.${keyOf(stranger.id)}`)].map((each, i) => [`member ${i}`, each]),
    );
    expect(Object.keys(hidden)).toHaveLength(6);
    await same(server, stranger, { node: onChats.node as string, nodes: onChats.nodes as string }, hidden, id('Member', '987654.1'));
    const ended = (await change(stranger, 'login', { login: stranger.username, password: stranger.password }, 'auth { session { id } }')).auth.session.id;
    await change(stranger, 'revokeSession', { sessionId: ended });
    await same(
      server,
      stranger,
      { node: onChats.node as string, revoke: `mutation ($id: ID!) { revokeSession(input: { sessionId: $id }) { __typename ${failure} } }` },
      { others: owner.sessionId, ended },
      never.session,
    );
    // Who is no member of a room one manages is like nobody.
    const own = await stranger.createRoom();
    for (const document of [onRooms.remove, onRooms.role] as string[]) {
      const asked = document.replace('$id: ID!, $user: ID!', '$room: ID!, $id: ID!').replace('roomId: $id', 'roomId: $room').replace('$user', '$id');
      await same(server, stranger, { document: asked }, { outside: member.id }, id('User', '987654'), { room: own.id });
    }
  });

  it('for streams', async () => {
    await using server = await startTestServer();
    const { stranger, room, gone, direct } = await secretWorld(server);
    for (const [name, document] of Object.entries(streams)) {
      const refusals = await Promise.all(
        [never.room, room.id, gone.id, direct.chat.id, 'garbage'].map(async (each) => (await (await stranger.follow(document, { id: each })).ended()).errors),
      );
      expect([name, refusals[0]]).toEqual([name, [expect.objectContaining({ extensions: { code: 'NOT_FOUND', typeName: 'Chat' } })]]);
      for (const refusal of refusals) expect([name, refusal]).toEqual([name, refusals[0]]);
    }
  });

  it('in filters and lists', async () => {
    await using server = await startTestServer();
    const { owner, stranger, room } = await secretWorld(server);
    const lists: [document: string, variables: Untyped][] = [
      ['{ rooms(filter: { visibility: PRIVATE }) { nodes { id } totalCount } }', {}],
      ['{ chats { nodes { id } totalCount } }', {}],
      ['{ inbox { nodes { id } } }', {}],
      ['query ($with: [ID!]) { chats(filter: { withUserIds: $with }) { nodes { id } totalCount } }', { with: [owner.id] }],
    ];
    for (const [document, variables] of lists) expect(JSON.stringify(await stranger.must(document, variables))).toMatch(/"nodes":\[\](,"totalCount":0)?\}\}$/);
    const cursor = (await stranger.must('{ eventCursor }')).eventCursor;
    await owner.send({ id: room.id }, 'unheard');
    const items = async (chat: string) =>
      JSON.stringify(
        (
          await stranger.must(
            'query ($after: EventCursor!, $chats: [ID!]) { sync(after: $after, filter: { chatIds: $chats, kinds: [MESSAGES] }) { items { __typename } hasMore } }',
            { after: cursor, chats: [chat] },
          )
        ).sync,
      );
    expect(await items(room.id)).toBe(await items(never.room));
  });
});

it('no answer to a mistake is a 500, or holds a stack, SQL, a path or a token', async () => {
  await using server = await startTestServer();
  const { stranger } = await secretWorld(server);
  const documents = [...Object.values(onChats), ...Object.values(onRooms), ...Object.values(onMessages)];
  const tellsTooMuch = (text: string): boolean =>
    /INTERNAL_SERVER_ERROR|\bat .*\.ts|SELECT|node_modules|file:\/\/|eyJ/.test(text) || [join(import.meta.dirname, '..'), server.dataDir].some((path) => text.includes(path));
  for (const document of documents) {
    for (const each of [
      '',
      '\0',
      '\ud800',
      '\'; DROP TABLE "User"; --',
      id('Room', '9'.repeat(14)),
      id('Message', '9'.repeat(15)),
      id('Dialog', '2147483647.2147483647'),
      id('User', '2147483648'),
      12,
      -1,
      null,
      {},
      [],
      true,
    ]) {
      const { status, text } = await raw(server, stranger, document, { id: each, user: each });
      expect([document, each, status < 500, tellsTooMuch(text)]).toEqual([document, each, true, false]);
    }
  }
});

async function raw(server: TestServer, who: Person, document: string, variables: Untyped): Promise<{ status: number; text: string }> {
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${who.token}` },
    body: JSON.stringify({ query: document, variables }),
  });
  return { status: response.status, text: await response.text() };
}

it('who may not sign in learns nothing of who is there', async () => {
  await using server = await startTestServer();
  const person = await server.person();
  const login = (name: string) =>
    request(
      server,
      `mutation ($input: LoginInput!) { login(input: $input) { __typename ... on UserError { code errorMessage httpStatus } ... on InvalidCredentialsError { credentialFailure } } }`,
      { input: { login: name, password: 'a wrong password' } },
    );
  const refused = await login('nobody.here');
  expect(refused.data?.login.__typename).toBe('InvalidCredentialsError');
  for (const name of [person.username, '', '\0', 'a@b.example', 'x'.repeat(5000)]) expect(await login(name)).toEqual(refused);
});
