/** Errors at the edge: the error types of schema.graphql, and what the top-level list may say. Nothing but codes, sentences and details leaves the server. */
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { Config } from '../config.ts';
import {
  AppError,
  type conflictReasons,
  type credentialFailures,
  type ErrorCode,
  type ErrorDetails,
  type forbiddenReasons,
  type rateLimitScopes,
  sentences,
  type tokenFailures,
} from '../errors.ts';
import type { Log } from '../log.ts';
import { isUnavailable } from '../storage/failures.ts';
import { builder } from './builder.ts';

/** The status a REST gateway would answer with. */
export const httpStatusOf: Record<ErrorCode, number> = {
  UNAUTHENTICATED: 401,
  TOKEN_EXPIRED: 401,
  TOKEN_INVALID: 401,
  BAD_REQUEST: 400,
  QUERY_TOO_COSTLY: 400,
  INTERNAL_SERVER_ERROR: 500,
  UNAVAILABLE: 503,
  VALIDATION_FAILED: 422,
  ALREADY_TAKEN: 409,
  INVALID_CREDENTIALS: 401,
  INVALID_TOKEN: 401,
  NOT_FOUND: 404,
  FORBIDDEN: 403,
  CONFLICT: 409,
  RATE_LIMITED: 429,
  WRONG_ROOM_PASSWORD: 403,
  ROOM_FULL: 409,
  QUOTA_EXCEEDED: 409,
};

/** An error as a union member. Plain data: graphql-js throws any Error instance that a resolver returns. */
export type ErrorData<Code extends ErrorCode = ErrorCode> = { code: Code; errorMessage: string; httpStatus: number } & (ErrorDetails[Code] extends undefined
  ? object
  : ErrorDetails[Code]);

export function toErrorData(error: AppError, config: Pick<Config, 'TEAPOT'>): ErrorData {
  const httpStatus = error.code === 'ALREADY_TAKEN' && config.TEAPOT ? 418 : httpStatusOf[error.code];
  return { code: error.code, errorMessage: error.message, httpStatus, ...error.details } as ErrorData;
}

const ErrorCodeEnum = builder.enumType('ErrorCode', {
  description: `All codes. Those up to UNAVAILABLE appear in the top-level \`errors\` list only (\`extensions.code\`); the others in result unions as data,
and NOT_FOUND, FORBIDDEN and RATE_LIMITED also at the top level, for queries and subscriptions.`,
  values: Object.fromEntries(Object.entries(sentences).map(([code, description]) => [code, { description }])) as Record<ErrorCode, { description: string }>,
});

export const UserError = builder.interfaceRef<{ code: ErrorCode; errorMessage: string; httpStatus: number }>('UserError').implement({
  description: 'Implemented by every error a mutation can return as data.',
  fields: (t) => ({
    code: t.expose('code', { type: ErrorCodeEnum, description: 'What went wrong, for programs.' }),
    errorMessage: t.exposeString('errorMessage', {
      description: `English, safe to show. Not called \`message\`: in a chat API that is the name of the thing itself, and one selection
set over a result union could then not ask for both (OverlappingFieldsCanBeMerged).`,
    }),
    httpStatus: t.exposeInt('httpStatus', { description: 'The status a REST gateway in front of this API would answer with.' }),
  }),
  resolveType: (error) => errorTypeName(error),
});

const FieldError = builder.objectRef<ErrorDetails['VALIDATION_FAILED']['fields'][number]>('FieldError').implement({
  description: 'What is wrong with one field of the input.',
  fields: (t) => ({
    path: t.exposeStringList('path', { description: 'Path into `input`, e.g. ["to", "username"].' }),
    message: t.exposeString('message', { description: 'English, safe to show beside the field.' }),
    rule: t.exposeString('rule', { description: 'Short name of the broken rule, e.g. `length`, for programs.' }),
  }),
});
const named = <Value extends string>(name: string, description: string, values: Record<Value, string>) =>
  builder.enumType(name, {
    description,
    values: Object.fromEntries(Object.entries(values).map(([value, meaning]) => [value, { description: meaning as string }])) as Record<Value, { description: string }>,
  });

