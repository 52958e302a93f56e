/** `npm run dev`: the server, which starts again when its code changes, and the page, which loads itself again when its does: open the address that is told. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createServer } from 'vite';

const root = join(import.meta.dirname, '..');
const port = process.env.PORT ?? '4000';
const server = spawn(process.execPath, ['--watch', 'src/start.js'], { cwd: root, stdio: 'inherit', env: { ...process.env, PORT: port } });

const target = `http://localhost:${port}`;
const vite = await createServer({
  configFile: join(root, 'web/vite.config.ts'),
  logLevel: 'info',
  // The page asks its own origin, as it does where it is built.
  server: { host: 'localhost', proxy: { '/graphql': { target, ws: true }, '/files': { target } } },
});
await vite.listen();
console.log(`The page, as it changes: ${vite.resolvedUrls?.local[0]}`);

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    server.kill(signal);
    void vite.close();
  });
server.on('exit', () => void vite.close());
