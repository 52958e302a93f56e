/** P11: a session that ends takes its streams, sockets and access tokens with it, says why, and touches no other. */
import { describe, expect, it } from 'vitest';
import type { ChatId, SessionId, UserId } from '../../src/ids.ts';
import { type Follow, type Item, type Person, request, type Untyped } from '../kit/person.ts';
import { openRawSocket } from '../kit/raw-socket.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';
import { eventCursor, events, messagesOf, newMessages } from './kit.ts';

type Tokens = { accessToken: string; refreshToken: string; sessionId: string };
const ended = '... on SessionEnded { endReason retry }';
const kinds: [document: string, variables: (chatId: string, userId: string) => Untyped][] = [
  [events, () => ({})],
  [newMessages, () => ({})],
  [newMessages, (chatId) => ({ chatId })],
  [`subscription { messageStatus { __typename ${ended} } }`, () => ({})],
  [`subscription ($users: [ID!]!) { presence(scope: { userIds: $users }) { __typename ${ended} } }`, (_chatId, userId) => ({ users: [userId] })],
  [`subscription ($chatId: ID!) { typing(chatId: $chatId) { __typename ${ended} } }`, (chatId) => ({ chatId })],
];

describe('an access token that expires', () => {
  it('ends every kind of stream with TOKEN_EXPIRED, then 4403, and nothing is lost after a refresh', async () => {
    await using server = await startTestServer({ ACCESS_TOKEN_SECONDS: '2' });
    const ana = await server.person();
    const room = await ana.createRoom();
    const after = await eventCursor(ana);
    const streams = await openAll(ana, ana.token, room);
    const sse = await openSse(server, ana.token);
    using idle = await openRawSocket(server, { init: { authorization: `Bearer ${ana.token}` } });
    await ana.send(room, 'before');
    for (const stream of streams) {
      expect(await stream.next('SessionEnded')).toMatchObject({ endReason: 'TOKEN_EXPIRED', retry: true });
      await stream.ended();
      expect(stream.items.at(-1)?.__typename).toBe('SessionEnded');
      expect((await stream.socket.whenClosed()).code).toBe(4403);
    }
    expect((await idle.whenClosed()).code).toBe(4403);
    expect((await sse.items).at(-1)).toMatchObject({ __typename: 'SessionEnded', endReason: 'TOKEN_EXPIRED', retry: true });
    expect((await ana.request('{ me { id } eventCursor }')).errors?.map((error) => error.extensions.code)).toEqual(['TOKEN_EXPIRED']);
    using stale = await openRawSocket(server, { init: { authorization: `Bearer ${ana.token}` } });
    expect((await stale.whenClosed()).code).toBe(4403);
    // The session lives: a refresh, and the stream goes on where it was.
    ana.token = (await refresh(server, ana.refreshToken)).accessToken;
    await ana.send(room, 'between');
    const next = await ana.follow(newMessages, { after });
    expect(messagesOf(await next.until('CaughtUp')).map((message) => message.text)).toEqual(['before', 'between']);
  });
});

type End = (world: { server: TestServer; ana: Person; victim: Tokens }) => Promise<unknown>;
const ends: [name: string, reason: string, end: End][] = [
  ['logout', 'LOGGED_OUT', ({ server, victim }) => as(server, victim, 'mutation { logout { __typename } }')],
  [
    'revokeSession',
    'REVOKED',
    ({ ana, victim }) => ana.must('mutation ($input: RevokeSessionInput!) { revokeSession(input: $input) { __typename } }', { input: { sessionId: victim.sessionId } }),
  ],
  ['revokeOtherSessions', 'REVOKED', ({ ana }) => ana.must('mutation { revokeOtherSessions { __typename } }')],
  [
    'changePassword from another session',
    'PASSWORD_CHANGED',
    ({ ana }) =>
      ana.must('mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }', {
        input: { oldPassword: ana.password, newPassword: 'another horse battery' },
      }),
  ],
  [
    'a refresh token that is shown again too late',
    'REVOKED',
    async ({ server, victim }) => {
      const second = await refresh(server, victim.refreshToken);
      await refresh(server, second.refreshToken);
      expect(await refresh(server, victim.refreshToken)).toMatchObject({ __typename: 'InvalidTokenError', tokenFailure: 'REUSED' });
    },
  ],
];

