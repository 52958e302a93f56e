/** P3 and P4: however a connection breaks, going on behind the last cursor gives every event once, with one CaughtUp between what was missed and what is live. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Item, Person, Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';
import { eventCursor, events, isDurable, messagesOf, newMessages, newSeed, randomFrom, rounds, sync, textsOf, until } from './kit.ts';

/** One connection: what came over it so far, and how it is lost. */
type Connection = { items: Item[]; errors: unknown[]; cut: () => Promise<void> };
type Connect = (after: string) => Connection;

const ways: [name: string, open: (person: Person, server: TestServer, chatId: string) => Connect, scope: 'everything' | 'messages' | 'one chat'][] = [
  ['events over a socket', (person) => overSocket(person, events), 'everything'],
  ['events over Server-Sent Events', (person, server) => overSse(person, server, events), 'everything'],
  ['newMessages of all chats', (person) => overSocket(person, newMessages), 'messages'],
  ['newMessages of one chat', (person, _server, chatId) => overSocket(person, newMessages, { chatId }), 'one chat'],
  ['newMessages of one chat over Server-Sent Events', (person, server, chatId) => overSse(person, server, newMessages, { chatId }), 'one chat'],
];

describe('nothing is lost and nothing comes twice when connections break at any moment', () => {
  for (const [name, open, scope] of ways) {
    it(name, async () => {
      const seed = newSeed();
      const random = randomFrom(seed);
      for (let round = 0; round < rounds(1, 40); round++) {
        await using server = await startTestServer({ MAX_SOCKETS_PER_ACCOUNT: '1000' });
        const [ana, ben] = (await server.people(2)) as [Person, Person];
        const room = await ana.createRoom({ members: [{ id: ben.id }] });
        const whole = await ben.follow(events);
        const start = await eventCursor(ben);
        const busy = work(ana, ben, room, rounds(60, 200), random);
        // In a stream of everything the notification comes last, right behind its message.
        const isEnd = (message: Untyped | undefined): boolean => message?.text === 'the end' && message.chat.id === room.id;
        const last = (item: Item): boolean => isEnd(scope === 'everything' ? item.notification?.message : item.message);
        const read = await readWithCuts(open(ben, server, room.id), start, last, random);
        await busy;
        const expected = (await whole.until((item) => isEnd(item.notification?.message)))
          .filter(isDurable)
          .filter((item) => scope === 'everything' || (item.__typename === 'MessageAdded' && (scope === 'messages' || item.message.chat.id === room.id)));
        const said = `seed ${seed}, round ${round}`;
        expect(read.handled.map(identity), said).toEqual(expected.map(identity));
        expect(read.connections.length, said).toBeGreaterThan(2);
        for (const connection of read.connections) mustBeWellFormed(connection, said);
      }
    });
  }

  it('sync with small pages, whose answers get lost', async () => {
    const seed = newSeed();
    const random = randomFrom(seed);
    for (let round = 0; round < rounds(1, 40); round++) {
      await using server = await startTestServer();
      const [ana, ben] = (await server.people(2)) as [Person, Person];
      const room = await ana.createRoom({ members: [{ id: ben.id }] });
      const whole = await ben.follow(events);
      let after = await eventCursor(ben);
      const busy = work(ana, ben, room, rounds(60, 200), random);
      const handled: Item[] = [];
      const isLast = (item: Item): boolean => item.notification?.message.text === 'the end';
      while (!handled.some(isLast)) {
        const page = (await ben.must(sync, { after, first: 1 + Math.floor(random() * 5) })).sync;
        if (random() < 0.2) continue;
        handled.push(...page.items);
        after = page.endCursor;
        if (!page.hasMore) await sleep(2);
      }
      await busy;
      const expected = (await whole.until(isLast)).filter(isDurable);
      expect(handled.map(identity), `seed ${seed}, round ${round}`).toEqual(expected.map(identity));
    }
  });

  it('a dialog that is not open yet when it is followed', async () => {
    const seed = newSeed();
    const random = randomFrom(seed);
    for (let round = 0; round < rounds(3, 60); round++) {
      await using server = await startTestServer({ MAX_SOCKETS_PER_ACCOUNT: '1000' });
      const [ana, ben, eve] = (await server.people(3)) as [Person, Person, Person];
      const { dialog } = await ben.must('query ($name: String!) { dialog(with: { username: $name }) { id } }', { name: ana.username });
      const start = await eventCursor(ben);
      const live = await ben.follow(newMessages, { chatId: dialog.id });
      const texts = Array.from({ length: 20 }, (_, index) => String(index));
      const busy = (async () => {
        await eve.send({ username: ben.username }, 'elsewhere');
        for (const text of texts) await ana.send({ username: ben.username }, text);
      })();
      const read = await readWithCuts(overSocket(ben, newMessages, { chatId: dialog.id }), start, (item) => item.message?.text === '19', random);
      await busy;
      await live.until((item) => item.message?.text === '19');
      expect(textsOf(read.handled), `seed ${seed}, round ${round}`).toEqual(texts);
      expect(textsOf(live.items)).toEqual(texts);
      expect(live.items.filter((item) => item.__typename === 'CaughtUp')).toEqual([]);
    }
  });

  it('what was sent between reading state with its eventCursor and subscribing', async () => {
    await using server = await startTestServer();
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    let over = false;
    const sending = (async () => {
      while (!over) await ana.send(room, 'more');
    })();
    for (let index = 0; index < rounds(10, 300); index++) {
      // Some of it is sent while the query runs, some between, some afterwards.
      const { eventCursor: after, chat } = await ben.must('query ($id: ID!) { eventCursor chat(id: $id) { lastSeq messages(last: 100) { nodes { seq text } } } }', { id: room.id });
      await sleep(index % 10);
      const stream = await ben.follow(events, { after });
      const { message } = await ana.send(room, 'the last');
      const items = await stream.until((item) => item.message?.seq === message.seq);
      const followed: number[] = messagesOf(items).map(({ seq }) => seq);
      const all = [...new Set<number>([...chat.messages.nodes.map(({ seq }: Untyped) => seq), ...followed])];
      expect(all).toEqual(Array.from({ length: all.length }, (_, at) => (all[0] as number) + at));
      expect(all.at(-1)).toBe(message.seq);
      expect(new Set(followed).size).toBe(followed.length);
      mustBeWellFormed(items, 'query, then subscribe');
      stream.stop();
    }
    over = true;
    await sending;
  });

  it('more than a page of the log and of the memory of a server', async () => {
    await using server = await startTestServer();
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    const start = await eventCursor(ben);
    const count = rounds(800, 6_000);
    for (let sent = 0; sent < count; sent += 200) await Promise.all(Array.from({ length: 200 }, (_, index) => ana.send(room, String(sent + index))));
    const expected = Array.from({ length: count }, (_, index) => index + 1);
    const first = await ben.follow(newMessages, { after: start });
    const before = await first.until('CaughtUp', 15_000);
    expect(messagesOf(before).map((message) => message.seq)).toEqual(expected);
    expect(before.at(-1)?.replayedCount).toBe(count);
    // In the middle of the replay, from where a client got to.
    const middle = before[Math.floor(count / 3)] as Item;
    await server.restart();
    const second = await ben.follow(newMessages, { after: middle.cursor });
    expect(messagesOf(await second.until('CaughtUp', 15_000)).map((message) => message.seq)).toEqual(expected.slice(middle.message.seq));
  });
});

