/**
 * Who may do what: every field of Query, Mutation and Subscription for everybody there is, held against access-matrix.md. A change of the rules shows
 * there as a change of the table (`vitest run test/access-matrix.test.ts -u` writes it); a field without a row fails.
 */
import { createECDH } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { buildSchema, type GraphQLObjectType, type GraphQLUnionType } from 'graphql';
import { expect, it, vi } from 'vitest';
import { type Answer, createPerson, type Person, request, type Untyped } from './kit/person.ts';
import { openRawSocket } from './kit/raw-socket.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const schema = buildSchema(readFileSync(new URL('../schema.graphql', import.meta.url), 'utf8'));
const roles = ['anonymous', 'stranger', 'removed', 'banned', 'member', 'admin', 'owner'] as const;
type Role = (typeof roles)[number];
type People = Record<Exclude<Role, 'anonymous'> | 'other', Person>;

const rooms = {
  private: { visibility: 'PRIVATE' },
  public: { visibility: 'PUBLIC' },
  password: { visibility: 'PUBLIC', password: 'sesame' },
  open: { visibility: 'PUBLIC', postPolicy: 'ANYONE' },
  everyone: { visibility: 'PUBLIC', everyone: true },
};
type Where = keyof typeof rooms | 'dialog' | '';
/** A chat with people in it, and what was said there: in a room by `member` and `other`, in a dialog by `owner` to `admin`. */
type World = { people: People; chatId: string; messageId: string; otherMessageId: string; cursor: string; sessionId: string };
type Case = {
  field: string;
  where: readonly Where[];
  document: string;
  variables?: (world: World) => Untyped;
  /** What the cell is about, of the data; by default the root field. An empty list is `empty`. */
  of?: (data: Untyped, world: World) => unknown;
  /** Asked by somebody new each time: it changes more than the world. */
  fresh?: true;
};

const all: Where[] = ['private', 'public', 'password', 'dialog'];
const byId = ({ chatId }: World): Untyped => ({ id: chatId });
const inRoom = (pick: (room: Untyped) => unknown) => (data: Untyped) => (data.chat === null ? null : pick(data.chat));
const withChat =
  (list: string) =>
  (data: Untyped, { chatId }: World) =>
    data[list]?.nodes.filter((node: Untyped) => node.id === chatId);
const withMessage =
  (list: string) =>
  (data: Untyped, { messageId }: World) =>
    data[list]?.nodes.filter((node: Untyped) => node.id === messageId);

const notifiedOf: Case['of'] = (data, { messageId }) => data.notifications?.nodes.filter((node: Untyped) => node.message.id === messageId);
/** The notification of a message. */
const notificationOf = (messageId: string): string => Buffer.from(Buffer.from(messageId, 'base64').toString().replace('Message', 'Notification')).toString('base64');

/** How ids of dialogs begin. */
const dialogId = Buffer.from('Dialog').toString('base64');

