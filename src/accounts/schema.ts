/** People as clients see them: the public half, the private half, contacts and the directory. */
import { AppError } from '../errors.ts';
import { builder, Node } from '../graphql/builder.ts';
import { type Context, loader, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { countOf, pageComplexity, pageRequest, searchComplexity, toConnection } from '../graphql/pages.ts';
import { noUser, numberOf, toGlobalId, type UserId } from '../ids.ts';
import type { UserRow } from '../storage/rows.ts';
import type { Viewer } from '../viewer.ts';
import type { Accounts, UserRef } from './accounts.ts';
import type { Directory } from './directory.ts';
import type { Erasure, ErasureMode } from './erasure.ts';
import type { PasswordReset } from './password-reset.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    accounts: Accounts;
    directory: Directory;
    erasure: Erasure;
    passwordReset: PasswordReset;
  }
}

export const User = builder.objectRef<UserRow>('User');
/** The private half of the same row. */
export const Account = builder.objectRef<UserRow>('Account');

/** A row by its id, tombstones too, once for all who are told the same event. */
export const loadUser = (context: Context, id: UserId): Promise<UserRow | null> =>
  sharedLoader<UserId, UserRow>(context, 'users', async (ids) => {
    const rows = new Map((await context.app.accounts.findMany(ids)).map((row) => [row.id, row]));
    return ids.map((key) => rows.get(key) ?? null);
  }).load(id);

/** Reads people for whom many rows will ask: `findLoadedUser` then has them without waiting. */
export async function preloadUsers(context: Context, ids: readonly UserId[]): Promise<void> {
  const rows = await Promise.all([...new Set(ids)].map((id) => loadUser(context, id)));
  for (const row of rows) if (row) loadedUsers(context).set(row.id, row);
}

export const findLoadedUser = (context: Context, id: UserId): UserRow | undefined => loadedUsers(context).get(id);

function loadedUsers({ sharedLoaders }: Context): Map<UserId, UserRow> {
  const loaded = sharedLoaders.get('loadedUsers') ?? new Map();
  sharedLoaders.set('loadedUsers', loaded);
  return loaded as Map<UserId, UserRow>;
}

/** As whom the private half of this row is read; null when it is somebody else's. */
const ownerOf = (user: UserRow, { viewer }: Context): Viewer | null => (viewer?.userId === user.id ? viewer : null);

/** The same where the private half is being read. */
export function mustOwn(user: UserRow, context: Context): Viewer {
  const viewer = ownerOf(user, context);
  if (!viewer) throw new AppError(context.refusal);
  return viewer;
}

const loadIsContact = (context: Context, ownerId: UserId, id: UserId): Promise<boolean | null> =>
  loader<UserId, boolean>(context, 'isContact', async (ids) => {
    const known = await context.app.directory.contactsAmong(ownerId, ids);
    return ids.map((key) => known.has(key));
  }).load(id);

User.implement({
  description: 'An account as anyone signed in may see it; its private half is `account`.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({ description: 'Globally unique id.', resolve: (user) => toGlobalId('User', user.id) }),
    username: t.exposeString('username', { description: 'Unique handle used to log in and to mention. Unique without regard to case, shown as its owner wrote it.' }),
    displayName: t.exposeString('displayName', { description: 'The name to show. The username, when its owner chose no other.' }),
    firstName: t.exposeString('firstName', { nullable: true, description: 'First name, if given.' }),
    lastName: t.exposeString('lastName', { nullable: true, description: 'Last name, if given.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the account was made.' }),
    deleted: t.boolean({ description: 'True for a tombstone left by a deleted account.', resolve: (user) => user.deletedAt !== null }),
    isContact: t.boolean({
      description: "In the caller's contacts.",
      resolve: async (user, _args, context) => (context.viewer ? ((await loadIsContact(context, context.viewer.userId, user.id)) ?? false) : false),
    }),
    account: t.field({
      type: Account,
      nullable: true,
      description: 'The private half of the account. Null for everyone but its owner.',
      resolve: (user, _args, context) => (ownerOf(user, context) ? user : null),
    }),
  }),
});

export const UserEdge = builder.edgeObject({ name: 'UserEdge', type: User, description: 'A person and their place in the list.' });
export const UserConnection = builder.connectionObject(
  {
    name: 'UserConnection',
    type: User,
    description: 'A page of people, by username.',
    fields: (t) => ({ totalCount: t.int({ nullable: true, complexity: 20, description: 'How many the whole list has.', resolve: countOf }) }),
  },
  UserEdge,
);

