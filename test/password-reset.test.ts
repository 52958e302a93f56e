/** A forgotten password, from the request to the new one, with the mails of a real mail server. */
import { execFileSync } from 'node:child_process';
import { chromium } from 'playwright-core';
import { expect, it } from 'vitest';
import { codeOf, type ReceivedMail, startMailServer, type TestMailServer } from './kit/mail-server.ts';
import { type Asker, bearer, change, nobody, outcome, sight } from './kit/outcome.ts';
import { request, type Untyped } from './kit/person.ts';
import { openRawSocket } from './kit/raw-socket.ts';
import { rowsOf } from './kit/rows.ts';
import { type Overrides, startTestServer, type TestServer } from './kit/server.ts';

const password = 'correct horse battery';
const newPassword = 'another horse battery';
const PUBLIC_URL = 'https://chat.example.org';

const startWith = (mailServer: TestMailServer, more: Overrides = {}) => startTestServer({ SMTP_URL: mailServer.url, PUBLIC_URL, ...more });
const register = (server: TestServer, username: string, email: string): Promise<Untyped> =>
  change(nobody(server), 'register', { username, password, email }, 'auth { accessToken refreshToken session { id } }').then(({ auth }) => auth);
const ask = (server: { url: string }, email: string): Promise<string> => outcome(nobody(server), 'requestPasswordReset', { email });
const login = (server: TestServer, name: string, text: string): Promise<string> => outcome(nobody(server), 'login', { login: name, password: text });
const confirm = (server: { url: string }, token: string, more: Untyped = {}): Promise<string> => outcome(nobody(server), 'confirmPasswordReset', { token, newPassword, ...more });
const isReset = ({ headers }: ReceivedMail): boolean => headers.subject?.startsWith('A new password') ?? false;
/** The codes that came so far, once there are so many. */
async function codes(mailServer: TestMailServer, count: number): Promise<string[]> {
  await expect.poll(() => mailServer.mails.filter(isReset).length, { timeout: 10_000 }).toBe(count);
  return mailServer.mails.filter(isReset).map(codeOf);
}

it('sets a new password with the code from the mail, ends all sessions at once, and tells the owner', async () => {
  await using mailServer = await startMailServer();
  await using server = await startWith(mailServer);
  const auth = await register(server, 'ada', 'ada@example.org');
  using socket = await openRawSocket(server, { init: { authorization: `Bearer ${auth.accessToken}` } });
  socket.subscribe('1', 'subscription { events { __typename ... on SessionEnded { endReason retry } } }');
  await expect.poll(() => server.followers()).toBe(1);
  await change(nobody(server), 'login', { login: 'ada', password });

  expect(await ask(server, 'ada@example.org')).toBe('done');
  const mail = await mailServer.mail(isReset);
  expect(mail.to).toEqual(['ada@example.org']);
  const done = await change(nobody(server), 'confirmPasswordReset', { token: codeOf(mail), newPassword, newPasswordConfirmation: newPassword }, 'endedSessions');
  expect(done.endedSessions).toBe(2);
  expect(await sight(bearer(server, auth.accessToken), '{ eventCursor }')).toBe('top: TOKEN_INVALID');
  expect(await outcome(nobody(server), 'refreshSession', { refreshToken: auth.refreshToken })).toBe('INVALID_TOKEN REVOKED');
  expect((await socket.whenClosed()).code).toBe(4401);
  expect(socket.got.findLast(({ type }) => type === 'next')?.payload.data.events).toEqual({ __typename: 'SessionEnded', endReason: 'PASSWORD_CHANGED', retry: false });
  expect(await login(server, 'ada', password)).toBe('INVALID_CREDENTIALS UNSPECIFIED');
  expect(await login(server, 'ada', newPassword)).toBe('done');
  const told = await mailServer.mail((each) => each.headers.subject?.includes('was changed') ?? false);
  expect(told.to).toEqual(['ada@example.org']);
  expect(told.text).not.toContain(newPassword);
});

