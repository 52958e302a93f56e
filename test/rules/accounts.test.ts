/** What schema.graphql says of accounts and sessions, rule by rule, and who may ask without a session. */
import { describe, expect, it } from 'vitest';
import { bearer, change, nobody, outcome, read, sight } from '../kit/outcome.ts';
import { createPerson, type Person, type Untyped } from '../kit/person.ts';
import { rowsOf } from '../kit/rows.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';

const password = 'correct horse battery';
const patience = { timeout: 5_000 };
const authFields = 'auth { accessToken refreshToken issuedAt accessTokenExpiresAt refreshTokenExpiresAt grant session { id deviceName deviceKind } me { id username } }';
const info = 'query ($token: String!, $username: String) { tokenInfo(token: $token, username: $username) { active username issuedAt expiresAt failure } }';

describe('usernames', () => {
  it('have 3 to 32 of A-Z a-z 0-9 _ . -, first a letter or digit', async () => {
    await using server = await startTestServer();
    for (const good of ['abc', 'A1_.-', '0zz', 'x'.repeat(32), 'a..b', 'end-'])
      expect([good, await outcome(nobody(server), 'register', { username: good, password })]).toEqual([good, 'done']);
    for (const bad of ['', 'ab', 'x'.repeat(33), '_abc', '.abc', '-abc', 'a b', 'a@b', 'äbc', 'abc ', ' abc', 'abc\n', 'a\0c', '名前名', 'abc\u200b', 'a/bc']) {
      expect([bad, await outcome(nobody(server), 'register', { username: bad, password })]).toEqual([bad, 'VALIDATION_FAILED username format']);
    }
  });

  it('are unique without regard to case, and shown as written', async () => {
    await using server = await startTestServer();
    const person = await server.person('Ada.Lovelace');
    for (const taken of ['Ada.Lovelace', 'ada.lovelace', 'ADA.LOVELACE'])
      expect(await outcome(nobody(server), 'register', { username: taken, password })).toBe('ALREADY_TAKEN username');
    expect(await read(person, '{ user(ref: { username: "aDA.lOVELACE" }) { id username displayName } }')).toEqual({
      id: person.id,
      username: 'Ada.Lovelace',
      displayName: 'Ada.Lovelace',
    });
    expect((await change(nobody(server), 'login', { login: 'ADA.lovelace', password: person.password }, 'auth { me { id } }')).auth.me.id).toBe(person.id);
    const other = await server.person();
    expect(await outcome(other, 'updateProfile', { username: 'ada.LOVELACE' })).toBe('ALREADY_TAKEN username');
    expect(await outcome(person, 'updateProfile', { username: 'ADA.Lovelace' })).toBe('done');
    expect(await outcome(person, 'updateProfile', { username: null })).toBe('VALIDATION_FAILED username required');
  });

  it('go to exactly one of many who want the same at once', async () => {
    await using server = await startTestServer();
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, i) => outcome(nobody(server), 'register', { username: i % 2 ? 'wanted' : 'WANTED', email: `w${i}@example.org`, password })),
    );
    expect(outcomes.filter((each) => each === 'done')).toHaveLength(1);
    expect(new Set(outcomes)).toEqual(new Set(['done', 'ALREADY_TAKEN username']));
    const mails = await Promise.all(
      Array.from({ length: 6 }, (_, i) => outcome(nobody(server), 'register', { username: `mailer${i}`, email: i % 2 ? 'same@example.org' : 'SAME@example.org', password })),
    );
    expect(mails.filter((each) => each === 'done')).toHaveLength(1);
    expect(new Set(mails)).toEqual(new Set(['done', 'ALREADY_TAKEN email']));
  });
});

