/** Mentions: whom a message is for is said by ids, counted beside what is unread, and told to members alone. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { change, outcome, read } from './kit/outcome.ts';
import type { Person, Untyped } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

type Three = [Person, Person, Person];
const some = (people: Person[]) => people as Three;
const fields = 'id seq text mentions { writtenAs user { id username } } mentionsAll mentionsMe';
const say = (who: Person, to: Untyped, mentions: Untyped | null, more: Untyped = {}) =>
  change(who, 'sendMessage', { to, text: 'hello', mentions, ...more }, `duplicate unreachable { id } message { ${fields} }`);
const told = (who: Person, to: Untyped, mentions: Untyped | null, more: Untyped = {}) => outcome(who, 'sendMessage', { to, text: 'hello', mentions, ...more });
const messageOf = (who: Person, id: string) => read(who, `query ($id: ID!) { message(id: $id) { ${fields} } }`, { id });
const highlights = async (who: Person, id: string) => (await read(who, 'query ($id: ID!) { chat(id: $id) { my { highlightCount } } }', { id })).my.highlightCount;
const total = async (who: Person) => (await read(who, '{ me { account { totalHighlights } } }')).account.totalHighlights;

describe('people who are named', () => {
  it('are those whose ids were given, once each and in their order, with the names they had', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const outsider = await server.person();
    const room = await ada.createRoom({ visibility: 'PRIVATE', members: [{ id: ben.id }, { id: cem.id }] });
    const to = { chatId: room.id };
    const clientMessageId = randomUUID();
    const users = [{ username: cem.username.toUpperCase() }, { id: ben.id }, { id: cem.id }, { id: outsider.id }, { id: ada.id }];
    const { message, unreachable } = await say(ada, to, { users }, { clientMessageId });
    expect(unreachable).toEqual([{ id: outsider.id }]);
    expect(message.mentions.map(({ user, writtenAs }: Untyped) => [user.id, writtenAs])).toEqual([cem, ben, outsider, ada].map(({ id, username }) => [id, username]));
    expect([(await messageOf(ada, message.id)).mentionsMe, (await messageOf(ben, message.id)).mentionsMe]).toEqual([false, true]);
    await change(ben, 'updateProfile', { username: 'benjamin', currentPassword: ben.password });
    expect((await messageOf(cem, message.id)).mentions[1]).toEqual({ writtenAs: ben.username, user: { id: ben.id, username: 'benjamin' } });

    // A retry says the same people in any order; others are other content.
    expect(await say(ada, to, { users: users.toReversed() }, { clientMessageId })).toMatchObject({
      duplicate: true,
      unreachable: [{ id: outsider.id }],
      message: { id: message.id },
    });
    expect(await told(ada, to, { users: [{ id: ben.id }] }, { clientMessageId })).toBe('CONFLICT CLIENT_MESSAGE_ID_REUSED');
    // Also when it says them by names that they had when it was sent.
    const byNames = [cem, ben, outsider, ada].map(({ username }) => ({ username }));
    expect(await say(ada, to, { users: byNames }, { clientMessageId })).toMatchObject({ duplicate: true, message: { id: message.id } });
    expect(await told(ada, to, { users: byNames.slice(1) }, { clientMessageId })).toBe('CONFLICT CLIENT_MESSAGE_ID_REUSED');

    expect([await highlights(ada, room.id), await highlights(ben, room.id), await total(cem)]).toEqual([0, 1, 1]);
    expect((await read(cem, '{ chats(filter: { highlightsOnly: true }) { totalCount nodes { id } } }')).nodes).toEqual([{ id: room.id }]);
    await change(cem, 'markRead', { chatId: room.id, upToSeq: 1 });
    expect([await highlights(cem, room.id), (await read(cem, '{ chats(filter: { highlightsOnly: true }) { totalCount } }')).totalCount]).toEqual([0, 0]);
    // Whoever comes later was not meant then.
    await change(ada, 'addMembers', { roomId: room.id, users: [{ id: outsider.id }] });
    expect(await highlights(outsider, room.id)).toBe(0);
  });

  it('must exist and be at most fifty, or nothing is sent', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const to = { chatId: room.id };
    for (const nobody of [{ username: 'nobody.at.all' }, { id: 'garbage' }, { id: room.id }])
      expect(await told(ada, to, { users: [{ id: ben.id }, nobody] })).toBe('NOT_FOUND User');
    const many = await Promise.all(Array.from({ length: 50 }, () => server.person()));
    const users = many.map(({ id }) => ({ id }));
    expect(await told(ada, to, { users: [...users, { id: ben.id }] })).toBe('VALIDATION_FAILED mentions.users length');
    expect((await read(ada, 'query ($id: ID!) { chat(id: $id) { lastSeq } }', { id: room.id })).lastSeq).toBe(0);
    expect((await say(ada, to, { users: [...users, users[3]] })).unreachable).toHaveLength(50);
    // In a dialog, too, somebody may be named who is not in it.
    expect((await say(ada, { userId: ben.id }, { users: [{ id: cem.id }] })).unreachable).toEqual([{ id: cem.id }]);
    expect(await total(cem)).toBe(0);
  });

  it('are the author of what is answered as well, unless the sender says otherwise', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cem.id }] });
    const { message: root } = await ada.send(room, 'a question');
    const to = { chatId: room.id };
    await say(ben, to, null, { replyToId: root.id, notifyAuthor: false });
    expect(await highlights(ada, room.id)).toBe(0);
    const { message } = await say(cem, to, null, { replyToId: root.id });
    expect([message.mentions, (await messageOf(ada, message.id)).mentionsMe, (await messageOf(ben, message.id)).mentionsMe]).toEqual([[], true, false]);
    // Named, answered and called: once.
    await say(cem, to, { users: [{ id: ada.id }], all: 'EVERYONE' }, { replyToId: root.id });
    await say(ada, to, null, { replyToId: root.id });
    expect(await highlights(ada, room.id)).toBe(2);
  });

  it('follow the thread they are named in, and have its highlights counted there', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cem.id }] });
    const { message: root } = await ada.send(room, 'root');
    const { message: reply } = await say(ben, { chatId: room.id }, { users: [{ id: cem.id }] }, { threadRootId: root.id });
    await say(ben, { chatId: room.id }, { users: [{ id: cem.id }] });
    await say(ben, { chatId: room.id }, null, { threadRootId: root.id });
    const thread = async (who: Person) =>
      (await read(who, 'query ($id: ID!) { message(id: $id) { thread { my { following unreadCount highlightCount } } } }', { id: root.id })).thread.my;
    expect([await thread(cem), await highlights(cem, room.id)]).toEqual([{ following: true, unreadCount: 2, highlightCount: 1 }, 2]);
    expect(await thread(ada)).toEqual({ following: true, unreadCount: 2, highlightCount: 0 });
    await change(cem, 'unfollowThread', { messageId: root.id });
    // Named already: an edit names nobody anew.
    await change(ben, 'editMessage', { messageId: reply.id, text: 'again', mentions: { users: [{ id: cem.id }] } });
    expect((await thread(cem)).following).toBe(false);
    await change(ben, 'editMessage', { messageId: reply.id, text: 'again', mentions: {} });
    await change(ben, 'editMessage', { messageId: reply.id, text: 'again', mentions: { users: [{ id: cem.id }] } });
    expect(await thread(cem)).toEqual({ following: true, unreadCount: 2, highlightCount: 1 });
  });
});

describe('a whole room', () => {
  it('is called by whom its setting lets, and never a dialog or a thread', async () => {
    await using server = await startTestServer();
    const [owner, member, guest] = some(await server.people(3));
    const room = await owner.createRoom({ postPolicy: 'ANYONE', members: [{ id: member.id }] });
    const { message: root } = await owner.send(room, 'root');
    const to = { chatId: room.id };
    for (const all of ['EVERYONE', 'HERE']) {
      expect(await told(owner, { userId: member.id }, { all })).toBe('VALIDATION_FAILED mentions.all dialog');
      expect(await told(owner, to, { all }, { threadRootId: root.id })).toBe('VALIDATION_FAILED mentions.all thread');
    }
    const may = async () => [await told(owner, to, { all: 'EVERYONE' }), await told(member, to, { all: 'HERE' }), await told(guest, to, { all: 'HERE' })];
    const no = 'FORBIDDEN MENTION_ALL';
    expect(await may()).toEqual(['done', 'done', no]);
    const settings = { NOBODY: [no, no, no], ADMINS: ['done', no, no], MEMBERS: ['done', 'done', no], MEMBERS_WHILE_SMALL: ['done', 'done', no] };
    for (const [mentionAllPolicy, expected] of Object.entries(settings)) {
      expect((await change(owner, 'updateRoom', { roomId: room.id, mentionAllPolicy }, 'room { pinPolicy mentionAllPolicy }')).room).toEqual({
        pinPolicy: 'ADMINS',
        mentionAllPolicy,
      });
      expect([mentionAllPolicy, ...(await may())]).toEqual([mentionAllPolicy, ...expected]);
    }
    // In a larger room members have it no more, and an edit is no way around it.
    const { message } = await say(member, to, null);
    const users = await Promise.all(Array.from({ length: 29 }, () => server.person()));
    await change(owner, 'addMembers', { roomId: room.id, users: users.map(({ id }) => ({ id })) });
    expect(await may()).toEqual(['done', no, no]);
    expect(await outcome(member, 'editMessage', { messageId: message.id, text: 'louder', mentions: { all: 'EVERYONE' } })).toBe(no);
    expect(await outcome(owner, 'updateRoom', { roomId: room.id, mentionAllPolicy: null })).toBe('VALIDATION_FAILED mentionAllPolicy required');
  });

  it('is highlighted by EVERYONE until it is read, and by HERE not at all', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const to = { chatId: room.id };
    const stream = await ben.follow('subscription { events { __typename ... on MessageAdded { message { mentionsAll mentionsMe chat { my { highlightCount } } } } } }');
    const { message: here } = await say(ada, to, { all: 'HERE' });
    const { message: all } = await say(ada, to, { all: 'EVERYONE' });
    const items = await stream.until((item) => item.message?.mentionsAll === 'EVERYONE');
    const added = items.filter(({ __typename }) => __typename === 'MessageAdded').map(({ message }) => message);
    expect(added.map(({ mentionsAll, mentionsMe, chat }: Untyped) => [mentionsAll, mentionsMe, chat.my.highlightCount])).toEqual([
      ['HERE', false, expect.any(Number)],
      ['EVERYONE', true, 1],
    ]);
    expect([await highlights(ada, room.id), await highlights(ben, room.id)]).toEqual([0, 1]);
    await change(cem, 'joinChat', { room: { id: room.id } });
    expect([await highlights(cem, room.id), (await messageOf(cem, all.id)).mentionsMe]).toEqual([0, false]);
    await change(ada, 'deleteMessage', { messageId: all.id });
    expect([await highlights(ben, room.id), await messageOf(ben, all.id)]).toEqual([0, expect.objectContaining({ mentionsAll: null, mentionsMe: false })]);
    await change(ada, 'editMessage', { messageId: here.id, text: 'all', mentions: { all: 'EVERYONE' } });
    expect(await highlights(ben, room.id)).toBe(1);
  });
});

describe('what is no longer said', () => {
  it('highlights nobody: an edit replaces whom a message is for, and left out it stays', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cem.id }] });
    const { message: root } = await cem.send(room, 'root');
    const { message } = await say(ada, { chatId: room.id }, { users: [{ id: ben.id }] }, { replyToId: root.id });
    const counts = async () => [await highlights(ben, room.id), await highlights(cem, room.id)];
    const edit = (input: Untyped) => outcome(ada, 'editMessage', { messageId: message.id, text: 'edited', ...input });
    expect(await counts()).toEqual([1, 1]);
    expect([await edit({}), await counts()]).toEqual(['done', [1, 1]]);
    // Who is answered stays told.
    expect([await edit({ mentions: { users: [] } }), await counts()]).toEqual(['done', [0, 1]]);
    expect([await edit({ mentions: { users: [{ id: cem.id }, { id: ben.id }] } }), await counts()]).toEqual(['done', [1, 1]]);
    expect([await edit({ mentions: { users: [{ username: 'nobody.there' }] } }), await counts()]).toEqual(['NOT_FOUND User', [1, 1]]);
    expect((await messageOf(ben, message.id)).mentions.map(({ user }: Untyped) => user.id)).toEqual([cem.id, ben.id]);
    await change(ada, 'deleteMessage', { messageId: message.id });
    expect([await counts(), (await messageOf(ben, message.id)).mentions]).toEqual([[0, 0], []]);
  });

  it('goes with an account: the name of who was named, and what the person said to others', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cem.id }] });
    const { message } = await say(ada, { chatId: room.id }, { users: [{ id: ben.id }, { id: cem.id }] });
    await say(ben, { chatId: room.id }, { users: [{ id: cem.id }], all: 'EVERYONE' });
    expect(await highlights(cem, room.id)).toBe(2);
    await change(ben, 'deleteAccount', { password: ben.password, messages: 'ERASE' });
    expect((await messageOf(cem, message.id)).mentions.map(({ writtenAs }: Untyped) => writtenAs)).toEqual(['', cem.username]);
    expect(await highlights(cem, room.id)).toBe(1);
    expect(await server.app.db.sql.all('SELECT 1 FROM "Mention" WHERE "writtenAs" = ?', [ben.username])).toEqual([]);
  });
});
