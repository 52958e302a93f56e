/** P6: what was read before, with the events since applied to it, equals a fresh read. Whatever has changed, and by whomever. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { HomeQuery } from '../../web/src/generated/graphql.ts';
import { apply } from '../../web/src/state/apply.ts';
import { chatsDocument, eventsDocument, historyDocument, homeDocument, openDocument, syncDocument } from '../../web/src/state/documents.ts';
import { fragments } from '../../web/src/state/fragments.ts';
import { stateOf, withChats, withHistory, withNewNotifications, withNotifications, withPeople } from '../../web/src/state/merge.ts';
import { type Chat, type Message, newestOf, noticesUnreadIn, type State, statusOf } from '../../web/src/state/state.ts';
import type { Item as PageItem } from '../../web/src/state/types.ts';
import type { Answer, Item, Person, Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';

const runs = process.env.LONG ? 300 : 6;
const seed = Number(process.env.SEED ?? 20_261_120);

// ---------------------------------------------------------------- what a client shows: the page's own documents, and its own reducer

const people = `query { registeredUsers(first: 100) { nodes { ...PersonFields } } } ${fragments.PersonFields}`;
const notifications = `query { notifications(first: 100) { unreadCount nodes { ...NotificationFields } } } ${fragments.NotificationFields} ${fragments.PersonFields}`;

const pinsDocument = 'query ($chatId: ID!) { chat(id: $chatId) { pins(first: 100) { nodes { pinnedAt message { id } } } } }';

// What the page reads when it is looked at: the list of the messages that somebody keeps, and the places they are in.
const savedDocument = '{ eventCursor savedMessages(first: 100) { nodes { message { id chat { id } } } } }';
const savedEvents = `subscription ($after: EventCursor) { events(after: $after) { __typename ... on StreamEvent { cursor } ... on ChatAdded { chat { id } } ... on ChatRemoved { chatId }
  ... on MessageDeleted { message { id } } ... on SavedMessagesChanged { messageId savedMessage { saved chat { id } } } } }`;
type Saved = { ids: Map<string, string>; added: Set<string> };

async function readSaved(viewer: Person): Promise<Saved & { cursor: string }> {
  const { eventCursor, savedMessages } = await viewer.must(savedDocument);
  return { cursor: eventCursor, added: new Set(), ids: new Map(savedMessages.nodes.map(({ message }: Untyped) => [message.id, message.chat.id])) };
}

function applySaved({ ids, added }: Saved, item: Item): Saved {
  if (item.__typename === 'ChatAdded') added.add(item.chat.id);
  if (item.__typename === 'ChatRemoved') for (const [id, chatId] of ids) if (chatId === item.chatId) ids.delete(id);
  if (item.__typename === 'MessageDeleted') ids.delete(item.message.id);
  if (item.__typename === 'SavedMessagesChanged') {
    if (item.savedMessage?.saved) ids.set(item.messageId, item.savedMessage.chat.id);
    else ids.delete(item.messageId);
  }
  return { ids, added };
}

/** What carries no state of the log. */
const passing = new Set(['CaughtUp', 'Heartbeat', 'PresenceChanged', 'TypingChanged']);

