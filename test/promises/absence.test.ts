/** Whoever was away reads what concerns them: what others did meanwhile costs nothing, however much it was. */
import { expect, it } from 'vitest';
import { concerningText } from '../../src/events/event-log.ts';
import { numberedText } from '../../src/storage/sql.ts';
import { openCrowd } from '../kit/crowd.ts';
import { engine } from '../kit/engine.ts';
import type { Item, Person, Untyped } from '../kit/person.ts';
import { startTestServer } from '../kit/server.ts';
import { eventCursor, events, sync, textsOf } from './kit.ts';

const many = process.env.LONG ? 1_000_000 : 20_000;

/** What strangers did among themselves: messages, markers, people who come and go, lists that are read, sessions that end. */
async function addForeign(dataDir: string, count: number): Promise<void> {
  if (count === 0) return;
  await using crowd = await openCrowd(dataDir);
  const now = engine === 'sqlite' ? String(Date.now()) : 'now()';
  await crowd.run(
    `INSERT INTO "Event" ("number", "at", "type", "chatId", "userId", "data")
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     SELECT h."newest" + i, ${now}, CASE i % 5 WHEN 0 THEN 'marker-moved' WHEN 1 THEN 'member-updated' WHEN 2 THEN 'notifications-read' WHEN 3 THEN 'session-ended' ELSE 'chat-updated' END,
       CASE WHEN i % 5 IN (2, 3) THEN NULL ELSE 1000000 + i % 501 END, CASE i % 5 WHEN 4 THEN NULL ELSE 1000000 + i % 701 END, CASE i % 5 WHEN 0 THEN '{"status":"READ","upToSeq":1}' END
     FROM n CROSS JOIN (SELECT MAX("number") AS "newest" FROM "Event") h`,
  );
  if (engine === 'sqlite') await crowd.run(`UPDATE "EventHead" SET "last" = "last" + ${count}`);
}

it('a night away from a busy server takes as many statements, and gives the same, as one from a quiet server', { timeout: 120_000 }, async () => {
  const absences: { statements: number; texts: string[] }[] = [];
  for (const foreign of [0, many]) {
    await using server = await startTestServer();
    const [ada, bob] = (await server.people(2)) as [Person, Person];
    const room = await bob.createRoom({ members: [{ id: ada.id }] });
    const after = await eventCursor(ada);
    for (const text of ['one', 'two']) await bob.send(room, text);
    await addForeign(server.dataDir, foreign / 2);
    await server.restart();
    await bob.send({ username: ada.username }, 'between');
    await addForeign(server.dataDir, foreign / 2);
    await server.restart();
    await bob.send(room, 'after a night');
    const read = async (): Promise<{ statements: number; texts: string[] }> => {
      const before = server.app.db.statements.count;
      const items: Item[] = [];
      for (let [cursor, more] = [after, true]; more; ) {
        const page: Untyped = (await ada.must(sync, { after: cursor, first: 100 })).sync;
        items.push(...page.items);
        [cursor, more] = [page.endCursor, page.hasMore];
      }
      return { statements: server.app.db.statements.count - before, texts: textsOf(items) };
    };
    // What the server does by itself meanwhile (its worker of pushes reads the log, too) only ever adds to them.
    let least = await read();
    for (let round = 1; round < 3 || (round < 100 && least.statements > (absences[0]?.statements ?? 0)); round++) {
      const again = await read();
      if (again.statements < least.statements) least = again;
      if (absences.length === 0 && round > 5) break;
    }
    absences.push(least);
    const stream = await ada.follow(events, { after });
    expect(textsOf(await stream.until('CaughtUp'))).toEqual(['one', 'two', 'between', 'after a night']);
    await bob.send(room, 'live');
    expect(textsOf([await stream.next('MessageAdded')])).toEqual(['live']);
  }
  expect(absences[1]).toEqual(absences[0]);
  expect(absences[0]?.texts).toEqual(['one', 'two', 'between', 'after a night']);
});

it('goes nowhere through the log itself: each part of the question has an index', async () => {
  await using server = await startTestServer();
  await addForeign(server.dataDir, 20_000);
  await using crowd = await openCrowd(server.dataDir);
  await crowd.run('ANALYZE "Event"');
  const question = concerningText(engine, ['user-updated', 'peer-updated']);
  const rows = await crowd.run(engine === 'sqlite' ? `EXPLAIN QUERY PLAN ${question.replaceAll('?', 'NULL')}` : `EXPLAIN (GENERIC_PLAN) ${numberedText(question).text}`);
  const plan = rows.map((row) => row.detail ?? row['QUERY PLAN']).join('\n');
  for (const index of ['Event_of_chat', 'Event_of_person', 'Event_of_everyone']) expect(plan).toContain(index);
  expect(plan).not.toMatch(engine === 'sqlite' ? /SCAN Event\b/ : /Seq Scan on "Event"/);
});
