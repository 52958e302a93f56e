/** examples/talk.ts against a real server. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startTestServer } from './kit/server.ts';

describe('examples/talk.ts', () => {
  it('shows two people who talk, one of whom is cut off and misses nothing', async () => {
    await using server = await startTestServer();
    const { status, output } = await talk(server.url);
    expect(output).toContain('was cut off after seq 3');
    expect(output).toContain('has caught up: 2 replayed');
    expect(output).toContain('Nothing was lost, and nothing came twice.');
    expect(status).toBe(0);
  });

  it('says so, and fails, when there is no server', async () => {
    const { status, output } = await talk('http://127.0.0.1:9');
    expect(output).toContain('The talk failed');
    expect(status).toBe(1);
  });
});

async function talk(url: string): Promise<{ status: number | null; output: string }> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../examples/talk.ts', import.meta.url)), url], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, errors, status] = await Promise.all([text(child.stdout), text(child.stderr), new Promise<number | null>((resolve) => child.on('close', resolve))]);
  return { status, output: out + errors };
}
