/** Notifications and push devices as clients see them, and what the streams hand out of them. */
import { Account, loadUser, mustOwn, User } from '../accounts/schema.ts';
import type { reasons } from '../chats/levels.ts';
import { loadChat } from '../chats/schema.ts';
import { AppError, notFound } from '../errors.ts';
import type { EventOf } from '../events/event.ts';
import { builder, Node } from '../graphql/builder.ts';
import { type Context, loader, mustBeSignedIn } from '../graphql/context.ts';
import { mutation } from '../graphql/mutation.ts';
import { maxPageSize, pageComplexity, pageRequest, toConnection } from '../graphql/pages.ts';
import { type MessageId, numberOf, toGlobalId } from '../ids.ts';
import { loadReason } from '../messages/my-chat-schema.ts';
import { Message } from '../messages/schema.ts';
import type { ChatRow, PushDeviceRow } from '../storage/rows.ts';
import { CaughtUp, Heartbeat, NotificationAdded, NotificationsRead, SessionEnded, StreamGap } from '../streams/items-schema.ts';
import { after, follow, itemUnion, only, subscription } from '../streams/schema.ts';
import type { Viewer } from '../viewer.ts';
import type { Notifications } from './notifications.ts';
import { type NotificationRow, type Selection, summaryOf } from './notifications.ts';
import type { PushDevices } from './push-devices.ts';
import { mostDevices } from './push-devices.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    notifications: Notifications;
    pushDevices: PushDevices;
    /** VAPID key of the server; null where there is no Web Push. */
    webPushPublicKey: string | null;
  }
}

const NotificationKind = builder.enumType('NotificationKind', {
  description: 'What a notification is about.',
  values: {
    DIRECT_MESSAGE: { description: 'A message in a dialog.' },
    ROOM_MESSAGE: { description: 'A message in a room.' },
  },
});

/** A notification by its id, with what else is asked for together; null for what is none of the viewer's. */
export const findNotification = (context: Context, viewer: Viewer, id: MessageId): Promise<NotificationRow | null> =>
  loader<MessageId, NotificationRow>(context, 'notificationNodes', (ids) => context.app.notifications.findMany(viewer, ids)).load(id);

const loadReadTime = (context: Context, { id, chatId, seq, createdAt }: NotificationRow): Promise<Date | null> => {
  const { userId } = mustBeSignedIn(context);
  const load = loader<string, Date>(context, 'notificationReadTimes', (keys) =>
    context.app.notifications.readTimes(
      userId,
      keys.map((key) => {
        const asked = JSON.parse(key) as NotificationRow;
        return { ...asked, createdAt: new Date(asked.createdAt) };
      }),
    ),
  );
  return load.load(JSON.stringify({ id, chatId, seq, createdAt }));
};

/** The chat of a notification. A room that was deleted since is not found. */
async function chatOf(notification: NotificationRow, context: Context): Promise<ChatRow> {
  const chat = await loadChat(context, notification.chatId);
  if (!chat) throw notFound('Notification');
  return chat;
}

const NotificationReason = builder.enumType('NotificationReason', {
  description: 'Why a message notifies somebody; the later ones are the stronger.',
  values: {
    MESSAGE: { description: 'A message in a chat of theirs.' },
    THREAD_REPLY: { description: 'A reply in a thread that they follow.' },
    HERE: { description: 'The chat was called with HERE.' },
    EVERYONE: { description: 'The chat was called with EVERYONE.' },
    REPLY: { description: 'It answers a message of theirs.' },
    MENTION: { description: 'It names them.' },
  } satisfies Record<(typeof reasons)[number], { description: string }>,
});