describe('e-mail addresses', () => {
  it('are optional, unique without regard to case, private, and a name to log in with', async () => {
    await using server = await startTestServer();
    const without = await server.people(2);
    expect(without).toHaveLength(2);
    expect(await outcome(nobody(server), 'register', { username: 'first', email: 'First@Example.org', password })).toBe('done');
    expect(await outcome(nobody(server), 'register', { username: 'second', email: 'fIRST@example.ORG', password })).toBe('ALREADY_TAKEN email');
    expect(await outcome(nobody(server), 'login', { login: 'first@example.org', password })).toBe('done');
    for (const bad of [
      '',
      'plain',
      '@example.org',
      'a@',
      'a b@example.org',
      'a@b@example.org',
      'a@localhost',
      'a@example.org\r\nBcc: b@example.org',
      `${'a'.repeat(65)}@example.org`,
      'a\0@example.org',
    ]) {
      expect([bad, await outcome(nobody(server), 'register', { username: 'third', email: bad, password })]).toEqual([bad, 'VALIDATION_FAILED email format']);
    }
    expect(await read(without[0] as never, '{ user(ref: { username: "first" }) { username account { email } } }')).toEqual({ username: 'first', account: null });
  });

  it('change only with the current password', async () => {
    await using server = await startTestServer();
    const [person, other] = (await server.people(2)) as [Person, Person];
    const email = async () => (await read(person, '{ me { account { email } } }')).account.email;
    expect(await outcome(person, 'updateProfile', { email: 'new@example.org' })).toBe('INVALID_CREDENTIALS UNSPECIFIED');
    expect(await outcome(person, 'updateProfile', { email: 'new@example.org', currentPassword: 'wrong password' })).toBe('INVALID_CREDENTIALS UNSPECIFIED');
    expect(await email()).toBeNull();
    expect(await outcome(person, 'updateProfile', { email: 'new@example.org', currentPassword: person.password })).toBe('done');
    expect(await email()).toBe('new@example.org');
    expect(await outcome(person, 'updateProfile', { email: 'new@example.org', firstName: 'Same' })).toBe('done');
    expect(await outcome(person, 'updateProfile', { email: null })).toBe('INVALID_CREDENTIALS UNSPECIFIED');
    expect(await outcome(other, 'updateProfile', { email: 'NEW@example.org', currentPassword: other.password })).toBe('ALREADY_TAKEN email');
    expect(await outcome(person, 'updateProfile', { email: null, currentPassword: person.password })).toBe('done');
    expect(await email()).toBeNull();
    expect(await outcome(other, 'updateProfile', { email: 'NEW@example.org', currentPassword: other.password })).toBe('done');
  });
});

it('takes display names of 1 to 80 code points in which something can be seen, and else the username', async () => {
  await using server = await startTestServer();
  const person = await server.person();
  const shown = async (displayName: string | null) => (await change(person, 'updateProfile', { displayName }, 'me { displayName }')).me?.displayName ?? 'refused';
  for (const good of ['A', 'é'.repeat(80), '🦜'.repeat(80), '  spaced  ', 'שלום', '👩‍👩‍👧']) expect(await shown(good)).toBe(good);
  expect(await shown(null)).toBe(person.username);
  const refused: [text: string, rule: string][] = [
    ['', 'visible'],
    ['   ', 'visible'],
    ['\u200b', 'visible'],
    ['\u2800\u00ad', 'visible'],
    ['🦜'.repeat(81), 'length'],
    ['a\nb', 'characters'],
    ['a\tb', 'characters'],
    ['a\0b', 'characters'],
    ['a\u0085b', 'characters'],
    ['a\ud800b', 'characters'],
  ];
  for (const [text, rule] of refused) expect([text, await outcome(person, 'updateProfile', { displayName: text })]).toEqual([text, `VALIDATION_FAILED displayName ${rule}`]);
  expect(await outcome(person, 'updateProfile', { firstName: 'a\0b', phone: '\ud800', address: 'A street\nA town' })).toBe(
    'VALIDATION_FAILED firstName characters, phone characters',
  );
});

