/** What the server can do, numbered: a test for each, through the public API, with the operations that clients begin with where one fits. */
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { hostIssuer, hostToken, provisionToken } from './kit/issuer.ts';
import { codeOf, startMailServer } from './kit/mail-server.ts';
import { bearer, change, nobody, operation, outcome, read, sight } from './kit/outcome.ts';
import { createPerson, type Person, type Untyped } from './kit/person.ts';
import { startPushService } from './kit/push-service.ts';
import { startTestServer } from './kit/server.ts';
import { fetched, upload } from './kit/upload.ts';

const password = 'correct horse battery';
const two = (people: Person[]) => people as [Person, Person, Person, Person];
/** Runs one of the operations of test/contract/operations.graphql and answers its first field. */
const run = (who: Pick<Person, 'request'>, name: string, variables: Untyped = {}) => read(who, operation(name), variables);
const online = (who: Person, id: string) =>
  read(who, 'query ($id: ID!) { user(ref: { id: $id }) { presence { state online lastSeenAt } } }', { id }).then(({ presence }) => presence);

it('F1 registers with username and password, and optionally e-mail, names, phone, address and a repeated password; a taken name is a 409, or a teapot', async () => {
  await using server = await startTestServer();
  const profile = {
    username: 'ada',
    displayName: 'Ada L.',
    firstName: 'Ada',
    lastName: 'Lovelace',
    email: 'ada@example.org',
    phone: '+44 20 0000',
    address: '12 St James’s Square\nLondon',
  };
  const registered = await run(nobody(server), 'Register', {
    input: { ...profile, password, passwordConfirmation: password, device: { id: 'd1', name: 'Laptop', kind: 'DESKTOP' } },
  });
  expect(registered).toMatchObject({ __typename: 'RegisterPayload', me: { username: 'ada' }, auth: { accessToken: expect.any(String), refreshToken: expect.any(String) } });
  const { email, phone, address, ...open } = profile;
  expect(
    await read(
      bearer(server, registered.auth.accessToken),
      '{ me { username displayName firstName lastName deleted account { email phone address totalUnread currentSession { deviceName deviceKind current } } } }',
    ),
  ).toEqual({ ...open, deleted: false, account: { email, phone, address, totalUnread: 0, currentSession: { deviceName: 'Laptop', deviceKind: 'DESKTOP', current: true } } });
  expect(await run(nobody(server), 'Register', { input: { username: 'bare', password } })).toMatchObject({ __typename: 'RegisterPayload' });
  const taken = (input: Untyped) => run(nobody(server), 'Register', { input: { username: 'other', password, ...input } });
  expect(await taken({ username: 'ADA' })).toMatchObject({ __typename: 'AlreadyTakenError', code: 'ALREADY_TAKEN', field: 'username', httpStatus: 409 });
  expect(await taken({ email: 'ADA@example.org' })).toMatchObject({ __typename: 'AlreadyTakenError', field: 'email', httpStatus: 409 });
  await server.restart({ TEAPOT: '1' });
  expect(await taken({ username: 'ada' })).toMatchObject({ __typename: 'AlreadyTakenError', httpStatus: 418 });
});

it('F2 logs in by username or e-mail, and tells the times of the token and whether the session is new, renewed or still valid', async () => {
  await using server = await startTestServer({ REFRESH_TOKEN_SECONDS: '2', ACCESS_TOKEN_SECONDS: '2' });
  await run(nobody(server), 'Register', { input: { username: 'ada', password, email: 'ada@example.org' } });
  const login = async (name: string) =>
    (
      await read(
        nobody(server),
        'mutation ($input: LoginInput!) { login(input: $input) { ... on LoginPayload { auth { tokenType grant issuedAt accessTokenExpiresAt refreshTokenExpiresAt session { id } me { username } } } } }',
        { input: { login: name, password, device: { id: 'd1' } } },
      )
    ).auth;
  const before = Date.now();
  const [first, again] = [await login('ada'), await login('Ada@Example.org')];
  expect(first).toMatchObject({ tokenType: 'Bearer', grant: 'NEW', me: { username: 'ada' } });
  expect(Date.parse(first.issuedAt)).toBeGreaterThanOrEqual(before - 1_000);
  expect(Date.parse(first.accessTokenExpiresAt) - Date.parse(first.issuedAt)).toBeLessThanOrEqual(2_000);
  expect(again).toMatchObject({ grant: 'STILL_VALID', session: first.session });
  await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(Date.parse(again.refreshTokenExpiresAt));
  expect((await login('ada')).grant).toBe('RENEWED');
  expect(await run(nobody(server), 'Login', { input: { login: 'ada', password } })).toMatchObject({ __typename: 'LoginPayload', auth: { grant: 'NEW' } });
});

it('F3 answers a wrong password like an unknown account, unless the operator wants to tell', async () => {
  await using server = await startTestServer();
  const person = await server.person();
  const login = (name: string) => run(nobody(server), 'Login', { input: { login: name, password: 'a wrong password' } });
  const [wrong, unknown] = [await login(person.username), await login('nobody.here')];
  expect(wrong).toMatchObject({ __typename: 'InvalidCredentialsError', code: 'INVALID_CREDENTIALS', credentialFailure: 'UNSPECIFIED', httpStatus: 401 });
  expect(unknown).toEqual(wrong);
  await server.restart({ REVEAL_ACCOUNTS: '1' });
  expect((await login(person.username)).credentialFailure).toBe('WRONG_PASSWORD');
  expect((await login('nobody.here')).credentialFailure).toBe('UNKNOWN_ACCOUNT');
});

it("F4 tells of a token whether it is good, this user's, until when, and if not why", async () => {
  await using server = await startTestServer({ ACCESS_TOKEN_SECONDS: '2' });
  const [person, other] = two(await server.people(2));
  const tell = (username?: string) =>
    read(nobody(server), 'query ($token: String!, $username: String) { tokenInfo(token: $token, username: $username) { active username expiresAt failure } }', {
      token: person.token,
      username,
    });
  expect(await tell(person.username)).toEqual({ active: true, username: person.username, expiresAt: expect.any(String), failure: null });
  expect(await tell(other.username)).toEqual({ active: false, username: null, expiresAt: null, failure: 'WRONG_USER' });
  await expect.poll(async () => (await tell()).failure, { timeout: 5_000 }).toBe('EXPIRED');
});