/** Everything the page can read, as it reads it: the first screen, the other chats, each chat as it is opened, and all of its history. */
async function read(viewer: Person): Promise<State> {
  const home = await viewer.must<HomeQuery>(homeDocument, { chatId: '', open: false });
  let state = stateOf(home);
  const lastIds = new Map(home.chats?.nodes.map(({ id, lastMessage }) => [id, lastMessage?.id ?? null]));
  for (let page = home.chats?.pageInfo; page?.hasNextPage; ) {
    const { chats } = await viewer.must(chatsDocument, { after: page.endCursor });
    state = withChats(state, chats?.nodes ?? []);
    for (const { id, lastMessage } of chats?.nodes ?? []) lastIds.set(id, lastMessage?.id ?? null);
    page = chats?.pageInfo;
  }
  // What is gone again since it was read: its ChatRemoved follows.
  const chats = await Promise.all(
    [...state.chats.keys()].map(async (chatId) => ({
      chatId,
      opened: (await viewer.request(openDocument, { chatId })).data?.opened,
      history: (await viewer.request(historyDocument, { chatId, last: 100 })).data?.chat?.messages?.nodes,
      pins: (await viewer.request(pinsDocument, { chatId })).data?.chat?.pins?.nodes,
    })),
  );
  for (const { chatId, opened, history, pins } of chats) {
    // The list says what the messages say.
    if (history && pins) {
      const pinned = history.filter(({ pin }: Message) => pin !== null).map(({ id, pin }: Message) => `${pin?.pinnedAt} ${id}`);
      expect(pins.map(({ pinnedAt, message }: Untyped) => `${pinnedAt} ${message.id}`).sort()).toEqual(pinned.sort());
    }
    if (opened) state = withChats(state, [opened]);
    state = withHistory(state, chatId, history ?? []);
    const chat = state.chats.get(chatId) as Chat;
    if (opened && history) expect(newestOf(chat)?.id ?? null).toBe(lastIds.get(chatId));
  }
  state = withPeople(state, (await viewer.must(people)).registeredUsers.nodes);
  const read = await viewer.must(notifications);
  expect(read.notifications.nodes.filter(({ readAt }: Untyped) => readAt === null)).toHaveLength(read.notifications.unreadCount);
  return withNotifications(state, read.notifications);
}

/** A state as two of them are compared. The status of each message is worked out of the markers, as P9 in docs/promises.md says. `places`: only these messages of each chat. */
function shown(state: State, { status = statusOf, places = state }: { status?: (chat: Chat, message: Message) => unknown; places?: State } = {}) {
  const byKey = <T>(map: ReadonlyMap<string | number, T>): [string | number, T][] => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    account: { ...state.account, contactIds: [...state.account.contactIds].sort() },
    people: byKey(state.people),
    notifications: byKey(state.notifications),
    notificationsUnread: noticesUnreadIn(state),
    chats: byKey(state.chats).map(([id, { members, messages, ranges: _, ...chat }]) => {
      const whole = state.chats.get(String(id)) as Chat;
      const list = [...messages.values()].filter(({ seq }) => places.chats.get(String(id))?.messages.has(seq)).sort((a, b) => a.seq - b.seq);
      return {
        ...chat,
        newest: newestOf(whole)?.id ?? null,
        members: byKey(members),
        // A reply may have been read in its thread alone, of which others are told nothing.
        messages: list.map((message) => ({ ...message, status: message.threadRootSeq === null ? status(whole, message) : null })),
        // Before its members are known, a dialog has the other's markers alone.
        byPeer:
          chat.__typename === 'Room'
            ? []
            : list.filter(({ senderId, threadRootSeq }) => senderId === state.meId && threadRootSeq === null).map((message) => statusOf({ ...whole, members: new Map() }, message)),
      };
    }),
  };
}

const asAnswered = (_chat: Chat, message: Message): unknown => message.status;

// ---------------------------------------------------------------- what happens

