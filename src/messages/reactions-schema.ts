/** Reactions as clients see them: counted under each message, who chose what, and one's own. */
import { User } from '../accounts/schema.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, loader, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import type { MessageId } from '../ids.ts';
import type { Page } from '../storage/page.ts';
import type { ReactionGroup, ReactionRow, Reactions } from './reactions.ts';
import { Message, parseMessageId, userOf } from './schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    reactions: Reactions;
  }
}

const loadGroups = (context: Context, messageId: MessageId): Promise<ReactionGroup[] | null> =>
  sharedLoader<MessageId, ReactionGroup[]>(context, 'reactionGroups', (ids) => context.app.reactions.groups(ids)).load(messageId);

const loadOwn = (context: Context, messageId: MessageId): Promise<ReadonlySet<string> | null> => {
  const { userId } = mustBeSignedIn(context);
  return loader<MessageId, ReadonlySet<string>>(context, 'ownReactions', (ids) => context.app.reactions.own(userId, ids)).load(messageId);
};

const loadFirst = (context: Context, { messageId, emoji }: ReactionGroup, size: number): Promise<Page<ReactionRow> | null> =>
  sharedLoader<string, Page<ReactionRow>>(context, `reactions ${size}`, (keys) =>
    context.app.reactions.firstOf(
      keys.map((key) => JSON.parse(key)),
      size,
    ),
  ).load(JSON.stringify({ messageId, emoji }));

const Reaction = builder.objectRef<ReactionRow>('Reaction').implement({
  description: "One person's emoji under a message.",
  fields: (t) => ({
    user: t.field({
      type: User,
      description: 'Who.',
      resolve: ({ userId }, _args, context) => userOf(userId, context),
    }),
    emoji: t.exposeString('emoji', { description: 'Which.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
  }),
});
const ReactionEdge = builder.edgeObject({ name: 'ReactionEdge', type: Reaction, description: 'A reaction and its place in the list.' });
const ReactionConnection = builder.connectionObject(
  { name: 'ReactionConnection', type: Reaction, description: 'A page of reactions, in the order in which they were made.' },
  ReactionEdge,
);

const ReactionGroupType = builder.objectRef<ReactionGroup>('ReactionGroup').implement({
  description: 'How many people reacted to a message with one emoji.',
  fields: (t) => ({
    emoji: t.exposeString('emoji', { description: 'Which: one emoji, fully qualified.' }),
    count: t.exposeInt('count', { description: 'How many people chose it.' }),
    mine: t.boolean({
      description: 'Whether the caller did. True to the caller in events, too.',
      resolve: async ({ messageId, emoji }, _args, context) => (await loadOwn(context, messageId))?.has(emoji) ?? false,
    }),
    reactions: t.field({
      type: ReactionConnection,
      description: 'Who did, in the order in which they did.',
      args: { first: t.arg.int({ description: 'At most so many; up to 100.' }), after: t.arg.string({ description: 'Behind this cursor.' }) },
      complexity: pageComplexity,
      resolve: async (group, args, context) => {
        const page = pageRequest(args);
        return toConnection(page.after === null ? ((await loadFirst(context, group, page.size)) as Page<ReactionRow>) : await context.app.reactions.pageOf(group, page));
      },
    }),
  }),
});

/** So many kinds of reactions a message is thought to have; few have more. */
const usualKinds = 5;

builder.objectField(Message, 'reactions', (t) =>
  t.field({
    type: [ReactionGroupType],
    description: 'How people reacted, in the order in which each emoji was first used; none when it was deleted.',
    complexity: { field: 1, multiplier: usualKinds },
    resolve: async ({ id, deletedAt }, _args, context) => (deletedAt ? [] : ((await loadGroups(context, id)) ?? [])),
  }),
);

mutation('setReactions', {
  description: 'Says with which emojis the caller reacts to a message: its whole set, none to take all back. Sending it again does no harm.',
  errors: ['VALIDATION_FAILED', 'NOT_FOUND', 'FORBIDDEN', 'CONFLICT', 'QUOTA_EXCEEDED', 'RATE_LIMITED'],
  input: (t) => ({
    messageId: t.id({ required: true, description: 'Which message.' }),
    emojis: t.stringList({ required: true, description: "All of the caller's emojis for it; up to `limits.maxReactionsPerMember`. Each is one emoji." }),
    ifMine: t.stringList({
      description: `When given, must be the caller's set as it is, in any order: otherwise VERSION_MISMATCH, and nothing changes. Keeps two devices, or two quick clicks, from
undoing each other.`,
    }),
  }),
  resolve: async (viewer, { messageId, emojis, ifMine }, context) => ({
    message: await context.app.reactions.set(viewer, { messageId: parseMessageId(messageId), emojis, ifMine: ifMine ?? null }),
  }),
  payload: (t) => ({ message: t.field({ type: Message, description: 'Select `reactions`.', resolve: ({ message }) => message }) }),
});
