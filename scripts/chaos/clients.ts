/** Who uses the servers meanwhile: writers that try elsewhere with the same `clientMessageId`, and readers that come back elsewhere with their cursor. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import type { Random } from './random.ts';

type Place = { readonly url: string };
export type Account = { id: string; username: string; token: string };
/** What a message is, as far as anybody has seen. */
export type Version = { id: string; chatId: string; seq: number; text: string | null; version: number; deleted: boolean };
/** What a writer was told. `text` is null when it was told that the message is deleted. */
export type Acknowledged = { id: string; chatId: string; seq: number; first: string; text: string | null; at: number; edits: number };
// biome-ignore lint/suspicious/noExplicitAny: answers of documents that stand beside their use
type Answer = any;

const messageFields = 'id seq text version deletedAt chat { id }';
const toVersion = (message: Answer): Version => ({
  id: message.id,
  chatId: message.chat.id,
  seq: message.seq,
  text: message.text,
  version: message.version,
  deleted: message.deletedAt !== null,
});

export async function ask(place: Place, query: string, variables: object = {}, token?: string, patienceMs = 3_000): Promise<Answer> {
  const response = await fetch(`${place.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(patienceMs),
  });
  const { data, errors } = await response.json();
  if (errors || !data) throw Object.assign(new Error(JSON.stringify(errors)), { code: errors?.[0]?.extensions?.code });
  return data;
}

export async function register(place: Place): Promise<Account> {
  const username = `c${randomUUID().slice(0, 12)}`;
  const { register: made } = await ask(
    place,
    'mutation ($input: RegisterInput!) { register(input: $input) { ... on RegisterPayload { me { id } auth { accessToken } } } }',
    { input: { username, password: 'correct horse battery' } },
    undefined,
    20_000,
  );
  return { id: made.me.id, username, token: made.auth.accessToken };
}

/** Writes until it is told to stop, and then until what it has begun is acknowledged. */
export function startWriter({
  account,
  places,
  chatIds,
  random,
  pauseMs,
}: {
  account: Account;
  places: readonly Place[];
  chatIds: readonly string[];
  random: Random;
  pauseMs: number;
}) {
  const acknowledged: Acknowledged[] = [];
  const attempted = new Set<string>();
  const refused: string[] = [];
  let [stopping, tries] = [false, 0];
  const running = (async () => {
    for (let round = 0; !stopping; round++) {
      const mine = acknowledged.filter(({ text }) => text !== null);
      const choice = random.next();
      if (choice < 0.1 && mine.length > 0) await edit(random.any(mine), `${account.username} ${round}, edited`);
      else if (choice < 0.15 && mine.length > 0) await remove(random.any(mine));
      else await send(random.any(chatIds), `${account.username} ${round}`);
      if (pauseMs > 0) await sleep(random.between(0, 2 * pauseMs));
    }
  })();
  return {
    account,
    acknowledged,
    /** Every text that was ever sent, acknowledged or not. */
    attempted,
    /** Answers that no fault explains. */
    refused,
    tries: (): number => tries,
    async stop(): Promise<void> {
      stopping = true;
      await running;
    },
  };

  async function send(chatId: string, text: string): Promise<void> {
    attempted.add(text);
    const input = { to: { chatId }, text, clientMessageId: randomUUID() };
    const { sendMessage } = await insist(
      `mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename ... on SendMessagePayload { message { ${messageFields} } } ... on UserError { code } } }`,
      { input },
    );
    if (!sendMessage.message) return void refused.push(`send: ${JSON.stringify(sendMessage)}`);
    const { id, seq } = sendMessage.message;
    acknowledged.push({ id, chatId, seq, first: text, text, at: performance.now(), edits: 0 });
  }

  async function edit(message: Acknowledged, text: string): Promise<void> {
    attempted.add(text);
    const { editMessage } = await insist('mutation ($input: EditMessageInput!) { editMessage(input: $input) { __typename ... on UserError { code } } }', {
      input: { messageId: message.id, text },
    });
    if (/Error$/.test(editMessage.__typename)) return void refused.push(`edit: ${JSON.stringify(editMessage)}`);
    message.text = text;
    message.edits++;
  }

  async function remove(message: Acknowledged): Promise<void> {
    const { deleteMessage } = await insist('mutation ($input: DeleteMessageInput!) { deleteMessage(input: $input) { __typename ... on UserError { code } } }', {
      input: { messageId: message.id },
    });
    if (/Error$/.test(deleteMessage.__typename)) return void refused.push(`delete: ${JSON.stringify(deleteMessage)}`);
    message.text = null;
  }

  /** Asks one server after the other until one has answered. What no fault explains is thrown. */
  async function insist(document: string, variables: object): Promise<Answer> {
    for (;;) {
      tries++;
      try {
        return await ask(random.any(places), document, variables, account.token);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code && /^[A-Z_]+$/.test(code) && !/^(UNAVAILABLE|ECONN|EPIPE|UND_|ABORT|RATE_LIMITED)/.test(code)) refused.push((error as Error).message);
        await sleep(50 + random.next() * 100);
      }
    }
  }
}

/** Follows everything of an account, from server to server. */
export function startReader({ account, places, after, random }: { account: Account; places: readonly Place[]; after: string; random: Random }) {
  /** MessageAdded in the order of their coming, by chat. */
  const added = new Map<string, number[]>();
  const versions = new Map<string, Version>();
  const arrivedAt = new Map<string, number>();
  const problems: string[] = [];
  let cursor = after;
  let [gaps, connects, stopped] = [0, 0, false];
  let silentSince = performance.now();
  let longestSilenceMs = 0;
  let socket: WebSocket | null = null;
  const document = `subscription ($after: EventCursor) { events(after: $after, filter: { kinds: [MESSAGES] }) { __typename ... on StreamEvent { cursor }
    ... on MessageAdded { message { ${messageFields} } } ... on MessageEdited { message { ${messageFields} } } ... on MessageDeleted { message { ${messageFields} } }
    ... on CaughtUp { cursor } ... on StreamGap { resumeFrom } ... on SessionEnded { endReason } } }`;
  const running = (async () => {
    while (!stopped) {
      await connect(random.any(places)).catch(() => {});
      if (!stopped) await sleep(50 + random.next() * 150);
    }
  })();
  return {
    account,
    added,
    versions,
    arrivedAt,
    problems,
    gaps: (): number => gaps,
    connects: (): number => connects,
    /** The longest time without a word of any server, heartbeats too. */
    longestSilenceMs: (): number => Math.max(longestSilenceMs, performance.now() - silentSince),
    count: (): number => [...added.values()].reduce((sum, seqs) => sum + seqs.length, 0),
    async stop(): Promise<void> {
      stopped = true;
      socket?.close(1000);
      await running;
    },
  };

  function connect(place: Place): Promise<void> {
    connects++;
    return new Promise((resolve) => {
      const opened = new WebSocket(`${place.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { handshakeTimeout: 3_000 });
      socket = opened;
      // A server that lives says something every second.
      let patience = setTimeout(() => opened.terminate(), 4_000);
      opened.on('error', () => {});
      opened.on('open', () => opened.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${account.token}` } })));
      opened.on('message', (data) => {
        clearTimeout(patience);
        patience = setTimeout(() => opened.terminate(), 4_000);
        const { type, payload } = JSON.parse(String(data));
        if (type === 'connection_ack') opened.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query: document, variables: { after: cursor } } }));
        if (type === 'ping') opened.send('{"type":"pong"}');
        if (type === 'error') opened.close(1000);
        if (type === 'next' && payload.data?.events) take(payload.data.events);
      });
      opened.on('close', () => {
        clearTimeout(patience);
        resolve();
      });
    });
  }

  function take(item: Answer): void {
    const now = performance.now();
    longestSilenceMs = Math.max(longestSilenceMs, now - silentSince);
    silentSince = now;
    if (item.__typename === 'StreamGap') {
      gaps++;
      cursor = item.resumeFrom;
    }
    if (item.cursor) cursor = item.cursor;
    if (!item.message) return;
    const version = toVersion(item.message);
    if (item.__typename === 'MessageAdded') {
      const seqs = added.get(version.chatId) ?? [];
      added.set(version.chatId, seqs);
      if (version.seq !== (seqs.at(-1) ?? 0) + 1) problems.push(`${item.__typename} ${version.seq} after ${seqs.at(-1) ?? 0}`);
      seqs.push(version.seq);
      arrivedAt.set(version.id, now);
    }
    const known = versions.get(version.id);
    if (!known || version.version >= known.version || version.deleted) versions.set(version.id, version);
  }
}

/** All messages of a chat as a server has them. */
export async function readHistory(place: Place, { token }: Account, chatId: string): Promise<Version[]> {
  const found: Version[] = [];
  for (let after: string | null = null; ; ) {
    const { chat }: Answer = await ask(
      place,
      `query ($id: ID!, $after: String) { chat(id: $id) { messages(first: 100, after: $after) { nodes { ${messageFields} } pageInfo { hasNextPage endCursor } } } }`,
      { id: chatId, after },
      token,
      10_000,
    );
    found.push(...chat.messages.nodes.map(toVersion));
    if (!chat.messages.pageInfo.hasNextPage) return found;
    after = chat.messages.pageInfo.endCursor;
  }
}
