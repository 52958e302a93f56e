/** One WebSocket for all subscriptions. It comes back whenever that can help, and every stream goes on behind the last item it handed out. */
import { type Client, createClient, type FormattedExecutionResult, type Sink, type SubscribePayload } from 'graphql-ws';
import { SignedOut } from './session.ts';

/** What every stream hands out, whatever else is in it. */
type Item = { __typename?: string; cursor?: string; resumeFrom?: string; retry?: boolean };
/** Without `iterate`, which would not resume. */
export type Live = Omit<Client, 'iterate'>;

/** Who signs in on the socket: session.ts with a token, a page of the server's own with null and the cookies of the upgrade. */
type SignedIn = { accessToken: () => Promise<string | null>; expire: () => void };

const comeBackAfter = ['TOKEN_EXPIRED', 'RATE_LIMITED', 'UNAVAILABLE', 'INTERNAL_SERVER_ERROR'];

/** A graphql-ws client. Give `webSocketImpl` where there is no global WebSocket; `sooner` ends a wait when something says that there is a network again. */
export function createLive({
  url,
  session,
  webSocketImpl,
  pingMs = 15_000,
  sooner = () => new Promise(() => {}),
}: {
  url: string;
  session: SignedIn;
  webSocketImpl?: unknown;
  pingMs?: number;
  sooner?: () => Promise<void>;
}): Live {
  let overdue: ReturnType<typeof setTimeout>;
  const client = createClient({
    url,
    webSocketImpl,
    // Asked again for each new connection, so that a fresh token goes with it.
    connectionParams: async () => {
      const token = await session.accessToken();
      return token === null ? {} : { authorization: `Bearer ${token}` };
    },
    retryAttempts: Number.POSITIVE_INFINITY,
    // By default a network that is gone would be final. graphql-ws itself holds what is: 4400, 4401, 4409, 4429 and 1008.
    shouldRetry: (problem) => !(problem instanceof SignedOut),
    retryWait: async (retries) => {
      await Promise.race([pause(Math.min(30_000, 500 * 2 ** retries)), sooner()]);
      // Cookies have to be fresh before the upgrade. What fails here fails again where it is told, in `connectionParams`.
      await session.accessToken().catch(() => {});
    },
    // A line can be dead without a word: then a ping stays unanswered.
    keepAlive: pingMs,
    on: {
      closed: (event) => {
        clearTimeout(overdue);
        if ((event as { code: number }).code === 4403) session.expire();
      },
      ping: (received) => {
        if (!received) overdue = setTimeout(() => client.terminate(), pingMs / 3);
      },
      pong: (received) => {
        if (received) clearTimeout(overdue);
      },
    },
  });
  return resuming(client);
}

/**
 * The same client, whose subscriptions take the cursor of each item as their next `after`: graphql-ws sends the payload again after a cut, and would send
 * the first cursor. A stream whose last item was SessionEnded with `retry`, or that was refused for a passing reason, is opened again.
 */
export function resuming(client: Client): Live {
  const { iterate: _, ...others } = client;
  return { ...others, subscribe: subscribe as Client['subscribe'] };

  function subscribe(payload: SubscribePayload, sink: Sink<FormattedExecutionResult<Record<string, Item>, unknown>>): () => void {
    let cursor = payload.variables?.after as string | undefined;
    let ended: Item | null = null;
    let stopped = false;
    let timer: ReturnType<typeof setTimeout>;
    let stop = open();
    return () => {
      stopped = true;
      clearTimeout(timer);
      stop();
    };

    function open(): () => void {
      ended = null;
      const request = {
        ...payload,
        get variables() {
          return cursor === undefined ? payload.variables : { ...payload.variables, after: cursor };
        },
      };
      return client.subscribe<Record<string, Item>>(request, {
        next(result) {
          sink.next(result);
          const [item] = Object.values(result.data ?? {});
          if (item?.__typename === 'SessionEnded') ended = item;
          if (payload.variables && 'after' in payload.variables) cursor = item?.cursor ?? item?.resumeFrom ?? cursor;
        },
        complete: () => (ended?.retry && !stopped ? again(500) : sink.complete()),
        error(problem) {
          const [refusal] = Array.isArray(problem) ? (problem as { extensions?: { code?: string; retryAfterMs?: number } }[]) : [];
          if (comeBackAfter.includes(refusal?.extensions?.code ?? '') && !stopped) again(refusal?.extensions?.retryAfterMs ?? 1_000);
          else sink.error(problem);
        },
      });
    }

    // Not at once: after SessionEnded the server is about to close the socket.
    function again(ms: number): void {
      timer = setTimeout(() => (stop = open()), ms * (1 + Math.random()));
    }
  }
}

/** A while, up to twice as long: clients that were cut off together should not come back together. */
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms * (1 + Math.random())));
