/** examples/clients/apollo.ts: the real Apollo Client against a real server whose line breaks. */
import { readFileSync } from 'node:fs';
import { gql } from '@apollo/client';
import type { DocumentNode } from 'graphql';
import { expect, it, vi } from 'vitest';
import { addMessage, createApollo, follow, sendWith } from '../../examples/clients/apollo.ts';
import { possibleTypesOf } from '../../examples/clients/possible-types.ts';
import type { Session } from '../../examples/clients/session.ts';
import type { Untyped } from '../kit/person.ts';
import { endOthers, forgetOldEvents, startWorld, type World } from './kit.ts';
import { chatsDocument, collectWarnings, describeScreen, patient, roomDocument } from './screen.ts';

const possibleTypes = possibleTypesOf(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));

describeScreen(open);

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

/** The room's screen as Apollo Client keeps it. What it changes is not sent before `mutationsWaitFor` is over. */
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
  const collected = collectWarnings();
  const document = gql(roomDocument);
  const query = client.watchQuery<Untyped>({ query: document, variables: { id: world.room.id, last: 5 } });
  const watching = query.subscribe({});
  await expect.poll(() => query.getCurrentResult().dataState, patient).toBe('complete');
  const data = (): Untyped => query.getCurrentResult().data as Untyped;
  let over = false;
  const stop = follow(client, data().eventCursor, () => (over = true));
  await expect.poll(world.followers, patient).toBe(1);
  return {
    device,
    client,
    data,
    warnings: collected.warnings,
    over: () => over,
    texts: () => data().chat.messages.nodes.map(({ text }: Untyped) => text),
    older: () => query.fetchMore({ variables: { last: 5, before: data().chat.messages.pageInfo.startCursor } }),
    async around(seq: number) {
      const variables = { id: world.room.id, anchor: { aroundSeq: seq }, first: 3 };
      const around = client.watchQuery<Untyped>({ query: document, variables });
      await around.refetch();
      const messages = (): Untyped => (around.getCurrentResult().data as Untyped).chat.messages;
      return {
        seqs: () => messages().nodes.map((message: Untyped) => message.seq),
        more: () => around.fetchMore({ variables: { ...variables, after: messages().pageInfo.endCursor } }),
      };
    },
    watchChats() {
      const chats = client.watchQuery<Untyped>({ query: gql(chatsDocument) });
      const watching = chats.subscribe({});
      return {
        names: () => (chats.getCurrentResult().data as Untyped | undefined)?.chats?.nodes.map(({ name }: Untyped) => name),
        [Symbol.dispose]: () => watching.unsubscribe(),
      };
    },
    mutate: async (mutation: string, variables: Record<string, unknown>) => (await client.mutate<Untyped>({ mutation: gql(mutation), variables })).data,
    send: sendWith(client),
    async [Symbol.asyncDispose](): Promise<void> {
      collected[Symbol.dispose]();
      stop();
      watching.unsubscribe();
      client.stop();
    },
  };
}
