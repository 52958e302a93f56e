/** Searching messages, as clients see it. */
import { parseUserRef, preloadUsers, UserRefInput } from '../accounts/schema.ts';
import { parseChatRef } from '../chats/schema.ts';
import { notFound } from '../errors.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, mustBeSignedIn } from '../graphql/context.ts';
import { pageRequest, searchComplexity, toConnection } from '../graphql/pages.ts';
import { isSelected } from '../graphql/selection.ts';
import { numberOf } from '../ids.ts';
import { Message } from '../messages/schema.ts';
import type { MessageRow } from '../storage/rows.ts';
import type { Words } from './query.ts';
import type { Search, SearchFilter, SearchPage } from './search.ts';
import type { SnippetPart as Part } from './snippet.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    search: Search;
  }
}

const MessageContent = builder.enumType('MessageContent', {
  description: 'What a message can hold.',
  values: {
    ATTACHMENT: { description: 'A file of any kind.' },
    IMAGE: { description: 'A picture.' },
    LINK: { description: 'An http(s) address in its text.' },
    PIN: { description: 'It is pinned.' },
  } as const,
});

const MessageSearchInput = builder.inputType('MessageSearchInput', {
  description: 'Which messages. All conditions that are given must hold.',
  fields: (t) => ({
    chatId: t.id({ description: 'Only in this chat; also a public room that the caller has not joined. Without it: all chats of the caller.' }),
    threadRootId: t.id({ description: 'Only in this thread.' }),
    from: t.field({ type: UserRefInput, description: 'Only by this person.' }),
    after: t.field({ type: 'DateTime', description: 'Only of this time or later.' }),
    before: t.field({ type: 'DateTime', description: 'Only before this time.' }),
    has: t.field({ type: [MessageContent], description: 'Only with all of these.' }),
    mentionsMe: t.boolean({ defaultValue: false, description: 'Only what is for the caller. Without words this is the list of mentions.' }),
  }),
});

const SnippetPart = builder.objectRef<Part>('SnippetPart').implement({
  description: 'A piece of plain text.',
  fields: (t) => ({
    text: t.exposeString('text', { description: 'The piece, as it is in the message: not escaped, and no markup in it.' }),
    hit: t.exposeBoolean('hit', { description: 'Whether it is what was looked for.' }),
  }),
});

type Found = { cursor: string; node: MessageRow; words: Words };

const MessageSearchEdge = builder.edgeObject({
  name: 'MessageSearchEdge',
  description: 'A message search and its place in the list.',
  type: Message,
  fields: (t) => ({
    snippet: t.field({
      type: [SnippetPart],
      // Few places are in so short a text.
      complexity: { field: 1, multiplier: 4 },
      description: 'The text around the first hits, in parts to be joined; at most 200 characters.',
      resolve: (edge, _args, { app }) => {
        const { node, words } = edge as unknown as Found;
        return app.search.snippet(node.text, words);
      },
    }),
  }),
});

const MessageSearchConnection = builder.connectionObject(
  {
    name: 'MessageSearchConnection',
    description: 'A page of what was found, newest first. A page may be short while `pageInfo.hasNextPage` is true: a search never looks at too much at once.',
    type: Message,
    fields: (t) => ({
      indexComplete: t.boolean({
        description: 'False while older messages are still being made searchable, as after an upgrade.',
        resolve: (page) => (page as unknown as SearchPage).indexComplete,
      }),
      searchedBackTo: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'Everything newer than this has been looked at; null at the end.',
        resolve: (page) => (page as unknown as SearchPage).searchedBackTo,
      }),
    }),
  },
  MessageSearchEdge,
);

builder.queryField('searchMessages', (t) =>
  t.field({
    type: MessageSearchConnection,
    nullable: true,
    description: `Messages that the caller may read and that hold all of the words, newest first. Words are found by their beginning in any case, with or without accents; in scripts without spaces (Chinese, Japanese, Thai …) any part is found. "…" keeps words together, -word leaves messages out. A message is found about a second after it was sent or edited.`,
    args: {
      query: t.arg.string({ description: 'The words, up to 200 characters. May be left out where the filter says enough.' }),
      filter: t.arg({ type: MessageSearchInput, description: 'Only some of them.' }),
      after: t.arg.string({ description: 'Behind this cursor.' }),
      first: t.arg.int({ description: 'At most so many; up to 100.' }),
    },
    complexity: (args) => searchComplexity(args, true),
    resolve: async (_root, { query, filter, ...args }, context, info) => {
      const viewer = mustBeSignedIn(context);
      const { size, after } = pageRequest(args);
      const page = await context.app.search.page(viewer, { query: query ?? null, filter: filter ? await toFilter(filter, context) : null, after, size });
      if (isSelected(info, 'sender'))
        await preloadUsers(
          context,
          page.edges.map(({ node }) => node.senderId),
        );
      const { edges, pageInfo } = toConnection(page);
      return { ...page, edges: edges.map((edge): Found => ({ ...edge, words: page.words })), pageInfo: { ...pageInfo, endCursor: page.endCursor } };
    },
  }),
);

/** Null where it says nothing. Throws NOT_FOUND for a chat, a message or a person that does not exist. */
async function toFilter(given: typeof MessageSearchInput.$inferInput, context: Context): Promise<SearchFilter | null> {
  if (Object.values(given).every((value) => value == null || value === false || (Array.isArray(value) && value.length === 0))) return null;
  const chat = given.chatId == null ? null : parseChatRef(given.chatId);
  if (given.chatId != null && !chat) throw notFound('Chat');
  const ref = given.from ? parseUserRef(given.from, context) : null;
  const from = ref && (await context.app.accounts.find(ref));
  if (given.from && !from) throw notFound('User');
  const thread = given.threadRootId == null ? null : await threadOf(given.threadRootId, context);
  return { chat, thread, from: from?.id ?? null, after: given.after ?? null, before: given.before ?? null, has: given.has ?? [], mentionsMe: given.mentionsMe ?? false };
}

/** Of a reply, the thread that it is in. */
async function threadOf(id: string, context: Context): Promise<SearchFilter['thread']> {
  const number = numberOf(id, 'Message');
  const message = number === null ? null : await context.app.messages.find(mustBeSignedIn(context), number);
  if (!message) throw notFound('Message');
  return { chatId: message.chatId, rootSeq: message.threadRootSeq ?? message.seq };
}
