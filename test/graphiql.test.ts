/** The page people meet first, in a real browser that reaches nothing but this server. */
import { execFileSync } from 'node:child_process';
import { chromium, type Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { startTestServer } from './kit/server.ts';

const executablePath = ['chromium', 'chromium-browser', 'google-chrome'].map(findOnPath).find(Boolean);

// Once is enough: the page knows nothing of the database.
describe.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(`GraphiQL${executablePath ? '' : ' (skipped: no chromium on PATH)'}`, () => {
  it('works without the internet: runs an example, and shows a message that arrives over the WebSocket', async () => {
    await using server = await startTestServer();
    const [reader, writer] = await server.people(2);
    const browser = await chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
    try {
      const page = await browser.newPage();
      const elsewhere: string[] = [];
      const problems: string[] = [];
      page.on('request', (request) => {
        if (!request.url().startsWith(server.url) && !/^(data|blob):/.test(request.url())) elsewhere.push(request.url());
      });
      page.on('pageerror', (error) => problems.push(error.message));
      await page.goto(`${server.url}/graphql`);

      await page.click('.graphiql-execute-button');
      await expect.poll(() => answer(page)).toContain('RegisterPayload');

      // Not a pointer's click: the tabs can be dragged, and take one for the beginning of that while they are animated.
      await page.locator('.graphiql-tab-button', { hasText: 'NewMessages' }).evaluate((tab) => (tab as unknown as { click(): void }).click());
      await page.getByRole('button', { name: 'Headers' }).click();
      await page.locator('.graphiql-editor-tool .monaco-editor:visible').click();
      await page.keyboard.press('Control+A');
      await page.keyboard.insertText(JSON.stringify({ Authorization: `Bearer ${reader?.token}` }));
      // The editor closes quotes and brackets by itself.
      await page.keyboard.press('Control+Shift+End');
      await page.keyboard.press('Delete');
      const before = server.followers();
      await page.click('.graphiql-execute-button');
      await expect.poll(() => server.followers()).toBe(before + 1);
      await writer?.send({ username: reader?.username as string }, 'hello from the other side');
      await expect.poll(() => answer(page)).toContain('hello from the other side');

      expect(problems).toEqual([]);
      expect(elsewhere).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});

const answer = async (page: Page): Promise<string> => ((await page.locator('.result-window').textContent()) ?? '').replaceAll('\u00a0', ' ');

function findOnPath(name: string): string | null {
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}
