/** examples/clients on plain `fetch` and graphql-ws, against a real server whose line breaks. */
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { upload } from '../../examples/clients/files.ts';
import { createOutbox, type Outgoing } from '../../examples/clients/outbox.ts';
import { createPlain, type Item, Refused } from '../../examples/clients/plain.ts';
import { find } from '../../examples/clients/search.ts';
import { SignedOut } from '../../examples/clients/session.ts';
import { read } from '../kit/outcome.ts';
import { type Device, endOthers, forgetOldEvents, startWorld, type World } from './kit.ts';

const patient = { timeout: 15_000 };

it('resumes over cuts without losing a message and without showing one twice', async () => {
  await using world = await startWorld();
  const { ana, room, line } = world;
  await ana.send(room, '1');
  const ben = await start(world, await world.signIn());
  for (const text of ['2', '3']) await ana.send(room, text);
  await expect.poll(() => ben.texts(), patient).toEqual(['1', '2', '3']);
  const caughtUp = (): number => ben.items.filter((item) => item.__typename === 'CaughtUp').length;
  for (const [index, texts] of [['4', '5'], ['6']].entries()) {
    line.cut();
    for (const text of texts) await ana.send(room, text);
    line.mend();
    await expect.poll(() => ben.texts().at(-1), patient).toBe(texts.at(-1));
    // Before the next cut takes it away.
    await expect.poll(caughtUp, patient).toBe(index + 2);
  }
  await ana.send(room, '7');
  await expect.poll(() => ben.texts(), patient).toEqual(['1', '2', '3', '4', '5', '6', '7']);
  const added = ben.items.filter((item) => item.__typename === 'MessageAdded');
  expect(added.map((item) => item.message.text)).toEqual(['2', '3', '4', '5', '6', '7']);
  expect(caughtUp()).toBe(3);
  await expect.poll(() => delivered(world), patient).toBe(7);
});

it('notices a line that is dead without a word', async () => {
  await using world = await startWorld();
  const ben = await start(world, await world.signIn({ pingMs: 300 }));
  world.line.stall();
  await world.ana.send(world.room, 'into the void');
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(ben.texts()).toEqual([]);
  world.line.mend();
  await expect.poll(() => ben.texts(), patient).toEqual(['into the void']);
});

it('comes back after 4403 with a fresh token, also when its clock says that the old one is good', async () => {
  await using world = await startWorld({ ACCESS_TOKEN_SECONDS: '2' });
  const device = await world.signIn();
  const before = device.store.get();
  device.store.set(before && { ...before, freshUntil: Date.now() + 3_600_000 });
  const ben = await start(world, device);
  await expect.poll(() => ben.items.filter((item) => item.__typename === 'SessionEnded').length, patient).toBe(1);
  const sender = await world.server.person();
  await sender.send({ username: world.ben.username }, 'in between');
  await expect.poll(() => ben.items.some((item) => item.__typename === 'MessageAdded' && item.message.text === 'in between'), patient).toBe(true);
  expect(device.store.get()?.accessToken).not.toBe(before?.accessToken);
  expect(ben.over()).toBe(false);
});

it('repeats a request whose token has expired, and refreshes once for all that ask', async () => {
  await using world = await startWorld({ ACCESS_TOKEN_SECONDS: '1' });
  const { store, session, live } = await world.signIn();
  const before = store.get();
  store.set(before && { ...before, freshUntil: Date.now() + 3_600_000 });
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const fresh = new Set<string>();
  const { set } = store;
  store.set = (tokens) => {
    if (tokens && tokens.freshUntil > 0) fresh.add(tokens.accessToken);
    set(tokens);
  };
  const plain = createPlain({ url: world.line.url, session, live });
  const names = await Promise.all([1, 2, 3].map(() => plain.ask<{ me: { username: string } }>('{ me { username } chats { totalCount } }')));
  expect(names.map(({ me }) => me.username)).toEqual([1, 2, 3].map(() => world.ben.username));
  expect(store.get()?.refreshToken).not.toBe(before?.refreshToken);
  expect(fresh.size).toBe(1);
});

it('takes a session that was ended for final', async () => {
  await using world = await startWorld();
  const device = await world.signIn();
  const ben = await start(world, device);
  await endOthers(world.ben);
  await expect.poll(() => ben.over(), patient).toBe(true);
  expect(ben.items.at(-1)).toMatchObject({ __typename: 'SessionEnded', endReason: 'REVOKED', retry: false });
  device.session.expire();
  await expect(device.session.accessToken()).rejects.toThrow(SignedOut);
  expect(device.store.get()).toBeNull();
});

it('comes back to a server that was started anew', async () => {
  await using world = await startWorld();
  const ben = await start(world, await world.signIn());
  await world.ana.send(world.room, '1');
  await expect.poll(() => ben.texts(), patient).toEqual(['1']);
  await world.server.restart();
  await world.ana.send(world.room, '2');
  await expect.poll(() => ben.texts(), patient).toEqual(['1', '2']);
});

it('reads again what it shows when events are missing', async () => {
  await using world = await startWorld({ EVENT_RETENTION_SECONDS: '1' });
  const ben = await start(world, await world.signIn());
  world.line.cut();
  await world.ana.send(world.room, 'nobody can replay this');
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await forgetOldEvents(world.server);
  world.line.mend();
  await expect.poll(() => ben.texts(), patient).toEqual(['nobody can replay this']);
  expect(ben.items.map(({ __typename }) => __typename)).toEqual(['CaughtUp', 'StreamGap', 'CaughtUp']);
  await world.ana.send(world.room, 'this is live');
  await expect.poll(() => ben.texts(), patient).toEqual(['nobody can replay this', 'this is live']);
});

