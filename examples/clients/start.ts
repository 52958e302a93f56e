/** `node examples/clients/start.ts http://host:port name password peer`: shows what comes to an account, and says each line of the input to the peer. */
import { createInterface } from 'node:readline';
import type { StartDialogQuery } from '../../test/generated/graphql.ts';
import { createLive } from './live.ts';
import { createOutbox } from './outbox.ts';
import { createPlain } from './plain.ts';
import { createSession, type Tokens } from './session.ts';

const [, , address = '', name = '', password = '', peer = ''] = process.argv;
const url = new URL('/graphql', address).href;

let tokens: Tokens | null = null;
const session = createSession({ url, store: { get: () => tokens, set: (next) => (tokens = next) }, deviceId: 'examples/clients/start.ts' });
const problem = await session.login(name, password);
if (problem) throw new Error(problem);

const live = createLive({ url: url.replace('http', 'ws'), session });
const plain = createPlain({ url, session, live });
const outbox = createOutbox({ send: plain.send, changed: (waiting) => console.log(`${waiting.length} on the way`) });
const stop = await plain.start({
  changed: (item) => {
    if (item?.__typename === 'MessageAdded') console.log(`${item.message.sender.username}: ${item.message.text}`);
  },
  over: (cause) => console.log('Sign in again.', cause ?? ''),
});

const document = /* GraphQL */ `
  query StartDialog($peer: String!) {
    dialog(with: { username: $peer }) { id }
  }
`;
const { dialog } = await plain.ask<StartDialogQuery>(document, { peer });
for await (const line of createInterface({ input: process.stdin })) if (dialog) outbox.say(dialog.id, line);
stop();
