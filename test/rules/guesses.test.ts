/** Wrong passwords are counted where somebody guesses, and nobody else pays for them; who fills the queue for hashing waits in it alone. */

import { randomUUID } from 'node:crypto';
import argon2 from 'argon2';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { hashOfNothing } from '../../src/accounts/passwords.ts';
import { type Asker, change, outcome } from '../kit/outcome.ts';
import { createPerson, type Person, request, type Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';

const password = 'correct horse battery';
const wrong = 'INVALID_CREDENTIALS UNSPECIFIED';

const limited = (more: Untyped = {}): Promise<TestServer> => startTestServer({ RATE_LIMITS: 'on', TRUST_PROXY: 'on', LOGIN_LIMIT: '3', REGISTER_LIMIT: '1000', ...more });

/** Whoever sits at this address. */
const at = (server: { url: string }, address: string, person?: Person): Asker => ({
  request: (document, variables) => request(server, document, variables, { 'x-forwarded-for': address, ...(person ? { authorization: `Bearer ${person.token}` } : {}) }),
});
const guess = (who: Asker, login: string, tried = 'not the password'): Promise<string> => outcome(who, 'login', { login, password: tried });
const repeat = async <T>(times: number, job: (index: number) => Promise<T>): Promise<T[]> => {
  const results: T[] = [];
  for (let index = 0; index < times; index++) results.push(await job(index));
  return results;
};

afterEach(() => void vi.useRealTimers());

describe('wrong passwords', () => {
  it('lock out who guesses, at that address and for that name, and not the owner of the account elsewhere', async () => {
    await using server = await limited();
    const ada = await createPerson(server, { username: 'ada', password });
    const stranger = at(server, '10.0.0.1');
    expect(await repeat(4, () => guess(stranger, 'Ada'))).toEqual([wrong, wrong, wrong, 'RATE_LIMITED']);
    expect(await guess(stranger, 'ada', password)).toBe('RATE_LIMITED');
    expect(await guess(at(server, '10.0.0.2'), 'ada', password)).toBe('done');
    for (const oldPassword of [password, 'new horse battery'])
      expect(await outcome(ada, 'changePassword', { oldPassword, newPassword: oldPassword === password ? 'new horse battery' : password })).toBe('done');
    expect(await outcome(ada, 'revokeOtherSessions', { password })).toBe('done');
    expect(await outcome(ada, 'deleteAccount', { password })).toBe('done');
  });

  it('count for the session that gives them, and for no other session of the account', async () => {
    await using server = await limited();
    const ada = await createPerson(server, { username: 'ada', password });
    const other = (await change(at(server, '10.0.0.1'), 'login', { login: 'ada', password }, 'auth { accessToken }')).auth.accessToken;
    const stolen: Asker = { request: (document, variables) => request(server, document, variables, { authorization: `Bearer ${other}` }) };
    for (const [name, field] of [
      ['changePassword', 'oldPassword'],
      ['revokeOtherSessions', 'password'],
      ['deleteAccount', 'password'],
    ] as const)
      expect(await outcome(stolen, name, { [field]: 'not the password', ...(name === 'changePassword' ? { newPassword: 'new horse battery' } : {}) })).toBe(wrong);
    expect(await outcome(stolen, 'deleteAccount', { password })).toBe('RATE_LIMITED');
    expect(await outcome(ada, 'changePassword', { oldPassword: password, newPassword: 'new horse battery' })).toBe('done');
  });

  it('from very many addresses lock out every device but those that have signed in before', async () => {
    await using server = await limited({ LOGIN_LIMIT: '2' });
    await createPerson(server, { username: 'grace', password });
    const tokenFrom = async (login: string): Promise<string> => (await change(at(server, '10.9.9.9'), 'login', { login, password }, 'auth { deviceToken }')).auth.deviceToken;
    const registered = await change(at(server, '10.9.9.8'), 'register', { username: 'ada', password }, 'auth { deviceToken }');
    const [own, others] = [await tokenFrom('ada'), await tokenFrom('grace')];
    await repeat(20, (index) => guess(at(server, `10.0.1.${index}`), 'ada'));
    const elsewhere = at(server, '10.0.2.1');
    const withToken = (token: string, tried = password): Promise<string> => outcome(elsewhere, 'login', { login: 'ada', password: tried, device: { token } });
    expect(await guess(elsewhere, 'ada', password)).toBe('RATE_LIMITED');
    for (const token of [others, '', 'x'.repeat(43), `${own.slice(0, -2)}AA`, own.slice(1)]) expect(await withToken(token), token).toBe('RATE_LIMITED');
    for (const token of [own, registered.auth.deviceToken]) expect(await withToken(token)).toBe('done');
    // Whoever took it away with the device guesses no more than others.
    expect(await repeat(3, () => withToken(own, 'not the password'))).toEqual([wrong, wrong, 'RATE_LIMITED']);
    expect(await withToken(registered.auth.deviceToken)).toBe('done');
    expect(await guess(at(server, '10.0.2.1'), 'grace', password)).toBe('done');
  });

  it('are all that is counted: many people behind one address sign in at once', async () => {
    await using server = await limited();
    await Promise.all(Array.from({ length: 30 }, (_, index) => createPerson(server, { username: `pupil${index}`, password })));
    const school = at(server, '10.0.0.1');
    for (let round = 0; round < 2; round++) {
      const outcomes = await Promise.all(Array.from({ length: 30 }, (_, index) => guess(school, `pupil${index}`, password)));
      expect(new Set(outcomes)).toEqual(new Set(['done']));
    }
    await repeat(3, () => guess(school, 'pupil0'));
    expect(await guess(school, 'pupil0', password)).toBe('RATE_LIMITED');
    expect(await guess(school, 'pupil1', password)).toBe('done');
    // Whatever the names: in the end one address guesses no more.
    const names = await repeat(30, (index) => guess(school, `nobody${index}`));
    expect(names.filter((each) => each === wrong)).toHaveLength(27);
    expect(await guess(at(server, '10.0.0.2'), 'pupil1', password)).toBe('done');
  });

  it('are counted one by one, however many come at once', async () => {
    await using server = await limited();
    const ada = await createPerson(server, { username: 'ada', password });
    const stranger = at(server, '10.0.0.1');
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => guess(stranger, 'ada')));
    expect(outcomes.filter((each) => each === wrong)).toHaveLength(3);
    const own = await Promise.all(Array.from({ length: 20 }, () => outcome(ada, 'deleteAccount', { password: 'not the password' })));
    expect(own.filter((each) => each === wrong)).toHaveLength(3);
  });

  it('do not tell whose a name is: known and unknown ones, usernames and e-mails, are counted alike', async () => {
    await using server = await limited();
    await change(at(server, '10.9.9.9'), 'register', { username: 'ada', email: 'ada@example.org', password });
    const histories = new Set<string>();
    for (const [index, [first, second]] of [
      ['ada', 'ada@example.org'],
      ['ada@example.org', 'ada'],
      ['nobody', 'nobody@example.org'],
      ['ADA@example.org', 'nobody'],
      ['ada', 'nobody@example.org'],
    ].entries()) {
      const stranger = at(server, `10.0.0.${index}`);
      histories.add(JSON.stringify([await repeat(4, () => guess(stranger, first as string)), await repeat(4, () => guess(stranger, second as string))]));
    }
    expect([...histories].map((text) => JSON.parse(text))).toEqual([
      [
        [wrong, wrong, wrong, 'RATE_LIMITED'],
        [wrong, wrong, wrong, 'RATE_LIMITED'],
      ],
    ]);
  });

  it('are checked at the cost of any other where there is no such account', async () => {
    const cost = { memoryCost: 1_024, timeCost: 3, parallelism: 1 };
    const nobodys = hashOfNothing(cost);
    expect(argon2.needsRehash(nobodys, cost)).toBe(false);
    expect(argon2.needsRehash(nobodys, { ...cost, timeCost: 2 })).toBe(true);
    expect(await argon2.verify(nobodys, '')).toBe(false);
    expect(hashOfNothing(cost)).not.toBe(nobodys);
    expect(nobodys.length).toBe((await argon2.hash('x', { ...cost, type: argon2.argon2id })).length);
  });

  it('take the same statements and give the same answer for known and unknown names, in any form', async () => {
    await using server = await startTestServer();
    await change(at(server, '10.9.9.9'), 'register', { username: 'ada', email: 'ada@example.org', password });
    const works = new Set<string>();
    for (const login of ['ada', 'ADA ', 'ada@example.org', 'nobody', 'nobody@example.org']) {
      const counts: number[] = [];
      let answer = '';
      // What the server does by itself meanwhile only ever adds to some of them.
      for (let round = 0; round < 8; round++) {
        const before = server.app.db.statements.count;
        answer = await guess(at(server, '10.0.0.1'), login);
        counts.push(server.app.db.statements.count - before);
      }
      works.add(`${answer}, ${Math.min(...counts)} statements`);
    }
    expect([...works]).toEqual([`${wrong}, 1 statements`]);
  });

  it('of a room are counted for the account, and for the room at one address, whatever the accounts', async () => {
    await using server = await limited();
    const owner = await createPerson(server, {});
    const [room, other] = [await owner.createRoom({ password: 'sesame' }), await owner.createRoom({ password: 'sesame' })];
    const people = await Promise.all(Array.from({ length: 5 }, () => createPerson(server, {})));
    const join = (index: number, { id }: { id: string }, tried: string, address = '10.0.0.1'): Promise<string> =>
      outcome(at(server, address, people[index]), 'joinChat', { room: { id }, password: tried });
    expect(await repeat(4, () => join(0, room, 'open'))).toEqual([...Array(3).fill('WRONG_ROOM_PASSWORD'), 'RATE_LIMITED']);
    expect(await repeat(4, () => join(1, room, 'open'))).toEqual([...Array(3).fill('WRONG_ROOM_PASSWORD'), 'RATE_LIMITED']);
    expect(await join(2, room, 'sesame')).toBe('RATE_LIMITED');
    expect(await join(2, room, 'sesame', '10.0.0.2')).toBe('done');
    expect(await join(3, other, 'sesame')).toBe('done');
  });

  it('from IPv6 count for the /64 that one customer has, and mapped IPv4 for its address', async () => {
    await using server = await limited();
    await createPerson(server, { username: 'ada', password });
    const neighbours = ['2001:db8:1:2::1', '2001:DB8:1:2:ffff::9', '2001:0db8:0001:0002:0:0:1.2.3.4', '2001:db8:1:2:3:4:5:6'];
    expect(await repeat(4, (index) => guess(at(server, neighbours[index] as string), 'ada'))).toEqual([wrong, wrong, wrong, 'RATE_LIMITED']);
    expect(await guess(at(server, '2001:db8:1:3::1'), 'ada')).toBe(wrong);
    const mapped = ['10.0.0.1', '::ffff:10.0.0.1', '::ffff:a00:1', '0:0:0:0:0:FFFF:0a00:0001'];
    expect(await repeat(4, (index) => guess(at(server, mapped[index] as string), 'ada'))).toEqual([wrong, wrong, wrong, 'RATE_LIMITED']);
    expect(await guess(at(server, '::ffff:a00:2'), 'ada')).toBe(wrong);
  });
});