const ForbiddenReasonEnum = named<(typeof forbiddenReasons)[number]>('ForbiddenReason', 'Why something visible may not be done.', {
  NOT_A_MEMBER: 'Only members of the chat may.',
  ROLE_TOO_LOW: 'It takes an admin or an owner.',
  NOT_THE_AUTHOR: 'Only who wrote the message may.',
  BANNED: 'An owner or admin has banned the caller from the room.',
  EVERYONE_ROOM: 'An `everyone` room cannot be left, and nobody removed from it.',
  MENTION_ALL: 'The room does not let the caller call everybody.',
  NOT_AN_OPERATOR: "Only the operators named by the server's settings may do this.",
  REGISTRATION_OFF: 'Nobody registers here: `serverInfo.signIn` says how people come.',
  PASSWORD_LOGIN_OFF: 'No password signs anybody in here: `serverInfo.signIn` says how people come.',
});
const ConflictReasonEnum = named<(typeof conflictReasons)[number]>('ConflictReason', 'What the change does not fit.', {
  LAST_OWNER: 'The room would be left without an owner.',
  VERSION_MISMATCH: 'Somebody edited the message in between.',
  CLIENT_MESSAGE_ID_REUSED: 'The same `clientMessageId` was sent before with other content.',
  LAST_WAY_IN: 'Nothing else could sign the caller in.',
});
export const CredentialFailureEnum = named<(typeof credentialFailures)[number]>('CredentialFailure', 'What was wrong with a login.', {
  UNSPECIFIED: 'The server does not tell.',
  UNKNOWN_ACCOUNT: 'There is no such account.',
  WRONG_PASSWORD: 'The account exists, the password is another.',
});
export const TokenFailureEnum = named<(typeof tokenFailures)[number]>('TokenFailure', 'Why a token is of no use.', {
  EXPIRED: 'It was good once; its time is over.',
  MALFORMED: 'It is not a token of this server.',
  UNKNOWN: 'Its session does not exist (any more), or it was replaced by a login on the same device.',
  REVOKED: 'Its session was ended.',
  REUSED: 'A refresh token was shown again after its grace; the session was ended.',
  WRONG_USER: 'It belongs to somebody else than was asked about.',
});
const RateLimitScopeEnum = named<(typeof rateLimitScopes)[number]>('RateLimitScope', 'Which limit was reached.', {
  LOGIN: 'Logins and other password checks.',
  REGISTER: 'Registrations from one address.',
  SEND: 'Messages of one account.',
  REQUESTS: 'Requests of one account, address or socket, and mails that were asked for.',
  SEARCH: 'Searches of one account.',
});

const shape = <Code extends ErrorCode>(name: string) => builder.objectRef<ErrorData<Code>>(name);