it('F5 refreshes, logs out here or everywhere, lists and ends own sessions', async () => {
  await using server = await startTestServer();
  const person = await server.person();
  const login = async (name: string) =>
    (await change(nobody(server), 'login', { login: person.username, password: person.password, device: { name } }, 'auth { accessToken refreshToken session { id } }')).auth;
  const [phone, tablet, watch] = [await login('Phone'), await login('Tablet'), await login('Watch')];
  const list = async (who: Pick<Person, 'request'>) => (await read(who, '{ me { account { sessions { id current deviceName } } } }')).account.sessions;
  const sessions = await list(person);
  expect(sessions).toHaveLength(4);
  expect(sessions[0]).toMatchObject({ id: person.sessionId, current: true });
  const fresh = (await change(nobody(server), 'refreshSession', { refreshToken: phone.refreshToken }, 'auth { accessToken session { id } }')).auth;
  expect(fresh.session).toEqual(phone.session);
  expect(await list(bearer(server, fresh.accessToken))).toHaveLength(4);
  await change(person, 'revokeSession', { sessionId: tablet.session.id });
  expect(await sight(bearer(server, tablet.accessToken), '{ eventCursor }')).toBe('top: TOKEN_INVALID');
  expect(await outcome(nobody(server), 'refreshSession', { refreshToken: tablet.refreshToken })).toBe('INVALID_TOKEN REVOKED');
  expect(await outcome(person, 'revokeOtherSessions', { password: 'a wrong password' })).toBe('INVALID_CREDENTIALS UNSPECIFIED');
  expect((await change(person, 'revokeOtherSessions', { password: person.password }, 'endedSessionIds')).endedSessionIds.sort()).toEqual(
    [phone.session.id, watch.session.id].sort(),
  );
  const laptop = await login('Laptop');
  await change(bearer(server, laptop.accessToken), 'logout', {}, 'endedSessionIds');
  expect((await list(person)).map(({ id }: Untyped) => id)).toEqual([person.sessionId]);
  await login('Again');
  expect((await change(person, 'logout', { everywhere: true }, 'endedSessionIds')).endedSessionIds).toHaveLength(2);
  expect(await sight(person, '{ me { id } }')).toBe('null');
});

it('F7 changes the password, which ends the other sessions unless they are to be kept', async () => {
  await using server = await startTestServer();
  const person = await server.person();
  const login = (text: string) => change(nobody(server), 'login', { login: person.username, password: text }, 'auth { accessToken session { id } }');
  const { auth } = await login(person.password);
  expect(await outcome(person, 'changePassword', { oldPassword: 'a wrong password', newPassword: 'another password' })).toBe('INVALID_CREDENTIALS UNSPECIFIED');
  expect(await change(person, 'changePassword', { oldPassword: person.password, newPassword: 'another phrase' }, 'me { id } endedSessionIds')).toMatchObject({
    me: { id: person.id },
    endedSessionIds: [auth.session.id],
  });
  expect(await sight(bearer(server, auth.accessToken), '{ eventCursor }')).toBe('top: TOKEN_INVALID');
  expect(await sight(person, '{ eventCursor }')).toBe('there');
  expect((await login(person.password)).__typename).toBe('InvalidCredentialsError');
  const kept = (await login('another phrase')).auth;
  expect(
    (
      await change(
        person,
        'changePassword',
        { oldPassword: 'another phrase', newPassword: 'a third phrase', newPasswordConfirmation: 'a third phrase', keepOtherSessions: true },
        'endedSessionIds',
      )
    ).endedSessionIds,
  ).toEqual([]);
  expect(await sight(bearer(server, kept.accessToken), '{ eventCursor }')).toBe('there');
});

it('F6 gives the session to a browser as HttpOnly cookies, or to an app as tokens', async () => {
  await using server = await startTestServer();
  const { username, password: secret } = await server.person();
  const jar = new Map<string, string>();
  const browser = (query: string, variables: Untyped = {}) =>
    fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: server.url, cookie: [...jar].map((pair) => pair.join('=')).join('; ') },
      body: JSON.stringify({ query, variables }),
    }).then(async (response) => {
      for (const text of response.headers.getSetCookie()) {
        expect(text).toMatch(/; HttpOnly; SameSite=Lax/);
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? [];
        // Not of the session: it stays, so that a browser that signed in once is known.
        if (name !== 'tertulia-device') jar.set(name, value);
      }
      return Object.values(((await response.json()) as { data: Untyped }).data)[0] as Untyped;
    });
  const login = 'mutation ($input: LoginInput!) { login(input: $input) { ... on LoginPayload { auth { accessToken refreshToken } } } }';
  const input = { login: username, password: secret };
  expect(await browser(login, { input })).toEqual({ auth: { accessToken: expect.any(String), refreshToken: expect.any(String) } });
  expect(jar.size).toBe(0);
  expect(await browser(login, { input: { ...input, useCookies: true } })).toEqual({ auth: { accessToken: null, refreshToken: null } });
  expect((await browser('{ me { username } }')).username).toBe(username);
  const before = [...jar.values()];
  expect(await browser('mutation { refreshSession(input: {}) { ... on RefreshSessionPayload { auth { accessToken grant } } } }')).toEqual({
    auth: { accessToken: null, grant: 'STILL_VALID' },
  });
  expect([...jar.values()]).not.toEqual(before);
  await browser('mutation { logout { __typename } }');
  expect([...jar.values()]).toEqual(['', '']);
});

it('F7 sets a new password for a forgotten one with a one-time code by e-mail, which ends all sessions', async () => {
  await using mailServer = await startMailServer();
  await using server = await startTestServer({ SMTP_URL: mailServer.url, PUBLIC_URL: 'https://chat.example.org' });
  const { auth } = await change(nobody(server), 'register', { username: 'ada', password, email: 'ada@example.org' }, 'auth { accessToken }');
  const ask = (email: string) => change(nobody(server), 'requestPasswordReset', { email }, 'accepted');
  expect(await ask('nobody@example.org')).toEqual(await ask('ada@example.org'));
  const mail = await mailServer.mail();
  expect(mail.to).toEqual(['ada@example.org']);
  const token = codeOf(mail);
  const confirm = () => outcome(nobody(server), 'confirmPasswordReset', { token, newPassword: 'another phrase', newPasswordConfirmation: 'another phrase' });
  expect(await confirm()).toBe('done');
  expect(await confirm()).toBe('INVALID_TOKEN REVOKED');
  expect(await sight(bearer(server, auth.accessToken), '{ eventCursor }')).toBe('top: TOKEN_INVALID');
  expect(await run(nobody(server), 'Login', { input: { login: 'ada', password: 'another phrase' } })).toMatchObject({ __typename: 'LoginPayload' });
  expect(mailServer.mails.filter(({ to }) => to[0] === 'nobody@example.org')).toEqual([]);
});

