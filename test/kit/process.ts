/** The program as a process of its own, for what only a process can do: signals, kill -9, exit codes, messages on stderr. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { databaseUrl } from './engine.ts';
import { type Overrides, testSettings } from './server.ts';

export type ServerProcess = Awaited<ReturnType<typeof startProcess>>;

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** Runs `node src/main.ts`, or the one of another checkout, until it is ready or has ended. Give DATA_DIR; a process that still runs at the end of its scope is killed. */
export async function startProcess(overrides: Overrides & Record<string, string>, program = main) {
  const settings = { ...testSettings, LOG_LEVEL: 'info', ...(overrides.DATA_DIR ? { DATABASE_URL: await databaseUrl(overrides.DATA_DIR) } : {}), ...overrides };
  const child = spawn(process.execPath, [program], { env: { PATH: process.env.PATH, ...settings }, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { out: '', error: '' };
  let url = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.error += text));
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  const ready = new Promise<void>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.out += text;
      const found = /ready at (http:\/\/[^/\s"]+)/.exec(output.out)?.[1];
      if (found && !url) {
        url = found;
        resolve();
      }
    });
  });
  await bounded(Promise.race([ready, ended]), 15_000);
  return {
    pid: child.pid as number,
    /** Empty when it did not come up. */
    url,
    output,
    kill: (signal: NodeJS.Signals): boolean => child.kill(signal),
    /** Resolves when the process is gone. */
    ended: (timeoutMs = 15_000) => bounded(ended, timeoutMs),
    async [Symbol.asyncDispose](): Promise<void> {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
    },
  };

  async function bounded<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`the process took longer than ${timeoutMs} ms: ${output.out.slice(-2000)}${output.error.slice(-2000)}`));
      }, timeoutMs);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }
}
