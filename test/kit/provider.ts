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

/** A browser without a window: follows redirects itself, and keeps cookies by host and port. `reach` says where an address really is, as a load balancer decides. */
export function createJar(reach: (url: string) => string = (url) => url) {
  const jars = new Map<string, Map<string, string>>();
  return {
    cookies: (url: string): Map<string, string> => jars.get(new URL(url).origin) ?? new Map(),
    async go(url: string, init: RequestInit = {}): Promise<{ status: number; location: string | null; text: string }> {
      const { origin } = new URL(url);
      const jar = jars.get(origin) ?? new Map<string, string>();
      jars.set(origin, jar);
      const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await fetch(reach(url), { redirect: 'manual', ...init, headers: { ...(init.headers ?? {}), cookie } });
      for (const line of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        if (value === '' || /max-age=0/i.test(line)) jar.delete(name);
        else jar.set(name, value);
      }
      const location = response.headers.get('location');
      return { status: response.status, location: location && new URL(location, url).href, text: await response.text() };
    },
  };
}
export type Jar = ReturnType<typeof createJar>;

/** Signs in at the provider's page until it sends back; answers with that address. */
export async function throughProvider(jar: Jar, url: string, login: string): Promise<string> {
  for (let at = url, steps = 0; steps < 20; steps++) {
    const { status, location, text } = await jar.go(at);
    if (location?.includes('/sign-in/company/callback')) return location;
    if (location) at = location;
    else {
      const [, action = ''] = /action="([^"]+)"/.exec(text) ?? [];
      const prompt = /name="prompt" value="([^"]+)"/.exec(text)?.[1];
      if (!action || !prompt) throw new Error(`${status}: ${text.slice(0, 500)}`);
      const answered = await jar.go(new URL(action, at).href, { method: 'POST', body: new URLSearchParams({ prompt, login, password: 'any' }) });
      at = answered.location ?? at;
    }
  }
  throw new Error('nowhere');
}