describe('passwords', () => {
  it('have 8 to 128 code points of any kind', async () => {
    await using server = await startTestServer();
    let count = 0;
    for (const good of ['🦜🦉🐧🦆🦢🦩🐓🦃', 'x7'.repeat(64), 'é€'.repeat(64), 'null\0and\nnewline', '        q', 'e\u0301o\u0308'.repeat(64)]) {
      const username = `good${++count}`;
      expect([good, await outcome(nobody(server), 'register', { username, password: good })]).toEqual([good, 'done']);
      expect([good, await outcome(nobody(server), 'login', { login: username, password: good })]).toEqual([good, 'done']);
    }
    const refused: [text: string, rule: string][] = [
      ['', 'length'],
      ['sevenxy', 'length'],
      ['🦜'.repeat(7), 'length'],
      ['e\u0301'.repeat(7), 'length'],
      ['xy'.repeat(65), 'length'],
      ['x'.repeat(100_000), 'length'],
      ['lone\ud800surrogate', 'characters'],
    ];
    for (const [text, rule] of refused)
      expect([text.slice(0, 20), await outcome(nobody(server), 'register', { username: 'refused', password: text })]).toEqual([
        text.slice(0, 20),
        `VALIDATION_FAILED password ${rule}`,
      ]);
  });

  it('are compared after NFC, never trimmed, and with regard to case', async () => {
    await using server = await startTestServer();
    await createPerson(server, { username: 'composed', password: 'caf\u00e9 cr\u00e8me' });
    await createPerson(server, { username: 'spaced', password: '  spaced out  ' });
    const login = (name: string, text: string) => outcome(nobody(server), 'login', { login: name, password: text });
    expect(await login('composed', 'cafe\u0301 cre\u0300me')).toBe('done');
    expect(await login('composed', 'cafe creme')).toMatch(/^INVALID/);
    expect(await login('spaced', '  spaced out  ')).toBe('done');
    for (const wrong of ['spaced out', '  spaced out', 'spaced out  ', '  Spaced out  ', '  spaced out  \0', ''])
      expect([wrong, await login('spaced', wrong)]).toEqual([wrong, 'INVALID_CREDENTIALS UNSPECIFIED']);
  });

  it('are refused when they are among the commonest, or the username', async () => {
    await using server = await startTestServer();
    for (const common of ['password', 'PASSWORD', '12345678', '123456789', 'qwertyuiop', 'iloveyou', 'password1', 'Password123', 'aaaaaaaaaaaa', 'abcdefgh', '11111111']) {
      expect([common, await outcome(nobody(server), 'register', { username: 'somebody', password: common })]).toEqual([common, 'VALIDATION_FAILED password common']);
    }
    expect(await outcome(nobody(server), 'register', { username: 'Somebody', password: 'sOMEBODY' })).toBe('VALIDATION_FAILED password same-as-username');
    const person = await server.person('careless');
    expect(await outcome(person, 'changePassword', { oldPassword: person.password, newPassword: 'password' })).toBe('VALIDATION_FAILED newPassword common');
    expect(await outcome(person, 'changePassword', { oldPassword: person.password, newPassword: 'Careless' })).toBe('VALIDATION_FAILED newPassword same-as-username');
  });

  it('must be repeated alike where they are repeated', async () => {
    await using server = await startTestServer();
    expect(await outcome(nobody(server), 'register', { username: 'twice', password, passwordConfirmation: `${password}!` })).toBe('VALIDATION_FAILED passwordConfirmation same');
    expect(await outcome(nobody(server), 'register', { username: 'twice', password, passwordConfirmation: password })).toBe('done');
    const person = await server.person();
    expect(await outcome(person, 'changePassword', { oldPassword: person.password, newPassword: 'another phrase', newPasswordConfirmation: 'another phrasf' })).toBe(
      'VALIDATION_FAILED newPasswordConfirmation same',
    );
  });
});

it('tells all that is wrong with a registration at once', async () => {
  await using server = await startTestServer();
  const refused = await change(nobody(server), 'register', {
    username: '!',
    password: 'short',
    passwordConfirmation: 'shorter',
    email: 'none',
    displayName: ' ',
    device: { id: '\0' },
  });
  expect(refused.fields.map(({ path }: Untyped) => path.join('.')).sort()).toEqual(['device.id', 'displayName', 'email', 'password', 'passwordConfirmation', 'username']);
  expect(refused).toMatchObject({ __typename: 'ValidationError', code: 'VALIDATION_FAILED', httpStatus: 422 });
});

