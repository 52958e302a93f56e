/** The pages for people: the small one at `/`, the one that mails for a forgotten password lead to, and GraphiQL with operations to begin with. None loads anything from elsewhere. */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

export type Page = { body: Buffer; gzipped: Buffer; etag: string; policy: string };

export const landingPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
// GraphiQL is one inline script with an editor in it that starts its workers from blobs.
const graphiqlPolicy =
  "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; worker-src blob:; style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src data:; connect-src 'self' ws: wss: blob:; base-uri 'none'; frame-ancestors 'none'";

const style = `<style>
body { font: 1rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem; color: #222; background: #fff }
code { background: #eee; padding: .1em .3em; border-radius: 3px }
a { color: #0550ae }
input, button { font: inherit; display: block; box-sizing: border-box; width: 100%; max-width: 24rem; margin: .3rem 0 1rem; padding: .4rem }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } code { background: #333 } a { color: #79b8ff } }
</style>`;

/** The page at `/`. */
export function landingPage({ graphiql }: { graphiql: boolean }): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tertulia</title>
${style}
</head>
<body>
<h1>Tertulia</h1>
<p>A chat server with one public interface: a typed GraphQL API with live subscriptions that resume where they stopped.</p>
<ul>
${graphiql ? '<li><a href="/graphql">GraphiQL</a>: try the API in this browser, with examples to begin with</li>\n' : ''}<li><code>POST /graphql</code>: queries and mutations; subscriptions as Server-Sent Events with <code>Accept: text/event-stream</code></li>
<li><code>/graphql</code> over WebSocket, subprotocol <code>graphql-transport-ws</code>: everything, live</li>
<li><a href="/health">/health</a> and <a href="/ready">/ready</a>: for whoever watches the server</li>
</ul>
<p>Send <code>Authorization: Bearer &lt;accessToken&gt;</code>, or the same as <code>{ "authorization": "Bearer …" }</code> in <code>connection_init</code>.
How to register, resume a stream, retry a send and read errors is told in the client guide (<code>docs/</code> beside the server), and every type
and field explains itself in the schema.</p>
</body>
</html>
`;
}

/** The code is behind `#`, and leaves the address bar at once: neither the history nor a `Referer` keeps it. */
const resetScript = `
const form = document.querySelector('form');
const say = (text) => { document.querySelector('output').textContent = text; };
const token = location.hash.slice(1);
history.replaceState(null, '', location.pathname);
if (!token) { form.hidden = true; say('The link is not complete: take it from the mail as a whole.'); }
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const [first, second] = form.querySelectorAll('input');
  const query = 'mutation ($input: ConfirmPasswordResetInput!) { confirmPasswordReset(input: $input) { __typename ... on UserError { errorMessage } } }';
  const input = { token, newPassword: first.value, newPasswordConfirmation: second.value };
  try {
    const response = await fetch('graphql', { method: 'POST', credentials: 'omit', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables: { input } }) });
    const { data, errors } = await response.json();
    const result = data?.confirmPasswordReset;
    if (result?.__typename !== 'ConfirmPasswordResetPayload') return say(result?.errorMessage ?? errors[0].message);
    form.hidden = true;
    say('The password is set, and all devices are signed out. Sign in with the new one.');
  } catch {
    say('The server cannot be reached: try again.');
  }
});
`;
const scriptHash = createHash('sha256').update(resetScript).digest('base64');
export const resetPolicy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${scriptHash}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The page at `/reset-password#CODE`: a new password for the code of a mail. */
export const resetPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A new password</title>
${style}
</head>
<body>
<h1>A new password</h1>
<form>
<label>New password (8 to 128 characters) <input type="password" autocomplete="new-password" required></label>
<label>Once more <input type="password" autocomplete="new-password" required></label>
<button>Set the password</button>
</form>
<output role="status"></output>
<noscript>This page needs JavaScript. The code in the mail also works in your app.</noscript>
<script>${resetScript}</script>
</body>
</html>
`;

/** GraphiQL's page. Large (9 MB), so it is made when first asked for and kept compressed, too. */
export async function graphiqlPage(): Promise<Page> {
  const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
  const html = renderGraphiQL({
    title: 'Tertulia: GraphiQL',
    endpoint: '/graphql',
    subscriptionsProtocol: 'WS',
    shouldPersistHeaders: true,
    defaultEditorToolsVisibility: 'headers',
    defaultTabs: exampleTabs,
  } as Parameters<typeof renderGraphiQL>[0]);
  const body = Buffer.from(withSocketHeaders(html));
  return { body, gzipped: await promisify(gzip)(body, { level: 6 }), etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`, policy: graphiqlPolicy };
}

/** GraphiQL sends what is in its header editor with HTTP requests only; a socket needs the same in `connection_init`. */
function withSocketHeaders(html: string): string {
  return html.replace(/extensions:\{headers:(\w+)\?\.headers\}/, (_all, options: string) => `extensions:{headers:${options}?.headers,connectionParams:${options}?.headers}`);
}

const signedIn = JSON.stringify({ Authorization: 'Bearer paste-an-accessToken-here' }, null, 2);

/** What GraphiQL opens with. Each is a whole document of its own. */
export const exampleTabs: { query: string; variables?: string; headers?: string }[] = [
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