describe('a session ends within a second, its token at once', () => {
  for (const [name, reason, end] of ends) {
    it(`by ${name}`, async () => {
      await using server = await startTestServer();
      const ana = await server.person();
      const room = await ana.createRoom();
      const victim = await logIn(server, ana);
      const others = await ana.follow(events);
      const streams = await openAll(ana, victim.accessToken, room);
      const sse = await openSse(server, victim.accessToken);
      using idle = await openRawSocket(server, { init: { authorization: `Bearer ${victim.accessToken}` } });
      // Streams that are in use, too.
      let over = false;
      const busy = (async () => {
        while (!over) await ana.send(room, 'something');
      })();

      await end({ server, ana, victim });
      const endedAt = Date.now();
      // The very next request.
      const refused = await request(server, '{ eventCursor }', {}, { authorization: `Bearer ${victim.accessToken}` });
      expect(refused.errors?.map((error) => error.extensions.code)).toEqual(['TOKEN_INVALID']);
      const codes = await Promise.all([...streams.map(({ socket }) => socket.whenClosed()), idle.whenClosed()]);
      const last = (await sse.items).at(-1);
      expect(Date.now() - endedAt).toBeLessThan(1_000);
      expect(codes.map(({ code }) => code)).toEqual(codes.map(() => 4401));
      for (const item of [...streams.map(({ items }) => items.at(-1)), last]) expect(item).toMatchObject({ __typename: 'SessionEnded', endReason: reason, retry: false });
      for (const { items } of streams) expect(items.filter((item) => item.__typename === 'SessionEnded')).toHaveLength(1);
      over = true;
      await busy;

      using again = await openRawSocket(server, { init: { authorization: `Bearer ${victim.accessToken}` } });
      expect((await again.whenClosed()).code).toBe(4401);
      const info = await request(server, 'query ($token: String!) { tokenInfo(token: $token) { active failure } }', { token: victim.accessToken });
      expect(info.data?.tokenInfo).toEqual({ active: false, failure: 'REVOKED' });
      expect(await refresh(server, victim.refreshToken)).toMatchObject({ __typename: 'InvalidTokenError', tokenFailure: 'REVOKED' });
      // The session that did it goes on.
      await ana.send(room, 'the end');
      await others.until((item) => item.message?.text === 'the end');
      expect(others.items.filter((item) => item.__typename === 'SessionEnded')).toEqual([]);
      // Ended is ended, also for a server that remembers nothing.
      await server.restart();
      expect((await request(server, '{ eventCursor }', {}, { authorization: `Bearer ${victim.accessToken}` })).errors?.map((error) => error.extensions.code)).toEqual([
        'TOKEN_INVALID',
      ]);
      expect((await ana.request('{ me { id } }')).data?.me.id).toBe(ana.id);
    });
  }

  it('with its last word, also when the one chat of a stream is lost at the same moment', async () => {
    await using server = await startTestServer();
    const [ada, bob] = (await server.people(2)) as [Person, Person];
    await ada.createRoom({ visibility: 'PRIVATE', members: [{ id: bob.id }] });
    const { tail, db } = server.app;
    const [{ userId, sessionId, chatId }] = (await db.sql.all<{ userId: UserId; sessionId: SessionId; chatId: ChatId }>(
      'SELECT s."userId", s."id" AS "sessionId", m."chatId" FROM "Session" s JOIN "Member" m ON m."userId" = s."userId" WHERE m."role" = ?',
      ['MEMBER'],
    )) as [{ userId: UserId; sessionId: SessionId; chatId: ChatId }];
    const follower = await tail.follow({ userId, sessionId, expiresAt: new Date(Date.now() + 60_000), chats: [chatId], only: true });
    const next = follower.next();
    const stored = { number: tail.head() + 1, at: new Date(), userId };
    // As another node wrote them, read together.
    tail.offer([
      { ...stored, type: 'session-ended', sessionId, reason: 'LOGGED_OUT' },
      { ...stored, number: stored.number + 1, type: 'chat-removed', chatId, reason: 'REMOVED' },
    ]);
    expect((await next).value).toMatchObject({ type: 'ended', reason: 'LOGGED_OUT' });
  });

  it('by logout everywhere, all of them', async () => {
    await using server = await startTestServer();
    const ana = await server.person();
    const victims = await Promise.all([logIn(server, ana), logIn(server, ana), logIn(server, ana)]);
    const streams = await Promise.all(
      [ana.token, ...victims.map(({ accessToken }) => accessToken)].map((token) => ana.follow(events, {}, { on: ana.socket({ authorization: `Bearer ${token}` }) })),
    );
    const { logout } = await ana.must('mutation { logout(input: { everywhere: true }) { ... on LogoutPayload { endedSessionIds } } }');
    expect(logout.endedSessionIds).toHaveLength(4);
    for (const stream of streams) {
      expect((await stream.socket.whenClosed(1_000)).code).toBe(4401);
      expect(stream.items.at(-1)).toMatchObject({ endReason: 'LOGGED_OUT', retry: false });
    }
    for (const { accessToken } of [{ accessToken: ana.token }, ...victims]) {
      expect((await request(server, '{ eventCursor }', {}, { authorization: `Bearer ${accessToken}` })).errors?.map((error) => error.extensions.code)).toEqual(['TOKEN_INVALID']);
    }
  });
});

