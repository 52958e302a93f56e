/** What the page knows of each thing, in queries and in events alike, so that an event changes everything that is shown of it. */

const PersonFields = /* GraphQL */ `
  fragment PersonFields on User { id username displayName firstName lastName deleted avatar { id } }
`;
const MeFields = /* GraphQL */ `
  fragment MeFields on User { ...PersonFields account { hasPassword email phone address notificationSettings { roomLevel } contacts(first: 100) { nodes { ...PersonFields } } } }
`;
const MyFields = /* GraphQL */ `
  fragment MyFields on MyChat { role joinedAt readSeq deliveredSeq unreadCount firstUnreadSeq unreadThreads highlightCount notificationLevel ownNotificationLevel mutedUntil archived pinnedAt markedUnread }
`;
const ChatFields = /* GraphQL */ `
  fragment ChatFields on Chat {
    __typename id name createdAt lastSeq lastActivityAt memberCount avatar { id } my { ...MyFields }
    ... on Room { topic visibility postPolicy pinPolicy mentionAllPolicy everyone capacity link passwordRequired }
    ... on Dialog { peer { ...PersonFields } peerDeliveredSeq peerReadSeq }
  }
`;
const MemberFields = /* GraphQL */ `
  fragment MemberFields on Member { user { ...PersonFields } role joinedAt deliveredSeq readSeq }
`;
const MessageFields = /* GraphQL */ `
  fragment MessageFields on Message {
    id seq text version createdAt editedAt deletedAt clientMessageId sender { ...PersonFields } attachments { id fileName contentType size image { id width height } }
    reactions { emoji count mine } replyToSeq replyTo { ...QuoteFields } pin { pinnedAt }
    threadRootSeq mentions { writtenAs user { id } } mentionsAll mentionsMe thread { ...ThreadFields } forwardedFrom { author { ...PersonFields } }
  }
`;
/** Of a message what others see otherwise. An event that brings one does not ask: what changes of it comes with events of its own. */
const OwnFields = /* GraphQL */ `
  fragment OwnFields on Message { status saved }
`;
/** Of a thread below a message what is shown under it. */
const ThreadFields = /* GraphQL */ `
  fragment ThreadFields on Thread { id replyCount lastReplyAt my { following } }
`;
/** Of a message that another one answers. */
const QuoteFields = /* GraphQL */ `
  fragment QuoteFields on Message { id seq text version deletedAt sender { ...PersonFields } attachments { image { id } } }
`;
const PlaceFields = /* GraphQL */ `
  fragment PlaceFields on Message { chat { id lastSeq lastActivityAt my { unreadCount firstUnreadSeq unreadThreads highlightCount archived } } threadRoot { seq thread { ...ThreadFields } } }
`;
/** Without what is told of a message otherwise: that they changed, says nothing of it. */
const ReactionsFields = /* GraphQL */ `
  fragment ReactionsFields on Message { id seq chat { id } reactions { emoji count mine } }
`;
const NotificationFields = /* GraphQL */ `
  fragment NotificationFields on Notification { id kind createdAt readAt actor { ...PersonFields } message { id seq chat { id } } }
`;
/** A chat that is opened: the newest messages, and those from the first unread one on. */
const OpenChat = /* GraphQL */ `
  fragment OpenChat on Chat {
    ...ChatFields
    members(first: 20) { nodes { ...MemberFields } }
    newest: messages(last: 40) { nodes { ...MessageFields ...OwnFields } }
    unread: messages(anchor: { firstUnread: true }, first: 50) { nodes { ...MessageFields ...OwnFields } }
  }
`;
const ItemFields = /* GraphQL */ `
  fragment ItemFields on StreamItem {
    __typename
    ... on StreamEvent { cursor replayed }
    ... on MessageAdded { message { ...MessageFields ...PlaceFields } }
    ... on MessageEdited { message { ...MessageFields ...PlaceFields } }
    ... on MessageDeleted { message { ...MessageFields ...PlaceFields } }
    ... on ReactionsChanged { message { ...ReactionsFields } }
    ... on PinsChanged { message { id seq chat { id } pin { pinnedAt } } }
    ... on SavedMessagesChanged { messageId savedMessage { seq saved chat { id } } }
    ... on MyThreadChanged { thread { rootSeq ...ThreadFields chat { id my { ...MyFields } } } }
    ... on MessageStatusChanged { chat { id } user { id } status upToSeq }
    ... on MyChatChanged { chat { id my { ...MyFields } } }
    ... on ChatAdded { chat { ...ChatFields members(first: 20) { nodes { ...MemberFields } } lastMessage { ...MessageFields saved } } }
    ... on ChatUpdated { chat { ...ChatFields members(first: 20) { nodes { ...MemberFields } } } }
    ... on ChatRemoved { chatId reason }
    ... on MemberJoined { room { id memberCount } member { ...MemberFields } }
    ... on MemberUpdated { room { id memberCount } member { ...MemberFields } }
    ... on MemberLeft { room { id memberCount } user { id displayName } by { id displayName } reason }
    ... on UserUpdated { user { ...PersonFields } }
    ... on AccountChanged { me { ...MeFields } }
    ... on NotificationAdded { notification { ...NotificationFields } }
    ... on NotificationsRead { notificationIds notificationsUnread }
    ... on PresenceChanged { user { id presence { online lastSeenAt } } }
    ... on TypingChanged { chat { id } threadRootId user { ...PersonFields } active expiresAt }
    ... on CaughtUp { cursor replayedCount }
    ... on StreamGap { resumeFrom }
    ... on Heartbeat { cursor }
    ... on SessionEnded { endReason retry }
  }
`;
/** Whatever a mutation can answer instead of what was asked for; `sentenceOf` (texts/errors.ts) makes a sentence for people of it. */
const Failure = /* GraphQL */ `
  fragment Failure on UserError {
    __typename code errorMessage
    ... on ValidationError { fields { path rule message } }
    ... on AlreadyTakenError { field }
    ... on ConflictError { conflictReason }
    ... on ForbiddenError { forbiddenReason }
    ... on InvalidTokenError { tokenFailure }
    ... on QuotaExceededError { limit used }
    ... on RateLimitedError { retryAfterMs scope }
    ... on RoomFullError { roomCapacity }
  }
`;

export const fragments = {
  PersonFields,
  MeFields,
  MyFields,
  ChatFields,
  MemberFields,
  MessageFields,
  OwnFields,
  QuoteFields,
  ThreadFields,
  PlaceFields,
  ReactionsFields,
  NotificationFields,
  OpenChat,
  ItemFields,
  Failure,
};
