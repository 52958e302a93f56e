/** One query or mutation, signed by the session's cookies, which are refreshed when they have run out. */
import { Refused } from '../../examples/clients/plain.ts';
import { SignedOut } from '../../examples/clients/session.ts';
import type { RefreshMutation } from './generated/graphql.ts';
import { type Operation, operation } from './operation.ts';
import { remember, remembered } from './remember.ts';

export { Refused, SignedOut };

const refreshDocument = operation<RefreshMutation>(/* GraphQL */ `
  mutation Refresh { refreshSession(input: {}) { __typename ... on UserError { code errorMessage } } }
`);
const refreshedKey = 'tertulia.refreshed';

/** When something was asked that the cookies were too old for. A tab that has refreshed since has done it for all. */
let expiredAt: number | null = null;
let refreshing: Promise<void> | null = null;
const overs = new Set<() => void>();

/** Calls back when the server says that this browser has no session any more. */
export function onSessionOver(job: () => void): void {
  overs.add(job);
}

/** For the socket: the cookies say who it is. */
export const session = {
  async accessToken(): Promise<null> {
    if (expiredAt !== null) await refresh();
    return null;
  },
  expire(askedAt = Date.now()): void {
    expiredAt = askedAt;
  },
};

/** Rejects with Refused when the whole operation was, with SignedOut when there is no session, and with what `fetch` rejects with. */
export async function ask<Data, Variables>(document: Operation<Data, Variables>, ...[variables]: [Variables] extends [Record<string, never>] ? [] : [Variables]): Promise<Data> {
  if (expiredAt !== null) await refresh();
  const askedAt = Date.now();
  try {
    return await post(document, variables);
  } catch (problem) {
    if (!(problem instanceof Refused)) throw problem;
    if (problem.code === 'TOKEN_EXPIRED') {
      session.expire(askedAt);
      await refresh();
      return post(document, variables);
    }
    if (problem.code !== 'UNAUTHENTICATED' && problem.code !== 'TOKEN_INVALID') throw problem;
    for (const job of overs) job();
    throw new SignedOut(problem.message);
  }
}

async function post<Data>(query: string, variables?: unknown): Promise<Data> {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Data | null; errors?: { message: string; path?: unknown[]; extensions?: Record<string, unknown> }[] };
  // A part that is missing (something that was deleted meanwhile) is null in the data. Who asks concerns all of it.
  const ofSession = errors?.find(({ extensions }) => ['UNAUTHENTICATED', 'TOKEN_EXPIRED', 'TOKEN_INVALID'].includes(String(extensions?.code)));
  if (ofSession) throw new Refused(ofSession);
  if (errors?.[0] && (!data || Object.values(data).every((value) => value === null))) throw new Refused(errors[0]);
  return data as Data;
}

/** One refresh for however many wait, in all tabs. */
function refresh(): Promise<void> {
  refreshing ??= locked('tertulia.refresh', refreshOnce).finally(() => (refreshing = null));
  return refreshing;
}

async function refreshOnce(): Promise<void> {
  if (expiredAt === null || Number(remembered(refreshedKey)) > expiredAt) {
    expiredAt = null;
    return;
  }
  const { refreshSession: result } = await post<RefreshMutation>(refreshDocument);
  if (result?.__typename === 'RefreshSessionPayload') {
    expiredAt = null;
    remember(refreshedKey, String(Date.now()));
  } else if (result?.__typename === 'InvalidTokenError') {
    expiredAt = null;
    for (const job of overs) job();
    throw new SignedOut(result.errorMessage);
  } else throw new Error(result?.errorMessage ?? 'No answer');
}

async function locked(name: string, job: () => Promise<void>): Promise<void> {
  if (!navigator.locks) return job();
  await navigator.locks.request(name, job);
}
