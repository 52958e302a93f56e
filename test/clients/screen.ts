/** What a screen of a room promises, whichever client with a cache keeps it: one suite, which the tests of Apollo Client and of urql run. */
import { describe, expect, it } from 'vitest';
import { createOutbox, type Send } from '../../examples/clients/outbox.ts';
import { change } from '../kit/outcome.ts';
import type { Untyped } from '../kit/person.ts';
import { type Device, startWorld, type World } from './kit.ts';

/** A screen of the room on a device of Ben's, as a client keeps it: at first with the five newest messages, and following what comes. */
export type Screen = AsyncDisposable & {
  device: Device;
  /** What the query of the room shows now. */
  data: () => Untyped;
  texts: () => (string | null)[];
  /** Puts the five messages before those that are shown in front of them. */
  older: () => Promise<unknown>;
  /** Another list of the same room: three messages around one, and `more` behind them. */
  around: (seq: number) => Promise<{ seqs: () => number[]; more: () => Promise<unknown> }>;
  /** The names of the chats, as a query for them shows them while it is watched. */
  watchChats: () => Disposable & { names: () => string[] | undefined };
  /** What a mutation answers. */
  mutate: (document: string, variables: Record<string, unknown>) => Promise<Untyped | undefined>;
  /** For the outbox. */
  send: Send;
  /** What the client has warned of so far. */
  warnings: readonly string[];
};

export const patient = { timeout: 15_000 };

export const roomDocument = /* GraphQL */ `
  query ScreenRoom($id: ID!, $last: Int, $before: String, $anchor: MessageAnchorInput, $first: Int, $after: String) {
    eventCursor
    chat(id: $id) {
      id
      name
      lastSeq
      my { unreadCount }
      messages(last: $last, before: $before, anchor: $anchor, first: $first, after: $after) {
        nodes { id seq text version sender { id username } }
        pageInfo { hasPreviousPage startCursor hasNextPage endCursor }
      }
    }
  }
`;

export const chatsDocument = /* GraphQL */ `
  query ScreenChats {
    chats(first: 20) {
      nodes { id name }
      pageInfo { endCursor hasNextPage }
    }
  }
`;

const editDocument = /* GraphQL */ `
  mutation ScreenEdit($id: ID!) {
    editMessage(input: { messageId: $id, text: "x" }) {
      __typename
      ... on UserError { code errorMessage }
      ... on NotFoundError { typeName }
    }
  }
`;

