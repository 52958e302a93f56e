/** People who come from a host application: their accounts, what links these to others, and what the host may do with its people. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { arrive, hostIssuer, hostToken, hostUrl, provisionToken, secret, signInWithToken } from './kit/issuer.ts';
import { createPerson, type Person, request, type Untyped } from './kit/person.ts';
import { type Overrides, startTestServer, type TestServer } from './kit/server.ts';

const shop = { issuer: 'https://shop.example.org', audience: 'chat', secret: 'the secret of the shop, of 32 bytes and more' };
const shopToken = (claims: Untyped): Promise<string> => hostToken({ iss: shop.issuer, ...claims }, { key: shop.secret });
const now = (): number => Math.floor(Date.now() / 1000);

const startHost = (issuer: object = {}, more: Overrides = {}, others: object[] = [shop]) =>
  startTestServer({ IDENTITY_ISSUERS: JSON.stringify([{ ...hostIssuer, ...issuer }, ...others]), ...more });

async function host(server: TestServer, name: string, input: Untyped, fields: string): Promise<Untyped> {
  const type = name.charAt(0).toUpperCase() + name.slice(1);
  const query = `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename ... on ${type}Payload { ${fields} } ... on UserError { code errorMessage } ${name === 'provisionUsers' ? '... on ValidationError { fields { path rule } }' : ''} } }`;
  const { data, errors } = await request(server, query, { input: { token: await provisionToken(), ...input } });
  return data?.[name] ?? { code: errors?.[0]?.extensions.code };
}
const provision = async (server: TestServer, users: Untyped[], input: Untyped = {}) =>
  host(server, 'provisionUsers', { users, ...input }, 'users { externalId created user { id username displayName externalId } }');
const registered = (server: TestServer): Promise<Untyped> => server.person().then((person) => person.must('{ registeredUsers(first: 100) { nodes { username displayName } } }'));

describe('the first sign-in', () => {
  it('makes an account with a free name, once, however many come at the same time', async () => {
    await using server = await startHost();
    await createPerson(server, { username: 'Ada.Lovelace' });
    const came = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => arrive(server, await hostToken({ sub: 'ada', preferred_username: 'ada.lovelace', jti: `${index}` }))),
    );
    expect(new Set(came.map(({ id }) => id)).size).toBe(1);
    expect(came[0]?.username).toMatch(/^ada\.lovelace-\d+$/);
    const others = await Promise.all(Array.from({ length: 8 }, async (_, index) => arrive(server, await hostToken({ sub: `twin ${index}`, preferred_username: 'Twin' }))));
    expect(new Set(others.map(({ username }) => username.toLowerCase())).size).toBe(8);
    expect(others.filter(({ username }) => username === 'Twin')).toHaveLength(1);
  });

  it('never joins an account that is there, by name or by e-mail', async () => {
    await using server = await startHost({ claims: { email: 'email' } });
    const owner = await createPerson(server, { username: 'ada' });
    await owner.must('mutation ($i: UpdateProfileInput!) { updateProfile(input: $i) { __typename } }', { i: { email: 'Ada@example.org', currentPassword: owner.password } });
    const came = await arrive(server, await hostToken({ sub: 'x', preferred_username: 'ada', email: 'ADA@example.org', email_verified: true }));
    expect(came.id).not.toBe(owner.id);
    expect(came.auth.me).toMatchObject({
      username: expect.stringMatching(/^ada-\d+$/),
      account: { email: null, hasPassword: false, identities: [{ issuer: hostUrl, externalId: 'x' }] },
    });
    expect((await owner.must('{ me { account { email identities { issuer } } } }')).me.account).toEqual({ email: 'Ada@example.org', identities: [] });
  });

  it('takes names by the rules that hold for everybody, and leaves out what breaks them', async () => {
    await using server = await startHost();
    const named = async (claims: Untyped) =>
      (await arrive(server, await hostToken({ sub: JSON.stringify(claims), ...claims }))).auth.me as { username: string; displayName: string };
    expect(await named({ preferred_username: 'ada', name: '\u202eAda\u2066 Lovelace\u200b' })).toMatchObject({ username: 'ada', displayName: 'Ada Lovelace' });
    expect(await named({ preferred_username: 'ben', name: 'Ben\u0000' })).toMatchObject({ username: 'ben', displayName: 'ben' });
    expect(await named({ preferred_username: 'cem', name: 'two\nlines' })).toMatchObject({ displayName: 'cem' });
    expect(await named({ preferred_username: 'dan', name: '\u200b\u2800 ' })).toMatchObject({ displayName: 'dan' });
    expect(await named({ preferred_username: 'eve', name: '\ud800' })).toMatchObject({ displayName: 'eve' });
    expect((await named({ preferred_username: 'fay', name: 'x'.repeat(200) })).displayName).toHaveLength(80);
    expect(await named({ preferred_username: 'Zoë.Müller@example.org' })).toMatchObject({ username: 'Zoe.Muller' });
    expect(await named({ name: 'Łukasz Ψ Žižek' })).toMatchObject({ displayName: 'Łukasz Ψ Žižek', username: expect.stringMatching(/^[\w.-]{3,32}$/) });
    expect((await named({ name: 'Ада' })).username).toMatch(/^user-\d+$/);
    expect((await named({ preferred_username: '../../etc' })).username).toMatch(/^etc$/);
    expect((await named({ preferred_username: { toString: 1 }, name: 7 })).username).toMatch(/^user-\d+$/);
    expect((await named({ preferred_username: '\u202eabc' })).username).toBe('abc');
  });

  it('takes an e-mail that the issuer has verified, or that the operator trusts', async () => {
    await using server = await startHost({}, {}, [{ ...shop, claims: { email: 'mail' } }]);
    const emailOf = async (token: string) => (await arrive(server, token)).auth.me.account.email;
    expect(await emailOf(await hostToken({ sub: '1', email: 'a1@example.org' }))).toBeNull();
    expect(await emailOf(await hostToken({ sub: '2', email: 'a2@example.org', email_verified: true }))).toBe('a2@example.org');
    expect(await emailOf(await hostToken({ sub: '3', email: 'a3\u202e@example.org', email_verified: true }))).toBeNull();
    expect(await emailOf(await shopToken({ sub: '1', mail: 'b1@example.org' }))).toBe('b1@example.org');
    expect(await emailOf(await shopToken({ sub: '2', mail: 'b2@example.org', email_verified: false }))).toBeNull();
  });

  it('makes nobody where the issuer may not, and those whom the host has named come in', async () => {
    await using server = await startHost({ create: false });
    expect(await signInWithToken(server, await hostToken({ sub: 'ada' }))).toMatchObject({ code: 'INVALID_CREDENTIALS', errorMessage: expect.stringMatching(/nobody here/) });
    await provision(server, [{ externalId: 'ada', username: 'ada' }]);
    expect((await arrive(server, await hostToken({ sub: 'ada' }))).username).toBe('ada');
  });
});

describe('a picture', () => {
  /** Where pictures are: at `/picture` one, elsewhere none. */
  async function startGallery() {
    const picture = await sharp({ create: { width: 60, height: 40, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const asked: string[] = [];
    const gallery = createServer((call, response) => {
      asked.push(call.url ?? '');
      if (call.url === '/hang') return;
      if (call.url === '/away') return void response.writeHead(302, { location: '/picture' }).end();
      response
        .setHeader('content-type', call.url === '/page' ? 'text/html' : 'image/png')
        .end(call.url === '/picture' ? picture : call.url === '/large' ? Buffer.alloc(3_000_000) : 'no picture');
    });
    await once(gallery.listen(0, '127.0.0.1'), 'listening');
    return {
      url: `http://127.0.0.1:${(gallery.address() as AddressInfo).port}`,
      asked,
      [Symbol.dispose](): void {
        gallery.closeAllConnections();
        gallery.close();
      },
    };
  }
  const avatarOf = async (person: Awaited<ReturnType<typeof arrive>>): Promise<Untyped | null> => (await person.ask('{ me { avatar { width height } } }')).me.avatar;

  it('that the issuer has is shown a moment later, and what is none keeps nobody from coming', async () => {
    using gallery = await startGallery();
    await using server = await startHost({}, { PUSH_TO_PRIVATE_ADDRESSES: 'on' });
    const come = async (sub: string, picture: unknown) => arrive(server, await hostToken({ sub, picture }));
    const wrong = await Promise.all(['/hang', '/away', '/page', '/large', '/broken'].map(async (path) => come(path, gallery.url + path)));
    await come('none', 'nowhere');
    await come('7', 7);
    const ada = await come('ada', `${gallery.url}/picture`);
    await expect.poll(() => avatarOf(ada), { timeout: 5_000 }).toEqual({ width: 60, height: 40 });
    await provision(server, [{ externalId: 'ben', picture: `${gallery.url}/picture` }]);
    const ben = await come('ben', `${gallery.url}/picture`);
    await expect.poll(() => avatarOf(ben), { timeout: 5_000 }).not.toBeNull();
    expect(await Promise.all(wrong.map(avatarOf))).toEqual([null, null, null, null, null]);
    // Once one is there, nothing is asked for.
    const before = gallery.asked.length;
    await come('ada', `${gallery.url}/picture?other`);
    await provision(server, [{ externalId: 'ben', picture: `${gallery.url}/picture?other` }]);
    expect(gallery.asked.length).toBe(before);
  });

  it('is not fetched from a private network, also where its issuer may be in one', async () => {
    using gallery = await startGallery();
    await using server = await startHost({ privateNetwork: true });
    await arrive(server, await hostToken({ sub: 'ada', picture: `${gallery.url}/picture` }));
    await provision(server, [{ externalId: 'ben', picture: `${gallery.url.replace('127.0.0.1', 'localhost')}/picture` }]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(gallery.asked).toEqual([]);
  });
});

describe('a later sign-in', () => {
  it('with the same token opens no second session, and with the same device goes on with the one it has', async () => {
    await using server = await startHost();
    const token = await hostToken({ sub: 'ada' });
    const first = await arrive(server, token);
    const again = await arrive(server, token);
    expect([first.auth.grant, again.auth.grant, again.auth.session.id]).toEqual(['NEW', 'STILL_VALID', first.auth.session.id]);
    const onPhone = await arrive(server, token, { device: { id: 'phone' } });
    const later = await arrive(server, await hostToken({ sub: 'ada', jti: '2' }), { device: { id: 'phone' } });
    expect([onPhone.auth.grant, later.auth.grant, later.auth.session.id]).toEqual(['NEW', 'STILL_VALID', onPhone.auth.session.id]);
    expect(onPhone.auth.session.id).not.toBe(first.auth.session.id);
    const { me } = await later.ask('{ me { account { sessions { id } } } }');
    expect(me.account.sessions).toHaveLength(2);
  });

  it('is an ordinary session: refreshed, listed and ended like any other, and set as cookies where that is wanted', async () => {
    await using server = await startHost();
    const ada = await arrive(server, await hostToken({ sub: 'ada' }));
    const refreshed = await request(
      server,
      'mutation ($t: String!) { refreshSession(input: { refreshToken: $t }) { ... on RefreshSessionPayload { auth { grant session { id } } } } }',
      { t: ada.auth.refreshToken },
    );
    expect(refreshed.data?.refreshSession.auth).toEqual({ grant: 'STILL_VALID', session: { id: ada.auth.session.id } });
    await ada.ask('mutation { logout { __typename } }');
    expect(await ada.ask('{ eventCursor }')).toMatchObject({ errors: [{ extensions: { code: 'TOKEN_INVALID' } }] });
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: 'mutation ($t: String!) { signInWithToken(input: { token: $t, useCookies: true }) { ... on SignInWithTokenPayload { auth { accessToken refreshToken } } } }',
        variables: { t: await hostToken({ sub: 'ada' }) },
      }),
    });
    expect(response.headers.getSetCookie().map((cookie) => cookie.split('=')[0])).toEqual(['tertulia-access', 'tertulia-refresh', 'tertulia-device']);
    expect(((await response.json()) as Untyped).data.signInWithToken.auth).toEqual({ accessToken: null, refreshToken: null });
  });

  it('brings the profile in line where the issuer may, but not the e-mail of somebody with a password', async () => {
    await using server = await startHost({ updateProfile: true }, {}, [shop]);
    const profile = { email: 'ada@example.org', email_verified: true };
    const ada = await arrive(server, await hostToken({ sub: 'ada', name: 'Ada', ...profile }));
    const stream = await createPerson(server).then((other) => other.follow('subscription { events { __typename ... on UserUpdated { user { displayName } } } }'));
    const later = await arrive(server, await hostToken({ sub: 'ada', name: 'Ada King', email: 'king@example.org', email_verified: true }));
    expect(later.auth.me).toMatchObject({ username: ada.username, displayName: 'Ada King', account: { email: 'king@example.org' } });
    expect((await stream.next('UserUpdated')).user).toEqual({ displayName: 'Ada King' });
    await stream.socket.close();
    // Nothing new: nothing is told.
    const before = server.app.tail.head();
    await arrive(server, await hostToken({ sub: 'ada', name: 'Ada King', email: 'king@example.org', email_verified: true, jti: '3' }), { device: { id: 'x' } });
    expect(server.app.tail.head()).toBe(before + 1);
    const ben = await createPerson(server);
    const link = 'mutation ($i: LinkIdentityInput!) { linkIdentity(input: $i) { __typename } }';
    await ben.must(link, { i: { token: await hostToken({ sub: 'ben' }), currentPassword: ben.password } });
    const came = await arrive(server, await hostToken({ sub: 'ben', name: 'Ben', email: 'ben@example.org', email_verified: true }));
    expect(came.auth.me).toMatchObject({ id: ben.id, displayName: 'Ben', account: { email: null, hasPassword: true } });
    const cem = await arrive(server, await shopToken({ sub: 'cem', name: 'Cem' }));
    expect((await arrive(server, await shopToken({ sub: 'cem', name: 'Another' }))).auth.me).toMatchObject({ id: cem.id, displayName: 'Cem' });
  });

  it('of somebody who was erased makes a new account, and nothing is left of the old one', async () => {
    await using server = await startHost();
    const token = await hostToken({ sub: 'ada of the host', preferred_username: 'ada' });
    const ada = await arrive(server, token);
    expect(await ada.change('deleteAccount', { password: '', messages: 'ERASE' }, 'receiptId')).toMatchObject({ receiptId: expect.any(String) });
    const again = await arrive(server, token);
    expect(again.id).not.toBe(ada.id);
    expect(again.username).toBe('ada');
    expect(again.auth.grant).toBe('NEW');
    await again.change('deleteAccount', { password: '' });
    expect(await server.app.db.sql.all('SELECT * FROM "Identity"', [])).toEqual([]);
  });
});

