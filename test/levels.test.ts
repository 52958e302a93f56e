/** One's own view of a chat: what of it notifies, mute, put away, on top, to come back to. Levels are looked at when something is read or pushed, and one number for icons follows from them. */
import { describe, expect, it, vi } from 'vitest';
import { change, outcome, read } from './kit/outcome.ts';
import type { Item, Person, Untyped } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

type Three = [Person, Person, Person];
const some = (people: Person[]) => people as Three;
const view = 'notificationLevel mutedUntil archived pinnedAt markedUnread';
const mine = async (who: Person, id: string): Promise<Untyped> => (await read(who, `query ($id: ID!) { chat(id: $id) { my { ${view} } } }`, { id })).my;
const set = (who: Person, chatId: string, input: Untyped) => outcome(who, 'updateMyChat', { chatId, ...input });
const say = async (who: Person, chatId: string, text: string, more: Untyped = {}): Promise<Untyped> =>
  (await change(who, 'sendMessage', { to: { chatId }, text, ...more }, 'message { id seq }')).message;
const notices = async (who: Person, args = 'first: 50'): Promise<Untyped> => {
  const found = await read(who, `{ notifications(${args}) { unreadCount nodes { reason message { text } } pageInfo { endCursor hasNextPage } } }`);
  return { unread: found.unreadCount, texts: found.nodes.map(({ message, reason }: Untyped) => `${message.text} ${reason}`), end: found.pageInfo.endCursor };
};
const badge = async (who: Person) => (await read(who, '{ me { account { badgeCount } } }')).account.badgeCount;
const later = (ms: number): string => new Date(Date.now() + ms).toISOString();
const far = later(86_400_000);
const events = `subscription { events { __typename ... on MyChatChanged { chat { id my { ${view} } } } ... on AccountChanged { me { account { badgeCount notificationSettings { roomLevel } } } }
  ... on NotificationAdded { notification { reason message { text } } } ... on MessageAdded { message { text } } } }`;
const told = (items: readonly Item[]): string[] => items.filter(({ __typename }) => __typename === 'NotificationAdded').map(({ notification }) => notification.message.text);
/** Of each kind that can notify, one message of Ben's, or the words of it. */
async function everything(ada: Person, ben: Person, room: string): Promise<string[]> {
  const root = await say(ada, room, 'root');
  await say(ben, room, 'plain');
  await say(ben, room, 'here', { mentions: { all: 'HERE' } });
  await say(ben, room, 'everyone', { mentions: { all: 'EVERYONE' } });
  await say(ben, room, 'answer', { replyToId: root.id });
  await say(ben, room, 'named', { mentions: { users: [{ id: ada.id }] } });
  await say(ben, room, 'in thread', { threadRootId: root.id });
  await say(ben, room, 'named in thread', { threadRootId: root.id, mentions: { users: [{ id: ada.id }] } });
  return ['named in thread MENTION', 'in thread THREAD_REPLY', 'named MENTION', 'answer REPLY', 'everyone EVERYONE', 'here HERE', 'plain MESSAGE'];
}

