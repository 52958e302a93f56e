/** P2: the messages of a chat are numbered 1..n without a hole, and nobody sees n+1 before n. */
import { expect, it } from 'vitest';
import type { Follow, Item, Person, Untyped } from '../kit/person.ts';
import { startTestServer } from '../kit/server.ts';
import { eventCursor, events, history, messagesOf, newMessages, rounds, seqsTo, until } from './kit.ts';

const senders = 20;

it('numbers what twenty people send to three rooms at once, and shows it to every reader in this order', async () => {
  await using server = await startTestServer();
  const [owner, ...people] = (await server.people(senders + 1)) as [Person, ...Person[]];
  const members = people.map(({ id }) => ({ id }));
  const rooms = await Promise.all(seqsTo(3).map(() => owner.createRoom({ members })));
  const each = rounds(3, 60);
  const total = senders * each;
  const start = await eventCursor(owner);
  const readers = await Promise.all([
    ...people.slice(0, 3).map((person) => person.follow(events)),
    ...people.slice(3, 6).map((person) => person.follow(newMessages)),
    ...rooms.map((room) => owner.follow(newMessages, { chatId: room.id })),
  ]);

  const sending = Promise.all(people.map((person, index) => sendAll(person, index)));
  // Some come when it is under way.
  const late = await Promise.all(people.slice(6, 10).map((person) => person.follow(events, { after: start })));
  const sent = (await sending).flat();

  for (const room of rooms) {
    expect(
      sent
        .filter((message) => message.chat.id === room.id)
        .map((message) => message.seq)
        .sort((a, b) => a - b),
    ).toEqual(seqsTo(total));
    expect((await history(owner, room.id)).map((message) => message.seq)).toEqual(seqsTo(total));
  }
  for (const reader of [...readers, ...late]) {
    const chats = readers.indexOf(reader) >= 6 ? 1 : 3;
    await until(
      () => messagesOf(reader.items).length >= total * chats,
      () => `only ${messagesOf(reader.items).length} came`,
    );
    const seqs = seqsByChat(reader.items);
    expect(seqs.size).toBe(chats);
    for (const found of seqs.values()) expect(found).toEqual(seqsTo(total));
  }
  // What follows one another in a chat has one order for all, across chats too.
  const orders = new Set([...readers.slice(0, 6), ...late].map((reader) => JSON.stringify(messagesOf(reader.items).map((message) => message.id))));
  expect(orders.size).toBe(1);

  async function sendAll(person: Person, index: number): Promise<Untyped[]> {
    const done: Untyped[] = [];
    for (let round = 0; round < each; round++) {
      // Half of them do not wait for one chat before they write to the next.
      const jobs = rooms.map((room) => () => person.send(room, `${index}.${round}`));
      if (index % 2) done.push(...(await Promise.all(jobs.map((job) => job()))));
      else for (const job of jobs) done.push(await job());
    }
    return done.map(({ message }) => message);
  }
});

it('numbers what people write to each other at once in a dialog that is not open yet', async () => {
  await using server = await startTestServer();
  for (let round = 0; round < rounds(3, 40); round++) {
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const streams = (await Promise.all([ana.follow(events), ben.follow(events)])) as [Follow, Follow];
    await Promise.all(seqsTo(10).flatMap(() => [ana.send({ username: ben.username }, 'a'), ben.send({ username: ana.username }, 'b')]));
    for (const stream of streams) {
      await until(
        () => messagesOf(stream.items).length >= 20,
        () => JSON.stringify(stream.items),
      );
      expect(stream.items[0]?.__typename).toBe('ChatAdded');
      expect([...seqsByChat(stream.items).values()]).toEqual([seqsTo(20)]);
    }
  }
});

function seqsByChat(items: Item[]): Map<string, number[]> {
  const seqs = new Map<string, number[]>();
  for (const { chat, seq } of messagesOf(items)) seqs.set(chat.id, [...(seqs.get(chat.id) ?? []), seq]);
  return seqs;
}