/** One type for each code that may be data. */
export const errorTypes = {
  VALIDATION_FAILED: shape<'VALIDATION_FAILED'>('ValidationError').implement({
    interfaces: [UserError],
    description: 'Some of the input breaks a rule; every broken one is listed.',
    fields: (t) => ({ fields: t.field({ type: [FieldError], description: 'What is wrong, field by field.', resolve: (error) => error.fields }) }),
  }),
  ALREADY_TAKEN: shape<'ALREADY_TAKEN'>('AlreadyTakenError').implement({
    interfaces: [UserError],
    description: 'A unique value (username, e-mail, room link) is in use.',
    fields: (t) => ({
      httpStatus: t.exposeInt('httpStatus', { description: '409; 418 when the operator turned the teapot on (RFC 2324). A field: the HTTP answer itself is 200.' }),
      field: t.exposeString('field', { description: 'The field of the input.' }),
    }),
  }),
  INVALID_CREDENTIALS: shape<'INVALID_CREDENTIALS'>('InvalidCredentialsError').implement({
    interfaces: [UserError],
    description: 'The account or the password is not right.',
    fields: (t) => ({
      credentialFailure: t.expose('credentialFailure', {
        type: CredentialFailureEnum,
        description: 'UNSPECIFIED unless the operator chose to tell (it lets strangers find out who has an account).',
      }),
    }),
  }),
  INVALID_TOKEN: shape<'INVALID_TOKEN'>('InvalidTokenError').implement({
    interfaces: [UserError],
    description: 'A token that cannot be used: to refresh, to reset a password, or of an issuer.',
    fields: (t) => ({ tokenFailure: t.expose('tokenFailure', { type: TokenFailureEnum, description: 'Why.' }) }),
  }),
  NOT_FOUND: shape<'NOT_FOUND'>('NotFoundError').implement({
    interfaces: [UserError],
    description: 'What was named does not exist, or is hidden from the caller: the two look alike.',
    fields: (t) => ({ typeName: t.exposeString('typeName', { description: 'What was not found, e.g. User, Room, Message.' }) }),
  }),
  FORBIDDEN: shape<'FORBIDDEN'>('ForbiddenError').implement({
    interfaces: [UserError],
    description: 'The caller sees the thing but may not do this to it.',
    fields: (t) => ({ forbiddenReason: t.expose('forbiddenReason', { type: ForbiddenReasonEnum, description: 'Why.' }) }),
  }),
  CONFLICT: shape<'CONFLICT'>('ConflictError').implement({
    interfaces: [UserError],
    description: 'It does not fit what is there now.',
    fields: (t) => ({ conflictReason: t.expose('conflictReason', { type: ConflictReasonEnum, description: 'Why.' }) }),
  }),
  RATE_LIMITED: shape<'RATE_LIMITED'>('RateLimitedError').implement({
    interfaces: [UserError],
    description: 'Too much in too short a time. Nothing was done.',
    fields: (t) => ({
      retryAfterMs: t.exposeInt('retryAfterMs', { description: 'Try again after so many milliseconds.' }),
      scope: t.expose('scope', { type: RateLimitScopeEnum, description: 'Which limit.' }),
    }),
  }),
  WRONG_ROOM_PASSWORD: shape<'WRONG_ROOM_PASSWORD'>('WrongRoomPasswordError').implement({
    interfaces: [UserError],
    description: 'The room has a password, and this is not it.',
    fields: () => ({}),
  }),
  ROOM_FULL: shape<'ROOM_FULL'>('RoomFullError').implement({
    interfaces: [UserError],
    description: 'The room has as many members as it may.',
    fields: (t) => ({ roomCapacity: t.exposeInt('roomCapacity', { description: 'Most members allowed, the owner included.' }) }),
  }),
  QUOTA_EXCEEDED: shape<'QUOTA_EXCEEDED'>('QuotaExceededError').implement({
    interfaces: [UserError],
    description: 'More than one account may have.',
    fields: (t) => ({
      limit: t.exposeFloat('limit', { description: 'How much is allowed.' }),
      used: t.exposeFloat('used', { description: 'How much is in use.' }),
    }),
  }),
};

export const errorTypeName = (error: object): string => errorTypes[(error as ErrorData).code as keyof typeof errorTypes].name;

// ---------------------------------------------------------------- the top-level list

/**
 * One error of the top-level list as clients may see it. What no client caused is masked and logged with the request's id; what is wrong with a document
 * says where, and repeats none of its values.
 */
