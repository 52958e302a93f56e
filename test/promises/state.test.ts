/** P6: what was read before, with the events since applied to it, equals a fresh read. Whatever has changed, and by whomever. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Answer, Item, Person, Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';

const runs = process.env.LONG ? 300 : 6;
const seed = Number(process.env.SEED ?? 20_261_120);

// ---------------------------------------------------------------- what a client shows

const chatFields = `fragment C on Chat {
  __typename id name lastSeq lastActivityAt memberCount my { role joinedAt readSeq deliveredSeq unreadCount firstUnreadSeq } members(first: 20) { nodes { ...P } }
  ... on Room { topic visibility postPolicy everyone capacity link passwordRequired } ... on Dialog { peer { id } }
}
fragment P on Member { user { id } role joinedAt deliveredSeq readSeq }`;
const messageFields = 'fragment M on Message { id seq text version deletedAt createdAt sender { id } }';
const userFields = 'fragment U on User { id username displayName firstName lastName }';
const notificationFields = 'fragment N on Notification { id readAt message { id seq chat { id } } }';
const meFields = 'fragment A on User { id account { email phone address contacts(first: 100) { nodes { id } } } }';

const readAll = `query ($rooms: Int!) { eventCursor me { ...A } registeredUsers(first: 100) { nodes { ...U } } chats(first: $rooms) { nodes { ...C } }
  notifications(first: 100) { unreadCount nodes { ...N } } } ${chatFields} ${userFields} ${meFields} ${notificationFields}`;
const readMessages = `query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Chat { id messages(last: 100) { nodes { ...M status } } lastMessage { id } } } } ${messageFields}`;
const place = 'chat { id lastSeq lastActivityAt my { unreadCount firstUnreadSeq } }';
const item = `__typename ... on StreamEvent { cursor replayed }
  ... on MessageAdded { message { ...M ${place} } } ... on MessageEdited { message { ...M ${place} } } ... on MessageDeleted { message { ...M ${place} } }
  ... on MessageStatusChanged { chat { id } user { id } status upToSeq } ... on MyChatChanged { chat { id my { role joinedAt readSeq deliveredSeq unreadCount firstUnreadSeq } } }
  ... on ChatAdded { chat { ...C messages(last: 100) { nodes { ...M } } } } ... on ChatUpdated { chat { ...C } } ... on ChatRemoved { chatId }
  ... on MemberJoined { room { id memberCount } member { ...P } } ... on MemberUpdated { room { id } member { ...P } } ... on MemberLeft { room { id memberCount } user { id } }
  ... on UserUpdated { user { ...U } } ... on AccountChanged { me { ...A } }
  ... on NotificationAdded { notification { ...N } } ... on NotificationsRead { notificationIds notificationsUnread }`;
const fragments = `${chatFields} ${messageFields} ${userFields} ${meFields} ${notificationFields}`;
const events = `subscription ($after: EventCursor) { events(after: $after) { ${item} ... on CaughtUp { replayedCount } } } ${fragments}`;
const sync = `query ($after: EventCursor!) { sync(after: $after, first: 5) { endCursor hasMore items { ${item} ... on StreamGap { resumeFrom } } } } ${fragments}`;

/** What carries no state of the log. */
const passing = new Set(['CaughtUp', 'Heartbeat', 'PresenceChanged', 'TypingChanged']);

type Chat = Untyped & { id: string; members: Map<string, Untyped>; messages: Map<number, Untyped>; lastMessageId: string | null };
type Notification = { chatId: string; messageId: string; seq: number; read: boolean };
type State = { cursor: string; meId: string; me: Untyped; users: Map<string, Untyped>; chats: Map<string, Chat>; notifications: Map<string, Notification> };