it('F8 shows and updates the own profile, with contacts', async () => {
  await using server = await startTestServer();
  const [person, friend, other] = two(await server.people(3));
  const live = await other.follow('subscription { events { __typename ... on UserUpdated { user { id displayName } } } }');
  await other.send({ username: person.username }, 'hello');
  const changed = await change(
    person,
    'updateProfile',
    { displayName: 'Somebody', firstName: 'Some', phone: '123', username: `${person.username}.new` },
    'me { username displayName firstName lastName account { phone email } }',
  );
  expect(changed.me).toEqual({ username: `${person.username}.new`, displayName: 'Somebody', firstName: 'Some', lastName: null, account: { phone: '123', email: null } });
  expect((await live.next('UserUpdated')).user).toEqual({ id: person.id, displayName: 'Somebody' });
  expect((await change(person, 'updateProfile', { firstName: null, displayName: null }, 'me { displayName firstName account { phone } }')).me).toEqual({
    displayName: `${person.username}.new`,
    firstName: null,
    account: { phone: '123' },
  });
  expect(await read(other, 'query ($id: ID!) { user(ref: { id: $id }) { displayName account { phone } } }', { id: person.id })).toEqual({
    displayName: `${person.username}.new`,
    account: null,
  });

  for (let i = 0; i < 2; i++)
    expect((await change(person, 'addContacts', { users: [{ id: friend.id }, { username: other.username }] }, 'added { id isContact }')).added).toEqual([
      { id: friend.id, isContact: true },
      { id: other.id, isContact: true },
    ]);
  const contacts = async () => (await read(person, '{ me { account { contacts { nodes { id } totalCount } } } }')).account.contacts;
  expect((await contacts()).totalCount).toBe(2);
  expect(await read(friend, 'query ($id: ID!) { user(ref: { id: $id }) { isContact } }', { id: person.id })).toEqual({ isContact: false });
  expect((await change(person, 'removeContacts', { userIds: [friend.id] }, 'removedIds')).removedIds).toEqual([friend.id]);
  expect(await contacts()).toEqual({ nodes: [{ id: other.id }], totalCount: 1 });
  expect(await outcome(person, 'addContacts', { users: [{ id: friend.id }, { username: 'nobody.here' }] })).toBe('NOT_FOUND User');
  expect((await contacts()).totalCount).toBe(1);
});

it('F8 shows pictures of people and rooms, in the sizes asked for', async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  const live = await ben.follow('subscription { events { __typename ... on UserUpdated { user { id avatar { id } } } ... on ChatUpdated { chat { avatar { id } } } } }');
  const photo = async (background: string) =>
    upload(ada, {
      bytes: await sharp({ create: { width: 800, height: 400, channels: 3, background } })
        .jpeg()
        .toBuffer(),
      fileName: 'me.jpg',
      contentType: 'image/jpeg',
    });
  const [mine, ours] = [await photo('red'), await photo('blue')];
  const room = await ada.createRoom({ members: [{ id: ben.id }] });
  const { me } = await change(ada, 'setProfilePicture', { attachmentId: mine.id }, 'me { avatar { id width height } }');
  expect(me.avatar).toEqual({ id: expect.any(String), width: 800, height: 400 });
  expect((await live.next('UserUpdated')).user).toEqual({ id: ada.id, avatar: { id: me.avatar.id } });
  await change(ada, 'updateRoom', { roomId: room.id, avatarAttachmentId: ours.id });
  expect((await live.next('ChatUpdated')).chat.avatar.id).toBe(ours.image.id);
  const sizes = 'avatar { small: url(width: 60) large: url expiresAt }';
  const shown = await read(ben, `query ($room: ID!) { chat(id: $room) { ${sizes} ... on Room { members { nodes { user { id ${sizes} } } } } } }`, { room: room.id });
  const [member] = shown.members.nodes.filter(({ user }: Untyped) => user.id === ada.id);
  for (const avatar of [shown.avatar, member.user.avatar]) {
    const widths = await Promise.all([avatar.small, avatar.large].map(async (url) => (await sharp((await fetched(url)).bytes).metadata()).width));
    expect(widths).toEqual([64, 800]);
    expect(Date.parse(avatar.expiresAt)).toBeGreaterThan(Date.now());
  }
  expect((await read(ben, 'query ($with: String!) { dialog(with: { username: $with }) { avatar { id } } }', { with: ada.username })).avatar.id).toBe(me.avatar.id);
  expect((await change(ada, 'setProfilePicture', { attachmentId: null }, 'me { avatar { id } }')).me.avatar).toBeNull();
});

it('F9 lists registered users, searched, paged, and who is online', async () => {
  await using server = await startTestServer({ PRESENCE_GRACE_SECONDS: '0' });
  const [ada, ben, cleo] = [await server.person('ada'), await server.person('Ben'), await server.person('cleo')];
  await change(cleo, 'updateProfile', { displayName: 'Cleopatra Beneath' });
  const names = async (filter: Untyped) =>
    (await read(ada, 'query ($filter: UserFilterInput) { registeredUsers(filter: $filter) { nodes { username } } }', { filter })).nodes.map(({ username }: Untyped) => username);
  expect((await run(ada, 'RegisteredUsers')).nodes).toMatchObject([{ username: 'ada' }, { username: 'Ben' }, { username: 'cleo', displayName: 'Cleopatra Beneath' }]);
  expect(await names({ query: 'BEN' })).toEqual(['Ben', 'cleo']);
  const socket = await ben.follow('subscription { newMessages { __typename } }');
  await expect.poll(() => names({ online: true }), { timeout: 5_000 }).toEqual(['Ben']);
  expect(await names({ online: false })).toEqual(['ada', 'cleo']);
  expect((await run(ada, 'RegisteredUsers')).nodes.map(({ presence }: Untyped) => presence.online)).toEqual([false, true, false]);
  await change(ada, 'addContacts', { users: [{ id: cleo.id }] });
  expect(await names({ contactsOnly: true })).toEqual(['cleo']);
  const paged = await read(ada, '{ registeredUsers(first: 1) { nodes { username } totalCount pageInfo { hasNextPage endCursor } } }');
  expect(paged).toMatchObject({ nodes: [{ username: 'ada' }], totalCount: 3, pageInfo: { hasNextPage: true } });
  expect((await run(ada, 'RegisteredUsers', { after: paged.pageInfo.endCursor })).nodes).toHaveLength(2);
  await socket.socket.close();
  await expect.poll(() => names({ online: true }), { timeout: 5_000 }).toEqual([]);
});

