/** What passes over much keeps nothing of it, and needs no room for it. */
import { expect, it } from 'vitest';
import { again, over, polled, type Soon, untilAnswer } from '../src/polled.ts';

it('attempts as often as it takes, at once and later', async () => {
  const after = (count: number, step: (left: number) => Soon<number | typeof again>) => untilAnswer(() => step(count--));
  expect(after(1_000_000, (left) => (left === 0 ? left : again))).toBe(0);
  expect(await after(100_000, async (left) => (left === 0 ? left : again))).toBe(0);
  expect(await after(100_000, (left) => (left === 0 ? left : left % 1_000 === 0 ? Promise.resolve(again) : again))).toBe(0);
  await expect(Promise.resolve(after(1, () => Promise.reject(new Error('broken'))))).rejects.toThrow('broken');
});

it('is read as any other iterator, too, and ends for who waits', async () => {
  const items: number[] = [1, 2];
  let [wakeUp, isClosed] = [(): void => {}, false];
  const stream = polled<number>(
    (wake) => {
      wakeUp = wake;
      const value = items.shift();
      return value !== undefined ? { done: false, value } : isClosed ? over : null;
    },
    () => {
      isClosed = true;
      wakeUp();
    },
  );
  expect([await stream.next(), await stream.next()].map(({ value }) => value)).toEqual([1, 2]);
  const third = stream.next();
  items.push(3);
  wakeUp();
  expect((await third).value).toBe(3);
  const none = stream.next();
  await stream.return();
  expect((await none).done).toBe(true);
});