async function read(viewer: Person): Promise<State> {
  const data = await viewer.must(readAll, { rooms: 40 });
  const nodes: Untyped[] = data.chats.nodes;
  const { nodes: full } = nodes.length === 0 ? { nodes: [] } : await viewer.must(readMessages, { ids: nodes.map(({ id }) => id) });
  const state: State = {
    cursor: data.eventCursor,
    meId: data.me.id,
    me: data.me.account,
    users: new Map(data.registeredUsers.nodes.map((user: Untyped) => [user.id, user])),
    chats: new Map(),
    notifications: new Map(data.notifications.nodes.map((node: Untyped) => [node.id, toNotification(node)])),
  };
  expect([...state.notifications.values()].filter(({ read }) => !read)).toHaveLength(data.notifications.unreadCount);
  for (const [index, node] of nodes.entries()) {
    const chat = toChat({ ...node, messages: full[index]?.messages ?? { nodes: [] } });
    // What is gone again since the first half was read: its ChatRemoved follows.
    state.chats.set(chat.id, { ...chat, lastMessageId: full[index]?.lastMessage?.id ?? null });
  }
  return state;
}

const toNotification = ({ readAt, message }: Untyped): Notification => ({ chatId: message.chat.id, messageId: message.id, seq: message.seq, read: readAt !== null });

function toChat({ members, messages, ...chat }: Untyped): Chat {
  return {
    ...chat,
    members: new Map(members.nodes.map((member: Untyped) => [member.user.id, member])),
    messages: new Map(messages.nodes.map((message: Untyped) => [message.seq, message])),
    lastMessageId: null,
  } as unknown as Chat;
}

/** The least that a client does with an item. */
function apply(state: State, event: Item): void {
  switch (event.__typename) {
    case 'MessageAdded':
    case 'MessageEdited':
    case 'MessageDeleted': {
      const { chat: about, ...message } = event.message as Untyped;
      if (message.deletedAt) forget(state, ({ messageId }) => messageId === message.id);
      const chat = state.chats.get(about.id);
      if (!chat) return;
      const known = chat.messages.get(message.seq);
      // It may be older than what is shown: by version, and deleted stays deleted.
      if (!known || (!known.deletedAt && (message.deletedAt || message.version > known.version))) chat.messages.set(message.seq, message);
      chat.lastSeq = Math.max(chat.lastSeq, about.lastSeq);
      if (about.lastActivityAt > chat.lastActivityAt) chat.lastActivityAt = about.lastActivityAt;
      if (about.my) Object.assign(chat.my, about.my);
      return;
    }
    case 'MessageStatusChanged': {
      const member = state.chats.get(event.chat.id)?.members.get(event.user.id);
      if (!member) return;
      member.deliveredSeq = Math.max(member.deliveredSeq, event.upToSeq);
      if (event.status === 'READ') member.readSeq = Math.max(member.readSeq, event.upToSeq);
      return;
    }
    case 'MyChatChanged': {
      for (const each of state.notifications.values()) if (each.chatId === event.chat.id && each.seq <= (event.chat.my?.readSeq ?? 0)) each.read = true;
      const chat = state.chats.get(event.chat.id);
      if (!chat || !event.chat.my) return;
      chat.my = event.chat.my;
      Object.assign(chat.members.get(state.meId) ?? {}, { readSeq: event.chat.my.readSeq, deliveredSeq: event.chat.my.deliveredSeq });
      return;
    }
    case 'ChatAdded':
      state.chats.set(event.chat.id, toChat(event.chat));
      return;
    case 'ChatUpdated': {
      const chat = state.chats.get(event.chat.id);
      if (chat) state.chats.set(event.chat.id, { ...toChat({ ...event.chat, messages: { nodes: [] } }), messages: chat.messages });
      return;
    }
    case 'ChatRemoved':
      state.chats.delete(event.chatId);
      forget(state, ({ chatId }) => chatId === event.chatId);
      return;
    case 'MemberJoined':
    case 'MemberUpdated': {
      const chat = state.chats.get(event.room.id);
      if (!chat) return;
      chat.members.set(event.member.user.id, event.member);
      if (event.room.memberCount !== undefined) chat.memberCount = event.room.memberCount;
      if (event.member.user.id === state.meId) chat.my.role = event.member.role;
      return;
    }
    case 'MemberLeft': {
      const chat = state.chats.get(event.room.id);
      chat?.members.delete(event.user.id);
      if (chat) chat.memberCount = event.room.memberCount;
      return;
    }
    case 'UserUpdated':
      state.users.set(event.user.id, event.user);
      return;
    case 'AccountChanged':
      state.me = event.me.account;
      return;
    case 'NotificationAdded':
      state.notifications.set(event.notification.id, toNotification(event.notification));
      return;
    case 'NotificationsRead':
      for (const [id, each] of state.notifications) if (event.notificationIds === null || event.notificationIds.includes(id)) each.read = true;
      return;
    default:
      throw new Error(`an item that the reducer does not know: ${JSON.stringify(event)}`);
  }
}

