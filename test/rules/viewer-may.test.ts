/** `viewerMay` says what can really be done: each action is tried, by everybody there is. */
import { expect, it } from 'vitest';
import { change, outcome, read } from '../kit/outcome.ts';
import type { Person, Untyped } from '../kit/person.ts';
import { startTestServer } from '../kit/server.ts';

const some = (people: Person[]) => people as [Person, Person, Person, Person, Person];
const on = async (who: Person, id: string) => (await read(who, 'query ($id: ID!) { message(id: $id) { viewerMay } }', { id }))?.viewerMay;
const inside = async (who: Person, id: string) => (await read(who, 'query ($id: ID!) { chat(id: $id) { viewerMay } }', { id }))?.viewerMay;

/** What each action comes to when it is done. */
const tries: Record<string, (who: Person, messageId: string) => Promise<string>> = {
  PIN: (who, messageId) => outcome(who, 'pinMessage', { messageId }),
  REACT: (who, messageId) => outcome(who, 'setReactions', { messageId, emojis: ['👍'] }),
  EDIT: (who, messageId) => outcome(who, 'editMessage', { messageId, text: 'changed' }),
  SEE_REVISIONS: async (who, id) => ((await read(who, 'query ($id: ID!) { message(id: $id) { revisions { nodes { text } } } }', { id })).revisions ? 'done' : 'null'),
  DELETE: (who, messageId) => outcome(who, 'deleteMessage', { messageId }),
};
const attempts: Record<string, (who: Person, chatId: string) => Promise<string>> = {
  READ: async (who, id) => ((await who.request('query ($id: ID!) { chat(id: $id) { messages { nodes { id } } } }', { id })).errors ? 'refused' : 'done'),
  SEND: (who, chatId) => outcome(who, 'sendMessage', { to: { chatId }, text: 'hello' }),
  MENTION_ALL: (who, chatId) => outcome(who, 'sendMessage', { to: { chatId }, text: 'all', mentions: { all: 'EVERYONE' } }),
  UPDATE: (who, roomId) => outcome(who, 'updateRoom', { roomId, topic: 'something' }),
};

it('on messages', async () => {
  await using server = await startTestServer();
  const [owner, author, member, guest, banned] = some(await server.people(5));
  const room = await owner.createRoom({ postPolicy: 'ANYONE', pinPolicy: 'MEMBERS', members: [author, member, banned].map(({ id }) => ({ id })) });
  const { message: old } = await banned.send(room, 'old');
  await change(owner, 'removeMember', { roomId: room.id, userId: banned.id, ban: true });
  expect(await on(banned, old.id)).toEqual(['DELETE', 'FORWARD', 'SEE_REVISIONS']);
  for (const who of [owner, author, member, guest, banned]) {
    const { message } = await author.send(room, 'x');
    const may: string[] = await on(who, message.id);
    const done: string[] = [];
    for (const [action, run] of Object.entries(tries)) if ((await run(who, message.id)) === 'done') done.push(action);
    expect(may.filter((action) => action in tries)).toEqual(done.sort());
    expect(may.includes('REPLY')).toBe(who !== banned);
    if (done.includes('DELETE')) expect(await on(who, message.id)).toEqual([]);
  }
  const { message } = await author.send({ username: guest.username }, 'x');
  expect(await on(author, message.id)).toEqual(['DELETE', 'EDIT', 'FORWARD', 'PIN', 'REACT', 'REPLY', 'SEE_REVISIONS']);
  expect(await on(guest, message.id)).toEqual(['FORWARD', 'PIN', 'REACT', 'REPLY']);
  await change(guest, 'deleteAccount', { password: guest.password, messages: 'ANONYMIZE' });
  expect(await on(author, message.id)).toEqual(['DELETE', 'EDIT', 'FORWARD', 'PIN', 'REACT', 'SEE_REVISIONS']);
});

it('in chats', async () => {
  await using server = await startTestServer();
  const [owner, admin, member, guest, other] = some(await server.people(5));
  const make = async (input: Untyped): Promise<string> => {
    const room = await owner.createRoom({ ...input, members: [admin, member].map(({ id }) => ({ id })) });
    await change(owner, 'setMemberRole', { roomId: room.id, userId: admin.id, role: 'ADMIN' });
    return room.id;
  };
  const rooms = [await make({}), await make({ postPolicy: 'ANYONE' }), await make({ password: 'sesame' }), await make({ capacity: 3 })];
  const all = await owner.createRoom({ everyone: true });
  for (const id of rooms) {
    for (const who of [owner, admin, member, guest]) {
      const may: string[] = await inside(who, id);
      const done: string[] = [];
      for (const [action, run] of Object.entries(attempts)) if ((await run(who, id)) === 'done') done.push(action);
      expect([id, may.filter((action) => action in attempts)]).toEqual([id, done.sort()]);
    }
  }
  const [plain, open, closed, full] = rooms as [string, string, string, string];
  expect(await inside(owner, plain)).toEqual(['ADD_MEMBERS', 'DELETE', 'LEAVE', 'MENTION_ALL', 'PIN', 'REACT', 'READ', 'SEND', 'UPDATE']);
  expect(await inside(member, plain)).toEqual(['LEAVE', 'MENTION_ALL', 'REACT', 'READ', 'SEND']);
  expect(await inside(guest, plain)).toEqual(['JOIN', 'READ']);
  expect(await inside(guest, open)).toEqual(['JOIN', 'REACT', 'READ', 'SEND']);
  expect(await inside(guest, closed)).toEqual(['JOIN']);
  expect(await inside(guest, full)).toEqual(['READ']);
  expect(await inside(admin, full)).not.toContain('ADD_MEMBERS');
  expect(await inside(member, all.id)).toEqual(['MENTION_ALL', 'REACT', 'READ', 'SEND']);
  const { dialog } = await guest.must('query ($id: ID!) { dialog(with: { id: $id }) { id viewerMay } }', { id: other.id });
  expect(dialog.viewerMay).toEqual(['PIN', 'REACT', 'READ', 'SEND']);
  await guest.send({ username: other.username }, 'hello');
  await change(other, 'deleteAccount', { password: other.password, messages: 'ANONYMIZE' });
  expect(await inside(guest, dialog.id)).toEqual(['PIN', 'REACT', 'READ']);
});
