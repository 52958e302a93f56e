/** What README.md shows is run here, in its order, against a real server. Comments before its blocks say who asks and what is kept. */
import { readFileSync } from 'node:fs';
import { type Client, createClient } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startTestServer } from './kit/server.ts';

type Step = {
  document: string;
  /** Whose token. */
  as?: string;
  /** Names of kept values to give as variables. */
  variables?: string[];
  /** Name of a kept value, and where in the answer it is. */
  keep?: Record<string, string>;
  times?: number;
  /** What the answer holds, soon if not at once. */
  until?: string;
  /** Of a subscription: the items it must bring, at the latest when the next operation was answered. */
  items?: string[];
};
type Answer = { data?: Record<string, unknown> | null; errors?: readonly { message: string }[] };

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const steps = [...readme.matchAll(/<!-- tour: (\{.*\}) -->\n```graphql\n([\s\S]*?)```/g)].map(([, how = '', document = '']): Step => ({ ...JSON.parse(how), document }));

describe('README.md', () => {
  it('says of every operation how it is tried', () => {
    expect(steps.length).toBe(readme.match(/```graphql/g)?.length);
  });

  it('shows a tour that works as it is told', async () => {
    await using server = await startTestServer();
    const kept: Record<string, string> = {};
    let listening: { step: Step; items: Promise<Record<string, unknown>[]>; client: Client } | null = null;
    const hearOut = async (): Promise<void> => {
      if (!listening) return;
      const { step, items, client } = listening;
      const heard = await items;
      expect(heard.map((item) => item.__typename)).toEqual(step.items);
      keep(kept, step, { newMessages: heard.filter((item) => item.cursor).at(-1) });
      await client.dispose();
      listening = null;
    };
    for (const step of steps) {
      const variables = Object.fromEntries((step.variables ?? []).map((name) => [name, kept[name]]));
      const authorization: Record<string, string> = step.as ? { authorization: `Bearer ${kept[step.as]}` } : {};
      if (step.items) {
        await hearOut();
        const client = createClient({ url: `${server.url.replace('http', 'ws')}/graphql`, webSocketImpl: WebSocket, connectionParams: authorization, retryAttempts: 0 });
        listening = { step, client, items: take(client, { query: step.document, variables }, step.items.length) };
        // A stream that starts live must be there before somebody speaks; one that resumes may have ended by now.
        if (!variables.after) await expect.poll(server.followers).toBe(1);
        continue;
      }
      for (let time = 0; time < (step.times ?? 1); time++) {
        const ask = async (): Promise<Answer> => {
          const response = await fetch(`${server.url}/graphql`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...authorization },
            body: JSON.stringify({ query: step.document, variables }),
          });
          return response.json();
        };
        if (step.until) await expect.poll(async () => JSON.stringify(await ask()), { timeout: 10_000 }).toContain(step.until);
        const { data, errors } = await ask();
        expect(errors, step.document).toBeUndefined();
        expect(JSON.stringify(data), step.document).not.toMatch(/"__typename":"\w+Error"/);
        if (time > 0) expect(JSON.stringify(data)).toContain('"duplicate":true');
        keep(kept, step, data ?? {});
      }
      await hearOut();
    }
    await hearOut();
  });

  it('tells close codes that are the server’s own', () => {
    const source = readFileSync(new URL('../src/transport/open-socket.ts', import.meta.url), 'utf8');
    const codes = /const closeCodes = \{([^}]*)\}/.exec(source)?.[1]?.match(/\b[14]\d{3}\b/g) ?? [];
    expect(codes.length).toBeGreaterThan(3);
    for (const code of codes) expect(readme).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'));
  });
});

function keep(kept: Record<string, string>, { keep: names = {} }: Step, data: Record<string, unknown>): void {
  for (const [name, path] of Object.entries(names)) {
    const value = path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], data);
    expect(value, `${path} in the answer`).toBeTypeOf('string');
    kept[name] = value as string;
  }
}

/** The first items of a subscription's one field. */
async function take(client: Client, payload: { query: string; variables: Record<string, unknown> }, count: number): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  for await (const { data, errors } of client.iterate<{ newMessages: Record<string, unknown> }>(payload)) {
    if (!data) throw new Error(JSON.stringify(errors));
    items.push(data.newMessages);
    if (items.length === count) break;
  }
  return items;
}
