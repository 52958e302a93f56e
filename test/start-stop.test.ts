/** Starting, refusing to start, stopping, and being killed: what an operator and a service manager rely on. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { engine } from './kit/engine.ts';
import { createPerson, request } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { openRawSocket } from './kit/raw-socket.ts';
import { startTestServer, temporaryFolder } from './kit/server.ts';

const events = 'subscription { events { __typename ... on SessionEnded { endReason retry } } }';
/** Password hashes that take about a second: a mutation that is surely still running. */
const slowHashes = { ARGON2_MEMORY_KIB: '65536', ARGON2_PASSES: '20' };
const register =
  'mutation ($name: String!) { register(input: { username: $name, password: "correct horse battery" }) { __typename ... on RegisterPayload { auth { accessToken } } } }';

describe('the program', () => {
  it('finds all of itself compiled when it was started before, also when that was killed', async () => {
    await using folder = await temporaryFolder();
    const settings = { DATA_DIR: folder.path, NODE_COMPILE_CACHE: join(folder.path, 'cache'), NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
    const compiledAnew = ({ error }: { error: string }): string[] => error.match(/no transpile cache for .*/g) ?? [];
    {
      await using first = await startProcess(settings);
      // Until all have written their part: on SQLite two threads do, of which one begins with the first upkeep.
      for (let files = -1, now = 0; files !== now; ) {
        files = now;
        await sleep(700);
        now = readdirSync(settings.NODE_COMPILE_CACHE, { recursive: true }).length;
      }
      expect(compiledAnew(first.output).length).toBeGreaterThan(50);
    }
    await using second = await startProcess(settings);
    expect(second.url).not.toBe('');
    // The first upkeep, too.
    await sleep(700);
    expect(compiledAnew(second.output)).toEqual([]);
  });

  it('names every wrong setting at once and ends with 1', async () => {
    await using folder = await temporaryFolder();
    await using program = await startProcess({ DATA_DIR: folder.path, PORT: 'http', HEARTBEAT_SECONDS: '0', DATABASE_URL: 'mysql://user:hunter2@x/y' });
    expect((await program.ended()).code).toBe(1);
    expect(program.output.error).toMatch(/PORT[\s\S]*DATABASE_URL[\s\S]*HEARTBEAT_SECONDS/);
    expect(program.output.error).not.toMatch(/hunter2|\n\s+at /);
  });

  it('says that a port is in use, and holds nothing afterwards', async () => {
    await using folder = await temporaryFolder();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const port = String((other.address() as AddressInfo).port);
    await using program = await startProcess({ DATA_DIR: folder.path, PORT: port });
    expect((await program.ended()).code).toBe(1);
    expect(program.output.error).toContain(`Port ${port}`);
    expect(program.output.error).not.toMatch(/\n\s+at /);
    other.close();
    await using again = await startProcess({ DATA_DIR: folder.path });
    expect(again.url).not.toBe('');
  });

  it.runIf(engine === 'sqlite')('does not share a SQLite database with a second server', async () => {
    await using folder = await temporaryFolder();
    const settings = { DATA_DIR: folder.path, DATABASE_URL: 'file:tertulia.db' };
    await using first = await startProcess(settings);
    await using second = await startProcess(settings);
    expect((await second.ended()).code).toBe(1);
    expect(second.output.error).toContain('postgresql://');
    expect((await fetch(`${first.url}/ready`)).status).toBe(200);
  });

  it.runIf(engine === 'sqlite')('says that it makes messages searchable when there are some, and when it is done', async () => {
    await using folder = await temporaryFolder();
    const told = (out: string): string[] => [...out.matchAll(/"msg":"([^"]*search[^"]*)"/g)].map(([, words]) => words as string);
    const isSearchable = async (url: string, token: string): Promise<boolean> => {
      const { data } = await request({ url }, '{ searchMessages(query: "needle") { indexComplete nodes { id } } }', {}, { authorization: `Bearer ${token}` });
      return data?.searchMessages.indexComplete && data.searchMessages.nodes.length === 1;
    };
    let token = '';
    {
      await using first = await startProcess({ DATA_DIR: folder.path });
      const ada = await createPerson({ url: first.url }, { username: 'ada' });
      token = ada.token;
      await ada.send({ username: 'ada' }, 'a needle');
      await expect.poll(() => isSearchable(first.url, token)).toBe(true);
      expect(told(first.output.out)).toEqual([]);
      first.kill('SIGTERM');
      await first.ended();
    }
    const database = new Sqlite(join(folder.path, 'tertulia.db'));
    database.exec(`UPDATE "SearchProgress" SET "analyser" = 'an earlier one'`);
    database.close();
    await using second = await startProcess({ DATA_DIR: folder.path });
    await expect.poll(() => isSearchable(second.url, token)).toBe(true);
    await expect.poll(() => told(second.output.out)).toEqual(['messages are being made searchable', 'all messages can be searched']);
  });

  it('ends with 0 on SIGTERM, in time also when a client never answers', async () => {
    await using folder = await temporaryFolder();
    await using program = await startProcess({ DATA_DIR: folder.path });
    const person = await createPerson({ url: program.url });
    using socket = await openRawSocket(program, { init: { accessToken: person.token } });
    socket.subscribe('1', events);
    using mute = await openRawSocket(program, { init: { accessToken: person.token } });
    mute.subscribe('1', events);
    mute.subscribe('2', '{ me { id } }');
    await mute.message((message) => message.id === '2');
    mute.socket.pause();
    const halfRequest = connect(Number(new URL(program.url).port), '127.0.0.1', () =>
      halfRequest.write('POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{'),
    );
    halfRequest.on('error', () => {});
    program.kill('SIGTERM');
    const started = Date.now();
    const { payload } = await socket.message((message) => message.id === '1' && message.type === 'next');
    expect(payload.data.events).toEqual({ __typename: 'SessionEnded', endReason: 'SERVER_SHUTDOWN', retry: true });
    expect((await socket.whenClosed()).code).toBe(1012);
    expect(await program.ended()).toEqual({ code: 0, signal: null });
    expect(Date.now() - started).toBeLessThan(8_000);
    expect(program.output.error).toBe('');
  });

  it.runIf(engine === 'sqlite').each([
    ['SIGTERM, which a service manager sends to npm alone', 'kill', 'SIGTERM'],
    ['Ctrl-C, which reaches npm and the server', 'killGroup', 'SIGINT'],
  ] as const)('started by npm, answers what is running and ends with 0 on %s', async (_, kill, signal) => {
    await using folder = await temporaryFolder();
    await using npm = await startProcess({ DATA_DIR: folder.path, ...slowHashes }, { command: ['npm', 'start'] });
    const running = request({ url: npm.url }, register, { name: 'ada' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    npm[kill](signal);
    expect((await running).data?.register.__typename).toBe('RegisterPayload');
    expect(await npm.ended()).toEqual({ code: 0, signal: null });
    expect(npm.output.out).toContain('"stopped"');
    expect(npm.killGroup(0), 'something of it still runs').toBe(false);
  });

  it('ends at once on a second signal', async () => {
    await using folder = await temporaryFolder();
    await using program = await startProcess({ DATA_DIR: folder.path, ...slowHashes, ARGON2_PASSES: '100' });
    const running = request({ url: program.url }, register, { name: 'ada' }).catch(() => null);
    await expect.poll(() => program.output.out).toContain('ready');
    await new Promise((resolve) => setTimeout(resolve, 150));
    program.kill('SIGINT');
    await expect.poll(() => program.output.out).toContain('asked to stop');
    await new Promise((resolve) => setTimeout(resolve, 600));
    program.kill('SIGTERM');
    expect((await program.ended()).signal).toBe('SIGTERM');
    expect(await running).toBeNull();
  });

  it.runIf(engine === 'sqlite')('goes on answering when nobody reads its log, tells then how much of it is lost, and lives on without a reader', async () => {
    await using folder = await temporaryFolder();
    await using program = await startProcess({ DATA_DIR: folder.path, MAX_OPERATIONS_PER_SECOND: '1000000' });
    using socket = await openRawSocket(program, { init: true });
    const completed = (): number => socket.got.filter((message) => message.type === 'complete').length;
    const query = `query ${'Q'.repeat(64)} { __typename }`;
    const ask = async (count: number): Promise<void> => {
      const wanted = completed() + count;
      for (let index = 0; index < count; index++) socket.subscribe(String(wanted + index), query);
      await expect.poll(completed, { timeout: 10_000 }).toBe(wanted);
    };
    program.child.stdout.pause();
    for (let wave = 0; wave < 12; wave++) await ask(500);
    expect((await fetch(`${program.url}/ready`)).status).toBe(200);
    program.child.stdout.resume();
    const toldOfLoss = async (): Promise<boolean> => {
      await ask(1);
      return /"lost":\d+/.test(program.output.out);
    };
    await expect.poll(toldOfLoss, { timeout: 10_000 }).toBe(true);
    const told = (): number => program.output.out.split('"operation over socket"').length - 1;
    const lost = (): number => [...program.output.out.matchAll(/"lost":(\d+)/g)].reduce((sum, match) => sum + Number(match[1]), 0);
    await expect.poll(() => told() + lost(), { timeout: 10_000 }).toBe(completed());
    expect(lost()).toBeGreaterThan(0);
    program.child.stdout.destroy();
    await ask(10);
    program.kill('SIGTERM');
    expect(await program.ended()).toEqual({ code: 0, signal: null });
  });

  it.runIf(engine === 'sqlite')('ends in time, with 0, when nobody reads its log', async () => {
    await using folder = await temporaryFolder();
    await using program = await startProcess({ DATA_DIR: folder.path });
    program.child.stdout.pause();
    for (let wave = 0; wave < 20; wave++) await Promise.all(Array.from({ length: 100 }, () => request(program, '{ __typename }')));
    const exited = once(program.child, 'exit');
    program.kill('SIGTERM');
    expect((await exited)[0]).toBe(0);
  });

  it('has everything it acknowledged after kill -9', async () => {
    await using folder = await temporaryFolder();
    await using first = await startProcess({ DATA_DIR: folder.path });
    const place = { url: first.url };
    const [ada, bob] = await Promise.all([createPerson(place), createPerson(place)]);
    const acknowledged: string[] = [];
    const sending = (async () => {
      for (;;) acknowledged.push((await ada.send({ username: bob.username }, 'still here?')).message.id);
    })().catch(() => {});
    await expect.poll(() => acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(20);
    first.kill('SIGKILL');
    await first.ended();
    await sending;
    await using second = await startProcess({ DATA_DIR: folder.path });
    const { data } = await request(
      { url: second.url },
      'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
      { ids: acknowledged.slice(-50) },
      { authorization: `Bearer ${bob.token}` },
    );
    expect(data?.nodes).toEqual(acknowledged.slice(-50).map((id) => ({ id })));
  });
});

describe('stopping', () => {
  it('answers what is running, refuses what comes, and is not ready meanwhile', async () => {
    await using server = await startTestServer(slowHashes);
    const place = { url: server.url };
    const running = request(place, register, { name: 'ada' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await fetch(`${place.url}/ready`)).status).toBe(200);
    const stopped = server.stop();
    const ready = await fetch(`${place.url}/ready`);
    expect([ready.status, await ready.json()]).toEqual([503, { database: true, stopping: true }]);
    expect((await request(place, '{ __typename }')).errors?.[0]?.extensions.code).toBe('UNAVAILABLE');
    using late = await openRawSocket(place);
    expect(late.refusal).toContain('503');
    const { data } = await running;
    expect(data?.register.__typename).toBe('RegisterPayload');
    await stopped;
    await server.restart();
    const me = await request(server, '{ me { username } }', {}, { authorization: `Bearer ${data?.register.auth.accessToken}` });
    expect(me.data).toEqual({ me: { username: 'ada' } });
  });

  it('answers what is running on a socket before it is closed', async () => {
    await using server = await startTestServer(slowHashes);
    using socket = await openRawSocket(server, { init: true });
    socket.subscribe('1', register, { name: 'ada' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    const stopped = server.stop();
    expect((await socket.message((message) => message.id === '1')).payload.data.register.__typename).toBe('RegisterPayload');
    expect((await socket.whenClosed()).code).toBe(1012);
    await stopped;
  });

  it('ends Server-Sent Events with SERVER_SHUTDOWN', async () => {
    await using server = await startTestServer();
    const person = await server.person();
    const stream = fetch(`${server.url}/graphql?query=${encodeURIComponent(events)}`, { headers: { accept: 'text/event-stream', authorization: `Bearer ${person.token}` } }).then(
      (response) => response.text(),
    );
    await expect.poll(() => server.followers()).toBe(1);
    await server.stop();
    expect(await stream).toMatch(/SERVER_SHUTDOWN.*\n\nevent: complete\ndata:\n\n$/);
  });

  it('can be asked for twice, and started again on the same data', async () => {
    await using server = await startTestServer();
    const person = await server.person();
    await Promise.all([server.stop(), server.stop()]);
    await expect(fetch(`${server.url}/health`)).rejects.toThrow();
    await server.restart();
    expect((await request(server, '{ me { username } }', {}, { authorization: `Bearer ${person.token}` })).data).toEqual({ me: { username: person.username } });
  });
});
