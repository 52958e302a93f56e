/** P5: a cursor from which a stream cannot go on is never met with silence: StreamGap where events are missing, an error where it never was a cursor. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createEventLog } from '../../src/events/event-log.ts';
import { startUpkeep } from '../../src/upkeep.ts';
import type { Follow, Person, Untyped } from '../kit/person.ts';
import { startTestServer, type TestServer } from '../kit/server.ts';
import { eventCursor, events, newMessages, sync } from './kit.ts';

const messageStatus =
  'subscription ($after: EventCursor) { messageStatus(after: $after) { __typename ... on MessageStatusChanged { cursor replayed } ... on CaughtUp { cursor replayedCount } ... on StreamGap { resumeFrom } } }';

describe('a cursor from which events are missing gives StreamGap, CaughtUp, and the stream is live', () => {
  it('older than the log', async () => {
    await using server = await startTestServer({ EVENT_RETENTION_SECONDS: '1' });
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    const old = await eventCursor(ben);
    await ana.send(room, 'forgotten');
    const edge = await eventCursor(ben);
    await sleep(1_100);
    await forgetOldEvents(server);
    await mustBeAGap(ana, ben, room, old);
    // Nothing was forgotten behind this one.
    const stream = await ben.follow(newMessages, { after: edge });
    expect((await stream.until('CaughtUp')).map((item) => item.__typename)).not.toContain('StreamGap');
    // Nor does a restart turn a gap into silence.
    await server.restart();
    await mustBeAGap(ana, ben, room, old);
  });

  it('overtaken while the reader is away in the middle of its replay', async () => {
    await using server = await startTestServer({ EVENT_RETENTION_SECONDS: '1' });
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    let after = await eventCursor(ben);
    for (let index = 0; index < 30; index++) await ana.send(room, String(index));
    const page = (await ben.must(sync, { after, first: 5 })).sync;
    expect(page.items).toHaveLength(5);
    after = page.endCursor;
    await sleep(1_100);
    await forgetOldEvents(server);
    const next = (await ben.must(sync, { after, first: 5 })).sync;
    expect(next.items.map((item: Untyped) => item.__typename)).toEqual(['StreamGap']);
    expect(next).toMatchObject({ hasMore: false, endCursor: next.items[0].resumeFrom });
    await ana.send(room, 'afterwards');
    const last = (await ben.must(sync, { after: next.endCursor })).sync;
    expect(last.items).toMatchObject([{ __typename: 'MessageAdded', message: { text: 'afterwards' } }, { __typename: 'NotificationAdded' }]);
  });

  it('from the future, or of another database', async () => {
    await using server = await startTestServer();
    await using other = await startTestServer();
    const [ana, ben] = (await server.people(2)) as [Person, Person];
    const room = await ana.createRoom({ members: [{ id: ben.id }] });
    const [version, log, number] = Buffer.from(await eventCursor(ben), 'base64url')
      .toString()
      .split('.');
    const cursors = [Number(number) + 1, Number(number) + 1_000, 999_999_999_999_999].map((at) => Buffer.from(`${version}.${log}.${at}.`).toString('base64url'));
    // As a later version may write them.
    const later = Buffer.from(`3.${log}.${number}.0.7`).toString('base64url');
    for (const after of [...cursors.slice(1), await eventCursor(await other.person()), later]) await mustBeAGap(ana, ben, room, after);
  });
});

it('what never was a cursor is refused, and the stream does not open', async () => {
  await using server = await startTestServer();
  const ana = await server.person();
  const room = await ana.createRoom();
  const cursor = await eventCursor(ana);
  const forged = (text: string): string => Buffer.from(text).toString('base64url');
  const garbage = [
    '',
    ' ',
    'x',
    'garbage',
    `${cursor}x`,
    ` ${cursor}`,
    cursor.slice(1),
    'seq:1',
    '0',
    forged('1.000000000000.-1'),
    forged('1.000000000000.1e3'),
    forged('1.000000000000.9007199254740993'),
    forged('2.000000000000.1'),
    '💥'.repeat(20),
    'A'.repeat(5_000),
  ];
  for (const after of garbage) {
    for (const [document, variables] of [
      [events, {}],
      [newMessages, {}],
      [newMessages, { chatId: room.id }],
      [messageStatus, {}],
    ] as const) {
      const stream = await ana.follow(document, { ...variables, after }, { on: ana.socket() });
      const { errors } = await stream.ended();
      expect(
        errors?.map((error) => error.extensions.code),
        JSON.stringify(after),
      ).toEqual(['BAD_REQUEST']);
      expect(stream.items).toEqual([]);
      // The client may go by itself; the server has no reason to close.
      expect(stream.closed?.code ?? 1000).toBe(1000);
      await stream.socket.close();
    }
    expect((await ana.request(sync, { after })).errors?.map((error) => error.extensions.code)).toEqual(['BAD_REQUEST']);
  }
  expect(server.followers()).toBe(0);
});

async function mustBeAGap(ana: Person, ben: Person, room: { id: string }, after: string): Promise<void> {
  const streams: Follow[] = await Promise.all([
    ben.follow(events, { after }),
    ben.follow(newMessages, { after }),
    ben.follow(newMessages, { after, chatId: room.id }),
    ben.follow(messageStatus, { after }),
  ]);
  const polled = (await ben.must(sync, { after })).sync;
  expect(polled.items.map((item: Untyped) => item.__typename)).toEqual(['StreamGap']);
  const { message } = await ana.send(room, 'live');
  await ana.must('mutation ($input: MarkReadInput!) { markRead(input: $input) { __typename } }', { input: { chatId: room.id, upToSeq: message.seq } });
  for (const stream of streams) {
    const gap = await stream.next(() => true);
    const caughtUp = await stream.next(() => true);
    expect([gap, caughtUp]).toMatchObject([{ __typename: 'StreamGap' }, { __typename: 'CaughtUp', replayedCount: 0, cursor: gap.resumeFrom }]);
    expect(await stream.next(() => true)).toMatchObject({ replayed: false });
    stream.stop();
    const again = await ben.follow(newMessages, { after: gap.resumeFrom });
    expect((await again.until('CaughtUp')).map((item) => item.message?.text)).toEqual(['live', undefined]);
    again.stop();
  }
}

/** What the server does by itself every minute. */
async function forgetOldEvents({ app }: TestServer): Promise<void> {
  const stop = startUpkeep({ ...app, eventLog: createEventLog(app) });
  await stop();
}
