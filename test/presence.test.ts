/** P10: who is online, who was when, and who is typing. Times are settings, made short; what must not come is followed by something that must. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { noUser, numberOf } from '../src/ids.ts';
import { change } from './kit/outcome.ts';
import { createPerson, type Item, type Person, type Untyped } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { openRawSocket } from './kit/raw-socket.ts';
import { startTestServer, type TestServer, temporaryFolder } from './kit/server.ts';

const quick = { PRESENCE_GRACE_SECONDS: '1' };
const presence = `subscription ($scope: PresenceScopeInput!) { presence(scope: $scope) { __typename
  ... on PresenceChanged { snapshot user { id presence { state online lastSeenAt } } } ... on CaughtUp { replayedCount } } }`;
const events = `subscription ($after: EventCursor) { events(after: $after) { __typename
  ... on PresenceChanged { user { id presence { online } } } ... on TypingChanged { active expiresAt chat { id } user { id } } ... on MessageAdded { message { text } } } }`;
const typing = 'subscription ($chatId: ID!) { typing(chatId: $chatId) { __typename ... on TypingChanged { active expiresAt user { id } } } }';
const setTyping = (person: Person, chatId: string, active = true) =>
  person.request(
    'mutation ($chatId: ID!, $active: Boolean!) { setTyping(input: { chatId: $chatId, active: $active }) { __typename ... on SetTypingPayload { expiresAt } ... on UserError { code } } }',
    { chatId, active },
  );

const stateOf = async (viewer: Person, person: Person): Promise<Untyped> =>
  (await viewer.must('query ($id: ID!) { user(ref: { id: $id }) { presence { state online lastSeenAt } } }', { id: person.id })).user.presence;
/** An acknowledged socket without any stream. */
async function comeOnline(place: { url: string }, person: Person) {
  const { socket, closed } = await openRawSocket(place, { init: { authorization: `Bearer ${person.token}` } });
  expect(closed).toBeNull();
  return { cut: () => socket.terminate(), close: () => socket.close(1000) };
}
const changes = (items: Item[]): [string, boolean][] => items.filter(({ __typename }) => __typename === 'PresenceChanged').map(({ user }) => [user.id, user.presence.online]);
const isOf = (person: Person, online: boolean) => (item: Item) => item.__typename === 'PresenceChanged' && item.user.id === person.id && item.user.presence.online === online;

