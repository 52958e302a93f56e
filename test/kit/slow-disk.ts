/**
 * A disk that takes its time: preloaded into a server's process (`NODE_OPTIONS=--import=…`), with its threads, it lets every COMMIT of SQLite last longer by the
 * milliseconds in the file FLUSH_MS, as a slow flush does. Whatever thread commits waits for it; where the file says `never`, it ends instead.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type Sqlite from 'better-sqlite3';

const file = process.env.FLUSH_MS ?? '';
const sleeper = new Int32Array(new SharedArrayBuffer(4));
function flush(): void {
  const text = readFileSync(file, 'utf8');
  // In a thread this ends the thread alone.
  if (text === 'never') process.exit(1);
  Atomics.wait(sleeper, 0, 0, Number(text));
}
const isCommit = (text: string): boolean => /^\s*COMMIT\b/i.test(text);

// That of the checkout that is run.
const { prototype } = createRequire(join(process.cwd(), 'package.json'))('better-sqlite3') as { prototype: Sqlite.Database };
const { exec, prepare } = prototype;
prototype.exec = function (this: Sqlite.Database, text: string) {
  const result = exec.call(this, text);
  if (isCommit(text)) flush();
  return result;
};
prototype.prepare = function (this: Sqlite.Database, text: string) {
  const statement = prepare.call(this, text);
  if (!isCommit(text)) return statement;
  const run = statement.run.bind(statement) as (...given: unknown[]) => Sqlite.RunResult;
  return Object.assign(statement, {
    run: (...given: unknown[]) => {
      const result = run(...given);
      flush();
      return result;
    },
  });
} as typeof prepare;
