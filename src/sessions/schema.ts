/** Signing in, tokens and sessions as clients see them. */
import { Account, mustOwn, User } from '../accounts/schema.ts';
import { AppError, hasCode, invalid, notFound } from '../errors.ts';
import { builder, Node } from '../graphql/builder.ts';
import type { Client, Context } from '../graphql/context.ts';
import { TokenFailureEnum } from '../graphql/errors.ts';
import { mutation } from '../graphql/mutation.ts';
import { numberOf, type SessionId, toGlobalId } from '../ids.ts';
import type { SessionRow } from '../storage/rows.ts';
import type { SessionGrant as Grant, Issued, SignInClient } from './issue.ts';
import type { TokenInfo as Info, Refreshing } from './refresh.ts';
import type { Sessions } from './sessions.ts';
import type { DeviceKind as Kind, SignIn } from './sign-in.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    sessions: Sessions;
    signIn: SignIn;
    refreshing: Refreshing;
  }
}

const DeviceKind = builder.enumType('DeviceKind', {
  description: 'What kind of device or program a session is on, as its client said.',
  values: {
    WEB: { description: 'A browser.' },
    IOS: { description: 'An iPhone or iPad.' },
    ANDROID: { description: 'An Android phone or tablet.' },
    DESKTOP: { description: 'A program on a computer.' },
    BOT: { description: 'Nobody in person.' },
    OTHER: { description: 'Something else, or not told.' },
  } satisfies Record<Kind, { description: string }>,
});

const SessionGrant = builder.enumType('SessionGrant', {
  description: 'What a login found on the device.',
  values: {
    NEW: { description: 'First login on this device.' },
    RENEWED: { description: 'The old session had expired and was renewed.' },
    STILL_VALID: { description: 'The session on this device was still valid and was kept.' },
  } satisfies Record<Grant, { description: string }>,
});

export const Session = builder.objectRef<SessionRow>('Session').implement({
  description: 'One signed-in device of an account. Only its owner ever sees it.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({ description: 'Globally unique id.', resolve: (session) => toGlobalId('Session', session.id) }),
    current: t.boolean({ description: 'The session that asks.', resolve: (session, _args, context) => session.id === context.viewer?.sessionId }),
    deviceName: t.exposeString('deviceName', { nullable: true, description: 'Name of the device, as its client gave it.' }),
    deviceKind: t.field({ type: DeviceKind, description: 'Kind of the device.', resolve: (session) => session.deviceKind as Kind }),
    ipAddress: t.exposeString('ipAddress', { nullable: true, description: 'Where it last signed in or refreshed from.' }),
    userAgent: t.exposeString('userAgent', { nullable: true, description: 'The program, as it named itself then.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it began.' }),
    lastActiveAt: t.expose('lastActiveAt', { type: 'DateTime', description: 'When it was last used, to the minute.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When it ends unless it is refreshed before.' }),
  }),
});

builder.objectFields(Account, (t) => ({
  sessions: t.field({
    type: [Session],
    description: 'The current one first; at most 100, then the one that was not in use for the longest gives way.',
    resolve: (user, _args, context) => context.app.sessions.list(mustOwn(user, context)),
  }),
  currentSession: t.field({
    type: Session,
    description: 'The session that asks.',
    resolve: async (user, _args, context) => {
      const viewer = mustOwn(user, context);
      const session = await context.app.sessions.find(viewer, viewer.sessionId);
      // The session ended while the request was running.
      if (!session) throw new AppError('TOKEN_INVALID');
      return session;
    },
  }),
}));

/** What somebody who signed in gets to see. The tokens are null if they were set as cookies. */
type Auth = Omit<Issued, 'accessToken' | 'refreshToken'> & { accessToken: string | null; refreshToken: string | null; deviceToken: string | null };