export const Notification = builder.objectRef<NotificationRow>('Notification').implement({
  description:
    'Somebody else has written in a chat of the caller. It is gone when the message is deleted, or when the caller leaves the chat: drop it on `MessageDeleted` and `ChatRemoved`.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({ description: 'Globally unique id.', resolve: ({ id }) => toGlobalId('Notification', id) }),
    kind: t.field({
      type: NotificationKind,
      description: 'What it is about.',
      resolve: async (notification, _args, context) => ((await chatOf(notification, context)).kind === 'ROOM' ? 'ROOM_MESSAGE' : 'DIRECT_MESSAGE'),
    }),
    reason: t.field({
      type: NotificationReason,
      description: 'Why the caller is told; the strongest of the reasons.',
      resolve: async ({ id }, _args, context) => (await loadReason(context, id, mustBeSignedIn(context))) ?? 'MESSAGE',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it happened.' }),
    readAt: t.field({
      type: 'DateTime',
      nullable: true,
      description:
        'Null while unread. Read is what `markNotificationsRead` marked and, by itself, what lies below `my.readSeq` of its chat: then this is when the caller last read there.',
      resolve: (notification, _args, context) => loadReadTime(context, notification),
    }),
    actor: t.field({
      type: User,
      nullable: true,
      description: 'Who caused it: the sender of the message.',
      resolve: ({ senderId }, _args, context) => loadUser(context, senderId),
    }),
    message: t.field({ type: Message, nullable: true, description: 'The message it is about, as it is now.', resolve: (notification) => notification }),
    summary: t.string({
      description:
        'One line of plain text to show, such as "Ada: hello" or "Ada (Chess club): hello"; at most 120 code points. A name from right to left is isolated (U+2068 and U+2069), so that it does not turn the line around. Made of `actor`, the chat and `message` as they are now.',
      resolve: async (notification, _args, context) => {
        const [chat, sender] = await Promise.all([chatOf(notification, context), loadUser(context, notification.senderId)]);
        return summaryOf(notification, chat, { displayName: sender?.displayName ?? '' });
      },
    }),
  }),
});

const NotificationEdge = builder.edgeObject({ name: 'NotificationEdge', type: Notification, description: 'A notification and its place in the list.' });
const NotificationConnection = builder.connectionObject(
  {
    name: 'NotificationConnection',
    type: Notification,
    description: 'A page of notifications, newest first.',
    fields: (t) => ({
      unreadCount: t.int({
        description: 'How many are unread, on all pages.',
        resolve: (_connection, _args, context) => context.app.notifications.unreadCount(mustBeSignedIn(context).userId),
      }),
    }),
  },
  NotificationEdge,
);

builder.queryField('notifications', (t) =>
  t.field({
    type: NotificationConnection,
    nullable: true,
    description:
      "What others have written in the caller's chats since the caller is a member, as far as `my.notificationLevel` of each lets it notify, newest first. Deleted messages and chats that the caller has left are not among it. Never the caller's own.",
    args: {
      unreadOnly: t.arg.boolean({ defaultValue: false, description: 'Only what the caller has not read.' }),
      first: t.arg.int({ description: 'At most so many; up to 100.' }),
      after: t.arg.string({ description: 'Behind this cursor.' }),
    },
    complexity: pageComplexity,
    resolve: async (_root, { unreadOnly, ...args }, context) => {
      const viewer = mustBeSignedIn(context);
      return toConnection(await context.app.notifications.page(viewer, unreadOnly ?? false, pageRequest(args)));
    },
  }),
);

function toSelection(input: { ids?: string[] | null; upToId?: string | null; all?: boolean | null }): Selection {
  if (input.ids != null) {
    if (input.ids.length > maxPageSize) throw new AppError('BAD_REQUEST', undefined, `At most ${maxPageSize} ids at once; \`upToId\` and \`all\` take any number.`);
    return { ids: input.ids.map((id) => numberOf(id, 'Notification')) };
  }
  if (input.upToId != null) return { upToId: numberOf(input.upToId, 'Notification') };
  if (!input.all) throw new AppError('BAD_REQUEST', undefined, 'Of `all` only true is accepted.');
  return { all: true };
}

mutation('markNotificationsRead', {
  description: `Marks notifications as read on all devices of the caller, which are told by \`NotificationsRead\`. It moves no marker of a chat: others learn nothing of it.
Reading a chat (\`markRead\`) clears its notifications by itself; that is told by \`MyChatChanged\` alone.`,
  errors: ['NOT_FOUND'],
  isOneOf: true,
  inputDescription: 'Exactly one way to say which.',
  input: (t) => ({
    ids: t.idList({ description: "These; at most 100. When one of them is not the caller's, none is marked." }),
    upToId: t.id({ description: 'Everything up to and including this notification.' }),
    all: t.boolean({ description: 'All there are. Only `true` is accepted.' }),
  }),
  resolve: async (viewer, input, context) => {
    await context.app.notifications.markRead(viewer, toSelection(input as Parameters<typeof toSelection>[0]));
    return viewer;
  },
  payload: (t) => ({
    unreadCount: t.int({ description: 'How many are still unread.', resolve: ({ userId }, _args, context) => context.app.notifications.unreadCount(userId) }),
  }),
});

// ---------------------------------------------------------------- streams

