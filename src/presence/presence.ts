/**
 * Who is online: whoever has an acknowledged socket or an open SSE stream, or has reported activity lately, here or on another server. Kept in memory: nobody
 * is online in a server that is not running. Going offline is told after a grace, so that a reconnect shows nothing.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import DataLoader from 'dataloader';
import type { Config } from '../config.ts';
import type { EventKind, LogEvent } from '../events/event.ts';
import type { Ephemeral, Follower, FollowItem, FollowOptions } from '../events/stream.ts';
import type { Tail } from '../events/tail.ts';
import type { ChatId, UserId } from '../ids.ts';
import type { Log } from '../log.ts';
import { addTo, dropFrom, type MultiMap } from '../multimap.ts';
import type { Elsewhere } from '../nodes/elsewhere.ts';
import { again, polled, type Soon, untilAnswer, whenDone } from '../polled.ts';
import type { Database } from '../storage/database.ts';
import { tableOf } from '../storage/sql.ts';
import { isTurnLong, yieldWhenLong } from '../turns.ts';
import { createDoubt } from './doubt.ts';

export type Presence = ReturnType<typeof createPresence>;
/** `online` is null where this server cannot tell. */
export type PresenceOf = { online: boolean | null; lastSeenAt: Date | null };

/** Of somebody who is online. */
type Attendance = {
  connections: number;
  /** Activity without a connection counts until then, by the clock that nobody sets. */
  activeUntil: number;
  lastSeenAt: Date;
  /** Ends the activity, or the grace. */
  timer: NodeJS.Timeout | undefined;
};
/** `alone`: its stream carries nothing that tells of new people otherwise. `lost`: who is no subject any more since it was asked who there is. */
type Watcher = { follower: Follower; subjects: Set<UserId>; alone: boolean; lost: Set<UserId> | null };
/** Where new people of a watcher come from: those close to somebody, the members of a room, or nowhere. */
type Source = { closeTo: UserId } | { roomId: ChatId } | null;
export type Scope = { userIds: readonly UserId[] } | { closeTo: UserId } | { roomId: ChatId; members: () => Promise<readonly UserId[]> };

/** People that one stream watches at most, unless they are close to its person. */
export const largestScope = 1_000;

const storeEveryMs = 60_000;
/** Who has just come is stored sooner: nobody who was there is later called never seen. */
const storeFirstMs = 1_000;
const storedAtOnce = 1_000;

