/** What a workload does with a contestant, whichever it is: people, chats, a send, a page, a socket that sends and follows. */
import type { ChildProcess } from 'node:child_process';
import WebSocket from 'ws';
import { type LeanHttp, openHttp } from './lean-http.ts';

/** What a follower asks for: messages only, everything, or everything with what is each reader's own. The peers have one kind. */
export type Interest = 'messages' | 'events' | 'own';
export type Person = { id: number; token?: string };

/** A socket of one person. */
export type Line = {
  send(chat: string, text: string): Promise<void>;
  /** Resolves when the server has said so; one that says nothing has been asked. `heard` gets every frame of it. */
  follow(chat: string, interest: Interest, heard: (frame: string) => void): Promise<void>;
  close(): void;
};

export type Arena = {
  pid: number;
  url: string;
  /** From the start of the process to its first answer. */
  startMs: number;
  people(count: number): Promise<Person[]>;
  /** The first of them owns it. */
  room(members: readonly Person[]): Promise<string>;
  dialog(one: Person, other: Person): Promise<string>;
  /** A history in a chat that has none. */
  fill(chat: string, count: number): Promise<void>;
  open(person: Person): Promise<Line>;
  /** What these are over HTTP, on a connection of the caller's. */
  send(http: LeanHttp, person: Person, chat: string, text: string): Promise<void>;
  page(http: LeanHttp, person: Person, chat: string, before: number): Promise<void>;
  /** The least that anybody could ask. */
  hello: { path: string; body: object };
  [Symbol.asyncDispose](): Promise<void>;
};

export type Contestant = { name: string; start(): Promise<Arena> };

/** Waits for the line that says where a peer listens, then for its first answer. */
export async function listening(child: ChildProcess, startedAt: number, hello: Arena['hello']): Promise<{ url: string; startMs: number }> {
  let said = '';
  // Read on: who is left by many readers at once may have a lot to say.
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = `${said}${text}`.slice(-5_000)));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /ready at (http:\/\/[^/\s"]+)/.exec(said)?.[1];
      if (found) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`a peer ended with ${code}: ${said}`)));
  });
  const http = openHttp(url);
  await http.post(hello.path, hello.body);
  http.close();
  return { url, startMs: performance.now() - startedAt };
}

export function openSocket(url: string, protocol?: string): Promise<WebSocket> {
  const socket = new WebSocket(url, protocol, { perMessageDeflate: false });
  return new Promise((resolve, reject) => socket.once('open', () => resolve(socket)).once('error', reject));
}

/** Answers by the number they were asked under. */
export function createPending() {
  const waiting = new Map<number, () => void>();
  let last = 0;
  return {
    ask(send: (id: number) => void): Promise<void> {
      const id = ++last;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        send(id);
      });
    },
    answered(id: number): void {
      waiting.get(id)?.();
      waiting.delete(id);
    },
  };
}
