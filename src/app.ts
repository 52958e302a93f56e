/** The one place where the parts are put together: opens the storage, builds each domain on the ones before it, and closes them in turn. */
import { join } from 'node:path';
import { createAccounts } from './accounts/accounts.ts';
import { createErasure } from './accounts/erasure.ts';
import { createMail } from './accounts/mail.ts';
import { createOperators } from './accounts/operators.ts';
import { createPasswordReset } from './accounts/password-reset.ts';
import { createPasswords } from './accounts/passwords.ts';
import { createRateLimits } from './accounts/rate-limits.ts';
import { can } from './chats/access.ts';
import { createChats } from './chats/chats.ts';
import { createChatErasure } from './chats/erasure.ts';
import { createChatLists } from './chats/lists.ts';
import { createMemberLists } from './chats/member-lists.ts';
import { createMembership } from './chats/membership.ts';
import { createRooms } from './chats/rooms.ts';
import { createRoster } from './chats/roster.ts';
import type { Config } from './config.ts';
import { createEventLog } from './events/event-log.ts';
import { createTail } from './events/tail.ts';
import { createWrite } from './events/write.ts';
import { openBlobs } from './files/blobs.ts';
import { createDecoding } from './files/decoding.ts';
import { createFileErasure } from './files/erasure.ts';
import { createFiles } from './files/files.ts';
import { createImages } from './files/images.ts';
import { createLinks } from './files/links.ts';
import { createUploads } from './files/uploads.ts';
import type { Domains } from './graphql/context.ts';
import type { UserId } from './ids.ts';
import type { Log } from './log.ts';
import { createDeletedRooms } from './messages/deleted-rooms.ts';
import { createMessageErasure } from './messages/erase.ts';
import { createInbox } from './messages/inbox.ts';
import { createMessages } from './messages/messages.ts';
import { createReceipts } from './messages/receipts.ts';
import { createSending } from './messages/send.ts';
import { createMetrics } from './metrics.ts';
import { announce, createNotifications } from './notifications/notifications.ts';
import { createPush } from './notifications/push.ts';
import { createPushDevices } from './notifications/push-devices.ts';
import { createPushQueue } from './notifications/push-queue.ts';
import { post } from './outgoing.ts';
import { createPresence } from './presence/presence.ts';
import { createTyping } from './presence/typing.ts';
import { createKeys } from './sessions/keys.ts';
import { createLiveSessions } from './sessions/live-sessions.ts';
import { createSessions } from './sessions/sessions.ts';
import { createTokens } from './sessions/tokens.ts';
import { openDatabase } from './storage/database.ts';
import { createLocks } from './storage/locks.ts';
import { startUpkeep } from './upkeep.ts';

export type App = Awaited<ReturnType<typeof createApp>>;

