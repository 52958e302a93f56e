/** What a client can find out about the server before it signs in: version, features, limits. */
import { readFileSync } from 'node:fs';
import { smallRoom } from '../chats/access.ts';
import type { Config } from '../config.ts';
import { builder } from '../graphql/builder.ts';
import type { Domains } from '../graphql/context.ts';
import { maxPageSize } from '../graphql/pages.ts';
import { mostMentions } from '../messages/mentioning.ts';
import { mostMetadataBytes } from '../messages/metadata.ts';
import { mostPins } from '../messages/pins.ts';
import { mostSaved } from '../messages/saved.ts';
import { mostAttachments } from '../messages/send.ts';
import { mostFollowed } from '../messages/thread-rows.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
/** Additive changes of the schema bump the minor number. */
const schemaVersion = '1.0.0';

const capabilities = {
  ATTACHMENTS: 'Messages may have photos and files.',
  MENTIONS: 'Mentions, highlights and notification settings.',
  PINS: 'Pinned and saved messages.',
  REACTIONS: 'Reactions.',
  THREADS: 'Replies, threads and forwarding.',
  WEB_PUSH: 'Notifications reach a browser that is closed.',
  EMAIL: 'The server sends mails through a mail server.',
  SSE: 'Subscriptions over Server-Sent Events.',
  WEBSOCKET: 'Subscriptions over graphql-transport-ws.',
  SEARCH: '`searchMessages`.',
} as const;
type Capability = keyof typeof capabilities;
const CapabilityEnum = builder.enumType('Capability', {
  description: 'A feature that a server may or may not have.',
  values: Object.fromEntries(Object.entries(capabilities).map(([name, description]) => [name, { description }])) as Record<Capability, { description: string }>,
});

const limits: Record<string, { description: string; of: (config: Config) => number }> = {
  maxMessageChars: { description: 'The longest text of a message, in code points.', of: (config) => config.MAX_MESSAGE_CHARS },
  maxAttachmentBytes: { description: 'The largest file that may be uploaded, in bytes; 0 where there are no attachments.', of: (config) => config.MAX_ATTACHMENT_BYTES },
  maxAttachmentsPerMessage: { description: 'How many files one message may have; 0 where there are no attachments.', of: () => mostAttachments },
  maxMentionsPerMessage: { description: 'Most people named in one message.', of: () => mostMentions },
  maxPinsPerChat: { description: 'Most pins of a chat.', of: () => mostPins },
  maxSavedMessages: { description: 'Most saved messages of one account.', of: () => mostSaved },
  smallRoomMembers: { description: 'Up to so many members a room is small.', of: () => smallRoom },
  maxReactionsPerMember: { description: 'Most emojis of one person under one message.', of: (config) => config.MAX_REACTIONS_PER_MEMBER },
  maxReactionKinds: { description: 'Most different emojis under one message.', of: (config) => config.MAX_REACTION_KINDS },
  maxFollowedThreads: { description: 'Most threads that one account follows; then the one that was silent for the longest is given up.', of: () => mostFollowed },
  maxMetadataBytes: { description: 'Largest `metadata`, as JSON in UTF-8.', of: () => mostMetadataBytes },
  maxPageSize: { description: 'How many items one page of a list may have.', of: () => maxPageSize },
  eventRetentionSeconds: {
    description: 'For how long a stream can be resumed from a cursor, in seconds. An older cursor gives `StreamGap`.',
    of: (config) => config.EVENT_RETENTION_SECONDS,
  },
  typingRepeatMs: { description: 'Call `setTyping` again after this time, in milliseconds, while somebody goes on typing.', of: (config) => config.TYPING_REPEAT_SECONDS * 1000 },
  typingExpiryMs: { description: 'How long, in milliseconds, somebody is to be shown as typing after the last `setTyping`.', of: (config) => config.TYPING_SECONDS * 1000 },
  presenceRefreshMs: {
    description: 'Call `reportActivity` again within this time, in milliseconds, to stay online without a connection.',
    of: (config) => config.PRESENCE_ACTIVITY_SECONDS * 1000,
  },
  presenceGraceMs: {
    description: 'How long, in milliseconds, somebody still counts as online after the last connection was lost.',
    of: (config) => config.PRESENCE_GRACE_SECONDS * 1000,
  },
  heartbeatMs: { description: 'A stream that has had nothing to send for this long, in milliseconds, sends a `Heartbeat`.', of: (config) => config.HEARTBEAT_SECONDS * 1000 },
  maxQueryDepth: { description: 'How many levels deep a selection may be.', of: (config) => config.MAX_QUERY_DEPTH },
  maxQueryComplexity: {
    description: 'The weight of the heaviest query that is run. A query weighs as many fields as it could answer: what is in a list counts once for each item of its page.',
    of: (config) => config.MAX_QUERY_COMPLEXITY,
  },
};

