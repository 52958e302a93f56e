/** A real OpenID provider, with a page on which people sign in under any name. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { type Configuration } from 'oidc-provider';
import type { Untyped } from './person.ts';

export type OpenIdProvider = Awaited<ReturnType<typeof startProvider>>;

/** Its address is known before the address of the server that people are to come back to: `serve` begins to answer. */
export async function startProvider() {
  let answer: RequestListener = (_request, response) => void response.writeHead(503).end();
  const server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'provider' };
  const problems: unknown[] = [];
  return {
    issuer,
    problems,
    serve(client: Untyped, claimsOf: (sub: string) => Untyped = () => ({})): void {
      const configuration: Configuration = {
        clients: [{ client_id: 'chat', client_secret: 'of the client', grant_types: ['authorization_code'], response_types: ['code'], ...client } as never],
        jwks: { keys: [key as never] },
        claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
        features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true }, rpInitiatedLogout: { enabled: true } },
        cookies: { keys: ['of the provider'] },
        // Its own does not go to this machine.
        fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined } as RequestInit),
        ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 3600, IdToken: 300, Interaction: 600, Session: 3600 },
        pkce: { required: () => true },
        findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, ...claimsOf(sub) }) }),
      };
      const provider = new Provider(issuer, configuration);
      provider.on('server_error', (_context: unknown, error: unknown) => problems.push(error));
      provider.on('backchannel.error', (_context: unknown, error: unknown) => problems.push(error));
      answer = provider.callback();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