export async function createApp(config: Config, log: Log) {
  const clock = (): Date => new Date();
  const metrics = createMetrics();
  const db = await openDatabase(config, log, metrics.databaseError);
  if (db.engine === 'postgresql' && config.NODE_POLL_MS === 0) log.warn('NODE_POLL_MS is 0: this server does not hear of what other servers on the same database do');
  const locks = createLocks(db.engine);
  const eventLog = createEventLog({ db, config, clock });
  const tail = await createTail({
    db,
    log: eventLog,
    config,
    clock,
    logger: log,
    mayRead: async (userId, chatId) => can('read', await chats.findStanding({ userId }, { roomId: chatId })),
    hydrate: (events) => messages.hydrate(events),
  });
  const { write, writeBatch } = createWrite({ db, clock, offer: tail.offer, look: tail.look, metrics });
  const limits = createRateLimits({ config });
  const passwords = await createPasswords({ config });
  const onlineIds = async (): Promise<ReadonlySet<UserId>> => presence.onlineIds();
  const accounts = createAccounts({ db, write, passwords, limits, config, clock, onlineIds });
  const mail = createMail({ db, config, clock, log });
  const keys = await createKeys({ db });
  const operators = createOperators({ db, digest: keys.digest, config, logger: log });
  await operators.forgetUnnamed();
  accounts.onNameFreed.push(operators.retire);
  const blobs = await openBlobs(join(config.DATA_DIR, 'files'), keys.digest('files of this installation')).catch(async (error) => {
    tail.close();
    await db.close();
    throw error;
  });
  const liveSessions = createLiveSessions({ db, tail, clock, log });
  const sessions = createSessions({ db, write, accounts, passwords, tokens: createTokens({ keys }), liveSessions, limits, mail, config, clock });
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
  const memberLists = createMemberLists({ db, onlineIds });
  const links = createLinks({ key: keys.fileUrl, lifeSeconds: config.FILE_URL_SECONDS, clock });
  const decoding = createDecoding();
  const images = createImages({ blobs, decoding });
  const files = createFiles({ db, write, chats, blobs, images, links, clock, logger: log });
  const uploads = createUploads({ db, blobs, images, links, files, config, clock });
  const roster = createRoster({ db, writeBatch, locks, clock, logger: log });
  const rooms = createRooms({ db, write, writeBatch, locks, roster, chats, accounts, operators, passwords, pictures: files.forRooms, clock });
  const membership = createMembership({ db, write, locks, chats, passwords, limits, clock });
  const sending = createSending({ db, writeBatch, chats, accounts, limits, keys, config, clock, files: files.forMessages, behind: announce });
  const messages = createMessages({ db, writeBatch, chats, config, clock, files: files.forMessages });
  const receipts = createReceipts({ db, writeBatch, chats, logger: log, clock });
  const inbox = createInbox({ db });
  const presence = createPresence({ db, tail, config, clock, logger: log });
  const notifications = createNotifications({ db, writeBatch, receipts, clock });
  const pushDevices = createPushDevices({ db, write, config, clock });
  const pushQueue = await createPushQueue({ db, writeBatch, eventLog, presence, clock });
  const push = createPush({ queue: pushQueue, tail, keys, presence, post, config, clock, metrics, logger: log });
  const typing = createTyping({ tail, chats, config, clock });
  // A new account is a member of every room for everyone, in the transaction that makes it.
  accounts.onCreate.push(membership.welcome);
  const deletedRooms = createDeletedRooms({ db, roster, files: files.forMessages });
  const messageErasure = createMessageErasure({ db, writeBatch, deletedRooms, files: files.forMessages, clock });
  const erasure = createErasure({ db, write, locks, accounts, mail, clock, logger: log, countMessages: messageErasure.count });
  // An account that is deleted takes with it what each domain has of it.
  erasure.parts.push(
    { atOnce: sessions.eraseAll },
    createChatErasure({ writeBatch, clock }),
    messageErasure,
    createFileErasure({ db, writeBatch, files, uploads }),
    { atOnce: notifications.eraseAll },
    { atOnce: pushDevices.eraseAll },
  );
  await mail.start({ 'password-reset': passwordReset.writeReset, 'password-changed': passwordReset.writeChanged });
  const stopUpkeep = startUpkeep({ eventLog, tail, roster, deletedRooms, receipts, files, sessions, passwordReset, erasure, notifications, pushDevices, push, logger: log });
  const domains = {
    config,
    clock,
    metrics,
    tail,
    limits,
    accounts,
    passwordReset,
    erasure,
    sessions,
    isLive: sessions.isLive,
    chats,
    chatLists,
    memberLists,
    rooms,
    membership,
    sending,
    messages,
    receipts,
    inbox,
    files,
    uploads,
    presence,
    followEvents: presence.followEvents,
    typing,
    notifications,
    pushDevices,
    webPushPublicKey: push.publicKey,
  } satisfies Domains;
  return {
    ...domains,
    /** What resolvers can reach. */
    domains,
    log,
    db,
    mail,
    push,
    roster,
    deletedRooms,
    /** A stop has begun: what only waits for its turn is refused now. */
    hurry: decoding.close,
    close,
  };

  async function close(): Promise<void> {
    deletedRooms.close();
    await Promise.all([stopUpkeep(), erasure.close(), roster.close(), mail.close(), push.close()]);
    typing.close();
    await receipts.close();
    await decoding.close();
    await files.close();
    await presence.close();
    await liveSessions.close();
    tail.close();
    await db.close();
    metrics.close();
  }
}
