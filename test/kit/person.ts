/** Somebody who uses the server as an app would: over fetch and graphql-ws. */
import { randomUUID } from 'node:crypto';
import { type Client, createClient } from 'graphql-ws';
import WebSocket from 'ws';

/** A document with its types (from test/generated), or a plain text. */
export type Document<Data, Variables> = string | (string & { __apiType?: (variables: Variables) => Data });
// biome-ignore lint/suspicious/noExplicitAny: what an untyped document answers is for the test to know
export type Untyped = Record<string, any>;
export type Answer<Data> = { data?: Data | null; errors?: readonly { message: string; path?: (string | number)[]; extensions: Untyped & { code: string } }[] };
export type Item = Untyped & { __typename: string };
export type Person = Awaited<ReturnType<typeof createPerson>>;
export type Socket = ReturnType<typeof createSocket>;
export type Follow = Awaited<ReturnType<Person['follow']>>;
/** Where people go. `followers` tells how many streams the server has open, where that can be known. */
export type Place = { url: string; followers?: () => number };

const patienceMs = 5_000;

/** Posts one operation. */
export async function request<Data = Untyped, Variables = Untyped>(
  place: Place,
  document: Document<Data, Variables>,
  variables?: Variables,
  headers: Record<string, string> = {},
): Promise<Answer<Data>> {
  const response = await fetch(`${place.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: String(document), variables }),
  });
  return (await response.json()) as Answer<Data>;
}

/** Registers a person, or takes the one whose tokens are given. */
export async function createPerson(
  place: Place,
  { username = `u${randomUUID().slice(0, 12)}`, password = 'correct horse battery' }: { username?: string; password?: string } = {},
) {
  const { data, errors } = await request(
    place,
    `mutation Register($input: RegisterInput!) {
      register(input: $input) { __typename ... on RegisterPayload { me { id } auth { accessToken refreshToken session { id } } } ... on UserError { code errorMessage } }
    }`,
    { input: { username, password } },
  );
  if (data?.register?.__typename !== 'RegisterPayload') throw new Error(`${username} could not register: ${JSON.stringify(data ?? errors)}`);
  const { me, auth } = data.register as Untyped;
  const open = new Set<Socket>();
  const person = {
    id: me.id as string,
    sessionId: auth.session.id as string,
    username,
    password,
    token: auth.accessToken as string,
    refreshToken: auth.refreshToken as string,
    request: <Data = Untyped, Variables = Untyped>(document: Document<Data, Variables>, variables?: Variables): Promise<Answer<Data>> =>
      request(place, document, variables, { authorization: `Bearer ${person.token}` }),
    must,
    send,
    createRoom,
    socket,
    follow,
    close,
  };
  return person;

  /** The data of an answer; throws when there are errors, or a mutation answers with one. */
  async function must<Data = Untyped, Variables = Untyped>(document: Document<Data, Variables>, variables?: Variables): Promise<Data> {
    const { data, errors } = await person.request(document, variables);
    const failed = Object.values((data ?? {}) as Untyped).find((value) => /Error$/.test((value as Untyped | null)?.__typename ?? ''));
    if (errors || failed || !data) throw new Error(JSON.stringify(errors ?? failed ?? data));
    return data;
  }

  /** Sends to a chat (by id) or person. Answers the payload with `message`, `duplicate` and `cursor`. */
  async function send(to: { username: string } | { id: string }, text: string, clientMessageId: string = randomUUID()): Promise<Untyped> {
    const target = 'username' in to ? { username: to.username } : { chatId: to.id };
    const sent = await must(
      `mutation Send($input: SendMessageInput!) {
        sendMessage(input: $input) { __typename ... on SendMessagePayload { message { id seq text chat { id } } duplicate cursor } ... on UserError { code errorMessage } }
      }`,
      { input: { to: target, text, clientMessageId } },
    );
    return sent.sendMessage;
  }

  async function createRoom(input: Untyped = {}): Promise<Untyped & { id: string }> {
    const created = await must(
      'mutation Room($input: CreateRoomInput!) { createRoom(input: $input) { __typename ... on CreateRoomPayload { room { id name } } ... on UserError { code errorMessage } } }',
      { input: { name: 'A room', ...input } },
    );
    return created.createRoom.room;
  }

  /** A graphql-ws client of this person, which does not come back by itself. */
  function socket(connectionParams: Untyped = { authorization: `Bearer ${person.token}` }): Socket {
    const made = createSocket(place, connectionParams);
    open.add(made);
    return made;
  }

  /** Opens a stream, on a socket of its own unless one is given, and resolves when the server has taken it up. */
  async function follow<Data = Untyped, Variables = Untyped>(document: Document<Data, Variables>, variables?: Variables, { on = socket() }: { on?: Socket } = {}) {
    return takenUp(place, on, () => createFollow(on, String(document), variables as Untyped | undefined));
  }

  async function close(): Promise<void> {
    await Promise.all([...open].map((each) => each.close()));
  }
}

function createSocket(place: Place, connectionParams: Untyped) {
  let closed: { code: number; reason: string } | null = null;
  let tell: (closed: { code: number; reason: string }) => void = () => {};
  const whenClosed = new Promise<{ code: number; reason: string }>((resolve) => (tell = resolve));
  let raw: WebSocket | null = null;
  const client: Client = createClient({
    url: `${place.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams,
    retryAttempts: 0,
    on: {
      opened: (opened) => (raw = opened as WebSocket),
      closed: (event) => {
        const { code, reason } = event as { code: number; reason: string };
        closed = { code, reason };
        tell(closed);
      },
    },
  });
  return {
    client,
    /** One query or mutation. */
    async request<Data = Untyped, Variables = Untyped>(document: Document<Data, Variables>, variables?: Variables): Promise<Answer<Data>> {
      for await (const answer of client.iterate({ query: String(document), variables: variables as Untyped })) return answer as Answer<Data>;
      throw new Error('no answer');
    },
    get closed() {
      return closed;
    },
    whenClosed: (timeoutMs = patienceMs) => within(whenClosed, timeoutMs, 'the socket did not close'),
    /** As when the network fails: nothing is said. */
    cut: (): void => raw?.terminate(),
    close: async (): Promise<void> => client.dispose(),
  };
}

