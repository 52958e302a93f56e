/** Reads the environment into one Config. Every setting has its name, default and meaning here and nowhere else; the README's table is checked against `settings`. */
import { resolve } from 'node:path';

type Setting<T> = { default: string; meaning: string; parse: (text: string) => T };

const text = (fallback: string, meaning: string): Setting<string> => ({ default: fallback, meaning, parse: (value) => value });
const oneOf = <T extends string>(values: readonly T[], fallback: T, meaning: string): Setting<T> => ({
  default: fallback,
  meaning,
  parse: (value) => {
    if (!values.includes(value as T)) throw new Error(`must be one of ${values.join(', ')}`);
    return value as T;
  },
});
const onOff = (fallback: 'on' | 'off', meaning: string): Setting<boolean> => ({
  default: fallback,
  meaning,
  parse: (value) => {
    if (['on', '1', 'true', 'yes'].includes(value.toLowerCase())) return true;
    if (['off', '0', 'false', 'no'].includes(value.toLowerCase())) return false;
    throw new Error('must be on or off');
  },
});
const whole = (fallback: number, min: number, max: number, meaning: string): Setting<number> => ({
  default: String(fallback),
  meaning,
  parse: (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) throw new Error(`must be a whole number from ${min} to ${max}`);
    return number;
  },
});
const list = (meaning: string): Setting<string[]> => ({
  default: '',
  meaning,
  parse: (value) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter(Boolean),
});
const httpUrl = (meaning: string): Setting<string> => ({
  default: '',
  meaning,
  parse: (value) => {
    if (value !== '' && !isPlainUrl(value)) throw new Error('must be an absolute http(s) URL without user, query or fragment');
    return value.replace(/\/+$/, '');
  },
});

