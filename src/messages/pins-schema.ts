/** Pins as clients see them: on messages and chats, pinning and unpinning. */
import { loadUser, User } from '../accounts/schema.ts';
import { Chat } from '../chats/schema.ts';
import { builder } from '../graphql/builder.ts';
import { type Context, sharedLoader } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { type PageArgs, pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import type { ChatId, MessageId } from '../ids.ts';
import type { Page } from '../storage/page.ts';
import type { ChatRow } from '../storage/rows.ts';
import type { Pinned, Pin as PinnedMessage, Pins } from './pins.ts';
import { Message, mustRead, parseMessageId } from './schema.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    pins: Pins;
  }
}

const Pin = builder.objectRef<PinnedMessage>('Pin').implement({
  description: 'A message that a chat keeps in view.',
  fields: (t) => ({
    message: t.field({ type: Message, description: 'Which.', resolve: (pin) => pin.message }),
    pinnedAt: t.expose('pinnedAt', { type: 'DateTime', description: 'When it was pinned.' }),
    pinnedBy: t.field({ type: User, nullable: true, description: 'Who pinned it.', resolve: ({ pinnedById }, _args, context) => loadUser(context, pinnedById) }),
  }),
});
const PinEdge = builder.edgeObject({ name: 'PinEdge', type: Pin, description: 'A pin and its place in the list.' });
const PinConnection = builder.connectionObject({ name: 'PinConnection', type: Pin, description: 'A page of pins, the latest first.' }, PinEdge);

/** One statement for all messages that are asked for together. */
const loadPin = (context: Context, id: MessageId): Promise<Pinned | null> => sharedLoader<MessageId, Pinned>(context, 'pins', (ids) => context.app.pins.ofMessages(ids)).load(id);

builder.objectField(Message, 'pin', (t) =>
  t.field({
    type: Pin,
    nullable: true,
    description: 'Set while it is pinned.',
    resolve: async (message, _args, context) => {
      const pinned = message.deletedAt === null ? await loadPin(context, message.id) : null;
      return pinned && { ...pinned, message };
    },
  }),
);

/** A page of one chat's pins; first pages of many chats are read together. */
async function loadPins(context: Context, chat: ChatRow, args: PageArgs): Promise<Page<PinnedMessage>> {
  const request = pageRequest(args);
  if (request.after !== null) return context.app.pins.page(chat.id, request);
  const load = sharedLoader<ChatId, Page<PinnedMessage>>(context, `pins of chats ${request.size}`, (ids) => context.app.pins.firstPages(ids, request.size));
  return (await load.load(chat.id)) as Page<PinnedMessage>;
}

builder.interfaceFields(Chat, (t) => ({
  pins: t.field({
    type: PinConnection,
    nullable: true,
    description: 'Pinned messages, the latest pinned first. Null with FORBIDDEN when only members may read.',
    args: { first: t.arg.int({ description: 'At most so many; up to 100.' }), after: t.arg.string({ description: 'Behind this cursor.' }) },
    complexity: pageComplexity,
    resolve: async (chat, args, context) => {
      await mustRead(chat, context);
      return toConnection(await loadPins(context, chat, args));
    },
  }),
}));

const which = (t: Parameters<NonNullable<Parameters<typeof mutation>[1]['input']>>[0]) => ({ messageId: t.id({ required: true, description: 'Which message.' }) });

mutation('pinMessage', {
  description: 'Keeps a message in view for everybody. In dialogs both may; in rooms `Room.pinPolicy` says who. Sending it again does no harm.',
  errors: ['FORBIDDEN', 'NOT_FOUND', 'QUOTA_EXCEEDED'],
  input: which,
  resolve: async (viewer, { messageId }, context) => ({ message: await context.app.pins.pin(viewer, parseMessageId(messageId)) }),
  payload: (t) => ({ message: t.field({ type: Message, description: 'Select `pin`.', resolve: ({ message }) => message }) }),
});

mutation('unpinMessage', {
  description: 'Ends that. Sending it again does no harm.',
  errors: ['FORBIDDEN', 'NOT_FOUND'],
  input: which,
  resolve: async (viewer, { messageId }, context) => ({ message: await context.app.pins.unpin(viewer, parseMessageId(messageId)) }),
  payload: (t) => ({ message: t.field({ type: Message, description: 'Select `pin`.', resolve: ({ message }) => message }) }),
});
