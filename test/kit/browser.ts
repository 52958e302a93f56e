/** A real browser, where the machine has one: Chromium, and people in it who are signed in to the page. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
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
  // Sooner than a test's own time: what was waited for is told.
  context.setDefaultTimeout(20_000);
  const problems: string[] = [];
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  context.on('console', (message) => {
    // A line that is cut is told of by the browser itself.
    if (message.type() === 'error' && !/ERR_|WebSocket|Failed to load resource|error occurred when fetching the script/.test(message.text())) problems.push(message.text());
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

/** Where a chat is, or a place in it. */
export const addressOf = ({ id }: { id: string }, ...rest: string[]): string => `/chat/${[id, ...rest].map(encodeURIComponent).join('/')}`;

/** A message that is shown, by a part of its text. */
export const message = (page: Page, text: string) => page.locator('.log .m', { hasText: text }).first();

export async function write(page: Page, text: string): Promise<void> {
  await page.getByLabel(/^Message to/).fill(text);
  await page.keyboard.press('Enter');
}

/** What axe-core finds, in the words of its rules. */
export async function barriers(page: Page, where: string): Promise<unknown[]> {
  // As the policy of the page has it, no script of a test's comes in but through the browser's own door.
  await page.evaluate(axe.source);
  // Another theme has its colours behind the transitions.
  await page.evaluate(async () => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    await Promise.allSettled(document.getAnimations().flatMap((each) => (each instanceof CSSTransition ? each.finished : [])));
  });
  const { violations } = (await page.evaluate('axe.run({ resultTypes: ["violations"] })')) as { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] };
  return violations.map(({ id, nodes }) => ({ where, id, nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`) }));
}

/** Somebody in a browser of their own, signed in, at an address of the page. */
export async function enterAs(browser: Browser, url: string, person: Person, path = '/', options: BrowserContextOptions = {}): Promise<Visit> {
  const visitor = await visit(browser, url, options);
  await signIn(visitor, url, person);
  await visitor.page.goto(`${url}${path}`);
  return visitor;
}

function findOnPath(name: string): string | null {
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}

export type Climb = { pages: number; movedPx: number; rows: number; longestTaskMs: number; atTop: boolean };

/**
 * Reads a conversation upwards: goes near its upper end, waits until more stands there, and looks how far the row under the eye was moved by that; so many
 * times, or until it begins.
 */
export async function climb(page: Page, pages: number): Promise<Climb> {
  return page.evaluate(async (most) => {
    const box = document.querySelector('#messages') as HTMLElement;
    const frame = (): Promise<unknown> => new Promise((resolve) => requestAnimationFrame(resolve));
    const rows = (): HTMLElement[] => [...box.querySelectorAll<HTMLElement>('li[data-key]')];
    const topOf = (row: HTMLElement): number => row.getBoundingClientRect().top - box.getBoundingClientRect().top;
    const result = { pages: 0, movedPx: 0, rows: 0, longestTaskMs: 0, atTop: false };
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) result.longestTaskMs = Math.max(result.longestTaskMs, duration);
    });
    observer.observe({ type: 'longtask' });
    while (result.pages < most) {
      if (box.querySelector('.start')) {
        result.atTop = true;
        break;
      }
      const first = rows()[0]?.dataset.key;
      box.scrollTop = Math.min(box.scrollTop, 300);
      const eye = rows().find((row) => topOf(row) + row.offsetHeight > 1) as HTMLElement;
      const before = topOf(eye);
      const until = performance.now() + 10_000;
      while (rows()[0]?.dataset.key === first && !box.querySelector('.start')) {
        if (performance.now() > until) throw new Error(`nothing came above ${first}`);
        await frame();
      }
      if (eye.isConnected) result.movedPx = Math.max(result.movedPx, Math.abs(topOf(eye) - before));
      else result.movedPx = Number.POSITIVE_INFINITY;
      result.rows = Math.max(result.rows, rows().length);
      result.pages++;
    }
    observer.disconnect();
    return result;
  }, pages);
}
