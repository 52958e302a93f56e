/** An operator's plugins: they see every operation, and what one refuses is refused, whatever the operation comes by. Examples of servers with plugins are run. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApolloClient, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { createClient, fetchExchange, gql } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { GraphQLError, type ValidationContext } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { OperatorPlugin } from '../src/api/pipeline.ts';
import { databaseUrl } from './kit/engine.ts';
import { openRawSocket } from './kit/raw-socket.ts';
import { startTestServer, temporaryFolder, testSettings } from './kit/server.ts';

type Answer = { data?: Record<string, unknown> | null; errors?: { message: string; extensions: Record<string, unknown> }[] };
type Asked = { query?: string; variables?: object; extensions?: object; token?: string | undefined };
/** Every way there is. */
const ways: Record<string, (url: string, asked: Asked) => Promise<Answer>> = {
  'a POST': (url, asked) => post(url, asked, 'application/json'),
  'a GET': async (url, { query = '', extensions, token }) => {
    const search = new URLSearchParams({ ...(query ? { query } : {}), ...(extensions ? { extensions: JSON.stringify(extensions) } : {}) });
    return (await fetch(`${url}/graphql?${search}`, { headers: token ? { authorization: `Bearer ${token}` } : {} })).json() as Promise<Answer>;
  },
  'Server-Sent Events': (url, asked) => post(url, asked, 'text/event-stream'),
  'a WebSocket': async (url, { token, ...payload }) => {
    using socket = await openRawSocket({ url }, { init: token ? { accessToken: token } : true });
    socket.send({ id: '1', type: 'subscribe', payload });
    const message = await socket.message(({ id }) => id === '1');
    return (message.type === 'error' ? { errors: message.payload } : message.payload) as Answer;
  },
};

async function post(url: string, { token, ...body }: Asked, accept: string): Promise<Answer> {
  const headers = { 'content-type': 'application/json', accept, ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (accept !== 'text/event-stream') return response.json() as Promise<Answer>;
  // The first item; the stream is left then.
  let text = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    const [, data] = /^event: next\ndata: (.*)$/m.exec(text) ?? [];
    if (data !== undefined) return JSON.parse(data) as Answer;
  }
  throw new Error(`no item came: ${text}`);
}