export function createPresence({
  db,
  tail,
  elsewhere,
  config,
  clock,
  log,
}: {
  db: Database;
  tail: Tail;
  /** Who is there on other servers. */
  elsewhere: Elsewhere;
  config: Config;
  clock: () => Date;
  log: Log;
}) {
  const online = new Map<UserId, Attendance>();
  /** Of those who went offline since the start: newer than what their row says until it is stored. */
  const seen = new Map<UserId, Date>();
  /** Who has come since the last storing. */
  let fresh = new Set<UserId>();
  let storingSoon: NodeJS.Timeout | undefined;
  const watchersOf: MultiMap<UserId, Watcher> = new Map();
  /** Watchers of contacts and dialog partners, by who watches. */
  const closeWatchers: MultiMap<UserId, Watcher> = new Map();
  /** Watchers of the members of a room. */
  const roomWatchers: MultiMap<ChatId, Watcher> = new Map();
  /** Watchers for which it is being asked who there is, and who has changed meanwhile. */
  const beginning = new Map<Watcher, Set<UserId>>();
  const doubt = createDoubt({
    isSure: elsewhere.isSure,
    graceMs: config.PRESENCE_GRACE_SECONDS * 1000,
    seenWithinMs: storeEveryMs + 2 * storeFirstMs,
    clock,
    over: tellWatchers,
  });
  /** After a restart many come back at once. Nothing is remembered, and few are read at a time: each may have very many. */
  const closePeople = new DataLoader<UserId, UserId[]>(findClose, { cache: false, maxBatchSize: 10, batchScheduleFn: (ask) => void setImmediate(ask) });
  const storing = setInterval(() => void storeLastSeen(), storeEveryMs);
  storing.unref();
  const stopListening = tail.onEvent(learn);
  elsewhere.onChange((userId) => {
    if (elsewhere.isOnline(userId)) doubt.forget(userId);
    if (!online.has(userId)) tellWatchers(userId);
  });
  elsewhere.onSure((isSure) => {
    if (isSure) doubt.settle();
  });
  return { connect, reportActivity, stateOf, isConnected, onlineIds, followEvents, followScope, close };

  /** Somebody has a connection until the returned function is called. */
  function connect(userId: UserId): () => void {
    const person = appear(userId);
    if (++person.connections === 1) elsewhere.set(userId, 'connected');
    let connected = true;
    return () => {
      if (!connected) return;
      connected = false;
      person.connections--;
      person.lastSeenAt = clock();
      if (person.connections === 0 && online.get(userId) === person) elsewhere.set(userId, 'there');
      settle(userId, person);
    };
  }

  /** Somebody without a connection is there. Resolves to how long that counts, in milliseconds. */
  function reportActivity(userId: UserId): number {
    const person = appear(userId);
    person.activeUntil = performance.now() + config.PRESENCE_ACTIVITY_SECONDS * 1000;
    person.lastSeenAt = clock();
    settle(userId, person);
    return config.PRESENCE_ACTIVITY_SECONDS * 1000;
  }

  /** Of a deleted account nothing is told. */
  function stateOf(user: { id: UserId; lastSeenAt: Date | null; deletedAt?: Date | null }): PresenceOf {
    if (user.deletedAt) return { online: false, lastSeenAt: null };
    if (online.has(user.id) || elsewhere.isOnline(user.id)) return { online: true, lastSeenAt: null };
    const here = seen.get(user.id) ?? null;
    const lastSeenAt = here && user.lastSeenAt && here < user.lastSeenAt ? user.lastSeenAt : (here ?? user.lastSeenAt);
    const leftMs = doubt.leftMs(lastSeenAt);
    if (leftMs > 0 && watchersOf.has(user.id)) doubt.note(user.id, leftMs);
    return { online: leftMs > 0 ? null : false, lastSeenAt };
  }

  /** Whether something of the person is connected right now: no grace, no reported activity. */
  function isConnected(userId: UserId): boolean {
    return (online.get(userId)?.connections ?? 0) > 0 || elsewhere.isConnected(userId);
  }

  function onlineIds(): ReadonlySet<UserId> {
    const ids = new Set(online.keys());
    for (const id of elsewhere.ids()) ids.add(id);
    return ids;
  }

  function appear(userId: UserId): Attendance {
    const known = online.get(userId);
    if (known) {
      clearTimeout(known.timer);
      return known;
    }
    const person: Attendance = { connections: 0, activeUntil: 0, lastSeenAt: clock(), timer: undefined };
    online.set(userId, person);
    seen.delete(userId);
    doubt.forget(userId);
    fresh.add(userId);
    storeSoon();
    elsewhere.set(userId, 'there');
    if (!elsewhere.isOnline(userId)) tellWatchers(userId);
    return person;
  }

  /** Starts the countdown of somebody without a connection. */
  function settle(userId: UserId, person: Attendance): void {
    clearTimeout(person.timer);
    if (person.connections > 0 || online.get(userId) !== person) return;
    const graceMs = config.PRESENCE_GRACE_SECONDS * 1000;
    person.timer = setTimeout(() => vanish(userId, person), Math.max(0, person.activeUntil - performance.now()) + graceMs);
    person.timer.unref();
  }

  function vanish(userId: UserId, person: Attendance): void {
    online.delete(userId);
    seen.set(userId, person.lastSeenAt);
    elsewhere.set(userId, 'gone');
    if (!elsewhere.isOnline(userId)) tellWatchers(userId);
    // Other servers read when it was.
    if (elsewhere.count() > 1) storeSoon();
    if (seen.size > 1000) void storeLastSeen();
  }

  /** A deleted account is offline at once, and was never seen. What it still has open here ends with its sessions. */
  function forget(userId: UserId): void {
    clearTimeout(online.get(userId)?.timer);
    seen.delete(userId);
    doubt.forget(userId);
    if (!online.delete(userId)) return;
    elsewhere.set(userId, 'gone');
    tellWatchers(userId);
  }

  function storeSoon(): void {
    storingSoon ??= setTimeout(() => void storeLastSeen(fresh), storeFirstMs).unref();
  }

  function tellWatchers(userId: UserId): void {
    const ephemeral: Ephemeral = { type: 'presence-changed', userId, snapshot: false, at: clock() };
    for (const watcher of watchersOf.get(userId) ?? []) watcher.follower.push(ephemeral);
    for (const changed of beginning.values()) changed.add(userId);
  }

  /** Whoever of these is online was seen now; whoever went, when they went. A killed server knows it to the minute. */
  async function storeLastSeen(among: Iterable<UserId> = online.keys()): Promise<void> {
    clearTimeout(storingSoon);
    storingSoon = undefined;
    const [now, gone] = [clock(), [...seen]];
    const rows = [...[...among].filter((id) => online.has(id)).map((id) => ({ id, at: now })), ...gone.map(([id, at]) => ({ id, at }))];
    fresh = new Set();
    try {
      for (let from = 0; from < rows.length; from += storedAtOnce) {
        await db.sqlTransaction((sql) => {
          const table = tableOf(sql.engine, 't', { id: 'int', at: 'date' });
          return sql.all(`UPDATE "User" SET "lastSeenAt" = t."at" FROM ${table} WHERE "User"."id" = t."id" AND "deletedAt" IS NULL`, [rows.slice(from, from + storedAtOnce)]);
        });
        await nextTurn();
      }
      for (const [userId, at] of gone) if (seen.get(userId) === at) seen.delete(userId);
    } catch (error) {
      log.warn({ err: error }, 'last seen times were not stored');
    }
  }

  // ---------------------------------------------------------------- watching

  /** The whole stream of a person, with the presence of contacts and dialog partners among it. */
  async function followEvents(options: FollowOptions): Promise<Follower> {
    const follower = await tail.follow(options);
    if (options.kinds && !options.kinds.has('PRESENCE')) return follower;
    const { live } = await watch(follower, { closeTo: options.userId }, false, () => closePeople.load(options.userId));
    return live;
  }

  /** Presence alone: who is in scope as they are now, then one `caught-up`, then changes, also of new contacts, dialog partners and members. */
  async function followScope(options: FollowOptions, scope: Scope): Promise<Follower> {
    const follower = await tail.follow({ ...options, kinds: new Set<EventKind>(['PRESENCE']) });
    const { live, subjects, tell } = await ('userIds' in scope
      ? watch(follower, null, true, async () => scope.userIds)
      : watch(follower, scope, true, 'closeTo' in scope ? () => closePeople.load(scope.closeTo) : scope.members));
    const first = snapshotOf(subjects);
    first.push({ type: 'caught-up', cursor: tail.cursor(), at: clock() });
    tell(first);
    return live;
  }

  function snapshotOf(subjects: Iterable<UserId>): FollowItem[] {
    const at = clock();
    return Array.from(subjects, (userId) => ({ type: 'ephemeral', ephemeral: { type: 'presence-changed', userId, snapshot: true, at } }));
  }

  /** Watching begins before it is asked who there is: a change in between comes afterwards. */
  async function watch(
    follower: Follower,
    source: Source,
    alone: boolean,
    findSubjects: () => Promise<readonly UserId[]>,
  ): Promise<{ live: Follower; subjects: readonly UserId[] /** Hands out these before anything else. */; tell: (items: FollowItem[]) => void }> {
    const watcher: Watcher = { follower, subjects: new Set(), alone, lost: new Set() };
    if (source && 'closeTo' in source) addTo(closeWatchers, source.closeTo, watcher);
    else if (source) addTo(roomWatchers, source.roomId, watcher);
    const changed = new Set<UserId>();
    beginning.set(watcher, changed);
    const stop = (): void => {
      beginning.delete(watcher);
      for (const subject of watcher.subjects) dropFrom(watchersOf, subject, watcher);
      watcher.subjects.clear();
      if (source && 'closeTo' in source) dropFrom(closeWatchers, source.closeTo, watcher);
      else if (source) dropFrom(roomWatchers, source.roomId, watcher);
    };
    /** The next one last. */
    let told: FollowItem[] = [];
    const tell = (items: FollowItem[]): void => void (told = items.reverse());
    const take = (wake: () => void): Soon<IteratorResult<FollowItem> | null | typeof again> => {
      if (told.length > 0 && isTurnLong()) return yieldWhenLong().then(() => again);
      const value = told.pop();
      if (value) return { done: false, value };
      return whenDone(follower.poll(wake), (item) => {
        if (item && (item.done || item.value.type === 'ended')) stop();
        if (!item || item.done || item.value.type !== 'missed') return item;
        // What was left out of a stream that was too slow does not come again by itself.
        tell(snapshotOf(watcher.subjects));
        return again;
      });
    };
    const close = (): Promise<unknown> => {
      told = [];
      stop();
      return follower.return();
    };
    const items = polled<FollowItem>((wake) => untilAnswer(() => take(wake)), close);
    const live: Follower = Object.assign(items, { push: follower.push });
    try {
      const subjects = (await findSubjects()).filter((subject) => !watcher.lost?.has(subject));
      watcher.lost = null;
      beginning.delete(watcher);
      for (const subject of subjects) if (addSubject(watcher, subject) && changed.has(subject)) pushState(watcher, subject);
      return { live, subjects, tell };
    } catch (error) {
      await live.return();
      throw error;
    }
  }

  /** Contacts and dialog partners of each, in their order. */
  async function findClose(userIds: readonly UserId[]): Promise<UserId[][]> {
    const closeTo = new Map(userIds.map((userId) => [userId, [] as UserId[]]));
    const asked = [...closeTo.keys()].map((of) => ({ of }));
    const people = tableOf(db.engine, 't', { of: 'int' });
    const rows = await db.scan.all<{ of: UserId; id: UserId }>(
      `SELECT t."of", p."personId" AS "id" FROM ${people} JOIN "Contact" p ON p."ownerId" = t."of"
       UNION SELECT t."of", o."userId" FROM ${people} JOIN "Member" b ON b."userId" = t."of" JOIN "Chat" c ON c."id" = b."chatId" AND c."kind" = 'DIALOG'
       JOIN "Member" o ON o."chatId" = c."id"`,
      [asked, asked],
    );
    for (const { of, id } of rows) if (id !== of) closeTo.get(of)?.push(id);
    return userIds.map((userId) => closeTo.get(userId) as UserId[]);
  }

  /** New contacts, dialog partners and members for those who watch, and former ones. */
  function learn(event: LogEvent): void {
    if (event.type === 'session-ended' && event.reason === 'ACCOUNT_DELETED') return forget(event.userId);
    if (event.type === 'chat-added' && event.dialog) {
      for (const id of [event.dialog.low, event.dialog.high]) {
        if (id === event.userId) continue;
        // A whole stream carries the chat itself next, with its people as they are now.
        for (const watcher of closeWatchers.get(event.userId) ?? []) if (addSubject(watcher, id) && watcher.alone) pushState(watcher, id);
      }
    } else if (event.type === 'chat-added') {
      for (const watcher of roomWatchers.get(event.chatId) ?? []) if (watcher.subjects.size < largestScope && addSubject(watcher, event.userId)) pushState(watcher, event.userId);
    } else if (event.type === 'chat-removed') {
      for (const watcher of roomWatchers.get(event.chatId) ?? []) dropSubject(watcher, event.userId);
    } else if (event.type === 'account-changed' && closeWatchers.has(event.userId)) {
      closePeople.load(event.userId).then(
        (ids) => {
          const close = new Set(ids);
          for (const watcher of closeWatchers.get(event.userId) ?? []) {
            for (const id of ids) if (addSubject(watcher, id)) pushState(watcher, id);
            for (const subject of watcher.subjects) if (!close.has(subject)) dropSubject(watcher, subject);
          }
        },
        (error) => log.warn({ err: error }, 'a presence stream does not know of a new contact'),
      );
    }
  }

  function pushState({ follower }: Watcher, userId: UserId): void {
    follower.push({ type: 'presence-changed', userId, snapshot: false, at: clock() });
  }

  /** False for somebody who was watched before. */
  function addSubject(watcher: Watcher, subject: UserId): boolean {
    if (watcher.subjects.has(subject)) return false;
    watcher.subjects.add(subject);
    watcher.lost?.delete(subject);
    addTo(watchersOf, subject, watcher);
    return true;
  }

  function dropSubject(watcher: Watcher, subject: UserId): void {
    watcher.subjects.delete(subject);
    watcher.lost?.add(subject);
    dropFrom(watchersOf, subject, watcher);
  }

  /** Stores when everybody was seen last. */
  async function close(): Promise<void> {
    clearInterval(storing);
    clearTimeout(storingSoon);
    doubt.close();
    stopListening();
    for (const person of online.values()) clearTimeout(person.timer);
    await storeLastSeen();
  }
}