Account.implement({
  description: 'The private half of an account: only its owner ever sees it.',
  fields: (t) => ({
    email: t.exposeString('email', { nullable: true, description: 'Where mails go, and another name to log in with.' }),
    phone: t.exposeString('phone', { nullable: true, description: 'Phone number, if given, as it was written.' }),
    address: t.exposeString('address', { nullable: true, description: 'Postal address, if given; may have several lines.' }),
    contacts: t.field({
      type: UserConnection,
      description: 'The people in the own list, by username.',
      args: { first: t.arg.int({ description: 'At most so many; up to 100.' }), after: t.arg.string({ description: 'Behind this cursor.' }) },
      complexity: pageComplexity,
      resolve: async (user, args, context) => toConnection(await context.app.directory.contacts(mustOwn(user, context), pageRequest(args))),
    }),
  }),
});

export const UserRefInput = builder.inputType('UserRefInput', {
  isOneOf: true,
  description: 'Exactly one way to name a user.',
  fields: (t) => ({
    id: t.id({ description: 'By id.' }),
    username: t.string({ description: 'By username, in any case.' }),
    externalId: t.string({ description: 'By the id that the issuer of the token with which the caller has signed in has for them.' }),
  }),
});

/** Whom an input names; null when its id never was one of a user. */
export function parseUserRef(ref: { id?: string | null; username?: string | null; externalId?: string | null }, context: Context): UserRef | null {
  if (ref.username != null) return { username: ref.username };
  if (ref.externalId != null) return { externalId: ref.externalId, sessionId: mustBeSignedIn(context).sessionId };
  const id = numberOf(ref.id ?? '', 'User');
  return id === null ? null : { id };
}
/** The same as a reference to nobody. */
const nobody: UserRef = { id: noUser };

const UserFilterInput = builder.inputType('UserFilterInput', {
  description: 'Which people. Everything given must fit.',
  fields: (t) => ({
    query: t.string({ description: 'Part of the username or display name, in any case. `istanbul` finds `İstanbul`.' }),
    online: t.boolean({ description: 'Only who is online now, or (false) who is not.' }),
    contactsOnly: t.boolean({ defaultValue: false, description: "Only the caller's contacts." }),
    externalIds: t.stringList({ description: 'Only people whom the issuer of the token with which the caller has signed in calls so; up to 100.' }),
  }),
});

builder.queryFields((t) => ({
  me: t.field({
    type: User,
    nullable: true,
    description: 'The caller. Null, without an error, when no valid session is presented.',
    resolve: (_root, _args, context) => (context.viewer ? loadUser(context, context.viewer.userId) : null),
  }),
  user: t.field({
    type: User,
    nullable: true,
    description: 'One user. Null, without an error, when there is none. A deleted account is found by its id only.',
    args: { ref: t.arg({ type: UserRefInput, required: true, description: 'Who.' }) },
    resolve: (_root, args, context) => {
      mustBeSignedIn(context);
      const ref = parseUserRef(args.ref, context);
      if (!ref) return null;
      return 'id' in ref ? loadUser(context, ref.id) : context.app.accounts.find(ref);
    },
  }),
  registeredUsers: t.connection(
    {
      type: User,
      nullable: true,
      description: 'Directory of registered users, by username.',
      args: { filter: t.arg({ type: UserFilterInput, description: 'Only some of them.' }) },
      complexity: (args) => searchComplexity(args, Boolean(args.filter?.query)),
      resolve: async (_root, args, context) => toConnection(await context.app.directory.list(mustBeSignedIn(context), args.filter ?? {}, pageRequest(args))),
    },
    UserConnection,
    UserEdge,
  ),
}));

mutation('updateProfile', {
  description: 'Changes the own profile.',
  errors: ['VALIDATION_FAILED', 'ALREADY_TAKEN', 'INVALID_CREDENTIALS', 'RATE_LIMITED'],
  inputDescription: 'Only the fields present are changed; null clears.',
  input: (t) => ({
    username: t.string({ description: 'Another username; cannot be cleared.' }),
    displayName: t.string({ description: 'The name to show, 1 to 80 characters; null: the username. Invisible characters are taken out of it, as out of all names.' }),
    firstName: t.string({ description: 'First name.' }),
    lastName: t.string({ description: 'Last name.' }),
    email: t.string({ description: 'E-mail address, unique. A change needs `currentPassword`, and is told to the address until then by mail.' }),
    phone: t.string({ description: 'Phone number.' }),
    address: t.string({ description: 'Postal address.' }),
    currentPassword: t.string({ description: 'Required when `email` changes: a stolen session alone must not capture the account.' }),
  }),
  resolve: async (viewer, input, context) => ({ me: await context.app.accounts.updateProfile(viewer, input) }),
  payload: (t) => ({ me: t.field({ type: User, description: 'The account as it is now.', resolve: ({ me }) => me }) }),
});

