/** Jumping into a chat's history: to a time, and to a message by its id. */
import { expect, it } from 'vitest';
import { sight } from '../kit/outcome.ts';
import type { Person, Untyped } from '../kit/person.ts';
import { startTestServer } from '../kit/server.ts';

const document =
  'query ($id: ID!, $anchor: MessageAnchorInput, $first: Int, $after: String) { chat(id: $id) { messages(anchor: $anchor, first: $first, after: $after) { nodes { seq } pageInfo { endCursor } } } }';
const day = (number: number, hour = 12): string => new Date(Date.UTC(2026, 0, number, hour)).toISOString();

it('goes to the first message of a time or later, and to the newest when there is none', async () => {
  await using server = await startTestServer();
  const [ada, ben] = (await server.people(2)) as [Person, Person];
  const jump = async (id: string, anchor: Untyped, first = 3): Promise<number[]> =>
    (await ada.must(document, { id, anchor, first })).chat.messages.nodes.map(({ seq }: Untyped) => seq);
  // Two messages a day at noon, none on the fifth.
  const days = [1, 1, 2, 2, 3, 3, 4, 4, 6, 6, 7];
  let chat = { id: '' };
  for (const [index, number] of days.entries()) {
    const { message } = await ben.send({ username: ada.username }, `day ${number}`);
    ({ chat } = message);
    await server.app.db.sqlTransaction((sql) => sql.all('UPDATE "Message" SET "createdAt" = ? WHERE "seq" = ?', [new Date(day(number)), index + 1]));
  }
  for (let number = 0; number <= 7; number++) {
    const first = days.findIndex((each) => each >= number) + 1;
    expect([number, (await jump(chat.id, { at: day(number, 0) }, 1))[0]]).toEqual([number, first]);
    expect([number, (await jump(chat.id, { at: day(number) }, 1))[0]]).toEqual([number, first]);
  }
  expect(await jump(chat.id, { at: day(5) })).toEqual([9, 10, 11]);
  expect(await jump(chat.id, { at: day(7, 13) })).toEqual([9, 10, 11]);
  // Cursors win, so that the anchor may be sent with every page.
  const { messages } = (await ada.must(document, { id: chat.id, anchor: { at: day(2) }, first: 2 })).chat;
  expect((await ada.must(document, { id: chat.id, anchor: { at: day(2) }, first: 2, after: messages.pageInfo.endCursor })).chat.messages.nodes).toEqual([{ seq: 5 }, { seq: 6 }]);

  const { nodes } = (await ada.must('query ($id: ID!) { chat(id: $id) { messages { nodes { id } } } }', { id: chat.id })).chat.messages;
  expect(await jump(chat.id, { aroundId: nodes[5].id })).toEqual([5, 6, 7]);
  const { message: elsewhere } = await ada.send({ username: ada.username }, 'a note');
  const { message: hidden } = await ben.send({ username: ben.username }, 'of somebody else');
  for (const aroundId of [elsewhere.id, hidden.id, 'TWVzc2FnZTo5OTk5OTk=', 'x', chat.id])
    expect([aroundId, await sight(ada, document, { id: chat.id, anchor: { aroundId } })]).toEqual([aroundId, 'top: NOT_FOUND Message']);
  const { dialog } = await ada.must(`query ($id: ID!) { dialog(with: { id: $id }) { messages(anchor: { at: "${day(1)}" }) { nodes { seq } } } }`, {
    id: (await server.person()).id,
  });
  expect(dialog.messages.nodes).toEqual([]);
});
