/** Who else may say who somebody is: the setting IDENTITY_ISSUERS, read and checked as a whole. Values of secrets appear in no sentence. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { JSONWebKeySet } from 'jose';

/** Where the keys are that tokens are checked with. `discovery`: where the issuer's own document says (OpenID Connect Discovery 1.0). */
export type KeySource = { kind: 'secret'; secret: Uint8Array } | { kind: 'jwks'; jwks: JSONWebKeySet } | { kind: 'url'; url: string } | { kind: 'discovery' };
export type Issuer = {
  /** As tokens have it in `iss`, to the letter. */
  issuer: string;
  /** Names it in addresses of this server. */
  name: string;
  /** What people read on its button. */
  label: string;
  audience: string[];
  keys: KeySource;
  algorithms: string[];
  /** Which claim says what; null: none does. */
  claims: { id: string; username: string | null; displayName: string | null; email: string | null; picture: string | null };
  /** The operator has said which claim is the e-mail address, and so that it can be trusted. */
  trustsEmail: boolean;
  /** Whoever comes for the first time gets an account. */
  create: boolean;
  /** Name and e-mail address follow the claims at each sign-in. */
  updateProfile: boolean;
  /** Its addresses may lie on this machine or in a private network, also without TLS. */
  privateNetwork: boolean;
  /** As which client this server sends people there to sign in (OpenID Connect's code flow); null: they bring a token. */
  client: { id: string; secret: string | null; scope: string } | null;
};

const asymmetric = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
/** What the providers that people use sign with. */
const usual = ['RS256', 'ES256', 'EdDSA'];
const leastSecretBytes = 32;
const leastRsaBits = 2048;
const claimDefaults = { id: 'sub', username: 'preferred_username', displayName: 'name', email: 'email', picture: 'picture' } as const;
const fields = new Set([
  ...['issuer', 'name', 'label', 'audience', 'secret', 'jwks', 'jwksUrl', 'algorithms', 'claims', 'create', 'updateProfile', 'privateNetwork'],
  ...['clientId', 'clientSecret', 'scope'],
]);

type Given = Record<string, unknown>;