/** Runs the suite with screens that a client opens in worlds of `startWorld`. */
export function describeScreen(open: (world: World) => Promise<Screen>): void {
  describe('a screen of a room', () => {
    it('changes what a query shows when a message is sent, edited or deleted elsewhere', async () => {
      await using world = await startWorld();
      const { ana, room } = world;
      const { message } = await ana.send(room, 'helo');
      await using screen = await open(world);
      expect(screen.texts()).toEqual(['helo']);
      await change(ana, 'editMessage', { messageId: message.id, text: 'hello' });
      await expect.poll(screen.texts, patient).toEqual(['hello']);
      await ana.send(room, 'again');
      await expect.poll(screen.texts, patient).toEqual(['hello', 'again']);
      expect(screen.data().chat).toMatchObject({ lastSeq: 2, my: { unreadCount: 2 } });
      await change(ana, 'deleteMessage', { messageId: message.id });
      await expect.poll(screen.texts, patient).toEqual([null, 'again']);
      await change(world.ben, 'markRead', { chatId: room.id, upToSeq: 2 });
      await expect.poll(() => screen.data().chat.my, patient).toMatchObject({ unreadCount: 0 });
      expect(screen.warnings).toEqual([]);
    });

    it('shows after a cut what was missed, each message once', async () => {
      await using world = await startWorld();
      const { ana, room, line } = world;
      await ana.send(room, '1');
      await using screen = await open(world);
      line.cut();
      for (const text of ['2', '3']) await ana.send(room, text);
      line.mend();
      await expect.poll(screen.texts, patient).toEqual(['1', '2', '3']);
      await ana.send(room, '4');
      await expect.poll(screen.texts, patient).toEqual(['1', '2', '3', '4']);
    });

    it('goes on after 4403 with a fresh token', async () => {
      await using world = await startWorld({ ACCESS_TOKEN_SECONDS: '2' });
      await using screen = await open(world);
      await expect.poll(world.followers, patient).toBe(0);
      const { accessToken } = screen.device.store.get() ?? {};
      const other = await world.server.person();
      await change(other, 'joinChat', { room: { id: world.room.id } });
      await other.send(world.room, 'later');
      await expect.poll(screen.texts, patient).toEqual(['later']);
      expect(screen.device.store.get()?.accessToken).not.toBe(accessToken);
    });

    it('joins pages of messages, in both directions and around a place', async () => {
      await using world = await startWorld();
      for (let seq = 1; seq <= 12; seq++) await world.ana.send(world.room, String(seq));
      await using screen = await open(world);
      expect(screen.texts()).toEqual(['8', '9', '10', '11', '12']);
      await screen.older();
      await expect.poll(screen.texts, patient).toEqual(['3', '4', '5', '6', '7', '8', '9', '10', '11', '12']);
      await world.ana.send(world.room, '13');
      await expect.poll(() => screen.texts().at(-1), patient).toBe('13');
      await screen.older();
      await expect.poll(screen.texts, patient).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11', '12', '13']);
      expect(screen.data().chat.messages.pageInfo).toMatchObject({ hasPreviousPage: false, hasNextPage: false });
      const around = await screen.around(5);
      expect(around.seqs()).toEqual([4, 5, 6]);
      await around.more();
      await expect.poll(around.seqs, patient).toEqual([4, 5, 6, 7, 8, 9]);
      expect(screen.texts()).toHaveLength(13);
    });

    it('shows a message while it is on its way, and sends it once over lost answers and cuts', async () => {
      await using world = await startWorld();
      const { ana, room, line } = world;
      await using screen = await open(world);
      const outbox = createOutbox({ send: screen.send, changed: () => {} });
      const shown = () => [...screen.texts(), ...outbox.waiting().map(({ text }) => `${text} …`)];
      line.loseAnswers(1);
      outbox.say(room.id, 'a');
      expect(shown()).toEqual(['a …']);
      await expect.poll(shown, patient).toEqual(['a']);
      line.cut();
      outbox.say(room.id, 'c');
      await ana.send(room, 'b');
      expect(shown()).toEqual(['a', 'c …']);
      line.mend();
      await expect.poll(shown, patient).toEqual(['a', 'b', 'c']);
    });

    it('shows chats that come and go', async () => {
      await using world = await startWorld();
      await using screen = await open(world);
      using chats = screen.watchChats();
      await expect.poll(chats.names, patient).toEqual(['A room']);
      const other = await world.ana.createRoom({ name: 'Another', members: [{ id: world.ben.id }] });
      await expect.poll(chats.names, patient).toEqual(['Another', 'A room']);
      await change(world.ana, 'deleteRoom', { roomId: other.id });
      await expect.poll(chats.names, patient).toEqual(['A room']);
    });

    it('has errors as data', async () => {
      await using world = await startWorld();
      await using screen = await open(world);
      const data = await screen.mutate(editDocument, { id: 'garbage' });
      expect(data?.editMessage).toMatchObject({ __typename: 'NotFoundError', code: 'NOT_FOUND', errorMessage: expect.any(String), typeName: 'Message' });
    });
  });
}

/** What is written to the console as a warning or an error, until it is disposed. */
export function collectWarnings(): Disposable & { warnings: readonly string[] } {
  const warnings: string[] = [];
  const { warn, error } = console;
  console.warn = console.error = (...words) => warnings.push(words.map(String).join(' '));
  return { warnings, [Symbol.dispose]: () => void Object.assign(console, { warn, error }) };
}
