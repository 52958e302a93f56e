/** Searching messages: what can be asked, what a page holds, and how far it goes. */
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type ChatId, numberOf, type UserId } from '../../src/ids.ts';
import { tableOf } from '../../src/storage/sql.ts';
import { change } from '../kit/outcome.ts';
import type { Person, Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';
import { upload } from '../kit/upload.ts';

const document = `query Search($query: String, $filter: MessageSearchInput, $first: Int, $after: String) {
  searchMessages(query: $query, filter: $filter, first: $first, after: $after) {
    indexComplete searchedBackTo nodes { text } edges { cursor snippet { text hit } node { id text } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`;
const page = async (person: Person, variables: Untyped): Promise<Untyped> => (await person.must(document, variables)).searchMessages;
const texts = async (person: Person, query: string | null, filter?: Untyped): Promise<string[]> => (await page(person, { query, filter })).nodes.map(({ text }: Untyped) => text);
const refusal = async (person: Person, variables: Untyped): Promise<string> => {
  const { code, typeName, scope }: Untyped = (await person.request(document, variables)).errors?.[0]?.extensions ?? { code: 'none' };
  return [code, typeName ?? scope].filter(Boolean).join(' ');
};

/** A room with messages, one after the other, all of which can be found. */
async function say(server: TestServer, person: Person, room: { id: string }, ...lines: string[]): Promise<void> {
  for (const line of lines) await person.send(room, line);
  await server.app.indexing.idle();
}

describe('a search', () => {
  it('finds words by their beginning, keeps those in quotes together, and leaves out what has a minus', async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    const room = await ada.createRoom();
    await say(server, ada, room, 'The crème brûlée was good', 'Good crème, no brûlée', '東京タワーは高い', 'Ёлка и ёжик', 'don’t say "AND" or NOT(a*) ^b: {c}');
    const found = async (query: string): Promise<string[]> => (await texts(ada, query)).map((text) => text.slice(0, 4));
    expect(await found('CREME bru')).toEqual(['Good', 'The ']);
    expect(await found('"creme bru"')).toEqual(['The ']);
    expect(await found('good -"good crème"')).toEqual(['The ']);
    expect(await found('good -was')).toEqual(['Good']);
    expect(await found('rème')).toEqual([]);
    expect([await found('京タ'), await found('ー'), await found('高'), await found('京高')]).toEqual([['東京タワ'], ['東京タワ'], ['東京タワ'], []]);
    expect(await found('елка еж')).toEqual(['Ёлка']);
    // Nothing of the languages that the databases are asked in.
    for (const query of ['and not', 'a* ^b {c}', 'say OR', "don't", '"AND', 'c: say', 'NEAR(say and)', '\\ & | ! ( say'])
      expect([query, await found(query)]).toEqual([query, query.startsWith('NEAR') ? [] : ['don’']]);
    expect((await page(ada, { query: 'bru good' })).edges.map((edge: Untyped) => edge.snippet)).toEqual([
      [
        { text: 'Good', hit: true },
        { text: ' crème, no ', hit: false },
        { text: 'brû', hit: true },
        { text: 'lée', hit: false },
      ],
      [
        { text: 'The crème ', hit: false },
        { text: 'brû', hit: true },
        { text: 'lée was ', hit: false },
        { text: 'good', hit: true },
      ],
    ]);
  });

  it('is of one chat, of one person, of a time, and for what messages hold', async () => {
    await using server = await startTestServer();
    const [ada, ben] = (await server.people(2)) as [Person, Person];
    const room = await ada.createRoom({ visibility: 'PRIVATE', members: [{ id: ben.id }] });
    await ada.send(room, 'one word');
    await ben.send(room, 'another word, see https://example.org/a');
    await ben.send({ username: ada.username }, 'a word between us');
    const red = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const [image, file] = [await upload(ben, { bytes: red, fileName: 'red.png' }), await upload(ben, { bytes: Buffer.from('text'), fileName: 'a.txt' })];
    await change(ben, 'sendMessage', { to: { chatId: room.id }, attachmentIds: [image.id] });
    const last = await change(ben, 'sendMessage', { to: { chatId: room.id }, text: 'a word to a file', attachmentIds: [file.id] }, 'message { id createdAt }');
    await server.app.indexing.idle();
    const { dialog }: Untyped = await ada.must('query ($id: ID!) { dialog(with: { id: $id }) { id } }', { id: ben.id });
    const [file_, link, us, one] = ['a word to a file', 'another word, see https://example.org/a', 'a word between us', 'one word'];
    expect(await texts(ada, 'word')).toEqual([file_, us, link, one]);
    expect(await texts(ada, 'word', { chatId: room.id })).toEqual([file_, link, one]);
    expect(await texts(ada, 'word', { chatId: dialog.id })).toEqual([us]);
    expect(await texts(ada, 'word', { from: { username: ada.username } })).toEqual([one]);
    expect(await texts(ada, null, { from: { id: ben.id }, chatId: room.id })).toEqual([file_, null, link]);
    expect(await texts(ada, null, { has: ['IMAGE'] })).toEqual([null]);
    expect(await texts(ada, null, { has: ['ATTACHMENT'] })).toEqual([file_, null]);
    expect([await texts(ada, 'word', { has: ['LINK'] }), await texts(ada, 'word', { has: ['LINK', 'IMAGE'] })]).toEqual([[link], []]);
    const { createdAt } = last.message as Untyped;
    expect(await texts(ada, 'file', { after: createdAt })).toEqual([file_]);
    expect(await texts(ada, 'file', { before: createdAt })).toEqual([]);
    expect(await texts(ada, null, { after: '2001-01-01T00:00:00.000Z', before: '2099-01-01T00:00:00.000Z' })).toEqual([file_, null, us, link, one]);
    // A thread: of its root, or of any reply in it.
    const { message: root }: Untyped = await ada.send(room, 'a word to hang a thread under');
    const reply = async (threadRootId: string, text: string): Promise<string> =>
      ((await change(ben, 'sendMessage', { to: { chatId: room.id }, text, threadRootId }, 'message { id }')).message as Untyped).id;
    const inThread = await reply(root.id, 'a word in the thread');
    await reply(inThread, 'one more word');
    await server.app.indexing.idle();
    for (const threadRootId of [root.id, inThread]) expect(await texts(ada, 'word', { threadRootId })).toEqual(['one more word', 'a word in the thread']);
    expect(await texts(ada, 'thread', { threadRootId: root.id, chatId: room.id, from: { id: ben.id } })).toEqual(['a word in the thread']);
    expect([await refusal(ada, { filter: { threadRootId: root.id, chatId: dialog.id } }), await refusal(await server.person(), { filter: { threadRootId: root.id } })]).toEqual([
      'NOT_FOUND Message',
      'NOT_FOUND Message',
    ]);
    await change(ada, 'pinMessage', { messageId: root.id });
    expect([await texts(ada, null, { has: ['PIN'] }), await texts(ada, 'hang', { has: ['PIN'], chatId: room.id }), await texts(ada, 'file', { has: ['PIN'] })]).toEqual([
      [root.text],
      [root.text],
      [],
    ]);
    // What is for somebody: by name, as an answer, or with everybody; never what they wrote themselves.
    for (const more of [{ mentions: { users: [{ id: ada.id }] } }, { replyToId: root.id }, { replyToId: root.id, notifyAuthor: false }, { mentions: { all: 'EVERYONE' } }])
      await change(ben, 'sendMessage', { to: { chatId: room.id }, text: `for her: ${JSON.stringify(Object.keys(more))}`, ...more });
    await server.app.indexing.idle();
    expect(await texts(ada, null, { mentionsMe: true })).toEqual(['for her: ["mentions"]', 'for her: ["replyToId"]', 'for her: ["mentions"]']);
    expect([await texts(ada, 'replyToId', { mentionsMe: true, chatId: room.id }), await texts(ben, null, { mentionsMe: true })]).toEqual([['for her: ["replyToId"]'], []]);
    // Another text, no link any more.
    const { edges } = await page(ada, { query: 'see' });
    await change(ben, 'editMessage', { messageId: edges[0].node.id, text: 'another word, seen' });
    expect([await texts(ada, null, { has: ['LINK'] }), await texts(ada, 'https'), await texts(ada, 'seen')]).toEqual([[], [], ['another word, seen']]);
    await change(ben, 'deleteMessage', { messageId: last.message.id });
    expect(await texts(ada, null, { has: ['ATTACHMENT'] })).toEqual([null]);
  });

  it('is refused when it says too little, or too much, or is asked too often', async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    for (const query of ['', ' ', '?! …', '"', '""', '-', '👍', '-word', '-"a word"', 'a b c d e f g h i j k', 'x'.repeat(201)])
      expect([query, await refusal(ada, { query })]).toEqual([query, 'BAD_REQUEST']);
    expect(await refusal(ada, {})).toBe('BAD_REQUEST');
    expect(await refusal(ada, { filter: {} })).toBe('BAD_REQUEST');
    expect(await refusal(ada, { query: '-word', filter: { from: { id: ada.id } } })).toBe('BAD_REQUEST');
    expect(await refusal(ada, { query: '!', filter: { from: { id: ada.id } } })).toBe('none');
    for (const after of ['', 'x', 'WzEsMl0', 'Wy0xXQ', 'WyJhIl0']) expect([after, await refusal(ada, { query: 'a', after })]).toEqual([after, 'BAD_REQUEST']);
    for (const first of [-1, 101]) expect(await refusal(ada, { query: 'a', first })).toBe('BAD_REQUEST');
    for (const chatId of ['', 'garbage', ada.id]) expect(await refusal(ada, { query: 'a', filter: { chatId } })).toBe('NOT_FOUND Chat');
    expect(await refusal(ada, { query: 'a', filter: { from: { username: 'nobody-at-all' } } })).toBe('NOT_FOUND User');
    // A dialog that nobody has written in.
    const ben = await server.person();
    const { dialog }: Untyped = await ada.must('query ($id: ID!) { dialog(with: { id: $id }) { id } }', { id: ben.id });
    await server.app.indexing.idle();
    expect(await page(ada, { query: 'a', filter: { chatId: dialog.id } })).toMatchObject({ nodes: [], indexComplete: true, searchedBackTo: null });
    await server.restart({ RATE_LIMITS: 'on', SEARCH_LIMIT: '3' });
    const answers = await Promise.all(Array.from({ length: 20 }, () => refusal(ada, { query: 'a' })));
    expect([...new Set(answers)].sort()).toEqual(['RATE_LIMITED SEARCH', 'none']);
  });

  it('goes on behind its cursor whatever is written meanwhile, newest first', async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    const room = await ada.createRoom();
    await say(server, ada, room, ...Array.from({ length: 7 }, (_, index) => `word ${index}`));
    const first = await page(ada, { query: 'word', first: 3 });
    expect([first.nodes.map(({ text }: Untyped) => text), first.pageInfo.hasNextPage, first.pageInfo.hasPreviousPage, first.pageInfo.endCursor]).toEqual([
      ['word 6', 'word 5', 'word 4'],
      true,
      false,
      first.edges[2].cursor,
    ]);
    expect(first.searchedBackTo).not.toBeNull();
    await say(server, ada, room, 'a newer word');
    await change(ada, 'deleteMessage', { messageId: first.edges[2].node.id });
    const second = await page(ada, { query: 'word', first: 3, after: first.pageInfo.endCursor });
    expect([second.nodes.map(({ text }: Untyped) => text), second.pageInfo.hasNextPage]).toEqual([['word 3', 'word 2', 'word 1'], true]);
    const third = await page(ada, { query: 'word', first: 3, after: second.pageInfo.endCursor });
    expect([third.nodes.map(({ text }: Untyped) => text), third.pageInfo.hasNextPage, third.searchedBackTo, third.indexComplete]).toEqual([['word 0'], false, null, true]);
    expect((await page(ada, { query: 'word', first: 0 })).pageInfo).toMatchObject({ hasNextPage: true, endCursor: expect.any(String) });
  });

  it('looks at so much at once, says how far it has looked, and comes to the end of it', { timeout: 60_000 }, async () => {
    await using server = await startTestServer();
    const ada = await server.person();
    const room = await ada.createRoom();
    const needle = await ada.send(room, 'a needle of hay');
    await addMessages(server, ada, room, 6_000);
    await server.app.indexing.idle();
    const query = 'hay -stack';
    const short = await page(ada, { query });
    expect([short.nodes, short.pageInfo.hasNextPage]).toEqual([[], true]);
    expect(new Date(short.searchedBackTo).getTime()).toBeGreaterThan(Date.now());
    let after = short.pageInfo.endCursor;
    for (let pages = 0; ; pages++) {
      const next = await page(ada, { query, after });
      if (next.nodes.length > 0 || pages > 100) {
        expect([next.nodes, next.pageInfo.hasNextPage]).toEqual([[{ text: needle.message.text }], false]);
        break;
      }
      after = next.pageInfo.endCursor;
    }
    expect(await texts(ada, 'needle')).toEqual([needle.message.text]);
  });
});