export function toFormattedError(error: unknown, log: Log, requestId?: string): GraphQLFormattedError {
  const graphqlError = error instanceof GraphQLError ? error : null;
  // Yoga marks like this what was thrown and is no error: a plugin's text.
  const cause = graphqlError?.extensions.unexpected ? (graphqlError.originalError ?? graphqlError.message) : graphqlError ? rootCause(graphqlError) : error;
  const where = { ...(graphqlError?.locations ? { locations: graphqlError.locations } : {}), ...(graphqlError?.path ? { path: graphqlError.path } : {}) };
  if (cause instanceof AppError) return { message: cause.message, ...where, extensions: { code: cause.code, ...cause.details } };
  if (cause === null) {
    const code = typeof graphqlError?.extensions.code === 'string' ? graphqlError.extensions.code : 'BAD_REQUEST';
    return { message: graphqlError ? withoutValues(graphqlError) : sentences.BAD_REQUEST, ...where, extensions: { code } };
  }
  if (isUnavailable(cause)) {
    log.warn({ err: cause, requestId }, 'the database is not available');
    return { message: sentences.UNAVAILABLE, ...where, extensions: { code: 'UNAVAILABLE' } };
  }
  log.error({ err: cause, requestId, path: graphqlError?.path?.join('.') }, 'unexpected error');
  return { message: sentences.INTERNAL_SERVER_ERROR, ...where, extensions: { code: 'INTERNAL_SERVER_ERROR', ...(requestId ? { requestId } : {}) } };
}

/** The error that was thrown; null when graphql itself refused the document or a value. */
function rootCause(error: GraphQLError): unknown {
  let cause: unknown = error;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return cause instanceof GraphQLError ? null : cause;
}

const longestSentence = 300;

/**
 * The sentence of an error that graphql-js made, without what it quotes of the client: that may be a password that slipped into a wrong field, and a megabyte
 * long. Only ever cut at a place that the library's own words mark, before the quote or behind it, so no pattern runs over what a client wrote.
 */
function withoutValues(error: GraphQLError): string {
  const { message, originalError } = error;
  // `Variable "$a" got invalid value <quote> at "a.b"; <sentence of another error>`
  const [variable, quoted] = cutAt(message, ' got invalid value ');
  if (quoted !== null && originalError instanceof GraphQLError && message.endsWith(originalError.message)) {
    const end = message.length - originalError.message.length - '; '.length;
    const at = message.lastIndexOf(' at "', end);
    const path = message.slice(at, end);
    return `${variable} got an invalid value${/^ at "[\w.[\]]{1,200}"$/.test(path.slice(0, longestSentence)) ? path : ''}: ${withoutValues(originalError)}`.slice(
      0,
      longestSentence,
    );
  }
  return unquoted(message).slice(0, longestSentence);
}

function unquoted(message: string): string {
  if (message.startsWith('Syntax Error: ')) return withoutToken(message);
  for (const [start, words, instead] of quotesBefore) {
    const at = message.startsWith(start) ? message.lastIndexOf(words) : -1;
    if (at >= 0) return `${instead}${message.slice(at)}`;
  }
  // The first of them is the library's: what comes later may stand in the quote.
  const [first] = quotesBehind.filter(([words]) => message.includes(words)).sort(([one], [other]) => message.indexOf(one) - message.indexOf(other));
  return first ? `${cutAt(message, first[0])[0]}${first.join('')}` : message;
}

/** What graphql-js says right before it quotes, and how the sentence ends instead. */
const quotesBehind: [words: string, follow: string][] = [
  [', found ', 'another.'],
  [' value: ', 'this one.'],
  [' got invalid value ', 'here.'],
  [' has invalid value ', 'here.'],
];
/** How a sentence begins with a quote, what it says right behind it, and how it begins instead. */
const quotesBefore: [start: string, words: string, instead: string][] = [
  ['Value "', ' does not exist in ', 'This value'],
  ['Field "', ' is not defined by type ', 'A field of this name'],
];

/** The parser says what kind of token it did not want, and quotes it: values are left out. */
function withoutToken(message: string): string {
  const at = message.indexOf(valueWord(message, ', found ') ?? valueWord(message, 'Unexpected ') ?? '\n');
  return at < 0 ? message : `${message.slice(0, message.indexOf(' "', at))}.`;
}

function valueWord(message: string, before: string): string | null {
  const [, behind] = cutAt(message.slice(0, longestSentence), before);
  const kind = ['String', 'BlockString', 'Int', 'Float'].find((word) => behind?.startsWith(`${word} "`));
  return kind ? `${before}${kind} "` : null;
}

function cutAt(text: string, words: string): [before: string, behind: string | null] {
  const at = text.indexOf(words);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + words.length)];
}
