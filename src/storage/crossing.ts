/** What crosses between the main thread and those of the database: one JSON text each way, errors with their codes. */
import { AppError, type ErrorCode } from '../errors.ts';

/** What SQLite takes for a parameter. */
export type Bound = string | number | null;
/** A statement's text crosses once; then its number stands for it. */
export type Statement = { number: number; text?: string | undefined; values: readonly Bound[] };
/** A statement of Prisma's, as its adapters take it. */
export type PrismaQuery = { sql: string; args: readonly unknown[]; argTypes: readonly unknown[] };

export type Request =
  /** A read, outside of any transaction. */
  | { type: 'read'; statement: Statement }
  /** A statement of the transaction that is under way, or of one that begins or ends with it. */
  | { type: 'statement'; statement: Statement; begins: boolean; ends: boolean }
  | { type: 'end'; how: 'COMMIT' | 'ROLLBACK' }
  /** A whole transaction: a function of src/jobs.ts. */
  | { type: 'job'; name: string; input: unknown }
  | { type: 'prisma'; how: 'queryRaw' | 'executeRaw'; query: PrismaQuery; transaction: 'begins' | 'goes on' }
  /** First of all: which file its connections are to. */
  | { type: 'place'; file: string; pragmas: readonly string[] }
  | { type: 'clear remnants'; from: number }
  | { type: 'sync remnants' }
  /** All connections of the thread, and then the thread. */
  | { type: 'close' };

export type Answer = { result?: unknown; error?: WireError /** Run for a job. */; statements?: number };

/** What a thread is given when it begins. */
export type ThreadStart = {
  port: import('node:worker_threads').MessagePort;
  /** Counts what was sent: a thread sleeps on it. */
  sent: Int32Array;
  /** The module whose `jobs` it runs, for the one that writes. */
  jobs: string | null;
  /** The module whose `functions` its statements can use. */
  functions: string | null;
};

/** An error as JSON. */
export type WireError = { name: string; message: string; code?: unknown; stack?: string | undefined; details?: unknown; cause?: unknown };

export function toWire(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, code, stack, cause } = error as Error & { code?: unknown };
  // Where an AppError was thrown says nothing: it is an answer.
  if (error instanceof AppError) return { name, message, code, details: error.details };
  // What Prisma's adapter says of an error stands in its cause.
  return { name, message, code, stack, ...(cause === undefined ? {} : { cause: cause instanceof Error ? toWire(cause) : cause }) };
}

export function fromWire({ name, message, code, details, ...rest }: WireError): Error {
  // The same code and details as before: of which code they are, only the types would say.
  if (name === 'AppError') return new AppError(code as ErrorCode, details as never, message);
  return Object.assign(new Error(message), { name, ...(code === undefined ? {} : { code }), ...rest });
}
