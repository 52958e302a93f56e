/** Threads: replies under a message are messages of the chat, with a count, a marker and followers of their own. */
import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { change, outcome, read } from './kit/outcome.ts';
import type { Person, Untyped } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';
import { newSeed, randomFrom, rounds } from './promises/kit.ts';

const some = (people: Person[]) => people as [Person, Person, Person];
const thread = 'id rootSeq replyCount participantCount lastReplyAt lastReply { seq } participants { id } my { following readSeq unreadCount firstUnreadSeq }';
const reply = async (who: Person, chatId: string, threadRootId: string, input: Untyped = {}) =>
  (await change(who, 'sendMessage', { to: { chatId }, text: 'a reply', threadRootId, ...input }, `message { id seq threadRootSeq threadRoot { id thread { ${thread} } } }`))
    .message;
const threadOf = async (who: Person, id: string) => (await read(who, `query ($id: ID!) { message(id: $id) { thread { ${thread} } } }`, { id })).thread;
const myOf = async (who: Person, id: string) =>
  (await read(who, 'query ($id: ID!) { chat(id: $id) { my { readSeq threadsReadSeq unreadCount unreadOutsideThreads unreadThreads } } }', { id })).my;
const events = `subscription ($after: EventCursor) { events(after: $after) { __typename ... on MessageAdded { message { seq threadRootSeq threadRoot { thread { replyCount } } } }
  ... on MyThreadChanged { thread { rootSeq my { following readSeq unreadCount } } } ... on MessageStatusChanged { status upToSeq threads user { id } } } }`;

