/** examples/clients/urql.ts: the real urql with Graphcache against a real server whose line breaks. */
import { readFileSync } from 'node:fs';
import * as core from '@urql/core';
import { gql } from '@urql/core';
import { buildSchema, introspectionFromSchema } from 'graphql';
import * as urql from 'urql';
import { expect, it } from 'vitest';
import { createUrql, follow, sendWith } from '../../examples/clients/urql.ts';
import type { Untyped } from '../kit/person.ts';
import { endOthers, forgetOldEvents, startWorld, type World } from './kit.ts';
import { chatsDocument, collectWarnings, describeScreen, patient, roomDocument } from './screen.ts';

const schema = introspectionFromSchema(buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')));

describeScreen(open);

it('can be had from `urql` as from `@urql/core`', () => {
  expect(Object.keys(urql)).toEqual(expect.arrayContaining(Object.keys(core)));
});

it('is told when the session has ended', async () => {
  await using world = await startWorld();
  await using screen = await open(world);
  await endOthers(world.ben);
  await expect.poll(() => screen.told, patient).toEqual(['over']);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(screen.told).toEqual(['over']);
});

it('is told when events are missing, and begins anew', async () => {
  await using world = await startWorld({ EVENT_RETENTION_SECONDS: '1' });
  await world.ana.send(world.room, '1');
  await using screen = await open(world);
  world.line.cut();
  for (let seq = 2; seq <= 8; seq++) await world.ana.send(world.room, String(seq));
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  await forgetOldEvents(world.server);
  world.line.mend();
  await expect.poll(() => screen.told, patient).toEqual(['gap']);
  await screen[Symbol.asyncDispose]();
  await using anew = await open(world);
  expect(anew.texts()).toEqual(['4', '5', '6', '7', '8']);
});

/** The room's screen as urql keeps it. `told`: what was said of the stream. */
async function open(world: World) {
  const device = await world.signIn();
  const client = createUrql({ url: world.line.url, ...device, schema });
  const collected = collectWarnings();
  const document = gql(roomDocument);
  const variables = { id: world.room.id, last: 5 };
  let last: Untyped | undefined;
  const watching = client.query<Untyped>(document, variables).subscribe(({ data }) => (last = data));
  await expect.poll(() => last, patient).toBeDefined();
  const data = (): Untyped => last as Untyped;
  const told: string[] = [];
  const stop = follow(client, data().eventCursor, { gap: () => told.push('gap'), over: () => told.push('over') });
  await expect.poll(world.followers, patient).toBeGreaterThan(0);
  return {
    device,
    data,
    warnings: collected.warnings,
    told,
    texts: () => data().chat.messages.nodes.map(({ text }: Untyped) => text),
    older: () => client.query<Untyped>(document, { ...variables, before: data().chat.messages.pageInfo.startCursor }).toPromise(),
    async around(seq: number) {
      let messages: Untyped;
      const read = async (more: { after?: string }): Promise<void> => {
        const { data } = await client.query<Untyped>(document, { id: world.room.id, anchor: { aroundSeq: seq }, first: 3, ...more }).toPromise();
        messages = data?.chat.messages;
      };
      await read({});
      return { seqs: () => messages.nodes.map((message: Untyped) => message.seq), more: () => read({ after: messages.pageInfo.endCursor }) };
    },
    watchChats() {
      let names: string[] | undefined;
      const { unsubscribe } = client.query<Untyped>(gql(chatsDocument), {}).subscribe(({ data }) => (names = data?.chats.nodes.map(({ name }: Untyped) => name)));
      return { names: () => names, [Symbol.dispose]: unsubscribe };
    },
    mutate: async (mutation: string, given: Record<string, unknown>) => (await client.mutation<Untyped>(gql(mutation), given).toPromise()).data,
    send: sendWith(client),
    async [Symbol.asyncDispose](): Promise<void> {
      collected[Symbol.dispose]();
      stop();
      watching.unsubscribe();
    },
  };
}
