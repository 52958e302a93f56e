/** The one place where the parts are put together: opens the storage, builds each domain on the ones before it, and closes them in turn. */
import { createAccounts } from './accounts/accounts.ts';
import { createPasswords } from './accounts/passwords.ts';
import { createRateLimits } from './accounts/rate-limits.ts';
import { can } from './chats/access.ts';
import { createChats } from './chats/chats.ts';
import { createChatLists } from './chats/lists.ts';
import { createMembership } from './chats/membership.ts';
import { createRooms } from './chats/rooms.ts';
import type { Config } from './config.ts';
import { createEventLog } from './events/event-log.ts';
import { createTail } from './events/follow.ts';
import { createWrite } from './events/write.ts';
import type { Log } from './log.ts';
import { createInbox } from './messages/inbox.ts';
import { createMessages } from './messages/messages.ts';
import { createReceipts } from './messages/receipts.ts';
import { createMetrics } from './metrics.ts';
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
  const locks = createLocks(db.engine);
  const eventLog = createEventLog({ db, config, clock });
  const tail = await createTail({
    db,
    log: eventLog,
    config,
    clock,
    logger: log,
    mayRead: async (userId, chatId) => can('read', await chats.standing(db.read, userId, { roomId: chatId })),
    hydrate: (events) => messages.hydrate(events),
  });
  const { write, writeBatch } = createWrite({ db, clock, offer: tail.offer, look: tail.look, metrics });
  const limits = createRateLimits({ config });
  const passwords = await createPasswords({ config });
  const onlineIds = async (): Promise<ReadonlySet<number>> => presence.onlineIds();
  const accounts = createAccounts({ db, write, passwords, limits, config, clock, onlineIds });
  const keys = await createKeys({ db });
  const liveSessions = createLiveSessions({ db, tail, clock, log });
  const sessions = createSessions({ db, write, accounts, passwords, tokens: createTokens({ keys }), liveSessions, limits, config, clock });
  const chats = createChats({ db, accounts });
  const chatLists = createChatLists({ db, onlineIds });
  const rooms = createRooms({ db, write, locks, chats, accounts, passwords, config, clock });
  const membership = createMembership({ db, write, locks, chats, passwords, limits, clock });
  const messages = createMessages({ db, locks, write, writeBatch, chats, accounts, limits, keys, config, clock });
  const receipts = createReceipts({ db, writeBatch, chats, logger: log });
  const inbox = createInbox({ db });
  const presence = createPresence({ db, tail, config, clock, logger: log });
  const typing = createTyping({ tail, chats, config, clock });
  // A new account is a member of every room for everyone, in the transaction that makes it.
  accounts.onCreate.push(membership.welcome);
  const stopUpkeep = startUpkeep({ eventLog, tail, messages, sessions, logger: log });
  return { config, log, metrics, clock, db, tail, limits, accounts, sessions, chats, chatLists, rooms, membership, messages, receipts, inbox, presence, typing, close };

  async function close(): Promise<void> {
    await stopUpkeep();
    typing.close();
    await receipts.close();
    await presence.close();
    await liveSessions.close();
    tail.close();
    await db.close();
    metrics.close();
  }
}
