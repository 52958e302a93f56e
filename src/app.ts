/** The one place where the parts are put together: opens the storage, builds each domain on the ones before it, and closes them in turn. */
import { join } from 'node:path';
import { createAccounts } from './accounts/accounts.ts';
import { createDirectory } from './accounts/directory.ts';
import { createErasure } from './accounts/erasure.ts';
import { foldAnew, foldedAccounts } from './accounts/folding.ts';
import { createNotices } from './accounts/letters.ts';
import { createMail } from './accounts/mail.ts';
import { createOperators } from './accounts/operators.ts';
import { createPasswordReset } from './accounts/password-reset.ts';
import { createPasswords } from './accounts/passwords.ts';
import { createRateLimits } from './accounts/rate-limits.ts';
import { createTally } from './accounts/tally.ts';
import { can } from './chats/access.ts';
import { createChats, standing } from './chats/chats.ts';
import { createChatErasure } from './chats/erasure.ts';
import { createKnownLevels } from './chats/known-levels.ts';
import { createChatLists } from './chats/lists.ts';
import { createMemberLists } from './chats/member-lists.ts';
import { createMembership, createWelcome } from './chats/membership.ts';
import { createRooms, foldedRooms } from './chats/rooms.ts';
import { createRoster } from './chats/roster.ts';
import { createChatViews } from './chats/views.ts';
import type { Config } from './config.ts';
import { createEventLog, type EventLog } from './events/event-log.ts';
import { createTail, type Tail } from './events/tail.ts';
import { createWrite } from './events/write.ts';
import { type Blobs, openBlobs } from './files/blobs.ts';
import { createCopies } from './files/copies.ts';
import { createDecoding } from './files/decoding.ts';
import { createFileErasure } from './files/erasure.ts';
import { createFiles } from './files/files.ts';
import { createImages } from './files/images.ts';
import { createLinks } from './files/links.ts';
import { createPortraits } from './files/portraits.ts';
import { createUploads } from './files/uploads.ts';
import type { Domains } from './graphql/context.ts';
import { createCodeFlow } from './identities/code-flow.ts';
import { createHostTokens } from './identities/host-tokens.ts';
import { createIdentities } from './identities/identities.ts';
import type { UserId } from './ids.ts';
import { jobsModule } from './jobs.ts';
import type { Log } from './log.ts';
import { createDeletedRooms } from './messages/deleted-rooms.ts';
import { createMessageErasure } from './messages/erase.ts';
import { createInbox } from './messages/inbox.ts';
import { createMentions } from './messages/mentions.ts';
import { createMessages } from './messages/messages.ts';
import { createPins } from './messages/pins.ts';
import { createReactions } from './messages/reactions.ts';
import { createReceipts } from './messages/receipts.ts';
import { createRevisions } from './messages/revisions.ts';
import { createSaved } from './messages/saved.ts';
import { createSending } from './messages/send.ts';
import { hydrate } from './messages/store.ts';
import { createThreads } from './messages/threads.ts';
import { createMetrics } from './metrics.ts';
import { type Bridge, noBridge } from './nodes/bridge.ts';
import { type Elsewhere, nobodyElse } from './nodes/elsewhere.ts';
import { createBadge } from './notifications/badge.ts';
import { createNotifications } from './notifications/notifications.ts';
import { createPush } from './notifications/push.ts';
import { createPushDevices } from './notifications/push-devices.ts';
import { createPushQueue } from './notifications/push-queue.ts';
import { createReturning } from './notifications/returning.ts';
import { createNotificationSettings } from './notifications/settings.ts';
import { ask, post } from './outgoing.ts';
import { createPresence } from './presence/presence.ts';
import { createTyping } from './presence/typing.ts';
import { searchEntries } from './search/entries.ts';
import { createIndexing } from './search/indexing.ts';
import { createSearch } from './search/search.ts';
import { createIssuing } from './sessions/issue.ts';
import { createKeys } from './sessions/keys.ts';
import { createKnownDevices } from './sessions/known-devices.ts';
import { createLiveSessions } from './sessions/live-sessions.ts';
import { createRefreshing } from './sessions/refresh.ts';
import { createSessions } from './sessions/sessions.ts';
import { createSignIn } from './sessions/sign-in.ts';
import { createTokens } from './sessions/tokens.ts';
import { type Database, openDatabase } from './storage/database.ts';
import { isDatabaseAway } from './storage/failures.ts';
import { createLocks } from './storage/locks.ts';
import { DatabaseError } from './storage/migrate.ts';
import { hideFolders } from './storage/private.ts';
import { startUpkeep } from './upkeep.ts';

