/**
 * Which servers work on one PostgreSQL, and who is there on the others. Each has a row with a lease that it prolongs; who is there stands in a table beside it,
 * written in batches, and changes are told at once. What is told may be lost: each batch gives the row a new stamp, and whoever sees one that it does not know
 * reads the table again. Both tables are unlogged: after a crash of the database they are empty, and everybody fills in their part.
 */
import { randomInt } from 'node:crypto';
import type { UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Database } from '../storage/database.ts';
import type { Bridge } from './bridge.ts';
import { largestWord } from './bridge.ts';
import type { Elsewhere } from './elsewhere.ts';

const beatMs = 5_000;
/** Two beats may fail. A server that was killed is held for alive for so long, and until the next beat of the others. */
const leaseMs = 12_000;
const forgottenAfterMs = 60_000;
const flushMs = 20;
const soonMs = 10;

/** A change, as it is told: three times the person, and what they are. */
const gone = 0;
const there = 1;
const connected = 2;

type Node = { stamp: number; people: Map<UserId, boolean> };

export async function openAttendance({
  db,
  bridge,
  graceMs,
  log,
}: {
  db: Database;
  bridge: Bridge;
  /** For so long people of a server that stops count as there: they are on their way to another. */
  graceMs: number;
  log: Log;
}): Promise<Elsewhere> {
  const [me] = await db.sql.all<{ name: string }>(`SELECT current_setting('application_name') AS "name"`, []);
  const self = (me as { name: string }).name;
  const others = new Map<string, Node>();
  /** Who is there on this one. */
  const mine = new Map<UserId, boolean>();
  const unwritten = new Set<UserId>();
  let stamp = 0;
  let changed: (userId: UserId) => void = () => {};
  let sure: (isSure: boolean) => void = () => {};
  let wasSure = false;
  /** When the database was last asked, by the clock that nobody sets. */
  let beatenAt = Number.NEGATIVE_INFINITY;
  /** Nobody is taken for dead until then: after a database that was away, all leases have run out. */
  let patientUntil = 0;
  let strangerRounds = 0;
  let closed = false;
  let flushing: NodeJS.Timeout | undefined;
  let rounding: NodeJS.Timeout | undefined;
  let again = false;
  const later = new Set<NodeJS.Timeout>();
  /** One thing after the other. */
  let working: Promise<void> = Promise.resolve();
  bridge.on('presence', hearPresence);
  bridge.on('here', soon);
  bridge.on('leaving', (ms) => after(Number(ms) + soonMs));
  await round();
  const beats = setInterval(() => void inTurn(round), beatMs).unref();
  return {
    count: () => others.size + 1,
    isSure: () => performance.now() - beatenAt < leaseMs && strangerRounds < 2,
    isOnline,
    isConnected: (userId) => [...others.values()].some(({ people }) => people.get(userId) === true),
    ids: function* () {
      for (const { people } of others.values()) yield* people.keys();
    },
    set,
    onChange: (listener) => void (changed = listener),
    onSure: (listener) => void (sure = listener),
    /** Others may not know of this one, nor this one of them. */
    greet: () => {
      bridge.tell('here', null);
      soon();
    },
    close,
  };

  function isOnline(userId: UserId): boolean {
    for (const { people } of others.values()) if (people.has(userId)) return true;
    return false;
  }

  function inTurn(job: () => Promise<void>): Promise<void> {
    working = working.then(job);
    return working;
  }

  // ---------------------------------------------------------------- what is here

  function set(userId: UserId, state: 'connected' | 'there' | 'gone'): void {
    if (state === 'gone') mine.delete(userId);
    else mine.set(userId, state === 'connected');
    unwritten.add(userId);
    flushSoon();
  }

  function flushSoon(): void {
    if (closed) return;
    flushing ??= setTimeout(() => {
      flushing = undefined;
      void inTurn(flush);
    }, flushMs).unref();
  }

  async function flush(): Promise<void> {
    const ids = [...unwritten];
    if (ids.length === 0 || closed) return;
    unwritten.clear();
    const present = ids.filter((id) => mine.has(id));
    const states = present.map((id) => mine.get(id) === true);
    const changes = ids.map((id) => id * 3 + (mine.has(id) ? (mine.get(id) ? connected : there) : gone));
    const [before, after] = [stamp, randomInt(1, 2 ** 31)];
    try {
      const stamped = await db.sqlTransaction(async (sql) => {
        const rows = await sql.all('UPDATE "Node" SET "stamp" = ? WHERE "name" = ? AND "stamp" = ? RETURNING "name"', [after, self, before]);
        if (rows.length === 0) return false;
        await sql.all('DELETE FROM "Attendance" WHERE "node" = ? AND "userId" = ANY(?::int[])', [self, ids]);
        await sql.all('INSERT INTO "Attendance" ("node", "userId", "connected") SELECT ?, * FROM unnest(?::int[], ?::boolean[])', [self, present, states]);
        return true;
      });
      if (!stamped) {
        for (const id of ids) unwritten.add(id);
        return await round();
      }
      stamp = after;
      const word = [self, before, after, changes];
      bridge.tell('presence', JSON.stringify(word).length < largestWord - 100 ? word : [self, before, after]);
      if (unwritten.size > 0) flushSoon();
    } catch (error) {
      for (const id of ids) unwritten.add(id);
      log.warn({ err: error }, 'who is connected was not stored; trying again');
    }
  }

  // ---------------------------------------------------------------- what is elsewhere

  /** Prolongs the lease, and sees who else lives. */
  async function round(): Promise<void> {
    if (closed) return;
    again = false;
    const startedAt = performance.now();
    try {
      const [row] = await db.sql.all<{ stamp: number; isNew: boolean }>(
        `INSERT INTO "Node" ("name", "endsAt", "stamp") VALUES (?, now() + ? * interval '1 ms', 0)
         ON CONFLICT ("name") DO UPDATE SET "endsAt" = EXCLUDED."endsAt" RETURNING "stamp", xmax = 0 AS "isNew"`,
        [self, leaseMs],
      );
      // Of all, or of this one, nothing is left: the database had crashed, or this one was taken for dead.
      const isLost = beatenAt > 0 && (row?.isNew || row?.stamp !== stamp);
      stamp = Number(row?.stamp);
      if (isLost) for (const id of mine.keys()) unwritten.add(id);
      const living = await db.sql.all<{ name: string; stamp: number }>('SELECT "name", "stamp" FROM "Node" WHERE "endsAt" > now() AND "name" <> ?', [self]);
      const isLate = startedAt - beatenAt > leaseMs;
      if (isLost || (isLate && beatenAt > 0)) patientUntil = startedAt + leaseMs;
      for (const name of others.keys()) if (!living.some((node) => node.name === name) && performance.now() > patientUntil) forget(name);
      for (const node of living) {
        // One that begins, again perhaps, has not said yet whom it has.
        if (node.stamp === 0) others.set(node.name, others.get(node.name) ?? { stamp: 0, people: new Map() });
        else if (others.get(node.name)?.stamp !== node.stamp) await read(node.name);
      }
      await db.sql.all(`DELETE FROM "Node" WHERE "endsAt" < now() - ? * interval '1 ms'`, [forgottenAfterMs]);
      // Servers of a version that does not say so: whoever is there is not known. One that is just starting will say so.
      strangerRounds = (await db.isAlone()) ? 0 : strangerRounds + 1;
      beatenAt = performance.now();
      if (isLate) bridge.tell('here', null);
    } catch (error) {
      if (!closed) log.warn({ err: error }, 'this server does not know at the moment who is there on others');
    }
    if (unwritten.size > 0) flushSoon();
    const isSure = performance.now() - beatenAt < leaseMs && strangerRounds < 2;
    if (isSure !== wasSure) sure((wasSure = isSure));
  }

  /** Another round, unless one is about to begin. */
  function soon(): void {
    if (closed || again) return;
    again = true;
    rounding = setTimeout(() => void inTurn(round), soonMs).unref();
  }

  function after(ms: number): void {
    const timer = setTimeout(() => {
      later.delete(timer);
      soon();
    }, ms).unref();
    later.add(timer);
  }

  async function read(name: string): Promise<void> {
    const rows = await db.sql.all<{ stamp: number; userId: UserId | null; connected: boolean }>(
      'SELECT n."stamp", a."userId", a."connected" FROM "Node" n LEFT JOIN "Attendance" a ON a."node" = n."name" WHERE n."name" = ?',
      [name],
    );
    const [first] = rows;
    if (!first) return forget(name);
    const before = others.get(name)?.people ?? new Map<UserId, boolean>();
    const people = new Map<UserId, boolean>();
    for (const { userId, connected: isConnected } of rows) if (userId !== null) people.set(userId, isConnected);
    const all = new Set([...before.keys(), ...people.keys()]);
    const online = new Set([...all].filter(isOnline));
    others.set(name, { stamp: first.stamp, people });
    for (const userId of all) if (online.has(userId) !== isOnline(userId)) changed(userId);
  }

  function forget(name: string): void {
    const people = others.get(name)?.people.keys() ?? [];
    others.delete(name);
    for (const userId of people) if (!isOnline(userId)) changed(userId);
  }

  function hearPresence(word: unknown): void {
    const [name, before, after, changes] = word as [string, number, number, number[] | undefined];
    const node = others.get(name);
    if (!node || node.stamp !== before || !changes) return soon();
    node.stamp = after;
    for (const change of changes) {
      const [userId, state] = [Math.floor(change / 3) as UserId, change % 3];
      const was = isOnline(userId);
      if (state === gone) node.people.delete(userId);
      else node.people.set(userId, state === connected);
      if (isOnline(userId) !== was) changed(userId);
    }
  }

  /** Who is there stays so for the grace: they come back on another. */
  async function close(): Promise<void> {
    clearInterval(beats);
    clearTimeout(flushing);
    clearTimeout(rounding);
    for (const timer of later) clearTimeout(timer);
    closed = true;
    await working;
    try {
      await db.sql.all(`UPDATE "Node" SET "endsAt" = now() + ? * interval '1 ms' WHERE "name" = ?`, [graceMs, self]);
      bridge.tell('leaving', graceMs);
    } catch (error) {
      log.warn({ err: error }, 'other servers were not told that this one stops');
    }
  }
}