describe('an account without a password', () => {
  it('shows who it is by a sign-in a moment ago, and is given its first password so', async () => {
    await using server = await startHost();
    const ada = await arrive(server, await hostToken({ sub: 'ada', preferred_username: 'ada' }), { device: { id: 'a' } });
    for (const password of ['', 'correct horse battery'])
      expect(await request(server, 'mutation ($p: String!) { login(input: { login: "ada", password: $p }) { ... on UserError { code } } }', { p: password })).toMatchObject({
        data: { login: { code: 'INVALID_CREDENTIALS' } },
      });
    const long = new Date(Date.now() - 6 * 60_000);
    const age = () => server.app.db.sqlTransaction((sql) => sql.all('UPDATE "Session" SET "identifiedAt" = ?', [long]));
    await age();
    const refused = { code: 'INVALID_CREDENTIALS', errorMessage: expect.stringMatching(/sign in again/) };
    expect(await ada.change('deleteAccount', { password: '' })).toMatchObject(refused);
    expect(await ada.change('changePassword', { oldPassword: '', newPassword: 'correct horse battery' })).toMatchObject(refused);
    expect(await ada.change('updateProfile', { email: 'ada@example.org' })).toMatchObject(refused);
    expect(await ada.change('linkIdentity', { token: await shopToken({ sub: 'ada' }) })).toMatchObject(refused);
    // The same session: it has signed in again.
    await arrive(server, await hostToken({ sub: 'ada', jti: '2' }), { device: { id: 'a' } });
    expect(await ada.change('updateProfile', { email: 'ada@example.org' }, 'me { account { email } }')).toMatchObject({ me: { account: { email: 'ada@example.org' } } });
    expect(await ada.change('changePassword', { oldPassword: '', newPassword: 'correct horse battery' }, 'me { account { hasPassword } }')).toMatchObject({
      me: { account: { hasPassword: true } },
    });
    // From now on it is the password that counts.
    expect(await ada.change('deleteAccount', { password: '' })).toMatchObject({ code: 'INVALID_CREDENTIALS' });
    expect(await ada.change('deleteAccount', { password: 'correct horse battery' })).toMatchObject({ __typename: 'DeleteAccountPayload' });
  });

  it('does not lose its last way in, also when it gives up two at once', async () => {
    await using server = await startHost();
    const ada = await arrive(server, await hostToken({ sub: 'ada' }));
    expect(await ada.change('unlinkIdentity', { issuer: hostUrl })).toMatchObject({ code: 'CONFLICT', errorMessage: expect.stringMatching(/password/) });
    expect(await ada.change('unlinkIdentity', { issuer: shop.issuer })).toMatchObject({ code: 'NOT_FOUND' });
    await ada.change('linkIdentity', { token: await shopToken({ sub: 'a' }) });
    const both = await Promise.all([hostUrl, shop.issuer].map((issuer) => ada.change('unlinkIdentity', { issuer })));
    expect(both.map(({ __typename }) => __typename).sort()).toEqual(['ConflictError', 'UnlinkIdentityPayload']);
  });
});

