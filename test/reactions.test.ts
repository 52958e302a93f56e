/** Reactions: a set of emojis of each person under a message, counted beside the rows, and told to everybody as it is for them. */
import { describe, expect, it } from 'vitest';
import { engine } from './kit/engine.ts';
import { change, outcome, read } from './kit/outcome.ts';
import type { Person, Untyped } from './kit/person.ts';
import { startTestServer, type TestServer } from './kit/server.ts';
import { newSeed, randomFrom, rounds, until } from './promises/kit.ts';

const some = (people: Person[]) => people as [Person, Person, Person];
const groupsOf = async (who: Person, id: string): Promise<Untyped[]> =>
  (await read(who, 'query ($id: ID!) { message(id: $id) { reactions { emoji count mine } } }', { id })).reactions;
const set = (who: Person, messageId: string, emojis: string[], more: Untyped = {}) => outcome(who, 'setReactions', { messageId, emojis, ...more });
const events = `subscription { events(filter: { kinds: [REACTIONS] }) { __typename ... on ReactionsChanged { cursor by { id } message { id reactions { emoji count mine } } } } }`;

describe('reactions', () => {
  it('are the whole set that somebody last stated, in the order of first use, and counted', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cem.id }] });
    const { message } = await ada.send(room, 'hello');
    expect(await groupsOf(ada, message.id)).toEqual([]);
    expect(await set(ben, message.id, ['👍', '❤️'])).toBe('done');
    expect(await set(cem, message.id, ['🦜', '👍'])).toBe('done');
    expect(await groupsOf(ben, message.id)).toEqual([
      { emoji: '👍', count: 2, mine: true },
      { emoji: '❤️', count: 1, mine: true },
      { emoji: '🦜', count: 1, mine: false },
    ]);
    expect(await set(ben, message.id, ['🦜'])).toBe('done');
    expect(await groupsOf(ben, message.id)).toEqual([
      { emoji: '👍', count: 1, mine: false },
      { emoji: '🦜', count: 2, mine: true },
    ]);
    const whose =
      'query ($id: ID!, $after: String) { message(id: $id) { reactions { emoji reactions(first: 1, after: $after) { nodes { emoji user { id } } pageInfo { hasNextPage endCursor } } } } }';
    const { reactions } = await read(ada, whose, { id: message.id });
    expect(reactions[1].reactions).toMatchObject({ nodes: [{ emoji: '🦜', user: { id: cem.id } }], pageInfo: { hasNextPage: true } });
    const next = await read(ada, whose, { id: message.id, after: reactions[1].reactions.pageInfo.endCursor });
    expect(next.reactions[1].reactions).toMatchObject({ nodes: [{ user: { id: ben.id } }], pageInfo: { hasNextPage: false } });
    expect(await set(ben, message.id, [])).toBe('done');
    expect(await set(cem, message.id, [])).toBe('done');
    expect(await groupsOf(ben, message.id)).toEqual([]);
  });

  it('are each one emoji, the same however it is written, and nothing else', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const { message } = await ada.send({ username: ada.username }, 'hello');
    for (const [written, stored] of [
      ['\u2764', '❤️'],
      ['\u{1f600}\ufe0f', '😀'],
      ['1\u20e3', '1️⃣'],
      ['👍🏽', '👍🏽'],
      ['👨‍👩‍👧‍👦', '👨‍👩‍👧‍👦'],
      ['🏴󠁧󠁢󠁳󠁣󠁴󠁿', '🏴󠁧󠁢󠁳󠁣󠁴󠁿'],
      ['🇩🇪', '🇩🇪'],
      ['\u{1f3f3}\u200d🌈', '🏳️‍🌈'],
    ] as const) {
      expect(await set(ada, message.id, [written, stored])).toBe('done');
      expect(await groupsOf(ada, message.id)).toEqual([{ emoji: stored, count: 1, mine: true }]);
    }
    for (const wrong of ['', 'a', '1', ':+1:', '👍👍', '👍 ', '🇩', '\u200d', '\ufe0f', '\ud83d', 'é', '🏽'.repeat(40)])
      expect([wrong, await set(ada, message.id, ['👍', wrong])]).toEqual([wrong, 'VALIDATION_FAILED emojis.1 emoji']);
    expect(await groupsOf(ada, message.id)).toEqual([{ emoji: '🏳️‍🌈', count: 1, mine: true }]);
  });

  it('change only what they were said to be, where that is said', async () => {
    await using server = await startTestServer();
    const [ada] = some(await server.people(1));
    const { message } = await ada.send({ username: ada.username }, 'hello');
    expect(await set(ada, message.id, ['👍'], { ifMine: ['❤️'] })).toBe('CONFLICT VERSION_MISMATCH');
    expect(await set(ada, message.id, ['👍', '❤️'], { ifMine: [] })).toBe('done');
    expect(await set(ada, message.id, ['👍'], { ifMine: [] })).toBe('CONFLICT VERSION_MISMATCH');
    expect(await set(ada, message.id, ['👍'], { ifMine: ['\u2764', '👍'] })).toBe('done');
    expect(await groupsOf(ada, message.id)).toEqual([{ emoji: '👍', count: 1, mine: true }]);
  });

  it('are as many as the server says', async () => {
    await using server = await startTestServer({ MAX_REACTION_KINDS: '3', MAX_REACTIONS_PER_MEMBER: '2' });
    const [ada, ben] = some(await server.people(2));
    const { message } = await ada.send({ username: ben.username }, 'hello');
    expect(await set(ada, message.id, ['👍', '❤️', '🦜'])).toBe('QUOTA_EXCEEDED');
    expect(await set(ada, message.id, ['👍', '❤️'])).toBe('done');
    expect(await set(ben, message.id, ['🦜', '🐦'])).toBe('QUOTA_EXCEEDED');
    expect(await set(ben, message.id, ['🦜', '👍'])).toBe('done');
    // What is taken back makes room.
    expect(await set(ada, message.id, ['🐦', '👍'])).toBe('done');
    expect((await groupsOf(ada, message.id)).map(({ emoji }) => emoji)).toEqual(['👍', '🦜', '🐦']);
    expect(await read(ada, '{ serverInfo { limits { maxReactionKinds maxReactionsPerMember } } }')).toEqual({ limits: { maxReactionKinds: 3, maxReactionsPerMember: 2 } });
  });

  it('are for those who may write, of messages that they may read, and go with the message', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const secret = await ada.createRoom({ visibility: 'PRIVATE' });
    const listed = await ada.createRoom({ members: [{ id: ben.id }] });
    const [hidden, shown] = [(await ada.send(secret, 'a')).message, (await ada.send(listed, 'b')).message];
    expect(await set(cem, hidden.id, ['👍'])).toBe('NOT_FOUND Message');
    expect(await set(cem, shown.id, ['👍'])).toBe('FORBIDDEN NOT_A_MEMBER');
    expect(await set(cem, 'nonsense', ['👍'])).toBe('NOT_FOUND Message');
    expect(await set(ben, shown.id, ['👍'])).toBe('done');
    expect(await groupsOf(cem, shown.id)).toEqual([{ emoji: '👍', count: 1, mine: false }]);
    await change(ada, 'removeMember', { roomId: listed.id, userId: ben.id, ban: true });
    expect(await set(ben, shown.id, [])).toBe('FORBIDDEN BANNED');
    expect((await change(ada, 'deleteMessage', { messageId: shown.id }, 'message { reactions { emoji } }')).message.reactions).toEqual([]);
    expect(await set(ada, shown.id, ['👍'])).toBe('NOT_FOUND Message');
    for (const table of ['Reaction', 'ReactionCount']) expect(await server.app.db.sql.all(`SELECT 1 FROM "${table}"`, [])).toEqual([]);
  });

  it('are told to everybody, each with what is theirs, once for a change', async () => {
    await using server = await startTestServer();
    const [ada, ben] = some(await server.people(2));
    const { message } = await ada.send({ username: ben.username }, 'hello');
    const { eventCursor } = await ada.must('{ eventCursor }');
    const streams = [
      await ada.follow(events),
      await ben.follow(events),
      await ben.follow(events.replace('events(', 'events(after: $after, ').replace('subscription', 'subscription ($after: EventCursor)'), { after: eventCursor }),
    ];
    expect(await set(ben, message.id, ['👍'])).toBe('done');
    expect(await set(ben, message.id, ['👍'])).toBe('done');
    expect(await set(ada, message.id, ['🦜'])).toBe('done');
    for (const [index, stream] of streams.entries()) {
      const [first, second] = [await stream.next('ReactionsChanged'), await stream.next('ReactionsChanged')];
      expect([first.by.id, second.by.id]).toEqual([ben.id, ada.id]);
      expect(second.message).toEqual({
        id: message.id,
        reactions: [
          { emoji: '👍', count: 1, mine: index > 0 },
          { emoji: '🦜', count: 1, mine: index === 0 },
        ],
      });
    }
  });

  it('are told at most once a second in a large room, and the last ones always', async () => {
    await using server = await startTestServer();
    const people = await server.people(53);
    const [ada, ...others] = people as [Person, ...Person[]];
    const room = await ada.createRoom({ members: others.map(({ id }) => ({ id })) });
    const { message } = await ada.send(room, 'hello');
    const stream = await ada.follow(events);
    await Promise.all(others.slice(0, 20).map((each) => set(each, message.id, ['👍'])));
    await stream.until((item) => item.message?.reactions[0]?.count === 20);
    const told = stream.items.filter(({ __typename }) => __typename === 'ReactionsChanged');
    expect(told.length).toBeLessThanOrEqual(4);
    expect(told.at(-1)).toMatchObject({ by: null });
    // A server that stops has told everything.
    const last = others[1] as Person;
    expect(await set(others[0] as Person, message.id, ['🦜'])).toBe('done');
    expect(await set(last, message.id, ['🦜'])).toBe('done');
    const cursor = told.at(-1)?.cursor;
    await server.restart();
    const { items } = await read(ada, 'query ($after: EventCursor!) { sync(after: $after) { items { __typename ... on ReactionsChanged { by { id } } } } }', { after: cursor });
    expect(items.filter((item: Untyped) => item.__typename === 'ReactionsChanged').length).toBeGreaterThanOrEqual(1);
    expect(await server.app.db.sql.all('SELECT 1 FROM "UntoldReaction"', [])).toEqual([]);
  });

  it('stay with the tombstone of who keeps their messages, and go with who erases them', async () => {
    await using server = await startTestServer();
    const [ada, ben, cem] = some(await server.people(3));
    const room = await ada.createRoom({ members: [{ id: ben.id }, { id: cem.id }] });
    const { message } = await ada.send(room, 'hello');
    for (const who of [ada, ben, cem]) expect(await set(who, message.id, ['👍', '🦜'])).toBe('done');
    const stream = await ada.follow(events);
    await change(ben, 'deleteAccount', { password: ben.password, messages: 'ANONYMIZE' });
    await change(cem, 'deleteAccount', { password: cem.password, messages: 'ERASE' });
    expect((await stream.next('ReactionsChanged')).message.reactions.map(({ count }: Untyped) => count)).toEqual([2, 2]);
    expect((await groupsOf(ada, message.id)).map(({ count }) => count)).toEqual([2, 2]);
    expect(await server.app.db.sql.all('SELECT DISTINCT "userId" FROM "Reaction"', [])).toHaveLength(2);
  });
});

