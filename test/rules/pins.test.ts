/** Pins: what a chat keeps in view, who may say so, and that everybody learns of it. */
import { expect, it } from 'vitest';
import { change, outcome, read } from '../kit/outcome.ts';
import type { Item, Person, Untyped } from '../kit/person.ts';
import { rowsOf } from '../kit/rows.ts';
import { startTestServer } from '../kit/server.ts';

const some = (people: Person[]) => people as [Person, Person, Person];
const pin = (who: Person, messageId: string) => outcome(who, 'pinMessage', { messageId });
const unpin = (who: Person, messageId: string) => outcome(who, 'unpinMessage', { messageId });
const events =
  'subscription { events(filter: { kinds: [PINS, MESSAGES] }) { __typename ... on PinsChanged { by { id } message { id pin { pinnedAt } } } ... on MessageDeleted { message { id pin { pinnedAt } } } } }';
const pinsOf = async (who: Person, id: string): Promise<Untyped[]> =>
  (await read(who, 'query ($id: ID!) { chat(id: $id) { pins { nodes { pinnedAt pinnedBy { id } message { id text pin { pinnedAt } } } } } }', { id })).pins.nodes;

it('both people of a dialog pin, each once, and all are told', async () => {
  await using server = await startTestServer();
  const [ada, ben] = some(await server.people(2));
  const { message } = await ada.send({ username: ben.username }, 'the address');
  const { message: second } = await ben.send({ username: ada.username }, 'the date');
  const stream = await ada.follow(events);
  expect(await pin(ben, message.id)).toBe('done');
  expect(await pin(ada, message.id)).toBe('done');
  expect(await pin(ada, second.id)).toBe('done');
  expect(await pinsOf(ada, message.chat.id)).toMatchObject([
    { pinnedBy: { id: ada.id }, message: { text: 'the date' } },
    { pinnedBy: { id: ben.id }, message: { text: 'the address', pin: { pinnedAt: expect.any(String) } } },
  ]);
  expect(await unpin(ada, message.id)).toBe('done');
  expect(await unpin(ada, message.id)).toBe('done');
  await change(ben, 'deleteMessage', { messageId: second.id });
  const told = (await stream.until('MessageDeleted')).map(({ __typename, by, message: of }: Item) => [__typename, by?.id, of.id]);
  expect(told).toEqual([
    ['PinsChanged', ben.id, message.id],
    ['PinsChanged', ada.id, second.id],
    ['PinsChanged', ada.id, message.id],
    ['MessageDeleted', undefined, second.id],
  ]);
  expect(await pinsOf(ada, message.chat.id)).toEqual([]);
  expect(await rowsOf(server.app.db).pin.count()).toBe(0);
  expect(await pin(ada, second.id)).toBe('NOT_FOUND Message');
});

it('in a room the setting says who pins: at first admins and owners', async () => {
  await using server = await startTestServer();
  const [owner, member, guest] = some(await server.people(3));
  const room = await owner.createRoom({ members: [{ id: member.id }] });
  const { message } = await member.send(room, 'the rules');
  const all = async () => [await pin(owner, message.id), await pin(member, message.id), await pin(guest, message.id)];
  const settings = {
    ADMINS: ['done', 'FORBIDDEN ROLE_TOO_LOW'],
    MEMBERS: ['done', 'done'],
    MEMBERS_WHILE_SMALL: ['done', 'done'],
    NOBODY: ['FORBIDDEN ROLE_TOO_LOW', 'FORBIDDEN ROLE_TOO_LOW'],
  };
  expect(await all()).toEqual([...settings.ADMINS, 'FORBIDDEN NOT_A_MEMBER']);
  for (const [pinPolicy, expected] of Object.entries(settings)) {
    expect((await change(owner, 'updateRoom', { roomId: room.id, pinPolicy }, 'room { pinPolicy }')).room).toEqual({ pinPolicy });
    expect([pinPolicy, ...(await all())]).toEqual([pinPolicy, ...expected, 'FORBIDDEN NOT_A_MEMBER']);
    expect([pinPolicy, await unpin(guest, message.id)]).toEqual([pinPolicy, 'FORBIDDEN NOT_A_MEMBER']);
  }
  expect(await outcome(owner, 'updateRoom', { roomId: room.id, pinPolicy: null })).toBe('VALIDATION_FAILED pinPolicy required');
  // Who can read without being a member sees the pins.
  expect(await pinsOf(guest, room.id)).toHaveLength(1);
  await change(owner, 'updateRoom', { roomId: room.id, password: 'sesame', pinPolicy: 'MEMBERS_WHILE_SMALL' });
  expect(await pinsOf(guest, room.id).catch(String)).toContain('FORBIDDEN');
  expect(await pin(guest, message.id)).toBe('NOT_FOUND Message');
  await server.app.db.sqlTransaction((sql) => sql.all('UPDATE "Chat" SET "memberCount" = 31', []));
  expect([await pin(member, message.id), await pin(owner, message.id)]).toEqual(['FORBIDDEN ROLE_TOO_LOW', 'done']);
});

it('a chat has at most a hundred pins, however many are made at once, and lists them a page at a time', async () => {
  await using server = await startTestServer();
  const [ada, ben] = some(await server.people(2));
  const sent = await Promise.all(Array.from({ length: 110 }, (_, index) => ada.send({ username: ben.username }, `${index}`)));
  const outcomes = await Promise.all(sent.map(({ message }, index) => pin(index % 2 ? ada : ben, message.id)));
  expect(outcomes.filter((each) => each === 'done')).toHaveLength(100);
  expect(outcomes.filter((each) => each === 'QUOTA_EXCEEDED')).toHaveLength(10);
  const document = 'mutation ($input: PinMessageInput!) { pinMessage(input: $input) { ... on QuotaExceededError { limit used } } }';
  expect((await ada.request(document, { input: { messageId: sent[outcomes.indexOf('QUOTA_EXCEEDED')]?.message.id } })).data?.pinMessage).toEqual({ limit: 100, used: 100 });
  const pinned = sent[outcomes.indexOf('done')]?.message.id;
  expect(await pin(ada, pinned)).toBe('done');
  const seen: string[] = [];
  for (let after: string | null = null; ; ) {
    const document =
      'query ($id: ID!, $after: String) { chat(id: $id) { pins(first: 30, after: $after) { nodes { pinnedAt message { id } } pageInfo { hasNextPage hasPreviousPage endCursor } } } }';
    const { pins } = await read(ada, document, { id: sent[0]?.message.chat.id, after });
    expect(pins.pageInfo.hasPreviousPage).toBe(after !== null);
    for (const { pinnedAt, message } of pins.nodes) seen.push(`${pinnedAt} ${Buffer.from(message.id, 'base64').toString().padStart(20)}`);
    if (!pins.pageInfo.hasNextPage) break;
    after = pins.pageInfo.endCursor;
  }
  expect(new Set(seen).size).toBe(100);
  expect(seen).toEqual([...seen].sort().reverse());
  expect(await outcome(ada, 'unpinMessage', { messageId: pinned })).toBe('done');
  expect(await pin(ada, sent[outcomes.indexOf('QUOTA_EXCEEDED')]?.message.id)).toBe('done');
});