describe('a device', () => {
  const device = { id: 'phone-1', name: 'Phone', kind: 'IOS' };
  const login = async (server: TestServer, username: string, input: Untyped = { device }) =>
    (await change(nobody(server), 'login', { login: username, password, ...input }, authFields)).auth;

  it('keeps its live session: same id, new tokens, and the earlier refresh token is void without alarm', async () => {
    await using server = await startTestServer();
    await createPerson(server, { username: 'holder', password });
    const first = await login(server, 'holder');
    expect(first).toMatchObject({ grant: 'NEW', session: { deviceName: 'Phone', deviceKind: 'IOS' } });
    const second = await login(server, 'holder', { device: { id: 'phone-1' } });
    expect(second).toMatchObject({ grant: 'STILL_VALID', session: first.session });
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(await outcome(nobody(server), 'refreshSession', { refreshToken: first.refreshToken })).toBe('INVALID_TOKEN REVOKED');
    expect((await change(nobody(server), 'refreshSession', { refreshToken: second.refreshToken }, authFields)).auth).toMatchObject({ session: { id: first.session.id } });
    for (const token of [first.accessToken, second.accessToken]) expect(await sight(bearer(server, token), '{ me { id } }')).toBe('there');
  });

  it('has a new session when it is unknown, without an id, of another account, or was logged out', async () => {
    await using server = await startTestServer();
    for (const username of ['holder', 'other']) await createPerson(server, { username, password });
    const first = await login(server, 'holder');
    const others = [
      await login(server, 'holder', { device: { ...device, id: 'phone-2' } }),
      await login(server, 'holder', { device: { name: 'Phone' } }),
      await login(server, 'holder', {}),
      await login(server, 'other'),
    ];
    await change(bearer(server, first.accessToken), 'logout', {});
    others.push(await login(server, 'holder'));
    expect(others.map(({ grant }) => grant)).toEqual(['NEW', 'NEW', 'NEW', 'NEW', 'NEW']);
    expect(new Set([first, ...others].map(({ session }) => session.id)).size).toBe(6);
  });

  it('is told RENEWED when its session had expired', async () => {
    await using server = await startTestServer({ REFRESH_TOKEN_SECONDS: '1', ACCESS_TOKEN_SECONDS: '1' });
    await createPerson(server, { username: 'holder', password });
    const first = await login(server, 'holder');
    await expect.poll(async () => (await read(nobody(server), info, { token: first.refreshToken })).failure, patience).toBe('EXPIRED');
    expect(await outcome(nobody(server), 'refreshSession', { refreshToken: first.refreshToken })).toBe('INVALID_TOKEN EXPIRED');
    const again = await login(server, 'holder');
    expect(again.grant).toBe('RENEWED');
    expect(again.refreshTokenExpiresAt > first.refreshTokenExpiresAt).toBe(true);
  });

  it('gets one session when it logs in many times at once', async () => {
    await using server = await startTestServer();
    const person = await createPerson(server, { username: 'holder', password });
    const all = await Promise.all(Array.from({ length: 8 }, () => login(server, 'holder')));
    expect(new Set(all.map(({ session }) => session.id)).size).toBe(1);
    expect(all.filter(({ grant }) => grant === 'NEW')).toHaveLength(1);
    expect((await read(person, '{ me { account { sessions { id } } } }')).account.sessions).toHaveLength(2);
  });
});

it('gives tokens the lifetimes of the settings', async () => {
  await using server = await startTestServer();
  await createPerson(server, { username: 'holder', password });
  const { auth } = await change(nobody(server), 'login', { login: 'holder', password }, authFields);
  const seconds = (until: string): number => Math.round((Date.parse(until) - Date.parse(auth.issuedAt)) / 1000);
  expect([seconds(auth.accessTokenExpiresAt), seconds(auth.refreshTokenExpiresAt)]).toEqual([900, 30 * 86_400]);
  await server.restart({ ACCESS_TOKEN_SECONDS: '60', REFRESH_TOKEN_SECONDS: '500', SESSION_SECONDS: '300' });
  const later = (await change(nobody(server), 'login', { login: 'holder', password }, authFields)).auth;
  expect(Date.parse(later.accessTokenExpiresAt) - Date.parse(later.issuedAt)).toBe(60_000);
  expect(Math.round((Date.parse(later.refreshTokenExpiresAt) - Date.parse(later.issuedAt)) / 1000)).toBe(300);
});