describe('a thread', () => {
  it('is a smaller view of messages of the chat: flat, counted, and paged by itself', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cem.id }] });
    const { message: root } = await ada.send(room, 'a question');
    expect(await threadOf(ada, root.id)).toBe(null);
    const first = await reply(ben, room.id, root.id);
    expect(first).toMatchObject({ seq: 2, threadRootSeq: 1, threadRoot: { id: root.id, thread: { rootSeq: 1, replyCount: 1, participantCount: 1, lastReply: { seq: 2 } } } });
    await ada.send(room, 'something else');
    // A reply stands for its root.
    expect(await reply(cem, room.id, first.id)).toMatchObject({ seq: 4, threadRootSeq: 1, threadRoot: { thread: { replyCount: 2, participantCount: 2 } } });
    await reply(ben, room.id, root.id);
    expect((await threadOf(ada, root.id)).participants.map(({ id }: Untyped) => id)).toEqual([ben.id, cem.id]);
    expect(await threadOf(ada, first.id)).toBe(null);
    const seqs = async (list: string, args: string) => {
      const page = (
        await read(ada, `query ($id: ID!) { chat(id: $id) { ${list}(${args}) { nodes { seq } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`, { id: room.id })
      )[list];
      return [page.nodes.map(({ seq }: Untyped) => seq), page.pageInfo.hasPreviousPage, page.pageInfo.hasNextPage];
    };
    expect(await seqs('messages', 'last: 10')).toEqual([[1, 2, 3, 4, 5], false, false]);
    expect(await seqs('timeline', 'last: 10')).toEqual([[1, 3], false, false]);
    expect(await seqs('timeline', 'first: 1')).toEqual([[1], false, true]);
    expect(await seqs('timeline', 'last: 1')).toEqual([[3], true, false]);
    expect(await seqs('timeline', 'anchor: { aroundSeq: 4 }, first: 2')).toEqual([[1, 3], false, false]);
    expect(await seqs('timeline', 'anchor: { beforeSeq: 3 }, last: 5')).toEqual([[1], false, true]);
    const replies = await read(ada, 'query ($id: ID!) { message(id: $id) { thread { replies(last: 2) { nodes { seq } pageInfo { hasPreviousPage startCursor } } } } }', {
      id: root.id,
    });
    expect(replies.thread.replies).toMatchObject({ nodes: [{ seq: 4 }, { seq: 5 }], pageInfo: { hasPreviousPage: true } });
    const before = await read(
      ada,
      'query ($id: ID!, $at: String!) { message(id: $id) { thread { replies(before: $at, last: 5) { nodes { seq } pageInfo { hasPreviousPage hasNextPage } } } } }',
      {
        id: root.id,
        at: replies.thread.replies.pageInfo.startCursor,
      },
    );
    expect(before.thread.replies).toEqual({ nodes: [{ seq: 2 }], pageInfo: { hasPreviousPage: false, hasNextPage: true } });
    const { id } = await threadOf(ada, root.id);
    expect(await read(ben, 'query ($id: ID!) { node(id: $id) { __typename ... on Thread { rootSeq root { id } chat { id } } } }', { id })).toEqual({
      __typename: 'Thread',
      rootSeq: 1,
      root: { id: root.id },
      chat: { id: room.id },
    });
  });

  it('counts what stands: deleting a reply takes it off, deleting the root leaves the thread', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cem.id }] });
    const { message: root } = await ada.send(room, 'root');
    const [one, two] = [await reply(ben, room.id, root.id), await reply(cem, room.id, root.id)];
    await change(cem, 'deleteMessage', { messageId: two.id });
    expect(await threadOf(ada, root.id)).toMatchObject({ replyCount: 1, participantCount: 1, lastReply: { seq: 2 }, participants: [{ id: ben.id }] });
    await change(ada, 'deleteMessage', { messageId: root.id });
    await change(cem, 'deleteMessage', { messageId: two.id });
    expect(await threadOf(ada, root.id)).toMatchObject({ replyCount: 1 });
    // A tombstone has its thread still, and cannot be quoted in it.
    expect(await reply(cem, room.id, root.id)).toMatchObject({ threadRoot: { thread: { replyCount: 2, participantCount: 2 } } });
    expect(await outcome(ada, 'sendMessage', { to: { chatId: room.id }, text: 'x', threadRootId: root.id, replyToId: root.id })).toBe('NOT_FOUND Message');
    expect(await outcome(ada, 'sendMessage', { to: { chatId: room.id }, text: 'x', threadRootId: root.id, replyToId: one.id })).toBe('done');
    const { message: outside } = await ada.send(room, 'outside');
    expect(await outcome(ada, 'sendMessage', { to: { chatId: room.id }, text: 'x', threadRootId: root.id, replyToId: outside.id })).toBe('VALIDATION_FAILED replyToId thread');
    await change(ben, 'deleteAccount', { password: ben.password, messages: 'ERASE' });
    expect(await threadOf(ada, root.id)).toMatchObject({ replyCount: 2, participantCount: 2 });
  });

  it('is followed by itself by who writes in it or wrote its root, and by whoever says so, until they say otherwise', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cem.id }] });
    const { message: root } = await ada.send(room, 'root');
    const live = await Promise.all([ada.follow(events), ben.follow(events), cem.follow(events)]);
    await reply(ben, room.id, root.id);
    const following = async () => Promise.all([ada, ben, cem].map(async (who) => (await threadOf(who, root.id)).my.following));
    expect(await following()).toEqual([true, true, false]);
    for (const stream of live.slice(0, 2)) expect((await stream.next('MyThreadChanged')).thread).toMatchObject({ rootSeq: 1, my: { following: true } });
    await change(cem, 'followThread', { messageId: root.id });
    await change(ada, 'unfollowThread', { messageId: root.id });
    await reply(ben, room.id, root.id);
    expect(await following()).toEqual([false, true, true]);
    expect((await threadOf(cem, root.id)).my).toEqual({ following: true, readSeq: 0, unreadCount: 2, firstUnreadSeq: 2 });
    expect((await threadOf(ada, root.id)).my).toMatchObject({ following: false, unreadCount: 0, firstUnreadSeq: null });
    expect((await live[2].next('MyThreadChanged')).thread.my).toMatchObject({ following: true });
    await reply(ada, room.id, root.id);
    expect(await following()).toEqual([true, true, true]);
    // Leaving ends it.
    await change(cem, 'leaveChat', { chatId: room.id });
    expect(await read(cem, '{ followedThreads { nodes { rootSeq } } }')).toEqual({ nodes: [] });
    await change(cem, 'joinChat', { room: { id: room.id } });
    expect((await threadOf(cem, root.id)).my).toMatchObject({ following: false, readSeq: 4 });
    expect((await read(ada, '{ followedThreads(unreadOnly: true) { nodes { rootSeq chat { id } } } }')).nodes).toEqual([{ rootSeq: 1, chat: { id: room.id } }]);
    for (const [filter, expected] of [
      ['ALL', 1],
      ['FOLLOWED', 0],
      ['UNREAD', 0],
    ] as const)
      expect((await read(cem, `query ($id: ID!) { chat(id: $id) { threads(filter: ${filter}) { nodes { rootSeq } } } }`, { id: room.id })).threads.nodes).toHaveLength(expected);
    const stranger = await server.person();
    expect(await outcome(stranger, 'followThread', { messageId: root.id })).toBe('FORBIDDEN NOT_A_MEMBER');
    expect(await outcome(stranger, 'markThreadRead', { messageId: root.id, upToSeq: 1 })).toBe('NOT_FOUND Message');
  });

  it('is read by itself, or with the chat, as whoever reads says', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }] });
    const { message: root } = await ada.send(room, 'root');
    const replied = await reply(ada, room.id, root.id);
    await change(ben, 'followThread', { messageId: root.id });
    const statusOf = async () => await read(ada, 'query ($id: ID!) { message(id: $id) { status readCount readBy(first: 5) { nodes { user { id } } } } }', { id: replied.id });
    expect(await myOf(ben, room.id)).toEqual({ readSeq: 0, threadsReadSeq: 0, unreadCount: 2, unreadOutsideThreads: 1, unreadThreads: 1 });
    const told = await ada.follow(events);
    await change(ben, 'markRead', { chatId: room.id, upToSeq: 2, threads: false });
    expect(await told.next('MessageStatusChanged')).toMatchObject({ status: 'READ', upToSeq: 2, threads: false });
    expect(await myOf(ben, room.id)).toEqual({ readSeq: 2, threadsReadSeq: 0, unreadCount: 0, unreadOutsideThreads: 0, unreadThreads: 1 });
    expect(await statusOf()).toEqual({ status: 'DELIVERED', readCount: 0, readBy: { nodes: [] } });
    expect((await read(ben, '{ me { account { unreadThreads } } }')).account).toEqual({ unreadThreads: 1 });
    await change(ben, 'markThreadRead', { messageId: replied.id, upToSeq: 2 });
    expect(await outcome(ben, 'markThreadRead', { messageId: root.id, upToSeq: 3 })).toBe('VALIDATION_FAILED upToSeq range');
    expect((await threadOf(ben, root.id)).my).toEqual({ following: true, readSeq: 2, unreadCount: 0, firstUnreadSeq: null });
    expect(await statusOf()).toEqual({ status: 'READ', readCount: 1, readBy: { nodes: [{ user: { id: ben.id } }] } });
    await reply(ada, room.id, root.id);
    await reply(ada, room.id, (await ada.send(room, 'another root')).message.id);
    expect(await myOf(ben, room.id)).toEqual({ readSeq: 2, threadsReadSeq: 0, unreadCount: 3, unreadOutsideThreads: 1, unreadThreads: 1 });
    await change(ben, 'markRead', { chatId: room.id, upToSeq: 3 });
    expect(await told.next('MessageStatusChanged')).toMatchObject({ upToSeq: 3, threads: true });
    await change(ben, 'markRead', { chatId: room.id, upToSeq: 5, threads: false });
    expect(await myOf(ben, room.id)).toEqual({ readSeq: 5, threadsReadSeq: 3, unreadCount: 0, unreadOutsideThreads: 0, unreadThreads: 0 });
    await change(ben, 'markRead', { chatId: room.id, upToSeq: 5 });
    expect(await myOf(ben, room.id)).toMatchObject({ readSeq: 5, threadsReadSeq: 5 });
    expect(await server.app.db.sql.all('SELECT * FROM "ThreadMarker"', [])).toEqual([]);
    // A dialog, too.
    const { message } = await ada.send({ username: cem.username }, 'hello');
    await reply(cem, message.chat.id, message.id);
    expect((await threadOf(ada, message.id)).my).toMatchObject({ following: true, unreadCount: 1 });
  });
});

