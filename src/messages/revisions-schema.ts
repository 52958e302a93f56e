/** What messages said before, as clients see it. */
import { canSeeRevisions } from '../chats/access.ts';
import { loadStanding } from '../chats/schema.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import { type PageArgs, pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import type { MessageId } from '../ids.ts';
import type { Page } from '../storage/page.ts';
import type { MessageRow } from '../storage/rows.ts';
import type { Revision, Revisions } from './revisions.ts';
import { chatOf, Message } from './schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    revisions: Revisions;
  }
}

const MessageRevision = builder.objectRef<Revision>('MessageRevision').implement({
  description: 'One former text of a message.',
  fields: (t) => ({
    version: t.exposeInt('version', { description: 'Which version it was.' }),
    text: t.exposeString('text', { nullable: true, complexity: 5, description: 'What it said; null when it was only attachments.' }),
    at: t.expose('at', { type: 'DateTime', description: 'Since when it said so.' }),
  }),
});
const RevisionEdge = builder.edgeObject({ name: 'RevisionEdge', type: MessageRevision, description: 'A revision and its place in the list.' });
const RevisionConnection = builder.connectionObject(
  { name: 'RevisionConnection', type: MessageRevision, description: 'What a message said before it was edited, oldest first.' },
  RevisionEdge,
);

async function maySee(message: MessageRow, context: Context): Promise<boolean> {
  const { userId } = mustBeSignedIn(context);
  return canSeeRevisions(message.senderId === userId, await loadStanding(context, await chatOf(message, context)), context.app.config.EDIT_HISTORY);
}

/** A page of one message's; first pages of many messages are read together. */
async function loadRevisions(context: Context, { id }: MessageRow, args: PageArgs): Promise<Page<Revision>> {
  const request = pageRequest(args);
  if (request.after !== null) return context.app.revisions.page(id, request);
  const load = sharedLoader<MessageId, Page<Revision>>(context, `revisions ${request.size}`, (ids) => context.app.revisions.firstPages(ids, request.size));
  return (await load.load(id)) as Page<Revision>;
}

builder.objectField(Message, 'revisions', (t) =>
  t.field({
    type: RevisionConnection,
    nullable: true,
    description:
      'What it said before; the first text and the latest 49 are kept. Null for callers who may not see that: unless the server is set otherwise, all but its author and the admins and owners of its room.',
    args: { first: t.arg.int({ description: 'At most so many; up to 100.' }), after: t.arg.string({ description: 'Behind this cursor.' }) },
    complexity: pageComplexity,
    resolve: async (message, args, context) => ((await maySee(message, context)) ? toConnection(await loadRevisions(context, message, args)) : null),
  }),
);
