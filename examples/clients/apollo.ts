/** Apollo Client 4: HTTP for queries and mutations, the resuming socket for subscriptions, and a cache that knows pages of messages and takes in events. */
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, type FieldPolicy, gql, HttpLink, InMemoryCache, type Reference, type TypedDocumentNode } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import type { Client } from 'graphql-ws';
import type { ApolloFeedSubscription, ApolloFeedSubscriptionVariables, SendFromOutboxMutation, SendFromOutboxMutationVariables } from '../../test/generated/graphql.ts';
import type { Live } from './live.ts';
import { type Send, sendDocument } from './outbox.ts';
import type { Session } from './session.ts';

type PageInfo = { hasPreviousPage?: boolean; startCursor?: string | null; hasNextPage?: boolean; endCursor?: string | null };
type Page = { nodes: readonly Reference[]; pageInfo?: PageInfo };

export function createApollo({ url, session, live, possibleTypes }: { url: string; session: Session; live: Live; possibleTypes: Record<string, string[]> }) {
  return new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === 'subscription',
      new GraphQLWsLink(live as Client),
      new HttpLink({ uri: url, fetch: session.fetch as typeof fetch }),
    ),
    cache: new InMemoryCache({
      // Without it no fragment on an interface (`... on Chat`) finds its fields in the cache.
      possibleTypes,
      typePolicies: {
        Query: { fields: { chats: forwardPages(['filter']), rooms: forwardPages(['filter']), registeredUsers: forwardPages(['filter']) } },
        // Holds for Room and Dialog.
        Chat: { fields: { messages: messagePages, members: forwardPages(['role', 'online']) } },
        // They have no id and belong to what they are read from: each answer adds to what is known.
        MyChat: { merge: true },
        Presence: { merge: true },
        Account: { merge: true },
        // Each item takes the place of the one before.
        Subscription: { fields: { events: { merge: false } } },
      },
    }),
  });
}

/**
 * Pages of a conversation as one list, for each anchor. `seq` has no holes, so it tells where a page belongs: pages that touch are joined, in whatever order
 * they come; a page far from the others (read after a StreamGap) takes their place. Select `nodes`, with `seq`.
 */
const messagePages: FieldPolicy<Page> = {
  keyArgs: ['anchor'],
  merge(existing, incoming, { readField }) {
    if (!existing?.nodes.length || !incoming.nodes.length) return incoming.nodes.length || !existing ? incoming : existing;
    const seqAt = (page: Page, index: number): number => readField<number>('seq', page.nodes.at(index)) ?? 0;
    const [from, to] = [seqAt(existing, 0), seqAt(existing, -1)];
    const [newFrom, newTo] = [seqAt(incoming, 0), seqAt(incoming, -1)];
    if (newFrom > to + 1 || newTo < from - 1) return incoming;
    const { hasPreviousPage, startCursor, hasNextPage, endCursor } = existing.pageInfo ?? {};
    return {
      ...incoming,
      nodes: [
        ...existing.nodes.filter((message) => (readField<number>('seq', message) ?? 0) < newFrom),
        ...incoming.nodes,
        ...existing.nodes.filter((message) => (readField<number>('seq', message) ?? 0) > newTo),
      ],
      pageInfo: { ...incoming.pageInfo, ...(from < newFrom && { hasPreviousPage, startCursor }), ...(to > newTo && { hasNextPage, endCursor }) },
    };
  },
};

/** Lists that are read from the start: `after` adds, anything else begins anew. */
function forwardPages(keyArgs: string[]): FieldPolicy<Page> {
  return {
    keyArgs,
    merge(existing, incoming, { args }) {
      if (!existing || !args?.after) return incoming;
      const known = new Set(existing.nodes.map(({ __ref }) => __ref));
      return { ...incoming, nodes: [...existing.nodes, ...incoming.nodes.filter(({ __ref }) => !known.has(__ref))] };
    },
  };
}

const feedDocument: TypedDocumentNode<ApolloFeedSubscription, ApolloFeedSubscriptionVariables> = gql`
  subscription ApolloFeed($after: EventCursor) {
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

/** Follows behind the `eventCursor` that was read with the first screen. What has an id changes in the cache by itself; lists are told here. Returns how to stop. */
export function follow(client: ApolloClient, after: string, over: (problem?: unknown) => void): () => void {
  const { cache } = client;
  const feed = client.subscribe({ query: feedDocument, variables: { after } }).subscribe({
    next({ data, error }) {
      if (error) return over(error);
      const item = data?.events;
      if (item?.__typename === 'MessageAdded') addMessage(cache, item.message);
      // New chats are at the top, and old ones change places: what shows a list asks again, or sorts by lastActivityAt.
      if (item?.__typename === 'ChatAdded') cache.evict({ id: 'ROOT_QUERY', fieldName: 'chats' });
      if (item?.__typename === 'ChatRemoved') for (const type of ['Room', 'Dialog']) cache.evict({ id: `${type}:${item.chatId}` });
      // Something is missing that will not come again.
      if (item?.__typename === 'StreamGap') void client.resetStore();
    },
    error: over,
    complete: () => over(),
  });
  return () => feed.unsubscribe();
}

type NewMessage = { __typename?: 'Message'; id: string; chat: { __typename?: string; id: string } };

/** Puts a message at the end of every list of its chat that reaches up to now. */
export function addMessage(cache: ApolloClient['cache'], message: NewMessage): void {
  cache.modify({
    id: cache.identify(message.chat),
    fields: {
      messages(existing, { toReference, readField }) {
        const stored = existing as Page;
        const reference = toReference(message as never) as Reference;
        if (stored.pageInfo?.hasNextPage || stored.nodes.some(({ __ref }) => __ref === reference.__ref)) return stored;
        const seq = (of: Reference): number => readField<number>('seq', of) ?? 0;
        return { ...stored, nodes: [...stored.nodes, reference].sort((one, other) => seq(one) - seq(other)) };
      },
    },
  });
}

/** For the outbox. Not `optimisticResponse`: while that is pending, it hides what others write to the same list. */
export function sendWith(client: ApolloClient): Send {
  const mutation: TypedDocumentNode<SendFromOutboxMutation, SendFromOutboxMutationVariables> = gql(sendDocument);
  return async ({ refusal: _, ...message }) => {
    const { data, error } = await client.mutate({ mutation, variables: message, errorPolicy: 'all' });
    if (error && !CombinedGraphQLErrors.is(error)) throw error;
    if (data?.sendMessage?.__typename === 'SendMessagePayload') addMessage(client.cache, data.sendMessage.message);
    return { data: data ?? null, errors: error?.errors };
  };
}
