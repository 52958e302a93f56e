/** Sending people to an OpenID provider to sign in, and taking them when they come back (OpenID Connect Core 1.0, 3.1, with PKCE). openid-client does all of the checking. */
import type { JWTPayload } from 'jose';
import { decodeProtectedHeader } from 'jose/decode/protected_header';
import { AppError } from '../errors.ts';
import type { Issuer } from '../issuers.ts';
import { Unreachable } from '../outgoing.ts';
import type { SignInClient } from '../sessions/issue.ts';
import type { Device, SignedIn } from '../sessions/sign-in.ts';
import type { Identities } from './identities.ts';
import type { Fetching } from './issuer-keys.ts';

export type CodeFlow = ReturnType<typeof createCodeFlow>;
/** What only the browser that began may bring back: against forged answers, stolen codes and replayed tokens. */
export type Begun = { state: string; nonce: string; verifier: string };

type Library = typeof import('openid-client');
type Provider = { library: Library; configuration: import('openid-client').Configuration };

const answerWithinMs = 5_000;
const mostBytes = 256 * 1024;
/** Addresses and keys of a provider may change. */
const knownMs = 60 * 60_000;

export function createCodeFlow({ issuers, identities, ask, toPrivate, log }: { issuers: readonly Issuer[]; identities: Pick<Identities, 'signInAs'> } & Fetching) {
  const clients = issuers.filter((issuer) => issuer.client !== null);
  const known = new Map<Issuer, { provider: Promise<Provider>; at: number }>();
  return { offered: clients.map(({ name, label }) => ({ name, label })), begin, finish };

  /** Where to send the browser; null when there is no such issuer. Fails with UNAVAILABLE. */
  async function begin(name: string, redirectUri: string): Promise<{ url: string; begun: Begun } | null> {
    const issuer = clients.find((each) => each.name === name);
    if (!issuer?.client) return null;
    const { library, configuration } = await providerOf(issuer);
    const begun = { state: library.randomState(), nonce: library.randomNonce(), verifier: library.randomPKCECodeVerifier() };
    const url = library.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: issuer.client.scope,
      state: begun.state,
      nonce: begun.nonce,
      code_challenge: await library.calculatePKCECodeChallenge(begun.verifier),
      code_challenge_method: 'S256',
    });
    return { url: url.href, begun };
  }

  /** Takes the provider's answer, which is the address that the browser came back to. Fails as `signInWithToken` does: INVALID_TOKEN also when the person refused. */
  async function finish(name: string, answer: URL, begun: Begun, device: Device, client: SignInClient): Promise<SignedIn> {
    const issuer = clients.find((each) => each.name === name);
    if (!issuer) throw refused();
    const claims = await exchange(issuer, answer, begun);
    return identities.signInAs(issuer, claims, device, client);
  }

  async function exchange(issuer: Issuer, answer: URL, { state, nonce, verifier }: Begun): Promise<JWTPayload> {
    const { library, configuration } = await providerOf(issuer);
    try {
      const tokens = await library.authorizationCodeGrant(configuration, answer, { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true });
      const claims = tokens.claims() as JWTPayload;
      const { alg } = decodeProtectedHeader(tokens.id_token as string);
      if (!issuer.algorithms.includes(alg as string)) throw new Error(`signed with ${alg}`);
      // Many providers say who somebody is here only.
      const more = configuration.serverMetadata().userinfo_endpoint ? await library.fetchUserInfo(configuration, tokens.access_token, claims.sub as string) : {};
      return { ...(more as JWTPayload), ...claims };
    } catch (error) {
      log.warn({ why: whyOf(error), issuer: issuer.issuer }, 'somebody who came back from a provider could not be signed in');
      throw findUnreachable(error) ? new AppError('UNAVAILABLE') : refused();
    }
  }

  /** Asked once for all who wait. */
  function providerOf(issuer: Issuer): Promise<Provider> {
    const before = known.get(issuer);
    if (before && performance.now() - before.at < knownMs) return before.provider;
    const provider = discover(issuer).catch((error: unknown) => {
      known.delete(issuer);
      log.warn({ why: whyOf(error), issuer: issuer.issuer }, 'a provider could not be asked: nobody can sign in there');
      throw new AppError('UNAVAILABLE');
    });
    known.set(issuer, { provider, at: performance.now() });
    return provider;
  }

  async function discover(issuer: Issuer): Promise<Provider> {
    // Servers without a provider start without it.
    const library = await import('openid-client');
    const { customFetch, enableNonRepudiationChecks, allowInsecureRequests, discovery, ClientSecretBasic, ClientSecretPost, None } = library;
    const allowPrivate = issuer.privateNetwork || toPrivate;
    const { id, secret } = issuer.client as NonNullable<Issuer['client']>;
    const [basic, inBody] = secret === null ? [None(), None()] : [ClientSecretBasic(secret), ClientSecretPost(secret)];
    const configuration = await discovery(
      new URL(issuer.issuer),
      id,
      // Ours is a minute for all tokens.
      { [library.clockTolerance]: 60 },
      (server, client, body, headers) => (server.token_endpoint_auth_methods_supported?.includes('client_secret_post') ? inBody : basic)(server, client, body, headers),
      {
        // The signature of what came straight from the provider is checked, too.
        execute: [enableNonRepudiationChecks, ...(allowPrivate ? [allowInsecureRequests] : [])],
        [customFetch]: (url: string, options: import('openid-client').CustomFetchOptions) => fetchGuarded(url, options, allowPrivate),
      },
    );
    if (configuration.serverMetadata().issuer !== issuer.issuer) throw new Error('its discovery document is of another issuer, to the letter');
    return { library, configuration };
  }

  /** As pushes are sent: never into a private network, never sent on to elsewhere. */
  async function fetchGuarded(url: string, { method, headers, body }: import('openid-client').CustomFetchOptions, allowPrivate: boolean): Promise<Response> {
    const {
      status,
      headers: given,
      body: text,
    } = await ask(url, { method, headers: headers as Record<string, string>, body: body == null ? null : String(body), timeoutMs: answerWithinMs, mostBytes, allowPrivate });
    const empty = status === 204 || status === 304;
    return new Response(empty ? null : text, { status, headers: { 'content-type': given['content-type'] ?? '' } });
  }
}

const refused = (): AppError => new AppError('INVALID_TOKEN', { tokenFailure: 'UNKNOWN' }, 'The provider’s answer cannot be used: sign in again.');

/** What the library says of an error, without what it carries along: that may be somebody's tokens. */
function whyOf(error: unknown): string[] {
  const why: string[] = [];
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) why.push(at.message.slice(0, 300));
  return why;
}

function findUnreachable(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) if (at instanceof Unreachable) return true;
  return false;
}
