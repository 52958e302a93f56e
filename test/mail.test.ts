/** The outbox and its ways out: a real SMTP conversation, also one that goes wrong, and files where there is no mail server. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { request as post } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../src/config.ts';
import { databaseUrl, engine } from './kit/engine.ts';
import { codeOf, parseMail, startMailServer } from './kit/mail-server.ts';
import { change, nobody, outcome, read } from './kit/outcome.ts';
import { startProcess } from './kit/process.ts';
import { rowsOf } from './kit/rows.ts';
import { startTestServer, temporaryFolder } from './kit/server.ts';

const password = 'correct horse battery';
const newPassword = 'another horse battery';
const PUBLIC_URL = 'https://chat.example.org';
const register = (server: { url: string }, username: string) => change(nobody(server), 'register', { username, password, email: `${username}@example.org` });
const ask = (server: { url: string }, username: string): Promise<string> => outcome(nobody(server), 'requestPasswordReset', { email: `${username}@example.org` });
const confirm = (server: { url: string }, token: string): Promise<string> => outcome(nobody(server), 'confirmPasswordReset', { token, newPassword });

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const mailServer = await startMailServer();
  await mailServer.stop();
  return mailServer.port;
}

/** Takes connections and never says a word. */
async function startMuteServer() {
  const open = new Set<Socket>();
  const server = createServer((socket) => void open.add(socket.on('error', () => {})));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    connections: (): number => open.size,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

it('sends over SMTP, signed in, a mail that people and programs can read, with links to PUBLIC_URL whatever host was asked for', async () => {
  const logins: unknown[] = [];
  await using mailServer = await startMailServer({
    authMethods: ['PLAIN'],
    authOptional: false,
    disabledCommands: ['STARTTLS'],
    onAuth: ({ username, password: secret }, _session, done) => {
      logins.push([username, secret]);
      done(null, { user: username });
    },
  });
  await using server = await startTestServer({
    SMTP_URL: `smtp://chat%40example.org:p%2Fss@127.0.0.1:${mailServer.port}`,
    PUBLIC_URL,
    MAIL_FROM: 'Our chat <chat@example.org>',
    TRUST_PROXY: 'on',
  });
  await register(server, 'ada');
  const query = 'mutation { requestPasswordReset(input: { email: "ada@example.org" }) { __typename } }';
  // `fetch` would not send another host.
  const answered = await new Promise<number | undefined>((resolve, reject) => {
    const headers = { 'content-type': 'application/json', host: 'evil.example', 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' };
    const asking = post(`${server.url}/graphql`, { method: 'POST', headers }, (response) => resolve(response.resume().statusCode));
    asking.on('error', reject).end(JSON.stringify({ query }));
  });
  expect(answered).toBe(200);
  const { from, to, headers, text, html } = await mailServer.mail();
  expect(logins).toEqual([['chat@example.org', 'p/ss']]);
  expect({ from, to }).toEqual({ from: 'chat@example.org', to: ['ada@example.org'] });
  expect(headers).toMatchObject({ from: 'Our chat <chat@example.org>', to: 'ada@example.org', subject: 'A new password for chat.example.org', 'auto-submitted': 'auto-generated' });
  expect(headers['content-type']).toContain('multipart/alternative');
  const code = codeOf({ text });
  for (const part of [text, html]) {
    expect(part).toContain('Hello ada,');
    expect(part).toContain(`${PUBLIC_URL}/reset-password#${code}`);
    expect(part).toMatch(/until \d{4}-\d\d-\d\d \d\d:\d\d UTC/);
    expect(part).not.toContain('evil');
  }
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(line.includes(code) ? 100 : 72);
  expect(html).not.toMatch(/<(img|script|link)\b/);
  expect(await read(nobody(server), '{ serverInfo { capabilities } }')).toEqual({ capabilities: expect.arrayContaining(['EMAIL']) });
});

it('answers while the mail server is down, and sends when it is back', async () => {
  const port = await freePort();
  await using server = await startTestServer({ SMTP_URL: `smtp://127.0.0.1:${port}`, PUBLIC_URL });
  await register(server, 'ada');
  expect(await ask(server, 'ada')).toBe('done');
  await expect.poll(() => rowsOf(server.app.db).mail.findFirst()).toMatchObject({ kind: 'password-reset', tries: 1, lastError: expect.stringContaining('ECONN') });
  await using mailServer = await startMailServer({ port });
  expect(await confirm(server, codeOf(await mailServer.mail()))).toBe('done');
  await expect.poll(() => rowsOf(server.app.db).mail.count()).toBe(0);
});

it('loses no mail when the process is killed', async () => {
  const port = await freePort();
  await using folder = await temporaryFolder();
  const settings = { DATA_DIR: folder.path, SMTP_URL: `smtp://127.0.0.1:${port}`, PUBLIC_URL };
  await using first = await startProcess(settings);
  await register(first, 'ada');
  expect(await ask(first, 'ada')).toBe('done');
  await expect.poll(() => first.output.out).toContain('could not be sent');
  first.kill('SIGKILL');
  await first.ended();
  expect(first.output.out).not.toContain('ada@example.org');
  await using mailServer = await startMailServer({ port });
  await using second = await startProcess(settings);
  expect(await confirm(second, codeOf(await mailServer.mail()))).toBe('done');
});

it('sends at once after the next start what a killed process had begun', async () => {
  await using mute = await startMuteServer();
  await using folder = await temporaryFolder();
  const settings = { DATA_DIR: folder.path, PUBLIC_URL };
  await using first = await startProcess({ ...settings, SMTP_URL: `smtp://127.0.0.1:${mute.port}` });
  await register(first, 'ada');
  expect(await ask(first, 'ada')).toBe('done');
  await expect.poll(mute.connections).toBe(1);
  first.kill('SIGKILL');
  await first.ended();
  // On PostgreSQL it might be another node that is at it.
  if (engine === 'postgresql') return;
  await using mailServer = await startMailServer();
  await using second = await startProcess({ ...settings, SMTP_URL: mailServer.url });
  expect(await confirm(second, codeOf(await mailServer.mail()))).toBe('done');
});

it('stops in time in the middle of a conversation, and sends the mail after the next start', async () => {
  await using mute = await startMuteServer();
  await using server = await startTestServer({ SMTP_URL: `smtp://127.0.0.1:${mute.port}`, PUBLIC_URL });
  await register(server, 'ada');
  expect(await ask(server, 'ada')).toBe('done');
  await expect.poll(mute.connections).toBe(1);
  const started = performance.now();
  await using mailServer = await startMailServer();
  await server.restart({ SMTP_URL: mailServer.url });
  expect(performance.now() - started).toBeLessThan(4_000);
  expect((await mailServer.mail()).to).toEqual(['ada@example.org']);
});

it('tries again what is refused for now, gives up what is refused for good, and holds up no other mail', async () => {
  let tries = 0;
  const named: string[] = [];
  await using mailServer = await startMailServer({
    onRcptTo: ({ address }, _session, done) => {
      named.push(address);
      if (address.startsWith('gone')) done(Object.assign(new Error(`no ${address} here`), { responseCode: 550 }));
      else if (address.startsWith('slow') && ++tries < 3) done(Object.assign(new Error('come back later'), { responseCode: 451 }));
      else done();
    },
  });
  await using server = await startTestServer({ SMTP_URL: mailServer.url, PUBLIC_URL });
  for (const name of ['gone', 'slow', 'quick']) await register(server, name);
  for (const name of ['gone', 'slow', 'quick']) await ask(server, name);
  await mailServer.mail(({ to }) => to[0] === 'quick@example.org');
  const { text } = await mailServer.mail(({ to }) => to[0] === 'slow@example.org');
  expect(await confirm(server, codeOf({ text }))).toBe('done');
  await expect.poll(() => rowsOf(server.app.db).mail.count()).toBe(0);
  expect(named.filter((address) => address.startsWith('gone'))).toHaveLength(1);
  expect(tries).toBeGreaterThanOrEqual(3);
});

it('sends only the last of several mails that wait for one person', async () => {
  const port = await freePort();
  await using server = await startTestServer({ SMTP_URL: `smtp://127.0.0.1:${port}`, PUBLIC_URL });
  await register(server, 'ada');
  for (let i = 0; i < 4; i++) await ask(server, 'ada');
  await expect.poll(async () => (await rowsOf(server.app.db).mail.findMany()).every(({ tries }) => tries > 0)).toBe(true);
  await using mailServer = await startMailServer({ port });
  const { text } = await mailServer.mail();
  await expect.poll(() => rowsOf(server.app.db).mail.count(), { timeout: 10_000 }).toBe(0);
  expect(mailServer.mails).toHaveLength(1);
  expect(await confirm(server, codeOf({ text }))).toBe('done');
});

it('writes mails into files of their own where there is no mail server, and says so', async () => {
  await using folder = await temporaryFolder();
  await using server = await startProcess({ DATA_DIR: folder.path });
  await register(server, 'ada');
  expect(await ask(server, 'ada')).toBe('done');
  expect(await ask(server, 'nobody')).toBe('done');
  const outbox = join(folder.path, 'outbox');
  const files = async (): Promise<string[]> => (await readdir(outbox).catch(() => [])).filter((name) => name.endsWith('.eml') && !name.startsWith('.'));
  await expect.poll(async () => (await files()).length, { timeout: 5_000 }).toBe(1);
  const [name = ''] = await files();
  const mail = parseMail(await readFile(join(outbox, name), 'latin1'));
  expect(mail.headers).toMatchObject({ to: 'ada@example.org', from: expect.stringMatching(/^Tertulia <no-reply@/) });
  expect((await stat(join(outbox, name))).mode & 0o777).toBe(0o600);
  expect((await stat(outbox)).mode & 0o777).toBe(0o700);
  expect(await confirm(server, codeOf(mail))).toBe('done');
  await expect.poll(async () => (await files()).some((each) => each.includes('password-changed'))).toBe(true);
  expect(server.output.out).toContain('SMTP_URL is not set');
  expect(server.output.out).toContain(name);
  for (const secret of [codeOf(mail), 'ada@example.org']) expect(server.output.out).not.toContain(secret);
  expect((await read(nobody(server), '{ serverInfo { capabilities } }')).capabilities).not.toContain('EMAIL');
});

it('tells by mail that the password was changed, and sends nothing to who has no address', async () => {
  await using mailServer = await startMailServer();
  await using server = await startTestServer({ SMTP_URL: mailServer.url, PUBLIC_URL });
  const [person] = await server.people(1);
  await person?.must('mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }', { input: { oldPassword: person.password, newPassword } });
  expect(await rowsOf(server.app.db).mail.count()).toBe(0);
  await person?.must('mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { __typename } }', {
    input: { email: 'ada@example.org', currentPassword: newPassword },
  });
  await person?.must('mutation ($input: ChangePasswordInput!) { changePassword(input: $input) { __typename } }', { input: { oldPassword: newPassword, newPassword: password } });
  expect((await mailServer.mail()).headers).toMatchObject({ to: 'ada@example.org', subject: 'Your password for chat.example.org was changed' });
});

it('tells the address that an account had until now that it is another one, also when mails have to wait, and forgets it with the account', async () => {
  const port = await freePort();
  await using server = await startTestServer({ SMTP_URL: `smtp://127.0.0.1:${port}`, PUBLIC_URL });
  const ada = await server.person();
  const move = (email: string | null): Promise<string> => outcome(ada, 'updateProfile', { email, currentPassword: ada.password });
  expect(await move('first@example.org')).toBe('done');
  expect(await rowsOf(server.app.db).mail.count()).toBe(0);
  expect(await move('second@example.org')).toBe('done');
  expect(await outcome(ada, 'updateProfile', { email: 'third@example.org', currentPassword: 'not the password' })).toBe('INVALID_CREDENTIALS UNSPECIFIED');
  expect(await move(null)).toBe('done');
  expect(await outcome(ada, 'updateProfile', { displayName: 'Ada' })).toBe('done');
  {
    await using mailServer = await startMailServer({ port });
    for (const to of ['first@example.org', 'second@example.org']) {
      const mail = await mailServer.mail((each) => each.to[0] === to);
      expect(mail.headers).toMatchObject({ to, subject: 'Your e-mail address at chat.example.org was changed' });
      for (const text of [mail.text, mail.html]) expect(text).toContain(ada.username);
      expect(mail.text + mail.html).not.toMatch(/second@|third@/);
    }
    await expect.poll(() => rowsOf(server.app.db).mail.count()).toBe(0);
    expect(mailServer.mails).toHaveLength(2);
  }
  expect(await move('fourth@example.org')).toBe('done');
  expect(await move('fifth@example.org')).toBe('done');
  expect(await rowsOf(server.app.db).mail.count()).toBe(1);
  expect(await outcome(ada, 'deleteAccount', { password: ada.password })).toBe('done');
  expect(await rowsOf(server.app.db).mail.count()).toBe(0);
});

it('tells an account so often an hour whether an address is taken, and no more', async () => {
  await using server = await startTestServer({ RATE_LIMITS: 'on', RESET_LIMIT: '3' });
  await register(server, 'known');
  const ada = await server.person();
  const answers: string[] = [];
  for (const email of ['known@example.org', 'a@example.org', 'known@example.org', 'known@example.org', 'b@example.org'])
    answers.push(await outcome(ada, 'updateProfile', { email, currentPassword: ada.password }));
  expect(answers).toEqual(['ALREADY_TAKEN email', 'done', 'ALREADY_TAKEN email', 'RATE_LIMITED', 'RATE_LIMITED']);
  expect(await outcome(ada, 'updateProfile', { displayName: 'Ada' })).toBe('done');
});

it.skipIf(engine === 'sqlite')('sends every mail once, whichever of several nodes takes it', async () => {
  await using mailServer = await startMailServer();
  await using folder = await temporaryFolder();
  const settings = { SMTP_URL: mailServer.url, PUBLIC_URL, DATABASE_URL: await databaseUrl(folder.path) };
  await using one = await startTestServer(settings);
  await using two = await startTestServer(settings);
  const names = Array.from({ length: 12 }, (_, i) => `person${i}`);
  for (const name of names) await register(one, name);
  await Promise.all(names.map((name, i) => ask(i % 2 ? one : two, name)));
  await expect.poll(() => rowsOf(one.app.db).mail.count(), { timeout: 10_000 }).toBe(0);
  await sleep(100);
  expect(mailServer.mails.map(({ to }) => to[0]).sort()).toEqual(names.map((name) => `${name}@example.org`).sort());
});

describe('the settings', () => {
  const problems = (env: Record<string, string>): string => {
    try {
      readConfig(env);
      return '';
    } catch (error) {
      return error instanceof ConfigError ? error.message : String(error);
    }
  };

  it('refuses what could not work, and repeats no secret', () => {
    expect(problems({ SMTP_URL: 'smtp://mail.example.org', PUBLIC_URL })).toBe('');
    expect(problems({ SMTP_URL: 'smtps://u:p@mail.example.org:465/?requireTLS=true', PUBLIC_URL, MAIL_FROM: 'chat@example.org' })).toBe('');
    expect(problems({ SMTP_URL: 'smtp://mail.example.org' })).toContain('SMTP_URL needs PUBLIC_URL');
    for (const SMTP_URL of ['mail.example.org', 'https://hunter2@mail.example.org', 'smtp://', 'smtp://user:hunter2@', 'smtp://user:hunter2/@mail.example.org:port'])
      expect(problems({ SMTP_URL, PUBLIC_URL })).toContain('SMTP_URL');
    expect(problems({ SMTP_URL: 'https://hunter2@mail.example.org', PUBLIC_URL })).not.toContain('hunter2');
    for (const ALLOWED_ORIGINS of ['https://a.example/path', 'https://*.example.org', 'a.example', 'https://u@a.example', 'https://a.example?x', 'null'])
      expect(problems({ ALLOWED_ORIGINS })).toContain('ALLOWED_ORIGINS');
    expect(problems({ ALLOWED_ORIGINS: 'https://A.example/, http://127.0.0.1:3000, capacitor://localhost' })).toBe('');
    for (const url of ['chat.example.org', 'https://u:p@x.example', 'https://x.example?y', 'https://x.example#y', 'ftp://x.example'])
      expect(problems({ PUBLIC_URL: url })).toContain('PUBLIC_URL');
    for (const MAIL_FROM of ['nobody', 'Chat <chat>', 'a@b\nBcc: c@d', 'a@b, c@d', '<a@b> more']) expect(problems({ MAIL_FROM })).toContain('MAIL_FROM');
  });
});