/** As if they had been sent, tomorrow: hay that is in stacks. Where the index follows the log, it takes the numbers from there. */
async function addMessages(server: TestServer, person: Person, room: { id: string }, count: number): Promise<void> {
  const [chatId, senderId] = [numberOf(room.id, 'Room') as ChatId, numberOf(person.id, 'User') as UserId];
  const { db, clock } = server.app;
  await db.sqlTransaction(async (sql) => {
    const first = server.app.tail.head() + 1;
    const rows = Array.from({ length: count }, (_, index) => ({
      id: first + index,
      chatId,
      seq: index + 2,
      senderId,
      text: 'hay of a stack',
      createdAt: new Date(clock().getTime() + 86_400_000),
      version: 1,
    }));
    await sql.all(
      `INSERT INTO "Message" ("id", "chatId", "seq", "senderId", "text", "createdAt", "version") SELECT "id", "chatId", "seq", "senderId", "text", "createdAt", "version"
       FROM ${tableOf(sql.engine, 't', { id: 'bigint', chatId: 'int', seq: 'int', senderId: 'int', text: 'text', createdAt: 'date', version: 'int' })}`,
      [rows],
    );
    await sql.all(
      `INSERT INTO "Event" ("number", "at", "type", "chatId") SELECT "id", "createdAt", 'message-added', "chatId" FROM ${tableOf(sql.engine, 't', { id: 'bigint', chatId: 'int', createdAt: 'date' })}`,
      [rows.map(({ id, createdAt }) => ({ id, chatId, createdAt }))],
    );
    if (sql.engine === 'sqlite') await sql.all('UPDATE "EventHead" SET "last" = ? WHERE "id" = 1', [first + count - 1]);
    await sql.all('UPDATE "Chat" SET "lastSeq" = ? WHERE "id" = ?', [count + 1, chatId]);
  });
  server.app.tail.look();
  while (server.app.tail.head() < Number((await db.sql.all<{ last: number }>('SELECT MAX("id") AS "last" FROM "Message"', []))[0]?.last))
    await new Promise((resolve) => setTimeout(resolve, 5));
}
