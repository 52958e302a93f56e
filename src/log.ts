/** Logs as JSON lines on stdout (pino). Never a token, a password or the text of a message: callers log names and numbers, and known secret names are blanked. */
import { createWriteStream } from 'node:fs';
import { isatty } from 'node:tty';
import { pino } from 'pino';
import type { Config } from './config.ts';

export type Log = ReturnType<typeof createLog>;

const secret = ['password', 'passwordHash', 'token', 'accessToken', 'refreshToken', 'authorization', 'cookie', 'text', 'variables'];
/** What may wait for whoever reads the log, in bytes. */
const mostWaiting = 1_048_576;

export function createLog(config: Pick<Config, 'LOG_LEVEL'>) {
  return pino(
    {
      level: config.LOG_LEVEL,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secret.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[hidden]' },
    },
    createOutput(),
  );
}

/** Writes lines to stdout and never waits: not for a pipe that nobody empties, not for a terminal that was halted. What cannot be kept is counted, and the count is the next line. */
function createOutput(): { write(line: string): void } {
  // Node writes to pipes without waiting, but not to terminals.
  const out = isatty(1) ? createWriteStream('', { fd: 1, autoClose: false }) : process.stdout;
  // Whoever read is gone, or the disk of the log is full: no reason to end.
  if (out.listenerCount('error') === 0) out.on('error', () => {});
  let lost = 0;
  return {
    write(line) {
      if (out.writableLength > (lost > 0 ? mostWaiting / 2 : mostWaiting)) return void lost++;
      if (lost > 0) {
        const count = lost;
        lost = 0;
        put(`${JSON.stringify({ level: pino.levels.values.warn, time: new Date().toISOString(), lost: count, msg: 'lines of the log were lost: it was not read' })}\n`, count);
      }
      put(line, 1);
    },
  };

  function put(text: string, lines: number): void {
    out.write(text, (error) => {
      if (error) lost += lines;
    });
  }
}
