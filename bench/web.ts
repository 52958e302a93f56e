/**
 * W-page: the page in a real Chromium against its bars. Sizes and counts are exact. Work is what the page's own thread has computed, out of the browser's trace:
 * other work on this machine has no part in it; the time on the wall stands beside it. Other times are medians of this machine. `MESSAGES` and `PAGES` make
 * it shorter.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { buildWhenOld, climb, executablePath, openBrowser, signIn, type Visit, visit } from '../test/kit/browser.ts';
import { openLine } from '../test/kit/line.ts';
import { createDriver, createRoom, type Driver, quantile, startBenchServer } from './kit.ts';

const messages = Number(process.env.MESSAGES ?? 100_000);
const pages = Number(process.env.PAGES ?? 2_000);
const rounds = Number(process.env.ROUNDS ?? 7);
const password = 'correct horse battery';
const mark = 'tertulia first message';
const median = (values: number[]): number => quantile(values, 0.5);
const send = 'mutation ($chatId: ID!, $text: String!) { sendMessage(input: { to: { chatId: $chatId }, text: $text }) { __typename } }';

if (!executablePath) throw new Error('There is no chromium on PATH.');
buildWhenOld();
await using server = await startBenchServer({ WEB: 'on', SQLITE_SYNCHRONOUS: 'normal' });
await using line = await openLine(server);
const url = new URL(line.url).origin;
const driver = createDriver(server.url);
const [ana, ben] = [await register('ana'), await register('ben')];
const small = await createRoom(driver, ana.token, [ben.id]);
const large = await createRoom(driver, ana.token, [ben.id]);
const browser = await openBrowser();
const bars: { what: string; value: number; must: number; aim?: number; unit: string }[] = [];
const bar = (what: string, value: number, must: number, aim?: number, unit = 'ms', wall?: number): void => {
  bars.push({ what, value, must, aim, unit });
  console.log(
    `  ${value <= must ? 'ok  ' : 'OVER'} ${what.padEnd(62)} ${value.toFixed(value < 100 && unit !== '' ? 1 : 0)} ${unit}  (must ${must}${aim === undefined ? '' : `, aim ${aim}`}${wall === undefined ? '' : `; on the wall ${wall.toFixed(1)}`})`,
  );
};

console.log(`  load of this machine: ${loadavg()[0]?.toFixed(1)}`);
try {
  await seed(small, 120);
  await weigh();
  await opening();
  await writing();
  await tabs();
  const started = performance.now();
  await seed(large, messages);
  console.log(`  a room of ${messages} messages, made in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  await reading();
} finally {
  await browser.close();
  driver.close();
}
console.log(`${bars.filter(({ value, must }) => value <= must).length} of ${bars.length} bars met`);

async function weigh(): Promise<void> {
  const folder = join(import.meta.dirname, '../web/dist/assets');
  const weight = (ending: string, which = /^core-/): number =>
    readdirSync(folder)
      .filter((name) => which.test(name) && name.endsWith(ending))
      .reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length / 1024, 0);
  bar('JavaScript before the room works, gzip', weight('.js'), 80, 50, 'KB');
  bar('CSS, gzip', weight('.css'), 12, undefined, 'KB');
}

/** First message painted: cold, and warm without a server. */
async function opening(): Promise<void> {
  const cold: number[] = [];
  const warm: number[] = [];
  let requests = 0;
  for (let round = 0; round < rounds; round++) {
    const visitor = await enter();
    const page = await visitor.tab();
    await page.goto(`${url}/chat/${encodeURIComponent(small)}`);
    cold.push(await firstMessage(page));
    requests = Math.max(requests, await requestsBefore(page));
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => {}));
    await page.waitForFunction(async () => Boolean(await caches.match('/')));
    await driver.graphql(send, { chatId: small, text: 'so that something is kept' }, ana.token);
    await sleep(1_800);
    await page.close();
    line.cut();
    const again = await visitor.tab();
    await again.goto(`${url}/chat/${encodeURIComponent(small)}`);
    warm.push(await firstMessage(again));
    line.mend();
    await visitor.context.close();
  }
  bar('requests before the first message', requests, 6, undefined, '');
  bar('first message painted, cold', median(cold), 500, 300);
  bar('first message painted, warm, without a server', median(warm), 200, 120);
}