export const AuthPayload = builder.objectRef<Auth>('AuthPayload').implement({
  description: 'Tokens issued by login, register or refreshSession.',
  fields: (t) => ({
    tokenType: t.string({ description: 'Bearer.', resolve: () => 'Bearer' }),
    accessToken: t.exposeString('accessToken', {
      nullable: true,
      description: 'Goes with every request as `Authorization: Bearer …`. Null when the session was set as HttpOnly cookies instead.',
    }),
    issuedAt: t.expose('issuedAt', { type: 'DateTime', description: 'When the access token was made.' }),
    accessTokenExpiresAt: t.expose('accessTokenExpiresAt', { type: 'DateTime', description: 'Until when it works. Refresh the session before, or when TOKEN_EXPIRED comes.' }),
    refreshToken: t.exposeString('refreshToken', {
      nullable: true,
      description: 'For `refreshSession`, once; keep it secret. Null when the session was set as HttpOnly cookies instead.',
    }),
    deviceToken: t.exposeString('deviceToken', {
      nullable: true,
      description: `Shows at the next login, as \`device.token\`, that this device has signed in to the account before, so that wrong guesses of others cannot lock its owner out.
Keep it with the device, also after a logout. Null from \`refreshSession\`, and when the session was set as HttpOnly cookies: then it is in a cookie, too.`,
    }),
    refreshTokenExpiresAt: t.expose('refreshTokenExpiresAt', { type: 'DateTime', description: 'Until when the session can be refreshed.' }),
    grant: t.field({ type: SessionGrant, description: 'Whether the session is new on this device, was renewed, or was still valid.', resolve: (issued) => issued.grant }),
    session: t.field({ type: Session, description: 'The session the tokens stand for.', resolve: (issued) => issued.session }),
    me: t.field({ type: User, description: 'Who is signed in.', resolve: (issued) => issued.me }),
  }),
});

const TokenInfo = builder.objectRef<Info>('TokenInfo').implement({
  description: 'What can be told about a token (in the manner of RFC 7662).',
  fields: (t) => ({
    active: t.exposeBoolean('active', { description: 'It can be used now.' }),
    username: t.exposeString('username', { nullable: true, description: 'Whose it is; only of an active one.' }),
    issuedAt: t.expose('issuedAt', { type: 'DateTime', nullable: true, description: 'When it was made, where the server knows.' }),
    expiresAt: t.expose('expiresAt', { type: 'DateTime', nullable: true, description: 'Until when it can be, or could have been, used.' }),
    failure: t.expose('failure', { type: TokenFailureEnum, nullable: true, description: 'Why `active` is false.' }),
  }),
});

builder.queryField('tokenInfo', (t) =>
  t.field({
    type: TokenInfo,
    nullable: true,
    description: 'Is this token good, whose is it, and until when? (RFC 7662 style introspection.) Needs no session, and asking changes nothing.',
    args: {
      token: t.arg.string({ required: true, description: 'An access or refresh token.' }),
      username: t.arg.string({ description: 'Whose it should be: with the name of anybody else the answer is WRONG_USER.' }),
    },
    resolve: (_root, args, context) => context.app.refreshing.tokenInfo(args.token, args.username ?? null),
  }),
);

// ---------------------------------------------------------------- changes

export const DeviceInput = builder.inputType('DeviceInput', {
  description: 'The device or program that signs in.',
  fields: (t) => ({
    id: t.string({ description: 'Stable per installation; the same device keeps its session. Up to 128 characters.' }),
    name: t.string({ description: 'Shown in the list of sessions; up to 80 characters.' }),
    kind: t.field({ type: DeviceKind, description: 'Kind of the device.' }),
    token: t.string({ description: '`deviceToken` of an earlier sign-in of this account on this device.' }),
  }),
});

export const signInClient = ({ client: { ipAddress, userAgent, cookies } }: Context): SignInClient => ({
  ipAddress,
  userAgent,
  deviceToken: (cookies?.maySet && cookies.deviceToken) || null,
});
export const useCookies = 'Set the session as HttpOnly cookies instead of returning the refresh token.';