describe('presence', () => {
  it('P10: begins with how everybody in scope is, then one CaughtUp, then changes', async () => {
    await using server = await startTestServer(quick);
    const [watcher, there, away] = (await server.people(3)) as [Person, Person, Person];
    await comeOnline(server, there);
    const stream = await watcher.follow(presence, { scope: { userIds: [there.id, away.id] } });
    const first = await stream.until('CaughtUp');
    expect(first.map(({ __typename }) => __typename)).toEqual(['PresenceChanged', 'PresenceChanged', 'CaughtUp']);
    expect(first.slice(0, 2).every(({ snapshot }) => snapshot)).toBe(true);
    expect(new Map(changes(first))).toEqual(
      new Map([
        [there.id, true],
        [away.id, false],
      ]),
    );
    expect(first.at(-1)).toMatchObject({ replayedCount: 2 });
    await comeOnline(server, away);
    expect(await stream.next()).toMatchObject({
      __typename: 'PresenceChanged',
      snapshot: false,
      user: { id: away.id, presence: { state: 'ONLINE', online: true, lastSeenAt: null } },
    });
    expect(stream.items.filter(({ __typename }) => __typename === 'CaughtUp')).toHaveLength(1);
  });

  it('P10: tells nothing of a socket that is lost and back within the grace, and the end after it', async () => {
    await using server = await startTestServer(quick);
    const [watcher, person] = (await server.people(2)) as [Person, Person];
    const stream = await watcher.follow(presence, { scope: { userIds: [person.id] } });
    const first = await comeOnline(server, person);
    await stream.next(isOf(person, true));
    first.cut();
    const second = await comeOnline(server, person);
    await sleep(1_300);
    expect(await stateOf(watcher, person)).toMatchObject({ online: true });
    second.cut();
    const lost = Date.now();
    const end = await stream.next();
    // Of the whole story these two: that it was lost in between came to nobody.
    expect(changes(stream.items)).toEqual([
      [person.id, false],
      [person.id, true],
      [person.id, false],
    ]);
    expect(Date.now() - lost).toBeGreaterThan(900);
    expect(Math.abs(Date.parse(end.user.presence.lastSeenAt) - lost)).toBeLessThan(900);
    expect(await stateOf(watcher, person)).toEqual({ state: 'OFFLINE', online: false, lastSeenAt: end.user.presence.lastSeenAt });
  });

  it('is online as long as one of several devices is, by socket, by SSE, or by what it reports', async () => {
    await using server = await startTestServer({ PRESENCE_GRACE_SECONDS: '0', PRESENCE_ACTIVITY_SECONDS: '1' });
    const [watcher, person] = (await server.people(2)) as [Person, Person];
    const stream = await watcher.follow(presence, { scope: { userIds: [person.id] } });
    await stream.until('CaughtUp');
    const [phone, laptop] = [await comeOnline(server, person), await comeOnline(server, person)];
    await stream.next(isOf(person, true));
    phone.close();
    const leaving = new AbortController();
    const sse = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${person.token}` },
      body: JSON.stringify({ query: 'subscription { events { __typename } }' }),
      signal: leaving.signal,
    });
    expect(sse.headers.get('content-type')).toContain('text/event-stream');
    laptop.close();
    expect(await stateOf(watcher, person)).toMatchObject({ online: true });
    expect(changes(stream.items)).toEqual([
      [person.id, false],
      [person.id, true],
    ]);
    leaving.abort();
    await stream.next(isOf(person, false));

    const { reportActivity } = await person.must('mutation { reportActivity { ... on ReportActivityPayload { presence { state } refreshAfterMs } } }');
    expect(reportActivity).toEqual({ presence: { state: 'ONLINE' }, refreshAfterMs: 1_000 });
    await stream.next(isOf(person, true));
    await stream.next(isOf(person, false), 3_000);
  });

  it('P10: after kill -9 nobody is online, and when people were there is known', async () => {
    await using folder = await temporaryFolder();
    const settings = { DATA_DIR: folder.path, PRESENCE_GRACE_SECONDS: '4' };
    const before = Date.now();
    await using server = await startProcess(settings);
    const person = await createPerson(server);
    await comeOnline(server, person);
    expect(await stateOf(person, person)).toMatchObject({ online: true });
    // Who comes is stored within seconds, then every minute.
    await sleep(1_500);
    server.kill('SIGKILL');
    await server.ended();
    await using again = await startProcess(settings);
    const asker = await createPerson(again);
    expect(await asker.must('{ registeredUsers(filter: { online: true }) { totalCount } }')).toEqual({ registeredUsers: { totalCount: 0 } });
    // Who was there a moment ago may be on the way back.
    const stream = await asker.follow(presence, { scope: { userIds: [person.id, asker.id] } });
    const first = (await stream.until('CaughtUp')).find(({ user }) => user?.id === person.id)?.user.presence;
    expect(first).toMatchObject({ state: 'UNKNOWN', online: null });
    expect(Date.parse(first.lastSeenAt)).toBeGreaterThanOrEqual(before);
    await stream.next(isOf(person, false));
    expect(await stateOf(asker, person)).toMatchObject({ state: 'OFFLINE', online: false, lastSeenAt: first.lastSeenAt });
  });

  it('keeps over a restart when somebody was there last', async () => {
    await using server = await startTestServer({ PRESENCE_GRACE_SECONDS: '0' });
    const [watcher, person] = (await server.people(2)) as [Person, Person];
    const stream = await watcher.follow(presence, { scope: { userIds: [person.id] } });
    (await comeOnline(server, person)).close();
    const { user } = await stream.next(({ snapshot, user: about }) => snapshot === false && about.presence.online === false);
    await server.restart();
    expect(await stateOf(watcher, person)).toEqual({ state: 'OFFLINE', online: false, lastSeenAt: user.presence.lastSeenAt });
  });

  it('tells a reader that was too slow for the changes how everybody is when it has caught up', async () => {
    await using server = await startTestServer({ PRESENCE_GRACE_SECONDS: '0', SLOW_CONSUMER_SECONDS: '60' });
    const [slow, restless, friend] = (await server.people(3)) as [Person, Person, Person];
    const room = await friend.createRoom({ members: [{ id: slow.id }] });
    await change(slow, 'addContacts', { users: [{ id: restless.id }, { id: friend.id }] });
    using raw = await openRawSocket(server, { init: { authorization: `Bearer ${slow.token}` } });
    raw.subscribe('1', 'subscription { events { __typename ... on MessageAdded { message { text } } ... on PresenceChanged { snapshot user { id presence { online } } } } }');
    const items = (): Untyped[] => raw.got.flatMap(({ payload }) => payload?.data?.events ?? []);
    await expect.poll(async () => (await friend.send(room, 'open?')) && items().length, { timeout: 5_000 }).toBeGreaterThan(0);
    raw.socket.pause();
    // More than the wire takes, and then more changes than a stream keeps: the last one is left out.
    const long = '🙂'.repeat(4_000);
    for (let sent = 0; sent < 500; sent += 20) await Promise.all(Array.from({ length: 20 }, () => friend.send(room, long)));
    for (let times = 0; times < 110; times++) {
      (await comeOnline(server, restless)).cut();
      await expect.poll(() => server.app.presence.isConnected(numberOf(restless.id, 'User') ?? noUser), { interval: 2 }).toBe(false);
      await sleep(2);
    }
    const there = await comeOnline(server, friend);
    await expect.poll(() => stateOf(slow, friend)).toMatchObject({ online: true });
    raw.socket.resume();
    const last = (): Untyped | undefined => items().findLast(({ user }) => user?.id === friend.id);
    await expect.poll(last, { timeout: 10_000 }).toMatchObject({ snapshot: true, user: { presence: { online: true } } });
    expect(items().filter(({ message }) => message?.text === long)).toHaveLength(500);
    there.cut();
    await expect.poll(last).toMatchObject({ snapshot: false, user: { presence: { online: false } } });
  });

  it('answers for a hidden chat as for none, and for a room with a password that it is for members', async () => {
    await using server = await startTestServer();
    const [owner, stranger] = (await server.people(2)) as [Person, Person];
    const [hidden, locked, open] = [await owner.createRoom({ visibility: 'PRIVATE' }), await owner.createRoom({ password: 'sesame' }), await owner.createRoom()];
    const codes = async (chatId: string): Promise<unknown[]> => {
      const answers = [await stranger.follow(presence, { scope: { chatId } }), await stranger.follow(typing, { chatId })];
      return Promise.all(answers.map(async (stream) => (await stream.ended()).errors?.[0]));
    };
    const absent = Buffer.from('Room:999').toString('base64');
    expect(await codes(hidden.id)).toEqual(await codes(absent));
    expect(await codes(hidden.id)).toMatchObject([{ extensions: { code: 'NOT_FOUND' } }, { extensions: { code: 'NOT_FOUND' } }]);
    expect(await codes(locked.id)).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }, { extensions: { code: 'FORBIDDEN' } }]);
    expect(await setTyping(stranger, hidden.id)).toMatchObject({ data: { setTyping: { __typename: 'NotFoundError' } } });
    expect(await setTyping(stranger, open.id)).toMatchObject({ data: { setTyping: { __typename: 'ForbiddenError' } } });
    const stream = await stranger.follow(presence, { scope: { chatId: open.id } });
    expect(changes(await stream.until('CaughtUp'))).toEqual([[owner.id, false]]);
  });

  it('follows the members of a room as they come and go, until the room is lost', async () => {
    await using server = await startTestServer(quick);
    const [owner, watcher, member, later] = (await server.people(4)) as [Person, Person, Person, Person];
    const room = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: watcher.id }, { id: member.id }] });
    const stream = await watcher.follow(presence, { scope: { chatId: room.id } });
    const first = await stream.until('CaughtUp');
    expect(new Set(changes(first).map(([id]) => id))).toEqual(new Set([owner.id, watcher.id, member.id]));
    const add = (who: Person): Promise<unknown> => change(owner, 'addMembers', { roomId: room.id, users: [{ id: who.id }] });
    const remove = (who: Person): Promise<unknown> => change(owner, 'removeMember', { roomId: room.id, userId: who.id });
    const sockets = [await comeOnline(server, later), await comeOnline(server, member)];
    await stream.next(isOf(member, true));
    await add(later);
    await stream.next(isOf(later, true));
    await remove(later);
    for (const socket of sockets) socket.close();
    await stream.next(isOf(member, false));
    expect(stream.items.some(isOf(later, false))).toBe(false);
    await remove(watcher);
    await stream.ended();
  });

  it('follows contacts and dialog partners, also new ones, alone and among all events', async () => {
    await using server = await startTestServer(quick);
    const [watcher, contact, partner, later, newcomer, stranger] = (await server.people(6)) as [Person, Person, Person, Person, Person, Person];
    await watcher.must('mutation ($id: ID!) { addContacts(input: { users: [{ id: $id }] }) { __typename } }', { id: contact.id });
    await partner.send({ username: watcher.username }, 'hello');
    const [alone, all] = [await watcher.follow(presence, { scope: { contacts: true } }), await watcher.follow(events)];
    const first = await alone.until('CaughtUp');
    expect(new Set(changes(first).map(([id]) => id))).toEqual(new Set([contact.id, partner.id]));
    const sockets = new Map<Person, Awaited<ReturnType<typeof comeOnline>>>();
    for (const person of [stranger, contact, partner]) sockets.set(person, await comeOnline(server, person));
    for (const stream of [alone, all]) for (const person of [contact, partner]) await stream.next(isOf(person, true));
    // A new contact who is there already, and somebody who begins a dialog.
    for (const person of [later, newcomer]) sockets.set(person, await comeOnline(server, person));
    await watcher.must('mutation ($id: ID!) { addContacts(input: { users: [{ id: $id }] }) { __typename } }', { id: later.id });
    for (const stream of [alone, all]) await stream.next(isOf(later, true));
    await newcomer.send({ username: watcher.username }, 'hello');
    await alone.next(isOf(newcomer, true));
    sockets.get(newcomer)?.close();
    for (const stream of [alone, all]) await stream.next(isOf(newcomer, false));
    expect(changes([...alone.items, ...all.items]).some(([id]) => id === stranger.id)).toBe(false);
    // No contact any more, and no dialog: nothing is told of who is not watched.
    await watcher.must('mutation ($id: ID!) { removeContacts(input: { userIds: [$id] }) { __typename } }', { id: later.id });
    sockets.get(later)?.close();
    sockets.get(contact)?.close();
    await alone.next(isOf(contact, false));
    await all.next(isOf(contact, false));
    expect([...alone.items, ...all.items].some(isOf(later, false))).toBe(false);
  });

  it('counts and lists who is online', async () => {
    await using server = await startTestServer(quick);
    const [owner, member, away, outsider] = (await server.people(4)) as [Person, Person, Person, Person];
    const room = await owner.createRoom({ members: [{ id: member.id }, { id: away.id }] });
    await comeOnline(server, member);
    await comeOnline(server, outsider);
    const seen = await owner.must(
      `query ($id: ID!) { on: registeredUsers(filter: { online: true }) { totalCount nodes { id } } off: registeredUsers(filter: { online: false }) { totalCount nodes { id } }
        room(ref: { id: $id }) { onlineCount here: members(online: true) { nodes { user { id } } } gone: members(online: false) { nodes { user { id } } } } }`,
      { id: room.id },
    );
    const ids = (nodes: Untyped[]): string[] => nodes.map(({ id, user }) => id ?? user.id).sort();
    expect(ids(seen.on.nodes)).toEqual([member.id, outsider.id].sort());
    expect(ids(seen.off.nodes)).toEqual([owner.id, away.id].sort());
    expect([seen.on.totalCount, seen.off.totalCount, seen.room.onlineCount]).toEqual([2, 2, 1]);
    expect([ids(seen.room.here.nodes), ids(seen.room.gone.nodes)]).toEqual([[member.id], [owner.id, away.id].sort()]);
  });
});

describe('typing', () => {
  const brief = { TYPING_SECONDS: '1', TYPING_REPEAT_SECONDS: '0' };
  const heard = (stream: { items: Item[] }): boolean[] => stream.items.filter(({ __typename }) => __typename === 'TypingChanged').map(({ active }) => active);

  async function threeInARoom(server: TestServer, input: Untyped = {}) {
    const [typist, member, stranger] = (await server.people(3)) as [Person, Person, Person];
    const room = await typist.createRoom({ visibility: 'PRIVATE', members: [{ id: member.id }], ...input });
    return { typist, member, stranger, room };
  }

  it('is heard by the other members only, in their own streams and in that of the chat, and is over by itself', async () => {
    await using server = await startTestServer(brief);
    const { typist, member, stranger, room } = await threeInARoom(server);
    const streams = [await member.follow(events), await member.follow(typing, { chatId: room.id })];
    const deaf = [await typist.follow(events), await typist.follow(typing, { chatId: room.id }), await stranger.follow(events)];
    await typist.send(room, 'now');
    await streams[0]?.next('MessageAdded');
    const { data } = await setTyping(typist, room.id);
    for (const stream of streams) {
      expect(await stream.next('TypingChanged')).toMatchObject({ active: true, expiresAt: data?.setTyping.expiresAt, user: { id: typist.id } });
      expect(await stream.next('TypingChanged', 3_000)).toMatchObject({ active: false });
    }
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(data?.setTyping.expiresAt) - 50);
    await typist.send(room, 'done');
    await deaf[0]?.next('MessageAdded');
    for (const stream of deaf) expect(heard(stream)).toEqual([]);
  });

  it('is over when it is said to be, and when the message is sent', async () => {
    await using server = await startTestServer({ TYPING_SECONDS: '600' });
    const { typist, member, room } = await threeInARoom(server);
    const stream = await member.follow(events);
    // From here on it is live: who types is told to nobody later.
    await typist.send(room, 'now');
    await stream.next('MessageAdded');
    await setTyping(typist, room.id);
    await setTyping(typist, room.id, false);
    await setTyping(typist, room.id);
    await typist.send(room, 'here it is');
    await stream.next('MessageAdded');
    await typist.send(room, 'and more');
    await stream.next('MessageAdded');
    expect(heard(stream)).toEqual([true, false, true, false]);
  });

  it('is passed on at most so often while it goes on', async () => {
    await using server = await startTestServer({ TYPING_SECONDS: '600', TYPING_REPEAT_SECONDS: '1' });
    const { typist, member, room } = await threeInARoom(server);
    const stream = await member.follow(typing, { chatId: room.id });
    const begun = Date.now();
    while (Date.now() - begun < 700) await setTyping(typist, room.id);
    expect(heard(stream)).toEqual([true]);
    await sleep(1_100 - (Date.now() - begun));
    await setTyping(typist, room.id);
    await stream.next(() => heard(stream).length === 2);
  });

  it('is not heard by who was removed, nor by a guest of a public room', async () => {
    await using server = await startTestServer({ TYPING_SECONDS: '600', TYPING_REPEAT_SECONDS: '0' });
    const { typist, member, stranger, room } = await threeInARoom(server, { visibility: 'PUBLIC' });
    const witness = (await server.person()) as Person;
    await typist.must('mutation ($room: ID!, $user: ID!) { addMembers(input: { roomId: $room, users: [{ id: $user }] }) { __typename } }', { room: room.id, user: witness.id });
    const [own, ofChat, kept] = [await member.follow(events), await member.follow(typing, { chatId: room.id }), await witness.follow(events)];
    expect((await (await stranger.follow(typing, { chatId: room.id })).ended()).errors).toMatchObject([{ extensions: { code: 'FORBIDDEN', forbiddenReason: 'NOT_A_MEMBER' } }]);
    await setTyping(typist, room.id);
    for (const stream of [own, ofChat, kept]) await stream.next('TypingChanged');
    await typist.must('mutation ($room: ID!, $user: ID!) { removeMember(input: { roomId: $room, userId: $user }) { __typename } }', { room: room.id, user: member.id });
    await setTyping(typist, room.id, false);
    await kept.next(({ active }) => active === false);
    await ofChat.ended();
    for (const stream of [own, ofChat]) expect(heard(stream)).toEqual([true]);
  });
});
