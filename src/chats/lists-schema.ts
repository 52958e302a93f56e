/** The list of the caller's chats and the one of rooms, as clients see them. */
import { builder } from '../graphql/builder.ts';
import { mustBeSignedIn } from '../graphql/context.ts';
import { countOf, pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import { numberOf } from '../ids.ts';
import type { ChatLists } from './lists.ts';
import { Chat, ChatKind, Room, RoomVisibility } from './schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    chatLists: ChatLists;
  }
}

const ChatFilterInput = builder.inputType('ChatFilterInput', {
  description: 'Which chats. All conditions that are given must hold.',
  fields: (t) => ({
    kind: t.field({ type: ChatKind, description: 'Only dialogs, or only rooms.' }),
    nameContains: t.string({ description: 'Case-insensitive part of the name; for a dialog also of the other user’s username.' }),
    withUserIds: t.idList({ description: 'Only chats in which all of these users take part. Up to 100.' }),
    unreadOnly: t.boolean({ defaultValue: false, description: 'Only chats with a message that the caller has not read.' }),
    highlightsOnly: t.boolean({ defaultValue: false, description: 'Only chats with an unread message that is for the caller.' }),
    archived: t.boolean({ description: 'True: only what the caller put away. False: only the rest.' }),
    pinned: t.boolean({ description: 'True: only what the caller keeps on top. False: only the rest.' }),
    includeAllUsers: t.boolean({ defaultValue: false, description: 'Behind the chats that exist, also a (still empty) dialog with every other registered user, by username.' }),
  }),
});
const RoomFilterInput = builder.inputType('RoomFilterInput', {
  description: 'Which rooms. All conditions that are given must hold.',
  fields: (t) => ({
    nameContains: t.string({ description: 'Case-insensitive part of the name.' }),
    visibility: t.field({ type: RoomVisibility, description: 'Only public ones, or only the caller’s private ones.' }),
    joined: t.boolean({ description: 'True: only rooms the caller belongs to. False: only others.' }),
    joinable: t.boolean({ description: 'True: only rooms the caller could join now (public, not full, not banned from; a password may be needed). False: only others.' }),
  }),
});

const ChatEdge = builder.edgeObject({ name: 'ChatEdge', description: 'A chat in a list.', type: Chat });
const ChatConnection = builder.connectionObject(
  {
    name: 'ChatConnection',
    description: 'A page of chats.',
    type: Chat,
    fields: (t) => ({ totalCount: t.int({ nullable: true, description: 'How many there are in all pages.', resolve: countOf }) }),
  },
  ChatEdge,
);
const RoomEdge = builder.edgeObject({ name: 'RoomEdge', description: 'A room in a list.', type: Room });
const RoomConnection = builder.connectionObject(
  {
    name: 'RoomConnection',
    description: 'A page of rooms.',
    type: Room,
    fields: (t) => ({ totalCount: t.int({ nullable: true, description: 'How many there are in all pages.', resolve: countOf }) }),
  },
  RoomEdge,
);

/** A filter that is not answered out of an index: what it looks through weighs, too, and several of them wait for each other. */
const searchWeight = 500;
const unindexed = ['nameContains', 'withUserIds', 'unreadOnly', 'highlightsOnly', 'joined', 'joinable'];
function withSearch(page: { field: number; multiplier: number }, filter: object | null | undefined) {
  const searches = Object.entries(filter ?? {}).some(([name, value]) => unindexed.includes(name) && value != null && value !== false);
  return searches ? { ...page, field: page.field + searchWeight } : page;
}

builder.queryFields((t) => ({
  chats: t.connection(
    {
      type: Chat,
      nullable: true,
      description: `The caller's chats, most recently active first: dialogs and rooms with last message and
unread count. \`filter.includeAllUsers\` also lists a (still empty) dialog for every
registered user, as some messengers expect.`,
      args: { filter: t.arg({ type: ChatFilterInput, description: 'Only some of them.' }) },
      complexity: (args) => withSearch(pageComplexity(args), args.filter),
      resolve: async (_root, args, context) => {
        const { withUserIds, ...filter } = args.filter ?? {};
        return toConnection(
          await context.app.chatLists.chats(mustBeSignedIn(context), { ...filter, withUserIds: withUserIds?.map((id) => numberOf(id, 'User')) ?? null }, pageRequest(args)),
        );
      },
    },
    ChatConnection,
    ChatEdge,
  ),
  rooms: t.connection(
    {
      type: Room,
      nullable: true,
      description: 'Rooms the caller can see, by name: public ones plus those it belongs to.',
      args: { filter: t.arg({ type: RoomFilterInput, description: 'Only some of them.' }) },
      complexity: (args) => withSearch(pageComplexity(args), args.filter),
      resolve: async (_root, args, context) => toConnection(await context.app.chatLists.rooms(mustBeSignedIn(context), args.filter ?? {}, pageRequest(args))),
    },
    RoomConnection,
    RoomEdge,
  ),
}));
