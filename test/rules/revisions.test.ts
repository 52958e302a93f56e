/** What a message said before: how much is kept, and who is shown it. */
import { expect, it } from 'vitest';
import { change, read } from '../kit/outcome.ts';
import type { Person, Untyped } from '../kit/person.ts';
import { rowsOf } from '../kit/rows.ts';
import { startTestServer } from '../kit/server.ts';
import { upload } from '../kit/upload.ts';

const some = (people: Person[]) => people as [Person, Person, Person, Person];
const edit = (who: Person, messageId: string, text: string) => change(who, 'editMessage', { messageId, text }, 'message { version }');
const revisionsOf = async (who: Person, id: string, args = ''): Promise<Untyped[] | null> =>
  (await read(who, `query ($id: ID!) { message(id: $id) { revisions${args} { nodes { version text at } pageInfo { hasNextPage endCursor } } } }`, { id })).revisions?.nodes ?? null;
const texts = async (who: Person, id: string) => (await revisionsOf(who, id))?.map(({ text }) => text) ?? null;

it('is kept with its version and its time, the first text and the latest', async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const { message } = await ada.send({ username: ada.username }, 'text 1');
  expect(await revisionsOf(ada, message.id)).toEqual([]);
  await edit(ada, message.id, 'text 2');
  const { createdAt, editedAt } = await read(ada, 'query ($id: ID!) { message(id: $id) { createdAt editedAt } }', { id: message.id });
  await edit(ada, message.id, 'text 3');
  expect(await revisionsOf(ada, message.id)).toEqual([
    { version: 1, text: 'text 1', at: createdAt },
    { version: 2, text: 'text 2', at: editedAt },
  ]);
  for (let version = 4; version <= 53; version++) await edit(ada, message.id, `text ${version}`);
  const kept = [1, ...Array.from({ length: 49 }, (_, index) => index + 4)];
  expect((await revisionsOf(ada, message.id, '(first: 100)'))?.map(({ version }) => version)).toEqual(kept);
  const document = 'query ($id: ID!, $after: String) { message(id: $id) { revisions(first: 30, after: $after) { nodes { version } pageInfo { hasNextPage endCursor } } } }';
  const { revisions: first } = await read(ada, document, { id: message.id });
  const { revisions: rest } = await read(ada, document, { id: message.id, after: first.pageInfo.endCursor });
  expect([...first.nodes, ...rest.nodes].map(({ version }: Untyped) => version)).toEqual(kept);
  expect([first.pageInfo.hasNextPage, rest.pageInfo.hasNextPage]).toEqual([true, false]);
  await change(ada, 'deleteMessage', { messageId: message.id });
  expect(await revisionsOf(ada, message.id)).toEqual([]);
  expect(await rowsOf(server.app.db).messageRevision.count()).toBe(0);

  const { id } = await upload(ada, { bytes: Buffer.from('x'), fileName: 'x.txt', contentType: 'text/plain' });
  const { message: filed } = await change(ada, 'sendMessage', { to: { username: ada.username }, attachmentIds: [id] }, 'message { id }');
  await edit(ada, filed.id, 'with words');
  expect(await texts(ada, filed.id)).toEqual([null]);
});

it('is shown to the author, and to admins and owners of the room, as the setting says', async () => {
  await using server = await startTestServer();
  const [owner, ada, ben, guest] = some(await server.people(4));
  const room = await owner.createRoom({ members: [{ id: ada.id }, { id: ben.id }] });
  const [{ message }, { message: said }] = [await ada.send(room, 'first'), await ada.send({ username: ben.username }, 'first')];
  for (const { id } of [message, said]) await edit(ada, id, 'second');
  const all = async () => [
    await texts(ada, message.id),
    await texts(owner, message.id),
    await texts(ben, message.id),
    await texts(guest, message.id),
    await texts(ada, said.id),
    await texts(ben, said.id),
  ];
  expect(await all()).toEqual([['first'], ['first'], null, null, ['first'], null]);
  await change(owner, 'setMemberRole', { roomId: room.id, userId: ben.id, role: 'ADMIN' });
  expect(await texts(ben, message.id)).toEqual(['first']);
  await server.restart({ EDIT_HISTORY: 'everyone' });
  expect(await all()).toEqual(Array(6).fill(['first']));
  await server.restart({ EDIT_HISTORY: 'off' });
  for (const { id } of [message, said]) await edit(ada, id, 'third');
  expect(await all()).toEqual(Array(6).fill(null));
  await server.app.revisions.sweep();
  await server.restart();
  expect(await texts(ada, message.id)).toEqual([]);
  await edit(ada, message.id, 'fourth');
  expect(await texts(ada, message.id)).toEqual(['third']);
});
