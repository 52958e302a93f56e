/**
 * A server that runs listed operations only: a client sends the SHA-256 of one instead of its text, and nobody can make up others. Over HTTP and sockets alike.
 * Run it as `npm start` is run, with the same settings: node examples/servers/persisted-operations.ts <file with the operations, as JSON by their hash>
 */
import { readFileSync } from 'node:fs';
import { usePersistedOperations as persistedOperations } from '@graphql-yoga/plugin-persisted-operations';
import { readConfig } from '../../src/config.ts';
import { startServer } from '../../src/server.ts';

const listed = new Map(Object.entries(JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as Record<string, string>));
const server = await startServer(readConfig(process.env), {
  plugins: [persistedOperations({ getPersistedOperation: (hash) => listed.get(hash) ?? null })],
});
console.log(`${listed.size} operations can be asked for at ${server.url}/graphql`);
process.once('SIGTERM', () => void server.stop());
