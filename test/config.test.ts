/** What an operator is told of settings that do not work, all of it at once, and what is made of those that do. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';

/** What is said of an environment, a problem a line; empty when it works. */
function problemsOf(env: Record<string, string>): string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    return (error as Error).message
      .split('\n')
      .slice(1)
      .map((line) => line.replace('  - ', ''));
  }
}

const PUBLIC_URL = 'https://chat.example.org';
const hunter2 = 'hunter2 hunter2 hunter2 hunter2 hunter2';
const good = { issuer: 'https://a.b', audience: 'chat', secret: hunter2 };
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const keySet = (...keys: object[]) => ({ ...good, secret: undefined, jwks: { keys } });
const jwk = publicKey.export({ format: 'jwk' });
const issuer = (given: object, sentence: RegExp): [Record<string, string>, RegExp] => [{ IDENTITY_ISSUERS: JSON.stringify([given]) }, sentence];
/** What is wrong with an issuer, as the operator reads it. */
const wrongIssuers: [Record<string, string>, RegExp][] = [
  [{ IDENTITY_ISSUERS: '/nowhere/issuers.json' }, /^IDENTITY_ISSUERS is neither a JSON list nor a file that can be read \(ENOENT\)$/],
  [{ IDENTITY_ISSUERS: `[{ "secret": "${hunter2}", }]` }, /^IDENTITY_ISSUERS is not JSON$/],
  [{ IDENTITY_ISSUERS: JSON.stringify(good) }, /^IDENTITY_ISSUERS must be a JSON list of issuers, such as /],
  [{ IDENTITY_ISSUERS: JSON.stringify([good, good]) }, /^IDENTITY_ISSUERS has "https:\/\/a.b" as the issuer of two issuers$/],
  issuer({ ...good, Audience: 'x' }, /^IDENTITY_ISSUERS holds as number 1 an issuer with "Audience", which is unknown/),
  issuer({ ...good, issuer: '' }, /without `issuer`/),
  issuer({ ...good, issuer: 'tertulia' }, /what this server calls itself/),
  issuer({ ...good, audience: undefined }, /\("https:\/\/a.b"\) without `audience`/),
  issuer({ ...good, audience: [] }, /without `audience`/),
  issuer({ ...good, secret: undefined }, /with none of `secret`, `jwks` and `jwksUrl`: it needs exactly one$/),
  issuer({ ...good, jwksUrl: 'https://a.b/keys' }, /with `secret` and `jwksUrl` of/),
  issuer({ ...good, secret: 'hunter2' }, /whose `secret` must have at least 32 bytes/),
  issuer({ ...good, secret: publicKey.export({ type: 'spki', format: 'pem' }) }, /whose `secret` is a key or certificate, and no secret/),
  issuer({ ...good, secret: JSON.stringify(jwk) }, /whose `secret` is a key or certificate/),
  issuer({ ...good, algorithms: ['HS256', 'RS256'] }, /whose `algorithms` can be \["HS256"\] only/),
  issuer({ ...good, secret: undefined, jwksUrl: 'file:///etc/passwd' }, /whose `jwksUrl` must be an http\(s\) URL/),
  issuer(keySet(), /whose `jwks` must be a key set/),
  issuer(keySet({ kty: 'oct', k: 'hunter2' }), /with a secret as key 1 of `jwks`/),
  issuer(keySet(privateKey.export({ format: 'jwk' })), /with a private key as key 1 of `jwks`/),
  issuer(keySet(jwk, { kty: 'RSA', n: 'x' }), /with key 2 of `jwks`, which is no public key/),
  issuer(keySet(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })), /1024 bits: an RSA key needs 2048/),
  issuer({ ...keySet(jwk), algorithms: ['RS256', 'HS256'] }, /whose `algorithms` must be a list out of RS256, /),
  issuer({ ...keySet(jwk), algorithms: ['none'] }, /whose `algorithms` must be a list out of RS256, /),
  issuer({ ...good, claims: { name: 'name' } }, /with "name" among its `claims`, where id, username, displayName, email, picture can be/),
  issuer({ ...good, claims: { id: null } }, /whose `claims` must name the claim for "id"$/),
  issuer({ ...good, create: 'yes' }, /whose `create` must be true or false/),
  issuer({ ...good, clientSecret: 'hunter2' }, /without `clientId`/),
  issuer({ ...keySet(jwk), clientId: 'x', scope: 'profile' }, /whose `scope` must hold openid/),
  issuer({ ...good, clientId: 'x' }, /with `clientId` and `secret`: a provider signs with keys of its own$/),
  issuer({ ...keySet(jwk), issuer: 'app', clientId: 'x' }, /whose `issuer` must be an http\(s\) URL then/),
  issuer({ ...good, name: 'a/b' }, /whose `name` must be of a-z/),
];
const wrong: [Record<string, string>, RegExp][] = [
  ...['http', '-1', '65536', '0x10', '4e3', '"4000"'].map((PORT): [Record<string, string>, RegExp] => [{ PORT }, /^PORT must be a whole number from 0 to 65535, not /]),
  [{ MAX_BODY_BYTES: '25MB' }, /^MAX_BODY_BYTES must be a whole number from \d+ to \d+, not "25MB"$/],
  [{ HEARTBEAT_SECONDS: '10s' }, /^HEARTBEAT_SECONDS must be a whole number from 1 to 3600, not "10s"$/],
  [{ HEARTBEAT_SECONDS: '0' }, /^HEARTBEAT_SECONDS must be a whole number/],
  [{ HEARTBEAT_SECONDS: '99999999999999999999' }, /^HEARTBEAT_SECONDS must be a whole number/],
  ...['http://0.0.0.0', '*', '0.0.0.0:4000', 'my host', '256.1.1.1', '1', 'host/', '[::1]:80'].map((HOST): [Record<string, string>, RegExp] => [
    { HOST },
    /^HOST must be an address of this machine such as .*, without http:\/\/ and port, not /,
  ]),
  ...['chat.example.org', 'https://u:hunter2@a.b', 'https://a.b?x', 'https://a.b#x', 'https://a.b?', 'ftp://a.b', 'https://*.a.b', 'https://'].map(
    (url): [Record<string, string>, RegExp] => [{ PUBLIC_URL: url }, /^PUBLIC_URL must be an absolute http\(s\) URL without user, query or fragment, such as /],
  ),
  [{ PUBLIC_URL: 'https://example.org/chat' }, /^PUBLIC_URL must not have a path: the server needs a host name of its own/],
  [{ DATA_DIR: '~/chat' }, /^DATA_DIR begins with ~/],
  [{ DATABASE_URL: 'file:' }, /^DATABASE_URL must be file: and the name of a file/],
  [{ DATABASE_URL: 'file:chat.db?connection_limit=1' }, /^DATABASE_URL must be file: .* without parameters/],
  [{ DATABASE_URL: 'mysql://u:hunter2@host/db' }, /^DATABASE_URL must begin with file: or postgresql:\/\/$/],
  [{ DATABASE_URL: 'postgresql://' }, /^DATABASE_URL must name a host/],
  [{ DATABASE_URL: 'postgresql://u:hunter2#@host/db' }, /^DATABASE_URL is not a URL: special characters of the user and password must be percent-encoded$/],
  [{ DATABASE_URL: 'postgresql://u:hunter2/@host/db' }, /^DATABASE_URL is not a URL/],
  [{ DATABASE_URL: 'postgresql://host/db#hunter2' }, /^DATABASE_URL holds #/],
  ...['s3://bucket', 'https://u:hunter2@s3.example.org/chat', 'https://s3.example.org/chat/folder', 'https://s3.example.org/chat?x=1'].map(
    (url): [Record<string, string>, RegExp] => [
      { FILES_S3_URL: url, FILES_S3_KEY_ID: 'id', FILES_S3_SECRET: 'hunter2' },
      /^FILES_S3_URL must be the http\(s\) address of a bucket/,
    ],
  ),
  [{ SMTP_URL: 'smtp://mail.example.org' }, /^SMTP_URL needs PUBLIC_URL/],
  [{ PUBLIC_URL, SMTP_URL: 'mail.example.org:587' }, /^SMTP_URL must begin with smtp:\/\/ or smtps:\/\//],
  [{ PUBLIC_URL, SMTP_URL: 'smtp://u:hunter2#@mail.example.org' }, /^SMTP_URL is not a URL/],
  [{ PUBLIC_URL, SMTP_URL: 'smtp://mail.example.org:99999' }, /^SMTP_URL is not a URL: the port/],
  [{ PUBLIC_URL, SMTP_URL: 'smtp://mail.example.org?requireTls=true' }, /^SMTP_URL has the parameter requireTls, which is unknown/],
  [{ ALLOWED_ORIGINS: '*' }, /^ALLOWED_ORIGINS holds "\*", which is not an origin such as https:\/\/example.org$/],
  [{ ALLOWED_ORIGINS: 'https://a.b/x, null' }, /^ALLOWED_ORIGINS holds "https:\/\/a\.b\/x" and "null"/],
  [{ OPERATORS: '@ada, bob' }, /^OPERATORS holds "@ada", which is not a username$/],
  ...wrongIssuers,
  [{ LOG_LEVEL: 'verbose' }, /^LOG_LEVEL must be one of fatal, .*, not "verbose"$/],
  [{ GRAPHIQL: 'enabled' }, /^GRAPHIQL must be on or off, not "enabled"$/],
];

describe('settings that contradict each other are told with each other’s names', () => {
  const contradictory: [Record<string, string>, RegExp[]][] = [
    [{ ACCESS_TOKEN_SECONDS: '900', SESSION_SECONDS: '60' }, [/^ACCESS_TOKEN_SECONDS .* SESSION_SECONDS$/]],
    [{ TYPING_SECONDS: '3', TYPING_REPEAT_SECONDS: '3' }, [/^TYPING_REPEAT_SECONDS .* TYPING_SECONDS$/]],
    [{ MAX_ATTACHMENT_BYTES: '1001', UPLOAD_QUOTA_BYTES: '1000' }, [/^MAX_ATTACHMENT_BYTES .* UPLOAD_QUOTA_BYTES/]],
    [{ FILES_S3_URL: 'https://s3.example.org/chat' }, [/^FILES_S3_URL needs FILES_S3_KEY_ID and FILES_S3_SECRET$/]],
    [{ FILES_S3_URL: 'https://s3.example.org/chat', FILES_S3_SECRET: 'hunter2' }, [/^FILES_S3_URL and FILES_S3_SECRET need FILES_S3_KEY_ID$/]],
    [{ MAX_MESSAGE_CHARS: '6000' }, [/^MAX_FRAME_BYTES cannot hold a message of MAX_MESSAGE_CHARS: it must be at least 76096$/]],
    [{ MAX_MESSAGE_CHARS: '1000000', MAX_BODY_BYTES: '20000000' }, [/^MAX_FRAME_BYTES cannot/, /^SLOW_CONSUMER_BYTES cannot hold .* at least 4004096$/]],
    [{ MAX_BODY_BYTES: '10000', SLOW_CONSUMER_BYTES: '1024' }, [/^MAX_BODY_BYTES cannot hold .* at least 52096$/, /^SLOW_CONSUMER_BYTES cannot/]],
    [{ MAX_BODY_BYTES: 'large', TYPING_SECONDS: '1' }, [/^MAX_BODY_BYTES must be a whole number/, /^TYPING_REPEAT_SECONDS/]],
  ];
  it.each(contradictory)('%j', (env, sentences) => {
    expect(problemsOf(env)).toEqual(sentences.map((sentence) => expect.stringMatching(sentence)));
  });

  it('and those that go together work', () => {
    expect(problemsOf({ MAX_MESSAGE_CHARS: '6000', MAX_FRAME_BYTES: '76096' })).toEqual([]);
    expect(problemsOf({ MAX_ATTACHMENT_BYTES: '1000', UPLOAD_QUOTA_BYTES: '1000' })).toEqual([]);
  });
});

describe('a setting that does not work is told in one sentence', () => {
  it.each(wrong)('%j', (env, sentence) => {
    const problems = problemsOf(env);
    expect(problems).toEqual([expect.stringMatching(sentence)]);
    expect(problems.join()).not.toContain('hunter2');
  });
});

it('all that is wrong is told at once', () => {
  const all = Object.assign({}, ...wrong.map(([env]) => env)) as Record<string, string>;
  expect(problemsOf({ ...all, PUBLIC_URL: 'nowhere' }).map((line) => line.split(' ')[0])).toEqual(
    expect.arrayContaining(['PORT', 'HOST', 'PUBLIC_URL', 'DATA_DIR', 'DATABASE_URL', 'SMTP_URL', 'ALLOWED_ORIGINS', 'OPERATORS', 'LOG_LEVEL', 'GRAPHIQL', 'MAX_BODY_BYTES']),
  );
});

it('issuers are read from the setting or from a file, with what is usual where nothing is said', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tertulia-'));
  try {
    const file = join(folder, 'issuers.json');
    writeFileSync(file, JSON.stringify([good]));
    const [byFile] = readConfig({ IDENTITY_ISSUERS: file }).IDENTITY_ISSUERS;
    expect(byFile).toEqual(readConfig({ IDENTITY_ISSUERS: ` ${JSON.stringify([good])}` }).IDENTITY_ISSUERS[0]);
    expect(byFile).toMatchObject({ name: 'a.b', label: 'a.b', audience: ['chat'], algorithms: ['HS256'], create: true, updateProfile: false, privateNetwork: false, client: null });
    const [client] = readConfig({ IDENTITY_ISSUERS: JSON.stringify([{ issuer: 'https://login.example.org:8443/realms/x', clientId: 'chat' }]) }).IDENTITY_ISSUERS;
    expect(client).toMatchObject({ name: 'login.example.org-8443', audience: ['chat'], keys: { kind: 'discovery' }, algorithms: ['RS256', 'ES256', 'EdDSA'] });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it.each([
  ['PORT', ' 4000 ', 4000],
  ['PORT', '', 4000],
  ['HOST', '[::1]', '::1'],
  ['HOST', 'localhost', 'localhost'],
  ['PUBLIC_URL', 'HTTPS://Chat.Example.org:443//', 'https://chat.example.org'],
  ['PUBLIC_URL', 'https://jürgen.example', 'https://xn--jrgen-kva.example'],
  ['DATABASE_URL', '', 'file:tertulia.db'],
  ['DATABASE_URL', 'postgresql://u@/db?host=/run/postgresql', 'postgresql://u@/db?host=/run/postgresql'],
  ['DATABASE_URL', 'postgresql:///db?host=/run/postgresql', 'postgresql:///db?host=/run/postgresql'],
  ['ALLOWED_ORIGINS', 'HTTPS://A.example:443/, capacitor://localhost', ['https://a.example', 'capacitor://localhost']],
  ['OPERATORS', 'ada, Bob.Smith,', ['ada', 'Bob.Smith']],
  ['TRUST_PROXY', 'Yes', true],
] as const)('%s of %j is taken as %j', (name, given, taken) => {
  expect(readConfig({ [name]: given })[name]).toEqual(taken);
});