const queries: Case[] = [
  { field: 'Query.me', where: [''], document: '{ me { id } }' },
  { field: 'Query.followedThreads', where: [''], document: '{ followedThreads { nodes { id } } }' },
  { field: 'Query.serverInfo', where: [''], document: '{ serverInfo { name } }' },
  { field: 'Query.tokenInfo', where: [''], document: '{ tokenInfo(token: "x") { active } }' },
  { field: 'Query.eventCursor', where: [''], document: '{ eventCursor }' },
  { field: 'Query.registeredUsers', where: [''], document: '{ registeredUsers { nodes { id } } }' },
  { field: 'Query.user', where: [''], document: 'query ($user: ID!) { user(ref: { id: $user }) { id } }', variables: ({ people }) => ({ user: people.other.id }) },
  {
    field: 'User.account',
    where: [''],
    document: 'query ($user: ID!) { user(ref: { id: $user }) { account { email } } }',
    variables: ({ people }) => ({ user: people.other.id }),
    of: (data) => data.user?.account,
  },
  { field: 'Query.dialog', where: [''], document: 'query ($user: ID!) { dialog(with: { id: $user }) { id } }', variables: ({ people }) => ({ user: people.other.id }) },
  { field: 'Query.chats', where: all, document: '{ chats { nodes { id } } }', of: withChat('chats') },
  { field: 'Query.rooms', where: all, document: '{ rooms(first: 100) { nodes { id } } }', of: withChat('rooms') },
  { field: 'Query.chat', where: all, document: 'query ($id: ID!) { chat(id: $id) { id } }', variables: byId },
  { field: 'Query.room', where: all, document: 'query ($id: ID!) { room(ref: { id: $id }) { id } }', variables: byId },
  { field: 'Query.node', where: all, document: 'query ($id: ID!) { node(id: $id) { id } }', variables: byId },
  {
    field: 'Query.nodes',
    where: all,
    document: 'query ($id: ID!, $message: ID!) { nodes(ids: [$id, $message]) { id } }',
    variables: ({ chatId, messageId }) => ({ id: chatId, message: messageId }),
    of: (data) => data.nodes[1],
  },
  { field: 'Query.message', where: all, document: 'query ($id: ID!) { message(id: $id) { id } }', variables: ({ messageId }) => ({ id: messageId }) },
  { field: 'Query.groupMessages', where: all, document: 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { id } } }', variables: byId },
  { field: 'Query.inbox', where: all, document: '{ inbox(first: 100) { nodes { id } } }', of: withMessage('inbox') },
  {
    field: 'Query.searchMessages',
    where: all,
    document: 'query ($from: ID!) { searchMessages(filter: { from: { id: $from } }, first: 100) { nodes { id } } }',
    variables: ({ people, chatId }) => ({ from: chatId.startsWith(dialogId) ? people.owner.id : people.member.id }),
    of: withMessage('searchMessages'),
  },
  {
    field: 'Query.searchMessages(chatId)',
    where: all,
    document: 'query ($id: ID!) { searchMessages(filter: { chatId: $id }) { nodes { id } } }',
    variables: byId,
    of: withMessage('searchMessages'),
  },
  { field: 'Query.notifications', where: all, document: '{ notifications(first: 100) { nodes { message { id } } } }', of: notifiedOf },
  {
    field: 'Query.sync',
    where: all,
    document: 'query ($after: EventCursor!) { sync(after: $after) { items { ... on MessageAdded { message { id } } } } }',
    variables: ({ cursor }) => ({ after: cursor }),
    of: (data, { messageId }) => data.sync?.items.filter((item: Untyped) => item.message?.id === messageId),
  },
  { field: 'Chat.messages', where: all, document: 'query ($id: ID!) { chat(id: $id) { messages { nodes { id } } } }', variables: byId, of: inRoom((chat) => chat.messages) },
  { field: 'Chat.members', where: all, document: 'query ($id: ID!) { chat(id: $id) { members { nodes { id } } } }', variables: byId, of: inRoom((chat) => chat.members) },
  {
    field: 'Member.readSeq',
    where: all,
    document: 'query ($id: ID!) { chat(id: $id) { members { nodes { readSeq } } } }',
    variables: byId,
    of: inRoom((chat) => chat.members?.nodes[0].readSeq ?? null),
  },
  { field: 'Chat.lastMessage', where: all, document: 'query ($id: ID!) { chat(id: $id) { lastMessage { id } } }', variables: byId, of: inRoom((chat) => chat.lastMessage) },
  { field: 'Chat.messageAt', where: all, document: 'query ($id: ID!) { chat(id: $id) { messageAt(seq: 1) { id } } }', variables: byId, of: inRoom((chat) => chat.messageAt) },
  { field: 'Chat.my', where: all, document: 'query ($id: ID!) { chat(id: $id) { my { readSeq } } }', variables: byId, of: inRoom((chat) => chat.my) },
  {
    field: 'Message.readBy',
    where: all,
    document: 'query ($id: ID!) { message(id: $id) { readBy { pageInfo { hasNextPage } } } }',
    variables: ({ messageId }) => ({ id: messageId }),
    of: (data) => data.message?.readBy,
  },
  {
    field: 'Message.revisions',
    where: all,
    document: 'query ($id: ID!) { message(id: $id) { revisions { pageInfo { hasNextPage } } } }',
    variables: ({ messageId }) => ({ id: messageId }),
    of: (data) => data.message?.revisions,
  },
  {
    field: 'Message.viewerMay',
    where: all,
    document: 'query ($id: ID!) { message(id: $id) { viewerMay } }',
    variables: ({ messageId }) => ({ id: messageId }),
    of: (data) => data.message?.viewerMay,
  },
  { field: 'Chat.pins', where: all, document: 'query ($id: ID!) { chat(id: $id) { pins { pageInfo { hasNextPage } } } }', variables: byId, of: inRoom((chat) => chat.pins) },
  { field: 'Chat.viewerMay', where: all, document: 'query ($id: ID!) { chat(id: $id) { viewerMay } }', variables: byId, of: inRoom((chat) => chat.viewerMay) },
  { field: 'Query.savedMessages', where: [''], document: '{ savedMessages { pageInfo { hasNextPage } } }' },
];

