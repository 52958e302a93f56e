/** P2, P3, P7 and P12 while a loud room keeps the server busy: a hundred readers, and people who write without a pause. */
import { expect, it } from 'vitest';
import type { Item, Person } from '../kit/person.ts';
import { openRawSocket } from '../kit/raw-socket.ts';
import { startTestServer } from '../kit/server.ts';
import { eventCursor, events, history, messagesOf, newMessages, placeOf, rounds, seqsTo, until } from './kit.ts';

const readers = 100;
const long = '😀'.repeat(4_000);

it('keeps its promises in a room that a hundred read and eight write to without a pause', { timeout: 60_000 }, async () => {
  await using server = await startTestServer({ MAX_SOCKETS_PER_ACCOUNT: '1000', SLOW_CONSUMER_SECONDS: '1' });
  const [owner, cut, removed, slow, ...people] = (await server.people(18)) as [Person, Person, Person, Person, ...Person[]];
  const writers = people.slice(0, 8);
  const room = await owner.createRoom({ visibility: 'PRIVATE', members: [cut, removed, ...people].map(({ id }) => ({ id })) });
  const crowd = await Promise.all(Array.from({ length: readers }, (_, index) => (people[index % people.length] as Person).follow(newMessages)));
  let writing = true;
  const acknowledged = new Map<number, string>();
  const fire = Promise.all(
    writers.map(async (writer, index) => {
      for (let count = 0; writing; count++) {
        const text = `${index} ${count}`;
        const { message, duplicate } = await writer.send(room, text, text);
        expect([duplicate, acknowledged.has(message.seq)]).toEqual([false, false]);
        acknowledged.set(message.seq, text);
        // Now and then the answer is taken for lost.
        if (count % 7 === 0) expect((await writer.send(room, text, text)).message.seq).toBe(message.seq);
      }
    }),
  );
  await until(() => acknowledged.size > 50, 'nobody could write');

  // P3: a reader whose connection is cut again and again.
  const start = await eventCursor(cut);
  const read: Item[] = [];
  for (let round = 0; round < rounds(5, 50); round++) {
    const on = cut.socket();
    const stream = await cut.follow(newMessages, { after: read.at(-1)?.cursor ?? start }, { on });
    await stream.next('MessageAdded');
    on.cut();
    read.push(...stream.items.filter(({ __typename }) => __typename === 'MessageAdded'));
  }

  // P7: one who is removed meanwhile.
  const lost = await removed.follow(events);
  await lost.next('MessageAdded');
  await owner.must('mutation ($input: RemoveMemberInput!) { removeMember(input: $input) { __typename } }', { input: { roomId: room.id, userId: removed.id } });
  await lost.next('ChatRemoved');

  // P12: one who takes nothing.
  using raw = await openRawSocket(server, { init: { authorization: `Bearer ${slow.token}` } });
  const before = server.followers();
  const quiet = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: slow.id }] });
  raw.subscribe('1', newMessages);
  await until(() => server.followers() === before + 1, 'the slow stream did not open');
  raw.socket.pause();
  for (let count = 0; count < 320; count += 20) await Promise.all(seqsTo(20).map(() => owner.send(quiet, long)));
  await until(() => server.followers() === before, 'the slow one was not cut off', 20_000);

  writing = false;
  await fire;
  const { message: last } = await owner.send(room, 'the end');
  const all = await history(owner, room.id);
  expect(all.map(({ seq }) => seq)).toEqual(seqsTo(last.seq));
  for (const [seq, text] of acknowledged) expect(all[seq - 1]?.text).toBe(text);
  for (const stream of crowd) {
    const seqs = messagesOf(await stream.until((item) => item.message?.seq === last.seq, 20_000)).map(({ seq }) => seq);
    expect(seqs).toEqual(seqsTo(last.seq));
  }
  const rest = await cut.follow(newMessages, { after: read.at(-1)?.cursor ?? start });
  const seqs = messagesOf([...read, ...(await rest.until('CaughtUp'))]).map(({ seq }) => seq);
  expect(seqs).toEqual(seqsTo(last.seq).slice(-seqs.length));
  expect(seqs.length).toBeGreaterThan(50);
  await lost.stayQuiet(50);
  const gone = lost.items.findIndex(({ __typename }) => __typename === 'ChatRemoved');
  expect(lost.items.slice(gone + 1).filter((item) => JSON.stringify(item).includes(room.id))).toEqual([]);
  const ofRemoved = messagesOf(lost.items).map(({ seq }) => seq);
  expect(ofRemoved).toEqual(seqsTo(ofRemoved.at(-1)).slice(-ofRemoved.length));
  expect(Math.max(...lost.items.slice(0, gone).map(placeOf))).toBeLessThan(placeOf(lost.items[gone] as Item));
});