/** What is compared: the place in the log and what it says. */
function identity({ __typename, cursor, message, chat, chatId }: Item): string {
  return `${__typename} ${cursor} ${message?.text ?? ''} ${chat?.id ?? chatId ?? ''}`;
}

/** Messages, and some of every other kind of event beside them. */
async function work(ana: Person, ben: Person, room: { id: string }, count: number, random: () => number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const { message } = await ana.send(room, `${index}`);
    const chance = random();
    if (chance < 0.1) await ana.must('mutation ($input: EditMessageInput!) { editMessage(input: $input) { __typename } }', { input: { messageId: message.id, text: `${index}` } });
    else if (chance < 0.2) await Promise.all([ana.createRoom({ members: [{ id: ben.id }] }), ana.send(room, `${index} a`), ben.send(room, `${index} b`)]);
    else if (chance < 0.3) await ana.must('mutation ($input: MarkReadInput!) { markRead(input: $input) { __typename } }', { input: { chatId: room.id, upToSeq: message.seq } });
    else if (chance < 0.35) await ana.send({ username: ben.username }, `${index} to you`);
    else if (chance < 0.4) await ana.must('mutation ($input: UpdateRoomInput!) { updateRoom(input: $input) { __typename } }', { input: { roomId: room.id, topic: `${index}` } });
    if (chance > 0.9) await sleep(random() * 10);
  }
  await ana.send(room, 'the end');
}

