/** A short run of `npm run chaos`: whatever breaks, nothing is lost. And that its check finds what would be wrong. */
import { expect, it } from 'vitest';
import type { Version } from '../scripts/chaos/clients.ts';
import { type Evidence, isClean, judge } from '../scripts/chaos/history.ts';
import { runChaos } from '../scripts/chaos.ts';

it('P17: ten seconds in which servers, sockets, clocks and the database break lose, double and confuse nothing', { timeout: 300_000 }, async () => {
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 1_000_000));
  const said: string[] = [];
  const { clean, ...result } = await runChaos({ seconds: process.env.LONG ? 120 : 10, seed, nodes: 2, writers: 6, readers: 4, pauseMs: 20 }, (line) => said.push(line));
  expect(clean, JSON.stringify({ seed, ...result, said }, null, 1)).toBe(true);
  expect(result.figures.acknowledged).toBeGreaterThan(50);
  expect(result.figures.faults).toBeGreaterThan(2);
});

it('the check finds a message that is lost, doubled, invented, changed, missed, out of order, and a server that has another history', () => {
  const version = (seq: number, text: string | null): Version => ({ id: `m${seq}`, chatId: 'c', seq, text, version: 1, deleted: text === null });
  const evidence = (): Evidence & { acknowledged: Evidence['acknowledged'][number][] } => {
    const stored = [version(1, 'a'), version(2, 'b, edited'), version(3, null)];
    return {
      acknowledged: [
        { id: 'm1', chatId: 'c', seq: 1, first: 'a', text: 'a', at: 0, edits: 0 },
        { id: 'm2', chatId: 'c', seq: 2, first: 'b', text: 'b, edited', at: 0, edits: 1 },
        { id: 'm3', chatId: 'c', seq: 3, first: 'd', text: null, at: 0, edits: 0 },
      ],
      attempted: new Set(['a', 'b', 'b, edited', 'd']),
      histories: [new Map([['c', stored]]), new Map([['c', stored]])],
      readers: [{ added: new Map([['c', [1, 2, 3]]]), versions: new Map(stored.map((one) => [one.id, one])), problems: [], gaps: 0 }],
    };
  };
  const judged = (change: Partial<Evidence>) => Object.entries(judge({ ...evidence(), ...change })).filter(([name, count]) => name !== 'stored' && count > 0);
  const history = (...versions: Version[]) => [new Map([['c', versions]]), new Map([['c', versions]])];
  const reader = (change: Partial<Evidence['readers'][number]>) => ({ readers: evidence().readers.map((one) => ({ ...one, ...change })) });
  expect(isClean(judge(evidence()))).toBe(true);
  const found = (change: Partial<Evidence>): string[] => judged(change).map(([name]) => name);
  expect(found({ histories: history(version(1, 'a'), version(2, 'b, edited')) })).toContain('lost');
  expect(found({ histories: history(version(1, 'a'), version(2, 'b, edited'), version(3, null), version(4, 'a')) })).toContain('doubled');
  expect(found({ histories: history(version(1, 'a'), version(2, 'b, edited'), version(3, null), version(4, 'x')) })).toContain('from nowhere');
  expect(found({ histories: history(version(1, 'a'), version(2, 'b, edited'), version(4, null)) })).toContain('holes in seq');
  expect(found({ histories: history(version(1, 'a'), version(2, 'b'), version(3, null)) })).toContain('other than acknowledged');
  expect(found({ histories: [...history(version(1, 'a')), new Map()] })).toContain('servers that differ');
  expect(found(reader({ added: new Map([['c', [1, 2]]]) }))).toEqual(['missed by a reader, or twice']);
  expect(found(reader({ added: new Map([['c', [1, 2, 3, 3]]]) }))).toEqual(['missed by a reader, or twice']);
  expect(found(reader({ problems: ['MessageAdded 2 after 2'] }))).toEqual(['out of order']);
  expect(found(reader({ gaps: 1 }))).toEqual(['gaps told to readers']);
  expect(found(reader({ versions: new Map([['m1', version(1, 'a')]]) }))).toEqual(['other than stored, at a reader']);
});