const kinds = [
  'dialog',
  'send',
  'send',
  'send',
  'post',
  'answer',
  'mention',
  'mentionAll',
  'replyInThread',
  'follow',
  'unfollow',
  'readThread',
  'edit',
  'editMentions',
  'forward',
  'delete',
  'react',
  'pin',
  'unpin',
  'save',
  'unsave',
  'markRead',
  'markRead',
  'markDelivered',
  'updateMyChat',
  'setLevel',
  'setRoomLevel',
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
const levels = ['ALL', 'MENTIONS', 'NOTHING', null] as const;
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
  const say = async (to: Untyped, more: Untyped = {}): Promise<boolean> => {
    const data = await act(actor, 'sendMessage', { to, text: `text ${messages.length}`, ...more }, '... on SendMessagePayload { message { id seq chat { id } } }');
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
      case 'answer':
        return message ? say({ chatId: message.chatId }, { replyToId: message.id }) : false;
      case 'mention':
        return message ? say({ chatId: message.chatId }, { mentions: { users: [{ id: other.id }, { id: (people[0] as Person).id }] } }) : false;
      case 'mentionAll':
        return room ? say({ chatId: room }, { mentions: { all: c % 3 ? 'EVERYONE' : 'HERE' } }) : false;
      case 'editMentions': {
        const mentions = [{}, { users: [{ id: (people[0] as Person).id }] }, { users: [{ id: other.id }] }, { all: 'EVERYONE' }][c % 4];
        return message ? ok(people[message.by] as Person, 'editMessage', { messageId: message.id, text: `edited ${c}`, mentions }) : false;
      }
      case 'forward': {
        const to = recent[c % Math.max(1, recent.length)];
        return message && to ? say({ chatId: to.chatId }, { forwardOf: message.id, text: null }) : false;
      }
      case 'replyInThread':
        return message ? say({ chatId: message.chatId }, { threadRootId: message.id }) : false;
      case 'follow':
      case 'unfollow':
        return message ? ok(actor, `${kind}Thread`, { messageId: message.id }) : false;
      case 'readThread':
        return message ? ok(actor, 'markThreadRead', { messageId: message.id, upToSeq: message.seq }) : false;
      case 'edit':
        return message ? ok(people[message.by] as Person, 'editMessage', { messageId: message.id, text: `edited ${c}` }) : false;
      case 'delete':
        return message ? ok(c % 2 ? actor : (people[message.by] as Person), 'deleteMessage', { messageId: message.id }) : false;
      case 'react': {
        const emojis = ['👍', '❤️', '🦜'].filter((_, index) => (c >> index) % 2 === 1);
        return message ? ok(actor, 'setReactions', { messageId: message.id, emojis }) : false;
      }
      case 'pin':
      case 'unpin':
        return message ? ok(c % 3 ? (people[message.by] as Person) : actor, kind === 'pin' ? 'pinMessage' : 'unpinMessage', { messageId: message.id }) : false;
      case 'save':
        return message ? ok(actor, 'saveMessage', { messageId: message.id, ...(c % 2 ? { note: `note ${c}` } : {}) }) : false;
      case 'unsave':
        return message ? ok(actor, 'unsaveMessage', { messageId: message.id }) : false;
      case 'markRead':
      case 'markDelivered':
        return message ? ok(actor, kind, { chatId: message.chatId, upToSeq: Math.max(0, message.seq - (c % 3)) }) : false;
      case 'updateMyChat': {
        const changes = [{ pinned: true }, { pinned: false }, { markedUnread: true }, { archived: true }, { archived: false }][c % 5];
        return message ? ok(actor, 'updateMyChat', { chatId: message.chatId, ...changes }) : false;
      }
      case 'setLevel': {
        const muted = new Date(Date.now() + 3_600_000);
        const changes = [{ notificationLevel: levels[b % 4] }, { mutedUntil: muted }, { mutedUntil: null }][c % 3];
        return message ? ok(actor, 'updateMyChat', { chatId: message.chatId, ...changes }) : false;
      }
      case 'setRoomLevel':
        return ok(actor, 'updateNotificationSettings', { roomLevel: levels[c % 3] });
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
          { pinPolicy: 'MEMBERS' },
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

async function catchUp(viewer: Person, state: State): Promise<State> {
  let next = state;
  for (let after = state.cursor; ; ) {
    const { sync: page } = await viewer.must(syncDocument, { after, first: 5 });
    if (!page) throw new Error('no page');
    next = page.items.reduce(apply, next);
    after = page.endCursor;
    if (!page.hasMore) return next;
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
  const [first, second] = [await read(viewer), await read(viewer)];
  const stream = await viewer.follow(eventsDocument, { after: first.cursor });
  const kept = await readSaved(viewer);
  const ofKept = await viewer.follow(savedEvents, { after: kept.cursor });
  for (const each of before) await take(world, each);
  const halfway = await read(viewer);
  const early = { ...(await read(viewer)), cursor: second.cursor };
  const later = await viewer.follow(eventsDocument, { after: halfway.cursor });
  for (const each of after) await take(world, each);
  // The last event of the viewer: everything that happened came before it.
  await viewer.must(mutationOf('updateProfile'), { input: { address: 'the end' } });
  const { eventCursor: end } = await viewer.must('{ eventCursor }');
  const follow = async (state: State, { until }: typeof stream): Promise<State> => {
    // Known by its place: an earlier AccountChanged that is read late shows the address, too.
    const items = (await until((each) => each.cursor === end)) as unknown as PageItem[];
    return readNotices(items.filter(({ __typename }) => !passing.has(__typename)).reduce(apply, state));
  };
  // What notifies the viewer decides of the list of notifications, which is then read again.
  const readNotices = async (state: State): Promise<State> => (state.noticesAreOld ? withNewNotifications(state, (await viewer.must(notifications)).notifications) : state);
  // The last: events that the data already shows come again.
  const states = {
    live: await follow(first, stream),
    halfway: await follow(halfway, later),
    polled: await readNotices(await catchUp(viewer, second)),
    early: await readNotices(await catchUp(viewer, early)),
  };
  const fresh = await read(viewer);
  const log = `\n${world.log.join('\n')}\n`;
  expect(shown(fresh, { status: asAnswered }), `a status that does not follow from the markers${log}`).toEqual(shown(fresh));
  for (const [name, state] of Object.entries(states)) {
    expect(shown(state), `${name}${log}`).toEqual(shown(fresh, { places: state }));
    expect(state.cursor, name).toBe(end);
  }
  const { ids, added } = (await ofKept.until((each) => each.cursor === end)).reduce(applySaved, kept);
  // What comes with a chat is read when that comes; what a guest sees of a room comes and goes with its settings.
  const shownOf = (list: Saved['ids']): string[] => [...list].filter(([, chatId]) => fresh.chats.get(chatId)?.my && !added.has(chatId)).map(([id]) => id);
  expect(shownOf(ids).sort(), log).toEqual(shownOf((await readSaved(viewer)).ids).sort());
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
      ['updateMyChat', 0, 0, 4, 0],
      ['updateMyChat', 0, 0, 4, 2],
      ['setLevel', 1, 1, 4, 0],
      ['setLevel', 0, 0, 4, 1],
      ['setRoomLevel', 0, 0, 0, 1],
      ['markRead', 0, 0, 4],
      ['save', 0, 0, 1, 1],
      ['save', 0, 0, 2, 1],
      ['unsave', 0, 0, 2],
      ['save', 0, 0, 3],
      ['save', 0, 0, 2],
      ['edit', 0, 0, 2],
      ['react', 1, 0, 1, 5],
      ['react', 0, 0, 1, 1],
      ['react', 1, 0, 1, 2],
      ['replyInThread', 1, 0, 2],
      ['replyInThread', 0, 0, 2],
      ['replyInThread', 1, 0, 7],
      ['unfollow', 0, 0, 7],
      ['replyInThread', 1, 0, 7],
      ['follow', 0, 0, 7],
      ['readThread', 0, 0, 7],
      ['delete', 1, 0, 7, 1],
      ['pin', 0, 0, 1],
      ['pin', 0, 0, 2],
      ['unpin', 0, 0, 1],
      ['forward', 0, 0, 1, 4],
      ['answer', 1, 0, 2],
      ['answer', 1, 0, 3],
      ['mention', 1, 0, 3],
      ['mentionAll', 1, 0, 1, 1],
      ['editMentions', 1, 0, 7, 1],
      ['edit', 0, 0, 1],
      ['delete', 0, 0, 2],
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
