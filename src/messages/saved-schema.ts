/** Saved messages as clients see them: the list, whether a message is among it, saving and giving up. */
import { builder } from '../graphql/builder.ts';
import { type Context, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import { type MessageId, toGlobalId } from '../ids.ts';
import type { SavedMessage as Kept, Saved } from './saved.ts';
import { Message, parseMessageId } from './schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    saved: Saved;
  }
}

const SavedMessage = builder.objectRef<Kept>('SavedMessage').implement({
  description: 'A message that somebody keeps for themselves.',
  fields: (t) => ({
    message: t.field({ type: Message, description: 'Which.', resolve: ({ message }) => message }),
    note: t.exposeString('note', { nullable: true, complexity: 2, description: 'What the caller wrote beside it.' }),
    savedAt: t.expose('savedAt', { type: 'DateTime', description: 'When it was saved.' }),
  }),
});
const SavedMessageEdge = builder.edgeObject({ name: 'SavedMessageEdge', type: SavedMessage, description: 'A saved message and its place in the list.' });
const SavedMessageConnection = builder.connectionObject(
  { name: 'SavedMessageConnection', type: SavedMessage, description: 'A page of saved messages, the latest saved first. What the caller may no longer read is not among them.' },
  SavedMessageEdge,
);

/** One statement for all messages that are asked for together, also by the readers of one event. */
function loadSaved(context: Context, messageId: MessageId): Promise<boolean | null> {
  const { userId } = mustBeSignedIn(context);
  const load = sharedLoader<string, boolean>(context, 'saved', (keys) => context.app.saved.among(keys.map((key) => JSON.parse(key))));
  return load.load(JSON.stringify({ userId, messageId }));
}

builder.objectField(Message, 'saved', (t) =>
  t.boolean({
    description: 'Whether the caller has saved it.',
    resolve: async (message, _args, context) => message.deletedAt === null && (await loadSaved(context, message.id)) === true,
  }),
);

builder.queryField('savedMessages', (t) =>
  t.field({
    type: SavedMessageConnection,
    nullable: true,
    description: 'What the caller has saved.',
    args: { first: t.arg.int({ description: 'At most so many; up to 100.' }), after: t.arg.string({ description: 'Behind this cursor.' }) },
    complexity: pageComplexity,
    resolve: async (_root, args, context) => toConnection(await context.app.saved.page(mustBeSignedIn(context), pageRequest(args))),
  }),
);

mutation('saveMessage', {
  description: 'Keeps a message for the caller alone. Sending it again changes the note.',
  errors: ['NOT_FOUND', 'QUOTA_EXCEEDED', 'VALIDATION_FAILED'],
  input: (t) => ({
    messageId: t.id({ required: true, description: 'Which message.' }),
    note: t.string({ description: 'Up to 500 characters. Left out, an earlier one stays; null removes it.' }),
  }),
  resolve: async (viewer, { messageId, note }, context) => ({ message: await context.app.saved.save(viewer, { messageId: parseMessageId(messageId), note }) }),
  payload: (t) => ({ message: t.field({ type: Message, description: 'Select `saved`.', resolve: ({ message }) => message }) }),
});

mutation('unsaveMessage', {
  description: 'Ends that. Sending it again does no harm, also for a message that the caller may no longer read.',
  errors: ['NOT_FOUND'],
  input: (t) => ({ messageId: t.id({ required: true, description: 'Which message.' }) }),
  resolve: async (viewer, input, context) => {
    const messageId = parseMessageId(input.messageId);
    await context.app.saved.unsave(viewer, messageId);
    return { messageId: toGlobalId('Message', messageId) };
  },
  payload: (t) => ({ messageId: t.exposeID('messageId', { description: 'The message that was.' }) }),
});