it('P20: concurrent reactions leave counts that equal the rows, and each person a set that they sent', { timeout: 60_000 }, async () => {
  await using first = await startTestServer({ NODE_POLL_MS: '200' });
  await using second = engine === 'postgresql' ? await startTestServer({ NODE_POLL_MS: '200', DATABASE_URL: first.app.config.DATABASE_URL }) : null;
  const people = await first.people(6);
  const room = await (people[0] as Person).createRoom({ members: people.slice(1).map(({ id }) => ({ id })) });
  const { message } = await (people[0] as Person).send(room, 'hello');
  const stream = await (people[0] as Person).follow(events);
  const random = randomFrom(newSeed());
  const kinds = ['👍', '❤️', '🦜', '🎉', '😀'];
  const sent = people.map(() => new Set<string>());
  await Promise.all(
    people.map(async (person, index) => {
      const elsewhere = second && index % 2 ? at(second, person) : person;
      for (let round = 0; round < rounds(6, 40); round++) {
        const emojis = kinds.filter(() => random() < 0.5);
        sent[index]?.add([...emojis].sort().join());
        // Two at once of the same person, as two devices would.
        await Promise.all([set(person, message.id, emojis), set(elsewhere, message.id, emojis)]);
      }
    }),
  );
  const own = await Promise.all(people.map(async (person) => (await groupsOf(person, message.id)).filter(({ mine }) => mine).map(({ emoji }) => emoji as string)));
  for (const [index, emojis] of own.entries()) expect(sent[index]).toContain([...emojis].sort().join());
  const counted = new Map(kinds.map((kind) => [kind, own.filter((emojis) => emojis.includes(kind)).length]));
  const shown = await groupsOf(people[0] as Person, message.id);
  expect(Object.fromEntries(shown.map(({ emoji, count }) => [emoji, count]))).toEqual(Object.fromEntries([...counted].filter(([, count]) => count > 0)));
  await until(() => JSON.stringify(stream.items.at(-1)?.message?.reactions) === JSON.stringify(shown), 'the stream does not show what is there', 15_000);
});

/** The same person at another server. */
const at = (server: TestServer, person: Person): Person =>
  ({
    ...person,
    request: async (document, variables) => {
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${person.token}` },
        body: JSON.stringify({ query: String(document), variables }),
      });
      return response.json();
    },
  }) as Person;
