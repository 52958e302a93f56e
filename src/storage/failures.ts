/** What an error of either engine means: a conflict, a refused duplicate, or a database that cannot at the moment. */
import { AppError, hasCode } from '../errors.ts';

/** One of these codes as the whole of a code: digits in a message are none. */
export const code = (codes: string): RegExp => new RegExp(`(?:^|["\`])(?:${codes})(?:["\`]|$)`, 'm');
/** Any of these. */
export const either = (...patterns: RegExp[]) => new RegExp(patterns.map((pattern) => pattern.source).join('|'), 'm');

/** Two transactions stood in each other's way, and this one was rolled back. */
export const conflicts = either(code('40001|40P01|P2034'), /TransactionWriteConflict/);

/** A unique index refused the row: somebody else was first. */
export const isUniqueViolation = (error: unknown): boolean => uniqueViolation.test(causes(error));
const uniqueViolation = either(code('P2002|23505'), /SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY)|UniqueConstraintViolation/);

// PostgreSQL's classes: 08 connection, 53 resources, 57P0x shutdown; 25P03, 25P04, 55P03 and 57014 are the time limits that postgresql.ts sets.
/** The database cannot at the moment. */
export const unavailable = either(
  code('08\\w{3}|53[1-4]00|57P0\\d|57014|55P03|25P0[34]|P1001|P1002|P1008|P1017|P2024|P2028|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT'),
  /SQLITE_(FULL|IOERR|BUSY|READONLY|CANTOPEN|NOMEM|LOCKED)|database or disk is full|disk I\/O error/,
  /Connection terminated|connection timeout|timeout exceeded when trying to connect|Query read timeout|not queryable|Unable to start a transaction/,
  /ServerClosed|DatabaseNotReachable|ConnectionClosed|SocketTimeout|TooManyConnections/,
);

/** The database, not the statement, is the reason of this error. */
export const isUnavailable = (error: unknown): boolean => !(error instanceof AppError) && unavailable.test(causes(error));

/** The same, also where that was found out before. */
export const isDatabaseAway = (error: unknown): boolean => hasCode(error, 'UNAVAILABLE') || isUnavailable(error);

/** Codes and messages of an error and of what caused it, a line each. */
export function causes(error: unknown): string {
  const parts: unknown[] = [];
  for (let at = error as { code?: unknown; message?: unknown; kind?: unknown; meta?: unknown; cause?: unknown } | undefined; at && parts.length < 20; at = at.cause as typeof at) {
    parts.push(at.code, at.message, at.kind, at.meta ? JSON.stringify(at.meta) : '');
  }
  return parts.join('\n');
}
