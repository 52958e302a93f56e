/** How the state is read and followed. The server answers `home` inside the page when the browser has a session (src/transport/page.ts). */
import type {
  ChatsQuery,
  ChatsQueryVariables,
  EventsSubscription,
  EventsSubscriptionVariables,
  HistoryQuery,
  HistoryQueryVariables,
  HomeQuery,
  HomeQueryVariables,
  LookedAtSubscription,
  LookedAtSubscriptionVariables,
  OpenQuery,
  OpenQueryVariables,
  SyncQuery,
  SyncQueryVariables,
} from '../generated/graphql.ts';
import { operation } from '../operation.ts';

export const homeDocument = operation<HomeQuery, HomeQueryVariables>(/* GraphQL */ `
  query Home($chatId: ID!, $open: Boolean!) {
    eventCursor
    me { ...MeFields }
    serverInfo {
      name webPushPublicKey capabilities
      limits { maxMessageChars maxAttachmentBytes maxAttachmentsPerMessage heartbeatMs typingExpiryMs typingRepeatMs presenceRefreshMs smallRoomMembers }
    }
    chats(first: 30) {
      nodes { ...ChatFields lastMessage { ...MessageFields ...OwnFields } ... on Dialog { peer { presence { online lastSeenAt } } } }
      pageInfo { hasNextPage endCursor }
    }
    notifications(first: 20) { unreadCount nodes { ...NotificationFields } }
    opened: chat(id: $chatId) @include(if: $open) { ...OpenChat ... on Dialog { peer { presence { online lastSeenAt } } } }
  }
`);

/** The chats behind those of the first screen. */
export const chatsDocument = operation<ChatsQuery, ChatsQueryVariables>(/* GraphQL */ `
  query Chats($after: String) {
    chats(first: 100, after: $after) {
      nodes { ...ChatFields lastMessage { ...MessageFields ...OwnFields } ... on Dialog { peer { presence { online lastSeenAt } } } }
      pageInfo { hasNextPage endCursor }
    }
  }
`);

export const openDocument = operation<OpenQuery, OpenQueryVariables>(/* GraphQL */ `
  query Open($chatId: ID!) {
    opened: chat(id: $chatId) { ...OpenChat ... on Dialog { peer { presence { online lastSeenAt } } } }
  }
`);

export const historyDocument = operation<HistoryQuery, HistoryQueryVariables>(/* GraphQL */ `
  query History($chatId: ID!, $anchor: MessageAnchorInput, $first: Int, $last: Int) {
    chat(id: $chatId) { id messages(anchor: $anchor, first: $first, last: $last) { nodes { ...MessageFields ...OwnFields } } }
  }
`);

export const eventsDocument = operation<EventsSubscription, EventsSubscriptionVariables>(/* GraphQL */ `
  subscription Events($after: EventCursor) { events(after: $after) { ...ItemFields } }
`);

/** What is written in a public room that the viewer is not in. */
export const lookedAtDocument = operation<LookedAtSubscription, LookedAtSubscriptionVariables>(/* GraphQL */ `
  subscription LookedAt($chatId: ID!, $after: EventCursor) {
    newMessages(chatId: $chatId, after: $after) {
      __typename
      ... on MessageAdded { cursor replayed message { ...MessageFields ...PlaceFields } }
      ... on CaughtUp { cursor }
      ... on StreamGap { resumeFrom }
      ... on Heartbeat { cursor }
      ... on SessionEnded { endReason retry }
    }
  }
`);

/** The same items, polled: for a tab that does not hold the socket. */
export const syncDocument = operation<SyncQuery, SyncQueryVariables>(/* GraphQL */ `
  query Sync($after: EventCursor!, $first: Int!) { sync(after: $after, first: $first) { endCursor hasMore items { ...ItemFields } } }
`);
