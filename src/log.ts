/** Logs as JSON lines on stdout (pino). Never a token, a password or the text of a message: callers log names and numbers, and known secret names are blanked. */
import { destination, pino } from 'pino';
import type { Config } from './config.ts';

export type Log = ReturnType<typeof createLog>;

const secret = ['password', 'passwordHash', 'token', 'accessToken', 'refreshToken', 'authorization', 'cookie', 'text', 'variables'];

export function createLog(config: Pick<Config, 'LOG_LEVEL'>) {
  return pino(
    {
      level: config.LOG_LEVEL,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secret.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[hidden]' },
    },
    destination({ fd: 1, sync: true }),
  );
}