describe('an operator’s plugin', () => {
  it('sees every hook of an operation on every transport, and who asks', async () => {
    const seen: string[] = [];
    const note = (hook: string): void => void seen.push(hook);
    /** Notes one hook, and hands on what it has to say. */
    const noted = <T>(hook: string, answer: T): T => {
      seen.push(hook);
      return answer;
    };
    const probe: OperatorPlugin = {
      onEnveloped: () => note('onEnveloped'),
      onParams: () => note('onParams'),
      onParse: () => noted('onParse', () => note('onParseDone')),
      onValidate: () => noted('onValidate', () => note('onValidateDone')),
      onContextBuilding: ({ context }) => note(`onContextBuilding ${context.own?.viewer ? 'of somebody' : 'of nobody'}`),
      onExecute: () => noted('onExecute', { onExecuteDone: () => note('onExecuteDone') }),
      onSubscribe: () => noted('onSubscribe', { onSubscribeResult: () => noted('onSubscribeResult', { onNext: () => note('onNext'), onEnd: () => note('onEnd') }) }),
      onExecutionResult: () => note('onExecutionResult'),
    };
    await using server = await startTestServer({}, [probe]);
    const person = await server.person();
    const before = ['onEnveloped', 'onParams', 'onParse', 'onParseDone', 'onValidate', 'onValidateDone', 'onContextBuilding of somebody'];
    for (const [way, ask] of Object.entries(ways)) {
      seen.length = 0;
      expect((await ask(server.url, { query: '{ me { username } }', token: person.token })).data, way).toEqual({ me: { username: person.username } });
      expect([way, seen.toSorted()]).toEqual([way, [...before, 'onExecute', 'onExecuteDone', 'onExecutionResult'].toSorted()]);
    }
    const query = `subscription { events(after: "${await eventCursor(server.url, person.token)}") { __typename } }`;
    for (const way of ['Server-Sent Events', 'a WebSocket']) {
      seen.length = 0;
      expect(await ways[way]?.(server.url, { query, token: person.token }), way).toEqual({ data: { events: { __typename: 'CaughtUp' } } });
      await expect.poll(() => [way, seen.toSorted()]).toEqual([way, [...before, 'onSubscribe', 'onSubscribeResult', 'onNext', 'onEnd', 'onExecutionResult'].toSorted()]);
    }
  });

  it('sees requests and responses, and then no POST passes Yoga’s HTTP layer by', async () => {
    const seen: string[] = [];
    const probe: OperatorPlugin = {
      onRequest: ({ request }) => void seen.push(`${request.method} ${request.headers.get('x-told')}`),
      onRequestParse: () => void seen.push('parse'),
      onResultProcess: () => void seen.push('result'),
      onResponse: ({ response }) => {
        seen.push(String(response.status));
        response.headers.set('x-answered-by', 'a plugin');
      },
    };
    // Also where one plugin brings the other along.
    const bringing: OperatorPlugin = { onPluginInit: ({ addPlugin }) => addPlugin(probe as never) };
    for (const plugin of [probe, bringing]) {
      seen.length = 0;
      await using server = await startTestServer({}, [plugin]);
      const headers = { 'content-type': 'application/json', 'x-told': 'by the client' };
      const response = await fetch(`${server.url}/graphql`, { method: 'POST', headers, body: '{"query":"{ __typename }"}' });
      expect([response.status, response.headers.get('x-answered-by'), await response.json()]).toEqual([200, 'a plugin', { data: { __typename: 'Query' } }]);
      expect(seen).toEqual(['POST by the client', 'parse', 'result', '200']);
    }
  });

  it('adds a rule that documents must keep', async () => {
    const noContacts = (context: ValidationContext) => ({
      Field: (node: { name: { value: string } }) =>
        void (node.name.value === 'chats' && context.reportError(new GraphQLError('This server does not list chats.', { nodes: node as never }))),
    });
    await using server = await startTestServer({}, [{ onValidate: ({ addValidationRule }) => addValidationRule(noContacts) }]);
    const { token } = await server.person();
    for (const [way, ask] of Object.entries(ways)) {
      for (let time = 1; time <= 2; time++) {
        const { data, errors } = await ask(server.url, { query: '{ chats { totalCount } }', token });
        expect([way, data, errors?.[0]?.message, errors?.[0]?.extensions]).toEqual([way, undefined, 'This server does not list chats.', { code: 'BAD_REQUEST' }]);
      }
      expect((await ask(server.url, { query: '{ me { id } }', token })).errors, way).toBeUndefined();
    }
  });

  it('that throws a text instead of an error is nobody’s to read either, in any hook and on every transport', async () => {
    const hooks = ['onParams', 'onParse', 'onValidate', 'onContextBuilding', 'onEnveloped', 'onExecute', 'onExecutionResult'];
    let throwing = '';
    const plugins = hooks.map((hook) => ({
      [hook]: () => {
        if (throwing === hook) throw 'secret: hunter2';
      },
    })) as OperatorPlugin[];
    await using server = await startTestServer({}, plugins);
    for (throwing of hooks) {
      for (const [way, ask] of Object.entries(ways)) {
        const { errors } = await ask(server.url, { query: '{ serverInfo { time } }' });
        expect([throwing, way, errors?.[0]?.message, errors?.[0]?.extensions.code]).toEqual([throwing, way, 'Something went wrong on the server.', 'INTERNAL_SERVER_ERROR']);
      }
    }
  });

  it('refuses an operation before anything of it is done, and its own mistakes are nobody’s to read', async () => {
    const rules: OperatorPlugin = {
      onExecute({ args, setResultAndStopExecution }) {
        const text = JSON.stringify(args.variableValues ?? {});
        if (text.includes('breaks')) throw new Error('at /srv/plugin.ts:1');
        if (text.includes('refused'))
          setResultAndStopExecution({ errors: [new GraphQLError('Not here.', { extensions: { code: 'NOT_HERE', http: { status: 451 }, secret: 'x' } })] });
      },
      onSubscribe({ setResultAndStopExecution }) {
        setResultAndStopExecution({ errors: [new GraphQLError('No streams here.', { extensions: { code: 'NO_STREAMS' } })] } as never);
      },
    };
    await using server = await startTestServer({}, [rules]);
    const [sender, reader] = await server.people(2);
    const query = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }';
    const send = (way: string, text: string) =>
      (ways[way] as (typeof ways)[string])(server.url, {
        query,
        variables: { input: { to: { username: reader?.username }, text, clientMessageId: `${way} ${text}` } },
        token: sender?.token,
      });
    for (const way of Object.keys(ways).filter((name) => name !== 'a GET')) {
      expect([way, (await send(way, 'refused')).errors?.[0]]).toEqual([way, { message: 'Not here.', extensions: { code: 'NOT_HERE' } }]);
      expect([way, (await send(way, 'breaks')).errors?.[0]?.extensions.code]).toEqual([way, 'INTERNAL_SERVER_ERROR']);
      expect(JSON.stringify(await send(way, 'breaks'))).not.toContain('plugin.ts');
    }
    for (const way of ['Server-Sent Events', 'a WebSocket']) {
      const answer = await ways[way]?.(server.url, { query: 'subscription { events { __typename } }', token: sender?.token as string });
      expect([way, answer?.errors?.[0]?.extensions.code]).toEqual([way, 'NO_STREAMS']);
    }
    const { data } = await post(server.url, { query: '{ chats { totalCount } }', token: reader?.token }, 'application/json');
    expect(data).toEqual({ chats: { totalCount: 0 } });
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${sender?.token}` },
      body: JSON.stringify({ query, variables: { input: { to: { username: reader?.username }, text: 'refused', clientMessageId: 'last' } } }),
    });
    expect(response.status).toBe(451);
  });
});

describe('a document that is asked for by its hash', () => {
  it('is asked for first, kept, and found then, on every transport', async () => {
    await using server = await startTestServer();
    for (const [way, ask] of Object.entries(ways)) {
      const query = `{ serverInfo { name } } # ${way}`;
      const persistedQuery = { version: 1, sha256Hash: createHash('sha256').update(query).digest('hex') };
      const first = await ask(server.url, { extensions: { persistedQuery } });
      expect([way, first.errors?.[0]]).toEqual([way, { message: 'PersistedQueryNotFound', extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } }]);
      const answer = { data: { serverInfo: { name: 'Tertulia' } } };
      expect([way, await ask(server.url, { query, extensions: { persistedQuery } })]).toEqual([way, answer]);
      expect([way, await ask(server.url, { extensions: { persistedQuery } })]).toEqual([way, answer]);
      const other = { persistedQuery: { ...persistedQuery, sha256Hash: '0'.repeat(64) } };
      expect([way, (await ask(server.url, { query, extensions: other })).errors?.[0]?.extensions.code]).toEqual([way, 'PERSISTED_QUERY_MISMATCH']);
    }
  });
});

