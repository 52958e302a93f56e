/** Who is there and who types, across the servers of one database. */
import { expect, it } from 'vitest';
import { at, followOn } from './kit/nodes.ts';
import { createPerson, type Item, type Person, type Untyped } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { startTestServer, type TestServer } from './kit/server.ts';

const settings = { NODE_POLL_MS: '2000', PRESENCE_GRACE_SECONDS: '1' };
const watching = `subscription ($ids: [ID!]!) { presence(scope: { userIds: $ids }) { __typename ... on PresenceChanged { snapshot user { id presence { state } } } } }`;
const becomes = (person: { id: string }, state: string) => (item: Item) => item.user?.id === person.id && item.user.presence.state === state;
const newMessages = 'subscription { newMessages { __typename } }';

/** Several servers on one database, the first of which it belongs to. They know each other. */
async function startServers(count: number, overrides = {}) {
  const servers: TestServer[] = [];
  for (let index = 0; index < count; index++)
    servers.push(await startTestServer({ ...settings, ...overrides, ...(index > 0 ? { DATABASE_URL: (servers[0] as TestServer).app.config.DATABASE_URL } : {}) }));
  await expect.poll(() => servers.map(({ app }) => app.elsewhere.count()), { timeout: 10_000 }).toEqual(servers.map(() => count));
  return {
    servers: servers as [TestServer, TestServer, ...TestServer[]],
    async [Symbol.asyncDispose](): Promise<void> {
      for (const server of servers.reverse()) await server[Symbol.asyncDispose]();
    },
  };
}

const stateOn = async (node: TestServer, asker: Person, person: { id: string }): Promise<string> =>
  (await at(node, asker).request('query ($id: ID!) { user(ref: { id: $id }) { presence { state } } }', { id: person.id })).data.user.presence.state;

it('P10: who is connected to one server is online on all, and offline on all after the last one', async () => {
  await using opened = await startServers(2);
  const [first, second] = opened.servers;
  const [ada, bob] = [await first.person(), await second.person()];
  const watch = await followOn(second, bob, watching, { ids: [ada.id] });
  await watch.next(becomes(ada, 'OFFLINE'));
  const here = await followOn(first, ada, newMessages, {});
  await watch.next(becomes(ada, 'ONLINE'));
  expect(await stateOn(second, bob, ada)).toBe('ONLINE');
  const there = await followOn(second, ada, newMessages, {});
  await here.socket.close();
  // Still there by the other.
  await watch.stayQuiet(1_500);
  expect(await stateOn(first, bob, ada)).toBe('ONLINE');
  await there.socket.close();
  await watch.next(becomes(ada, 'OFFLINE'));
  await expect.poll(() => stateOn(first, bob, ada)).toBe('OFFLINE');
});

it('counts, lists and pushes as one server: what another has is in every answer', async () => {
  await using opened = await startServers(2);
  const [first, second] = opened.servers;
  const [ada, bob] = [await first.person(), await second.person()];
  const room = await ada.createRoom({ members: [{ id: bob.id }] });
  const stream = await followOn(first, ada, newMessages, {});
  const asked = `query ($id: ID!) { room(ref: { id: $id }) { onlineCount members(online: true) { nodes { user { id } } } } registeredUsers(filter: { online: true }) { nodes { id } } }`;
  const answer = async (): Promise<Untyped> => (await at(second, bob).request(asked, { id: room.id })).data;
  await expect.poll(async () => (await answer()).registeredUsers.nodes.some(({ id }: Untyped) => id === ada.id)).toBe(true);
  expect((await answer()).room.onlineCount).toBe(1);
  expect(second.app.presence.isConnected(second.app.presence.onlineIds().values().next().value as never)).toBe(true);
  await stream.socket.close();
});

