/** The small pages for people: the one at `/`, and the one that mails for a forgotten password lead to. Neither loads anything from elsewhere. */
import { createHash } from 'node:crypto';

export const landingPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

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