describe('an identity', () => {
  it('is linked by whoever knows the password, belongs to one account, and signs in to it', async () => {
    await using server = await startHost();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const link = async (person: Person, input: Untyped) =>
      (
        await person.request(
          'mutation ($input: LinkIdentityInput!) { linkIdentity(input: $input) { __typename ... on LinkIdentityPayload { identity { issuer externalId lastUsedAt } } ... on UserError { code } ... on AlreadyTakenError { field } } }',
          { input },
        )
      ).data?.linkIdentity;
    const token = await hostToken({ sub: 'ada' });
    for (const currentPassword of [null, 'wrong', '']) expect(await link(ada, { token, currentPassword })).toMatchObject({ code: 'INVALID_CREDENTIALS' });
    expect(await link(ada, { token: await hostToken({ sub: 'ada', aud: 'other' }), currentPassword: ada.password })).toMatchObject({ code: 'INVALID_TOKEN' });
    const linked = { identity: { issuer: hostUrl, externalId: 'ada', lastUsedAt: null } };
    expect(await link(ada, { token, currentPassword: ada.password })).toMatchObject(linked);
    expect(await link(ada, { token, currentPassword: ada.password })).toMatchObject(linked);
    expect(await link(ben, { token, currentPassword: ben.password })).toMatchObject({ code: 'ALREADY_TAKEN', field: 'token' });
    expect(await link(ada, { token: await hostToken({ sub: 'another' }), currentPassword: ada.password })).toMatchObject({ code: 'ALREADY_TAKEN' });
    expect((await arrive(server, token)).id).toBe(ada.id);
    // Both at once: one has it.
    const twice = await Promise.all([ada, ben].map(async (person) => link(person, { token: await shopToken({ sub: 'x' }), currentPassword: person.password })));
    expect(twice.map(({ __typename }) => __typename).sort()).toEqual(['AlreadyTakenError', 'LinkIdentityPayload']);
  });

  it('that is unlinked takes the sessions along that it has opened, but for the one that asks', async () => {
    await using server = await startHost();
    const ada = await server.person();
    const change = (name: string, input: Untyped) =>
      ada.must(`mutation ($i: ${name.charAt(0).toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $i) { __typename } }`, { i: input });
    await change('linkIdentity', { token: await hostToken({ sub: 'ada' }), currentPassword: ada.password });
    const [one, two] = await Promise.all(['1', '2'].map(async (id) => arrive(server, await hostToken({ sub: 'ada' }), { device: { id } })));
    expect(await one?.change('unlinkIdentity', { issuer: hostUrl }, 'issuer')).toMatchObject({ issuer: hostUrl });
    expect(await two?.ask('{ eventCursor }')).toMatchObject({ errors: [{ extensions: { code: 'TOKEN_INVALID' } }] });
    expect(await one?.ask('{ me { externalId account { identities { issuer } } } }')).toEqual({ me: { externalId: null, account: { identities: [] } } });
    await ada.must('{ eventCursor }');
    // The issuer's person is somebody new now.
    expect((await arrive(server, await hostToken({ sub: 'ada' }))).id).not.toBe(ada.id);
  });
});

