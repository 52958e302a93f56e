/** examples/clients/urql.ts: the real urql with Graphcache against a real server whose line breaks. */
import { readFileSync } from 'node:fs';
import * as core from '@urql/core';
import { gql } from '@urql/core';
import { buildSchema, introspectionFromSchema } from 'graphql';
import * as urql from 'urql';
import { expect, it } from 'vitest';
import { createOutbox } from '../../examples/clients/outbox.ts';
import { createUrql, follow, sendWith } from '../../examples/clients/urql.ts';
import { change } from '../kit/outcome.ts';
import type { Untyped } from '../kit/person.ts';
import { endOthers, forgetOldEvents, startWorld, type World } from './kit.ts';

const patient = { timeout: 15_000 };
const schema = introspectionFromSchema(buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')));

const roomDocument = gql`
  query UrqlRoom($id: ID!, $last: Int, $before: String, $anchor: MessageAnchorInput, $first: Int, $after: String) {
    eventCursor
    chat(id: $id) {
      id
      name
      lastSeq
      my { unreadCount }
      messages(last: $last, before: $before, anchor: $anchor, first: $first, after: $after) {
        nodes { id seq text version sender { id username } }
        pageInfo { hasPreviousPage startCursor hasNextPage endCursor }
      }
    }
  }
`;

it('can be had from `urql` as from `@urql/core`', () => {
  expect(Object.keys(urql)).toEqual(expect.arrayContaining(Object.keys(core)));
});

it('changes what a query shows when a message is sent, edited or deleted elsewhere', async () => {
  await using world = await startWorld();
  const { ana, room } = world;
  const { message } = await ana.send(room, 'helo');
  await using screen = await open(world);
  expect(screen.texts()).toEqual(['helo']);
  await change(ana, 'editMessage', { messageId: message.id, text: 'hello' });
  await expect.poll(screen.texts, patient).toEqual(['hello']);
  await ana.send(room, 'again');
  await expect.poll(screen.texts, patient).toEqual(['hello', 'again']);
  expect(screen.data().chat).toMatchObject({ lastSeq: 2, my: { unreadCount: 2 } });
  await change(ana, 'deleteMessage', { messageId: message.id });
  await expect.poll(screen.texts, patient).toEqual([null, 'again']);
  await change(world.ben, 'markRead', { chatId: room.id, upToSeq: 2 });
  await expect.poll(() => screen.data().chat.my, patient).toMatchObject({ unreadCount: 0 });
  expect(screen.warnings).toEqual([]);
});

it('shows after a cut what was missed, each message once', async () => {
  await using world = await startWorld();
  const { ana, room, line } = world;
  await ana.send(room, '1');
  await using screen = await open(world);
  line.cut();
  for (const text of ['2', '3']) await ana.send(room, text);
  line.mend();
  await expect.poll(screen.texts, patient).toEqual(['1', '2', '3']);
  await ana.send(room, '4');
  await expect.poll(screen.texts, patient).toEqual(['1', '2', '3', '4']);
});

it('goes on after 4403 with a fresh token', async () => {
  await using world = await startWorld({ ACCESS_TOKEN_SECONDS: '2' });
  await using screen = await open(world);
  await expect.poll(world.followers, patient).toBe(0);
  const { accessToken } = screen.device.store.get() ?? {};
  const other = await world.server.person();
  await change(other, 'joinChat', { room: { id: world.room.id } });
  await other.send(world.room, 'later');
  await expect.poll(screen.texts, patient).toEqual(['later']);
  expect(screen.device.store.get()?.accessToken).not.toBe(accessToken);
});

it('is told when the session has ended', async () => {
  await using world = await startWorld();
  await using screen = await open(world);
  await endOthers(world.ben);
  await expect.poll(() => screen.told, patient).toEqual(['over']);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(screen.told).toEqual(['over']);
});

it('is told when events are missing, and begins anew', async () => {
  await using world = await startWorld({ EVENT_RETENTION_SECONDS: '1' });
  await world.ana.send(world.room, '1');
  await using screen = await open(world);
  world.line.cut();
  for (let seq = 2; seq <= 8; seq++) await world.ana.send(world.room, String(seq));
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await forgetOldEvents(world.server);
  world.line.mend();
  await expect.poll(() => screen.told, patient).toEqual(['gap']);
  await screen[Symbol.asyncDispose]();
  await using anew = await open(world);
  expect(anew.texts()).toEqual(['4', '5', '6', '7', '8']);
});

it('joins pages of messages, in both directions and around a place', async () => {
  await using world = await startWorld();
  for (let seq = 1; seq <= 12; seq++) await world.ana.send(world.room, String(seq));
  await using screen = await open(world);
  const { client, variables } = screen;
  expect(screen.texts()).toEqual(['8', '9', '10', '11', '12']);
  const older = () => client.query<Untyped>(roomDocument, { ...variables, before: screen.data().chat.messages.pageInfo.startCursor }).toPromise();
  await older();
  await expect.poll(screen.texts, patient).toEqual(['3', '4', '5', '6', '7', '8', '9', '10', '11', '12']);
  await world.ana.send(world.room, '13');
  await expect.poll(() => screen.texts().at(-1), patient).toBe('13');
  await older();
  await expect.poll(screen.texts, patient).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13']);
  expect(screen.data().chat.messages.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: false });
  const around = { id: world.room.id, anchor: { aroundSeq: 5 }, first: 3 };
  const page = async (more: Untyped = {}) => (await client.query<Untyped>(roomDocument, { ...around, ...more }).toPromise()).data?.chat.messages;
  const first = await page();
  expect(first.nodes.map(({ seq }: Untyped) => seq)).toEqual([4, 5, 6]);
  expect((await page({ after: first.pageInfo.endCursor })).nodes.map(({ seq }: Untyped) => seq)).toEqual([4, 5, 6, 7, 8, 9]);
  expect(screen.texts()).toHaveLength(13);
});

