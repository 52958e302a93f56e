/** GraphiQL's page, with operations to begin with. It loads nothing from elsewhere, and so has 9 MB, and 120 are needed to make it: only the thread for that imports this. */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { renderGraphiQL } from '@graphql-yoga/render-graphiql';

export type GraphiqlPage = { gzipped: Uint8Array; etag: string };

export function makeGraphiqlPage(): GraphiqlPage {
  const html = renderGraphiQL({
    title: 'Tertulia: GraphiQL',
    endpoint: '/graphql',
    subscriptionsProtocol: 'WS',
    shouldPersistHeaders: true,
    defaultEditorToolsVisibility: 'headers',
    defaultTabs: exampleTabs,
  } as Parameters<typeof renderGraphiQL>[0]);
  const body = Buffer.from(withSocketHeaders(html));
  return { gzipped: gzipSync(body, { level: 6 }), etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
}

/** GraphiQL sends what is in its header editor with HTTP requests only; a socket needs the same in `connection_init`. */
function withSocketHeaders(html: string): string {
  return html.replace(/extensions:\{headers:(\w+)\?\.headers\}/, (_all, options: string) => `extensions:{headers:${options}?.headers,connectionParams:${options}?.headers}`);
}

const signedIn = JSON.stringify({ Authorization: 'Bearer paste-an-accessToken-here' }, null, 2);

/** What GraphiQL opens with. Each is a whole document of its own. */
const exampleTabs: { query: string; variables?: string; headers?: string }[] = [
  {
    query: `# Welcome to Tertulia. Run these tabs from left to right.
#
# 1. Two people. Copy an accessToken from the answer and paste it into the header editor of the
#    next tabs: { "Authorization": "Bearer <accessToken>" }. It lasts 15 minutes.
mutation RegisterTwo {
  ada: register(input: { username: "ada", password: "a long enough secret" }) {
    __typename
    ... on RegisterPayload { me { id username } auth { accessToken } }
    ... on UserError { code errorMessage }
  }
  bob: register(input: { username: "bob", password: "another long secret" }) {
    __typename
    ... on RegisterPayload { me { id username } auth { accessToken } }
    ... on UserError { code errorMessage }
  }
}
`,
  },
  {
    query: `# Signing in again, later.
mutation Login {
  login(input: { login: "ada", password: "a long enough secret" }) {
    __typename
    ... on LoginPayload { auth { grant accessToken accessTokenExpiresAt me { id username } } }
    ... on UserError { code errorMessage }
  }
}
`,
  },
  {
    headers: signedIn,
    query: `# A room for both. Keep its id for the next tabs.
mutation CreateRoom {
  createRoom(input: { name: "Café", topic: "What is new?", members: [{ username: "bob" }] }) {
    __typename
    ... on CreateRoomPayload { room { id name memberCount members { nodes { role user { username } } } } }
    ... on UserError { code errorMessage }
  }
}
`,
  },
  {
    headers: signedIn,
    query: `# Live messages of all of the caller's chats, over WebSocket. Leave it running and send from the next tab.
# After a cut, give the last cursor as \`after\`: what was missed comes first, then CaughtUp.
subscription NewMessages($after: EventCursor) {
  newMessages(after: $after) {
    __typename
    ... on MessageAdded { cursor replayed message { seq text sender { username } chat { id name } } }
    ... on CaughtUp { cursor replayedCount }
    ... on StreamGap { resumeFrom }
    ... on Heartbeat { cursor }
    ... on SessionEnded { endReason retry }
  }
}
`,
  },
  {
    headers: signedIn,
    variables: JSON.stringify({ input: { to: { username: 'bob' }, text: 'Hello, Bob!', clientMessageId: 'example-1' } }, null, 2),
    query: `# Sending twice with one clientMessageId stores one message: run it again and look at \`duplicate\`.
# For a room: "to": { "chatId": "<id of the room>" }.
mutation SendMessage($input: SendMessageInput!) {
  sendMessage(input: $input) {
    __typename
    ... on SendMessagePayload { message { id seq text status createdAt } duplicate cursor }
    ... on UserError { code errorMessage }
    ... on ValidationError { fields { path message } }
  }
}
`,
  },
  {
    headers: signedIn,
    query: `# The first screen of an app. Subscribe to \`events(after: eventCursor)\` with what it answers: nothing is missed.
query Home {
  eventCursor
  me { id username account { totalUnread } }
  chats(first: 20) {
    nodes { __typename id name lastSeq lastMessage { text sender { username } } my { unreadCount readSeq } }
    pageInfo { hasNextPage endCursor }
  }
}
`,
  },
  {
    headers: signedIn,
    variables: JSON.stringify({ after: null }, null, 2),
    query: `# Everything the caller may see, in one order, resumable with \`after\`.
subscription Events($after: EventCursor) {
  events(after: $after) {
    __typename
    ... on StreamEvent { cursor at replayed }
    ... on MessageAdded { message { id seq text sender { username } chat { id } } }
    ... on MessageEdited { message { id text version } }
    ... on MessageDeleted { message { id seq } }
    ... on MessageStatusChanged { chat { id } user { username } status upToSeq }
    ... on ChatAdded { chat { id name } }
    ... on ChatRemoved { chatId reason }
    ... on MyChatChanged { chat { id my { readSeq unreadCount } } }
    ... on PresenceChanged { user { username presence { online } } }
    ... on TypingChanged { user { username } active expiresAt }
    ... on CaughtUp { cursor replayedCount }
    ... on StreamGap { resumeFrom }
    ... on Heartbeat { cursor }
    ... on SessionEnded { endReason retry }
  }
}
`,
  },
];
