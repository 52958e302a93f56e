/** The guide in docs/clients.md and docs/clients/: its code is that of examples/clients, which test/clients/ runs, and its operations and close codes are the server's. */
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildSchema, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { startTestServer } from './kit/server.ts';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const pages = ['docs/clients.md', ...globSync('docs/clients/*.md', { cwd: fileURLToPath(new URL('..', import.meta.url)) })];
const schema = buildSchema(read('schema.graphql'));

describe('the guide for clients', () => {
  it('shows code as it stands in a file that is run', () => {
    let shown = 0;
    for (const page of pages) {
      const text = read(page);
      const excerpts = [...text.matchAll(/<!-- from (\S+) -->\n```ts\n([\s\S]*?)\n```/g)];
      expect(excerpts.length, `${page}: code without a file`).toBe(text.match(/^```(ts|js|typescript|javascript|tsx|jsx)$/gm)?.length ?? 0);
      for (const [, file = '', code = ''] of excerpts) {
        shown++;
        expect(`\n${read(file)}`, `${page}, from ${file}`).toContain(`\n${code}\n`);
      }
    }
    expect(shown).toBeGreaterThan(10);
  });

  it('shows operations that the server takes', () => {
    const documents = pages.flatMap((page) => [...read(page).matchAll(/```graphql\n([\s\S]*?)```/g)].map(([, text = '']) => text));
    expect(documents.length).toBeGreaterThan(0);
    for (const document of documents) expect(validate(schema, parse(document)), document).toEqual([]);
  });

  it('names only types, codes and settings that there are', () => {
    const known = read('schema.graphql') + read('README.md') + read('docs/settings.md');
    const ofClients = ['GraphQLWsLink', 'SignedOut'];
    for (const page of pages) {
      const names = [...read(page).matchAll(/`([A-Z][a-z]+[A-Z]\w*|[A-Z]+_[A-Z_]+)`/g)].map(([, name = '']) => name);
      expect(
        names.filter((name) => !ofClients.includes(name) && !new RegExp(`\\b${name}\\b`).test(known)),
        page,
      ).toEqual([]);
    }
  });

  it('tells of every close code of the server', () => {
    const source = read('src/transport/open-socket.ts');
    const codes = /const closeCodes = \{([^}]*)\}/.exec(source)?.[1]?.match(/\b[14]\d{3}\b/g) ?? [];
    expect(codes.length).toBeGreaterThan(3);
    const told = [...read('docs/clients.md').matchAll(/^\| ((?:\d{4}(?:, )?)+) \|/gm)].flatMap(([, list = '']) => list.split(', '));
    for (const code of codes) expect(told).toContain(code);
  });

  it('has a client for the terminal', async () => {
    await using server = await startTestServer();
    const [ada, ben] = await server.people(2);
    if (!ada || !ben) throw new Error('two people');
    const child = spawn(process.execPath, [fileURLToPath(new URL('../examples/clients/start.ts', import.meta.url)), server.url, ada.username, ada.password, ben.username]);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const ended = new Promise((resolve) => child.on('close', resolve));
    await expect.poll(() => server.followers(), { timeout: 10_000 }).toBe(1);
    await ben.send({ username: ada.username }, 'Hello?');
    await expect.poll(() => output, { timeout: 10_000 }).toContain(`${ben.username}: Hello?\n`);
    child.stdin.write('Here I am.\n');
    await expect.poll(() => output, { timeout: 10_000 }).toContain(`${ada.username}: Here I am.\n`);
    await expect.poll(() => output, { timeout: 10_000 }).toContain('0 on the way');
    child.stdin.end();
    expect(await ended, output).toBe(0);
  });
});