it('P19: after any history the counts of each thread and chat equal a recount, and reading a chat makes all of them 0', { timeout: 120_000 }, async () => {
  const seed = newSeed();
  const random = randomFrom(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  for (let history = 0; history < rounds(2, 40); history++) {
    await using server = await startTestServer();
    const people = await server.people(4);
    const rooms = [await (people[0] as Person).createRoom({ members: people.slice(1).map(({ id }) => ({ id })) }), await (people[1] as Person).createRoom()];
    const sent: { id: string; seq: number; by: Person; room: string }[] = [];
    const log: string[] = [];
    for (let step = 0; step < 60; step++) {
      const [who, room, message] = [pick(people), pick(rooms), pick(sent)];
      const last = Math.max(0, ...sent.filter((each) => each.room === room.id).map(({ seq }) => seq));
      const what = pick([
        'send',
        'send',
        'reply',
        'reply',
        'answer',
        'reply',
        'delete',
        'edit',
        'markRead',
        'markRead',
        'markOutside',
        'markThreadRead',
        'follow',
        'unfollow',
        'leave',
        'join',
        'join',
      ] as const);
      const upToSeq = Math.floor(random() * (last + 1));
      const named = people.filter(() => random() < 0.2).map(({ id }) => ({ id }));
      const all = random() < 0.2 ? 'EVERYONE' : null;
      const [name, input]: [string, Untyped] = {
        send: ['sendMessage', { to: { chatId: room.id }, text: 'x', clientMessageId: randomUUID(), mentions: { users: named, all } }],
        answer: ['sendMessage', { to: { chatId: message?.room ?? room.id }, text: 'w', mentions: { users: named }, ...(message ? { replyToId: message.id } : {}) }],
        reply: ['sendMessage', { to: { chatId: message?.room ?? room.id }, text: 'y', mentions: { users: named }, ...(message ? { threadRootId: message.id } : {}) }],
        delete: ['deleteMessage', { messageId: message?.id ?? 'none' }],
        edit: ['editMessage', { messageId: message?.id ?? 'none', text: 'z', mentions: random() < 0.5 ? null : { users: named } }],
        markRead: ['markRead', { chatId: room.id, upToSeq }],
        markOutside: ['markRead', { chatId: room.id, upToSeq, threads: false }],
        markThreadRead: ['markThreadRead', { messageId: message?.id ?? 'none', upToSeq: Math.min(message?.seq ?? 0, upToSeq) }],
        follow: ['followThread', { messageId: message?.id ?? 'none' }],
        unfollow: ['unfollowThread', { messageId: message?.id ?? 'none' }],
        leave: ['leaveChat', { chatId: room.id }],
        join: ['joinChat', { room: { id: room.id } }],
      }[what] as [string, Untyped];
      const by = what === 'delete' || what === 'edit' ? (message?.by ?? who) : who;
      if (name === 'sendMessage') {
        const { data } = await by.request(
          'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename ... on SendMessagePayload { message { id seq chat { id } } } } }',
          { input },
        );
        const found = data?.sendMessage.message;
        if (found) sent.push({ id: found.id, seq: found.seq, by, room: found.chat.id });
      } else await outcome(by, name, input);
      log.push(`${people.indexOf(by)} ${name} ${JSON.stringify(input)}`);
    }
    for (const person of people) for (const { id } of rooms) await compare(person, id, `seed ${seed}\n${log.join('\n')}`);
    for (const person of people) {
      for (const { id } of rooms) {
        const chat = await read(person, 'query ($id: ID!) { chat(id: $id) { lastSeq my { role } } }', { id });
        if (!chat?.my) continue;
        const { lastSeq } = chat;
        await change(person, 'markRead', { chatId: id, upToSeq: lastSeq });
        expect(await myOf(person, id)).toEqual({ readSeq: lastSeq, threadsReadSeq: lastSeq, unreadCount: 0, unreadOutsideThreads: 0, unreadThreads: 0 });
        await compare(person, id, `seed ${seed}`);
      }
      expect((await read(person, '{ me { account { unreadThreads totalUnread totalHighlights } } }')).account).toEqual({ unreadThreads: 0, totalUnread: 0, totalHighlights: 0 });
    }
  }
});

/** What the server says of a chat and its threads, against a recount of what it says of their messages. */
async function compare(person: Person, chatId: string, what: string): Promise<void> {
  const chat: Untyped | null = await read(
    person,
    `query ($id: ID!) { chat(id: $id) { my { readSeq threadsReadSeq deliveredSeq unreadCount unreadOutsideThreads unreadThreads highlightCount } lastSeq
      messages(last: 100) { nodes { seq threadRootSeq deletedAt sender { id } status readCount mentions { user { id } } mentionsAll mentionsMe replyTo { sender { id } } thread { ${thread} my { highlightCount } } } } threads(first: 100) { nodes { rootSeq } }
      followed: threads(first: 100, filter: FOLLOWED) { nodes { rootSeq } } unread: threads(first: 100, filter: UNREAD) { nodes { rootSeq } } timeline(last: 100) { nodes { seq } } } }`,
    { id: chatId },
  );
  // A room goes with the last of its members.
  if (!chat) return;
  const messages: Untyped[] = chat.messages.nodes;
  const isForMe = ({ mentions, mentionsAll, replyTo }: Untyped): boolean =>
    mentionsAll === 'EVERYONE' || replyTo?.sender.id === person.id || mentions.some(({ user }: Untyped) => user.id === person.id);
  const standing = messages.filter(({ deletedAt }) => deletedAt === null);
  const byOthers = standing.filter(({ sender }) => sender.id !== person.id);
  expect(
    chat.timeline.nodes.map(({ seq }: Untyped) => seq),
    what,
  ).toEqual(messages.filter(({ threadRootSeq }) => threadRootSeq === null).map(({ seq }) => seq));
  const roots = messages.filter(({ seq }) => messages.some(({ threadRootSeq }) => threadRootSeq === seq));
  expect(chat.threads.nodes.map(({ rootSeq }: Untyped) => rootSeq).sort(), what).toEqual(roots.map(({ seq }) => seq).sort());
  for (const root of roots) {
    const replies = messages.filter(({ threadRootSeq }) => threadRootSeq === root.seq);
    const left = replies.filter(({ deletedAt }) => deletedAt === null);
    const senders = [...new Set(left.map(({ sender }) => sender.id))];
    expect(root.thread, what).toMatchObject({
      rootSeq: root.seq,
      replyCount: left.length,
      participantCount: senders.length,
      lastReply: left.length > 0 ? { seq: left.at(-1)?.seq } : null,
    });
    expect(root.thread.participants.map(({ id }: Untyped) => id).sort(), what).toEqual(senders.sort());
    const { my } = root.thread;
    if (!chat.my) expect(my).toBe(null);
    else {
      expect(my.readSeq, what).toBeGreaterThanOrEqual(chat.my.threadsReadSeq);
      const unread = byOthers.filter(({ threadRootSeq, seq }) => my.following && threadRootSeq === root.seq && seq > my.readSeq);
      expect([my.unreadCount, my.firstUnreadSeq, my.highlightCount], what).toEqual([unread.length, unread[0]?.seq ?? null, unread.filter(isForMe).length]);
    }
  }
  for (const { thread: none } of messages.filter((message) => !roots.includes(message))) expect(none).toBe(null);
  if (!chat.my) return;
  const { readSeq, threadsReadSeq, deliveredSeq, unreadCount, unreadOutsideThreads, unreadThreads, highlightCount } = chat.my;
  expect(threadsReadSeq <= readSeq && readSeq <= deliveredSeq && deliveredSeq <= chat.lastSeq, what).toBe(true);
  const behind = byOthers.filter(({ seq }) => seq > readSeq);
  expect([unreadCount, unreadOutsideThreads], what).toEqual([behind.length, behind.filter(({ threadRootSeq }) => threadRootSeq === null).length]);
  expect(highlightCount, what).toBe(behind.filter(isForMe).length);
  expect(
    behind.filter(({ mentionsMe }) => mentionsMe),
    what,
  ).toEqual(behind.filter(isForMe));
  const followed = roots.filter(({ thread: { my } }) => my.following);
  expect(chat.followed.nodes.map(({ rootSeq }: Untyped) => rootSeq).sort(), what).toEqual(followed.map(({ seq }) => seq).sort());
  const unread = followed.filter(({ thread: { my } }) => my.unreadCount > 0);
  expect([unreadThreads, chat.unread.nodes.map(({ rootSeq }: Untyped) => rootSeq).sort()], what).toEqual([unread.length, unread.map(({ seq }) => seq).sort()]);
}
