/** P22: a search finds what a scan finds, and nothing that the caller may not read. The scan is another program: it folds in its own way, and knows no index. */
import { describe, expect, it } from 'vitest';
import type { Person, Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';
import { newSeed, randomFrom, rounds } from './kit.ts';

const document = `query Search($query: String, $filter: MessageSearchInput, $first: Int, $after: String) {
  searchMessages(query: $query, filter: $filter, first: $first, after: $after) {
    indexComplete searchedBackTo edges { cursor snippet { text hit } node { id text sender { id } chat { id } } } pageInfo { hasNextPage endCursor }
  }
}`;

/** All that is found, page by page. */
async function search(person: Person, variables: Untyped, first = 7): Promise<Untyped[]> {
  const found: Untyped[] = [];
  for (let after: string | null = null; ; ) {
    const { searchMessages }: Untyped = await person.must(document, { first, ...variables, after });
    found.push(...searchMessages.edges);
    if (!searchMessages.pageInfo.hasNextPage) return found;
    after = searchMessages.pageInfo.endCursor;
  }
}
const idsOf = (edges: readonly Untyped[]): string[] => edges.map(({ node }) => node.id);
const caughtUp = (server: TestServer): Promise<void> => server.app.indexing.idle();

// ---------------------------------------------------------------- the scan

/** With what Kana share: the long vowel, and the voiced sound marks where they make no letter of their own. */
const spaceless = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}ー\u3099\u309a]/u;

/** One character after the other. */
function fold(text: string): string {
  let folded = '';
  for (const character of text.normalize('NFKC')) {
    const plain = character.normalize('NFD');
    folded += /^[\p{sc=Latin}\p{sc=Greek}\p{sc=Cyrillic}]/u.test(plain)
      ? (/^./u.exec(plain) as RegExpExecArray)[0]
      : /^\p{Mn}$/u.test(character) && /[a-zα-ωа-я]$/iu.test(folded)
        ? ''
        : character;
  }
  return folded.toLowerCase().replaceAll('ς', 'σ').replaceAll('ß', 'ss');
}

/** Words, and what stands together in scripts without spaces. */
function piecesOf(text: string): { text: string; whole: boolean }[] {
  const pieces: { text: string; whole: boolean }[] = [];
  let before: 'word' | 'run' | null = null;
  for (const character of fold(text)) {
    const kind: 'word' | 'run' | null = /[\p{L}\p{M}\p{N}]/u.test(character) ? (spaceless.test(character) ? 'run' : 'word') : null;
    const last = pieces.at(-1);
    if (kind && kind === before && last) last.text += character;
    else if (kind) pieces.push({ text: character, whole: kind === 'run' });
    before = kind;
  }
  return pieces;
}

/** All that is looked for in one string, as `|w:word|r:run|`; and what several together must look like in it. */
const shapeOf = (text: string): string =>
  `|${piecesOf(text)
    .map(({ text, whole }) => `${whole ? 'r' : 'w'}:${text}|`)
    .join('')}`;
const patternOf = (words: string): RegExp => {
  const pieces = piecesOf(words).map(
    ({ text, whole }, index, all) => `${whole ? 'r' : 'w'}:${whole && index === 0 ? '[^|]*' : ''}${text}${index === all.length - 1 ? '[^|]*' : ''}`,
  );
  return new RegExp(`\\|${pieces.join('\\|')}\\|`, 'u');
};

type Asked = { words: string[]; phrase: string | null; without: string | null };
const scan = (text: string, { words, phrase, without }: Asked): boolean => {
  const shape = shapeOf(text);
  const has = (sought: string): boolean => patternOf(sought).test(shape);
  return words.flatMap((word) => piecesOf(word).map((piece) => piece.text)).every(has) && (phrase === null || has(phrase)) && (without === null || !has(without));
};

// ---------------------------------------------------------------- texts

const alphabets: Record<string, string> = {
  Latin: 'aAàbBcçdeéEfgßi',
  Greek: 'αΑάβγδεέσς',
  Cyrillic: 'абБвеёийЙЩ',
  Arabic: 'ابتثجحخد',
  Hebrew: 'אבגדהוז',
  Devanagari: 'कखगघािी',
  Han: '日本語中文東京大学',
  Kana: 'あいがガカｶﾞータワー',
  Hangul: '가나다라한국말',
  Thai: 'กขคงาิี่ไ',
};

