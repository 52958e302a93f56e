/** What was sent to the caller across all chats, as clients see it. */
import { parseUserRef, UserRefInput } from '../accounts/schema.ts';
import { notFound } from '../errors.ts';
import { builder } from '../graphql/builder.ts';
import { mustBeSignedIn } from '../graphql/context.ts';
import { pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import type { Inbox } from './inbox.ts';
import { MessageConnection } from './schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    inbox: Inbox;
  }
}

const InboxFilterInput = builder.inputType('InboxFilterInput', {
  description: 'Which messages. Everything that is given must hold.',
  fields: (t) => ({
    directOnly: t.boolean({ defaultValue: false, description: 'Only of dialogs.' }),
    undeliveredOnly: t.boolean({ defaultValue: false, description: 'Only what no device of the caller has acknowledged.' }),
    unreadOnly: t.boolean({ defaultValue: false, description: 'Only what the caller has not read.' }),
    from: t.field({ type: UserRefInput, description: 'Only from this person.' }),
  }),
});

builder.queryField('inbox', (t) =>
  t.field({
    type: MessageConnection,
    nullable: true,
    description: `Messages addressed to the caller across all chats, oldest first. With \`undeliveredOnly\` this is the
classic store-and-forward inbox: nothing leaves it until \`markDelivered\` acknowledges it.`,
    args: {
      filter: t.arg({ type: InboxFilterInput, description: 'Only some of them.' }),
      first: t.arg.int({ description: 'At most so many from the oldest, or behind `after`; up to 100.' }),
      after: t.arg.string({ description: 'Behind this cursor.' }),
      last: t.arg.int({ description: 'At most so many from the newest, or before `before`; up to 100.' }),
      before: t.arg.string({ description: 'Before this cursor.' }),
    },
    complexity: pageComplexity,
    resolve: async (_root, { filter, ...args }, context) => {
      const viewer = mustBeSignedIn(context);
      const ref = filter?.from ? parseUserRef(filter.from, context) : null;
      const from = ref && (await context.app.accounts.get(ref));
      if (filter?.from && !from) throw notFound('User');
      const wanted = {
        directOnly: filter?.directOnly ?? false,
        undeliveredOnly: filter?.undeliveredOnly ?? false,
        unreadOnly: filter?.unreadOnly ?? false,
        fromId: from?.id ?? null,
      };
      return toConnection(await context.app.inbox.page(viewer, wanted, pageRequest(args)));
    },
  }),
);
