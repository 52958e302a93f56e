/** P18 and P15 on a disk that takes its time: whoever writes waits for it, and nobody else does. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { engine } from '../kit/engine.ts';
import { createPerson, type Person, request } from '../kit/person.ts';
import { startProcess } from '../kit/process.ts';
import { temporaryFolder } from '../kit/server.ts';

const flushMs = 1_000;
const preload = `--import=${new URL('../kit/slow-disk.ts', import.meta.url).href}`;
const page = 'query ($id: ID!) { chat(id: $id) { messages(last: 50) { nodes { text } } } }';

describe.skipIf(engine === 'postgresql')('a disk that takes a second for a flush', () => {
  it('P18: holds up nobody but those whose writing it is', { timeout: 60_000 }, async () => {
    await using folder = await temporaryFolder();
    const disk = join(folder.path, 'flush');
    await writeFile(disk, '0');
    await using server = await startProcess({
      DATA_DIR: folder.path,
      FLUSH_MS: disk,
      NODE_OPTIONS: preload,
    });
    const [ada, ben, eve] = (await Promise.all([createPerson(server), createPerson(server), createPerson(server)])) as [Person, Person, Person];
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: eve.id }] });
    const stream = await eve.follow('subscription { newMessages { ... on MessageAdded { message { text } } } }');
    await writeFile(disk, String(flushMs));
    const order: string[] = [];
    const noting = async (name: string, job: Promise<unknown>): Promise<void> => {
      await job;
      order.push(name);
    };
    // One that is being written, one that waits behind it, and meanwhile what somebody else asks for.
    const sends = [noting('stored', ada.send(room, 'one'))];
    await new Promise((wake) => setTimeout(wake, flushMs / 4));
    sends.push(noting('stored', ben.send(room, 'two')));
    await noting('answered', eve.must('{ me { username } }'));
    await noting('answered', eve.must('{ chats(first: 10) { nodes { id name lastMessage { text } my { unreadCount } } } }'));
    await noting('answered', eve.must(page, { id: room.id }));
    await Promise.all(sends);
    expect(order).toEqual(['answered', 'answered', 'answered', 'stored', 'stored']);

    // What was acknowledged is told in its order, and is there after kill -9.
    expect([await stream.next(), await stream.next()].map(({ message }) => message.text)).toEqual(['one', 'two']);
    await writeFile(disk, '0');
    await ada.send(room, 'three');
    server.kill('SIGKILL');
    await server.ended();
    await using again = await startProcess({ DATA_DIR: folder.path });
    const { data } = await request(again, page, { id: room.id }, { authorization: `Bearer ${ada.token}` });
    expect(data?.chat.messages.nodes.map(({ text }: { text: string }) => text)).toEqual(['one', 'two', 'three']);
  });

  it('P15: a thread of the database that dies ends the server, which has told nobody that something was stored that was not', async () => {
    await using folder = await temporaryFolder();
    const disk = join(folder.path, 'flush');
    await writeFile(disk, '0');
    const settings = { DATA_DIR: folder.path, FLUSH_MS: disk, NODE_OPTIONS: preload };
    await using server = await startProcess(settings);
    const ada = await createPerson(server);
    const room = await ada.createRoom();
    await ada.send(room, 'one');
    await writeFile(disk, 'never');
    const answer = await ada.request('mutation ($id: ID!) { sendMessage(input: { to: { chatId: $id }, text: "two" }) { __typename } }', { id: room.id });
    expect(answer.errors?.[0]?.extensions.code).toBe('UNAVAILABLE');
    expect(await server.ended()).toEqual({ code: 1, signal: null });
    expect(server.output.out).toContain('a thread of the database has died');
    await writeFile(disk, '0');
    await using again = await startProcess(settings);
    const { data } = await request(again, page, { id: room.id }, { authorization: `Bearer ${ada.token}` });
    expect(data?.chat.messages.nodes[0]).toEqual({ text: 'one' });
  });
});
