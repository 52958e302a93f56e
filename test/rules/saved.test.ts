/** Saved messages: what people keep for themselves, and what becomes of it. */
import { expect, it } from 'vitest';
import { change, outcome, read } from '../kit/outcome.ts';
import type { Item, Person, Untyped } from '../kit/person.ts';
import { rowsOf } from '../kit/rows.ts';
import { startTestServer } from '../kit/server.ts';

const some = (people: Person[]) => people as [Person, Person, Person];
const save = (who: Person, messageId: string, note?: string | null) => outcome(who, 'saveMessage', note === undefined ? { messageId } : { messageId, note });
const unsave = (who: Person, messageId: string) => outcome(who, 'unsaveMessage', { messageId });
const savedBy = async (who: Person): Promise<Untyped[]> => (await read(who, '{ savedMessages { nodes { note message { id text saved } } } }')).nodes;
const events = 'subscription { events(filter: { kinds: [SAVED] }) { __typename ... on SavedMessagesChanged { messageId savedMessage { id saved } } } }';
const remove = (owner: Person, room: { id: string }, who: Person) => change(owner, 'removeMember', { roomId: room.id, userId: who.id });
const add = (owner: Person, room: { id: string }, who: Person) => change(owner, 'addMembers', { roomId: room.id, users: [{ id: who.id }] });

it('are kept with a note for their owner alone, who is told on all devices', async () => {
  await using server = await startTestServer();
  const [ada, ben] = some(await server.people(2));
  const { message } = await ben.send({ username: ada.username }, 'remember this');
  const { message: other } = await ben.send({ username: ada.username }, 'and this');
  const [stream, ofBen] = [await ada.follow(events), await ben.follow(events)];
  // The last two change nothing.
  for (const note of [undefined, 'for\r\nlater', 'for\nlater', undefined]) expect(await save(ada, message.id, note)).toBe('done');
  expect(await save(ada, other.id)).toBe('done');
  expect(await savedBy(ada)).toEqual([
    { note: null, message: { id: other.id, text: 'and this', saved: true } },
    { note: 'for\nlater', message: { id: message.id, text: 'remember this', saved: true } },
  ]);
  expect(await save(ada, message.id, null)).toBe('done');
  expect((await savedBy(ada))[1]?.note).toBeNull();
  expect([await unsave(ada, message.id), await unsave(ada, message.id), await unsave(ada, 'x')]).toEqual(['done', 'done', 'NOT_FOUND Message']);
  const items: Item[] = [];
  while (items.length < 5) items.push(await stream.next());
  expect(items.map(({ messageId }) => messageId)).toEqual([message.id, message.id, other.id, message.id, message.id]);
  expect(items.at(-1)?.savedMessage.saved).toBe(false);
  expect(await savedBy(ben)).toEqual([]);
  await Promise.all([stream.stayQuiet(50), ofBen.stayQuiet(50)]);
  for (const [note, rule] of Object.entries({ '': 'visible', ' ': 'visible', 'a\0b': 'characters', ['x'.repeat(501)]: 'length' }))
    expect([note, await save(ada, message.id, note)]).toEqual([note, `VALIDATION_FAILED note ${rule}`]);
});

it('are not shown while they cannot be read, and come back with the chat', async () => {
  await using server = await startTestServer();
  const [owner, ada, guest] = some(await server.people(3));
  const room = await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: ada.id }] });
  const { message } = await owner.send(room, 'among us');
  expect(await save(guest, message.id)).toBe('NOT_FOUND Message');
  expect(await save(ada, message.id, 'mine')).toBe('done');
  await remove(owner, room, ada);
  expect(await savedBy(ada)).toEqual([]);
  expect(await save(ada, message.id)).toBe('NOT_FOUND Message');
  await add(owner, room, ada);
  expect(await savedBy(ada)).toMatchObject([{ note: 'mine', message: { id: message.id } }]);
  await remove(owner, room, ada);
  const stream = await ada.follow(events);
  expect(await unsave(ada, message.id)).toBe('done');
  expect(await stream.next()).toMatchObject({ messageId: message.id, savedMessage: null });
  await add(owner, room, ada);
  expect(await savedBy(ada)).toEqual([]);
});

it('go with their message: a guest is told, whoever has left learns nothing', async () => {
  await using server = await startTestServer();
  const [owner, ada, guest] = some(await server.people(3));
  const [open, closed] = [await owner.createRoom(), await owner.createRoom({ visibility: 'PRIVATE', members: [{ id: ada.id }, { id: guest.id }] })];
  const [{ message }, { message: hidden }] = [await owner.send(open, 'to all'), await owner.send(closed, 'to us')];
  for (const who of [ada, guest]) for (const each of [message, hidden]) expect(await save(who, each.id)).toBe('done');
  await change(ada, 'joinChat', { room: { id: open.id } });
  await remove(owner, closed, guest);
  const [ofAda, ofGuest] = [await ada.follow(events), await guest.follow(events)];
  for (const each of [hidden, message]) await change(owner, 'deleteMessage', { messageId: each.id });
  expect(await ofGuest.next()).toMatchObject({ messageId: message.id, savedMessage: { saved: false } });
  await Promise.all([ofAda.stayQuiet(50), ofGuest.stayQuiet(50)]);
  expect([await savedBy(ada), await savedBy(guest)]).toEqual([[], []]);
  expect(await rowsOf(server.app.db).savedMessage.count()).toBe(0);
  expect(await save(ada, message.id)).toBe('NOT_FOUND Message');
});

it('are a thousand at most, however many are saved at once', { timeout: 60_000 }, async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const sent = await Promise.all(Array.from({ length: 1_010 }, (_, index) => ada.send({ username: ada.username }, `${index}`)));
  const ids = sent.map(({ message }) => Number(Buffer.from(message.id, 'base64').toString().split(':')[1]));
  const userId = Number(Buffer.from(ada.id, 'base64').toString().split(':')[1]);
  await server.app.db.transaction((tx) =>
    tx.savedMessage.createMany({ data: ids.slice(0, 990).map((messageId, index) => ({ userId, messageId, savedAt: new Date(index * 1_000) })) }),
  );
  const outcomes = await Promise.all(sent.slice(990).map(({ message }) => save(ada, message.id)));
  expect(outcomes.filter((each) => each === 'done')).toHaveLength(10);
  expect(outcomes.filter((each) => each === 'QUOTA_EXCEEDED')).toHaveLength(10);
  let seen = 0;
  for (let after: string | null = null; ; ) {
    const { nodes, pageInfo } = await read(
      ada,
      'query ($after: String) { savedMessages(first: 100, after: $after) { nodes { message { id } } pageInfo { hasNextPage endCursor } } }',
      { after },
    );
    seen += nodes.length;
    if (!pageInfo.hasNextPage) break;
    after = pageInfo.endCursor;
  }
  expect(seen).toBe(1_000);
});
