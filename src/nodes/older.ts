/**
 * While servers are replaced one after the other, those of the version before take every chat's row as it stands. So rows may be behind (storage/chats-now.ts) from
 * when the last of them is gone: none comes back, as it would refuse the database of a newer version.
 */
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';

const everyMs = 5_000;
/** One that was away from the database for a moment is not gone. */
const roundsAlone = 4;

/** Looks until there is none. Returns how to stop. */
export function watchOlder({ db, log }: { db: Pick<Database, 'sql' | 'isOlderAbout'>; log: Log }): () => Promise<void> {
  let rounds = 0;
  let running = round();
  const timer = setInterval(() => void (running = running.then(round)), everyMs).unref();
  return async () => {
    clearInterval(timer);
    await running;
  };

  async function round(): Promise<void> {
    try {
      const [head] = await db.sql.all<{ mayLag: boolean }>('SELECT "mayLag" FROM "EventHead" WHERE "id" = 1', []);
      rounds = head?.mayLag || !(await db.isOlderAbout()) ? rounds + 1 : 0;
      if (!head?.mayLag && rounds < roundsAlone) return;
      clearInterval(timer);
      if (!head?.mayLag) await db.sql.all('UPDATE "EventHead" SET "mayLag" = ? WHERE "id" = 1', [true]);
    } catch (error) {
      rounds = 0;
      log.debug({ err: error }, 'whether there is a server of an earlier version could not be seen');
    }
  }
}
