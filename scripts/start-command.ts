/** What `npm start` runs in a checkout, without npm and a shell: its script is `exec node` and what follows. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export function startCommand(checkout: string): [program: string, ...args: string[]] {
  const { scripts } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { scripts: { start: string } };
  return [process.execPath, ...scripts.start.split(' ').slice(2)];
}