it('takes a code once, however many try it at the same time', async () => {
  await using mailServer = await startMailServer();
  // Of which one account may have an eighth.
  await using server = await startWith(mailServer, { PASSWORD_QUEUE: '400' });
  await register(server, 'ada', 'ada@example.org');
  await ask(server, 'ada@example.org');
  const [code = ''] = await codes(mailServer, 1);
  const tries = await Promise.all(Array.from({ length: 50 }, (_, i) => confirm(server, code, { newPassword: `the new password ${i}` })));
  const winner = tries.indexOf('done');
  expect(tries.filter((each) => each === 'done')).toHaveLength(1);
  expect(new Set(tries)).toEqual(new Set(['done', 'INVALID_TOKEN REVOKED']));
  expect(await login(server, 'ada', `the new password ${winner}`)).toBe('done');
  expect(await confirm(server, code)).toBe('INVALID_TOKEN REVOKED');
});

it('takes only the newest code, none after its time, and none that never was', async () => {
  await using mailServer = await startMailServer();
  await using server = await startWith(mailServer);
  await register(server, 'ada', 'ada@example.org');
  await ask(server, 'ada@example.org');
  await codes(mailServer, 1);
  await ask(server, 'ada@example.org');
  const [older = '', newer = ''] = await codes(mailServer, 2);
  expect(await confirm(server, older)).toBe('INVALID_TOKEN REVOKED');
  for (const garbage of ['', ' ', 'x', 'ü'.repeat(43), '\0', '\ud800', 'A'.repeat(100_000), newer.slice(0, -1)])
    expect(await confirm(server, garbage)).toBe('INVALID_TOKEN UNKNOWN');
  expect(await confirm(server, ` ${newer}\n`)).toBe('done');
  await server.restart({ PASSWORD_RESET_SECONDS: '1' });
  await ask(server, 'ada@example.org');
  const [, , third = ''] = await codes(mailServer, 3);
  await expect.poll(() => confirm(server, third, { newPassword: 'short' }), { timeout: 5_000 }).toBe('INVALID_TOKEN EXPIRED');
});

it('voids a code when the password or the e-mail of the account becomes another', async () => {
  await using mailServer = await startMailServer();
  await using server = await startWith(mailServer);
  const ada = bearer(server, (await register(server, 'ada', 'ada@example.org')).accessToken);
  await ask(server, 'ada@example.org');
  const [first = ''] = await codes(mailServer, 1);
  await change(ada, 'changePassword', { oldPassword: password, newPassword });
  expect(await confirm(server, first)).toBe('INVALID_TOKEN REVOKED');
  await mailServer.mail((mail) => mail.headers.subject?.includes('was changed') ?? false);
  await ask(server, 'ada@example.org');
  const [, second = ''] = await codes(mailServer, 2);
  await change(ada, 'updateProfile', { email: 'lovelace@example.org', currentPassword: newPassword });
  expect(await confirm(server, second)).toBe('INVALID_TOKEN REVOKED');
  await ask(server, 'ada@example.org');
  await ask(server, 'lovelace@example.org');
  await codes(mailServer, 3);
  expect(mailServer.mails.filter(isReset).map(({ to }) => to[0])).toEqual(['ada@example.org', 'ada@example.org', 'lovelace@example.org']);
});

it('refuses a bad new password without using up the code', async () => {
  await using mailServer = await startMailServer();
  await using server = await startWith(mailServer);
  await register(server, 'ada.lovelace', 'ada@example.org');
  await ask(server, 'ada@example.org');
  const [code = ''] = await codes(mailServer, 1);
  expect(await confirm(server, code, { newPassword: 'short' })).toBe('VALIDATION_FAILED newPassword length');
  expect(await confirm(server, code, { newPassword: 'Ada.Lovelace' })).toBe('VALIDATION_FAILED newPassword same-as-username');
  expect(await confirm(server, code, { newPasswordConfirmation: 'something else' })).toBe('VALIDATION_FAILED newPasswordConfirmation same');
  expect(await confirm(server, code)).toBe('done');
  expect(await outcome(nobody(server), 'requestPasswordReset', { email: 'no address' })).toBe('VALIDATION_FAILED email format');
});