function forget(state: State, isGone: (notification: Notification) => boolean): void {
  for (const [id, notification] of state.notifications) if (isGone(notification)) state.notifications.delete(id);
}

/** A state as two of them are compared. The status of each message is worked out of the markers, as P9 in docs/promises.md says. */
function shown(state: State, statusOf: (chat: Chat, message: Untyped) => unknown = workedOut) {
  const byKey = <T>(map: Map<string | number, T>): [string | number, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    me: { ...state.me, contacts: state.me.contacts.nodes.map((user: Untyped) => user.id).sort() },
    users: byKey(state.users),
    notifications: byKey(state.notifications),
    chats: byKey(state.chats).map(([id, { members, messages, ...chat }]) => {
      const texts = [...messages.values()].sort((a, b) => a.seq - b.seq);
      const list = texts.map(({ status: _status, ...message }) => ({ ...message, status: statusOf(state.chats.get(String(id)) as Chat, messages.get(message.seq) as Untyped) }));
      return { ...chat, lastMessageId: texts.at(-1)?.id ?? null, members: byKey(members), messages: list };
    }),
  };
}

function workedOut(chat: Chat, message: Untyped): string {
  const others = [...chat.members.values()].filter((member) => member.user.id !== message.sender.id && member.joinedAt <= message.createdAt);
  if (others.length === 0) return 'SENT';
  if (others.every((member) => member.readSeq >= message.seq)) return 'READ';
  return others.every((member) => member.deliveredSeq >= message.seq) ? 'DELIVERED' : 'SENT';
}
const asAnswered = (_chat: Chat, message: Untyped): unknown => message.status;

// ---------------------------------------------------------------- what happens

const kinds = [
  'dialog',
  'send',
  'send',
  'send',
  'post',
  'edit',
  'delete',
  'markRead',
  'markRead',
  'markDelivered',
  'markNotifications',
  'markNotifications',
  'createRoom',
  'join',
  'leave',
  'add',
  'remove',
  'ban',
  'setRole',
  'updateRoom',
  'open',
  'deleteRoom',
  'updateProfile',
  'addContacts',
  'removeContacts',
  'register',
] as const;
type Kind = (typeof kinds)[number];
type Step = { kind: Kind; who: number; a: number; b: number; c: number };
type World = {
  server: TestServer;
  people: Person[];
  rooms: string[];
  owners: number[];
  messages: { id: string; chatId: string; seq: number; by: number }[];
  log: string[];
  done: Set<Kind>;
};

const step: fc.Arbitrary<Step> = fc.record({ kind: fc.constantFrom(...kinds), who: fc.nat(99), a: fc.nat(99), b: fc.nat(99), c: fc.nat(99) });
const mutationOf = (name: string, payload = ''): string =>
  `mutation ($input: ${name[0]?.toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { __typename ${name === 'removeContacts' ? '' : '... on UserError { code errorMessage }'} ${payload} } }`;

/** What only few may do in a room is done by its maker half of the time. */
const ofRooms = new Set<Kind>(['add', 'remove', 'ban', 'setRole', 'updateRoom', 'open', 'deleteRoom']);

