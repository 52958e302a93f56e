/** Signing in with tokens of others, and what a host does with its people, as clients see it. */
import { Account, mustOwn, User } from '../accounts/schema.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, loader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import type { UserId } from '../ids.ts';
import { AuthPayload, cookiesFor, DeviceInput, handOver, signInClient, useCookies } from '../sessions/schema.ts';
import type { IdentityRow } from '../storage/rows.ts';
import type { Viewer } from '../viewer.ts';
import type { CodeFlow } from './code-flow.ts';
import type { Identities, Provisioned as ProvisionedRow } from './identities.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    identities: Identities;
    codeFlow: Pick<CodeFlow, 'offered'>;
  }
}

const Identity = builder.objectRef<IdentityRow>('Identity').implement({
  description: 'Somebody else who can sign the owner of the account in. Only its owner ever sees it.',
  fields: (t) => ({
    issuer: t.exposeString('issuer', { description: 'Whose tokens do it: their `iss`.' }),
    externalId: t.exposeString('externalId', { description: 'How that issuer calls the person.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'Since when.' }),
    lastUsedAt: t.expose('lastUsedAt', { type: 'DateTime', nullable: true, description: 'When it last signed somebody in. Null: not yet.' }),
  }),
});

builder.objectFields(Account, (t) => ({
  hasPassword: t.boolean({
    description: 'Whether a password signs the owner in. Without one, what asks for the password takes any, and a sign-in within the last five minutes instead.',
    resolve: (user, _args, context) => context.app.accounts.hasPassword(user),
  }),
  identities: t.field({
    type: [Identity],
    description: 'Who else can sign the owner in; one of each issuer at most.',
    complexity: { field: 1, multiplier: 3 },
    resolve: (user, _args, context) => context.app.identities.list(mustOwn(user, context)),
  }),
}));

const loadExternalId = (context: Context, viewer: Viewer, id: UserId): Promise<string | null> =>
  loader<UserId, string>(context, 'externalId', async (ids) => {
    const known = await context.app.identities.externalIdsOf(viewer, ids);
    return ids.map((key) => known.get(key) ?? null);
  }).load(id);

builder.objectField(User, 'externalId', (t) =>
  t.string({
    nullable: true,
    description: 'How the issuer whose token opened the caller’s session calls this person. Null for people of others, and in sessions that a password opened.',
    resolve: (user, _args, context) => (context.viewer ? loadExternalId(context, context.viewer, user.id) : null),
  }),
);

mutation('signInWithToken', {
  description: `Exchanges a token of one of the server's issuers (a host application, an OpenID provider) for a session. Whoever comes for the first time gets an
account; it is never one that was there, whatever name or e-mail the token has.`,
  anonymous: true,
  errors: ['INVALID_TOKEN', 'INVALID_CREDENTIALS', 'VALIDATION_FAILED', 'RATE_LIMITED'],
  input: (t) => ({
    token: t.string({ required: true, description: 'A signed token (JWT) with `iss`, `sub`, `aud` and `exp`, which lives for an hour at most.' }),
    device: t.field({ type: DeviceInput, description: 'The device that signs in.' }),
    useCookies: t.boolean({ defaultValue: false, description: useCookies }),
  }),
  resolve: async (_viewer, input, context) => {
    const cookies = cookiesFor(input, context);
    return { auth: handOver(await context.app.identities.signIn(input, signInClient(context)), cookies, context) };
  },
  payloadDescription: 'The session is like any other: the token is not needed again until it is over.',
  payload: (t) => ({ auth: t.field({ type: AuthPayload, description: 'The session and its tokens.', resolve: ({ auth }) => auth }) }),
});

mutation('linkIdentity', {
  description: 'Lets the own account be signed in by the issuer of this token, too. Sending it again does no harm.',
  errors: ['INVALID_TOKEN', 'INVALID_CREDENTIALS', 'ALREADY_TAKEN', 'RATE_LIMITED'],
  input: (t) => ({
    token: t.string({ required: true, description: 'As `signInWithToken` takes it.' }),
    currentPassword: t.string({ description: 'Required where the account has one: a stolen session alone must not make a way in for good.' }),
  }),
  resolve: async (viewer, input, context) => ({ identity: await context.app.identities.link(viewer, input) }),
  payload: (t) => ({ identity: t.field({ type: Identity, description: 'The identity, also when it was there before.', resolve: ({ identity }) => identity }) }),
});

mutation('unlinkIdentity', {
  description: 'The account cannot be signed in by this issuer any more. The other sessions that its tokens have opened end.',
  errors: ['NOT_FOUND', 'CONFLICT'],
  input: (t) => ({ issuer: t.string({ required: true, description: 'Which one, of `me.account.identities`.' }) }),
  resolve: async (viewer, input, context) => {
    await context.app.identities.unlink(viewer, input.issuer);
    return { issuer: input.issuer };
  },
  payload: (t) => ({ issuer: t.exposeString('issuer', { description: 'The one that was unlinked.' }) }),
});

// ---------------------------------------------------------------- what the host itself does

const hostToken = 'The host\'s own token: signed like those of its people, without `sub` and with `scope: "provision"`.';

const ProvisionedUserInput = builder.inputType('ProvisionedUserInput', {
  description: 'Somebody whom the host knows.',
  fields: (t) => ({
    externalId: t.string({ required: true, description: 'The id that the host’s tokens have for this person.' }),
    username: t.string({ description: 'What the username is made of, the first time. It is made free.' }),
    displayName: t.string({ description: 'The name to show. Left out: stays as it is.' }),
    email: t.string({ description: 'E-mail address. Left out, or in use by somebody else: stays as it is. It is not changed where the account has a password.' }),
    picture: t.field({ type: 'URL', description: 'Where a picture of this person is. It is fetched for who has none, some time later.' }),
  }),
});

const ProvisionedUser = builder.objectRef<ProvisionedRow>('ProvisionedUser').implement({
  description: 'Somebody whom the host has named, and the account.',
  fields: (t) => ({
    externalId: t.exposeString('externalId', { description: 'As the host has named this person.' }),
    user: t.field({ type: User, description: 'The account.', resolve: ({ user }) => user }),
    created: t.exposeBoolean('created', { description: 'It was made by this call.' }),
  }),
});

mutation('provisionUsers', {
  description:
    'Makes accounts for people of the host who have not been here, so that they can be found and written to, and brings the others in line. Sending it again does no harm.',
  anonymous: true,
  errors: ['INVALID_TOKEN', 'VALIDATION_FAILED', 'RATE_LIMITED'],
  input: (t) => ({
    token: t.string({ required: true, description: hostToken }),
    users: t.field({ type: [ProvisionedUserInput], required: true, description: 'Whom; up to 100. When it breaks off, those before are done.' }),
  }),
  names: ({ users }) => users.length,
  answers: ({ users }) => users.length,
  resolve: async (_viewer, input, context) => ({ users: await context.app.identities.provision(input, context.client) }),
  payload: (t) => ({
    users: t.field({ type: [ProvisionedUser], complexity: { field: 1, multiplier: 1 }, description: 'In the order in which they were named.', resolve: ({ users }) => users }),
  }),
});

mutation('endSessions', {
  description: `Ends the sessions that the host's tokens have opened for somebody, on all devices, and voids the tokens that were made for that person until now. Whoever
must not come back must not get new ones.`,
  anonymous: true,
  errors: ['INVALID_TOKEN', 'NOT_FOUND', 'RATE_LIMITED'],
  input: (t) => ({
    token: t.string({ required: true, description: hostToken }),
    externalId: t.string({ required: true, description: 'Whose.' }),
  }),
  resolve: async (_viewer, input, context) => ({ endedSessions: await context.app.identities.endSessions(input, context.client) }),
  payload: (t) => ({ endedSessions: t.exposeInt('endedSessions', { description: 'So many.' }) }),
});