type Random = () => number;
const pick = <T>(random: Random, among: readonly T[]): T => among[Math.floor(random() * among.length)] as T;
function wordIn(random: Random, script: string, most = 5): string {
  const letters = [...(alphabets[script] as string)];
  // No word begins with a mark.
  let word = pick(
    random,
    letters.filter((letter) => !/[\p{M}ｶﾞ]/u.test(letter)),
  );
  while (word.length < most && random() < 0.75) word += pick(random, letters);
  return word;
}
const textIn = (random: Random): string =>
  Array.from({ length: 1 + Math.floor(random() * 6) }, () => wordIn(random, pick(random, Object.keys(alphabets))) + pick(random, [' ', ' ', ', ', '! ', '', '-', '。'])).join('');

/** Something that is in a text, or nearly. */
function queryFrom(random: Random, text: string): Asked {
  const pieces = piecesOf(text);
  const some = Array.from({ length: 1 + Math.floor(random() * 2) }, () => {
    const { text: piece, whole } = pick(random, pieces) ?? { text: 'a', whole: false };
    const letters = [...piece];
    const from = whole ? Math.floor(random() * letters.length) : 0;
    const word = letters.slice(from, from + (random() < 0.4 ? 1 : 2 + Math.floor(random() * 3))).join('');
    return /^\p{M}/u.test(word) ? piece : random() < 0.3 ? word.toUpperCase() : word;
  });
  const start = Math.floor(random() * pieces.length);
  // What stands together, or does so seldom.
  const together = [pieces[start], random() < 0.5 ? pieces[start + 1] : pick(random, pieces)].flatMap((piece) => piece?.text ?? []).join(' ');
  return {
    words: random() < 0.15 ? [...some, wordIn(random, pick(random, Object.keys(alphabets)), 2)] : some,
    phrase: random() < 0.35 && together ? together : null,
    without: random() < 0.3 ? wordIn(random, pick(random, Object.keys(alphabets)), 1) : null,
  };
}
const toQuery = ({ words, phrase, without }: Asked): string => [...words, ...(phrase === null ? [] : [`"${phrase}"`]), ...(without === null ? [] : [`-${without}`])].join(' ');