/** A mutation with one input, whose errors are data. */
function mutation(name: string, where: readonly Where[], input: (world: World) => Untyped, more: Partial<Case> = {}): Case {
  const type = (schema.getType(`${name[0]?.toUpperCase()}${name.slice(1)}Result`) as GraphQLUnionType).getTypes().map(String);
  const detail: Record<string, string> = { ForbiddenError: 'forbiddenReason', NotFoundError: 'typeName', ConflictError: 'conflictReason' };
  const errors = type.filter((each) => each.endsWith('Error')).map((each) => `... on ${each} { code ${detail[each] ?? ''} }`);
  const document = `mutation ($input: ${name[0]?.toUpperCase()}${name.slice(1)}Input!) { ${name}(input: $input) { __typename ${errors.join(' ')} } }`;
  return { field: `Mutation.${name}`, where, document, variables: (world) => ({ input: input(world) }), ...more };
}
const pushKeys = { p256dh: createECDH('prime256v1').generateKeys('base64url'), auth: Buffer.alloc(16).toString('base64url') };
const inEach: Where[] = ['private', 'public', 'dialog'];
const mutations: Case[] = [
  mutation('register', [''], () => ({ username: 'someone', password: 'short' })),
  mutation('login', [''], ({ people }) => ({ login: people.other.username, password: 'wrong' })),
  mutation('refreshSession', [''], () => ({ refreshToken: 'x' })),
  mutation('signInWithToken', [''], () => ({ token: 'x' })),
  mutation('linkIdentity', [''], ({ people }) => ({ token: 'x', currentPassword: people.other.password })),
  mutation('unlinkIdentity', [''], () => ({ issuer: 'x' })),
  mutation('provisionUsers', [''], () => ({ token: 'x', users: [] })),
  mutation('endSessions', [''], () => ({ token: 'x', externalId: 'x' })),
  mutation('logout', [''], () => ({}), { fresh: true }),
  mutation('revokeSession', [''], ({ sessionId }) => ({ sessionId })),
  mutation('revokeOtherSessions', [''], () => ({}), { fresh: true }),
  mutation('changePassword', [''], () => ({ oldPassword: 'wrong', newPassword: 'another horse battery' })),
  mutation('requestPasswordReset', [''], () => ({ email: 'nobody@example.org' })),
  mutation('confirmPasswordReset', [''], () => ({ token: 'x', newPassword: 'another horse battery' })),
  mutation('updateProfile', [''], () => ({ firstName: 'Ada' })),
  mutation('deleteAccount', [''], () => ({ password: 'wrong' })),
  mutation('addContacts', [''], ({ people }) => ({ users: [{ id: people.other.id }] })),
  mutation('removeContacts', [''], ({ people }) => ({ userIds: [people.other.id] })),
  { field: 'Mutation.reportActivity', where: [''], document: 'mutation { reportActivity { __typename } }' },
  mutation('requestUpload', [''], () => ({ fileName: 'a.txt', contentType: 'text/plain', size: 1 })),
  mutation('completeUpload', [''], () => ({ attachmentId: 'QXR0YWNobWVudDo5ODc2NTQ=' })),
  mutation('setProfilePicture', [''], () => ({ attachmentId: null })),
  mutation('createRoom', [''], () => ({ name: 'a room' })),
  mutation('joinChat', ['private', 'public', 'everyone', 'dialog'], ({ chatId }) => ({ room: { id: chatId } })),
  mutation('joinChat', ['password'], ({ chatId }) => ({ room: { id: chatId }, password: 'guess' })),
  mutation('leaveChat', ['private', 'public', 'everyone', 'dialog'], ({ chatId }) => ({ chatId })),
  mutation('addMembers', inEach, ({ chatId, people }) => ({ roomId: chatId, users: [{ id: people.stranger.id }] })),
  mutation('removeMember', [...inEach, 'everyone'], ({ chatId, people }) => ({ roomId: chatId, userId: people.other.id })),
  mutation('setMemberRole', inEach, ({ chatId, people }) => ({ roomId: chatId, userId: people.other.id, role: 'ADMIN' })),
  mutation('updateRoom', inEach, ({ chatId }) => ({ roomId: chatId, topic: 'changed' })),
  mutation('deleteRoom', inEach, ({ chatId }) => ({ roomId: chatId })),
  mutation('sendMessage', [...all, 'open'], ({ chatId }) => ({ to: { chatId }, text: 'hello' })),
  mutation('editMessage', inEach, ({ messageId }) => ({ messageId, text: 'changed' })),
  mutation('deleteMessage', inEach, ({ otherMessageId }) => ({ messageId: otherMessageId })),
  mutation('setReactions', [...inEach, 'open'], ({ messageId }) => ({ messageId, emojis: ['👍'] })),
  mutation('followThread', inEach, ({ messageId }) => ({ messageId })),
  mutation('unfollowThread', inEach, ({ messageId }) => ({ messageId })),
  mutation('markThreadRead', inEach, ({ messageId }) => ({ messageId, upToSeq: 1 })),
  mutation('pinMessage', [...inEach, 'password', 'open'], ({ messageId }) => ({ messageId })),
  mutation('unpinMessage', inEach, ({ messageId }) => ({ messageId })),
  mutation('saveMessage', [...inEach, 'password'], ({ messageId }) => ({ messageId })),
  mutation('unsaveMessage', ['private'], ({ messageId }) => ({ messageId })),
  mutation('markDelivered', [...inEach, 'password'], ({ chatId }) => ({ chatId, upToSeq: 1 })),
  mutation('markRead', [...inEach, 'password'], ({ chatId }) => ({ chatId, upToSeq: 1 })),
  mutation('updateMyChat', [...inEach, 'password'], ({ chatId }) => ({ chatId, pinned: true })),
  mutation('updateNotificationSettings', [''], () => ({ roomLevel: 'ALL' })),
  mutation('markNotificationsRead', inEach, ({ messageId }) => ({ ids: [notificationOf(messageId)] })),
  mutation('registerPushDevice', [''], () => ({ webPush: { endpoint: 'https://push.example.org/x', ...pushKeys } })),
  mutation('unregisterPushDevice', [''], () => ({ deviceId: 'UHVzaERldmljZTo5ODc2NTQ=' })),
  mutation('setTyping', [...inEach, 'password'], ({ chatId }) => ({ chatId })),
];