it('limits go by elapsed time: a clock that is set back locks nobody out for longer', async () => {
  await using server = await limited({ SEND_LIMIT: '1', SEND_BURST: '1' });
  const ada = await createPerson(server, {});
  await ada.send({ username: ada.username }, 'one');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 });
  const send = async (): Promise<Untyped> =>
    (
      await ada.request(
        'mutation ($to: MessageTargetInput!) { sendMessage(input: { to: $to, text: "two", clientMessageId: "two" }) { __typename ... on RateLimitedError { retryAfterMs } } }',
        {
          to: { username: ada.username },
        },
      )
    ).data as Untyped;
  const { sendMessage } = await send();
  if (sendMessage.__typename === 'RateLimitedError') expect(sendMessage.retryAfterMs).toBeLessThanOrEqual(1_000);
  await expect.poll(async () => (await send()).sendMessage.__typename, { timeout: 5_000 }).toBe('SendMessagePayload');
});

describe('hashing', () => {
  it('keeps nobody who signs in waiting for, or out of, a queue that a few others fill', { timeout: 60_000 }, async () => {
    await using server = await startTestServer({ ARGON2_MEMORY_KIB: '19456', PASSWORD_QUEUE: '16' });
    const people = await server.people(6);
    const flooders = people.slice(0, 4);
    const rooms = await Promise.all(flooders.map((person) => person.createRoom()));
    let over = false;
    // Each of them always has more in the queue than it holds.
    const flood = flooders.map(async (person, index) => {
      const outcomes: string[] = [];
      const set = (): Promise<string> => outcome(person, 'updateRoom', { roomId: rooms[index]?.id, password: randomUUID() });
      const work = async (): Promise<void> => {
        while (!over) outcomes.push(await set());
      };
      await Promise.all(Array.from({ length: 16 }, work));
      return new Set(outcomes);
    });
    const [person, other] = people.slice(4) as [Person, Person];
    const logins = await repeat(5, () => guess(person, other.username, other.password));
    over = true;
    expect(logins).toEqual(Array(5).fill('done'));
    // And each of those who fill it has had turns.
    for (const outcomes of await Promise.all(flood)) expect([...outcomes].sort()).toEqual(['done', 'top: UNAVAILABLE']);
  });

  it('is done so often for one account that sets passwords, and no more', async () => {
    await using server = await limited();
    const ada = await createPerson(server, { password });
    const room = await ada.createRoom();
    const outcomes = await repeat(61, (index) => outcome(ada, 'updateRoom', { roomId: room.id, password: `secret ${index}` }));
    expect(outcomes).toEqual([...Array(60).fill('done'), 'RATE_LIMITED']);
    expect(await outcome(ada, 'createRoom', { name: 'Another', password: 'secret', visibility: 'PUBLIC', postPolicy: 'MEMBERS' })).toBe('RATE_LIMITED');
    expect(await outcome(ada, 'changePassword', { oldPassword: password, newPassword: 'new horse battery' })).toBe('RATE_LIMITED');
    expect(await outcome(ada, 'updateRoom', { roomId: room.id, name: 'No password in it' })).toBe('done');
  });
});