describe('the persisted links of clients', () => {
  /** Requests as they were sent, through fetch as the libraries call it. */
  const watched = () => {
    const bodies: Asked[] = [];
    const send: typeof fetch = (url, options) => {
      const search = new URL(String(url)).searchParams;
      bodies.push(options?.body ? (JSON.parse(String(options.body)) as Asked) : { ...(search.get('query') ? { query: search.get('query') as string } : {}) });
      return fetch(url, options);
    };
    return { bodies, send };
  };
  const query = gql`query Persisted { serverInfo { name } }`;
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

  it('work: Apollo’s', async () => {
    await using server = await startTestServer();
    const { bodies, send } = watched();
    const link = new PersistedQueryLink({ sha256 }).concat(new HttpLink({ uri: `${server.url}/graphql`, fetch: send }));
    for (let time = 1; time <= 2; time++) {
      const client = new ApolloClient({ link, cache: new InMemoryCache() });
      expect((await client.query({ query })).data).toMatchObject({ serverInfo: { name: 'Tertulia' } });
      client.stop();
    }
    expect(bodies.map((body) => body.query !== undefined)).toEqual([false, true, false]);
  });

  it('work: urql’s', async () => {
    await using server = await startTestServer();
    const { bodies, send } = watched();
    const client = createClient({
      url: `${server.url}/graphql`,
      fetch: send,
      preferGetMethod: false,
      requestPolicy: 'network-only',
      exchanges: [persistedExchange({ preferGetForPersistedQueries: false, generateHash: async (text) => sha256(text) }), fetchExchange],
    });
    for (let time = 1; time <= 2; time++) expect((await client.query(query, {}).toPromise()).data).toMatchObject({ serverInfo: { name: 'Tertulia' } });
    expect(bodies.map((body) => body.query !== undefined)).toEqual([false, true, false]);
  });
});

