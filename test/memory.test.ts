/** What is done again and again takes no more memory than it did at first, and what is made once leaves no more than what is kept. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { keepStatements } from '../src/storage/kept-statements.ts';
import { createPerson } from './kit/person.ts';
import { startProcess } from './kit/process.ts';
import { temporaryFolder } from './kit/server.ts';

const megabytesOf = (pid: number): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

it.runIf(process.platform === 'linux')('transactions of Prisma leave nothing behind', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  await using server = await startProcess({ DATA_DIR: folder.path });
  const person = await createPerson(server);
  const change = async (times: number): Promise<void> => {
    for (let done = 0; done < times; done += 20)
      await Promise.all(Array.from({ length: 20 }, (_, place) => person.must(`mutation { updateProfile(input: { displayName: "${done + place}" }) { __typename } }`)));
  };
  await change(500);
  const before = megabytesOf(server.pid);
  await change(1_000);
  // With statements that were left to be collected as garbage, it was 55.
  expect(megabytesOf(server.pid) - before).toBeLessThan(40);
});

it('what was prepared is given back when there is too much of it, and asked again it answers as before', async () => {
  const connection = new Sqlite(':memory:');
  const { makeRoom } = keepStatements(connection);
  const prepare = connection.prepare as unknown as (text: string) => {
    bind(values: unknown[]): { run(): unknown; reader: boolean; columns(): { name: string }[]; raw(): { all(): unknown[] } };
  };
  const run = async (text: string, ...values: unknown[]) => {
    await makeRoom();
    const statement = prepare(text).bind(values);
    return statement.reader ? [statement.columns().map(({ name }) => name), statement.raw().all()] : statement.run();
  };
  const megabytes = (): number => process.memoryUsage.rss() / 2 ** 20;
  await run('CREATE TABLE "T" ("a" INTEGER, "b" TEXT)');
  let before = 0;
  for (let round = 0; round < 10_000; round++) {
    if (round === 2_000) before = megabytes();
    expect(await run(`SELECT ${round} AS "n", count(*) AS "rows" FROM "T" WHERE "a" IN (${'?, '.repeat(20)}?)`, ...Array.from({ length: 21 }, () => 1))).toEqual([
      ['n', 'rows'],
      [[round, 0]],
    ]);
    expect(await run('UPDATE "T" SET "b" = ? WHERE "a" = ?', 'x', 1)).toMatchObject({ changes: 0 });
  }
  // Of 8,000 statements that were left, it was 64.
  expect(megabytes() - before).toBeLessThan(40);
  connection.close();
});

it.runIf(process.platform === 'linux')('GraphiQL takes along what it needs to be made', async () => {
  await using folder = await temporaryFolder();
  await using server = await startProcess({ DATA_DIR: folder.path });
  const open = async (encoding: string): Promise<string> => (await fetch(`${server.url}/graphql`, { headers: { accept: 'text/html', 'accept-encoding': encoding } })).text();
  // The first upkeep starts a thread.
  await sleep(1_000);
  const before = megabytesOf(server.pid);
  const page = await open('gzip');
  expect(page.length).toBeGreaterThan(5_000_000);
  expect((await open('identity')) === page).toBe(true);
  // Made in the thread of everything else, it left 125.
  expect(megabytesOf(server.pid) - before).toBeLessThan(100);
});
