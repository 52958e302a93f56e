/** A real browser, where the machine has one: Chromium, and people in it who are signed in to the page. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Person } from './person.ts';

export const executablePath = ['chromium', 'chromium-browser', 'google-chrome'].map(findOnPath).find(Boolean) ?? null;

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });

const root = join(import.meta.dirname, '../..');

/** What is in web/dist is what is in web/src. */
export function buildWhenOld(): void {
  const built = join(root, 'web/dist/index.html');
  const newest = Math.max(...globSync('web/{src,public}/**/*.*', { cwd: root, exclude: ['web/src/generated/**'] }).map((file) => statSync(join(root, file)).mtimeMs));
  if (!existsSync(built) || statSync(built).mtimeMs < newest) execFileSync(process.execPath, ['scripts/web.ts'], { cwd: root });
}

/** One browser profile, in which nobody has been; and what went wrong in it, or was asked of another host. */
export type Visit = { page: Page; context: BrowserContext; problems: string[]; tab: () => Promise<Page> };

export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, locale: 'en-GB', ...options });
  const problems: string[] = [];
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  context.on('console', (message) => {
    // A line that is cut is told of by the browser itself.
    if (message.type() === 'error' && !/ERR_|WebSocket|Failed to load resource/.test(message.text())) problems.push(message.text());
  });
  context.on('weberror', (error) => problems.push(String(error.error())));
  context.on('request', (request) => {
    if (!request.url().startsWith(url) && !/^(data|blob):/.test(request.url())) problems.push(`asked for ${request.url()}`);
  });
  context.on('dialog', (dialog) => {
    problems.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return { context, problems, page: await context.newPage(), tab: () => context.newPage() };
}

/** Gives a profile somebody's session. */
export async function signIn({ context }: Pick<Visit, 'context'>, url: string, { username, password }: Pick<Person, 'username' | 'password'>): Promise<void> {
  const query = 'mutation ($input: LoginInput!) { login(input: $input) { __typename } }';
  const response = await context.request.post(`${url}/graphql`, { data: { query, variables: { input: { login: username, password, useCookies: true } } } });
  const { data } = (await response.json()) as { data: { login: { __typename: string } } };
  if (data.login.__typename !== 'LoginPayload') throw new Error(`${username} could not sign in`);
}

function findOnPath(name: string): string | null {
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}
