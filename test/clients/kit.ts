/** Somebody on a device that reaches the server over a line, with the session and the socket of examples/clients. */
import { createLive, type Live } from '../../examples/clients/live.ts';
import { createSession, type Session, type TokenStore, type Tokens } from '../../examples/clients/session.ts';
import { createEventLog } from '../../src/events/event-log.ts';
import { startUpkeep } from '../../src/upkeep.ts';
import { type Line, openLine } from '../kit/line.ts';
import type { Person } from '../kit/person.ts';
import { type Overrides, startTestServer, type TestServer } from '../kit/server.ts';

export type World = Awaited<ReturnType<typeof startWorld>>;
export type Device = { store: TokenStore; session: Session; live: Live };

/** Two people in a room: Ana, who acts directly, and Ben, whose device is under test. */
export async function startWorld(overrides: Overrides = {}) {
  const server = await startTestServer(overrides);
  const line = await openLine(server);
  const [ana, ben] = (await server.people(2)) as [Person, Person];
  const room = await ana.createRoom({ members: [{ id: ben.id }] });
  const devices: Device[] = [];
  return {
    server,
    line,
    ana,
    ben,
    room,
    /** A device of Ben's. */
    async signIn(options: { pingMs?: number } = {}): Promise<Device> {
      const device = await signIn(line, ben, options);
      devices.push(device);
      return device;
    },
    followers: (): number => server.followers(),
    async [Symbol.asyncDispose](): Promise<void> {
      for (const { live } of devices) Promise.resolve(live.dispose()).catch(() => {});
      await line[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

export async function signIn(line: Line, { username, password }: Pick<Person, 'username' | 'password'>, options: { pingMs?: number } = {}): Promise<Device> {
  let tokens: Tokens | null = null;
  const store: TokenStore = { get: () => tokens, set: (next) => (tokens = next) };
  const session = createSession({ url: line.url, store, deviceId: `device of ${username}` });
  const problem = await session.login(username, password);
  if (problem) throw new Error(problem);
  return { store, session, live: createLive({ url: line.wsUrl, session, ...options }) };
}

/** Ends every session of Ben's but the one that says so. */
export const endOthers = (person: Pick<Person, 'must'>): Promise<unknown> =>
  person.must('mutation { revokeOtherSessions { __typename ... on RevokeOtherSessionsPayload { endedSessionIds } ... on UserError { code errorMessage } } }');

/** Empties the log of what is older than EVENT_RETENTION_SECONDS, as the server does from time to time. */
export async function forgetOldEvents({ app }: TestServer): Promise<void> {
  const stop = startUpkeep({ ...app, eventLog: createEventLog(app) });
  await stop();
}
