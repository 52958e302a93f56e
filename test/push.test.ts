/** F24 of test/features.test.ts in full: Web Push to a browser that is closed. The push service is a real one, and reads what it gets with the browser's keys. */
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { numberOf } from '../src/ids.ts';
import { isPublicAddress, post, refusalOf } from '../src/outgoing.ts';
import { bearer, change, nobody, outcome, read } from './kit/outcome.ts';
import type { Person, Untyped } from './kit/person.ts';
import { type PushService, startPushService } from './kit/push-service.ts';
import { rowsOf } from './kit/rows.ts';
import { type Overrides, startTestServer } from './kit/server.ts';

/** A name of the public internet by its looks, which leads here. The resolver is the operating system's: none can be had that says so everywhere. */
const inward = 'inward.example.org';
const { lookup } = dns;
beforeAll(() =>
  resolveBy(((hostname: string, options: object, callback: (error: Error | null, addresses: object[]) => void): void =>
    hostname === inward ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : lookup(hostname, options, callback as never)) as typeof lookup),
);
afterAll(() => resolveBy(lookup));
function resolveBy(how: typeof lookup): void {
  dns.lookup = how;
  syncBuiltinESMExports();
}

const settings: Overrides = { PUSH_TO_PRIVATE_ADDRESSES: 'on', PUSH_RETRY_SECONDS: '0', PRESENCE_GRACE_SECONDS: '60', PUBLIC_URL: 'https://chat.example.org' };
const device = 'device { id label createdAt lastSuccessAt lastError }';
const register = (who: Pick<Person, 'request'>, { webPush }: ReturnType<PushService['subscribe']>, label?: string): Promise<Untyped> =>
  change(who, 'registerPushDevice', { webPush, ...(label ? { label } : {}) }, device).then((payload) => payload.device);
const devices = async (who: Pick<Person, 'request'>): Promise<Untyped[]> =>
  (await read(who, '{ me { account { pushDevices { id label lastSuccessAt lastError } } } }')).account.pushDevices;