const as = (server: TestServer, { accessToken }: Tokens, document: string) => request(server, document, {}, { authorization: `Bearer ${accessToken}` });

async function logIn(server: TestServer, { username, password }: Person): Promise<Tokens> {
  const { data } = await request(server, 'mutation ($input: LoginInput!) { login(input: $input) { ... on LoginPayload { auth { accessToken refreshToken session { id } } } } }', {
    input: { login: username, password },
  });
  return { ...data?.login.auth, sessionId: data?.login.auth.session.id };
}

/** The new tokens, or the error. */
async function refresh(server: TestServer, refreshToken: string): Promise<Untyped> {
  const { data } = await request(
    server,
    `mutation ($input: RefreshSessionInput!) { refreshSession(input: $input) { __typename ... on InvalidTokenError { tokenFailure } ... on RefreshSessionPayload { auth { accessToken refreshToken } } } }`,
    { input: { refreshToken } },
  );
  return data?.refreshSession.auth ?? data?.refreshSession;
}

/** One stream of each kind on a socket of its own, and all of them on one. */
async function openAll(person: Person, token: string, room: { id: string }): Promise<Follow[]> {
  const connect = () => person.socket({ authorization: `Bearer ${token}` });
  const shared = connect();
  return Promise.all(kinds.flatMap(([document, variables]) => [connect(), shared].map((on) => person.follow(document, variables(room.id, person.id), { on }))));
}

/** Resolves when the stream is open; `items` when the server has ended it. */
async function openSse(server: TestServer, token: string): Promise<{ items: Promise<Item[]> }> {
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${token}` };
  const response = await fetch(`${server.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query: events }) });
  const items = response.text().then((text) => {
    expect(text.endsWith('event: complete\ndata:\n\n'), text).toBe(true);
    return [...text.matchAll(/^event: next\ndata: (.*)$/gm)].map(([, data]) => JSON.parse(data as string).data?.events as Item);
  });
  items.catch(() => {});
  return { items };
}