describe('the own view of a chat', () => {
  it('is changed field by field, told to the own devices alone, and ends with the membership', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const plain = { notificationLevel: 'ALL', mutedUntil: null, archived: false, pinnedAt: null, markedUnread: false };
    expect(await mine(ben, room.id)).toEqual(plain);
    const [own, others] = [await ben.follow(events), await ada.follow(events)];
    expect(await set(ben, room.id, { notificationLevel: 'MENTIONS' })).toBe('done');
    expect((await own.next('MyChatChanged')).chat).toEqual({ id: room.id, my: { ...plain, notificationLevel: 'MENTIONS' } });
    await own.next('AccountChanged');
    expect(await set(ben, room.id, { mutedUntil: far, pinned: true, markedUnread: true })).toBe('done');
    expect(await set(ben, room.id, { archived: true })).toBe('done');
    const all = { notificationLevel: 'MENTIONS', mutedUntil: far, archived: true, pinnedAt: expect.any(String), markedUnread: true };
    const before = await mine(ben, room.id);
    expect(before).toEqual(all);
    // The same again changes nothing.
    expect(await set(ben, room.id, { pinned: true, archived: true, mutedUntil: far })).toBe('done');
    expect(await mine(ben, room.id)).toEqual(before);
    const list = async (filter: string) => (await read(ben, `{ chats(filter: { ${filter} }) { totalCount } }`)).totalCount;
    expect([await list('archived: true'), await list('archived: false'), await list('pinned: true'), await list('pinned: false'), await list('kind: ROOM')]).toEqual([
      1, 0, 1, 0, 1,
    ]);
    await change(ben, 'markRead', { chatId: room.id, upToSeq: 0 });
    expect(await mine(ben, room.id)).toEqual({ ...all, markedUnread: false });
    expect((await own.until((item) => item.chat?.my.archived && !item.chat?.my.markedUnread)).map(({ __typename }) => __typename)).toContain('MyChatChanged');
    expect(await set(ben, room.id, { notificationLevel: null, mutedUntil: null, archived: false, pinned: false })).toBe('done');
    expect(await mine(ben, room.id)).toEqual(plain);

    for (const field of ['archived', 'pinned', 'markedUnread']) expect(await set(ben, room.id, { [field]: null })).toBe(`VALIDATION_FAILED ${field} required`);
    for (const mutedUntil of [later(-1_000), later(11 * 366 * 86_400_000)]) expect(await set(ben, room.id, { mutedUntil })).toBe('VALIDATION_FAILED mutedUntil future');
    expect(await set(cem, room.id, { pinned: true })).toBe('NOT_FOUND Chat');
    await set(ben, room.id, { pinned: true });
    await change(ben, 'leaveChat', { chatId: room.id });
    await change(ben, 'joinChat', { room: { id: room.id } });
    expect(await mine(ben, room.id)).toEqual(plain);
    await say(ada, room.id, 'the end');
    expect((await others.until((item) => item.message?.text === 'the end')).filter(({ __typename }) => /Changed$/.test(__typename))).toEqual([]);
  });
});

describe('what notifies', () => {
  it('is everything, what is for oneself, or nothing, in the list, its count and the stream', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(3));
    const room = await ben.createRoom({ members: [{ id: ada.id }] });
    const stream = await ada.follow(events);
    const all = await everything(ada, ben, room.id);
    const forMe = all.filter((text) => !/HERE|MESSAGE/.test(text));
    expect(await notices(ada)).toMatchObject({ unread: 7, texts: all });
    expect(told(await stream.until((item) => item.notification?.message.text === 'named in thread'))).toHaveLength(7);

    await set(ada, room.id, { notificationLevel: 'MENTIONS' });
    expect(await notices(ada)).toMatchObject({ unread: 5, texts: forMe });
    expect((await notices(ada, 'first: 50, unreadOnly: true')).texts).toEqual(forMe);
    // Page by page, and what was marked one by one is not unread.
    const paged: string[] = [];
    for (let after = ''; paged.length < forMe.length; ) {
      const page = await notices(ada, `first: 2${after}`);
      paged.push(...page.texts);
      after = `, after: "${page.end}"`;
    }
    expect(paged).toEqual(forMe);
    const { nodes } = await read(ada, '{ notifications(first: 2) { nodes { id } } }');
    expect((await change(ada, 'markNotificationsRead', { ids: nodes.map(({ id }: Untyped) => id) }, 'unreadCount')).unreadCount).toBe(3);
    expect((await notices(ada, 'first: 50, unreadOnly: true')).texts).toEqual(forMe.slice(2));
    await say(ben, room.id, 'plain');
    await say(ben, room.id, 'for you', { mentions: { users: [{ id: ada.id }] } });
    expect(told(await stream.until((item) => item.notification?.message.text === 'for you'))).toEqual(['for you']);

    for (const input of [{ notificationLevel: 'NOTHING' }, { notificationLevel: 'ALL', mutedUntil: far }]) {
      await set(ada, room.id, input);
      expect(await notices(ada)).toMatchObject({ unread: 0, texts: [] });
      await say(ben, room.id, 'quiet', { mentions: { users: [{ id: ada.id }], all: 'EVERYONE' } });
    }
    await ben.send({ username: ada.username }, 'direct');
    expect(told(await stream.until((item) => item.notification?.message.text === 'direct'))).toEqual(['direct']);
    // What is for oneself is counted, whether or not it notifies.
    expect((await read(ada, 'query ($id: ID!) { chat(id: $id) { my { highlightCount unreadCount } } }', { id: room.id })).my).toEqual({ highlightCount: 7, unreadCount: 11 });
    await set(ada, room.id, { mutedUntil: later(700) });
    await vi.waitUntil(async () => (await mine(ada, room.id)).mutedUntil === null, { timeout: 5_000, interval: 100 });
    expect((await notices(ada)).texts).toHaveLength(12);
  });

  it('is in rooms what the account says, where the room says nothing else', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(3));
    const rooms = [await ben.createRoom({ members: [{ id: ada.id }] }), await ben.createRoom({ members: [{ id: ada.id }] })] as [Untyped, Untyped];
    await set(ada, rooms[1].id, { notificationLevel: 'ALL' });
    await ben.send({ username: ada.username }, 'direct');
    for (const { id } of rooms) await say(ben, id, 'plain');
    const settings = async () => (await read(ada, '{ me { account { notificationSettings { roomLevel pushContent pausedUntil } } } }')).account.notificationSettings;
    expect(await settings()).toEqual({ roomLevel: 'ALL', pushContent: 'FULL', pausedUntil: null });
    const stream = await ada.follow(events);
    expect(await outcome(ada, 'updateNotificationSettings', { roomLevel: 'NOTHING', pushContent: 'SENDER', pausedUntil: far })).toBe('done');
    expect((await stream.next('AccountChanged')).me.account.notificationSettings).toEqual({ roomLevel: 'NOTHING' });
    expect(await settings()).toEqual({ roomLevel: 'NOTHING', pushContent: 'SENDER', pausedUntil: far });
    expect([(await mine(ada, rooms[0].id)).notificationLevel, (await mine(ada, rooms[1].id)).notificationLevel]).toEqual(['NOTHING', 'ALL']);
    expect((await notices(ada)).texts).toEqual(['plain MESSAGE', 'direct MESSAGE']);
    for (const [field, rule] of Object.entries({ roomLevel: 'required', pushContent: 'required' }))
      expect(await outcome(ada, 'updateNotificationSettings', { [field]: null })).toBe(`VALIDATION_FAILED ${field} ${rule}`);
    expect(await outcome(ada, 'updateNotificationSettings', { pausedUntil: later(-1_000) })).toBe('VALIDATION_FAILED pausedUntil future');
    expect(await outcome(ada, 'updateNotificationSettings', { pausedUntil: null })).toBe('done');
    expect(await settings()).toEqual({ roomLevel: 'NOTHING', pushContent: 'SENDER', pausedUntil: null });
  });
});

