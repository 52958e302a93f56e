/** Names of people and rooms: what cannot be seen is not in them, and whoever looks for one finds it however it is written. */
import { expect, it } from 'vitest';
import { foldName, withoutInvisible } from '../../src/accounts/names.ts';
import { change, nobody, outcome, read } from '../kit/outcome.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';

const password = 'correct horse battery';
/** Turned around, hidden, joined, variants of letters, fillers, tags. */
const tricks: Record<string, string> = {
  'abc\u202eexe.gpj': 'abcexe.gpj',
  'ad\u200bmin': 'admin',
  'ad\u200dmin': 'admin',
  '\u2066admin\u2069\u200f': 'admin',
  'adm\u00adin\ufeff': 'admin',
  'admin\ufe0f1\ufe0f': 'admin1',
  'ad\u3164min\u{e0041}': 'admin',
  '🏴\u{e0068}\u{e0069}\u{e0064}\u{e0064}\u{e0065}\u{e006e}\u{e0065}\u{e0064}\u{e007f}': '🏴',
};
const kept = ['👩‍👩‍👧', '👩🏽‍💻', '❤️‍🔥', '🏳️‍🌈', '1️⃣', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', 'می‌خواهم', 'क्‍ष', 'שלום', 'İstanbul'];

it('leaves nothing invisible in any name, and nothing of what can be seen out', async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const room = await ada.createRoom();
  for (const [given, shown] of [...Object.entries(tricks), ...kept.map((text) => [text, text] as const)]) {
    const { me } = await change(
      ada,
      'updateProfile',
      { displayName: given, firstName: given, lastName: given, phone: given, address: `${given}\nhere` },
      `me { displayName firstName lastName account { phone address } }`,
    );
    expect(me).toEqual({ displayName: shown, firstName: shown, lastName: shown, account: { phone: shown, address: `${shown}\nhere` } });
    const changed = await change(ada, 'updateRoom', { roomId: room.id, name: given, topic: `${given}\nhere` }, 'room { name topic }');
    expect(changed.room).toEqual({ name: shown, topic: `${shown}\nhere` });
    const made = await change(ada, 'createRoom', { name: given, topic: given, visibility: 'PUBLIC', postPolicy: 'MEMBERS' }, 'room { name topic }');
    expect(made.room).toEqual({ name: shown, topic: shown });
    const { auth } = await change(nobody(server), 'login', { login: ada.username, password: ada.password, device: { name: given } }, 'auth { session { deviceName } }');
    expect(auth.session.deviceName).toBe(shown);
  }
  expect(await outcome(ada, 'updateProfile', { displayName: '\u202e\u200b' })).toBe('VALIDATION_FAILED displayName visible');
  expect(await outcome(ada, 'updateRoom', { roomId: room.id, name: '\u202e\u200b' })).toBe('VALIDATION_FAILED name visible');
  for (const email of ['ad\u200ba@example.org', '\u202eada@example.org', 'ada@exa\u00admple.org'])
    expect(await outcome(nobody(server), 'register', { username: 'bob', password, email })).toBe('VALIDATION_FAILED email format');
});

/** What each of the three searches finds for a text. */
async function found(server: TestServer, query: string): Promise<string[]> {
  const seeker = await server.person();
  const people = await read(seeker, 'query ($query: String) { registeredUsers(filter: { query: $query }) { nodes { displayName } } }', { query });
  const chats = await read(
    seeker,
    'query ($query: String) { chats(filter: { nameContains: $query, includeAllUsers: true }) { nodes { ... on Dialog { peer { displayName } } } } }',
    { query },
  );
  const rooms = await read(seeker, 'query ($query: String) { rooms(filter: { nameContains: $query }) { nodes { name } } }', { query });
  return [
    ...people.nodes.map((node: { displayName: string }) => node.displayName),
    ...chats.nodes.map((node: { peer: { displayName: string } }) => node.peer.displayName),
    ...rooms.nodes.map((node: { name: string }) => node.name),
  ];
}

