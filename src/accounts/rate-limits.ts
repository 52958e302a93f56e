/** How often people may do what costs or could be abused: logins, registrations, messages, requests. */
import { type IRateLimiterOptions, type RateLimiterAbstract, RateLimiterMemory } from 'rate-limiter-flexible';
import type { Config } from '../config.ts';
import { AppError, type RateLimitScope } from '../errors.ts';
import type { UserId } from '../ids.ts';

/** Whose share is used up: an account, a client's address, or a login name that belongs to no account. */
export type LimitKey = UserId | { address: string } | { name: string };
/** What is counted by itself: also what clients are told of under another name. */
export type LimitName = RateLimitScope | 'RESET';
export type RateLimits = ReturnType<typeof createRateLimits>;

type LimitSettings = Pick<Config, 'RATE_LIMITS' | 'LOGIN_LIMIT' | 'REGISTER_LIMIT' | 'RESET_LIMIT' | 'SEND_LIMIT' | 'SEND_BURST' | 'REQUEST_LIMIT'>;

/** `limiter` makes the store of one limit; without it, this process counts alone. */
export function createRateLimits({
  config,
  limiter = (options) => new RateLimiterMemory(options),
}: {
  config: LimitSettings;
  limiter?: (options: IRateLimiterOptions) => RateLimiterAbstract;
}) {
  const burst = Math.max(config.SEND_BURST, config.SEND_LIMIT);
  const limiters: Record<LimitName, RateLimiterAbstract> = {
    LOGIN: limiter({ keyPrefix: 'login', points: config.LOGIN_LIMIT, duration: 15 * 60 }),
    REGISTER: limiter({ keyPrefix: 'register', points: config.REGISTER_LIMIT, duration: 60 * 60 }),
    RESET: limiter({ keyPrefix: 'reset', points: config.RESET_LIMIT, duration: 60 * 60 }),
    // So many at once, and over the time in which that many are allowed no more.
    SEND: limiter({ keyPrefix: 'send', points: burst, duration: burst / config.SEND_LIMIT }),
    REQUESTS: limiter({ keyPrefix: 'requests', points: config.REQUEST_LIMIT * 10, duration: 10 }),
  };
  return { take, takeMany, giveBack };

  /** Counts one for each key. Throws RATE_LIMITED with the time to wait when one of them has no share left. */
  async function take(scope: LimitName, ...keys: LimitKey[]): Promise<void> {
    await consume(scope, keys, 1);
  }

  async function consume(scope: LimitName, keys: readonly LimitKey[], count: number): Promise<void> {
    if (!config.RATE_LIMITS) return;
    const results = await Promise.allSettled(keys.map((key) => limiters[scope].consume(toText(key), count)));
    let retryAfterMs = 0;
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      if (result.reason instanceof Error) throw result.reason;
      retryAfterMs = Math.max(retryAfterMs, Math.ceil(result.reason.msBeforeNext), 1);
    }
    if (retryAfterMs > 0) throw new AppError('RATE_LIMITED', { retryAfterMs, scope: scope === 'RESET' ? 'REQUESTS' : scope });
  }

  /** Counts many at once for one key, at most half of a whole share: the largest thing that is allowed can be done, but not often. */
  async function takeMany(scope: LimitName, count: number, key: LimitKey): Promise<void> {
    await consume(scope, [key], Math.max(1, Math.min(count, Math.floor(limiters[scope].points / 2))));
  }

  /** Takes back what `take` counted: right passwords do not use up the share of wrong ones. */
  async function giveBack(scope: LimitName, ...keys: LimitKey[]): Promise<void> {
    if (config.RATE_LIMITS) await Promise.all(keys.map((key) => limiters[scope].reward(toText(key))));
  }
}

function toText(key: LimitKey): string {
  if (typeof key === 'number') return `account:${key}`;
  return 'name' in key ? `name:${key.name.slice(0, 320)}` : `address:${networkOf(key.address)}`;
}

/** An IPv6 customer holds a /64: counting single addresses would count nothing. */
function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1] as string;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.toLowerCase().split('%', 1).join('').split('::');
  const groups = head.split(':').filter(Boolean);
  const behind = tail?.split(':').filter(Boolean) ?? [];
  while (tail !== undefined && groups.length + behind.length < 8) groups.push('0');
  return [...groups, ...behind]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}