/** Whoever starts a server waits for its first answer, not for this. */
const firstUpkeepMs = 300;

export type App = Awaited<ReturnType<typeof createApp>>;

/** Fails with DatabaseError, or with what went wrong; nothing stays open then. */
export async function createApp(config: Config, log: Log) {
  const opened = new AsyncDisposableStack();
  try {
    return await build(config, log, opened);
  } catch (error) {
    await opened.disposeAsync().catch((failed: unknown) => log.warn({ err: failed }, 'what a failed start had opened was not closed well'));
    if (error instanceof DatabaseError || !isDatabaseAway(error)) throw error;
    throw new DatabaseError(`The database cannot be used: ${(((error as Error).cause ?? error) as Error).message.trim()}`, { cause: error });
  }
}

/** What is opened goes onto the stack at once: it is closed in reverse order, by a stop or because a later step fails. */
async function build(config: Config, log: Log, opened: AsyncDisposableStack) {
  const clock = (): Date => new Date();
  hideFolders(config, log);
  const metrics = createMetrics();
  opened.defer(metrics.close);
  const db = await openDatabase(config, log, metrics.databaseError, jobsModule);
  opened.defer(db.close);
  if (db.engine === 'postgresql' && config.NODE_POLL_MS === 0) log.warn('NODE_POLL_MS is 0: this server does not hear of what other servers on the same database do');
  await foldAnew({ db, log }, [foldedAccounts, foldedRooms]);
  const locks = createLocks(db.engine);
  const eventLog = createEventLog({ db, config, clock });
  const tail = await createTail({
    db,
    eventLog,
    config,
    clock,
    log,
    canRead: async (userId, chatId) => can('read', await standing(db.sql, userId, { roomId: chatId })),
    hydrate: (events) => hydrate(db.sql, events),
  });
  opened.defer(tail.close);
  const { bridge, elsewhere } = await openNodes(config, db, eventLog, tail, log, opened);
  const offer: typeof tail.offer = (events) => {
    tail.offer(events);
    if (elsewhere.count() > 1) bridge.tellHead(events.at(-1)?.number ?? 0);
  };
  const { write, writeBatch, writeJob } = createWrite({ db, clock, offer, look: tail.look, metrics });
  const limits = createRateLimits({ config, tally: elsewhere === nobodyElse ? null : createTally({ db }), servers: elsewhere.count });
  const passwords = createPasswords({ config });
  const presence = createPresence({ db, tail, elsewhere, config, clock, log });
  opened.defer(presence.close);
  const onlineIds = async (): Promise<ReadonlySet<UserId>> => presence.onlineIds();
  const keys = await createKeys({ db });
  const operators = createOperators({ db, digest: keys.digest, config, log });
  await operators.forgetUnnamed();
  const mail = createMail({ db, config, clock, log });
  const onNameFreed = operators.retire;
  const accounts = createAccounts({ db, write, passwords, limits, mail, config, clock, onCreate: createWelcome({ db, locks, clock }), onNameFreed });
  const directory = createDirectory({ db, write, accounts, clock, onlineIds });
  const blobs = await openStore(config, keys.digest('files of this installation'), log);
  const liveSessions = createLiveSessions({ db, tail, clock, log });
  opened.defer(liveSessions.close);
  const tokens = createTokens({ keys });
  const issuing = createIssuing({ tokens, config, clock });
  const sessions = createSessions({ db, write, accounts, passwords, tokens, liveSessions, limits, mail, config, clock });
  const signIn = createSignIn({ config, write, accounts, passwords, tokens, sessions, devices: createKnownDevices({ keys }), issuing, limits, clock });
  const toIssuers = { issuers: config.IDENTITY_ISSUERS, ask, toPrivate: config.PUSH_TO_PRIVATE_ADDRESSES, log };
  const hostTokens = createHostTokens({ ...toIssuers, clock });
  const identities = createIdentities({
    db,
    write,
    accounts,
    sessions,
    signIn,
    tokens: hostTokens,
    issuers: config.IDENTITY_ISSUERS,
    limits,
    mail,
    onPicture: (userId, address) => portraits.want(userId, address),
    clock,
  });
  const codeFlow = createCodeFlow({ ...toIssuers, identities });
  const refreshing = createRefreshing({ db, writeBatch, accounts, tokens, issuing, liveSessions, limits, config, clock });
  const passwordReset = createPasswordReset({
    db,
    write,
    passwords,
    limits,
    mail,
    config,
    clock,
    endSessions: (tx, append, userId) => sessions.endAll(tx, append, userId, 'PASSWORD_CHANGED'),
    forgetSession: liveSessions.forget,
  });
  const chats = createChats({ db, accounts });
  const chatLists = createChatLists({ db });
  const chatViews = createChatViews({ db, writeBatch, chats, clock });
  const knownLevels = createKnownLevels({ db, tail, views: chatViews, clock });
  opened.defer(knownLevels.close);
  const memberLists = createMemberLists({ db, onlineIds });
  const links = createLinks({ key: keys.fileUrl, lifeSeconds: config.FILE_URL_SECONDS, clock });
  const decoding = createDecoding();
  opened.defer(decoding.close);
  const images = createImages({ blobs, decoding });
  const files = createFiles({ db, write, chats, blobs, images, links, limits, clock, log });
  opened.defer(files.close);
  opened.defer(blobs.close);
  const uploads = createUploads({ db, blobs, images, links, files, config, clock });
  const portraits = createPortraits({ ...toIssuers, accounts, uploads, files, clock });
  opened.defer(portraits.close);
  const roster = createRoster({ db, writeBatch, locks, clock, log });
  const rooms = createRooms({ db, write, writeBatch, locks, roster, chats, accounts, operators, passwords, limits, pictures: files.forRooms, clock });
  const membership = createMembership({ db, write, locks, chats, passwords, limits, clock });
  const revisions = createRevisions({ db, config });
  const messages = createMessages({ db, writeBatch, chats, config, clock, files: files.forMessages, entries: searchEntries, revisions, accounts });
  const copies = createCopies({ db, blobs, files, uploads, clock });
  const sending = createSending({ db, writeJob, chats, messages, copies, accounts, limits, keys, config });
  const pins = createPins({ db, writeBatch, clock });
  const saved = createSaved({ db, writeBatch, messages, clock });
  const deletedRooms = createDeletedRooms({ db, roster, files: files.forMessages, entries: searchEntries });
  const indexing = createIndexing({ db, tail, log });
  const search = createSearch({ db, chats, limits });
  const receipts = createReceipts({ db, writeJob, chats, log });
  opened.defer(receipts.close);
  const reactions = createReactions({ db, writeBatch, config, clock, log });
  opened.defer(reactions.close);
  const threads = createThreads({ db, writeBatch });
  const mentions = createMentions({ db });
  const inbox = createInbox({ db });
  const notifications = createNotifications({ db, writeBatch, receipts, clock });
  const pushDevices = createPushDevices({ db, write, config, clock });
  const notificationSettings = createNotificationSettings({ db, writeBatch, clock });
  const badge = createBadge({ db, receipts, mentions, threads, views: chatViews, clock });
  const { bringBack } = createReturning({ db, writeBatch, views: chatViews, mentions });
  const pushQueue = await createPushQueue({ db, writeBatch, eventLog, tail, presence, onRead: bringBack, views: chatViews, mentions, settings: notificationSettings, clock });
  const push = createPush({ queue: pushQueue, tail, keys, presence, post, config, clock, metrics, log });
  /** What works by itself. They end side by side, each in its own time. */
  const workers: (() => unknown)[] = [push.close, mail.close, roster.close, deletedRooms.close, indexing.close];
  opened.defer(async () => {
    // Some of them may wait for the bucket.
    await blobs.close();
    await Promise.all(workers.map((end) => end()));
  });
  const typing = createTyping({ tail, chats, messages, bridge, config, clock });
  opened.defer(typing.close);
  const messageErasure = createMessageErasure({ db, writeBatch, deletedRooms, files: files.forMessages, entries: searchEntries, clock });
  // An account that is deleted takes with it what each domain has of it.
  const erasureParts = [
    { atOnce: sessions.eraseAll },
    createChatErasure({ writeBatch, clock }),
    { atOnce: saved.eraseAll },
    { atOnce: chatViews.eraseAll },
    revisions.erasure,
    messageErasure,
    reactions,
    mentions.erasure,
    createFileErasure({ db, writeBatch, files, uploads }),
    { atOnce: notifications.eraseAll },
    { atOnce: notificationSettings.eraseAll },
    { atOnce: pushDevices.eraseAll },
  ];
  const erasure = createErasure({ db, write, locks, accounts, mail, clock, log, countMessages: messageErasure.count, onNameFreed, parts: erasureParts });
  const notices = createNotices({ db, config });
  await mail.start({ 'password-reset': passwordReset.writeReset, 'password-changed': notices.writePasswordChanged, 'email-changed': notices.writeEmailChanged });
  workers.push(
    erasure.close,
    startUpkeep({
      eventLog,
      tail,
      limits,
      roster,
      deletedRooms,
      revisions,
      receipts,
      reactions,
      files,
      sessions,
      identities,
      passwordReset,
      erasure,
      notifications,
      pushDevices,
      push,
      log,
      afterMs: firstUpkeepMs,
    }),
  );
  const domains = {
    config,
    clock,
    metrics,
    tail,
    limits,
    accounts,
    directory,
    passwordReset,
    erasure,
    sessions,
    signIn,
    identities,
    codeFlow,
    refreshing,
    isLive: sessions.isLive,
    chats,
    chatLists,
    chatViews,
    knownLevels,
    memberLists,
    rooms,
    membership,
    sending,
    messages,
    search,
    pins,
    saved,
    revisions,
    receipts,
    reactions,
    threads,
    mentions,
    inbox,
    files,
    uploads,
    presence,
    followEvents: presence.followEvents,
    typing,
    notifications,
    notificationSettings,
    badge,
    pushDevices,
    webPushPublicKey: push.publicKey,
  } satisfies Domains;
  return {
    ...domains,
    /** What resolvers can reach. */
    domains,
    log,
    db,
    elsewhere,
    mail,
    push,
    roster,
    deletedRooms,
    indexing,
    /** A stop has begun: what only waits for its turn is refused now. */
    hurry: decoding.close,
    close: (): Promise<void> => opened.disposeAsync(),
  };
}

