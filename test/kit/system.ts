/** What Linux tells of a process and of its connections. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { platform } from 'node:os';

/** Resident bytes; 0 where the system does not tell. */
export function memoryOf(pid: number): number {
  if (platform() !== 'linux') return 0;
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Whether the server still has its end of this connection; not where the system does not tell. */
export function isOpenAtServer({ url }: { url: string }, connection: Socket): boolean {
  if (platform() !== 'linux') return false;
  const hex = (port: number): string => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const [server, client] = [hex(Number(new URL(url).port)), hex(connection.localPort as number)];
  const columns = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return columns.some(([, local, remote, state]) => local?.endsWith(server) && remote?.endsWith(client) && state === '01');
}