describe('people by the ids of their host', () => {
  it('are found, written to and put into rooms, by whoever was signed in by the same host, and by nobody else', async () => {
    await using server = await startHost();
    const [ada, ben, cem] = await Promise.all(['ada', 'ben', 'cem'].map(async (sub) => arrive(server, await hostToken({ sub, preferred_username: sub }))));
    const eve = await arrive(server, await shopToken({ sub: 'ben', preferred_username: 'eve' }));
    const byPassword = await server.person();
    if (!ada || !ben || !cem) throw new Error('nobody');
    const find = '{ user(ref: { externalId: "ben" }) { id externalId } }';
    expect(await ada.ask(find)).toEqual({ user: { id: ben.id, externalId: 'ben' } });
    expect(await eve.ask(find)).toEqual({ user: { id: eve.id, externalId: 'ben' } });
    expect(await byPassword.must(find)).toEqual({ user: null });
    expect(await ada.ask('{ user(ref: { externalId: "nobody" }) { id } }')).toEqual({ user: null });
    expect(await ada.ask('{ user(ref: { externalId: "a\\u0000" }) { id } }')).toEqual({ user: null });
    const seen = `query ($id: ID!) { node(id: $id) { ... on User { externalId } } }`;
    expect([await ada.ask(seen, { id: ben.id }), await ada.ask(seen, { id: eve.id }), await eve.ask(seen, { id: ada.id }), await byPassword.must(seen, { id: ada.id })]).toEqual(
      ['ben', null, null, null].map((externalId) => ({ node: { externalId } })),
    );
    const send = { to: { externalId: 'ben' }, text: 'hello', clientMessageId: '1' };
    const sent = await ada.change('sendMessage', send, 'duplicate message { sender { externalId } chat { ... on Dialog { peer { id externalId } } } }');
    expect(sent).toMatchObject({ duplicate: false, message: { sender: { externalId: 'ada' }, chat: { peer: { id: ben.id, externalId: 'ben' } } } });
    expect(await ada.change('sendMessage', { ...send, to: { userId: ben.id } }, 'duplicate')).toMatchObject({ duplicate: true });
    expect(await ada.change('sendMessage', { to: { externalId: 'nobody' }, text: 'x' })).toMatchObject({ code: 'NOT_FOUND' });
    expect((await ada.ask('{ dialog(with: { externalId: "ben" }) { peer { id } } }')).dialog.peer.id).toBe(ben.id);
    expect((await ben.ask('{ inbox(filter: { from: { externalId: "ada" } }) { nodes { text } } }')).inbox.nodes).toEqual([{ text: 'hello' }]);
    const { room } = await ada.change('createRoom', { name: 'Tea', members: [{ externalId: 'ben' }, { id: cem.id }] }, 'room { id members { nodes { user { id } } } }');
    expect(room.members.nodes.map(({ user }: Untyped) => user.id).sort()).toEqual([ada.id, ben.id, cem.id].sort());
    expect(await ada.change('createRoom', { name: 'Tea', members: [{ externalId: 'nobody' }] })).toMatchObject({ code: 'NOT_FOUND' });
    await provision(server, [{ externalId: 'dan' }]);
    const added = await ada.change(
      'addMembers',
      { roomId: room.id, users: [{ externalId: 'dan' }, { externalId: 'ben' }, { externalId: 'nobody' }] },
      'added { user { externalId } } skipped { error { code } }',
    );
    expect(added).toMatchObject({ added: [{ user: { externalId: 'dan' } }], skipped: [{ error: { code: 'NOT_FOUND' } }] });
    expect(await ada.change('addContacts', { users: [{ externalId: 'ben' }, { username: 'CEM' }] }, 'added { externalId }')).toMatchObject({
      added: [{ externalId: 'ben' }, { externalId: 'cem' }],
    });
    const list = 'query ($ids: [String!]) { registeredUsers(filter: { externalIds: $ids }) { totalCount nodes { externalId } } }';
    expect((await ada.ask(list, { ids: ['cem', 'ben', 'nobody', 'a\u0000'] })).registeredUsers).toEqual({ totalCount: 2, nodes: [{ externalId: 'ben' }, { externalId: 'cem' }] });
    expect((await ada.ask(list, { ids: [] })).registeredUsers).toEqual({ totalCount: 0, nodes: [] });
    expect((await byPassword.must(list, { ids: ['ben'] })).registeredUsers.nodes).toEqual([]);
    expect(await ada.ask(list, { ids: Array.from({ length: 101 }, String) })).toMatchObject({ errors: [{ extensions: { code: 'BAD_REQUEST' } }] });
  });

  it('are told to each by their own ids, also to those who follow the same event', async () => {
    await using server = await startHost();
    const [ada, ben, eve] = await Promise.all([
      arrive(server, await hostToken({ sub: 'ada' })),
      arrive(server, await hostToken({ sub: 'ben' })),
      arrive(server, await shopToken({ sub: 'eve' })),
    ]);
    const byPassword = await server.person();
    const { room } = await ben.change('createRoom', { name: 'Tea', members: [{ id: ada.id }, { id: eve.id }, { id: byPassword.id }] }, 'room { id }');
    const document = 'subscription { newMessages { ... on MessageAdded { message { text sender { externalId } } } } }';
    const readers = await Promise.all(
      [ada.auth.accessToken, eve.auth.accessToken, byPassword.token, ben.auth.accessToken].map(async (token) => {
        const reader = await server.person();
        reader.token = token;
        return reader.follow(document);
      }),
    );
    for (const text of ['one', 'two']) await ben.change('sendMessage', { to: { chatId: room.id }, text });
    const heard = await Promise.all(readers.map(async (reader) => [await reader.next(), await reader.next()].map(({ message }) => message.sender.externalId)));
    expect(heard).toEqual([
      ['ben', 'ben'],
      [null, null],
      [null, null],
      ['ben', 'ben'],
    ]);
  });

  it('are in the rooms for everyone from the beginning', async () => {
    await using server = await startHost();
    const owner = await server.person();
    const room = await owner.createRoom({ everyone: true, visibility: 'PUBLIC' });
    await provision(server, [{ externalId: 'ben' }]);
    const ada = await arrive(server, await hostToken({ sub: 'ada' }));
    const members = '{ node(id: "ROOM") { ... on Room { members { nodes { user { externalId } } } } } }'.replace('ROOM', room.id);
    expect((await ada.ask(members)).node.members.nodes.map(({ user }: Untyped) => user.externalId).sort()).toEqual(['ada', 'ben', null]);
  });

  it('are read in as many statements however many there are', async () => {
    await using server = await startHost();
    const ids = Array.from({ length: 40 }, (_, index) => `person ${index}`);
    await provision(
      server,
      ids.map((externalId) => ({ externalId })),
    );
    const ada = await arrive(server, await hostToken({ sub: 'ada' }));
    const count = async (job: () => Promise<unknown>): Promise<number> => {
      const counts: number[] = [];
      // What the server does by itself meanwhile only ever adds to it.
      for (let round = 0; round < 12; round++) {
        const before = server.app.db.statements.count;
        await job();
        counts.push(server.app.db.statements.count - before);
      }
      return Math.min(...counts);
    };
    const page = (first: number) =>
      count(() => ada.ask('query ($first: Int, $ids: [String!]) { registeredUsers(first: $first, filter: { externalIds: $ids }) { nodes { externalId } } }', { first, ids }));
    expect([await page(2), await page(40)]).toEqual([await page(2), await page(2)]);
    const contacts = (most: number) => count(() => ada.change('addContacts', { users: ids.slice(0, most).map((externalId) => ({ externalId })) }));
    await contacts(40);
    expect(await contacts(2)).toBe(await contacts(40));
    const add = async (most: number) => {
      const { room } = await ada.change('createRoom', { name: 'Tea' }, 'room { id }');
      await ada.change('addMembers', { roomId: room.id, users: ids.slice(0, most).map((externalId) => ({ externalId })) });
      return count(() => ada.change('addMembers', { roomId: room.id, users: ids.slice(0, most).map((externalId) => ({ externalId })) }));
    };
    expect(await add(2)).toBe(await add(40));
    const send = (to: Untyped) => count(() => ada.change('sendMessage', { to, text: 'hello' }));
    const { user } = await ada.ask('{ user(ref: { externalId: "person 1" }) { id username } }');
    expect(await send({ externalId: 'person 1' })).toBe(await send({ username: user.username }));
  });
});