describe('tokenInfo', () => {
  it('tells of an active token, access or refresh, whose it is and until when', async () => {
    await using server = await startTestServer();
    await createPerson(server, { username: 'Holder', password });
    const { auth } = await change(nobody(server), 'login', { login: 'holder', password }, authFields);
    const fine = { active: true, username: 'Holder', failure: null };
    for (const username of [undefined, 'Holder', 'hOLDER']) {
      expect(await read(nobody(server), info, { token: auth.accessToken, username })).toEqual({ ...fine, issuedAt: auth.issuedAt, expiresAt: auth.accessTokenExpiresAt });
      expect(await read(nobody(server), info, { token: auth.refreshToken, username })).toMatchObject({ ...fine, expiresAt: auth.refreshTokenExpiresAt });
    }
  });

  it('tells of others only why, and of the token of somebody else nothing but WRONG_USER', async () => {
    await using server = await startTestServer({ REFRESH_GRACE_SECONDS: '0' });
    const [person, other] = (await server.people(2)) as [Person, Person];
    const tell = (token: string, username?: string) => read(nobody(server), info, { token, username });
    const only = (failure: string) => ({ active: false, username: null, issuedAt: null, expiresAt: null, failure });
    for (const garbage of ['', 'x', 'a.b.c', 'Bearer x', '\0', '☃'.repeat(1000)]) expect([garbage, await tell(garbage)]).toEqual([garbage, only('MALFORMED')]);
    const forged = person.token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')).replace(/\.[^.]{10}/, '.AAAAAAAAAA');
    expect((await tell(forged)).active).toBe(false);
    for (const token of [person.token, person.refreshToken]) {
      for (const name of [other.username, 'nobody-at-all', '', '\0', 'x'.repeat(500)]) expect([name, await tell(token, name)]).toEqual([name, only('WRONG_USER')]);
    }
    const { auth } = await change(nobody(server), 'refreshSession', { refreshToken: person.refreshToken }, authFields);
    const first = await change(nobody(server), 'refreshSession', { refreshToken: auth.refreshToken }, authFields);
    expect(await tell(person.refreshToken)).toEqual(only('REUSED'));
    expect(await tell(person.refreshToken, other.username)).toEqual(only('WRONG_USER'));
    // Asking changes nothing: the session lives.
    expect((await tell(first.auth.refreshToken)).active).toBe(true);
    await change(bearer(server, auth.accessToken), 'logout', {});
    for (const token of [person.token, auth.accessToken, first.auth.refreshToken]) expect(await tell(token)).toEqual(only('REVOKED'));
  });

  it('tells the times of an expired one', async () => {
    await using server = await startTestServer({ ACCESS_TOKEN_SECONDS: '1' });
    const person = await server.person();
    await expect.poll(async () => (await read(nobody(server), info, { token: person.token })).failure, patience).toBe('EXPIRED');
    const told = await read(nobody(server), info, { token: person.token });
    expect(told).toEqual({ active: false, username: null, issuedAt: expect.any(String), expiresAt: expect.any(String), failure: 'EXPIRED' });
    expect(Date.parse(told.expiresAt) - Date.parse(told.issuedAt)).toBe(1_000);
    expect(await read(nobody(server), info, { token: person.token, username: 'somebody.else' })).toEqual({
      active: false,
      username: null,
      issuedAt: null,
      expiresAt: null,
      failure: 'WRONG_USER',
    });
  });
});

describe('without a session', () => {
  const open = ['{ me { id } }', '{ serverInfo { name } }', '{ tokenInfo(token: "x") { active } }', '{ __typename }'];
  const closed = [
    '{ chats { nodes { id } } }',
    '{ dialog(with: { username: "x" }) { id } }',
    '{ groupMessages(room: { id: "x" }) { nodes { id } } }',
    '{ registeredUsers { nodes { id } } }',
    '{ node(id: "x") { id } }',
    '{ user(ref: { id: "x" }) { id } }',
    '{ room(ref: { id: "x" }) { id } }',
    '{ chat(id: "x") { id } }',
    '{ message(id: "x") { id } }',
    '{ rooms { nodes { id } } }',
    '{ inbox { nodes { id } } }',
    '{ eventCursor }',
    '{ sync(after: "x") { hasMore } }',
  ];
  const mutations: [name: string, input: Untyped][] = [
    ['sendMessage', { to: { username: 'x' }, text: 'x' }],
    ['createRoom', { name: 'x' }],
    ['joinChat', { room: { id: 'x' } }],
    ['logout', {}],
    ['revokeSession', { sessionId: 'x' }],
    ['revokeOtherSessions', {}],
    ['changePassword', { oldPassword: 'x', newPassword: 'x' }],
    ['updateProfile', {}],
    ['addContacts', { users: [] }],
    ['removeContacts', { userIds: [] }],
    ['reportActivity', {}],
    ['setTyping', { chatId: 'x' }],
    ['updateRoom', { roomId: 'x' }],
    ['deleteRoom', { roomId: 'x' }],
    ['leaveChat', { chatId: 'x' }],
    ['addMembers', { roomId: 'x', users: [] }],
    ['removeMember', { roomId: 'x', userId: 'x' }],
    ['setMemberRole', { roomId: 'x', userId: 'x', role: 'ADMIN' }],
    ['editMessage', { messageId: 'x', text: 'x' }],
    ['deleteMessage', { messageId: 'x' }],
    ['markDelivered', { chatId: 'x', upToSeq: 1 }],
    ['markRead', { chatId: 'x', upToSeq: 1 }],
  ];

  it('everything but signing in, tokenInfo, serverInfo and me is UNAUTHENTICATED, TOKEN_EXPIRED or TOKEN_INVALID', async () => {
    await using server = await startTestServer({ ACCESS_TOKEN_SECONDS: '1' });
    const stale = await server.person();
    await expect.poll(async () => (await read(nobody(server), info, { token: stale.token })).failure, patience).toBe('EXPIRED');
    const askers: [who: string, asker: Pick<Person, 'request'>, code: string][] = [
      ['nobody', nobody(server), 'UNAUTHENTICATED'],
      ['stale', stale, 'TOKEN_EXPIRED'],
      ['garbage', bearer(server, 'garbage'), 'TOKEN_INVALID'],
    ];
    for (const [who, asker, code] of askers) {
      for (const document of closed) expect([who, document, await sight(asker, document)]).toEqual([who, document, `top: ${code}`]);
      for (const [name, input] of mutations) expect([who, name, await outcome(asker, name, input)]).toEqual([who, name, `top: ${code}`]);
      for (const document of open) expect([who, document, await sight(asker, document)]).toEqual([who, document, document.includes('me {') ? 'null' : 'there']);
      expect(await outcome(asker, 'login', { login: stale.username, password: stale.password })).toBe('done');
      expect(await outcome(asker, 'register', { username: `by-${who}`, password })).toBe('done');
      expect(await outcome(asker, 'refreshSession', { refreshToken: 'x' })).toBe('INVALID_TOKEN MALFORMED');
    }
  });
});