describe('the number on an icon', () => {
  it('is what is unread where everything notifies, the highlights elsewhere, and the threads with something new', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(3));
    const room = await ben.createRoom({ members: [{ id: ada.id }] });
    const direct = (await ben.send({ username: ada.username }, 'direct')).message.chat.id;
    await everything(ada, ben, room.id);
    // One direct message, seven in the room, and one thread.
    expect(await badge(ada)).toBe(9);
    await set(ada, room.id, { notificationLevel: 'MENTIONS' });
    expect(await badge(ada)).toBe(1 + 4 + 1);
    await set(ada, room.id, { notificationLevel: 'NOTHING' });
    expect(await badge(ada)).toBe(1);
    await set(ada, room.id, { notificationLevel: 'ALL', mutedUntil: far });
    expect(await badge(ada)).toBe(1);
    await set(ada, room.id, { mutedUntil: null });
    await set(ada, direct, { archived: true });
    expect(await badge(ada)).toBe(8);
    await change(ada, 'markRead', { chatId: room.id, upToSeq: 8 });
    expect(await badge(ada)).toBe(0);
  });
});

describe('a chat that was put away', () => {
  it('comes back by itself with a message that notifies, once', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(3));
    const room = await ben.createRoom({ members: [{ id: ada.id }] });
    await set(ada, room.id, { notificationLevel: 'MENTIONS', archived: true });
    const stream = await ada.follow(events);
    await say(ben, room.id, 'plain');
    await say(ada, room.id, 'own');
    await say(ben, room.id, 'named', { mentions: { users: [{ id: ada.id }] } });
    expect((await stream.next('MyChatChanged')).chat.my.archived).toBe(false);
    await set(ada, room.id, { mutedUntil: far, archived: true });
    await say(ben, room.id, 'muted', { mentions: { users: [{ id: ada.id }] } });
    await ben.send({ username: ada.username }, 'direct');
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect((await mine(ada, room.id)).archived).toBe(true);
    // What came while it was muted does not bring it back afterwards.
    await set(ada, room.id, { mutedUntil: null });
    await say(ben, room.id, 'plain');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await mine(ada, room.id)).archived).toBe(true);
  });
});