async function take(world: World, { kind, a, b, c, ...given }: Step): Promise<void> {
  const { people, rooms, messages } = world;
  const who = ofRooms.has(kind) && given.who % 2 === 0 ? (world.owners[b % rooms.length] ?? given.who) : given.who;
  const actor = people[who % people.length] as Person;
  const other = people[a % people.length] as Person;
  const room = rooms.length > 0 ? rooms[b % rooms.length] : undefined;
  const recent = messages.slice(-8);
  const message = recent.length > 0 ? recent[b % recent.length] : undefined;
  const say = async (to: Untyped): Promise<boolean> => {
    const data = await act(actor, 'sendMessage', { to, text: `text ${messages.length}` }, '... on SendMessagePayload { message { id seq chat { id } } }');
    if (data) messages.push({ id: data.message.id, chatId: data.message.chat.id, seq: data.message.seq, by: who % people.length });
    return data !== null;
  };
  const done = await run();
  if (done) world.done.add(kind);

  async function run(): Promise<boolean> {
    switch (kind) {
      case 'dialog':
        return say({ userId: other.id });
      case 'send':
        return message ? say({ chatId: message.chatId }) : say({ userId: other.id });
      case 'post':
        return room ? say({ chatId: room }) : false;
      case 'edit':
        return message ? ok(people[message.by] as Person, 'editMessage', { messageId: message.id, text: `edited ${c}` }) : false;
      case 'delete':
        return message ? ok(c % 2 ? actor : (people[message.by] as Person), 'deleteMessage', { messageId: message.id }) : false;
      case 'markRead':
      case 'markDelivered':
        return message ? ok(actor, kind, { chatId: message.chatId, upToSeq: Math.max(0, message.seq - (c % 3)) }) : false;
      case 'markNotifications': {
        const { notifications } = await actor.must('{ notifications(first: 4) { nodes { id } } }');
        const ids: string[] = notifications.nodes.map(({ id }: Untyped) => id);
        const id = ids[b % Math.max(1, ids.length)];
        const which = [{ ids: [id] }, { ids }, { upToId: id }, { all: true }][c % 4] as Untyped;
        return id ? ok(actor, 'markNotificationsRead', which) : false;
      }
      case 'createRoom': {
        const input = [
          { visibility: 'PUBLIC' },
          { visibility: 'PRIVATE', members: [{ id: other.id }] },
          { visibility: 'PUBLIC', postPolicy: 'ANYONE', topic: 'open' },
          { visibility: 'PUBLIC', password: 'open sesame', members: [{ id: other.id }] },
          { visibility: 'PUBLIC', everyone: true },
          { visibility: 'PUBLIC', capacity: 3, link: `link-${rooms.length}`, members: [{ id: other.id }] },
        ][c % 6];
        const data = await act(actor, 'createRoom', { name: `room ${rooms.length}`, ...input }, '... on CreateRoomPayload { room { id } }');
        if (data) world.owners[rooms.push(data.room.id) - 1] = who % people.length;
        return data !== null;
      }
      case 'join':
        return room ? ok(actor, 'joinChat', { room: { id: room }, password: 'open sesame' }) : false;
      case 'leave':
        return room ? ok(actor, 'leaveChat', { chatId: room }) : false;
      case 'add':
        return room ? ok(actor, 'addMembers', { roomId: room, users: [{ id: other.id }, { id: (people[c % people.length] as Person).id }] }) : false;
      case 'remove':
      case 'ban':
        return room ? ok(actor, 'removeMember', { roomId: room, userId: other.id, ban: kind === 'ban' }) : false;
      case 'setRole':
        return room ? ok(actor, 'setMemberRole', { roomId: room, userId: other.id, role: ['OWNER', 'ADMIN', 'MEMBER'][c % 3] }) : false;
      case 'updateRoom': {
        const changes = [
          { name: `renamed ${b}` },
          { topic: `about ${b}` },
          { visibility: 'PRIVATE', postPolicy: 'MEMBERS' },
          { visibility: 'PUBLIC' },
          { capacity: 30 + b },
          { password: 'open sesame', postPolicy: 'MEMBERS' },
          { password: null, capacity: null },
        ];
        return room ? ok(actor, 'updateRoom', { roomId: room, ...changes[c % changes.length] }) : false;
      }
      case 'open':
        return room ? ok(actor, 'updateRoom', { roomId: room, everyone: c % 3 !== 0, ...(c % 3 === 0 ? {} : { visibility: 'PUBLIC', password: null, capacity: null }) }) : false;
      case 'deleteRoom':
        return room && c % 3 === 0 ? ok(actor, 'deleteRoom', { roomId: room }) : false;
      case 'updateProfile':
        return ok(
          actor,
          'updateProfile',
          [{ displayName: `name ${b}` }, { firstName: `first ${b}`, lastName: null }, { phone: `${b}` }, { address: `street ${b}` }, { displayName: null }][c % 5] as Untyped,
        );
      case 'addContacts':
        return ok(actor, 'addContacts', { users: [{ id: other.id }] });
      case 'removeContacts':
        return ok(actor, 'removeContacts', { userIds: [other.id] });
      case 'register':
        if (people.length >= 10) return false;
        people.push(await world.server.person());
        world.log.push('register');
        return true;
    }
  }

  async function ok(person: Person, name: string, input: Untyped): Promise<boolean> {
    return (await act(person, name, input)) !== null;
  }

  async function act(person: Person, name: string, input: Untyped, payload = ''): Promise<Untyped | null> {
    const { data, errors }: Answer<Untyped> = await person.request(mutationOf(name, payload), { input });
    if (errors) throw new Error(`${name} ${JSON.stringify(input)}: ${JSON.stringify(errors)}`);
    const result = data?.[name] as Untyped;
    world.log.push(`${people.indexOf(person)} ${name} ${JSON.stringify(input)} -> ${result.__typename} ${result.code ?? ''}`);
    return result.code ? null : result;
  }
}