const smtpUrl = (meaning: string): Setting<string> => ({
  default: '',
  meaning,
  parse: (value) => {
    if (value !== '' && !/^smtps?:\/\/[^/?#]*[^/?#@:]/.test(value)) throw new Error('must begin with smtp:// or smtps:// and name a mail server');
    if (value !== '' && !URL.canParse(value)) throw new Error('is not a URL: special characters of the password must be percent-encoded');
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

const day = 86_400;

/** Every environment variable the server reads. */
export const settings = {
  HOST: text('127.0.0.1', 'Address to listen on. `0.0.0.0` for all.'),
  PORT: whole(4000, 0, 65_535, 'Port to listen on. 0 takes any free one.'),
  PUBLIC_URL: httpUrl('Where people reach the server, e.g. `https://chat.example.org`. Default: `http://HOST:PORT`.'),
  DATA_DIR: text('./data', 'Folder of everything the server stores itself.'),
  DATABASE_URL: text('', '`file:NAME` (inside DATA_DIR) or `postgresql://…`. Default: `file:tertulia.db`.'),
  NODE_POLL_MS: whole(500, 0, 60_000, 'On PostgreSQL, how often a server looks for what other servers wrote there, in milliseconds; 0 is never.'),
  DATABASE_POOL: whole(10, 2, 200, 'PostgreSQL connections per node.'),
  SQLITE_SYNCHRONOUS: oneOf(['full', 'normal'] as const, 'full', '`full` survives a power cut; `normal` only a killed process.'),
  SQLITE_MAX_PAGES: whole(0, 0, 4_294_967_294, 'Most pages of 4 KiB the SQLite file may have; 0 is no limit.'),
  SMTP_URL: smtpUrl('The mail server: `smtp://user:password@host:587`, or `smtps://` for TLS from the start. Needs PUBLIC_URL. Unset: mails become files in DATA_DIR/outbox.'),
  MAIL_FROM: mailAddress('Sender of mails. Default: `Tertulia <no-reply@HOST>`, with the host of PUBLIC_URL.'),
  ALLOWED_ORIGINS: list(
    'Web pages (and apps, such as `capacitor://localhost`) of these origins may use cookies, sockets and CORS, separated by commas. The server’s own origin always may.',
  ),
  TRUST_PROXY: onOff('off', 'Take the client’s address from `X-Forwarded-For` (its last entry). Only behind a proxy that sets it.'),
  GRAPHIQL: onOff('on', 'The GraphiQL page at `/graphql`.'),
  INTROSPECTION: onOff('on', 'Whether clients may ask for the schema.'),
  OPERATORS: list('Usernames that alone may create `everyone` rooms. Empty: anyone may.'),
  RATE_LIMITS: onOff('on', 'Switch all rate limits off for tests and benches.'),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const, 'info', 'pino’s levels.'),
  TEAPOT: onOff('off', 'A taken name answers `httpStatus` 418 instead of 409 (RFC 2324).'),
  REVEAL_ACCOUNTS: onOff('off', 'Whether a failed login tells an unknown account from a wrong password.'),

  ACCESS_TOKEN_SECONDS: whole(900, 1, day, 'Life of an access token.'),
  REFRESH_TOKEN_SECONDS: whole(30 * day, 1, 3650 * day, 'Life of a session since its refresh token was last used.'),
  SESSION_SECONDS: whole(90 * day, 1, 3650 * day, 'Life of a session in all.'),
  REFRESH_GRACE_SECONDS: whole(30, 0, 3600, 'How long a refresh may be repeated with the old token when its answer was lost.'),
  PASSWORD_RESET_SECONDS: whole(3600, 1, 7 * day, 'How long the code of a mail for a forgotten password works.'),
  ARGON2_MEMORY_KIB: whole(19_456, 8, 4_194_304, 'argon2id’s memory (OWASP’s minimum by default).'),
  ARGON2_PASSES: whole(2, 2, 100, 'argon2id’s passes.'),
  PASSWORD_QUEUE: whole(200, 1, 100_000, 'Most password checks that may wait; more are told to come later.'),

  EVENT_RETENTION_SECONDS: whole(14 * day, 1, 3650 * day, 'How long a cursor can be resumed from.'),
  HEARTBEAT_SECONDS: whole(25, 1, 3600, 'A silent stream says it lives after this time.'),
  PRESENCE_GRACE_SECONDS: whole(10, 0, 3600, 'Who is back within this time was never offline.'),
  PRESENCE_ACTIVITY_SECONDS: whole(60, 1, 3600, 'How long `reportActivity` keeps somebody online.'),
  TYPING_SECONDS: whole(6, 1, 600, 'How long somebody types when no word of it follows.'),
  TYPING_REPEAT_SECONDS: whole(3, 0, 600, '`setTyping` is passed on at most once in this time.'),
  SLOW_CONSUMER_BYTES: whole(1_048_576, 1024, 1_073_741_824, 'A socket with more than this unsent is cut off.'),
  SLOW_CONSUMER_SECONDS: whole(10, 1, 3600, 'A socket that takes nothing for this long is cut off.'),
  CONNECTION_INIT_SECONDS: whole(5, 1, 600, 'A socket must say `connection_init` within this time.'),
  SHUTDOWN_SECONDS: whole(10, 1, 600, 'Longest time a stop waits for running requests.'),

  MAX_SUBSCRIPTIONS_PER_SOCKET: whole(100, 1, 100_000, 'Subscriptions open at a time on one socket.'),
  MAX_OPERATIONS_PER_SECOND: whole(50, 1, 1_000_000, 'Operations a second on one socket, on average over ten seconds.'),
  MAX_SOCKETS_PER_ACCOUNT: whole(20, 1, 1_000_000, 'Sockets and SSE streams open at a time of one account.'),
  MAX_FRAME_BYTES: whole(65_536, 1024, 16_777_216, 'Largest WebSocket message a client may send.'),
  MAX_BODY_BYTES: whole(1_048_576, 1024, 1_073_741_824, 'Largest HTTP request body.'),
  MAX_QUERY_TOKENS: whole(2_000, 100, 1_000_000, 'Longest document, in tokens.'),
  MAX_QUERY_DEPTH: whole(14, 3, 1000, 'Deepest selection.'),
  MAX_QUERY_BREADTH: whole(60, 3, 100_000, 'Most fields (with aliases) in one selection set of Query or Mutation.'),
  MAX_QUERY_COMPLEXITY: whole(20_000, 10, 100_000_000, 'Most fields a query may resolve, lists counted with their page size.'),
  MAX_MESSAGE_CHARS: whole(4_000, 1, 1_000_000, 'Longest message text, in code points.'),

  MAX_ATTACHMENT_BYTES: whole(25 * 1_048_576, 1, 2_147_483_647, 'Largest file.'),
  UPLOAD_QUOTA_BYTES: whole(1_073_741_824, 1, Number.MAX_SAFE_INTEGER, 'All files of one account together, in bytes; reserved uploads count.'),
  UPLOAD_QUOTA_FILES: whole(20_000, 1, 1_000_000, 'All files of one account together, in number.'),
  MIN_FREE_BYTES: whole(256 * 1_048_576, 0, Number.MAX_SAFE_INTEGER, 'No file is taken that would leave the disk of DATA_DIR less free space than this.'),
  UPLOAD_SECONDS: whole(900, 1, day, 'How long an `uploadUrl` can be begun with, and how long the upload may take.'),
  UNUSED_UPLOAD_SECONDS: whole(day, 1, 365 * day, 'A completed upload that is in no message and is no picture is removed after this time.'),
  FILE_URL_SECONDS: whole(900, 1, 7 * day, 'Longest life of a link to a file or picture.'),

  LOGIN_LIMIT: whole(10, 1, 1_000_000, 'Logins per 15 minutes, for each account and for each address.'),
  REGISTER_LIMIT: whole(30, 1, 1_000_000, 'Registrations an hour and address.'),
  RESET_LIMIT: whole(5, 1, 1_000_000, 'Mails for a forgotten password an hour, for each e-mail (known or not) and for each address.'),
  SEND_LIMIT: whole(20, 1, 1_000_000, 'Messages a second and account.'),
  SEND_BURST: whole(60, 1, 1_000_000, 'Messages at once and account.'),
  REQUEST_LIMIT: whole(100, 1, 1_000_000, 'Other requests a second and account, on average over ten seconds.'),

  PUSH_CONTACT: contact('Whom push services can write to: `mailto:…` or an https URL. Default: PUBLIC_URL where that is https, else MAIL_FROM.'),
  PUSH_TRIES: whole(8, 1, 100, 'How often a Web Push is tried.'),
  PUSH_RETRY_SECONDS: whole(5, 0, 3600, 'Wait before the second try; it doubles from try to try.'),
  PUSH_TO_PRIVATE_ADDRESSES: onOff('off', 'Accept push endpoints on this machine or in a private network, also without TLS. Only for tests: it lets accounts send requests there.'),
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
  problems.push(...contradictions(read));
  if (problems.length > 0) throw new ConfigError(`The configuration does not work:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  read.DATA_DIR = resolve(read.DATA_DIR);
  read.DATABASE_URL ||= 'file:tertulia.db';
  read.ALLOWED_ORIGINS = read.ALLOWED_ORIGINS.map((origin) => originOf(origin) as string);
  return read;
}

/** A setting that could not be read is undefined here, and contradicts nothing. */
function contradictions(config: Config): string[] {
  const problems: string[] = [];
  if (config.DATABASE_URL && !/^(file:.|postgres(ql)?:\/\/)/.test(config.DATABASE_URL)) problems.push('DATABASE_URL must begin with file: or postgresql://');
  for (const origin of config.ALLOWED_ORIGINS) {
    if (originOf(origin) === null) problems.push(`ALLOWED_ORIGINS holds ${JSON.stringify(origin)}, which is not an origin such as https://example.org`);
  }
  if (config.SMTP_URL && !config.PUBLIC_URL) problems.push('SMTP_URL needs PUBLIC_URL: the links in mails are built from it');
  if (config.ACCESS_TOKEN_SECONDS > config.SESSION_SECONDS) problems.push('ACCESS_TOKEN_SECONDS must not be longer than SESSION_SECONDS');
  if (config.TYPING_REPEAT_SECONDS >= config.TYPING_SECONDS) problems.push('TYPING_REPEAT_SECONDS must be shorter than TYPING_SECONDS');
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

function isPlainUrl(value: string): boolean {
  if (!/^https?:\/\/[^/]/i.test(value) || !URL.canParse(value)) return false;
  const { username, password, search, hash } = new URL(value);
  return username + password + search + hash === '';
}