it('F10 messages any registered user; the dialog opens by itself', async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  expect((await run(ada, 'DialogWith', { username: ben.username })).messages.nodes).toEqual([]);
  const sent = await run(ada, 'SendMessage', { input: { to: { username: ben.username }, text: 'hello', clientMessageId: 'm1' } });
  expect(sent).toMatchObject({
    __typename: 'SendMessagePayload',
    duplicate: false,
    message: { seq: 1, text: 'hello', status: 'SENT', clientMessageId: 'm1', sender: { id: ada.id }, chat: { lastSeq: 1, lastMessage: { id: sent.message.id } } },
  });
  expect(await run(ben, 'DialogWith', { username: ada.username })).toMatchObject({
    id: sent.message.chat.id,
    peer: { id: ada.id },
    messages: { nodes: [{ id: sent.message.id, text: 'hello', sender: { id: ada.id }, receiver: { id: ben.id } }] },
  });
  expect(await run(ada, 'SendMessage', { input: { to: { username: 'nobody.here' }, text: 'hello' } })).toMatchObject({ __typename: 'NotFoundError', typeName: 'User' });
});

it('F11 takes exactly one recipient, a user or a room', async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  const room = await ada.createRoom();
  const targets: [to: Untyped | null, expected: string][] = [
    [{ chatId: room.id }, 'done'],
    [{ userId: ben.id }, 'done'],
    [{ username: ben.username }, 'done'],
    [{}, 'top: BAD_REQUEST'],
    [null, 'top: BAD_REQUEST'],
    [{ chatId: room.id, username: ben.username }, 'top: BAD_REQUEST'],
    [{ chatId: room.id, username: null }, 'top: BAD_REQUEST'],
    [{ chatId: null }, 'top: BAD_REQUEST'],
    [{ email: 'x' }, 'top: BAD_REQUEST'],
  ];
  for (const [to, expected] of targets) expect([to, await outcome(ada, 'sendMessage', { to, text: 'x' })]).toEqual([to, expected]);
  expect(await read(nobody(server), '{ __type(name: "MessageTargetInput") { isOneOf inputFields { name } } }')).toEqual({
    isOneOf: true,
    inputFields: [{ name: 'chatId' }, { name: 'externalId' }, { name: 'userId' }, { name: 'username' }],
  });
});

it('F12 has rooms: public or private, for everyone or for a list, with capacity, link and password; listed, looked at, updated, deleted', async () => {
  await using server = await startTestServer();
  const [ada, ben, cleo] = two(await server.people(3));
  const make = async (input: Untyped) => {
    const made = await run(ada, 'CreateRoom', { input });
    expect(made).toMatchObject({ __typename: 'CreateRoomPayload', duplicate: false });
    return made.room;
  };
  const open = await make({ name: 'Open', topic: 'Anything', link: 'open-room', capacity: 10 });
  const hidden = await make({ name: 'Hidden', visibility: 'PRIVATE', members: [{ username: ben.username }] });
  const club = await make({ name: 'Club', password: 'sesame' });
  const all = await make({ name: 'All', everyone: true });
  expect([open, hidden, club, all]).toMatchObject([
    { visibility: 'PUBLIC', capacity: 10, passwordRequired: false, memberCount: 1 },
    { visibility: 'PRIVATE', memberCount: 2 },
    { passwordRequired: true },
    { memberCount: 3 },
  ]);
  const rooms = async (who: Person, filter: Untyped = {}) =>
    (await read(who, 'query ($filter: RoomFilterInput) { rooms(filter: $filter) { nodes { name } totalCount } }', { filter })).nodes.map(({ name }: Untyped) => name);
  expect(await rooms(ben)).toEqual(['All', 'Club', 'Hidden', 'Open']);
  expect(await rooms(cleo)).toEqual(['All', 'Club', 'Open']);
  expect(await rooms(cleo, { joined: true })).toEqual(['All']);
  expect(await rooms(cleo, { joinable: true })).toEqual(['Club', 'Open']);
  expect(await rooms(ben, { visibility: 'PRIVATE' })).toEqual(['Hidden']);
  expect(await rooms(ben, { nameContains: 'PE' })).toEqual(['Open']);
  expect(await read(cleo, '{ room(ref: { link: "OPEN-room" }) { id name topic postPolicy everyone onlineCount } }')).toEqual({
    id: open.id,
    name: 'Open',
    topic: 'Anything',
    postPolicy: 'MEMBERS',
    everyone: false,
    onlineCount: 0,
  });
  const updated = await change(
    ada,
    'updateRoom',
    { roomId: open.id, name: 'Wide open', topic: null, capacity: null, postPolicy: 'ANYONE' },
    'room { name topic capacity postPolicy link }',
  );
  expect(updated.room).toEqual({ name: 'Wide open', topic: null, capacity: null, postPolicy: 'ANYONE', link: 'open-room' });
  expect((await change(ada, 'deleteRoom', { roomId: open.id }, 'roomId')).roomId).toBe(open.id);
  expect(await sight(cleo, 'query ($id: ID!) { room(ref: { id: $id }) { id } }', { id: open.id })).toBe('null');
  expect(await rooms(cleo)).toEqual(['All', 'Club']);
});

