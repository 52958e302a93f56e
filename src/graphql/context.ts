/** What a resolver is given: who asks, the domains, and loaders that live as long as one request or one delivered event. */
import DataLoader from 'dataloader';
import type { App } from '../app.ts';
import { AppError, type ErrorCode } from '../errors.ts';
import type { Viewer } from '../sessions/viewer.ts';

/** Of the connection a request came on. */
export type Client = {
  ipAddress: string;
  userAgent: string | null;
  requestId: string;
  /** Aborted with an EndReason when the connection's streams must end. */
  signal?: AbortSignal | undefined;
};

export type Context = {
  app: App;
  client: Client;
  readonly viewer: Viewer | null;
  /** Why there is no viewer. */
  refusal: Extract<ErrorCode, 'UNAUTHENTICATED' | 'TOKEN_EXPIRED' | 'TOKEN_INVALID'>;
  /** Taken before anything is read. */
  eventCursor: string;
  loaders: Map<string, unknown>;
};

export function createContext(app: App, client: Client, who: { viewer: Viewer | null; refusal?: Context['refusal'] }): Context {
  return { app, client, viewer: who.viewer, refusal: who.refusal ?? 'UNAUTHENTICATED', eventCursor: app.tail.cursor(), loaders: new Map() };
}

/** The same asker with fresh loaders: one delivered event must not see what an earlier one read. */
export const freshContext = (context: Context): Context => ({ ...context, eventCursor: context.app.tail.cursor(), loaders: new Map() });

/** Who asks. Throws why there is nobody. */
export function mustBeSignedIn(context: Context): Viewer {
  if (!context.viewer) throw new AppError(context.refusal);
  return context.viewer;
}

/** A batching loader of this context. `batch` gets the distinct keys of one tick and answers in their order. */
export function loader<Key extends string | number, Value>(context: Context, name: string, batch: (keys: readonly Key[]) => Promise<(Value | null)[]>): DataLoader<Key, Value | null> {
  let known = context.loaders.get(name) as DataLoader<Key, Value | null> | undefined;
  if (!known) context.loaders.set(name, (known = new DataLoader(batch)));
  return known;
}