async function catchUp(viewer: Person, state: State): Promise<void> {
  for (let after = state.cursor; ; ) {
    const { sync: page } = await viewer.must(sync, { after });
    for (const event of page.items) apply(state, event);
    after = page.endCursor;
    if (!page.hasMore) return;
  }
}

/** Runs the steps, with four readers of one viewer: before everything and live, in the middle and live, in the middle from an older cursor, and polled afterwards. */
async function check(before: Step[], after: Step[], done: Set<Kind>): Promise<void> {
  await using server = await startTestServer();
  const people = await server.people(4);
  const world: World = { server, people, rooms: [], owners: [], messages: [], log: [], done };
  const viewer = people[0] as Person;
  const begun: Step[] = [
    { kind: 'createRoom', who: 0, a: 1, b: 0, c: 1 },
    { kind: 'dialog', who: 1, a: 0, b: 0, c: 0 },
    { kind: 'post', who: 0, a: 0, b: 0, c: 0 },
    { kind: 'addContacts', who: 0, a: 1, b: 0, c: 0 },
  ];
  for (const each of begun) await take(world, each);
  const [live, polled] = [await read(viewer), await read(viewer)];
  const stream = await viewer.follow(events, { after: live.cursor });
  for (const each of before) await take(world, each);
  const halfway = await read(viewer);
  const early = { ...(await read(viewer)), cursor: polled.cursor };
  const second = await viewer.follow(events, { after: halfway.cursor });
  for (const each of after) await take(world, each);
  // The last event of the viewer: everything that happened came before it.
  await viewer.must(mutationOf('updateProfile'), { input: { address: 'the end' } });
  const { eventCursor: end } = await viewer.must('{ eventCursor }');
  for (const [follow, state] of [
    [stream, live],
    [second, halfway],
  ] as const) {
    // Known by its place: an earlier AccountChanged that is read late shows the address, too.
    const items = await follow.until((each) => each.cursor === end);
    for (const each of items) if (!passing.has(each.__typename)) apply(state, each);
  }
  await catchUp(viewer, polled);
  // Events that the data already shows come again.
  await catchUp(viewer, early);
  const fresh = await read(viewer);
  const log = `\n${world.log.join('\n')}\n`;
  expect(shown(fresh, asAnswered), `a status that does not follow from the markers${log}`).toEqual(shown(fresh));
  for (const [name, state] of Object.entries({ live, halfway, polled, early })) expect(shown(state), `${name}${log}`).toEqual(shown(fresh));
}

