/** What operators watch. */
import { expect, it } from 'vitest';
import { openRawSocket } from './kit/raw-socket.ts';
import { startTestServer } from './kit/server.ts';

it('counts what happens as Prometheus text, and tells apart only so many names that clients choose', async () => {
  await using server = await startTestServer();
  const [ada, bob] = await server.people(2);
  if (!ada || !bob) throw new Error('nobody');
  const stream = await bob.follow('subscription Live { newMessages { __typename } }');
  await ada.send({ username: bob.username }, 'hello');
  await stream.next('MessageAdded');
  await ada.request('query Broken { nothing }');
  await ada.request('mutation Refused { leaveChat(input: { chatId: "x" }) { __typename } }');
  for (let index = 0; index < 150; index++) await ada.request(`query Name${index} { __typename }`);

  const response = await fetch(`${server.url}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=/);
  const text = await response.text();
  const value = (name: string): number => Number(new RegExp(`^${name.replaceAll(/[{}"]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);

  expect(value('tertulia_operations_total{transport="http",kind="mutation",name="Send",outcome="ok"}')).toBe(1);
  expect(value('tertulia_refused_total{code="NOT_FOUND"}')).toBe(1);
  expect(value('tertulia_deliveries_total{item="MessageAdded"}')).toBe(1);
  expect(value('tertulia_event_lag_seconds_count')).toBeGreaterThanOrEqual(1);
  expect(value('tertulia_open_sockets')).toBe(1);
  expect(value('tertulia_subscriptions')).toBe(1);
  expect(value('tertulia_commits_total')).toBeGreaterThanOrEqual(3);
  expect(value('tertulia_dropped_readers_total')).toBe(0);
  expect(value('tertulia_database_errors_total')).toBe(0);
  expect(value('tertulia_event_loop_delay_max_seconds')).toBeGreaterThan(0);
  expect(value('tertulia_http_requests_total{status="200"}')).toBeGreaterThan(150);
  expect(new Set(text.match(/name="Name\d+"/g)).size).toBeLessThan(100);
  expect(value('tertulia_operations_total{transport="http",kind="query",name="other",outcome="ok"}')).toBeGreaterThan(50);
});

it('goes on telling apart the names of the apps that people use while a stranger makes up others', { timeout: 60_000 }, async () => {
  await using server = await startTestServer({ MAX_OPERATIONS_PER_SECOND: '1000000' });
  const people = await server.people(3);
  using stranger = await openRawSocket(server, { init: true });
  let made = 0;
  const flood = async (): Promise<void> => {
    for (let index = 0; index < 1000; index++) stranger.subscribe(String(made), `query Made${made++} { __typename }`);
    await expect.poll(() => stranger.got.filter(({ type }) => type === 'complete').length, { timeout: 25_000 }).toBe(made);
  };
  const namesIn = async (): Promise<Set<string>> => new Set((await (await fetch(`${server.url}/metrics`)).text()).match(/(?<=^tertulia_operations_total\{.*name=")\w+/gm));
  await flood();
  for (const person of people) for (const name of ['Timeline', 'Inbox', 'Send']) await person.request(`query ${name} { __typename }`);
  const wanted = ['Inbox', 'Send', 'Timeline', 'other'];
  expect(await namesIn()).toEqual(new Set([...(await namesIn()), ...wanted]));
  await flood();
  for (let index = 0; index < 300; index++) await people[0]?.request(`query Made${made++} { __typename }`);
  for (const person of people) await person.request(`query ${'Long'.repeat(1000)} { __typename }`);
  const names = await namesIn();
  expect(names).toEqual(new Set([...names, ...wanted]));
  expect(names.size).toBeLessThanOrEqual(101);
  expect(Math.max(...[...names].map((name) => name.length))).toBe(64);
});

it('counts what the database could not do', async () => {
  await using server = await startTestServer();
  const full = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  await expect(server.app.db.transaction(() => Promise.reject(full))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(/^tertulia_database_errors_total 1$/m);
});