it('makes the access token of an ended session fail at once', async () => {
  await using server = await startTestServer();
  const person = await server.person();
  const other = bearer(server, (await change(nobody(server), 'login', { login: person.username, password: person.password }, authFields)).auth.accessToken);
  expect(await change(person, 'revokeOtherSessions', {}, 'endedSessionIds')).toMatchObject({ endedSessionIds: [expect.any(String)] });
  expect(await sight(other, '{ eventCursor }')).toBe('top: TOKEN_INVALID');
  expect(await sight(person, '{ eventCursor }')).toBe('there');
  await change(person, 'logout', {});
  expect(await sight(person, '{ eventCursor }')).toBe('top: TOKEN_INVALID');
  expect(await sight(person, '{ me { id } }')).toBe('null');
});

it('keeps at most 100 sessions of an account, the oldest giving way', async () => {
  await using server = await startTestServer();
  const person = await server.person();
  for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 10 }, () => outcome(nobody(server), 'login', { login: person.username, password: person.password })));
  expect(await sight(person, '{ eventCursor }')).toBe('top: TOKEN_INVALID');
  const { auth } = await change(nobody(server), 'login', { login: person.username, password: person.password }, authFields);
  const { sessions } = (await read(bearer(server, auth.accessToken), '{ me { account { sessions { id current } } } }')).account;
  expect(sessions).toHaveLength(100);
  expect(sessions.map(({ current }: Untyped) => current).indexOf(true)).toBe(0);
});

it('keeps a bounded number of rows however often somebody logs in and out, and comes down from what is too many', async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const { db } = server.app;
  const session = await rowsOf(db).session.findFirstOrThrow();
  // As many as some months of logins used to leave behind, ended or expired.
  const { id: _id, ...old } = session;
  await db.transaction((tx) =>
    tx.session.createMany({
      data: Array.from({ length: 200 }, (_, i) => ({
        ...old,
        createdAt: new Date(i),
        ...(i % 2 ? { endedAt: new Date(), endReason: 'LOGGED_OUT' } : { expiresAt: new Date(Date.now() - 1_000) }),
      })),
    }),
  );
  const newest = await rowsOf(db).session.findFirstOrThrow({ orderBy: { id: 'desc' } });
  const counts: number[] = [];
  let refreshToken = '';
  for (let i = 0; i < 12; i++) {
    const { auth } = await change(nobody(server), 'login', { login: ada.username, password: ada.password }, authFields);
    expect(await outcome(bearer(server, auth.accessToken), 'logout', {})).toBe('done');
    counts.push(await rowsOf(db).session.count());
    refreshToken = auth.refreshToken;
  }
  // The live one, a hundred that are over, and the one that ended after that.
  expect(counts.at(-1)).toBe(102);
  expect(counts).toEqual([...counts].sort((a, b) => b - a));
  // The newest are kept: their tokens are told from unknown ones.
  expect((await read(nobody(server), info, { token: refreshToken })).failure).toBe('REVOKED');
  expect(await rowsOf(db).session.findUnique({ where: { id: newest.id } })).not.toBeNull();
  expect(await sight(ada, '{ me { account { currentSession { id } } } }')).toBe('there');
});

