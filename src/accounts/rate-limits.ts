/** How often people may do what is expensive or could be abused: wrong passwords, registrations, messages, requests. Several servers count what guards secrets together; of the rest each counts its part. */
import type { Config } from '../config.ts';
import { AppError, type RateLimitScope } from '../errors.ts';
import type { ChatId, SessionId, UserId } from '../ids.ts';
import type { Share, Tally } from './tally.ts';

/** Whose share is used up. */
export type LimitKey =
  | UserId
  | { address: string }
  /** A text that somebody typed, whether or not anything has this name. */
  | { name: string }
  | { name: string; address: string }
  | { session: SessionId }
  /** A device that has signed in before. */
  | { device: string }
  /** Somebody who tries the passwords of rooms. */
  | { joining: UserId }
  | { room: ChatId; address: string };
export type LimitName = keyof ReturnType<typeof limitsOf>;
export type RateLimits = ReturnType<typeof createRateLimits>;
/** A password that is about to be tried. */
export type Guess = {
  /** Throws RATE_LIMITED when there were too many wrong ones. Counts nothing. */
  check(): Promise<void>;
  /** The same, then tries it; what is wrong is counted. Tries that run side by side on several servers are no more than are left. */
  attempt(isRight: () => Promise<boolean>): Promise<boolean>;
  /** It was wrong. */
  count(): Promise<void>;
};

type LimitSettings = Pick<
  Config,
  'RATE_LIMITS' | 'LOGIN_LIMIT' | 'REGISTER_LIMIT' | 'RESET_LIMIT' | 'SEND_LIMIT' | 'SEND_BURST' | 'SEARCH_LIMIT' | 'REQUEST_LIMIT' | 'PROFILE_LIMIT'
>;
type Limit = { scope: RateLimitScope; most: number; seconds: number };

const quarterOfAnHour = 15 * 60;

function limitsOf(config: LimitSettings) {
  const burst = Math.max(config.SEND_BURST, config.SEND_LIMIT);
  return {
    LOGIN: { scope: 'LOGIN', most: config.LOGIN_LIMIT, seconds: quarterOfAnHour },
    /** For a name from anywhere, and for an address whatever the name: many people may share one. */
    LOGIN_WIDE: { scope: 'LOGIN', most: config.LOGIN_LIMIT * 10, seconds: quarterOfAnHour },
    /** For a room from one address, however many accounts try it there. */
    ROOM_PASSWORD: { scope: 'LOGIN', most: config.LOGIN_LIMIT * 2, seconds: quarterOfAnHour },
    /** Passwords that one account sets, of its own and of rooms. */
    SET_PASSWORD: { scope: 'REQUESTS', most: 60, seconds: 10 * 60 },
    REGISTER: { scope: 'REGISTER', most: config.REGISTER_LIMIT, seconds: 60 * 60 },
    /** Everybody who is connected is told of each change. */
    PROFILE: { scope: 'REQUESTS', most: config.PROFILE_LIMIT, seconds: 60 },
    RESET: { scope: 'REQUESTS', most: config.RESET_LIMIT, seconds: 60 * 60 },
    // As many at once, and then no more until their time at the average rate is over.
    SEND: { scope: 'SEND', most: burst, seconds: burst / config.SEND_LIMIT },
    SEARCH: { scope: 'SEARCH', most: config.SEARCH_LIMIT, seconds: 1 },
    REQUESTS: { scope: 'REQUESTS', most: config.REQUEST_LIMIT * 10, seconds: 10 },
  } satisfies Record<string, Limit>;
}

/** What guards a secret, and the mails and accounts that strangers can have made. */
const shared: ReadonlySet<LimitName> = new Set<LimitName>(['LOGIN', 'LOGIN_WIDE', 'ROOM_PASSWORD', 'REGISTER', 'RESET']);