it('finds İstanbul as istanbul and the reverse, and other letters by whatever case they have, in every search', async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  const pairs = [
    ['İstanbul', 'istanbul', 'ISTANBUL', 'ıstanbul', 'i\u0307stan', 'ist\u200banbul'],
    ['Işık', 'ışık', 'IŞIK', 'işik'],
    ['Straße ẞ', 'STRASSE SS', 'straße ß'],
    ['Οδυσσεύς', 'ΟΔΥΣΣΕΎΣ', 'οδυσσεύσ'],
  ];
  for (const [name = '', ...queries] of pairs) {
    await change(ada, 'updateProfile', { displayName: name });
    const room = await ada.createRoom({ name, visibility: 'PUBLIC' });
    for (const query of [name, ...queries]) expect([query, await found(server, query)]).toEqual([query, [name, name, name]]);
    await change(ada, 'deleteRoom', { roomId: room.id });
  }
});

it('finds what was stored under an earlier folding, after a start that brings it in line piece by piece', async () => {
  await using server = await startTestServer();
  const [ada, grace] = [await server.person(), await server.person()];
  await change(ada, 'updateProfile', { displayName: 'İstanbul', email: 'İ@example.org', currentPassword: ada.password });
  await change(grace, 'updateProfile', { email: 'i@sub.example.org', currentPassword: grace.password });
  const room = await ada.createRoom({ name: 'İzmir', visibility: 'PUBLIC', link: 'https://example.org/İ' });
  const { db } = server.app;
  await db.sqlTransaction(async (sql) => {
    const old = [`i\u0307stanbul`, 'i\u0307@example.org', 'i\u0307zmir', 'https://example.org/i\u0307'];
    await sql.all('UPDATE "User" SET "displayNameKey" = ?, "emailKey" = ? WHERE "username" = ?', [old[0] as string, old[1] as string, ada.username]);
    await sql.all('UPDATE "Chat" SET "nameKey" = ?, "linkKey" = ? WHERE "kind" = \'ROOM\'', [old[2] as string, old[3] as string]);
    // More than one piece of them, and one whose key somebody else has by now.
    for (let index = 0; index < 450; index++)
      await sql.all(
        'INSERT INTO "User" ("username", "usernameKey", "displayName", "displayNameKey", "email", "emailKey", "passwordHash", "createdAt") VALUES (?, ?, ?, ?, ?, ?, \'\', ?)',
        [
          `old${index}`,
          `old${index}`,
          `İ number ${index}`,
          `i\u0307 number ${index}`,
          index === 0 ? 'İ@sub.example.org' : null,
          index === 0 ? 'i\u0307@sub.example.org' : null,
          new Date(),
        ],
      );
    await sql.all('DELETE FROM "Folding"', []);
  });
  expect(await found(server, 'i number 449')).toEqual([]);
  await server.restart();
  expect(await found(server, 'i number 449')).toEqual(['İ number 449', 'İ number 449']);
  expect(await found(server, 'istanbul')).toEqual(['İstanbul', 'İstanbul']);
  expect(await found(server, 'izmir')).toEqual(['İzmir']);
  expect((await read(ada, 'query { room(ref: { link: "https://example.org/i" }) { id } }')).id).toBe(room.id);
  expect(await outcome(nobody(server), 'login', { login: 'i@example.org', password: ada.password })).toBe('done');
  expect(await outcome(nobody(server), 'login', { login: 'i@sub.example.org', password: grace.password })).toBe('done');
});

it('folds every character the same however often, and whatever its case', () => {
  for (let code = 0; code < 0x2_0000; code += code < 0x3000 ? 1 : 7) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const text = String.fromCodePoint(code);
    const folded = foldName(text);
    if (foldName(folded) !== folded || foldName(text.toUpperCase()) !== folded || foldName(text.toLowerCase()) !== folded) expect.fail(`U+${code.toString(16)}`);
    if (withoutInvisible(withoutInvisible(text)) !== withoutInvisible(text)) expect.fail(`U+${code.toString(16)} is cleaned twice`);
  }
});