it('ends the session that was not in use for the longest when there are too many', async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  await server.app.db.transaction((tx) => tx.session.updateMany({ data: { createdAt: new Date(0), lastActiveAt: new Date(Date.now() + 60_000) } }));
  const first = (await change(nobody(server), 'login', { login: ada.username, password: ada.password }, authFields)).auth;
  for (let i = 0; i < 99; i++) await change(nobody(server), 'login', { login: ada.username, password: ada.password });
  expect(await sight(ada, '{ eventCursor }')).toBe('there');
  expect(await sight(bearer(server, first.accessToken), '{ eventCursor }')).toBe('top: TOKEN_INVALID');
});

it('the answer that signs somebody in is read by who signed in, whoever else asked; what follows in the document is not', async () => {
  await using server = await startTestServer();
  const [ada, bob, eve] = (await server.people(3)) as [Person, Person, Person];
  for (const text of ['1', '2']) await eve.send({ username: ada.username }, text);
  await eve.send({ username: bob.username }, '1');
  await change(ada, 'addContacts', { users: [{ id: eve.id }] });
  const fields = 'auth { session { current } me { id isContact account { totalUnread contacts { nodes { id isContact } } currentSession { current } } } }';
  const expected = {
    session: { current: true },
    me: { id: ada.id, isContact: false, account: { totalUnread: 2, contacts: { nodes: [{ id: eve.id, isContact: true }] }, currentSession: { current: true } } },
  };
  for (const asker of [nobody(server), bob, ada]) expect((await change(asker, 'login', { login: ada.username, password: 'correct horse battery' }, fields)).auth).toEqual(expected);
  const fresh = await change(
    bob,
    'register',
    { username: 'fresh', password: 'correct horse battery' },
    'me { account { totalUnread } } auth { me { account { totalUnread } } refreshToken }',
  );
  expect(fresh).toMatchObject({ me: { account: { totalUnread: 0 } }, auth: { me: { account: { totalUnread: 0 } } } });
  expect((await change(bob, 'refreshSession', { refreshToken: fresh.auth.refreshToken }, 'auth { me { username account { totalUnread } } }')).auth.me).toEqual({
    username: 'fresh',
    account: { totalUnread: 0 },
  });
  const document = `mutation ($login: String!) { login(input: { login: $login, password: "correct horse battery" }) { __typename } updateProfile(input: { firstName: "Bob" }) { ... on UpdateProfilePayload { me { id } } } }`;
  expect((await bob.must(document, { login: ada.username })).updateProfile.me.id).toBe(bob.id);
  const { errors } = await nobody(server).request(document, { login: ada.username });
  expect(errors?.[0]).toMatchObject({ path: ['updateProfile'], extensions: { code: 'UNAUTHENTICATED' } });
});

it('a name and a picture change so often in a minute and no more, as everybody is told of it; what changes nothing does not count', async () => {
  await using server = await startTestServer({ RATE_LIMITS: 'on', PROFILE_LIMIT: '3' });
  const [ada, bob] = (await server.people(2)) as [Person, Person];
  for (const displayName of ['One', 'Two', 'Two', 'Two']) expect(await outcome(ada, 'updateProfile', { displayName })).toBe('done');
  expect(await outcome(ada, 'updateProfile', { phone: '123' })).toBe('done');
  expect(await outcome(ada, 'setProfilePicture', { attachmentId: null })).toBe('done');
  expect(await outcome(ada, 'updateProfile', { displayName: 'Four' })).toMatch(/^RATE_LIMITED/);
  expect(await outcome(ada, 'setProfilePicture', { attachmentId: null })).toMatch(/^RATE_LIMITED/);
  expect((await ada.must('{ me { displayName } }')).me.displayName).toBe('Two');
  expect(await outcome(bob, 'updateProfile', { displayName: 'Bob' })).toBe('done');
});