it('F13 lets people join, leave, be added and removed, and have roles; never a room without an owner', async () => {
  await using server = await startTestServer();
  const [ada, ben, cleo] = two(await server.people(3));
  const room = await ada.createRoom();
  expect(await run(ben, 'JoinChat', { input: { room: { id: room.id } } })).toMatchObject({
    __typename: 'JoinChatPayload',
    room: { memberCount: 2 },
    member: { role: 'MEMBER' },
    alreadyMember: false,
  });
  expect(await change(ada, 'addMembers', { roomId: room.id, users: [{ username: cleo.username }] }, 'added { user { id } } skipped { user { id } }')).toMatchObject({
    added: [{ user: { id: cleo.id } }],
    skipped: [],
  });
  expect((await change(ada, 'setMemberRole', { roomId: room.id, userId: ben.id, role: 'ADMIN' }, 'member { role user { id } }')).member).toEqual({
    role: 'ADMIN',
    user: { id: ben.id },
  });
  expect(await change(ben, 'removeMember', { roomId: room.id, userId: cleo.id }, 'userId room { memberCount }')).toMatchObject({ userId: cleo.id, room: { memberCount: 2 } });
  expect(await outcome(ada, 'leaveChat', { chatId: room.id })).toBe('CONFLICT LAST_OWNER');
  await change(ada, 'setMemberRole', { roomId: room.id, userId: ben.id, role: 'OWNER' });
  expect(await outcome(ada, 'leaveChat', { chatId: room.id })).toBe('done');
  expect(await outcome(ben, 'setMemberRole', { roomId: room.id, userId: ben.id, role: 'MEMBER' })).toBe('CONFLICT LAST_OWNER');
});

it('F14 has rooms in which anyone may post without joining', async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  const room = await ada.createRoom({ postPolicy: 'ANYONE' });
  expect(await run(ben, 'SendMessage', { input: { to: { chatId: room.id }, text: 'hello' } })).toMatchObject({ __typename: 'SendMessagePayload', message: { seq: 1 } });
  expect(await read(ben, 'query ($id: ID!) { chat(id: $id) { my { role } memberCount } }', { id: room.id })).toEqual({ my: null, memberCount: 1 });
});

it('F15 lists my chats with last message and unread count, all registered users with them if wanted, searched by name or participants', async () => {
  await using server = await startTestServer();
  const [ada, ben, cleo] = two(await server.people(3));
  const room = await ada.createRoom({ name: 'Chess club', members: [{ id: ben.id }, { id: cleo.id }] });
  for (const text of ['1', '2']) await ben.send({ id: room.id }, text);
  const { message } = await ben.send({ username: ada.username }, 'direct');
  const { data } = await ada.request(operation('Home'));
  expect(data).toMatchObject({ eventCursor: expect.any(String), me: { id: ada.id, account: { totalUnread: 3, currentSession: { id: ada.sessionId } } } });
  expect(data?.chats.nodes).toMatchObject([
    {
      __typename: 'Dialog',
      id: message.chat.id,
      name: ben.username,
      lastSeq: 1,
      lastMessage: { text: 'direct', sender: { id: ben.id } },
      my: { unreadCount: 1, readSeq: 0, role: 'MEMBER' },
    },
    { __typename: 'Room', id: room.id, name: 'Chess club', lastSeq: 2, lastMessage: { text: '2' }, my: { unreadCount: 2, role: 'OWNER' } },
  ]);
  const names = async (filter: Untyped) =>
    (await read(ada, 'query ($filter: ChatFilterInput) { chats(filter: $filter) { nodes { name } } }', { filter })).nodes.map(({ name }: Untyped) => name);
  expect(await names({ includeAllUsers: true })).toEqual([ben.username, 'Chess club', cleo.username]);
  expect(await names({ nameContains: 'CHESS' })).toEqual(['Chess club']);
  expect(await names({ withUserIds: [cleo.id] })).toEqual(['Chess club']);
  expect(await names({ withUserIds: [cleo.id], includeAllUsers: true })).toEqual(['Chess club', cleo.username]);
  expect(await names({ unreadOnly: true, kind: 'DIALOG' })).toEqual([ben.username]);
});

it('F16 pages the history of a dialog or room in both directions, around a place, from the first unread', async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  const room = await ada.createRoom({ members: [{ id: ben.id }] });
  for (let i = 1; i <= 9; i++) {
    await ada.send({ id: room.id }, `room ${i}`);
    if (i <= 3) await ada.send({ username: ben.username }, `dialog ${i}`);
  }
  await run(ben, 'MarkRead', { chat: room.id, seq: 4 });
  expect(await run(ben, 'GroupMessages', { room: room.id, last: 2 })).toMatchObject({ nodes: [{ seq: 8 }, { seq: 9, text: 'room 9' }], pageInfo: { hasPreviousPage: true } });
  expect((await run(ben, 'DialogWith', { username: ada.username })).messages).toMatchObject({
    nodes: [{ seq: 1 }, { seq: 2 }, { seq: 3, text: 'dialog 3' }],
    pageInfo: { hasPreviousPage: false },
  });
  const seqs = async (args: string) =>
    (await read(ben, `query ($id: ID!) { groupMessages(room: { id: $id }, ${args}) { nodes { seq } } }`, { id: room.id })).nodes.map(({ seq }: Untyped) => seq);
  expect(await seqs('anchor: { aroundSeq: 5 }, first: 3')).toEqual([4, 5, 6]);
  expect(await seqs('anchor: { firstUnread: true }, first: 2')).toEqual([5, 6]);
  expect(await seqs('anchor: { beforeSeq: 3 }')).toEqual([1, 2]);
  expect(await seqs('anchor: { afterSeq: 7 }')).toEqual([8, 9]);
  expect(await read(ben, 'query ($id: ID!) { chat(id: $id) { messageAt(seq: 6) { text } } }', { id: room.id })).toEqual({ messageAt: { text: 'room 6' } });
});

it('F17 keeps what was sent to me and not yet received, until it is acknowledged', async () => {
  await using server = await startTestServer();
  const [ada, ben, cleo] = two(await server.people(3));
  const room = await ada.createRoom({ members: [{ id: cleo.id }] });
  const first = (await ben.send({ username: cleo.username }, 'direct 1')).message;
  await ada.send({ id: room.id }, 'in the room');
  await ada.send({ username: cleo.username }, 'direct 2');
  await cleo.send({ username: ben.username }, 'own');
  await server.restart();
  const texts = async (filter: Untyped) =>
    (await read(cleo, 'query ($filter: InboxFilterInput) { inbox(filter: $filter) { nodes { text } } }', { filter })).nodes.map(({ text }: Untyped) => text);
  for (let i = 0; i < 2; i++)
    expect((await run(cleo, 'Inbox')).nodes).toMatchObject([
      { text: 'direct 1', sender: { id: ben.id } },
      { text: 'direct 2', sender: { id: ada.id } },
    ]);
  expect(await texts({ undeliveredOnly: true })).toEqual(['direct 1', 'in the room', 'direct 2']);
  expect(await texts({ undeliveredOnly: true, from: { id: ada.id } })).toEqual(['in the room', 'direct 2']);
  await change(cleo, 'markDelivered', { chatId: first.chat.id, upToSeq: 1 });
  expect(await texts({ undeliveredOnly: true })).toEqual(['in the room', 'direct 2']);
  expect(await texts({ unreadOnly: true })).toEqual(['direct 1', 'in the room', 'direct 2']);
  await run(cleo, 'MarkRead', { chat: room.id, seq: 1 });
  expect(await texts({ unreadOnly: true })).toEqual(['direct 1', 'direct 2']);
  expect(await texts({})).toEqual(['direct 1', 'in the room', 'direct 2']);
});

