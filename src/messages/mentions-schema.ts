/** Mentions as clients see them: on messages, and counted as highlights beside what is unread. */
import { Account, User } from '../accounts/schema.ts';
import { loadMember } from '../chats/schema.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, loader, mustBeSignedIn, sharedLoader } from '../graphql/context.ts';
import type { MessageId } from '../ids.ts';
import type { MessageRow } from '../storage/rows.ts';
import type { Named } from './mention-rows.ts';
import { mostMentions } from './mentioning.ts';
import type { Mentions, ReadPlace, ToMe } from './mentions.ts';
import { MyChat } from './receipts-schema.ts';
import { MentionScope, Message, userOf } from './schema.ts';
import { MyThreadType } from './threads-schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    mentions: Mentions;
  }
}

const Mention = builder.objectRef<Named>('Mention').implement({
  description: 'Somebody a message is for.',
  fields: (t) => ({
    user: t.field({
      type: User,
      description: 'Who.',
      resolve: ({ id }, _args, context) => userOf(id, context),
    }),
    writtenAs: t.exposeString('writtenAs', {
      description: 'Their username when it was sent: what stands behind "@" in the text, also after they took another name. Empty when their account was deleted.',
    }),
  }),
});

const loadNamed = (context: Context, id: MessageId): Promise<Named[] | null> =>
  sharedLoader<MessageId, Named[]>(context, 'mentions', (ids) => context.app.mentions.ofMessages(ids)).load(id);

export const loadToMe = (context: Context, id: MessageId): Promise<ToMe | null> => {
  const { userId } = mustBeSignedIn(context);
  return loader<MessageId, ToMe>(context, 'mentionsMe', (ids) => context.app.mentions.toMe(userId, ids)).load(id);
};

/** Whether a message calls the viewer with all the others: who was a member already. */
export async function isCalled(context: Context, { chatId, seq, mentionsAll }: MessageRow): Promise<boolean> {
  if (mentionsAll === null) return false;
  const member = await loadMember(context, chatId, mustBeSignedIn(context).userId);
  return member !== null && seq > member.joinedSeq;
}

builder.objectFields(Message, (t) => ({
  mentions: t.field({
    type: [Mention],
    // Few messages name many people.
    complexity: { field: 1, multiplier: 3 },
    description: `The people it is for, by name, in the order given, at most ${mostMentions}; none when it was deleted.`,
    resolve: async ({ id, deletedAt }, _args, context) => (deletedAt === null ? ((await loadNamed(context, id)) ?? []) : []),
  }),
  mentionsAll: t.field({
    type: MentionScope,
    nullable: true,
    description: 'Set when the whole chat was called; null when it was deleted.',
    resolve: ({ mentionsAll }) => mentionsAll as 'EVERYONE' | 'HERE' | null,
  }),
  mentionsMe: t.boolean({
    description: 'It is for the caller: by name, as the author of what it answers, or with EVERYONE. Never an own message.',
    resolve: async (message, _args, context) => {
      if (message.deletedAt || message.senderId === mustBeSignedIn(context).userId) return false;
      if (message.mentionsAll === 'EVERYONE' && (await isCalled(context, message))) return true;
      return (await loadToMe(context, message.id)) !== null;
    },
  }),
}));

export const loadHighlights = async (context: Context, { chatId, readSeq }: ReadPlace): Promise<number> => {
  const { userId } = mustBeSignedIn(context);
  const load = loader<string, number>(context, 'highlights', (keys) =>
    context.app.mentions.highlights(
      userId,
      keys.map((key) => JSON.parse(key) as ReadPlace),
    ),
  );
  return (await load.load(JSON.stringify({ chatId, readSeq }))) ?? 0;
};

builder.objectField(MyChat, 'highlightCount', (t) =>
  t.int({
    description: 'Unread messages that are for the caller: by name, as an answer, or with EVERYONE. Not counting deleted ones.',
    resolve: ({ chat, member }, _args, context) => (chat.id === 0 ? 0 : loadHighlights(context, { chatId: chat.id, readSeq: member.readSeq })),
  }),
);

builder.objectField(MyThreadType, 'highlightCount', (t) =>
  t.int({
    description: 'Those among them that are for the caller.',
    resolve: async ({ chatId, rootSeq, readSeq, following }, _args, context) => {
      if (!following) return 0;
      const { userId } = mustBeSignedIn(context);
      type Place = ReadPlace & { rootSeq: number };
      const load = loader<string, number>(context, 'threadHighlights', (keys) =>
        context.app.mentions.inThreads(
          userId,
          keys.map((key) => JSON.parse(key) as Place),
        ),
      );
      return (await load.load(JSON.stringify({ chatId, rootSeq, readSeq }))) ?? 0;
    },
  }),
);

builder.objectField(Account, 'totalHighlights', (t) =>
  t.int({
    description: 'Unread messages that are for the caller, in all chats together.',
    resolve: (_account, _args, context) => context.app.mentions.totalHighlights(mustBeSignedIn(context).userId),
  }),
);