describe('the examples of servers', () => {
  it('runs listed operations only', async () => {
    const query = '{ serverInfo { name } }';
    const sha256Hash = createHash('sha256').update(query).digest('hex');
    await using folder = await temporaryFolder();
    const list = join(folder.path, 'operations.json');
    await writeFile(list, JSON.stringify({ [sha256Hash]: query }));
    await using server = await startExample('persisted-operations.ts', folder.path, [list]);
    for (const [way, ask] of Object.entries(ways)) {
      expect([way, await ask(server.url, { extensions: { persistedQuery: { version: 1, sha256Hash } } })]).toEqual([way, { data: { serverInfo: { name: 'Tertulia' } } }]);
      for (const asked of [
        { query },
        { query, extensions: { persistedQuery: { version: 1, sha256Hash } } },
        { extensions: { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } } },
      ]) {
        const { data, errors } = await ask(server.url, asked);
        expect([way, data, errors?.length]).toEqual([way, undefined, 1]);
      }
    }
  });

  it('traces every operation', async () => {
    await using folder = await temporaryFolder();
    await using server = await startExample('tracing.ts', folder.path, []);
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-b7ad6b7169203331-01` },
      body: JSON.stringify({ query: 'query Info { serverInfo { name } }' }),
    });
    for (const ask of Object.values(ways)) await ask(server.url, { query: 'query Again { serverInfo { name } }' });
    await expect.poll(() => server.output().match(/"query Again"/g)?.length).toBe(4);
    const spans = server
      .output()
      .split('\n')
      .filter((line) => line.includes('"spanId"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(spans[0]).toMatchObject({ traceId, parentSpanId: 'b7ad6b7169203331', name: 'query Info', status: 'OK', attributes: { 'graphql.operation.type': 'query' } });
    expect(new Set(spans.map((span) => span.traceId)).size).toBe(5);
  });
});

async function eventCursor(url: string, token: string): Promise<string> {
  return (await post(url, { query: '{ eventCursor }', token }, 'application/json')).data?.eventCursor as string;
}

async function startExample(name: string, folder: string, args: string[]) {
  const env = { ...process.env, ...testSettings, DATA_DIR: folder, DATABASE_URL: await databaseUrl(folder) } as NodeJS.ProcessEnv;
  const child = spawn(process.execPath, [join(import.meta.dirname, '../examples/servers', name), ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await expect.poll(() => output, { timeout: 15_000 }).toMatch(/http:\/\/[^/\s]+/);
  return {
    url: /http:\/\/[^/\s]+/.exec(output)?.[0] as string,
    output: () => output,
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