it('answers alike and after the same work whether or not it knows the address, before any mail is sent', async () => {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  let connected = 0;
  const onConnect = (_session: unknown, done: () => void): void => {
    connected++;
    void released.then(() => done());
  };
  await using mailServer = await startMailServer({ onConnect });
  await using server = await startWith(mailServer);
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((letter) => letter.repeat(5));
  for (const name of names) await register(server, name, `${name}@example.org`);
  const query = 'mutation ($input: RequestPasswordResetInput!) { requestPasswordReset(input: $input) { __typename ... on RequestPasswordResetPayload { accepted } } }';
  const asked = async (email: string): Promise<{ answer: unknown; statements: number }> => {
    const before = server.app.db.statements.count;
    const answer = await request(server, query, { input: { email } });
    return { answer, statements: server.app.db.statements.count - before };
  };
  // The mail server says nothing yet: from the third mail on all conversations are taken, and nothing else touches the database.
  for (const name of names.slice(0, 3)) await asked(`${name}@example.org`);
  await expect.poll(() => connected).toBe(3);
  // What the server does by itself now and then only ever adds to one of them.
  const least = async (...emails: string[]): Promise<{ answers: unknown[]; statements: number }> => {
    const all = [];
    for (const email of emails) all.push(await asked(email));
    return { answers: all.map(({ answer }) => answer), statements: Math.min(...all.map(({ statements }) => statements)) };
  };
  const known = await least('ddddd@example.org', 'EEEEE@example.org', 'fffff@example.org', 'ggggg@example.org');
  const unknown = await least('nobody@example.org', 'nobody@nowhere.example', 'ddddd@nowhere.example', 'd@example.org');
  expect(unknown).toEqual(known);
  expect(known.answers[0]).toEqual({ data: { requestPasswordReset: { __typename: 'RequestPasswordResetPayload', accepted: true } } });
  expect(known.statements).toBe(1);
  release();
  await codes(mailServer, names.length);
  await expect.poll(async () => rowsOf(server.app.db).mail.count()).toBe(0);
  expect(mailServer.recipients.sort()).toEqual(names.map((name) => `${name}@example.org`));
});

it('mails the address of the account, not the one that was typed', async () => {
  await using mailServer = await startMailServer();
  await using server = await startWith(mailServer);
  await register(server, 'ada', 'Ada@example.org');
  await ask(server, 'ADA@ＥＸＡＭＰＬＥ.org');
  expect((await mailServer.mail(isReset)).to).toEqual(['Ada@example.org']);
});

it('keeps the code nowhere but in the mail, also while the mail waits', async () => {
  const greeted: (() => void)[] = [];
  await using mailServer = await startMailServer({ onConnect: (_session, done) => void greeted.push(done) });
  await using server = await startWith(mailServer);
  await register(server, 'ada', 'ada@example.org');
  await ask(server, 'ada@example.org');
  await expect.poll(() => greeted.length).toBe(1);
  const stored = async (): Promise<string> => JSON.stringify([await rowsOf(server.app.db).mail.findMany(), await rowsOf(server.app.db).passwordReset.findMany()]);
  const waiting = await stored();
  greeted[0]?.();
  const [code = ''] = await codes(mailServer, 1);
  for (const text of [waiting, await stored()]) {
    expect(text).toContain('digest');
    expect(text).not.toContain(code);
    expect(text).not.toContain('ada@');
  }
  // 128 bits are 22 characters of base64.
  expect(code.length).toBeGreaterThanOrEqual(22);
});