mutation('addContacts', {
  description: 'Puts people into the own list. Sending it again does no harm.',
  errors: ['NOT_FOUND', 'VALIDATION_FAILED'],
  input: (t) => ({ users: t.field({ type: [UserRefInput], required: true, description: 'Whom; up to 100. When one of them does not exist, nobody is added.' }) }),
  names: ({ users }) => users.length,
  answers: ({ users }) => users.length,
  resolve: async (viewer, input, context) => ({
    added: await context.app.directory.addContacts(
      viewer,
      input.users.map((ref) => parseUserRef(ref, context) ?? nobody),
    ),
  }),
  payload: (t) => ({
    added: t.field({ type: [User], complexity: { field: 1, multiplier: 1 }, description: 'Everybody named, also who was in the list already.', resolve: ({ added }) => added }),
  }),
});

mutation('removeContacts', {
  description: 'Takes people off the own list. Sending it again does no harm.',
  errors: [],
  input: (t) => ({ userIds: t.idList({ required: true, description: 'Whom; up to 100.' }) }),
  resolve: async (viewer, input, context) => {
    const ids = [...new Set(input.userIds.map((id) => numberOf(id, 'User')))].filter((id) => id !== null);
    await context.app.directory.removeContacts(viewer, ids);
    return { removedIds: ids.map((id) => toGlobalId('User', id)) };
  },
  payload: (t) => ({ removedIds: t.idList({ description: 'Those named: none of them is in the list now.', resolve: ({ removedIds }) => removedIds }) }),
});

mutation('requestPasswordReset', {
  description: 'Has a one-time code for a new password sent to this e-mail address, if an account has it. The answer does not tell.',
  anonymous: true,
  errors: ['VALIDATION_FAILED', 'FORBIDDEN', 'RATE_LIMITED'],
  input: (t) => ({ email: t.string({ required: true, description: "The account's e-mail address, in any case." }) }),
  resolve: async (_viewer, input, context) => {
    await context.app.passwordReset.request(input.email, context.client);
    return { accepted: true };
  },
  payloadDescription: 'Always the same answer, whether or not the address is known.',
  payload: (t) => ({ accepted: t.boolean({ description: 'Always true.', resolve: ({ accepted }) => accepted }) }),
});

mutation('confirmPasswordReset', {
  description: 'Sets a new password with the code from the mail. Ends all sessions of the account: sign in with the new password.',
  anonymous: true,
  errors: ['INVALID_TOKEN', 'VALIDATION_FAILED', 'FORBIDDEN', 'RATE_LIMITED'],
  input: (t) => ({
    token: t.string({ required: true, description: 'The code from the mail. It works once, for an hour, and only the newest one.' }),
    newPassword: t.string({ required: true, description: '8 to 128 characters of any kind; the commonest passwords are refused, and the code then stays good.' }),
    newPasswordConfirmation: t.string({ description: 'When given, must equal `newPassword`.' }),
  }),
  resolve: (_viewer, input, context) => context.app.passwordReset.confirm(input, context.client),
  payload: (t) => ({ endedSessions: t.int({ description: 'All sessions of the account were ended: so many.', resolve: ({ endedSessions }) => endedSessions }) }),
});

const ErasureModeEnum = builder.enumType('ErasureMode', {
  description: 'What becomes of the messages of a deleted account.',
  values: {
    ANONYMIZE: { description: 'Messages stay, the author becomes a tombstone.' },
    ERASE: { description: 'Texts and files of all own messages are erased; tombstones keep their seq.' },
  } satisfies Record<ErasureMode, { description: string }>,
});

mutation('deleteAccount', {
  description: `Deletes the own account for good. All its sessions end, its profile, contacts and devices go, and it leaves its rooms: where it was the last owner,
the admin who has been there for the longest becomes one, or else the member. Dialogs stay for the others, with a tombstone as \`peer\`. The username is free again.`,
  errors: ['INVALID_CREDENTIALS', 'CONFLICT', 'RATE_LIMITED'],
  input: (t) => ({
    password: t.string({ required: true, description: 'The password of the account.' }),
    messages: t.field({ type: ErasureModeEnum, required: true, defaultValue: 'ANONYMIZE', description: 'What becomes of the messages.' }),
  }),
  resolve: async (viewer, input, context) => {
    const deleted = await context.app.erasure.deleteAccount(viewer, { password: input.password, mode: input.messages });
    context.client.cookies?.clear();
    return deleted;
  },
  payloadDescription: 'The account is gone. Of a large one the last messages may take moments longer.',
  payload: (t) => ({
    receiptId: t.exposeID('receiptId', { description: 'Names this deletion, also in the server’s log: to be kept as proof.' }),
    erasedMessages: t.exposeInt('erasedMessages', { description: 'How many messages were erased; 0 with ANONYMIZE.' }),
  }),
});
