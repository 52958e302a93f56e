/** What the benches share: a server in a process of its own, an HTTP driver that costs little, and a table of medians. */
import http from 'node:http';
import { performance } from 'node:perf_hooks';
import { startProcess } from '../test/kit/process.ts';
import { temporaryFolder } from '../test/kit/server.ts';

export type Driver = ReturnType<typeof createDriver>;
// biome-ignore lint/suspicious/noExplicitAny: answers of documents that stand beside their use
type Answer = any;

/** The program as people run it, without rate limits and without a log; that of another checkout where one is given. */
export async function startBenchServer(settings: Record<string, string> = {}, checkout?: string) {
  const folder = await temporaryFolder();
  const server = await startProcess({ DATA_DIR: folder.path, LOG_LEVEL: 'warn', ...settings }, { checkout });
  return {
    url: server.url,
    pid: server.pid,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Posts JSON over kept connections. */
export function createDriver(url: string) {
  const { hostname, port } = new URL(url);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1_000 });
  const post = (path: string, body: object, token?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const data = JSON.stringify(body);
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(data), ...(token ? { authorization: `Bearer ${token}` } : {}) };
      const request = http.request({ hostname, port, path, method: 'POST', agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve(text === '' ? null : JSON.parse(text)));
      });
      request.on('error', reject).end(data);
    });
  return {
    post,
    graphql: async (query: string, variables: object, token?: string): Promise<Answer> => {
      const { data, errors } = await post('/graphql', { query, variables }, token);
      if (errors) throw new Error(JSON.stringify(errors));
      return data;
    },
    close: (): void => agent.destroy(),
  };
}

export async function register(driver: Driver, username: string): Promise<{ id: string; token: string }> {
  const { register: made } = await driver.graphql(
    'mutation ($input: RegisterInput!) { register(input: $input) { ... on RegisterPayload { me { id } auth { accessToken } } ... on UserError { errorMessage } } }',
    { input: { username, password: 'correct horse battery' } },
  );
  return { id: made.me.id, token: made.auth.accessToken };
}

export async function createRoom(driver: Driver, token: string, memberIds: string[]): Promise<string> {
  const input = { name: 'Bench', members: memberIds.slice(0, 1_000).map((id) => ({ id })) };
  const { createRoom: made } = await driver.graphql(
    'mutation ($input: CreateRoomInput!) { createRoom(input: $input) { ... on CreateRoomPayload { room { id } } ... on UserError { errorMessage } } }',
    { input },
    token,
  );
  return made.room.id;
}

/** Runs `senders` loops for so long; answers how many rounds a second they did, and the times of single ones in ms. */
export async function load(senders: number, seconds: number, once: (sender: number, round: number) => Promise<void>): Promise<{ perSecond: number; p50: number; p99: number }> {
  const until = performance.now() + seconds * 1000;
  const times: number[] = [];
  await Promise.all(
    Array.from({ length: senders }, async (_, sender) => {
      for (let round = 0; performance.now() < until; round++) {
        const started = performance.now();
        await once(sender, round);
        times.push(performance.now() - started);
      }
    }),
  );
  return { perSecond: times.length / seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}

export function quantile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Rounds of every contestant in turn, so that what else the machine does meets all alike; the median of each as a table, with ratios to the first. */
export async function compare(title: string, rounds: number, contestants: Record<string, () => Promise<Record<string, number>>>): Promise<void> {
  const results = new Map<string, Record<string, number>[]>();
  for (let round = 0; round < rounds; round++) for (const [name, run] of Object.entries(contestants)) results.set(name, [...(results.get(name) ?? []), await run()]);
  const medians = [...results].map(
    ([name, runs]) =>
      [
        name,
        Object.fromEntries(
          Object.keys(runs[0] ?? {}).map((key) => [
            key,
            quantile(
              runs.map((run) => run[key] ?? 0),
              0.5,
            ),
          ]),
        ),
      ] as const,
  );
  const [, first] = medians[0] ?? [];
  console.log(`\n${title}`);
  for (const [name, values] of medians) {
    console.log(
      `  ${name.padEnd(44)} ${Object.entries(values)
        .map(([key, value]) => `${key} ${value.toFixed(value < 100 ? 2 : 0)} (x${(value / (first?.[key] ?? 1)).toFixed(2)})`)
        .join('   ')}`,
    );
  }
}