const followed: Where[] = ['private', 'public', 'password', 'dialog'];
const subscriptions: Case[] = [
  { field: 'Subscription.events', where: [''], document: 'subscription { events { __typename } }' },
  { field: 'Subscription.notificationAdded', where: [''], document: 'subscription { notificationAdded { __typename } }' },
  { field: 'Subscription.newMessages', where: ['', ...followed], document: 'subscription ($id: ID) { newMessages(chatId: $id) { __typename } }', variables: byId },
  { field: 'Subscription.messageStatus', where: ['', ...followed], document: 'subscription ($id: ID) { messageStatus(chatId: $id) { __typename } }', variables: byId },
  { field: 'Subscription.presence', where: followed, document: 'subscription ($id: ID) { presence(scope: { chatId: $id }) { __typename } }', variables: byId },
  { field: 'Subscription.typing', where: followed, document: 'subscription ($id: ID!) { typing(chatId: $id) { __typename } }', variables: byId },
];

// ---------------------------------------------------------------- a world for each row

async function makeWorld(people: People, where: Where): Promise<World> {
  const { owner, admin, member, removed, banned, other } = people;
  const { eventCursor: cursor } = await owner.must('{ eventCursor }');
  const nowhere = { people, chatId: '', messageId: '', otherMessageId: '', cursor, sessionId: other.sessionId };
  if (where === '') return nowhere;
  if (where === 'dialog') {
    const { message } = await owner.send({ username: admin.username }, 'hello');
    return { ...nowhere, chatId: message.chat.id, messageId: message.id, otherMessageId: message.id };
  }
  const room = await owner.createRoom({ ...rooms[where], members: [admin, member, removed, banned, other].map(({ id }) => ({ id })) });
  const input = { roomId: room.id };
  await owner.must('mutation ($input: SetMemberRoleInput!) { setMemberRole(input: $input) { __typename } }', { input: { ...input, userId: admin.id, role: 'ADMIN' } });
  if (where !== 'everyone') {
    const remove = 'mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { __typename } }';
    await owner.must(remove, { input: { ...input, userId: removed.id } });
    await owner.must(remove, { input: { ...input, userId: banned.id, ban: true } });
  }
  const [{ message }, { message: another }] = [await member.send(room, 'mine'), await other.send(room, 'hers')];
  return { ...nowhere, chatId: room.id, messageId: message.id, otherMessageId: another.id };
}

