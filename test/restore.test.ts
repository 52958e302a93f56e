/** P5 when a copy of the database is put back: its numbers stand for other events from then on, and clients still hold cursors from what was lost. */
import { execFile } from 'node:child_process';
import { cp, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { copyDatabase, databaseUrl, engine } from './kit/engine.ts';
import type { Person } from './kit/person.ts';
import { type Overrides, startTestServer, type TestServer, temporaryFolder } from './kit/server.ts';
import { eventCursor, events, textsOf } from './promises/kit.ts';

/** Makes a copy, and gives the settings of a server on it. */
type CopyMaker = (server: TestServer, folder: string) => Promise<Overrides>;

const ways: [string, CopyMaker][] =
  engine === 'postgresql'
    ? [
        [
          'of the whole database',
          async (server) => {
            await server.stop();
            const copy = await copyDatabase(await databaseUrl(server.dataDir));
            return { DATABASE_URL: copy };
          },
        ],
      ]
    : [
        [
          'of the data folder, made while the server is stopped',
          async (server, folder) => {
            await server.stop();
            await cp(server.dataDir, folder, { recursive: true });
            return { DATA_DIR: folder };
          },
        ],
        [
          'made by npm run backup while the server runs',
          async (server, folder) => {
            const file = join(folder, 'copy.db');
            const env = { PATH: process.env.PATH, DATA_DIR: server.dataDir };
            await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../scripts/backup.ts', import.meta.url)), file], { env });
            await mkdir(join(folder, 'data'));
            await rename(file, join(folder, 'data', 'tertulia.db'));
            return { DATA_DIR: join(folder, 'data') };
          },
        ],
      ];

for (const [name, makeCopy] of ways) {
  it(`after a copy was put back, a cursor from what was lost gives StreamGap, and an older one goes on: ${name}`, async () => {
    await using elsewhere = await temporaryFolder();
    await using server = await startTestServer();
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    const old = await eventCursor(ben);
    await ana.send(room, 'kept');
    const copy = await makeCopy(server, elsewhere.path);
    await server.restart();
    for (const text of ['lost 1', 'lost 2', 'lost 3']) await ana.send(room, text);
    const lost = await eventCursor(ben);

    await server.restart(copy);
    const fresh = Array.from({ length: 6 }, (_, index) => `new ${index}`);
    for (const text of fresh) await ana.send(room, text);
    const stream = await ben.follow(events, { after: lost });
    expect((await stream.until('CaughtUp')).map((item) => item.__typename)).toEqual(['StreamGap', 'CaughtUp']);
    const older = await ben.follow(events, { after: old });
    const replayed = await older.until('CaughtUp');
    expect(replayed.map((item) => item.__typename)).not.toContain('StreamGap');
    expect(textsOf(replayed)).toEqual(['kept', ...fresh]);
    await server.stop();
  });
}

it('goes on over restarts without a gap, also with a cursor from before epochs', async () => {
  await using server = await startTestServer();
  const [ana, ben] = (await server.people(2)) as [Person, Person];
  const room = await ana.createRoom({ members: [{ id: ben.id }] });
  await ana.send(room, 'one');
  // As a server without epochs has left it.
  const { db } = server.app;
  const [head] = await db.sql.all<{ logId: string; last: number }>('SELECT "logId", (SELECT MAX("number") FROM "Event") AS "last" FROM "EventHead"', []);
  const { logId, last } = head as { logId: string; last: number };
  await db.sqlTransaction((sql) => sql.all('DELETE FROM "LogEpoch"', []));
  const early = (number: number): string => Buffer.from(`1.${logId}.${number}`).toString('base64url');

  await server.restart();
  const cursors = [early(last), await eventCursor(ben)];
  await ana.send(room, 'two');
  await server.restart();
  await ana.send(room, 'three');
  for (const after of cursors) {
    const stream = await ben.follow(events, { after });
    const replayed = await stream.until('CaughtUp');
    expect(textsOf(replayed)).toEqual(['two', 'three']);
    expect(replayed.map((item) => item.__typename)).not.toContain('StreamGap');
  }
  // Such a server cannot have given out what came later.
  const stream = await ben.follow(events, { after: early(last + 2) });
  expect((await stream.until('CaughtUp')).map((item) => item.__typename)).toEqual(['StreamGap', 'CaughtUp']);
});
