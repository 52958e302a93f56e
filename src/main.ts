/** The program: reads its environment, starts one server, and stops it when asked to. The only file that touches the process. */
// Here as well: somebody may begin with this file and not with start.js.
import './compile-cache.js';
import { flushCompileCache } from 'node:module';

// graphql-js checks every value twice outside of production; this must be set before it is loaded, hence the imports below.
process.env.NODE_ENV = 'production';
// What the server makes is for its own user alone.
process.umask(0o077);
const signals = ['SIGTERM', 'SIGINT'] as const;
/** Ctrl-C reaches every process of a terminal, and npm passes it on once more: what comes so soon is the same wish. */
const sameWishMs = 500;
/** How long the last lines of the log may take. */
const lastWordsMs = 1_000;
const { ConfigError, readConfig } = await import('./config.ts');
const { createLog } = await import('./log.ts');
const { DatabaseError } = await import('./storage/migrate.ts');
const { beginThread } = await import('./storage/threads.ts');

try {
  const config = readConfig(process.env);
  const log = createLog(config);
  // On SQLite: it loads beside everything else, which takes as long.
  if (config.DATABASE_URL.startsWith('file:'))
    beginThread('writer', { jobs: new URL('./jobs.ts', import.meta.url).href, functions: new URL('./search/sql-functions.ts', import.meta.url).href });
  const { startServer } = await import('./server.ts');
  const server = await startServer(config, { log });
  let stopping = false;
  const stop = (why: string): void => {
    if (stopping) return;
    stopping = true;
    log.info({ why }, 'asked to stop');
    // Then a second signal ends the process at once, which is what it does to a process without listeners.
    setTimeout(() => {
      for (const signal of signals) process.removeAllListeners(signal);
    }, sameWishMs).unref();
    server
      .stop()
      .catch((error: unknown) => {
        log.fatal({ err: error }, 'the server did not stop well');
        process.exitCode = 1;
      })
      // The process ends by itself, unless a database that hangs, or a reader of the log that does not read, holds on to it.
      .finally(() => setTimeout(() => process.exit(), lastWordsMs).unref());
  };
  for (const signal of signals) process.on(signal, () => stop(signal));
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event);
      process.exitCode = 1;
      stop(event);
    });
  }
  const ready = `Tertulia is ready at ${server.url}/ (its API at /graphql)`;
  if (log.isLevelEnabled('info')) log.info({ url: server.url, pid: process.pid }, ready);
  else process.stdout.write(`${ready}\n`);
  // Otherwise at the exit only: whoever is always killed would compile anew at every start.
  flushCompileCache();
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}

function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof DatabaseError) return error.message;
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
  if (code === 'EADDRINUSE') return `Port ${port} of ${address} is in use, perhaps by another server. Set PORT to a free one.`;
  if (code === 'EACCES') return `Port ${port} of ${address} may not be used by this user. Set PORT to one above 1023.`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `HOST ${JSON.stringify(process.env.HOST)} is not an address of this machine.`;
  return `The server could not start: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}