function createFollow(socket: Socket, query: string, variables: Untyped | undefined) {
  const items: Item[] = [];
  let taken = 0;
  let over: { errors: Answer<unknown>['errors'] | null; cause: unknown } | null = null;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const look of waiting) look();
  };
  const stop = socket.client.subscribe<Record<string, Item>>(
    { query, variables },
    {
      next: ({ data, errors }) => {
        const [item] = Object.values(data ?? {});
        if (item) items.push(item);
        if (errors) over = { errors: errors as unknown as NonNullable<Answer<unknown>['errors']>, cause: null };
        wake();
      },
      error: (cause) => {
        over = { errors: Array.isArray(cause) ? cause : null, cause };
        wake();
      },
      complete: () => {
        over ??= { errors: null, cause: null };
        wake();
      },
    },
  );
  return {
    socket,
    /** Everything so far. */
    items,
    /** The errors that ended the stream, or null. */
    get errors() {
      return over?.errors ?? null;
    },
    get over() {
      return over !== null;
    },
    get closed() {
      return socket.closed;
    },
    next,
    until,
    stayQuiet,
    /** Resolves when the stream has ended, with its errors if there were any. */
    ended: (timeoutMs = patienceMs) => wait(() => (over ? { errors: over.errors } : undefined), timeoutMs, 'the stream did not end'),
    stop,
  };

  /** The next item that was not taken yet and fits; those before it are passed over. */
  async function next(fits: string | ((item: Item) => boolean) = () => true, timeoutMs = patienceMs): Promise<Item> {
    const last = (await until(fits, timeoutMs)).at(-1);
    return last as Item;
  }

  /** All items that were not taken yet up to the first that fits. */
  async function until(fits: string | ((item: Item) => boolean), timeoutMs = patienceMs): Promise<Item[]> {
    const matches = typeof fits === 'string' ? (item: Item) => item.__typename === fits : fits;
    const index = await wait(
      () => {
        const found = items.findIndex((item, at) => at >= taken && matches(item));
        if (found < 0 && over) throw new Error(`the stream ended: ${JSON.stringify(over.errors ?? items.at(-1) ?? null)}`);
        return found < 0 ? undefined : found;
      },
      timeoutMs,
      `no such item: ${String(fits)}`,
    );
    const found = items.slice(taken, index + 1);
    taken = index + 1;
    return found;
  }

  /** Fails when an item comes within this time, heartbeats aside. */
  async function stayQuiet(ms = 300): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    const loud = items.slice(taken).filter((item) => item.__typename !== 'Heartbeat');
    if (loud.length > 0) throw new Error(`not quiet: ${JSON.stringify(loud)}`);
  }

  async function wait<T>(look: () => T | undefined, timeoutMs: number, what: string): Promise<T> {
    let check = (): void => {};
    try {
      return await within(
        new Promise<T>((resolve, reject) => {
          check = () => {
            try {
              const found = look();
              if (found !== undefined) resolve(found);
            } catch (error) {
              reject(error);
            }
          };
          waiting.add(check);
          check();
        }),
        timeoutMs,
        () => `${what}; so far ${JSON.stringify(items.slice(-20))}`,
      );
    } finally {
      waiting.delete(check);
    }
  }
}

const openings = new WeakMap<Place, Promise<unknown>>();

/** graphql-ws does not say when a stream is open. Inside the server it can be counted, one opening at a time; elsewhere a later answer on the same socket must do. */
async function takenUp(place: Place, socket: Socket, open: () => ReturnType<typeof createFollow>): Promise<ReturnType<typeof createFollow>> {
  const { followers } = place;
  if (!followers) {
    const stream = open();
    await Promise.race([socket.request('{ __typename }').catch(() => {}), socket.whenClosed()]);
    return stream;
  }
  const turn = (openings.get(place) ?? Promise.resolve()).then(async () => {
    const before = followers();
    const stream = open();
    const deadline = Date.now() + 2_000;
    while (followers() <= before && !stream.over && stream.items.length === 0 && !socket.closed && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 2));
    return stream;
  });
  openings.set(place, turn);
  return turn;
}

async function within<T>(promise: Promise<T>, timeoutMs: number, what: string | (() => string)): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${typeof what === 'string' ? what : what()} (after ${timeoutMs} ms)`)), timeoutMs);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
