/** examples/clients/apollo.ts: the real Apollo Client against a real server whose line breaks. */
import { readFileSync } from 'node:fs';
import { gql } from '@apollo/client';
import type { DocumentNode } from 'graphql';
import { expect, it, vi } from 'vitest';
import { addMessage, createApollo, follow, sendWith } from '../../examples/clients/apollo.ts';
import { createOutbox } from '../../examples/clients/outbox.ts';
import { possibleTypesOf } from '../../examples/clients/possible-types.ts';
import type { Session } from '../../examples/clients/session.ts';
import { change } from '../kit/outcome.ts';
import type { Untyped } from '../kit/person.ts';
import { endOthers, forgetOldEvents, startWorld, type World } from './kit.ts';

const patient = { timeout: 15_000 };
const possibleTypes = possibleTypesOf(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));

const roomDocument = gql`
  query ApolloRoom($id: ID!, $last: Int, $before: String, $anchor: MessageAnchorInput, $first: Int, $after: String) {
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
  await expect.poll(screen.over, patient).toBe(true);
});

it('reads again what it shows when events are missing', async () => {
  await using world = await startWorld({ EVENT_RETENTION_SECONDS: '1' });
  await world.ana.send(world.room, '1');
  await using screen = await open(world);
  world.line.cut();
  for (let seq = 2; seq <= 8; seq++) await world.ana.send(world.room, String(seq));
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await forgetOldEvents(world.server);
  world.line.mend();
  await expect.poll(screen.texts, patient).toEqual(['4', '5', '6', '7', '8']);
  expect(screen.data().chat.messages.pageInfo).toMatchObject({ hasPreviousPage: true });
});

it('joins pages of messages, in both directions and around a place', async () => {
  await using world = await startWorld();
  for (let seq = 1; seq <= 12; seq++) await world.ana.send(world.room, String(seq));
  await using screen = await open(world);
  const { query } = screen;
  expect(screen.texts()).toEqual(['8', '9', '10', '11', '12']);
  const older = () => query.fetchMore({ variables: { last: 5, before: screen.data().chat.messages.pageInfo.startCursor } });
  await older();
  await expect.poll(screen.texts, patient).toEqual(['3', '4', '5', '6', '7', '8', '9', '10', '11', '12']);
  await world.ana.send(world.room, '13');
  await expect.poll(() => screen.texts().at(-1), patient).toBe('13');
  await older();
  await expect.poll(screen.texts, patient).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13']);
  expect(screen.data().chat.messages.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: false });
  const variables = { id: world.room.id, anchor: { aroundSeq: 5 }, first: 3 };
  const around = screen.client.watchQuery<Untyped>({ query: roomDocument, variables });
  await around.refetch();
  const seqs = () => (around.getCurrentResult().data as Untyped).chat.messages.nodes.map(({ seq }: Untyped) => seq);
  expect(seqs()).toEqual([4, 5, 6]);
  await around.fetchMore({ variables: { ...variables, after: (around.getCurrentResult().data as Untyped).chat.messages.pageInfo.endCursor } });
  await expect.poll(seqs, patient).toEqual([4, 5, 6, 7, 8, 9]);
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
  const chats = screen.client.watchQuery<Untyped>({ query: gql`query ApolloChats { chats(first: 20) { nodes { id name } pageInfo { endCursor hasNextPage } } }` });
  const watching = chats.subscribe({});
  const names = () => (chats.getCurrentResult().data as Untyped | undefined)?.chats?.nodes.map(({ name }: Untyped) => name);
  await expect.poll(names, patient).toEqual(['A room']);
  const other = await world.ana.createRoom({ name: 'Another', members: [{ id: world.ben.id }] });
  await expect.poll(names, patient).toEqual(['Another', 'A room']);
  await change(world.ana, 'deleteRoom', { roomId: other.id });
  await expect.poll(names, patient).toEqual(['A room']);
  watching.unsubscribe();
});

it('has errors as data', async () => {
  await using world = await startWorld();
  await using screen = await open(world);
  const { data } = await screen.client.mutate<Untyped>({
    mutation: gql`
      mutation ApolloEdit($id: ID!) {
        editMessage(input: { messageId: $id, text: "x" }) {
          __typename
          ... on UserError { code errorMessage }
          ... on NotFoundError { typeName }
        }
      }
    `,
    variables: { id: 'garbage' },
  });
  expect(data?.editMessage).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND', errorMessage: expect.any(String), typeName: 'Message' });
});

it('adds to what it knows of things without an id', async () => {
  await using world = await startWorld();
  await using screen = await open(world);
  const read = (query: DocumentNode) => screen.client.query<Untyped>({ query, variables: { id: world.room.id, user: world.ana.id } });
  await read(gql`query ApolloParts($id: ID!, $user: ID!) { chat(id: $id) { id my { role } } user(ref: { id: $user }) { id presence { online } } me { id account { email } } }`);
  await read(
    gql`query ApolloOthers($id: ID!, $user: ID!) { chat(id: $id) { id my { joinedAt } } user(ref: { id: $user }) { id presence { lastSeenAt } } me { id account { totalUnread } } }`,
  );
  expect(screen.warnings).toEqual([]);
  expect(screen.client.cache.extract()).toMatchObject({ [`Room:${world.room.id}`]: { my: { role: 'MEMBER', unreadCount: 0, joinedAt: expect.any(String) } } });
});

it('finds nothing of an interface in the cache without the possible types', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
  await using world = await startWorld();
  const query = gql`query ApolloNode($id: ID!) { node(id: $id) { id ... on Chat { name } } }`;
  const answers = [];
  for (const types of [possibleTypes, {}]) {
    const client = createApollo({ url: world.line.url, ...(await world.signIn()), possibleTypes: types });
    answers.push((await client.query<Untyped>({ query, variables: { id: world.room.id } })).data?.node);
  }
  expect(answers).toMatchObject([{ name: 'A room' }, { id: world.room.id }]);
  expect(answers[1].name).toBeUndefined();
  expect(warned).toHaveBeenCalled();
  warned.mockRestore();
});

it('would hide what others write while an optimisticResponse is pending', async () => {
  await using world = await startWorld();
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  await using screen = await open(world, held);
  const { ana, ben, room } = world;
  const pending = screen.client.mutate<Untyped>({
    mutation: gql`
      mutation ApolloOptimistic($input: SendMessageInput!) {
        sendMessage(input: $input) {
          __typename
          ... on SendMessagePayload { message { id seq text version sender { id username } chat { id } } }
        }
      }
    `,
    variables: { input: { to: { chatId: room.id }, text: 'mine', clientMessageId: 'x' } },
    optimisticResponse: {
      sendMessage: {
        __typename: 'SendMessagePayload',
        message: {
          __typename: 'Message',
          id: 'x',
          seq: 9,
          text: 'mine',
          version: 1,
          sender: { __typename: 'User', id: ben.id, username: ben.username },
          chat: { __typename: 'Room', id: room.id },
        },
      },
    },
    update: (cache, { data }) => addMessage(cache as never, data?.sendMessage.message),
  });
  await ana.send(room, 'theirs');
  await expect.poll(() => JSON.stringify(screen.client.cache.extract()), patient).toContain('theirs');
  expect(screen.texts()).toEqual(['mine']);
  release();
  await pending;
  await expect.poll(screen.texts, patient).toEqual(['theirs', 'mine']);
});

/** A screen of the room, with five messages, on a device of Ben's. */
async function open(world: World, mutationsWaitFor: Promise<void> = Promise.resolve()) {
  const device = await world.signIn();
  const session: Session = {
    ...device.session,
    fetch: async (input, init) => {
      if (String(init?.body).includes('mutation')) await mutationsWaitFor;
      return device.session.fetch(input, init);
    },
  };
  const client = createApollo({ url: world.line.url, session, live: device.live, possibleTypes });
  const warnings: string[] = [];
  const { warn, error } = console;
  console.warn = console.error = (...words) => warnings.push(words.map(String).join(' '));
  const query = client.watchQuery<Untyped>({ query: roomDocument, variables: { id: world.room.id, last: 5 } });
  const watching = query.subscribe({});
  await expect.poll(() => query.getCurrentResult().dataState, patient).toBe('complete');
  const data = (): Untyped => query.getCurrentResult().data as Untyped;
  let over = false;
  const stop = follow(client, data().eventCursor, () => (over = true));
  await expect.poll(world.followers, patient).toBe(1);
  return {
    device,
    client,
    query,
    data,
    warnings,
    over: () => over,
    texts: (): (string | null)[] => data().chat.messages.nodes.map(({ text }: Untyped) => text),
    async [Symbol.asyncDispose](): Promise<void> {
      Object.assign(console, { warn, error });
      stop();
      watching.unsubscribe();
      client.stop();
    },
  };
}