/** Where files are kept. What speaks to a bucket is not loaded where there is none. */
async function openStore(config: Config, installation: string, log: Log): Promise<Blobs> {
  if (config.FILES_S3_URL === '') return openBlobs(join(config.DATA_DIR, 'files'), installation);
  const { openBucket } = await import('./files/bucket.ts');
  return openBucket(config, installation, log);
}

/** What servers on one PostgreSQL know of each other. Not loaded where there can be one only. */
async function openNodes(config: Config, db: Database, eventLog: EventLog, tail: Tail, log: Log, opened: AsyncDisposableStack): Promise<{ bridge: Bridge; elsewhere: Elsewhere }> {
  if (db.engine === 'sqlite' || config.NODE_POLL_MS === 0) return { bridge: noBridge, elsewhere: nobodyElse };
  const { openBridge } = await import('./nodes/notify.ts');
  const { openAttendance } = await import('./nodes/attendance.ts');
  const { watchOlder } = await import('./nodes/older.ts');
  const { logId } = await eventLog.head();
  let greet = (): void => {};
  const onHead = (number: number): void => {
    if (number > tail.head()) tail.look();
  };
  const onConnected = (): void => {
    tail.look();
    greet();
  };
  const bridge = config.NODE_LISTEN_URL === 'off' ? noBridge : openBridge({ db, logId, config, log, onHead, onConnected });
  opened.defer(bridge.close);
  const elsewhere = await openAttendance({ db, bridge, graceMs: config.PRESENCE_GRACE_SECONDS * 1000, log });
  opened.defer(elsewhere.close);
  opened.defer(watchOlder({ db, log }));
  ({ greet } = elsewhere);
  greet();
  return { bridge, elsewhere };
}
