/** A copy made while people write must be a whole one: it is proven by starting a server on it. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { backUp as copyDatabase } from '../src/storage/backup.ts';
import { createPerson } from './kit/person.ts';
import { startTestServer, temporaryFolder } from './kit/server.ts';

const run = promisify(execFile);
const command = fileURLToPath(new URL('../scripts/backup.ts', import.meta.url));
const backUp = (dataDir: string, target: string) => run(process.execPath, [command, target], { env: { PATH: process.env.PATH, DATA_DIR: dataDir } });
const history = 'query ($id: ID!) { chat(id: $id) { lastSeq messages(first: 100) { nodes { seq text sender { username } } } } }';

describe.skipIf(process.env.TEST_ENGINE === 'postgresql')('a backup of a running SQLite server', () => {
  it('holds every message that was acknowledged before it began, without a hole, and serves people as before', async () => {
    await using server = await startTestServer();
    await using elsewhere = await temporaryFolder();
    const [ada, bob] = await server.people(2);
    if (!ada || !bob) throw new Error('nobody');
    const room = await ada.createRoom({ members: [{ username: bob.username }] });
    const acknowledged = [];
    for (let index = 0; index < 20; index++) acknowledged.push(await ada.send(room, `before ${index}`));
    let writing = true;
    const writer = (async () => {
      for (let index = 0; writing; index++) await bob.send(room, `meanwhile ${index}`);
    })();
    const file = join(elsewhere.path, 'copy.db');
    await backUp(server.dataDir, file);
    const later = await ada.send(room, 'after the backup');
    writing = false;
    await writer;

    expect((await stat(file)).mode & 0o077).toBe(0);
    await mkdir(join(elsewhere.path, 'data'));
    await rename(file, join(elsewhere.path, 'data', 'tertulia.db'));
    await using restored = await startTestServer({ DATA_DIR: join(elsewhere.path, 'data') });
    const there = await fetch(`${restored.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${ada.token}` },
      body: JSON.stringify({ query: history, variables: { id: room.id } }),
    });
    const { chat } = ((await there.json()) as { data: { chat: { lastSeq: number; messages: { nodes: { seq: number; text: string }[] } } } }).data;
    const texts = chat.messages.nodes.map(({ text }) => text);
    expect(texts.slice(0, 20)).toEqual(acknowledged.map((_, index) => `before ${index}`));
    expect(chat.messages.nodes.map(({ seq }) => seq)).toEqual(chat.messages.nodes.map((_, index) => index + 1));

    // What happened after the backup is lost, and a client that saw it is told so.
    const carol = await createPerson({ url: restored.url });
    const stream = await carol.follow('subscription ($after: EventCursor) { events(after: $after) { __typename } }', { after: later.cursor });
    expect((await stream.next()).__typename).toBe('StreamGap');
    await carol.close();
  });

  it('is done in time however much is written meanwhile', async () => {
    await using server = await startTestServer();
    await using elsewhere = await temporaryFolder();
    // Without waiting inside SQLite: the server's own writer waits for this thread, between the statements of a transaction.
    using database = { connection: new Sqlite(join(server.dataDir, 'tertulia.db'), { timeout: 0 }), [Symbol.dispose]: () => database.connection.close() };
    const whenFree = async (run: () => unknown): Promise<void> => {
      for (let done = false; !done; await nextTurn()) {
        try {
          run();
          done = true;
        } catch (error) {
          if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
        }
      }
    };
    await whenFree(() => database.connection.exec('CREATE TABLE "Much" ("bytes" BLOB)'));
    const write = database.connection.prepare('INSERT INTO "Much" VALUES (zeroblob(?))');
    for (let index = 0; index < 20; index++) await whenFree(() => write.run(1_000_000));
    let writing = true;
    const writer = (async () => {
      while (writing) await whenFree(() => write.run(1));
    })();
    // In this process, so that something is committed between any two pieces of the copy.
    const copying = copyDatabase(server.app.config, join(elsewhere.path, 'copy.db'));
    await Promise.race([copying, sleep(5_000, undefined, { ref: false })]);
    expect(await readdir(elsewhere.path)).toEqual(['copy.db']);
    writing = false;
    await Promise.all([writer, copying]);
  });

  it('overwrites nothing, and says what is missing', async () => {
    await using server = await startTestServer();
    await using elsewhere = await temporaryFolder();
    const file = join(elsewhere.path, 'copy.db');
    await backUp(server.dataDir, file);
    await expect(backUp(server.dataDir, file)).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('never overwrites') });
    await expect(backUp(elsewhere.path, join(elsewhere.path, 'other.db'))).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('no database') });
    await expect(run(process.execPath, [command], { env: { PATH: process.env.PATH, DATA_DIR: server.dataDir } })).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Say where to'),
    });
  });
});
