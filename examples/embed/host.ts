/** `node examples/embed/host.ts`: an app with users of its own, who talk in its page. They are signed in to the app; three lines sign them in at the chat server, too. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { SignJWT } from 'jose';

const { PORT = '3000', CHAT_URL = 'http://127.0.0.1:4000', CHAT_SECRET = '' } = process.env;
const users: Record<string, string> = { 7: 'Ada', 42: 'Ben' };
const page = readFileSync(new URL('page.html', import.meta.url));

const key = new TextEncoder().encode(CHAT_SECRET);
const sign = (claims: { sub?: string; name?: string; scope?: string }): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setIssuer('https://app.example.org').setAudience('chat').setIssuedAt().setExpirationTime('5m').sign(key);

// Who has not been there yet can be written to once the chat server has heard of them.
const query = 'mutation ($input: ProvisionUsersInput!) { provisionUsers(input: $input) { __typename ... on UserError { errorMessage } } }';
const input = { token: await sign({ scope: 'provision' }), users: Object.entries(users).map(([externalId, displayName]) => ({ externalId, displayName })) };
const answer = await fetch(`${CHAT_URL}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables: { input } }) });
console.log(await answer.text());

createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://host');
  // Here your app asks its own session who this is. This one believes what it is told.
  const sub = searchParams.get('user') ?? '';
  const name = users[sub];
  if (pathname === '/') return void response.setHeader('content-type', 'text/html; charset=utf-8').end(page);
  if (pathname !== '/chat' || name === undefined) return void response.writeHead(404).end();
  const [peer] = Object.keys(users).filter((id) => id !== sub);
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ url: CHAT_URL, token: await sign({ sub, name }), peer }));
}).listen(Number(PORT), '127.0.0.1', () => console.log(`An app with users is at http://127.0.0.1:${PORT}/?user=7 and /?user=42`));
