/** What a client can find out about the server before it signs in: version, features, limits. */
import { readFileSync } from 'node:fs';
import type { App } from '../app.ts';
import { builder } from '../graphql/builder.ts';
import { maxPageSize } from '../graphql/pages.ts';
import { mostAttachments } from '../messages/messages.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
/** Additive changes of the schema bump the minor number. */
const schemaVersion = '1.0.0';

const capabilities = {
  ATTACHMENTS: 'Photos and files in messages.',
  WEB_PUSH: 'Notifications to a closed browser.',
  EMAIL: 'Mails leave the server.',
  SSE: 'Subscriptions over Server-Sent Events.',
  WEBSOCKET: 'Subscriptions over graphql-transport-ws.',
} as const;
type Capability = keyof typeof capabilities;
const CapabilityEnum = builder.enumType('Capability', {
  description: 'A feature that a server may have or not.',
  values: Object.fromEntries(Object.entries(capabilities).map(([name, description]) => [name, { description }])) as Record<Capability, { description: string }>,
});

const limits: Record<string, { description: string; of: (config: App['config']) => number }> = {
  maxMessageChars: { description: 'Longest text of a message, in code points.', of: (config) => config.MAX_MESSAGE_CHARS },
  maxAttachmentBytes: { description: 'Largest file; 0 where there are no attachments.', of: (config) => config.MAX_ATTACHMENT_BYTES },
  maxAttachmentsPerMessage: { description: 'Most files in one message; 0 where there are no attachments.', of: () => mostAttachments },
  maxPageSize: { description: 'Most items of a page.', of: () => maxPageSize },
  eventRetentionSeconds: { description: 'How long a cursor can be resumed from.', of: (config) => config.EVENT_RETENTION_SECONDS },
  typingRepeatMs: { description: 'Say `setTyping` again after this time while somebody goes on typing.', of: (config) => config.TYPING_REPEAT_SECONDS * 1000 },
  typingExpiryMs: { description: 'Somebody types for so long when no word of it follows.', of: (config) => config.TYPING_SECONDS * 1000 },
  presenceRefreshMs: { description: 'Say `reportActivity` again within this time to stay online without a stream.', of: (config) => config.PRESENCE_ACTIVITY_SECONDS * 1000 },
  presenceGraceMs: { description: 'Who is back within this time was never offline.', of: (config) => config.PRESENCE_GRACE_SECONDS * 1000 },
  heartbeatMs: { description: 'A silent stream says that it lives after this time.', of: (config) => config.HEARTBEAT_SECONDS * 1000 },
  maxQueryDepth: { description: 'Deepest selection.', of: (config) => config.MAX_QUERY_DEPTH },
  maxQueryComplexity: { description: 'Most fields a query may resolve, lists counted with their page size.', of: (config) => config.MAX_QUERY_COMPLEXITY },
};

const ServerLimits = builder.objectRef<App['config']>('ServerLimits').implement({
  description: 'What the server accepts, and its times.',
  fields: (t) =>
    Object.fromEntries(Object.entries(limits).map(([name, { description, of }]) => [name, t.int({ description, resolve: (config) => Math.min(of(config), 2 ** 31 - 1) })])),
});

const ServerInfo = builder.objectRef<App>('ServerInfo').implement({
  description: 'About the server.',
  fields: (t) => ({
    name: t.string({ description: 'The program.', resolve: () => 'Tertulia' }),
    version: t.string({ description: 'Of the program.', resolve: () => version }),
    schemaVersion: t.string({ description: 'Semantic version of this schema; additive changes bump the minor number.', resolve: () => schemaVersion }),
    capabilities: t.field({
      type: [CapabilityEnum],
      description: 'Feature switches a client can test before it sends a newer operation.',
      resolve: ({ config }): Capability[] => ['ATTACHMENTS', ...(config.SMTP_URL ? ['EMAIL' as const] : []), 'WEB_PUSH', 'SSE', 'WEBSOCKET'],
    }),
    limits: t.field({ type: ServerLimits, description: 'What the server accepts, and its times.', resolve: (app) => app.config }),
    webPushPublicKey: t.string({
      nullable: true,
      description: 'VAPID key: give it to the browser as `applicationServerKey`. Kept for ever. Null where there is no Web Push.',
      resolve: ({ push }) => push.publicKey,
    }),
    time: t.field({ type: 'DateTime', description: "The server's clock.", resolve: (app) => app.clock() }),
  }),
});

builder.queryField('serverInfo', (t) => t.field({ type: ServerInfo, description: 'Version, features and limits of the server.', resolve: (_root, _args, context) => context.app }));
