/** The one place where the parts are put together: opens the storage and builds each domain on the ones before it. */
import type { Config } from './config.ts';
import { createEventLog } from './events/event-log.ts';
import { createTail } from './events/follow.ts';
import { createWrite } from './events/write.ts';
import type { Log } from './log.ts';
import { openDatabase } from './storage/database.ts';

export type App = Awaited<ReturnType<typeof createApp>>;

export async function createApp(config: Config, log: Log) {
  const clock = (): Date => new Date();
  const db = await openDatabase(config, log);
  const eventLog = createEventLog({ db, config, clock });
  const tail = await createTail({ db, log: eventLog, config, clock, logger: log, mayRead: async () => false });
  const { write, writeBatch } = createWrite({ db, clock, offer: tail.offer });
  return { config, log, clock, db, tail, write, writeBatch, eventLog };
}