it('P10: a server that is killed leaves nobody online for longer than 20 seconds', async () => {
  await using opened = await startServers(2);
  const [first] = opened.servers;
  await using killed = await startProcess({ ...settings, DATABASE_URL: first.app.config.DATABASE_URL });
  const [bob, ada] = [await first.person(), await createPerson(killed)];
  const stream = await ada.follow(newMessages);
  const watch = await followOn(first, bob, watching, { ids: [ada.id] });
  await watch.next(becomes(ada, 'ONLINE'));
  const killedAt = performance.now();
  killed.kill('SIGKILL');
  await watch.next(becomes(ada, 'OFFLINE'), 20_000);
  expect(performance.now() - killedAt).toBeLessThan(20_000);
  await stream.socket.close();
});

it('P10: servers that are stopped and started in turn show nobody offline who comes back elsewhere', async () => {
  await using opened = await startServers(3, { PRESENCE_GRACE_SECONDS: '3' });
  const [first, second, third] = opened.servers as [TestServer, TestServer, TestServer];
  const [ada, bob] = [await first.person(), await third.person()];
  const watch = await followOn(third, bob, watching, { ids: [ada.id] });
  await watch.next(becomes(ada, 'OFFLINE'));
  let stream = await followOn(first, ada, newMessages, {});
  await watch.next(becomes(ada, 'ONLINE'));
  for (const [stopped, other] of [
    [first, second],
    [second, first],
  ] as const) {
    await stopped.restart();
    await stream.socket.whenClosed();
    stream = await followOn(other, ada, newMessages, {});
  }
  await watch.stayQuiet(4_000);
  await stream.socket.close();
  await watch.next(becomes(ada, 'OFFLINE'), 10_000);
});

it('after a crash of the database, everybody is there again', async () => {
  await using opened = await startServers(2);
  const [first, second] = opened.servers;
  const [ada, bob] = [await first.person(), await second.person()];
  const stream = await followOn(first, ada, newMessages, {});
  await expect.poll(() => stateOn(second, bob, ada), { timeout: 5_000 }).toBe('ONLINE');
  const watch = await followOn(second, bob, watching, { ids: [ada.id] });
  await watch.next('CaughtUp');
  // As a crash leaves them.
  await first.app.db.sql.all('TRUNCATE "Node", "Attendance"', []);
  const more = await followOn(first, await first.person(), newMessages, {});
  await expect.poll(async () => (await first.app.db.sql.all('SELECT 1 FROM "Attendance"', [])).length, { timeout: 8_000 }).toBe(3);
  expect(await stateOn(second, bob, ada)).toBe('ONLINE');
  await watch.stayQuiet(100);
  for (const one of [stream, more]) await one.socket.close();
  await watch.next(becomes(ada, 'OFFLINE'));
});

it('is typing on every server, and no more when the message is sent on any', async () => {
  await using opened = await startServers(2);
  const [first, second] = opened.servers;
  const [ada, bob] = [await first.person(), await second.person()];
  const room = await ada.createRoom({ members: [{ id: bob.id }] });
  const document = 'subscription ($id: ID!) { typing(chatId: $id) { __typename ... on TypingChanged { active user { id } } } }';
  await expect.poll(async () => (await at(second, bob).request('query ($id: ID!) { chat(id: $id) { id } }', { id: room.id })).data.chat?.id).toBe(room.id);
  const stream = await followOn(second, bob, document, { id: room.id });
  const type = async (node: TestServer, active: boolean) =>
    expect(
      await at(node, ada).request('mutation ($id: ID!, $active: Boolean!) { setTyping(input: { chatId: $id, active: $active }) { __typename } }', { id: room.id, active }),
    ).not.toHaveProperty('errors');
  await type(first, true);
  expect(await stream.next('TypingChanged')).toMatchObject({ active: true, user: { id: ada.id } });
  await type(first, false);
  expect(await stream.next('TypingChanged')).toMatchObject({ active: false });
  await type(first, true);
  await stream.next((item) => item.active === true);
  await at(second, ada).request('mutation ($id: ID!) { sendMessage(input: { to: { chatId: $id }, text: "said elsewhere" }) { __typename } }', { id: room.id });
  expect(await stream.next('TypingChanged', 2_000)).toMatchObject({ active: false });
});
