/** Whose turn it is among those who want to write: SQLite has one writer, and what waits in front of it must not be one account's alone. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTurns, onBehalfOf } from '../src/turns.ts';
import { engine } from './kit/engine.ts';
import type { Person } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';

it('writers have their turns by account: whoever has many changes waiting keeps nobody else’s waiting', async () => {
  const { take, idle } = createTurns();
  const order: string[] = [];
  const write = (userId: number | null, name: string) => onBehalfOf(userId, () => take(async () => void order.push(name)));
  const all = [write(1, 'a1'), write(1, 'a2'), write(1, 'a3'), write(2, 'b1'), write(null, 'sends'), write(1, 'a4'), write(2, 'b2')];
  await idle();
  await Promise.all(all);
  expect(order).toEqual(['a1', 'a2', 'b1', 'sends', 'a3', 'b2', 'a4']);
});

it('a job that fails keeps the others from nothing, and the event loop goes on between them', async () => {
  const { take } = createTurns();
  let turns = 0;
  let over = false;
  const counting = (async () => {
    while (!over) {
      await nextTurn();
      turns++;
    }
  })();
  const busyFor = (ms: number): void => {
    for (const until = performance.now() + ms; performance.now() < until; );
  };
  const failing = take(async () => Promise.reject(new Error('no')));
  const jobs = Array.from({ length: 5 }, () => take(async () => busyFor(10)));
  await expect(failing).rejects.toThrow('no');
  await Promise.all(jobs);
  over = true;
  await counting;
  expect(turns).toBeGreaterThanOrEqual(4);
});

it.skipIf(engine === 'postgresql')('what a mutation writes is written on behalf of who sent it', async () => {
  await using server = await startTestServer();
  const [ada, ben] = (await server.people(2)) as [Person, Person];
  const order: string[] = [];
  let open: () => void = () => {};
  // Something holds the writers, until changes of both are waiting.
  const held = server.app.db.transaction(() => new Promise<void>((resolve) => (open = resolve)));
  const change = (person: Person, name: string) =>
    person.must('mutation ($name: String!) { updateProfile(input: { displayName: $name }) { __typename } }', { name }).then(() => order.push(name));
  const all = ['a1', 'a2', 'a3', 'a4'].map((name) => change(ada, name));
  await new Promise((wake) => setTimeout(wake, 300));
  all.push(change(ben, 'b1'));
  await new Promise((wake) => setTimeout(wake, 300));
  open();
  await Promise.all([held, ...all]);
  expect(order.indexOf('b1')).toBeLessThan(3);
});
