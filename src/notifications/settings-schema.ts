/** What notifies an account, and the number on an app's icon, as clients see and set them. */
import { Account, loadUser, mustOwn, User } from '../accounts/schema.ts';
import { builder } from '../graphql/builder.ts';
import { mutation } from '../graphql/mutation.ts';
import { NotificationLevel } from '../messages/my-chat-schema.ts';
import type { createBadge } from './badge.ts';
import type { NotificationSettingsDomain, pushContents, NotificationSettings as Settings, SettingsChanges } from './settings.ts';

declare module '../graphql/context.ts' {
  interface Domains {
    notificationSettings: NotificationSettingsDomain;
    badge: ReturnType<typeof createBadge>;
  }
}

const PushContent = builder.enumType('PushContent', {
  description: 'How much a Web Push tells to who looks at a locked screen.',
  values: {
    FULL: { description: 'Who wrote, where, and the beginning of the text.' },
    SENDER: { description: 'Who wrote and where.' },
    NOTHING: { description: 'Only ids: `summary` is empty, and the app fetches the rest.' },
  } satisfies Record<(typeof pushContents)[number], { description: string }>,
});

const NotificationSettings = builder.objectRef<Settings>('NotificationSettings').implement({
  description: 'What notifies somebody where a chat says nothing else.',
  fields: (t) => ({
    roomLevel: t.expose('roomLevel', { type: NotificationLevel, description: 'In rooms. Dialogs are at ALL.' }),
    pushContent: t.expose('pushContent', { type: PushContent, description: 'How much a Web Push tells.' }),
    pausedUntil: t.expose('pausedUntil', { type: 'DateTime', nullable: true, description: 'No Web Push until then; null when not paused.' }),
  }),
});

builder.objectFields(Account, (t) => ({
  notificationSettings: t.field({
    type: NotificationSettings,
    description: 'What notifies the caller where a chat says nothing else.',
    resolve: async (user, _args, context) => (await context.app.notificationSettings.of([mustOwn(user, context).userId]))[0] as Settings,
  }),
  badgeCount: t.int({
    description:
      "What to show on an app's icon: unread of unmuted dialogs and of rooms at level ALL, highlights of those at MENTIONS, and unread threads. Muted and archived chats are not counted.",
    resolve: (user, _args, context) => context.app.badge.count(mustOwn(user, context).userId),
  }),
}));

mutation('updateNotificationSettings', {
  description: 'Only the fields present are changed.',
  errors: ['VALIDATION_FAILED'],
  input: (t) => ({
    roomLevel: t.field({ type: NotificationLevel, description: 'In rooms. Cannot be null.' }),
    pushContent: t.field({ type: PushContent, description: 'How much a Web Push tells. Cannot be null.' }),
    pausedUntil: t.field({ type: 'DateTime', description: 'No Web Push until then, at most ten years ahead; null ends it.' }),
  }),
  resolve: async (viewer, input, context) => {
    await context.app.notificationSettings.update(viewer, input as SettingsChanges);
    const me = await loadUser(context, viewer.userId);
    if (!me) throw new Error(`user ${viewer.userId} does not exist`);
    return { me };
  },
  payload: (t) => ({ me: t.field({ type: User, description: 'Select `account.notificationSettings`.', resolve: ({ me }) => me }) }),
});