/** Where the new session goes: into cookies, or (null) into the answer. Throws if cookies are wanted and cannot be set, before anything is done. */
export function cookiesFor(input: { useCookies?: boolean | null }, { client }: Context): Client['cookies'] | null {
  if (!input.useCookies) return null;
  if (!client.cookies) throw invalid('useCookies', 'transport', 'Cookies can be set over HTTP only.');
  if (!client.cookies.maySet) throw invalid('useCookies', 'origin', 'Pages of this origin may not use cookies here.');
  return client.cookies;
}

/** The session as the answer shows it, without its tokens if they are in cookies. The rest of the answer is read by whoever signed in. */
export function handOver(issued: Issued & { deviceToken?: string | null }, cookies: Client['cookies'] | null, context: Context): Auth {
  const { me, session, accessTokenExpiresAt, deviceToken = null } = issued;
  context.viewer = { userId: me.id, sessionId: session.id, expiresAt: accessTokenExpiresAt, address: context.client.ipAddress };
  if (!cookies) return { ...issued, deviceToken };
  cookies.set({ ...issued, deviceToken });
  return { ...issued, accessToken: null, refreshToken: null, deviceToken: null };
}

const endedSessionIds = 'The sessions that were ended; their access tokens fail from now on.';
const toSessionIds = (ids: readonly SessionId[]): string[] => ids.map((id) => toGlobalId('Session', id));

mutation('register', {
  description: 'Makes an account and signs it in.',
  anonymous: true,
  errors: ['VALIDATION_FAILED', 'ALREADY_TAKEN', 'FORBIDDEN', 'RATE_LIMITED'],
  input: (t) => ({
    username: t.string({ required: true, description: '3 to 32 of A-Z, a-z, 0-9, "_", "." and "-", first a letter or digit; unique without regard to case.' }),
    password: t.string({ required: true, description: '8 to 128 characters of any kind; the commonest passwords are refused.' }),
    passwordConfirmation: t.string({ description: 'When given, must equal `password`.' }),
    email: t.string({ description: 'E-mail address, unique without regard to case.' }),
    displayName: t.string({ description: 'The name to show, 1 to 80 characters. Default: the username.' }),
    firstName: t.string({ description: 'First name.' }),
    lastName: t.string({ description: 'Last name.' }),
    phone: t.string({ description: 'Phone number.' }),
    address: t.string({ description: 'Postal address.' }),
    device: t.field({ type: DeviceInput, description: 'The device that signs in.' }),
    useCookies: t.boolean({ defaultValue: false, description: useCookies }),
  }),
  resolve: async (_viewer, input, context) => {
    const cookies = cookiesFor(input, context);
    return { auth: handOver(await context.app.signIn.register(input, signInClient(context)), cookies, context) };
  },
  payload: (t) => ({
    me: t.field({ type: User, description: 'The new account.', resolve: ({ auth }) => auth.me }),
    auth: t.field({ type: AuthPayload, description: 'The first session of the new account.', resolve: ({ auth }) => auth }),
  }),
});

mutation('login', {
  description: 'Signs in by username or e-mail.',
  anonymous: true,
  errors: ['INVALID_CREDENTIALS', 'VALIDATION_FAILED', 'FORBIDDEN', 'RATE_LIMITED'],
  input: (t) => ({
    login: t.string({ required: true, description: 'Username or e-mail.' }),
    password: t.string({ required: true, description: 'The password, exactly.' }),
    device: t.field({ type: DeviceInput, description: 'The device that signs in.' }),
    useCookies: t.boolean({ defaultValue: false, description: useCookies }),
  }),
  resolve: async (_viewer, input, context) => {
    const cookies = cookiesFor(input, context);
    return { auth: handOver(await context.app.signIn.login(input, signInClient(context)), cookies, context) };
  },
  payload: (t) => ({ auth: t.field({ type: AuthPayload, description: 'The session and its tokens.', resolve: ({ auth }) => auth }) }),
});