describe('the host itself', () => {
  it('makes people who can be written to before they come, names them anew, and does nothing twice', async () => {
    await using server = await startHost();
    const ada = await arrive(server, await hostToken({ sub: 'ada' }));
    const users = [
      { externalId: 'ben', username: 'ben', displayName: 'Ben', email: 'ben@example.org' },
      { externalId: 'cem', username: 'ben' },
      { externalId: 'ada', displayName: 'Ada' },
    ];
    const first = await provision(server, users);
    expect(first.users).toMatchObject([
      { externalId: 'ben', created: true, user: { username: 'ben', displayName: 'Ben', externalId: null } },
      { externalId: 'cem', created: true, user: { username: expect.stringMatching(/^ben-\d+$/) } },
      { externalId: 'ada', created: false, user: { id: ada.id, displayName: 'Ada' } },
    ]);
    const before = server.app.tail.head();
    const again = await provision(server, users);
    expect(again.users.map(({ user, created }: Untyped) => [user.id, created])).toEqual(first.users.map(({ user }: Untyped) => [user.id, false]));
    expect(server.app.tail.head()).toBe(before);
    await ada.change('sendMessage', { to: { externalId: 'ben' }, text: 'welcome' });
    const ben = await arrive(server, await hostToken({ sub: 'ben', preferred_username: 'another', name: 'Another' }));
    expect(ben.auth.me).toMatchObject({ id: first.users[0].user.id, username: 'ben', displayName: 'Ben', account: { email: 'ben@example.org' } });
    expect((await ben.ask('{ inbox { nodes { text } } }')).inbox.nodes).toEqual([{ text: 'welcome' }]);
    // At the same time: the same people.
    const both = await Promise.all(
      [1, 2, 3].map(() =>
        provision(
          server,
          Array.from({ length: 10 }, (_, index) => ({ externalId: `p${index}`, username: 'many' })),
        ),
      ),
    );
    expect(new Set(both.flatMap((each) => each.users.map(({ user }: Untyped) => user.id))).size).toBe(10);
  });

  it('is told what is wrong, person by person, and then nobody is made', async () => {
    await using server = await startHost();
    const wrong = [{ externalId: '' }, { externalId: 'x' }, { externalId: 'x' }, { externalId: 'y', displayName: 'two\nlines' }, { externalId: 'z', email: 'nowhere' }];
    expect(await provision(server, wrong)).toMatchObject({
      code: 'VALIDATION_FAILED',
      fields: [
        { path: ['users', '0', 'externalId'], rule: 'format' },
        { path: ['users', '2', 'externalId'], rule: 'unique' },
        { path: ['users', '3', 'displayName'], rule: 'characters' },
        { path: ['users', '4', 'email'], rule: 'format' },
      ],
    });
    expect(
      await provision(
        server,
        Array.from({ length: 101 }, (_, index) => ({ externalId: String(index) })),
      ),
    ).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect((await registered(server)).registeredUsers.nodes).toHaveLength(1);
  });

  it('needs a token that is nobody’s, for this', async () => {
    await using server = await startHost();
    const wrong = [
      await hostToken({ sub: 'ada' }),
      await hostToken({ sub: 'ada', scope: 'provision' }),
      await hostToken({}),
      await hostToken({ scope: 'provisions other' }),
      await provisionToken({ aud: 'x' }),
      'x',
    ];
    for (const token of wrong) {
      expect(await provision(server, [{ externalId: 'x' }], { token })).toMatchObject({ code: 'INVALID_TOKEN' });
      expect(await host(server, 'endSessions', { token, externalId: 'x' }, 'endedSessions')).toMatchObject({ code: 'INVALID_TOKEN' });
    }
    expect((await provision(server, [], { token: await provisionToken({ scope: 'other provision' }) })).users).toEqual([]);
  });

  it('ends the sessions of its people at once, and their tokens of until then with them', async () => {
    await using server = await startHost();
    const ada = await server.person();
    await ada.must('mutation ($i: LinkIdentityInput!) { linkIdentity(input: $i) { __typename } }', {
      i: { token: await hostToken({ sub: 'ada' }), currentPassword: ada.password },
    });
    const token = await hostToken({ sub: 'ada' });
    const came = await arrive(server, token);
    const other = await arrive(server, await hostToken({ sub: 'ben' }));
    expect(await host(server, 'endSessions', { externalId: 'ada' }, 'endedSessions')).toEqual({ __typename: 'EndSessionsPayload', endedSessions: 1 });
    expect(await came.ask('{ eventCursor }')).toMatchObject({ errors: [{ extensions: { code: 'TOKEN_INVALID' } }] });
    // Of others, and of the same person by password, nothing is ended.
    expect(await other.ask('{ me { id } }')).toEqual({ me: { id: other.id } });
    await ada.must('{ eventCursor }');
    for (const old of [token, await hostToken({ sub: 'ada', iat: now() - 100 }), await hostToken({ sub: 'ada', iat: undefined })])
      expect(await signInWithToken(server, old)).toMatchObject({ code: 'INVALID_TOKEN', tokenFailure: 'REVOKED' });
    expect((await arrive(server, await hostToken({ sub: 'ada', iat: now() + 2 }))).id).toBe(ada.id);
    expect(await host(server, 'endSessions', { externalId: 'nobody' }, 'endedSessions')).toMatchObject({ code: 'NOT_FOUND' });
    // Another host's person of this name is somebody else.
    expect(await host(server, 'endSessions', { token: await shopToken({ scope: 'provision' }), externalId: 'ada' }, 'endedSessions')).toMatchObject({ code: 'NOT_FOUND' });
  });
});

it('no answer and no row holds a secret or a token', async () => {
  await using server = await startHost();
  const token = await hostToken({ sub: 'ada' });
  await arrive(server, token);
  const failed = JSON.stringify(await signInWithToken(server, await hostToken({ sub: 'ada', aud: 'x' })));
  expect(failed).not.toContain(secret);
  const rows = await Promise.all(['Session', 'Identity', 'Secret', 'SpentToken'].map((name) => server.app.db.sql.all(`SELECT * FROM "${name}"`, [])));
  expect(JSON.stringify(rows)).not.toContain(token.split('.')[2]);
});