/** Reads until the last item, losing connections at random moments; a client may have handled less than has come. */
async function readWithCuts(connect: Connect, start: string, isLast: (item: Item) => boolean, random: () => number): Promise<{ handled: Item[]; connections: Item[][] }> {
  const handled: Item[] = [];
  const connections: Item[][] = [];
  for (let after = start; ; ) {
    const connection = connect(after);
    const { items } = connection;
    const chance = random();
    const enough = Math.floor(random() * 15);
    const due = (): boolean => (chance < 0.3 ? items.some((item) => item.__typename === 'CaughtUp') : items.length >= enough);
    // The beginning of the replay, its end, and the live part; and connections that end before anything comes.
    if (chance > 0.1)
      await until(
        () => due() || items.some(isLast) || connection.errors.length > 0,
        () => `nothing came; so far ${handled.length}, now ${JSON.stringify(items.slice(-3))}`,
        3_000,
      ).catch((error) => !items.length && Promise.reject(error));
    if (chance > 0.8) await sleep(random() * 20);
    expect(connection.errors).toEqual([]);
    const caughtUp = items.findIndex((item) => item.__typename === 'CaughtUp') + 1;
    const taken = items.slice(0, chance < 0.3 && caughtUp > 0 ? caughtUp : chance < 0.6 ? Math.ceil(random() * items.length) : items.length);
    await connection.cut();
    connections.push([...items]);
    handled.push(...taken.filter(isDurable));
    after = taken.findLast((item) => item.cursor)?.cursor ?? after;
    if (taken.some(isLast)) return { handled, connections };
  }
}

/** What was missed, one CaughtUp, what is live; nothing without it. */
function mustBeWellFormed(items: readonly Item[], said: string): void {
  expect(
    items.filter((item) => item.__typename === 'StreamGap'),
    said,
  ).toEqual([]);
  const marks = items.filter((item) => item.__typename === 'CaughtUp');
  const at = marks[0] ? items.indexOf(marks[0]) : items.length;
  expect(marks.length, said).toBeLessThanOrEqual(1);
  expect(
    items.slice(0, at).filter((item) => item.replayed !== true),
    said,
  ).toEqual([]);
  expect(
    items.slice(at + 1).filter((item) => item.replayed === true),
    said,
  ).toEqual([]);
  if (marks[0]) expect(marks[0].replayedCount, said).toBe(at);
}

function overSocket(person: Person, query: string, variables: Untyped = {}): Connect {
  return (after) => {
    const socket = person.socket();
    const connection: Connection = { items: [], errors: [], cut };
    let over = false;
    let lost = false;
    const end = (): void => void (over = true);
    socket.client.subscribe<Record<string, Item>>(
      { query, variables: { ...variables, after } },
      {
        next: ({ data, errors }) => {
          if (lost) return;
          connection.items.push(...Object.values(data ?? {}));
          connection.errors.push(...(errors ?? []));
        },
        error: (error) => {
          if (Array.isArray(error)) connection.errors.push(...error);
          end();
        },
        complete: end,
      },
    );
    return connection;
    async function cut(): Promise<void> {
      lost = true;
      await until(() => {
        socket.cut();
        return over;
      }, 'the socket could not be cut');
    }
  };
}

function overSse(person: Person, server: TestServer, query: string, variables: Untyped = {}): Connect {
  return (after) => {
    const controller = new AbortController();
    const connection: Connection = {
      items: [],
      errors: [],
      cut: async () => {
        controller.abort();
        await reading;
      },
    };
    const reading = read().catch((error: unknown) => {
      if (!controller.signal.aborted) connection.errors.push(error);
    });
    return connection;
    async function read(): Promise<void> {
      const headers = { 'content-type': 'application/json', accept: 'text/event-stream', authorization: `Bearer ${person.token}` };
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query, variables: { ...variables, after } }),
        signal: controller.signal,
      });
      let text = '';
      for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream() as never) as unknown as AsyncIterable<string>) {
        const frames = (text + chunk).split('\n\n');
        text = frames.pop() as string;
        for (const frame of frames) {
          const data = /^event: next\ndata: (.*)$/s.exec(frame)?.[1];
          if (!data || controller.signal.aborted) continue;
          const answer = JSON.parse(data) as { data?: Record<string, Item>; errors?: unknown[] };
          connection.items.push(...Object.values(answer.data ?? {}));
          connection.errors.push(...(answer.errors ?? []));
        }
      }
    }
  };
}