mutation('refreshSession', {
  description: 'New tokens for a refresh token, which is used up by it.',
  anonymous: true,
  errors: ['INVALID_TOKEN', 'RATE_LIMITED'],
  input: (t) => ({ refreshToken: t.string({ description: 'Omit when the refresh token is in the cookie.' }) }),
  resolve: async (_viewer, input, context) => {
    const { refreshing } = context.app;
    if (input.refreshToken != null) return { auth: handOver(await refreshing.refresh(input.refreshToken, signInClient(context)), null, context) };
    const { cookies } = context.client;
    try {
      return { auth: handOver(await refreshing.refresh(cookies?.refreshToken ?? null, signInClient(context)), cookies, context) };
    } catch (error) {
      // Scripts do not see these cookies, so they could not remove them.
      if (hasCode(error, 'INVALID_TOKEN')) cookies?.clear();
      throw error;
    }
  },
  payloadDescription: `Rotation survives a lost answer: for a short grace (30 s) the old refresh token may be shown again. After that, showing it ends the whole
session (InvalidTokenError, tokenFailure REUSED; RFC 9700).`,
  payload: (t) => ({ auth: t.field({ type: AuthPayload, description: 'The same session with new tokens.', resolve: ({ auth }) => auth }) }),
});

mutation('logout', {
  description: 'Ends the own session, or all of the account. Streams of an ended session end with SessionEnded.',
  errors: [],
  optionalInput: true,
  input: (t) => ({ everywhere: t.boolean({ defaultValue: false, description: 'On all devices.' }) }),
  resolve: async (viewer, input, context) => {
    const ids = await context.app.sessions.logout(viewer, input.everywhere ?? false);
    context.client.cookies?.clear();
    return { ids };
  },
  // Scripts cannot remove the cookies of a session that is over. If only the access token has expired, the session goes on, and is refreshed first.
  refused: ({ client, refusal }) => void (refusal === 'TOKEN_EXPIRED' || client.cookies?.clear()),
  payload: (t) => ({ endedSessionIds: t.idList({ description: endedSessionIds, resolve: ({ ids }) => toSessionIds(ids) }) }),
});

mutation('revokeSession', {
  description: 'Ends one of the own sessions.',
  errors: ['NOT_FOUND'],
  input: (t) => ({ sessionId: t.id({ required: true, description: 'Which one, of `me.account.sessions`.' }) }),
  resolve: async (viewer, input, context) => {
    const id = numberOf(input.sessionId, 'Session');
    if (id === null) throw notFound('Session');
    await context.app.sessions.revoke(viewer, id);
    if (id === viewer.sessionId) context.client.cookies?.clear();
    return { id };
  },
  payload: (t) => ({ sessionId: t.id({ description: 'The session that was ended.', resolve: ({ id }) => toGlobalId('Session', id) }) }),
});

mutation('revokeOtherSessions', {
  description: 'Ends all own sessions but the one that asks.',
  errors: ['INVALID_CREDENTIALS', 'RATE_LIMITED'],
  optionalInput: true,
  input: (t) => ({ password: t.string({ description: 'When given, must be the right one.' }) }),
  resolve: async (viewer, input, context) => ({ ids: await context.app.sessions.revokeOthers(viewer, input.password ?? null) }),
  payload: (t) => ({ endedSessionIds: t.idList({ description: endedSessionIds, resolve: ({ ids }) => toSessionIds(ids) }) }),
});

mutation('changePassword', {
  description: 'Sets another password and ends the other sessions.',
  errors: ['INVALID_CREDENTIALS', 'VALIDATION_FAILED', 'FORBIDDEN', 'RATE_LIMITED'],
  input: (t) => ({
    oldPassword: t.string({ required: true, description: 'The password until now.' }),
    newPassword: t.string({ required: true, description: '8 to 128 characters of any kind; the commonest passwords are refused.' }),
    newPasswordConfirmation: t.string({ description: 'When given, must equal `newPassword`.' }),
    keepOtherSessions: t.boolean({ defaultValue: false, description: 'Leave the sessions on other devices alone.' }),
  }),
  resolve: async (viewer, input, context) => context.app.sessions.changePassword(viewer, input),
  payload: (t) => ({
    me: t.field({ type: User, description: 'The account.', resolve: ({ me }) => me }),
    endedSessionIds: t.idList({ description: endedSessionIds, resolve: ({ endedIds }) => toSessionIds(endedIds) }),
  }),
});