/** A JSON list, or the path of a file that holds one. Throws one sentence for the first thing that is wrong. */
export function parseIssuers(value: string): Issuer[] {
  const list = parseJson(/^\s*[[{"]/.test(value) ? value : readFile(value));
  if (!Array.isArray(list)) throw new Error('must be a JSON list of issuers, such as [{ "issuer": "https://app.example.org", "audience": "chat", "secret": "…" }]');
  const issuers = list.map((each, index) => parseIssuer(each, `holds as number ${index + 1} an issuer`));
  for (const key of ['issuer', 'name'] as const) {
    const twice = issuers.find((one, index) => issuers.findIndex((other) => other[key] === one[key]) < index);
    if (twice) throw new Error(`has ${JSON.stringify(twice[key])} as the ${key} of two issuers`);
  }
  return issuers;
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`is neither a JSON list nor a file that can be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}

/** Without JSON.parse's message, which quotes the text. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('is not JSON');
  }
}

function parseIssuer(given: unknown, where: string): Issuer {
  if (!isObject(given)) throw new Error(`${where} that is no object`);
  const unknown = Object.keys(given).filter((name) => !fields.has(name));
  if (unknown.length > 0) throw new Error(`${where} with ${JSON.stringify(unknown[0])}, which is unknown (upper and lower case matter)`);
  const { issuer } = given;
  if (!isText(issuer, 1_000)) throw new Error(`${where} without \`issuer\`: the text that its tokens have as \`iss\``);
  // What our own tokens say of themselves.
  if (issuer === 'tertulia') throw new Error(`${where} called "tertulia", which is what this server calls itself`);
  const say = (problem: string): Error => new Error(`${where} (${JSON.stringify(issuer)}) ${problem}`);
  const client = parseClient(given, say);
  const keys = parseKeys(given, client !== null, say);
  if (client !== null && keys.kind === 'secret') throw say('with `clientId` and `secret`: a provider signs with keys of its own');
  if ((client !== null || keys.kind === 'discovery') && !isHttpUrl(issuer)) throw say('with `clientId`, whose `issuer` must be an http(s) URL then');
  const name =
    given.name ??
    (isHttpUrl(issuer)
      ? new URL(issuer).host.replace(':', '-')
      : issuer
          .toLowerCase()
          .replace(/[^a-z0-9._-]+/g, '-')
          .slice(0, 64));
  if (!isText(name, 64) || !/^[a-z0-9][a-z0-9._-]*$/.test(name)) throw say('whose `name` must be of a-z, 0-9, ".", "_" and "-": it stands in addresses');
  const label = given.label ?? given.name ?? name;
  if (!isText(label, 80)) throw say('whose `label` must be a text of at most 80 characters');
  const claims = parseClaims(given.claims, say);
  return {
    issuer,
    name,
    label,
    audience: parseAudience(given.audience ?? client?.id, say),
    keys,
    algorithms: parseAlgorithms(given.algorithms, keys, say),
    claims,
    trustsEmail: isObject(given.claims) && typeof given.claims.email === 'string',
    create: parseFlag(given, 'create', true, say),
    updateProfile: parseFlag(given, 'updateProfile', false, say),
    privateNetwork: parseFlag(given, 'privateNetwork', false, say),
    client,
  };
}

type Say = (problem: string) => Error;

function parseKeys(given: Given, hasClient: boolean, say: Say): KeySource {
  const named = ['secret', 'jwks', 'jwksUrl'].filter((name) => given[name] !== undefined);
  if (named.length === 0 && hasClient) return { kind: 'discovery' };
  if (named.length !== 1)
    throw say(`with ${named.length === 0 ? 'none' : named.map((name) => `\`${name}\``).join(' and ')} of \`secret\`, \`jwks\` and \`jwksUrl\`: it needs exactly one`);
  if (given.secret !== undefined) return { kind: 'secret', secret: parseSecret(given.secret, say) };
  if (given.jwks !== undefined) return { kind: 'jwks', jwks: parseJwks(given.jwks, say) };
  if (!isText(given.jwksUrl, 2_000) || !isHttpUrl(given.jwksUrl)) throw say('whose `jwksUrl` must be an http(s) URL');
  return { kind: 'url', url: given.jwksUrl };
}

function parseSecret(secret: unknown, say: Say): Uint8Array {
  if (typeof secret !== 'string') throw say('whose `secret` must be a text');
  const bytes = new TextEncoder().encode(secret);
  if (bytes.length < leastSecretBytes) throw say(`whose \`secret\` must have at least ${leastSecretBytes} bytes: \`openssl rand -base64 48\` makes one`);
  // Everybody has it: whoever signs with it as if it were a secret would be anybody (RFC 8725, 2.1).
  if (/-----BEGIN|^\s*[{[]/.test(secret)) throw say('whose `secret` is a key or certificate, and no secret: give public keys as `jwks`');
  return bytes;
}

function parseJwks(jwks: unknown, say: Say): JSONWebKeySet {
  const keys = isObject(jwks) ? jwks.keys : null;
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isObject)) throw say('whose `jwks` must be a key set: { "keys": [ … ] }');
  for (const [index, key] of (keys as JsonWebKey[]).entries()) {
    const which = `key ${index + 1} of \`jwks\``;
    if (key.kty === 'oct') throw say(`with a secret as ${which}: give it as \`secret\``);
    if (key.d !== undefined) throw say(`with a private key as ${which}: only the public half belongs here`);
    let bits: number | undefined;
    try {
      bits = createPublicKey({ key, format: 'jwk' }).asymmetricKeyDetails?.modulusLength;
    } catch {
      throw say(`with ${which}, which is no public key`);
    }
    if (bits !== undefined && bits < leastRsaBits) throw say(`with ${which}, which has ${bits} bits: an RSA key needs ${leastRsaBits}`);
  }
  return { keys } as unknown as JSONWebKeySet;
}

function parseAlgorithms(given: unknown, keys: KeySource, say: Say): string[] {
  if (keys.kind === 'secret') {
    if (given !== undefined && JSON.stringify(given) !== '["HS256"]') throw say('with a `secret`, whose `algorithms` can be ["HS256"] only');
    return ['HS256'];
  }
  if (given === undefined) return usual;
  if (!Array.isArray(given) || given.length === 0 || !given.every((each) => asymmetric.includes(each)))
    throw say(`whose \`algorithms\` must be a list out of ${asymmetric.join(', ')}`);
  return given as string[];
}

function parseAudience(given: unknown, say: Say): string[] {
  const list = Array.isArray(given) ? given : [given];
  if (list.length === 0 || !list.every((each) => isText(each, 1_000))) throw say('without `audience`: the text (or a list of texts) that its tokens have as `aud`');
  return list as string[];
}

function parseClaims(given: unknown, say: Say): Issuer['claims'] {
  if (given === undefined) return { ...claimDefaults };
  if (!isObject(given)) throw say('whose `claims` must be an object such as { "displayName": "name" }');
  const unknown = Object.keys(given).find((name) => !(name in claimDefaults));
  if (unknown !== undefined) throw say(`with ${JSON.stringify(unknown)} among its \`claims\`, where ${Object.keys(claimDefaults).join(', ')} can be`);
  const wrong = Object.entries(given).find(([name, claim]) => !isText(claim, 200) && !(claim === null && name !== 'id'));
  if (wrong) throw say(`whose \`claims\` must name the claim for ${JSON.stringify(wrong[0])}${wrong[0] === 'id' ? '' : ', or be null'}`);
  return { ...claimDefaults, ...given } as Issuer['claims'];
}

function parseClient(given: Given, say: Say): Issuer['client'] {
  const { clientId, clientSecret = null, scope = 'openid profile email' } = given;
  if (clientId === undefined) {
    if (given.clientSecret !== undefined || given.scope !== undefined) throw say('with `clientSecret` or `scope`, and without `clientId`');
    return null;
  }
  if (!isText(clientId, 1_000)) throw say('whose `clientId` must be a text');
  if (clientSecret !== null && !isText(clientSecret, 4_000)) throw say('whose `clientSecret` must be a text');
  if (!isText(scope, 1_000) || !scope.split(' ').includes('openid')) throw say('whose `scope` must hold openid');
  return { id: clientId, secret: clientSecret, scope };
}

function parseFlag(given: Given, name: string, fallback: boolean, say: Say): boolean {
  const value = given[name] ?? fallback;
  if (typeof value !== 'boolean') throw say(`whose \`${name}\` must be true or false`);
  return value;
}

const isObject = (value: unknown): value is Given => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown, most: number): value is string =>
  typeof value === 'string' && value !== '' && value.length <= most && !/\p{Cc}/u.test(value) && value.isWellFormed();
const isHttpUrl = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
