/** A host application, or a provider, that says who people are: keys of its own, tokens of any kind, and an address for its keys that can misbehave. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import { type Place, request, type Untyped } from './person.ts';

export const hostUrl = 'https://app.example.org';
export const secret = 'a secret of the host and of nobody else';
export const hostIssuer = { issuer: hostUrl, audience: 'chat', secret };

const seconds = (): number => Math.floor(Date.now() / 1000);

/** What a good token says; undefined leaves a claim out. */
export type Claims = JWTPayload & Record<string, unknown>;

/** A token of a host with a secret. */
export function hostToken(claims: Claims, { key = secret as string | Uint8Array, alg = 'HS256', header = {} as Untyped } = {}): Promise<string> {
  const bytes = typeof key === 'string' ? new TextEncoder().encode(key) : key;
  return sign({ iss: hostUrl, ...claims }, bytes, { alg, ...header });
}

export const provisionToken = (claims: Claims = {}): Promise<string> => hostToken({ scope: 'provision', ...claims });

export function sign(claims: Claims, key: Parameters<SignJWT['sign']>[0], header: Untyped & { alg: string }): Promise<string> {
  const all: Claims = { aud: 'chat', iat: seconds(), exp: seconds() + 300, ...claims };
  return new SignJWT(Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))).setProtectedHeader(header).sign(key);
}

/** A pair of keys, and tokens signed with them. */
export async function createSigner(kid: string | null, alg = 'RS256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk: JWK = { ...(await exportJWK(publicKey)), alg, use: 'sig', ...(kid === null ? {} : { kid }) };
  return { jwk, publicKey, sign: (claims: Claims, header: Untyped = {}) => sign(claims, privateKey, { alg, ...(kid === null ? {} : { kid }), ...header }) };
}

export type KeyServer = Awaited<ReturnType<typeof startKeyServer>>;
/** How requests for the keys are answered. `hang` never answers. */
type Answering = 'keys' | 'hang' | 'large' | { status: number; headers?: Record<string, string>; body?: string };

/** Where an issuer has its keys. */
export async function startKeyServer() {
  const keys: JWK[] = [];
  let answering: Answering = 'keys';
  const asked: string[] = [];
  const server = createServer((call: IncomingMessage, response: ServerResponse) => {
    asked.push(call.url ?? '');
    if (answering === 'hang') return;
    if (answering === 'keys') return void response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
    if (answering === 'large') return void response.end(JSON.stringify({ keys, more: 'x'.repeat(1_000_000) }));
    response.writeHead(answering.status, answering.headers ?? {}).end(answering.body ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    url: `${origin}/keys`,
    keys,
    /** The paths that were asked for. */
    asked,
    answer: (next: Answering): void => {
      answering = next;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const signInDocument = `mutation ($input: SignInWithTokenInput!) {
  signInWithToken(input: $input) {
    __typename
    ... on SignInWithTokenPayload { auth { accessToken refreshToken grant session { id } me { id username displayName externalId account { email hasPassword identities { issuer externalId } } } } }
    ... on UserError { code errorMessage }
    ... on InvalidTokenError { tokenFailure }
  }
}`;

/** What `signInWithToken` answers. */
export async function signInWithToken(place: Place, token: string, input: Untyped = {}): Promise<Untyped> {
  const { data, errors } = await request(place, signInDocument, { input: { token, ...input } });
  return data?.signInWithToken ?? { code: errors?.[0]?.extensions.code, errorMessage: errors?.[0]?.message };
}

/** Somebody who has come with a token, as an app of the host would use the server. */
export async function arrive(place: Place, token: string, input: Untyped = {}) {
  const { auth, ...failed } = await signInWithToken(place, token, input);
  if (!auth) throw new Error(JSON.stringify(failed));
  const headers = { authorization: `Bearer ${auth.accessToken}` };
  return {
    ...(auth.me as { id: string; username: string }),
    auth: auth as Untyped,
    ask: async (query: string, variables: Untyped = {}): Promise<Untyped> => {
      const { data, errors } = await request(place, query, variables, headers);
      return { ...data, ...(errors ? { errors } : {}) };
    },
    /** The answer of a mutation, with the code of its error. */
    change: async (name: string, input: Untyped, fields = '__typename'): Promise<Untyped> => {
      const type = name.charAt(0).toUpperCase() + name.slice(1);
      const query = `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename ... on ${type}Payload { ${fields} } ... on UserError { code errorMessage } } }`;
      const { data, errors } = await request(place, query, { input }, headers);
      return data?.[name] ?? { code: errors?.[0]?.extensions.code };
    },
  };
}