it('sends so many mails an hour to an address, known or not, and so many for one client', async () => {
  await using mailServer = await startMailServer();
  await using server = await startWith(mailServer, { RATE_LIMITS: 'on', RESET_LIMIT: '3', TRUST_PROXY: 'on', LOGIN_LIMIT: '4' });
  await register(server, 'ada', 'ada@example.org');
  const from = (address: string): Asker => ({ request: (document, variables) => request(server, document, variables, { 'x-forwarded-for': address }) });
  const askFrom = (address: string, email: string): Promise<string> => outcome(from(address), 'requestPasswordReset', { email });
  for (const email of ['ada@example.org', 'nobody@example.org']) {
    const answers: string[] = [];
    for (let i = 0; i < 5; i++) answers.push(await askFrom(`10.0.${email.length}.${i}`, i % 2 ? email : email.toUpperCase()));
    expect(answers).toEqual(['done', 'done', 'done', 'RATE_LIMITED', 'RATE_LIMITED']);
  }
  const answers: string[] = [];
  for (let i = 0; i < 4; i++) answers.push(await askFrom('10.1.1.1', `somebody${i}@example.org`));
  expect(answers).toEqual(['done', 'done', 'done', 'RATE_LIMITED']);
  // Guessing codes counts like guessing passwords of any names: many people may share an address.
  const guesses: string[] = [];
  for (let i = 0; i < 41; i++) guesses.push(await outcome(from('10.2.2.2'), 'confirmPasswordReset', { token: 'guess', newPassword }));
  expect(guesses).toEqual([...Array(40).fill('INVALID_TOKEN UNKNOWN'), 'RATE_LIMITED']);
});

it('leaves no session that was opened with the old password at the same moment', async () => {
  await using mailServer = await startMailServer();
  await using server = await startWith(mailServer);
  await register(server, 'ada', 'ada@example.org');
  for (let round = 0; round < 3; round++) {
    const old = round === 0 ? password : `the password of round ${round - 1}`;
    await ask(server, 'ada@example.org');
    const code = (await codes(mailServer, round + 1))[round] ?? '';
    // Half of them at once, half while the password is being changed.
    const attempts = Array.from({ length: 20 }, async (_, i) => {
      if (i >= 10) await new Promise((wake) => setTimeout(wake, (i - 10) * 4));
      return request(server, 'mutation ($input: LoginInput!) { login(input: $input) { ... on LoginPayload { auth { accessToken } } } }', {
        input: { login: 'ada', password: old },
      });
    });
    const [done, ...answers] = await Promise.all([confirm(server, code, { newPassword: `the password of round ${round}` }), ...attempts]);
    expect(done).toBe('done');
    const tokens = answers.map(({ data }) => data?.login.auth?.accessToken).filter(Boolean) as string[];
    expect(tokens.length).toBeGreaterThan(0);
    for (const token of tokens) expect(await sight(bearer(server, token), '{ eventCursor }')).toBe('top: TOKEN_INVALID');
  }
});

const executablePath = ['chromium', 'chromium-browser', 'google-chrome'].map(findOnPath).find(Boolean);

// Once is enough: the page knows nothing of the database.
it.skipIf(!executablePath || process.env.TEST_ENGINE === 'postgresql')(
  `leads from the mail to a page that sets the password and keeps the code out of the history${executablePath ? '' : ' (skipped: no chromium on PATH)'}`,
  async () => {
    await using mailServer = await startMailServer();
    await using server = await startWith(mailServer);
    await register(server, 'ada', 'ada@example.org');
    await ask(server, 'ada@example.org');
    const { html } = await mailServer.mail(isReset);
    const link = /href="([^"]+)"/.exec(html)?.[1] ?? '';
    expect(link).toMatch(/^https:\/\/chat\.example\.org\/reset-password#[\w-]{43}$/);
    const browser = await chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
    try {
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(error.message));
      page.on('console', (message) => void (message.type() === 'error' && problems.push(message.text())));
      await page.goto(link.replace(PUBLIC_URL, server.url));
      expect(page.url()).toBe(`${server.url}/reset-password`);
      // The empty page that the browser began with, and this one: no way back to the code.
      expect(await page.evaluate('history.length')).toBe(2);
      const [first, second] = [page.locator('input').first(), page.locator('input').last()];
      await first.fill(newPassword);
      await second.fill('something else');
      await page.click('button');
      await expect.poll(() => page.locator('output').textContent()).toContain('not the same');
      await second.fill(newPassword);
      await page.click('button');
      await expect.poll(() => page.locator('output').textContent()).toContain('The password is set');
      expect(problems.filter((problem) => !problem.includes('favicon') && !problem.includes('404'))).toEqual([]);
    } finally {
      await browser.close();
    }
    expect(await login(server, 'ada', newPassword)).toBe('done');
  },
);

function findOnPath(name: string): string | null {
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  } catch {
    return null;
  }
}