/** Every kind of change once, each by somebody who may. */
const all = ((): [Step[], Step[]] => {
  const steps = (...list: [Kind, who: number, a?: number, b?: number, c?: number][]): Step[] => list.map(([kind, who, a = 0, b = 0, c = 0]) => ({ kind, who, a, b, c }));
  return [
    steps(
      ['createRoom', 0, 0, 0, 2],
      ['join', 1, 0, 1],
      ['join', 3, 0, 1],
      ['setRole', 0, 1, 1, 1],
      ['add', 1, 2, 1, 3],
      ['post', 2, 0, 1],
      ['post', 0, 0, 1],
      ['markDelivered', 3],
      ['markDelivered', 0, 0, 1],
      ['remove', 0, 2, 1],
      ['ban', 0, 3, 1],
      ['send', 1],
    ),
    steps(
      ['open', 0, 0, 1, 1],
      ['register', 0],
      ['post', 3, 0, 1],
      ['post', 1, 0, 1],
      ['post', 3, 0, 1],
      ['markNotifications', 0, 0, 1, 2],
      ['markNotifications', 0, 0, 0, 0],
      ['post', 1, 0, 1],
      ['markNotifications', 0, 0, 0, 3],
      ['post', 1, 0, 1],
      ['markRead', 0, 0, 4],
      ['edit', 0, 0, 2],
      ['delete', 0, 0, 3],
      ['open', 0, 0, 1, 0],
      ['leave', 2, 0, 1],
      ['updateRoom', 0, 0, 1, 0],
      ['createRoom', 1, 0, 0, 5],
      ['deleteRoom', 1, 0, 2],
      ['deleteRoom', 0, 0, 1],
      ['dialog', 3, 0],
      ['updateProfile', 1],
      ['addContacts', 0, 2],
      ['removeContacts', 0, 2],
      ['send', 0],
    ),
  ];
})();

it(`P6: what was read before, with the events since, equals a fresh read (${runs} runs)`, { timeout: 20_000 + runs * 5_000 }, async () => {
  const done = new Set<Kind>();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 40 }), fc.array(step, { minLength: 15, maxLength: 40 }), (before, after) => check(before, after, done)),
    { seed, numRuns: runs, endOnFailure: true, examples: [all] },
  );
  expect([...new Set(kinds)].filter((kind) => !done.has(kind))).toEqual([]);
});

it('replays what is true at the time, whatever was told of the same events before', async () => {
  await using server = await startTestServer();
  const [owner, guest] = (await server.people(2)) as [Person, Person];
  const room = await owner.createRoom({ name: 'before', members: [{ id: guest.id }] });
  const { eventCursor: after } = await guest.must('{ eventCursor }');
  const document = `subscription ($after: EventCursor) { events(after: $after) { __typename
    ... on MessageAdded { message { text deletedAt sender { displayName presence { online } } chat { name lastSeq my { readSeq } } } } ... on MessageEdited { message { text chat { name } } } } }`;
  const replay = async (): Promise<Item[]> => (await (await guest.follow(document, { after })).until('CaughtUp')).filter((each) => /^Message(Added|Edited)$/.test(each.__typename));
  const { message } = await owner.send(room, 'a secret');
  await owner.must(mutationOf('editMessage'), { input: { messageId: message.id, text: 'a secret, edited' } });
  const socket = owner.socket();
  await socket.request('{ __typename }');
  expect(await replay()).toMatchObject([
    { message: { text: 'a secret, edited', sender: { presence: { online: true } }, chat: { name: 'before', my: { readSeq: 0 } } } },
    { message: { text: 'a secret, edited' } },
  ]);

  await guest.must(mutationOf('markRead'), { input: { chatId: room.id, upToSeq: 1 } });
  await owner.must(mutationOf('deleteMessage'), { input: { messageId: message.id } });
  await owner.must(mutationOf('updateRoom'), { input: { roomId: room.id, name: 'after' } });
  await owner.must(mutationOf('updateProfile'), { input: { displayName: 'Renamed' } });
  const later = await replay();
  expect(later).toMatchObject([
    { message: { text: null, sender: { displayName: 'Renamed' }, chat: { name: 'after', my: { readSeq: 1 } } } },
    { message: { text: null, chat: { name: 'after' } } },
  ]);
  expect(JSON.stringify(later)).not.toContain('secret');
});
