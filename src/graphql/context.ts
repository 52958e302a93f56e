/** What a resolver is given: who asks, the domains, and loaders that live as long as one request or one delivered event. */
import DataLoader from 'dataloader';
import type { Config } from '../config.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import type { LogEvent } from '../events/event.ts';
import type { Tail } from '../events/tail.ts';
import type { UserId } from '../ids.ts';
import type { Metrics } from '../metrics.ts';
import type { Viewer } from '../viewer.ts';

/** The client at the other end of the connection that a request came on. */
export type Client = {
  ipAddress: string;
  userAgent: string | null;
  requestId: string;
  /** The address under which this client reaches the server, for links in its answers. Without a slash at the end. */
  baseUrl: string;
  /** For a session in cookies. Absent where an answer cannot set any, as on a socket. */
  cookies?:
    | {
        /** From the request. Null if it has none, or may not use it. */
        refreshToken: string | null;
        /** By which a browser shows that it has signed in before. */
        deviceToken: string | null;
        /** False for requests of unknown origins. */
        maySet: boolean;
        set(session: { accessToken: string; refreshToken: string; refreshTokenExpiresAt: Date; deviceToken: string | null }): void;
        /** Does nothing for a request without session cookies. */
        clear(): void;
      }
    | undefined;
  /** Aborted with an EndReason when the connection's streams must end. */
  signal?: AbortSignal | undefined;
};

/**
 * What a resolver can reach. Each domain's `schema.ts` adds what it asks (`declare module`), and app.ts hands it in: no database, and nothing of a domain
 * that stands above.
 */
export interface Domains {
  config: Config;
  clock: () => Date;
  metrics: Metrics;
  tail: Tail;
  limits: { take(what: 'REQUESTS', who: UserId | { address: string }): Promise<void>; takeMany(what: 'REQUESTS', count: number, who: UserId): Promise<void> };
  /** Whether the viewer's session still goes on. */
  isLive(viewer: Viewer): Promise<boolean>;
}

export type Context = {
  app: Domains;
  client: Client;
  /** Who asks. In the answer of a mutation that signs somebody in, that account. */
  viewer: Viewer | null;
  /** Who asked, whatever the mutations of the document have done since. */
  readonly asker: Viewer | null;
  /** Why there is no viewer. */
  refusal: Extract<ErrorCode, 'UNAUTHENTICATED' | 'TOKEN_EXPIRED' | 'TOKEN_INVALID'>;
  /** Taken before anything is read. */
  eventCursor: string;
  loaders: Map<string, unknown>;
  /** Of what is the same for every viewer: shared by all who are delivered one event. */
  sharedLoaders: Map<string, unknown>;
};

export function createContext(app: Domains, client: Client, who: { viewer: Viewer | null; refusal?: Context['refusal'] }): Context {
  const viewer = who.viewer && { ...who.viewer, address: client.ipAddress };
  return {
    app,
    client,
    viewer,
    asker: viewer,
    refusal: who.refusal ?? 'UNAUTHENTICATED',
    eventCursor: app.tail.cursor(),
    loaders: new Map(),
    sharedLoaders: new Map(),
  };
}

/** Presence changes without an event, so nothing that was read is kept for longer. */
const sharedForMs = 1_000;

/**
 * The same asker with fresh loaders: one delivered item must not see what an earlier one read. What does not depend on the viewer is read once
 * for all who are delivered the same event, until something else happens: a later replay shows what is true then.
 */
export function freshContext(context: Context, event: LogEvent | null): Context {
  const eventCursor = context.app.tail.cursor();
  const { reads } = context.app.tail;
  let shared = event ? reads.get(event) : undefined;
  if (!shared || shared.cursor !== eventCursor || performance.now() - shared.readAt > sharedForMs) {
    shared = { cursor: eventCursor, readAt: performance.now(), loaders: new Map() };
    if (event) reads.set(event, shared);
  }
  return { ...context, eventCursor, loaders: new Map(), sharedLoaders: shared.loaders };
}

/** Who asks. Throws the reason when there is nobody. */
export function mustBeSignedIn(context: Context): Viewer {
  if (!context.viewer) throw new AppError(context.refusal);
  return context.viewer;
}

/** One item of a stream, and the context it is resolved with. Items of one event with the same key are the same for all who are handed them; null for what is nobody else's. */
export type Delivery = { item: unknown; context: Context; shareKey: string | null };

type Batch<Key, Value> = (keys: readonly Key[]) => Promise<(Value | null)[]>;

/** A batching loader of this context. `batch` gets the distinct keys of one tick and answers in their order. */
export const loader = <Key extends string | number, Value>(context: Context, name: string, batch: Batch<Key, Value>): DataLoader<Key, Value | null> =>
  loaderIn(context.loaders, name, batch);

/** The same for answers that do not depend on the viewer. `batch` must not look at who asks. */
export const sharedLoader = <Key extends string | number, Value>(context: Context, name: string, batch: Batch<Key, Value>): DataLoader<Key, Value | null> =>
  loaderIn(context.sharedLoaders, name, batch);

function loaderIn<Key extends string | number, Value>(loaders: Map<string, unknown>, name: string, batch: Batch<Key, Value>): DataLoader<Key, Value | null> {
  let known = loaders.get(name) as DataLoader<Key, Value | null> | undefined;
  if (!known) loaders.set(name, (known = new DataLoader(batch)));
  return known;
}
