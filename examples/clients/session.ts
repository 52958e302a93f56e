/** One device that is signed in: keeps its tokens, refreshes them in time, once for however many ask, and signs requests with them. */
import type { LoginHereMutation, RefreshHereMutation } from '../../test/generated/graphql.ts';

export type Tokens = {
  accessToken: string;
  refreshToken: string;
  /** By this device's clock, which may be wrong: only how much time passes is taken from it. */
  freshUntil: number;
};
/** Where tokens survive a restart, shared by the tabs of a browser: localStorage, a key chain, a file that only its owner can read. */
export type TokenStore = { get: () => Tokens | null; set: (tokens: Tokens | null) => void };
export type Session = ReturnType<typeof createSession>;

/** The session is over: show the login. */
export class SignedOut extends Error {}

const loginDocument = /* GraphQL */ `
  mutation LoginHere($login: String!, $password: String!, $device: DeviceInput!) {
    login(input: { login: $login, password: $password, device: $device }) {
      __typename
      ... on LoginPayload { auth { accessToken refreshToken issuedAt accessTokenExpiresAt } }
      ... on UserError { code errorMessage }
      ... on RateLimitedError { retryAfterMs }
    }
  }
`;
const refreshDocument = /* GraphQL */ `
  mutation RefreshHere($refreshToken: String!) {
    refreshSession(input: { refreshToken: $refreshToken }) {
      __typename
      ... on RefreshSessionPayload { auth { accessToken refreshToken issuedAt accessTokenExpiresAt } }
      ... on UserError { code errorMessage }
    }
  }
`;

export function createSession({ url, store, deviceId }: { url: string; store: TokenStore; deviceId: string }) {
  let refreshing: Promise<Tokens> | null = null;
  return { login, accessToken, expire, fetch: signedFetch };

  /** Null when signed in, otherwise what to tell the person. `deviceId` is made once per installation: the device keeps its session. */
  async function login(name: string, password: string): Promise<string | null> {
    const askedAt = Date.now();
    const { login } = await post<LoginHereMutation>(loginDocument, { login: name, password, device: { id: deviceId, kind: 'WEB' } });
    if (login?.__typename !== 'LoginPayload') return login?.errorMessage ?? 'Try again later.';
    keep(login.auth, askedAt);
    return null;
  }

  /** A token that is good now. Throws SignedOut when there is no session, and what `fetch` throws when there is no network. */
  async function accessToken(): Promise<string> {
    const tokens = store.get();
    if (!tokens) throw new SignedOut();
    if (tokens.freshUntil > Date.now()) return tokens.accessToken;
    refreshing ??= refresh(tokens.refreshToken).finally(() => (refreshing = null));
    return (await refreshing).accessToken;
  }

  /** The server said TOKEN_EXPIRED, or closed with 4403: the next `accessToken` refreshes, whatever the clock says. */
  function expire(): void {
    const tokens = store.get();
    if (tokens) store.set({ ...tokens, freshUntil: 0 });
  }

  async function refresh(refreshToken: string): Promise<Tokens> {
    const askedAt = Date.now();
    const { refreshSession } = await post<RefreshHereMutation>(refreshDocument, { refreshToken });
    if (refreshSession?.__typename === 'RefreshSessionPayload') return keep(refreshSession.auth, askedAt);
    if (refreshSession?.code !== 'INVALID_TOKEN') throw new Error(refreshSession?.errorMessage ?? 'No answer');
    store.set(null);
    throw new SignedOut(refreshSession.errorMessage);
  }

  function keep(auth: { accessToken: string | null; refreshToken: string | null; issuedAt: string; accessTokenExpiresAt: string }, askedAt: number): Tokens {
    const life = Date.parse(auth.accessTokenExpiresAt) - Date.parse(auth.issuedAt);
    const tokens = { accessToken: auth.accessToken ?? '', refreshToken: auth.refreshToken ?? '', freshUntil: askedAt + life * 0.9 };
    store.set(tokens);
    return tokens;
  }

  /** `fetch` with the session's token; once more with a new one when it has expired. Any client that takes a `fetch` works with it. */
  async function signedFetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const attempt = async (): Promise<Response> => {
      const headers = new Headers(init.headers);
      headers.set('authorization', `Bearer ${await accessToken()}`);
      return fetch(input, { ...init, headers });
    };
    const response = await attempt();
    if (!/json/.test(response.headers.get('content-type') ?? '')) return response;
    const { errors } = (await response.clone().json()) as { errors?: { extensions?: { code?: string } }[] };
    if (!errors?.some(({ extensions }) => extensions?.code === 'TOKEN_EXPIRED')) return response;
    expire();
    return attempt();
  }

  async function post<Data>(query: string, variables: object): Promise<Data> {
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ query, variables }) });
    const { data, errors } = (await response.json()) as { data?: Data | null; errors?: { message: string }[] };
    if (!data) throw new Error(errors?.[0]?.message ?? 'No answer');
    return data;
  }
}
