/** What can go wrong by somebody's doing: one union of codes, and what each carries besides its sentence. The domain throws these; the edge maps them. */

export type FieldProblem = { path: string[]; message: string; rule: string };
export type TypeName = 'User' | 'Chat' | 'Room' | 'Message' | 'Attachment' | 'Session' | 'Member' | 'PushDevice' | 'Notification' | 'Identity';
export const forbiddenReasons = [
  'NOT_A_MEMBER',
  'ROLE_TOO_LOW',
  'NOT_THE_AUTHOR',
  'BANNED',
  'EVERYONE_ROOM',
  'NOT_AN_OPERATOR',
  'MENTION_ALL',
  'REGISTRATION_OFF',
  'PASSWORD_LOGIN_OFF',
] as const;
export type ForbiddenReason = (typeof forbiddenReasons)[number];
export const conflictReasons = ['LAST_OWNER', 'VERSION_MISMATCH', 'CLIENT_MESSAGE_ID_REUSED', 'LAST_WAY_IN'] as const;
export type ConflictReason = (typeof conflictReasons)[number];
export const tokenFailures = ['EXPIRED', 'MALFORMED', 'UNKNOWN', 'REVOKED', 'REUSED', 'WRONG_USER'] as const;
export type TokenFailure = (typeof tokenFailures)[number];
export const credentialFailures = ['UNSPECIFIED', 'UNKNOWN_ACCOUNT', 'WRONG_PASSWORD'] as const;
export type CredentialFailure = (typeof credentialFailures)[number];
export const rateLimitScopes = ['LOGIN', 'REGISTER', 'SEND', 'REQUESTS', 'SEARCH'] as const;
export type RateLimitScope = (typeof rateLimitScopes)[number];

/** What each code carries. Codes without details carry `undefined`. */
export type ErrorDetails = {
  UNAUTHENTICATED: undefined;
  TOKEN_EXPIRED: undefined;
  TOKEN_INVALID: undefined;
  BAD_REQUEST: undefined;
  QUERY_TOO_COSTLY: undefined;
  INTERNAL_SERVER_ERROR: undefined;
  UNAVAILABLE: undefined;
  VALIDATION_FAILED: { fields: FieldProblem[] };
  ALREADY_TAKEN: { field: string };
  INVALID_CREDENTIALS: { credentialFailure: CredentialFailure };
  INVALID_TOKEN: { tokenFailure: TokenFailure };
  NOT_FOUND: { typeName: TypeName };
  FORBIDDEN: { forbiddenReason: ForbiddenReason };
  CONFLICT: { conflictReason: ConflictReason };
  RATE_LIMITED: { retryAfterMs: number; scope: RateLimitScope };
  WRONG_ROOM_PASSWORD: undefined;
  ROOM_FULL: { roomCapacity: number };
  QUOTA_EXCEEDED: { limit: number; used: number };
};
export type ErrorCode = keyof ErrorDetails;

/** The sentence of each code, for when a place has nothing better to say. */
export const sentences: Record<ErrorCode, string> = {
  UNAUTHENTICATED: 'Sign in first.',
  TOKEN_EXPIRED: 'The access token has expired: refresh the session.',
  TOKEN_INVALID: 'The access token is not valid: sign in again.',
  BAD_REQUEST: 'The request is not valid.',
  QUERY_TOO_COSTLY: 'The query asks for too much at once.',
  INTERNAL_SERVER_ERROR: 'Something went wrong on the server.',
  UNAVAILABLE: 'The server cannot do this at the moment: try again later.',
  VALIDATION_FAILED: 'Some of the input is not valid.',
  ALREADY_TAKEN: 'This is already taken.',
  INVALID_CREDENTIALS: 'The name or the password is wrong.',
  INVALID_TOKEN: 'This token cannot be used.',
  NOT_FOUND: 'There is no such thing.',
  FORBIDDEN: 'This is not allowed.',
  CONFLICT: 'This does not fit what is there now.',
  RATE_LIMITED: 'Too many at once: try again later.',
  WRONG_ROOM_PASSWORD: 'The room’s password is wrong.',
  ROOM_FULL: 'The room is full.',
  QUOTA_EXCEEDED: 'That is more than is allowed.',
};

/** Thrown for what a person or a neighbour caused. Anything else that is thrown is a bug: the edge masks and logs it. */
export class AppError<Code extends ErrorCode = ErrorCode> extends Error {
  override name = 'AppError';
  readonly code: Code;
  readonly details: ErrorDetails[Code];
  constructor(
    code: Code,
    ...rest: ErrorDetails[Code] extends undefined
      ? [details?: undefined, message?: string, options?: ErrorOptions]
      : [details: ErrorDetails[Code], message?: string, options?: ErrorOptions]
  ) {
    super(rest[1] ?? sentences[code], rest[2]);
    this.code = code;
    this.details = rest[0] as ErrorDetails[Code];
  }
}

/** True for an AppError of this code. */
export function hasCode<Code extends ErrorCode>(error: unknown, code: Code): error is AppError<Code> {
  return error instanceof AppError && error.code === code;
}

/** The error of a look-up or of a reference in a mutation. Hidden things answer with exactly this, too. */
export const notFound = (typeName: TypeName): AppError => new AppError('NOT_FOUND', { typeName }, `There is no such ${typeName.toLowerCase()}.`);

/** Collects problems of input fields, and throws them together. */
export function createProblems() {
  const fields: FieldProblem[] = [];
  return {
    add(path: string | string[], rule: string, message: string): void {
      fields.push({ path: typeof path === 'string' ? [path] : path, rule, message });
    },
    /** Throws VALIDATION_FAILED when there is any problem. */
    check(): void {
      if (fields.length > 0) throw new AppError('VALIDATION_FAILED', { fields }, fields[0]?.message);
    },
  };
}
export type Problems = ReturnType<typeof createProblems>;

/** One problem of one field, as an error. */
export const invalid = (path: string | string[], rule: string, message: string): AppError =>
  new AppError('VALIDATION_FAILED', { fields: [{ path: typeof path === 'string' ? [path] : path, rule, message }] }, message);
