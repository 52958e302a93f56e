/** Driver's side of a GraphQL chat: operations over HTTP, and graphql-transport-ws over a plain socket. */
import type { Arena, Interest, Line, Person } from './arena.ts';
import { createPending, openSocket } from './arena.ts';
import type { LeanHttp } from './lean-http.ts';

/** How a server says these things. */
export type GraphqlWords = {
  send: string;
  sendVariables(chat: string, text: string): object;
  page: string;
  follow(interest: Interest, chat: string): string;
};

export function postOf(words: GraphqlWords) {
  const ask = async (http: LeanHttp, person: Person, query: string, variables: object): Promise<void> => {
    const answer = await http.post('/graphql', { query, variables }, person.token);
    if (answer.includes('"errors"') || answer.includes('errorMessage":"')) throw new Error(answer);
  };
  return {
    send: ((http, person, chat, text) => ask(http, person, words.send, words.sendVariables(chat, text))) as Arena['send'],
    page: (http: LeanHttp, person: Person, variables: object): Promise<void> => ask(http, person, words.page, variables),
  };
}

export async function openGraphqlLine(url: string, person: Person, words: GraphqlWords): Promise<Line> {
  const socket = await openSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const pending = createPending();
  let heard = (_frame: string): void => {};
  const acknowledged = new Promise<void>((resolve) =>
    socket.on('message', (data) => {
      const frame = String(data);
      if (frame.includes('"errors"') || frame.includes('"type":"error"') || frame.includes('errorMessage":"')) throw new Error(frame);
      if (frame.includes('"id":"follow"')) heard(frame);
      else if (frame.includes('"type":"next"')) {
        pending.answered(Number(/"id":"(\d+)"/.exec(frame)?.[1]));
      } else if (frame.includes('"connection_ack"')) resolve();
      else if (frame.includes('"type":"ping"')) socket.send('{"type":"pong"}');
    }),
  );
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${person.token}` } }));
  await acknowledged;
  return {
    send: (chat, text) =>
      pending.ask((id) => socket.send(JSON.stringify({ id: String(id), type: 'subscribe', payload: { query: words.send, variables: words.sendVariables(chat, text) } }))),
    async follow(chat, interest, listener) {
      heard = listener;
      socket.send(JSON.stringify({ id: 'follow', type: 'subscribe', payload: { query: words.follow(interest, chat) } }));
    },
    close: () => socket.terminate(),
  };
}