it('F18 tells sent, delivered and read, per message and live', async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  const { message } = await ada.send({ username: ben.username }, 'x');
  const chat = message.chat.id;
  const live = await ada.follow('subscription ($chat: ID) { messageStatus(chatId: $chat) { __typename ... on MessageStatusChanged { status upToSeq user { id } } } }', { chat });
  const status = async () => (await read(ada, 'query ($id: ID!) { message(id: $id) { status } }', { id: message.id })).status;
  expect(await status()).toBe('SENT');
  await change(ben, 'markDelivered', { chatId: chat, upToSeq: 1 });
  expect(await live.next()).toMatchObject({ status: 'DELIVERED', upToSeq: 1, user: { id: ben.id } });
  expect(await status()).toBe('DELIVERED');
  expect(await run(ben, 'MarkRead', { chat, seq: 1 })).toMatchObject({ __typename: 'MarkReadPayload', chat: { id: chat, my: { readSeq: 1, unreadCount: 0 } } });
  expect(await live.next()).toMatchObject({ status: 'READ', upToSeq: 1 });
  expect(await status()).toBe('READ');
});

it('F19 brings new messages live, in one chat or all, over WebSocket, Server-Sent Events, and polled', async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  const room = await ada.createRoom({ members: [{ id: ben.id }] });
  const after = await read(ben, '{ eventCursor }');
  const streams = {
    all: await ben.follow(operation('NewMessages')),
    room: await ben.follow(operation('NewMessages'), { chat: room.id }),
    events: await ben.follow(operation('Events')),
  };
  const stop = new AbortController();
  const response = await fetch(`${server.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${ben.token}` },
    body: JSON.stringify({ query: operation('NewMessages') }),
    signal: stop.signal,
  });
  await expect.poll(() => server.followers(), { timeout: 5_000 }).toBe(4);
  await ada.send({ username: ben.username }, 'direct');
  await ada.send({ id: room.id }, 'to the room');
  const texts = (items: Untyped[]) => items.filter(({ __typename }) => __typename === 'MessageAdded').map(({ message }) => message.text);
  const last = (item: Untyped) => item.__typename === 'MessageAdded' && item.message.text === 'to the room';
  expect(texts(await streams.all.until(last))).toEqual(['direct', 'to the room']);
  expect(texts(await streams.room.until(last))).toEqual(['to the room']);
  expect((await streams.events.until((item) => item.__typename === 'MessageAdded' && item.message.chat.id === room.id)).map(({ __typename }) => __typename)).toEqual([
    'ChatAdded',
    'MessageAdded',
    'NotificationAdded',
    'MessageAdded',
  ]);
  let got = '';
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  while (!got.includes('to the room')) got += (await reader?.read())?.value ?? '';
  expect(got.indexOf('"direct"')).toBeLessThan(got.indexOf('to the room'));
  stop.abort();
  const polled = await read(
    ben,
    'query ($after: EventCursor!) { sync(after: $after, filter: { kinds: [MESSAGES] }) { items { __typename ... on MessageAdded { message { text } } } endCursor hasMore } }',
    { after },
  );
  expect(polled).toMatchObject({ hasMore: false, endCursor: expect.any(String) });
  expect(texts(polled.items)).toEqual(['direct', 'to the room']);
});

it('F20 tells who is online and was last seen, live, with a heartbeat for who has no socket', async () => {
  await using server = await startTestServer({ PRESENCE_GRACE_SECONDS: '0', PRESENCE_ACTIVITY_SECONDS: '1' });
  const [ada, ben] = two(await server.people(2));
  const live = await ada.follow(operation('Presence'), { users: [ben.id] });
  expect(await live.next()).toMatchObject({ __typename: 'PresenceChanged', snapshot: true, user: { id: ben.id, presence: { online: false, state: 'OFFLINE' } } });
  const is = (value: boolean) => (item: Untyped) => item.__typename === 'PresenceChanged' && item.user.presence.online === value;
  const socket = await ben.follow('subscription { newMessages { __typename } }');
  expect(await live.next(is(true))).toMatchObject({ snapshot: false, user: { presence: { state: 'ONLINE', lastSeenAt: null } } });
  expect(await online(ada, ben.id)).toEqual({ state: 'ONLINE', online: true, lastSeenAt: null });
  await socket.socket.close();
  expect((await live.next(is(false))).user.presence).toEqual({ online: false, state: 'OFFLINE', lastSeenAt: expect.any(String) });
  const beat = await change(ben, 'reportActivity', {}, 'presence { online } refreshAfterMs');
  expect(beat).toMatchObject({ presence: { online: true }, refreshAfterMs: expect.any(Number) });
  await live.next(is(true));
  await live.next(is(false));
  expect((await online(ada, ben.id)).lastSeenAt).not.toBeNull();
});

it('F21 tells who is typing', async () => {
  await using server = await startTestServer({ TYPING_SECONDS: '1', TYPING_REPEAT_SECONDS: '0' });
  const [ada, ben, guest] = two(await server.people(3));
  const room = await ada.createRoom({ members: [{ id: ben.id }] });
  const live = await ada.follow('subscription ($chat: ID!) { typing(chatId: $chat) { __typename ... on TypingChanged { chat { id } user { id } active expiresAt } } }', {
    chat: room.id,
  });
  const { expiresAt } = await change(ben, 'setTyping', { chatId: room.id }, 'expiresAt');
  expect(Date.parse(expiresAt) - Date.now()).toBeLessThanOrEqual(1_000);
  expect(await live.next()).toMatchObject({ chat: { id: room.id }, user: { id: ben.id }, active: true });
  await change(ben, 'setTyping', { chatId: room.id, active: false });
  expect(await live.next('TypingChanged')).toMatchObject({ user: { id: ben.id }, active: false });
  expect(await outcome(guest, 'setTyping', { chatId: room.id })).toBe('FORBIDDEN NOT_A_MEMBER');
});

