/** What is known of one socket, and what its end means to what still runs on it. */
import type { WebSocket } from 'ws';
import type { RequestHead, Who } from '../api/pipeline.ts';
import type { ErrorCode } from '../errors.ts';
import type { EndReason } from '../events/event.ts';
import type { Client } from '../graphql/context.ts';
import type { Outlet } from './outlet.ts';

export type OpenSocket = {
  socket: WebSocket;
  /** Of the upgrade. */
  request: RequestHead;
  outlet: Outlet;
  client: Client;
  controller: AbortController;
  who: Who;
  /** The access token from the cookies of the upgrade, where they may count. */
  cookieToken: string | null;
  /** Gives back the account's place; null while it has none. */
  place: (() => void) | null;
  /** Gives back the address's place, which it has until somebody signs in. */
  anonymousPlace: () => void;
  /** When the latest operation came, by the monotonic clock. */
  lastAskedAt: number;
  streams: number;
  /** Operations left of the allowed ones, and how many were refused since. */
  credit: { left: number; at: number; refused: number; refusedSince: number };
  /** Operations that run, and those that wait for their turn. */
  turns: { taken: number; waiting: (() => void)[] };
  /** Answers under way by the client's id. */
  running: Map<string, Running>;
  /** Set once: no operation begins any more. */
  ended: Ended | null;
  unansweredPings: number;
  cleanUp: (() => void)[];
};
export type Running = { answered: Promise<void>; completedByClient: boolean };
export type Ended = EndReason | 'CLOSED';

/** Close codes beside those of graphql-ws. Its client takes 4401, 4400 and 1008 for final, and comes back after the others. */
export const closeCodes = { idle: 1000, badRequest: 4400, sessionEnded: 4401, tokenExpired: 4403, notText: 1003, tooMany: 1008, shutdown: 1012, tryLater: 1013 } as const;

/** How far apart timers for the same moment may fire. */
const timerSlackMs = 100;

export const isExpired = ({ who }: OpenSocket, now: Date): boolean => who.viewer !== null && who.viewer.expiresAt.getTime() - now.getTime() <= timerSlackMs;

/** A stream that ends like this is to be opened again: `complete` before the close would tell clients that it is over for good, and none would subscribe again by itself. */
export const isToComeBack = (ended: Ended | null): boolean => ended === 'TOKEN_EXPIRED' || ended === 'SERVER_SHUTDOWN' || ended === 'SLOW_CONSUMER';

/** What an operation is told that comes while its socket is being closed. */
export function refusalAfter(ended: Ended): Extract<ErrorCode, 'TOKEN_EXPIRED' | 'TOKEN_INVALID' | 'UNAVAILABLE'> {
  if (ended === 'TOKEN_EXPIRED') return 'TOKEN_EXPIRED';
  return ended === 'SERVER_SHUTDOWN' || ended === 'SLOW_CONSUMER' || ended === 'CLOSED' ? 'UNAVAILABLE' : 'TOKEN_INVALID';
}
