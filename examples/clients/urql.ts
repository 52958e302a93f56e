/** urql with Graphcache: HTTP for queries and mutations, the resuming socket for subscriptions, and a cache that joins pages of messages and takes in events. */
import { Client, fetchExchange, gql, subscriptionExchange, type TypedDocumentNode } from '@urql/core';
import { type Cache, cacheExchange } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import type { IntrospectionQuery } from 'graphql';
import type { SendFromOutboxMutation, SendFromOutboxMutationVariables, UrqlFeedSubscription, UrqlFeedSubscriptionVariables } from '../../test/generated/graphql.ts';
import type { Live } from './live.ts';
import { type Send, sendDocument } from './outbox.ts';
import type { Session } from './session.ts';

export function createUrql({ url, session, live, schema }: { url: string; session: Session; live: Live; schema: IntrospectionQuery }) {
  const pages = relayPagination();
  const cache = cacheExchange({
    // Without it fragments on interfaces are guessed at.
    schema,
    keys: keysOf(schema),
    resolvers: {
      // For each type that has the field: resolvers on the interface Chat are ignored.
      Room: { messages: pages, members: pages },
      Dialog: { messages: pages, members: pages },
      Query: { chats: pages, rooms: pages, registeredUsers: pages },
    },
    updates: {
      Mutation: {
        sendMessage(result: SendFromOutboxMutation, _args, store) {
          if (result.sendMessage?.__typename === 'SendMessagePayload') addMessage(store, result.sendMessage.message);
        },
      },
      Subscription: {
        events({ events: item }: UrqlFeedSubscription, _args, store) {
          if (item.__typename === 'MessageAdded') addMessage(store, item.message);
          // New chats are at the top, and old ones change places: what shows a list asks again, or sorts by lastActivityAt.
          if (item.__typename === 'ChatAdded' || item.__typename === 'ChatRemoved')
            for (const { fieldName, arguments: args } of store.inspectFields('Query')) if (fieldName === 'chats') store.invalidate('Query', fieldName, args);
          if (item.__typename === 'ChatRemoved') for (const __typename of ['Room', 'Dialog']) store.invalidate({ __typename, id: item.chatId });
        },
      },
    },
  });
  return new Client({
    url,
    fetch: session.fetch as typeof fetch,
    preferGetMethod: false,
    exchanges: [
      cache,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, ...request }) => ({ subscribe: (sink) => ({ unsubscribe: live.subscribe({ ...request, query: query ?? '' }, sink as never) }) }),
      }),
    ],
  });
}

/** Types without an id belong to what they are read from. */
function keysOf({ __schema }: IntrospectionQuery): Record<string, () => null> {
  const without = __schema.types.filter((type) => type.kind === 'OBJECT' && !type.fields.some(({ name }) => name === 'id'));
  return Object.fromEntries(without.map(({ name }) => [name, () => null]));
}

/** Puts a message at the end of every page of its chat that reaches up to now. */
function addMessage(store: Cache, message: { __typename?: 'Message'; id: string; chat: { __typename?: 'Room' | 'Dialog'; id: string } }): void {
  const chat = store.keyOfEntity(message.chat as { __typename: string });
  const added = store.keyOfEntity(message as { __typename: string });
  if (!chat || !added) return;
  for (const { fieldName, fieldKey } of store.inspectFields(chat)) {
    if (fieldName !== 'messages') continue;
    const page = store.resolve(chat, fieldKey) as string | null;
    const nodes = page && (store.resolve(page, 'nodes') as string[] | undefined);
    if (!page || !nodes || nodes.includes(added) || store.resolve(store.resolve(page, 'pageInfo') as string, 'hasNextPage')) continue;
    const seq = (of: string): number => Number(store.resolve(of, 'seq'));
    store.link(
      page,
      'nodes',
      [...nodes, added].sort((one, other) => seq(one) - seq(other)),
    );
  }
}

const feedDocument: TypedDocumentNode<UrqlFeedSubscription, UrqlFeedSubscriptionVariables> = gql`
  subscription UrqlFeed($after: EventCursor) {
    events(after: $after, filter: { kinds: [MESSAGES, RECEIPTS, CHATS] }) {
      __typename
      ... on StreamEvent { cursor replayed }
      ... on MessageAdded {
        message {
          id seq version text createdAt clientMessageId
          sender { id username }
          chat { id name lastSeq lastActivityAt lastMessage { id } my { readSeq unreadCount } }
        }
      }
      ... on MessageEdited { message { id version text editedAt } }
      ... on MessageDeleted { message { id version text deletedAt } }
      ... on MessageStatusChanged { chat { id } user { id } status upToSeq }
      ... on MyChatChanged { chat { id my { readSeq deliveredSeq unreadCount } } }
      ... on ChatAdded { chat { id name lastSeq lastActivityAt my { readSeq unreadCount } } }
      ... on ChatUpdated { chat { id name } }
      ... on ChatRemoved { chatId reason }
      ... on CaughtUp { cursor }
      ... on StreamGap { resumeFrom }
      ... on Heartbeat { cursor }
      ... on SessionEnded { endReason retry }
    }
  }
`;

/**
 * Follows behind the `eventCursor` that was read with the first screen; the cache takes in what comes. Returns how to stop.
 * `gap`: something is missing that will not come again, so begin with a new client, which is urql's way to empty its cache. `over`: the stream will not come back.
 */
export function follow(client: Client, after: string, { gap, over }: { gap: () => void; over: (problem?: unknown) => void }): () => void {
  const { unsubscribe } = client.subscription(feedDocument, { after }).subscribe(({ data, error, hasNext }) => {
    // At the end urql hands out the last item once more.
    if (error || !hasNext) return over(error);
    if (data?.events.__typename === 'StreamGap') gap();
  });
  return unsubscribe;
}

/** For the outbox. */
export function sendWith(client: Client): Send {
  const mutation: TypedDocumentNode<SendFromOutboxMutation, SendFromOutboxMutationVariables> = gql(sendDocument);
  return async ({ refusal: _, ...message }) => {
    const { data, error } = await client.mutation(mutation, message).toPromise();
    if (error?.networkError) throw error.networkError;
    return { data: data ?? null, errors: error?.graphQLErrors };
  };
}
