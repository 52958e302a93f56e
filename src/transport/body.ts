/** Reading a GraphQL request off HTTP: what it takes, how large it may be, and what the client wants the answer to look like. */
import type { IncomingMessage } from 'node:http';
import type { GraphQLParams } from 'graphql-yoga';
import { yieldWhenLong } from '../turns.ts';
import { Refusal } from './answer.ts';

/** How a GraphQL answer is written. */
export type Form = 'application/graphql-response+json' | 'application/json' | 'text/event-stream';

/** The forms a client takes, in the order it names them; JSON for `*` and for no header. Answers as a stream only where nothing else is taken, or for subscriptions. */
export function acceptedForms(header: string | undefined): Form[] {
  if (header === undefined || header === '*/*') return ['application/json'];
  const forms = new Set<Form>();
  for (const part of header.toLowerCase().split(',')) {
    const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim());
    if (parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter) || (parameter.startsWith('charset=') && !/^charset="?utf-?8"?$/.test(parameter)))) continue;
    if (type === '*/*' || type === 'application/*') forms.add('application/json');
    if (type === 'application/json' || type === 'application/graphql-response+json' || type === 'text/event-stream') forms.add(type);
  }
  return [...forms].sort((a, b) => Number(a === 'text/event-stream') - Number(b === 'text/event-stream'));
}

const longestBodyMs = 60_000;
/** What takes long to be read. */
const largeBytes = 16_384;

/** The parameters of a POST. Refused when the body is too large (also one that does not say so in advance), compressed, of another type, not UTF-8, or no JSON object. */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<GraphQLParams> {
  const body = parseJson(await readText(request, maxBytes), 'The body is not JSON.');
  if (Array.isArray(body)) throw new Refusal(400, 'The body is a list: send one operation at a time.');
  if (typeof body !== 'object' || body === null) throw new Refusal(400, 'The body is not an object with `query`.');
  return body as GraphQLParams;
}

/** The parameters of a GET. */
export function readSearch(search: string): GraphQLParams {
  const given = new URLSearchParams(search);
  const parsed = (name: string): object | undefined => (given.get(name) ? (parseJson(given.get(name) as string, `The parameter \`${name}\` is not JSON.`) as object) : undefined);
  const params = Object.fromEntries(given);
  return { ...params, variables: parsed('variables'), extensions: parsed('extensions') } as GraphQLParams;
}

/** The fields of a form. Refused as a body of JSON is. */
export async function readForm(request: IncomingMessage, maxBytes: number): Promise<URLSearchParams> {
  return new URLSearchParams(await readText(request, maxBytes, 'application/x-www-form-urlencoded'));
}

async function readText(request: IncomingMessage, maxBytes: number, expected = 'application/json'): Promise<string> {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '')
    .toLowerCase()
    .split(';')
    .map((piece) => piece.trim());
  const foreign = parameters.some((parameter) => parameter.startsWith('charset=') && !/^charset="?utf-?8"?$/.test(parameter));
  if (type !== expected || foreign) throw new Refusal(415, `Send the request as ${expected} in UTF-8.`);
  if (request.headers['content-encoding'] && request.headers['content-encoding'] !== 'identity') throw new Refusal(415, 'Send the request uncompressed.');
  const tooLarge = (): Refusal => new Refusal(413, `A request may have ${maxBytes} bytes.`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    const brokeOff = (): void => reject(new Refusal(400, 'The request broke off.'));
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.removeAllListeners('data');
        reject(tooLarge());
      } else chunks.push(chunk);
    });
    request.on('end', resolve);
    request.on('error', brokeOff);
    // Every request closes: a refusal is dear to make.
    request.on('close', () => request.complete || brokeOff());
    // The listener's own limit is that of uploads.
    timer = setTimeout(() => reject(new Refusal(408, 'The request took too long.')), longestBodyMs);
  });
  await ended.finally(() => clearTimeout(timer));
  // Many large ones may have come in the same turn.
  if (size > largeBytes) await yieldWhenLong();
  try {
    return utf8.decode(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
  } catch {
    throw new Refusal(400, 'The body is not UTF-8.');
  }
}
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** JSON.parse without its message, which quotes the text. What is nested so deeply that it takes long to parse is none. */
function parseJson(text: string, problem: string): unknown {
  if (text.length > harmlessLength && depthOf(text) > deepestJson) throw new Refusal(400, 'The JSON is nested too deeply.');
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, problem);
  }
}

const harmlessLength = 16_384;
const deepestJson = 1_000;

/** How deep the brackets of a text are nested, those in its strings left out. */
function depthOf(text: string): number {
  let [depth, deepest] = [0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      for (at++; at < text.length && text.charCodeAt(at) !== quote; at++) if (text.charCodeAt(at) === backslash) at++;
    } else if (code === openBrace || code === openBracket) deepest = Math.max(deepest, ++depth);
    else if (code === closeBrace || code === closeBracket) depth--;
  }
  return deepest;
}
const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d];