const ServerLimits = builder.objectRef<Config>('ServerLimits').implement({
  description: 'What the server accepts, and for how long things last.',
  fields: (t) =>
    Object.fromEntries(Object.entries(limits).map(([name, { description, of }]) => [name, t.int({ description, resolve: (config) => Math.min(of(config), 2 ** 31 - 1) })])),
});

const SignInOffer = builder.objectRef<{ name: string; label: string; url: string }>('SignInOffer').implement({
  description: 'Somebody else whose page signs people in.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Names it in the address.' }),
    label: t.exposeString('label', { description: 'What to write on its button.' }),
    url: t.field({ type: 'URL', description: 'Where to send the browser. It comes back to `/` with its session in cookies.', resolve: ({ url }) => url }),
  }),
});

const SignInInfo = builder.objectRef<Domains>('SignInInfo').implement({
  description: 'How people come in.',
  fields: (t) => ({
    registration: t.boolean({ description: 'Whether `register` makes accounts.', resolve: ({ config }) => config.REGISTRATION && config.PASSWORD_LOGIN }),
    password: t.boolean({ description: 'Whether passwords sign people in.', resolve: ({ config }) => config.PASSWORD_LOGIN }),
    token: t.boolean({ description: 'Whether `signInWithToken` takes tokens of anybody.', resolve: ({ config }) => config.IDENTITY_ISSUERS.length > 0 }),
    offers: t.field({
      type: [SignInOffer],
      description: 'Whose pages sign people in.',
      resolve: ({ codeFlow }, _args, { client }) => codeFlow.offered.map((offer) => ({ ...offer, url: `${client.baseUrl}/sign-in/${offer.name}` })),
    }),
  }),
});

const ServerInfo = builder.objectRef<{ app: Domains }>('ServerInfo').implement({
  description: 'What a client can find out about the server before it signs in.',
  fields: (t) => ({
    name: t.string({ description: 'The name of the program.', resolve: () => 'Tertulia' }),
    version: t.string({ description: 'The version of the program.', resolve: () => version }),
    schemaVersion: t.string({ description: 'Semantic version of this schema; additive changes bump the minor number.', resolve: () => schemaVersion }),
    capabilities: t.field({
      type: [CapabilityEnum],
      description: 'The features that this server has. A client can test for one before it sends a newer operation.',
      resolve: ({ app: { config } }): Capability[] => [
        'ATTACHMENTS',
        ...(config.SMTP_URL ? ['EMAIL' as const] : []),
        'MENTIONS',
        'PINS',
        'REACTIONS',
        'THREADS',
        'WEB_PUSH',
        'SSE',
        'WEBSOCKET',
        'SEARCH',
      ],
    }),
    limits: t.field({ type: ServerLimits, description: 'What the server accepts, and for how long things last.', resolve: ({ app }) => app.config }),
    webPushPublicKey: t.string({
      nullable: true,
      description: 'The VAPID key, which the browser takes as `applicationServerKey`. It never changes as long as the database is kept. Null where there is no Web Push.',
      resolve: ({ app }) => app.webPushPublicKey,
    }),
    signIn: t.field({ type: SignInInfo, description: 'How people come in.', resolve: ({ app }) => app }),
    time: t.field({ type: 'DateTime', description: "The server's clock.", resolve: ({ app }) => app.clock() }),
  }),
});

builder.queryField('serverInfo', (t) => t.field({ type: ServerInfo, description: 'Version, features and limits of the server.', resolve: (_root, _args, { app }) => ({ app }) }));