async function startWorld(more: Overrides = {}) {
  const server = await startTestServer({ ...settings, ...more });
  const { webPushPublicKey } = await read(nobody(server), '{ serverInfo { webPushPublicKey capabilities } }');
  const service = await startPushService(() => webPushPublicKey);
  return {
    server,
    service,
    /** Resolves when so many were taken, and nothing else comes. */
    async pushed(count: number, quietMs = 150): Promise<Untyped[]> {
      await vi.waitUntil(() => service.deliveries.length >= count || service.problems.length > 0, { timeout: 5_000, interval: 5 });
      await new Promise((resolve) => setTimeout(resolve, quietMs));
      expect(service.problems).toEqual([]);
      expect(service.deliveries).toHaveLength(count);
      return service.deliveries.map(({ payload }) => payload);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await server[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    },
  };
}

describe('a closed browser', () => {
  it('is sent what others write, once, encrypted for it alone and signed by the server', async () => {
    await using world = await startWorld();
    const { server, service } = world;
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const [laptop, phone] = [service.subscribe(), service.subscribe()];
    await register(ben, laptop, 'Laptop');
    await register(ben, phone);
    await register(ada, service.subscribe());
    const { message } = await ada.send({ username: ben.username }, 'hello');
    const [payload] = await world.pushed(2);
    expect(payload).toEqual({
      type: 'DIRECT_MESSAGE',
      chatId: message.chat.id,
      messageId: message.id,
      notificationId: expect.any(String),
      reason: 'MESSAGE',
      threadRootId: null,
      summary: `${ada.username}: hello`,
    });
    expect(service.deliveries.map(({ browser }) => browser).sort()).toEqual([laptop.browser, phone.browser]);
    expect(service.deliveries[0]).toMatchObject({ contact: 'https://chat.example.org', headers: { ttl: '86400', urgency: 'high', 'content-encoding': 'aes128gcm' } });
    expect(await read(ben, 'query ($id: ID!) { node(id: $id) { ... on Notification { message { id } } } }', { id: payload?.notificationId })).toEqual({
      message: { id: message.id },
    });
    const [first, second] = await devices(ben);
    expect(first).toMatchObject({ label: 'Laptop', lastSuccessAt: expect.any(String), lastError: null });
    expect(second).toMatchObject({ label: null, lastSuccessAt: expect.any(String) });
    const room = await ada.createRoom({ name: 'Chess', members: [{ id: ben.id }] });
    await ada.send(room, 'in the room');
    expect((await world.pushed(4))[3]).toMatchObject({ type: 'ROOM_MESSAGE', chatId: room.id, summary: `${ada.username} (Chess): in the room` });
  });

  it('is left alone while something of its owner is connected, and told again when nothing is', async () => {
    await using world = await startWorld();
    const [ada, ben] = (await world.server.people(2)) as [Person, Person];
    await register(ben, world.service.subscribe());
    const stream = await ben.follow('subscription { newMessages { __typename ... on MessageAdded { message { text } } } }');
    const { message } = await ada.send({ username: ben.username }, 'seen live');
    await stream.next('MessageAdded');
    // Whom it goes to is decided a moment later, on a busy machine a long one.
    const { sql } = world.server.app.db;
    await expect
      .poll(async () => (await sql.all<{ number: number }>('SELECT "number" FROM "LogPosition"', []))[0]?.number)
      .toBeGreaterThan(numberOf(message.id, 'Message') as number);
    await world.pushed(0);
    await stream.socket.close();
    await vi.waitUntil(() => world.server.followers() === 0, { interval: 2, timeout: 10_000 });
    await ada.send({ username: ben.username }, 'not seen');
    expect(await world.pushed(1)).toMatchObject([{ summary: `${ada.username}: not seen` }]);
  });

  it('is told nothing of the own messages, of deleted or read ones, of chats that were left, or of what was before it was registered', async () => {
    await using world = await startWorld({ PUSH_RETRY_SECONDS: '1' });
    const { server, service } = world;
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    await ada.send(room, 'before');
    await register(ben, service.subscribe());
    await ben.send(room, 'own');
    await world.pushed(0, 300);
    // While the push service is away, each becomes pointless in its own way.
    service.answerAlways(503);
    const gone = (await ada.send(room, 'deleted')).message;
    const read = (await ada.send({ username: ben.username }, 'read')).message;
    const marked = (await ada.send({ username: ben.username }, 'marked')).message;
    const left = await ada.createRoom({ members: [{ id: ben.id }] });
    await ada.send(left, 'left');
    await ada.send(room, 'still there');
    await vi.waitUntil(() => service.asked >= 5, { timeout: 5_000 });
    await change(ada, 'deleteMessage', { messageId: gone.id });
    await change(ben, 'markNotificationsRead', { ids: [Buffer.from(Buffer.from(marked.id, 'base64').toString().replace('Message', 'Notification')).toString('base64')] });
    await change(ben, 'markRead', { chatId: read.chat.id, upToSeq: 1 });
    await change(ben, 'leaveChat', { chatId: left.id });
    service.answerAlways(201);
    expect(await world.pushed(1, 500)).toMatchObject([{ summary: expect.stringContaining('still there') }]);
  });

  it('is sent what notifies its owner, with the reason, and no more of it than they want to have on a locked screen', async () => {
    await using world = await startWorld();
    const { server, service } = world;
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    await register(ben, service.subscribe());
    const room = await ada.createRoom({ name: 'Chess', members: [{ id: ben.id }] });
    const say = async (text: string, more: Untyped = {}): Promise<Untyped> =>
      (await change(ada, 'sendMessage', { to: { chatId: room.id }, text, ...more }, 'message { id }')).message;
    const users = [{ id: ben.id }];
    const set = (input: Untyped) => change(ben, 'updateMyChat', { chatId: room.id, ...input });
    await set({ notificationLevel: 'MENTIONS' });
    const plain = await say('plain');
    await say('here', { mentions: { all: 'HERE' } });
    // Who is named by an edit is not told of an old message.
    await change(ada, 'editMessage', { messageId: (await say('old')).id, text: 'old' });
    await say('named', { threadRootId: plain.id, mentions: { users } });
    expect(await world.pushed(1)).toMatchObject([{ reason: 'MENTION', threadRootId: plain.id, summary: `${ada.username} (Chess): named` }]);
    await change(ada, 'editMessage', { messageId: plain.id, text: 'for Ben', mentions: { users } });
    await change(ben, 'updateNotificationSettings', { pushContent: 'SENDER' });
    await say('to all', { mentions: { all: 'EVERYONE' } });
    expect((await world.pushed(2))[1]).toMatchObject({ reason: 'EVERYONE', threadRootId: null, summary: `${ada.username} (Chess)` });
    await change(ben, 'updateNotificationSettings', { pushContent: 'NOTHING' });
    await set({ notificationLevel: 'ALL' });
    await say('here', { mentions: { all: 'HERE' } });
    expect((await world.pushed(3))[2]).toMatchObject({ reason: 'MESSAGE', summary: '' });
    await set({ mutedUntil: new Date(Date.now() + 60_000).toISOString() });
    await say('muted', { mentions: { users } });
    await change(ben, 'updateNotificationSettings', { pausedUntil: new Date(Date.now() + 60_000).toISOString() });
    await ada.send({ username: ben.username }, 'paused');
    await world.pushed(3, 500);
  });

  it('gets what could not be sent at once later, by growing pauses and as the push service asks, and not for ever', async () => {
    await using world = await startWorld({ PUSH_TRIES: '4' });
    const { server, service } = world;
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    await register(ben, service.subscribe());
    service.answerNext(503, 429, { status: 503, headers: { 'retry-after': '1' } });
    const began = Date.now();
    await ada.send({ username: ben.username }, 'tried again');
    await world.pushed(1);
    expect(Date.now() - began).toBeGreaterThanOrEqual(1_000);
    expect(service.asked).toBe(4);
    expect(await devices(ben)).toMatchObject([{ lastSuccessAt: expect.any(String), lastError: null }]);
    service.answerAlways(500);
    await ada.send({ username: ben.username }, 'given up');
    await vi.waitUntil(async () => (await rowsOf(server.app.db).push.count()) === 0 && service.asked === 8, { timeout: 5_000 });
    expect(await devices(ben)).toMatchObject([{ lastSuccessAt: expect.any(String), lastError: 'The push service answered 500.' }]);
    service.answerAlways(400);
    await ada.send({ username: ben.username }, 'refused');
    await vi.waitUntil(async () => (await devices(ben))[0]?.lastError === 'The push service answered 400.', { timeout: 5_000 });
    await world.pushed(1);
    expect(service.asked).toBe(9);
  });

  it('is no device any more when its push service says that it is gone', async () => {
    await using world = await startWorld();
    const { server, service } = world;
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const { eventCursor: after } = await ben.must('{ eventCursor }');
    for (const status of [404, 410]) {
      await register(ben, service.subscribe());
      service.answerAlways(status);
      await ada.send({ username: ben.username }, 'to nobody');
      await vi.waitUntil(async () => (await devices(ben)).length === 0, { timeout: 5_000 });
    }
    const { items } = await read(ben, 'query ($after: EventCursor!) { sync(after: $after) { items { __typename } } }', { after });
    expect(items.at(-1)).toEqual({ __typename: 'AccountChanged' });
    service.answerAlways(201);
    await ada.send({ username: ben.username }, 'to nobody');
    await world.pushed(0);
    expect(service.asked).toBe(2);
    expect(await rowsOf(server.app.db).push.count()).toBe(0);
  });

  it('loses nothing and gets nothing twice over a restart of the server', async () => {
    await using world = await startWorld({ PUSH_RETRY_SECONDS: '1' });
    const { server, service } = world;
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    await register(ben, service.subscribe());
    await ada.send({ username: ben.username }, 'sent');
    await world.pushed(1);
    service.answerAlways(503);
    await ada.send({ username: ben.username }, 'waiting');
    await vi.waitUntil(() => service.asked >= 2, { timeout: 5_000 });
    // Stored, and not looked at: the server stops at once.
    await ada.send({ username: ben.username }, 'just stored');
    await server.restart();
    service.answerAlways(201);
    const summaries = (await world.pushed(3, 500)).map(({ summary }) => summary.split(': ')[1]);
    expect(summaries.sort()).toEqual(['just stored', 'sent', 'waiting']);
    await server.restart();
    await world.pushed(3, 300);
  });

  it('does not hold up a stop of the server by not answering', async () => {
    await using world = await startWorld();
    const { server, service } = world;
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    await register(ben, service.subscribe());
    service.answerNext('hang');
    await ada.send({ username: ben.username }, 'x');
    await vi.waitUntil(() => service.asked === 1, { timeout: 5_000 });
    const began = Date.now();
    await server.restart();
    expect(Date.now() - began).toBeLessThan(4_000);
    await world.pushed(1);
  });

  it('is not held up by push services that switch protocols, or never answer', { timeout: 30_000 }, async () => {
    await using world = await startWorld();
    const { server, service } = world;
    const [ada, ben, ...others] = (await server.people(14)) as [Person, Person, ...Person[]];
    const laptop = service.subscribe();
    await register(ben, laptop);
    await ada.send({ username: ben.username }, 'first');
    await world.pushed(1);
    for (const person of others) {
      for (let count = 0; count < 5; count++) {
        const subscription = service.subscribe();
        service.answerFor(subscription.browser, person === others[0] ? 'switch protocols' : 'hang');
        await register(person, subscription);
      }
    }
    for (const person of others) await ada.send({ username: person.username }, 'x');
    await vi.waitUntil(() => service.asked >= 15, { timeout: 5_000 });
    await ada.send({ username: ben.username }, 'second');
    expect((await world.pushed(2))[1]).toMatchObject({ summary: expect.stringContaining('second') });
    await vi.waitUntil(async () => (await devices(others[0] as Person)).every(({ lastError }) => lastError === 'The push service answered 101.'), {
      timeout: 20_000,
      interval: 50,
    });
  });

  it('ends with the session that registered it', async () => {
    await using world = await startWorld();
    const { server, service } = world;
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const { auth } = await change(nobody(server), 'login', { login: ben.username, password: ben.password }, 'auth { accessToken }');
    const other = bearer(server, auth.accessToken);
    await register(other, service.subscribe(), 'left behind');
    await register(ben, service.subscribe(), 'kept');
    expect((await devices(ben)).map(({ label }) => label)).toEqual(['left behind', 'kept']);
    await change(other, 'logout', {});
    expect((await devices(ben)).map(({ label }) => label)).toEqual(['kept']);
    await ada.send({ username: ben.username }, 'hello');
    await world.pushed(1);
    expect(service.deliveries[0]?.browser).toBe(1);
    await vi.waitUntil(async () => (await rowsOf(server.app.db).pushDevice.count()) === 1, { timeout: 5_000 });
  });
});

describe('registering a browser', () => {
  it('keeps one device for one endpoint, moves it to the account that registers it last, and takes at most 20', async () => {
    await using world = await startWorld();
    const { server, service } = world;
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const shared = service.subscribe();
    const first = await register(ben, shared, 'one');
    expect(await register(ben, shared, 'two')).toMatchObject({ id: first.id, label: 'two' });
    expect(await devices(ben)).toMatchObject([{ id: first.id, label: 'two' }]);
    await register(ada, shared);
    expect(await devices(ben)).toEqual([]);
    await ben.send({ username: ada.username }, 'for Ada');
    await ada.send({ username: ben.username }, 'for Ben');
    expect(await world.pushed(1)).toMatchObject([{ summary: `${ben.username}: for Ada` }]);
    const wanted = service.subscribe();
    const crowd = await server.people(6);
    await Promise.all(crowd.map((person) => register(person, wanted)));
    expect((await Promise.all(crowd.map(devices))).flat()).toHaveLength(1);
    const made = await Promise.all(Array.from({ length: 25 }, () => outcome(ben, 'registerPushDevice', { webPush: service.subscribe().webPush })));
    expect(made.filter((each) => each === 'done')).toHaveLength(20);
    expect(made.filter((each) => each === 'QUOTA_EXCEEDED')).toHaveLength(5);
    expect(
      await read(ben, 'mutation ($input: RegisterPushDeviceInput!) { registerPushDevice(input: $input) { ... on QuotaExceededError { limit used httpStatus } } }', {
        input: { webPush: shared.webPush },
      }),
    ).toEqual({
      limit: 20,
      used: 20,
      httpStatus: 409,
    });
    const [{ id }] = (await devices(ben)) as [Untyped];
    expect(await outcome(ada, 'unregisterPushDevice', { deviceId: id })).toBe('NOT_FOUND PushDevice');
    expect(await read(ada, 'query ($id: ID!) { nodes(ids: [$id]) { id } }', { id })).toEqual([null]);
    expect(await read(ben, 'query ($id: ID!) { nodes(ids: [$id]) { id } }', { id })).toEqual([{ id }]);
    expect(await change(ben, 'unregisterPushDevice', { deviceId: id }, 'deviceId')).toMatchObject({ deviceId: id });
    expect(await outcome(ben, 'unregisterPushDevice', { deviceId: id })).toBe('NOT_FOUND PushDevice');
    expect(await outcome(ben, 'unregisterPushDevice', { deviceId: 'x' })).toBe('NOT_FOUND PushDevice');
    expect(await devices(ben)).toHaveLength(19);
  });

  it('refuses endpoints that are not of the public internet, and keys that are none', async () => {
    await using server = await startTestServer();
    await using service = await startPushService(() => '');
    const ada = await server.person();
    const { webPush } = service.subscribe();
    const good = { ...webPush, endpoint: 'https://push.example.org/x' };
    const private_ = [
      'http://push.example.org/x',
      'https://127.0.0.1/',
      'https://[::1]/',
      'https://localhost/',
      'https://10.1.2.3/',
      'https://169.254.169.254/latest',
      'https://[::ffff:10.0.0.1]/',
    ];
    for (const endpoint of [
      ...private_,
      'https://2130706433/',
      'https://0x7f.1/',
      'https://printer.local/',
      'https://intranet/',
      'https://a:b@push.example.org/',
      `https://push.example.org/${'x'.repeat(2000)}`,
    ])
      expect([endpoint, await outcome(ada, 'registerPushDevice', { webPush: { ...good, endpoint } })]).toEqual([endpoint, 'VALIDATION_FAILED webPush.endpoint endpoint']);
    for (const p256dh of ['', 'x', Buffer.alloc(65, 4).toString('base64url'), `${good.p256dh}x`])
      expect(await outcome(ada, 'registerPushDevice', { webPush: { ...good, p256dh } })).toBe('VALIDATION_FAILED webPush.p256dh format');
    for (const auth of ['', 'x', Buffer.alloc(15).toString('base64url'), Buffer.alloc(17).toString('base64url')])
      expect(await outcome(ada, 'registerPushDevice', { webPush: { ...good, auth } })).toBe('VALIDATION_FAILED webPush.auth format');
    expect(await outcome(ada, 'registerPushDevice', { webPush: good, label: 'a\nb' })).toBe('VALIDATION_FAILED label characters');
    expect(await outcome(ada, 'registerPushDevice', { webPush: { ...good, endpoint: 'push.example.org' } })).toBe('top: BAD_REQUEST');
    expect(await outcome(ada, 'registerPushDevice', { webPush: { ...good, p256dh: `${good.p256dh}=`, auth: `${good.auth}==` } })).toBe('done');
  });

  it('looks where a name leads when it sends, too', async () => {
    await using service = await startPushService(() => '');
    const asked = { headers: {}, body: Buffer.from('x'), timeoutMs: 1_000, signal: new AbortController().signal };
    const port = new URL(service.origin).port;
    await expect(post(`https://${inward}:${port}/0`, { ...asked, allowPrivate: false })).rejects.toThrow('the name leads into a private network');
    await expect(post(`http://127.0.0.1:${port}/0`, { ...asked, allowPrivate: false })).rejects.toThrow('Only https');
    expect(service.asked).toBe(0);
    expect(await post(`http://127.0.0.1:${port}/0`, { ...asked, allowPrivate: true })).toMatchObject({ status: 201 });
    expect(['1.1.1.1', '2606:4700::1111', '172.32.0.1'].filter((each) => !isPublicAddress(each))).toEqual([]);
    expect(
      ['100.64.0.1', '172.16.0.1', '192.168.1.1', '224.0.0.1', '255.255.255.255', 'fe80::1', 'fd00::1', '::', '64:ff9b::a00:1', '2002:a00:1::', 'x'].filter(isPublicAddress),
    ).toEqual([]);
    expect(refusalOf('https://push.example.org/x', false)).toBeNull();
  });

  it('has a key that stays the same', async () => {
    await using server = await startTestServer();
    const key = async () => (await read(nobody(server), '{ serverInfo { webPushPublicKey capabilities } }')) as Untyped;
    const before = await key();
    expect(Buffer.from(before.webPushPublicKey, 'base64url')).toHaveLength(65);
    expect(before.capabilities).toContain('WEB_PUSH');
    await server.restart();
    expect(await key()).toEqual(before);
  });
});
