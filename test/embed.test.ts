/** examples/embed/: an app with users of its own, who are signed in at a real server and talk in the app's page; and the lines that docs/embedding.md begins with. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { executablePath, openBrowser, visit } from './kit/browser.ts';
import { arrive, hostIssuer, hostUrl, secret } from './kit/issuer.ts';
import { startTestServer } from './kit/server.ts';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The app of the example, and a server that takes its tokens. */
async function startApp() {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = await startTestServer({ IDENTITY_ISSUERS: JSON.stringify([hostIssuer]), ALLOWED_ORIGINS: url });
  const env = { ...process.env, PORT: String(port), CHAT_URL: server.url, CHAT_SECRET: secret };
  const app = spawn(process.execPath, [fileURLToPath(new URL('../examples/embed/host.ts', import.meta.url))], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  app.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  await expect.poll(() => output, { timeout: 10_000 }).toContain('An app with users is at');
  return {
    server,
    url,
    output,
    async [Symbol.asyncDispose](): Promise<void> {
      app.kill();
      await once(app, 'close');
      await server[Symbol.asyncDispose]();
    },
  };
}

describe('examples/embed', () => {
  it('signs the users of an app in, who find each other by the ids of the app', async () => {
    await using app = await startApp();
    expect(app.output).toContain('ProvisionUsersPayload');
    const come = async (user: string) => {
      const { token, peer, url } = (await (await fetch(`${app.url}/chat?user=${user}`)).json()) as { token: string; peer: string; url: string };
      expect(url).toBe(app.server.url);
      return { peer, ...(await arrive(app.server, token)) };
    };
    const ada = await come('7');
    expect(await ada.change('sendMessage', { to: { externalId: ada.peer }, text: 'hello' })).toMatchObject({ __typename: 'SendMessagePayload' });
    const ben = await come('42');
    expect(ben.auth.me).toMatchObject({ displayName: 'Ben', externalId: '42' });
    expect((await ben.ask('{ inbox { nodes { text sender { externalId } } } }')).inbox.nodes).toEqual([{ text: 'hello', sender: { externalId: '7' } }]);
    expect((await fetch(`${app.url}/chat?user=8`)).status).toBe(404);
    expect(
      readFileSync(new URL('../examples/embed/host.ts', import.meta.url), 'utf8')
        .split('\n')
        .filter((line) => line !== '').length,
    ).toBeLessThanOrEqual(30);
  });

  it.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')('lets two of them talk in its page', async () => {
    await using app = await startApp();
    const browser = await openBrowser();
    try {
      const [ada, ben] = [await visit(browser, app.url), await visit(browser, app.url)];
      const open = async ({ page }: typeof ada, user: string): Promise<void> => {
        const live = page.waitForResponse((response) => response.request().postData()?.includes('newMessages') ?? false);
        await page.goto(`${app.url}/?user=${user}`);
        await live;
      };
      await open(ada, '7');
      await open(ben, '42');
      const say = async ({ page }: typeof ada, text: string): Promise<void> => {
        await page.getByLabel('Message').fill(text);
        await page.keyboard.press('Enter');
      };
      await say(ada, 'Your order is ready.');
      await ben.page.getByText('Ada: Your order is ready.').waitFor();
      await say(ben, 'I am on my way.');
      await ada.page.getByText('Ben: I am on my way.').waitFor();
      expect(await ben.page.locator('li').allInnerTexts()).toEqual(['Ada: Your order is ready.', 'Ben: I am on my way.']);
      expect([...ada.problems, ...ben.problems].filter((problem) => !problem.startsWith(`asked for ${app.server.url}`))).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});

it('the lines that the guide begins with make a token that is taken', async () => {
  const guide = readFileSync(new URL('../docs/embedding.md', import.meta.url), 'utf8');
  const code = [...guide.matchAll(/```js\n([\s\S]*?)```/g)].map(([, lines = '']) => lines);
  const [lines = '', host = ''] = code;
  expect(
    lines
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('import')).length,
  ).toBeLessThanOrEqual(3);
  const issuers = /IDENTITY_ISSUERS='(.+)' npm start/.exec(guide)?.[1]?.replace('"secret": "…"', `"secret": ${JSON.stringify(secret)}`);
  await using server = await startTestServer({ IDENTITY_ISSUERS: issuers as string });
  const { SignJWT } = await import('jose');
  /** As a module, with what the app around it has. */
  const run = async (text: string, what: string): Promise<string> => {
    const code = `export default async (SignJWT, user, process) => { ${lines.replace(/import .*\n/, '')} ${text} return ${what}; }`;
    const made = await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`);
    return made.default(SignJWT, { id: '7', name: 'Ada' }, { env: { CHAT_SECRET: secret } });
  };
  const ada = await arrive(server, await run('', 'token'));
  expect(ada.auth.me).toMatchObject({ externalId: '7', displayName: 'Ada', account: { identities: [{ issuer: hostUrl, externalId: '7' }] } });
  expect(await run(host, 'hostToken')).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
});