async function outcome(server: TestServer, { field, document, variables, of, fresh }: Case, role: Role, world: World): Promise<string> {
  const token = role === 'anonymous' ? null : (fresh ? await createPerson(server) : world.people[role]).token;
  const given = world.chatId === '' && field.startsWith('Subscription') ? {} : variables?.(world);
  if (field.startsWith('Subscription')) return opening(server, document, given, token);
  const answer = await request(server, document, given, token === null ? {} : { authorization: `Bearer ${token}` });
  return toText(answer, answer.data && (of ? of(answer.data, world) : Object.values(answer.data)[0]));
}

/** Whether a stream opens. One at a time: that the server has one more tells so. */
async function opening(server: TestServer, document: string, variables: Untyped | undefined, token: string | null): Promise<string> {
  using socket = await openRawSocket(server, { init: token === null ? {} : { authorization: `Bearer ${token}` } });
  const before = server.followers();
  socket.subscribe('1', document, variables);
  const refused = (): Untyped | undefined => socket.got.find(({ type, payload }) => type === 'error' || payload?.errors);
  await vi.waitUntil(() => server.followers() > before || refused(), { interval: 2, timeout: 5_000 });
  if (refused()) return toText({ errors: refused()?.payload.errors ?? refused()?.payload }, null);
  socket.socket.terminate();
  await vi.waitUntil(() => server.followers() === before, { interval: 2, timeout: 5_000 });
  return 'ok';
}

function toText({ errors }: Answer<Untyped>, value: unknown): string {
  const problem: Untyped | null = errors ? (errors[0]?.extensions as Untyped) : /Error$/.test((value as Untyped | null)?.__typename ?? '') ? (value as Untyped) : null;
  if (problem) return [problem.code, problem.forbiddenReason ?? problem.typeName ?? problem.conflictReason].filter(Boolean).join(' ');
  if (value === null || value === undefined) return 'null';
  return Array.isArray(value) && value.length === 0 ? 'empty' : 'ok';
}

it('lets everybody do what the table says, and nothing else', { timeout: 120_000 }, async () => {
  await using server = await startTestServer();
  const names = ['stranger', 'removed', 'banned', 'member', 'admin', 'owner', 'other'] as const;
  const people = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await server.person()]))) as People;
  const lines: string[] = [];
  const shared = new Map<Where, World>();
  for (const where of ['', ...all] as Where[]) shared.set(where, await makeWorld(people, where));
  await server.app.indexing.idle();
  for (const each of [...queries, ...mutations, ...subscriptions]) {
    for (const where of each.where) {
      const changing = each.field.startsWith('Mutation') && where !== '';
      const cell = async (role: Role): Promise<string> => outcome(server, each, role, changing ? await makeWorld(people, where) : (shared.get(where) as World));
      const cells: string[] = [];
      if (each.field.startsWith('Subscription')) for (const role of roles) cells.push(await cell(role));
      else cells.push(...(await Promise.all(roles.map(cell))));
      lines.push(`| ${[each.field, where || '-', ...cells].join(' | ')} |`);
    }
  }
  const table = [`| ${['field', 'where', ...roles].join(' | ')} |`, `|${' --- |'.repeat(roles.length + 2)}`, ...lines].join('\n');
  await expect(`${introduction}\n\n${table}\n`).toMatchFileSnapshot('access-matrix.md');
});

it('has a row for every field', () => {
  const table = readFileSync(new URL('access-matrix.md', import.meta.url), 'utf8');
  const missing = (['Query', 'Mutation', 'Subscription'] as const).flatMap((type) => {
    const fields = Object.keys((schema.getType(type) as GraphQLObjectType).getFields());
    expect(fields.length).toBeGreaterThan(3);
    return fields.map((field) => `${type}.${field}`).filter((field) => !table.includes(`| ${field} |`));
  });
  expect(missing).toEqual([]);
});

const introduction = `# Who may do what

Each cell is what the server answers, as test/access-matrix.test.ts found it: \`ok\`, \`null\` (as for what does not exist), \`empty\` (a list without it), or the error's code with its reason.
*removed* was a member and may come back, *banned* may not, *other* is one more member: whose message is deleted, who is removed or given a role.
A \`dialog\` is that of *admin* and *owner*. In a room for \`everyone\` all are members. Messages are edited that *member* wrote (in the dialog: *owner*).`;
