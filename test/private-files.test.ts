/** What the server writes down is for its own user alone, whatever the umask is and whoever made the folder. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, globSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { change } from './kit/outcome.ts';
import { createPerson } from './kit/person.ts';
import { type ServerProcess, startProcess } from './kit/process.ts';
import { temporaryFolder } from './kit/server.ts';
import { upload } from './kit/upload.ts';

const sqlite = process.env.TEST_ENGINE !== 'postgresql';
const carelessly = (command: string): string[] => ['sh', '-c', `umask 0; exec ${command}`];

/** What somebody else on this machine could read, write or list below a folder that they can enter. */
function openToOthers(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    const isOpen = (statSync(path).mode & 0o077) !== 0;
    return [...(isOpen ? [path] : []), ...(isOpen && entry.isDirectory() ? openToOthers(path) : [])];
  });
}

function openToAll(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o777 : 0o666);
}

/** Uploads a file, changes a password, and waits for the mail about it. */
async function leaveTraces({ url }: ServerProcess, folder: string): Promise<void> {
  const before = mailsIn(folder);
  const ada = await createPerson({ url });
  await upload(ada, { bytes: randomBytes(1000) });
  await change(ada, 'updateProfile', { email: `${ada.username}@example.org`, currentPassword: ada.password });
  await change(ada, 'changePassword', { oldPassword: ada.password, newPassword: 'another long secret' });
  await expect.poll(() => mailsIn(folder)).toBeGreaterThan(before);
}
const mailsIn = (folder: string): number => globSync('outbox/*.eml', { cwd: folder }).length;

it('is so in a folder that everybody may enter, and again after everything in it was opened to all', async () => {
  await using folder = await temporaryFolder();
  const DATA_DIR = join(folder.path, 'made by the operator');
  mkdirSync(DATA_DIR);
  chmodSync(DATA_DIR, 0o755);
  {
    await using first = await startProcess({ DATA_DIR }, { command: carelessly('node src/main.ts') });
    await leaveTraces(first, DATA_DIR);
    expect(openToOthers(DATA_DIR)).toEqual([]);
    // Its journal stays.
    first.kill('SIGKILL');
    await first.ended();
  }
  openToAll(DATA_DIR);
  expect(openToOthers(DATA_DIR).length).toBeGreaterThan(5);
  await using second = await startProcess({ DATA_DIR }, { command: carelessly('node src/main.ts') });
  expect(openToOthers(DATA_DIR)).toEqual([]);
  await leaveTraces(second, DATA_DIR);
  expect(openToOthers(DATA_DIR)).toEqual([]);
});

it.runIf(sqlite)('is so for a backup, while it is made and afterwards', async () => {
  await using folder = await temporaryFolder();
  await using server = await startProcess({ DATA_DIR: join(folder.path, 'data') });
  const [command = '', ...args] = carelessly('node scripts/backup.ts "$TARGET"');
  chmodSync(folder.path, 0o755);
  execFileSync(command, args, { env: { PATH: process.env.PATH, DATA_DIR: join(folder.path, 'data'), TARGET: join(folder.path, 'backups', 'copy.db') } });
  expect(readdirSync(join(folder.path, 'backups'))).toEqual(['copy.db']);
  expect(statSync(join(folder.path, 'backups', 'copy.db')).mode & 0o777).toBe(0o600);
  expect(openToOthers(folder.path)).toEqual([]);
  expect(server.url).not.toBe('');
});