async function writing(): Promise<void> {
  await markRead(small);
  const { page, context } = await enter();
  await page.goto(`${url}/chat/${encodeURIComponent(small)}`);
  await page.locator('.log .m').first().waitFor();
  // A chat seen before: there and back.
  const open: number[] = [];
  for (let round = 0; round < rounds * 2; round++) {
    open.push(
      await page.evaluate(async () => {
        const painted = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))));
        const row = document.querySelector<HTMLElement>('.row[aria-current]') ?? document.querySelector<HTMLElement>('.row');
        (document.querySelector('.rail a') as HTMLElement).click();
        while (document.querySelector('.log .m')) await painted();
        const started = performance.now();
        row?.click();
        while (!document.querySelector('.log .m')) await painted();
        return (await painted()) - started;
      }),
    );
  }
  bar('a chat seen before opens', median(open), 50);

  await page.getByLabel(/^Message to/).focus();
  await watchKeys(page);
  const entered = await traced(page, async () => {
    for (let round = 0; round < 20; round++) {
      await page.keyboard.type(`own ${round}`);
      await page.keyboard.press('Enter');
      await sleep(60);
    }
  });
  const enters = keysIn(entered, 'Enter');
  bar('own message in its place after Enter, median work', median(enters.work), 16, 8, 'ms', median(enters.wall));

  const typed = await traced(page, async () => {
    const talking = talk(small, 100, 4);
    for (let round = 0; round < 60; round++) {
      await page.keyboard.type('k');
      await sleep(50);
    }
    await talking;
  });
  const keys = keysIn(typed, 'k');
  bar('typing while 100 messages a second arrive: work for a key, 95 %', quantile(keys.work, 0.95), 16, undefined, 'ms', quantile(keys.wall, 0.95));
  bar('longest task meanwhile', longestIn(typed), 50);
  await context.close();
}

async function tabs(): Promise<void> {
  const visitor = await enter();
  await visitor.page.goto(url);
  const second = await visitor.tab();
  await second.goto(url);
  await sleep(800);
  const apart: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const seen = [visitor.page, second].map((page) =>
      page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            const before = document.title;
            new MutationObserver((_list, observer) => {
              if (document.title === before) return;
              observer.disconnect();
              resolve(performance.timeOrigin + performance.now());
            }).observe(document.querySelector('title') as Element, { childList: true });
          }),
      ),
    );
    await sleep(50);
    await driver.graphql(send, { chatId: small, text: `unread ${round}` }, ana.token);
    const [one = 0, other = 0] = await Promise.all(seen);
    apart.push(Math.abs(one - other));
  }
  bar('unread is the same in two tabs after', quantile(apart, 1), 200);
  await visitor.context.close();
}

async function reading(): Promise<void> {
  await driver.graphql(
    'mutation ($chatId: ID!, $upToSeq: Int!) { markRead(input: { chatId: $chatId, upToSeq: $upToSeq }) { __typename } }',
    { chatId: large, upToSeq: messages },
    ben.token,
  );
  const { page, context } = await enter();
  await page.goto(`${url}/chat/${encodeURIComponent(large)}`);
  await page.locator('.log .m').first().waitFor();
  const devtools = await context.newCDPSession(page);
  const heap = async (): Promise<number> => {
    await devtools.send('HeapProfiler.collectGarbage');
    const { usedSize } = await devtools.send('Runtime.getHeapUsage');
    return usedSize / 2 ** 20;
  };
  await climb(page, 20);
  const before = await heap();
  let climbed = await climb(page, 0);
  const trace = await traced(page, async () => {
    climbed = await climb(page, pages);
  });
  bar(`pages up in the large room: row under the eye moves (${climbed.pages} pages)`, climbed.movedPx, 1, 0, 'px');
  bar('rows in the document at most', climbed.rows, 300, undefined, '');
  bar('longest task while reading', longestIn(trace), 50, undefined, 'ms', climbed.longestTaskMs);
  bar('heap grows by', (await heap()) - before, 20, undefined, 'MB');
  await context.close();
}

// ---------------------------------------------------------------- what is measured with

async function enter(): Promise<Visit> {
  const visitor = await visit(browser, url);
  await signIn(visitor, url, { username: 'ben', password });
  return visitor;
}

/** From the beginning of the navigation to the frame in which a message stands. */
async function firstMessage(page: Page): Promise<number> {
  await page.waitForFunction((name) => performance.getEntriesByName(name).length > 0, mark);
  return page.evaluate((name) => performance.getEntriesByName(name)[0]?.startTime ?? Number.NaN, mark);
}