it('F22 edits and deletes a message', async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  const live = await ben.follow(operation('Events'));
  const { message } = await ada.send({ username: ben.username }, 'helo');
  expect((await change(ada, 'editMessage', { messageId: message.id, text: 'hello', expectedVersion: 1 }, 'message { text version editedAt }')).message).toEqual({
    text: 'hello',
    version: 2,
    editedAt: expect.any(String),
  });
  expect((await live.next('MessageEdited')).message).toEqual({ id: message.id, text: 'hello', version: 2 });
  expect((await change(ada, 'deleteMessage', { messageId: message.id }, 'message { id seq text deletedAt }')).message).toEqual({
    id: message.id,
    seq: 1,
    text: null,
    deletedAt: expect.any(String),
  });
  expect((await live.next('MessageDeleted')).message).toEqual({ id: message.id, seq: 1, deletedAt: expect.any(String) });
});

it('F23 sends a photo and a file in a message, with thumbnails', async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  const live = await ben.follow(
    'subscription { newMessages { __typename ... on MessageAdded { message { attachments { fileName contentType size url image { url(width: 100) } } } } } }',
  );
  const photo = await sharp({ create: { width: 800, height: 400, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  const file = Buffer.from('name;age\nAda;36\n');
  const slot = await change(
    ada,
    'requestUpload',
    { fileName: 'red.png', contentType: 'image/png', size: photo.length },
    'attachmentId uploadUrl method headers { name value } expiresAt',
  );
  const headers = Object.fromEntries(slot.headers.map(({ name, value }: Untyped) => [name, value]));
  expect((await fetch(slot.uploadUrl, { method: slot.method, headers, body: new Uint8Array(photo) })).status).toBe(204);
  const { attachment } = await change(ada, 'completeUpload', { attachmentId: slot.attachmentId }, 'attachment { id image { width height } }');
  expect(attachment).toEqual({ id: slot.attachmentId, image: { width: 800, height: 400 } });
  const table = await upload(ada, { bytes: file, fileName: 'people.csv', contentType: 'text/csv' });
  await change(ada, 'sendMessage', { to: { username: ben.username }, text: 'Look', attachmentIds: [attachment.id, table.id] });
  const [red, people] = (await live.next('MessageAdded')).message.attachments;
  expect([red, people]).toMatchObject([
    { fileName: 'red.png', contentType: 'image/png', size: photo.length },
    { fileName: 'people.csv', contentType: 'text/csv', size: file.length, image: null },
  ]);
  expect((await fetched(red.url)).bytes.equals(photo)).toBe(true);
  expect((await fetched(people.url)).bytes.equals(file)).toBe(true);
  expect((await sharp((await fetched(red.image.url)).bytes).metadata()).width).toBe(128);
});

it('F24 notifies: a stored list with an unread count, live, and by Web Push to a closed browser', async () => {
  await using server = await startTestServer({ PUSH_TO_PRIVATE_ADDRESSES: 'on' });
  const { webPushPublicKey, capabilities } = await read(nobody(server), '{ serverInfo { webPushPublicKey capabilities } }');
  expect(capabilities).toContain('WEB_PUSH');
  await using service = await startPushService(() => webPushPublicKey);
  const [ada, ben] = two(await server.people(2));
  const browser = service.subscribe();
  const { device } = await change(ben, 'registerPushDevice', { webPush: browser.webPush, label: 'Laptop' }, 'device { id }');
  const list = (unreadOnly = false) =>
    read(ben, 'query ($unreadOnly: Boolean) { notifications(unreadOnly: $unreadOnly) { unreadCount nodes { id kind summary readAt actor { id } message { text } } } }', {
      unreadOnly,
    });
  await ada.send({ username: ben.username }, 'while you were away');
  await expect.poll(() => service.deliveries.map(({ payload }) => payload.summary), { timeout: 5_000 }).toEqual([`${ada.username}: while you were away`]);
  const live = await ben.follow('subscription { notificationAdded { __typename ... on NotificationAdded { notification { id summary readAt } } } }');
  const room = await ada.createRoom({ name: 'Chess', members: [{ id: ben.id }] });
  await ada.send({ id: room.id }, 'now you are here');
  await ben.send({ id: room.id }, 'own');
  const { notification } = await live.next();
  expect(notification).toEqual({ id: expect.any(String), summary: `${ada.username} (Chess): now you are here`, readAt: null });
  expect(await list()).toMatchObject({
    unreadCount: 2,
    nodes: [
      { id: notification.id, kind: 'ROOM_MESSAGE', actor: { id: ada.id }, message: { text: 'now you are here' } },
      { kind: 'DIRECT_MESSAGE', readAt: null },
    ],
  });
  expect(await change(ben, 'markNotificationsRead', { ids: [notification.id] }, 'unreadCount')).toMatchObject({ unreadCount: 1 });
  expect((await list(true)).nodes).toMatchObject([{ message: { text: 'while you were away' } }]);
  await change(ben, 'markNotificationsRead', { all: true });
  expect(await list(true)).toEqual({ unreadCount: 0, nodes: [] });
  expect((await list()).nodes).toMatchObject([{ readAt: expect.any(String) }, { readAt: expect.any(String) }]);
  expect(await read(ben, '{ me { account { pushDevices { id label lastSuccessAt } } } }')).toEqual({
    account: { pushDevices: [{ id: device.id, label: 'Laptop', lastSuccessAt: expect.any(String) }] },
  });
  await change(ben, 'unregisterPushDevice', { deviceId: device.id });
  await live.stayQuiet();
  expect(service.deliveries).toHaveLength(1);
  expect(service.problems).toEqual([]);
});

it('F25 tells the members of a chat, and how far each has read', async () => {
  await using server = await startTestServer({ PRESENCE_GRACE_SECONDS: '0' });
  const [ada, ben, cleo] = two(await server.people(3));
  const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cleo.id }] });
  for (const text of ['1', '2', '3']) await ada.send({ id: room.id }, text);
  await change(ben, 'markRead', { chatId: room.id, upToSeq: 2 });
  await change(cleo, 'markDelivered', { chatId: room.id, upToSeq: 3 });
  const members = (args = '') =>
    read(
      ada,
      `query ($id: ID!) { room(ref: { id: $id }) { memberCount members${args} { nodes { user { id } role readSeq deliveredSeq } totalCount pageInfo { hasNextPage endCursor } } } }`,
      { id: room.id },
    ).then(({ members: page }) => page);
  const all = await members();
  expect(all.totalCount).toBe(3);
  const of = (person: Person) => all.nodes.find(({ user }: Untyped) => user.id === person.id);
  expect([of(ada), of(ben), of(cleo)]).toMatchObject([
    { role: 'OWNER', readSeq: 0, deliveredSeq: 0 },
    { role: 'MEMBER', readSeq: 2, deliveredSeq: 2 },
    { role: 'MEMBER', readSeq: 0, deliveredSeq: 3 },
  ]);
  expect((await members('(role: OWNER)')).nodes).toMatchObject([{ user: { id: ada.id } }]);
  const page = await members('(first: 2)');
  expect(page).toMatchObject({ totalCount: 3, pageInfo: { hasNextPage: true } });
  expect([...page.nodes, ...(await members(`(after: "${page.pageInfo.endCursor}")`)).nodes]).toEqual(all.nodes);
  await ben.follow('subscription { newMessages { __typename } }');
  await expect.poll(async () => (await members('(online: true)')).nodes.map(({ user }: Untyped) => user.id), { timeout: 5_000 }).toEqual([ben.id]);
  expect((await members('(online: false)')).nodes).toHaveLength(2);
});

