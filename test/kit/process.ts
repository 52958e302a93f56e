/** The program as a process of its own, for what only a process can do: signals, kill -9, exit codes, messages on stderr. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { startCommand } from '../../scripts/start-command.ts';
import { databaseUrl } from './engine.ts';
import { type Overrides, testSettings } from './server.ts';

export type ServerProcess = Awaited<ReturnType<typeof startProcess>>;

const root = join(import.meta.dirname, '../..');

/**
 * Runs what `npm start` runs (or another command, in a checkout) until it is ready or has ended. Give DATA_DIR. A process that still runs at the end of its scope
 * is killed, with all that it has started: they are a group, as a terminal makes one of each command.
 */
export async function startProcess(
  overrides: Overrides & Record<string, string>,
  { checkout = root, command = startCommand(checkout) }: { command?: string[]; checkout?: string } = {},
) {
  const settings = { ...testSettings, LOG_LEVEL: 'info', ...(overrides.DATA_DIR ? { DATABASE_URL: await databaseUrl(overrides.DATA_DIR) } : {}), ...overrides };
  const child = spawn(command[0] as string, command.slice(1), { cwd: checkout, env: { PATH: process.env.PATH, ...settings }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
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
  // A server must not outlive who started it, however that ends.
  const atExit = (): void => void killGroup('SIGKILL');
  process.once('exit', atExit);
  void ended.then(() => process.off('exit', atExit));
  await bounded(Promise.race([ready, ended]), 15_000);
  return {
    pid: child.pid as number,
    /** Empty when it did not come up. */
    url,
    output,
    /** Its stdout reads the server's log: pause it, or destroy it. */
    child,
    kill: (signal: NodeJS.Signals): boolean => child.kill(signal),
    /** As Ctrl-C does: also to what it has started. False when nothing of it is left. */
    killGroup,
    /** Resolves when the process is gone. */
    ended: (timeoutMs = 15_000) => bounded(ended, timeoutMs),
    async [Symbol.asyncDispose](): Promise<void> {
      killGroup('SIGKILL');
      await ended;
    },
  };

  function killGroup(signal: NodeJS.Signals | 0): boolean {
    try {
      return process.kill(-(child.pid as number), signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
  }

  async function bounded<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        killGroup('SIGKILL');
        reject(new Error(`the process took longer than ${timeoutMs} ms: ${output.out.slice(-2000)}${output.error.slice(-2000)}`));
      }, timeoutMs);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
  }
}