/** The page itself, and all that it asked for until then. */
function requestsBefore(page: Page): Promise<number> {
  return page.evaluate((name) => {
    const until = performance.getEntriesByName(name)[0]?.startTime ?? 0;
    return 1 + performance.getEntriesByType('resource').filter(({ startTime }) => startTime <= until).length;
  }, mark);
}

/** Marks each key, and when its frame has been prepared: of Enter, when its message stands there. */
function watchKeys(page: Page): Promise<void> {
  return page.evaluate(() => {
    addEventListener(
      'keydown',
      ({ key }) => {
        performance.mark(`down ${key}`);
        const rows = document.querySelectorAll('.log .m').length;
        const done = (): void => {
          if (key === 'Enter' && document.querySelectorAll('.log .m').length === rows) return void setTimeout(done);
          performance.mark(`done ${key}`);
        };
        // Behind everything that this event sets off in this turn.
        setTimeout(done);
      },
      { capture: true },
    );
  });
}

type Traced = { name: string; ts: number; dur: number; work: number };

/** What the page's thread does meanwhile: its tasks and marks, in order; milliseconds. */
async function traced(page: Page, job: () => Promise<void>): Promise<Traced[]> {
  await browser.startTracing(page, { categories: ['toplevel', 'blink.user_timing'] });
  // The profiler's own beginning is no work of the page.
  await sleep(500);
  const here = `here ${Math.random()}`;
  await page.evaluate((name) => void performance.mark(name), here);
  await job();
  type Event = { name: string; ts: number; dur?: number; tdur?: number; pid: number; tid: number };
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: Event[] };
  const mine = traceEvents.find(({ name }) => name === here);
  return traceEvents
    .filter(({ pid, tid, ts, name }) => pid === mine?.pid && tid === mine.tid && ts > mine.ts && (name.endsWith('RunTask') || /^(down|done) /.test(name)))
    .map(({ name, ts, dur = 0, tdur = 0 }) => ({ name, ts: ts / 1_000, dur: dur / 1_000, work: tdur / 1_000 }))
    .sort((a, b) => a.ts - b.ts);
}

function longestIn(trace: readonly Traced[]): number {
  return trace.reduce((most, { work }) => Math.max(most, work), 0);
}

/** From each press of this key to its end: the time that has passed, and the work of all tasks in it. */
function keysIn(trace: readonly Traced[], key: string): { wall: number[]; work: number[] } {
  const ends = trace.filter(({ name }) => name === `done ${key}`);
  const spans = trace.filter(({ name }) => name === `down ${key}`).map((down, index) => ({ from: down.ts, to: ends[index]?.ts ?? down.ts }));
  const tasks = trace.filter(({ dur }) => dur > 0);
  return {
    wall: spans.map(({ from, to }) => to - from),
    work: spans.map(({ from, to }) => tasks.filter(({ ts, dur }) => ts < to && ts + dur > from).reduce((sum, { work }) => sum + work, 0)),
  };
}

async function register(username: string): Promise<{ id: string; token: string }> {
  const { register: made } = await driver.graphql('mutation ($input: RegisterInput!) { register(input: $input) { ... on RegisterPayload { me { id } auth { accessToken } } } }', {
    input: { username, password },
  });
  return { id: made.me.id, token: made.auth.accessToken };
}

async function seed(chatId: string, count: number): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(32, count) }, async () => {
      while (next < count) {
        const at = next++;
        await driver.graphql(send, { chatId, text: `${at} ${'word '.repeat((at * 7) % 43)}` }, at % 3 === 0 ? ben.token : ana.token);
      }
    }),
  );
}

async function markRead(chatId: string): Promise<void> {
  const { chat } = await driver.graphql('query ($chatId: ID!) { chat(id: $chatId) { lastSeq } }', { chatId }, ben.token);
  const mutation = 'mutation ($chatId: ID!, $upToSeq: Int!) { markRead(input: { chatId: $chatId, upToSeq: $upToSeq }) { __typename } }';
  await driver.graphql(mutation, { chatId, upToSeq: chat.lastSeq }, ben.token);
}

async function talk(chatId: string, perSecond: number, seconds: number, by: Driver = driver): Promise<void> {
  const ends = performance.now() + seconds * 1000;
  for (let sent = 0; performance.now() < ends; sent++) {
    void by.graphql(send, { chatId, text: `talk ${sent}` }, ana.token);
    await sleep(1000 / perSecond);
  }
}
