/** A server that has outgrown SQLite goes on with PostgreSQL: its people notice a restart. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { createDatabase } from './kit/engine.ts';
import type { Person } from './kit/person.ts';
import { startTestServer } from './kit/server.ts';
import { fetched, upload } from './kit/upload.ts';
import { eventCursor, events, sendMessage, textsOf } from './promises/kit.ts';

const run = promisify(execFile);
const command = fileURLToPath(new URL('../scripts/move.ts', import.meta.url));

it('ids, cursors, retries, sessions and files stay valid when SQLite is moved to PostgreSQL', { timeout: 60_000 }, async () => {
  await using server = await startTestServer({ DATABASE_URL: 'file:tertulia.db' });
  const [ada, bob] = (await server.people(2)) as [Person, Person];
  const room = await ada.createRoom({ members: [{ id: bob.id }], topic: 'Ünïcode, 💬 and "quotes" \\ {nested,\'arrays\'}' });
  const first = await ada.send(room, 'first', 'retry-me');
  await ada.send(room, 'NULL');
  const gone = await ada.send(room, 'deleted');
  await ada.must('mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { __typename } }', { id: gone.message.id });
  await bob.must('mutation ($id: ID!) { markRead(input: { chatId: $id, upToSeq: 2 }) { __typename } }', { id: room.id });
  const uploaded = await upload(ada, { bytes: Buffer.from('a file that moves along') });
  const after = await eventCursor(bob);
  await ada.send({ username: bob.username }, 'behind the cursor');
  const asked = `query ($id: ID!) { me { id username } chats(first: 10) { nodes { id lastSeq my { readSeq unreadCount } messages(first: 50) { nodes { id seq text deletedAt createdAt sender { id } } } } } room(ref: { id: $id }) { topic memberCount } }`;
  const before = await bob.must(asked, { id: room.id });
  const to = await createDatabase({ empty: true });
  const move = () => run(process.execPath, [command, '--to', to], { env: { PATH: process.env.PATH, DATA_DIR: server.dataDir } });
  await expect(move()).rejects.toThrow(/Another server is running/);
  await server.stop();
  expect((await move()).stdout).toMatch(/\b4 {2}Message\n/);
  await expect(move()).rejects.toThrow(/The target is not empty/);
  await server.restart({ DATABASE_URL: to });
  expect(await bob.must(asked, { id: room.id })).toEqual(before);
  const again = await ada.must(sendMessage, { input: { to: { chatId: room.id }, text: 'first', clientMessageId: 'retry-me' } });
  expect(again.sendMessage).toMatchObject({ duplicate: true, message: { id: first.message.id } });
  const stream = await bob.follow(events, { after });
  expect(textsOf(await stream.until('CaughtUp'))).toEqual(['behind the cursor']);
  expect(stream.items.map(({ __typename }) => __typename)).not.toContain('StreamGap');
  // What messages are searched in is made anew.
  await server.app.indexing.idle();
  expect((await bob.must('{ searchMessages(query: "cursor") { indexComplete nodes { text } } }')).searchMessages).toEqual({
    indexComplete: true,
    nodes: [{ text: 'behind the cursor' }],
  });
  // Sessions live on, and nobody gets an id that somebody had.
  await ada.must('mutation ($id: ID!) { sendMessage(input: { to: { chatId: $id }, text: "on PostgreSQL" }) { __typename } }', { id: room.id });
  const carol = await server.person();
  expect([ada.id, bob.id]).not.toContain(carol.id);
  const { node } = await ada.must('query ($id: ID!) { node(id: $id) { ... on Attachment { url } } }', { id: uploaded.id });
  expect((await fetched(node.url)).bytes.toString()).toBe('a file that moves along');
});
