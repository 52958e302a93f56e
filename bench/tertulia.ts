/** Tertulia as a contestant: this checkout, or another one, with its settings as people have them but for rate limits, cheap password hashes, and many sockets an account. */
import { openCrowd } from '../test/kit/crowd.ts';
import { startProcess } from '../test/kit/process.ts';
import { temporaryFolder } from '../test/kit/server.ts';
import type { Arena, Contestant, Interest } from './arena.ts';
import { type GraphqlWords, openGraphqlLine, postOf } from './graphql-line.ts';
import { createDriver, register } from './kit.ts';

let sent = 0;
const message = (more = ''): string => `message { id seq text sender { id username } ${more} }`;
const follow: Record<Interest, string> = {
  messages: `subscription { newMessages { __typename ... on MessageAdded { cursor ${message()} } } }`,
  events: `subscription { events { __typename ... on StreamEvent { cursor } ... on MessageAdded { ${message()} } } }`,
  own: `subscription { events { __typename ... on StreamEvent { cursor } ... on MessageAdded { ${message('chat { my { unreadCount } }')} } } }`,
};
const words: GraphqlWords = {
  send: `mutation Send($input: SendMessageInput!) {
    sendMessage(input: $input) { __typename ... on SendMessagePayload { message { id seq } duplicate cursor } ... on UserError { code errorMessage } } }`,
  sendVariables: (chatId, text) => ({ input: { to: { chatId }, text, clientMessageId: `${++sent}` } }),
  page: `query Page($chat: ID!, $before: Int!) { chat(id: $chat) {
    messages(last: 50, anchor: { beforeSeq: $before }) { nodes { id seq text createdAt sender { id username displayName } } pageInfo { hasPreviousPage startCursor } } } }`,
  follow: (interest) => follow[interest],
};

export const tertulia = (settings: Record<string, string> = {}, { name = 'Tertulia', checkout }: { name?: string; checkout?: string } = {}): Contestant => ({
  name,
  async start(): Promise<Arena> {
    const folder = await temporaryFolder();
    const startedAt = performance.now();
    const server = await startProcess(
      { DATA_DIR: folder.path, LOG_LEVEL: 'warn', WEB: 'on', MAX_SOCKETS_PER_ACCOUNT: '1000000', MAX_OPERATIONS_PER_SECOND: '1000000', ...settings },
      { checkout },
    );
    const driver = createDriver(server.url);
    await driver.graphql('{ __typename }', {});
    const startMs = performance.now() - startedAt;
    const crowd = await openCrowd(folder.path);
    const globalIds = new Map<number, string>();
    const idOf = (number: number): string => globalIds.get(number) as string;
    let firstToken = '';
    return {
      pid: server.pid,
      url: server.url,
      startMs,
      hello: { path: '/graphql', body: { query: '{ __typename }' } },
      async people(count) {
        const made: { id: number; token: string }[] = [];
        for (let index = 0; index < count; index += 20) {
          const some = await Promise.all(Array.from({ length: Math.min(20, count - index) }, (_, offset) => register(driver, `person${index + offset}`)));
          for (const { id, token } of some) {
            globalIds.set(crowd.numberIn(id), id);
            made.push({ id: crowd.numberIn(id), token });
          }
        }
        firstToken ||= made[0]?.token ?? '';
        return made;
      },
      async room([owner, ...members]) {
        const input = { name: 'Bench', members: members.slice(0, 1_000).map(({ id }) => ({ id: idOf(id) })) };
        const { createRoom } = await driver.graphql(
          'mutation ($input: CreateRoomInput!) { createRoom(input: $input) { ... on CreateRoomPayload { room { id } } ... on UserError { errorMessage } } }',
          { input },
          owner?.token,
        );
        return createRoom.room.id;
      },
      async dialog(one, other) {
        const input = { to: { userId: idOf(other.id) }, text: 'hello' };
        const { sendMessage } = await driver.graphql(
          'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { ... on SendMessagePayload { message { chat { id } } } ... on UserError { errorMessage } } }',
          { input },
          one.token,
        );
        return sendMessage.message.chat.id;
      },
      async fill(chat, count) {
        const { me } = await driver.graphql('{ me { id } }', {}, firstToken);
        await crowd.addMessages(chat, me.id, count);
      },
      open: (person) => openGraphqlLine(server.url, person, words),
      send: postOf(words).send,
      page: (http, person, chat, before) => postOf(words).page(http, person, { chat, before }),
      async [Symbol.asyncDispose]() {
        driver.close();
        await crowd[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  },
});