builder.objectField(NotificationAdded, 'notification', (t) => t.field({ type: Notification, description: 'The notification.', resolve: ({ notification }) => notification }));
builder.objectFields(NotificationsRead, (t) => ({
  notificationIds: t.idList({
    nullable: true,
    description: 'Null: all there were, and nothing is unread now. Of many that were marked at once, with others still unread: the newest 200.',
    resolve: async ({ event }, _args, context) => (await loadRead(context, event)).ids?.map((id) => toGlobalId('Notification', id)) ?? null,
  }),
  notificationsUnread: t.int({ description: 'How many are unread now.', resolve: async ({ event }, _args, context) => (await loadRead(context, event)).unread }),
}));
/** What an event of one person says now, once for both its fields. */
function loadRead(context: Context, event: EventOf<'notifications-read'>): ReturnType<Notifications['toldAsRead']> {
  const key = `readNotifications ${event.number}`;
  const known = context.loaders.get(key) as ReturnType<typeof loadRead> | undefined;
  const told = known ?? context.app.notifications.toldAsRead(event);
  context.loaders.set(key, told);
  return told;
}

const NotificationItem = itemUnion('NotificationItem', 'What `notificationAdded` hands out.', [NotificationAdded, CaughtUp, StreamGap, Heartbeat, SessionEnded]);

subscription('notificationAdded', {
  items: NotificationItem,
  description: 'New notifications of the caller: what `events` carries of them, without the changes of those there are.',
  args: (arg) => ({ after: arg(after) }),
  open: (args, context) => follow(context, { after: args.after, kinds: only('NOTIFICATIONS') }),
});

// ---------------------------------------------------------------- push devices

const PushDevice = builder.objectRef<PushDeviceRow>('PushDevice').implement({
  description:
    'A browser that is sent Web Pushes while nothing of its owner is connected. It belongs to the session that registered it and ends with that. Only its owner sees it.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id({ description: 'Globally unique id.', resolve: ({ id }) => toGlobalId('PushDevice', id) }),
    label: t.exposeString('label', { nullable: true, description: 'Name of the device, as it was given.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was registered.' }),
    lastSuccessAt: t.expose('lastSuccessAt', { type: 'DateTime', nullable: true, description: 'When its push service last took a push; null when it never did.' }),
    lastError: t.exposeString('lastError', { nullable: true, description: 'What went wrong with the latest push, in English; null when it was taken.' }),
  }),
});

builder.objectField(Account, 'pushDevices', (t) =>
  t.field({
    type: [PushDevice],
    description: `At most ${mostDevices}; one more is a QuotaExceededError. Oldest first.`,
    resolve: (user, _args, context) => context.app.pushDevices.list(mustOwn(user, context)),
  }),
);

const WebPushInput = builder.inputType('WebPushInput', {
  description: "What a browser's `PushSubscription.toJSON()` says.",
  fields: (t) => ({
    endpoint: t.field({ type: 'URL', required: true, description: 'Its `endpoint`: an https address of the public internet.' }),
    p256dh: t.string({ required: true, description: 'Its `keys.p256dh`.' }),
    auth: t.string({ required: true, description: 'Its `keys.auth`.' }),
  }),
});

mutation('registerPushDevice', {
  description: `Has Web Pushes sent to a browser from now on (RFC 8030, encrypted for it alone by RFC 8291): for each new notification while nothing of the caller is connected, once.
What arrives is JSON: \`type\` (a NotificationKind), \`chatId\`, \`messageId\`, \`notificationId\`, \`reason\` (a NotificationReason), \`threadRootId\` (null outside of threads) and \`summary\`. The same endpoint again updates the device; one that another
account had moves to the caller. Devices whose push service says that they are gone are removed.`,
  errors: ['VALIDATION_FAILED', 'QUOTA_EXCEEDED'],
  input: (t) => ({
    webPush: t.field({ type: WebPushInput, required: true, description: 'Where to, and for whose eyes.' }),
    label: t.string({ description: 'A name for the device; up to 80 characters.' }),
  }),
  resolve: async (viewer, { webPush, label }, context) => ({ device: await context.app.pushDevices.register(viewer, { ...webPush, label: label ?? null }) }),
  payload: (t) => ({ device: t.field({ type: PushDevice, description: 'The device.', resolve: ({ device }) => device }) }),
});

mutation('unregisterPushDevice', {
  description: 'Nothing more is sent to the device.',
  errors: ['NOT_FOUND'],
  input: (t) => ({ deviceId: t.id({ required: true, description: 'Which device.' }) }),
  resolve: async (viewer, { deviceId }, context) => {
    const id = numberOf(deviceId, 'PushDevice');
    if (id === null) throw notFound('PushDevice');
    await context.app.pushDevices.unregister(viewer, id);
    return { deviceId };
  },
  payload: (t) => ({ deviceId: t.id({ description: 'The device that was.', resolve: ({ deviceId }) => deviceId }) }),
});