export function createRateLimits({
  config,
  tally = null,
  servers = () => 1,
}: {
  config: LimitSettings;
  /** Where several servers count together. */
  tally?: Tally | null;
  /** How many servers there are. */
  servers?: () => number;
}) {
  const limits = limitsOf(config);
  const counters = Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, createCounter(limit, servers)])) as Record<LimitName, ReturnType<typeof createCounter>>;
  return { take, takeMany, guess, sweep: async (): Promise<number> => (await tally?.sweep()) ?? 0 };

  /** Counts one for each key. Throws RATE_LIMITED, and counts nothing, when one of them has no share left. */
  async function take(name: LimitName, ...keys: LimitKey[]): Promise<void> {
    if (!config.RATE_LIMITS) return;
    const texts = keys.map(toText);
    if (tally && shared.has(name)) return mustHaveLeft(await tally.take(texts.map((text) => shareOf(name, text))));
    for (const text of texts) counters[name].check(text);
    for (const text of texts) counters[name].count(text);
  }

  /** Counts many at once for one key, at most half of a whole share: the largest thing that is allowed can be done, but not often. */
  async function takeMany(name: LimitName, count: number, key: LimitKey): Promise<void> {
    const atOnce = Math.max(1, Math.min(count, Math.floor(limits[name].most / servers() / 2)));
    if (!config.RATE_LIMITS) return;
    counters[name].check(toText(key), atOnce);
    counters[name].count(toText(key), atOnce);
  }

  /** A password that somebody tries: only a wrong one uses anything up, and it counts for each of these. */
  function guess(...shares: readonly (readonly [LimitName, LimitKey])[]): Guess {
    const named = config.RATE_LIMITS ? shares.map(([name, key]) => ({ name, text: toText(key) })) : [];
    if (tally && named.length > 0)
      return sharedGuess(
        tally,
        named.map(({ name, text }) => shareOf(name, text)),
      );
    const check = async (): Promise<void> => {
      for (const { name, text } of named) counters[name].check(text);
    };
    const count = async (): Promise<void> => {
      for (const { name, text } of named) counters[name].count(text);
    };
    return {
      check,
      count,
      attempt: async (isRight) => {
        await check();
        const right = await isRight();
        if (!right) await count();
        return right;
      },
    };
  }

  function sharedGuess(together: Tally, shares: readonly Share[]): Guess {
    return {
      check: async () => mustHaveLeft(await together.findFull(shares)),
      count: () => together.add(shares),
      attempt: async (isRight) => {
        mustHaveLeft(await together.take(shares));
        let right = true;
        try {
          right = await isRight();
        } finally {
          // Also what could not be tried at all.
          if (right) await together.giveBack(shares);
        }
        return right;
      },
    };
  }

  function shareOf(name: LimitName, text: string): Share & { scope: RateLimitScope } {
    const { scope, most, seconds } = limits[name];
    return { key: `${name} ${text}`, most, seconds, scope };
  }

  function mustHaveLeft(full: { share: Share; leftMs: number } | null): void {
    if (full) throw new AppError('RATE_LIMITED', { retryAfterMs: full.leftMs, scope: (full.share as Share & { scope: RateLimitScope }).scope });
  }
}

/** Counts by key, from the first one on for so many seconds. Goes by elapsed time, which nobody can set back. */
function createCounter({ scope, most, seconds }: Limit, servers: () => number) {
  const lengthMs = seconds * 1000;
  /** In the order in which they end. */
  const windows = new Map<string, { count: number; endsAt: number }>();
  return { check, count };

  function check(key: string, more = 1): void {
    const window = windows.get(key);
    const leftMs = window ? Math.ceil(window.endsAt - performance.now()) : 0;
    // Whoever asks several servers has no more than of one, and whoever asks one has their part of it.
    if (window && window.count + more > Math.ceil(most / servers()) && leftMs > 0) throw new AppError('RATE_LIMITED', { retryAfterMs: leftMs, scope });
  }

  function count(key: string, more = 1): void {
    const now = performance.now();
    for (const [each, { endsAt }] of windows) {
      if (endsAt > now) break;
      windows.delete(each);
    }
    const window = windows.get(key);
    if (window) window.count += more;
    else windows.set(key, { count: more, endsAt: now + lengthMs });
  }
}

const longestName = 320;

function toText(key: LimitKey): string {
  if (typeof key === 'number') return String(key);
  return Object.entries(key)
    .map(([kind, value]) => `${kind} ${kind === 'address' ? networkOf(value) : String(value).slice(0, longestName)}`)
    .join(' ');
}

/** What belongs to one customer: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%');
  if (!plain.includes(':')) return plain;
  // As RFC 5952 writes it, with hexadecimal digits only.
  const written = URL.canParse(`http://[${plain}]`) ? new URL(`http://[${plain}]`).hostname.slice(1, -1) : plain;
  const [head = '', tail] = written.split('::');
  const groups = head.split(':').filter(Boolean);
  const behind = tail?.split(':').filter(Boolean) ?? [];
  while (tail !== undefined && groups.length + behind.length < 8) groups.push('0');
  const all = [...groups, ...behind];
  const [high = 0, low = 0] = all.slice(-2).map((group) => Number.parseInt(group, 16));
  if (/^(0:){5}ffff:/.test(all.join(':'))) return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  return all.slice(0, 4).join(':');
}