it('shows a message while it is on its way, and sends it once over lost answers and cuts', async () => {
  await using world = await startWorld();
  const { ana, room, line } = world;
  await using screen = await open(world);
  const outbox = createOutbox({ send: sendWith(screen.client), changed: () => {} });
  const shown = () => [...screen.texts(), ...outbox.waiting().map(({ text }) => `${text} …`)];
  line.loseAnswers(1);
  outbox.say(room.id, 'a');
  expect(shown()).toEqual(['a …']);
  await expect.poll(shown, patient).toEqual(['a']);
  line.cut();
  outbox.say(room.id, 'c');
  await ana.send(room, 'b');
  expect(shown()).toEqual(['a', 'c …']);
  line.mend();
  await expect.poll(shown, patient).toEqual(['a', 'b', 'c']);
});

it('shows chats that come and go', async () => {
  await using world = await startWorld();
  await using screen = await open(world);
  let names: string[] = [];
  const chats = screen.client.query<Untyped>(gql`query UrqlChats { chats(first: 20) { nodes { id name } pageInfo { endCursor hasNextPage } } }`, {}).subscribe(({ data }) => {
    names = (data?.chats.nodes ?? []).map(({ name }: Untyped) => name);
  });
  await expect.poll(() => names, patient).toEqual(['A room']);
  const other = await world.ana.createRoom({ name: 'Another', members: [{ id: world.ben.id }] });
  await expect.poll(() => names, patient).toEqual(['Another', 'A room']);
  await change(world.ana, 'deleteRoom', { roomId: other.id });
  await expect.poll(() => names, patient).toEqual(['A room']);
  chats.unsubscribe();
});

it('has errors as data', async () => {
  await using world = await startWorld();
  await using screen = await open(world);
  const mutation = gql`
    mutation UrqlEdit($id: ID!) {
      editMessage(input: { messageId: $id, text: "x" }) {
        __typename
        ... on UserError { code errorMessage }
        ... on NotFoundError { typeName }
      }
    }
  `;
  const { data } = await screen.client.mutation<Untyped>(mutation, { id: 'garbage' }).toPromise();
  expect(data?.editMessage).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND', errorMessage: expect.any(String), typeName: 'Message' });
});

/** A screen of the room, with five messages, on a device of Ben's. */
async function open(world: World) {
  const device = await world.signIn();
  const client = createUrql({ url: world.line.url, ...device, schema });
  const warnings: string[] = [];
  const { warn, error } = console;
  console.warn = console.error = (...words) => warnings.push(words.map(String).join(' '));
  const variables = { id: world.room.id, last: 5 };
  let last: Untyped | undefined;
  const watching = client.query<Untyped>(roomDocument, variables).subscribe(({ data }) => (last = data));
  await expect.poll(() => last, patient).toBeDefined();
  const data = (): Untyped => last as Untyped;
  const told: string[] = [];
  const stop = follow(client, data().eventCursor, { gap: () => told.push('gap'), over: () => told.push('over') });
  await expect.poll(world.followers, patient).toBeGreaterThan(0);
  return {
    device,
    client,
    variables,
    data,
    warnings,
    told,
    texts: (): (string | null)[] => data().chat.messages.nodes.map(({ text }: Untyped) => text),
    async [Symbol.asyncDispose](): Promise<void> {
      Object.assign(console, { warn, error });
      stop();
      watching.unsubscribe();
    },
  };
}