it("F26 takes the sender from the session and the time from the server; the client's clock is display only", async () => {
  await using server = await startTestServer();
  const [ada, ben] = two(await server.people(2));
  const before = Date.now();
  const clientSentAt = '1999-12-31T23:59:59.000Z';
  const sent = await change(ada, 'sendMessage', { to: { username: ben.username }, text: 'x', clientSentAt }, 'message { id createdAt clientSentAt sender { id } }');
  expect(sent.message).toMatchObject({ clientSentAt, sender: { id: ada.id } });
  expect(Math.abs(Date.parse(sent.message.createdAt) - before)).toBeLessThan(10_000);
  await change(ben, 'sendMessage', { to: { username: ada.username }, text: 'y', clientSentAt: '1990-01-01T00:00:00.000Z' });
  expect((await run(ben, 'DialogWith', { username: ada.username })).messages.nodes.map(({ text }: Untyped) => text)).toEqual(['x', 'y']);
  for (const input of [{ senderId: ben.id }, { sender: ben.id }, { createdAt: clientSentAt }])
    expect(await outcome(ada, 'sendMessage', { to: { username: ben.username }, text: 'x', ...input })).toBe('top: BAD_REQUEST');
  expect(await outcome(ada, 'sendMessage', { to: { username: ben.username }, text: 'x', clientSentAt: 'yesterday' })).toBe('top: BAD_REQUEST');
});

it('F27 deletes the account: messages anonymised or erased', async () => {
  await using server = await startTestServer();
  const [ada, ben, carl] = two(await server.people(3));
  const kept = (await ada.send({ username: carl.username }, 'stays')).message;
  const erased = (await ben.send({ username: carl.username }, 'goes')).message;
  expect(await outcome(ada, 'deleteAccount', { password: 'not the password' })).toBe('INVALID_CREDENTIALS UNSPECIFIED');
  expect(await change(ada, 'deleteAccount', { password }, 'receiptId erasedMessages')).toMatchObject({ receiptId: expect.any(String), erasedMessages: 0 });
  expect(await change(ben, 'deleteAccount', { password, messages: 'ERASE' }, 'erasedMessages')).toMatchObject({ erasedMessages: 1 });
  const said = (id: string) => read(carl, 'query ($id: ID!) { message(id: $id) { text seq deletedAt sender { deleted displayName } } }', { id });
  const sender = { deleted: true, displayName: 'Deleted account' };
  expect(await said(kept.id)).toEqual({ text: 'stays', seq: 1, deletedAt: null, sender });
  expect(await said(erased.id)).toEqual({ text: null, seq: 1, deletedAt: expect.any(String), sender });
  for (const who of [ada, ben]) {
    expect(await outcome(nobody(server), 'login', { login: who.username, password })).toBe('INVALID_CREDENTIALS UNSPECIFIED');
    expect(await sight(who, '{ chats { nodes { id } } }')).toBe('top: TOKEN_INVALID');
  }
  expect((await read(carl, '{ registeredUsers { nodes { id } } }')).nodes).toEqual([{ id: carl.id }]);
});

it('F34 lets people of a host application in with its own tokens, and the host say who they are', async () => {
  await using server = await startTestServer({ IDENTITY_ISSUERS: JSON.stringify([hostIssuer]) });
  await change(nobody(server), 'provisionUsers', { token: await provisionToken(), users: [{ externalId: '42', username: 'ben', displayName: 'Ben' }] });
  const { auth } = await change(
    nobody(server),
    'signInWithToken',
    { token: await hostToken({ sub: '7', name: 'Ada' }) },
    'auth { grant accessToken me { displayName externalId } }',
  );
  expect(auth).toMatchObject({ grant: 'NEW', me: { displayName: 'Ada', externalId: '7' } });
  const ada = bearer(server, auth.accessToken);
  const { message } = await change(ada, 'sendMessage', { to: { externalId: '42' }, text: 'hello' }, 'message { chat { ... on Dialog { peer { username externalId } } } }');
  expect(message.chat.peer).toEqual({ username: 'ben', externalId: '42' });
  expect(await outcome(nobody(server), 'signInWithToken', { token: await hostToken({ sub: '7', aud: 'elsewhere' }) })).toBe('INVALID_TOKEN UNKNOWN');
});

it('every operation of contract/operations.graphql is valid and runs', async () => {
  await using server = await startTestServer();
  const person = await createPerson(server, { username: 'somebody' });
  const room = await person.createRoom();
  await person.send({ id: room.id }, 'x');
  const asked: Record<string, Untyped> = {
    Home: {},
    DialogWith: { username: 'somebody' },
    GroupMessages: { room: room.id },
    RegisteredUsers: {},
    Inbox: {},
    MarkRead: { chat: room.id, seq: 1 },
    JoinChat: { input: { room: { id: room.id } } },
  };
  for (const [name, variables] of Object.entries(asked)) expect([name, (await person.request(operation(name), variables)).errors]).toEqual([name, undefined]);
});
