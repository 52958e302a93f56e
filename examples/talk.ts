/**
 * `npm run example [-- http://host:port]`: two people talk over graphql-ws against a running server. One is cut off in the middle and resumes with the last
 * cursor. Prints what happens; ends with 0 when every message arrived once and in order, with 1 otherwise.
 */
import { randomUUID } from 'node:crypto';
import { type Client, createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { graphql } from '../test/generated/gql.ts';
import type { NewInTalkSubscription, TypedDocumentString } from '../test/generated/graphql.ts';

const registerDocument = graphql(`
  mutation RegisterToTalk($input: RegisterInput!) {
    register(input: $input) {
      __typename
      ... on RegisterPayload { me { id username } auth { accessToken } }
      ... on UserError { code errorMessage }
    }
  }
`);
const positionDocument = graphql(`
  query PositionInTalk {
    eventCursor
  }
`);
const sendDocument = graphql(`
  mutation SendInTalk($to: String!, $text: String!, $clientMessageId: String!) {
    sendMessage(input: { to: { username: $to }, text: $text, clientMessageId: $clientMessageId }) {
      __typename
      ... on SendMessagePayload { message { id seq } duplicate }
      ... on UserError { code errorMessage }
    }
  }
`);
const newMessagesDocument = graphql(`
  subscription NewInTalk($after: EventCursor) {
    newMessages(after: $after) {
      __typename
      ... on MessageAdded { cursor replayed message { id seq text sender { username } } }
      ... on CaughtUp { cursor replayedCount }
      ... on StreamGap { resumeFrom }
      ... on Heartbeat { cursor }
      ... on SessionEnded { endReason retry }
    }
  }
`);

type Item = NewInTalkSubscription['newMessages'];

const [, , address = 'http://127.0.0.1:4000'] = process.argv;
const url = new URL('/graphql', address);
url.protocol = url.protocol.replace('http', 'ws');

try {
  await talk();
  console.log('Nothing was lost, and nothing came twice.');
} catch (error) {
  console.error(`The talk failed: ${error instanceof Error ? error.message : describe(error)}`);
  process.exitCode = 1;
}

async function talk(): Promise<void> {
  await using ada = await arrive('ada');
  await using bob = await arrive('bob');
  const listening = bob.listen();

  await ada.say(bob, 'Hello, Bob!');
  await ada.say(bob, 'How was the market?');
  await bob.hasHeard(2);
  await bob.say(ada, 'Full of oranges.');
  await bob.hasHeard(3);

  bob.cut();
  await ada.say(bob, 'Did you bring some?');
  const retried = await ada.say(bob, 'Bob?');
  await ada.say(bob, 'Bob?', retried);
  console.log('bob    comes back and asks for what followed his last cursor');
  bob.comeBack();
  await bob.hasHeard(5);

  await ada.say(bob, 'There you are.');
  await bob.hasHeard(6);
  bob.leave();
  await listening;

  const seqs = bob.heard.map((message) => message.seq);
  if (seqs.join() !== '1,2,3,4,5,6') throw new Error(`bob heard ${seqs.join(', ')} instead of 1 to 6`);
  if (bob.caughtUp !== 2) throw new Error(`bob was told ${bob.caughtUp} times that he had caught up, instead of once after each start`);
}

/** Registers somebody under a fresh name and connects. */
async function arrive(name: string) {
  const username = `${name}-${randomUUID().slice(0, 8)}`;
  const device = { kind: 'BOT', name: 'examples/talk.ts' } as const;
  const anonymous = connect();
  const { register } = await ask(anonymous.client, registerDocument, { input: { username, password: randomUUID(), device } });
  await anonymous.client.dispose();
  if (register?.__typename !== 'RegisterPayload') throw new Error(`${username} could not register: ${register?.errorMessage}`);
  const { client, sockets } = connect(register.auth.accessToken);
  console.log(`${name}    is there, as ${username}`);

  const heard: Extract<Item, { __typename: 'MessageAdded' }>['message'][] = [];
  // Where to go on: taken before anything happens, then moved with each item that was handled.
  let { eventCursor: cursor } = await ask(client, positionDocument, {});
  let caughtUp = 0;
  let here = true;
  let failure: unknown;
  let wake = (): void => {};
  let backAgain = Promise.resolve();
  let comeBack = (): void => {};
  return {
    username,
    heard,
    say,
    listen,
    hasHeard,
    cut,
    comeBack: () => comeBack(),
    leave,
    get caughtUp() {
      return caughtUp;
    },
    [Symbol.asyncDispose]: async () => void (await client.dispose()),
  };

  /** Says something under an id chosen before the first try, so that a second try cannot say it twice. Returns the id. */
  async function say(to: { username: string }, text: string, id: string = randomUUID()): Promise<string> {
    const { sendMessage } = await ask(client, sendDocument, { to: to.username, text, clientMessageId: id });
    if (sendMessage?.__typename !== 'SendMessagePayload') throw new Error(`${name} could not say it: ${sendMessage?.errorMessage}`);
    console.log(
      `${name}    says ${JSON.stringify(text)}${sendMessage.duplicate ? ' again, as if the answer had been lost: it was stored before' : ''} (seq ${sendMessage.message.seq})`,
    );
    return id;
  }

  /** One loop for the whole time: subscribe behind the last cursor, handle, and when the line is cut, once more. */
  async function listen(): Promise<void> {
    while (here) {
      try {
        for await (const { data, errors } of client.iterate<NewInTalkSubscription>({ query: String(newMessagesDocument), variables: { after: cursor } })) {
          if (!data) throw new Error(describe(errors));
          handle(data.newMessages);
          if (!here) return;
        }
      } catch (error) {
        if (!isCut(error)) {
          failure = error;
          return wake();
        }
        console.log(`${name}    was cut off after seq ${heard.at(-1)?.seq}`);
        await backAgain;
      }
    }
  }

  function handle(item: Item): void {
    if (item.__typename === 'MessageAdded') {
      const { message, replayed } = item;
      heard.push(message);
      console.log(`${name}    hears ${JSON.stringify(message.text)} (seq ${message.seq}${replayed ? ', missed before' : ''})`);
    }
    if (item.__typename === 'CaughtUp') {
      caughtUp++;
      console.log(`${name}    has caught up: ${item.replayedCount} replayed`);
    }
    if (item.__typename === 'StreamGap') throw new Error('the server’s log does not reach back to the cursor');
    if (item.__typename === 'SessionEnded') throw new Error(`the session ended: ${item.endReason}`);
    if ('cursor' in item) cursor = item.cursor;
    wake();
  }

  async function hasHeard(count: number): Promise<void> {
    const tooLate = AbortSignal.timeout(10_000);
    tooLate.addEventListener('abort', () => wake());
    while (heard.length < count) {
      if (failure) throw failure;
      if (tooLate.aborted) throw new Error(`${name} heard ${heard.length} messages instead of ${count}`);
      await new Promise<void>((resolve) => (wake = resolve));
    }
  }

  /** Destroys the connection, as a tunnel would: no goodbye in either direction. */
  function cut(): void {
    backAgain = new Promise((resolve) => (comeBack = resolve));
    for (const socket of sockets) socket.terminate();
  }

  function leave(): void {
    here = false;
    void client.dispose();
  }
}

/** A client whose sockets can be cut. It does not retry by itself: it would subscribe with the cursor of the beginning again. */
function connect(accessToken?: string | null): { client: Client; sockets: Set<WebSocket> } {
  const sockets = new Set<WebSocket>();
  class Cuttable extends WebSocket {
    constructor(...args: ConstructorParameters<typeof WebSocket>) {
      super(...args);
      sockets.add(this);
      this.on('close', () => sockets.delete(this));
    }
  }
  const connectionParams = accessToken ? { authorization: `Bearer ${accessToken}` } : {};
  return { client: createClient({ url: url.href, webSocketImpl: Cuttable, connectionParams, retryAttempts: 0, lazyCloseTimeout: 1_000, onNonLazyError: () => {} }), sockets };
}

/** One answer to a query or mutation. */
async function ask<Result, Variables>(client: Client, document: TypedDocumentString<Result, Variables>, variables: Variables): Promise<Result> {
  for await (const { data, errors } of client.iterate<Result>({ query: String(document), variables: variables as Record<string, unknown> })) {
    if (!data || errors) throw new Error(describe(errors));
    return data;
  }
  throw new Error('no answer');
}

/** graphql-ws throws the close event of a socket. */
function isCut(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && [1005, 1006].includes(error.code as number);
}

function describe(problem: unknown): string {
  if (Array.isArray(problem)) return problem.map((error: { message: string }) => error.message).join(' ');
  const { code, reason, message } = problem as { code?: number; reason?: string; message?: string };
  return message || `the connection was closed (${code} ${reason})`;
}
