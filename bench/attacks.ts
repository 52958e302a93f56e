/**
 * How long somebody else waits while one client asks for the worst it can think of; of this version, and of another one: AGAINST=<another checkout>.
 * Each attack is bounded, and goes to a server that this program starts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createDriver, createRoom, type Driver, register, startBenchServer } from './kit.ts';

type Attack = (driver: Driver, world: World) => Promise<unknown>;
type World = Awaited<ReturnType<typeof prepare>>;
const many = (count: number, job: (index: number) => Promise<unknown>): Promise<unknown> => Promise.allSettled(Array.from({ length: count }, (_, index) => job(index)));
const aliases = (count: number, field: string): string => Array.from({ length: count }, (_, index) => `a${index}: ${field}`).join(' ');
const long = 'x'.repeat(4_000);

const attacks: Record<string, Attack> = {
  nothing: () => sleep(1_000),
  'a variable of a wrong kind that looks like an error (240 kB)': (driver) =>
    driver.post('/graphql', { query: 'query ($first: Int) { rooms(first: $first) { totalCount } }', variables: { first: 'got invalid value '.repeat(13_000) } }),
  'invalid documents, 400 of them': (driver) => many(400, (index) => driver.post('/graphql', { query: `{ ${aliases(600, `nothing${index}`)} }` })),
  '190 aliases of a long text on a page of 100, six times': (driver, { token, chatId }) =>
    many(6, () =>
      driver.post('/graphql', { query: `query ($id: ID!) { chat(id: $id) { messages(last: 100) { nodes { ${aliases(190, 'text')} } } } }`, variables: { id: chatId } }, token),
    ),
  '640 aliases on 1,000 unknown names': (driver, { token, chatId }) =>
    driver.post(
      '/graphql',
      {
        query: `mutation ($input: AddMembersInput!) { addMembers(input: $input) { ... on AddMembersPayload { skipped { ${aliases(640, '__typename')} } } } }`,
        variables: { input: { roomId: chatId, users: Array.from({ length: 1_000 }, (_, index) => ({ username: `nobody${index}` })) } },
      },
      token,
    ),
  '55 aliased searches of everybody, three requests': (driver, { token }) =>
    many(3, () => driver.post('/graphql', { query: `{ ${aliases(55, 'registeredUsers(first: 100, filter: { query: "e" }) { totalCount nodes { id } }')} }` }, token)),
  'rooms made with all accounts, 60 of them': (driver, { token, ids }) =>
    many(60, () =>
      driver.post(
        '/graphql',
        { query: 'mutation ($input: CreateRoomInput!) { createRoom(input: $input) { __typename } }', variables: { input: { name: 'x', members: ids.map((id) => ({ id })) } } },
        token,
      ),
    ),
};

for (const checkout of [process.env.AGAINST, undefined].filter((given, index) => index === 1 || given !== undefined)) {
  console.log(`\n${checkout ? 'the other version' : 'this version'}: longest wait of a bystander, in ms`);
  await using server = await startBenchServer({ ARGON2_MEMORY_KIB: '8', SEND_LIMIT: '100000' }, checkout);
  const driver = createDriver(server.url);
  const world = await prepare(driver);
  for (const [name, attack] of Object.entries(attacks)) {
    const waits: number[] = [];
    const over = new AbortController();
    const watching = (async () => {
      while (!over.signal.aborted) {
        const started = performance.now();
        await driver.post('/graphql', { query: '{ __typename }' });
        waits.push(performance.now() - started);
        await sleep(5);
      }
    })();
    await Promise.race([attack(driver, world), sleep(60_000)]);
    over.abort();
    await watching;
    console.log(`  ${String(Math.round(Math.max(...waits))).padStart(6)}  ${name}`);
  }
  driver.close();
}

async function prepare(driver: Driver) {
  const { token } = await register(driver, 'attacker');
  const ids: string[] = [];
  for (let index = 0; index < 300; index++) ids.push((await register(driver, `someone${index}`)).id);
  const chatId = await createRoom(driver, token, []);
  const query = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { __typename } }';
  for (let index = 0; index < 100; index++) await driver.post('/graphql', { query, variables: { input: { to: { chatId }, text: long } } }, token);
  return { token, ids, chatId };
}