describe('P22: searchMessages', () => {
  it('finds exactly what a scan finds, in ten scripts, after edits, deletions, leavings and removals', { timeout: 120_000 }, async () => {
    const seed = newSeed();
    const random = randomFrom(seed);
    await using server = await startTestServer();
    const people = await server.people(4);
    const [ada, ben, cyd, dan] = people as [Person, Person, Person, Person];
    const open = await ada.createRoom({ visibility: 'PUBLIC', members: [ben].map(({ id }) => ({ id })) });
    const hidden = await ada.createRoom({ visibility: 'PRIVATE', members: [ben, cyd].map(({ id }) => ({ id })) });
    const places: { writers: Person[]; to: { id: string } | { username: string } }[] = [
      { writers: [ada, ben], to: open },
      { writers: [ada, ben, cyd], to: hidden },
      { writers: [ada], to: { username: ben.username } },
      { writers: [cyd], to: { username: dan.username } },
    ];
    const stored = new Map<string, { text: string | null; chatId: string; senderId: string }>();
    const write = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) {
        const { writers, to } = pick(random, places);
        const writer = pick(random, writers);
        const { message } = await writer.send(to, textIn(random) || 'a');
        stored.set(message.id, { text: message.text, chatId: message.chat.id, senderId: writer.id });
      }
    };
    const change = async (count: number): Promise<void> => {
      for (let index = 0; index < count; index++) {
        const [messageId, message] = pick(
          random,
          [...stored].filter(([, { text }]) => text !== null),
        );
        const author = people.find(({ id }) => id === message.senderId) as Person;
        const text = random() < 0.5 ? textIn(random) || 'b' : null;
        const { data } = await author.request(
          text === null
            ? 'mutation ($id: ID!) { changed: deleteMessage(input: { messageId: $id }) { __typename } }'
            : 'mutation ($id: ID!, $text: String!) { changed: editMessage(input: { messageId: $id, text: $text }) { __typename } }',
          { id: messageId, text },
        );
        // Who is not there any more is refused.
        if (/Payload$/.test(data?.changed.__typename)) message.text = text;
      }
    };
    /** Of whose chats each sees what. */
    const readable = new Map(people.map((person) => [person, new Set<string>()]));
    const mayRead = async (): Promise<void> => {
      for (const [person, ids] of readable) {
        ids.clear();
        const { chats }: Untyped = await person.must('{ chats(first: 100) { nodes { id } } }');
        for (const { id } of chats.nodes) ids.add(id);
      }
    };
    const compare = async (count: number): Promise<void> => {
      await mayRead();
      for (let index = 0; index < count; index++) {
        const person = pick(random, people);
        const asked = queryFrom(random, pick(random, [...stored.values()]).text ?? 'a');
        const chatId = random() < 0.3 ? pick(random, [...stored.values()]).chatId : null;
        const sender = random() < 0.2 ? pick(random, people) : null;
        const mayReadHere = readable.get(person) as Set<string>;
        if (chatId !== null && !mayReadHere.has(chatId) && chatId !== open.id) continue;
        const filter = chatId || sender ? { ...(chatId ? { chatId } : {}), ...(sender ? { from: { id: sender.id } } : {}) } : null;
        const found = await search(person, { query: toQuery(asked), filter });
        const expected = [...stored]
          .filter(([, message]) => (chatId ? message.chatId === chatId : mayReadHere.has(message.chatId)) && (!sender || message.senderId === sender.id))
          .filter(([, { text }]) => text !== null && scan(text, asked))
          .map(([id]) => id)
          .reverse();
        expect([seed, asked, idsOf(found)]).toEqual([seed, asked, expected]);
        for (const { node, snippet } of found) {
          const shown = snippet.map((part: Untyped) => part.text).join('');
          expect([seed, asked, node.text.includes(shown), snippet.some((part: Untyped) => part.hit)]).toEqual([seed, asked, true, true]);
        }
      }
    };
    await write(rounds(120, 600));
    await change(10);
    await caughtUp(server);
    await compare(rounds(60, 400));
    await change(20);
    await write(30);
    await ben.must('mutation ($id: ID!) { leaveChat(input: { chatId: $id }) { __typename } }', { id: open.id });
    await ada.must('mutation ($chat: ID!, $user: ID!) { removeMember(input: { roomId: $chat, userId: $user }) { __typename } }', { chat: hidden.id, user: cyd.id });
    await ada.must('mutation ($chat: ID!, $user: ID!) { addMembers(input: { roomId: $chat, users: [{ id: $user }] }) { __typename } }', { chat: hidden.id, user: dan.id });
    await change(20);
    await caughtUp(server);
    await compare(rounds(60, 400));
  });

  it('never finds what the caller cannot read', async () => {
    await using server = await startTestServer();
    const [ada, ben, eve] = (await server.people(3)) as [Person, Person, Person];
    const open = await ada.createRoom({ visibility: 'PUBLIC' });
    const guarded = await ada.createRoom({ visibility: 'PUBLIC', password: 'a long password' });
    const hidden = await ada.createRoom({ visibility: 'PRIVATE', members: [{ id: ben.id }] });
    for (const to of [open, guarded, hidden, { username: ben.username }]) await ada.send(to, 'heron');
    const { message } = await ada.send(hidden, 'another heron');
    await caughtUp(server);
    const count = async (person: Person, filter?: Untyped): Promise<number> => (await search(person, { query: 'heron', filter })).length;
    const errorOf = async (person: Person, chatId: string): Promise<string | undefined> =>
      (await person.request(document, { query: 'heron', filter: { chatId } })).errors?.[0]?.extensions.code;
    const { dialog }: Untyped = await ada.must('query ($id: ID!) { dialog(with: { id: $id }) { id } }', { id: ben.id });

    expect([await count(ada), await count(ben), await count(eve)]).toEqual([5, 3, 0]);
    expect(await count(eve, { from: { id: ada.id } })).toBe(0);
    // A public room is searched when it is named, as it can be read.
    expect([await count(eve, { chatId: open.id }), await count(ben, { chatId: open.id })]).toEqual([1, 1]);
    expect([await errorOf(eve, guarded.id), await errorOf(eve, hidden.id), await errorOf(eve, dialog.id)]).toEqual(['FORBIDDEN', 'NOT_FOUND', 'NOT_FOUND']);
    // Whoever comes later reads what was before.
    await ada.must('mutation ($room: ID!, $user: ID!) { addMembers(input: { roomId: $room, users: [{ id: $user }] }) { __typename } }', { room: hidden.id, user: eve.id });
    expect(await count(eve)).toBe(2);
    await ada.must('mutation ($id: ID!) { deleteMessage(input: { messageId: $id }) { __typename } }', { id: message.id });
    expect(await count(eve)).toBe(1);
    await ada.must('mutation ($room: ID!, $user: ID!) { removeMember(input: { roomId: $room, userId: $user }) { __typename } }', { room: hidden.id, user: eve.id });
    expect([await count(eve), await errorOf(eve, hidden.id)]).toEqual([0, 'NOT_FOUND']);
    await ben.must('mutation ($id: ID!) { leaveChat(input: { chatId: $id }) { __typename } }', { id: hidden.id });
    expect(await count(ben)).toBe(1);
    await ada.must('mutation ($id: ID!) { deleteRoom(input: { roomId: $id }) { __typename } }', { id: open.id });
    expect([await count(ada), await errorOf(eve, open.id)]).toEqual([3, 'NOT_FOUND']);
  });
});
