/** Reads the environment into one Config. Every setting has its name, default and meaning here and nowhere else; docs/settings.md is written from `settings`. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { type Issuer, parseIssuers } from './issuers.ts';

type Setting<T> = { default: string; meaning: string; parse: (text: string) => T };

const oneOf = <T extends string>(values: readonly T[], fallback: T, meaning: string): Setting<T> => ({
  default: fallback,
  meaning,
  parse: (value) => {
    if (!values.includes(value as T)) throw new Error(`must be one of ${values.join(', ')}, not ${JSON.stringify(value)}`);
    return value as T;
  },
});
const onOff = (fallback: 'on' | 'off', meaning: string): Setting<boolean> => ({
  default: fallback,
  meaning,
  parse: (value) => {
    if (['on', '1', 'true', 'yes'].includes(value.toLowerCase())) return true;
    if (['off', '0', 'false', 'no'].includes(value.toLowerCase())) return false;
    throw new Error(`must be on or off, not ${JSON.stringify(value)}`);
  },
});
const whole = (fallback: number, min: number, max: number, meaning: string): Setting<number> => ({
  default: String(fallback),
  meaning,
  parse: (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) throw new Error(`must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`);
    return number;
  },
});
/** Things separated by commas. `parseOne` gives null for what is none. */
const list = (what: string, parseOne: (text: string) => string | null, meaning: string): Setting<string[]> => ({
  default: '',
  meaning,
  parse: (value) => {
    const parts = value
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean);
    const wrong = parts.filter((part) => parseOne(part) === null);
    if (wrong.length > 0) throw new Error(`holds ${wrong.map((part) => JSON.stringify(part)).join(' and ')}, which is not ${what}`);
    return parts.map((part) => parseOne(part) as string);
  },
});
const folder = (fallback: string, meaning: string): Setting<string> => ({
  default: fallback,
  meaning,
  parse: (value) => {
    if (/^~(\/|$)/.test(value)) throw new Error('begins with ~, which only a shell understands: write the whole path');
    return value;
  },
});
const listenAddress = (fallback: string, meaning: string): Setting<string> => ({
  default: fallback,
  meaning,
  parse: (value) => {
    const address = /^\[(.*)\]$/.exec(value)?.[1] ?? value;
    // What looks like an address and is none would be looked for as a name.
    if (isIP(address) || (/^[a-z0-9_](?:[a-z0-9_.-]{0,252}[a-z0-9_])?$/i.test(address) && !/^[\d.]+$/.test(address))) return address;
    throw new Error(`must be an address of this machine such as 127.0.0.1, 0.0.0.0, :: or localhost, without http:// and port, not ${JSON.stringify(value)}`);
  },
});
const publicUrl = (meaning: string): Setting<string> => ({
  default: '',
  meaning,
  parse: (value) => {
    if (value === '') return '';
    const problem = 'must be an absolute http(s) URL without user, query or fragment, such as https://chat.example.org';
    if (!/^https?:\/\/[^/?#*]+(?:\/[^?#]*)?$/i.test(value) || !URL.canParse(value)) throw new Error(problem);
    const { username, password, pathname, origin } = new URL(value);
    if (username + password !== '') throw new Error(problem);
    // Cookies, pages and links of one host belong together: another program on it could use the sessions of this one.
    if (/[^/]/.test(pathname)) throw new Error('must not have a path: the server needs a host name of its own, such as https://chat.example.org');
    return origin;
  },
});
const databaseUrl = (meaning: string): Setting<string> => ({
  default: 'file:tertulia.db',
  meaning,
  parse: (value) => {
    if (/^file:/.test(value)) {
      if (!/^file:[^?#]+$/.test(value)) throw new Error('must be file: and the name of a file in DATA_DIR, without parameters');
      return value;
    }
    if (!/^postgres(ql)?:\/\//.test(value)) throw new Error('must begin with file: or postgresql://');
    // Without a host where `host` among the parameters names the folder of a socket.
    const url = value.replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=\/)/, '$1socket');
    if (!URL.canParse(url)) throw new Error('is not a URL: special characters of the user and password must be percent-encoded');
    const { host, searchParams, hash } = new URL(url);
    if (hash !== '') throw new Error('holds #, which must be percent-encoded');
    if (host === '' && !searchParams.has('host')) throw new Error('must name a host: postgresql://user:password@host/database');
    return value;
  },
});

const listenUrl = (meaning: string): Setting<string> => ({
  default: '',
  meaning,
  parse: (value) => {
    if (value.startsWith('file:')) throw new Error('must begin with postgresql://, or be off');
    return value === '' || value === 'off' ? value : databaseUrl('').parse(value);
  },
});

/** Nodemailer's, as far as they can be said in a URL: what it does not know it would ignore, and send without the protection that was asked for. */
const smtpParameters = /^(requireTLS|ignoreTLS|name|authMethod|localAddress|tls\.(rejectUnauthorized|servername|minVersion|maxVersion|ciphers|ca))$/;
const smtpUrl = (meaning: string): Setting<string> => ({
  default: '',
  meaning,
  parse: (value) => {
    if (value !== '' && !/^smtps?:\/\/[^/?#]*[^/?#@:]/.test(value)) throw new Error('must begin with smtp:// or smtps:// and name a mail server');
    if (value !== '' && !URL.canParse(value)) throw new Error('is not a URL: the port must be one, and special characters of the password must be percent-encoded');
    const unknown = value === '' ? [] : [...new URL(value).searchParams.keys()].filter((name) => !smtpParameters.test(name));
    if (unknown.length > 0) throw new Error(`has the parameter ${unknown.join(', ')}, which is unknown (upper and lower case matter)`);
    return value;
  },
});
const mailAddress = (meaning: string): Setting<string> => ({
  default: '',
  meaning,
  parse: (value) => {
    if (value !== '' && !/^(?:[^<>\p{Cc}]*<[^\s<>@,]+@[^\s<>@,]+>|[^\s<>@,]+@[^\s<>@,]+)$/u.test(value))
      throw new Error('must be an address such as chat@example.org or Chat <chat@example.org>');
    return value;
  },
});

const contact = (meaning: string): Setting<string> => ({
  default: '',
  meaning,
  parse: (value) => {
    if (value !== '' && !/^(mailto:[^\s<>@,]+@[^\s<>@,]+|https:\/\/\S+)$/.test(value)) throw new Error('must be mailto:somebody@example.org or an https URL');
    return value;
  },
});

const bucketUrl = (meaning: string): Setting<string> => ({
  default: '',
  meaning,
  parse: (value) => {
    if (value === '') return '';
    const problem = 'must be the http(s) address of a bucket without user, query or fragment, such as https://s3.example.org/bucket';
    if (!/^https?:\/\/[^/?#]+(\/[a-z0-9._-]+)?\/?$/i.test(value) || !URL.canParse(value)) throw new Error(problem);
    const { username, password, origin, pathname } = new URL(value);
    if (username + password !== '') throw new Error(problem);
    return `${origin}${pathname.replace(/\/$/, '')}`;
  },
});
const word = (fallback: string, meaning: string): Setting<string> => ({
  default: fallback,
  meaning,
  parse: (value) => {
    if (/\s/.test(value)) throw new Error('must not hold spaces');
    return value;
  },
});

const issuers = (meaning: string): Setting<Issuer[]> => ({ default: '', meaning, parse: (value) => (value === '' ? [] : parseIssuers(value)) });

const day = 86_400;

/** Every environment variable the server reads. */
export const settings = {
  HOST: listenAddress('127.0.0.1', 'The address to listen on. `0.0.0.0` listens on every address of the machine.'),
  PORT: whole(4000, 0, 65_535, 'The port to listen on. 0 takes any free port.'),
  PUBLIC_URL: publicUrl(
    'The address at which people reach the server, e.g. `https://chat.example.org`, without a path. Links in mails are built from it. Default: `http://HOST:PORT`.',
  ),
  DATA_DIR: folder('./data', 'The folder in which the server keeps its files. A SQLite database is in it, too.'),
  DATABASE_URL: databaseUrl('`file:NAME` for a SQLite file inside DATA_DIR, or `postgresql://user:password@host/database`.'),
  NODE_POLL_MS: whole(
    2_000,
    0,
    60_000,
    'On PostgreSQL: how often, in milliseconds, a server looks for what other servers have written to the same database. They wake each other, so this is for what that misses. 0 turns both off, for a server that is the only one.',
  ),
  NODE_LISTEN_URL: listenUrl(
    'The address at which PostgreSQL can be reached without a pooler, for the one connection by which servers wake each other. Default: DATABASE_URL. `off`: they only look, every NODE_POLL_MS.',
  ),
  DATABASE_POOL: whole(10, 2, 200, 'The number of connections to PostgreSQL that one server may open.'),
  SQLITE_SYNCHRONOUS: oneOf(
    ['full', 'normal'] as const,
    'full',
    'With `full`, what was acknowledged survives a power cut. With `normal`, which is faster, it survives a killed process only.',
  ),
  SQLITE_MAX_PAGES: whole(0, 0, 4_294_967_294, 'The largest size of the SQLite file, in pages of 4 KiB. 0 means no limit.'),
  SMTP_URL: smtpUrl(
    'The mail server: `smtp://user:password@host:587`, or `smtps://…` for TLS from the start. Needs PUBLIC_URL. When it is not set, mails are written as files to DATA_DIR/outbox.',
  ),
  MAIL_FROM: mailAddress('The sender of mails. Default: `Tertulia <no-reply@HOST>`, with the host of PUBLIC_URL.'),
  ALLOWED_ORIGINS: list(
    'an origin such as https://example.org',
    originOf,
    'Origins, separated by commas, whose pages (or apps, such as `capacitor://localhost`) may use cookies, sockets and CORS. The server’s own origin always may.',
  ),
  TRUST_PROXY: onOff('off', 'Take the client’s address from the last entry of `X-Forwarded-For`. Turn it on only behind a proxy that sets this header.'),
  WEB: onOff('on', 'Serve the chat itself, for browsers, at `/`. When it is off, `/` is a small page about the API.'),
  GRAPHIQL: onOff('on', 'Serve the GraphiQL page at `/graphql`.'),
  INTROSPECTION: onOff('on', 'Let clients query the schema, and suggest names in error messages.'),
  OPERATORS: list(
    'a username',
    (name) => (/^[A-Za-z0-9][A-Za-z0-9_.-]{2,31}$/.test(name) ? name : null),
    'Usernames, separated by commas. Only these accounts may make a room for everyone. When it is empty, anybody may.',
  ),
  RATE_LIMITS: onOff('on', 'Turn it off to have no rate limits at all, in tests and benchmarks.'),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const, 'info', 'Log messages of this level and above, by pino’s names, or `silent`.'),
  TEAPOT: onOff('off', 'For a name that is taken, let `httpStatus` say 418 (RFC 2324) instead of 409.'),
  REVEAL_ACCOUNTS: onOff('off', 'Let a failed login say whether the account or the password was wrong. This lets strangers find out who has an account.'),

  IDENTITY_ISSUERS: issuers(
    'Whose tokens sign people in: a JSON list, or the path of a file that holds one ([how](embedding.md)). Each has `issuer`, `audience`, and `secret`, `jwks` or `jwksUrl`.',
  ),

  REGISTRATION: onOff('on', 'Turn it off where accounts are made otherwise, or no more are wanted: `register` is refused.'),
  PASSWORD_LOGIN: onOff('on', 'Turn it off where people come with tokens of IDENTITY_ISSUERS only: no password signs anybody in, and nobody registers with one.'),

  ACCESS_TOKEN_SECONDS: whole(900, 1, day, 'How long an access token is valid.'),
  REFRESH_TOKEN_SECONDS: whole(30 * day, 1, 3650 * day, 'How long a session lives after its last login or refresh.'),
  SESSION_SECONDS: whole(90 * day, 1, 3650 * day, 'How long a session lives at most, however often it is refreshed.'),
  REFRESH_GRACE_SECONDS: whole(30, 0, 3600, 'How long a refresh may be repeated with the old refresh token, for a client that did not get the answer.'),
  PASSWORD_RESET_SECONDS: whole(3600, 1, 7 * day, 'How long the code in a mail for a forgotten password is valid.'),
  ARGON2_MEMORY_KIB: whole(19_456, 8, 4_194_304, 'The memory that one password hash (argon2id) takes, in KiB. The default is the minimum that OWASP recommends.'),
  ARGON2_PASSES: whole(2, 2, 100, 'The number of passes of argon2id.'),
  PASSWORD_QUEUE: whole(200, 1, 100_000, 'The number of passwords that may wait to be checked or hashed. When it is full, whoever has the most waiting is answered UNAVAILABLE.'),

  EVENT_RETENTION_SECONDS: whole(14 * day, 1, 3650 * day, 'How long the event log keeps an event, and so for how long a stream can be resumed from a cursor.'),
  HEARTBEAT_SECONDS: whole(25, 1, 3600, 'A stream that has had nothing to send for this long sends a `Heartbeat`.'),
  PRESENCE_GRACE_SECONDS: whole(
    10,
    0,
    3600,
    'How long somebody still counts as online after the last connection was lost. Whoever reconnects within this time is not shown as offline.',
  ),
  PRESENCE_ACTIVITY_SECONDS: whole(60, 1, 3600, 'How long a call of `reportActivity` keeps somebody online who has no connection.'),
  TYPING_SECONDS: whole(6, 1, 600, 'How long somebody is shown as typing after the last `setTyping`.'),
  TYPING_REPEAT_SECONDS: whole(3, 0, 600, 'Repeated calls of `setTyping` are passed on to others at most once in this time.'),
  SLOW_CONSUMER_BYTES: whole(1_048_576, 1024, 1_073_741_824, 'A connection is closed when more than this is waiting to be sent to its client.'),
  SLOW_CONSUMER_SECONDS: whole(10, 1, 3600, 'A connection is closed when its client has taken nothing of what is waiting for this long.'),
  CONNECTION_INIT_SECONDS: whole(5, 1, 600, 'A client must send `connection_init` within this time after it has opened a socket.'),
  SHUTDOWN_SECONDS: whole(10, 1, 600, 'How long a stopping server waits at most for requests that are still running.'),

  MAX_SUBSCRIPTIONS_PER_SOCKET: whole(100, 1, 100_000, 'The number of subscriptions that may be open on one socket at a time.'),
  MAX_OPERATIONS_PER_SECOND: whole(50, 1, 1_000_000, 'The number of operations per second that one socket may send, averaged over ten seconds.'),
  MAX_SOCKETS_PER_ACCOUNT: whole(20, 1, 1_000_000, 'The number of sockets and SSE streams that one account may have open at a time.'),
  MAX_ANONYMOUS_SOCKETS_PER_ADDRESS: whole(
    500,
    1,
    1_000_000,
    'The number of sockets that one client address may have open on which nobody has signed in. Sockets above MAX_SOCKETS_PER_ACCOUNT count here, too.',
  ),
  ANONYMOUS_SOCKET_SECONDS: whole(60, 1, day, 'Such a socket is closed when it has asked for nothing for this long.'),
  MAX_FRAME_BYTES: whole(65_536, 1024, 16_777_216, 'The largest WebSocket message that a client may send.'),
  MAX_BODY_BYTES: whole(1_048_576, 1024, 1_073_741_824, 'The largest body of a GraphQL request over HTTP.'),
  MAX_QUERY_TOKENS: whole(2_000, 100, 1_000_000, 'The longest GraphQL document, in tokens. With its fragments written out it may have no more fields than this.'),
  MAX_QUERY_DEPTH: whole(14, 3, 1000, 'How many levels deep a selection may be.'),
  MAX_QUERY_BREADTH: whole(
    60,
    3,
    100_000,
    'The number of fields, aliases included, that an operation may have at its top, and how often a document may select one field of the answer.',
  ),
  MAX_QUERY_COMPLEXITY: whole(
    20_000,
    10,
    100_000_000,
    'The weight of the heaviest query that is run. A query weighs as many fields as it could answer: what is in a list counts once for each item of its page.',
  ),
  MAX_ANSWER_BYTES: whole(
    8 * 1_048_576,
    65_536,
    1_073_741_824,
    'The largest answer of an operation, and the largest item of a stream. What would be larger is answered with QUERY_TOO_COSTLY.',
  ),
  EDIT_HISTORY: oneOf(
    ['moderators', 'everyone', 'off'] as const,
    'moderators',
    'Who is shown what a message said before it was edited: with `moderators` its author and the admins and owners of its room, with `everyone` whoever may read it. With `off` nothing is kept of it, and what was kept is removed.',
  ),
  MAX_MESSAGE_CHARS: whole(4_000, 1, 1_000_000, 'The longest text of a message, in code points.'),
  MAX_REACTIONS_PER_MEMBER: whole(10, 1, 1_000, 'The number of different emojis with which one person may react to a message.'),
  MAX_REACTION_KINDS: whole(30, 1, 1_000, 'The number of different emojis under one message.'),

  // Below the largest Int of GraphQL, which stands for all that is larger.
  MAX_ATTACHMENT_BYTES: whole(25 * 1_048_576, 1, 2_147_483_646, 'The largest file that may be uploaded.'),
  UPLOAD_QUOTA_BYTES: whole(1_073_741_824, 1, Number.MAX_SAFE_INTEGER, 'The size of all files of one account together. Uploads that were requested and have not come yet count.'),
  UPLOAD_QUOTA_FILES: whole(20_000, 1, 1_000_000, 'The number of all files of one account together.'),
  MIN_FREE_BYTES: whole(
    256 * 1_048_576,
    0,
    Number.MAX_SAFE_INTEGER,
    'The free space that must stay on the disk of DATA_DIR. A file that would leave less is refused. Nothing is asked of a bucket.',
  ),
  FILES_S3_URL: bucketUrl(
    'Keep files in this bucket instead of DATA_DIR/files: an address with the bucket as its path (`https://s3.example.org/bucket`) or in its host ([more](operating.md#files-of-several-servers)).',
  ),
  FILES_S3_REGION: word('us-east-1', 'The region that requests to FILES_S3_URL are signed for.'),
  FILES_S3_KEY_ID: word('', 'The id of the key that may list, read, write and delete in FILES_S3_URL.'),
  FILES_S3_SECRET: word('', 'Its secret.'),
  FILES_S3_SECONDS: whole(10, 1, 600, 'What needs the bucket is answered UNAVAILABLE when the bucket has taken or sent nothing for so long.'),
  UPLOAD_SECONDS: whole(900, 1, day, 'How long an `uploadUrl` can be used, and how long the upload may then take.'),
  UNUSED_UPLOAD_SECONDS: whole(day, 1, 365 * day, 'A completed upload that was put into no message and made no picture is removed after this time.'),
  FILE_URL_SECONDS: whole(900, 1, 7 * day, 'How long a link to a file or picture works at most.'),

  LOGIN_LIMIT: whole(
    10,
    1,
    1_000_000,
    'Wrong passwords in 15 minutes for one name from one client address, and for one session. Ten times as many for a name from anywhere, and for an address whatever the name. Right ones are not counted.',
  ),
  REGISTER_LIMIT: whole(30, 1, 1_000_000, 'Registrations per hour from one client address.'),
  RESET_LIMIT: whole(
    5,
    1,
    1_000_000,
    'Requests per hour for a mail about a forgotten password, for each e-mail address (known or not) and for each client address; and changes of its e-mail address for each account.',
  ),
  SEND_LIMIT: whole(20, 1, 1_000_000, 'Messages per second that one account may send on average.'),
  SEND_BURST: whole(60, 1, 1_000_000, 'Messages that one account may send at once, before SEND_LIMIT slows it down.'),
  SEARCH_LIMIT: whole(10, 1, 1_000_000, 'Searches of messages per second of one account.'),
  PROFILE_LIMIT: whole(10, 1, 1_000_000, 'Changes per minute that one account may make to its name and picture: everybody who is connected is told of each.'),
  REQUEST_LIMIT: whole(100, 1, 1_000_000, 'Other requests per second of one account, averaged over ten seconds. Requests without an account are counted by their client address.'),

  PUSH_CONTACT: contact('How push services can reach the operator: `mailto:…` or an https URL. Default: PUBLIC_URL when it is https, otherwise the address in MAIL_FROM.'),
  PUSH_TRIES: whole(8, 1, 100, 'How often a Web Push is tried before it is given up.'),
  PUSH_RETRY_SECONDS: whole(5, 0, 3600, 'The wait before a Web Push is tried again. It doubles with each further try.'),
  PUSH_TO_PRIVATE_ADDRESSES: onOff(
    'off',
    'Accept push endpoints on this machine or in a private network, also without TLS, and fetch the keys of any issuer there. Only for tests: it lets accounts make the server send requests there.',
  ),
} satisfies Record<string, Setting<unknown>>;

export type Config = { [Name in keyof typeof settings]: ReturnType<(typeof settings)[Name]['parse']> };

/** A wrong or contradictory configuration: one message that lists every problem. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** Environment to Config. An empty variable counts as unset. Throws one ConfigError that names all problems; values of secrets never appear in it. */
export function readConfig(env: Record<string, string | undefined>): Config {
  const problems: string[] = [];
  const config: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(settings)) {
    try {
      config[name] = setting.parse(env[name]?.trim() || setting.default);
    } catch (error) {
      problems.push(`${name} ${(error as Error).message}`);
    }
  }
  const read = config as Config;
  for (const problem of contradictions(read)) problems.push(problem);
  if (problems.length > 0) throw new ConfigError(`The configuration does not work:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  read.DATA_DIR = resolve(read.DATA_DIR);
  return read;
}

/** The bytes of one character: as clients may write it in JSON (`\ud83d\ude00` for one), and as the server does. */
const largestCharacter = { sent: 12, handedOut: 4 };
/** What an operation, or an item of a stream, has beside the text of its message. */
const roomBeside = 4_096;
const cannotHold = (name: string, bytes: number | undefined): string => `${name} cannot hold a message of MAX_MESSAGE_CHARS: it must be at least ${bytes}`;

/** A setting that could not be read is undefined here, and contradicts nothing. */
function contradictions(config: Config): string[] {
  const problems: string[] = [];
  if (config.SMTP_URL && config.PUBLIC_URL === '') problems.push('SMTP_URL needs PUBLIC_URL: the links in mails are built from it');
  if (config.PASSWORD_LOGIN === false && config.IDENTITY_ISSUERS?.length === 0) problems.push('PASSWORD_LOGIN is off, which needs IDENTITY_ISSUERS: nobody could sign in');
  const ofBucket = ['FILES_S3_URL', 'FILES_S3_KEY_ID', 'FILES_S3_SECRET'] as const;
  const without = ofBucket.filter((name) => config[name] === '');
  if (without.length > 0 && without.length < ofBucket.length)
    problems.push(`${ofBucket.filter((name) => !without.includes(name)).join(' and ')} need${without.length === 2 ? 's' : ''} ${without.join(' and ')}`);
  if (config.ACCESS_TOKEN_SECONDS > config.SESSION_SECONDS) problems.push('ACCESS_TOKEN_SECONDS must not be longer than SESSION_SECONDS');
  if (config.TYPING_REPEAT_SECONDS >= config.TYPING_SECONDS) problems.push('TYPING_REPEAT_SECONDS must be shorter than TYPING_SECONDS');
  if (config.MAX_ATTACHMENT_BYTES > config.UPLOAD_QUOTA_BYTES)
    problems.push('MAX_ATTACHMENT_BYTES must not be larger than UPLOAD_QUOTA_BYTES: such a file could never be uploaded');
  const [sent, handedOut] = [largestCharacter.sent, largestCharacter.handedOut].map((bytes) => config.MAX_MESSAGE_CHARS * bytes + roomBeside);
  for (const name of ['MAX_FRAME_BYTES', 'MAX_BODY_BYTES'] as const) if (config[name] < Number(sent)) problems.push(cannotHold(name, sent));
  for (const name of ['SLOW_CONSUMER_BYTES', 'MAX_ANSWER_BYTES'] as const) if (config[name] < Number(handedOut)) problems.push(cannotHold(name, handedOut));
  return problems;
}

/** Where people reach the server, without a slash at its end: PUBLIC_URL, or the address it listens on. Never taken from a request, which can name any host. */
export const publicUrlOf = ({ PUBLIC_URL, HOST, PORT }: Pick<Config, 'PUBLIC_URL' | 'HOST' | 'PORT'>): string => PUBLIC_URL || `http://${shownHost(HOST)}:${PORT}`;

/** An address that can be opened on this machine. */
export function shownHost(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

/** An origin as browsers write it (RFC 6454, 6.2), also of an app's own scheme, such as capacitor://localhost; null for what is more or less than one. */
function originOf(value: string): string | null {
  const [, origin = ''] = /^([a-z][a-z0-9+.-]*:\/\/[^/?#@*\s]+)\/?$/i.exec(value) ?? [];
  if (!/^https?:/i.test(origin)) return origin.toLowerCase() || null;
  return URL.canParse(origin) ? new URL(origin).origin : null;
}