it('sends each message once and in order, however often answers and connections get lost', async () => {
  await using world = await startWorld();
  const { ana, room, line } = world;
  const { session, live } = await world.signIn();
  const plain = createPlain({ url: line.url, session, live });
  const shown: string[][] = [];
  const outbox = createOutbox({ send: plain.send, changed: (waiting) => shown.push(waiting.map(({ text }) => text)) });
  line.loseAnswers(2);
  for (const text of ['1', '2']) outbox.say(room.id, text);
  expect(shown.at(-1)).toEqual(['1', '2']);
  await expect.poll(() => outbox.waiting(), patient).toEqual([]);
  line.cut();
  for (const text of ['3', '4']) outbox.say(room.id, text);
  await new Promise((resolve) => setTimeout(resolve, 300));
  line.mend();
  await expect.poll(() => outbox.waiting(), patient).toEqual([]);
  expect((await read(ana, 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { seq text } } }', { id: room.id })).nodes).toEqual(
    ['1', '2', '3', '4'].map((text, index) => ({ seq: index + 1, text })),
  );
});

it('keeps a message that the server will not have, with the reason, and goes on with the next; after a restart of the client it sends what was left', async () => {
  await using world = await startWorld();
  const { session, live } = await world.signIn();
  const plain = createPlain({ url: world.line.url, session, live });
  let stored: readonly Outgoing[] = [];
  const outbox = createOutbox({ send: plain.send, changed: (waiting) => (stored = waiting) });
  outbox.say(world.room.id, ' ');
  outbox.say(world.room.id, 'fine');
  await expect.poll(() => outbox.waiting(), patient).toMatchObject([{ text: ' ', refusal: expect.any(String) }]);
  outbox.drop(outbox.waiting()[0] as Outgoing);
  world.line.cut();
  outbox.say(world.room.id, 'before the crash');
  const left = structuredClone(stored) as Outgoing[];
  world.line.mend();
  const after = createOutbox({ send: plain.send, changed: () => {}, waiting: left });
  await expect.poll(() => [after.waiting(), outbox.waiting()], patient).toEqual([[], []]);
  expect((await read(world.ana, 'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { text } } }', { id: world.room.id })).nodes).toEqual([
    { text: 'fine' },
    { text: 'before the crash' },
  ]);
});

it('sends a picture in a message, and finds it there', async () => {
  await using world = await startWorld();
  const { session, live } = await world.signIn();
  const plain = createPlain({ url: world.line.url, session, live });
  const outbox = createOutbox({ send: plain.send, changed: () => {} });
  const id = await upload(
    plain,
    new File(
      [
        await sharp({ create: { width: 60, height: 40, channels: 3, background: 'teal' } })
          .png()
          .toBuffer(),
      ],
      'sea.png',
      { type: 'image/png' },
    ),
  );
  world.line.loseAnswers(1);
  outbox.say(world.room.id, '', [id]);
  await expect.poll(() => outbox.waiting(), patient).toEqual([]);
  const { nodes } = await read(
    world.ana,
    'query ($id: ID!) { groupMessages(room: { id: $id }) { nodes { attachments { fileName url image { width height url(width: 64) } } } } }',
    {
      id: world.room.id,
    },
  );
  expect(nodes).toMatchObject([{ attachments: [{ fileName: 'sea.png', image: { width: 60, height: 40 } }] }]);
  for (const url of [nodes[0].attachments[0].url, nodes[0].attachments[0].image.url]) expect((await fetch(url)).status).toBe(200);
  await expect(upload(plain, new File(['x'.repeat(10)], ''))).rejects.toThrow(/file name/);
});

it('finds messages, and shows what was found without letting markup in', async () => {
  await using world = await startWorld();
  const { session, live } = await world.signIn();
  const plain = createPlain({ url: world.line.url, session, live });
  for (let count = 0; count < 25; count++) await world.ana.send(world.room, `<b>Crème</b> & ${count}`);
  const searched = async () => find(plain, 'creme', { chatId: world.room.id });
  await expect.poll(async () => (await searched()).found[0]?.html, patient).toBe('&#60;b&#62;<mark>Crème</mark>&#60;/b&#62; &#38; 24');
  const { found, after } = await searched();
  expect(found).toHaveLength(20);
  const rest = await find(plain, 'creme', { chatId: world.room.id }, after);
  expect([rest.found.length, rest.after, rest.complete]).toEqual([5, null, true]);
});

it('tells what a mutation answers from an operation that was refused', async () => {
  await using world = await startWorld();
  const { session, live } = await world.signIn();
  const plain = createPlain({ url: world.line.url, session, live });
  const problem = await plain.ask('{ dialog(with: { username: "nobody" }) { id } }').catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(Refused);
  expect(problem).toMatchObject({ code: 'NOT_FOUND' });
  expect(await session.login(world.ben.username, 'not the password')).toBe('The name or the password is wrong.');
});

async function start(world: World, { session, live }: Device) {
  const plain = createPlain({ url: world.line.url, session, live });
  const items: Item[] = [];
  let over = false;
  await plain.start({ changed: (item) => item && items.push(item), over: () => (over = true) });
  await expect.poll(() => items.map(({ __typename }) => __typename), patient).toEqual(['CaughtUp']);
  return { items, over: () => over, texts: () => plain.messagesOf(world.room.id).map(({ text }) => text) };
}

/** How far Ben has received the room, as Ana sees it. */
const delivered = (world: World): Promise<number> =>
  read(world.ana, 'query ($id: ID!) { room(ref: { id: $id }) { members { nodes { user { id } deliveredSeq } } } }', { id: world.room.id }).then(
    ({ members }) => members.nodes.find((member: { user: { id: string } }) => member.user.id === world.ben.id).deliveredSeq,
  );
